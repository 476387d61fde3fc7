"""One mail for one change that moved many contracts in the same way: which they are, and one of them in full."""

from __future__ import annotations

import json
from collections.abc import Sequence

from threelocks.alert.mail import BODY_BYTES, SUBJECT_LENGTH, Mail
from threelocks.alert.text import INDENT, plain, wrapped
from threelocks.alert.words import LOCK_WORDS, effect, standing, subject_finding, who
from threelocks.contract import Contract
from threelocks.incident import Slot

AT_ONCE = 100  # contracts in one mail
Told = tuple[Contract, Slot, Mail]  # and the mail that it would be by itself


def likeness(slot: Slot, mail: Mail) -> tuple[object, ...]:
    """Announcements are alike, and may be one mail, when one cause made them and subscribers who filter on anything but
    the contract get all of them or none."""
    others = sorted((name, value) for name, value in mail.attributes.items() if name != "contract")
    return (slot.cause.kind, slot.cause.event_id or slot.cause.at, *others)


def together(rows: Sequence[Told]) -> Mail:
    """The mail for announcements that are alike. Its attribute `contract` is a list, on which a filter policy matches
    each name: https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html"""
    contract, slot, first = rows[0]
    word = standing(slot.after.headline)
    body = "\n".join(
        [
            f"{word}: {len(rows)} contracts",
            f"One cause moved all of them in the same way. {contract.name} is told in full below.",
            "",
            "CONTRACTS",
            *(line for row in rows for line in _row(row)),
            "",
            f"IN FULL: {contract.name}",
            "",
            first.body,
        ]
    )
    names = json.dumps([one.name for one, _, _ in rows], separators=(",", ":"))
    return Mail(_subject(rows, word), _cut(body), {**first.attributes, "contract": names})


def _row(row: Told) -> list[str]:
    contract, slot, _ = row
    ids = ", ".join(plain(incident.id) for incident in slot.incidents)
    return [
        f"{INDENT}{contract.name}",
        *wrapped(effect(contract, slot), INDENT * 2, INDENT * 2),
        f"{INDENT * 2}{f'incident {ids}, ' if ids else ''}message {plain(slot.id)}",
    ]


def _subject(rows: Sequence[Told], word: str) -> str:
    contract, slot, _ = rows[0]
    finding = subject_finding(slot)
    what = f" - {LOCK_WORDS[finding.lock]} of {who(contract, finding.account, 24)}" if finding else ""
    return f"{word}: {len(rows)} contracts{what}"[:SUBJECT_LENGTH]


def _cut(body: str) -> str:
    """The names come first, so that what is cut is of the one told in full."""
    if len(body.encode()) <= BODY_BYTES:
        return body
    kept = body.encode()[:BODY_BYTES].decode(errors="ignore").rpartition("\n")[0]
    return f"{kept}\n\nTHIS MAIL WAS CUT: check again to read the rest.\n"
