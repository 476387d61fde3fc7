"""Known exceptions and withdrawn shares: shown everywhere, honoured until their end, and never a cover for unknowns."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from simulation.examples import (
    BUCKET,
    CONDITIONAL,
    CONSUMER,
    CONTRACT,
    KEY_DISABLED,
    KEY_UNREAD,
    NO_ALLOW,
    NO_DECRYPT,
    OWNER,
    STRANGER,
    WIDE_ROOT,
    WIDE_STRANGER,
)
from simulation.memory import INSTANT, START, change, verdict_of
from threelocks import incident, waiving
from threelocks.alert import card, event
from threelocks.alert.words import MailKind, mail_kind
from threelocks.contract import Contract, Waived
from threelocks.finding import Cause, Finding, Headline, Kind, Share, Suspension, Verdict, Waiver
from threelocks.incident import Moment, State
from threelocks.report import decode, encode, make, refusal, trimmed

APPLIED, SWEEP = Cause("apply", START), Cause("sweep", START)
END = START + timedelta(hours=2)
LATER = 150  # minutes: past the end
REASON = "known, and mended next week"
_numbers = count(1)


def contract(**own: Any) -> Contract:
    return Contract.model_validate(CONTRACT.model_dump() | own)


def waiver(finding: str = "bucket.wide-principal", **scope: Any) -> dict[str, Any]:
    who = {"principal": CONSUMER} if ".wide-" in finding else {}
    return {"finding": finding, "reason": REASON, "until": END.isoformat(), **who, **scope}


def waives(*waivers: dict[str, Any]) -> Contract:
    return contract(waivers=list(waivers))


def suspends() -> Contract:
    return contract(suspended={"by": "Dana Example", "reason": "the audit", "until": END.isoformat()})


WIDE_WAIVED = waives(waiver())


def moment(minutes: int = 0) -> Moment:
    return Moment(START + timedelta(minutes=minutes), lambda: f"id-{next(_numbers)}", timedelta(minutes=2), INSTANT)


def checked(
    terms: Contract, before: State | None, *findings: Finding, account: str = OWNER, cause: Cause = SWEEP, at: int = 0
) -> State:
    """The state after a check, so many minutes after the start."""
    verdict = verdict_of(terms, account, findings, as_of=START + timedelta(minutes=at))
    return incident.record(terms, incident.begin(terms, account, before), verdict, cause, moment(at))


def reported(terms: Contract, state: State, *, at: int = 0, sender: str = CONSUMER, **own: Any) -> State:
    """The state after hearing the other party, whose contract may have more in it."""
    said = waiving.marked(terms, verdict_of(terms, sender, as_of=START + timedelta(minutes=at), **own))
    after = incident.accept(CONTRACT, state, make(terms, said, stamp=at + 1), moment(at))
    assert after is not None
    return after


def told(terms: Contract, state: State, *, at: int = 0) -> State:
    while state.slot:
        state = incident.told(terms, state, moment(at))
    return state


def watched(terms: Contract = CONTRACT, *findings: Finding) -> State:
    """The owner's state when both parties were heard and all was told."""
    return told(terms, reported(CONTRACT, checked(terms, None, *findings)))


def share(terms: Contract, state: State) -> Share:
    return incident.merge(terms, state)


def kind(state: State) -> MailKind | None:
    return mail_kind(state.slot.before, state.slot.after) if state.slot else None


# --- Which findings a waiver covers ---


@pytest.mark.parametrize(
    ("waived", "finding", "is_covered"),
    [
        (waiver(), WIDE_ROOT, True),
        (waiver(principal=f"account {CONSUMER}"), WIDE_ROOT, True),
        (waiver(principal=STRANGER), WIDE_ROOT, False),
        (waiver("bucket.wide-action"), WIDE_ROOT, False),
        (waiver(principal=WIDE_STRANGER.principal), WIDE_STRANGER, True),
        (waiver(principal=WIDE_STRANGER.principal, resource=WIDE_STRANGER.resource), WIDE_STRANGER, True),
        (waiver(principal=WIDE_STRANGER.principal, resource=f"{BUCKET}/*"), WIDE_STRANGER, False),
        (waiver(actions=["s3:GetObject"]), WIDE_ROOT, False),  # it has s3:ListBucket too
        (waiver(actions=["s3:getobject", "s3:List*"]), WIDE_ROOT, True),
        (waiver("key.disabled"), KEY_DISABLED, True),
        (waiver("key.disabled", actions=["kms:*"]), replace(KEY_DISABLED, actions=()), False),
        (waiver("bucket.conditional"), CONDITIONAL, True),
    ],
)
def test_a_waiver_covers_a_finding_that_lies_within_it(
    waived: dict[str, Any], finding: Finding, *, is_covered: bool
) -> None:
    assert waiving.covers(Waived.model_validate(waived), finding) is is_covered


