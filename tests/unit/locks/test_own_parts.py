"""The watchdog's own parts: off, changed by hand, updated by CloudFormation; subscribers who are gone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.locks.scene import AGREED, CONSUMER, NOW
from threelocks.finding import Finding, Kind, Lock
from threelocks.locks.case import Case
from threelocks.locks.own_parts import judge_parts, pins_of, updates
from threelocks.observation import Absent, Found, Observation, OwnStack, Unreadable, WatchdogObservation, WatchedPart

TOPIC = f"arn:aws:sns:eu-west-1:{CONSUMER}:alerts"
SWEEP = f"arn:aws:lambda:eu-west-1:{CONSUMER}:function:threelocks-sweep"
DEPLOYED = Found(OwnStack("2026-11-20T09:00:00+00:00", "CREATE_COMPLETE"))
UPDATED = Found(OwnStack("2026-11-22T09:00:00+00:00", "UPDATE_COMPLETE"))
UPDATING = Found(OwnStack("2026-11-22T09:00:00+00:00", "UPDATE_IN_PROGRESS"))
DENIED = Unreadable("x:Read", "AccessDenied", permission="x:Read")


def part(settings: Any = "first", *off: str, name: str = "the function threelocks-sweep") -> WatchedPart:
    return WatchedPart(name, SWEEP, Found(settings) if isinstance(settings, str) else settings, off)


def seen(*parts: WatchedPart, stack: Any = DEPLOYED, subscribed: int = 2, pending: int = 0) -> WatchdogObservation:
    return WatchdogObservation("eu-west-1", (), TOPIC, Found(subscribed), None, pending, stack, parts or (part(),))


def found(now: WatchdogObservation, pins: dict[str, str] | None = None) -> list[Finding]:
    return list(judge_parts(Case(AGREED, (), Observation(CONSUMER, NOW), {}), now, pins or {}))


def codes(now: WatchdogObservation, before: WatchdogObservation | None = None) -> list[str]:
    """What is found, when the pins are those of an earlier look."""
    return [one.code for one in found(now, pins_of(before, {}) if before else {})]


def test_a_stack_as_it_was_first_seen_is_no_finding() -> None:
    assert codes(seen()) == codes(seen(), seen()) == []


@pytest.mark.finding("watchdog.settings-changed")
def test_settings_that_differ_while_the_stack_was_not_updated_were_changed_by_hand() -> None:
    (one,) = found(seen(part("other")), pins_of(seen(), {}))
    assert (one.code, one.kind, one.lock, one.resource) == (
        "watchdog.settings-changed", Kind.RISK, Lock.WATCHDOG, SWEEP,
    )  # fmt: skip
    assert one.detail.startswith("settings of the function threelocks-sweep were changed by hand")
    assert one.remedy
    assert one.remedy.commands == ("threelocks apply --accept bi-curated-read.yaml",)


def test_a_change_by_hand_stays_found_until_it_is_undone_or_the_stack_is_updated() -> None:
    pins = pins_of(seen(), {})
    for _ in range(2):
        assert [one.code for one in found(seen(part("other")), pins)] == ["watchdog.settings-changed"]
        pins = pins_of(seen(part("other")), pins)
    assert found(seen(), pins) == []
    updated = seen(part("other"), stack=UPDATED)
    assert found(updated, pins) == []
    assert found(updated, pins_of(updated, pins)) == []
    assert codes(seen(part("third"), stack=UPDATED), updated) == ["watchdog.settings-changed"]


def test_an_update_of_the_stack_is_told_as_one_and_once() -> None:
    pins, updated = pins_of(seen(), {}), seen(part("other"), stack=UPDATED)
    assert list(updates(seen(), pins)) == list(updates(seen(), {})) == []
    assert "was updated at 2026-11-22T09:00:00+00:00" in next(updates(updated, pins))
    assert list(updates(updated, pins_of(updated, pins))) == []


def test_while_the_stack_is_updated_its_settings_are_neither_judged_nor_taken() -> None:
    pins = pins_of(seen(), {})
    between = seen(part("other"), stack=UPDATING)
    assert found(between, pins) == []
    assert list(updates(between, pins)) == []
    assert pins_of(between, pins) == pins


def test_a_stack_that_cannot_be_read_is_unread_and_changes_no_pin() -> None:
    pins = pins_of(seen(), {})
    assert [one.code for one in found(seen(part("other"), stack=DENIED), pins)] == ["watchdog.unread"]
    assert pins_of(seen(part("other"), stack=DENIED), pins) == pins


def test_without_a_stack_of_that_name_settings_are_compared_all_the_same() -> None:
    """Whoever deploys the template otherwise than by CloudFormation takes new settings by applying the contract."""
    assert codes(seen(part("other"), stack=Absent()), seen(stack=Absent())) == ["watchdog.settings-changed"]


def test_a_part_that_was_not_seen_before_is_pinned_when_it_is() -> None:
    further = part("first", name="the function threelocks-on-denied")
    assert codes(seen(part(), further), seen()) == []
    pins = pins_of(seen(part(), further), pins_of(seen(), {}))
    changed = seen(part(), part("other", name="the function threelocks-on-denied"))
    assert [one.code for one in found(changed, pins)] == ["watchdog.settings-changed"]


@pytest.mark.finding("watchdog.part-off")
@pytest.mark.parametrize(
    ("now", "detail"),
    [
        (part(Absent()), "the function threelocks-sweep is gone"),
        (part("first", "is in the state Failed", "does not run"),
         "the function threelocks-sweep is in the state Failed; it does not run"),
        (part("other", "may not run at all"), "the function threelocks-sweep may not run at all"),
    ],
)  # fmt: skip
def test_a_part_that_does_nothing_is_off_whenever_it_came_to_be_so(now: WatchedPart, detail: str) -> None:
    for pins in ({}, pins_of(seen(), {})):
        (one,) = found(seen(now), pins)
        assert (one.code, one.kind, one.detail) == ("watchdog.part-off", Kind.RISK, detail)


def test_a_part_that_cannot_be_read_is_unread() -> None:
    assert codes(seen(part(DENIED)), seen()) == ["watchdog.unread"]


@pytest.mark.finding("watchdog.subscriber-lost")
@pytest.mark.parametrize(
    ("now", "told"),
    [
        (seen(subscribed=1), "1 of the 2 that were confirmed are gone"),
        (seen(pending=1), "1 wait to be confirmed, and hear nothing"),
        (seen(subscribed=1, pending=2), "1 of the 2 that were confirmed are gone; 2 wait to be confirmed"),
    ],
)
def test_a_subscriber_who_is_gone_or_never_confirmed_is_told(now: WatchdogObservation, told: str) -> None:
    (one,) = found(now, pins_of(seen(), {}))
    assert (one.code, one.kind, one.resource) == ("watchdog.subscriber-lost", Kind.RISK, TOPIC)
    assert told in one.detail


def test_more_subscribers_are_no_finding_and_count_from_then_on() -> None:
    pins = pins_of(seen(subscribed=3), pins_of(seen(), {}))
    assert found(seen(subscribed=3), pins) == []
    assert [one.code for one in found(seen(), pins)] == ["watchdog.subscriber-lost"]


def test_fewer_subscribers_are_told_until_somebody_accepts_it() -> None:
    pins = pins_of(seen(subscribed=1), pins_of(seen(), {}))
    assert [one.code for one in found(seen(subscribed=1), pins)] == ["watchdog.subscriber-lost"]


def test_an_update_that_has_just_begun_is_not_judged_either() -> None:
    begun = Found(OwnStack(DEPLOYED.value.changed, "UPDATE_IN_PROGRESS"))
    assert found(seen(part("other"), stack=begun), pins_of(seen(), {})) == []


def test_nobody_at_all_is_a_finding_of_its_own() -> None:
    assert codes(seen(subscribed=0), seen()) == []


def test_a_check_that_does_not_look_after_the_watchdog_keeps_what_was_pinned() -> None:
    pins = pins_of(seen(), {})
    assert pins_of(None, pins) == pins
