"""The simulation is not green by accident: take away any part of the way, and the step fails and says so."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto.kms.models import kms_backends

from simulation.__main__ import play
from simulation.changes import CHANGES, Change
from simulation.page import Page
from simulation.roles import find
from simulation.scenario import run
from simulation.world import World

OWNER, CONSUMER = "111111111111", "222222222222"


@pytest.fixture(autouse=True)
def empty_mailboxes(world: World) -> Iterator[None]:
    """What one test leaves behind is not the next one's."""
    yield
    world.settle()
    world.mails()


def named(name: str) -> Change:
    return next(change for change in CHANGES if change.name == name)


def client(world: World, account: str, service: str, region: str = "eu-west-1") -> Any:
    return world.cloud.client(service, region, world.accounts[account].people.role)


# Each takes a part away and puts it back.
@contextmanager
def rule_disabled(world: World, account: str, rule: str) -> Iterator[None]:
    events, name = client(world, account, "events"), world.accounts[account].home.physical[rule]
    events.disable_rule(Name=name)
    yield
    events.enable_rule(Name=name)


@contextmanager
def relay_disabled(world: World) -> Iterator[None]:
    events = client(world, CONSUMER, "events", "us-east-1")
    name = world.accounts[CONSUMER].relay.physical["RoleChangedRule"]
    events.disable_rule(Name=name)
    yield
    events.enable_rule(Name=name)


@contextmanager
def rule_without_target(world: World, account: str, rule: str) -> Iterator[None]:
    events, name = client(world, account, "events"), world.accounts[account].home.physical[rule]
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    events.remove_targets(Rule=name, Ids=[target["Id"] for target in targets])
    yield
    events.put_targets(Rule=name, Targets=targets)


@contextmanager
def other_pattern(world: World, account: str, rule: str) -> Iterator[None]:
    """One letter wrong in the name of an event."""
    events, name = client(world, account, "events"), world.accounts[account].home.physical[rule]
    pattern = events.describe_rule(Name=name)["EventPattern"]
    wrong = json.loads(pattern)
    wrong["detail"]["eventName"] = [event.replace("Policy", "Polycy") for event in wrong["detail"]["eventName"]]
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    events.put_rule(Name=name, EventPattern=json.dumps(wrong), State="ENABLED")
    events.put_targets(Rule=name, Targets=targets)
    yield
    events.put_rule(Name=name, EventPattern=pattern, State="ENABLED")
    events.put_targets(Rule=name, Targets=targets)


@contextmanager
def queue_closed(world: World, account: str, queue: str) -> Iterator[None]:
    """The queue's policy names no rule any more."""
    sqs, url = client(world, account, "sqs"), world.accounts[account].home.physical[queue]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    closed = {**json.loads(policy), "Statement": json.loads(policy)["Statement"][1:]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(closed)})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


@contextmanager
def role_without(account: str, role: str, policy: str) -> Iterator[None]:
    """One of the role's inline policies is gone."""
    policies = find(f"arn:aws:iam::{account}:role/threelocks/{role}").policies
    document = policies.pop(policy)
    yield
    policies[policy] = document


UNSEEN = "PutBucketPolicy reached no function"

MISSING: dict[str, tuple[str, Callable[[World], Any], str]] = {
    "the rule is disabled": ("bucket-policy", lambda w: rule_disabled(w, OWNER, "BucketChangedRule"), UNSEEN),
    "the rule has no target": ("bucket-policy", lambda w: rule_without_target(w, OWNER, "BucketChangedRule"), UNSEEN),
    "the pattern has a typo": ("bucket-policy", lambda w: other_pattern(w, OWNER, "BucketChangedRule"), UNSEEN),
    "the queue lets no rule in": ("bucket-policy", lambda w: queue_closed(w, OWNER, "ChangeQueue"), UNSEEN),
    "the relay is disabled": ("identity-policy", relay_disabled, "PutRolePolicy reached no function"),
    "the partner's report rule is gone": (
        "key-policy",
        lambda w: queue_closed(w, CONSUMER, "ReportQueue"),
        f"{CONSUMER} got 0 mails of the break, not one",
    ),
    "the reporter may not put events": (
        "key-policy",
        lambda _: role_without(OWNER, "threelocks-reporter", "report-to-partners"),
        f"{CONSUMER} got 0 mails of the break, not one",
    ),
}


@pytest.mark.parametrize("what", MISSING)
def test_a_step_fails_when(world: World, what: str) -> None:
    name, taken_away, expected = MISSING[what]
    with taken_away(world):
        step = run(world, named(name))
    assert expected in step.problems(world.accounts)
    # What was missed meanwhile is healed by the next checks, so that the next test begins as this one did.
    for account in world.accounts:
        world.invoke(account, "recheck", {})
    world.settle()
    world.mails()
    assert run(world, named(name)).problems(world.accounts) == ()


def test_functions_call_nothing_that_their_roles_do_not_allow(world: World) -> None:
    """The reports aside, which go out under the reporter role and are judged at the bus."""
    for change in CHANGES:
        run(world, change)
    for account in world.accounts:
        world.invoke(account, "sweep", {})
        world.invoke(account, "recheck", {})
    world.settle()
    world.mails()
    assert len(world.runtime.calls) > 100
    assert {call for call in world.runtime.calls if call.refused} == set()


def test_a_function_is_refused_what_its_role_does_not_allow(world: World) -> None:
    with role_without(OWNER, "threelocks-reader", "read-lock-3-key-policies"):
        answer = world.invoke(OWNER, "recheck", {})
    assert answer["contracts"][0]["headline"] == "UNKNOWN"
    assert {call.refused for call in world.runtime.calls if call.refused} >= {"kms:DescribeKey", "kms:ListKeyPolicies"}
    world.cloud.clock.advance(60)  # what was seen a moment ago is not gone yet
    assert world.invoke(OWNER, "recheck", {})["contracts"][0]["headline"] == "INTACT"


def test_nobody_is_told_when_the_alert_topics_key_does_not_serve_its_publishers(world: World) -> None:
    key = kms_backends[OWNER]["eu-west-1"].keys[world.accounts[OWNER].home.physical["AlertKey"]]
    policy: Any = key.policy
    kept = [statement for statement in policy["Statement"] if statement["Sid"] != "UsedByThePublishers"]
    key.policy = json.dumps({**policy, "Statement": kept})
    step = run(world, named("key-disabled"))
    assert f"{OWNER} got 0 mails of the break, not one" in step.problems(world.accounts)
    key.policy = policy
    world.invoke(OWNER, "recheck", {})


def test_the_demo_ends_with_status_1_and_says_why(world: World) -> None:
    shown = io.StringIO()
    with rule_disabled(world, OWNER, "KeyChangedRule"):
        status = play(world, Page(shown, world.contract, quiet=True), [named("key-disabled")], began=0.0)
    assert status == 1
    assert "key-disabled: DisableKey reached no function" in shown.getvalue()
    assert "FAILED" in shown.getvalue()
