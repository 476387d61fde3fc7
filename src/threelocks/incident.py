"""What is recorded of a contract, and what each new verdict or report makes of it: what to store and what to say.

Pure: (before, news, time) -> after. `watch` writes the result under a version condition and then announces the slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from threelocks import remind, silence
from threelocks.contract import Contract
from threelocks.finding import (
    THE_THREE_LOCKS,
    Cause,
    Change,
    Finding,
    Headline,
    Kind,
    Lock,
    Remedy,
    Scope,
    Share,
    Verdict,
)
from threelocks.locks.case import PINNED
from threelocks.report import (
    Incident,
    Report,
    content_digest,
    differing_fields,
    holders,
    make,
    next_stamp,
    trimmed,
)
from threelocks.settle import SETTLED, behind, carried, heard_of, next_look, settled, timer, touches
from threelocks.state import FindingId, Moment, Received, Reminder, Silence, Slot, Standing, State, Times
from threelocks.waiving import marked

__all__ = ["FindingId", "Moment", "Received", "Silence", "Slot", "Standing", "State", "Times", "touches"]

# What calls for somebody to act. A risk alone is told, but is no incident, and does not keep one open.
GRAVE = frozenset({Kind.SHUT, Kind.WIDE, Kind.UNREAD})
CHANGES = 10  # of an incident that are kept
_GRAVITY = (Kind.SHUT, Kind.WIDE, Kind.UNREAD, Kind.RISK)
_HEADLINES = tuple(Headline)  # gravest first


def begin(contract: Contract, account: str, before: State | None) -> State:
    """The state to build on: a new one, or the stored one under the contract as it is at present.

    When the contract was applied again, the last verdict still stands until the next check replaces it, and what was
    told, the incident and the reports are kept.
    """
    if before is None:
        return State(contract=contract.name, digest=contract.seal, account=account)
    return replace(before, digest=contract.seal)


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
    return last.with_findings(kept)


def _seen(looks: Sequence[Verdict]) -> frozenset[FindingId]:
    return frozenset(identity for look in looks for identity in identities(look.findings))


def told_here(contract: Contract, neighbours: tuple[Contract, ...], verdict: Verdict) -> Verdict:
    """The verdict without the findings of scope `resource` that a neighbour tells: of all contracts on a bucket or key,
    the first by name does, so that a stranger on the bucket is one mail and not one per contract."""
    earlier = [neighbour for neighbour in neighbours if neighbour.name < contract.name]

    def is_theirs(finding: Finding) -> bool:
        return finding.scope is Scope.RESOURCE and any(_on(finding.resource, other) for other in earlier)

    return verdict.with_findings(finding for finding in verdict.findings if not is_theirs(finding))


def _on(resource: str, contract: Contract) -> bool:
    return resource in {contract.bucket_arn, contract.key} or resource.startswith(f"{contract.bucket_arn}/")


def facts(contract: Contract, state: State | None) -> dict[str, str]:
    """What the other parties reported, by name. A report under other terms answers another question (its role may be
    another role), so its facts do not count."""
    reports = believed(contract, state) if state else ()
    return {
        name: value
        for received in reports
        if received.report.verdict.digest == contract.digest
        for name, value in received.report.verdict.facts
        if may_state(contract, received.account, name)
    }


def may_state(contract: Contract, account: str, name: str) -> bool:
    """Whether a party's word counts for this fact: of each lock, only its holder's; and of what we saw first, only
    our own."""
    lock = _STATED_BY.get(name)
    return not name.startswith(PINNED) and (lock is None or holders(contract)[lock] == account)


_STATED_BY = {
    "role_id": Lock.IDENTITY_POLICY,
    "has_boundary": Lock.IDENTITY_POLICY,
    "bucket_region": Lock.BUCKET_POLICY,
    "bucket_keys": Lock.BUCKET_POLICY,
    "bucket_policy_role_id": Lock.BUCKET_POLICY,
    "key_policy_role_id": Lock.KEY_POLICY,
}
_OF_THE_ROLE = frozenset({"role_id", "bucket_policy_role_id", "key_policy_role_id"})


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

    Locks come in the order identity, bucket, key, and then the ceilings that parties see. A party that has fallen
    silent is awaited again: what it last said still stands, but nobody knows whether it holds. A report under other
    terms than ours still shows its findings, since a lock that is shut under either contract is worth knowing, beside
    a finding that the contracts differ.

    What a holder waives is listed and does not count, until its end; whether that has come is judged as of the last
    check or report, so a share does not change by being looked at.
    """
    holding = holders(contract)
    verdicts = [*([state.own] if state.own else []), *(item.report.verdict for item in believed(contract, state))]
    # Its own clock may be ahead of ours: what the holder saw at its end has ended.
    dated = [(verdict, max(verdict.as_of, state.at or verdict.as_of)) for verdict in verdicts]
    seen = [(verdict.account, lock) for verdict, at in dated for lock in verdict.counted(at).locks]
    states = {lock.lock: lock for account, lock in seen if holding.get(lock.lock) == account}
    # Whose ceilings: several parties may see some.
    above = [lock for _, lock in seen if lock.lock is Lock.CEILING]
    held = [
        (finding, finding.counts(at))
        for verdict, at in dated
        for finding in verdict.findings
        if holding.get(finding.lock, verdict.account) == verdict.account
    ]
    findings = [finding for finding, counts in held if counts]
    heard = {verdict.account for verdict in verdicts}
    findings += _differences(contract, state)
    findings += [
        silence.finding(contract, state.account, one, was_heard=one.account in heard)
        for one in state.silences
        if contract.party(one.account)
    ]
    silent = {one.account for one in state.silences if not one.hears_us_not}
    return Share(
        contract=contract.name,
        account=state.account,
        locks=(*(states[lock] for lock in THE_THREE_LOCKS if lock in states), *above),
        findings=gravest({finding.identity: finding for finding in reversed(findings)}.values()),
        awaiting=tuple(party.account for party in contract.parties if party.account not in heard - silent),
        remarks=state.own.remarks if state.own else (),
        waived=gravest(finding for finding, counts in held if not counts),
        suspended=tuple(one for verdict, at in dated if (one := verdict.suspended) and at < one.until),
        mechanisms=tuple(
            one for verdict in verdicts if verdict.account == contract.key_account for one in verdict.mechanisms
        ),
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
    witness, statement, Sid or position of theirs is no news. While a share is suspended only that is told, and then
    that it no longer is, with whatever stands by then.
    """
    if told is None:
        return bool(now.findings or now.suspended) or not now.awaiting
    if told.suspended != now.suspended or now.suspended:
        return told.suspended != now.suspended
    if identities(told.findings) != identities(now.findings):
        return True
    return told.headline is not now.headline and not now.awaiting


def changed(before: Share | None, after: Share) -> tuple[Finding, ...]:
    """The findings that make the difference, gravest first: those that are new, or those that are gone."""
    return _moved(before.findings if before else (), after.findings)


def _moved(past: Sequence[Finding], now: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings that have come, or else those that are gone, gravest first."""
    known, present = identities(past), identities(now)
    new = [finding for finding in now if finding.identity not in known]
    return gravest(new or [finding for finding in past if finding.identity not in present])


def waits_until(state: State, after: Share, moment: Moment) -> datetime | None:
    """When the merge window after the last mail ends, in which further changes wait to be one message. None when it is
    over, when nothing was told yet, and for a graver standing than people know, which is told at once."""
    if state.told is None or state.told_at is None:
        return None
    if _HEADLINES.index(after.headline) < _HEADLINES.index(state.told.headline):
        return None
    end = state.told_at + moment.times.merge
    # A mail of the future: the clock was set back since.
    return end if state.told_at <= moment.now < end else None


def due(contract: Contract, state: State, moment: Moment) -> datetime | None:
    """When a new message must arrive that asks for a check, because something settles then or waits to be told; None
    when there is nothing, or when one on its way is in time."""
    looks = list(next_look(state, moment.times))
    after, known = merge(contract, state), _mailed(state)
    if known.slot is None and worth_telling(known.told, after):
        free = state.slot.claimed_until if state.slot else moment.now
        looks.append(max(waits_until(known, after, moment) or moment.now, free))
    return timer(state, min(looks, default=None), moment.now)


def fill(contract: Contract, state: State, cause: Cause, moment: Moment, *, reminds: bool = False) -> State:
    """The state with its slot filled, when the slot is free and there is something to tell that need not wait, or, if
    this check `reminds`, something to tell again."""
    if state.slot:
        return _overtaken(contract, state, cause, moment, reminds=reminds)
    after = merge(contract, state)
    if not worth_telling(state.told, after):
        return _reminding(contract, state, after, cause, moment) if reminds else state
    if waits_until(state, after, moment):
        return state
    slot = Slot(
        id=moment.new_id(),
        before=state.told,
        after=after,
        cause=_cause_of(contract, state, after) or cause,
        incidents=_incidents(contract, state),
        claimed_until=moment.now + moment.claim,
        changes=_changes_behind(state, after),
    )
    return replace(state, slot=slot)


def _overtaken(contract: Contract, state: State, cause: Cause, moment: Moment, *, reminds: bool) -> State:
    """The state with its slot filled anew, when people have read what is in it, another way still fails, and there is
    something else to tell. So no failing chat holds back a mail; the next card tells all that stands by then."""
    known = _mailed(state)
    if known.slot or (state.slot and moment.now < state.slot.claimed_until):
        return state
    filled = fill(contract, known, cause, moment, reminds=reminds)
    return filled if filled.slot else state


def _reminding(contract: Contract, state: State, after: Share, cause: Cause, moment: Moment) -> State:
    current = _incidents(contract, state)
    reminder = remind.due(after, current, state.told_at, moment.now, moment.times)
    if reminder is Reminder.NONE:
        return state
    opened_by = next((incident.opened_by for incident in current if incident.closed is None), None)
    slot = Slot(
        id=moment.new_id(),
        before=state.told,
        after=after,
        cause=opened_by or cause,
        incidents=current,
        claimed_until=moment.now + moment.claim,
        reminder=reminder,
    )
    return replace(state, slot=slot)


def refreshed(contract: Contract, state: State, moment: Moment) -> Slot | None:
    """Another announcement in place of a recovery that waits in the slot, when it no longer holds, and of any when the
    share was suspended meanwhile; None when the one that waits may be sent.

    Whether the recovery was sent, nobody knows: whoever was to send it may have died before or after. So what stands
    now is told even when it is what people were told before; and as it is another text, under another id.
    """
    slot, now = state.slot, merge(contract, state)
    if slot is None:
        return None
    is_withdrawn = bool(now.suspended) and not slot.after.suspended
    if not is_withdrawn and (is_grave(slot.after) or not is_grave(now)):
        return None
    return replace(
        slot,
        id=moment.new_id(),
        after=now,
        cause=_cause_of(contract, state, now) or slot.cause,
        incidents=_incidents(contract, state),
        failures=0,
        reminder=Reminder.NONE,
        changes=_changes_behind(state, now),
        done=(),
    )


def _changes_behind(state: State, after: Share) -> tuple[Change, ...]:
    """What changes of the policies did to the locks that the news is about."""
    locks = {finding.lock for finding in changed(state.told, after) if finding.account == state.account}
    return tuple(one for one in state.changes if one.lock in locks and not one.is_rewrite)


def _cause_of(contract: Contract, state: State, after: Share) -> Cause | None:
    """The cause behind the gravest finding that changed: ours, or the one that its holder reported."""
    news = changed(state.told, after)
    # What was waived, or no longer is, did not come or go.
    if not news or news[0].waiver or news[0].identity in identities(after.waived):
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
    return tuple(incident for incident in incidents(contract, state) if incident.closed is None or incident.id in known)


def incidents(contract: Contract, state: State) -> tuple[Incident, ...]:
    """Every party's last incident, open or closed; our own first."""
    reported = (received.report.incident for received in believed(contract, state))
    return tuple(incident for incident in (state.incident, *reported) if incident)


def told(contract: Contract, state: State, moment: Moment) -> State:
    """After the slot was sent: told becomes what it said, and what happened meanwhile is compared again."""
    slot = state.slot
    if slot is None:
        return state
    emptied = _emptied(state, slot, slot.mailed_at or moment.now)
    return fill(contract, emptied, state.own_cause or slot.cause, moment)


def _mailed(state: State) -> State:
    """The state in which what people have read counts as told, whatever other way still fails."""
    slot = state.slot
    return _emptied(state, slot, slot.mailed_at) if slot and slot.mailed_at else state


def _emptied(state: State, slot: Slot, told_at: datetime) -> State:
    """The state once people have read what is in the slot, which need not be told again."""
    return replace(
        state,
        told=slot.after,
        told_at=told_at,
        told_incidents=slot.incidents,
        slot=None,
        changes=tuple(one for one in state.changes if one not in slot.changes),
    )


# --- What is recorded ---


def record(
    contract: Contract,
    state: State,
    verdict: Verdict,
    cause: Cause,
    moment: Moment,
    *,
    found: Cause | None = None,
    changes: tuple[Change, ...] = (),
) -> State:
    """The state after a check of our own. `state` comes from `begin`. `found` is named for what came or went when no
    change that was heard of is behind it: see `unexplained`. `changes` are what those of the policies since did."""
    reminds = cause.kind == "sweep"
    recent, again = heard_of(state, cause, moment.now, moment.times)
    before = replace(state, recent=recent, again=again)
    findings, held = settled(before, verdict, moment.now, moment.times)
    own = marked(contract, replace(verdict, locks=carried(before, verdict)).with_findings(findings))
    news = _news(state.own, own)
    has_fired = cause.kind == SETTLED or (state.timer is not None and state.timer <= moment.now)
    cause = behind(before, cause, news[0], moment.times) if news else cause
    if found and news and not touches(cause, news[0]):
        cause = found
    after = replace(
        before,
        own=own,
        held=tuple(sorted(held.items())),
        changes=_of_late(state.changes, changes, moment),
        own_cause=cause if news or state.own is None else state.own_cause,
        incident=_next_incident(state.incident, state.own, own, cause, moment),
        # The message that asked for this check has arrived.
        timer=None if has_fired else state.timer,
    )
    filled = fill(contract, _listened(contract, after, moment), cause, moment, reminds=reminds)
    return _dated(contract, state, filled, moment)


def unexplained(before: State, after: State) -> tuple[Finding, ...]:
    """The findings on our own three locks that a check brought or took away, gravest first, when no change that was
    heard of is behind them. None after a first verdict, before which nothing was known."""
    if before.own is None or after.own is None or before.own.digest != after.own.digest:
        return ()
    news = _news(before.own, after.own)
    if not news or news[0].lock not in THE_THREE_LOCKS or (after.own_cause and touches(after.own_cause, news[0])):
        return ()
    return tuple(finding for finding in news if finding.lock in THE_THREE_LOCKS)


def last_seen(before: State, finding: Finding, times: Times) -> datetime | None:
    """From when on a change may be behind the finding's coming or going: what was read last may have been older."""
    if before.own is None:
        return None
    return dict(before.held).get(finding.identity, before.own.as_of) - times.settling(finding)


REMEMBERED = 4  # changes of policies that wait to be told


def _of_late(past: tuple[Change, ...], new: tuple[Change, ...], moment: Moment) -> tuple[Change, ...]:
    """A change is told with what it moved, which may take until it has settled, or until a merge window ends."""
    since = moment.now - max(moment.times.remember, moment.times.merge)
    return (*(one for one in past if one.at >= since), *new)[-REMEMBERED:]


def _news(before: Verdict | None, own: Verdict) -> tuple[Finding, ...]:
    """What makes the difference between two verdicts of our own."""
    return _moved(before.findings if before else (), own.findings)


def _listened(contract: Contract, state: State, moment: Moment) -> State:
    """The state as of this moment: who is silent by now, and what has ended."""
    listening = replace(
        state,
        awaited=silence.awaited(contract, state, moment.now),
        unheard=silence.unheard(contract, state),
        # A clock that is set back brings nothing back.
        at=max(moment.now, state.at or moment.now),
    )
    return replace(listening, silences=silence.silences(contract, listening, moment.now, moment.times))


def _dated(contract: Contract, before: State, after: State, moment: Moment) -> State:
    """The state that remembers since when the share stands as it does."""
    if before.since and _shape(merge(contract, before)) == _shape(merge(contract, after)):
        return after
    return replace(after, since=moment.now)


def _shape(share: Share) -> tuple[object, ...]:
    return share.headline, identities(share.findings), identities(share.waived), bool(share.suspended)


def standing(
    contract: Contract, before: State | None, after: State, cause: Cause, *, changes: tuple[Change, ...] = ()
) -> Standing | None:
    """The row that a write adds to the contract's history; None when the share stands as before, and no policy of ours
    was changed."""
    is_news = not before or before.since != after.since
    if after.since is None or not (is_news or changes):
        return None
    share, past = merge(contract, after), merge(contract, before) if before else None
    ids, waived = (tuple(sorted(identities(found))) for found in (share.findings, share.waived))
    row = Standing(after.since, share.headline, ids, cause, _without_texts(changes), waived, bool(share.suspended))
    if not is_news:
        return replace(row, at=max(one.at for one in changes))
    return replace(row, cause=_cause_of(contract, replace(after, told=past), share) or cause)


def _without_texts(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """A row of history is read by the hundred, and need not quote policies."""
    return tuple(replace(one, edits=()) for one in changes)


def _next_incident(
    incident: Incident | None, before: Verdict | None, own: Verdict, cause: Cause, moment: Moment
) -> Incident | None:
    is_open = incident is not None and incident.closed is None
    grave = [finding for finding in own.findings if finding.kind in GRAVE and finding.counts(moment.now)]
    if grave and not is_open:
        by = cause if touches(cause, gravest(grave)[0]) else None
        return Incident(moment.new_id(), own.account, _when(by, own), opened_by=by)
    if incident is None or not is_open:
        return incident
    if not grave:
        gone = gravest(before.findings if before else ())[:1]
        by = cause if any(touches(cause, finding) for finding in gone) else None
        return replace(incident, closed=max(_when(by, own), incident.opened), closed_by=by)
    news = _news(before, own)
    if not news:
        return incident
    by = cause if touches(cause, news[0]) else Cause(cause.kind, at=own.as_of, account=own.account)
    return replace(incident, changes=(*incident.changes, replace(by, earlier=()))[-CHANGES:])


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
    # However large a report the sender's bus let through, ours is one item of a table.
    after = replace(state, reports=(*others, Received(sender, trimmed(report), moment.now)))
    if _judged_otherwise(state, facts(contract, state), facts(contract, after)):
        # As good as a change that we heard of: our own verdict rests on what is no longer so.
        after = replace(after, again=max(moment.now, after.again or moment.now))
    cause = report.cause or Cause(kind="report", at=moment.now, account=sender)
    return _dated(contract, state, fill(contract, _listened(contract, after, moment), cause, moment), moment)


def _judged_otherwise(state: State, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Whether a fact that our verdict rests on is another one now, or one that it waits for has come. Who the role is
    comes from the consumer alone, and what names it follows from that, so two watchdogs cannot keep each other looking.
    """
    waits = any(finding.code == "identity.role-recreated" for finding in state.own.findings) if state.own else False
    return any(
        before.get(name, "" if waits else value) != value for name, value in after.items() if name in _OF_THE_ROLE
    )


def may_answer(state: State, sender: str, now: datetime, times: Times) -> bool:
    """Whether a request for a report is taken up: a partner that asks without end costs one check a while."""
    last = dict(state.answered).get(sender)
    return last is None or not timedelta(0) <= now - last < times.answer


def answering(state: State, sender: str, now: datetime) -> State:
    """The state that remembers when the sender's request was taken up."""
    return replace(state, answered=tuple(sorted({**dict(state.answered), sender: now}.items())))


# --- What is reported ---


def report_due(contract: Contract, state: State, *, always: bool, now: datetime) -> tuple[State, Report | None]:
    """The report to send after a check, and the state that remembers its stamp; None when every party was already sent
    the same. `always` sends it anyway: a heartbeat heals whatever was lost."""
    if state.own is None:
        return state, None
    acknowledged = [dict(received.report.heard).get(state.account, 0) for received in believed(contract, state)]
    stamp = next_stamp(now, state.stamp, max(acknowledged, default=0))
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
    after = replace(state, stamp=stamp)
    return replace(after, unheard=silence.unheard(contract, after)), report


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
