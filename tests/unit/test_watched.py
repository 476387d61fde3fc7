"""What is read of the watchdog itself: every call, its pages, its refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from simulation.fleet import CONSUMER, OWNER, REGION, Fleet
from threelocks.aws import own_parts, watched
from threelocks.aws.answer import Call
from threelocks.aws.read import AwsObserver
from threelocks.aws.watched import CALLS, Duties
from threelocks.observation import Absent, Found, OwnStack, Unreadable, WatchdogObservation, WatchedPart

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CONTRACT = Fleet(1, 1, 1, 1).all[0]
BUS = f"arn:aws:events:{REGION}:{CONSUMER}:event-bus/default"
QUEUE, TOPIC = f"arn:aws:sqs:{REGION}:{CONSUMER}:changes", f"arn:aws:sns:{REGION}:{CONSUMER}:alerts"
DEAD = f"arn:aws:sqs:us-east-1:{CONSUMER}:relay-RelayDeadLetters-1"


@dataclass
class Clients:
    """Answers by method; an exception in an answer's place is raised."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def client(self, service: str, region: str) -> Any:
        return Client(self, service, region)


@dataclass
class Client:
    clients: Clients
    service: str
    region: str

    def __getattr__(self, method: str) -> Any:
        def call(**parameters: Any) -> Any:
            self.clients.asked.append((method, self.region, parameters))
            answer = self.clients.answers.get(method, ANSWERS.get(method))
            if answer is None:
                raise error("AccessDenied", method)
            if callable(answer):
                answer = answer(parameters)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def error(code: str, method: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "said AWS"}}, method)


