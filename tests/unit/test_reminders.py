"""Reminders: what is open is told again once a period, a key's end on its last days, and neither ever twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.examples import CONDITIONAL, CONSUMER, CONTRACT, KEY_DISABLED, NO_ALLOW, OWNER
from simulation.memory import INSTANT, START, Clock, MemoryAccount, change, memory_account
from threelocks import remind
from threelocks.finding import Cause, Finding, Share
from threelocks.report import Incident
from threelocks.state import Reminder, Times

NAME = CONTRACT.name
PATIENT = replace(INSTANT, silence=timedelta(days=400))  # a partner that is late is another story
DAILY = replace(PATIENT, remind=timedelta(hours=24))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ENDING = replace(
    KEY_DISABLED, code="key.pending-deletion", detail="the key will be deleted on 2026-12-03", deadline=START + 10 * DAY
)


class Pair:
    """The owner and the consumer, who hear each other after each check."""

    def __init__(self, times: Times = DAILY) -> None:
        self.clock = Clock()
        self.owner, self.consumer = (
            memory_account(number, CONTRACT, self.clock, times=times) for number in (OWNER, CONSUMER)
        )
        for _ in range(2):
            self.sweep()
        self.subjects()

    @property
    def both(self) -> tuple[MemoryAccount, MemoryAccount]:
        return self.owner, self.consumer

    def sweep(self, kind: str = "sweep") -> None:
        for account in self.both:
            account.watch.check(NAME, Cause(kind=kind, at=self.clock(), account=account.number))
            self.exchange()

    def exchange(self) -> None:
        for account, other in (self.both, self.both[::-1]):
            other.hear_all(account.reporter.reports, self.clock())
            account.reporter.reports.clear()

    def breaks(self, *findings: Finding) -> None:
        self.owner.scene.findings = findings
        self.owner.watch.check(NAME, change(at=self.clock()))
        self.exchange()

    def hours(self, number: float) -> None:
        """Sweeps every hour for so long."""
        for _ in range(int(number)):
            self.clock.time += HOUR
            self.sweep()

    def subjects(self) -> list[list[str]]:
        """What each account's people got since the last time."""
        told = [[mail.subject for mail in account.mails] for account in self.both]
        for account in self.both:
            account.mails.clear()
        return told


def test_an_open_incident_is_told_again_once_a_period_in_both_accounts() -> None:
    share = Pair()
    share.breaks(NO_ALLOW)
    assert [len(each) for each in share.subjects()] == [1, 1]
    share.hours(23)
    assert share.subjects() == [[], []]
    share.hours(2)
    subject = "Reminder, still BROKEN: bi-curated-read - bucket policy of data-platform (111111111111)"
    assert share.subjects() == [[subject], [subject]]
    share.hours(24)
    assert share.subjects() == [[subject], [subject]]


def test_the_reminder_has_the_fix_the_incident_and_who_opened_it() -> None:
    share = Pair()
    share.breaks(NO_ALLOW)
    share.subjects()
    share.hours(25)
    (mail,) = share.owner.mails
    assert mail.attributes["kind"] == "reminder"
    for words in ("put-bucket-policy", "Refused, for example", "assumed-role/PlatformAdmin/dana", "open since 2026"):
        assert words in mail.body, words


def test_a_change_begins_the_period_anew() -> None:
    share = Pair()
    share.breaks(NO_ALLOW)
    share.hours(20)
    share.breaks(NO_ALLOW, KEY_DISABLED)
    share.subjects()
    share.hours(22)
    assert share.subjects() == [[], []]
    share.hours(4)
    assert [len(each) for each in share.subjects()] == [1, 1]


@pytest.mark.parametrize("findings", [(), (CONDITIONAL,)], ids=["intact", "a risk"])
def test_without_an_incident_nobody_is_reminded(findings: tuple[Finding, ...]) -> None:
    share = Pair()
    share.breaks(*findings)
    share.subjects()
    share.hours(50)
    assert share.subjects() == [[], []]


