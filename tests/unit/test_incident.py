"""What is recorded, what is told, and which incident it belongs to."""

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from simulation.examples import (
    BUCKET,
    CONDITIONAL,
    CONSUMER,
    CONTRACT,
    EXPLICIT_DENY,
    KEY_DISABLED,
    KEY_UNREAD,
    NO_ALLOW,
    NO_DECRYPT,
    OWNER,
    WIDE_ROOT,
    WIDE_STRANGER,
)
from simulation.memory import INSTANT, START, change, resource_scoped, verdict_of
from threelocks import incident
from threelocks.finding import Cause, Change, Finding, Headline, Kind, Lock, Share
from threelocks.incident import Moment, State
from threelocks.report import Report, make
from threelocks.state import MAIL

SWEEP = Cause(kind="sweep", at=START)
_numbers = count(1)


def moment(minutes: int = 0) -> Moment:
    return Moment(START + timedelta(minutes=minutes), lambda: f"id-{next(_numbers)}", timedelta(minutes=2), INSTANT)


def fresh() -> State:
    return incident.begin(CONTRACT, OWNER, None)


def checked(state: State, *findings: Finding, cause: Cause = SWEEP, minutes: int = 0) -> State:
    """The state after a check of the owner that found this."""
    verdict = verdict_of(CONTRACT, OWNER, findings, as_of=START + timedelta(minutes=minutes))
    return incident.record(CONTRACT, state, verdict, cause, moment(minutes))


def heard(state: State, *findings: Finding, stamp: int = 1, report: Report | None = None) -> State:
    """The state after a report of the consumer that says this."""
    said = report or make(
        CONTRACT, verdict_of(CONTRACT, CONSUMER, findings), stamp=stamp, cause=change("PutRolePolicy")
    )
    after = incident.accept(CONTRACT, state, said, moment())
    assert after is not None
    return after


def told(state: State) -> State:
    """The state after everything that waits was sent."""
    while state.slot:
        state = incident.told(CONTRACT, state, moment())
    return state


def watching(*findings: Finding) -> State:
    """Both parties heard, and everything told."""
    return told(heard(checked(fresh(), *findings)))


def share(state: State) -> Share:
    return incident.merge(CONTRACT, state)


# --- The first verdict ---


def test_while_only_a_partner_is_awaited_nothing_is_told() -> None:
    state = checked(fresh())
    assert state.slot is None
    assert share(state).headline is Headline.UNKNOWN
    assert share(state).awaiting == (CONSUMER,)


def test_the_first_verdict_is_told_once_when_every_party_is_heard() -> None:
    state = heard(checked(fresh()))
    assert state.slot is not None
    assert state.slot.before is None
    assert state.slot.after.headline is Headline.INTACT
    state = told(state)
    assert checked(state).slot is None
    assert heard(state, stamp=2).slot is None


def test_what_is_off_already_is_told_at_once() -> None:
    assert checked(fresh(), NO_ALLOW).slot is not None
    assert heard(fresh(), NO_DECRYPT).slot is not None


def test_hearing_the_partner_at_last_is_told_only_when_it_changes_the_standing() -> None:
    assert heard(told(checked(fresh(), NO_ALLOW))).slot is None
    repaired = told(checked(told(checked(fresh(), NO_ALLOW))))
    last = heard(repaired).slot
    assert last is not None
    assert last.after.headline is Headline.INTACT


