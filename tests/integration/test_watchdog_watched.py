"""The watchdog looked after in simulated accounts: a rule, a relay, a dead letter or the last subscriber goes, and the
sweep tells both accounts; it comes back, and they are told again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from moto.cloudformation.models import cloudformation_backends
from moto.events.models import events_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from simulation.world import CONTRACT, World

OWNER, CONSUMER = "111111111111", "222222222222"
HOME, RELAYED = "eu-west-1", "us-east-1"


@pytest.fixture(autouse=True)
def quiet(world: World) -> Iterator[None]:
    """A mail of another test waits for nobody."""
    world.settle()
    world.mails()
    yield
    world.settle()
    world.mails()


def sweep(world: World) -> dict[str, list[str]]:
    """Both accounts sweep; the codes that each account's mails name."""
    world.cloud.clock.advance(3600)
    for account in (OWNER, CONSUMER):
        world.invoke(account, "sweep", {})
    world.settle()
    return {account: [mail.subject for mail in mails] for account, mails in world.mails().items()}


def standing(world: World, account: str) -> tuple[str, list[str]]:
    (share,) = world.invoke(account, "recheck", {})["contracts"]
    world.settle()
    return share["headline"], sorted({finding["code"] for finding in share["findings"]})


@dataclass(frozen=True)
class Harm:
    """Something done to an account's watchdog, and undone."""

    account: str
    code: str
    do: Callable[[World], Any]
    undo: Callable[[World, Any], None]


def rule_of(account: str, region: str, name: str) -> Any:
    rules = events_backends[account][region].event_buses["default"].rules
    return next(rule for rule in rules.values() if name in rule.name)


def names_of(account: str, region: str) -> list[str]:
    return [rule.name for rule in events_backends[account][region].event_buses["default"].rules.values()]


def turn(account: str, region: str, name: str, state: str) -> None:
    rule_of(account, region, name).state = state


def drop_targets(account: str, region: str, name: str) -> Any:
    rule = rule_of(account, region, name)
    had, rule.targets = rule.targets, []
    return rule, had


def put_back(_: World, done: Any) -> None:
    rule, had = done
    rule.targets = had


def dead_letters(account: str) -> Any:
    queues = sqs_backends[account][RELAYED].queues
    return next(queue for name, queue in queues.items() if "RelayDeadLetters" in name)


def unsubscribe(account: str) -> Any:
    backend = sns_backends[account][HOME]
    had = {arn: each for arn, each in backend.subscriptions.items() if "Alert" in each.topic.name}
    for arn in had:
        del backend.subscriptions[arn]
    return had


HARMS = {
    "home rule disabled": Harm(
        OWNER,
        "watchdog.rule-off",
        lambda _: turn(OWNER, HOME, "BucketChangedRule", "DISABLED"),
        lambda _, __: turn(OWNER, HOME, "BucketChangedRule", "ENABLED"),
    ),
    "home rule without target": Harm(
        OWNER, "watchdog.rule-off", lambda _: drop_targets(OWNER, HOME, "KeyChangedRule"), put_back
    ),
    "relay rule disabled": Harm(
        CONSUMER,
        "watchdog.relay-failing",
        lambda _: turn(CONSUMER, RELAYED, "RoleChangedRule", "DISABLED"),
        lambda _, __: turn(CONSUMER, RELAYED, "RoleChangedRule", "ENABLED"),
    ),
    "dead letters of the relay": Harm(
        CONSUMER,
        "watchdog.relay-failing",
        lambda _: sqs_backends[CONSUMER][RELAYED].send_message(dead_letters(CONSUMER).name, "{}"),
        lambda _, __: sqs_backends[CONSUMER][RELAYED].purge_queue(dead_letters(CONSUMER).name),
    ),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
@pytest.mark.finding("watchdog.rule-off", "watchdog.relay-failing")
def test_a_sweep_tells_both_accounts_of_harm_to_one_watchdog_and_of_its_end(world: World, harm: Harm) -> None:
    done = harm.do(world)
    told = sweep(world)
    assert all(len(subjects) == 1 and subjects[0].startswith("AT RISK") for subjects in told.values()), told
    for account in (OWNER, CONSUMER):
        assert standing(world, account) == ("AT_RISK", [harm.code])
    harm.undo(world, done)
    told = sweep(world)
    assert all(len(subjects) == 1 for subjects in told.values()), told
    for account in (OWNER, CONSUMER):
        assert standing(world, account) == ("INTACT", [])


@pytest.mark.finding("watchdog.region-unwatched")
def test_without_a_relay_the_consumers_region_is_unwatched(world: World) -> None:
    done = [drop_targets(CONSUMER, RELAYED, name) for name in names_of(CONSUMER, RELAYED)]
    sweep(world)
    assert standing(world, OWNER) == ("AT_RISK", ["watchdog.region-unwatched"])
    for each in done:
        put_back(world, each)
    sweep(world)
    assert standing(world, OWNER) == ("INTACT", [])


@pytest.mark.finding("watchdog.nobody-subscribed")
def test_when_nobody_is_subscribed_the_partner_is_told(world: World) -> None:
    had = unsubscribe(CONSUMER)
    told = sweep(world)
    assert told[CONSUMER] == []
    assert [subject.partition(":")[0] for subject in told[OWNER]] == ["AT RISK"]
    assert standing(world, OWNER) == ("AT_RISK", ["watchdog.nobody-subscribed"])
    sns_backends[CONSUMER][HOME].subscriptions.update(had)
    sweep(world)
    assert standing(world, OWNER) == ("INTACT", [])


def test_a_change_in_between_keeps_what_the_sweep_found(world: World) -> None:
    turn(OWNER, HOME, "KeyChangedRule", "DISABLED")
    sweep(world)
    world.administrator(OWNER, "s3").put_bucket_tagging(
        Bucket=world.contract.bucket.name, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}
    )
    world.settle()
    assert not any(world.mails().values())
    turn(OWNER, HOME, "KeyChangedRule", "ENABLED")
    sweep(world)
    assert standing(world, OWNER) == ("INTACT", [])


