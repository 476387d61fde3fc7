"""What one party tells the others: its full verdict on its own locks, never a change to apply.

Wire format `threelocks.report/1`: the dataclass as JSON, in the `detail` of an EventBridge event whose source is
`threelocks` and whose detail-type is `Share report`. A request for one has the detail-type `Report request`.

`make` decides what crosses the line between two companies: kinds, codes, facts, incident ids, who made a change, and
the witness of what is shut (it is the consumer's own request). Statements, fixes, remarks, source addresses and the
names of anybody else stay at home. `refusal` decides what is believed: a party speaks only of the locks that it holds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from threelocks.catalogue import CATALOGUE, plain_sentence
from threelocks.contract import Contract
from threelocks.events import ORGANIZATION
from threelocks.finding import THE_THREE_LOCKS, Cause, Finding, Kind, Lock, LockState, Remedy, Scope, Verdict, Waiver

FORMAT = "threelocks.report/1"
REQUEST_FORMAT = "threelocks.request/1"
SOURCE = "threelocks"
DETAIL_TYPE = "Share report"
REQUEST_TYPE = "Report request"
AHEAD = timedelta(minutes=5)  # how far a sender's clock may be ahead of EventBridge's
ANOTHER_ACCOUNT = "another account"
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html takes 256 KB. Three reports, ours and what
# people were told must fit into one item of a table, so we stay far below.
LARGEST = 64 * 1024  # bytes
_LONG = 2048  # characters: the longest ARN or text that is kept when a report must be cut
_GRAVITY = (Kind.SHUT, Kind.WIDE, Kind.UNREAD, Kind.RISK)
_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Incident:
    """From the first finding on one party's locks to their recovery. It belongs to the party that holds the lock, and
    both accounts know it by the holder's id."""

    id: str
    account: str  # the holder
    opened: datetime
    opened_by: Cause | None = None
    closed: datetime | None = None
    closed_by: Cause | None = None
    changes: tuple[Cause, ...] = ()  # what changed while it was open, oldest first; the last few


@dataclass(frozen=True, slots=True)
class Report:
    """One party's full state for one contract."""

    stamp: int  # milliseconds since the epoch, and always more than the one before
    verdict: Verdict  # without statements and without findings of scope `resource`
    heard: tuple[tuple[str, int], ...] = ()  # account -> the last stamp received from it
    cause: Cause | None = None  # of the check that last changed the verdict
    incident: Incident | None = None
    terms: tuple[tuple[str, str], ...] = ()  # field of the agreed terms -> digest of its value
    format: str = FORMAT


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """A party asks another for a fresh report. It is answered by a check and its report, and never by a request."""

    contract: str
    format: str = REQUEST_FORMAT


# --- What is sent ---


def next_stamp(now: datetime, stored: int, acknowledged: int = 0) -> int:
    """The stamp of the next report: the time in milliseconds, but always more than the one before, and more than any
    that a receiver acknowledges (a table restored from a backup has forgotten some).

    A stored stamp that lies further ahead than receivers accept was made by a wrong clock, and no receiver kept it:
    the next one is of the present, lest no report be believed until that time comes.
    """
    present, ahead = int(now.timestamp() * 1000), int(AHEAD.total_seconds() * 1000)
    # Receivers keep what is at most `ahead` of the truth, which is at most `ahead` of a clock that is still believed.
    was_kept = stored <= present + 2 * ahead or present + 2 * ahead < acknowledged <= stored
    forgotten = acknowledged if acknowledged <= present + ahead // 2 else 0
    return max(present, (stored if was_kept else 0) + 1, forgotten + 1)


def make(
    contract: Contract,
    verdict: Verdict,
    *,
    stamp: int,
    heard: tuple[tuple[str, int], ...] = (),
    cause: Cause | None = None,
    incident: Incident | None = None,
) -> Report:
    """The report of a verdict, with what must not cross left out."""
    kept = _masked_findings(contract, verdict.findings)
    told = any(finding.kind is not Kind.RISK and finding.counts(verdict.as_of) for finding in kept)
    return trimmed(
        Report(
            stamp=stamp,
            verdict=replace(verdict, findings=kept, locks=_masked_locks(verdict, kept), remarks=()),
            heard=heard,
            cause=_masked_cause(contract, cause),
            # An incident over findings that stay at home stays at home too.
            incident=_masked_incident(contract, incident) if incident and (told or incident.closed) else None,
            terms=terms_digests(contract),
        )
    )


