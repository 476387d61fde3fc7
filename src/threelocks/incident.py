"""What is recorded of a contract, and what each new verdict or report makes of it: what to store and what to say.

Pure: (before, news, time) -> after. `watch` writes the result under a version condition and then announces the slot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from threelocks.contract import Contract
from threelocks.finding import (
    THE_THREE_LOCKS,
    Cause,
    Finding,
    Headline,
    Kind,
    Lock,
    Remedy,
    Scope,
    Share,
    Verdict,
)
from threelocks.report import (
    Incident,
    Report,
    content_digest,
    differing_fields,
    holders,
    lock_of,
    make,
    next_stamp,
)

FindingId = tuple[str, str, str, tuple[str, ...]]

# What calls for somebody to act. A risk alone is told, but is no incident, and does not keep one open.
GRAVE = frozenset({Kind.SHUT, Kind.WIDE, Kind.UNREAD})
_GRAVITY = (Kind.SHUT, Kind.WIDE, Kind.UNREAD, Kind.RISK)


@dataclass(frozen=True, slots=True)
class Received:
    """The last report accepted from a party."""

    account: str
    report: Report
    at: datetime  # when we received it


@dataclass(frozen=True, slots=True)
class Slot:
    """The one announcement that is on its way. A crash repeats it with the same id; it is never lost."""

    id: str
    before: Share | None  # what people were last told; None: nothing yet
    after: Share
    cause: Cause
    incidents: tuple[Incident, ...]  # those that are open, or that this announcement closes
    claimed_until: datetime  # whoever filled or took the slot sends it alone until then
    failures: int = 0  # how often it could not be sent


@dataclass(frozen=True, slots=True)
class State:
    """Everything recorded of one contract in one account."""

    contract: str
    digest: str  # of the contract's terms that this state was judged against
    account: str
    version: int = 0
    own: Verdict | None = None
    own_cause: Cause | None = None  # of the check that last changed what `own` finds
    reports: tuple[Received, ...] = ()
    told: Share | None = None
    told_incidents: tuple[Incident, ...] = ()  # as the announcement of `told` named them
    slot: Slot | None = None
    incident: Incident | None = None  # of our own locks; kept, closed, until the next one opens
    stamp: int = 0  # of the last report made
    sent: tuple[tuple[str, str], ...] = ()  # account -> digest of the report it was last sent
    depends: tuple[str, ...] = ()  # further resources last given to Store.depend


@dataclass(frozen=True, slots=True)
class Moment:
    """What the pure core may not make itself: the time, fresh ids, and how long a claim on the slot lasts."""

    now: datetime
    new_id: Callable[[], str]
    claim: timedelta


def begin(contract: Contract, account: str, before: State | None) -> State:
    """The state to build on: a new one, or the stored one under the contract's present terms.

    When the contract was applied again, the last verdict still stands until the next check replaces it, and what was
    told, the incident and the reports are kept.
    """
    if before is None:
        return State(contract=contract.name, digest=contract.digest, account=account)
    return replace(before, digest=contract.digest)


# --- What is known ---


def identities(findings: Iterable[Finding]) -> frozenset[FindingId]:
    return frozenset(finding.identity for finding in findings)


def gravest(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings in the order in which people should read them; equal ones keep their order."""
    return tuple(sorted(findings, key=lambda finding: _GRAVITY.index(finding.kind)))


def unconfirmed(looks: Sequence[Verdict], known: frozenset[FindingId]) -> bool:
    """Whether the last look shows a new finding that no look before it did."""
    *earlier, last = looks
    return bool(identities(last.findings) - known - _seen(earlier))


def confirmed(looks: Sequence[Verdict], known: frozenset[FindingId]) -> Verdict:
    """The last of several looks, each a verdict on observations made one right after the other.

    AWS's reads are eventually consistent, and one stale answer is no news: a new finding that earlier looks showed and
    the last does not is left out, a known one stays while any look shows it. What the last look shows is never left
    out: the caller looks again while it is `unconfirmed`, and believes the last look when it runs out of patience.
    """
    *earlier, last = looks
    have = set(identities(last.findings))
    kept = list(last.findings)
    for look in reversed(earlier):
        kept += [finding for finding in look.findings if finding.identity in known - have]
        have |= identities(look.findings)
    return _with_findings(last, kept)


