"""Lambda's side of a queue: receive a batch, invoke the function, delete what it did not report as failed.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from moto.sqs.models import sqs_backends

from simulation.cloud import Cloud
from simulation.functions import Function, Mapped, Runner

RECEIVED_AT_MOST = 10  # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a function over one batch."""

    function: Function
    event: dict[str, Any]
    answer: Any = None
    error: str = ""  # the exception's name and text, when it raised
    failed: tuple[str, ...] = ()  # message ids that go back to the queue

    def bodies(self) -> tuple[dict[str, Any], ...]:
        """What the messages of the batch said."""
        return tuple(json.loads(record["body"]) for record in self.event["Records"])


class Poller:
    """Every event source mapping of the simulated accounts. `invocations` keeps what ran, oldest first."""

    def __init__(self, cloud: Cloud, mapped: Iterable[Mapped], run: Runner, role_of: dict[str, str]) -> None:
        self._cloud = cloud
        self._mapped = tuple(mapped)
        self._run = run
        self._role_of = role_of  # account -> the role that reads its queues
        self.invocations: list[Invocation] = []

    def drain(self) -> tuple[Invocation, ...]:
        """Run until no queue has a message to give now; what ran, oldest first."""
        before = len(self.invocations)
        while any(self._round()):
            pass
        return tuple(self.invocations[before:])

    def settle(self, seconds: float) -> tuple[Invocation, ...]:
        """Like `drain`, and jump ahead to what is delayed or will be tried again, as far as `seconds` from now."""
        before = len(self.invocations)
        until = self._cloud.clock.millis() + seconds * 1000
        self.drain()
        while (due := self._next_due()) is not None and due <= until:
            self._cloud.clock.advance(max(0.0, due - self._cloud.clock.millis()) / 1000 + 0.001)
            self.drain()
        return tuple(self.invocations[before:])

    def _round(self) -> list[bool]:
        return [self._poll(mapped) for mapped in self._mapped if mapped.is_on]

    def _next_due(self) -> float | None:
        """When the next hidden message shows, in milliseconds since the epoch."""
        times = [
            max(message.visible_at, message.delayed_until)
            for mapped in self._mapped
            if mapped.is_on
            for message in _hidden(mapped)
        ]
        return min(times, default=None)

    def _poll(self, mapped: Mapped) -> bool:
        sqs = self._cloud.client("sqs", mapped.function.region, self._role_of[mapped.function.account])
        messages = _batch(sqs, mapped)
        if messages:
            invocation = self._invoke(mapped, [_record(message, mapped) for message in messages])
            self.invocations.append(invocation)
            for message in messages:
                if message["MessageId"] not in invocation.failed:
                    sqs.delete_message(QueueUrl=mapped.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return bool(messages)

    def _invoke(self, mapped: Mapped, records: list[dict[str, Any]]) -> Invocation:
        event = {"Records": records}
        everything = tuple(record["messageId"] for record in records)
        try:
            answer = self._run(mapped.function, event)
        except Exception as error:  # noqa: BLE001 - Lambda takes any of them for a failed batch
            return Invocation(mapped.function, event, error=f"{type(error).__name__}: {error}", failed=everything)
        failed = _failures(answer) if mapped.reports_failures else ()
        return Invocation(mapped.function, event, answer, failed=everything if failed is None else failed)


def _batch(sqs: Any, mapped: Mapped) -> list[dict[str, Any]]:
    """Messages up to the batch size; several receives make up a batch of more than ten."""
    batch: list[dict[str, Any]] = []
    while len(batch) < mapped.batch_size:
        messages = sqs.receive_message(
            QueueUrl=mapped.queue_url,
            MaxNumberOfMessages=min(mapped.batch_size - len(batch), RECEIVED_AT_MOST),
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            break
        batch += messages
    return batch


def _failures(answer: Any) -> tuple[str, ...] | None:
    """The message ids reported as failed. None: an answer that Lambda cannot read, which fails the batch.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    if not answer or answer.get("batchItemFailures") is None:
        return ()
    ids = [failure.get("itemIdentifier") for failure in answer["batchItemFailures"]]
    return None if any(not one for one in ids) else tuple(ids)


def _record(message: dict[str, Any], mapped: Mapped) -> dict[str, Any]:
    """A message as Lambda hands it over: small first letters, and the queue it came from.
    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event
    """
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": mapped.queue_arn,
        "awsRegion": mapped.function.region,
    }


def _hidden(mapped: Mapped) -> list[Any]:
    _, _, _, region, account, name = mapped.queue_arn.split(":", 5)
    return list(sqs_backends[account][region].queues[name]._messages)
