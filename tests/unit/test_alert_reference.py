"""docs/alerts.md has an entry for each finding code, and each entry answers the four questions."""

import re
from pathlib import Path

import pytest

from threelocks.alert.words import MailKind
from threelocks.catalogue import CATALOGUE
from threelocks.finding import Headline, Lock

REFERENCE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^### `([^`]+)`\n(.*?)(?=^##|\Z)", REFERENCE, re.MULTILINE | re.DOTALL))


def test_the_reference_has_exactly_the_codes_of_the_catalogue() -> None:
    assert set(ENTRIES) == set(CATALOGUE)


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_each_entry_says_what_it_means_what_readers_see_who_acts_and_what_to_do(code: str) -> None:
    assert re.findall(r"^- \*\*(.+?)\*\*: \S", ENTRIES[code], re.MULTILINE) == ["Means", "Readers see", "Acts", "Do"]


@pytest.mark.parametrize("word", [*Headline, *MailKind, *Lock])
def test_the_reference_names_every_value_that_subscribers_filter_on(word: str) -> None:
    assert f"`{word}`" in REFERENCE
