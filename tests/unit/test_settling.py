"""A finding is gone when it stays gone; changes are looked at again; changes close together are one mail."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from simulation.examples import CONDITIONAL, CONSUMER, CONTRACT, KEY_UNREAD, NO_ALLOW, OWNER, WIDE_ROOT
from simulation.memory import START, Clock, MemoryAccount, change, memory_account, verdict_of
from threelocks import incident, settle
from threelocks.finding import Cause, Finding, Headline, Lock, LockState
from threelocks.settle import LONGEST_DELAY
from threelocks.state import State, Times

NAME = CONTRACT.name
TIMES = Times()
GRANT = replace(WIDE_ROOT, code="key.wide-grant", lock=Lock.KEY_POLICY, resource=CONTRACT.key, statements=())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def owner(clock: Clock) -> MemoryAccount:
    """Checked, its partner heard, told that all is well, and an hour gone by."""
    owner, consumer = memory_account(OWNER, CONTRACT, clock), memory_account(CONSUMER, CONTRACT, clock)
    consumer.watch.check(NAME, Cause("sweep", clock()))
    owner.watch.check(NAME, Cause("sweep", clock()))
    owner.hear_all(consumer.reporter.reports, clock.time)
    owner.let_settle(clock)
    owner.mails.clear()
    clock.time += timedelta(hours=1)
    return owner


def changed(owner: MemoryAccount, clock: Clock, *findings: Finding, event: str = "PutBucketPolicy") -> None:
    owner.scene.findings = findings
    owner.watch.check(NAME, change(event, at=clock()))


def kinds(owner: MemoryAccount) -> list[str]:
    return [mail.attributes["kind"] for mail in owner.mails]


def found(owner: MemoryAccount) -> set[str]:
    own = owner.stored(NAME).own
    assert own is not None
    return {finding.code for finding in own.findings}


# --- Dropping ---


def test_a_break_that_is_repaired_at_once_is_told_as_recovered_a_minute_later_and_by_whom(
    owner: MemoryAccount, clock: Clock
) -> None:
    changed(owner, clock, NO_ALLOW)
    changed(owner, clock, event="DeleteBucketPolicy")
    assert found(owner) == {"bucket.no-allow"}
    assert kinds(owner) == ["break"]
    owner.let_settle(clock)
    assert found(owner) == set()
    assert kinds(owner) == ["break", "recovery"]
    assert "DeleteBucketPolicy by" in owner.mails[-1].body


def test_a_finding_that_was_last_seen_long_ago_is_gone_at_the_first_look_without_it(
    owner: MemoryAccount, clock: Clock
) -> None:
    changed(owner, clock, NO_ALLOW)
    owner.let_settle(clock)
    clock.time += timedelta(minutes=9)
    changed(owner, clock)
    assert kinds(owner) == ["break", "recovery"]


@pytest.mark.parametrize(("finding", "wait"), [(NO_ALLOW, TIMES.settle), (GRANT, TIMES.settle_grants)])
def test_a_finding_stays_until_its_time_and_not_longer(
    owner: MemoryAccount, clock: Clock, finding: Finding, wait: timedelta
) -> None:
    changed(owner, clock, finding)
    seen = clock.time
    owner.scene.findings = ()
    clock.time = seen + wait - timedelta(seconds=20)
    owner.watch.check(NAME, Cause("recheck", clock()))
    assert found(owner) == {finding.code}
    clock.time = seen + wait + timedelta(seconds=1)
    owner.watch.check(NAME, Cause("recheck", clock()))
    assert found(owner) == set()


def test_a_stale_read_in_between_ends_no_finding_and_is_no_news(owner: MemoryAccount, clock: Clock) -> None:
    changed(owner, clock, NO_ALLOW)
    owner.scene.looks = [()]
    owner.watch.check(NAME, Cause("recheck", clock()))
    owner.let_settle(clock)
    assert found(owner) == {"bucket.no-allow"}
    assert kinds(owner) == ["break"]


def test_a_break_that_the_first_reads_did_not_show_yet_is_found_a_minute_later(
    owner: MemoryAccount, clock: Clock
) -> None:
    owner.scene.looks = [()]
    changed(owner, clock, NO_ALLOW)
    assert kinds(owner) == []
    owner.let_settle(clock)
    assert kinds(owner) == ["break"]
    assert "PutBucketPolicy by" in owner.mails[0].body


def test_a_lock_that_can_be_read_again_loses_unread_only_once_that_is_settled(
    owner: MemoryAccount, clock: Clock
) -> None:
    changed(owner, clock, KEY_UNREAD)
    changed(owner, clock)
    assert found(owner) == {"key.unread"}
    owner.let_settle(clock)
    assert found(owner) == set()


def test_under_other_terms_nothing_is_kept(owner: MemoryAccount, clock: Clock) -> None:
    changed(owner, clock, NO_ALLOW)
    owner.store.contracts[NAME] = CONTRACT.model_copy(update={"prefixes": ("sales/",)})
    owner.scene.findings = ()
    owner.watch.check(NAME, Cause("apply", clock()))
    assert found(owner) == set()


def test_a_clock_that_is_set_back_delays_a_recovery_by_the_time_to_settle_only(
    owner: MemoryAccount, clock: Clock
) -> None:
    changed(owner, clock, NO_ALLOW)
    clock.time -= timedelta(hours=5)
    owner.scene.findings = ()
    owner.watch.check(NAME, Cause("sweep", clock()))
    clock.time += TIMES.settle + timedelta(seconds=5)
    owner.watch.check(NAME, Cause("sweep", clock()))
    assert found(owner) == set()


# --- Looking again ---


def test_many_changes_make_one_message_at_a_time(owner: MemoryAccount, clock: Clock) -> None:
    began = clock.time
    for number in range(60):
        owner.watch.check(NAME, replace(change(at=clock()), event_id=f"event-{number}"))
    assert len(owner.timer.asked) <= 1 + (clock.time - began) / TIMES.settle
    owner.let_settle(clock)
    assert owner.timer.asked == []


def test_a_sweep_that_finds_nothing_new_asks_for_nothing(owner: MemoryAccount, clock: Clock) -> None:
    owner.watch.check(NAME, Cause("sweep", clock()))
    assert owner.timer.asked == []


def test_a_grant_is_looked_at_again_after_five_minutes(owner: MemoryAccount, clock: Clock) -> None:
    changed(owner, clock, event="RetireGrant")
    ((at, _, cause),) = owner.timer.asked
    assert cause.kind == "settle"
    assert timedelta(minutes=5) <= at - clock.time + timedelta(seconds=10) <= timedelta(minutes=5, seconds=20)


def test_a_message_that_was_lost_is_asked_for_again_by_the_next_check(owner: MemoryAccount, clock: Clock) -> None:
    changed(owner, clock, NO_ALLOW)
    owner.timer.asked.clear()
    clock.time += timedelta(minutes=2)
    changed(owner, clock)
    assert len(owner.timer.asked) == 1


def test_no_message_is_asked_for_later_than_a_queue_can_hold_it_back(clock: Clock) -> None:
    slow = memory_account(OWNER, CONTRACT, clock, times=Times(settle=timedelta(hours=1)))
    slow.watch.check(NAME, change(at=clock()))
    ((at, _, _),) = slow.timer.asked
    assert at - START <= LONGEST_DELAY + timedelta(seconds=30)
    slow.let_settle(clock)
    assert clock.time - START >= timedelta(hours=1)


def test_a_message_that_cannot_be_sent_fails_the_check_and_comes_with_its_next_try(
    owner: MemoryAccount, clock: Clock
) -> None:
    owner.timer.failures.by_name["ask"] = [OSError("throttled")]
    with pytest.raises(Exception, match="throttled"):
        changed(owner, clock, NO_ALLOW)
    assert kinds(owner) == ["break"]
    changed(owner, clock, NO_ALLOW)
    assert len(owner.timer.asked) == 1
    assert kinds(owner) == ["break"]


# --- Merging ---


def test_changes_soon_after_a_mail_are_one_message(owner: MemoryAccount, clock: Clock) -> None:
    changed(owner, clock, NO_ALLOW)
    told = clock.time
    changed(owner, clock, NO_ALLOW, WIDE_ROOT)
    changed(owner, clock, NO_ALLOW, WIDE_ROOT, CONDITIONAL)
    assert kinds(owner) == ["break"]
    owner.let_settle(clock)
    assert kinds(owner) == ["break", "change"]
    assert "Still BROKEN" in owner.mails[-1].subject
    assert "[bucket.conditional]" in owner.mails[-1].body
    assert clock.time - told >= TIMES.merge


def test_what_makes_the_standing_graver_does_not_wait(owner: MemoryAccount, clock: Clock) -> None:
    changed(owner, clock, CONDITIONAL)
    changed(owner, clock, CONDITIONAL, WIDE_ROOT)
    changed(owner, clock, CONDITIONAL, WIDE_ROOT, NO_ALLOW)
    assert kinds(owner) == ["risk", "widening", "break"]


def test_what_undoes_itself_while_it_waits_is_silence(owner: MemoryAccount, clock: Clock) -> None:
    changed(owner, clock, NO_ALLOW)
    changed(owner, clock, NO_ALLOW, CONDITIONAL)
    changed(owner, clock, NO_ALLOW)
    owner.let_settle(clock)
    assert kinds(owner) == ["break"]


def test_a_share_that_flaps_without_end_is_two_mails_in_a_merge_window(owner: MemoryAccount, clock: Clock) -> None:
    began = clock.time
    for number in range(120):  # an hour
        changed(owner, clock, *(() if number % 2 else (NO_ALLOW,)))
        clock.time += timedelta(seconds=25)
        for at, name, cause in owner.timer.take():
            clock.time = max(clock.time, at)
            owner.watch.check(name, cause)
    windows = (clock.time - began) / TIMES.merge
    assert 1 <= len(owner.mails) <= 2 * windows + 2


def test_the_first_verdict_waits_for_nothing(clock: Clock) -> None:
    owner = memory_account(OWNER, CONTRACT, clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.watch.check(NAME, Cause("apply", clock()))
    assert kinds(owner) == ["first"]


# --- History ---


def test_each_way_the_share_stood_is_a_row_with_its_time_and_cause(owner: MemoryAccount, clock: Clock) -> None:
    changed(owner, clock, NO_ALLOW)
    broken = owner.stored(NAME).since
    changed(owner, clock, NO_ALLOW)
    assert owner.stored(NAME).since == broken
    changed(owner, clock, event="DeleteBucketPolicy")
    owner.let_settle(clock)
    rows = owner.store.history(NAME, since=START, limit=10)
    assert [row.headline for row in rows[:3]] == [Headline.INTACT, Headline.BROKEN, Headline.INTACT]
    assert [row.at for row in rows] == sorted((row.at for row in rows), reverse=True)
    assert rows[0].cause is not None
    assert rows[0].cause.event_name == "DeleteBucketPolicy"
    assert [code for code, *_ in rows[1].findings] == ["bucket.no-allow"]


# --- What a crash leaves ---


def test_a_recovery_that_waits_and_no_longer_holds_is_replaced_under_another_id(
    owner: MemoryAccount, clock: Clock
) -> None:
    changed(owner, clock, NO_ALLOW)
    owner.let_settle(clock)
    clock.time += timedelta(minutes=10)
    owner.mailer.failures.by_name["send"] = [KeyboardInterrupt()]  # type: ignore[list-item]  # the function is killed
    with pytest.raises(KeyboardInterrupt):
        changed(owner, clock)
    waiting = owner.stored(NAME).slot
    assert waiting is not None
    assert not incident.is_grave(waiting.after)
    clock.time += owner.watch.desk.claim
    changed(owner, clock, NO_ALLOW)
    assert kinds(owner)[0] == "break"
    assert "recovery" not in kinds(owner)
    assert all(waiting.id not in mail.body for mail in owner.mails)
    assert owner.mails[-1].attributes["standing"] == "BROKEN"


# --- A restored table ---


def test_a_table_restored_from_a_backup_is_healed_by_one_sweep(clock: Clock, owner: MemoryAccount) -> None:
    backup = dict(owner.store.states)
    changed(owner, clock, NO_ALLOW)
    owner.let_settle(clock)
    stamp = owner.stored(NAME).stamp
    owner.store.states = backup
    clock.time += timedelta(minutes=30)
    owner.reporter.reports.clear()
    owner.watch.check(NAME, Cause("sweep", clock()))
    state = owner.stored(NAME)
    assert found(owner) == {"bucket.no-allow"}
    assert owner.reporter.reports[-1][1].stamp > stamp
    assert state.told is not None
    assert state.told.headline is Headline.BROKEN


def test_a_table_restored_to_a_break_that_is_mended_since_is_healed_by_one_sweep(
    clock: Clock, owner: MemoryAccount
) -> None:
    changed(owner, clock, NO_ALLOW)
    backup = dict(owner.store.states)
    changed(owner, clock)
    owner.let_settle(clock)
    owner.store.states = backup
    clock.time += timedelta(minutes=30)
    owner.watch.check(NAME, Cause("sweep", clock()))
    assert found(owner) == set()
    assert owner.mails[-1].attributes["standing"] == "INTACT"


def test_the_start_is_what_the_tests_take_it_for(owner: MemoryAccount, clock: Clock) -> None:
    assert kinds(owner) == []
    assert isinstance(clock.time, datetime)
    assert owner.stored(NAME).told_at is not None


# --- What keeps the watch ---

TRAIL = "arn:aws:cloudtrail:eu-west-1:111111111111:trail/evidence"
STOPPED = Cause("change", START, OWNER, event_name="StopLogging", event_id="s", resources=(TRAIL,))


def looked(at: datetime, *, watch_at: datetime | None) -> State:
    """What is recorded when the locks were last looked at, and what keeps the watch."""
    locks = (LockState(Lock.WATCHDOG, OWNER, (), watch_at),) if watch_at else ()
    own = replace(verdict_of(CONTRACT, OWNER, as_of=at), locks=locks)
    return State(CONTRACT.name, CONTRACT.digest, OWNER, own=own)


def test_a_change_of_a_trail_makes_its_own_check_look_at_what_keeps_the_watch() -> None:
    state = looked(START, watch_at=START)
    assert settle.looks_after(state, STOPPED, TIMES)
    assert not settle.looks_after(state, replace(STOPPED, resources=(CONTRACT.bucket_arn,)), TIMES)
    assert not settle.looks_after(state, Cause("sweep", START), TIMES)  # those do so anyway


@pytest.mark.parametrize(("seconds", "again"), [(None, True), (5, True), (59, True), (60, False), (900, False)])
def test_checks_look_at_it_until_one_began_when_the_change_had_settled(seconds: int | None, *, again: bool) -> None:
    watch_at = None if seconds is None else START + timedelta(seconds=seconds)
    state = replace(looked(START + timedelta(hours=1), watch_at=watch_at), recent=(STOPPED,))
    assert settle.looks_after(state, Cause("settle", START), TIMES) is again


@pytest.mark.parametrize(("seconds", "done"), [(None, False), (-3600, False), (61, True)])
def test_a_change_of_a_trail_is_done_by_a_look_at_the_trails_and_by_no_other(
    seconds: int | None, *, done: bool
) -> None:
    at = START + timedelta(minutes=2)
    state = looked(at, watch_at=None if seconds is None else START + timedelta(seconds=seconds))
    assert settle.covered(state, STOPPED, CONTRACT.digest, at, TIMES) is done
    bucket = replace(STOPPED, resources=(CONTRACT.bucket_arn,))
    assert settle.covered(state, bucket, CONTRACT.digest, at, TIMES)


@pytest.mark.parametrize(
    ("lock", "resource", "blamed"),
    [
        (Lock.EVIDENCE, TRAIL, True),
        (Lock.WATCHDOG, TRAIL, False),
        (Lock.EVIDENCE, CONTRACT.bucket_arn, False),
        (Lock.PREMISE, CONTRACT.bucket_arn, True),
        (Lock.PREMISE, TRAIL, False),
        (Lock.BUCKET_POLICY, TRAIL, False),
    ],
)
def test_a_change_of_a_trail_is_blamed_for_the_evidence_and_nothing_else(
    lock: Lock, resource: str, *, blamed: bool
) -> None:
    finding = replace(NO_ALLOW, lock=lock)
    assert settle.touches(replace(STOPPED, resources=(resource,)), finding) is blamed
