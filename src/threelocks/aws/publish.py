"""What goes out: mails to the account's own alert topic, reports and requests for them to the other parties' event
buses, and requests for checks to the account's own queue."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from threelocks.alert.event import DETAIL_TYPE as STANDING
from threelocks.aws.session import ClientSource
from threelocks.check_request import request
from threelocks.contract import Party
from threelocks.finding import Cause
from threelocks.policy.arn import Arn
from threelocks.ports import RefusedMailError
from threelocks.report import DETAIL_TYPE, REQUEST_TYPE, SOURCE, Report, ReportRequest, encode
from threelocks.settle import LONGEST_DELAY

BUS = "threelocks"

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SUBJECT_LIMIT = 99  # characters: "less than 100", no line breaks, no control characters
MESSAGE_LIMIT = 256 * 1024  # bytes, attributes included
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
ENTRY_LIMIT = 256 * 1024  # bytes of source, detail-type and detail

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Errors
_REFUSALS = frozenset({"InvalidParameter", "ParameterValueInvalid", "InvalidParameterValue"})

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CUT = "\n\n[cut here: the message is longer than SNS carries; re-check the contract to see all of it]\n"


class PublishError(Exception):
    """Not sent. The text says what refused it and why."""


@dataclass(frozen=True, slots=True)
class SnsMailer:
    """Keeps ports.Mailer on one topic.

    An alert must arrive: a subject or body that SNS would refuse is cut to what it takes, and the body says so.
    """

    clients: ClientSource
    topic: str  # its ARN

    def send(self, subject: str, body: str, attributes: dict[str, str]) -> None:
        """Publish; raises RefusedMailError when SNS refuses what we say, and botocore's ClientError or BotoCoreError
        on any other failure."""
        # SNS refuses an attribute without a value.
        told = {name: _attribute(value) for name, value in attributes.items() if value}
        sns = self.clients.client("sns", Arn.parse(self.topic).region)
        try:
            sns.publish(
                TopicArn=self.topic,
                Subject=_subject(subject),
                Message=_body(body, MESSAGE_LIMIT - _size(told)),
                MessageAttributes=told,
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _REFUSALS:
                raise RefusedMailError(f"SNS refuses the mail `{_subject(subject)}`: {error}") from error
            raise


def _attribute(value: str) -> dict[str, str]:
    """A JSON array, which no single value of ours looks like, is one to SNS too: filter policies match each member.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
    """
    return {"DataType": "String.Array" if value.startswith("[") else "String", "StringValue": value}


def _subject(text: str) -> str:
    line = _CONTROL.sub(" ", text.encode(errors="replace").decode()).strip() or "threelocks"
    return line if len(line) <= SUBJECT_LIMIT else line[: SUBJECT_LIMIT - 1] + "…"


def _size(attributes: Mapping[str, Mapping[str, str]]) -> int:
    """Name, type and value of each attribute count."""
    return sum(len("".join((name, *parts.values())).encode()) for name, parts in attributes.items())


def _body(text: str, limit: int) -> str:
    whole = text.encode(errors="replace")  # half a surrogate pair, which a policy may hold, cannot be sent
    if len(whole) <= limit:
        return whole.decode()
    # A character that the cut goes through is left out.
    return whole[: limit - len(_CUT.encode())].decode(errors="ignore") + _CUT


@dataclass(frozen=True, slots=True)
class EventBusReporter:
    """Keeps ports.Reporter: puts reports on the bus `threelocks` of a party's home region.

    `clients` call as the reporter role, the only one that the partners' bus policies admit: see session.AssumedRole.
    """

    clients: ClientSource
    partition: str = "aws"

    def report(self, party: Party, report: Report) -> None:
        """Put one report; raises PublishError when it is too large or EventBridge did not take it, and botocore's
        ClientError or BotoCoreError when the role or the call was refused.

        A bus that does not exist takes everything and keeps nothing, so that arrival is only known by being heard:
        https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
        """
        self._put(party, DETAIL_TYPE, encode(report), f"the report of `{report.verdict.contract}`")

    def request(self, party: Party, request: ReportRequest) -> None:
        """Ask the party for a fresh report; raises as `report` does."""
        self._put(party, REQUEST_TYPE, encode(request), f"the request about `{request.contract}`")

    def _put(self, party: Party, detail_type: str, detail: str, what: str) -> None:
        bus = f"arn:{self.partition}:events:{party.home_region}:{party.account}:event-bus/{BUS}"
        size = sum(len(text.encode()) for text in (SOURCE, detail_type, detail))
        if size > ENTRY_LIMIT:
            raise PublishError(f"{what} is {size} bytes, and EventBridge takes {ENTRY_LIMIT}; report this as a defect")
        entry = {"Source": SOURCE, "DetailType": detail_type, "Detail": detail, "EventBusName": bus}
        _taken(self.clients.client("events", party.home_region).put_events(Entries=[entry]), what, bus)


@dataclass(frozen=True, slots=True)
class HomeBus:
    """Keeps ports.Announcer: the default bus of the account's own home region, where its other events are."""

    clients: ClientSource
    region: str

    def announce(self, detail: str) -> None:
        """Put one announcement; raises PublishError when EventBridge did not take it, and botocore's ClientError or
        BotoCoreError when the call was refused."""
        entry = {"Source": SOURCE, "DetailType": STANDING, "Detail": detail, "EventBusName": "default"}
        _taken(self.clients.client("events", self.region).put_events(Entries=[entry]), "the announcement", "default")


def _taken(answer: Mapping[str, Any], what: str, bus: str) -> None:
    """Failures of entries come inside HTTP 200."""
    if answer.get("FailedEntryCount", 0):
        failed: Mapping[str, str] = next((made for made in answer.get("Entries", ()) if made.get("ErrorCode")), {})
        raise PublishError(
            f"EventBridge did not take {what} for `{bus}`: `{failed.get('ErrorCode', 'no code')}`: "
            f"{failed.get('ErrorMessage', 'no message')}"
        )


@dataclass(frozen=True, slots=True)
class SqsTimer:
    """Keeps ports.Timer: a delayed message in the account's own queue of changes."""

    clients: ClientSource
    queue_url: str
    region: str

    def ask(self, contract: str, cause: Cause, *, delay: timedelta) -> None:
        """Send the message; raises botocore's ClientError or BotoCoreError when SQS did not take it.

        The delay counts in whole seconds, 900 at most:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
        """
        seconds = math.ceil(min(max(delay, timedelta(0)), LONGEST_DELAY).total_seconds())
        self.clients.client("sqs", self.region).send_message(
            QueueUrl=self.queue_url, MessageBody=request(contract, cause), DelaySeconds=seconds
        )
