"""Deployed with a chat: a break and its repair come as mail, card and event, in both accounts, by the templates' own
roles, topics and keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto.sns.models import sns_backends

from simulation.changes import as_agreed, put_bucket_policy, without_the_role_on_the_bucket
from simulation.scenario import after, begin
from simulation.world import Templates, World, simulated_world
from tests.unit.test_ways import fits_the_schema

OWNER, CONSUMER, HOME = "111111111111", "222222222222", "eu-west-1"


@pytest.fixture(scope="module")
def chatty() -> Iterator[World]:
    with simulated_world(templates=Templates(parameters={"ChatAlerts": "true"})) as world:
        for account in world.accounts:
            listen(world, account)
        assert begin(world).problems() == ()
        for account in world.accounts:
            cards(world, account)
            events(world, account)
        yield world


def client(world: World, account: str, service: str) -> Any:
    return world.cloud.client(service, HOME, world.accounts[account].people.role)


def listen(world: World, account: str) -> None:
    """A rule of somebody else's in the account, as docs/events.md advises: it pins the account."""
    sqs, rules = client(world, account, "sqs"), client(world, account, "events")
    url = sqs.create_queue(QueueName="automation")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"account": [account], "source": ["threelocks"], "detail-type": ["Share standing"]}
    rule = rules.put_rule(Name="automation", EventPattern=json.dumps(pattern))["RuleArn"]
    rules.put_targets(Rule="automation", Targets=[{"Id": "queue", "Arn": arn}])
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def events(world: World, account: str) -> list[dict[str, Any]]:
    sqs = client(world, account, "sqs")
    url = sqs.get_queue_url(QueueName="automation")["QueueUrl"]
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            found.append(json.loads(message["Body"])["detail"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def cards(world: World, account: str) -> list[dict[str, Any]]:
    topic = sns_backends[account][HOME].topics[world.accounts[account].home.outputs["ChatTopicArn"]]
    sent = [json.loads(body) for _, body, *_ in topic.sent_notifications]
    topic.sent_notifications.clear()
    return sent


def test_a_break_and_its_repair_are_a_thread_in_the_chat_and_events_on_the_bus(chatty: World) -> None:
    threads: dict[str, set[str]] = {account: set() for account in chatty.accounts}
    for deed, kind in (
        (put_bucket_policy(without_the_role_on_the_bucket), "break"),
        (put_bucket_policy(as_agreed), "recovery"),
    ):
        chatty.pass_time(1500)
        seen = after(chatty, deed)
        assert seen.errors == ()
        for account in chatty.accounts:
            (mail,) = seen.mails[account]
            (card,) = cards(chatty, account)
            (event,) = events(chatty, account)
            assert mail.attribute("kind") == event["kind"] == kind
            assert card["metadata"]["eventType"] == f"threelocks.{kind}"
            assert mail.body.rstrip().endswith(f"Message {card['id']}")
            assert card["id"] == event["message"]
            assert event["cause"]["event"] == "PutBucketPolicy"
            assert event["account"] == account
            fits_the_schema(json.dumps(card))
            threads[account].add(card["metadata"]["threadId"])
    assert threads[OWNER] == threads[CONSUMER]
    assert len(threads[OWNER]) == 1


@pytest.mark.parametrize("minute", [6, 30, 48])
def test_without_the_topic_mails_and_events_go_out_all_the_same(chatty: World, minute: int) -> None:
    """Somebody deletes the chat topic: the next news is mailed and announced, and what failed shows as failed, wherever
    the hourly sweep, which tries the chat again, stands between break and repair."""
    now = chatty.cloud.clock.now()
    chatty.pass_time(3600 + 60 * ((minute - now.minute) % 60))
    arn = chatty.accounts[OWNER].home.outputs["ChatTopicArn"]
    topic = sns_backends[OWNER][HOME].topics.pop(arn)
    seen = after(chatty, put_bucket_policy(without_the_role_on_the_bucket))
    assert seen.errors
    assert {mail.attribute("kind") for mail in seen.mails[OWNER]} == {"break"}
    assert len({mail.body.rpartition("Message ")[2] for mail in seen.mails[OWNER]}) == 1
    assert [each["kind"] for each in events(chatty, OWNER)] == ["break"]
    chatty.pass_time(1500)
    seen = after(chatty, put_bucket_policy(as_agreed))
    sns_backends[OWNER][HOME].topics[arn] = topic
    assert {mail.attribute("kind") for mail in seen.mails[OWNER]} == {"recovery"}
    after(chatty, lambda _: None)  # what the chat still waits for, and the bus told of all: not the next test's
    events(chatty, OWNER)
