"""Mail, card and event: each at least once, under one id, and none held back by another."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.examples import CONSUMER, CONTRACT, KEY_DISABLED, NO_ALLOW, OWNER, WIDE_ROOT
from simulation.memory import (
    INSTANT,
    START,
    Clock,
    Failures,
    MemoryAccount,
    MemoryBus,
    MemoryMailer,
    change,
    memory_account,
)
from tests.unit.test_alert import watching
from threelocks.alert import card, compose, event, short_card, short_event, short_mail
from threelocks.alert.card import card_of_many
from threelocks.finding import Cause, Finding, Remedy, StatementRef, Step, Witness
from threelocks.ports import RefusedMailError
from threelocks.state import Slot, Times
from threelocks.watch import Desk, Filled, UndeliveredError

NAME = CONTRACT.name
DOWN = OSError("no such topic")


@dataclass
class Office:
    """The owner's account, with all three ways to tell, each of which fails on demand."""

    account: MemoryAccount
    chat: MemoryMailer
    bus: MemoryBus
    clock: Clock

    def finds(self, *findings: Finding, kind: str = "change") -> None:
        """A check; what waits for another try is left to wait."""
        self.clock.time += timedelta(minutes=10)
        self.account.scene.findings = findings
        cause = change(at=self.clock()) if kind == "change" else Cause(kind=kind, at=self.clock(), account=OWNER)
        self.account.watch.check(NAME, cause)

    @property
    def mails(self) -> list[str]:
        return [mail.body.rpartition("Message ")[2].strip() for mail in self.account.mails]

    @property
    def cards(self) -> list[dict[str, Any]]:
        return [json.loads(mail.body) for mail in self.chat.mails]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.bus.events]

    def ids(self) -> tuple[list[str], list[str], list[str]]:
        return self.mails, [each["id"] for each in self.cards], [each["message"] for each in self.events]


def office(times: Times = INSTANT) -> Office:
    clock = Clock()
    account = memory_account(OWNER, CONTRACT, clock, times=times)
    chat, bus = MemoryMailer(Failures()), MemoryBus(Failures())
    desk = replace(account.watch.desk, chat=chat, bus=bus)
    made = Office(replace(account, watch=replace(account.watch, desk=desk)), chat, bus, clock)
    consumer = memory_account(CONSUMER, CONTRACT, clock, times=INSTANT)
    consumer.watch.check(NAME, Cause("sweep", clock()))
    made.account.watch.check(NAME, Cause("sweep", clock()))
    made.account.hear_all(consumer.reporter.reports, clock())
    for sent in (made.account.mails, chat.mails, bus.events):
        sent.clear()
    return made


def fail(failures: Failures, name: str, times: int, error: Exception = DOWN) -> None:
    failures.by_name[name] = [error] * times


def test_every_announcement_goes_by_every_way_under_one_id() -> None:
    made = office()
    made.finds(NO_ALLOW)
    made.finds()
    mails, cards, events = made.ids()
    assert mails == cards == events
    assert len(mails) == 2
    assert [each["metadata"]["eventType"] for each in made.cards] == ["threelocks.break", "threelocks.recovery"]
    assert [each["kind"] for each in made.events] == ["break", "recovery"]
    assert len({each["metadata"]["threadId"] for each in made.cards}) == 1  # of the incident
    assert made.events[0]["incidents"][0]["id"] == made.cards[0]["metadata"]["threadId"]


@pytest.mark.parametrize("way", ["mail", "card", "event"])
def test_a_way_that_fails_does_not_lose_the_others_and_is_tried_again_alone(way: str) -> None:
    made = office()
    failures = {"mail": made.account.mailer.failures, "card": made.chat.failures, "event": made.bus.failures}[way]
    fail(failures, "announce" if way == "event" else "send", 1)
    with pytest.raises(UndeliveredError):
        made.finds(NO_ALLOW)
    assert sorted(map(len, made.ids())) == [0, 1, 1]
    made.finds(NO_ALLOW)
    first = made.ids()[0]
    assert made.ids() == (first, first, first)
    assert len(first) == 1


