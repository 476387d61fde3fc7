"""The storm finds what it is there to find: each fault below, put into the product, is caught.

A test that cannot fail proves nothing. Every row takes one safeguard away, as a mistake would, and names what the storm
must say of it; a fault that passes unnoticed fails here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from simulation.storm import Account, BrokenError, Storm
from threelocks import incident, report, settle, silence, waiving, watch
from threelocks.finding import Finding, Kind, Verdict, Waiver
from threelocks.state import MAIL, Slot, State, Times

STORIES, STEPS = 40, 3_000  # a fault must show within so many


def put(target: Any, name: str, value: Any) -> AbstractContextManager[Any]:
    return patch.object(target, name, value)


def _without_version(*_: object) -> bool:
    return False


def _unsettled(state: State, verdict: Verdict, now: Any, times: Times) -> Any:
    hurried = replace(times, settle=timedelta(0), settle_grants=timedelta(0))
    return settle_settled(state, verdict, now, hurried)


settle_settled = settle.settled


def _forgets_what_it_cannot_read(state: State, verdict: Verdict, now: Any, times: Times) -> Any:
    findings, held = settle_settled(state, verdict, now, times)
    blind = {finding.lock for finding in verdict.findings if finding.kind is Kind.UNREAD}
    seen = incident.identities(verdict.findings)
    kept = tuple(each for each in findings if each.identity in seen or each.lock not in blind)
    return kept, {identity: at for identity, at in held.items() if identity in incident.identities(kept)}


def _anything_goes(contract: Any, state: State, said: Any, moment: Any) -> Any:
    """accept(), which forgets the stamp that it keeps."""
    older = tuple(replace(one, report=replace(one.report, stamp=0)) for one in state.reports)
    return incident_accept(contract, replace(state, reports=older), said, moment)


incident_accept = incident.accept
desk_hear = watch.Desk.hear


def _reports_on_reports(desk: Any, sender: str, said: Any, *, sent_at: Any) -> Any:
    share = desk_hear(desk, sender, said, sent_at=sent_at)
    account = desk.store
    state = account.state_now
    if state and state.own:
        answer = report.make(account.terms, state.own, stamp=state.stamp + 1)
        for party in account.terms.others(desk.account):
            account.report(party, answer)
    return share


def _announces_first(desk: Any, name: str, held: Any) -> bool:
    """_announce(), which empties the slot before it sends the mail."""
    taken = desk._take(name, held)
    if taken is None:
        return False
    contract, slot = taken
    desk._change_slot(name, slot, desk._told)
    desk._send(contract, slot)
    return True


def _takes_all(desk: Any, name: str, held: Any) -> Any:
    """_take(), which asks for no claim."""
    contract, state = desk.store.contract(name), desk.store.state(name)
    return (contract, state.slot) if state and state.slot else None


def _new_id_each_time(desk: Any, contract: Any, slot: Any) -> None:
    desk_send(desk, contract, replace(slot, id=desk.new_id()))


desk_send = watch.Desk._send


def _forgets_meanwhile(contract: Any, state: State, moment: Any) -> State:
    """told(), which compares nothing afterwards and asks for no further look."""
    slot = state.slot
    assert slot is not None
    now = incident.merge(contract, state)
    return replace(state, told=now, told_at=moment.now, told_incidents=slot.incidents, slot=None)


def _closes_on_unknown(before: Any, past: Any, own: Any, cause: Any, moment: Any) -> Any:
    sure = replace(own, findings=tuple(each for each in own.findings if each.kind is not Kind.UNREAD))
    return next_incident(before, past, sure, cause, moment)


next_incident = incident._next_incident


def _marks_before_sending(self: Any, contract: Any, said: Any) -> None:
    """_report(), which notes as sent what could not be sent."""
    others = tuple(party.account for party in contract.others(self.desk.account))
    self._change(contract.name, lambda state: incident.sent(state, said, others))
    self._to_others(contract, lambda party: self.reporter.report(party, said))


def _no_timer(*_: object) -> None:
    return None


def _seen_already(state: State, cause: Any, digest: str, now: Any, times: Times) -> bool:
    return cause.kind == "change" and state.own is not None and state.own.digest == digest


def _by_the_clock(now: Any, stored: int, acknowledged: int = 0) -> int:
    return int(now.timestamp() * 1000)


def _not_refreshed(*_: object) -> None:
    return None


def _no_window(*_: object) -> None:
    return None


def _hears_everybody(*_: object) -> tuple[()]:
    return ()


def _has_heard_all(state: State) -> dict[str, int]:
    return {one.account: state.stamp for one in state.reports}


def _reads_errors_as_absent(account: Account, name: str, version: int | None) -> Any:
    return () if version is None else account_off(account, name, version)


account_off = Account._off


def _new_terms_keep_the_old_verdict(contract: Any, account: str, before: State | None) -> State:
    return incident_begin(contract, account, before) if before is None else before


incident_begin = incident.begin


def _counts_for_good(finding: Finding, _: Any) -> bool:
    """Finding.counts(), by which a waiver never ends."""
    return finding.waiver is None or finding.kind is Kind.UNREAD


def _waives_the_unread(contract: Any, finding: Finding) -> Waiver | None:
    covering = [one for one in contract.waivers if waiving.covers(one, finding)]
    return Waiver(covering[0].reason, max(one.until for one in covering)) if covering else None


def _by_code_alone(waived: Any, finding: Finding) -> bool:
    return bool(finding.code == waived.finding)


def _reports_no_suspension(contract: Any, verdict: Verdict, **rest: Any) -> Any:
    return report_make(contract, replace(verdict, suspended=None), **rest)


report_make = report.make


def _tells_though_suspended(told: Any, now: Any) -> bool:
    return worth_telling(told and replace(told, suspended=()), replace(now, suspended=()))


worth_telling = incident.worth_telling


def _opens_on_waived(before: Any, past: Any, own: Any, cause: Any, moment: Any) -> Any:
    sure = replace(own, findings=tuple(replace(each, waiver=None) for each in own.findings))
    return next_incident(before, past, sure, cause, moment)


def _has_other_agreed_terms(account: Account, state: State) -> bool:
    """Only what both sides agree on is compared, so that a check can record what an older contract waived."""
    return bool(state.own and state.own.digest != account.terms.digest)


def _refreshed_by_gravity_alone(contract: Any, state: State, moment: Any) -> Any:
    """refreshed(), which does not ask whether the share was suspended meanwhile."""
    slot = state.slot
    return None if slot is None or incident.is_grave(slot.after) else incident_refreshed(contract, state, moment)


incident_refreshed = incident.refreshed


def _held_back_by_the_chat(_: Any, state: State, *__: Any, **___: Any) -> State:
    return state


def _mailed_again_with_each_try(slot: Slot) -> Any:
    return slot.claimed_until if MAIL in dict(slot.done) else None


FAULTS: dict[str, tuple[Callable[[], AbstractContextManager[Any]], str]] = {
    "a write without its condition on the version": (
        lambda: put(Account, "is_stale", _without_version),
        "",
    ),
    "a write without its condition on the contract's terms": (
        lambda: put(Account, "has_other_terms", _without_version),
        "",
    ),
    "a finding dropped before it has settled": (lambda: put(incident, "settled", _unsettled), "was dropped by version"),
    "what was known forgotten when a lock cannot be read": (
        lambda: put(incident, "settled", _forgets_what_it_cannot_read),
        "last known findings are gone",
    ),
    "an error taken for an empty answer": (
        lambda: put(Account, "_off", _reads_errors_as_absent),
        "the verdict does not say so",
    ),
    "an older report believed": (lambda: put(incident, "accept", _anything_goes), "older report"),
    "a report sent in answer to a report": (
        lambda: put(watch.Desk, "hear", _reports_on_reports),
        "in answer to a report",
    ),
    "the mail noted as sent before it is sent": (
        lambda: put(watch.Desk, "_announce", _announces_first),
        "nobody was told",
    ),
    "a mail sent without a claim on it": (lambda: put(watch.Desk, "_take", _takes_all), "sent twice"),
    "another id for each try": (lambda: put(watch.Desk, "_send", _new_id_each_time), ""),
    "what happened while the mail was sent taken for told": (
        lambda: put(incident, "told", _forgets_meanwhile),
        "nobody was told",
    ),
    "an incident closed because a lock cannot be read": (
        lambda: put(incident, "_next_incident", _closes_on_unknown),
        "incident that does not fit",
    ),
    "no further look after a change": (lambda: put(watch.Desk, "arm", _no_timer), "after [01] sweeps"),
    "every change taken for one that was seen already": (
        lambda: put(watch, "covered", _seen_already),
        "",
    ),
    "stamps that follow the clock when it is set back": (
        lambda: put(incident, "next_stamp", _by_the_clock),
        "takes for an older one",
    ),
    "a recovery sent although the lock is off again": (
        lambda: put(incident, "refreshed", _not_refreshed),
        "recorded off|says its lock is off|that is suspended",
    ),
    "no merge window": (lambda: put(incident, "waits_until", _no_window), "two mails within"),
    "a partner that is never called silent": (
        lambda: put(silence, "silences", _hears_everybody),
        "has not noticed",
    ),
    "a partner taken to have heard every report": (
        lambda: put(silence, "_acknowledged", _has_heard_all),
        "has not noticed",
    ),
    "a contract that is applied again judged by its old terms": (
        lambda: put(incident, "begin", _new_terms_keep_the_old_verdict),
        "",
    ),
    "a waiver that never ends": (lambda: put(Finding, "counts", _counts_for_good), "waives other findings"),
    "a waiver of what is unread": (lambda: put(waiving, "_waiver", _waives_the_unread), "is waived otherwise"),
    "a waiver that covers every principal": (lambda: put(waiving, "covers", _by_code_alone), "is waived otherwise"),
    "an incident over what is waived": (lambda: put(incident, "_next_incident", _opens_on_waived), "does not fit"),
    "exceptions of a contract that was applied meanwhile": (
        lambda: put(Account, "has_other_terms", _has_other_agreed_terms),
        "otherwise than the contract in force|not in force any more",
    ),
    "a suspension that the other account is not told of": (
        lambda: put(incident, "make", _reports_no_suspension),
        "know different shares",
    ),
    "drift told while the share is suspended": (
        lambda: put(incident, "worth_telling", _tells_though_suspended),
        "",
    ),
    "a break that waited told after the suspension": (
        lambda: put(incident, "refreshed", _refreshed_by_gravity_alone),
        "of a share that is suspended",
    ),
    "a mail that waits for a chat that is gone": (
        lambda: put(incident, "_overtaken", _held_back_by_the_chat),
        "without end",
    ),
    "a merge window that begins anew with each card that fails": (
        lambda: put(Slot, "mailed_at", property(_mailed_again_with_each_try)),
        "without end",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_storm_catches(fault: str) -> None:
    taken_away, says = FAULTS[fault]
    with taken_away():
        caught = list(_caught())
    assert caught, f"{STORIES} stories of {STEPS} steps did not notice"
    assert re.search(says, caught[0]), caught[0]


def _caught() -> Iterator[str]:
    for seed in range(1, STORIES + 1):
        try:
            Storm(seed).run(STEPS)
        except BrokenError as broken:
            yield str(broken)
            return