def _seen(looks: Sequence[Verdict]) -> frozenset[FindingId]:
    return frozenset(identity for look in looks for identity in identities(look.findings))


def told_here(contract: Contract, neighbours: tuple[Contract, ...], verdict: Verdict) -> Verdict:
    """The verdict without the findings of scope `resource` that a neighbour tells: of all contracts on a bucket or key,
    the first by name does, so that a stranger on the bucket is one mail and not one per contract."""
    earlier = [neighbour for neighbour in neighbours if neighbour.name < contract.name]

    def is_theirs(finding: Finding) -> bool:
        return finding.scope is Scope.RESOURCE and any(_on(finding.resource, other) for other in earlier)

    return _with_findings(verdict, [finding for finding in verdict.findings if not is_theirs(finding)])


def _on(resource: str, contract: Contract) -> bool:
    return resource in {contract.bucket_arn, contract.key} or resource.startswith(f"{contract.bucket_arn}/")


def settled(before: Verdict | None, verdict: Verdict) -> Verdict:
    """The verdict to record, given the last one under the same terms.

    A lock that could not be read, or not fully checked, keeps its last known findings beside the unread one. (Here is
    the place for any further rule on when a finding may be dropped.)
    """
    if before is None or before.digest != verdict.digest:
        return verdict
    blind = {finding.lock for finding in verdict.findings if finding.kind is Kind.UNREAD}
    have = identities(verdict.findings)
    last_known = [
        finding
        for finding in before.findings
        if finding.lock in blind and finding.kind is not Kind.UNREAD and finding.identity not in have
    ]
    return _with_findings(verdict, [*verdict.findings, *last_known]) if last_known else verdict


def _with_findings(verdict: Verdict, findings: list[Finding]) -> Verdict:
    """The verdict with other findings, and with lock states that agree. Kinds of a lock that none of its findings ever
    had are the judge's own and stay."""
    was = {(finding.lock, finding.kind) for finding in verdict.findings}
    now = {(finding.lock, finding.kind) for finding in findings}
    locks = tuple(
        replace(
            state,
            kinds=tuple(
                sorted(
                    {kind for kind in state.kinds if (state.lock, kind) not in was}
                    | {kind for lock, kind in now if lock is state.lock}
                )
            ),
        )
        for state in verdict.locks
    )
    return replace(verdict, findings=tuple(findings), locks=locks)


def facts(contract: Contract, state: State | None) -> dict[str, str]:
    """What the other parties reported, by name. A report under other terms answers another question (its role may be
    another role), so its facts do not count."""
    reports = believed(contract, state) if state else ()
    return {
        name: value
        for received in reports
        if received.report.verdict.digest == contract.digest
        for name, value in received.report.verdict.facts
    }


def believed(contract: Contract, state: State) -> tuple[Received, ...]:
    """The reports whose senders are still parties, in the contract's order of parties."""
    return tuple(
        received
        for party in contract.others(state.account)
        for received in state.reports
        if received.account == party.account
    )


def merge(contract: Contract, state: State) -> Share:
    """The share as this account sees it: its own verdict, and what the other parties last reported.

    Locks come in the order identity, bucket, key. A report under other terms than ours still shows its findings, since
    a lock that is shut under either contract is worth knowing, beside a finding that the contracts differ.
    """
    holding = holders(contract)
    verdicts = [*([state.own] if state.own else []), *(item.report.verdict for item in believed(contract, state))]
    states = {
        lock.lock: lock for verdict in verdicts for lock in verdict.locks if holding.get(lock.lock) == verdict.account
    }
    findings = [
        finding
        for verdict in verdicts
        for finding in verdict.findings
        if holding.get(finding.lock, verdict.account) == verdict.account
    ]
    findings += _differences(contract, state)
    heard = {verdict.account for verdict in verdicts}
    return Share(
        contract=contract.name,
        account=state.account,
        locks=tuple(states[lock] for lock in THE_THREE_LOCKS if lock in states),
        findings=gravest({finding.identity: finding for finding in reversed(findings)}.values()),
        awaiting=tuple(party.account for party in contract.parties if party.account not in heard),
        remarks=state.own.remarks if state.own else (),
    )


