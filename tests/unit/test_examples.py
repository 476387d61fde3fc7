"""What the documents show as an example is what the code makes. THREELOCKS_GOLDEN=write renews them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from simulation.examples import CONSUMER, CONTRACT, OWNER
from tests.unit.test_alert import announced, stories
from threelocks.alert import card, event
from threelocks.alert.words import MailKind

DOCS = Path(__file__).parents[2] / "docs"
_EXAMPLE = re.compile(r"(<!-- example: ([a-z -]+);[^>]*-->\n```[a-z]*\n)(.*?)(^```$)", re.MULTILINE | re.DOTALL)


def made(name: str) -> str:
    """The text of an example: `card of STORY`, `event of STORY`, or the mail of a story."""
    way, _, story = name.rpartition(" of ")
    if not way:
        mail = stories()[story]
        return f"Subject: {mail.subject}\n\n{mail.body}"
    slot, account = announced()[story]
    text = card(CONTRACT, slot, account=account, recheck="threelocks-recheck")
    if way == "event":
        text = event(CONTRACT, slot, account=account)
    assert account in (OWNER, CONSUMER)
    return json.dumps(json.loads(text), indent=2) + "\n"


def shown() -> list[tuple[Path, str]]:
    return [
        (path, match[2]) for path in sorted(DOCS.glob("*.md")) for match in _EXAMPLE.finditer(path.read_text("utf-8"))
    ]


@pytest.mark.parametrize(("path", "name"), shown(), ids=[name for _, name in shown()])
def test_an_example_is_what_the_code_makes(path: Path, name: str) -> None:
    text = path.read_text(encoding="utf-8")
    (block,) = [match for match in _EXAMPLE.finditer(text) if match[2] == name]
    if os.environ.get("THREELOCKS_GOLDEN") == "write":
        path.write_text(text[: block.start(3)] + made(name) + text[block.end(3) :], encoding="utf-8")
    else:
        assert block[3] == made(name)


def test_there_are_examples() -> None:
    names = {name for _, name in shown()}
    assert {"card of break-by-the-holder", "event of break-by-the-other", "break-by-the-holder"} <= names


def test_every_golden_mail_is_one_that_is_told_and_each_kind_has_one() -> None:
    files = {path.stem for path in (Path(__file__).parent / "golden").glob("*.txt")}
    assert files == set(stories())
    kinds = {mail.attributes["kind"] for mail in stories().values()}
    assert kinds >= set(MailKind) - {MailKind.DIAGNOSIS, MailKind.RISK}
