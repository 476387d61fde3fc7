"""The handlers as they are put together for Lambda, on simulated AWS: real clients, table, topic, queue and bus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends

from simulation.memory import verdict_of
from threelocks import report
from threelocks.aws.session import Clients
from threelocks.aws.store import DynamoStore
from threelocks.cli import load
from threelocks.finding import Finding, Kind, Lock, Verdict
from threelocks.handlers import on_change, on_report, recheck, sweep
from threelocks.handlers.app import App
from threelocks.report import encode

ROOT = Path(__file__).parents[2]
REGION = "eu-west-1"
OWNER, CONSUMER = "111111111111", "222222222222"
CONTRACT = load(ROOT / "contracts" / "bi-curated-read.yaml")


def judge(contract: Any, neighbours: Any, observation: Any, facts: Any) -> Verdict:
    """Finds the bucket that nobody made missing, if the reader saw that it is."""
    missing = Finding(
        code="bucket.missing",
        kind=Kind.SHUT,
        lock=Lock.BUCKET_POLICY,
        account=OWNER,
        resource=contract.bucket_arn,
        principal=contract.role,
        actions=("s3:GetObject",),
        detail=f"read as {type(observation.bucket.region).__name__}",
    )
    return verdict_of(contract, observation.account, (missing,), as_of=observation.began)


@dataclass(frozen=True)
class Deployed:
    app: App
    queue: str

    def mails(self) -> list[str]:
        topic = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[self.app.variables["THREELOCKS_ALERT_TOPIC"]]
        return [str(sent[1]) for sent in topic.sent_notifications]

    def queued(self) -> list[dict[str, Any]]:
        """What waits in the queue of changes, as Lambda hands it over."""
        found = boto3.client("sqs", REGION).receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        )
        return [
            {"messageId": message["MessageId"], "body": message["Body"], "attributes": message["Attributes"]}
            for message in found.get("Messages", [])
        ]


@pytest.fixture
def deployed() -> Iterator[Deployed]:
    with mock_aws():
        boto3.client("dynamodb", REGION).create_table(
            TableName="table",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        )
        topic = boto3.client("sns", REGION).create_topic(Name="alerts")["TopicArn"]
        queue = boto3.client("sqs", REGION).create_queue(QueueName="changes")["QueueUrl"]
        boto3.client("events", REGION).create_event_bus(Name="threelocks")
        clients = Clients(attempts=1)
        DynamoStore(clients, table="table", account=OWNER, region=REGION).apply(CONTRACT)
        variables = {
            "AWS_REGION": REGION,
            "AWS_LAMBDA_FUNCTION_NAME": "guard-on-change",
            "THREELOCKS_ACCOUNT": OWNER,
            "THREELOCKS_TABLE": "table",
            "THREELOCKS_ALERT_TOPIC": topic,
            "THREELOCKS_REPORTER_ROLE": f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/threelocks/threelocks-reporter",
            "THREELOCKS_CHANGE_QUEUE": queue,
            "THREELOCKS_CHECK_QUEUE": queue,
            "THREELOCKS_MERGE_SECONDS": "300",
            "THREELOCKS_REMINDER_HOURS": "24",
            "THREELOCKS_CHAT_TOPIC": "",
            "THREELOCKS_SILENCE_SECONDS": "12000",
        }
        yield Deployed(App(variables, clients, judge=judge), queue)


def record(body: str) -> dict[str, Any]:
    return {"messageId": "m0", "body": body, "attributes": {"ApproximateReceiveCount": "1"}}


def test_an_event_becomes_live_reads_a_stored_verdict_and_a_mail(deployed: Deployed) -> None:
    body = (ROOT / "events" / "bucket-policy-lost-role.json").read_text()
    answer = deployed.app.serve(on_change.handle, {"Records": [record(body)]}, context=None)
    assert answer == {"batchItemFailures": []}
    state = deployed.app.store.state("bi-curated-read")
    assert state is not None
    assert state.own is not None
    assert [finding.detail for finding in state.own.findings] == ["read as Absent"]
    assert [account for account, _ in state.sent] == [CONSUMER]
    (mail,) = deployed.mails()
    assert "guard-recheck" in mail


def test_a_sweeps_requests_are_what_on_change_understands(deployed: Deployed) -> None:
    assert deployed.app.serve(sweep.handle, {}, context=None) == {"asked": 1}
    answer = deployed.app.serve(on_change.handle, {"Records": deployed.queued()}, context=None)
    assert answer == {"batchItemFailures": []}
    state = deployed.app.store.state("bi-curated-read")
    assert state is not None
    assert state.own_cause is not None
    assert state.own_cause.kind == "sweep"


def test_a_partners_report_is_stored(deployed: Deployed) -> None:
    told = report.make(CONTRACT, verdict_of(CONTRACT, CONSUMER), stamp=1)
    event = json.loads((ROOT / "events" / "partner-report-identity-shut.json").read_text())
    event |= {"account": CONSUMER, "detail": json.loads(encode(told))}
    answer = deployed.app.serve(on_report.handle, {"Records": [record(json.dumps(event))]}, context=None)
    assert answer == {"batchItemFailures": []}
    state = deployed.app.store.state("bi-curated-read")
    assert state is not None
    assert [received.account for received in state.reports] == [CONSUMER]


def test_a_recheck_answers_what_was_stored(deployed: Deployed) -> None:
    answer = deployed.app.serve(recheck.handle, {"contract": "bi-curated-read"}, context=None)
    assert [share["headline"] for share in answer["contracts"]] == ["BROKEN"]
    assert json.dumps(answer)


def test_the_metrics_are_written_as_one_line_of_json(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    deployed.app.serve(sweep.handle, {}, context=None)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    written = json.loads(line)
    assert written["service"] == "threelocks"
    assert written["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "ThreeLocks"
    assert "OldestCheckAgeSeconds" in written
