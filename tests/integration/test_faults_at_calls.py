"""Every call that the functions make of AWS fails once, in each way that botocore can fail; one sweep later nothing is
lost, and nobody was told a thing under two names.

Through the real adapters, on simulated services. `make test` tries every write and message, and each kind of read, in
one way or another; `make storm` tries every call in every way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.models import botocore_stubber
from moto.sns.models import sns_backends

from simulation.examples import CONSUMER, CONTRACT, NO_ALLOW, OWNER
from simulation.faults import Fault, _response
from simulation.history import event_history_of
from simulation.memory import START, verdict_of
from threelocks.aws.session import Clients, Credentials
from threelocks.check_request import request
from threelocks.finding import Cause, Finding, Headline, Kind, Lock
from threelocks.handlers import on_change, on_report
from threelocks.handlers.app import App
from threelocks.observation import Absent, Unreadable
from threelocks.state import State
from threelocks.watch import unreadable

REGION, NAME = "eu-west-1", CONTRACT.name
Answer = Callable[[Any, str, str], AWSResponse | None]


def answering(code: str, status: int) -> Answer:
    return lambda sent, _event, protocol: _response(sent.url, Fault(code, status=status), protocol)


def no_connection(sent: Any, _event: str, _protocol: str) -> None:
    raise EndpointConnectionError(endpoint_url=sent.url)


def no_answer(sent: Any, _event: str, _protocol: str) -> None:
    raise ReadTimeoutError(endpoint_url=sent.url)


def lost_answer(sent: Any, event: str, _protocol: str) -> None:
    """The call took effect, and we never hear of it."""
    botocore_stubber(event, sent)
    raise ReadTimeoutError(endpoint_url=sent.url)


WAYS: dict[str, Answer] = {
    "throttled": answering("ThrottlingException", 400),
    "denied": answering("AccessDenied", 403),
    "broken": answering("InternalError", 500),
    "no connection": no_connection,
    "no answer": no_answer,
    "lost answer": lost_answer,
}


@dataclass
class Wire:
    """All calls of both accounts, in order; one of them can be made to fail."""

    calls: list[str] = field(default_factory=list)
    fails_at: int | None = None
    way: Answer = no_answer
    put: list[dict[str, Any]] = field(default_factory=list)  # entries that EventBridge has
    queued: list[str] = field(default_factory=list)  # bodies that SQS has

    def before_send(self, client: Any) -> Callable[..., AWSResponse | None]:
        model = client.meta.service_model

        def hook(request: Any, event_name: str, **_: Any) -> AWSResponse | None:
            operation = event_name.rpartition(".")[2]
            self.calls.append(f"{model.service_name}:{operation}")
            fails = len(self.calls) == self.fails_at
            if not fails or self.way is lost_answer:
                self._arrives(operation, request.body)
            return self.way(request, event_name, model.metadata["protocol"]) if fails else None

        return hook

    def _arrives(self, operation: str, body: Any) -> None:
        if operation == "PutEvents":
            self.put += json.loads(body)["Entries"]
        if operation == "SendMessage":
            self.queued.append(json.loads(body)["MessageBody"])


class WiredClients(Clients):
    """Clients on a wire, and those that act as another role too."""

    def __init__(self, wire: Wire, **more: Any) -> None:
        super().__init__(attempts=1, **more)
        self._wire = wire

    def _make(self, service: str, region: str) -> Any:
        client = super()._make(service, region)
        client.meta.events.register_first("before-send", self._wire.before_send(client))
        return client

    def acting_as(self, credentials: Credentials) -> WiredClients:
        return WiredClients(self._wire, credentials=credentials, session=self._opened())


# What the simulation cannot answer: it has one account, and no payer.
_OURS = {("s3control:GetPublicAccessBlock", "AccessDenied"), ("s3:GetBucketRequestPayment", "UnexpectedAnswer")}


def judge(contract: Any, _neighbours: Any, observation: Any, _facts: Any) -> Any:
    """The owner's bucket policy is either there or not; what cannot be read is unread."""
    found: list[Finding] = []
    if observation.bucket and isinstance(observation.bucket.policy, Absent):
        found.append(NO_ALLOW)
    lock = Lock.BUCKET_POLICY if observation.account == OWNER else Lock.IDENTITY_POLICY
    parts = (observation.bucket, observation.key, observation.role)
    sources = [source for part in parts for source in unreadable(part) if (source.operation, source.error) not in _OURS]
    found += [_unread(lock, observation.account, source) for source in sources[:1]]
    return verdict_of(contract, observation.account, tuple(found), as_of=observation.began)


def _unread(lock: Lock, account: str, source: Unreadable) -> Finding:
    code = "bucket.unread" if lock is Lock.BUCKET_POLICY else "identity.unread"
    return Finding(code, Kind.UNREAD, lock, account, "x", "", (), f"{source.operation}: {source.error}")


