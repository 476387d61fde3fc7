"""`authorize` against the slow reference, over random policies and requests, and the properties that it must have.

THREELOCKS_POLICY_CASES sets how many sets of policies are tried, each with a dozen requests; when it is set, the cases
are new ones on every run. A failure names its case.
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

from tests.property.reference import Asking, Held, decide, speaks
from threelocks.policy.authorize import Layer, Outcome, Policies, authorize, matches
from threelocks.policy.condition import OPERATORS
from threelocks.policy.document import Document, parse_document
from threelocks.policy.request import Caller, CallerKind, Request
from threelocks.policy.truth import Truth

_CASES = os.environ.get("THREELOCKS_POLICY_CASES")
_COUNT = int(_CASES or 600)
_SEED = "fixed" if _CASES is None else secrets.token_hex(4)
_SETTINGS = settings(
    max_examples=max(1, _COUNT // 20),
    derandomize=_CASES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
_RNG = st.randoms(use_true_random=False)

OWNER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
BUCKET = "arn:aws:s3:::b"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/0"
ROLE_ID = "AROAXXXXXXXXXXXXXXXX1"

# --- requests ---------------------------------------------------------------------------------------------------------

_KINDS = {
    "role": CallerKind.ROLE_SESSION,
    "user": CallerKind.USER,
    "root": CallerKind.ROOT,
    "service": CallerKind.SERVICE,
    "anonymous": CallerKind.ANONYMOUS,
}
_CALLERS = [
    *(
        Asking("role", account, "R", path, "s", ROLE_ID, bounded)
        for account in (OWNER, CONSUMER)
        for path, bounded in (("/", False), ("/p/", None), ("/", True))
    ),
    Asking("role", CONSUMER, "Q", "/", "s", "AROAXXXXXXXXXXXXXXXX2"),
    Asking("user", OWNER, "u", "/", "", "AIDAXXXXXXXXXXXXXXXX1"),
    Asking("user", CONSUMER, "u", "/x/", "", "AIDAXXXXXXXXXXXXXXXX1", None),
    Asking("root", OWNER),
    Asking("root", CONSUMER),
    Asking("service", "", "logging.s3.amazonaws.com"),
    Asking("anonymous"),
]
_TARGETS = [
    ("s3:GetObject", f"{BUCKET}/a"),
    ("s3:GetObject", f"{BUCKET}/u/*"),
    ("s3:GetObject", f"{BUCKET}/a\n\U0001f600"),
    ("s3:ListBucket", BUCKET),
    ("kms:Decrypt", KEY),
    ("kms:RetireGrant", KEY),
]
# Condition keys with values that a request may carry for them, good and bad.
_VALUES = {
    "s3:prefix": ["a", "A", "a/b", "", "a*", "u", "é", "É", "Straße", "ΑΣ", "\U0001f600"],
    "aws:PrincipalTag/team": ["a", "u", "*", "${*}", "A"],
    "s3:max-keys": ["1", "01", "+1", "1e0", "10", "0.5", "x", "", "1_0"],
    "aws:CurrentTime": [
        *("2026-11-23T10:00:00Z", "2026-11-23T11:00:00+01:00", "1795428000", "2026-11-23", "2026-11", "junk"),
        "2026-13-01",
    ],
    "aws:SecureTransport": ["true", "false", "TRUE", "yes"],
    "aws:SourceIp": ["203.0.113.7", "::ffff:203.0.113.7", "2001:db8::1", "10.0.0.1", "nowhere", "10.0.0.256"],
    "aws:SourceArn": [f"{BUCKET}/a", f"arn:aws:sns:eu-west-1:{OWNER}:t:x", "junk", "arn:aws:s3"],
    "s3:blob": ["eA==", "eQ==", "x", "eA"],
    "aws:TagKeys": ["a", "b", "A"],
    "kms:EncryptionContextKeys": ["aws:s3:arn", "a"],
}
_WANTED = {
    "s3:prefix": [
        *("a", "A*", "a*", "*", "?", "??", "", "${aws:username}", "${aws:PrincipalTag/team, 'a'}", "${*}", "é", "ΑΣ"),
        *("${aws:TagKeys}", "straße", "${s3:prefix}", "${", "${}"),
    ],
    "aws:PrincipalTag/team": ["a", "${aws:username}", "u*", "${*}"],
    "s3:max-keys": ["1", "1.0", "5", "100", "junk", "1e1"],
    "aws:CurrentTime": ["2026-11-23T10:00:00Z", "1795428000", "2026-11-24", "2026-11", "junk"],
    "aws:SecureTransport": ["true", "False", "junk"],
    "aws:SourceIp": ["203.0.113.0/24", "203.0.113.7", "::ffff:203.0.113.0/120", "2001:db8::/32", "2001:db8::1/32", "x"],
    "aws:SourceArn": [
        *(f"{BUCKET}/*", "arn:aws:s3:::?/a", "arn:aws:*:*:*:*", "*", f"arn:aws:sns:*:{OWNER}:t:*", "arn:aws:*", "junk"),
        "arn:aws:s3:::${aws:PrincipalTag/team}/a",
    ],
    "s3:blob": ["eA==", "eQ==", "junk!"],
    "aws:TagKeys": ["a", "b", "*"],
    "kms:EncryptionContextKeys": ["aws:s3:arn"],
    "aws:PrincipalArn": [f"arn:aws:iam::{CONSUMER}:role/R", f"arn:aws:iam::{CONSUMER}:role/*", "*"],
    "aws:userid": [f"{ROLE_ID}:*", "*:s", "AIDAXXXXXXXXXXXXXXXX1"],
    "aws:PrincipalType": ["AssumedRole", "Anonymous"],
    "aws:PrincipalIsAWSService": ["true", "false"],
}
_FAMILY = {
    "s3:max-keys": "Numeric",
    "aws:CurrentTime": "Date",
    "aws:SecureTransport": "Bool",
    "aws:PrincipalIsAWSService": "Bool",
    "aws:SourceIp": "Ip",
    "aws:SourceArn": "Arn",
    "aws:PrincipalArn": "Arn",
    "s3:blob": "Binary",
}
_LISTS = ("aws:TagKeys", "kms:EncryptionContextKeys")


_ACTIONS = ["*", "s3:*", "S3:getobject", "s3:Get*", "s3:GetObjec?", "s3:ListBucket", "kms:*", "kms:decrypt", "ec2:*"]
_RESOURCES = [
    *("*", BUCKET, f"{BUCKET}/*", f"{BUCKET}/a*", f"{BUCKET}/?", f"{BUCKET}/A", KEY, "arn:aws:kms:*", f"{BUCKET}/a??"),
    *(f"{BUCKET}/${{aws:username}}/*", f"{BUCKET}/${{aws:PrincipalTag/team, 'a'}}", f"{BUCKET}/u/${{*}}"),
    *("arn:aws:s3:::${s3:prefix}", f"{BUCKET}/${{aws:TagKeys}}", f"{BUCKET}/a\n??", f"{BUCKET}/${{aws:userid}}"),
]
_AWS = [
    *("*", OWNER, f"arn:aws:iam::{CONSUMER}:root", f"arn:aws:iam::{CONSUMER}:role/R", f"arn:aws:iam::{OWNER}:role/p/R"),
    *(f"arn:aws:iam::{OWNER}:role/R", f"arn:aws:sts::{CONSUMER}:assumed-role/R/s", f"arn:aws:iam::{OWNER}:user/u"),
    *(f"arn:aws:sts::{OWNER}:assumed-role/R/s", f"arn:aws:sts::{CONSUMER}:assumed-role/R/other", CONSUMER, STRANGER),
    *(f"arn:aws:iam::{CONSUMER}:role/*", f"arn:aws-cn:iam::{CONSUMER}:role/R", ROLE_ID, "AROAYYYYYYYYYYYYYYYYY"),
    *(f"arn:aws:iam::{OWNER}:root", "junk", "arn:aws:iam::*:root", f"arn:aws:iam::{CONSUMER}:user/x/u"),
    *(f"arn:aws:iam::{CONSUMER}:role/r", f"arn:aws:iam::{CONSUMER}:group/R", f"arn:aws:sts::{CONSUMER}:assumed-role/R"),
]

# --- random cases -----------------------------------------------------------------------------------------------------


def requests(rng: Random) -> list[Asking]:
    """A dozen requests with one context, from all kinds of callers, on several things."""
    context = {}
    for key in rng.sample(sorted(_VALUES), rng.randint(0, 8)):
        count = rng.randint(0, 3) if key in _LISTS else 1
        context[key] = tuple(rng.choices(_VALUES[key], k=count))
    callers, targets = rng.choices(_CALLERS, k=12), rng.choices(_TARGETS, k=12)
    return [
        replace(caller, action=action, resource=resource, owner=OWNER, context=context)
        for caller, (action, resource) in zip(callers, targets, strict=True)
    ]


def _one_or_more(rng: Random, values: list[str]) -> Any:
    return rng.choice(values) if rng.random() < 0.5 else rng.choices(values, k=rng.randint(1, 3))


def _principal(rng: Random) -> Any:
    roll = rng.random()
    if roll < 0.3:
        return "*"
    if roll < 0.7:
        return {"AWS": _one_or_more(rng, _AWS)}
    entries = {
        "AWS": _one_or_more(rng, _AWS),
        "Service": _one_or_more(rng, ["logging.s3.amazonaws.com", "x.amazonaws.com"]),
        "Federated": "cognito-identity.amazonaws.com",
        "CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
    }
    return {kind: entries[kind] for kind in rng.sample(sorted(entries), rng.randint(1, 3))}


# The chain of forms that exempts from NotPrincipal is too unlikely to meet by chance.
_EXEMPT = {
    "AWS": [
        f"arn:aws:iam::{CONSUMER}:root",
        f"arn:aws:iam::{CONSUMER}:role/R",
        f"arn:aws:sts::{CONSUMER}:assumed-role/R/s",
    ]
}


def operators(key: str) -> list[str]:
    """Every operator that fits a key, with IfExists, and with quantifiers where it is a list."""
    family = _FAMILY.get(key, "String")
    names = [name for name in OPERATORS if family in name]
    if key in _LISTS:
        names = [f"{quantifier}:{name}" for quantifier in ("ForAllValues", "ForAnyValue") for name in names]
    return [*names, *(f"{name}IfExists" for name in names)]


def _conditions(rng: Random) -> dict[str, dict[str, Any]]:
    conditions: dict[str, dict[str, Any]] = {}
    for key in rng.sample(sorted(_WANTED), rng.choice([0, 1, 1, 2])):
        roll = rng.random()
        if roll < 0.1:
            conditions.setdefault("Null", {})[key] = _one_or_more(rng, ["true", "false"])
            continue
        # Now and then an operator of another family, or one with a quantifier on a key of one value.
        operator = rng.choice(operators(rng.choice(sorted(_WANTED)) if roll < 0.25 else key))
        spelled = key.swapcase() if rng.random() < 0.1 else key
        if not any(spelled.lower() == other.lower() for other in conditions.get(operator, {})):
            conditions.setdefault(operator, {})[spelled] = _one_or_more(rng, _WANTED[key])
    return conditions


def _statement(rng: Random, *, principal: bool, effect: str | None = None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": effect or rng.choice(["Allow", "Allow", "Allow", "Deny"])}
    if principal and rng.random() < 0.95:
        negated = rng.random() < 0.2
        exempting = negated and rng.random() < 0.5
        statement["NotPrincipal" if negated else "Principal"] = _EXEMPT if exempting else _principal(rng)
    for element, values in (("Action", _ACTIONS), ("Resource", _RESOURCES)):
        form = rng.choice([element] * 12 + [f"Not{element}"] * 2 + [""])
        if form:
            statement[form] = "*" if form == element and rng.random() < 0.4 else _one_or_more(rng, values)
    if rng.random() < 0.6:
        statement["Condition"] = _conditions(rng)
    return statement


def _document(rng: Random, *, principal: bool) -> dict[str, Any]:
    version = rng.choice(["2012-10-17"] * 4 + ["2008-10-17", ""])
    statements = [_statement(rng, principal=principal) for _ in range(rng.randint(1, 3))]
    statement: Any = statements[0] if len(statements) == 1 and rng.random() < 0.5 else statements
    return {**({"Version": version} if version else {}), "Statement": statement}


_ALLOW_ALL = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"},
}


def policies_held(rng: Random) -> Held:
    """Policies of every layer; most layers are absent or allow all, so that the others decide."""

    def layer(chance: float, *, principal: bool = False) -> dict[str, Any] | None:
        if rng.random() > chance:
            return None
        return _ALLOW_ALL if rng.random() < 0.5 else _document(rng, principal=principal)

    def listed(one: dict[str, Any] | None, *, principal: bool = False) -> list[dict[str, Any]] | None:
        if one is None:
            return [] if rng.random() < 0.1 else None
        return [one, _document(rng, principal=principal)] if rng.random() < 0.3 else [one]

    return Held(
        identity=listed(layer(0.7)),
        boundary=layer(0.3),
        session=listed(layer(0.3)),
        scps=[[level] for level in (layer(0.2), layer(0.2)) if level],
        rcps=[[level] for level in (layer(0.2, principal=True), layer(0.2, principal=True)) if level],
        endpoint=layer(0.2, principal=True),
        resource=listed(layer(0.9, principal=True), principal=True),
        grants=layer(0.15, principal=True),
        restrict_public=rng.random() < 0.05,
    )


# --- from JSON to the package -----------------------------------------------------------------------------------------


def _parsed(tree: dict[str, Any] | None) -> Document | None:
    return None if tree is None else parse_document(json.dumps(tree), "policy")


def _all(trees: list[dict[str, Any]] | None) -> tuple[Document, ...] | None:
    return None if trees is None else tuple(parse_document(json.dumps(tree), "policy") for tree in trees)


def _policies(held: Held) -> Policies:
    return Policies(
        identity=_all(held.identity),
        boundary=_parsed(held.boundary),
        session=_all(held.session),
        scps=tuple(_all(level) or () for level in held.scps),
        rcps=tuple(_all(level) or () for level in held.rcps),
        endpoint=_parsed(held.endpoint),
        resource=_all(held.resource),
        grants=_parsed(held.grants),
        restrict_public=held.restrict_public,
    )


def _request(asking: Asking) -> Request:
    caller = Caller(
        _KINDS[asking.kind],
        account=asking.account,
        name=asking.name,
        path=asking.path,
        session=asking.session,
        unique_id=asking.unique_id,
        has_boundary=asking.bounded,
    )
    context = {key.lower(): values for key, values in asking.context.items()}
    return Request(caller, asking.action, asking.resource, asking.owner, context)


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
        policies = _policies(held)
        for asking in askings:
            outcome = str(authorize(_request(asking), policies).outcome)
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
    caller = replace(_CALLERS[7], resource=f"{BUCKET}/a", owner=OWNER)
    for key in [key for key in _VALUES if _FAMILY.get(key, "String") in base or base == "Null"]:
        pools = [(value,) for value in _VALUES[key]]
        carried = [None, *([*pools, (), tuple(_VALUES[key][:2])] if ":" in operator or key in _LISTS else pools)]
        wanted = ["true", "false"] if base == "Null" else _WANTED[key]
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
                    found = matches(parsed, _request(asking), Layer.IDENTITY_POLICY)
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
    singles = [{"AWS": entry} for entry in _AWS]
    pairs = [{"AWS": list(pair)} for pair in combinations(_AWS, 2)]
    others = [
        *("*", {"Service": "logging.s3.amazonaws.com"}, {"Service": "x.amazonaws.com"}, {"Federated": "x"}),
        *({"CanonicalUser": "79a59df9"}, {"CanonicalUser": "79a59df9", "AWS": CONSUMER}, _EXEMPT),
        {"Service": "logging.s3.amazonaws.com", "AWS": "*"},
    ]
    for principal in [*singles, *pairs, *others]:
        for effect in ("Allow", "Deny"):
            statement = {"Effect": effect, "Action": "*", "Resource": "*", element: principal}
            parsed = parse_document(json.dumps({"Statement": statement}), "policy").statements[0]
            for caller in _CALLERS:
                asking = replace(caller, resource=BUCKET, owner=OWNER)
                for name, layer in _LAYERS.items():
                    expected = _TRUTH[speaks(statement, "2008-10-17", asking, name)]
                    assert matches(parsed, _request(asking), layer) is expected, (principal, effect, caller, name)


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
    before, after = _policies(held), _policies(_with_statements(held, _REWRITES[rewrite]))
    for asking in askings:
        request = _request(asking)
        one, other = authorize(request, before), authorize(request, after)
        assert (one.outcome, one.layer, one.lacking) == (other.outcome, other.layer, other.lacking), asking


@_SETTINGS
@given(_RNG)
def test_one_more_deny_never_allows_more(rng: Random) -> None:
    held, askings, deny = policies_held(rng), requests(rng), _statement(rng, principal=True, effect="Deny")
    before, after = _policies(held), _policies(_with_statements(held, lambda statements: [*statements, deny]))
    for asking in askings:
        request = _request(asking)
        assert _RANK[authorize(request, after).outcome] <= _RANK[authorize(request, before).outcome], asking


@_SETTINGS
@given(_RNG)
def test_one_allow_less_never_allows_more(rng: Random) -> None:
    held, askings, drop = policies_held(rng), requests(rng), rng.randint(0, 2)

    def without(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [s for index, s in enumerate(statements) if index != drop or s["Effect"] == "Deny"]

    before, after = _policies(held), _policies(_with_statements(held, without))
    for asking in askings:
        request = _request(asking)
        assert _RANK[authorize(request, after).outcome] <= _RANK[authorize(request, before).outcome], asking


@_SETTINGS
@given(_RNG)
def test_a_decision_says_what_it_rests_on(rng: Random) -> None:
    held, askings = policies_held(rng), requests(rng)
    policies = _policies(held)
    for asking in askings:
        decision = authorize(_request(asking), policies)
        assert (decision.layer is None) == (decision.outcome is Outcome.ALLOWED)
        if decision.outcome is Outcome.IMPLICITLY_DENIED:
            assert decision.statements == ()
        effect = "Deny" if decision.outcome is Outcome.EXPLICITLY_DENIED else "Allow"
        if decision.outcome is not Outcome.UNKNOWN:
            assert {str(statement.effect) for statement in decision.statements} <= {effect}
        carried = {key.lower() for key in asking.context}
        assert carried.isdisjoint(decision.lacking)
