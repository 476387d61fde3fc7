"""The mail: what a tired person needs, in the order in which they need it.

Headings stand in the first column and everything that comes from policies, events or other accounts is indented, so
that no such text can look like a line of ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from string import ascii_lowercase

from threelocks.alert.changed import change_lines
from threelocks.alert.text import INDENT, begun, command_lines, cut, ended, json_lines, plain, unlinked, wrapped
from threelocks.alert.words import (
    KIND_WORDS,
    LOCK_WORDS,
    OF_THE_CONTRACT,
    MailKind,
    asking,
    at,
    effect,
    kind_of,
    lasting,
    standing,
    subject_finding,
    suspensions,
    symptom,
    waiver_over,
    who,
)
from threelocks.catalogue import plain_sentence
from threelocks.contract import Contract
from threelocks.finding import (
    THE_THREE_LOCKS,
    Cause,
    Finding,
    Headline,
    History,
    Kind,
    Lock,
    Remedy,
    Share,
    StatementRef,
    Witness,
)
from threelocks.incident import CHANGES, Slot, identities, touches
from threelocks.remind import deadlines
from threelocks.report import Incident, holders

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: a subject has fewer than 100 characters, a message with
# its attributes at most 256 KiB.
SUBJECT_LENGTH = 99
BODY_BYTES = 200_000
IN_FULL = 5  # findings told with statement and witness; the others get a line each
AT_ALL = 40
STATEMENTS = 3
STATEMENT_LINES = 60
_DEEP = INDENT * 2
_DEEPER = INDENT * 3


@dataclass(frozen=True, slots=True)
class Mail:
    """What is published to the alert topic. Attributes are strings that subscribers filter on."""

    subject: str
    body: str
    attributes: dict[str, str]


def compose(contract: Contract, slot: Slot, *, account: str, recheck: str) -> Mail:
    """The mail of a slot, as people in `account` should read it. `recheck` is the name of the function to invoke."""
    sections = (
        _head(contract, slot, account),
        _locks(contract, slot.after, account),
        _why(contract, slot),
        change_lines(contract, slot.changes),
        _waived(contract, slot.after),
        _cause(contract, slot, account),
        _to_do(contract, slot, account),
        _readers(contract, slot),
        _remarks(slot.after),
        again_lines(contract, account, recheck),
        _incident(contract, slot),
    )
    body = "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"
    return Mail(_subject(contract, slot), shortened(contract, body, account, recheck), _attributes(contract, slot))


def short_mail(contract: Contract, slot: Slot, *, account: str, recheck: str) -> Mail:
    """The mail without anything that comes from policies or events, for when the full one cannot be sent."""
    lines = [
        f"{standing(slot.after.headline)}: {contract.name}",
        "",
        "The full mail could not be sent. Check again to read the findings.",
        "",
        *_locks(contract, slot.after, account),
        "",
        *again_lines(contract, account, recheck),
        "",
        *_incident(contract, slot),
    ]
    subject = f"{standing(slot.after.headline)}: {contract.name}"
    return Mail(subject, "\n".join(lines) + "\n", _attributes(contract, slot))


# --- Subject, attributes ---


def _subject(contract: Contract, slot: Slot) -> str:
    for contract_limit, name_limit in ((63, 60), (50, 24), (36, 16), (24, 10)):
        subject = f"{label(slot)}: {subject_of(contract, slot, contract_limit, name_limit)}"
        if len(subject) <= SUBJECT_LENGTH:
            return subject
    return subject[:SUBJECT_LENGTH]


def subject_of(contract: Contract, slot: Slot, contract_limit: int = 63, name_limit: int = 60) -> str:
    """What the announcement is about: the contract, and the lock with its holder."""
    finding = subject_finding(slot)
    name = plain(contract.name, contract_limit)
    if slot.after.suspended:
        return f"{name} - by {who(contract, slot.after.suspended[0].account, name_limit)}"
    if finding is None:
        return f"{name} - now watching"
    return f"{name} - {LOCK_WORDS[finding.lock]} of {who(contract, finding.account, name_limit)}"


def label(slot: Slot) -> str:
    """The standing, and how it compares with what people know."""
    now = standing(slot.after.headline)
    kind = kind_of(slot)
    if slot.after.suspended:
        return "SUSPENDED"
    if kind is MailKind.REMINDER:
        return f"Reminder, still {now}"
    if kind in _LABELS:
        return f"{_LABELS[kind]}, {now}"
    if kind is MailKind.RECOVERY:
        return f"{now} again" if slot.after.headline is Headline.INTACT else f"Recovered, {now}"
    if kind is not MailKind.CHANGE or slot.before is None:
        return now
    was = slot.before.headline
    return f"Still {now}" if was is slot.after.headline else f"{now} (was {standing(was)})"


_LABELS = {
    MailKind.WAIVED: "Waived",
    MailKind.WAIVER_EXPIRED: "Waiver over",
    MailKind.RESUMED: "No longer suspended",
}


def _attributes(contract: Contract, slot: Slot) -> dict[str, str]:
    finding = subject_finding(slot)
    return {
        "contract": contract.name,
        "standing": slot.after.headline.value,
        "lock": finding.lock.value if finding else "none",
        "account": plain(finding.account) if finding else slot.after.account,
        "kind": kind_of(slot).value,
    }


# --- Sections ---


def _head(contract: Contract, slot: Slot, account: str) -> list[str]:
    finding = subject_finding(slot)
    lines = [f"{label(slot)}: {contract.name}"]
    if finding and not slot.after.suspended:
        lines.append(f"{LOCK_WORDS[finding.lock].capitalize()} of {who(contract, finding.account)}")
    watched = ["This share is watched from now on."] if slot.before is None else []
    # The effect may name principals and keys, so its further lines are indented like all that is not ours.
    said = (*suspensions(contract, slot), effect(contract, slot), *_ending(slot), call(contract, slot, account))
    return [*lines, "", *watched, *(line for text in said for line in wrapped(text, "", INDENT))]


def _ending(slot: Slot) -> list[str]:
    """What will be lost for good, and when."""
    # The claim began a moment before the mail is read.
    left = [(one, (one - slot.claimed_until) / timedelta(days=1)) for one in deadlines(slot.after)]
    return [
        f"THE KEY WILL BE DELETED on {at(when)}, {f'in about {days:.0f} days' if days > 1.5 else 'within two days'}."  # noqa: PLR2004 - "1 days"
        for when, days in left
        if days > 0
    ]


def call(contract: Contract, slot: Slot, account: str) -> str:
    """Who must act, right at the top."""
    actors = () if slot.after.suspended else _actors(slot.after.findings)
    if not actors:
        return "Nobody needs to act."
    if account in actors:
        others = [who(contract, actor) for actor in actors if actor != account]
        return f"YOUR ACCOUNT MUST ACT{', and so must ' + ' and '.join(others) if others else ''}."
    return f"Nothing for you to do: {' and '.join(who(contract, actor) for actor in actors)} must act."


def _actor(finding: Finding) -> str:
    return finding.remedy.account if finding.remedy else finding.account


def _actors(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_actor(finding) for finding in findings))


def _locks(contract: Contract, share: Share, account: str) -> list[str]:
    states = {state.lock: state for state in share.locks}
    rows = []
    for number, lock in enumerate(THE_THREE_LOCKS, start=1):
        holder = holders(contract)[lock]
        state = states.get(lock)
        if state is None:
            word, when = ("not checked yet" if holder == account else "not heard yet"), ""
        else:
            waived = " (waived)" if any(finding.lock is lock for finding in share.waived) else ""
            word = (", ".join(KIND_WORDS[kind] for kind in state.kinds) or "open") + waived
            when = f", as of {at(state.as_of)}"
        rows.append((f"{number} {LOCK_WORDS[lock]}", word, f"{who(contract, holder)}{when}"))
    for state in share.locks:
        if state.lock is Lock.CEILING:
            word = ", ".join(KIND_WORDS[kind] for kind in state.kinds) or "open"
            rows.append(("+ ceilings", word, f"{who(contract, state.account)}, as of {at(state.as_of)}"))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return [
        "THE THREE LOCKS",
        *(f"{INDENT}{first:<{widths[0]}}  {second:<{widths[1]}}  {third}" for first, second, third in rows),
    ]


def _why(contract: Contract, slot: Slot) -> list[str]:
    # What came while nothing was told is news to whoever reads of it now.
    past = slot.before.findings if slot.before and not slot.before.suspended else ()
    now, was, waived = identities(slot.after.findings), identities(past), identities(slot.after.waived)
    groups = (
        ("new", [finding for finding in slot.after.findings if finding.identity not in was]),
        ("still so", [finding for finding in slot.after.findings if finding.identity in was]),
        ("no longer so", [finding for finding in past if finding.identity not in now | waived]),
    )
    filled = [(title, findings) for title, findings in groups if findings]
    if [title for title, _ in filled] == ["no longer so"]:
        gone = filled[0][1][:AT_ALL]
        return ["WHAT IT WAS", *(line for finding in gone for line in _finding(contract, finding, in_full=False))]
    lines = []
    for title, findings in filled:
        # One group that is all news needs no title.
        head = [] if title == "new" and len(filled) == 1 else [f"{INDENT}{title.capitalize()}:"]
        told = [
            line
            for index, finding in enumerate(findings[:AT_ALL])
            for line in _finding(contract, finding, in_full=(title == "new" or bool(slot.reminder)) and index < IN_FULL)
        ]
        rest = [f"{INDENT}... and {len(findings) - AT_ALL} more"] if len(findings) > AT_ALL else []
        lines += [*head, *told, *rest]
    return ["WHY", *lines] if lines else []


def _waived(contract: Contract, share: Share) -> list[str]:
    """What is off and does not count, with why and until when."""
    lines = []
    for finding in share.waived[:AT_ALL]:
        lines += _finding(contract, finding, in_full=False)
        if finding.waiver:
            said = f"until {at(finding.waiver.until)}, by {who(contract, finding.account)}"
            lines += wrapped(f"{said}: {ended(plain(finding.waiver.reason, 300))}", _DEEP)
    if len(share.waived) > AT_ALL:
        lines.append(f"{INDENT}... and {len(share.waived) - AT_ALL} more")
    return ["WAIVED", *lines] if lines else []


def _finding(contract: Contract, finding: Finding, *, in_full: bool) -> list[str]:
    sentence = plain(finding.detail, 600) or plain(plain_sentence(contract, finding), 600)
    lock = LOCK_WORDS[finding.lock]
    if finding.lock in THE_THREE_LOCKS and lock not in sentence:
        sentence = f"{lock}: {sentence}"
    said = f"{KIND_WORDS[finding.kind]}  {ended(begun(sentence))} [{plain(finding.code)}]"
    lines = wrapped(said, INDENT, _DEEP)
    if in_full and finding.witness:
        lines += _witness(finding.kind, finding.witness)
    if in_full:
        for statement in finding.statements[:STATEMENTS]:
            lines += _statement(statement)
    return lines


_REQUEST = {
    Kind.SHUT: "Refused, for example:",
    Kind.WIDE: "Allowed, for example:",
    Kind.RISK: "For example:",
    Kind.UNREAD: "For example:",
}


def _witness(kind: Kind, witness: Witness) -> list[str]:
    lines = [
        f"{_DEEP}{_REQUEST[kind]}",
        f"{_DEEPER}{plain(witness.action)} on {plain(witness.resource)}",
        f"{_DEEPER}by {plain(witness.principal)}",
    ]
    for key, values in witness.context[:12]:
        value = " or ".join(plain(value, 120) for value in values) if values else "absent"
        lines += wrapped(f"with {plain(key)} = {value}", _DEEPER)
    if witness.unsettled:
        lines += wrapped("AWS does not document how it decides this case; it may go either way.", _DEEPER)
    return lines


def _statement(statement: StatementRef) -> list[str]:
    sid = f" `{plain(statement.sid, 100)}`" if statement.sid else ""
    title = f"Statement {statement.index + 1}{sid} of the {plain(statement.document, 150)}:"
    return [*wrapped(title, _DEEP, _DEEPER), *cut(json_lines(statement.text, _DEEPER), STATEMENT_LINES)]


def _cause(contract: Contract, slot: Slot, account: str) -> list[str]:
    cause, finding = slot.cause, subject_finding(slot)
    if finding is None or finding.code == "watchdog.partner-silent":
        return []  # that nobody is heard is no change that somebody made
    title = "WHO AND WHEN"
    kind = kind_of(slot)
    if kind in OF_THE_CONTRACT:
        return []
    if over := waiver_over(contract, slot):
        return [title, *wrapped(over, INDENT)]
    if kind is MailKind.RECOVERY:
        title = "WHO FIXED IT, AND WHEN"
    if not touches(cause, finding):
        return [title, *wrapped(_no_change(contract, cause), INDENT), *_others(cause)]
    place = f"{who(contract, cause.account)}{', ' + plain(cause.region) if cause.region else ''}"
    lines = [
        f"{plain(cause.event_name, 100)} by {plain(cause.actor) or 'a caller that the event does not name'}",
        f"at {at(cause.at)}, in {place}",
    ]
    if cause.source_ip or cause.user_agent:
        origin = f"from {unlinked(cause.source_ip) or 'an unknown address'}"
        tool = f" with {plain(cause.tool, 80)}" if cause.tool else ""
        agent = f"{',' if tool else ' with'} `{unlinked(cause.user_agent)}`" if cause.user_agent else ""
        lines.append(origin + tool + agent)
    if cause.event_id:
        lines.append(f"CloudTrail event {plain(cause.event_id, 100)}")
    told = [line for text in lines for line in wrapped(text, INDENT)]
    seen = "" if cause.history is History.NOT_ASKED else "No event told of it; CloudTrail's event history has it."
    return [title, *told, *_link(contract, cause, account), *wrapped(seen, INDENT), *_others(cause)]


def _others(cause: Cause) -> list[str]:
    """Further changes that may be behind it: a line to tell them apart, and one to find them by."""
    if not cause.earlier:
        return []
    lines = [f"{INDENT}Changed too since it was last seen otherwise, newest first:"]
    for one in cause.earlier:
        actor, tool = plain(one.actor) or "somebody unnamed", f" with {plain(one.tool, 80)}" if one.tool else ""
        lines += wrapped(f"{at(one.at)} {plain(one.event_name, 100)} by {actor}{tool}", _DEEP, _DEEPER)
        lines += wrapped(f"CloudTrail event {plain(one.event_id, 100)}", _DEEPER)
    return lines


def _no_change(contract: Contract, cause: Cause) -> str:
    ways = {
        "sweep": f"the scheduled sweep found it at {at(cause.at)}",
        "recheck": f"a re-check, asked for at {at(cause.at)}, found it",
        "accept": f"what is there was accepted at {at(cause.at)}, and checked",
        "apply": f"the contract was applied at {at(cause.at)}, and checked",
        "report": f"{who(contract, cause.account)} reported it at {at(cause.at)} without naming a change",
        "change": f"found after {plain(cause.event_name, 100)} at {at(cause.at)}, which does not touch this lock",
    }
    return f"No matching change seen: {ways.get(cause.kind, f'found at {at(cause.at)}')}.{_ASKED[cause.history]}"


_ASKED = {
    History.NOT_ASKED: "",
    History.SEARCHED: (" CloudTrail's event history has none either, as yet; it lags by some minutes."),
    History.IN_PART: " Not all of CloudTrail's event history was searched; look there yourself.",
    History.UNREAD: " CloudTrail's event history could not be read; look there yourself.",
}


_EVENT_ID = re.compile(r"[0-9a-fA-F-]{36}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


def _link(contract: Contract, cause: Cause, account: str) -> list[str]:
    """The event in CloudTrail's console; only for an id and a region that look like it, since both go into a link."""
    if not (_EVENT_ID.fullmatch(cause.event_id) and _REGION.fullmatch(cause.region)):
        return []
    console = f"https://{cause.region}.console.aws.amazon.com/cloudtrailv2/home?region={cause.region}"
    note = [] if cause.account == account else [f"{INDENT}(to be opened in {who(contract, cause.account)})"]
    return [f"{INDENT}{console}#/events/{cause.event_id}", *note]