# --- Transitions ---


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        ((), (NO_ALLOW,), True),
        ((NO_ALLOW,), (), True),
        ((NO_ALLOW,), (NO_ALLOW, EXPLICIT_DENY), True),
        ((NO_ALLOW,), (EXPLICIT_DENY,), True),
        ((NO_ALLOW,), (NO_ALLOW, CONDITIONAL), True),
        ((), (resource_scoped(WIDE_STRANGER),), True),
        ((), (), False),
        ((NO_ALLOW,), (NO_ALLOW,), False),
        ((NO_ALLOW,), (replace(NO_ALLOW, detail="otherwise", statements=(), witness=None, remedy=None),), False),
        ((NO_ALLOW, KEY_DISABLED), (KEY_DISABLED, NO_ALLOW), False),
    ],
    ids=[
        "break",
        "recovery",
        "one more",
        "another",
        "a risk beside",
        "a stranger on the bucket",
        "nothing",
        "the same",
        "the same in other words",
        "the same in another order",
    ],
)
def test_a_transition_is_told_and_an_equivalent_rewrite_is_silence(
    before: tuple[Finding, ...], after: tuple[Finding, ...], *, is_told: bool
) -> None:
    assert (checked(watching(*before), *after).slot is not None) is is_told


def test_a_full_slot_is_left_alone_and_what_happened_meanwhile_is_told_after_it() -> None:
    first = checked(watching(), NO_ALLOW)
    second = checked(first, NO_ALLOW, KEY_DISABLED)
    assert second.slot == first.slot
    after = incident.told(CONTRACT, second, moment())
    assert after.slot is not None
    assert first.slot is not None
    assert after.slot.id != first.slot.id
    assert {finding.code for finding in after.slot.after.findings} == {"bucket.no-allow", "key.disabled"}


def test_a_break_and_its_repair_while_the_slot_waits_are_two_mails() -> None:
    broken = checked(watching(), NO_ALLOW)
    repaired = checked(broken)
    after = incident.told(CONTRACT, repaired, moment())
    assert after.told is not None
    assert after.told.headline is Headline.BROKEN
    assert after.slot is not None
    assert after.slot.after.headline is Headline.INTACT


def test_what_a_change_did_is_told_once_even_when_another_way_than_the_mail_still_fails() -> None:
    lost = Change(Lock.BUCKET_POLICY, START, undecided=("too intricate",))
    verdict = verdict_of(CONTRACT, OWNER, (NO_ALLOW,), as_of=START + timedelta(minutes=1))
    broken = incident.record(CONTRACT, watching(), verdict, change(), moment(1), changes=(lost,))
    assert broken.slot
    assert broken.slot.changes == (lost,)
    mailed = replace(
        broken,
        slot=replace(
            broken.slot, done=((MAIL, START + timedelta(minutes=1)),), claimed_until=START + timedelta(minutes=2)
        ),
    )
    next_mail = checked(mailed, NO_ALLOW, EXPLICIT_DENY, minutes=3).slot
    assert next_mail
    assert next_mail.id != broken.slot.id
    assert next_mail.changes == ()


def test_a_claim_lasts_as_long_as_the_moment_says() -> None:
    slot = checked(watching(), NO_ALLOW).slot
    assert slot is not None
    assert slot.claimed_until == START + timedelta(minutes=2)


# --- Causes ---


def test_a_sweep_that_finds_nothing_new_does_not_take_the_place_of_the_change_behind_a_finding() -> None:
    broken = checked(watching(), NO_ALLOW, cause=change())
    assert checked(broken, NO_ALLOW, cause=SWEEP).own_cause == change()


def test_a_reported_change_is_told_with_the_cause_that_its_holder_gave() -> None:
    slot = heard(watching(), NO_DECRYPT, stamp=2).slot
    assert slot is not None
    assert slot.cause.event_name == "PutRolePolicy"


@pytest.mark.parametrize(
    ("cause", "finding", "expected"),
    [
        (change(resources=(BUCKET,)), NO_ALLOW, True),
        (change(resources=("account",)), NO_ALLOW, True),
        (change("PutKeyPolicy", resources=(CONTRACT.key,)), NO_ALLOW, False),
        (change("PutKeyPolicy", resources=(CONTRACT.key,)), KEY_DISABLED, True),
        (change("PutRolePolicy", resources=("role/BIAnalyticsRole",)), NO_DECRYPT, True),
        (change("CreatePolicyVersion", resources=("arn:aws:iam::222222222222:policy/p",)), NO_DECRYPT, True),
        (SWEEP, NO_ALLOW, False),
    ],
)
def test_a_change_is_blamed_only_for_the_lock_that_it_touches(
    cause: Cause, finding: Finding, *, expected: bool
) -> None:
    assert incident.touches(cause, finding) is expected


