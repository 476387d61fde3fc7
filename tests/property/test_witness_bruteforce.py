"""The search for a witness agrees with trying every request, over small worlds and random policies.

THREELOCKS_BRUTE_CASES sets the number of random cases (each asks every question once).
"""

# ruff: noqa: S311 - random cases need no secrecy
from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest

from tests.property import bruteforce as brute
from threelocks.policy.authorize import Layer, matches
from threelocks.policy.box import Box, Reading, boxes
from threelocks.policy.request import CallerKind
from threelocks.policy.space import (
    ABSENT,
    ACCOUNT,
    CALLER,
    RESOURCE,
    UNIQUE_ID,
    CallerSpace,
    Const,
    Free,
    Group,
    Shape,
    Space,
    View,
)
from threelocks.policy.truth import Truth
from threelocks.policy.witness import Budget, Search, UndecidedError

CASES = int(os.environ.get("THREELOCKS_BRUTE_CASES", "1500"))
SLICES = 8  # so that the work spreads over processes
FIRST = int(os.environ.get("THREELOCKS_BRUTE_FIRST", "0"))


# --- small worlds -----------------------------------------------------------------------------------------------------


def texts(letters: str, least: int, most: int) -> list[str]:
    return ["".join(each) for size in range(least, most + 1) for each in product(letters, repeat=size)]


def single(values: Iterable[str]) -> list[tuple[str] | None]:
    return [(value,) for value in values]


def shape(letters: str, least: int = 1) -> Shape:
    return Shape(letters, least, 1024, frozenset(letters))


def globs(letters: str, most: int) -> Callable[[random.Random], str]:
    return lambda rng: "".join(rng.choice(letters) for _ in range(rng.randint(0, most)))


EQUALS = ("StringEquals", "StringNotEquals")
LIKE = (*EQUALS, "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase")
ARNS = ("ArnLike", "ArnNotLike", "ArnEquals", "ArnNotEquals")
NUMERIC = tuple(
    f"Numeric{r}" for r in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
)
DATES = tuple(operator.replace("Numeric", "Date") for operator in NUMERIC)
ADDRESS = ("IpAddress", "NotIpAddress")

# One text of every class that the patterns below tell apart.
OPEN_PATTERNS = ("a", "b", "a*", "*", "?", "A")
OPEN_VALUES = [None, *single(("", "a", "A", "b", "B", "x", "ab", "Ax", "xx", "*", "?", "a*", "A*"))]
FEW_PATTERNS, FEW_VALUES = ("a", "b"), [None, *single(("", "a", "b", "x"))]
ADDRESSES = [None, *single(("10.0.0.1", "10.1.0.1", "203.0.113.7", "2001:db8::7"))]
INSTANTS = single(
    (
        "2026-06-01T00:00:00Z",
        "2026-07-01T00:00:00Z",
        "2026-07-15T00:00:00Z",
        "2026-08-01T00:00:00Z",
        "2030-01-01T00:00:00Z",
    )
)
FLOOR = 1780272000.0  # 2026-06-01
LISTS = [
    None,
    *(tuple(c for c, on in zip("abx", bits, strict=True) if on) for bits in product((0, 1), repeat=3) if any(bits)),
]

ROLE = "arn:aws:iam::222222222222:role/a"
PRINCIPALS: list[Any] = [
    "*",
    {"AWS": "*"},
    {"AWS": "222222222222"},
    {"AWS": "arn:aws:iam::222222222222:root"},
    {"AWS": ROLE},
    {"AWS": [ROLE, "arn:aws:iam::333333333333:root"]},
    {"AWS": "arn:aws:iam::222222222222:role/p/b"},
    {"AWS": "arn:aws:iam::222222222222:user/a"},
    {"AWS": "arn:aws:sts::222222222222:assumed-role/a/ab"},
    {"AWS": [ROLE, "222222222222", "arn:aws:sts::222222222222:assumed-role/a/ab"]},
    {"AWS": "arn:aws:iam::222222222222:role/*"},
    {"AWS": "AROA12345678901234567"},
    {"AWS": "arn:aws-cn:iam::222222222222:role/a"},
    {"AWS": "arn:aws:sts::222222222222:federated-user/a"},
    {"AWS": "arn:aws:sts::222222222222:assumed-root/a"},
    {"AWS": "junk"},
    {"Service": "logging.s3.amazonaws.com"},
    {"Federated": "cognito-identity.amazonaws.com"},
    {"CanonicalUser": "abc"},
    {"AWS": ROLE, "Service": "logging.s3.amazonaws.com"},
]
READER = [{"AWS": ROLE}, {"AWS": ROLE}, {"AWS": ROLE}, "*", *PRINCIPALS]


