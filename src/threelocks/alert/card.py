"""The alert as a card in a chat: a custom notification of Amazon Q Developer in chat applications.

https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html has the schema, of which version 1.0 with
source `custom` is the only one; what does not fit it is dropped without a word. Cards of one incident share a thread.

The text is markdown of the chat's own kind. What comes from elsewhere loses what would make a link, a mention or a
block of it, and stands in one line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from threelocks.alert.mail import call, label, subject_of
from threelocks.alert.text import begun, ended, plain
from threelocks.alert.words import (
    KIND_WORDS,
    LOCK_WORDS,
    OF_THE_CONTRACT,
    at,
    effect,
    kind_of,
    lasting,
    standing,
    subject_finding,
    suspensions,
    waiver_over,
    who,
)
from threelocks.contract import Contract
from threelocks.finding import THE_THREE_LOCKS, Cause
from threelocks.incident import Slot, touches
from threelocks.report import Incident, holders

TITLE, LINE, STEP = 250, 500, 600  # characters
AT_ALL = 30  # contracts, findings or steps
# `<` begins a mention or a link in Slack, a backtick or a star changes the look of what follows.
_LOOKS = str.maketrans({"<": "‹", ">": "›", "`": "'", "*": "∗", "|": "¦"})


def card(contract: Contract, slot: Slot, *, account: str, recheck: str) -> str:
    """The card of a slot, as JSON."""
    finding = subject_finding(slot)
    lines = [
        *(marked(said) for said in suspensions(contract, slot)),
        marked(effect(contract, slot)),
        f"*{marked(call(contract, slot, account))}*",
        *_locks(contract, slot),
        *_waived(contract, slot),
        *_who(contract, slot),
        *(marked(_incident(contract, one)) for one in slot.incidents[:4]),
    ]
    steps = [*_steps(slot, account), f"Check again: {_recheck(contract, account, recheck)}"]
    words = [contract.name, standing(slot.after.headline), kind_of(slot).value]
    return _card(
        slot,
        title=f"{label(slot)}: {subject_of(contract, slot)}",
        lines=lines,
        steps=steps,
        keywords=[*words, *([LOCK_WORDS[finding.lock], finding.account] if finding else [])],
        thread=_thread(contract, slot),
        related=[contract.bucket_arn, contract.key, contract.role],
        context={"contract": contract.name},
    )


def card_of_many(rows: Sequence[tuple[Contract, Slot]], *, account: str, recheck: str) -> str:
    """One card for announcements that one cause made and that read alike."""
    contract, slot = rows[0]
    finding = subject_finding(slot)
    names = [f"• {marked(one.name)}: {marked(effect(one, its))}" for one, its in rows[:AT_ALL]]
    rest = [f"... and {len(rows) - AT_ALL} more"] if len(rows) > AT_ALL else []
    where = f" - {LOCK_WORDS[finding.lock]} of {who(contract, finding.account)}" if finding else ""
    return _card(
        slot,
        title=f"{label(slot)}: {len(rows)} contracts{where}",
        lines=[*names, *rest, *_who(contract, slot)],
        steps=[f"The mail has the fix. Check again: {_recheck(None, account, recheck)}"],
        keywords=[standing(slot.after.headline), kind_of(slot).value, f"{len(rows)} contracts"],
        thread=_thread(contract, slot),
        related=[contract.bucket_arn, contract.key],
        context={"contracts": str(len(rows))},
    )


def short_card(contract: Contract, slot: Slot) -> str:
    """The card without anything that comes from policies or events."""
    word = standing(slot.after.headline)
    return _card(
        slot,
        title=f"{word}: {contract.name}",
        lines=["The full text could not be made. Check again to read the findings."],
        steps=[],
        keywords=[contract.name, word],
        thread=_thread(contract, slot),
        related=[],
        context={"contract": contract.name},
    )


def marked(text: str, limit: int = LINE) -> str:
    """One line that is text in any chat: no mention, link, code, or emphasis."""
    return plain(text, limit).translate(_LOOKS).replace("](", "] (").replace("://", "[:]//").replace("s3[:]//", "s3://")


def _card(
    slot: Slot,
    *,
    title: str,
    lines: Sequence[str],
    steps: Sequence[str],
    keywords: Sequence[str],
    thread: str,
    related: Sequence[str],
    context: dict[str, str],
) -> str:
    said: dict[str, Any] = {
        "version": "1.0",
        "source": "custom",
        "id": plain(slot.id),
        "content": {
            "textType": "client-markdown",
            "title": marked(title, TITLE),
            "description": "\n".join(lines),
            "nextSteps": list(steps[:AT_ALL]),
            "keywords": [marked(word, 60) for word in keywords],
        },
        "metadata": {
            "threadId": thread,
            "summary": marked(title, TITLE),
            "eventType": f"threelocks.{kind_of(slot).value}",
            "relatedResources": [plain(name) for name in related],
            "additionalContext": {**context, "standing": slot.after.headline.value, "message": plain(slot.id)},
        },
    }
    return json.dumps(said, ensure_ascii=True)


def _thread(contract: Contract, slot: Slot) -> str:
    """The incident that the card is about; the contract, where nothing is one."""
    finding = subject_finding(slot)
    own = (one for one in slot.incidents if finding and one.account == finding.account)
    chosen = next(own, next(iter(slot.incidents), None))
    return plain(chosen.id) if chosen else contract.name


def _locks(contract: Contract, slot: Slot) -> list[str]:
    states = {state.lock: state for state in slot.after.locks}
    return [
        f"{number} {LOCK_WORDS[lock]}: {', '.join(KIND_WORDS[kind] for kind in states[lock].kinds) or 'open'}"
        f"{' (waived)' if any(one.lock is lock for one in slot.after.waived) else ''}, "
        f"{marked(who(contract, holders(contract)[lock]))}"
        for number, lock in enumerate(THE_THREE_LOCKS, start=1)
        if lock in states
    ]


def _waived(contract: Contract, slot: Slot) -> list[str]:
    """What is off and does not count, with why and until when."""
    return [
        marked(
            f"Waived until {at(one.waiver.until)} by {who(contract, one.account)}: "
            f"{KIND_WORDS[one.kind]} {one.code}, {ended(plain(one.waiver.reason, 200))}"
        )
        for one in slot.after.waived[:AT_ALL]
        if one.waiver
    ]


def _who(contract: Contract, slot: Slot) -> list[str]:
    finding = subject_finding(slot)
    if finding is None or kind_of(slot) in OF_THE_CONTRACT:
        return []
    if over := waiver_over(contract, slot):
        return [marked(over)]
    cause = slot.cause
    if not touches(cause, finding):
        return ["No matching change seen."]
    return [
        marked(_change(contract, cause)),
        *([f"CloudTrail event {marked(cause.event_id)}"] if cause.event_id else []),
    ]


def _change(contract: Contract, cause: Cause) -> str:
    with_tool = f" with {cause.tool}" if cause.tool else ""
    more = f", and {len(cause.earlier)} changes before" if cause.earlier else ""
    who_called = cause.actor or "a caller that the event does not name"
    place = who(contract, cause.account)
    return f"{plain(cause.event_name, 80)} by {plain(who_called, 200)}{with_tool} at {at(cause.at)}, in {place}{more}"


def _steps(slot: Slot, account: str) -> list[str]:
    """What to do, in sentences: statements and commands are in the mail."""
    if slot.after.suspended:
        return []
    remedies = dict.fromkeys(one.remedy for one in slot.after.findings if one.remedy and one.remedy.account == account)
    said = (text for one in remedies for text in ([step.sentence for step in one.steps] or [one.sentence]) if text)
    return [marked(begun(ended(text)), STEP) for text in dict.fromkeys(said)][: AT_ALL - 1]


def _incident(contract: Contract, incident: Incident) -> str:
    name = f"Incident {incident.id} of {who(contract, incident.account)}"
    if incident.closed is None:
        return f"{name}, open since {at(incident.opened)}"
    return f"{name}, closed after {lasting(incident.closed - incident.opened)}"


def _recheck(contract: Contract | None, account: str, recheck: str) -> str:
    name = f' with {{"contract": "{contract.name}"}}' if contract else " with {}"
    return f"invoke {plain(recheck)}{name} in {account}"