# --- Incidents ---


def test_an_incident_runs_from_the_first_grave_finding_to_the_last() -> None:
    opened = checked(watching(), NO_ALLOW, cause=change(at=START + timedelta(minutes=1)), minutes=2)
    assert opened.incident is not None
    assert opened.incident.opened == START + timedelta(minutes=1)
    still = checked(told(opened), KEY_DISABLED, minutes=3)
    assert still.incident
    assert replace(still.incident, changes=()) == opened.incident
    assert [(one.kind, one.at) for one in still.incident.changes] == [("sweep", START + timedelta(minutes=3))]
    closed = checked(told(still), cause=change("EnableKey", resources=(CONTRACT.key,)), minutes=9)
    assert closed.incident is not None
    assert closed.incident.id == opened.incident.id
    assert closed.incident.closed is not None
    assert closed.incident.closed_by is not None
    assert closed.incident.closed_by.event_name == "EnableKey"


def test_the_next_break_is_another_incident() -> None:
    first = checked(watching(), NO_ALLOW)
    second = checked(told(checked(told(first))), NO_ALLOW)
    assert first.incident is not None
    assert second.incident is not None
    assert second.incident.id != first.incident.id
    assert second.incident.closed is None


def test_the_repair_is_told_with_the_incident_that_it_closes_and_later_mails_do_not_name_it() -> None:
    closing = checked(told(checked(watching(), NO_ALLOW))).slot
    assert closing is not None
    assert [item.closed is not None for item in closing.incidents] == [True]
    later = checked(told(checked(told(checked(watching(), NO_ALLOW)))), CONDITIONAL).slot
    assert later is not None
    assert later.incidents == ()


def test_a_risk_alone_is_told_but_is_no_incident_and_keeps_none_open() -> None:
    assert checked(watching(), CONDITIONAL).incident is None
    state = checked(told(checked(watching(CONDITIONAL), CONDITIONAL, NO_ALLOW)), CONDITIONAL)
    assert state.incident is not None
    assert state.incident.closed is not None


def test_a_change_to_another_lock_did_not_close_the_incident() -> None:
    state = checked(told(checked(watching(), KEY_DISABLED)), cause=change(), minutes=5)
    assert state.incident is not None
    assert state.incident.closed == START + timedelta(minutes=5)
    assert state.incident.closed_by is None


def test_an_incident_of_the_partner_is_known_by_the_partners_id() -> None:
    theirs = checked(replace(watching(), account=OWNER), NO_ALLOW)
    partner = incident.begin(CONTRACT, CONSUMER, None)
    verdict = verdict_of(CONTRACT, OWNER, (NO_ALLOW,))
    report = make(CONTRACT, verdict, stamp=1, incident=theirs.incident)
    after = incident.accept(CONTRACT, partner, report, moment())
    assert after is not None
    assert after.slot is not None
    assert theirs.incident is not None
    assert [item.id for item in after.slot.incidents] == [theirs.incident.id]


# --- Unread locks ---


def test_a_lock_that_cannot_be_read_keeps_its_last_known_findings_beside_the_unread_one() -> None:
    state = checked(watching(), KEY_DISABLED)
    blind = checked(told(state), KEY_UNREAD)
    assert blind.own is not None
    assert {finding.code for finding in blind.own.findings} == {"key.disabled", "key.unread"}
    states = {lock.lock: lock.kinds for lock in blind.own.locks}
    assert states[Lock.KEY_POLICY] == (Kind.SHUT, Kind.UNREAD)


