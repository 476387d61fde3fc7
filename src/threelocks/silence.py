"""A party that is not heard, or that does not hear us: a dead watchdog must not look like a healthy share.

A bus that does not exist takes every report and keeps none, so only an acknowledgement (`Report.heard`) shows that ours
arrive. Judged by every check of our own and by every report; the sweep bounds how late.
"""

from __future__ import annotations

from datetime import UTC, datetime

from threelocks.contract import Contract, Party
from threelocks.finding import Finding, Kind, Lock, Remedy
from threelocks.state import Received, Silence, State, Times


def awaited(contract: Contract, state: State, now: datetime) -> tuple[tuple[str, datetime], ...]:
    """Since when each other party's reports are waited for."""
    known = dict(state.awaited)
    # A time ahead of the clock is of a clock that was set back since.
    return tuple((party.account, min(known.get(party.account, now), now)) for party in contract.others(state.account))


def unheard(contract: Contract, state: State) -> tuple[tuple[str, int], ...]:
    """The first report of ours that each other party has not acknowledged, once `state.stamp` was made or a party's
    report was accepted."""
    first, acknowledged = dict(state.unheard), _acknowledged(state)
    waiting = (
        (party.account, first[party.account])
        if acknowledged.get(party.account, 0) < first.get(party.account, 0)
        else (party.account, state.stamp)
        for party in contract.others(state.account)
    )
    return tuple((account, stamp) for account, stamp in waiting if acknowledged.get(account, 0) < stamp)


def _acknowledged(state: State) -> dict[str, int]:
    return {one.account: dict(one.report.heard).get(state.account, 0) for one in state.reports}


def silences(contract: Contract, state: State, now: datetime, times: Times) -> tuple[Silence, ...]:
    """The parties that are silent or deaf at this moment. `state.awaited` and `state.unheard` are up to date."""
    since, first = dict(state.awaited), dict(state.unheard)
    received = {one.account: one for one in state.reports}
    found = (
        _silence(
            party,
            received.get(party.account),
            since.get(party.account, now),
            _time_of(first[party.account]) if party.account in first else now,
            now,
            times,
        )
        for party in contract.others(state.account)
    )
    return tuple(silence for silence in found if silence)


def _silence(
    party: Party, kept: Received | None, waiting: datetime, first: datetime, now: datetime, times: Times
) -> Silence | None:
    last = kept.at if kept else waiting
    if now - last >= times.silence:
        return Silence(party.account, last)
    # Judged by what it said last: silence since then is the case above.
    return Silence(party.account, first, hears_us_not=True) if kept and kept.at - first >= times.silence else None


def _time_of(stamp: int) -> datetime:
    """When a report of ours was made; a stamp that no report of ours can have says nothing."""
    try:
        return datetime.fromtimestamp(stamp / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def finding(contract: Contract, account: str, silence: Silence, *, was_heard: bool) -> Finding:
    """What a silence is to `account`: the share may be in order, but nobody there would know or tell."""
    party = contract.party(silence.account)
    who = f"{party.name if party else 'the partner'} ({silence.account})"
    since = f"{silence.since:%Y-%m-%d %H:%M} UTC"
    if silence.hears_us_not:
        detail = (
            f"our reports do not arrive at {who}: it has acknowledged none since {since}, and does not know our locks"
        )
    elif was_heard:
        detail = f"the watchdog of {who} has been silent since {since}: its locks may have changed since then"
    else:
        detail = (
            f"the watchdog of {who} has never been heard, and was waited for since {since}: its locks are not known"
        )
    return Finding(
        code="watchdog.partner-silent",
        kind=Kind.RISK,
        lock=Lock.WATCHDOG,
        account=account,
        resource=f"contract/{contract.name}",
        principal=f"account {silence.account}",
        actions=("events:PutEvents",) if silence.hears_us_not else (),
        detail=detail,
        remedy=Remedy(account=account, sentence=_remedy(who, silence)),
    )


def _remedy(who: str, silence: Silence) -> str:
    if silence.hears_us_not:
        return (
            f"ask the people of {who} whether their stack lists your account among its PartnerAccounts and whether its "
            "queue of reports has dead letters; a bus that is missing takes reports and keeps none"
        )
    return (
        f"ask the people of {who} whether their watchdog's alarms are up, whether the contract is applied there, and "
        "whether their PartnerAccounts name your account; look whether your ReportRefused alarm is up"
    )
