"""The share as administrators set it up: bucket and key in the owner's account, the role in the consumer's.

Policies are written out here as people write them; what the contract names (bucket, key, role) is filled in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import moto.kms.models

from threelocks.contract import Contract

Policy = dict[str, Any]
READS = "read-curated"  # the role's inline policy


def identity_policy(contract: Contract) -> Policy:
    """Lock 1: what the role may do, by its own account's will."""
    return _policy(
        {"Sid": "ReadCurated", "Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{contract.bucket_arn}/*"},
        {"Sid": "ListCurated", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": contract.bucket_arn},
        {
            "Sid": "DecryptCurated",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:DescribeKey"],
            "Resource": contract.key,
        },
    )


def bucket_policy(contract: Contract) -> Policy:
    """Lock 2: the role by name, and nobody without TLS."""
    role = {"AWS": contract.role}
    return _policy(
        _only_by_tls(contract),
        {
            "Sid": "BiReads",
            "Effect": "Allow",
            "Principal": role,
            "Action": "s3:GetObject",
            "Resource": f"{contract.bucket_arn}/*",
        },
        {
            "Sid": "BiLists",
            "Effect": "Allow",
            "Principal": role,
            "Action": "s3:ListBucket",
            "Resource": contract.bucket_arn,
        },
    )


def key_policy(contract: Contract) -> Policy:
    """Lock 3: the account's administrators, and the role by name."""
    return _policy(
        _administered(contract),
        {
            "Sid": "BiDecrypts",
            "Effect": "Allow",
            "Principal": {"AWS": contract.role},
            "Action": ["kms:Decrypt", "kms:DescribeKey"],
            "Resource": "*",
        },
    )


def _only_by_tls(contract: Contract) -> Mapping[str, Any]:
    return {
        "Sid": "OnlyByTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [contract.bucket_arn, f"{contract.bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _administered(contract: Contract) -> Mapping[str, Any]:
    root = f"arn:aws:iam::{contract.key_account}:root"
    return {"Sid": "Account", "Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}


def _policy(*statements: Mapping[str, Any]) -> Policy:
    return {"Version": "2012-10-17", "Statement": [dict(statement) for statement in statements]}


def without(policy: Policy, *sids: str) -> Policy:
    """The policy without those statements. Raises ValueError when there is none of a Sid."""
    missing = set(sids) - {statement.get("Sid") for statement in policy["Statement"]}
    if missing:
        raise ValueError(f"no statement `{min(missing)}`; name one that the policy has")
    return {**policy, "Statement": [each for each in policy["Statement"] if each.get("Sid") not in sids]}


def changed(policy: Policy, sid: str, **elements: Any) -> Policy:
    """The policy with other elements in one statement."""
    without(policy, sid)
    statements = [{**each, **elements} if each.get("Sid") == sid else each for each in policy["Statement"]]
    return {**policy, "Statement": statements}


def with_also(policy: Policy, statement: Mapping[str, Any]) -> Policy:
    """The policy with one more statement."""
    return {**policy, "Statement": [*policy["Statement"], dict(statement)]}


# -- setting up --------------------------------------------------------------------------------------------------------


def create_key(kms: Any, contract: Contract) -> None:
    """AWS chooses a new key's id itself, and the contract would be written afterwards. The simulated one is told which
    id to choose, so that the contract in `contracts/` is the one that runs."""
    key_id = contract.key.rpartition("/")[2]
    with patch.object(moto.kms.models, "generate_key_id", lambda _multi_region: key_id):
        kms.create_key(Description="curated zone", Policy=json.dumps(key_policy(contract)))


def create_bucket(s3: Any, s3control: Any, contract: Contract) -> None:
    """As new buckets are today, all public access blocked and objects owned by the bucket's account, and encrypted with
    the key."""
    name, blocks = contract.bucket.name, dict.fromkeys(_BLOCKS, True)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": contract.bucket.region})
    s3.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=blocks)
    s3control.put_public_access_block(AccountId=contract.owner.account, PublicAccessBlockConfiguration=blocks)
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": contract.key}
    rule = {"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(bucket_policy(contract)))


_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


TRAIL = "evidence"
ALL_MANAGEMENT = {"ReadWriteType": "All", "IncludeManagementEvents": True, "ExcludeManagementEventSources": []}


def create_trail(cloudtrail: Any, s3: Any, account: str, *, objects: str = "") -> None:
    """A trail of all regions with all management events; `objects`: with who reads the objects of that bucket, too.

    AWS gives a new trail the selector of all management events; the simulated one must be told.
    """
    bucket = f"trail-of-{account}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    cloudtrail.create_trail(Name=TRAIL, S3BucketName=bucket, IsMultiRegionTrail=True)
    cloudtrail.put_event_selectors(TrailName=TRAIL, EventSelectors=[with_data(objects)])
    cloudtrail.start_logging(Name=TRAIL)


def with_data(bucket: str) -> dict[str, Any]:
    """A trail's selector of all management events, and of the data events of one bucket's objects."""
    data = [{"Type": "AWS::S3::Object", "Values": [f"{bucket}/"]}] if bucket else []
    return {**ALL_MANAGEMENT, "DataResources": data}


def create_role(iam: Any, contract: Contract) -> None:
    """The role that reads, for a service of the consumer's."""
    trust = {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=contract.role_name, AssumeRolePolicyDocument=json.dumps(_policy(trust)))
    iam.put_role_policy(
        RoleName=contract.role_name, PolicyName=READS, PolicyDocument=json.dumps(identity_policy(contract))
    )