def test_an_unread_lock_never_closes_an_incident() -> None:
    state = checked(told(checked(watching(), NO_ALLOW)), KEY_UNREAD)
    assert state.incident is not None
    assert state.incident.closed is None


def test_an_unread_lock_does_not_keep_findings_of_another_lock() -> None:
    state = checked(told(checked(watching(), NO_ALLOW)), KEY_UNREAD)
    assert share(state).headline is Headline.UNKNOWN


def test_once_it_can_be_read_again_the_lock_is_what_it_is() -> None:
    blind = checked(told(checked(watching(), KEY_DISABLED)), KEY_UNREAD)
    assert share(checked(told(blind))).headline is Headline.INTACT


def test_last_known_findings_under_other_terms_are_not_kept() -> None:
    other = CONTRACT.model_copy(update={"prefixes": ("sales/",)})
    state = incident.begin(other, OWNER, told(checked(watching(), KEY_DISABLED)))
    verdict = verdict_of(other, OWNER, (KEY_UNREAD,))
    after = incident.record(other, state, verdict, SWEEP, moment())
    assert after.own is not None
    assert [finding.code for finding in after.own.findings] == ["key.unread"]


# --- Confirming ---


@pytest.mark.parametrize(
    ("looks", "known", "expected"),
    [
        (((NO_ALLOW,), (NO_ALLOW,)), (), {"bucket.no-allow"}),
        (((NO_ALLOW,), ()), (), set()),
        (((), ()), (NO_ALLOW,), set()),
        (((NO_ALLOW, EXPLICIT_DENY), (EXPLICIT_DENY,)), (NO_ALLOW,), {"bucket.no-allow", "bucket.explicit-deny"}),
        (((NO_ALLOW,), (KEY_UNREAD,), (NO_ALLOW,)), (), {"bucket.no-allow"}),
        (((NO_ALLOW,), (EXPLICIT_DENY,), (KEY_UNREAD,)), (), {"key.unread"}),
    ],
    ids=["twice", "once", "known and gone", "known and seen once", "a blind look between", "no two alike"],
)
def test_a_new_finding_counts_when_two_looks_show_it(
    looks: tuple[tuple[Finding, ...], ...], known: tuple[Finding, ...], expected: set[str]
) -> None:
    verdicts = [verdict_of(CONTRACT, OWNER, findings) for findings in looks]
    verdict = incident.confirmed(verdicts, incident.identities(known))
    assert {finding.code for finding in verdict.findings} == expected


# --- Merging ---


def test_locks_come_in_their_order_with_holder_and_time() -> None:
    merged = share(watching())
    assert [(lock.lock, lock.account) for lock in merged.locks] == [
        (Lock.IDENTITY_POLICY, CONSUMER),
        (Lock.BUCKET_POLICY, OWNER),
        (Lock.KEY_POLICY, OWNER),
    ]
    assert all(lock.as_of == START for lock in merged.locks)


def test_findings_come_gravest_first() -> None:
    kinds = [finding.kind for finding in share(watching(CONDITIONAL, KEY_UNREAD, WIDE_ROOT, NO_ALLOW)).findings]
    assert kinds == [Kind.SHUT, Kind.WIDE, Kind.UNREAD, Kind.RISK]


@pytest.mark.finding("watchdog.contracts-differ")
def test_a_report_under_other_terms_shows_its_findings_and_that_the_contracts_differ() -> None:
    other = CONTRACT.model_copy(update={"prefixes": ("sales/",)})
    report = make(other, verdict_of(other, CONSUMER, (NO_DECRYPT,)), stamp=2)
    merged = share(heard(watching(), report=report))
    assert [finding.code for finding in merged.findings] == ["identity.no-allow", "watchdog.contracts-differ"]
    assert "`prefixes`" in merged.findings[1].detail
    assert merged.headline is Headline.BROKEN


