"""What mends a finding: the account that must act, a sentence, and what to type.

Policies are read, edited and put back whole, so that no other statement is lost.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence

from threelocks.contract import Contract
from threelocks.finding import Kind, Lock, Remedy, Step
from threelocks.locks.agreed import Tree, agreed, to
from threelocks.locks.ask import Failure
from threelocks.locks.commands import bucket_policy_commands, identity_policy_commands, key_policy_commands
from threelocks.locks.draft import Draft, Form, Sheet, Slot
from threelocks.locks.words import listed
from threelocks.policy.arn import Arn

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
        return _let_sessions_end(contract, failed)
    return Remedy(account, loosen(f"the identity policies of {role}", failed), None, commands)


_REVOKING = "AWSRevokeOlderSessions"  # the inline policy in which the console puts the Deny, and nothing else
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html


def _let_sessions_end(contract: Contract, failed: Sequence[Failure]) -> Remedy:
    role = contract.role_name
    documents = list(dict.fromkeys(statement.document for failure in failed for statement in failure.statements))
    again = f"Assume {role} again: only sessions that began before the time in the policy are refused."
    ended = "when the longest of them has ended."
    if documents == [f"inline policy `{_REVOKING}`"]:
        command = f"aws iam delete-role-policy --role-name {role} --policy-name {_REVOKING}"
        return Remedy(contract.consumer.account, f"{again} Remove {_REVOKING} from the role {ended}", None, (command,))
    sentence = f"{again} Remove statement {_named(failed)} of {', '.join(documents)} {ended}"
    return Remedy(contract.consumer.account, sentence, None, identity_policy_commands(contract))


def _mend_boundary(contract: Contract, failed: Sequence[Failure]) -> Remedy:
    account, role, actions = contract.consumer.account, contract.role_name, actions_of(failed)
    commands = (f"aws iam get-role --role-name {role} --query Role.PermissionsBoundary",)
    if any(failure.denied for failure in failed):
        return Remedy(account, loosen(f"the permissions boundary of {role}", failed), None, commands)
    sentence = (
        f"Give {role} another permissions boundary, or let the one it has allow {listed(actions)}, with this statement:"
    )
    return Remedy(account, sentence, identity_statement(contract, actions), commands)


# --- what was drafted and proven --------------------------------------------------------------------------------------


def as_remedy(contract: Contract, draft: Draft, proof: str) -> Remedy:
    """What was changed in a draft, to be done by hand."""
    account = {Lock.BUCKET_POLICY: contract.owner.account, Lock.KEY_POLICY: contract.key_account}.get(
        draft.lock, contract.consumer.account
    )
    changed = [sheet for sheet in draft.sheets if sheet.is_changed]
    steps = [step for sheet in changed for step in _steps(contract, sheet)]
    steps += [Step(f"Revoke the grant {grant}.") for grant in draft.revoked]
    commands = [command for sheet in changed for command in _commands(contract, sheet)]
    region = Arn.parse(contract.key).region
    commands += [
        f"aws kms revoke-grant --region {region} --key-id {contract.key} --grant-id {shlex.quote(grant)}"
        for grant in draft.revoked
    ]
    if len(steps) == 1:
        return Remedy(account, steps[0].sentence, steps[0].statement, tuple(commands), proof=proof)
    return Remedy(account, f"Make these {len(steps)} changes:", None, tuple(commands), tuple(steps), proof)


def _steps(contract: Contract, sheet: Sheet) -> Iterator[Step]:
    if sheet.is_detached:
        yield Step(f"Detach {sheet.name} from {contract.role_name}: AWS manages it, so it cannot be narrowed.")
    elif sheet.form in (Form.BUCKET, Form.KEY):
        yield from (_step(sheet, slot) for slot in sheet.slots if slot.was != slot.now)
    elif sheet.is_new:
        which = f"this inline policy, {sheet.name}, beside the others"
        yield Step(f"Give {contract.role_name} {which}:", json.dumps(sheet.tree, indent=2))
    elif not sheet.statements:
        yield Step(f"Delete the {sheet.label}: nothing else stands in it.")
    else:
        done = ", ".join(_done(slot) for slot in sheet.slots if slot.was != slot.now)
        shared = "" if sheet.form is Form.INLINE else "; whoever else has it gets the new version as well"
        yield Step(f"Put the {sheet.label} anew ({done}){shared}. It then says:", json.dumps(sheet.tree, indent=2))


def _step(sheet: Sheet, slot: Slot) -> Step:
    text = json.dumps(slot.now, indent=2) if slot.now is not None else None
    if slot.was is None:
        return Step(f"Add this statement to the {sheet.label}, beside the others:", text)
    if slot.now is None:
        return Step(f"Remove {_place(slot)} of the {sheet.label}.")
    return Step(f"Replace {_place(slot)} of the {sheet.label} by this one:", text)


def _done(slot: Slot) -> str:
    if slot.was is None:
        return "one statement added"
    return f"{_place(slot)} {'removed' if slot.now is None else 'changed'}"


def _place(slot: Slot) -> str:
    sid = (slot.was or {}).get("Sid")
    return f"statement {slot.place + 1}{f' `{sid}`' if sid else ''}"


def _commands(contract: Contract, sheet: Sheet) -> Iterable[str]:
    role = f"--role-name {shlex.quote(contract.role_name)}"
    name = shlex.quote(sheet.name)
    if sheet.form is Form.BUCKET:
        which = f"--bucket {contract.bucket.name} --expected-bucket-owner {contract.owner.account}"
        return bucket_policy_commands(contract) if sheet.statements else (f"aws s3api delete-bucket-policy {which}",)
    if sheet.form is Form.KEY:
        return key_policy_commands(contract)
    if sheet.is_detached:
        return (f"aws iam detach-role-policy {role} --policy-arn {name}",)
    if sheet.form is Form.INLINE and not sheet.statements:
        return (f"aws iam delete-role-policy {role} --policy-name {name}",)
    save = "# save the policy above as policy.json"
    if sheet.form is Form.INLINE:
        return (save, f"aws iam put-role-policy {role} --policy-name {name} --policy-document file://policy.json")
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html
    return (
        f"{save}; of five versions, the most there can be, delete one first",
        f"aws iam create-policy-version --policy-arn {name} --policy-document file://policy.json --set-as-default",
    )


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
