"""CloudTrail records made from real boto3 calls have the shape of the event files in events/."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from simulation.changes import CHANGES, key_id
from simulation.scenario import Deed
from simulation.share import READS
from simulation.world import ROOT, World, simulated_world
from threelocks.contract import Contract

EVENTS = ROOT / "events"


@pytest.fixture(scope="module")
def people() -> Iterator[World]:
    """Two accounts whose functions are never run."""
    with simulated_world() as up:
        yield up


def s3(world: World) -> Any:
    return world.administrator(world.contract.owner.account, "s3")


def kms(world: World) -> Any:
    return world.administrator(world.contract.owner.account, "kms")


def iam(world: World) -> Any:
    return world.administrator(world.contract.consumer.account, "iam")


BLOCKS = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)


def put_encryption(world: World) -> None:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": world.contract.key}
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
    s3(world).put_bucket_encryption(
        Bucket=world.contract.bucket.name, ServerSideEncryptionConfiguration={"Rules": [rule]}
    )


def put_blocks(world: World) -> None:
    s3(world).put_public_access_block(Bucket=world.contract.bucket.name, PublicAccessBlockConfiguration=BLOCKS)


def put_account_blocks(world: World) -> None:
    client = world.administrator(world.contract.owner.account, "s3control")
    client.put_public_access_block(AccountId=world.contract.owner.account, PublicAccessBlockConfiguration=BLOCKS)


def delete_bucket_policy(world: World) -> None:
    s3(world).delete_bucket_policy(Bucket=world.contract.bucket.name)


def create_grant(world: World) -> None:
    principal = f"arn:aws:iam::{world.contract.consumer.account}:root"
    kms(world).create_grant(KeyId=world.contract.key, GranteePrincipal=principal, Operations=["Decrypt", "DescribeKey"])


def schedule_deletion(world: World) -> None:
    kms(world).schedule_key_deletion(KeyId=key_id(world.contract), PendingWindowInDays=7)
    kms(world).cancel_key_deletion(KeyId=key_id(world.contract))


def delete_inline(world: World) -> None:
    iam(world).delete_role_policy(RoleName=world.contract.role_name, PolicyName=READS)


def update_trust(world: World) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam(world).update_assume_role_policy(RoleName=world.contract.role_name, PolicyDocument=document)


def made(name: str) -> Deed:
    """The change of the demo that has this name."""
    return next(change.make for change in CHANGES if change.name == name)


FILES: dict[str, Callable[[World], None] | Deed] = {
    "role-inline-policy-lost-decrypt": made("identity-policy"),
    "bucket-policy-lost-role": made("bucket-policy"),
    "bucket-policy-denies-prefix": made("denied-prefix"),
    "bucket-policy-widened-to-account": made("widened-principal"),
    "key-policy-lost-role": made("key-policy"),
    "key-disabled": made("key-disabled"),
    "bucket-encryption-other-key": put_encryption,
    "bucket-public-access-block-put": put_blocks,
    "account-public-access-block-put": put_account_blocks,
    "bucket-policy-deleted": delete_bucket_policy,
    "key-grant-created": create_grant,
    "key-deletion-scheduled": schedule_deletion,
    "role-inline-policy-deleted": delete_inline,
    "role-trust-changed": update_trust,
}


def shape(value: Any, name: str = "") -> Any:
    """Names and types, all the way down; a policy is text or an object, whatever it says."""
    if name == "bucketPolicy":
        return "a policy"
    if isinstance(value, Mapping):
        return {key: shape(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.mark.parametrize("name", FILES)
def test_a_record_has_the_shape_of_its_event_file(people: World, name: str) -> None:
    already = len(people.trail.records)
    FILES[name](people)
    expected = json.loads(Path(EVENTS / f"{name}.json").read_text(encoding="utf-8"))["detail"]
    record = people.trail.records[already]
    assert record["eventName"] == expected["eventName"]
    assert record["eventSource"] == expected["eventSource"]
    assert record["awsRegion"] == expected["awsRegion"]
    assert record["recipientAccountId"] == expected["recipientAccountId"]
    assert shape(record) == shape(expected)


def test_a_call_that_fails_is_recorded_with_its_error(people: World) -> None:
    with pytest.raises(ClientError):
        s3(people).put_bucket_policy(Bucket="no-such-bucket-anywhere", Policy="{}")
    record = people.trail.records[-1]
    assert (record["eventName"], record["errorCode"]) == ("PutBucketPolicy", "NoSuchBucket")
    assert record["responseElements"] is None


def test_a_read_leaves_no_record_that_a_rule_of_ours_would_see(people: World) -> None:
    already = len(people.trail.records)
    s3(people).get_bucket_location(Bucket=people.contract.bucket.name)
    assert len(people.trail.records) == already


def test_the_key_has_the_id_that_the_contract_names(people: World) -> None:
    described = kms(people).describe_key(KeyId=people.contract.key)["KeyMetadata"]
    assert described["Arn"] == people.contract.key
    assert isinstance(people.contract, Contract)
