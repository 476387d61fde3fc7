"""`authorize` against the slow reference, over random policies and requests, and the properties that it must have.

THREELOCKS_POLICY_CASES sets how many sets of policies are tried, each with a dozen requests; when it is set, the cases
are new ones on every run, unless THREELOCKS_POLICY_SEED names the ones to try again. A failure names its case.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from dataclasses import replace
from itertools import combinations
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.cases import (
    AWS,
    BUCKET,
    CALLERS,
    CONSUMER,
    EXEMPT,
    FAMILY,
    LISTS,
    OWNER,
    VALUES,
    WANTED,
    policies_held,
    policies_of,
    request_of,
    requests,
    statement_of,
)
from tests.property.reference import Held, decide, speaks
from threelocks.policy.authorize import Layer, Outcome, authorize, matches
from threelocks.policy.condition import OPERATORS
from threelocks.policy.document import parse_document
from threelocks.policy.truth import Truth

_CASES = os.environ.get("THREELOCKS_POLICY_CASES")
_COUNT = int(_CASES or 600)
_SEED = os.environ.get("THREELOCKS_POLICY_SEED", "fixed" if _CASES is None else secrets.token_hex(4))
_SETTINGS = settings(
    max_examples=max(1, _COUNT // 20),
    derandomize=_CASES is None or "THREELOCKS_POLICY_SEED" in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
_RNG = st.randoms(use_true_random=False)

_RANK = {
    Outcome.EXPLICITLY_DENIED: 0,
    Outcome.IMPLICITLY_DENIED: 0,
    Outcome.UNKNOWN: 1,
    Outcome.ALLOWED: 2,
}


# --- against the reference --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", range(4))
def test_authorize_decides_as_the_slow_reference_does(part: int) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(part, _COUNT, 4):
        rng = Random(f"{_SEED} {number}")  # noqa: S311 - cases, not secrets
        held, askings = policies_held(rng), requests(rng)
        policies = policies_of(held)
        for asking in askings:
            outcome = str(authorize(request_of(asking), policies).outcome)
            outcomes[outcome] += 1
            assert outcome == decide(asking, held), f"case {_SEED} {number}: {asking} under {held}"
    # The cases reach every outcome often enough to mean something.
    assert min(outcomes[outcome] for outcome in Outcome) >= sum(outcomes.values()) // 50, outcomes


_QUANTIFIED = [f"{quantifier}{name}" for quantifier in ("", "ForAllValues:", "ForAnyValue:") for name in OPERATORS]
_EVERY_OPERATOR = [
    name for each in _QUANTIFIED for name in (each, f"{each}IfExists") if "Null" not in name or name == "Null"
]


@pytest.mark.parametrize("operator", _EVERY_OPERATOR)
def test_every_operator_agrees_with_the_reference_on_every_sample(operator: str) -> None:
    """Each operator, with and without quantifier and IfExists, over all wanted and carried values of its family."""
    base = operator.rpartition(":")[2].removesuffix("IfExists")
    caller = replace(CALLERS[7], resource=f"{BUCKET}/a", owner=OWNER)
    for key in [key for key in VALUES if FAMILY.get(key, "String") in base or base == "Null"]:
        pools = [(value,) for value in VALUES[key]]
        carried = [None, *([*pools, (), tuple(VALUES[key][:2])] if ":" in operator or key in LISTS else pools)]
        wanted = ["true", "false"] if base == "Null" else WANTED[key]
        for version in ("2012-10-17", "2008-10-17"):
            for texts in [*([one] for one in wanted), [], wanted[:3], wanted[::2]]:
                if not texts:
                    continue
                statement = {
                    "Effect": "Allow",
                    "Action": "*",
                    "Resource": "*",
                    "Condition": {operator: {key: texts}},
                }
                tree = {"Version": version, "Statement": statement}
                parsed = parse_document(json.dumps(tree), "policy").statements[0]
                for values in carried:
                    context = {"aws:PrincipalTag/team": ("t",), **({} if values is None else {key: values})}
                    asking = replace(caller, context=context)
                    expected = _TRUTH[speaks(statement, version, asking, "identity")]
                    found = matches(parsed, request_of(asking), Layer.IDENTITY_POLICY)
                    assert found is expected, (operator, key, texts, values, version)


_TRUTH = {True: Truth.YES, None: Truth.MAYBE, False: Truth.NO}
_LAYERS = {
    "resource": Layer.RESOURCE_POLICY,
    "rcp": Layer.RESOURCE_CONTROL_POLICY,
    "endpoint": Layer.VPC_ENDPOINT_POLICY,
    "identity": Layer.IDENTITY_POLICY,
}


@pytest.mark.parametrize("element", ["Principal", "NotPrincipal"])
def test_every_form_of_principal_agrees_with_the_reference_on_every_caller(element: str) -> None:
    singles = [{"AWS": entry} for entry in AWS]
    pairs = [{"AWS": list(pair)} for pair in combinations(AWS, 2)]
    others = [
        *("*", {"Service": "logging.s3.amazonaws.com"}, {"Service": "x.amazonaws.com"}, {"Federated": "x"}),
        *({"CanonicalUser": "79a59df9"}, {"CanonicalUser": "79a59df9", "AWS": CONSUMER}, EXEMPT),
        {"Service": "logging.s3.amazonaws.com", "AWS": "*"},
    ]
    for principal in [*singles, *pairs, *others]:
        for effect in ("Allow", "Deny"):
            statement = {"Effect": effect, "Action": "*", "Resource": "*", element: principal}
            parsed = parse_document(json.dumps({"Statement": statement}), "policy").statements[0]
            for caller in CALLERS:
                asking = replace(caller, resource=BUCKET, owner=OWNER)
                for name, layer in _LAYERS.items():
                    expected = _TRUTH[speaks(statement, "2008-10-17", asking, name)]
                    assert matches(parsed, request_of(asking), layer) is expected, (principal, effect, caller, name)


# --- the properties ---------------------------------------------------------------------------------------------------


def _with_statements(held: Held, change: Any) -> Held:
    """The policies with the statements of each document changed."""

    def document(tree: dict[str, Any] | None) -> dict[str, Any] | None:
        if tree is None:
            return None
        statements = tree["Statement"] if isinstance(tree["Statement"], list) else [tree["Statement"]]
        return {**tree, "Statement": change(statements)}

    def documents(trees: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        return None if trees is None else [changed for tree in trees if (changed := document(tree)) is not None]

    return replace(
        held,
        identity=documents(held.identity),
        boundary=document(held.boundary),
        session=documents(held.session),
        scps=[documents(level) or [] for level in held.scps],
        rcps=[documents(level) or [] for level in held.rcps],
        endpoint=document(held.endpoint),
        resource=documents(held.resource),
        grants=document(held.grants),
    )


def _as_lists(statement: dict[str, Any]) -> dict[str, Any]:
    """Each single value as a list of one."""

    def listed(value: Any) -> Any:
        return value if isinstance(value, list) else [value]

    changed = dict(statement)
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        if element in changed:
            changed[element] = listed(changed[element])
    for element in ("Principal", "NotPrincipal"):
        if element in changed and isinstance(changed[element], dict):
            changed[element] = {kind: listed(value) for kind, value in changed[element].items()}
    if "Condition" in changed:
        changed["Condition"] = {
            operator: {key: listed(value) for key, value in keys.items()}
            for operator, keys in changed["Condition"].items()
        }
    return changed


def _split(statement: dict[str, Any]) -> list[dict[str, Any]]:
    """One statement for each action and resource; the same to AWS unless the element is negated."""
    parts = [statement]
    for element in ("Action", "Resource"):
        parts = [
            {**part, element: value}
            for part in parts
            for value in (part[element] if isinstance(part.get(element), list) else [part.get(element)])
        ]
    return [{name: value for name, value in part.items() if value is not None} for part in parts]


def _renamed(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**statement, "Sid": f"Another{index}"} for index, statement in enumerate(statements)]


_REWRITES = {
    "the order of statements": lambda statements: statements[::-1],
    "a list of one for a single value": lambda statements: [_as_lists(statement) for statement in statements],
    "new names for statements": _renamed,
    "one statement for each action and resource": lambda statements: [
        part for statement in statements for part in _split(statement)
    ],
    "every statement twice": lambda statements: [*statements, *statements],
}


@pytest.mark.parametrize("rewrite", _REWRITES)
@_SETTINGS
@given(rng=_RNG)
def test_a_rewriting_without_meaning_changes_no_outcome(rewrite: str, rng: Random) -> None:
    held, askings = policies_held(rng), requests(rng)
    before, after = policies_of(held), policies_of(_with_statements(held, _REWRITES[rewrite]))
    for asking in askings:
        request = request_of(asking)
        one, other = authorize(request, before), authorize(request, after)
        assert (one.outcome, one.layer, one.lacking) == (other.outcome, other.layer, other.lacking), asking


@_SETTINGS
@given(_RNG)
def test_one_more_deny_never_allows_more(rng: Random) -> None:
    held, askings, deny = policies_held(rng), requests(rng), statement_of(rng, principal=True, effect="Deny")
    before, after = policies_of(held), policies_of(_with_statements(held, lambda statements: [*statements, deny]))
    for asking in askings:
        request = request_of(asking)
        assert _RANK[authorize(request, after).outcome] <= _RANK[authorize(request, before).outcome], asking


@_SETTINGS
@given(_RNG)
def test_one_allow_less_never_allows_more(rng: Random) -> None:
    held, askings, drop = policies_held(rng), requests(rng), rng.randint(0, 2)

    def without(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [s for index, s in enumerate(statements) if index != drop or s["Effect"] == "Deny"]

    before, after = policies_of(held), policies_of(_with_statements(held, without))
    for asking in askings:
        request = request_of(asking)
        assert _RANK[authorize(request, after).outcome] <= _RANK[authorize(request, before).outcome], asking


@_SETTINGS
@given(_RNG)
def test_a_decision_says_what_it_rests_on(rng: Random) -> None:
    held, askings = policies_held(rng), requests(rng)
    policies = policies_of(held)
    for asking in askings:
        decision = authorize(request_of(asking), policies)
        assert (decision.layer is None) == (decision.outcome is Outcome.ALLOWED)
        if decision.outcome is Outcome.IMPLICITLY_DENIED:
            assert decision.statements == ()
        effect = "Deny" if decision.outcome is Outcome.EXPLICITLY_DENIED else "Allow"
        if decision.outcome is not Outcome.UNKNOWN:
            assert {str(statement.effect) for statement in decision.statements} <= {effect}
        carried = {key.lower() for key in asking.context}
        assert carried.isdisjoint(decision.lacking)
