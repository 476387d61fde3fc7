"""Reads the parts of the watchdog's own stack that somebody may change by hand: functions with what feeds them, the
table, and when CloudFormation itself last changed the stack.

Of each part only a digest of those settings is kept that AWS never changes by itself, so that a difference is
somebody's doing. Functions are found by their names, which the template makes from the stack's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from threelocks.aws.answer import Answer, Call, calls_of, source
from threelocks.aws.look import Asker
from threelocks.observation import OwnStack, Source, WatchedPart

_lambda = calls_of("lambda", "ResourceNotFoundException")
_dynamodb = calls_of("dynamodb", "ResourceNotFoundException")

# One call for configuration and concurrency, and the one that Lambda answers most often in a second:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
FUNCTION = _lambda("GetFunction", "get_function")
MAPPINGS = _lambda("ListEventSourceMappings", "list_event_source_mappings")
TABLE = _dynamodb("DescribeTable", "describe_table")
TIME_TO_LIVE = _dynamodb("DescribeTimeToLive", "describe_time_to_live")
BACKUPS = _dynamodb("DescribeContinuousBackups", "describe_continuous_backups")
# A stack that does not exist is a ValidationError:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
STACK = calls_of("cloudformation", "ValidationError")("DescribeStacks", "describe_stacks")

CALLS: tuple[Call, ...] = (FUNCTION, MAPPINGS, TABLE, TIME_TO_LIVE, BACKUPS, STACK)
_WORKS = ("Active", "Pending", "Inactive")  # an idle function wakes up when it is invoked
_TAKES = ("Enabled", "Enabling", "Creating", "Updating")


def observe_stack(ask: Asker, stack: str) -> Source[OwnStack]:
    """When the stack was last made or updated, and whether that is still going on."""

    def read() -> OwnStack:
        described = ask(STACK, {"StackName": stack}).items("Stacks")[0]
        changed = described.moment("LastUpdatedTime") or described.moment("CreationTime")
        return OwnStack(changed.isoformat() if changed else "", described.text("StackStatus"))

    return source(read)


def observe_function(ask: Asker, name: str, queues: tuple[str, ...] | None, arn: str) -> WatchedPart:
    """A function, and whether it takes what waits in these queues (ARNs) and in whatever else feeds it; None: nothing
    feeds it."""
    off: list[str] = []

    def read() -> str:
        named = {"FunctionName": name}
        answer = ask(FUNCTION, named)
        function, limit = answer.part("Configuration"), answer.value("Concurrency.ReservedConcurrentExecutions")
        listed = () if queues is None else ask.pages(MAPPINGS, "EventSourceMappings", named)
        mappings = sorted(map(_mapping, listed))
        off[:] = _reasons(function, limit, {queue: state for queue, state, _ in mappings}, queues or ())
        return _digest({**_settings(function), "Concurrency": limit, "Queues": [(q, rest) for q, _, rest in mappings]})

    settings = source(read)
    return WatchedPart(f"the function {name}", arn, settings, tuple(off))


_SET = (
    *("Handler", "Runtime", "Role", "Timeout", "MemorySize", "KMSKeyArn", "Environment.Variables"),
    *("VpcConfig.SubnetIds", "VpcConfig.SecurityGroupIds"),
)


def _settings(function: Answer) -> dict[str, Any]:
    layers = function.items("Layers") if function.has("Layers") else ()
    return {
        "CodeSha256": function.text("CodeSha256"),
        "Layers": [layer.text("Arn") for layer in layers],
        **{name: function.value(name) or None for name in _SET},
    }


def _mapping(answer: Answer) -> tuple[str, str, str]:
    """(queue, state, what else is set of it as JSON)."""
    names = ("BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "ScalingConfig", "FilterCriteria")
    rest = json.dumps({name: answer.value(name) or None for name in names}, sort_keys=True, default=str)
    return answer.text("EventSourceArn"), answer.text("State"), rest


def _reasons(function: Answer, limit: object, states: Mapping[str, str], queues: tuple[str, ...]) -> Iterator[str]:
    """Why a function does nothing, or not all that it should."""
    state = function.maybe_text("State") or "Active"
    if state not in _WORKS:
        yield f"is in the state {state}"
    if limit == 0:
        yield "may not run at all: its reserved concurrency is 0"
    for queue, taken in states.items():
        if taken not in _TAKES:
            yield f"does not take what waits in {_name(queue)}: that is {taken.lower()}"
    for queue in queues:
        if queue not in states:
            yield f"does not take what waits in {_name(queue)}: nothing connects the two"


def _name(queue: str) -> str:
    return queue.rpartition(":")[2]


def observe_table(ask: Asker, name: str, arn: str) -> WatchedPart:
    """The table of contracts and states, as it keeps what it holds."""

    def read() -> str:
        named = {"TableName": name}
        table = ask(TABLE, named).part("Table")
        expiry = ask.of_listed(TIME_TO_LIVE, named).part("TimeToLiveDescription")
        backups = ask.of_listed(BACKUPS, named).part("ContinuousBackupsDescription")
        recovery = backups.value("PointInTimeRecoveryDescription.PointInTimeRecoveryStatus")
        return _digest(
            {
                "DeletionProtection": bool(table.value("DeletionProtectionEnabled")),
                "Billing": table.value("BillingModeSummary.BillingMode"),
                "Key": table.value("SSEDescription.KMSMasterKeyArn"),
                "Expires": expiry.value("AttributeName"),
                "IsExpiring": expiry.value("TimeToLiveStatus") in ("ENABLED", "ENABLING"),
                "Recovery": recovery == "ENABLED",
            }
        )

    return WatchedPart(f"the table {name}", arn, source(read))


def topic_digest(answer: Answer) -> str:
    """Who may publish to the topic or subscribe to it, and under which key its messages travel."""
    attributes = answer.part("Attributes")
    return _digest({name: attributes.maybe_text(name) for name in ("Policy", "KmsMasterKeyId")})


def _digest(settings: Mapping[str, Any]) -> str:
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
