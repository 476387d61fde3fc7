"""What the mail says to do when the watchdog's own reader is shut out: text to paste that lets it in, and no other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.unit.locks.scene import (
    BUCKET,
    CONSUMER,
    OBJECTS,
    OWNER,
    ROOT,
    SHARE_BUCKET,
    SHARE_KEY,
    bucket,
    codes,
    consumer,
    deny,
    document,
    findings,
    key,
    only,
)
from threelocks.aws.read import PERMISSIONS
from threelocks.finding import Finding
from threelocks.locks.reading import READS_OF_KEY
from threelocks.observation import Found, NamedPolicy, Observation, RoleObservation, Unreadable

READER = f"arn:aws:iam::{OWNER}:role/threelocks/threelocks-reader"


def refused(permission: str) -> Unreadable:
    return Unreadable(permission, "AccessDenied", permission=permission)


def unread(observation: Observation, code: str = "bucket.unread") -> Finding:
    return next(finding for finding in findings(observation) if finding.code == code)


@pytest.mark.finding("bucket.unread")
def test_a_bucket_policy_that_shuts_the_reader_out_is_mended_by_a_condition_to_paste_into_its_deny() -> None:
    remedy = unread(bucket(policy=refused("s3:GetBucketPolicy"))).remedy
    assert remedy is not None
    assert remedy.account == OWNER
    assert remedy.statement is not None
    assert "root user" in remedy.sentence
    pasted = json.loads(remedy.statement)
    assert pasted == {"Condition": {"ArnNotEquals": {"aws:PrincipalArn": READER}}}
    assert any("put-bucket-policy" in command for command in remedy.commands)


def test_the_condition_to_paste_takes_nothing_from_the_deny_for_the_agreed_role() -> None:
    remedy = unread(bucket(policy=refused("s3:GetBucketPolicy"))).remedy
    assert remedy is not None
    assert remedy.statement is not None
    shut_out = deny("s3:*", [BUCKET, OBJECTS], to="*", **json.loads(remedy.statement))
    assert codes(bucket(SHARE_BUCKET, shut_out)) == {"bucket.explicit-deny"}


@pytest.mark.finding("key.unread")
def test_a_key_policy_that_shuts_the_reader_out_is_mended_by_naming_it_for_what_it_reads() -> None:
    remedy = unread(key(policies=refused("kms:GetKeyPolicy")), "key.unread").remedy
    assert remedy is not None
    assert remedy.statement is not None
    allow, sparing = json.loads(remedy.statement)
    assert allow["Principal"] == {"AWS": READER}
    assert sparing == {"Condition": {"ArnNotEquals": {"aws:PrincipalArn": READER}}}
    assert any("put-key-policy" in command for command in remedy.commands)
    named = Found((NamedPolicy("default", document(ROOT, SHARE_KEY, allow)),))
    assert codes(key(policies=named)) == set()


def test_the_reader_is_named_for_every_call_on_a_key_that_it_makes_and_no_other() -> None:
    assert set(READS_OF_KEY) == {permission for _, permission in PERMISSIONS if permission.startswith("kms:")}


@pytest.mark.parametrize("source", ["role", "attached"])
def test_a_role_has_no_policy_that_could_spare_the_reader_so_the_stack_or_a_ceiling_must(source: str) -> None:
    seen = consumer()
    assert isinstance(seen.role, RoleObservation)
    seen = replace(seen, role=replace(seen.role, **{source: refused("iam:GetRole")}))
    remedy = unread(seen, "identity.unread").remedy
    assert remedy is not None
    assert (remedy.account, remedy.statement) == (CONSUMER, None)
    assert "deploy the stack again" in remedy.sentence


def test_what_is_only_late_is_looked_at_again() -> None:
    remedy = only(bucket(policy=Unreadable("s3:GetBucketPolicy", "SlowDown", transient=True))).remedy
    assert remedy is not None
    assert remedy.sentence.startswith("Re-check")
