"""An event that never arrives: the sweep finds the drift, and CloudTrail's event history names who made it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto.events.models import events_backends

from simulation.changes import (
    Deed,
    as_agreed,
    disable_key,
    enable_key,
    put_bucket_policy,
    put_identity_policy,
    without_decrypt,
    without_the_role_on_the_bucket,
)
from simulation.faults import denied
from simulation.world import World

OWNER, CONSUMER = "111111111111", "222222222222"


@contextmanager
def no_event_arrives(world: World) -> Iterator[None]:
    """Every rule loses its targets for a while: nothing is delivered, and the rules stay as they are."""
    kept: list[tuple[Any, Any]] = []
    for account in world.accounts:
        for region in ("eu-west-1", "us-east-1"):
            for rule in events_backends[account][region].event_buses["default"].rules.values():
                kept.append((rule, rule.targets))
                rule.targets = []
    yield
    for rule, targets in kept:
        rule.targets = targets


def unseen(world: World, deed: Deed) -> dict[str, str]:
    """Something is done that no event tells; an hour later the sweeps find it. What each account reads."""
    with no_event_arrives(world):
        deed(world)
        world.cloud.clock.advance(1800)
    for account in (OWNER, CONSUMER):
        world.invoke(account, "sweep", {})
    world.settle()
    return {account: "\n".join(mail.body for mail in mails) for account, mails in world.mails().items()}


@pytest.mark.parametrize(
    ("make", "mend", "names"),
    [
        (
            put_bucket_policy(without_the_role_on_the_bucket),
            put_bucket_policy(as_agreed),
            ("PutBucketPolicy", "PutBucketPolicy", "DataPlatformAdmin/dana@example.com"),
        ),
        (disable_key, enable_key, ("DisableKey", "EnableKey", "DataPlatformAdmin/dana@example.com")),
        (
            put_identity_policy(without_decrypt),
            put_identity_policy(as_agreed),
            ("PutRolePolicy", "PutRolePolicy", "BiTeamAdmin/bora@example.com"),
        ),
    ],
    ids=["bucket policy", "key", "identity policy"],
)
def test_who_made_a_change_that_no_event_told_is_named_in_both_accounts(
    world: World, make: Deed, mend: Deed, names: tuple[str, str, str]
) -> None:
    broke, mended, who = names
    for account, body in unseen(world, make).items():
        assert f"WHO AND WHEN\n  {broke} by arn:aws:sts::" in body, account
        assert who in body
        assert "No event told of it; CloudTrail's event history has it." in body
    for account, body in unseen(world, mend).items():
        assert f"WHO FIXED IT, AND WHEN\n  {mended} by arn:aws:sts::" in body, account
        assert who in body


def test_without_the_permission_the_mail_says_that_it_could_not_be_looked_up(world: World) -> None:
    world.runtime.faults.always["cloudtrail:LookupEvents"] = denied("the reader", "cloudtrail:LookupEvents")
    said = unseen(world, put_bucket_policy(without_the_role_on_the_bucket))[OWNER]
    world.runtime.faults.clear()
    assert "No matching change seen: the scheduled sweep found it" in said
    assert "CloudTrail's event history could not be read" in said.replace("\n  ", " ")
    unseen(world, put_bucket_policy(as_agreed))
