"""Mails and reports, as the services receive them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sns import sns_backends

from threelocks.aws.publish import MESSAGE_LIMIT, EventBusReporter, PublishError, SnsMailer, SqsTimer
from threelocks.aws.session import ATTEMPTS, AssumedRole, Clients, Credentials
from threelocks.contract import Party
from threelocks.finding import Cause, Finding, Kind, Lock, Verdict
from threelocks.handlers.batch import read_request
from threelocks.ports import RefusedMailError
from threelocks.report import Report, ReportRequest, decode

REGION = "eu-west-1"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PARTNER = Party(account="222222222222", name="bi-team", home_region="eu-central-1")
REPORTER_ROLE = "arn:aws:iam::111111111111:role/threelocks/threelocks-reporter"


@pytest.fixture
def clients() -> Iterator[Clients]:
    with mock_aws():
        yield Clients(credentials=Credentials("test", "test"), attempts=1)


# --- Mails ---


@pytest.fixture
def topic(clients: Clients) -> str:
    arn: str = clients.client("sns", REGION).create_topic(Name="alerts")["TopicArn"]
    return arn


def _sent(topic: str) -> list[tuple[str, str, str, dict[str, Any], Any]]:
    """(id, message, subject, attributes, group) of each mail."""
    notifications: list[tuple[str, str, str, dict[str, Any], Any]] = (
        sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[topic].sent_notifications
    )
    return notifications


def test_a_mail_arrives_with_subject_body_and_attributes(clients: Clients, topic: str) -> None:
    SnsMailer(clients, topic).send("BROKEN: bi-curated-read", "Why: …", {"standing": "BROKEN", "lock": ""})
    ((_, body, subject, attributes, _),) = _sent(topic)
    assert (subject, body) == ("BROKEN: bi-curated-read", "Why: …")
    assert attributes == {"standing": {"Type": "String", "Value": "BROKEN"}}


def test_a_list_of_names_is_one_to_sns_so_that_filters_match_each(clients: Clients, topic: str) -> None:
    queue = clients.client("sqs", REGION).create_queue(QueueName="subscriber")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{DEFAULT_ACCOUNT_ID}:subscriber"
    wanted = {"FilterPolicy": '{"contract": ["two"]}'}
    sns = clients.client("sns", REGION)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=wanted)
    for names in ('["one","two"]', '["one","three"]', "two", "one"):
        SnsMailer(clients, topic).send(names, "body", {"contract": names})
    got = clients.client("sqs", REGION).receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert sorted(json.loads(message["Body"])["Subject"] for message in got) == ['["one","two"]', "two"]


@pytest.mark.parametrize(
    ("subject", "sent"),
    [
        ("x" * 99, "x" * 99),
        ("x" * 100, "x" * 98 + "…"),
        ("one\r\nBcc: two\x00\u2028three", "one Bcc: two three"),
        ("\n", "threelocks"),
        ("half \ud800 pair", "half ? pair"),
    ],
)
def test_a_subject_is_made_one_that_sns_takes(clients: Clients, topic: str, subject: str, sent: str) -> None:
    SnsMailer(clients, topic).send(subject, "body", {})
    assert _sent(topic)[0][2] == sent


def test_a_mail_too_long_for_sns_arrives_cut_and_says_so(clients: Clients, topic: str) -> None:
    SnsMailer(clients, topic).send("subject", "begins here " + "ü" * MESSAGE_LIMIT, {"kind": "break"})
    body = _sent(topic)[0][1]
    counted = len(body.encode()) + len("kind" + "String" + "break")
    assert MESSAGE_LIMIT - 2 < counted <= MESSAGE_LIMIT
    assert body.startswith("begins here üü")
    assert body.endswith("re-check the contract to see all of it]\n")


def test_a_mail_that_sns_refuses_raises(clients: Clients) -> None:
    with pytest.raises(ClientError, match="NotFound"):
        SnsMailer(clients, "arn:aws:sns:eu-west-1:111111111111:gone").send("subject", "body", {})


class Refusing:
    """SNS, which refuses every mail."""

    def __init__(self, code: str) -> None:
        self._code = code

    def client(self, service: str, region: str) -> Any:
        assert (service, region) == ("sns", REGION)
        return self

    def publish(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": self._code, "Message": "Invalid parameter: Message"}}, "Publish")


def test_a_text_that_sns_refuses_is_told_from_a_failure() -> None:
    topic = "arn:aws:sns:eu-west-1:111111111111:alerts"
    for code in ("InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid"):
        with pytest.raises(RefusedMailError, match="SNS refuses the mail `subject`"):
            SnsMailer(Refusing(code), topic).send("subject", "body", {})
    for code in ("Throttled", "InternalError", "AuthorizationError", "KMSAccessDenied"):
        with pytest.raises(ClientError):
            SnsMailer(Refusing(code), topic).send("subject", "body", {})


# --- Timers ---


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [(0, 0), (-5, 0), (0.2, 1), (60, 60), (899.5, 900), (900, 900), (5000, 900)],
)
def test_a_timer_is_a_delayed_message_in_whole_seconds(clients: Clients, delay: float, seconds: int) -> None:
    sent: list[dict[str, Any]] = []
    sqs = clients.client("sqs", REGION)
    url = sqs.create_queue(QueueName="changes")["QueueUrl"]
    sqs.meta.events.register("provide-client-params.sqs.SendMessage", lambda params, **_: sent.append(dict(params)))
    SqsTimer(clients, url, REGION).ask("bi-curated-read", Cause("settle", NOW), delay=timedelta(seconds=delay))
    ((message),) = sent
    assert message["DelaySeconds"] == seconds
    asked = read_request(message["MessageBody"])
    assert asked is not None
    assert asked.cause == Cause("settle", NOW)


# --- Reports ---


@dataclass
class FakeEvents:
    """The events client of each region, and what was put through it."""

    answer: dict[str, Any] = field(default_factory=lambda: {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]})
    put: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    region: str = ""

    def client(self, service: str, region: str) -> Any:
        assert service == "events"
        self.region = region
        return self

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        self.put += [(self.region, entry) for entry in Entries]
        return self.answer


def _report(details: tuple[str, ...] = ()) -> Report:
    findings = tuple(
        Finding("bucket.no-allow", Kind.SHUT, Lock.BUCKET_POLICY, "111111111111", "arn", "anyone", (), detail)
        for detail in details
    )
    return Report(stamp=1, verdict=Verdict("bi-curated-read", "d" * 64, "111111111111", NOW, (), findings))


def test_a_report_goes_to_the_partys_bus_in_its_home_region() -> None:
    events = FakeEvents()
    EventBusReporter(events).report(PARTNER, _report())
    ((region, entry),) = events.put
    detail = entry.pop("Detail")
    assert region == "eu-central-1"
    assert entry == {
        "Source": "threelocks",
        "DetailType": "Share report",
        "EventBusName": "arn:aws:events:eu-central-1:222222222222:event-bus/threelocks",
    }
    assert decode(Report, detail) == _report()


def test_a_report_of_another_partition_goes_to_a_bus_of_that_partition() -> None:
    events = FakeEvents()
    EventBusReporter(events, partition="aws-cn").report(PARTNER, _report())
    assert events.put[0][1]["EventBusName"].startswith("arn:aws-cn:events:")


def test_a_request_for_a_report_goes_the_same_way() -> None:
    events = FakeEvents()
    EventBusReporter(events).request(PARTNER, ReportRequest("bi-curated-read"))
    ((region, entry),) = events.put
    assert (region, entry["Source"], entry["DetailType"]) == (PARTNER.home_region, "threelocks", "Report request")
    assert decode(ReportRequest, entry["Detail"]) == ReportRequest("bi-curated-read")


def test_an_entry_that_eventbridge_did_not_take_raises_with_its_code() -> None:
    failed = {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "not you"}
    events = FakeEvents({"FailedEntryCount": 1, "Entries": [failed]})
    with pytest.raises(PublishError, match=r"222222222222:event-bus/threelocks`: `NotAuthorizedForSource.*: not you"):
        EventBusReporter(events).report(PARTNER, _report())


def test_a_failure_without_any_entry_raises_too() -> None:
    with pytest.raises(PublishError, match="no code"):
        EventBusReporter(FakeEvents({"FailedEntryCount": 1})).report(PARTNER, _report())


def test_a_report_too_large_for_an_event_is_refused_and_not_sent() -> None:
    events = FakeEvents()
    with pytest.raises(PublishError, match=r"is 3\d{5} bytes, and EventBridge takes 262144"):
        EventBusReporter(events).report(PARTNER, _report(("x" * 100_000,) * 3))
    assert events.put == []


def test_simulated_eventbridge_takes_the_entry(clients: Clients) -> None:
    clients.client("events", PARTNER.home_region).create_event_bus(Name="threelocks")
    EventBusReporter(clients).report(PARTNER, _report())


# --- The reporter role ---


class Sts:
    """Counts how often the role is assumed; each time for an hour."""

    def __init__(self) -> None:
        self.now = NOW
        self.asked: list[dict[str, str]] = []
        self.acting: list[Credentials] = []

    def client(self, service: str, region: str) -> Any:
        assert (service, region) == ("sts", REGION)
        return self

    def assume_role(self, **request: str) -> dict[str, Any]:
        self.asked.append(request)
        keys = {"AccessKeyId": f"key{len(self.asked)}", "SecretAccessKey": "s", "SessionToken": "t"}
        return {"Credentials": {**keys, "Expiration": self.now + timedelta(hours=1)}}

    def acting_as(self, credentials: Credentials) -> FakeEvents:
        self.acting.append(credentials)
        return FakeEvents()


def _role(sts: Sts) -> AssumedRole:
    return AssumedRole(sts, role_arn=REPORTER_ROLE, session_name="threelocks", region=REGION, now=lambda: sts.now)


def test_no_role_is_assumed_before_a_client_is_needed() -> None:
    sts = Sts()
    _role(sts)
    assert sts.asked == []


def test_credentials_are_kept_until_shortly_before_they_expire() -> None:
    sts = Sts()
    role = _role(sts)
    role.client("events", REGION)
    sts.now += timedelta(minutes=54)
    role.client("events", "us-east-1")
    assert sts.asked == [{"RoleArn": REPORTER_ROLE, "RoleSessionName": "threelocks"}]
    sts.now += timedelta(minutes=1)
    role.client("events", REGION)
    assert [keys.access_key for keys in sts.acting] == ["key1", "key2"]


def test_the_clients_of_an_assumed_role_call_as_that_role(clients: Clients) -> None:
    role = AssumedRole(
        clients, role_arn=REPORTER_ROLE, session_name="threelocks", region=REGION, now=lambda: datetime.now(UTC)
    )
    caller = role.client("sts", REGION).get_caller_identity()
    assert caller["Arn"] == "arn:aws:sts::111111111111:assumed-role/threelocks-reporter/threelocks"


def test_a_client_is_made_once_per_service_and_region(clients: Clients) -> None:
    first = clients.client("sqs", REGION)
    assert clients.client("sqs", REGION) is first
    assert clients.client("sqs", "us-east-1") is not first


def test_clients_give_up_in_time_and_try_as_often_as_asked() -> None:
    patient, hasty = (
        clients.client("sqs", REGION).meta.config
        for clients in (
            Clients(credentials=Credentials("a", "b")),
            Clients(credentials=Credentials("a", "b"), attempts=1),
        )
    )
    assert (patient.connect_timeout, patient.read_timeout) == (2.0, 5.0)
    assert patient.retries == {"mode": "standard", "total_max_attempts": ATTEMPTS}
    assert hasty.retries["total_max_attempts"] == 1
