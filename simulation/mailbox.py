"""What people get: a queue subscribed to the alert topic, read as a mailbox."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from simulation.cloud import Cloud


@dataclass(frozen=True, slots=True)
class Mail:
    """One notification as it was published."""

    account: str  # in whose account it arrived
    subject: str
    body: str
    attributes: tuple[tuple[str, str], ...]

    def attribute(self, name: str) -> str:
        """The value of a message attribute, or an empty string."""
        return dict(self.attributes).get(name, "")


class Mailbox:
    """A subscription to one topic. Reading it empties it."""

    def __init__(self, cloud: Cloud, topic: str, role: str) -> None:
        _, _, _, region, self._account, name = topic.split(":", 5)
        self._sqs = cloud.client("sqs", region, role)
        self._url = self._sqs.create_queue(QueueName=f"mailbox-{name}"[:80])["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        cloud.client("sns", region, role).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def read(self) -> tuple[Mail, ...]:
        """Every mail that has come since the last reading, oldest first."""
        mails: list[Mail] = []
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                mails.append(_mail(self._account, json.loads(message["Body"])))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return tuple(mails)


def _mail(account: str, notification: dict[str, Any]) -> Mail:
    attributes = {name: value["Value"] for name, value in notification.get("MessageAttributes", {}).items()}
    return Mail(account, notification.get("Subject", ""), notification["Message"], tuple(sorted(attributes.items())))
