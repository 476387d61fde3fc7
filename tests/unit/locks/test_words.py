"""Every word of a finding, as words.txt beside this file holds it: read it after each change of a sentence.

To renew it: `python -m tests.unit.locks.test_words`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from tests.unit.locks import test_access_points as points
from tests.unit.locks import test_ceilings as ceilings
from tests.unit.locks import test_evidence as trails
from tests.unit.locks import test_own_parts as own_parts
from tests.unit.locks import test_watchdog as upkeep
from tests.unit.locks.scene import (
    BUCKET,
    CONSUMER,
    DENIED,
    IDENTITY,
    KEY,
    OBJECTS,
    ORGANIZATION,
    ROLE,
    ROLE_ID,
    ROOT,
    SHARE_BUCKET,
    SHARE_KEY,
    STRANGER,
    TLS_ONLY,
    allow,
    bucket,
    consumer,
    contract,
    deny,
    document,
    findings,
    key,
    policy,
)
from threelocks.contract import Contract
from threelocks.finding import Finding
from threelocks.observation import (
    Absent,
    AclGrant,
    BucketAcl,
    CeilingObservation,
    Encryption,
    Found,
    Grant,
    KeyMetadata,
    Membership,
    Observation,
    Role,
)

WORDS = Path(__file__).parent / "words.txt"
GHOST = "AROAOLDEXAMPLE123456"
ADMIN = f"arn:aws:iam::{CONSUMER}:role/Admin"
MANY = ["s3:*", "kms:*"]
AT_NIGHT = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
BEFORE_2027 = {"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}}
REVOKED = deny("*", "*", when={"DateLessThan": {"aws:TokenIssueTime": "2026-11-23T00:00:00Z"}})


def _acl(*grants: AclGrant) -> Observation:
    written = Found(BucketAcl("canonical", (AclGrant("canonical", "FULL_CONTROL"), *grants)))
    return bucket(ownership=Found("ObjectWriter"), acl=written, block=Absent())


def _state(name: str, manager: str = "CUSTOMER", deletion: datetime | None = None) -> Observation:
    return key(metadata=Found(KeyMetadata(KEY, name, manager, deletion)))


def _trust(principal: str) -> Observation:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return consumer(role=Found(Role(ROLE, ROLE_ID, document(statement))))


def _below(row: ceilings.Row) -> Sequence[Finding]:
    return findings(consumer(ceilings=row.ceilings) if row.holder == CONSUMER else key(ceilings=row.ceilings))


def _edited() -> Contract:
    edited = contract()
    edited._is_edited = True  # as one that was read back from the table
    return edited


_S3_ONLY = {"Version": "2012-10-17", "Statement": [allow("s3:*", "*")]}
_SESSION = {"name": "pipeline", "session_policy": _S3_ONLY}


def _bounded(*statements: dict[str, object]) -> Observation:
    return consumer(boundary=Found(policy("boundary", *statements)))


_GROUP = "http://acs.amazonaws.com/groups/global/"
SCENES: dict[str, Observation] = {
    "identity: nothing allows": consumer(allow("s3:PutObject", OBJECTS)),
    "identity: a Deny": consumer(*IDENTITY, deny("s3:GetObject", OBJECTS, Sid="NoReading")),
    "identity: conditional": consumer(*IDENTITY, deny("s3:*", OBJECTS, when=AT_NIGHT)),
    "identity: until a date": consumer(IDENTITY[0], IDENTITY[2], allow("s3:GetObject", OBJECTS, when=BEFORE_2027)),
    "identity: sessions revoked": consumer(*IDENTITY, REVOKED),
    "identity: sessions revoked by the console": consumer(
        inline=Found((policy("read-curated", *IDENTITY), policy("AWSRevokeOlderSessions", REVOKED)))
    ),
    "identity: boundary does not allow": _bounded(allow("s3:ListBucket", BUCKET)),
    "identity: boundary refuses": _bounded(allow("*", "*"), deny("kms:Decrypt", "*")),
    "identity: role missing": consumer(role=Absent()),
    "identity: role unread": consumer(role=DENIED),
    "identity: wide": consumer(*IDENTITY, allow(MANY, "*")),
    "identity: no document": consumer(attached=Found((replace(policy("other"), document="no JSON"),))),
    "identity: trust": _trust(ADMIN),
    "bucket: nothing allows": bucket(TLS_ONLY),
    "bucket: a Deny": bucket(SHARE_BUCKET, deny("s3:GetObject", OBJECTS, to=ROLE)),
    "bucket: conditional": bucket(SHARE_BUCKET, deny("s3:*", OBJECTS, to="*", when=AT_NIGHT)),
    "bucket: ghost": bucket(allow(["s3:GetObject", "s3:ListBucket"], [BUCKET, OBJECTS], to=GHOST), TLS_ONLY),
    "bucket: other principals": bucket(SHARE_BUCKET, TLS_ONLY, allow("s3:GetObject", OBJECTS, to=STRANGER)),
    "bucket: everybody": bucket(SHARE_BUCKET, allow("s3:GetObject", OBJECTS, to="*")),
    "bucket: more actions": bucket(SHARE_BUCKET, allow("s3:PutObject", OBJECTS, to=ROLE)),
    "bucket: policy unread": bucket(policy=DENIED),
    "bucket: cut off by the block": bucket(policy_is_public=Found(value=True)),
    "bucket: another key": bucket(encryption=Found(Encryption("aws:kms", f"{KEY[:-4]}ffff"))),
    "bucket: no key": bucket(encryption=Found(Encryption("AES256", "", bucket_key=False))),
    "bucket: requester pays": bucket(requester_pays=Found(value=True)),
    "acl: everybody": _acl(AclGrant(f"{_GROUP}AllUsers", "READ")),
    "acl: every account": _acl(AclGrant(f"{_GROUP}AuthenticatedUsers", "READ")),
    "acl: one account": _acl(AclGrant("another", "WRITE")),
    "acl: not understood": _acl(AclGrant("another", "NEW")),
    "key: nothing allows": key(ROOT),
    "key: a Deny": key(ROOT, SHARE_KEY, deny("kms:Decrypt", "*", to=ROLE)),
    "key: conditional": key(ROOT, SHARE_KEY, deny("kms:*", "*", to=ROLE, when=AT_NIGHT)),
    "key: ghost": key(ROOT, allow(["kms:Decrypt", "kms:DescribeKey"], "*", to=GHOST)),
    "key: disabled": _state("Disabled"),
    "key: pending deletion": _state("PendingDeletion", deletion=datetime(2026, 11, 24, 12, tzinfo=UTC)),
    "key: unavailable": _state("Unavailable"),
    "key: of AWS": _state("Enabled", "AWS"),
    "key: missing": key(metadata=Absent()),
    "key: no root": key(SHARE_KEY),
    "key: other principals": key(ROOT, SHARE_KEY, allow("kms:Decrypt", "*", to=STRANGER)),
    "key: more actions": key(ROOT, SHARE_KEY, allow("kms:Encrypt", "*", to=ROLE)),
    "key: by a grant only": key(ROOT, grants=Found((Grant("g-1", ROLE, ("Decrypt", "DescribeKey")),))),
    "key: a wide grant": key(grants=Found((Grant("g-2", f"arn:aws:iam::{STRANGER}:role/Other", ("Decrypt",)),))),
}
EVIDENCE: dict[str, Callable[[], Sequence[Finding]]] = {
    "evidence: no trail": lambda: trails.found(account=CONSUMER),
    "evidence: stopped": lambda: trails.found(trails.trail(status=trails.STOPPED)),
    "evidence: stopped in another account": lambda: trails.found(trails.trail(status=trails.STOPPED, account=STRANGER)),
    "evidence: undelivered": lambda: trails.found(trails.trail(status=trails.UNDELIVERED)),
    "evidence: without KMS": lambda: trails.found(trails.trail((trails.MANAGEMENT, trails.NO_KMS), trails.OBJECTS)),
    "evidence: writes only": lambda: trails.found(trails.trail((trails.MANAGEMENT, trails.WRITES), trails.OBJECTS)),
    "evidence: reads only": lambda: trails.found(trails.trail((trails.MANAGEMENT, trails.READS), trails.OBJECTS)),
    "evidence: no data events": lambda: trails.found(trails.trail((trails.MANAGEMENT,))),
    "evidence: one region": lambda: trails.found(trails.trail(multi_region=False), account=CONSUMER),
    "evidence: unread": lambda: trails.found(trails.trail(status=trails.DENIED)),
}
UPKEEP: dict[str, Callable[[], Sequence[Finding]]] = {
    "watchdog: a rule is off": lambda: upkeep.found(
        upkeep.region(upkeep.rule("role-changed", upkeep.pattern(upkeep.IAM), state="DISABLED")), upkeep.ALL_RELAYED
    ),
    "watchdog: a rule is gone": lambda: upkeep.found(upkeep.region(), upkeep.ALL_RELAYED),
    "watchdog: no relay": lambda: upkeep.found(upkeep.ALL_HOME, upkeep.region(at=upkeep.ELSEWHERE)),
    "watchdog: a relay is failing": lambda: upkeep.found(
        upkeep.ALL_HOME, replace(upkeep.ALL_RELAYED, dead_letters=Found(3))
    ),
    "watchdog: nobody is subscribed": lambda: upkeep.found(subscribed=Found(0)),
    "watchdog: the topic is gone": lambda: upkeep.found(subscribed=Absent()),
    "watchdog: unread": lambda: upkeep.found(subscribed=upkeep.DENIED),
    "watchdog: a part is gone": lambda: own_parts.found(own_parts.seen(own_parts.part(Absent()))),
    "watchdog: a part is off": lambda: own_parts.found(own_parts.seen(own_parts.part("first", "does not run"))),
    "watchdog: settings were changed": lambda: own_parts.found(
        own_parts.seen(own_parts.part("other")), own_parts.pins_of(own_parts.seen(), {})
    ),
    "watchdog: a subscriber is gone": lambda: own_parts.found(
        own_parts.seen(subscribed=1, pending=1), own_parts.pins_of(own_parts.seen(), {})
    ),
    "watchdog: the contract was edited": lambda: findings(consumer(), _edited()),
}
CEILINGS: dict[str, Callable[[], Sequence[Finding]]] = {
    **{f"ceiling: {row.title}": partial(_below, row) for row in ceilings.ROWS},
    "ceiling: an endpoint": lambda: findings(
        ceilings.below(ceilings.endpoint(ceilings.OTHER_BUCKETS)), ceilings.through()
    ),
    "ceiling: an endpoint that is gone": lambda: findings(
        ceilings.below(replace(ceilings.endpoint(), endpoint=Absent())), ceilings.through()
    ),
    "ceiling: an endpoint of another service": lambda: findings(
        ceilings.below(ceilings.endpoint(service="sqs")), ceilings.through()
    ),
    "ceiling: a session policy": lambda: findings(consumer(), contract(contexts=[_SESSION])),
    "ceiling: an access point": lambda: findings(points.delegating(None), points.NAMED),
    "ceiling: no such access point": lambda: findings(points.delegating(), points.NAMED),
    "access point: lets in an account": lambda: findings(
        points.delegating((allow("s3:GetObject", points.BELOW, to=CONSUMER),))
    ),
    "premise: another organization": lambda: findings(
        consumer(ceilings=CeilingObservation(organization=Found(Membership("o-zzzzzzzzzz", "444444444444")))),
        contract(premises={"consumer_organization": ORGANIZATION}),
    ),
    "premise: tags": lambda: findings(
        consumer(tags=(("team", "x"),)), contract(premises={"principal_tags": {"team": "bi", "stage": "prod"}})
    ),
    "identity: made again": lambda: findings(consumer(), facts={"pinned_role_id": "AROAOLDEXAMPLE123456"}),
}
FOUND = {**EVIDENCE, **UPKEEP, **CEILINGS}
AGREED_ELSE: dict[str, Contract] = {"identity: trust": contract(trusted_by=["glue.amazonaws.com"])}


def told(title: str) -> str:
    """What is found in one scene, with every field."""
    found = FOUND[title]() if title in FOUND else findings(SCENES[title], AGREED_ELSE.get(title, contract()))
    assert found, f"the scene `{title}` shows nothing"
    return "\n".join((f"=== {title}", *(line for one in found for line in _lines(one)), ""))


def _lines(one: Finding) -> list[str]:
    lines = [
        f"{one.code} ({one.kind}, {one.lock}, {one.scope}) in {one.account}: {one.resource}",
        f"  of {one.principal}: {', '.join(one.actions)}",
        f"  {one.detail}",
        *(f"  {ref.document} [{ref.index}] {ref.sid}: {ref.text}" for ref in one.statements),
    ]
    if one.remedy:
        lines.append(f"  remedy in {one.remedy.account}: {one.remedy.sentence}")
        lines += [f"    | {line}" for line in (one.remedy.statement or "").splitlines()]
        lines += [f"    $ {line}" for command in one.remedy.commands for line in command.splitlines()]
    return lines


@pytest.mark.parametrize("title", [*SCENES, *FOUND])
def test_a_finding_is_worded_as_written_down(title: str) -> None:
    sections = WORDS.read_text().split("=== ")
    assert told(title).removeprefix("=== ") in sections


def test_no_words_are_kept_of_a_scene_that_is_gone() -> None:
    assert [line[4:] for line in WORDS.read_text().splitlines() if line.startswith("=== ")] == [*SCENES, *FOUND]


if __name__ == "__main__":
    WORDS.write_text("".join(map(told, [*SCENES, *FOUND])))