ANSWERS: dict[str, Any] = {
    "list_rule_names_by_target": {"RuleNames": ["role-changed"]},
    "describe_rule": lambda asked: {"Arn": f"arn:rule/{asked['Name']}", "State": "ENABLED", "EventPattern": "{}"},
    "list_targets_by_rule": {"Targets": [{"Arn": "other"}, {"Arn": BUS, "DeadLetterConfig": {"Arn": DEAD}}]},
    "get_queue_url": {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/222222222222/relay"},
    "get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "3"}},
    "get_topic_attributes": {"Attributes": {"SubscriptionsConfirmed": "2"}},
}


def observe(clients: Clients, account: str = CONSUMER) -> WatchdogObservation:
    observer = AwsObserver(clients, lambda: NOW, Duties(REGION, QUEUE, TOPIC))
    seen = observer.observe(CONTRACT, account).watchdog
    assert seen is not None
    return seen


def test_the_rules_for_refused_reads_are_asked_for_where_there_is_a_queue_for_them() -> None:
    clients = Clients()
    denied = f"arn:aws:sqs:{REGION}:{CONSUMER}:denied"
    observer = AwsObserver(clients, lambda: NOW, Duties(REGION, QUEUE, TOPIC, denied))
    seen = observer.observe(CONTRACT, CONSUMER).watchdog
    assert seen is not None
    assert seen.denials is not None
    assert isinstance(seen.denials.rules, Found)
    assert ("list_rule_names_by_target", REGION, {"TargetArn": denied}) in clients.asked
    assert observe(Clients()).denials is None


def test_home_and_relay_are_read_each_in_its_region() -> None:
    clients = Clients()
    home, relay = observe(clients).regions
    assert (home.region, home.target, home.dead_letters) == (REGION, QUEUE, None)
    assert (relay.region, relay.target, relay.dead_letters) == ("us-east-1", BUS, Found(3))
    assert isinstance(relay.rules, Found)
    assert [rule.dead_letters for rule in relay.rules.value] == [DEAD]
    regions = {region for method, region, _ in clients.asked if method in {"get_queue_url", "list_targets_by_rule"}}
    assert regions == {"us-east-1"}


def test_an_owner_at_home_has_no_relay_to_look_at() -> None:
    clients = Clients()
    assert [each.region for each in observe(clients, OWNER).regions] == [REGION]


def test_who_is_subscribed_is_counted() -> None:
    assert observe(Clients()).subscribed == Found(2)


def test_rules_come_from_every_page() -> None:
    def pages(asked: dict[str, Any]) -> dict[str, Any]:
        return {"RuleNames": ["two"]} if asked.get("NextToken") == "n" else {"RuleNames": ["one"], "NextToken": "n"}

    home, _ = observe(Clients({"list_rule_names_by_target": pages})).regions
    assert isinstance(home.rules, Found)
    assert [rule.arn for rule in home.rules.value] == ["arn:rule/one", "arn:rule/two"]


def test_pages_without_end_are_unread_and_no_hang() -> None:
    home, _ = observe(Clients({"list_rule_names_by_target": {"RuleNames": ["one"], "NextToken": "n"}})).regions
    assert isinstance(home.rules, Unreadable)


BROUGHT_BY = [call for call in CALLS if call not in own_parts.CALLS]


def unread(seen: WatchdogObservation) -> list[Unreadable]:
    sources = [source for region in seen.regions for source in (region.rules, region.dead_letters)]
    return [source for source in (*sources, seen.subscribed) if isinstance(source, Unreadable)]


@pytest.mark.parametrize("call", BROUGHT_BY, ids=lambda call: call.name)
def test_a_call_that_is_refused_is_unread_and_names_the_permission(call: Call) -> None:
    found = unread(observe(Clients({call.method: error("AccessDeniedException", call.operation)})))
    assert {source.permission for source in found} == {call.permission}


@pytest.mark.parametrize("call", BROUGHT_BY, ids=lambda call: call.name)
def test_a_throttled_call_may_be_tried_again(call: Call) -> None:
    found = unread(observe(Clients({call.method: error("ThrottlingException", call.operation)})))
    assert found
    assert all(source.transient for source in found)


@pytest.mark.parametrize("call", [watched.DESCRIBE_RULE, watched.TARGETS_OF], ids=lambda call: call.name)
def test_a_rule_deleted_while_it_is_read_is_unread_and_tried_again(call: Call) -> None:
    found = unread(observe(Clients({call.method: error("ResourceNotFoundException", call.operation)})))
    assert found
    assert all(source.transient for source in found)


@pytest.mark.parametrize("code", ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"])
def test_a_dead_letter_queue_that_is_gone_is_absent(code: str) -> None:
    _, relay = observe(Clients({"get_queue_url": error(code, "GetQueueUrl")})).regions
    assert relay.dead_letters == Absent()


def test_a_topic_that_is_gone_is_absent() -> None:
    assert observe(Clients({"get_topic_attributes": error("NotFound", "GetTopicAttributes")})).subscribed == Absent()


@pytest.mark.parametrize("number", ["", "many", None])
def test_a_number_that_is_none_is_unread(number: Any) -> None:
    answer = {"Attributes": {"SubscriptionsConfirmed": number}}
    assert isinstance(observe(Clients({"get_topic_attributes": answer})).subscribed, Unreadable)


def test_nothing_is_looked_at_without_a_stack_to_look_after() -> None:
    seen = AwsObserver(Clients(), lambda: NOW).observe(CONTRACT, CONSUMER)
    assert (seen.watchdog, seen.evidence) == (None, None)


# --- the stack's own parts ---

STACKED = Duties(REGION, QUEUE, TOPIC, stack="guard", table="guard-Table-1ABC")
FUNCTION = {
    "CodeSha256": "abc=",
    "Handler": "h",
    "Runtime": "python3.13",
    "Role": "arn:role",
    "Timeout": 60,
    "MemorySize": 512,
    "State": "Active",
    "Environment": {"Variables": {"A": "1"}},
}


def fed(asked: dict[str, Any]) -> dict[str, Any]:
    """Every queue feeds its function."""
    queues = {"guard-on-change": [QUEUE, f"{QUEUE}-checks"], "guard-on-report": [f"{QUEUE}-reports"]}
    named = queues.get(asked["FunctionName"], [])
    return {"EventSourceMappings": [{"EventSourceArn": arn, "State": "Enabled", "BatchSize": 1} for arn in named]}


PARTS: dict[str, Any] = {
    "get_function": {"Configuration": FUNCTION},
    "list_event_source_mappings": fed,
    "describe_table": {"Table": {"DeletionProtectionEnabled": True}},
    "describe_time_to_live": {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}},
    "describe_continuous_backups": {
        "ContinuousBackupsDescription": {
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"},
        }
    },
    "describe_stacks": {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "CreationTime": NOW}]},
}


def parts(**answers: Any) -> tuple[WatchdogObservation, dict[str, WatchedPart]]:
    clients = Clients({**PARTS, **answers})
    seen = AwsObserver(clients, lambda: NOW, STACKED).observe(CONTRACT, CONSUMER).watchdog
    assert seen is not None
    return seen, {part.name: part for part in seen.parts}


def digest(name: str, **answers: Any) -> str:
    settings = parts(**answers)[1][name].settings
    assert isinstance(settings, Found)
    return settings.value


def test_functions_table_and_topic_are_read_with_when_the_stack_was_changed() -> None:
    seen, read = parts()
    assert seen.stack == Found(OwnStack(NOW.isoformat(), "CREATE_COMPLETE"))
    functions = [f"the function guard-{name}" for name in ("on-change", "on-report", "recheck", "sweep")]
    assert list(read) == [*functions, "the table guard-Table-1ABC", "the alert topic"]
    assert all(isinstance(part.settings, Found) and not part.off for part in read.values())
    later = datetime(2026, 11, 24, tzinfo=UTC)
    stack = {"StackStatus": "UPDATE_COMPLETE", "CreationTime": NOW, "LastUpdatedTime": later}
    assert parts(describe_stacks={"Stacks": [stack]})[0].stack == Found(OwnStack(later.isoformat(), "UPDATE_COMPLETE"))


