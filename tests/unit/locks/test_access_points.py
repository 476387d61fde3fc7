"""Doors beside the bucket's own: who comes in through access points, the account's own and those of others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.locks.scene import (
    BUCKET,
    CONSUMER,
    DENIED,
    OBJECTS,
    OWNER,
    READ,
    ROLE,
    SHARE_BUCKET,
    STRANGER,
    TLS_ONLY,
    allow,
    bucket,
    consumer,
    contract,
    deny,
    document,
    findings,
    only,
    verdict,
)
from threelocks.finding import Headline, Kind, Lock
from threelocks.locks.access_points import matter
from threelocks.locks.callers import ANYONE
from threelocks.observation import AccessPoint, Found, Observation

POINT = f"arn:aws:s3:eu-west-1:{OWNER}:accesspoint/curated"
BOTH = [BUCKET, OBJECTS]
BELOW = [POINT, f"{POINT}/object/*"]
OURS = {"StringEquals": {"s3:DataAccessPointAccount": OWNER}}
REST_OF_B = f"account {CONSUMER}"


def delegating(*policies: Any, when: Any = OURS, arn: str = POINT) -> Observation:
    """The bucket leaves the choice to its access points; each policy is one's statements, or None."""
    points = tuple(
        AccessPoint(f"curated{number or ''}", f"{arn}{number or ''}", "Internet", document(*each) if each else "")
        for number, each in enumerate(policies)
    )
    statements = (SHARE_BUCKET, TLS_ONLY, allow("s3:*", BOTH, to="*", when=when))
    return bucket(*statements, access_points=Found(points))


def told(observation: Observation, *agreed: Any) -> set[tuple[str, str]]:
    return {(one.code, one.principal) for one in findings(observation, *agreed)}


# --- who gets more than agreed ---