@dataclass
class Pair:
    """Both accounts in one simulated cloud."""

    wire: Wire
    apps: dict[str, App]
    s3: Any
    time: datetime = START
    announced: list[dict[str, Any]] = field(default_factory=list)  # on the accounts' own buses

    def now(self) -> datetime:
        self.time += timedelta(milliseconds=5)
        return self.time

    def lose_policy(self) -> None:
        self.s3.delete_bucket_policy(Bucket=CONTRACT.bucket.name)

    def put_policy(self) -> None:
        self.s3.put_bucket_policy(Bucket=CONTRACT.bucket.name, Policy=json.dumps({"Statement": []}))

    def change(self) -> None:
        self.deliver(
            OWNER, on_change.handle, request(NAME, Cause("change", self.now(), OWNER, REGION, "PutBucketPolicy"))
        )
        self.hear()

    def sweep(self) -> None:
        self.time += timedelta(minutes=10)
        for account in (OWNER, CONSUMER):
            self.deliver(account, on_change.handle, request(NAME, Cause("sweep", self.now())))
        self.hear()
        while self.wire.queued:  # what settles, or waits to be told
            self.time += timedelta(minutes=6)
            asked, self.wire.queued[:] = sorted(set(self.wire.queued)), []
            for body in asked:
                for account in (OWNER, CONSUMER):
                    self.deliver(account, on_change.handle, body)
            self.hear()

    def hear(self) -> None:
        """What EventBridge has is delivered, as the queue hands it over."""
        while self.wire.put:
            put, self.wire.put[:] = list(self.wire.put), []
            for entry in put:
                self._hear(entry)

    def _hear(self, entry: dict[str, Any]) -> None:
        if entry["EventBusName"] == "default":
            self.announced.append(json.loads(entry["Detail"]))
            return
        receiver = entry["EventBusName"].split(":")[4]
        sender = CONSUMER if receiver == OWNER else OWNER
        envelope = {
            "version": "0",
            "id": "e-1",
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": sender,
            "time": self.time.isoformat(),
            "region": REGION,
            "resources": [],
            "detail": json.loads(entry["Detail"]),
        }
        self.deliver(receiver, on_report.handle, json.dumps(envelope))

    def deliver(self, account: str, handle: Any, body: str) -> None:
        """A message, five times at most."""
        for receives in range(1, 6):
            message = {"messageId": "m", "body": body, "attributes": {"ApproximateReceiveCount": str(receives)}}
            try:
                answer = self.apps[account].serve(handle, {"Records": [message]}, None)
            except Exception:  # noqa: BLE001 - Lambda takes any of them for a failed batch
                answer = {"batchItemFailures": [{"itemIdentifier": "m"}]}
            if not answer["batchItemFailures"]:
                return
            self.time += timedelta(seconds=370)

    def stored(self, account: str) -> State:
        state = self.apps[account].store.state(NAME)
        assert state is not None
        return state

    def mails(self, account: str) -> list[tuple[str, str]]:
        """(message id, standing) of each mail."""
        topic = self.apps[account].variables["THREELOCKS_ALERT_TOPIC"]
        sent = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[topic].sent_notifications
        return [(body.rpartition("Message ")[2].strip(), mail["standing"]["Value"]) for _, body, _, mail, _ in sent]

    def others(self, account: str) -> dict[str, list[tuple[str, str]]]:
        """The same, as cards and as events."""
        topic = self.apps[account].variables["THREELOCKS_CHAT_TOPIC"]
        sent = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[topic].sent_notifications
        cards = [json.loads(body) for _, body, *_ in sent]
        return {
            "cards": [(each["id"], each["metadata"]["additionalContext"]["standing"]) for each in cards],
            "events": [(each["message"], each["standing"]) for each in self.announced if each["account"] == account],
        }

    def forget_mails(self) -> None:
        self.announced.clear()
        for topic in sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics.values():
            topic.sent_notifications.clear()


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with mock_aws(), event_history_of([]):
        plain = Clients(attempts=1, credentials=Credentials("test", "test"))
        s3 = plain.client("s3", REGION)
        s3.create_bucket(Bucket=CONTRACT.bucket.name, CreateBucketConfiguration={"LocationConstraint": REGION})
        plain.client("iam", REGION).create_role(RoleName=CONTRACT.role_name, AssumeRolePolicyDocument="{}")
        plain.client("events", REGION).create_event_bus(Name="threelocks")
        wire = Wire()
        made = Pair(wire, {}, s3)
        for account in (OWNER, CONSUMER):
            made.apps[account] = _app(made, account, plain)
        made.put_policy()
        for _ in range(2):
            made.sweep()
        yield made


