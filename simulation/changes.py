"""What administrators do to the share, each with the call that they would make, and how they mend it.

`lock` and `standing` are what the watchdog is expected to find. They are compared with what it told, and are never what
is shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from simulation import share
from simulation.share import Policy, changed, with_also, without
from threelocks.contract import Contract
from threelocks.finding import Headline, Lock


class Administrators(Protocol):
    """The people of both accounts. What they do is recorded by CloudTrail."""

    contract: Contract

    def administrator(self, account: str, service: str) -> Any:
        """A client of theirs."""


Deed = Callable[[Administrators], None]


@dataclass(frozen=True, slots=True)
class Change:
    """One way in which the share moves."""

    name: str  # for `--only`
    title: str
    make: Deed
    mend: Deed | None  # None: nothing is broken, so nothing is mended
    lock: Lock | None  # None: nobody is to be told
    standing: Headline


# -- the calls ---------------------------------------------------------------------------------------------------------


def put_identity_policy(change: Callable[[Policy, Contract], Policy]) -> Deed:
    """PutRolePolicy, by the consumer."""

    def put(people: Administrators) -> None:
        contract = people.contract
        people.administrator(contract.consumer.account, "iam").put_role_policy(
            RoleName=contract.role_name,
            PolicyName=share.READS,
            PolicyDocument=json.dumps(change(share.identity_policy(contract), contract), indent=4),
        )

    return put


def put_bucket_policy(change: Callable[[Policy, Contract], Policy]) -> Deed:
    """PutBucketPolicy, by the owner."""

    def put(people: Administrators) -> None:
        contract = people.contract
        people.administrator(contract.owner.account, "s3").put_bucket_policy(
            Bucket=contract.bucket.name, Policy=json.dumps(change(share.bucket_policy(contract), contract))
        )

    return put


def put_key_policy(change: Callable[[Policy, Contract], Policy]) -> Deed:
    """PutKeyPolicy, by the account that holds the key."""

    def put(people: Administrators) -> None:
        contract = people.contract
        people.administrator(contract.key_account, "kms").put_key_policy(
            KeyId=key_id(contract),
            PolicyName="default",
            Policy=json.dumps(change(share.key_policy(contract), contract)),
        )

    return put


def disable_key(people: Administrators) -> None:
    """DisableKey."""
    people.administrator(people.contract.key_account, "kms").disable_key(KeyId=key_id(people.contract))


def enable_key(people: Administrators) -> None:
    """EnableKey."""
    people.administrator(people.contract.key_account, "kms").enable_key(KeyId=key_id(people.contract))


def key_id(contract: Contract) -> str:
    """People type the id, and moto takes no ARN here; AWS takes both."""
    return contract.key.rpartition("/")[2]


# -- the policies they put ---------------------------------------------------------------------------------------------


def as_agreed(policy: Policy, _: Contract) -> Policy:
    """The policy under which the share works."""
    return policy


def without_decrypt(policy: Policy, _: Contract) -> Policy:
    """Failure A."""
    return changed(policy, "DecryptCurated", Action="kms:DescribeKey")


def without_the_role_on_the_bucket(policy: Policy, _: Contract) -> Policy:
    """Failure B."""
    return without(policy, "BiReads", "BiLists")


def without_the_role_on_the_key(policy: Policy, _: Contract) -> Policy:
    """Failure C."""
    return without(policy, "BiDecrypts")


def with_a_prefix_denied(policy: Policy, contract: Contract) -> Policy:
    """One prefix of many: most keys still open."""
    return with_also(
        policy,
        {
            "Sid": "PayrollIsPrivate",
            "Effect": "Deny",
            "Principal": {"AWS": contract.role},
            "Action": "s3:GetObject",
            "Resource": f"{contract.bucket_arn}/payroll/*",
        },
    )


def for_the_whole_account(policy: Policy, contract: Contract) -> Policy:
    """Every principal of the consumer's account in the role's place."""
    root = {"AWS": f"arn:aws:iam::{contract.consumer.account}:root"}
    return changed(changed(policy, "BiReads", Principal=root), "BiLists", Principal=root)


def in_other_words(policy: Policy, _: Contract) -> Policy:
    """The same policy: statements in another order, other Sids, lists for single values and the reverse."""
    return {
        **policy,
        "Statement": [
            _reworded(statement, f"Rewritten{number}") for number, statement in enumerate(reversed(policy["Statement"]))
        ],
    }


def _reworded(statement: Mapping[str, Any], sid: str) -> dict[str, Any]:
    return {
        **{element: _other_form(value) for element, value in statement.items()},
        "Effect": statement["Effect"],
        "Sid": sid,
    }


def _other_form(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _other_form(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return value[0] if len(value) == 1 else list(reversed(value))
    return value if value == "*" else [value]


def rewrite_all(people: Administrators) -> None:
    """All three locks, rewritten and as open as before."""
    for put in (put_identity_policy, put_bucket_policy, put_key_policy):
        put(in_other_words)(people)


CHANGES: tuple[Change, ...] = (
    Change(
        name="identity-policy",
        title="Failure A: kms:Decrypt is taken out of the role's inline policy",
        make=put_identity_policy(without_decrypt),
        mend=put_identity_policy(as_agreed),
        lock=Lock.IDENTITY_POLICY,
        standing=Headline.BROKEN,
    ),
    Change(
        name="bucket-policy",
        title="Failure B: the role is taken out of the bucket policy",
        make=put_bucket_policy(without_the_role_on_the_bucket),
        mend=put_bucket_policy(as_agreed),
        lock=Lock.BUCKET_POLICY,
        standing=Headline.BROKEN,
    ),
    Change(
        name="key-policy",
        title="Failure C: the role is taken out of the key policy",
        make=put_key_policy(without_the_role_on_the_key),
        mend=put_key_policy(as_agreed),
        lock=Lock.KEY_POLICY,
        standing=Headline.BROKEN,
    ),
    Change(
        name="denied-prefix",
        title="An explicit Deny on one prefix of the bucket",
        make=put_bucket_policy(with_a_prefix_denied),
        mend=put_bucket_policy(as_agreed),
        lock=Lock.BUCKET_POLICY,
        standing=Headline.BROKEN,
    ),
    Change(
        name="widened-principal",
        title="The bucket policy names the whole consumer account in the role's place",
        make=put_bucket_policy(for_the_whole_account),
        mend=put_bucket_policy(as_agreed),
        lock=Lock.BUCKET_POLICY,
        standing=Headline.WIDENED,
    ),
    Change(
        name="key-disabled",
        title="The key is disabled",
        make=disable_key,
        mend=enable_key,
        lock=Lock.KEY_POLICY,
        standing=Headline.BROKEN,
    ),
    Change(
        name="rewrite",
        title="All three policies are rewritten in other words, and as open as before",
        make=rewrite_all,
        mend=None,
        lock=None,
        standing=Headline.INTACT,
    ),
)
