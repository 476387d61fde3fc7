"""Who is behind what no event told: what CloudTrail's event history is asked, and what of its answers is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from simulation.examples import CONSUMER, CONTRACT, KEY_DISABLED, NO_ALLOW, NO_DECRYPT, OWNER
from simulation.memory import INSTANT, START, Clock, MemoryAccount, change, memory_account
from threelocks import lookup
from threelocks.aws.history import PAGES, REQUESTS, Lookups
from threelocks.finding import Cause, Finding, History
from threelocks.lookup import EVENT, RESOURCE, Question, Records
from threelocks.report import make
from threelocks.tool import tool_of

NAME = CONTRACT.name
LATER = START + timedelta(hours=2)
ATTACHED = f"arn:aws:iam::{CONSUMER}:policy/team-read"


def record(
    name: str = "PutBucketPolicy", *, minutes: float = 30, number: int = 1, agent: str = "aws-cli/2.31.0", **more: Any
) -> dict[str, Any]:
    """A record of the event history, made `minutes` after START."""
    source = {"P": "s3.amazonaws.com", "D": "kms.amazonaws.com"}.get(name[0], "s3.amazonaws.com")
    return {
        "eventTime": f"{START + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": source,
        "eventName": name,
        "awsRegion": "eu-west-1",
        "userIdentity": {"arn": f"arn:aws:sts::{OWNER}:assumed-role/Admin/dana"},
        "userAgent": agent,
        "sourceIPAddress": "198.51.100.7",
        "requestParameters": {"bucketName": CONTRACT.bucket.name},
        "eventID": f"{number:08}-0000-4000-8000-000000000000",
        "recipientAccountId": OWNER,
        **more,
    }


# --- Which tool ---


@pytest.mark.parametrize(
    ("detail", "tool"),
    [
        (
            {"sourceIPAddress": "cloudformation.amazonaws.com", "userAgent": "cloudformation.amazonaws.com"},
            "CloudFormation",
        ),
        ({"userIdentity": {"invokedBy": "cloudformation.amazonaws.com"}, "userAgent": "x"}, "CloudFormation"),
        (
            {
                "userAgent": "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) "
                "terraform-provider-aws/5.70.0 aws-sdk-go-v2/1.30.5"
            },
            "Terraform",
        ),
        ({"userAgent": "APN/1.0 Pulumi/1.0 PulumiAWS/6.52.0 terraform-provider-aws/dev aws-sdk-go/1.55"}, "Pulumi"),
        ({"userAgent": "aws-sdk-js/3.600 aws-cdk/2.160.0"}, "the AWS CDK"),
        ({"userAgent": "aws-cli/2.31.0 md/awscrt#0.27 exec-env/CloudShell"}, "CloudShell"),
        ({"userAgent": "aws-cli/2.31.0 ua/2.1 os/linux lang/python"}, "the AWS CLI"),
        ({"userAgent": "Boto3/1.44.5 md/Botocore#1.44.5"}, "an AWS SDK"),
        ({"userAgent": "aws-sdk-go-v2/1.30.5 os/linux"}, "an AWS SDK"),
        ({"userAgent": "[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12]"}, "the AWS console"),
        ({"userAgent": "console.amazonaws.com"}, "the AWS console"),
        ({"userAgent": "Mozilla/5.0 (X11; Linux x86_64)"}, "the AWS console"),
        ({"userAgent": "aws-sdk-java/2.26", "sessionCredentialFromConsole": "true"}, "the AWS console"),
        ({"userIdentity": {"invokedBy": "backup.amazonaws.com"}, "userAgent": "backup"}, "backup.amazonaws.com"),
        ({"userAgent": "curl/8.9"}, ""),
        ({"userAgent": None, "sourceIPAddress": 7, "userIdentity": "odd"}, ""),
        ({}, ""),
    ],
)
def test_the_tool_is_told_from_agent_address_and_service(detail: Mapping[str, Any], tool: str) -> None:
    assert tool_of(detail) == tool


def test_a_tool_is_only_ever_one_of_ours_or_the_name_of_an_aws_service() -> None:
    hostile = "evil\n.amazonaws.com"
    assert tool_of({"userIdentity": {"invokedBy": hostile}, "sourceIPAddress": hostile, "userAgent": hostile}) == ""


# --- What is asked ---


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (NO_ALLOW, [("eu-west-1", RESOURCE, "datalake-curated-a")]),
        (
            replace(NO_ALLOW, code="bucket.public-block"),
            [
                ("eu-west-1", RESOURCE, "datalake-curated-a"),
                ("eu-west-1", EVENT, "PutAccountPublicAccessBlock"),
                ("eu-west-1", EVENT, "DeleteAccountPublicAccessBlock"),
            ],
        ),
        (NO_DECRYPT, [("us-east-1", RESOURCE, "BIAnalyticsRole"), ("us-east-1", RESOURCE, ATTACHED)]),
        (KEY_DISABLED, [("eu-west-1", EVENT, "DisableKey"), ("eu-west-1", EVENT, "EnableKey")]),
        (replace(KEY_DISABLED, code="key.no-allow"), [("eu-west-1", EVENT, "PutKeyPolicy")]),
    ],
)
def test_each_lock_is_asked_about_where_its_changes_are_recorded(finding: Finding, expected: list[Any]) -> None:
    assert list(lookup.questions(CONTRACT, [finding, finding], (ATTACHED,))) == [Question(*row) for row in expected]


# --- What of the answers counts ---

BUCKET = Question("eu-west-1", RESOURCE, CONTRACT.bucket.name)


def found(*records: dict[str, Any], finding: Finding = NO_ALLOW) -> tuple[Cause, ...]:
    answers = [(BUCKET, Records(records))]
    return lookup.changes(CONTRACT, finding, (), answers, since=START, until=LATER)


def test_every_change_of_that_time_is_told_newest_first_and_once() -> None:
    first, second = record(minutes=10, number=1), record(minutes=20, number=2)
    assert [one.event_id[:8] for one in found(first, second, second)] == ["00000002", "00000001"]


@pytest.mark.parametrize(
    "other",
    [
        record(minutes=-1),
        record(minutes=121),
        record(requestParameters={"bucketName": "another-bucket"}),
        record(errorCode="AccessDenied"),
        record("GetBucketPolicy"),
        record(eventTime="yesterday"),
        record("PutKeyPolicy", requestParameters=None),
    ],
    ids=["before", "after", "another bucket", "refused", "a read", "no time", "another lock"],
)
def test_what_cannot_have_moved_the_lock_in_that_time_is_left_out(other: dict[str, Any]) -> None:
    assert found(other) == ()


def test_a_key_is_known_by_the_record_and_not_by_the_question() -> None:
    def disabled(arn: str) -> dict[str, Any]:
        return record("DisableKey", requestParameters={"keyId": arn}, resources=[{"ARN": arn}])

    ours, other = disabled(CONTRACT.key), disabled(CONTRACT.key.replace("abcd1234", "ffff1234"))
    assert [one.event_name for one in found(other, ours, finding=KEY_DISABLED)] == ["DisableKey"]
    assert found(other, finding=KEY_DISABLED) == ()


# --- The check ---


@dataclass
class Answers:
    """An event history that answers every question with this."""

    records: tuple[dict[str, Any], ...] = ()
    history: History = History.SEARCHED
    asked: list[tuple[Question, datetime, datetime]] = field(default_factory=list)

    def ask(self, question: Question, since: datetime, until: datetime) -> Records:
        self.asked.append((question, since, until))
        return Records(self.records, self.history)


def owner(clock: Clock, history: Answers) -> MemoryAccount:
    """The owner, watching, with everything as agreed."""
    account = memory_account(OWNER, CONTRACT, clock, times=INSTANT)
    account.watch.check(NAME, Cause(kind="sweep", at=clock()))
    consumer = memory_account(CONSUMER, CONTRACT, clock, times=INSTANT)
    consumer.watch.check(NAME, Cause(kind="sweep", at=clock()))
    account.hear_all(consumer.reporter.reports, clock())
    account.mails.clear()
    return replace(account, watch=replace(account.watch, history=history))


def swept(account: MemoryAccount, clock: Clock, *findings: Finding, kind: str = "sweep") -> str:
    """What people read when a check finds this."""
    clock.time = LATER
    account.scene.findings = findings
    account.watch.check(NAME, Cause(kind=kind, at=clock(), account=OWNER))
    (mail,) = account.mails
    account.mails.clear()
    return mail.body


@pytest.mark.parametrize("kind", ["sweep", "recheck"])
def test_drift_that_no_event_told_is_named_from_the_event_history(kind: str) -> None:
    clock = Clock()
    history = Answers((record(minutes=30, number=2, agent="Terraform/1.9"), record(minutes=20, number=1)))
    account = owner(clock, history)
    body = swept(account, clock, NO_ALLOW, kind=kind)
    assert "PutBucketPolicy by arn:aws:sts::111111111111:assumed-role/Admin/dana\n  at 2026-11-23 10:30:00 UTC" in body
    assert "with Terraform, `Terraform/1.9`" in body
    assert "#/events/00000002-0000-4000-8000-000000000000" in body
    assert "No event told of it; CloudTrail's event history has it." in body
    assert "newest first:\n    2026-11-23 10:20:00 UTC PutBucketPolicy by arn:aws:sts" in body
    assert "CloudTrail event 00000001-0000-4000-8000-000000000000" in body
    state = account.stored(NAME)
    assert state.incident
    assert state.incident.opened_by
    assert state.incident.opened == START + timedelta(minutes=30)
    (question, since, _) = history.asked[0]
    assert question == BUCKET
    assert since < START + timedelta(minutes=1)  # of the last check, which found nothing


def test_who_mended_it_is_looked_up_too() -> None:
    clock = Clock()
    account = owner(clock, Answers())
    swept(account, clock, NO_ALLOW)
    account = replace(account, watch=replace(account.watch, history=Answers((record(minutes=121),))))
    clock.time = LATER + timedelta(minutes=30)
    account.scene.findings = ()
    account.watch.check(NAME, Cause(kind="sweep", at=clock(), account=OWNER))
    (mail,) = account.mails
    assert "WHO FIXED IT, AND WHEN\n  PutBucketPolicy by" in mail.body


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (History.SEARCHED, "CloudTrail's event history has none either, as yet; it lags by some minutes."),
        (History.IN_PART, "Not all of CloudTrail's event history was searched; look there yourself."),
        (History.UNREAD, "CloudTrail's event history could not be read; look there yourself."),
    ],
)
def test_when_there_is_none_the_mail_says_how_far_it_was_looked_for(history: History, words: str) -> None:
    clock = Clock()
    body = swept(owner(clock, Answers((), history)), clock, NO_ALLOW)
    assert "No matching change seen: the scheduled sweep found it" in body
    assert words in body.replace("\n  ", " ")


def test_nobody_is_asked_when_nothing_changed_or_an_event_told() -> None:
    clock, history = Clock(), Answers()
    account = owner(clock, history)
    account.watch.check(NAME, Cause(kind="sweep", at=clock()))
    account.scene.findings = (NO_ALLOW,)
    account.watch.check(NAME, change(at=clock()))
    assert history.asked == []


def test_a_first_verdict_has_no_time_to_look_at() -> None:
    clock, history = Clock(), Answers()
    account = memory_account(OWNER, CONTRACT, clock, times=INSTANT)
    account.scene.findings = (NO_ALLOW,)
    replace(account.watch, history=history).check(NAME, Cause(kind="sweep", at=clock()))
    assert history.asked == []


def test_the_other_account_is_told_who_and_when_and_not_from_where_or_with_what() -> None:
    clock = Clock()
    account = owner(clock, Answers((record(number=2, agent="Terraform/1.9"), record(number=1, minutes=20))))
    swept(account, clock, NO_ALLOW)
    state = account.stored(NAME)
    assert state.own
    report = make(CONTRACT, state.own, stamp=1, cause=state.own_cause, incident=state.incident)
    assert report.cause
    assert len(report.cause.earlier) == 1
    for cause in (report.cause, *report.cause.earlier):
        assert cause.actor.endswith("dana")
        assert (cause.tool, cause.user_agent, cause.source_ip) == ("", "", "")


# --- The edge ---


def event(number: int) -> dict[str, Any]:
    """As LookupEvents answers: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html"""
    detail = record(number=number)
    return {
        "EventId": detail["eventID"],
        "EventName": detail["eventName"],
        "ReadOnly": "false",
        "EventTime": START,
        "EventSource": detail["eventSource"],
        "Username": "dana",
        "Resources": [{"ResourceType": "AWS::S3::Bucket", "ResourceName": CONTRACT.bucket.name}],
        "CloudTrailEvent": json.dumps(detail),
    }


class Stubbed:
    """A client source with one stubbed CloudTrail client."""

    def __init__(self) -> None:
        self._client = boto3.client(
            "cloudtrail",
            region_name="eu-west-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        self.stub = Stubber(self._client)
        self.regions: list[str] = []

    def client(self, service: str, region: str) -> Any:
        assert service == "cloudtrail"
        self.regions.append(region)
        return self._client

    def answers(self, *events: dict[str, Any], token: str = "", asked: str = "") -> None:
        expected = {
            "LookupAttributes": [{"AttributeKey": RESOURCE, "AttributeValue": CONTRACT.bucket.name}],
            "StartTime": START - timedelta(minutes=15),
            "EndTime": LATER,
            "MaxResults": 50,
        }
        self.stub.add_response(
            "lookup_events",
            {"Events": list(events), **({"NextToken": token} if token else {})},
            {**expected, **({"NextToken": asked} if asked else {})},
        )


def test_all_pages_are_read_with_a_pause_between_them() -> None:
    source, pauses = Stubbed(), list[float]()
    source.answers(event(1), token="more")
    source.answers(event(2), asked="more")
    with source.stub:
        answer = Lookups(source, sleep=pauses.append).ask(BUCKET, START, LATER)
    assert answer.history is History.SEARCHED
    assert [detail["eventID"][:8] for detail in answer.details] == ["00000001", "00000002"]
    assert source.regions == ["eu-west-1"] * 2
    assert pauses
    assert min(pauses) >= 0.5


def test_a_question_that_was_answered_is_not_put_again() -> None:
    source = Stubbed()
    source.answers(event(1))
    lookups = Lookups(source, sleep=lambda _: None)
    with source.stub:
        first = lookups.ask(BUCKET, START, LATER)
        assert lookups.ask(BUCKET, START + timedelta(minutes=1), LATER + timedelta(seconds=20)) is first


def test_no_more_pages_are_read_than_the_limit_and_the_answer_says_so() -> None:
    source = Stubbed()
    for number in range(PAGES):
        source.answers(event(number), token=f"token-{number + 1}", asked=f"token-{number}" if number else "")
    with source.stub:
        answer = Lookups(source, sleep=lambda _: None).ask(BUCKET, START, LATER)
    assert len(answer.details) == PAGES
    assert answer.history is History.IN_PART


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "InvalidTimeRangeException"])
def test_what_cannot_be_read_is_unread_and_that_region_is_not_asked_again(code: str) -> None:
    source = Stubbed()
    source.stub.add_client_error("lookup_events", code)
    lookups = Lookups(source, sleep=lambda _: None)
    with source.stub:
        assert lookups.ask(BUCKET, START, LATER) == Records((), History.UNREAD)
        assert lookups.ask(replace(BUCKET, value="another"), START, LATER) == Records((), History.UNREAD)
    assert len(source.regions) == 1


def test_an_invocation_asks_no_more_than_so_often() -> None:
    source = Stubbed()
    lookups = Lookups(source, sleep=lambda _: None, requests=1)
    source.answers(event(1), token="more")
    with source.stub:
        assert lookups.ask(BUCKET, START, LATER).history is History.IN_PART
        assert lookups.ask(replace(BUCKET, value="another"), START, LATER) == Records((), History.UNREAD)
    assert REQUESTS > PAGES


@pytest.mark.parametrize("text", ["no json", "[]", ""])
def test_a_record_that_is_no_json_object_is_passed_over(text: str) -> None:
    source = Stubbed()
    source.answers({**event(1), "CloudTrailEvent": text}, event(2))
    with source.stub:
        answer = Lookups(source, sleep=lambda _: None).ask(BUCKET, START, LATER)
    assert [detail["eventID"][:8] for detail in answer.details] == ["00000002"]
