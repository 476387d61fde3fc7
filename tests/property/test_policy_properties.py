"""`authorize` against the slow reference, over random policies and requests, and the properties that it must have.

THREELOCKS_POLICY_CASES sets how many sets of policies are tried (each with a dozen requests); when it is set, the cases are
new ones on every run.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.property.reference import Asking, Held, decide
from threelocks.policy.authorize import Decision, Outcome, Policies, authorize
from threelocks.policy.condition import OPERATORS
from threelocks.policy.document import Document, parse_document
from threelocks.policy.request import Caller, CallerKind, Request

_CASES = os.environ.get("THREELOCKS_POLICY_CASES")
_SETTINGS = settings(
    max_examples=int(_CASES or 250),
    derandomize=_CASES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

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


def _values_of(key: str) -> st.SearchStrategy[tuple[str, ...]]:
    values = st.sampled_from(_VALUES[key])
    most = 3 if key in _LISTS else 1
    return st.lists(values, min_size=0 if key in _LISTS else 1, max_size=most).map(tuple)


@st.composite
def _requests(draw: st.DrawFn) -> list[Asking]:
    """A dozen requests with one context: every kind of caller, on several things."""
    keys = draw(st.lists(st.sampled_from(sorted(_VALUES)), unique=True, max_size=8))
    context = {key: draw(_values_of(key)) for key in keys}
    callers = draw(st.lists(st.sampled_from(_CALLERS), min_size=12, max_size=12))
    targets = draw(st.lists(st.sampled_from(_TARGETS), min_size=12, max_size=12))
    return [
        replace(caller, action=action, resource=resource, owner=OWNER, context=context)
        for caller, (action, resource) in zip(callers, targets, strict=True)
    ]


# --- policies ---------------------------------------------------------------------------------------------------------


def _one_or_more(values: list[str]) -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=3))


_ACTIONS = ["*", "s3:*", "S3:getobject", "s3:Get*", "s3:GetObjec?", "s3:ListBucket", "kms:*", "kms:decrypt", "ec2:*"]
_RESOURCES = [
    *("*", BUCKET, f"{BUCKET}/*", f"{BUCKET}/a*", f"{BUCKET}/?", f"{BUCKET}/A", KEY, "arn:aws:kms:*", f"{BUCKET}/a??"),
    *(f"{BUCKET}/${{aws:username}}/*", f"{BUCKET}/${{aws:PrincipalTag/team, 'a'}}", f"{BUCKET}/u/${{*}}"),
    *("arn:aws:s3:::${s3:prefix}", f"{BUCKET}/${{aws:TagKeys}}", f"{BUCKET}/a\n??"),
]
_AWS = [
    *("*", OWNER, f"arn:aws:iam::{CONSUMER}:root", f"arn:aws:iam::{CONSUMER}:role/R", f"arn:aws:iam::{OWNER}:role/p/R"),
    *(f"arn:aws:iam::{OWNER}:role/R", f"arn:aws:sts::{CONSUMER}:assumed-role/R/s", f"arn:aws:iam::{OWNER}:user/u"),
    *(f"arn:aws:sts::{OWNER}:assumed-role/R/s", f"arn:aws:sts::{CONSUMER}:assumed-role/R/other", CONSUMER, STRANGER),
    *(f"arn:aws:iam::{CONSUMER}:role/*", f"arn:aws-cn:iam::{CONSUMER}:role/R", ROLE_ID, "AROAYYYYYYYYYYYYYYYYY"),
    *(f"arn:aws:iam::{OWNER}:root", "junk", "arn:aws:iam::*:root", f"arn:aws:iam::{CONSUMER}:user/x/u"),
]
_PRINCIPALS = st.one_of(
    st.just("*"),
    st.fixed_dictionaries({"AWS": _one_or_more(_AWS)}),
    st.fixed_dictionaries(
        {},
        optional={
            "AWS": _one_or_more(_AWS),
            "Service": _one_or_more(["logging.s3.amazonaws.com", "x.amazonaws.com"]),
            "Federated": st.just("cognito-identity.amazonaws.com"),
            "CanonicalUser": st.just("79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"),
        },
    ).filter(bool),
)
# The chain of forms that exempts from NotPrincipal is too unlikely to meet by chance.
_EXEMPT = st.just(
    {
        "AWS": [
            f"arn:aws:iam::{CONSUMER}:root",
            f"arn:aws:iam::{CONSUMER}:role/R",
            f"arn:aws:sts::{CONSUMER}:assumed-role/R/s",
        ]
    }
)


def _operators(key: str) -> list[str]:
    """Operators that fit a key, most of the time; every name there is, with quantifiers and IfExists."""
    family = _FAMILY.get(key, "String")
    names = [name for name in OPERATORS if family in name and name != "Null"]
    if key not in _LISTS:
        return [*names, *(f"{name}IfExists" for name in names)]
    quantified = [f"{quantifier}:{name}" for quantifier in ("ForAllValues", "ForAnyValue") for name in names]
    return [*quantified, *(f"{name}IfExists" for name in quantified)]


@st.composite
def _conditions(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    conditions: dict[str, dict[str, Any]] = {}
    for key in draw(st.lists(st.sampled_from(sorted(_WANTED)), max_size=2)):
        roll = draw(st.integers(0, 9))
        if roll == 0:
            conditions.setdefault("Null", {})[key] = draw(_one_or_more(["true", "false"]))
            continue
        # Now and then an operator of another family, or one with a quantifier on a key of one value.
        stranger = draw(st.sampled_from(sorted(_WANTED))) if roll in (1, 2) else key
        operator = draw(st.sampled_from(_operators(stranger)))
        spelled = key.swapcase() if roll == 3 else key
        if not any(spelled.lower() == other.lower() for other in conditions.get(operator, {})):
            conditions.setdefault(operator, {})[spelled] = draw(_one_or_more(_WANTED[key]))
    return conditions


@st.composite
def _statements(draw: st.DrawFn, *, principal: bool, effect: str | None = None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": effect or draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))}
    if principal:
        element = draw(st.sampled_from(["Principal"] * 8 + ["NotPrincipal"] * 2 + [""]))
        if element:
            exempting = element == "NotPrincipal" and draw(st.booleans())
            statement[element] = draw(_EXEMPT if exempting else _PRINCIPALS)
    for element, values in (("Action", _ACTIONS), ("Resource", _RESOURCES)):
        form = draw(st.sampled_from([element] * 10 + [f"Not{element}"] * 2 + [""]))
        if form:
            statement[form] = draw(st.one_of(st.just("*"), _one_or_more(values)))
    if draw(st.integers(0, 2)):
        statement["Condition"] = draw(_conditions())
    return statement


@st.composite
def _documents(draw: st.DrawFn, *, principal: bool = False) -> dict[str, Any]:
    version = draw(st.sampled_from(["2012-10-17"] * 4 + ["2008-10-17", ""]))
    statements = draw(st.lists(_statements(principal=principal), min_size=1, max_size=3))
    statement: Any = statements[0] if len(statements) == 1 and draw(st.booleans()) else statements
    return {**({"Version": version} if version else {}), "Statement": statement}


_ALLOW_ALL = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"},
}


@st.composite
def _held(draw: st.DrawFn) -> Held:
    """Policies of every layer; most layers are absent or allow all, so that the others decide."""

    def layer(*, principal: bool, chance: int = 4) -> dict[str, Any] | None:
        roll = draw(st.integers(0, chance))
        if roll > 2:
            return None
        return _ALLOW_ALL if roll == 0 else draw(_documents(principal=principal))

    def listed(one: dict[str, Any] | None, *, principal: bool) -> list[dict[str, Any]] | None:
        if one is None:
            return draw(st.sampled_from([None, None, None, []]))
        return [one, *draw(st.lists(_documents(principal=principal), max_size=1))]

    return Held(
        identity=listed(layer(principal=False, chance=3), principal=False),
        boundary=layer(principal=False, chance=6),
        session=listed(layer(principal=False, chance=6), principal=False),
        scps=[[level] for level in (layer(principal=False, chance=9) for _ in range(2)) if level],
        rcps=[[level] for level in (layer(principal=True, chance=9) for _ in range(2)) if level],
        endpoint=layer(principal=True, chance=9),
        resource=listed(draw(_documents(principal=True)) if draw(st.integers(0, 5)) else None, principal=True),
        grants=layer(principal=True, chance=12),
        restrict_public=not draw(st.integers(0, 15)),
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


def _decided(asking: Asking, held: Held) -> Decision:
    return authorize(_request(asking), _policies(held))


_RANK = {
    Outcome.EXPLICITLY_DENIED: 0,
    Outcome.IMPLICITLY_DENIED: 0,
    Outcome.UNKNOWN: 1,
    Outcome.ALLOWED: 2,
}


# --- the properties ---------------------------------------------------------------------------------------------------


@_SETTINGS
@given(_held(), _requests())
def test_authorize_decides_as_the_slow_reference_does(held: Held, askings: list[Asking]) -> None:
    policies = _policies(held)
    for asking in askings:
        decision = authorize(_request(asking), policies)
        event(str(decision.outcome))
        assert decision.outcome == decide(asking, held), asking


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
@settings(_SETTINGS, max_examples=max(1, _SETTINGS.max_examples // 5))
@given(held=_held(), askings=_requests())
def test_a_rewriting_without_meaning_changes_no_outcome(rewrite: str, held: Held, askings: list[Asking]) -> None:
    before, after = _policies(held), _policies(_with_statements(held, _REWRITES[rewrite]))
    for asking in askings:
        request = _request(asking)
        one, other = authorize(request, before), authorize(request, after)
        assert (one.outcome, one.layer, one.lacking) == (other.outcome, other.layer, other.lacking), asking


@settings(_SETTINGS, max_examples=max(1, _SETTINGS.max_examples // 3))
@given(_held(), _requests(), _statements(principal=True, effect="Deny"))
def test_one_more_deny_never_allows_more(held: Held, askings: list[Asking], deny: dict[str, Any]) -> None:
    before, after = _policies(held), _policies(_with_statements(held, lambda statements: [*statements, deny]))
    for asking in askings:
        request = _request(asking)
        assert _RANK[authorize(request, after).outcome] <= _RANK[authorize(request, before).outcome], asking


@settings(_SETTINGS, max_examples=max(1, _SETTINGS.max_examples // 3))
@given(_held(), _requests(), st.integers(0, 2))
def test_one_allow_less_never_allows_more(held: Held, askings: list[Asking], drop: int) -> None:
    def without(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [s for index, s in enumerate(statements) if index != drop or s["Effect"] == "Deny"]

    before, after = _policies(held), _policies(_with_statements(held, without))
    for asking in askings:
        request = _request(asking)
        assert _RANK[authorize(request, after).outcome] <= _RANK[authorize(request, before).outcome], asking


@settings(_SETTINGS, max_examples=max(1, _SETTINGS.max_examples // 3))
@given(_held(), _requests())
def test_a_decision_says_what_it_rests_on(held: Held, askings: list[Asking]) -> None:
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
