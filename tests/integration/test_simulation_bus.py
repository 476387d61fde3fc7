"""EventBridge, Lambda's pollers and stacks of the simulation behave as AWS's do, where moto's do not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from simulation.bus import Outcome, fires
from simulation.cloud import Cloud, simulated_aws
from simulation.functions import Function, mappings
from simulation.permission import Caller, PolicyError, decides
from simulation.poller import Poller
from simulation.stacks import Stack, TemplateError, deploy

TEMPLATE = Path(__file__).with_name("small_template.yaml")
HOME, ELSEWHERE = "eu-west-1", "us-east-1"
OWNER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
API_CALL = "AWS API Call via CloudTrail"
PUT_POLICY = {"eventName": "PutBucketPolicy"}


def admin(account: str) -> str:
    return f"arn:aws:iam::{account}:role/Admin"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with simulated_aws() as up:
        yield up


@pytest.fixture
def stack(cloud: Cloud) -> Stack:
    return small(cloud, OWNER, HOME, partners=CONSUMER)


def small(cloud: Cloud, account: str, region: str, *, partners: str = "", home: str = HOME) -> Stack:
    parameters = {"PartnerAccounts": partners, "HomeRegion": home}
    return deploy(cloud, TEMPLATE, name="small", role=admin(account), region=region, parameters=parameters)


def waiting(cloud: Cloud, stack: Stack, queue: str) -> list[dict[str, Any]]:
    """The bodies of the messages in a queue of the stack."""
    sqs = cloud.client("sqs", stack.region, admin(stack.account))
    messages = sqs.receive_message(QueueUrl=stack.physical[queue], MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def report_to(cloud: Cloud, stack: Stack, *, sender: str, role: str = "reporter", source: str = "small") -> Any:
    events = cloud.client("events", HOME, f"arn:aws:iam::{sender}:role/{role}")
    bus = f"arn:aws:events:{stack.region}:{stack.account}:event-bus/reports"
    entry = {"Source": source, "DetailType": "Report", "Detail": '{"a": 1}', "EventBusName": bus}
    return events.put_events(Entries=[entry])


# -- delivery ----------------------------------------------------------------------------------------------------------


def test_a_matching_event_reaches_the_queue_with_its_whole_envelope(cloud: Cloud, stack: Stack) -> None:
    event_id = cloud.bus.emit(OWNER, HOME, "aws.s3", API_CALL, PUT_POLICY)
    (body,) = waiting(cloud, stack, "Changes")
    assert set(body) == {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
    assert (body["id"], body["account"], body["region"], body["resources"]) == (event_id, OWNER, HOME, [])
    assert (body["source"], body["detail-type"], body["detail"]) == ("aws.s3", API_CALL, PUT_POLICY)


def test_an_event_that_no_rule_matches_goes_nowhere(cloud: Cloud, stack: Stack) -> None:
    cloud.bus.emit(OWNER, HOME, "aws.dynamodb", API_CALL, {"eventName": "DeleteTable"})
    assert waiting(cloud, stack, "Changes") == []
    assert cloud.bus.hops == []


def test_a_disabled_rule_takes_nothing(cloud: Cloud, stack: Stack) -> None:
    events = cloud.client("events", HOME, admin(OWNER))
    events.disable_rule(Name=stack.physical["ChangeRule"])
    cloud.bus.emit(OWNER, HOME, "aws.s3", API_CALL, PUT_POLICY)
    assert waiting(cloud, stack, "Changes") == []
    events.enable_rule(Name=stack.physical["ChangeRule"])
    cloud.bus.emit(OWNER, HOME, "aws.s3", API_CALL, PUT_POLICY)
    assert len(waiting(cloud, stack, "Changes")) == 1


def test_read_only_management_events_reach_only_rules_that_ask_for_them() -> None:
    event = {"source": "aws.kms", "detail": {"readOnly": True, "managementEvent": True}}
    assert not fires("ENABLED", {"source": ["aws.kms"]}, event)
    assert fires("ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", {"source": ["aws.kms"]}, event)


def test_a_schedule_never_takes_an_event() -> None:
    assert not fires("ENABLED", None, {"source": "aws.s3"})


# -- from bus to bus ---------------------------------------------------------------------------------------------------


def test_a_relayed_event_keeps_its_id_its_account_and_the_region_it_comes_from(cloud: Cloud, stack: Stack) -> None:
    small(cloud, OWNER, ELSEWHERE)
    event_id = cloud.bus.emit(OWNER, ELSEWHERE, "aws.s3", API_CALL, PUT_POLICY)
    (body,) = waiting(cloud, stack, "Changes")
    assert (body["id"], body["account"], body["region"]) == (event_id, OWNER, ELSEWHERE)


def test_an_event_is_relayed_once_and_no_further(cloud: Cloud) -> None:
    small(cloud, OWNER, HOME, home="eu-central-1")
    small(cloud, OWNER, ELSEWHERE, home=HOME)

    def relayed_by(region: str) -> list[str]:
        cloud.bus.hops.clear()
        cloud.bus.emit(OWNER, region, "aws.s3", API_CALL, PUT_POLICY)
        return [hop.rule.split(":")[3] for hop in cloud.bus.hops if hop.logical_id == "RelayRule"]

    assert relayed_by(HOME) == [HOME]
    assert relayed_by(ELSEWHERE) == [ELSEWHERE]


def test_a_relay_without_leave_of_its_role_loses_the_event(cloud: Cloud, stack: Stack) -> None:
    relay = small(cloud, OWNER, ELSEWHERE)
    iam = cloud.client("iam", ELSEWHERE, admin(OWNER))
    iam.delete_role_policy(RoleName=relay.physical["RelayRole"], PolicyName="relay")
    cloud.bus.emit(OWNER, ELSEWHERE, "aws.iam", API_CALL, {"eventName": "PutRolePolicy"})
    (hop,) = cloud.bus.hops
    assert (hop.logical_id, hop.outcome) == ("RelayRule", Outcome.LOST)
    assert "does not let" in hop.why


def test_a_relay_whose_role_does_not_trust_eventbridge_loses_the_event(cloud: Cloud, stack: Stack) -> None:
    relay = small(cloud, OWNER, ELSEWHERE)
    iam = cloud.client("iam", ELSEWHERE, admin(OWNER))
    ec2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [ec2]}
    iam.update_assume_role_policy(RoleName=relay.physical["RelayRole"], PolicyDocument=json.dumps(trust))
    cloud.bus.emit(OWNER, ELSEWHERE, "aws.iam", API_CALL, {"eventName": "PutRolePolicy"})
    assert [hop.outcome for hop in cloud.bus.hops] == [Outcome.LOST]


# -- PutEvents ---------------------------------------------------------------------------------------------------------


def test_an_event_for_another_account_lands_on_that_accounts_bus_under_the_senders_id(
    cloud: Cloud, stack: Stack
) -> None:
    mine = small(cloud, CONSUMER, HOME, partners=OWNER)
    assert report_to(cloud, stack, sender=CONSUMER)["FailedEntryCount"] == 0
    (body,) = waiting(cloud, stack, "Changes")
    assert body["account"] == CONSUMER
    assert waiting(cloud, mine, "Changes") == []


@pytest.mark.parametrize(
    "forged",
    [{"sender": STRANGER}, {"sender": CONSUMER, "role": "intruder"}, {"sender": CONSUMER, "source": "other"}],
    ids=["another account", "another role", "another source"],
)
def test_the_bus_policy_refuses(cloud: Cloud, stack: Stack, forged: dict[str, str]) -> None:
    answer = report_to(cloud, stack, **forged)
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "AccessDeniedException"
    assert waiting(cloud, stack, "Changes") == []
    assert len(cloud.bus.refused) == 1


def test_a_bus_without_a_policy_refuses_other_accounts(cloud: Cloud) -> None:
    closed = small(cloud, OWNER, HOME)
    assert report_to(cloud, closed, sender=CONSUMER)["FailedEntryCount"] == 1


def test_a_bus_that_does_not_exist_swallows_without_a_word(cloud: Cloud) -> None:
    events = cloud.client("events", HOME, admin(OWNER))
    bus = f"arn:aws:events:{HOME}:{CONSUMER}:event-bus/nowhere"
    answer = events.put_events(Entries=[{"Source": "x", "DetailType": "y", "Detail": "{}", "EventBusName": bus}])
    assert answer["FailedEntryCount"] == 0
    assert answer["Entries"][0]["EventId"]


def test_nobody_puts_events_in_the_name_of_an_aws_service(cloud: Cloud, stack: Stack) -> None:
    events = cloud.client("events", HOME, admin(OWNER))
    answer = events.put_events(Entries=[{"Source": "aws.s3", "DetailType": API_CALL, "Detail": json.dumps(PUT_POLICY)}])
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    assert waiting(cloud, stack, "Changes") == []


# -- queues that are gone or closed ------------------------------------------------------------------------------------


def test_what_a_missing_queue_cannot_take_becomes_a_dead_letter(cloud: Cloud, stack: Stack) -> None:
    cloud.client("sqs", HOME, admin(OWNER)).delete_queue(QueueUrl=stack.physical["Changes"])
    cloud.bus.emit(OWNER, HOME, "aws.s3", API_CALL, PUT_POLICY)
    assert Outcome.DEAD_LETTER in {hop.outcome for hop in cloud.bus.hops}
    assert [body["detail"] for body in waiting(cloud, stack, "Letters")] == [PUT_POLICY]


def test_a_queue_whose_policy_does_not_name_eventbridge_takes_nothing(cloud: Cloud, stack: Stack) -> None:
    cloud.bus.emit(OWNER, HOME, "aws.kms", API_CALL, {"eventName": "PutKeyPolicy"})
    assert [hop.outcome for hop in cloud.bus.hops] == [Outcome.DEAD_LETTER]
    assert waiting(cloud, stack, "Closed") == []


def test_without_a_dead_letter_queue_the_event_is_lost(cloud: Cloud, stack: Stack) -> None:
    sqs = cloud.client("sqs", HOME, admin(OWNER))
    sqs.delete_queue(QueueUrl=stack.physical["Changes"])
    sqs.delete_queue(QueueUrl=stack.physical["Letters"])
    cloud.bus.emit(OWNER, HOME, "aws.s3", API_CALL, PUT_POLICY)
    assert Outcome.LOST in {hop.outcome for hop in cloud.bus.hops}


# -- Lambda's side of a queue ------------------------------------------------------------------------------------------


def poller(cloud: Cloud, stack: Stack, run: Callable[[Function, Any], Any]) -> Poller:
    return Poller(cloud, mappings(cloud, stack, admin(OWNER)), run, {OWNER: admin(OWNER)})


def test_a_function_gets_the_environment_of_its_stack_and_the_batch_as_lambda_shapes_it(
    cloud: Cloud, stack: Stack
) -> None:
    seen: list[tuple[Function, Any]] = []
    for _ in range(14):
        cloud.bus.emit(OWNER, HOME, "aws.s3", API_CALL, PUT_POLICY)
    ran = poller(cloud, stack, lambda function, event: seen.append((function, event))).drain()
    assert [len(invocation.event["Records"]) for invocation in ran] == [12, 2]
    function, event = seen[0]
    assert function.environment["QUEUE"] == stack.physical["Changes"]
    assert function.environment["AWS_REGION"] == HOME
    record = event["Records"][0]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].startswith(f"arn:aws:sqs:{HOME}:{OWNER}:small-Changes")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert json.loads(record["body"])["detail"] == PUT_POLICY
    assert waiting(cloud, stack, "Changes") == []


def test_only_the_messages_reported_as_failed_come_again_after_the_visibility_timeout(
    cloud: Cloud, stack: Stack
) -> None:
    ids = [cloud.bus.emit(OWNER, HOME, "aws.s3", API_CALL, PUT_POLICY) for _ in range(2)]
    counts: list[list[str]] = []

    def run(_: Function, event: Any) -> Any:
        counts.append([record["attributes"]["ApproximateReceiveCount"] for record in event["Records"]])
        failed = [record for record in event["Records"] if ids[1] in record["body"] and len(counts) == 1]
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}

    polled = poller(cloud, stack, run)
    polled.drain()
    assert counts == [["1", "1"]]
    polled.settle(59)
    assert len(counts) == 1
    polled.settle(61)
    assert counts == [["1", "1"], ["2"]]


def test_a_message_that_fails_too_often_ends_in_the_dead_letter_queue(cloud: Cloud, stack: Stack) -> None:
    cloud.bus.emit(OWNER, HOME, "aws.s3", API_CALL, PUT_POLICY)
    tries: list[str] = []

    def run(_: Function, event: Any) -> Any:
        tries.extend(record["attributes"]["ApproximateReceiveCount"] for record in event["Records"])
        raise RuntimeError("no luck")

    polled = poller(cloud, stack, run)
    polled.settle(600)
    assert tries == ["1", "2", "3"]
    assert {invocation.error for invocation in polled.invocations} == {"RuntimeError: no luck"}
    assert len(waiting(cloud, stack, "Failures")) == 1


def test_a_delayed_message_comes_when_its_time_has_come(cloud: Cloud, stack: Stack) -> None:
    sqs = cloud.client("sqs", HOME, admin(OWNER))
    sqs.send_message(QueueUrl=stack.physical["Changes"], MessageBody="{}", DelaySeconds=300)
    polled = poller(cloud, stack, lambda _function, _event: None)
    began = cloud.clock.now()
    assert polled.settle(299) == ()
    assert len(polled.settle(301)) == 1
    assert 299 <= (cloud.clock.now() - began).total_seconds() < 303


def test_an_answer_that_lambda_cannot_read_fails_the_whole_batch(cloud: Cloud, stack: Stack) -> None:
    cloud.bus.emit(OWNER, HOME, "aws.s3", API_CALL, PUT_POLICY)
    (ran,) = poller(cloud, stack, lambda _f, _e: {"batchItemFailures": [{"itemIdentifier": ""}]}).drain()
    assert len(ran.failed) == 1


# -- stacks and policies -----------------------------------------------------------------------------------------------


def test_a_resource_type_that_would_be_skipped_is_an_error(cloud: Cloud, tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text("Resources: {Thing: {Type: AWS::Unheard::Of}}", encoding="utf-8")
    with pytest.raises(TemplateError, match="AWS::Unheard::Of"):
        deploy(cloud, path, name="x", role=admin(OWNER), region=HOME, parameters={})


def test_a_subscription_of_the_template_receives(cloud: Cloud, stack: Stack) -> None:
    cloud.client("sns", HOME, admin(OWNER)).publish(TopicArn=stack.physical["Topic"], Message="hello")
    assert [body["Message"] for body in waiting(cloud, stack, "Failures")] == ["hello"]


def test_a_role_that_trusts_somebody_else_cannot_be_assumed(cloud: Cloud, stack: Stack) -> None:
    sts = cloud.client("sts", HOME, f"arn:aws:iam::{OWNER}:role/somebody")
    arn = f"arn:aws:iam::{OWNER}:role/{stack.physical['RelayRole']}"
    with pytest.raises(ClientError) as refused:
        sts.assume_role(RoleArn=arn, RoleSessionName="test")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


def test_nothing_leaves_the_machine(cloud: Cloud) -> None:
    client = boto3.client("sqs", endpoint_url="https://elsewhere.example")
    with pytest.raises(RuntimeError, match="nothing may leave the machine"):
        client.list_queues()


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "Principal": "*", "NotAction": "x", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"CanonicalUser": "x"}, "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"a": "b"}}},
    ],
    ids=["NotAction", "CanonicalUser", "IpAddress"],
)
def test_a_policy_that_is_not_understood_is_refused(statement: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        decides({"Statement": statement}, action="a:B", resource="*", context={}, caller=Caller(OWNER, admin(OWNER)))