def test_a_chat_that_is_gone_for_good_holds_back_no_mail_and_is_told_the_rest_when_it_is_back() -> None:
    made = office()
    fail(made.chat.failures, "send", 1000)
    for findings in ((NO_ALLOW,), (NO_ALLOW, KEY_DISABLED), (), (WIDE_ROOT,)):
        with pytest.raises(UndeliveredError):
            made.finds(*findings)
    assert len(set(made.mails)) == len(made.mails) == 4
    assert made.ids()[2] == made.mails
    made.chat.failures.by_name.clear()
    made.finds(WIDE_ROOT)
    assert [each["id"] for each in made.cards] == made.mails[-1:]
    state = made.account.stored(NAME)
    assert state.slot is None
    assert state.told
    assert state.told.findings == (WIDE_ROOT,)


def test_a_chat_that_keeps_failing_does_not_put_off_the_mail_of_the_recovery() -> None:
    """Each failed card is no mail: the merge window runs from the mail that people got, and its end is waited for."""
    made = office(Times())
    fail(made.chat.failures, "send", 1000)
    with pytest.raises(UndeliveredError):
        made.finds(NO_ALLOW)
    assert len(made.mails) == 1
    made.account.timer.take()
    made.clock.time += timedelta(minutes=3)
    mended = made.clock.time
    made.account.scene.findings = ()
    with pytest.raises(UndeliveredError):
        made.account.watch.check(NAME, change(at=mended))
    while len(made.mails) == 1:
        (at, name, cause), *_ = made.account.timer.take()
        made.clock.time = max(made.clock.time, at)
        with pytest.raises(UndeliveredError):
            made.account.watch.check(name, cause)
    assert made.account.mails[-1].attributes["kind"] == "recovery"
    assert made.clock.time - mended < Times().settle + Times().merge


def test_a_chat_that_fails_makes_no_mail_short() -> None:
    made = office()
    fail(made.chat.failures, "send", 1000)
    for _ in range(4):
        with pytest.raises(UndeliveredError):
            made.finds(NO_ALLOW)
    with pytest.raises(UndeliveredError):
        made.finds(NO_ALLOW, KEY_DISABLED)
    assert all("WHAT TO DO" in mail.body for mail in made.account.mails)


def test_a_card_or_an_event_that_cannot_be_composed_is_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> str:
        raise ValueError("a strange policy")

    monkeypatch.setattr("threelocks.watch.card", broken)
    monkeypatch.setattr("threelocks.watch.event", broken)
    made = office()
    made.finds(NO_ALLOW)
    assert made.cards[0]["content"]["title"] == "BROKEN: bi-curated-read"
    assert made.events[0]["standing"] == "BROKEN"
    assert "findings" not in made.events[0]


def test_many_contracts_that_one_change_moved_are_one_card_and_an_event_each() -> None:
    clock = Clock()
    contracts = [CONTRACT.model_copy(update={"name": f"share-{number}"}) for number in range(3)]
    account = memory_account(OWNER, contracts[0], clock, times=INSTANT)
    chat, bus = MemoryMailer(Failures()), MemoryBus(Failures())
    account.store.contracts.update({one.name: one for one in contracts})
    desk: Desk = replace(account.watch.desk, chat=chat, bus=bus)
    watch = replace(account.watch, desk=desk)
    account.scene.findings = (NO_ALLOW,)
    waiting: list[Filled] = []
    cause = change(at=clock())
    for one in contracts:
        watch.check(one.name, cause, waiting=waiting)
    assert desk.tell(waiting) == {}
    assert (len(account.mails), len(chat.mails), len(bus.events)) == (1, 1, 3)
    (said,) = [json.loads(mail.body) for mail in chat.mails]
    assert all(one.name in said["content"]["description"] for one in contracts)
    assert {json.loads(text)["contract"] for text in bus.events} == {one.name for one in contracts}
    assert all(account.stored(one.name).slot is None for one in contracts)