def test_a_rule_that_somebody_disables_is_told_at_once_with_who_did_it_and_its_end_too(world: World) -> None:
    rule = world.accounts[OWNER].home.physical["KeyChangedRule"]
    people = world.administrator(OWNER, "events")
    world.cloud.clock.advance(3600)
    people.disable_rule(Name=rule)
    world.settle()
    told = world.mails()
    assert [[mail.subject.partition(":")[0] for mail in mails] for mails in told.values()] == [["AT RISK"], ["AT RISK"]]
    assert "[watchdog.rule-off]" in told[OWNER][0].body
    assert f"DisableRule by arn:aws:sts::{OWNER}:assumed-role/" in " ".join(told[OWNER][0].body.split())
    world.cloud.clock.advance(3600)
    people.enable_rule(Name=rule)
    world.settle()
    assert standing(world, OWNER) == ("INTACT", [])


def test_rules_and_topics_of_others_start_no_check(world: World) -> None:
    world.cloud.clock.advance(3600)
    already = len(world.runtime.calls)
    world.administrator(OWNER, "events").put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    world.administrator(OWNER, "sns").create_topic(Name="orders")
    world.settle()
    assert "GetBucketPolicy" not in [call.operation for call in world.runtime.calls[already:]]


# --- the stack's own parts, by calls of people --------------------------------------------------------------------


def mapping_of(world: World, ending: str, queue: str) -> str:
    """The id of what connects a queue with one of the owner's functions."""
    found = world.administrator(OWNER, "lambda").list_event_source_mappings(FunctionName=f"threelocks-{ending}")
    return next(one["UUID"] for one in found["EventSourceMappings"] if queue in one["EventSourceArn"])


def people(service: str, call: str, **parameters: Any) -> Callable[[World], Any]:
    """A call of the owner's administrator; a parameter may be worked out from the world."""

    def make(world: World) -> Any:
        given = {name: value(world) if callable(value) else value for name, value in parameters.items()}
        return getattr(world.administrator(OWNER, service), call)(**given)

    return make


def of_owner(call: Callable[[World], Any]) -> Callable[[World, Any], None]:
    return lambda world, _: call(world)


