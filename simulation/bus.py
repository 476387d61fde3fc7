"""EventBridge as AWS runs it, in place of moto's: across accounts and regions, under the policies that are deployed.

Rules, targets and bus policies are moto's own, as CloudFormation or the API made them. Delivery is ours: moto puts
another account's event on the sender's own bus, loses the envelope from bus to bus, and fires disabled rules.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-what-is.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from moto.events.models import events_backends
from moto.events.responses import EventsHandler
from moto.sqs.models import sqs_backends

from simulation.clock import Clock
from simulation.pattern import LONGEST_PATTERN, PatternError, matches
from simulation.permission import Caller, decides
from simulation.roles import find, identity_allows, trusts

EVENTS = "events.amazonaws.com"
PUT_EVENTS = "events:PutEvents"
SEND_MESSAGE = "sqs:SendMessage"
ENTRIES_AT_MOST = 10  # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
MANAGEMENT_READS_TOO = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


class Outcome(StrEnum):
    DELIVERED = "delivered"
    DEAD_LETTER = "dead letter"  # kept in the target's dead letter queue
    LOST = "lost"  # no dead letter queue, or it does not let EventBridge in


@dataclass(frozen=True, slots=True)
class Hop:
    """One event, matched by one rule, handed to one target."""

    event_id: str
    rule: str  # ARN
    logical_id: str  # the rule's name in its template
    target: str  # ARN
    outcome: Outcome
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """account, region and name, taken from an ARN such as arn:aws:events:eu-west-1:111111111111:event-bus/default."""

    account: str
    region: str
    name: str

    @classmethod
    def of(cls, arn: str) -> _Place:
        _, _, _, region, account, resource = arn.split(":", 5)
        return cls(account, region, resource.rpartition("/")[2])


class DeliveryError(Exception):
    """The target could not be reached, or does not let EventBridge in."""


class EventBridge:
    """Every bus of every account and region."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.hops: list[Hop] = []  # in order; what an event did can be read from here
        self.refused: list[tuple[Caller, str]] = []  # PutEvents calls that a bus policy turned down, with the bus ARN

    # -- events come in ------------------------------------------------------------------------------------------------

    def emit(self, account: str, region: str, source: str, detail_type: str, detail: Mapping[str, Any]) -> str:
        """An event of an AWS service (`aws.s3`, ...): to the default bus of the account, in its region. Its id."""
        event = self._envelope(account, region, {"Source": source, "DetailType": detail_type}, detail)
        self.receive(f"arn:aws:events:{region}:{account}:event-bus/default", event)
        return str(event["id"])

    def put_events(self, caller: Caller, region: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The PutEvents API: one answer per entry. Entry failures are answers, not errors, as in AWS."""
        return [self._put(caller, region, entry) for entry in entries]

    def _put(self, caller: Caller, region: str, entry: dict[str, Any]) -> dict[str, Any]:
        problem = _problem(entry)
        if problem:
            return problem
        bus = _bus_arn(entry.get("EventBusName", "default"), caller.account, region)
        if not _may_put(caller, bus, entry):
            self.refused.append((caller, bus))
            text = f"User: {caller.principal} is not authorized to perform: {PUT_EVENTS} on resource: {bus}"
            return {"ErrorCode": "AccessDeniedException", "ErrorMessage": text}
        # `account` is who sent it, and `region` where: a receiver can rely on both.
        event = self._envelope(caller.account, region, entry, json.loads(entry["Detail"]))
        # A call to another account's or region's bus is no hop of its own, but arrives as an event from elsewhere.
        self.receive(bus, event, from_elsewhere=_Place.of(bus).account != caller.account)
        return {"EventId": event["id"]}

    def _envelope(
        self,
        account: str,
        region: str,
        entry: Mapping[str, Any],
        detail: Mapping[str, Any],
    ) -> dict[str, Any]:
        given = entry.get("Time")
        at = datetime.fromtimestamp(given, UTC) if given else self._clock.now()
        return {
            "version": "0",
            "id": str(uuid4()),
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": account,
            "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": region,
            "resources": list(entry.get("Resources", [])),
            "detail": json.loads(json.dumps(detail)),
        }

    # -- rules and targets ---------------------------------------------------------------------------------------------

    def receive(self, bus_arn: str, event: dict[str, Any], *, from_elsewhere: bool = False) -> None:
        """Match an event against the rules of a bus and hand it to their targets. A bus that does not exist swallows
        it, as in AWS.
        """
        place = _Place.of(bus_arn)
        bus = events_backends[place.account][place.region].event_buses.get(place.name)
        for rule in list(bus.rules.values()) if bus else ():
            if not fires(rule.state, json.loads(rule.event_pattern.dump() or "null"), event):
                continue
            for target in rule.targets:
                self._hand_over(rule, target, event, from_elsewhere=from_elsewhere)

    def _hand_over(self, rule: Any, target: dict[str, Any], event: dict[str, Any], *, from_elsewhere: bool) -> None:
        arn = target["Arn"]
        if from_elsewhere and ":event-bus/" in arn:
            return  # one hop: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html
        _refuse_transformation(target)
        place_in_order = len(self.hops)  # before those that follow from it
        try:
            _targets(arn)(self, rule, target, event)
            outcome, why = Outcome.DELIVERED, ""
        except DeliveryError as error:
            outcome, why = self._dead_letter(rule, target, event), str(error)
        logical_id = getattr(rule, "logical_resource_id", rule.name)
        self.hops.insert(place_in_order, Hop(event["id"], rule.arn, logical_id, arn, outcome, why))

    def _to_queue(self, rule: Any, target: dict[str, Any], event: dict[str, Any]) -> None:
        place = _Place.of(rule.arn)
        _send(target["Arn"].split(":"), rule.arn, json.dumps(event), (place.account, place.region))

    def _to_bus(self, rule: Any, target: dict[str, Any], event: dict[str, Any]) -> None:
        sender = _delivery_role(rule, target)
        if not _may_put(sender, target["Arn"], {"Source": event["source"], "DetailType": event["detail-type"]}):
            raise DeliveryError(f"the policy of `{target['Arn']}` does not let `{sender.principal}` in")
        self.receive(target["Arn"], event, from_elsewhere=True)

    def _dead_letter(self, rule: Any, target: dict[str, Any], event: dict[str, Any]) -> Outcome:
        arn = target.get("DeadLetterConfig", {}).get("Arn")
        if not arn:
            return Outcome.LOST
        place = _Place.of(rule.arn)
        try:
            _send(arn.split(":"), rule.arn, json.dumps(event), (place.account, place.region))
        except DeliveryError:
            return Outcome.LOST
        return Outcome.DEAD_LETTER

    # -- in moto's place -----------------------------------------------------------------------------------------------

    @contextmanager
    def in_place_of_motos(self, who: Callable[[str, str], Caller]) -> Iterator[None]:
        """While the block runs, PutEvents calls of any client come here. `who` tells the caller from account and access
        key."""

        def put_events(handler: Any) -> str:
            caller = who(handler.current_account, handler.access_key)
            entries = json.loads(handler.body)["Entries"]
            if len(entries) > ENTRIES_AT_MOST:
                raise ValueError(f"PutEvents takes {ENTRIES_AT_MOST} entries, not {len(entries)}")
            answers = self.put_events(caller, handler.region, entries)
            failed = sum("ErrorCode" in answer for answer in answers)
            return json.dumps({"FailedEntryCount": failed, "Entries": answers})

        with patch.object(EventsHandler, "put_events", put_events):
            yield


def fires(state: str, pattern: Mapping[str, Any] | None, event: Mapping[str, Any]) -> bool:
    """A rule of that state and pattern takes the event. A schedule has no pattern, and never does. Read-only management
    events reach only rules that ask for them.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
    """
    if state == "DISABLED" or pattern is None:
        return False
    if len(json.dumps(pattern, separators=(",", ":"))) > LONGEST_PATTERN:
        raise PatternError(f"the pattern is longer than {LONGEST_PATTERN} characters: split the rule")
    detail = event.get("detail", {})
    is_management_read = detail.get("readOnly") is True and detail.get("managementEvent", True)
    if is_management_read and state != MANAGEMENT_READS_TOO:
        return False
    return matches(pattern, event)


def _problem(entry: dict[str, Any]) -> dict[str, Any] | None:
    for field in ("Source", "DetailType", "Detail"):
        if not entry.get(field):
            text = f"Parameter {field} is not valid. Reason: {field} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": text}
    if entry["Source"].startswith("aws."):
        return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        detail = None
    if not isinstance(detail, dict):
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    return None


def _bus_arn(name: str, account: str, region: str) -> str:
    return name if name.startswith("arn:") else f"arn:aws:events:{region}:{account}:event-bus/{name}"


def _may_put(caller: Caller, bus_arn: str, entry: Mapping[str, Any]) -> bool:
    """The caller's own policies must allow it and, in another account, the bus policy too. A bus that does not exist
    has no policy to refuse.
    """
    context = {
        "aws:PrincipalArn": caller.principal,
        "aws:PrincipalAccount": caller.account,
        "aws:ResourceAccount": _Place.of(bus_arn).account,
        "aws:SecureTransport": "true",
        "events:source": entry["Source"],
        "events:detail-type": entry["DetailType"],
    }
    if not identity_allows(caller, PUT_EVENTS, bus_arn, context):
        return False
    place = _Place.of(bus_arn)
    bus = events_backends[place.account][place.region].event_buses.get(place.name)
    if bus is None:
        return True
    policy = json.loads(bus.policy) if bus.policy else {"Statement": []}
    said = decides(policy, action=PUT_EVENTS, resource=bus_arn, context=context, caller=caller)
    return said is True or (said is None and place.account == caller.account)


def _delivery_role(rule: Any, target: dict[str, Any]) -> Caller:
    """The role that EventBridge assumes to put an event on another bus.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html
    """
    arn = target.get("RoleArn")
    if not arn:
        raise DeliveryError("a target on another bus needs a RoleArn")
    account = _Place.of(rule.arn).account
    if find(arn) is None:
        raise DeliveryError(f"role `{arn}` does not exist")
    if not trusts(arn, Caller("", EVENTS), {"aws:SourceAccount": account, "aws:SourceArn": rule.arn}):
        raise DeliveryError(f"role `{arn}` does not trust {EVENTS}")
    return Caller(account, arn)


def _send(arn: list[str], rule_arn: str, body: str, home: tuple[str, str]) -> None:
    region, account, name = arn[3:]
    if (account, region) != home:
        raise DeliveryError(f"queue `{name}` is not in the rule's own account and region")
    queue = sqs_backends[account][region].queues.get(name)
    if queue is None:
        raise DeliveryError(f"queue `{name}` does not exist")
    service = Caller("", EVENTS)
    context = {"aws:SourceArn": rule_arn, "aws:SourceAccount": home[0], "aws:SecureTransport": "true"}
    policy = json.loads(queue.policy) if getattr(queue, "policy", None) else {"Statement": []}
    if decides(policy, action=SEND_MESSAGE, resource=":".join(arn), context=context, caller=service) is not True:
        raise DeliveryError(f"the policy of queue `{name}` does not let this rule send")
    sqs_backends[account][region].send_message(name, body)


_Target = Callable[[EventBridge, Any, dict[str, Any], dict[str, Any]], None]


def _targets(arn: str) -> _Target:
    service, resource = arn.split(":")[2], arn.split(":", 5)[5]
    if service == "sqs":
        return EventBridge._to_queue
    if service == "events" and resource.startswith("event-bus/"):
        return EventBridge._to_bus
    raise NotImplementedError(f"target `{arn}` is not simulated; deliver to a queue or a bus")


def _refuse_transformation(target: Mapping[str, Any]) -> None:
    for element in ("Input", "InputPath", "InputTransformer"):
        if element in target:
            raise NotImplementedError(f"`{element}` is not simulated: handlers take the whole event")
