"""A partner that is silent, deaf, too talkative, or of another release; and requests for a fresh report."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from simulation.examples import CONDITIONAL, CONSUMER, CONTRACT, KEY_DISABLED, NO_ALLOW, NO_DECRYPT, OWNER, STRANGER
from simulation.memory import INSTANT, START, Clock, MemoryAccount, change, memory_account, verdict_of
from threelocks import incident
from threelocks.finding import Cause, Finding, Headline, Kind, Lock, headline
from threelocks.report import (
    FORMAT,
    FORMATS,
    LARGEST,
    Incident,
    MalformedError,
    Report,
    ReportRequest,
    decode,
    encode,
    make,
    next_stamp,
    read,
    refusal,
    trimmed,
)
from threelocks.state import Times
from threelocks.watch import RefusedReportError

NAME = CONTRACT.name
HOUR = timedelta(hours=1)
SILENT = "watchdog.partner-silent"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pair(clock: Clock) -> tuple[MemoryAccount, MemoryAccount]:
    owner = memory_account(OWNER, CONTRACT, clock, times=INSTANT)
    consumer = memory_account(CONSUMER, CONTRACT, clock, times=INSTANT)
    for _ in range(2):
        sweep(owner, consumer, clock)
    owner.mails.clear()
    consumer.mails.clear()
    return owner, consumer


def sweep(one: MemoryAccount, other: MemoryAccount, clock: Clock, *, lost: tuple[str, ...] = ()) -> None:
    """Both check, and hear each other, but for the reports of those whose reports are lost."""
    for account in (one, other):
        account.watch.check(NAME, Cause("sweep", clock()))
    for sender, receiver in ((one, other), (other, one)):
        waiting, sender.reporter.reports[:] = list(sender.reporter.reports), []
        if sender.number not in lost:
            receiver.hear_all(waiting, clock.time)


def codes(account: MemoryAccount) -> set[str]:
    return {finding.code for finding in incident.merge(CONTRACT, account.stored(NAME)).findings}


def standing(account: MemoryAccount) -> Headline:
    return incident.merge(CONTRACT, account.stored(NAME)).headline


# --- Silence ---


@pytest.mark.finding("watchdog.partner-silent")
def test_a_partner_that_falls_silent_is_told_once_and_its_return_once(
    pair: tuple[MemoryAccount, MemoryAccount], clock: Clock
) -> None:
    owner, consumer = pair
    for _ in range(6):
        clock.time += HOUR
        owner.watch.check(NAME, Cause("sweep", clock()))
    assert codes(owner) == {SILENT}
    assert standing(owner) is Headline.UNKNOWN
    assert [mail.attributes["standing"] for mail in owner.mails] == ["UNKNOWN"]
    body = " ".join(owner.mails[0].body.split())
    assert "but bi-team (222222222222) is silent." in body
    assert "has been silent since" in body
    sweep(owner, consumer, clock)
    assert codes(owner) == set()
    assert [mail.attributes["standing"] for mail in owner.mails] == ["UNKNOWN", "INTACT"]


def test_a_partner_that_was_never_heard_is_told_after_the_agreed_silence(clock: Clock) -> None:
    owner = memory_account(OWNER, CONTRACT, clock, times=INSTANT)
    for _ in range(3):
        owner.watch.check(NAME, Cause("sweep", clock()))
        assert owner.mails == []
        clock.time += HOUR
    clock.time += HOUR
    owner.watch.check(NAME, Cause("sweep", clock()))
    (mail,) = owner.mails
    assert mail.attributes["standing"] == "UNKNOWN"
    assert "has never been heard" in " ".join(mail.body.split())


def test_a_partner_that_reports_but_acknowledges_nothing_does_not_hear_us(
    pair: tuple[MemoryAccount, MemoryAccount], clock: Clock
) -> None:
    """PutEvents to a bus that is missing answers success: only the acknowledgement tells."""
    owner, consumer = pair
    for _ in range(5):
        clock.time += HOUR
        sweep(owner, consumer, clock, lost=(OWNER,))
    assert codes(owner) == {SILENT}
    assert standing(owner) is Headline.AT_RISK
    assert "our reports do not arrive" in " ".join(owner.mails[-1].body.split()).lower()
    assert standing(consumer) is Headline.UNKNOWN
    for _ in range(2):
        sweep(owner, consumer, clock)
    assert codes(owner) == codes(consumer) == set()


def test_reports_that_cross_are_no_silence(pair: tuple[MemoryAccount, MemoryAccount], clock: Clock) -> None:
    owner, consumer = pair
    for _ in range(10):
        clock.time += HOUR
        sweep(owner, consumer, clock)
        assert codes(owner) == codes(consumer) == set()


def test_a_silent_partners_broken_lock_is_still_broken(pair: tuple[MemoryAccount, MemoryAccount], clock: Clock) -> None:
    owner, consumer = pair
    consumer.scene.findings = (NO_DECRYPT,)
    sweep(owner, consumer, clock)
    for _ in range(4):
        clock.time += HOUR
        owner.watch.check(NAME, Cause("sweep", clock()))
    assert codes(owner) == {SILENT, "identity.no-allow"}
    assert standing(owner) is Headline.BROKEN


def test_the_agreed_silence_is_a_parameter(clock: Clock) -> None:
    patient = replace(INSTANT, silence=timedelta(days=9))
    owner = memory_account(OWNER, CONTRACT, clock, times=patient)
    for _ in range(8):
        owner.watch.check(NAME, Cause("sweep", clock()))
        clock.time += timedelta(days=1)
    assert owner.mails == []


# --- Stamps ---


NEVER = -int(START.timestamp() * 1000)


@pytest.mark.parametrize(
    ("stored", "acknowledged", "expected"),
    [
        (NEVER, NEVER, 0),
        (-1_000, NEVER, 0),
        (7, 7, 8),
        (-60_000, 5_000, 5_001),
        (590_000, NEVER, 590_001),
        (3_600_000, NEVER, 0),
        (3_600_000, 3_600_000, 3_600_001),
        (-1_000, 10**9, 0),
    ],
    ids=[
        "the first",
        "the clock has passed the last",
        "the clock has not moved",
        "restored from a backup",
        "the clock was set back, as far as clocks may differ",
        "a wrong clock made the last, and nobody believed it",
        "the clock was set back by an hour, and the last was believed",
        "an acknowledgement of what we never sent",
    ],
)
def test_the_next_stamp_is_one_that_receivers_take_for_newer(stored: int, acknowledged: int, expected: int) -> None:
    """All in milliseconds from now."""
    assert next_stamp(START, stored - NEVER, acknowledged - NEVER) == expected - NEVER


# --- Requests ---


def test_a_recheck_asks_the_partner_and_nothing_else_does(
    pair: tuple[MemoryAccount, MemoryAccount], clock: Clock
) -> None:
    owner, _ = pair
    for kind in ("change", "sweep", "request", "settle", "apply", "report"):
        owner.watch.check(NAME, Cause(kind, clock()))
    assert owner.reporter.requests == []
    owner.watch.check(NAME, Cause("recheck", clock()))
    assert owner.reporter.requests == [(CONSUMER, ReportRequest(NAME))]


def test_a_request_becomes_a_check_whose_report_is_the_answer_and_which_asks_nobody(
    pair: tuple[MemoryAccount, MemoryAccount], clock: Clock
) -> None:
    _, consumer = pair
    consumer.reporter.reports.clear()
    assert consumer.watch.desk.answer(OWNER, ReportRequest(NAME)) is True
    assert consumer.reporter.reports == []
    ((_, name, cause),) = consumer.timer.take()
    assert (name, cause.kind, cause.account) == (NAME, "request", OWNER)
    consumer.watch.check(name, cause)
    assert [account for account, _ in consumer.reporter.reports] == [OWNER]
    assert consumer.reporter.requests == []


def test_a_partner_that_asks_without_end_costs_one_check_a_minute(
    pair: tuple[MemoryAccount, MemoryAccount], clock: Clock
) -> None:
    _, consumer = pair
    began = clock.time
    answers = [consumer.watch.desk.answer(OWNER, ReportRequest(NAME)) for _ in range(1000)]
    assert clock.time - began > timedelta(minutes=15)  # a second each
    assert answers.count(True) == len(consumer.timer.asked) <= 18


@pytest.mark.parametrize(
    ("sender", "request_"),
    [
        (STRANGER, ReportRequest(NAME)),
        (CONSUMER, ReportRequest(NAME)),
        (OWNER, ReportRequest("nobody")),
        (OWNER, ReportRequest(NAME, "threelocks.request/9")),
    ],
    ids=["a stranger", "ourselves", "unknown contract", "unknown format"],
)
def test_a_request_that_is_none_of_the_partners_is_refused(
    pair: tuple[MemoryAccount, MemoryAccount], sender: str, request_: ReportRequest
) -> None:
    _, consumer = pair
    with pytest.raises(RefusedReportError, match="refused a request"):
        consumer.watch.desk.answer(sender, request_)
    assert consumer.timer.asked == []


# --- A storm of reports ---


class Quick(Clock):
    """A clock by which a thousand readings are a second."""

    def __call__(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time


def test_a_partner_that_reports_without_end_gets_no_report_back_and_each_transition_is_one_mail(clock: Clock) -> None:
    quick = Quick(clock())
    owner = memory_account(OWNER, CONTRACT, quick, times=Times())
    owner.watch.check(NAME, Cause("sweep", clock()))
    owner.reporter.reports.clear()
    owner.store.failures.calls.clear()
    stamp, number = int(clock.time.timestamp() * 1000), 2000
    for turn in range(number):
        findings = (NO_DECRYPT,) if turn % 2 else ()
        report = make(CONTRACT, verdict_of(CONTRACT, CONSUMER, findings), stamp=stamp + turn)
        owner.watch.desk.hear(CONSUMER, report, sent_at=clock.time + HOUR)
    assert quick.time - clock.time < timedelta(minutes=1)
    assert owner.reporter.reports == owner.reporter.requests == []
    assert "observe" not in owner.store.failures.calls
    assert [mail.attributes["kind"] for mail in owner.mails] == ["first", "break"]
    assert len(owner.store.failures.calls) <= 12 * number


def test_the_same_report_a_thousand_times_is_written_once(
    pair: tuple[MemoryAccount, MemoryAccount], clock: Clock
) -> None:
    owner, _ = pair
    report = make(CONTRACT, verdict_of(CONTRACT, CONSUMER, (NO_DECRYPT,)), stamp=int(clock.time.timestamp() * 1000))
    owner.store.failures.calls.clear()
    for _ in range(1000):
        owner.watch.desk.hear(CONSUMER, report, sent_at=clock.time)
    assert len(owner.mails) == 1
    assert owner.store.failures.calls.count("saved") <= 3


def test_a_report_on_another_contract_of_the_same_partner_changes_that_one_only(
    pair: tuple[MemoryAccount, MemoryAccount], clock: Clock
) -> None:
    owner, _ = pair
    other = CONTRACT.model_copy(update={"name": "another"})
    owner.store.contracts["another"] = other
    before = owner.stored(NAME)
    report = make(other, verdict_of(other, CONSUMER, (NO_DECRYPT,)), stamp=int(clock.time.timestamp() * 1000))
    owner.watch.desk.hear(CONSUMER, report, sent_at=clock.time)
    assert owner.stored(NAME) == before
    assert owner.stored("another").reports[0].report == report


# --- Formats ---


def test_there_is_one_format_so_far_and_none_before_it() -> None:
    """The second one comes with an entry for this one, and with real reports of it; then at most two are read."""
    assert set(FORMATS) == {FORMAT} == {"threelocks.report/1"}


# What a report of this format must hold, and which words it may use. A field without a default, or another word, cannot
# be read by the release before, or not be written by it: that is another format (CONTRIBUTING.md).
MUST_HOLD = {
    "Report": {"stamp", "verdict"},
    "Verdict": {"contract", "digest", "account", "as_of", "locks", "findings"},
    "LockState": {"lock", "account", "kinds", "as_of"},
    "Finding": {"code", "kind", "lock", "account", "resource", "principal", "actions", "detail"},
    "Witness": {"principal", "action", "resource"},
    "StatementRef": {"document", "index", "sid", "text"},
    "Remedy": {"account", "sentence"},
    "Cause": {"kind", "at"},
    "Incident": {"id", "account", "opened"},
}
WORDS = {
    "Lock": {"identity_policy", "bucket_policy", "key_policy", "ceiling", "premise", "evidence", "watchdog"},
    "Kind": {"shut", "wide", "risk", "unread"},
    "Scope": {"share", "resource"},
}


def types_of(kind: Any) -> set[type]:
    """Every class that a value of this type may hold."""
    if not is_dataclass(kind):
        inner = {each for part in get_args(kind) for each in types_of(part)}
        return inner | ({kind} if isinstance(kind, type) and issubclass(kind, Enum) else set())
    found: set[type] = {kind}  # type: ignore[arg-type] # a class, not an instance
    for name, part in get_type_hints(kind).items():
        if part is not kind and (kind, name) != (Cause, "earlier"):
            found |= types_of(part)
    return found


def test_every_release_of_a_format_can_read_and_write_what_every_other_does() -> None:
    known = {each.__name__: each for each in types_of(Report)}
    for name, required in MUST_HOLD.items():
        without = {each.name for each in fields(known[name]) if each.default is each.default_factory is MISSING}
        assert without == required, name
    for name, words in WORDS.items():
        assert {each.value for each in known[name]} == words, name  # type: ignore[attr-defined] # an Enum


def test_a_report_as_the_first_release_wrote_it_is_read() -> None:
    """The file has none of the fields that came later, and is never to be written anew within this format."""
    first = json.loads((Path(__file__).parents[2] / "events/partner-report-identity-shut.json").read_text())["detail"]
    assert not {"waiver", "deadline"} & set(first["verdict"]["findings"][0])
    report = read(first)
    assert report.verdict.findings[0].code == "identity.no-allow"
    assert report.verdict.findings[0].counts(START)


def test_fields_of_a_later_release_are_passed_over_wherever_they_stand() -> None:
    def with_news(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: with_news(each) for name, each in value.items()} | {"from_a_later_release": [1]}
        return [with_news(each) for each in value] if isinstance(value, list) else value

    incident = Incident("i", CONSUMER, START, opened_by=change())
    report = make(CONTRACT, verdict_of(CONTRACT, CONSUMER, (NO_DECRYPT,)), stamp=5, cause=change(), incident=incident)
    assert read(with_news(json.loads(encode(report)))) == report


def test_another_format_is_read_by_what_makes_the_present_one_of_it() -> None:
    """With an invented one: see above."""

    def upgrade(old: dict[str, Any]) -> dict[str, Any]:
        return {**{name: value for name, value in old.items() if name != "number"}, "stamp": old["number"]} | {
            "format": FORMAT
        }

    report = make(CONTRACT, verdict_of(CONTRACT, CONSUMER, (NO_DECRYPT,)), stamp=5)
    old = json.loads(encode(report)) | {"format": "threelocks.report/0", "number": 5}
    del old["stamp"]
    formats = {**FORMATS, "threelocks.report/0": upgrade}
    assert read(old, formats) == report
    assert refusal(CONTRACT, read(old, formats), account=OWNER, sender=CONSUMER, sent_at=START) is None
    with pytest.raises(MalformedError, match=r"threelocks\.report/0"):
        read({key: value for key, value in old.items() if key != "number"}, formats)


@pytest.mark.parametrize("spoken", ["threelocks.report/2", "", None, 7, ["threelocks.report/1"], "x" * 10_000])
def test_a_report_of_an_unknown_format_is_refused_with_what_to_do(spoken: object) -> None:
    with pytest.raises(MalformedError, match="deploy the same release") as refused:
        read({"format": spoken})
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "damage",
    [
        {"stamp": "soon"},
        {"stamp": None},
        {"verdict": {}},
        {"verdict": []},
        {"heard": [["222222222222"]]},
        {"incident": {"id": 1}},
    ],
)
def test_a_malformed_report_is_refused(damage: dict[str, Any]) -> None:
    whole = json.loads(encode(make(CONTRACT, verdict_of(CONTRACT, CONSUMER), stamp=5)))
    with pytest.raises(MalformedError, match="not a Report"):
        read(whole | damage)


# --- Size ---


def many(number: int, kind: Kind = Kind.SHUT, text: str = "") -> tuple[Finding, ...]:
    return tuple(
        replace(NO_DECRYPT, kind=kind, actions=(f"s3:Action{index}",), detail=f"{index} {text}")
        for index in range(number)
    )


def test_a_report_of_ordinary_size_is_not_touched() -> None:
    report = Report(1, verdict_of(CONTRACT, CONSUMER, many(20)))
    assert trimmed(report) is report


@pytest.mark.parametrize("report_of", [many(3000), many(10, text="é" * 50_000)], ids=["many", "long"])
@pytest.mark.finding("watchdog.report-trimmed")
def test_a_report_that_is_too_large_is_cut_to_the_gravest_and_says_how_many_are_left_out(
    report_of: tuple[Finding, ...],
) -> None:
    small = trimmed(Report(1, verdict_of(CONTRACT, CONSUMER, (*many(5, Kind.RISK), *report_of))))
    assert len(encode(small).encode()) <= LARGEST
    assert small.verdict.findings[0].kind is Kind.SHUT
    assert decode(Report, encode(small)) == small
    if len(report_of) > 100:
        marker = small.verdict.findings[-1]
        assert marker.code == "watchdog.report-trimmed"
        assert f"{3005 - len(small.verdict.findings) + 1} findings" in marker.detail


def test_trimming_never_makes_a_standing_milder() -> None:
    huge = replace(KEY_DISABLED, resource="x" * 300_000, account=OWNER)
    report = Report(1, verdict_of(CONTRACT, OWNER, (huge, CONDITIONAL)))
    tiny = trimmed(report, limit=1000)
    assert headline(tiny.verdict.kinds) is Headline.BROKEN


def test_an_enormous_report_is_kept_cut_and_told(pair: tuple[MemoryAccount, MemoryAccount], clock: Clock) -> None:
    """A sender of another make may not cut its reports: nothing of ours depends on it."""
    owner, _ = pair
    report = Report(int(clock.time.timestamp() * 1000), verdict_of(CONTRACT, CONSUMER, many(900, text="y" * 200)))
    owner.watch.desk.hear(CONSUMER, report, sent_at=clock.time)
    (mail,) = owner.mails
    assert mail.attributes["standing"] == "BROKEN"
    assert len(encode(owner.stored(NAME).reports[0])) <= LARGEST + 1000
    assert any(finding.lock is Lock.WATCHDOG for finding in owner.stored(NAME).reports[0].report.verdict.findings)


def test_an_owner_with_more_findings_than_a_report_carries_still_reports(
    pair: tuple[MemoryAccount, MemoryAccount], clock: Clock
) -> None:
    owner, consumer = pair
    owner.scene.findings = tuple(replace(NO_ALLOW, actions=(f"s3:Action{index}",)) for index in range(2000))
    sweep(owner, consumer, clock)
    assert standing(consumer) is Headline.BROKEN
    assert "watchdog.report-trimmed" in codes(consumer)
