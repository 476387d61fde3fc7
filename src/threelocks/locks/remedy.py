"""What mends a finding: the account that must act, a sentence, and what to type.

Policies are read, edited and put back whole, so that no other statement is lost.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from threelocks.contract import Contract
from threelocks.finding import Kind, Remedy
from threelocks.locks.agreed import Tree, agreed, to
from threelocks.locks.ask import Failure
from threelocks.locks.words import listed
from threelocks.policy.arn import Arn

_EDIT = "# edit policy.json, and keep every other statement"


def bucket_policy_commands(contract: Contract) -> tuple[str, ...]:
    which = f"--bucket {contract.bucket.name} --expected-bucket-owner {contract.owner.account}"
    return (
        f"aws s3api get-bucket-policy {which} --query Policy --output text > policy.json",
        _EDIT,
        f"aws s3api put-bucket-policy {which} --policy file://policy.json",
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


# --- statements to add ------------------------------------------------------------------------------------------------


def bucket_statement(contract: Contract, actions: Collection[str]) -> str:
    """What the bucket policy needs for these agreed actions."""
    return _text([to(contract.role, statement) for statement in agreed(contract, actions)])


def key_statement(contract: Contract, actions: Collection[str]) -> str:
    """What the key policy needs for these agreed actions; `*` is the key itself there."""
    return _text([{**to(contract.role, statement), "Resource": "*"} for statement in agreed(contract, actions)])


def identity_statement(contract: Contract, actions: Collection[str]) -> str:
    """What the role's identity policy needs for these agreed actions."""
    return _text(agreed(contract, actions))


def _text(statements: Sequence[Tree]) -> str:
    """One statement as JSON, several as a JSON list."""
    return json.dumps(statements[0] if len(statements) == 1 else statements, indent=2)


# --- what to do about a failure ---------------------------------------------------------------------------------------


def mend_bucket(contract: Contract, code: str, failed: Sequence[Failure]) -> Remedy:
    account, commands = contract.owner.account, bucket_policy_commands(contract)
    policy = f"the policy of {contract.bucket.name}"
    if code == "bucket.no-allow":
        sentence = f"Allow {contract.role} in {policy} again, with this statement:"
        return Remedy(account, sentence, bucket_statement(contract, actions_of(failed)), commands)
    return Remedy(account, loosen(policy, failed), None, commands)


def mend_key(contract: Contract, code: str, failed: Sequence[Failure]) -> Remedy:
    account, commands = contract.key_account, key_policy_commands(contract)
    if code == "key.no-allow":
        sentence = f"Allow {contract.role} in the policy of the key again, with this statement:"
        return Remedy(account, sentence, key_statement(contract, actions_of(failed)), commands)
    return Remedy(account, loosen("the key policy", failed), None, commands)


_GHOST = (
    "again with the role's ARN in place of the AROA... id: the id belonged to a role that was deleted, and a new role "
    "of the same name is another principal. It then says:"
)


def mend_bucket_ghost(contract: Contract, actions: Collection[str]) -> Remedy:
    sentence = f"Put the policy of {contract.bucket.name} {_GHOST}"
    return Remedy(
        contract.owner.account, sentence, bucket_statement(contract, actions), bucket_policy_commands(contract)
    )


def mend_key_ghost(contract: Contract, actions: Collection[str]) -> Remedy:
    sentence = f"Put the key policy {_GHOST}"
    return Remedy(contract.key_account, sentence, key_statement(contract, actions), key_policy_commands(contract))


def mend_identity(contract: Contract, code: str, failed: Sequence[Failure]) -> Remedy:
    account, role, actions = contract.consumer.account, contract.role_name, actions_of(failed)
    commands = identity_policy_commands(contract)
    if code == "identity.no-allow":
        sentence = f"Allow {listed(actions)} in an identity policy of {role} again, with this statement:"
        return Remedy(account, sentence, identity_statement(contract, actions), commands)
    if code == "identity.boundary":
        return _mend_boundary(contract, failed)
    if code == "identity.sessions-revoked":
        return Remedy(
            account,
            f"Assume {role} again: only sessions that began before the time in the policy are refused. Remove "
            "AWSRevokeOlderSessions from the role when the longest of them has ended.",
            None,
            (f"aws iam delete-role-policy --role-name {role} --policy-name AWSRevokeOlderSessions",),
        )
    return Remedy(account, loosen(f"the identity policies of {role}", failed), None, commands)


def _mend_boundary(contract: Contract, failed: Sequence[Failure]) -> Remedy:
    account, role, actions = contract.consumer.account, contract.role_name, actions_of(failed)
    commands = (f"aws iam get-role --role-name {role} --query Role.PermissionsBoundary",)
    if any(failure.denied for failure in failed):
        return Remedy(account, loosen(f"the permissions boundary of {role}", failed), None, commands)
    sentence = f"Let the permissions boundary of {role} allow {listed(actions)}, or give the role another boundary:"
    return Remedy(account, sentence, identity_statement(contract, actions), commands)


def actions_of(failed: Sequence[Failure]) -> tuple[str, ...]:
    return tuple(sorted({failure.required.action for failure in failed}))


def loosen(policy: str, failed: Sequence[Failure]) -> str:
    """A sentence for statements that deny, or that allow only under conditions."""
    subject = f"Statement {_named(failed)} of {policy}"
    if failed[0].kind is Kind.UNREAD:
        return f"{subject} rests on behaviour that AWS does not document: say it in another way, or remove it."
    if failed[0].kind is Kind.RISK and failed[0].denied:
        return f"{subject} denies it in some circumstances: agree on them in the contract, or exempt the agreed role."
    if failed[0].denied:
        return f"{subject} denies it: remove that Deny, or exempt the agreed role and objects from it."
    return f"{subject} allows it only under conditions: agree on them in the contract, or drop them."


def _named(failed: Sequence[Failure]) -> str:
    """The statements that decide, by Sid or place."""
    statements = [statement for failure in failed for statement in failure.statements]
    names = [f"`{s.sid}`" if s.sid else f"number {s.index + 1}" for s in statements]
    return ", ".join(dict.fromkeys(names)) or "that decides"
