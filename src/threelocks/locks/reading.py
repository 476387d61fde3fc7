"""How the watchdog's reader is let in again: the exemption to paste, where a policy shuts it out with everybody else.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
"""

from __future__ import annotations

import json

from threelocks.contract import Contract
from threelocks.finding import Lock, Remedy
from threelocks.locks.commands import bucket_policy_commands, key_policy_commands
from threelocks.observation import LEFT_OUT, Unreadable
from threelocks.policy.arn import Arn

READS_OF_KEY = ("kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants", "kms:ListKeyPolicies")
"""What the reader calls on a key. `aws.read` has the calls; a test compares the two."""


def read_again(contract: Contract, lock: Lock, account: str, source: Unreadable) -> Remedy:
    """What to do about a source that could not be read."""
    reader = f"arn:{Arn.parse(contract.role).partition}:iam::{account}:role/threelocks/threelocks-reader"
    if source.error == LEFT_OUT:
        return Remedy(
            account, "Add what is missing to the snapshot: docs/snapshot.md says how to ask AWS for each section."
        )
    if not source.permission:
        return Remedy(account, "Re-check in a few minutes; if it persists, look at the function's log.")
    call = f"Let {reader} call {source.permission}"
    if source.permission.startswith("organizations:"):
        return Remedy(
            account,
            f"{call}. Organizations answers in its management account and to delegated administrators only: name one "
            "of them under organizations in the contract, or make the account one.",
        )
    if lock is Lock.BUCKET_POLICY and source.permission.startswith("s3:"):
        return _of_bucket(contract, account, reader, call)
    if lock is Lock.KEY_POLICY and source.permission.startswith("kms:"):
        return _of_key(contract, account, reader, call)
    return Remedy(
        account,
        f"{call}. The home stack gives it that permission: deploy the stack again if its policies were changed; else "
        "exempt the role from the service control policy, or the permissions boundary, that denies it.",
    )


def _of_bucket(contract: Contract, account: str, reader: str, call: str) -> Remedy:
    """Whoever else is shut out, the account's root user is not.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
    """
    sentence = (
        f"{call}: add this condition, beside those that are there, to each Deny of the bucket policy that hits it. It "
        "spares the reader and nobody else. Where the Deny hits every administrator too, the account's root user can "
        "still read and put the policy."
    )
    return Remedy(account, sentence, _sparing(reader), bucket_policy_commands(contract))


def _of_key(contract: Contract, account: str, reader: str, call: str) -> Remedy:
    """Without the account's root statement only whom the key policy names may read it.
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    sentence = (
        f"{call}: add the first of these to the key policy, which names the reader where the account's root statement "
        "is missing; and the second, a condition, to each Deny that hits it. Neither lets anybody use the key."
    )
    allow = {
        "Sid": "WatchdogReads",
        "Effect": "Allow",
        "Principal": {"AWS": reader},
        "Action": list(READS_OF_KEY),
        "Resource": "*",
    }
    both = json.dumps([allow, json.loads(_sparing(reader))])
    return Remedy(account, sentence, both, key_policy_commands(contract))


def _sparing(reader: str) -> str:
    return json.dumps({"Condition": {"ArnNotEquals": {"aws:PrincipalArn": reader}}})