def test_of_two_waivers_the_longer_one_counts() -> None:
    longer = END + timedelta(days=1)
    terms = waives(waiver(), waiver(until=longer.isoformat(), reason="longer"), waiver(reason="shorter"))
    (finding,) = waiving.marked(terms, verdict_of(terms, OWNER, (WIDE_ROOT,))).findings
    assert finding.waiver == Waiver("longer", longer)


def test_a_finding_that_is_unread_is_never_waived_whoever_says_so() -> None:
    terms = waives(waiver("key.unread"))
    (finding,) = waiving.marked(terms, verdict_of(terms, OWNER, (KEY_UNREAD,))).findings
    assert finding.waiver is None
    forged = replace(KEY_UNREAD, waiver=Waiver(REASON, END))
    assert forged.counts(START)
    assert verdict_of(CONTRACT, OWNER, (forged,)).counted(START).kinds == {Kind.UNREAD}


# --- A waiver at work ---


def test_a_waived_finding_is_listed_and_makes_up_no_standing() -> None:
    state = watched(WIDE_WAIVED, WIDE_ROOT)
    seen = share(WIDE_WAIVED, state)
    assert (seen.headline, seen.findings) == (Headline.INTACT, ())
    assert [(one.code, one.waiver) for one in seen.waived] == [("bucket.wide-principal", Waiver(REASON, END))]
    assert all(not lock.kinds for lock in seen.locks)
    assert state.incident is None


def test_drift_under_a_waiver_is_silence() -> None:
    assert checked(WIDE_WAIVED, watched(WIDE_WAIVED), WIDE_ROOT, cause=change(), at=1).slot is None


def test_what_the_waiver_does_not_cover_is_told() -> None:
    state = checked(WIDE_WAIVED, watched(WIDE_WAIVED, WIDE_ROOT), WIDE_ROOT, NO_ALLOW, cause=change(), at=1)
    assert kind(state) is MailKind.BREAK
    assert state.incident is not None


def test_waiving_what_was_told_is_told_and_closes_the_incident() -> None:
    state = checked(WIDE_WAIVED, watched(CONTRACT, WIDE_ROOT), WIDE_ROOT, cause=APPLIED, at=1)
    assert kind(state) is MailKind.WAIVED
    assert state.slot is not None
    assert state.slot.cause.kind == "apply"  # nobody mended it
    assert state.incident is not None
    assert state.incident.closed is not None


def test_the_first_check_after_the_end_tells_what_is_still_there() -> None:
    state = watched(WIDE_WAIVED, WIDE_ROOT)
    assert checked(WIDE_WAIVED, state, WIDE_ROOT, at=119).slot is None
    after = checked(WIDE_WAIVED, state, WIDE_ROOT, at=120)
    assert kind(after) is MailKind.WAIVER_EXPIRED
    assert after.slot is not None
    assert after.slot.after.headline is Headline.WIDENED
    assert after.slot.cause == SWEEP  # not who made the change, long ago
    assert after.incident is not None
    assert after.incident.opened == START + timedelta(hours=2)


def test_what_was_mended_while_it_was_waived_is_silence() -> None:
    state = watched(WIDE_WAIVED, WIDE_ROOT)
    assert checked(WIDE_WAIVED, checked(WIDE_WAIVED, state, at=60), at=LATER).slot is None


def test_a_waiver_that_is_taken_out_ends_at_once() -> None:
    after = checked(CONTRACT, watched(WIDE_WAIVED, WIDE_ROOT), WIDE_ROOT, cause=APPLIED, at=1)
    assert kind(after) is MailKind.WIDENING


def test_a_clock_that_is_set_back_does_not_waive_again() -> None:
    after = told(WIDE_WAIVED, checked(WIDE_WAIVED, watched(WIDE_WAIVED, WIDE_ROOT), WIDE_ROOT, at=121))
    assert checked(WIDE_WAIVED, after, WIDE_ROOT, at=119).slot is None


