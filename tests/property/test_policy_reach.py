"""The random cases reach all that they are to try: a generator that forgets an operator proves nothing about it."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.property.cases import AWS, policies_held, policies_of, request_of, requests
from tests.property.reach import NO, UNSETTLED, YES, Reached, form_of, reached
from threelocks.policy.authorize import Layer, Outcome, authorize
from threelocks.policy.condition import OPERATORS

SETS, EACH = 1500, 2


@pytest.fixture(scope="module")
def counts() -> Reached:
    total: Reached = Counter()
    for number in range(SETS):
        rng = Random(f"fixed {number}")  # noqa: S311 - cases, not secrets
        held, askings = policies_held(rng), requests(rng)
        policies = policies_of(held)
        for asking in askings[:EACH]:
            decision = authorize(request_of(asking), policies)
            total.update(reached(asking, held, str(decision.outcome), str(decision.layer or "")))
    return total


def missing(counts: Reached, table: str, rows: object, columns: object) -> list[tuple[str, str]]:
    wanted = [(str(row), str(column)) for row in rows for column in columns]  # type: ignore[attr-defined]
    return [(row, column) for row, column in wanted if not counts[table, row, column]]


def test_every_operator_holds_and_fails(counts: Reached) -> None:
    assert missing(counts, "operators", OPERATORS, (YES, NO)) == []


def test_what_is_unsettled_in_an_operator_is_met(counts: Reached) -> None:
    unsettled = [
        *("StringNotEquals", "StringNotLike", "StringNotEqualsIgnoreCase", "ArnEquals", "ArnLike", "ArnNotEquals"),
        *("ArnNotLike", "NotIpAddress", "StringLike", "StringEquals"),
    ]
    assert missing(counts, "operators", unsettled, (UNSETTLED,)) == []


def test_every_quantifier_meets_keys_that_are_there_absent_and_empty(counts: Reached) -> None:
    quantified = [f"{name}{end}" for name in ("ForAllValues", "ForAnyValue") for end in ("", " ... IfExists")]
    assert missing(counts, "modifiers", quantified, ("key present", "key absent", "empty list")) == []
    assert missing(counts, "modifiers", ("none", "IfExists"), ("key present", "key absent")) == []


def test_every_element_and_its_negation_matches_and_does_not(counts: Reached) -> None:
    elements = [f"{negation}{element}" for negation in ("", "Not") for element in ("Action", "Resource", "Principal")]
    assert missing(counts, "elements", elements, (YES, NO)) == []
    assert missing(counts, "elements", ("no Action", "no Resource", "no Principal"), (NO,)) == []
    assert missing(counts, "statements", ("Allow", "Deny"), (YES, NO, UNSETTLED)) == []


def test_every_variable_is_substituted_defaulted_and_left_without_a_value(counts: Reached) -> None:
    fates = ("substituted", "without a value", "a list, so no value", "literal text in an old version", "an escape")
    assert missing(counts, "variables", fates, ("Resource", "NotResource", "Condition")) == []
    assert missing(counts, "variables", ("default taken",), ("Resource", "Condition")) == []
    assert missing(counts, "variables", ("malformed, so literal text",), ("Condition",)) == []


def test_every_form_of_principal_is_met_and_missed(counts: Reached) -> None:
    listed = [f"{element}, names another" for element in ("Principal", "NotPrincipal")]
    forms = {*(form_of("AWS", entry) for entry in AWS), "Service", "Federated", "CanonicalUser"} - {"anyone"}
    assert missing(counts, "principals", forms, listed) == []
    naming = forms - {"another partition", "wildcard within an ARN", "role ARN with a path"}
    met = [f"{element}, names the caller" for element in ("Principal", "NotPrincipal")]
    assert missing(counts, "principals", {*naming, "anyone"}, met) == []
    assert missing(counts, "principals", ("role ARN with a path",), met[:1]) == []


def test_every_kind_of_caller_asks_from_either_side(counts: Reached) -> None:
    people = ("role", "user", "federated", "root")
    assert missing(counts, "callers", people, ("the owner's account", "another account")) == []
    assert missing(counts, "callers", ("service", "anonymous"), ("no account",)) == []


def test_every_layer_is_asked_and_decides(counts: Reached) -> None:
    assert missing(counts, "layers", Layer, ("asked", f"decided: {Outcome.EXPLICITLY_DENIED}")) == []
    silent = {Layer.PUBLIC_ACCESS_BLOCK, Layer.GRANT}  # one only denies, the other is blamed as the resource's policy
    assert missing(counts, "layers", set(Layer) - silent, (f"decided: {Outcome.IMPLICITLY_DENIED}",)) == []
    unsure = {Layer.PUBLIC_ACCESS_BLOCK}
    assert missing(counts, "layers", set(Layer) - unsure, (f"decided: {Outcome.UNKNOWN}",)) == []


def test_every_outcome_is_met_on_either_side(counts: Reached) -> None:
    sides = ("the owner's account", "another account", "no account")
    assert missing(counts, "outcomes", Outcome, sides) == []