def test_a_group_whose_card_fails_is_told_by_a_card_each() -> None:
    clock = Clock()
    contracts = [CONTRACT.model_copy(update={"name": f"share-{number}"}) for number in range(3)]
    account = memory_account(OWNER, contracts[0], clock, times=INSTANT)
    chat = MemoryMailer(Failures(by_name={"send": [DOWN]}))
    account.store.contracts.update({one.name: one for one in contracts})
    watch = replace(account.watch, desk=replace(account.watch.desk, chat=chat))
    account.scene.findings = (NO_ALLOW,)
    waiting: list[Filled] = []
    cause = change(at=clock())
    for one in contracts:
        watch.check(one.name, cause, waiting=waiting)
    assert watch.desk.tell(waiting) == {}
    assert (len(account.mails), len(chat.mails)) == (1, 3)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from((NO_ALLOW, KEY_DISABLED, WIDE_ROOT)), max_size=2),
            st.sets(st.sampled_from(("send", "sent", "card", "carded", "announce", "announced"))),
        ),
        max_size=12,
    ),
    st.sampled_from((0, 5, 30)),
)
def test_whatever_fails_when_all_is_well_every_way_has_told_what_stands(
    story: list[tuple[set[Finding], set[str]]], merge: int
) -> None:
    """A way that dies before or after it sent; in the end each has told the last standing, and ids agree on it."""
    made = office(replace(INSTANT, merge=timedelta(minutes=merge)))
    for findings, calls in story:
        for call in calls:
            kind = {"card": "send", "carded": "sent"}.get(call, call)
            ways = {"c": made.chat.failures, "a": made.bus.failures, "s": made.account.mailer.failures}
            ways[call[0]].by_name[kind] = [DOWN]
        try:
            made.finds(*sorted(findings, key=lambda one: one.code))
        except UndeliveredError:
            made.clock.time += timedelta(minutes=3)
    for failures in (made.chat.failures, made.bus.failures, made.account.mailer.failures):
        failures.by_name.clear()
    made.finds(*made.account.scene.findings)
    made.account.let_settle(made.clock)
    mails, cards, events = made.ids()
    state = made.account.stored(NAME)
    assert state.slot is None
    if mails:
        assert mails[-1] == cards[-1] == events[-1]
        assert made.events[-1]["standing"] == made.account.mails[-1].attributes["standing"]
    said = {each["message"]: each for each in made.events}
    assert all(said[each["message"]] == each for each in made.events)  # a repeat says the same


def test_what_sns_refuses_of_a_card_is_tried_again_and_reported() -> None:
    made = office()
    fail(made.chat.failures, "send", 1, RefusedMailError("too odd"))
    with pytest.raises(UndeliveredError):
        made.finds(NO_ALLOW)
    assert len(made.mails) == 1


# --- Whatever a policy or an event says ---

_TEXT = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        (
            'x\nINTACT again: bi-curated-read\r\n\x1b[2J\u202egnp\u202c\u2028WHO AND WHEN\u2029\x00 "`',
            "<!channel> <https://evil.example|fix it> [fix](https://evil.example) @here `code` *bold*",
            '"}],"metadata":{"threadId":"forged"}',
            "\ud800 lone",
            "y" * 10_000,
            "\u200b\u2066\u2069 zero",
        )
    ),
)


def hostile(text: str) -> Finding:
    return replace(
        NO_ALLOW,
        code=f"bucket.{text}",
        resource=text,
        principal=text,
        actions=(text,) * 30,
        detail=text,
        witness=Witness(text, text, text, ((text, (text,)),)),
        statements=(StatementRef(text, 0, text, text),),
        remedy=Remedy(OWNER, text, None, (text,), (Step(text, text),), text),
    )


