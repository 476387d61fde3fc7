"""Spaces of requests, and policies as gates over them, for the tests of the search for a witness."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from threelocks.policy.authorize import Layer, Outcome, Policies, authorize
from threelocks.policy.box import Atom, Box, Literal, Reading, TextLiteral, boxes
from threelocks.policy.document import Document, parse_document
from threelocks.policy.pattern import glob, literal, prefix
from threelocks.policy.request import CallerKind, Request
from threelocks.policy.space import (
    ABSENT,
    ACCOUNT,
    CALLER,
    NAME,
    OBJECT_KEY,
    PATH,
    RESOURCE,
    ROLE_ID,
    SESSION_NAME,
    TEXT,
    USER_ID,
    Binding,
    CallerSpace,
    Const,
    Free,
    Group,
    Point,
    Space,
    View,
)
from threelocks.policy.witness import Gate

OWNER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
ROLE = f"arn:aws:iam::{CONSUMER}:role/BIAnalyticsRole"
ID = "AROAEXAMPLEROLEID0001"
READER = CallerSpace(CallerKind.ROLE_SESSION, CONSUMER, "/", "BIAnalyticsRole", 0, ID, has_boundary=False)
# 2026-06-01; the search takes it as now.
NOW = 1780272000.0


def reading(**keys: Binding) -> Space:
    """The agreed role, in any session, reads any object of bucket `b`. Keys are spelled with `__` for the colon."""
    return Space(
        READER,
        ("s3:GetObject", "s3:GetObjectVersion"),
        View(RESOURCE, ("arn:aws:s3:::b/", 0)),
        OWNER,
        {CALLER: Group((SESSION_NAME,)), RESOURCE: Group((OBJECT_KEY,))},
        {
            **READER.keys(),
            "aws:securetransport": Const(("true",)),
            "aws:sourcearn": ABSENT,
            "s3:delimiter": Free(chosen=True),
            "aws:tokenissuetime": Free(required=True, ceiling=NOW),
            **spelled(keys),
        },
    )


def spelled(keys: Mapping[str, Binding]) -> dict[str, Binding]:
    return {key.replace("__", ":"): binding for key, binding in keys.items()}


def listing() -> Space:
    """The agreed role lists bucket `b`, with any prefix or none."""
    return replace(
        reading(),
        actions=("s3:ListBucket",),
        resource=View("bucket", ("arn:aws:s3:::b",)),
        groups={CALLER: Group((SESSION_NAME,)), "prefix": Group((TEXT,), optional=True)},
        keys={**reading().keys, "s3:prefix": View("prefix", (0,))},
    )


KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/0a"


def decrypting() -> Space:
    """The agreed role decrypts any object of bucket `b`, as S3 asks for it."""
    return replace(
        reading(),
        actions=("kms:Decrypt",),
        resource=View("key", (KEY,)),
        keys={
            **reading().keys,
            "kms:viaservice": Const(("s3.eu-west-1.amazonaws.com",)),
            "kms:encryptioncontext:aws:s3:arn": View(RESOURCE, ("arn:aws:s3:::b/", 0)),
            "kms:encryptioncontextkeys": Const(("aws:s3:arn",)),
        },
    )


_ANY_ROLE = Group((ACCOUNT, PATH, ROLE_ID, NAME, SESSION_NAME))
_ANY_USER = Group((ACCOUNT, PATH, USER_ID, NAME))
_CALLERS: dict[CallerKind, tuple[CallerSpace, Group]] = {
    CallerKind.ROLE_SESSION: (CallerSpace(CallerKind.ROLE_SESSION, 0, 1, 3, 4, 2), _ANY_ROLE),
    CallerKind.USER: (CallerSpace(CallerKind.USER, 0, 1, 3, "", 2), _ANY_USER),
    CallerKind.ROOT: (CallerSpace(CallerKind.ROOT, 0), Group((ACCOUNT,))),
    CallerKind.ANONYMOUS: (CallerSpace(CallerKind.ANONYMOUS), Group(())),
    CallerKind.SERVICE: (CallerSpace(CallerKind.SERVICE, name=0), Group((NAME,))),
}


def anybody(kind: CallerKind = CallerKind.ROLE_SESSION, *, boundary: bool | None = None) -> Space:
    """Every caller of one kind reads one object."""
    caller, group = _CALLERS[kind]
    caller = replace(caller, has_boundary=boundary)
    return Space(
        caller, ("s3:GetObject",), View(RESOURCE, ("arn:aws:s3:::b/k",)), OWNER, {CALLER: group}, dict(caller.keys())
    )


# --- policies ---------------------------------------------------------------------------------------------------------


def allow(**elements: Any) -> dict[str, Any]:
    """An Allow of everything in bucket `b` to the agreed role, with some elements changed; None drops one."""
    whole = {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "*", "Resource": "*", **elements}
    return {element: value for element, value in whole.items() if value is not None}


def deny(**elements: Any) -> dict[str, Any]:
    return allow(**{"Effect": "Deny", **elements})


def when(operator: str, key: str, *values: str) -> dict[str, Any]:
    """A Condition element of one key."""
    return {"Condition": {operator: {key: list(values)}}}


def document(*statements: Mapping[str, Any], version: str = "2012-10-17") -> Document:
    return parse_document(json.dumps({"Version": version, "Statement": statements}), "policy")


def gate(
    space: Space,
    *statements: Mapping[str, Any],
    possible: bool = False,
    copy: int = 0,
    layer: Layer = Layer.RESOURCE_POLICY,
    version: str = "2012-10-17",
) -> Gate:
    """One policy as a gate: sure Allows and possible Denies, or with `possible` the other way round."""
    parsed = document(*statements, version=version).statements
    allows, denies = Reading(space, possible, copy), Reading(space, not possible, copy)
    return Gate(
        (boxes([s for s in parsed if s.effect == "Allow"], layer, allows),),
        boxes([s for s in parsed if s.effect == "Deny"], layer, denies),
    )


def permitted(space: Space, *statements: Mapping[str, Any]) -> tuple[Box, ...]:
    return boxes(document(*statements).statements, Layer.RESOURCE_POLICY, Reading(space, possible=False))


def outcome(request: Request, *statements: Mapping[str, Any]) -> Outcome:
    return authorize(request, Policies(resource=(document(*statements),))).outcome


def under(start: str) -> Literal:
    """The key (or the prefix) begins with this."""
    return TextLiteral(RESOURCE, Atom((0,), glob((prefix(start),))))


def exactly(group: str, *texts: str) -> Literal:
    return TextLiteral(group, Atom((0,), glob(tuple(map(literal, texts)))))


def values(space: Space, point: Point, keys: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
    """What a witness says of these condition keys."""
    request = point.request(space)
    return {key: request.values(key.lower()) for key in keys}
