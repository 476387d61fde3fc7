"""A share of one bucket as tests need it: a contract, both accounts' observations of it, and what judging them gives.

Every part starts as agreed and open; a test changes what it is about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from threelocks.contract import Contract
from threelocks.contract import parse as parse_contract
from threelocks.finding import Finding, Verdict
from threelocks.judge import judge
from threelocks.observation import (
    Absent,
    AclGrant,
    BucketAcl,
    BucketObservation,
    CeilingObservation,
    Encryption,
    Found,
    Grant,
    KeyMetadata,
    KeyObservation,
    NamedPolicy,
    Observation,
    PublicAccessBlock,
    Role,
    RoleObservation,
    Source,
    Unreadable,
)

Statement = dict[str, Any]

OWNER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
BUCKET = "arn:aws:s3:::datalake-curated-a"
OBJECTS = f"{BUCKET}/*"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/abcd1234-a123-456a-a12b-a123b4cd56ef"
ROLE = f"arn:aws:iam::{CONSUMER}:role/BIAnalyticsRole"
ROLE_ID = "AROAEXAMPLE123456789"
ORGANIZATION = "o-a1b2c3d4e5"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

READ = ("s3:GetObject", "s3:ListBucket")
USE = ("kms:Decrypt", "kms:DescribeKey")
ALL = tuple(sorted((*READ, *USE)))


def contract(**changes: Any) -> Contract:
    """The contract of the example, with some fields changed."""
    fields: dict[str, Any] = {
        "name": "bi-curated-read",
        "owner": {"account": OWNER, "name": "data-platform", "home_region": "eu-west-1"},
        "consumer": {"account": CONSUMER, "name": "bi-team", "home_region": "eu-west-1"},
        "bucket": {"name": "datalake-curated-a", "region": "eu-west-1"},
        "key": KEY,
        "role": ROLE,
        "actions": [*READ, *USE],
    }
    return parse_contract({**fields, **changes})


AGREED = contract()


# --- statements -------------------------------------------------------------------------------------------------------


def allow(action: Any, resource: Any = None, *, to: Any = None, when: Any = None, **more: Any) -> Statement:
    """An Allow; `to` an ARN, an account, "*" or a whole Principal element."""
    return _statement("Allow", action, resource, to, when, more)


def deny(action: Any, resource: Any = None, *, to: Any = None, when: Any = None, **more: Any) -> Statement:
    return _statement("Deny", action, resource, to, when, more)


def _statement(effect: str, action: Any, resource: Any, to: Any, when: Any, more: Mapping[str, Any]) -> Statement:
    statement: Statement = {"Effect": effect}
    if to is not None:
        statement["Principal"] = to if isinstance(to, dict) or to == "*" else {"AWS": to}
    if action is not None:
        statement["Action"] = action
    if resource is not None:
        statement["Resource"] = resource
    if when is not None:
        statement["Condition"] = when
    return {**statement, **more}


def document(*statements: Statement, version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)})


def policy(name: str, *statements: Statement) -> NamedPolicy:
    return NamedPolicy(name, document(*statements))


# What each lock needs, and the two statements that every owner has.
IDENTITY = (
    allow("s3:ListBucket", BUCKET),
    allow("s3:GetObject", OBJECTS),
    allow(list(USE), KEY),
)
SHARE_BUCKET = allow(list(READ), [BUCKET, OBJECTS], to=ROLE)
TLS_ONLY = deny("s3:*", [BUCKET, OBJECTS], to="*", when={"Bool": {"aws:SecureTransport": "false"}})
SHARE_KEY = allow(list(USE), "*", to=ROLE)
ROOT = allow("kms:*", "*", to=f"arn:aws:iam::{OWNER}:root")


# --- observations -----------------------------------------------------------------------------------------------------

ABSENT, EMPTY, YES, NO = Absent(), Found(()), Found(value=True), Found(value=False)
UNWATCHED = CeilingObservation()
DENIED = Unreadable("x:Read", "AccessDenied", permission="x:Read")


def consumer(
    *identity: Statement,
    inline: Source[tuple[NamedPolicy, ...]] | None = None,
    attached: Source[tuple[NamedPolicy, ...]] = EMPTY,
    boundary: Source[NamedPolicy] = ABSENT,
    role: Source[Role] | None = None,
    tags: tuple[tuple[str, str], ...] = (),
    ceilings: CeilingObservation = UNWATCHED,
) -> Observation:
    """What account B sees; `identity` are the statements of its one inline policy."""
    named = "arn:aws:iam::222222222222:policy/boundary" if isinstance(boundary, Found) else ""
    found = role or Found(Role(ROLE, ROLE_ID, document(), boundary_arn=named, tags=tags))
    own = inline or Found((policy("read-curated", *(identity or IDENTITY)),))
    return Observation(CONSUMER, NOW, role=RoleObservation(found, own, attached, boundary), ceilings=ceilings)


RESTRICTED = PublicAccessBlock(
    block_public_acls=True, ignore_public_acls=True, block_public_policy=True, restrict_public_buckets=True
)
_BUCKET = BucketObservation(
    region=Found("eu-west-1"),
    policy=Found(document(SHARE_BUCKET, TLS_ONLY)),
    policy_is_public=NO,
    block=Found(RESTRICTED),
    account_block=Absent(),
    encryption=Found(Encryption("aws:kms", KEY, bucket_key=False)),
    ownership=Found("BucketOwnerEnforced"),
    acl=Found(BucketAcl("canonical", (AclGrant("canonical", "FULL_CONTROL"),))),
    requester_pays=NO,
    access_points=EMPTY,
)


def bucket(*statements: Statement, **sources: Any) -> Observation:
    """What account A sees of its bucket; without statements, the agreed policy."""
    if statements:
        sources["policy"] = Found(document(*statements))
    return Observation(OWNER, NOW, bucket=replace(_BUCKET, **sources))


def key(
    *statements: Statement,
    metadata: Source[KeyMetadata] | None = None,
    policies: Source[tuple[NamedPolicy, ...]] | None = None,
    grants: Source[tuple[Grant, ...]] = EMPTY,
    account: str = OWNER,
    ceilings: CeilingObservation = UNWATCHED,
) -> Observation:
    """What the key's holder sees of it; without statements, the agreed policy."""
    return Observation(
        account,
        NOW,
        key=KeyObservation(
            metadata or Found(KeyMetadata(KEY, "Enabled", "CUSTOMER")),
            policies or Found((policy("default", *(statements or (ROOT, SHARE_KEY))),)),
            grants,
        ),
        ceilings=ceilings,
    )


# --- judging ----------------------------------------------------------------------------------------------------------


def verdict(
    observation: Observation,
    agreed: Contract = AGREED,
    *,
    neighbours: Sequence[Contract] = (),
    facts: Mapping[str, str] | None = None,
) -> Verdict:
    """The judgement, knowing what the consumer would have reported."""
    reported = {"role_id": ROLE_ID, "has_boundary": "false"} if facts is None else facts
    return judge(agreed, tuple(neighbours), observation, reported)


def findings(observation: Observation, agreed: Contract = AGREED, **known: Any) -> tuple[Finding, ...]:
    return verdict(observation, agreed, **known).findings


def only(observation: Observation, agreed: Contract = AGREED, **known: Any) -> Finding:
    """The one finding there is."""
    found = findings(observation, agreed, **known)
    assert len(found) == 1, [(one.code, one.principal, one.actions, one.detail) for one in found]
    return found[0]


def codes(observation: Observation, agreed: Contract = AGREED, **known: Any) -> set[str]:
    return {finding.code for finding in findings(observation, agreed, **known)}