def _to_do(contract: Contract, slot: Slot, account: str) -> list[str]:
    findings = slot.after.findings
    if not findings or slot.after.suspended:
        return []
    lines = []
    mine = [finding for finding in findings if _actor(finding) == account]
    if mine:
        lines += [f"{INDENT}Your account, {who(contract, account)}, must act:", *_fixes(mine)]
    for actor in _actors(findings):
        if actor != account:
            lines += wrapped(_ask(contract, slot, actor, alone=not mine), INDENT)
            asked = dict.fromkeys(asking(contract, one) for one in findings if _actor(one) == actor)
            lines += [line for text in asked if text for line in wrapped(f"They should see to it {text}.", INDENT)]
    return ["WHAT TO DO", *lines]


def _ask(contract: Contract, slot: Slot, actor: str, *, alone: bool) -> str:
    incident = next((incident for incident in slot.incidents if incident.account == actor), None)
    naming = f" and name incident {plain(incident.id)}" if incident else ""
    nothing = "Nothing for you to do: " if alone else "Besides, "
    return f"{nothing}{who(contract, actor)} must act. Its people have the fix in their own mail; ask them{naming}."


def _fixes(findings: list[Finding]) -> list[str]:
    """The remedies, each once, numbered when there are several."""
    remedies = list(dict.fromkeys(finding.remedy for finding in findings if finding.remedy))
    if not remedies:
        return wrapped("No fix can be worked out from here; see the code in docs/alerts.md.", _DEEP)
    lines = []
    for number, remedy in enumerate(remedies[:AT_ALL], start=1):
        mark = f"{number}. " if len(remedies) > 1 else ""
        sentence = plain(remedy.sentence, 600) or "see the code in docs/alerts.md"
        follows = remedy.statement or remedy.steps or remedy.commands
        lines += wrapped(mark + ended(begun(sentence), ":" if follows else "."), _DEEP, _DEEP + " " * len(mark))
        lines += _steps(remedy)
        if remedy.commands:
            lines += ["", *(line for command in remedy.commands for line in command_lines(command, _DEEPER))]
        if remedy.proof:
            lines += ["", *wrapped(ended(begun(plain(remedy.proof))), _DEEPER)]
        if number < len(remedies) and follows:
            lines.append("")
    return lines