def test_last_known_findings_that_are_waived_stay_so_beside_the_unread() -> None:
    terms = waives(waiver("key.disabled"))
    state = checked(terms, watched(terms, KEY_DISABLED), KEY_UNREAD, at=5)
    seen = share(terms, state)
    assert seen.headline is Headline.UNKNOWN
    assert [one.code for one in seen.waived] == ["key.disabled"]


def test_last_known_findings_lose_a_waiver_that_was_taken_out() -> None:
    terms = waives(waiver("key.disabled"))
    state = checked(CONTRACT, watched(terms, KEY_DISABLED), KEY_UNREAD, at=5)
    assert {one.code for one in share(CONTRACT, state).findings} == {"key.disabled", "key.unread"}


# --- The other account ---


def test_a_waiver_travels_with_its_finding_and_counts_there_too() -> None:
    state = watched(WIDE_WAIVED, WIDE_ROOT)
    assert state.own is not None
    report = make(WIDE_WAIVED, state.own, stamp=1)
    there = incident.begin(CONTRACT, CONSUMER, None)
    heard = incident.accept(CONTRACT, checked(CONTRACT, there, account=CONSUMER), report, moment())
    assert heard is not None
    seen = share(CONTRACT, heard)
    assert (seen.headline, [one.waiver for one in seen.waived]) == (Headline.INTACT, [Waiver(REASON, END)])
    heard = told(CONTRACT, heard)
    after = checked(CONTRACT, heard, account=CONSUMER, at=LATER)
    assert kind(after) is MailKind.WAIVER_EXPIRED  # by our clock, though the holder may be silent by now


def test_who_holds_no_lock_waives_nothing_of_it() -> None:
    state = checked(waives(waiver("identity.no-allow")), watched(), at=1)
    after = reported(CONTRACT, state, at=2, findings=(NO_DECRYPT,))
    assert share(CONTRACT, after).headline is Headline.BROKEN


def test_findings_that_become_one_on_the_way_are_waived_only_together() -> None:
    other = replace(WIDE_STRANGER, principal=f"arn:aws:iam::{STRANGER}:role/Other", resource=f"{BUCKET}/other/*")
    both = (WIDE_STRANGER, other)
    one, two = waiver(principal=WIDE_STRANGER.principal), waiver(principal=other.principal)
    for terms, are_waived in ((waives(one), False), (waives(one, two), True)):
        report = make(terms, waiving.marked(terms, verdict_of(terms, OWNER, both)), stamp=1)
        (told_there,) = report.verdict.findings
        assert (told_there.waiver is not None) is are_waived


def test_a_report_that_is_cut_leaves_waived_findings_out_first_and_grows_no_graver() -> None:
    known = [replace(WIDE_ROOT, principal=f"account {number:012}", waiver=Waiver(REASON, END)) for number in range(99)]
    report = make(CONTRACT, verdict_of(CONTRACT, OWNER, (*known, CONDITIONAL)), stamp=1)
    full = replace(report, verdict=verdict_of(CONTRACT, OWNER, (*known, CONDITIONAL)))
    cut = trimmed(full, 6000)
    assert len(cut.verdict.findings) < len(full.verdict.findings)
    assert cut.verdict.counted(START).kinds == {Kind.RISK}
    assert cut.verdict.findings[0].code == "bucket.conditional"


def test_an_incident_over_what_stays_at_home_does_not_cross_for_the_sake_of_what_is_waived() -> None:
    state = checked(WIDE_WAIVED, watched(WIDE_WAIVED, WIDE_ROOT), WIDE_ROOT, NO_ALLOW, at=1)
    assert state.own is not None
    waived = replace(state.own, findings=tuple(one for one in state.own.findings if one.waiver))
    assert make(WIDE_WAIVED, waived, stamp=1, incident=state.incident).incident is None
    assert make(WIDE_WAIVED, state.own, stamp=1, incident=state.incident).incident is not None


def test_a_report_without_waivers_is_read_as_before() -> None:
    plain = encode(verdict_of(CONTRACT, OWNER, (NO_ALLOW,)))
    older = plain.replace(',"waiver":null', "").replace(',"suspended":null', "")
    assert older != plain
    assert decode(Verdict, older) == decode(Verdict, plain)