def _differences(contract: Contract, state: State) -> list[Finding]:
    return [
        _contracts_differ(contract, state.account, received.report)
        for received in believed(contract, state)
        if received.report.verdict.digest != contract.digest
    ]


def _contracts_differ(contract: Contract, account: str, report: Report) -> Finding:
    other = report.verdict.account
    party = contract.party(other)
    fields = ", ".join(f"`{field}`" for field in differing_fields(contract, report))
    where = f": they differ in {fields}" if fields else ""
    return Finding(
        code="watchdog.contracts-differ",
        kind=Kind.RISK,
        lock=Lock.WATCHDOG,
        account=account,
        resource=f"contract/{contract.name}",
        principal=f"account {other}",
        actions=(),
        detail=f"{other} {party.name if party else ''} watches `{contract.name}` under other terms than we do{where}",
        remedy=Remedy(
            account=account,
            sentence="agree with the other account on one contract file, and apply it in both accounts; "
            "until then neither account watches what the other believes",
            commands=(f"threelocks validate {contract.name}.yaml", f"threelocks apply {contract.name}.yaml"),
        ),
    )


# --- What is told ---


def worth_telling(told: Share | None, now: Share) -> bool:
    """Whether people should hear of `now`, given what they were last told.

    Nothing is told of a new contract while only a partner is awaited. The same findings are never told twice: another
    witness, statement, Sid or position of theirs is no news.
    """
    if told is None:
        return bool(now.findings) or not now.awaiting
    if identities(told.findings) != identities(now.findings):
        return True
    return told.headline is not now.headline and not now.awaiting


def changed(before: Share | None, after: Share) -> tuple[Finding, ...]:
    """The findings that make the difference, gravest first: those that are new, or those that are gone."""
    past = before.findings if before else ()
    new = [finding for finding in after.findings if finding.identity not in identities(past)]
    gone = [finding for finding in past if finding.identity not in identities(after.findings)]
    return gravest(new or gone)


def touches(cause: Cause, finding: Finding) -> bool:
    """Whether the change behind a check can have moved the finding's lock: a check that found something else than what
    the event was about must not blame the event's actor."""
    if cause.kind != "change" or not cause.event_name:
        return False
    return finding.lock not in THE_THREE_LOCKS or finding.lock in {lock_of(resource) for resource in cause.resources}


def fill(contract: Contract, state: State, cause: Cause, moment: Moment) -> State:
    """The state with its slot filled, when the slot is free and there is something to tell."""
    after = merge(contract, state)
    if state.slot or not worth_telling(state.told, after):
        return state
    slot = Slot(
        id=moment.new_id(),
        before=state.told,
        after=after,
        cause=_cause_of(contract, state, after) or cause,
        incidents=_incidents(contract, state),
        claimed_until=moment.now + moment.claim,
    )
    return replace(state, slot=slot)


def _cause_of(contract: Contract, state: State, after: Share) -> Cause | None:
    """The cause behind the gravest finding that changed: ours, or the one that its holder reported."""
    news = changed(state.told, after)
    if not news:
        return None
    if news[0].account == state.account:
        return state.own_cause
    for received in believed(contract, state):
        if received.account == news[0].account:
            return received.report.cause or Cause(kind="report", at=received.at, account=received.account)
    return None


def _incidents(contract: Contract, state: State) -> tuple[Incident, ...]:
    """Every party's incident that is open, or that people know as open and now is closed."""
    known = {incident.id for incident in state.told_incidents if incident.closed is None}
    reported = (received.report.incident for received in believed(contract, state))
    return tuple(
        incident
        for incident in (state.incident, *reported)
        if incident and (incident.closed is None or incident.id in known)
    )