def _steps(remedy: Remedy) -> list[str]:
    """The statements of a remedy, each under what is to be done with it, where there are several."""
    lines = ["", *json_lines(remedy.statement, _DEEPER)] if remedy.statement else []
    for letter, step in zip(ascii_lowercase, remedy.steps, strict=False):
        lines += ["", *wrapped(f"{letter}. {begun(plain(step.sentence, 600))}", _DEEPER, f"{_DEEPER}   ")]
        lines += json_lines(step.statement, f"{_DEEPER}   ") if step.statement else []
    return lines


def _readers(contract: Contract, slot: Slot) -> list[str]:
    findings = slot.after.findings
    if not findings:
        return []
    symptoms = dict.fromkeys(symptom(contract, finding) for finding in findings if finding.kind is findings[0].kind)
    lines = []
    for item in symptoms:
        lines += wrapped(f"{item.see[:1].upper()}{item.see[1:]}.", INDENT)
        lines += wrapped(f"On record: {item.record}.", INDENT)
    return ["WHAT READERS SEE", *lines]


def _remarks(share: Share) -> list[str]:
    """What no finding covers, such as ceilings that nobody reads: the standing says nothing of it."""
    lines = [line for remark in share.remarks[:AT_ALL] for line in wrapped(ended(begun(plain(remark, 300))), INDENT)]
    return ["REMARKS", *lines] if lines else []