def reads(letters: str) -> Any:
    """One role reads objects: any session, a chosen delimiter, an endpoint that is part of the environment."""
    caller = CallerSpace(CallerKind.ROLE_SESSION, "222222222222", "/", "a", 0, "AROA12345678901234567")
    space = Space(
        caller,
        ("s3:GetObject", "s3:GetObjectTagging"),
        View(RESOURCE, ("arn:aws:s3:::b/", 0)),
        "111111111111",
        {CALLER: Group((shape("abx", 2),)), RESOURCE: Group((shape(letters),))},
        {
            **caller.keys(),
            "aws:securetransport": Const(("true",)),
            "aws:sourcearn": ABSENT,
            "s3:delimiter": Free(chosen=True),
        },
    )
    keys = globs("ab/*?", 4)
    return brute.World(
        name=f"reads {letters}",
        space=space,
        values={
            "action": list(space.actions),
            CALLER: single(texts("abx", 2, 2)),
            RESOURCE: single(texts(letters, 1, 2 if len(letters) > 3 else 3)),
            "s3:delimiter": FEW_VALUES,
            "aws:sourcevpce": OPEN_VALUES,
            "aws:sourcevpc": FEW_VALUES,
        },
        resources=lambda rng: rng.choice(
            ("*", "arn:aws:s3:::b/*", *(f"arn:aws:s3:::b/{keys(rng)}",) * 6, f"arn:*{keys(rng)}")
        ),
        principals=READER,
        conditions={
            "s3:delimiter": (EQUALS, FEW_PATTERNS),
            "aws:SourceVpce": (LIKE, OPEN_PATTERNS),
            "aws:sourcevpc": (EQUALS, FEW_PATTERNS),
            "aws:userid": (LIKE, ("AROA12345678901234567:a*", "*:ab", "*b", "*:?b", "AROA12345678901234567:bb")),
            "aws:PrincipalArn": (ARNS, (ROLE, "arn:aws:iam::*:role/b", "*")),
            "aws:SecureTransport": (("Bool",), ("true", "false")),
            "aws:SourceArn": (ARNS, ("arn:aws:s3:::b",)),
        },
        actions=["s3:GetObject", "s3:*", "S3:getobject*", "s3:GetObjectTagging", "*", "s3:List*"],
    )


def typed() -> Any:
    """Keys of every family of operators, chosen and environment, a required date, a list."""
    caller = CallerSpace(
        CallerKind.ROLE_SESSION, "222222222222", "/", "a", "ab", "AROA12345678901234567", has_boundary=False
    )
    space = Space(
        caller,
        ("s3:GetObject",),
        View(RESOURCE, ("arn:aws:s3:::b/", 0)),
        "111111111111",
        {RESOURCE: Group((shape("ab"),))},
        {**caller.keys(), "s3:max-keys": Free(chosen=True), "aws:tokenissuetime": Free(required=True, floor=FLOOR)},
    )
    return brute.World(
        name="typed",
        space=space,
        values={
            "action": list(space.actions),
            RESOURCE: single(texts("ab", 1, 2)),
            "s3:max-keys": [None, *single(("0", "1", "1.5", "2", "3"))],
            "aws:sourceip": ADDRESSES,
            "aws:tokenissuetime": INSTANTS,
            "aws:multifactorauthpresent": [None, ("true",), ("false",)],
            "aws:principalorgpaths": LISTS,
        },
        resources=lambda rng: f"arn:aws:s3:::b/{globs('ab*?', 2)(rng)}" if rng.random() < 0.7 else "*",
        principals=[{"AWS": ROLE}],
        conditions={
            "s3:max-keys": (NUMERIC, ("1", "2", "+1", "junk")),
            "aws:SourceIp": (ADDRESS, ("10.0.0.0/8", "10.1.0.0/16", "10.1.0.1/16", "2001:db8::/32", "junk")),
            "aws:TokenIssueTime": (DATES, ("2026-07-01T00:00:00Z", "2026-08-01", "2026-01-01", "1785542400")),
            "aws:MultiFactorAuthPresent": (("Bool",), ("true", "False", "junk")),
            "aws:PrincipalOrgPaths": (EQUALS, ("a", "b")),
        },
        actions=["s3:*"],
    )


