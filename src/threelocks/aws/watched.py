"""Reads what the watchdog itself lives on: the rules that bring it events, here and in every region that records them,
the relays' dead letters, and who is subscribed to its alerts.

Rules are found by where they send, never by name: a rule that was deleted, lost its target or was replaced does not
show up, and a stack may be called anything. All of it is read in the account's own name only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from threelocks.aws import own_parts
from threelocks.aws.answer import Answer, Call, UnreadError, calls_of, source
from threelocks.aws.look import Asker, Look
from threelocks.contract import Contract
from threelocks.locks.watchdog import duties
from threelocks.observation import (
    EventRule,
    Found,
    Source,
    WatchdogObservation,
    WatchedDenials,
    WatchedPart,
    WatchedRegion,
)
from threelocks.policy.arn import Arn

_events = calls_of("events", "ResourceNotFoundException")
_sqs = calls_of("sqs", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")

RULES_TO = _events("ListRuleNamesByTarget", "list_rule_names_by_target")
DESCRIBE_RULE = _events("DescribeRule", "describe_rule")
TARGETS_OF = _events("ListTargetsByRule", "list_targets_by_rule")
QUEUE_URL = _sqs("GetQueueUrl", "get_queue_url")
QUEUE_ATTRIBUTES = _sqs("GetQueueAttributes", "get_queue_attributes")
TOPIC_ATTRIBUTES = calls_of("sns", "NotFound")("GetTopicAttributes", "get_topic_attributes")

CALLS: tuple[Call, ...] = (
    *(RULES_TO, DESCRIBE_RULE, TARGETS_OF, QUEUE_URL, QUEUE_ATTRIBUTES, TOPIC_ATTRIBUTES),
    *own_parts.CALLS,
)
PERMISSIONS: frozenset[tuple[str, str]] = frozenset((call.name, call.permission) for call in CALLS)
_WAITING = "ApproximateNumberOfMessages"


@dataclass(frozen=True, slots=True)
class Duties:
    """Where the home stack is, and what its parts are called."""

    home_region: str
    change_queue: str  # ARN
    alert_topic: str  # ARN
    denied_queue: str = ""  # ARN; empty when refused reads are not diagnosed
    stack: str = ""  # its name; empty: its parts are not looked at
    table: str = ""  # its name


def observe(look: Look, contract: Contract, account: str, stack: Duties) -> WatchdogObservation:
    """What brings this account the events of the locks that it holds in this contract."""
    partition = Arn.parse(stack.alert_topic).partition
    home_bus = f"arn:{partition}:events:{stack.home_region}:{account}:event-bus/default"
    return WatchdogObservation(
        home_region=stack.home_region,
        regions=tuple(
            _home(look, region, sources, stack.change_queue)
            if region == stack.home_region
            else _relay(look, region, sources, home_bus)
            for region, sources in duties(contract, account, stack.home_region)
        ),
        alert_topic=stack.alert_topic,
        subscribed=source(lambda: _count(look, stack, "SubscriptionsConfirmed")),
        denials=_denials(look, stack) if stack.denied_queue else None,
        pending=_pending(look, stack),
        stack=own_parts.observe_stack(Asker(look, stack.home_region), stack.stack) if stack.stack else None,
        parts=tuple(_parts(look, account, stack, partition)) if stack.stack else (),
    )


def _parts(look: Look, account: str, stack: Duties, partition: str) -> Iterator[WatchedPart]:
    """The stack's functions, its table, and the topic of its alerts."""
    ask, here = Asker(look, stack.home_region), f"{stack.home_region}:{account}"
    fed: dict[str, tuple[str, ...] | None] = {
        "on-change": (stack.change_queue,),
        "on-report": (),
        "recheck": None,
        "sweep": None,
    }
    if stack.denied_queue:
        fed["on-denied"] = (stack.denied_queue,)
    for ending, queues in fed.items():
        name = f"{stack.stack}-{ending}"
        yield own_parts.observe_function(ask, name, queues, f"arn:{partition}:lambda:{here}:function:{name}")
    yield own_parts.observe_table(ask, stack.table, f"arn:{partition}:dynamodb:{here}:table/{stack.table}")
    topic = source(lambda: own_parts.topic_digest(_topic(look, stack)))
    if isinstance(topic, Found):  # else it is told as unread or gone already
        yield WatchedPart("the alert topic", stack.alert_topic, topic)


