"""What a change of policies did: which requests work now that did not, and the reverse; and the statements behind it.

It quotes the policies of the account that holds the lock, and is in that account's mails only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from threelocks.alert.text import INDENT, command_lines, ended, plain, wrapped
from threelocks.alert.words import LOCK_WORDS, at, principal, who
from threelocks.contract import Contract
from threelocks.finding import Change, Difference, Edit, Lock, Witness
from threelocks.locks.words import listed

_DEEP, _DEEPER = INDENT * 2, INDENT * 3
_RESOURCES = 3  # that are named


def change_lines(contract: Contract, changes: Sequence[Change]) -> list[str]:
    """The section of the mail; nothing where no change of ours is known."""
    lines = [line for change in changes for line in _change(contract, change)]
    return ["WHAT THE CHANGE DID", *lines] if lines else []


def _change(contract: Contract, change: Change) -> Iterator[str]:
    yield f"{INDENT}To the {LOCK_WORDS[change.lock]}, as seen at {at(change.at)}:"
    for one in change.differences:
        yield from wrapped(ended(_said(contract, change.lock, one)), _DEEP, _DEEPER)
        yield from wrapped(ended(_example(contract, one)), _DEEPER)
    for why in change.undecided:
        yield from wrapped(ended(f"Not compared in full: {plain(why)}"), _DEEP, _DEEPER)
    for edit in change.edits:
        yield from _edit(edit)


def in_words(contract: Contract, change: Change) -> str:
    """One sentence about a change, for who asks."""
    lock = LOCK_WORDS[change.lock]
    if change.is_rewrite:
        return (
            f"the {lock} was rewritten, and nothing that matters to {contract.name} is allowed more or less than before"
        )
    said = [_said(contract, change.lock, one) for one in change.differences]
    said += [f"not compared in full: {plain(why)}" for why in change.undecided]
    return f"the {lock} was changed. {'; '.join(said)}"


def _said(contract: Contract, lock: Lock, one: Difference) -> str:
    """`No longer allowed: kms:Decrypt for BIAnalyticsRole`."""
    begun = "Newly allowed" if one.allowed else "No longer allowed"
    is_reader = one.principal == contract.role
    beyond = ", beyond what was agreed" if is_reader and not one.is_agreed else ""
    on = _on(contract, lock, one.on)
    return f"{begun}: {listed(one.actions)}{on} for {_whom(contract, one)}{beyond}"


def _whom(contract: Contract, one: Difference) -> str:
    """A class is not everybody in it: which of them, the example and the statement tell."""
    if one.principal == contract.role or not one.principal.startswith("account "):
        return principal(contract, one.principal)
    account = one.principal.removeprefix("account ")
    others = "other principals" if account == contract.consumer.account else "principals"
    return f"{others} of {who(contract, account)}"


def _on(contract: Contract, lock: Lock, resources: Iterable[str]) -> str:
    """The resources as people call them; a key policy speaks of its own key only."""
    if lock is Lock.KEY_POLICY:
        return ""
    start = f"{contract.bucket_arn}/"
    names = [plain(text.removeprefix(start) if text != f"{start}*" else text, 120) for text in resources]
    more = f" and {len(names) - _RESOURCES} more" if len(names) > _RESOURCES else ""
    return f" on {', '.join(names[:_RESOURCES])}{more}" if names else ""


def _example(contract: Contract, one: Difference) -> str:
    able = "can now" if one.allowed else "can no longer"
    asked, on = one.witness, _place(contract, one.witness)
    return f"For example, {plain(asked.principal)} {able} use {plain(asked.action)} on {on}{_with(asked)}"


def _place(contract: Contract, witness: Witness) -> str:
    start = f"{contract.bucket_arn}/"
    if witness.resource.startswith(start):
        return f"s3://{contract.bucket.name}/{plain(witness.resource.removeprefix(start), 120)}"
    return plain(witness.resource)


def _with(witness: Witness) -> str:
    rows = [
        f"{plain(key)} = {' or '.join(plain(value, 120) for value in values)}" if values else f"no {plain(key)}"
        for key, values in witness.context
    ]
    return f", with {' and '.join(rows)}" if rows else ""


def _edit(edit: Edit) -> Iterator[str]:
    yield from wrapped(f"{plain(edit.title)}{':' if edit.lines else '.'}", _DEEP, _DEEPER)
    for line in edit.lines:
        yield from command_lines(line, _DEEPER)