def strangers(kind: CallerKind) -> Any:
    """Every caller of one kind, in three accounts and under two paths."""
    group, caller, values = _CALLERS[kind]
    free = bool(group.segments)
    space = Space(
        caller,
        ("s3:GetObject", "s3:PutObject"),
        View(RESOURCE, ("arn:aws:s3:::b/k",)),
        "111111111111",
        {CALLER: group} if free else {},
        {"aws:principaltype": ABSENT, **caller.keys(), "aws:principalorgid": Free()},
    )
    return brute.World(
        name=f"strangers: {kind}",
        space=space,
        values={"action": list(space.actions), **({CALLER: values} if free else {}), "aws:principalorgid": FEW_VALUES},
        resources=lambda rng: rng.choice(("arn:aws:s3:::b/*", "arn:aws:s3:::b/k", "arn:aws:s3:::c/*")),
        principals=PRINCIPALS,
        conditions={
            "aws:PrincipalArn": ((*ARNS, *LIKE), PRINCIPAL_ARNS),
            "aws:userid": (LIKE, ("*:a*", "XXXXXXXXXXXXXXXX:ab", "*:??", "*", "AROA*")),
            "aws:PrincipalAccount": (LIKE, ("222222222222", "2*", "333333333333", "?")),
            "aws:PrincipalOrgID": (EQUALS, FEW_PATTERNS),
            "aws:username": (LIKE, ("a", "A", "b*")),
            "aws:PrincipalType": (EQUALS, ("AssumedRole", "User", "FederatedUser", "Anonymous")),
            "aws:PrincipalServiceName": (EQUALS, ("logging.s3.amazonaws.com",)),
            "aws:PrincipalIsAWSService": (("Bool",), ("true", "false")),
        },
        actions=["s3:GetObject", "s3:PutObject", "*", "s3:Put*"],
    )


