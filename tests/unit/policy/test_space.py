"""What texts a segment may hold, and how a point of a space is spelled as a request."""

from __future__ import annotations

import pytest

from tests.unit.policy.spaces import CONSUMER, ID, OWNER, STRANGER, anybody, decrypting, listing, reading
from threelocks.policy.request import Caller, CallerKind
from threelocks.policy.space import (
    ACCOUNT,
    BUCKET,
    CALLER,
    KEY_ID,
    MULTI_REGION_KEY_ID,
    NAME,
    OBJECT_KEY,
    PATH,
    REGION,
    RESOURCE,
    ROLE_ID,
    SERVICE_NAME,
    SESSION_NAME,
    TEXT,
    UNIQUE_ID,
    USER_ID,
    CallerSpace,
    Point,
    Shape,
    View,
)

SHAPES: list[tuple[str, Shape, tuple[str, ...], tuple[str, ...]]] = [
    ("account", ACCOUNT, ("111111111111",), ("", "11111111111", "1111111111111", "11111111111a")),
    ("name", NAME, ("a", "a.b_c+d=e,f@g-h", "x" * 64), ("", "a/b", "a b", "x" * 65)),
    ("session name", SESSION_NAME, ("ab", "session"), ("a", "a:b")),
    ("path", PATH, ("/", "/a/", "/a/b/"), ("", "a", "/a", "a/", "//", "/a//b/", "/ /")),
    ("unique id", UNIQUE_ID, ("AROAEXAMPLEROLEID",), ("AROA", "aroaexampleroleid")),
    ("role id", ROLE_ID, ("AROAEXAMPLEROLEID0001",), ("AIDAEXAMPLEROLEID0001", "AROA", "XROAEXAMPLEROLEID0001")),
    ("user id", USER_ID, ("AIDAEXAMPLEROLEID0001",), ("AROAEXAMPLEROLEID0001",)),
    ("bucket", BUCKET, ("abc", "a-b.c"), ("ab", "-abc", "abc-", ".abc", "Abc", "x" * 64)),
    ("object key", OBJECT_KEY, ("a", "a/b\n", "é" * 512, "\N{GRINNING FACE}"), ("", "é" * 513, "\ud83d", "\ude00a")),
    ("key id", KEY_ID, ("00000000-0000-0000-0000-000000000000",), ("0", "g" * 36, "-" * 36)),
    ("multi-Region key id", MULTI_REGION_KEY_ID, ("mrk-1234567890abcdef1234567890abcdef",), ("mrk-1234", "0" * 36)),
    ("region", REGION, ("eu-west-1", "ap-southeast-7"), ("euwest1", "eu_west_1")),
    ("text", TEXT, ("", "any thing", "\N{GRINNING FACE}"), ("x" * 2049,)),
    ("service", SERVICE_NAME, ("logging.s3.amazonaws.com",), ("", ".com", "A.com")),
]


@pytest.mark.parametrize(("shape", "valid", "invalid"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_a_shape_holds_what_aws_allows(shape: Shape, valid: tuple[str, ...], invalid: tuple[str, ...]) -> None:
    assert [text for text in valid if not shape.holds(text)] == []
    assert [text for text in invalid if shape.holds(text)] == []
    assert not shape.example or shape.holds(shape.example)


def test_no_letter_that_a_shape_prefers_is_one_that_it_forbids() -> None:
    for _, shape, _, _ in SHAPES:
        assert [letter for letter in shape.letters if not shape.allows(letter)] in ([], [" "])


def caller_points() -> list[tuple[CallerKind, tuple[str, ...], Caller]]:
    return [
        (
            CallerKind.ROLE_SESSION,
            (STRANGER, "/p/", "AROAX", "r", "s1"),
            Caller(CallerKind.ROLE_SESSION, STRANGER, "r", "/p/", "s1", "AROAX"),
        ),
        (CallerKind.USER, (STRANGER, "/", "AIDAX", "u"), Caller(CallerKind.USER, STRANGER, "u", "/", "", "AIDAX")),
        (CallerKind.ROOT, (STRANGER,), Caller(CallerKind.ROOT, STRANGER)),
        (CallerKind.SERVICE, ("s.amazonaws.com",), Caller(CallerKind.SERVICE, name="s.amazonaws.com")),
        (CallerKind.ANONYMOUS, (), Caller(CallerKind.ANONYMOUS)),
    ]


@pytest.mark.parametrize(("kind", "texts", "caller"), caller_points(), ids=[row[0] for row in caller_points()])
def test_every_key_that_follows_from_a_caller_is_bound_as_the_caller_has_it(
    kind: CallerKind, texts: tuple[str, ...], caller: Caller
) -> None:
    space = anybody(kind)
    request = Point("s3:GetObject", {CALLER: texts}, {}).request(space)
    assert request.caller == caller
    assert dict(request.context) == caller.keys()
    known = set().union(*(other.keys() for _, _, other in caller_points()))
    for key in known - {"aws:principaltype"}:
        assert key in space.keys, "a key that one caller has is bound for all"


def test_views_over_one_group_are_spelled_from_the_same_texts() -> None:
    space = decrypting()
    request = Point("kms:Decrypt", {CALLER: ("s1",), RESOURCE: ("sales/x",)}, {}).request(space)
    assert request.values("kms:encryptioncontext:aws:s3:arn") == ("arn:aws:s3:::b/sales/x",)
    assert request.values("aws:userid") == (f"{ID}:s1",)
    assert request.caller.session_arn == f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/s1"
    assert request.resource.startswith("arn:aws:kms:")
    assert request.resource_account == OWNER


def test_a_view_may_leave_out_segments() -> None:
    assert View("any", (0, ":", 2, "!")).spell(("a", "b", "c")) == "a:c!"


def test_an_absent_group_leaves_its_keys_out() -> None:
    space = listing()
    absent = Point("s3:ListBucket", {CALLER: ("s1",), "prefix": None}, {}).request(space)
    empty = Point("s3:ListBucket", {CALLER: ("s1",), "prefix": ("",)}, {}).request(space)
    assert absent.values("s3:prefix") is None
    assert empty.values("s3:prefix") == ("",)


def test_each_copy_of_the_environment_has_its_own_values() -> None:
    keys = {("aws:sourcevpce", 1): ("vpce-1",), ("aws:sourcevpce", 2): None, ("s3:delimiter", 0): ("/",)}
    point = Point("s3:GetObject", {CALLER: ("s1",), RESOURCE: ("k",)}, keys)
    one, two = (point.request(reading(), copy=copy) for copy in (1, 2))
    assert (one.values("aws:sourcevpce"), two.values("aws:sourcevpce")) == (("vpce-1",), None)
    assert one.values("s3:delimiter") == two.values("s3:delimiter") == ("/",)


def test_callers_without_credentials_have_no_principal_arn() -> None:
    assert CallerSpace(CallerKind.ANONYMOUS).principal_arn is None
    assert CallerSpace(CallerKind.SERVICE, name=0).principal_arn is None
