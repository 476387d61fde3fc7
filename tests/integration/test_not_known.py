"""What cannot be read or heard is told as such, by its permission or its party, and never taken for intact."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulation.faults import denied
from simulation.mailbox import Mail
from simulation.world import World

OWNER, CONSUMER = "111111111111", "222222222222"


@pytest.fixture(autouse=True)
def nothing_is_wrong(world: World) -> Iterator[None]:
    yield
    world.runtime.faults.clear()
    world.pass_time(7200)
    assert standing(world, OWNER) == standing(world, CONSUMER) == ("INTACT", [])
    world.mails()


def sweep(world: World, *accounts: str) -> dict[str, tuple[Mail, ...]]:
    """The hourly sweep of these accounts; the mails that come of it."""
    world.cloud.clock.advance(3600)
    for account in accounts:
        world.invoke(account, "sweep", {})
    world.settle()
    return world.mails()


def standing(world: World, account: str) -> tuple[str, list[str]]:
    (share,) = world.invoke(account, "recheck", {})["contracts"]
    world.settle()
    return share["headline"], sorted({finding["code"] for finding in share["findings"]})


@pytest.mark.finding("evidence.unread", "watchdog.unread")
@pytest.mark.parametrize(
    ("operation", "permission", "code"),
    [
        ("cloudtrail:DescribeTrails", "cloudtrail:DescribeTrails", "evidence.unread"),
        ("cloudtrail:GetTrailStatus", "cloudtrail:GetTrailStatus", "evidence.unread"),
        ("events:ListRuleNamesByTarget", "events:ListRuleNamesByTarget", "watchdog.unread"),
        ("sns:GetTopicAttributes", "sns:GetTopicAttributes", "watchdog.unread"),
    ],
)
def test_what_the_reader_may_not_look_at_is_told_to_both_accounts_with_the_missing_permission(
    world: World, operation: str, permission: str, code: str
) -> None:
    world.runtime.faults.always[operation] = denied("the reader", permission)
    told = sweep(world, CONSUMER)
    assert {account: [mail.attribute("standing") for mail in mails] for account, mails in told.items()} == {
        OWNER: ["UNKNOWN"],
        CONSUMER: ["UNKNOWN"],
    }
    (mail,) = told[CONSUMER]
    assert f"[{code}]" in mail.body
    assert permission in mail.body


@pytest.mark.finding("watchdog.partner-silent")
def test_a_partner_whose_watchdog_stands_still_is_told_once_it_is_silent_for_long_and_its_return_too(
    world: World,
) -> None:
    told = [mail for _ in range(30) for mail in sweep(world, OWNER)[OWNER]]
    assert [(mail.attribute("standing"), mail.attribute("kind")) for mail in told] == [("UNKNOWN", "unknown")]
    assert "[watchdog.partner-silent]" in told[0].body
    assert standing(world, OWNER) == ("UNKNOWN", ["watchdog.partner-silent"])
    back = sweep(world, CONSUMER, OWNER)
    assert [mail.attribute("standing") for mail in back[OWNER]] == ["INTACT"]