def told(contract: Contract, state: State, moment: Moment) -> State:
    """After the slot was sent: told becomes what it said, and what happened meanwhile is compared again."""
    slot = state.slot
    if slot is None:
        return state
    emptied = replace(state, told=slot.after, told_incidents=slot.incidents, slot=None)
    return fill(contract, emptied, emptied.own_cause or slot.cause, moment)


# --- What is recorded ---


def record(contract: Contract, state: State, verdict: Verdict, cause: Cause, moment: Moment) -> State:
    """The state after a check of our own. `state` comes from `begin`."""
    own = settled(state.own, verdict)
    same = state.own is not None and identities(state.own.findings) == identities(own.findings)
    after = replace(
        state,
        own=own,
        own_cause=state.own_cause if same else cause,
        incident=_next_incident(state.incident, state.own, own, cause, moment),
    )
    return fill(contract, after, cause, moment)


def _next_incident(
    incident: Incident | None, before: Verdict | None, own: Verdict, cause: Cause, moment: Moment
) -> Incident | None:
    is_open = incident is not None and incident.closed is None
    grave = [finding for finding in own.findings if finding.kind in GRAVE]
    if grave and not is_open:
        by = cause if touches(cause, gravest(grave)[0]) else None
        return Incident(moment.new_id(), own.account, _when(by, own), opened_by=by)
    if incident and is_open and not grave:
        gone = gravest(before.findings if before else ())[:1]
        by = cause if any(touches(cause, finding) for finding in gone) else None
        return replace(incident, closed=max(_when(by, own), incident.opened), closed_by=by)
    return incident


def _when(cause: Cause | None, own: Verdict) -> datetime:
    """When the change was made, if that is known, else when it was seen."""
    return min(cause.at, own.as_of) if cause else own.as_of


def accept(contract: Contract, state: State, report: Report, moment: Moment) -> State | None:
    """The state after a report that `report.refusal` let through, or None when it is not newer than the one kept."""
    sender = report.verdict.account
    kept = next((received for received in state.reports if received.account == sender), None)
    if kept and kept.report.stamp >= report.stamp:
        return None
    others = tuple(received for received in state.reports if received.account != sender)
    after = replace(state, reports=(*others, Received(sender, report, moment.now)))
    cause = report.cause or Cause(kind="report", at=moment.now, account=sender)
    return fill(contract, after, cause, moment)


# --- What is reported ---


def report_due(contract: Contract, state: State, *, always: bool, now: datetime) -> tuple[State, Report | None]:
    """The report to send after a check, and the state that remembers its stamp; None when every party was already sent
    the same. `always` sends it anyway: a heartbeat heals whatever was lost."""
    if state.own is None:
        return state, None
    stamp = next_stamp(now, state.stamp)
    report = make(
        contract,
        state.own,
        stamp=stamp,
        heard=tuple((received.account, received.report.stamp) for received in believed(contract, state)),
        cause=state.own_cause,
        incident=state.incident,
    )
    digest, sent = content_digest(report), dict(state.sent)
    if not always and all(sent.get(party.account) == digest for party in contract.others(state.account)):
        return state, None
    return replace(state, stamp=stamp), report


def sent(state: State, report: Report, accounts: tuple[str, ...]) -> State | None:
    """The state that remembers who was sent the report, or None when a newer report was made meanwhile.

    INVARIANT: an older report never marks itself as sent over a newer one; receivers ignore it, and the newer content
    would then never be sent again.
    """
    if state.stamp != report.stamp:
        return None
    digests = dict(state.sent) | dict.fromkeys(accounts, content_digest(report))
    return replace(state, sent=tuple(sorted(digests.items())))


def is_grave(share: Share) -> bool:
    """Whether somebody must act on the share; a partner not heard yet is no such thing."""
    return share.headline in {Headline.BROKEN, Headline.WIDENED} or Kind.UNREAD in share.kinds
