"""Every finding code has its events, its rules, its tests and its entry among the alerts; every event has its code."""

from __future__ import annotations

import ast
import re

import pytest

from simulation.coverage import NOT_BY_CALLS, PAGE, ROOT, delivered, made_by, marked, page
from threelocks.catalogue import CATALOGUE, TOLD_BY
from threelocks.events import EVENTS


def test_the_page_is_what_make_catalogue_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make catalogue`"


def test_every_code_says_which_events_tell_of_it() -> None:
    assert set(TOLD_BY) == set(CATALOGUE)


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_has_a_test_that_makes_it(code: str) -> None:
    assert made_by(code), f'mark the test that makes it with @pytest.mark.finding("{code}")'


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_is_made_by_calls_in_simulated_accounts_or_says_why_it_cannot_be(code: str) -> None:
    assert any(test.by_calls for test in made_by(code)) != (code in NOT_BY_CALLS)


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_has_an_entry_among_the_alerts(code: str) -> None:
    assert f"### `{code}`\n" in (ROOT / "docs/alerts.md").read_text(encoding="utf-8")


def test_every_mark_is_of_a_code_and_its_file_names_that_code() -> None:
    for test in marked():
        tree = ast.parse((ROOT / test.file).read_text(encoding="utf-8"))
        texts = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        marks = [code for each in marked() if each.file == test.file for code in each.codes]
        for code in test.codes:
            assert code in CATALOGUE, (test.name, code)
            assert texts.count(code) > marks.count(code), f"{test.file} is marked with `{code}` and expects it nowhere"


def test_every_event_that_tells_of_a_finding_is_known_to_the_code_and_brought_by_a_rule() -> None:
    told = frozenset().union(*TOLD_BY.values())
    assert told <= set(EVENTS)
    assert told <= set(delivered("template.yaml"))


def test_every_event_tells_of_a_finding() -> None:
    told = frozenset().union(*TOLD_BY.values())
    assert set(EVENTS) - told == set()


def test_every_event_that_the_code_knows_is_brought_by_a_rule_and_every_other_is_not() -> None:
    by_rules = {(re.sub(r"^s3-?control", "s3", source), name) for source, name in delivered("template.yaml")}
    assert by_rules == set(EVENTS)


def test_relays_bring_nothing_that_the_home_stack_does_not_take() -> None:
    assert delivered("relay.yaml").items() <= delivered("template.yaml").items()


def test_what_is_missing_shows() -> None:
    invented = {"bucket.invented": frozenset({("s3.amazonaws.com", "PutInvention")})}
    assert "| [`bucket.invented`](alerts.md#bucketinvented) | PutInvention | **none** |  |  |" in page(
        invented, invented
    )