def trimmed(report: Report, limit: int = LARGEST) -> Report:
    """The report with as many findings as fit into `limit` bytes of JSON, gravest first and waived ones last, and one
    that says how many do not. The marker is as grave as what it stands for, so that trimming never makes a standing
    milder."""
    if len(encode(report).encode()) <= limit:
        return report
    short = [_cut(finding) for finding in sorted(report.verdict.findings, key=_weight)]
    kept = list(short)
    while True:
        verdict = replace(report.verdict, findings=(*kept, *_left_out(report, short[len(kept) :])))
        smaller = replace(
            report,
            verdict=verdict,
            cause=report.cause and _cut_cause(report.cause),
            incident=report.incident and _cut_incident(report.incident),
        )
        size = len(encode(smaller).encode())
        if size <= limit or not kept:
            return smaller
        del kept[min(len(kept) - 1, len(kept) * limit // size) :]


def _weight(finding: Finding) -> tuple[bool, int]:
    return bool(finding.waiver) and finding.kind is not Kind.UNREAD, _GRAVITY.index(finding.kind)


def _cut(finding: Finding) -> Finding:
    """The finding with no text longer than people would read. Its identity changes only where it is absurd."""
    witness = finding.witness
    return replace(
        finding,
        code=finding.code[:100],
        resource=finding.resource[:_LONG],
        principal=finding.principal[:_LONG],
        actions=tuple(action[:100] for action in finding.actions[:50]),
        detail=finding.detail[:600],
        witness=witness if witness and len(encode(witness)) <= _LONG else None,
        statements=(),
        remedy=Remedy(account=finding.remedy.account[:12], sentence="") if finding.remedy else None,
    )


def _cut_cause(cause: Cause) -> Cause:
    texts = {field.name: getattr(cause, field.name)[:_LONG] for field in fields(cause) if field.type == "str"}
    earlier = tuple(_cut_cause(one) for one in cause.earlier[:3])
    return replace(cause, **texts, resources=tuple(name[:_LONG] for name in cause.resources[:10]), earlier=earlier)


def _cut_incident(incident: Incident) -> Incident:
    return replace(
        incident,
        id=incident.id[:100],
        opened_by=incident.opened_by and _cut_cause(incident.opened_by),
        closed_by=incident.closed_by and _cut_cause(incident.closed_by),
        changes=tuple(_cut_cause(one) for one in incident.changes[-3:]),
    )


def _left_out(report: Report, findings: list[Finding]) -> tuple[Finding, ...]:
    if not findings:
        return ()
    verdict = report.verdict
    text = f"{len(findings)} findings are not listed here, since there are more than a report carries"
    marker = Finding(
        code="watchdog.report-trimmed",
        kind=findings[0].kind,  # the gravest of them
        waiver=_of_all(findings),
        lock=Lock.WATCHDOG,
        account=verdict.account,
        resource=f"contract/{verdict.contract}",
        principal=f"account {verdict.account}",
        actions=(),
        detail=text,
        remedy=Remedy(account=verdict.account, sentence=""),
    )
    return (marker,)


def content_digest(report: Report) -> str:
    """SHA-256, in hex, of what a report says: without its stamp, its acknowledgements and the times of observation. A
    report is sent when this differs from the one last sent."""
    verdict = report.verdict
    locks = tuple(replace(lock, as_of=_EPOCH) for lock in verdict.locks)
    said = replace(report, stamp=0, heard=(), verdict=replace(verdict, as_of=_EPOCH, locks=locks))
    return hashlib.sha256(encode(said).encode()).hexdigest()


def terms_digests(contract: Contract) -> tuple[tuple[str, str], ...]:
    """A short digest of each field of the agreed terms, so that two accounts can name the fields that differ."""
    return tuple(
        (field, hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16])
        for field, value in sorted(json.loads(contract.terms()).items())
    )


def differing_fields(contract: Contract, report: Report) -> tuple[str, ...]:
    """The fields of the agreed terms that sender and receiver have differently, sorted; empty when the sender names
    none."""
    ours, theirs = dict(terms_digests(contract)), dict(report.terms)
    if not theirs:
        return ()
    return tuple(field for field in sorted(ours.keys() | theirs.keys()) if ours.get(field) != theirs.get(field))


def _masked_findings(contract: Contract, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings of scope `share`, masked; those that have become the same are one, which says how many they were."""
    alike: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        if finding.scope is Scope.SHARE:
            masked = _masked_finding(contract, finding)
            alike.setdefault(masked.identity, []).append(masked)
    return tuple(same[0] if len(same) == 1 else _as_one(same) for same in alike.values())


def _as_one(same: list[Finding]) -> Finding:
    return replace(same[0], detail=f"{same[0].detail} ({len(same)} findings of this kind)", waiver=_of_all(same))


def _of_all(findings: list[Finding]) -> Waiver | None:
    """The waiver of several findings told as one: the first to end, and none where one of them has none."""
    waivers = [finding.waiver for finding in findings]
    return None if None in waivers else min((one for one in waivers if one), key=lambda one: one.until)


def _masked_finding(contract: Contract, finding: Finding) -> Finding:
    entry = CATALOGUE.get(finding.code)
    if finding.kind is Kind.WIDE:
        finding = replace(
            finding,
            resource=_own_resource(contract, finding),
            principal=_masked_principal(contract, finding.principal),
        )
    if entry and entry.names_stay:
        finding = replace(finding, principal=contract.role)
    if finding.kind is Kind.UNREAD:
        # What could not be read or decided may be the name of a policy.
        finding = replace(finding, actions=tuple(name for name in finding.actions if _ACTION.fullmatch(name)))
    return replace(
        finding,
        detail=finding.detail if entry and entry.detail_crosses else plain_sentence(contract, finding),
        witness=finding.witness if finding.kind is Kind.SHUT else None,
        statements=(),
        remedy=Remedy(account=finding.remedy.account, sentence="") if finding.remedy else None,
    )


def _masked_principal(contract: Contract, principal: str) -> str:
    return principal if contract.consumer.account in principal else ANOTHER_ACCOUNT


def _own_resource(contract: Contract, finding: Finding) -> str:
    """The lock's own resource, for one that might spell out a prefix or a bucket of somebody else."""
    own = {
        Lock.IDENTITY_POLICY: contract.role,
        Lock.BUCKET_POLICY: contract.bucket_arn,
        Lock.KEY_POLICY: contract.key,
    }
    return own.get(finding.lock, finding.resource)


def _masked_locks(verdict: Verdict, kept: tuple[Finding, ...]) -> tuple[LockState, ...]:
    """The locks without the kinds that only withheld findings account for."""

    def kinds(lock: Lock, findings: tuple[Finding, ...]) -> set[Kind]:
        return {finding.kind for finding in findings if finding.lock is lock}

    return tuple(
        replace(
            state,
            kinds=tuple(
                kind
                for kind in state.kinds
                if kind in kinds(state.lock, kept) or kind not in kinds(state.lock, verdict.findings)
            ),
        )
        for state in verdict.locks
    )


def _masked_cause(contract: Contract, cause: Cause | None) -> Cause | None:
    """Who and when, without from where; resources as the contract spells them."""
    if cause is None:
        return None
    locks = {lock_of(resource) for resource in cause.resources}
    resources = tuple(resource for resource, lock in _resources(contract) if lock in locks)
    earlier = tuple(masked for one in cause.earlier if (masked := _masked_cause(contract, one)))
    return replace(cause, source_ip="", user_agent="", tool="", resources=resources, earlier=earlier)


def _masked_incident(contract: Contract, incident: Incident) -> Incident:
    return replace(
        incident,
        opened_by=_masked_cause(contract, incident.opened_by),
        closed_by=_masked_cause(contract, incident.closed_by),
        changes=tuple(masked for one in incident.changes if (masked := _masked_cause(contract, one))),
    )


def _resources(contract: Contract) -> tuple[tuple[str, Lock], ...]:
    return (
        (f"role/{contract.role_name}", Lock.IDENTITY_POLICY),
        (contract.bucket_arn, Lock.BUCKET_POLICY),
        (contract.key, Lock.KEY_POLICY),
        *((name, Lock.CEILING) for name in contract.endpoints),
        *([(ORGANIZATION, Lock.CEILING)] if any(party for _, party in contract.organizations) else []),
    )


def lock_of(resource: str) -> Lock | None:
    """The lock or ceiling that a change to this resource can move; resources are spelled as a cause names them."""
    if resource.startswith("vpce-") or resource == ORGANIZATION:
        return Lock.CEILING
    if resource.startswith("role/") or ":iam:" in resource:
        return Lock.IDENTITY_POLICY
    if resource == "account" or ":s3:" in resource:
        return Lock.BUCKET_POLICY
    return next((lock for service, lock in _LOCK_OF.items() if f":{service}:" in resource), None)


_LOCK_OF = {
    "kms": Lock.KEY_POLICY,
    "cloudtrail": Lock.EVIDENCE,
    **dict.fromkeys(("events", "lambda", "sns", "dynamodb"), Lock.WATCHDOG),
}


# --- What is believed ---


def holders(contract: Contract) -> dict[Lock, str]:
    """Which account holds which of the three locks."""
    return {
        Lock.IDENTITY_POLICY: contract.consumer.account,
        Lock.BUCKET_POLICY: contract.owner.account,
        Lock.KEY_POLICY: contract.key_account,
    }


Upgrade = Callable[[dict[str, Any]], dict[str, Any]]

FORMATS: Mapping[str, Upgrade] = {FORMAT: lambda detail: detail}
"""The formats that are accepted: the present one and, once there is another, the one before it; each with what makes
the present one of it. Two accounts are never deployed at the same moment, so a release accepts a new format before the
next one sends it."""


def read(detail: Mapping[str, Any], formats: Mapping[str, Upgrade] = FORMATS) -> Report:
    """The report in the detail of an event, whatever accepted format it has. Raises MalformedError."""
    spoken = detail.get("format")
    upgrade = formats.get(spoken) if isinstance(spoken, str) else None
    if upgrade is None:
        known = " and ".join(f"`{name}`" for name in formats)
        raise MalformedError(f"its format is `{str(spoken)[:100]}`, and {known} are read; deploy the same release")
    try:
        present = upgrade(dict(detail))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedError(f"not a report of format `{spoken}`: {type(error).__name__}") from error
    return decode(Report, json.dumps(present))


def refusal(contract: Contract, report: Report, *, account: str, sender: str, sent_at: datetime) -> str | None:
    """Why `account` must not believe this report, or None. `sender` and `sent_at` are the envelope's, which the sender
    cannot choose."""
    verdict = report.verdict
    if report.format != FORMAT:
        return f"its format is not `{FORMAT}`"
    if sender == account:
        return "it claims to come from ourselves"
    if contract.party(sender) is None:
        return "the sender is not a party to the contract"
    if verdict.contract != contract.name:
        return "it is about another contract"
    if verdict.account != sender:
        return "its verdict is another account's"
    if verdict.suspended and verdict.suspended.account != sender:
        return "its suspension is another account's"
    if report.incident and report.incident.account != sender:
        return "its incident is another account's"
    if report.stamp > (sent_at + AHEAD).timestamp() * 1000:
        return "its stamp is more than 5 minutes ahead"
    return _overreach(holders(contract), verdict, sender)


def _overreach(holding: dict[Lock, str], verdict: Verdict, sender: str) -> str | None:
    """A verdict speaks of every lock that its sender holds, and of no other."""
    spoken = [state.lock for state in verdict.locks if state.lock in THE_THREE_LOCKS]
    held = [lock for lock in THE_THREE_LOCKS if holding[lock] == sender]
    foreign = {
        lock
        for lock, holder in (
            *((state.lock, state.account) for state in verdict.locks),
            *((finding.lock, finding.account) for finding in verdict.findings),
        )
        if holder != sender or holding.get(lock, sender) != sender
    }
    if foreign:
        return f"the sender does not hold its {', '.join(sorted(foreign))}"
    if sorted(spoken) != sorted(held):
        return "it does not cover each lock of the sender once"
    return None


def request_refusal(contract: Contract, request: ReportRequest, *, account: str, sender: str) -> str | None:
    """Why `account` does not answer this request, or None. `sender` is the envelope's."""
    if request.format != REQUEST_FORMAT:
        return f"its format is not `{REQUEST_FORMAT}`"
    if sender == account:
        return "it claims to come from ourselves"
    if contract.party(sender) is None:
        return "the sender is not a party to the contract"
    return None


# --- JSON ---


class MalformedError(ValueError):
    """The JSON is not the value it should be; the text says where and why."""


T = TypeVar("T")

_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    """Built when first needed: a cold start pays only for what it reads and writes."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def encode(value: object) -> str:
    """Any of our dataclasses as JSON; the same value always gives the same text. A policy can spell half a character
    (a lone surrogate), which no UTF-8 carries: it becomes a question mark."""
    adapter = _adapter(type(value))
    try:
        return adapter.dump_json(value).decode()
    except PydanticSerializationError:
        text = json.dumps(adapter.dump_python(value, mode="json"), separators=(",", ":"), ensure_ascii=False)
        return text.encode("utf-8", "replace").decode()


def decode(kind: type[T], text: str | bytes) -> T:
    """The value that `encode` wrote. Raises MalformedError when a field is missing or of the wrong type; fields that a
    newer version added are passed over.
    """
    try:
        value: T = _adapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise MalformedError(f"not a {kind.__name__}: `{where}`: {first['msg']}") from error
    return value
