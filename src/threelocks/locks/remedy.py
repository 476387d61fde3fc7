"""What mends a finding: the account that must act, a sentence, and what to type.

Policies are read, edited and put back whole, so that no other statement is lost.
"""

from __future__ import annotations

import json

from threelocks.contract import Contract
from threelocks.finding import Remedy
from threelocks.locks.ask import Failure
from threelocks.policy.arn import Arn


def _statement(**elements: object) -> str:
    return json.dumps(elements, indent=2)


def _named(failure: Failure) -> str:
    """The statements that decide, by Sid or place."""
    names = [f"`{s.sid}`" if s.sid else f"number {s.index + 1}" for s in failure.statements]
    return ", ".join(dict.fromkeys(names)) or "that decides"


def bucket_policy_commands(contract: Contract) -> tuple[str, ...]:
    bucket, owner = contract.bucket.name, contract.owner.account
    return (
        (
            f"aws s3api get-bucket-policy --bucket {bucket} --expected-bucket-owner {owner} --query Policy"
            " --output text > policy.json"
        ),
        "# edit policy.json, and keep every other statement",
        f"aws s3api put-bucket-policy --bucket {bucket} --expected-bucket-owner {owner} --policy file://policy.json",
    )


def key_policy_commands(contract: Contract) -> tuple[str, ...]:
    region = Arn.parse(contract.key).region
    return (
        (
            f"aws kms get-key-policy --region {region} --key-id {contract.key} --policy-name default --query Policy"
            " --output text > policy.json"
        ),
        "# edit policy.json, and keep every other statement",
        (
            f"aws kms put-key-policy --region {region} --key-id {contract.key} --policy-name default"
            " --policy file://policy.json"
        ),
    )


def bucket_statement(contract: Contract) -> str:
    """What the bucket policy needs for the contract."""
    resources = [contract.bucket_arn] if "s3:ListBucket" in contract.actions else []
    if "s3:GetObject" in contract.actions:
        resources += [f"{contract.bucket_arn}/{prefix}*" for prefix in contract.prefixes]
    return _statement(
        Sid="ShareRead",
        Effect="Allow",
        Principal={"AWS": contract.role},
        Action=[action for action in contract.actions if action.startswith("s3:")],
        Resource=resources,
    )


def key_statement(contract: Contract) -> str:
    """What the key policy needs for the contract."""
    return _statement(
        Sid="ShareDecrypt",
        Effect="Allow",
        Principal={"AWS": contract.role},
        Action=[action for action in contract.actions if action.startswith("kms:")],
        Resource="*",
    )


def identity_statements(contract: Contract, actions: tuple[str, ...]) -> str:
    """What the role's identity policy needs for these actions."""
    statements: list[dict[str, object]] = []
    objects = [f"{contract.bucket_arn}/{prefix}*" for prefix in contract.prefixes]
    for sid, wanted, resource in (
        ("ShareList", {"s3:ListBucket"}, contract.bucket_arn),
        ("ShareRead", {"s3:GetObject"}, objects),
        ("ShareDecrypt", {"kms:Decrypt", "kms:DescribeKey"}, contract.key),
    ):
        if chosen := sorted(wanted & set(actions)):
            statements.append({"Sid": sid, "Effect": "Allow", "Action": chosen, "Resource": resource})
    return "\n".join(json.dumps(statement, indent=2) for statement in statements)


def mend_bucket(contract: Contract, code: str, failure: Failure) -> Remedy:
    account, commands = contract.owner.account, bucket_policy_commands(contract)
    if code == "bucket.no-allow":
        sentence = f"Allow {contract.role} in the policy of {contract.bucket.name} again, with this statement:"
        return Remedy(account, sentence, bucket_statement(contract), commands)
    return Remedy(account, _loosen(f"the policy of {contract.bucket.name}", failure), None, commands)


def mend_key(contract: Contract, code: str, failure: Failure) -> Remedy:
    account, commands = contract.key_account, key_policy_commands(contract)
    if code == "key.no-allow":
        sentence = f"Allow {contract.role} in the policy of the key again, with this statement:"
        return Remedy(account, sentence, key_statement(contract), commands)
    return Remedy(account, _loosen("the key policy", failure), None, commands)


_GHOST = (
    "again with the role's ARN in place of the AROA... id: the id belonged to a role that was deleted, and a new role "
    "of the same name is another principal."
)


def mend_bucket_ghost(contract: Contract) -> Remedy:
    sentence = f"Put the policy of {contract.bucket.name} {_GHOST}"
    return Remedy(contract.owner.account, sentence, bucket_statement(contract), bucket_policy_commands(contract))


def mend_key_ghost(contract: Contract) -> Remedy:
    return Remedy(
        contract.key_account, f"Put the key policy {_GHOST}", key_statement(contract), key_policy_commands(contract)
    )


def mend_identity(contract: Contract, code: str, failure: Failure, actions: tuple[str, ...]) -> Remedy:
    account, role = contract.consumer.account, contract.role_name
    if code == "identity.no-allow":
        return Remedy(
            account,
            f"Allow {', '.join(actions)} in an identity policy of {role} again:",
            identity_statements(contract, actions),
            (
                f"aws iam list-role-policies --role-name {role}",
                f"aws iam get-role-policy --role-name {role} --policy-name <name> --query PolicyDocument > policy.json",
                "# edit policy.json, and keep every other statement",
                f"aws iam put-role-policy --role-name {role} --policy-name <name> --policy-document file://policy.json",
            ),
        )
    if code == "identity.boundary":
        return Remedy(
            account,
            f"Let the permissions boundary of {role} allow {', '.join(actions)}, or give the role another boundary:",
            identity_statements(contract, actions),
            (f"aws iam get-role --role-name {role} --query Role.PermissionsBoundary",),
        )
    return Remedy(account, _loosen(f"the identity policies of {role}", failure))


def _loosen(policy: str, failure: Failure) -> str:
    subject = f"Statement {_named(failure)} of {policy}"
    if failure.denied:
        return f"{subject} denies it: remove that Deny, or exempt the agreed role and objects from it."
    return f"{subject} lets it pass only under conditions: agree on them in the contract, or drop them."
