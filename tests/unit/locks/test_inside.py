"""What is plainly permitted, told from the text of an Allow and of what is permitted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.locks.scene import BUCKET, CONSUMER, KEY, OBJECTS, OWNER, ROLE, Statement, allow, document
from threelocks.locks.inside import is_inside
from threelocks.policy.document import parse_document

READ = ["s3:GetObject", "s3:ListBucket"]
OF_OWNER = {"StringEquals": {"aws:SourceAccount": [OWNER, CONSUMER]}}
SALES = {"StringLike": {"s3:prefix": ["sales/*", "hr/*"]}}


def inside(one: Statement, permit: Statement, *on: str, version: str = "2012-10-17") -> bool:
    parsed = parse_document(document(one, version=version), "policy").statements[0]
    return is_inside(parsed, parse_document(document(permit), "permitted").statements[0], on)


# name: an Allow, and what is permitted
PLAIN: dict[str, tuple[Statement, Statement]] = {
    "the same": (allow(READ, [BUCKET, OBJECTS], to=ROLE), allow(READ, [BUCKET, OBJECTS], to=ROLE)),
    "one action of two": (allow("s3:GetObject", OBJECTS, to=ROLE), allow(READ, [BUCKET, OBJECTS], to=ROLE)),
    "an action in another case": (allow("S3:getobject", OBJECTS, to=ROLE), allow(READ, OBJECTS, to=ROLE)),
    "a narrower wildcard": (allow("s3:Get*", f"{BUCKET}/sales/*/x", to=ROLE), allow("s3:*", OBJECTS, to=ROLE)),
    "one object": (allow("s3:GetObject", f"{BUCKET}/x", to=ROLE), allow("s3:GetObject", OBJECTS, to=ROLE)),
    "a variable behind what is permitted": (
        allow("s3:GetObject", f"{BUCKET}/home/${{aws:userid}}/*", to=ROLE),
        allow("s3:GetObject", f"{BUCKET}/home/*", to=ROLE),
    ),
    "one more condition": (
        allow("s3:GetObject", OBJECTS, to=ROLE, when=OF_OWNER),
        allow("s3:GetObject", OBJECTS, to=ROLE),
    ),
    "fewer values of the same condition": (
        allow("s3:*", OBJECTS, to="*", when={"StringEquals": {"aws:SourceAccount": OWNER}}),
        allow("*", "*", to="*", when=OF_OWNER),
    ),
}

NOT_PLAIN: dict[str, tuple[Statement, Statement]] = {
    "another action": (allow("s3:PutObject", OBJECTS, to=ROLE), allow(READ, OBJECTS, to=ROLE)),
    "more actions": (allow([*READ, "s3:PutObject"], OBJECTS, to=ROLE), allow(READ, OBJECTS, to=ROLE)),
    "a wildcard over the actions": (allow("s3:Get*", OBJECTS, to=ROLE), allow("s3:GetObject", OBJECTS, to=ROLE)),
    "more resources": (allow("s3:GetObject", [OBJECTS, "*"], to=ROLE), allow("s3:GetObject", OBJECTS, to=ROLE)),
    "a wildcard that begins before": (
        allow("s3:GetObject", f"{BUCKET}*", to=ROLE),
        allow("s3:GetObject", f"{BUCKET}/*", to=ROLE),
    ),
    "a resource in another case": (allow("s3:GetObject", f"{BUCKET}/X"), allow("s3:GetObject", f"{BUCKET}/x")),
    "a variable in the place of the prefix": (
        allow("s3:GetObject", f"{BUCKET}/${{aws:userid}}/*", to=ROLE),
        allow("s3:GetObject", f"{BUCKET}/home/*", to=ROLE),
    ),
    "a missing condition": (allow("s3:ListBucket", BUCKET), allow("s3:ListBucket", BUCKET, when=SALES)),
    "more values": (
        allow("s3:ListBucket", BUCKET, when={"StringLike": {"s3:prefix": ["sales/*", "hr/*", "x"]}}),
        allow("s3:ListBucket", BUCKET, when=SALES),
    ),
    "another operator": (
        allow("s3:ListBucket", BUCKET, when={"StringLikeIfExists": {"s3:prefix": "sales/*"}}),
        allow("s3:ListBucket", BUCKET, when=SALES),
    ),
    "fewer values of a negated condition": (
        allow("s3:ListBucket", BUCKET, when={"StringNotLike": {"s3:prefix": "sales/*"}}),
        allow("s3:ListBucket", BUCKET, when={"StringNotLike": {"s3:prefix": ["sales/*", "hr/*"]}}),
    ),
    "all but some principals": (
        allow("s3:GetObject", OBJECTS, NotPrincipal={"AWS": OWNER}),
        allow("s3:GetObject", OBJECTS, to=ROLE),
    ),
    "all but some actions": (allow(None, OBJECTS, to=ROLE, NotAction="s3:Put*"), allow("s3:*", OBJECTS, to=ROLE)),
    "all but some resources": (allow(READ, to=ROLE, NotResource=KEY), allow(READ, KEY, to=ROLE)),
    "an element that is not known": (
        allow("s3:GetObject", OBJECTS, to=ROLE, Unless="x"),
        allow("s3:GetObject", OBJECTS, to=ROLE),
    ),
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_written_as_permitted_is_plainly_inside(name: str) -> None:
    assert inside(*PLAIN[name])


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_anything_else_is_left_to_the_search(name: str) -> None:
    assert not inside(*NOT_PLAIN[name])


def test_where_one_resource_is_asked_about_it_does_not_matter_how_others_are_named() -> None:
    everything, key = allow("kms:Decrypt", "*", to=ROLE), allow("kms:Decrypt", KEY, to=ROLE)
    assert inside(everything, key, KEY)
    assert not inside(everything, key)
    assert not inside(everything, key, KEY, f"{KEY}0")


@pytest.mark.parametrize("version", ["2008-10-17", "2012-10-17"])
def test_a_condition_with_a_variable_is_left_to_the_search(version: str) -> None:
    when: dict[str, Any] = {"StringLike": {"s3:prefix": "${aws:userid}/*"}}
    one = allow("s3:ListBucket", BUCKET, to=ROLE, when=when)
    assert not inside(one, one, version=version)