def _app(pair: Pair, account: str, plain: Clients) -> App:
    plain.client("dynamodb", REGION).create_table(
        TableName=f"table-{account}",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
    )
    variables = {
        "AWS_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_NAME": "threelocks-on-change",
        "THREELOCKS_ACCOUNT": account,
        "THREELOCKS_TABLE": f"table-{account}",
        "THREELOCKS_ALERT_TOPIC": plain.client("sns", REGION).create_topic(Name=f"alerts-{account}")["TopicArn"],
        "THREELOCKS_REPORTER_ROLE": f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/threelocks/threelocks-reporter",
        "THREELOCKS_CHANGE_QUEUE": plain.client("sqs", REGION).create_queue(QueueName=f"changes-{account}")["QueueUrl"],
        "THREELOCKS_CHECK_QUEUE": plain.client("sqs", REGION).create_queue(QueueName=f"checks-{account}")["QueueUrl"],
        "THREELOCKS_MERGE_SECONDS": "300",
        "THREELOCKS_REMINDER_HOURS": "24",
        "THREELOCKS_CHAT_TOPIC": plain.client("sns", REGION).create_topic(Name=f"chat-{account}")["TopicArn"],
        "THREELOCKS_SILENCE_SECONDS": "864000",
    }
    app = App(variables, WiredClients(pair.wire, credentials=Credentials("test", "test")), now=pair.now, judge=judge)
    app.store.apply(CONTRACT)  # type: ignore[attr-defined]  # a DynamoStore
    return app


def broken_share(pair: Pair, fails_at: int | None, way: Answer) -> list[str]:
    """The share breaks, and call number `fails_at` fails; the calls that were made."""
    pair.forget_mails()
    pair.wire.calls.clear()
    pair.wire.fails_at, pair.wire.way = fails_at, way
    pair.lose_policy()
    pair.change()
    calls = list(pair.wire.calls)
    pair.wire.fails_at = None
    return calls


def check_nothing_is_lost(pair: Pair, what: str) -> None:
    for account in (OWNER, CONSUMER):
        state = pair.stored(account)
        assert state.slot is None, what
        assert state.told is not None, what
        assert state.told.headline is Headline.BROKEN, what
        assert {finding.code for finding in state.told.findings} == {"bucket.no-allow"}, what
        mails = pair.mails(account)
        assert mails[-1][1] == "BROKEN", what
        assert len({message for message, standing in mails if standing == "BROKEN"}) <= 2, what
        for message in {message for message, _ in mails}:
            assert len({standing for each, standing in mails if each == message}) == 1, what
        for way, told in pair.others(account).items():
            assert mails[-1] in told, f"{what}, {way}"
            assert set(told) <= set(mails), f"{what}, {way}"


def mend(pair: Pair) -> None:
    pair.put_policy()
    pair.sweep()
    for account in (OWNER, CONSUMER):
        assert pair.mails(account)[-1][1] == "INTACT"


IS_WHOLE = os.environ.get("THREELOCKS_FAULTS") == "all"


def ways(number: int) -> list[str]:
    names = list(WAYS)
    return names if IS_WHOLE else [names[number % len(names)]]


def chosen(calls: list[str]) -> list[int]:
    """All calls; or every write and message, and of each read the first."""
    acts = ("Transact", "Publish", "PutEvents", "SendMessage", "AssumeRole")
    return [
        number
        for number, call in enumerate(calls, start=1)
        if IS_WHOLE or call.partition(":")[2].startswith(acts) or call not in calls[: number - 1]
    ]


def test_each_call_fails_once_and_one_sweep_later_nothing_is_lost(pair: Pair) -> None:
    whole = broken_share(pair, None, no_answer)
    check_nothing_is_lost(pair, "nothing failed")
    mend(pair)
    services = {call.partition(":")[0] for call in whole}
    assert services == {"dynamodb", "s3", "s3control", "kms", "sns", "sts", "events", "sqs", "cloudtrail"} - (
        {"sts"} - services
    )
    for number in chosen(whole):
        for way in ways(number):
            what = f"call {number}, {whole[number - 1]}, {way}"
            calls = broken_share(pair, number, WAYS[way])
            assert len(calls) >= number, what
            pair.sweep()
            check_nothing_is_lost(pair, what)
            mend(pair)


def test_a_fault_that_is_not_survived_would_be_seen(pair: Pair) -> None:
    """The mail of the consumer fails for good, and nothing is swept: the comparison must notice."""
    pair.forget_mails()
    pair.lose_policy()
    pair.wire.put.clear()
    pair.deliver(OWNER, on_change.handle, request(NAME, Cause("change", pair.now(), OWNER, REGION, "PutBucketPolicy")))
    pair.wire.put[:] = [entry for entry in pair.wire.put if entry["EventBusName"] == "default"]  # the report is lost
    with pytest.raises((AssertionError, IndexError)):
        check_nothing_is_lost(pair, "the report was lost")
    pair.sweep()
    check_nothing_is_lost(pair, "one sweep later")
    mend(pair)
