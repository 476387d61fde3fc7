"""When a finding may be dropped, when to look again, and who is behind what has come or gone.

AWS's reads are eventually consistent: one that begins right after another can show an older policy. So a finding is
dropped only by an observation that begins long enough after the last one that held it, and each change is looked at
once more when it must have arrived everywhere. One message, due at the next such moment, serves all of them.

Pure, like `incident`, which uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from threelocks.finding import THE_THREE_LOCKS, UPKEEP, Cause, Finding, Kind, Lock, LockState, Verdict
from threelocks.report import lock_of
from threelocks.state import FindingId, State, Times

LONGEST_DELAY = timedelta(seconds=900)  # of a message in SQS
REMEMBERED = 8  # changes
# CloudTrail cuts the time of a call to the second, and no two clocks agree.
RECORDED_WITHIN = timedelta(seconds=2)
SETTLED = "settle"  # the kind of cause of a check that a timer asked for

Held = dict[FindingId, datetime]


def settled(state: State, verdict: Verdict, now: datetime, times: Times) -> tuple[tuple[Finding, ...], Held]:
    """The findings to record after a verdict, and for each when the last observation that held it was over.

    A finding that the verdict does not show stays while its lock cannot be read, or not in full, and while the
    verdict's observation began too soon after the last one that held it. Findings on what keeps the watch stand until
    it is looked at again, which only some checks do: their verdicts have a lock state for it. Under other terms nothing
    is kept: it is another question. When the clock was set back, waiting begins anew.
    """
    held = {finding.identity: now for finding in verdict.findings}
    past = state.own
    if past is None or past.digest != verdict.digest:
        return verdict.findings, held
    blind = {finding.lock for finding in verdict.findings if finding.kind is Kind.UNREAD}
    not_looked_at = UPKEEP if _watchdog(verdict) is None else ()
    last, kept = dict(state.held), []
    for finding in past.findings:
        if finding.identity in held:
            continue
        seen = min(last.get(finding.identity, past.as_of), now)
        is_blind = finding.lock in blind and finding.kind is not Kind.UNREAD
        if is_blind or finding.lock in not_looked_at or verdict.as_of - seen < times.settling(finding):
            held[finding.identity] = seen
            kept.append(finding)
    return (*verdict.findings, *kept), held


def carried(state: State, verdict: Verdict) -> tuple[LockState, ...]:
    """The verdict's lock states, and the last ones of what keeps the watch where the verdict did not look at it."""
    past = state.own.locks if state.own and state.own.digest == verdict.digest else ()
    return (*verdict.locks, *(each for each in past if each.lock in UPKEEP and _watchdog(verdict) is None))


def _watchdog(verdict: Verdict) -> LockState | None:
    """Its state says that what keeps the watch was looked at, and when."""
    return next((state for state in verdict.locks if state.lock is Lock.WATCHDOG), None)


def heard_of(state: State, cause: Cause, now: datetime, times: Times) -> tuple[tuple[Cause, ...], datetime | None]:
    """The changes to remember, and until when observations may miss one of them, once this cause is known."""
    recent = [past for past in state.recent if now - times.remember <= past.at]
    if cause.kind != "change":
        return tuple(recent), state.again
    if all(past.event_id != cause.event_id or past.at != cause.at for past in recent):
        recent.append(cause)
    until = min(cause.at, now) + times.settling_change(cause)
    if until > now:
        # A change rarely comes alone: the same look shall do for all that were made until now.
        until = now + times.settling_change(cause)
    recent.sort(key=lambda past: past.at)
    return tuple(recent[-REMEMBERED:]), max(until, state.again or until)


def next_look(state: State, times: Times) -> Iterator[datetime]:
    """The moments at which an observation would tell more than the last one did."""
    own = state.own
    if own is None:
        return
    if state.again and own.as_of < state.again:
        yield state.again
    blind = {finding.lock for finding in own.findings if finding.kind is Kind.UNREAD}
    looked = _watchdog(own)
    if (looked is None or looked.as_of < own.as_of) and not looks_after(state, None, times):
        blind.update(UPKEEP)  # the next check will hardly look at it either
    held = dict(state.held)
    for finding in own.findings:
        seen = held.get(finding.identity, own.as_of)
        stays = finding.lock in blind and (finding.kind is not Kind.UNREAD or finding.lock in UPKEEP)
        if seen < own.as_of and not stays:
            yield seen + times.settling(finding)


def covered(state: State, cause: Cause, digest: str, now: datetime, times: Times) -> bool:
    """Whether a change needs no observation of its own, so that a burst of changes costs as few as it may.

    Either the recorded observation, under these terms, began after every read shows the change for certain; or it began
    after the change was made, and is followed by another one, already remembered, when the change has settled. What the
    first of a burst found is thus told at once, and what its reads were too early for is told by the last.
    """
    own = state.own
    if cause.kind != "change" or own is None or own.digest != digest or own.as_of > now:
        return False  # an observation of the future: the clock was set back since
    seen: LockState | Verdict | None = _watchdog(own) if _is_of_upkeep(cause) else own
    if seen is None:
        return False
    until = min(cause.at, now) + times.settling_change(cause)
    follows = state.again is not None and state.again >= until and (seen is own or looks_after(state, None, times))
    return seen.as_of >= until or (follows and seen.as_of >= cause.at + RECORDED_WITHIN)


def looks_after(state: State, cause: Cause | None, times: Times) -> bool:
    """Whether a check must look at what keeps the watch: because of its own cause, or of a remembered change that the
    last such look may have missed."""
    if cause and _is_of_upkeep(cause):
        return True
    looked = _watchdog(state.own) if state.own else None
    changes = [past.at + times.settling_change(past) for past in state.recent if _is_of_upkeep(past)]
    return bool(changes) and (looked is None or looked.as_of < max(changes))


def _is_of_upkeep(cause: Cause) -> bool:
    return cause.kind == "change" and any(lock_of(resource) in UPKEEP for resource in cause.resources)


def timer(state: State, wanted: datetime | None, now: datetime) -> datetime | None:
    """When a new message must arrive, so that somebody looks at `wanted`; None when nobody must, or one on its way
    arrives in time. One that arrives early asks for the next, so many causes make one message at a time."""
    if wanted is None or (state.timer and now < state.timer <= max(wanted, now)):
        return None
    return min(max(wanted, now), now + LONGEST_DELAY)


def touches(cause: Cause, finding: Finding) -> bool:
    """Whether the change behind a check can have moved the finding's lock: a check that found something else than what
    the event was about must not blame the event's actor."""
    if cause.kind != "change" or not cause.event_name:
        return False
    touched = {lock_of(resource) for resource in cause.resources}
    others = (*THE_THREE_LOCKS, Lock.CEILING, *UPKEEP)  # a premise may be moved by any, but not by what keeps the watch
    return finding.lock in touched or (finding.lock not in others and not touched & {*UPKEEP})


def behind(state: State, cause: Cause, finding: Finding, times: Times) -> Cause:
    """The cause to name for a finding that has come or gone: this check's own, or else the last change to its lock
    that earlier checks may have missed. `state` is the one before the check, with this cause already remembered."""
    if touches(cause, finding):
        return cause
    # What held it saw the share as it was up to SETTLE before.
    since = dict(state.held).get(finding.identity, state.own.as_of if state.own else None)
    for past in reversed(state.recent):
        if touches(past, finding) and (since is None or past.at >= since - times.settling(finding)):
            return past
    return cause