def test_intact_locks_under_other_terms_are_at_risk_and_never_intact() -> None:
    other = CONTRACT.model_copy(update={"prefixes": ("sales/",)})
    report = make(other, verdict_of(other, CONSUMER), stamp=2)
    assert share(heard(watching(), report=report)).headline is Headline.AT_RISK


def test_facts_count_only_under_the_same_terms() -> None:
    verdict = replace(verdict_of(CONTRACT, CONSUMER), facts=(("role_id", "AROAEXAMPLE"),))
    same = heard(fresh(), report=make(CONTRACT, verdict, stamp=1))
    assert incident.facts(CONTRACT, same) == {"role_id": "AROAEXAMPLE"}
    other = CONTRACT.model_copy(update={"role": "arn:aws:iam::222222222222:role/Another"})
    assert incident.facts(other, incident.begin(other, OWNER, same)) == {}
    assert incident.facts(CONTRACT, None) == {}


def test_a_report_that_is_not_newer_changes_nothing() -> None:
    state = heard(fresh(), stamp=5)
    for stamp in (4, 5):
        report = make(CONTRACT, verdict_of(CONTRACT, CONSUMER, (NO_DECRYPT,)), stamp=stamp)
        assert incident.accept(CONTRACT, state, report, moment()) is None


def test_a_contract_applied_again_keeps_what_was_told_and_the_incident() -> None:
    broken = told(checked(watching(), NO_ALLOW))
    other = CONTRACT.model_copy(update={"prefixes": ("sales/",)})
    state = incident.begin(other, OWNER, broken)
    assert (state.digest, state.told, state.incident, state.own) == (
        other.seal,
        broken.told,
        broken.incident,
        broken.own,
    )


def test_a_stranger_on_the_bucket_is_told_by_the_first_of_its_contracts_only() -> None:
    verdict = verdict_of(CONTRACT, OWNER, (resource_scoped(WIDE_STRANGER), NO_ALLOW))
    earlier = CONTRACT.model_copy(update={"name": "aaa"})
    later = CONTRACT.model_copy(update={"name": "zzz"})
    assert incident.told_here(CONTRACT, (later,), verdict) == verdict
    kept = incident.told_here(CONTRACT, (earlier,), verdict)
    assert [finding.code for finding in kept.findings] == ["bucket.no-allow"]
    assert {lock.lock: lock.kinds for lock in kept.locks}[Lock.BUCKET_POLICY] == (Kind.SHUT,)


# --- Reporting ---


def test_a_report_is_due_until_its_content_was_sent_to_every_party() -> None:
    state = checked(fresh(), NO_ALLOW)
    after, report = incident.report_due(CONTRACT, state, always=False, now=START)
    assert report is not None
    assert after.stamp == report.stamp
    done = incident.sent(after, report, (CONSUMER,))
    assert done is not None
    assert incident.report_due(CONTRACT, done, always=False, now=START)[1] is None
    heartbeat = incident.report_due(CONTRACT, done, always=True, now=START)[1]
    assert heartbeat is not None
    assert heartbeat.stamp > report.stamp
    assert incident.report_due(CONTRACT, checked(done), always=False, now=START)[1] is not None


def test_an_older_report_never_marks_itself_as_sent_over_a_newer_one() -> None:
    state, older = incident.report_due(CONTRACT, checked(fresh(), NO_ALLOW), always=False, now=START)
    state, newer = incident.report_due(CONTRACT, checked(state), always=False, now=START)
    assert older is not None
    assert newer is not None
    assert incident.sent(state, older, (CONSUMER,)) is None
    assert incident.sent(state, newer, (CONSUMER,)) is not None


def test_a_report_acknowledges_the_last_stamp_heard() -> None:
    _, report = incident.report_due(CONTRACT, heard(checked(fresh()), stamp=7), always=True, now=START)
    assert report is not None
    assert report.heard == ((CONSUMER, 7),)