CONFIGURED = ("lambda", "update_function_configuration")
TABLE = {"TableName": lambda world: world.accounts[OWNER].home.outputs["TableName"]}
OWN_HARMS = {
    "a function is throttled to nothing": Harm(
        OWNER,
        "watchdog.part-off",
        people("lambda", "put_function_concurrency", FunctionName="threelocks-recheck", ReservedConcurrentExecutions=0),
        of_owner(people("lambda", "delete_function_concurrency", FunctionName="threelocks-recheck")),
    ),
    "a queue is cut off": Harm(
        OWNER,
        "watchdog.part-off",
        people("lambda", "update_event_source_mapping",
               UUID=lambda world: mapping_of(world, "on-report", "ReportQueue"), Enabled=False),
        of_owner(people("lambda", "update_event_source_mapping",
                        UUID=lambda world: mapping_of(world, "on-report", "ReportQueue"), Enabled=True)),
    ),
    "a function gets less time": Harm(
        OWNER,
        "watchdog.settings-changed",
        people(*CONFIGURED, FunctionName="threelocks-sweep", Timeout=3),
        of_owner(people(*CONFIGURED, FunctionName="threelocks-sweep", Timeout=300)),
    ),
    "the table may be deleted": Harm(
        OWNER,
        "watchdog.settings-changed",
        people("dynamodb", "update_table", DeletionProtectionEnabled=False, **TABLE),
        of_owner(people("dynamodb", "update_table", DeletionProtectionEnabled=True, **TABLE)),
    ),
    "the table's backups are changed": Harm(  # moto passes over what the template says of them
        OWNER,
        "watchdog.settings-changed",
        people("dynamodb", "update_continuous_backups", **TABLE,
               PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}),
        of_owner(people("dynamodb", "update_continuous_backups", **TABLE,
                        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False})),
    ),
}  # fmt: skip


@pytest.mark.parametrize("harm", OWN_HARMS.values(), ids=OWN_HARMS)
@pytest.mark.finding("watchdog.part-off", "watchdog.settings-changed")
def test_harm_to_a_part_of_the_stack_is_told_at_once_with_who_did_it_and_its_end_too(world: World, harm: Harm) -> None:
    world.pass_time(3600)
    done = harm.do(world)
    world.settle()
    told = world.mails()
    assert [mail.subject.partition(":")[0] for mail in told[OWNER]] == ["AT RISK"]
    body = " ".join(told[OWNER][0].body.split())
    assert f"[{harm.code}]" in body
    assert f"by arn:aws:sts::{OWNER}:assumed-role/DataPlatformAdmin/dana@example.com" in body
    assert [mail.subject.partition(":")[0] for mail in told[CONSUMER]] == ["AT RISK"]
    for account in (OWNER, CONSUMER):
        assert standing(world, account) == ("AT_RISK", [harm.code])
    world.pass_time(3600)
    harm.undo(world, done)
    world.pass_time(3600)
    for account in (OWNER, CONSUMER):
        assert standing(world, account) == ("INTACT", [])


def test_an_update_of_the_stack_is_no_finding(world: World) -> None:
    people("lambda", "update_function_configuration", FunctionName="threelocks-sweep", Description="x", Timeout=200)(
        world
    )
    stack = cloudformation_backends[OWNER][HOME].get_stack("threelocks")
    before = stack.creation_time
    stack.creation_time = before + timedelta(days=1)  # moto says nothing of when a stack was updated
    world.pass_time(3600)
    assert standing(world, OWNER) == ("INTACT", [])
    people(*CONFIGURED, FunctionName="threelocks-sweep", Timeout=300)(world)
    stack.creation_time = before
    world.pass_time(3600)
    assert standing(world, OWNER) == ("INTACT", [])


@pytest.mark.finding("watchdog.subscriber-lost")
def test_one_subscriber_of_two_who_leaves_is_told_until_that_is_accepted(world: World) -> None:
    topic = world.accounts[OWNER].home.outputs["AlertTopicArn"]
    sns = world.administrator(OWNER, "sns")
    further = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="oncall@example.com")["SubscriptionArn"]
    world.pass_time(3600)
    assert standing(world, OWNER) == ("INTACT", [])
    sns.unsubscribe(SubscriptionArn=further)
    world.settle()
    (mail,) = world.mails()[OWNER]
    assert "[watchdog.subscriber-lost]" in mail.body
    assert "Unsubscribe by" in mail.body
    assert standing(world, OWNER) == ("AT_RISK", ["watchdog.subscriber-lost"])
    world.apply_contract(OWNER)  # unchanged, which agrees on nothing
    world.pass_time(3600)
    assert standing(world, OWNER) == ("AT_RISK", ["watchdog.subscriber-lost"])
    world.apply_contract(OWNER, CONTRACT, "--accept")
    world.pass_time(3600)
    assert standing(world, OWNER) == ("INTACT", [])