@pytest.mark.parametrize(
    ("part", "method", "changed"),
    [
        *(
            ("the function guard-sweep", "get_function", {"Configuration": {**FUNCTION, name: value}})
            for name, value in {
                "CodeSha256": "def=",
                "Role": "arn:other",
                "Timeout": 3,
                "MemorySize": 128,
                "Runtime": "python3.9",
                "Handler": "other",
                "Environment": {"Variables": {"A": "2"}},
                "Layers": [{"Arn": "arn:layer"}],
                "VpcConfig": {"SubnetIds": ["subnet-1"]},
                "KMSKeyArn": "arn:key",
            }.items()
        ),
        ("the function guard-sweep", "get_function",
         {"Configuration": FUNCTION, "Concurrency": {"ReservedConcurrentExecutions": 5}}),
        ("the function guard-on-change", "list_event_source_mappings",
         {"EventSourceMappings": [{"EventSourceArn": QUEUE, "State": "Enabled", "BatchSize": 1}]}),
        ("the table guard-Table-1ABC", "describe_table", {"Table": {"DeletionProtectionEnabled": False}}),
        ("the table guard-Table-1ABC", "describe_table",
         {"Table": {"DeletionProtectionEnabled": True, "SSEDescription": {"KMSMasterKeyArn": "arn:key"}}}),
        ("the table guard-Table-1ABC", "describe_time_to_live",
         {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLING", "AttributeName": "expires"}}),
        ("the table guard-Table-1ABC", "describe_continuous_backups", {"ContinuousBackupsDescription": {}}),
        ("the alert topic", "get_topic_attributes",
         {"Attributes": {"SubscriptionsConfirmed": "2", "Policy": "{}"}}),
        ("the alert topic", "get_topic_attributes",
         {"Attributes": {"SubscriptionsConfirmed": "2", "KmsMasterKeyId": "k"}}),
    ],
)  # fmt: skip
def test_each_setting_that_somebody_may_change_shows(part: str, method: str, changed: Any) -> None:
    assert digest(part) == digest(part)
    assert digest(part, **{method: changed}) != digest(part)


@pytest.mark.parametrize(
    "further", [{"LastModified": "now"}, {"State": "Inactive"}, {"RuntimeVersionConfig": {}}, {"Layers": []}]
)
def test_what_aws_changes_by_itself_does_not(further: dict[str, Any]) -> None:
    aged = {"Configuration": {**FUNCTION, **further}}
    assert digest("the function guard-sweep", get_function=aged) == digest("the function guard-sweep")


@pytest.mark.parametrize(
    ("part", "answers", "reason"),
    [
        ("sweep", {"get_function": {"Configuration": {**FUNCTION, "State": "Failed"}}}, "is in the state Failed"),
        ("sweep", {"get_function": {"Configuration": FUNCTION, "Concurrency": {"ReservedConcurrentExecutions": 0}}},
         "may not run at all: its reserved concurrency is 0"),
        ("on-change", {"list_event_source_mappings": {"EventSourceMappings": []}},
         "does not take what waits in changes: nothing connects the two"),
        ("on-change", {"list_event_source_mappings":
                       {"EventSourceMappings": [{"EventSourceArn": QUEUE, "State": "Disabled"}]}},
         "does not take what waits in changes: that is disabled"),
    ],
)  # fmt: skip
def test_a_function_that_cannot_do_its_work_says_why(part: str, answers: dict[str, Any], reason: str) -> None:
    assert parts(**answers)[1][f"the function guard-{part}"].off == (reason,)


def test_functions_that_are_gone_are_absent_and_a_stack_of_another_name_too() -> None:
    gone = error("ResourceNotFoundException", "GetFunction")
    assert parts(get_function=gone)[1]["the function guard-sweep"].settings == Absent()
    assert parts(describe_stacks=error("ValidationError", "DescribeStacks"))[0].stack == Absent()


def test_mappings_come_from_every_page() -> None:
    def pages(asked: dict[str, Any]) -> dict[str, Any]:
        second = asked.get("Marker") == "n"
        arn = QUEUE if second else f"{QUEUE}-checks"
        more = {} if second else {"NextMarker": "n"}
        return {"EventSourceMappings": [{"EventSourceArn": arn, "State": "Enabled"}], **more}

    assert parts(list_event_source_mappings=pages)[1]["the function guard-on-change"].off == ()


def test_who_waits_to_be_confirmed_is_counted() -> None:
    answer = {"Attributes": {"SubscriptionsConfirmed": "1", "SubscriptionsPending": "2"}}
    assert parts(get_topic_attributes=answer)[0].pending == 2


@pytest.mark.parametrize("call", own_parts.CALLS, ids=lambda call: call.name)
def test_a_part_that_may_not_be_read_is_unread_and_names_the_permission(call: Call) -> None:
    seen, read = parts(**{call.method: error("AccessDeniedException", call.operation)})
    sources = [seen.stack, *(part.settings for part in read.values())]
    assert {one.permission for one in sources if isinstance(one, Unreadable)} == {call.permission}