def announced(text: str, number: int) -> Slot:
    cause = Cause(
        "change", START, OWNER, text, text, text, text, text, text, (CONTRACT.bucket_arn,), tool=text,
        earlier=(Cause("change", START, OWNER, text, text, text, text),) * 9,
    )  # fmt: skip
    findings = tuple(replace(hostile(text), code=f"{index}") for index in range(number))
    slot = watching().happens(OWNER, hostile(text), *findings, cause=cause)[OWNER]
    assert slot is not None
    return replace(slot, incidents=tuple(replace(one, id=text or one.id) for one in slot.incidents))


@settings(max_examples=25, deadline=None)
@given(_TEXT, st.integers(0, 3))
def test_a_card_is_the_schemas_whatever_it_is_made_from(text: str, number: int) -> None:
    slot = announced(text, number)
    for said in (
        card(CONTRACT, slot, account=OWNER, recheck="r"),
        card_of_many([(CONTRACT, slot)] * 2, account=OWNER, recheck="r"),
        short_card(CONTRACT, slot),
    ):
        fits_the_schema(said)


def fits_the_schema(said: str) -> None:
    """https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html"""
    made = json.loads(said)
    assert said.isascii()
    assert len(said) < 64 * 1024
    assert set(made) == {"version", "source", "id", "content", "metadata"}
    assert (made["version"], made["source"]) == ("1.0", "custom")
    content, metadata = made["content"], made["metadata"]
    assert set(content) == {"textType", "title", "description", "nextSteps", "keywords"}
    assert content["textType"] == "client-markdown"
    assert set(metadata) == {"threadId", "summary", "eventType", "relatedResources", "additionalContext"}
    lines = [content["title"], *content["description"].split("\n"), *content["nextSteps"], *content["keywords"]]
    for line in lines:
        assert line.isprintable()
        assert len(line) <= 700
        assert not set("<>`|") & set(line)
        assert "](" not in line
        assert "://" not in line.replace("s3://", "")
    assert len([line for line in lines if line.startswith("*")]) <= 1  # emphasis is ours alone
    for value in (made["id"], metadata["threadId"], *metadata["additionalContext"].values()):
        assert isinstance(value, str)
        assert value.isprintable()


@settings(max_examples=25, deadline=None)
@given(_TEXT, st.integers(0, 3))
def test_an_event_is_json_of_a_size_that_eventbridge_takes(text: str, number: int) -> None:
    slot = announced(text, number)
    for said in (event(CONTRACT, slot, account=OWNER), short_event(CONTRACT, slot, account=OWNER)):
        made = json.loads(said)
        assert made["format"] == "threelocks.standing/1"
        assert said.isascii()
        assert all(value.isprintable() for value in _texts(made))


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]


def test_the_largest_card_and_event_are_far_below_the_limits() -> None:
    slot = announced("é" * 10_000, 300)
    assert len(card(CONTRACT, slot, account=OWNER, recheck="r")) < 64 * 1024
    assert len(event(CONTRACT, slot, account=OWNER).encode()) < 250 * 1024
    made = json.loads(event(CONTRACT, slot, account=OWNER))
    assert len(made["findings"]) + made["further_findings"] == len(slot.after.findings) > 200
    assert made["findings"]


@settings(max_examples=25, deadline=None)
@given(_TEXT, st.integers(0, 3))
def test_a_mail_is_plain_lines_and_a_subject_that_sns_takes(text: str, number: int) -> None:
    slot = announced(text, number)
    for mail in (
        compose(CONTRACT, slot, account=OWNER, recheck="r"),
        short_mail(CONTRACT, slot, account=OWNER, recheck="r"),
    ):
        assert len(mail.subject) < 100
        assert mail.subject.isprintable()
        assert len(mail.body.encode()) < 256 * 1024
        assert all(line.isprintable() for line in mail.body.split("\n"))
        flush = [line for line in mail.body.split("\n") if line and not line.startswith(" ")]
        assert not [line for line in flush[1:] if line.startswith(("INTACT", "x", "<", "y"))]
        assert flush.count("WHO AND WHEN") <= 1