def _denials(look: Look, stack: Duties) -> WatchedDenials:
    ask = Asker(look, stack.home_region)
    return WatchedDenials(stack.denied_queue, source(lambda: tuple(_rules(ask, stack.denied_queue))))


def _home(look: Look, region: str, sources: tuple[str, ...], queue: str) -> WatchedRegion:
    ask = Asker(look, region)
    return WatchedRegion(region, sources, queue, source(lambda: tuple(_rules(ask, queue))))


def _relay(look: Look, region: str, sources: tuple[str, ...], home_bus: str) -> WatchedRegion:
    ask = Asker(look, region)
    rules = source(lambda: tuple(_rules(ask, home_bus, relay=True)))
    return WatchedRegion(region, sources, home_bus, rules, _dead_letters(ask, rules))


def _rules(ask: Asker, target: str, *, relay: bool = False) -> Iterator[EventRule]:
    """The rules of the default bus that send to this target."""
    names = [item.itself() for item in ask.pages(RULES_TO, "RuleNames", {"TargetArn": target}, asks_by="NextToken")]
    for name in sorted(names):
        rule = ask.of_listed(DESCRIBE_RULE, {"Name": name})
        yield EventRule(
            arn=rule.text("Arn"),
            state=rule.text("State"),
            pattern=rule.maybe_text("EventPattern"),
            dead_letters=_queue_of(ask, name, target) if relay else "",
        )


def _queue_of(ask: Asker, rule: str, target: str) -> str:
    """The ARN of the queue for what a rule cannot deliver to its target; empty when there is none."""
    # Five targets a rule at most, so one page: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
    targets = ask.of_listed(TARGETS_OF, {"Rule": rule}).items("Targets")
    return next((each.maybe_text("DeadLetterConfig.Arn") for each in targets if each.text("Arn") == target), "")


def _dead_letters(ask: Asker, rules: Source[tuple[EventRule, ...]]) -> Source[int]:
    """How many messages wait in all of the rules' dead letter queues together."""
    if not isinstance(rules, Found):
        return rules
    queues = sorted({rule.dead_letters for rule in rules.value if rule.dead_letters})
    return source(lambda: sum(_waiting(ask, Arn.parse(queue).resource) for queue in queues))


def _waiting(ask: Asker, name: str) -> int:
    # A queue that a target names may be gone for good, unlike a rule that was listed just now.
    url = ask(QUEUE_URL, {"QueueName": name}).text("QueueUrl")
    # A tuple, since questions are kept by their parameters.
    answer = ask(QUEUE_ATTRIBUTES, {"QueueUrl": url, "AttributeNames": (_WAITING,)})
    return _number(answer, f"Attributes.{_WAITING}")


def _topic(look: Look, stack: Duties) -> Answer:
    return Asker(look, stack.home_region)(TOPIC_ATTRIBUTES, {"TopicArn": stack.alert_topic})


def _count(look: Look, stack: Duties, which: str) -> int:
    """Subscriptions. An address that never opened its link, or that unsubscribed, is not a confirmed one."""
    return _number(_topic(look, stack), f"Attributes.{which}")


def _pending(look: Look, stack: Duties) -> int:
    waiting = source(lambda: _count(look, stack, "SubscriptionsPending"))
    return waiting.value if isinstance(waiting, Found) else 0


def _number(answer: Answer, path: str) -> int:
    text = answer.text(path)
    if not text.isdigit():
        error: UnreadError = answer.unexpected(path, "is not a number")
        raise error
    return int(text)
