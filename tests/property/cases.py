"""Random policies of every layer, and requests to them: for the reference, and for whoever else is asked.

A case is a `Held` and an `Asking` of `reference.py`; `policies_of` and `request_of` make them what `authorize` takes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

from tests.property.reference import Asking, Held
from threelocks.policy.authorize import Policies
from threelocks.policy.condition import OPERATORS
from threelocks.policy.document import Document, parse_document
from threelocks.policy.request import Caller, CallerKind, Request

OWNER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
BUCKET = "arn:aws:s3:::b"
POINT = f"arn:aws:s3:eu-west-1:{OWNER}:accesspoint/p"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/0"
ROLE_ID = "AROAXXXXXXXXXXXXXXXX1"

# --- requests ---------------------------------------------------------------------------------------------------------

_KINDS = {
    "role": CallerKind.ROLE_SESSION,
    "user": CallerKind.USER,
    "federated": CallerKind.FEDERATED_USER,
    "root": CallerKind.ROOT,
    "service": CallerKind.SERVICE,
    "anonymous": CallerKind.ANONYMOUS,
}
CALLERS = [
    *(
        Asking("role", account, "R", path, "s", ROLE_ID, bounded)
        for account in (OWNER, CONSUMER)
        for path, bounded in (("/", False), ("/p/", None), ("/", True))
    ),
    Asking("role", CONSUMER, "Q", "/", "s", "AROAXXXXXXXXXXXXXXXX2"),
    Asking("user", OWNER, "u", "/", "", "AIDAXXXXXXXXXXXXXXXX1"),
    Asking("user", CONSUMER, "u", "/x/", "", "AIDAXXXXXXXXXXXXXXXX1", None),
    Asking("federated", OWNER, "f", bounded=None),
    Asking("federated", CONSUMER, "f"),
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
VALUES = {
    "s3:prefix": ["a", "A", "a/b", "", "a*", "u", "é", "É", "Straße", "ΑΣ", "\U0001f600"],
    "aws:PrincipalTag/team": ["a", "u", "*", "${*}", "A"],
    "s3:max-keys": ["1", "01", "+1", "1e0", "10", "0.5", "x", "", "1_0"],
    "aws:CurrentTime": [
        *("2026-11-23T10:00:00Z", "2026-11-23T11:00:00+01:00", "1795428000", "2026-11-23", "2026-11", "junk"),
        *("2026-13-01", "2026", "01"),
    ],
    "aws:SecureTransport": ["true", "false", "TRUE", "yes"],
    "aws:SourceIp": ["203.0.113.7", "::ffff:203.0.113.7", "2001:db8::1", "10.0.0.1", "nowhere", "10.0.0.256"],
    "aws:SourceArn": [f"{BUCKET}/a", f"arn:aws:sns:eu-west-1:{OWNER}:t:x", "junk", "arn:aws:s3"],
    "s3:blob": ["eA==", "eQ==", "x", "eA"],
    "aws:TagKeys": ["a", "b", "A"],
    "kms:EncryptionContextKeys": ["aws:s3:arn", "a"],
}
WANTED = {
    "s3:prefix": [
        *("a", "A*", "a*", "*", "?", "??", "", "${aws:username}", "${aws:PrincipalTag/team, 'a'}", "${*}", "é", "ΑΣ"),
        *("${aws:TagKeys}", "straße", "${s3:prefix}", "${", "${}"),
    ],
    "aws:PrincipalTag/team": ["a", "${aws:username}", "u*", "${*}"],
    "s3:max-keys": ["1", "1.0", "5", "100", "junk", "1e1"],
    "aws:CurrentTime": ["2026-11-23T10:00:00Z", "1795428000", "2026-11-24", "2026-11", "junk", "2026", "1"],
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
FAMILY = {
    "s3:max-keys": "Numeric",
    "aws:CurrentTime": "Date",
    "aws:SecureTransport": "Bool",
    "aws:PrincipalIsAWSService": "Bool",
    "aws:SourceIp": "Ip",
    "aws:SourceArn": "Arn",
    "aws:PrincipalArn": "Arn",
    "s3:blob": "Binary",
}
LISTS = ("aws:TagKeys", "kms:EncryptionContextKeys")


_ACTIONS = ["*", "s3:*", "S3:getobject", "s3:Get*", "s3:GetObjec?", "s3:ListBucket", "kms:*", "kms:decrypt", "ec2:*"]
_RESOURCES = [
    *("*", BUCKET, f"{BUCKET}/*", f"{BUCKET}/a*", f"{BUCKET}/?", f"{BUCKET}/A", KEY, "arn:aws:kms:*", f"{BUCKET}/a??"),
    *(f"{BUCKET}/${{aws:username}}/*", f"{BUCKET}/${{aws:PrincipalTag/team, 'a'}}", f"{BUCKET}/u/${{*}}"),
    *(f"{POINT}/object/*", POINT, f"{POINT}/object/a*", f"{POINT}/*/${{aws:username}}/*", "arn:aws:s3:*"),
    *("arn:aws:s3:::${s3:prefix}", f"{BUCKET}/${{aws:TagKeys}}", f"{BUCKET}/a\n??", f"{BUCKET}/${{aws:userid}}"),
]
AWS = [
    *("*", OWNER, f"arn:aws:iam::{CONSUMER}:root", f"arn:aws:iam::{CONSUMER}:role/R", f"arn:aws:iam::{OWNER}:role/p/R"),
    *(f"arn:aws:iam::{OWNER}:role/R", f"arn:aws:sts::{CONSUMER}:assumed-role/R/s", f"arn:aws:iam::{OWNER}:user/u"),
    *(f"arn:aws:sts::{OWNER}:assumed-role/R/s", f"arn:aws:sts::{CONSUMER}:assumed-role/R/other", CONSUMER, STRANGER),
    *(f"arn:aws:iam::{CONSUMER}:role/*", f"arn:aws-cn:iam::{CONSUMER}:role/R", ROLE_ID, "AROAYYYYYYYYYYYYYYYYY"),
    *(f"arn:aws:iam::{OWNER}:root", "junk", "arn:aws:iam::*:root", f"arn:aws:iam::{CONSUMER}:user/x/u"),
    *(f"arn:aws:iam::{CONSUMER}:role/r", f"arn:aws:iam::{CONSUMER}:group/R", f"arn:aws:sts::{CONSUMER}:assumed-role/R"),
    *(f"arn:aws:sts::{OWNER}:federated-user/f", f"arn:aws:sts::{CONSUMER}:federated-user/f"),
]

# --- random cases -----------------------------------------------------------------------------------------------------


def requests(rng: Random) -> list[Asking]:
    """A dozen requests with one context, from all kinds of callers, on several things."""
    context = {}
    for key in rng.sample(sorted(VALUES), rng.randint(0, 8)):
        count = rng.randint(0, 3) if key in LISTS else 1
        context[key] = tuple(rng.choices(VALUES[key], k=count))
    callers, targets = rng.choices(CALLERS, k=12), rng.choices(_TARGETS, k=12)
    return [
        replace(caller, action=action, resource=resource, owner=OWNER, context=context, through=_through(resource))
        for caller, (action, resource) in zip(callers, targets, strict=True)
    ]


def _through(resource: str) -> str:
    """The resource as the policy of an access point names it."""
    bucket, slash, key = resource.partition("/")
    return f"{POINT}{slash and '/object/'}{key}" if bucket == BUCKET else resource


def _one_or_more(rng: Random, values: list[str]) -> Any:
    return rng.choice(values) if rng.random() < 0.5 else rng.choices(values, k=rng.randint(1, 3))


def _principal(rng: Random) -> Any:
    roll = rng.random()
    if roll < 0.3:
        return "*"
    if roll < 0.7:
        return {"AWS": _one_or_more(rng, AWS)}
    entries = {
        "AWS": _one_or_more(rng, AWS),
        "Service": _one_or_more(rng, ["logging.s3.amazonaws.com", "x.amazonaws.com"]),
        "Federated": "cognito-identity.amazonaws.com",
        "CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
    }
    return {kind: entries[kind] for kind in rng.sample(sorted(entries), rng.randint(1, 3))}


# The chain of forms that exempts from NotPrincipal is too unlikely to meet by chance.
EXEMPT = {
    "AWS": [
        f"arn:aws:iam::{CONSUMER}:root",
        f"arn:aws:iam::{CONSUMER}:role/R",
        f"arn:aws:sts::{CONSUMER}:assumed-role/R/s",
    ]
}


def operators(key: str) -> list[str]:
    """Every operator that fits a key, with IfExists, and with quantifiers where it is a list."""
    family = FAMILY.get(key, "String")
    names = [name for name in OPERATORS if family in name]
    if key in LISTS:
        names = [f"{quantifier}:{name}" for quantifier in ("ForAllValues", "ForAnyValue") for name in names]
    return [*names, *(f"{name}IfExists" for name in names)]


def _conditions(rng: Random) -> dict[str, dict[str, Any]]:
    conditions: dict[str, dict[str, Any]] = {}
    for key in rng.sample(sorted(WANTED), rng.choice([0, 1, 1, 2])):
        roll = rng.random()
        if roll < 0.1:
            conditions.setdefault("Null", {})[key] = _one_or_more(rng, ["true", "false"])
            continue
        # Now and then an operator of another family, or one with a quantifier on a key of one value.
        operator = rng.choice(operators(rng.choice(sorted(WANTED)) if roll < 0.25 else key))
        spelled = key.swapcase() if rng.random() < 0.1 else key
        if not any(spelled.lower() == other.lower() for other in conditions.get(operator, {})):
            conditions.setdefault(operator, {})[spelled] = _one_or_more(rng, WANTED[key])
    return conditions


def statement_of(rng: Random, *, principal: bool, effect: str | None = None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": effect or rng.choice(["Allow", "Allow", "Allow", "Deny"])}
    if principal and rng.random() < 0.95:
        negated = rng.random() < 0.2
        exempting = negated and rng.random() < 0.5
        statement["NotPrincipal" if negated else "Principal"] = EXEMPT if exempting else _principal(rng)
    for element, values in (("Action", _ACTIONS), ("Resource", _RESOURCES)):
        form = rng.choice([element] * 12 + [f"Not{element}"] * 2 + [""])
        if form:
            statement[form] = "*" if form == element and rng.random() < 0.4 else _one_or_more(rng, values)
    if rng.random() < 0.6:
        statement["Condition"] = _conditions(rng)
    return statement


def _document(rng: Random, *, principal: bool) -> dict[str, Any]:
    version = rng.choice(["2012-10-17"] * 4 + ["2008-10-17", ""])
    statements = [statement_of(rng, principal=principal) for _ in range(rng.randint(1, 3))]
    statement: Any = statements[0] if len(statements) == 1 and rng.random() < 0.5 else statements
    return {**({"Version": version} if version else {}), "Statement": statement}


ALLOW_ALL = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"},
}


def policies_held(rng: Random) -> Held:
    """Policies of every layer; most layers are absent or allow all, so that the others decide."""

    def layer(chance: float, *, principal: bool = False) -> dict[str, Any] | None:
        if rng.random() > chance:
            return None
        return ALLOW_ALL if rng.random() < 0.5 else _document(rng, principal=principal)

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
        access_point=listed(layer(0.2, principal=True), principal=True),
        restrict_public=rng.random() < 0.05,
    )


# --- from JSON to the package -----------------------------------------------------------------------------------------


def _parsed(tree: dict[str, Any] | None) -> Document | None:
    return None if tree is None else parse_document(json.dumps(tree), "policy")


def _all(trees: list[dict[str, Any]] | None) -> tuple[Document, ...] | None:
    return None if trees is None else tuple(parse_document(json.dumps(tree), "policy") for tree in trees)


def policies_of(held: Held) -> Policies:
    return Policies(
        identity=_all(held.identity),
        boundary=_parsed(held.boundary),
        session=_all(held.session),
        scps=tuple(_all(level) or () for level in held.scps),
        rcps=tuple(_all(level) or () for level in held.rcps),
        endpoint=_parsed(held.endpoint),
        resource=_all(held.resource),
        grants=_parsed(held.grants),
        access_point=_all(held.access_point),
        restrict_public=held.restrict_public,
    )


def request_of(asking: Asking) -> Request:
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
    return Request(caller, asking.action, asking.resource, asking.owner, context, asking.through)