# --- Suspension ---


def test_a_suspension_is_told_once_and_then_nothing_until_it_ends() -> None:
    terms = suspends()
    state = checked(terms, watched(), cause=APPLIED, at=1)
    assert kind(state) is MailKind.SUSPENDED
    state = told(terms, state, at=1)
    for number, findings in enumerate(((NO_ALLOW,), (NO_ALLOW, KEY_DISABLED), (KEY_UNREAD,), (), (NO_ALLOW,))):
        state = checked(terms, state, *findings, cause=change(), at=10 * number + 10)
        assert state.slot is None
    assert share(terms, state).headline is Headline.BROKEN  # what stands is known all the same
    state = checked(terms, state, NO_ALLOW, at=LATER)
    assert kind(state) is MailKind.RESUMED
    assert state.slot is not None
    assert state.slot.after.headline is Headline.BROKEN


def test_a_suspension_that_is_taken_out_is_told_though_all_is_well() -> None:
    terms = suspends()
    state = told(terms, checked(terms, watched(), cause=APPLIED, at=1))
    after = checked(CONTRACT, state, cause=APPLIED, at=2)
    assert kind(after) is MailKind.RESUMED
    assert checked(CONTRACT, told(CONTRACT, after), at=3).slot is None


def test_a_suspension_silences_both_accounts() -> None:
    state = reported(suspends(), watched(), at=1)
    assert kind(state) is MailKind.SUSPENDED
    assert share(CONTRACT, state).suspended == (Suspension(CONSUMER, "Dana Example", "the audit", END),)
    state = checked(CONTRACT, told(CONTRACT, state), NO_ALLOW, cause=change(), at=2)
    assert state.slot is None


def test_a_suspension_ends_by_our_clock_when_its_account_is_silent() -> None:
    state = told(CONTRACT, reported(suspends(), watched(), at=1))
    assert kind(checked(CONTRACT, state, NO_ALLOW, at=LATER)) is MailKind.RESUMED


def test_a_break_that_waits_to_be_told_gives_way_to_the_suspension() -> None:
    state = checked(CONTRACT, watched(), NO_ALLOW, cause=change(), at=1)
    terms = suspends()
    state = checked(terms, state, NO_ALLOW, cause=APPLIED, at=2)
    fresh = incident.refreshed(terms, state, moment(3))
    assert fresh is not None
    assert (mail_kind(fresh.before, fresh.after), fresh.id) != (MailKind.BREAK, state.slot.id if state.slot else "")
    assert fresh.after.suspended
    assert incident.refreshed(terms, replace(state, slot=fresh), moment(4)) is None


def test_a_share_that_is_suspended_from_the_first_is_told_as_such() -> None:
    assert checked(suspends(), None).slot is not None


def test_nobody_suspends_in_the_name_of_another() -> None:
    said = replace(verdict_of(CONTRACT, CONSUMER), suspended=Suspension(OWNER, "x", "y", END))
    reason = refusal(CONTRACT, make(CONTRACT, said, stamp=1), account=OWNER, sender=CONSUMER, sent_at=START)
    assert reason == "its suspension is another account's"


# --- History ---


def test_a_waiver_and_a_suspension_are_rows_of_history_when_they_begin_and_when_they_end() -> None:
    state, rows = watched(CONTRACT, WIDE_ROOT), []
    both = contract(waivers=[waiver()], suspended=suspends().suspended)
    for terms, minute in ((WIDE_WAIVED, 1), (WIDE_WAIVED, 2), (both, 3), (both, LATER)):
        after = checked(terms, state, WIDE_ROOT, cause=APPLIED, at=minute)
        row = incident.standing(terms, state, after, APPLIED)
        rows.append((minute, row and (row.headline, len(row.findings), len(row.waived), row.suspended)))
        state = told(terms, after, at=minute)
    assert rows == [
        (1, (Headline.INTACT, 0, 1, False)),
        (2, None),
        (3, (Headline.INTACT, 0, 1, True)),
        (LATER, (Headline.WIDENED, 1, 0, False)),
    ]


# --- What a contract may say ---