def test_nought_hours_is_never() -> None:
    share = Pair(PATIENT)
    share.breaks(NO_ALLOW)
    share.subjects()
    share.hours(60)
    assert share.subjects() == [[], []]


@pytest.mark.parametrize("kind", ["recheck", "change", "settle"])
def test_only_a_sweep_reminds(kind: str) -> None:
    share = Pair()
    share.breaks(NO_ALLOW)
    share.subjects()
    share.clock.time += 30 * HOUR
    share.sweep(kind)
    assert share.subjects() == [[], []]


def test_a_keys_deletion_is_told_again_7_3_and_1_days_before_even_without_reminders() -> None:
    share = Pair(PATIENT)
    share.breaks(ENDING)
    share.subjects()
    days: list[int] = []
    for _ in range(24 * 11):
        share.hours(1)
        if any(share.subjects()):
            days.append(round((START + 10 * DAY - share.clock.time) / DAY))
    assert days == [7, 3, 1]


def test_the_mail_names_the_day_and_the_key_policys_holder() -> None:
    share = Pair(PATIENT)
    share.breaks(ENDING, NO_ALLOW)
    share.subjects()
    share.hours(24 * 3 + 2)
    for account in share.both:
        (mail,) = account.mails
        assert mail.subject == "Reminder, still BROKEN: bi-curated-read - key policy of data-platform (111111111111)"
        assert "THE KEY WILL BE DELETED on 2026-12-03 10:00:00 UTC, in about 7 days." in mail.body


SHARE = Share(NAME, OWNER, (), (ENDING,))
OPEN = (Incident("1", OWNER, START),)
_moments = st.datetimes(datetime(2026, 11, 20), datetime(2026, 12, 10), timezones=st.just(UTC))  # noqa: DTZ001


@given(_moments, st.lists(_moments, min_size=1, max_size=60), st.integers(0, 72))
def test_whenever_sweeps_come_no_mark_is_told_twice_and_none_after_the_deadline(
    told: datetime, sweeps: list[datetime], hours: int
) -> None:
    times = replace(INSTANT, remind=timedelta(hours=hours))
    ends = START + 10 * DAY
    marks = 0
    for now in sorted(sweep for sweep in sweeps if sweep > told):
        due = remind.due(SHARE, OPEN, told, now, times)
        marks += due is Reminder.DEADLINE
        assert due is not Reminder.DEADLINE or now < ends
        assert due is not Reminder.OPEN or (hours and now - told >= times.remind)
        assert due is not Reminder.NONE or not hours or now - told < times.remind
        told = now if due else told
    assert marks <= len(remind.DAYS)


def _crashes(share: Pair) -> Iterator[None]:
    """Every call that a sweep makes dies once, one sweep after the other; whoever comes next finishes it."""
    number = 0
    while True:
        number += 1
        share.owner.scene.failures.at = len(share.owner.scene.failures.calls) + number
        died = True
        with suppress(BaseException):
            share.owner.watch.check(NAME, Cause(kind="sweep", at=share.clock(), account=OWNER))
            died = False
        share.owner.scene.failures.at = None
        if not died:
            return
        share.clock.time += timedelta(minutes=3)
        share.owner.watch.check(NAME, Cause(kind="sweep", at=share.clock(), account=OWNER))
        yield


def test_a_sweep_that_dies_anywhere_costs_a_repeat_with_the_same_id_and_never_a_second_reminder() -> None:
    share = Pair()
    share.breaks(NO_ALLOW)
    share.clock.time += 25 * HOUR
    share.subjects()
    tried = 0
    for _ in _crashes(share):
        tried += 1
        ids = {mail.body.rpartition("Message ")[2] for mail in share.owner.mails}
        assert len(ids) == 1, share.subjects()
        share.owner.mails.clear()
        share.clock.time += 25 * HOUR
    assert tried > 10