PRINCIPAL_ARNS = (
    *(ROLE, "arn:aws:iam::222222222222:role/*", "arn:aws:iam::*:role/a", "arn:aws:iam::2*", "*", "arn:*"),
    *("arn:aws:iam::222222222222:role/p/?", "arn:aws:iam::*:user/*", "arn:aws:iam::222222222222:root", "*:a", "?*b"),
    *("arn:aws:iam::*:*/A", "arn:aws:iam::333333333333:role????", "arn:aws:iam::33333333333?:*"),
)
_ACCOUNTS = ("222222222222", "333333333333", "333333333332")
_TINY_PATH = Shape("/xp", 1, 512, frozenset("/pxab"), path=True)
_ID = "XXXXXXXXXXXXXXXX"
_CALLERS: dict[CallerKind, tuple[Group, CallerSpace, list[tuple[str, ...]]]] = {
    CallerKind.ROLE_SESSION: (
        Group((ACCOUNT, _TINY_PATH, UNIQUE_ID, shape("xab"), shape("xab", 2))),
        CallerSpace(CallerKind.ROLE_SESSION, 0, 1, 3, 4, 2),
        [*product(_ACCOUNTS, ("/", "/p/"), (_ID,), ("a", "b", "x", "ab"), ("ab", "xx"))],
    ),
    CallerKind.USER: (
        Group((ACCOUNT, _TINY_PATH, UNIQUE_ID, shape("xabA"))),
        CallerSpace(CallerKind.USER, 0, 1, 3, "", 2),
        [*product(_ACCOUNTS, ("/", "/p/"), (_ID,), ("a", "A", "b", "x", "ab"))],
    ),
    CallerKind.FEDERATED_USER: (
        Group((ACCOUNT, shape("xabA"))),
        CallerSpace(CallerKind.FEDERATED_USER, 0, name=1),
        [*product(_ACCOUNTS, ("a", "A", "b", "x", "ab", "ax", "xb", "xx", "axb"))],
    ),
    CallerKind.ROOT: (Group((ACCOUNT,)), CallerSpace(CallerKind.ROOT, 0), single(_ACCOUNTS)),
    CallerKind.SERVICE: (
        Group((Shape("xyz.", 1, 128, frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-")),)),
        CallerSpace(CallerKind.SERVICE, name=0),
        single(("x", "logging.s3.amazonaws.com")),
    ),
    CallerKind.ANONYMOUS: (Group(()), CallerSpace(CallerKind.ANONYMOUS), []),
}


def listing() -> Any:
    """A bucket is listed with any prefix or none."""
    caller = CallerSpace(
        CallerKind.ROLE_SESSION, "222222222222", "/", "a", "ab", "AROA12345678901234567", has_boundary=True
    )
    space = Space(
        caller,
        ("s3:ListBucket",),
        View("bucket", ("arn:aws:s3:::b",)),
        "111111111111",
        {"prefix": Group((shape("xab/", 0),), optional=True)},
        {**caller.keys(), "s3:prefix": View("prefix", (0,)), "s3:delimiter": Free(chosen=True)},
    )
    return brute.World(
        name="listing",
        space=space,
        values={
            "action": list(space.actions),
            "prefix": [None, *single(texts("xab/", 0, 3))],
            "s3:delimiter": FEW_VALUES,
            "aws:sourcevpce": OPEN_VALUES,
        },
        resources=lambda rng: rng.choice(("arn:aws:s3:::b", "arn:aws:s3:::b*", "arn:aws:s3:::b/*", "*")),
        principals=READER,
        conditions={
            "s3:prefix": (LIKE, ("", "a", "a/*", "a*", "*b", "?", "??", "*a*b*", "A/", "*", "b/")),
            "s3:delimiter": (EQUALS, FEW_PATTERNS),
            "aws:SourceVpce": (LIKE, OPEN_PATTERNS),
        },
        actions=["s3:ListBucket", "s3:*"],
    )


def decrypting() -> Any:
    """A key under identity policy and boundary; the object's key is in the encryption context."""
    caller = CallerSpace(CallerKind.ROLE_SESSION, "222222222222", "/", "a", "ab", "AROA12345678901234567")
    key = "arn:aws:kms:eu-west-1:111111111111:key/k"
    space = Space(
        caller,
        ("kms:Decrypt", "kms:DescribeKey"),
        View("key", (key,)),
        "111111111111",
        {"object": Group((shape("xab/"),))},
        {
            **caller.keys(),
            "kms:encryptioncontext:aws:s3:arn": View("object", ("arn:aws:s3:::b/", 0)),
            "kms:encryptioncontextkeys": Const(("aws:s3:arn",)),
            "kms:viaservice": Const(("s3.eu-west-1.amazonaws.com",)),
        },
    )
    keys = globs("ab/*?", 3)
    return brute.World(
        name="decrypting",
        space=space,
        values={
            "action": list(space.actions),
            "object": single(texts("xab/", 1, 3)),
            "aws:sourcevpce": OPEN_VALUES,
            "aws:sourceip": ADDRESSES,
        },
        resources=lambda rng: rng.choice(("*", key, key, "arn:aws:kms:*:111111111111:key/*", "arn:aws:s3:::b")),
        principals=[],
        conditions={
            "kms:EncryptionContext:aws:s3:arn": (
                (*LIKE, *ARNS),
                [f"arn:aws:s3:::b/{keys(random.Random(n))}" for n in range(12)],
            ),
            "kms:EncryptionContextKeys": (EQUALS, ("aws:s3:arn", "other")),
            "kms:ViaService": (LIKE, ("s3.*.amazonaws.com", "s3.eu-west-1.amazonaws.com", "ec2.*")),
            "aws:SourceVpce": (LIKE, OPEN_PATTERNS),
            "aws:SourceIp": (ADDRESS, ("10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32")),
        },
        actions=["kms:Decrypt", "kms:*", "kms:DescribeKey"],
        layer=Layer.IDENTITY_POLICY,
    )


def owned() -> Any:
    """Buckets that a policy does not spell out: two free segments in one ARN."""
    caller = CallerSpace(CallerKind.ROLE_SESSION, "222222222222", "/", "a", "ab", "AROA12345678901234567")
    space = Space(
        caller,
        ("s3:GetObject", "s3:PutObject"),
        View(RESOURCE, ("arn:aws:s3:::", 0, "/", 1)),
        "111111111111",
        {RESOURCE: Group((Shape("abx", 2, 63, frozenset("abx")), shape("ab/")))},
        {**caller.keys(), "s3:bucket": View(RESOURCE, (0,)), "s3:key": View(RESOURCE, (1,))},
    )
    both, name = globs("ab/*?", 5), globs("ab*?", 3)
    return brute.World(
        name="owned",
        space=space,
        values={
            "action": list(space.actions),
            RESOURCE: [*product((*texts("abx", 2, 2), "aab", "xba"), texts("ab/", 1, 2))],
            "aws:sourcevpce": FEW_VALUES,
        },
        resources=lambda rng: rng.choice(
            ("*", f"arn:aws:s3:::{both(rng)}", f"arn:aws:s3:::{name(rng)}/{both(rng)}", "arn:aws:s3:::ab/*")
        ),
        principals=[],
        conditions={
            "s3:bucket": (LIKE, ("ab", "a*", "*b", "?b", "AB")),
            "s3:key": (LIKE, ("a", "*/", "?", "b*")),
            "aws:SourceVpce": (EQUALS, FEW_PATTERNS),
        },
        actions=["s3:GetObject", "s3:PutObject", "*"],
        layer=Layer.IDENTITY_POLICY,
    )


def below() -> Any:
    """Objects read through an access point: its policy names them otherwise than the bucket's does."""
    caller = CallerSpace(CallerKind.ROLE_SESSION, "222222222222", "/", "a", 0, "AROA12345678901234567")
    point = "arn:aws:s3:eu-west-1:111111111111:accesspoint/p"
    space = Space(
        caller,
        ("s3:GetObject", "s3:GetObjectTagging"),
        View(RESOURCE, ("arn:aws:s3:::b/", 0)),
        "111111111111",
        {CALLER: Group((shape("abx", 2),)), RESOURCE: Group((shape("xab/"),))},
        {**caller.keys(), "s3:dataaccesspointarn": Const((point,))},
        through=View(RESOURCE, (f"{point}/object/", 0)),
    )
    keys = globs("ab/*?", 3)
    forms = ("arn:aws:s3:::b/", f"{point}/object/")
    return brute.World(
        name="below an access point",
        space=space,
        values={
            "action": list(space.actions),
            CALLER: single(texts("abx", 2, 2)),
            RESOURCE: single(texts("xab/", 1, 3)),
            "aws:sourcevpce": OPEN_VALUES,
        },
        resources=lambda rng: rng.choice(("*", "arn:aws:s3:*", *(f"{rng.choice(forms)}{keys(rng)}",) * 6)),
        principals=READER,
        conditions={
            "s3:DataAccessPointArn": (ARNS, (point, "arn:aws:s3:*:*:accesspoint/*", "arn:aws:s3:*:*:accesspoint/q")),
            "aws:SourceVpce": (LIKE, OPEN_PATTERNS),
            "aws:userid": (LIKE, ("*:ab", "*b", "*:?b")),
        },
        actions=["s3:GetObject", "s3:*", "s3:GetObjectTagging"],
    )


WORLDS = [
    reads("xab/"),
    reads("ab/"),
    typed(),
    *(strangers(kind) for kind in CallerKind),
    listing(),
    decrypting(),
    owned(),
    below(),
]


# --- cases ------------------------------------------------------------------------------------------------------------


class Case:
    """A world, random policies, and a random statement each for what is required and what is permitted."""

    def __init__(self, number: int) -> None:
        self.rng = rng = random.Random(f"case {number}")
        self.world = world = WORLDS[number % len(WORLDS)]
        self.statements = {
            layer: [brute.random_statement(rng, world) for _ in range(rng.choice((1, 2, 2, 3, 3, 4, 6)))]
            for layer in self.layers()
        }
        self.must = brute.random_statement(rng, world, "Allow") if rng.random() < 0.7 else None
        self.permitted = [brute.random_statement(rng, world, "Allow") for _ in range(rng.choice((0, 1, 2)))]
        self.number = number

    def layers(self) -> tuple[Layer, ...]:
        if self.world.space.through:
            return (Layer.RESOURCE_POLICY, Layer.ACCESS_POINT_POLICY)
        if self.world.layer is Layer.RESOURCE_POLICY:
            return (Layer.RESOURCE_POLICY,)
        return (Layer.IDENTITY_POLICY, Layer.PERMISSIONS_BOUNDARY)

    def __repr__(self) -> str:
        return f"case {self.number} ({self.world.name}): " + json.dumps(
            {**self.statements, "must": self.must, "permitted": self.permitted}, indent=1
        )

    def sets(self) -> Any:
        return brute.Sets(self.world, {layer: brute.document(s, layer) for layer, s in self.statements.items()})

    def of(self, statements: list[Any], *, possible: bool) -> tuple[int, tuple[Box, ...]]:
        """Statements as a set of requests and as boxes, read the same way."""
        parsed = brute.document(statements).statements
        layer = self.layers()[0]
        extent = brute.union(self.world.extent(s, layer)[possible] for s in parsed)
        return extent, boxes(parsed, layer, Reading(self.world.space, possible))


def check(case: Case) -> None:
    world, sets = case.world, case.sets()
    sets.audit(case.rng, 2)
    everything = (1 << world.size) - 1
    required, must = (everything, ()) if case.must is None else _one(case.of([case.must], possible=False))
    if must is None:
        return
    search = Search(world.space, Budget())
    passes = sets.passing(possible=False)
    gate = sets.gate(possible=False)

    found = search.failing(must, [gate])
    agree(required & ~passes, found, "failing")
    confirm(found, lambda p: not sets.passes(p.request(world.space), possible=False), must, "failing")

    found = search.passing(must, gate)
    agree(required & passes, found, "passing")
    confirm(found, lambda p: sets.passes(p.request(world.space), possible=False), must, "passing")

    permitted, permits = case.of(case.permitted, possible=False)
    found = search.passing(must, sets.gate(possible=True), permits)
    agree(required & sets.passing(possible=True) & ~permitted, found, "narrow")
    confirm(
        found,
        lambda p: sets.passes(p.request(world.space), possible=True) and not any(box.holds(p) for box in permits),
        must,
        "narrow",
    )
    check_shut(case, sets, search, required, must)
    check_risk(case, sets, search, required, must)


def check_shut(case: Case, sets: Any, search: Search, required: int, must: tuple[Any, ...]) -> None:
    """Some required request fails in every environment in which it is required."""
    world = case.world
    passes = sets.passing(possible=False)
    hopeless = brute.in_some_environment(world, required) & ~brute.in_some_environment(world, required & passes)
    found = search.shut(must, sets.gate(possible=False))
    agree(hopeless, found, "shut")
    if found is None:
        return
    confirm(found, lambda p: not sets.passes(p.request(world.space), possible=False), must, "shut")
    here = {dimension: _value(found, dimension, world) for dimension in world.dimensions}
    for values in _environments(world, here):
        point = world.point(values)
        if all(one.holds(point) for one in must):
            assert not sets.passes(point.request(world.space), possible=False), ("shut", values)


def check_risk(case: Case, sets: Any, search: Search, required: int, must: tuple[Any, ...]) -> None:
    """A request that passes in one environment (2) and fails in another (1)."""
    world = case.world
    if any(world.is_environment(getattr(one, "key", "action")) for one in must):
        return
    passes = sets.passing(possible=False)
    some = brute.in_some_environment
    fails_in_one, passes_in_two = sets.gate(possible=False, copy=1), sets.gate(possible=False, copy=2)
    found = search.differing(must, passes_in_two, fails_in_one)
    agree(some(world, required & passes) & some(world, required & ~passes), found, "risk")
    confirm(found, lambda p: not sets.passes(p.request(world.space, copy=1), possible=False), must, "risk, failing")
    confirm(found, lambda p: sets.passes(p.request(world.space, copy=2), possible=False), must, "risk, passing")


def _one(answer: tuple[int, tuple[Box, ...]]) -> tuple[int, tuple[Any, ...] | None]:
    extent, found = answer
    return extent, found[0].literals if found else None


def _value(point: Any, dimension: Any, world: Any) -> Any:
    if dimension == "action":
        return point.action
    return point.texts[dimension] if dimension in world.space.groups else point.keys.get((dimension, 0))


def _environments(world: Any, here: dict[Any, Any]) -> Iterable[dict[Any, Any]]:
    names = [name for name in world.dimensions if world.is_environment(name)]
    for values in product(*(world.values[name] for name in names)):
        yield {**here, **dict(zip(names, values, strict=True))}


def agree(requests: int, found: Any, question: str) -> None:
    """Whatever brute force finds, the search finds. (It may find more: its texts may be longer.)"""
    assert found is not None or not requests, f"{question}: the search missed a request"


def confirm(found: Any, right: Callable[[Any], bool], must: Iterable[Any], question: str) -> None:
    """Whatever the search finds, the plain evaluator confirms."""
    if found is not None:
        assert all(one.holds(found) for one in must), f"{question}: {found} is not what was asked for"
        assert right(found), f"{question}: the evaluator says otherwise of {found}"


@pytest.mark.parametrize("part", range(SLICES))
def test_search_agrees_with_trying_every_request(part: int) -> None:
    for number in range(FIRST + part, FIRST + CASES, SLICES):
        case = Case(number)
        try:
            check(case)
        except (AssertionError, UndecidedError) as error:
            raise AssertionError(f"{error!r}\n{case!r}") from error


# --- statements that cannot be read exactly -------------------------------------------------------------------------


VARIABLES = (
    *("${aws:SourceVpce}", "${aws:sourcevpc, 'a'}", "${aws:userid}", "${aws:PrincipalTag/none}", "${s3:delimiter}"),
    *("${*}", "${aws:PrincipalOrgPaths}", "${aws:SecureTransport}", "${aws:PrincipalArn}"),
)


def with_variables(rng: random.Random, statement: dict[str, Any]) -> dict[str, Any]:
    """The same with a variable put into some of its texts."""

    def put(text: str) -> str:
        at = rng.randint(0, len(text))
        return text[:at] + rng.choice(VARIABLES) + text[at:] if rng.random() < 0.4 else text

    for element in ("Resource", "NotResource"):
        if element in statement:
            statement[element] = [put(text) for text in statement[element]]
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            keys[key] = [put(text) for text in values] if isinstance(values, list) and operator != "Null" else values
    return statement


def test_a_sure_box_holds_no_more_and_a_possible_box_no_less_than_the_evaluator_says() -> None:
    for number in range(CASES):
        rng = random.Random(f"brackets {number}")
        world = WORLDS[number % len(WORLDS)]
        statement = with_variables(rng, brute.random_statement(rng, world))
        parsed = brute.document([statement]).statements[0]
        layer = world.layer
        sure = boxes([parsed], layer, Reading(world.space, possible=False))
        possible = boxes([parsed], layer, Reading(world.space, possible=True))
        for _ in range(6):
            values = world.values_at(rng.randrange(world.size))
            point = world.point(values)
            truth = matches(parsed, point.request(world.space), layer)
            assert truth is Truth.YES or not any(box.holds(point) for box in sure), (statement, values)
            assert truth is Truth.NO or any(box.holds(point) for box in possible), (statement, values)