@pytest.mark.parametrize(
    ("written", "is_until"),
    [
        ("2026-12-31", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12-31T18:00:00Z", datetime(2026, 12, 31, 18, tzinfo=UTC)),
        ("2026-12-31T18:00:00+02:00", datetime(2026, 12, 31, 16, tzinfo=UTC)),
    ],
)
def test_an_end_is_a_whole_day_or_a_moment(written: str, is_until: datetime) -> None:
    (one,) = waives(waiver(until=written)).waivers
    assert one.until == is_until
    assert decode(Contract, encode(waives(waiver(until=written)))).waivers == (one,)


NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("own", "field", "text"),
    [
        ({"waivers": [waiver(until="2026-11-23")]}, "waivers[0].until", "is over since 2026-11-24 00:00 UTC"),
        ({"waivers": [waiver(until="2027-11-26")]}, "waivers[0].until", "more than a year ahead"),
        ({"waivers": [waiver("bucket.wide-principle", until="2026-12-01")]}, "waivers[0].finding",
         "did you mean `bucket.wide-principal`?"),
        ({"waivers": [waiver("key.unread", until="2026-12-01")]}, "waivers[0].finding", "cannot be waived"),
        ({"waivers": [waiver("key.not-fully-checked", until="2026-12-01")]}, "waivers[0].finding", "cannot be waived"),
        ({"waivers": [waiver("watchdog.partner-silent", until="2026-12-01")]}, "waivers[0].finding",
         "suspend the share"),
        ({"waivers": [waiver(principal=None, until="2026-12-01")]}, "waivers[0].principal", "every stranger to come"),
        ({"suspended": {"by": "x", "reason": "y", "until": "2026-11-01"}}, "suspended.until", "is over since"),
        ({"suspended": {"by": "x", "reason": "y", "until": "2036-11-01"}}, "suspended.until", "a year ahead"),
    ],
)  # fmt: skip
def test_an_exception_that_cannot_be_applied_today_is_told(own: dict[str, Any], field: str, text: str) -> None:
    (problem,) = waiving.problems(contract(**own), NOW)
    assert problem.field == field
    assert text in problem.text


def test_a_sound_exception_has_no_problem() -> None:
    assert not list(waiving.problems(waives(waiver(until="2026-12-01"), waiver("key.disabled")), START))


def test_exceptions_are_no_part_of_what_both_sides_agree_on() -> None:
    assert WIDE_WAIVED.digest == suspends().digest == CONTRACT.digest


# --- Cards and events ---


def told_as(terms: Contract, state: State) -> tuple[dict[str, Any], dict[str, Any]]:
    """The announcement that waits, as a card and as an event."""
    assert state.slot is not None
    said = card(terms, state.slot, account=OWNER, recheck="threelocks-recheck")
    return json.loads(said), json.loads(event(terms, state.slot, account=OWNER))


def test_a_suspension_is_on_the_card_and_in_the_event_and_nobody_must_act() -> None:
    terms = suspends()
    shown, said = told_as(terms, checked(terms, watched(), NO_ALLOW, cause=APPLIED, at=1))
    assert shown["content"]["title"].startswith("SUSPENDED: bi-curated-read - by ")
    assert "the audit. Decided by Dana Example." in shown["content"]["description"]
    assert "No matching change seen" not in shown["content"]["description"]
    assert len(shown["content"]["nextSteps"]) == 1  # to check again
    assert (said["kind"], said["standing"], said["must_act"]) == ("suspended", "BROKEN", [])
    assert [one["account"] for one in said["suspended"]] == [OWNER]


def test_what_is_waived_is_on_the_card_and_in_the_event() -> None:
    shown, said = told_as(WIDE_WAIVED, checked(WIDE_WAIVED, watched(CONTRACT, WIDE_ROOT), WIDE_ROOT, at=1))
    assert f"WIDE bucket.wide-principal, {REASON}." in shown["content"]["description"]
    assert "2 bucket policy: open (waived)" in shown["content"]["description"]
    assert [(one["code"], one["reason"]) for one in said["waived"]] == [("bucket.wide-principal", REASON)]
    assert said["findings"] == []


def test_a_card_says_that_a_waiver_is_over() -> None:
    shown, said = told_as(WIDE_WAIVED, checked(WIDE_WAIVED, watched(WIDE_WAIVED, WIDE_ROOT), WIDE_ROOT, at=LATER))
    assert "Its waiver by data-platform (111111111111) ended at" in shown["content"]["description"]
    assert (said["kind"], said["waived"]) == ("waiver-expired", [])
