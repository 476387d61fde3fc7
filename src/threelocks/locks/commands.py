"""The commands that read a policy, have it edited, and put it back whole, so that no other statement is lost."""

from __future__ import annotations

from threelocks.contract import Contract
from threelocks.policy.arn import Arn

_EDIT = "# edit policy.json, and keep every other statement"


def bucket_policy_commands(contract: Contract) -> tuple[str, ...]:
    which = f"--bucket {contract.bucket.name} --expected-bucket-owner {contract.owner.account}"
    return (
        f"aws s3api get-bucket-policy {which} --query Policy --output text > policy.json",
        _EDIT,
        f"aws s3api put-bucket-policy {which} --policy file://policy.json",
    )


def access_point_policy_commands(point: str) -> tuple[str, ...]:
    """For the access point of this ARN."""
    arn = Arn.parse(point)
    which = f"--region {arn.region} --account-id {arn.account} --name {arn.resource.removeprefix('accesspoint/')}"
    return (
        f"aws s3control get-access-point-policy {which} --query Policy --output text > policy.json",
        _EDIT,
        f"aws s3control put-access-point-policy {which} --policy file://policy.json",
    )


def key_policy_commands(contract: Contract) -> tuple[str, ...]:
    which = f"--region {Arn.parse(contract.key).region} --key-id {contract.key} --policy-name default"
    return (
        f"aws kms get-key-policy {which} --query Policy --output text > policy.json",
        _EDIT,
        f"aws kms put-key-policy {which} --policy file://policy.json",
    )


def identity_policy_commands(contract: Contract) -> tuple[str, ...]:
    which = f"--role-name {contract.role_name}"
    return (
        f"aws iam list-role-policies {which}",
        f"aws iam get-role-policy {which} --policy-name POLICY_NAME --query PolicyDocument > policy.json",
        _EDIT,
        f"aws iam put-role-policy {which} --policy-name POLICY_NAME --policy-document file://policy.json",
    )