def again_lines(contract: Contract, account: str, recheck: str) -> list[str]:
    """How to check again."""
    party = contract.party(account)
    region = f" --region {party.home_region}" if party else ""
    payload = json.dumps({"contract": contract.name}, separators=(",", ":"))
    command = f"aws lambda invoke --function-name {recheck}{region} --cli-binary-format raw-in-base64-out"
    return ["CHECK AGAIN", f"{INDENT}{command} --payload '{payload}' /dev/stdout"]


def _incident(contract: Contract, slot: Slot) -> list[str]:
    lines = [
        line
        for incident in slot.incidents
        for text, hanging in ((_history(contract, incident), INDENT), *((said, _DEEP) for said in _hands(incident)))
        for line in wrapped(text, hanging, hanging)
    ]
    return ["INCIDENT", *(lines or [f"{INDENT}None is open."]), f"{INDENT}Message {plain(slot.id)}"]


def _history(contract: Contract, incident: Incident) -> str:
    name = f"{plain(incident.id)} of {who(contract, incident.account)}"
    last = incident.changes[-1] if incident.changes else None
    changed = f", changed {_times(len(incident.changes))}, last at {at(last.at)}" if last else ""
    if incident.closed is None:
        return f"{name}, open since {at(incident.opened)}{changed}"
    lasted = lasting(incident.closed - incident.opened)
    return f"{name}, closed after {lasted}: from {at(incident.opened)} to {at(incident.closed)}{changed}"


def _hands(incident: Incident) -> list[str]:
    """Who broke it and who mended it, as far as that is known, once it is over."""
    told = (("broken", incident.opened_by), ("mended", incident.closed_by)) if incident.closed else ()
    return [
        f"{word} by {plain(cause.event_name, 100)} of {plain(cause.actor) or 'a caller that the event does not name'}"
        for word, cause in told
        if cause and cause.event_name
    ]


def _times(number: int) -> str:
    many = f"{number} times or more" if number == CHANGES else f"{number} times"
    return "once" if number == 1 else many


def shortened(contract: Contract, body: str, account: str, recheck: str) -> str:
    """The body, cut to what SNS carries."""
    if len(body.encode()) <= BODY_BYTES:
        return body
    kept = body.encode()[:BODY_BYTES].decode(errors="ignore").rpartition("\n")[0]
    again = "\n".join(again_lines(contract, account, recheck))
    return f"{kept}\n\nTHIS MAIL WAS CUT: check again to read the rest.\n\n{again}\n"