def test_a_bucket_that_delegates_to_its_access_points_is_as_narrow_as_they_are() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html"""
    assert findings(delegating()) == ()
    assert findings(delegating(None)) == ()
    assert findings(delegating((allow(list(READ), BELOW, to=ROLE),))) == ()
    assert findings(delegating((allow("s3:*", BELOW, to=f"arn:aws:iam::{OWNER}:role/Etl"),))) == ()


@pytest.mark.finding("bucket.wide-principal", "bucket.wide-action", "bucket.wide-resource")
@pytest.mark.parametrize(
    ("statement", "code", "principal"),
    [
        (allow("s3:GetObject", BELOW, to=CONSUMER), "bucket.wide-principal", REST_OF_B),
        (allow("s3:GetObject", BELOW, to=STRANGER), "bucket.wide-principal", f"account {STRANGER}"),
        (allow("s3:GetObject", BELOW, to="*"), "bucket.wide-principal", ANYONE),
        (allow("s3:PutObject", BELOW, to=ROLE), "bucket.wide-action", ROLE),
        (allow("s3:GetObject", "*", to=STRANGER), "bucket.wide-principal", f"account {STRANGER}"),
    ],
)
def test_whom_an_access_point_lets_in_beyond_the_share_is_drift_of_that_access_point(
    statement: Any, code: str, principal: str
) -> None:
    found = next(one for one in findings(delegating((statement,))) if one.principal == principal)
    assert (found.code, found.kind, found.lock, found.resource) == (code, Kind.WIDE, Lock.BUCKET_POLICY, POINT)
    assert found.detail.startswith("the access point `curated` ")
    assert found.witness
    assert found.witness.resource.startswith(BUCKET)
    assert {ref.document for ref in found.statements} == {"bucket policy", "access point policy `curated`"}
    assert found.remedy
    assert f"--account-id {OWNER} --name curated" in found.remedy.commands[0]


def test_more_than_the_agreed_prefixes_through_an_access_point_is_wide() -> None:
    agreed = contract(prefixes=["sales/"])
    own = allow("s3:GetObject", f"{BUCKET}/sales/*", to=ROLE)
    listed = allow("s3:ListBucket", BUCKET, to=ROLE, when={"StringLike": {"s3:prefix": "sales/*"}})
    left = allow("s3:*", BOTH, to="*", when=OURS)

    def through(resource: str) -> Observation:
        point = AccessPoint("curated", POINT, "Internet", document(allow("s3:GetObject", resource, to=ROLE)))
        return bucket(own, listed, left, access_points=Found((point,)))

    assert findings(through(f"{POINT}/object/sales/*"), agreed) == ()
    assert only(through(f"{POINT}/object/*"), agreed).code == "bucket.wide-resource"
    assert findings(through(f"{BUCKET}/*"), agreed) == ()  # names nothing below the access point


@pytest.mark.parametrize(
    "statement",
    [
        allow("s3:GetObject", BELOW, to=STRANGER, when={"StringEquals": {"s3:DataAccessPointArn": f"{POINT}-2"}}),
        allow("s3:GetObject", BELOW, to=STRANGER, when={"StringEquals": {"s3:AccessPointNetworkOrigin": "VPC"}}),
        allow("s3:GetObject", f"{POINT}-2/object/*", to=STRANGER),
    ],
)
def test_what_cannot_hold_for_an_access_point_lets_nobody_in_through_it(statement: Any) -> None:
    assert findings(delegating((statement,))) == ()


def test_a_deny_of_either_policy_holds_for_what_comes_through_an_access_point() -> None:
    stranger = allow("s3:GetObject", BELOW, to=STRANGER)
    kept_out = deny("s3:*", "*", to="*", when={"StringNotEquals": {"aws:PrincipalAccount": [OWNER, CONSUMER]}})
    assert told(delegating((stranger,)))
    assert findings(delegating((stranger, kept_out))) == ()
    point = AccessPoint("curated", POINT, "Internet", document(stranger))
    closed = bucket(SHARE_BUCKET, allow("s3:*", BOTH, to="*", when=OURS), kept_out, access_points=Found((point,)))
    assert findings(closed) == ()


def test_an_access_point_of_any_account_is_a_door_for_whom_that_account_likes() -> None:
    anybodys = {"Null": {"s3:DataAccessPointAccount": "false"}}
    assert ("bucket.wide-principal", ANYONE) in told(delegating(when=anybodys))
    of_stranger = {"StringEquals": {"s3:DataAccessPointAccount": STRANGER}}
    found = next(one for one in findings(delegating(when=of_stranger)) if one.principal == ANYONE)
    assert found.resource == BUCKET
    assert found.witness
    assert ("s3:dataaccesspointaccount", (STRANGER,)) in found.witness.context


def test_the_arn_and_the_account_of_an_access_point_belong_together() -> None:
    crossed = {
        "StringEquals": {"s3:DataAccessPointAccount": STRANGER},
        "ArnLike": {"s3:DataAccessPointArn": f"arn:aws:s3:*:{OWNER}:accesspoint/*"},
    }
    assert findings(delegating(when=crossed)) == ()


def test_a_bucket_that_only_access_points_may_use_is_open_to_nobody_directly() -> None:
    only_through = deny("s3:*", BOTH, to="*", when={"StringNotEquals": {"s3:DataAccessPointAccount": OWNER}})
    shut = bucket(SHARE_BUCKET, allow("s3:GetObject", OBJECTS, to=STRANGER), only_through)
    assert told(shut) == {("bucket.explicit-deny", ROLE)}
    point = AccessPoint("p", POINT, "Internet", document(allow("s3:GetObject", BELOW, to=STRANGER)))
    statements = (SHARE_BUCKET, allow("s3:GetObject", OBJECTS, to=STRANGER), only_through)
    through = bucket(*statements, access_points=Found((point,)))
    assert told(through) == {("bucket.explicit-deny", ROLE), ("bucket.wide-principal", f"account {STRANGER}")}


def test_each_access_point_is_told_by_itself() -> None:
    found = findings(delegating(*[(allow("s3:GetObject", f"{POINT}{n}/object/*", to=STRANGER),) for n in ("", "1")]))
    assert {one.resource for one in found} == {POINT, f"{POINT}1"}


def test_access_points_that_were_not_read_are_unknown_and_never_taken_for_closed_or_open() -> None:
    judged = verdict(bucket(SHARE_BUCKET, allow("s3:*", BOTH, to="*", when=OURS), access_points=DENIED))
    assert judged.headline is Headline.UNKNOWN
    assert {one.code for one in judged.findings} == {"bucket.unread"}


@pytest.mark.parametrize(
    ("policy", "code"),
    [("{", "bucket.unread"), (document(allow("s3:*", "*", to="*", Odd=1)), "bucket.not-fully-checked")],
)
def test_an_access_points_policy_that_is_not_understood_is_unknown(policy: str, code: str) -> None:
    point = AccessPoint("p", POINT, "Internet", policy)
    judged = verdict(bucket(SHARE_BUCKET, allow("s3:*", BOTH, to="*", when=OURS), access_points=Found((point,))))
    assert judged.headline is Headline.UNKNOWN
    assert code in {one.code for one in judged.findings}


def test_a_grant_to_the_reader_by_an_access_point_alone_is_no_drift() -> None:
    assert findings(bucket(SHARE_BUCKET, allow(list(READ), BOTH, to=ROLE, when=OURS))) == ()


# --- readers who come through one ---


def through(**keys: Any) -> Any:
    return contract(contexts=[{"name": "ap", "keys": keys}])


def test_readers_are_taken_to_come_without_an_access_point_unless_a_context_says_otherwise() -> None:
    only_through = deny("s3:*", BOTH, to="*", when={"StringNotEquals": {"s3:DataAccessPointAccount": OWNER}})
    assert only(bucket(SHARE_BUCKET, only_through)).code == "bucket.explicit-deny"
    assert findings(bucket(SHARE_BUCKET, only_through), through(**{"s3:DataAccessPointAccount": [OWNER]})) == ()


NAMED = through(**{"s3:DataAccessPointArn": [POINT], "s3:DataAccessPointAccount": [OWNER]})


@pytest.mark.finding("ceiling.access-point")
@pytest.mark.parametrize(
    ("statements", "actions"),
    [
        ((allow("s3:GetObject", BELOW, to=ROLE),), ("s3:ListBucket",)),
        ((allow(list(READ), POINT, to=ROLE),), ("s3:GetObject",)),
        ((allow(list(READ), BOTH, to=ROLE),), READ),
        (None, READ),
        ((allow(list(READ), BELOW, to=ROLE), deny("s3:GetObject", f"{POINT}/object/hr/*", to="*")), ("s3:GetObject",)),
    ],
)
def test_the_policy_of_the_access_point_that_a_context_names_is_a_ceiling(
    statements: Any, actions: tuple[str, ...]
) -> None:
    found = only(delegating(statements), NAMED)
    assert (found.code, found.kind, found.actions) == ("ceiling.access-point", Kind.SHUT, actions)
    assert (found.lock, found.account, found.resource) == (Lock.CEILING, OWNER, POINT)
    assert found.remedy
    assert "put-access-point-policy" in found.remedy.commands[-1]


def test_a_context_through_an_access_point_that_allows_what_is_agreed_is_open() -> None:
    assert findings(delegating((allow(list(READ), BELOW, to=ROLE),)), NAMED) == ()


@pytest.mark.finding("premise.false")
def test_a_context_that_names_an_access_point_that_is_gone_is_a_false_premise() -> None:
    found = only(delegating(), NAMED)
    assert (found.code, found.principal) == ("premise.false", "contexts.ap.keys.s3:dataaccesspointarn")


def test_access_points_of_other_accounts_are_their_own_affair() -> None:
    elsewhere = POINT.replace(OWNER, STRANGER)
    agreed = through(**{"s3:DataAccessPointArn": [elsewhere], "s3:DataAccessPointAccount": [STRANGER]})
    assert findings(bucket(SHARE_BUCKET), agreed) == ()


@pytest.mark.parametrize(
    "keys", [{"s3:DataAccessPointAccount": [OWNER]}, {"s3:DataAccessPointArn": [POINT.replace(OWNER, STRANGER)]}]
)
def test_an_access_point_that_a_context_leaves_open_or_has_elsewhere_is_remarked_on(keys: Any) -> None:
    def remarks(observation: Observation, agreed: Any) -> list[str]:
        return [one for one in verdict(observation, agreed).remarks if one.startswith("context `ap`")]

    assert len(remarks(bucket(), through(**keys))) == 1
    assert remarks(bucket(), NAMED) == []
    assert remarks(bucket(), through(**{"s3:prefix": ["a"]})) == []
    assert len(remarks(bucket(), through(**{"s3:DataAccessPointArn": ["no ARN"]}))) == 1
    assert len(remarks(consumer(), NAMED)) == 1


# --- when they are read ---


@pytest.mark.parametrize(
    ("policy", "tells"),
    [
        (document(SHARE_BUCKET, TLS_ONLY), False),
        (document(allow("s3:*", BOTH, to="*", when=OURS)), True),
        (document(deny("s3:*", BOTH, to="*", when={"Null": {"S3:ACCESSPOINTNETWORKORIGIN": "true"}})), True),
        (json.dumps({"a": "DataAccessPointArn"}).replace("A", "\\u0041"), True),
        ("no JSON", True),
        ("{}", False),
    ],
)
def test_access_points_are_read_where_the_bucket_policy_may_tell_them_apart(
    policy: str,
    tells: bool,  # noqa: FBT001 - a row of the table
) -> None:
    assert matter(policy, contract()) is tells
    assert matter(policy, NAMED)
