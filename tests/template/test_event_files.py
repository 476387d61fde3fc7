"""The event files: shaped as AWS delivers them, of the example contract, and understood by the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulation.denials import ROLE_ID
from simulation.pattern import matches
from threelocks import events
from threelocks.contract import Contract
from threelocks.diagnose import Denial, Match, attempts, concerns, read
from threelocks.events import Change
from threelocks.report import SOURCE, Report, decode, refusal

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "events").glob("*.json"))
ENVELOPE = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
OWNER = "111111111111"
REPORT = "partner-report-identity-shut"
DENIED = [path for path in FILES if path.stem.startswith("denied-")]
CHANGES = [path for path in FILES if path.stem != REPORT and path not in DENIED]
# Files whose record names no resource of the contract, and what they touch instead.
ELSEWHERE = {
    "account-public-access-block-put": ("account",),
    "access-point-policy-put": ("account",),
    "own-rule-disabled": ("arn:aws:events:us-east-1:222222222222:rule/threelocks-relay-RoleChangedRule-1HB0ZQ5P7XKQ2",),
    "own-topic-unsubscribed": ("arn:aws:sns:eu-west-1:111111111111:threelocks-AlertTopic-3fVnC8mX2aQd",),
    "own-function-throttled": ("arn:aws:lambda:eu-west-1:111111111111:function:threelocks-on-change",),
    "own-table-unprotected": ("arn:aws:dynamodb:eu-west-1:111111111111:table/threelocks-Table-1V6Q0Z5S9H2KD",),
    "trail-stopped": ("arn:aws:cloudtrail:eu-west-1:222222222222:trail/evidence",),
    "trail-selectors-put": ("arn:aws:cloudtrail:eu-west-1:111111111111:trail/evidence",),
    "managed-policy-new-default-version": ("arn:aws:iam::222222222222:policy/bi-curated-read",),
    "managed-policy-default-version-set": ("arn:aws:iam::222222222222:policy/bi-curated-read",),
}
# Those of what keeps the watch.
FOR_EVERY_CONTRACT = {
    *("trail-stopped", "trail-selectors-put", "own-rule-disabled", "own-topic-unsubscribed"),
    *("own-function-throttled", "own-table-unprotected"),
}


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def changes() -> list[Any]:
    return [pytest.param(load(path), id=path.stem) for path in CHANGES]


@pytest.fixture(scope="module")
def contract() -> Contract:
    text = (ROOT / "contracts/bi-curated-read.yaml").read_text(encoding="utf-8")
    return Contract.model_validate(yaml.safe_load(text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_the_whole_envelope(path: Path) -> None:
    event = load(path)
    assert set(event) == ENVELOPE
    assert event["resources"] == []
    assert event["version"] == "0"


@pytest.mark.parametrize("path", CHANGES, ids=lambda path: path.stem)
def test_the_code_reads_from_a_file_what_was_touched_and_by_whom(path: Path, contract: Contract) -> None:
    event = load(path)
    change = events.read(events.envelope(path.read_bytes()), account=event["account"])
    assert isinstance(change, Change)
    assert change.everything is (path.stem in FOR_EVERY_CONTRACT)
    known = {
        "s3": contract.bucket_arn,
        "kms": contract.key,
        "iam": f"role/{contract.role_name}",
        "organizations": "organization",
        "ec2": "vpce-0123456789abcdef0",  # of no contract in contracts/, whose readers come as they like
    }
    service = event["detail"]["eventSource"].partition(".")[0]
    assert change.resources == (ELSEWHERE.get(path.stem) or (known[service],))
    assert change.cause.event_id == event["detail"]["eventID"]
    assert change.cause.actor


@pytest.mark.parametrize("event", changes())
def test_record_and_envelope_agree(event: dict[str, Any]) -> None:
    detail = event["detail"]
    assert event["source"] == "aws." + detail["eventSource"].partition(".")[0]
    assert event["account"] == detail["recipientAccountId"]
    assert event["region"] == detail["awsRegion"]
    assert event["time"] == detail["eventTime"]
    assert detail["readOnly"] is False
    assert detail["managementEvent"] is True


@pytest.mark.parametrize("event", changes())
def test_each_service_writes_its_own_shape(event: dict[str, Any]) -> None:
    detail = event["detail"]
    request = detail["requestParameters"] or {}
    if event["source"] == "aws.s3":
        assert isinstance(request["Host"], str)
        assert isinstance(request.get("bucketPolicy", {}), dict)
    if event["source"] == "aws.kms":
        assert isinstance(json.loads(request.get("policy", "{}")), dict)
        assert [row["type"] for row in detail["resources"]] == ["AWS::KMS::Key"]
    if event["source"] == "aws.iam":
        assert event["region"] == "us-east-1"
        assert "resources" not in detail
        assert "/" not in request.get("roleName", "")
        assert isinstance(json.loads(request.get("policyDocument", "{}")), dict)


@pytest.mark.parametrize("path", DENIED, ids=lambda path: path.stem)
def test_a_refused_read_is_of_the_contracts_role_and_envelope_and_record_agree(path: Path, contract: Contract) -> None:
    event = load(path)
    denial = read(event["detail"])
    assert isinstance(denial, Denial)
    assert event["account"] == event["detail"]["recipientAccountId"]
    assert event["source"] == "aws." + event["detail"]["eventSource"].partition(".")[0]
    assert (event["region"], event["time"]) == (event["detail"]["awsRegion"], event["detail"]["eventTime"])
    assert event["detail"]["readOnly"] is True
    assert event["detail"]["managementEvent"] is denial.of_kms
    (attempt,) = attempts([denial])
    # A record without parameters and resources is told by the message, here.
    assert concerns(contract, attempt, ROLE_ID) is Match.YES


def test_the_report_is_one_that_the_owner_believes(event_files: dict[str, dict[str, Any]], contract: Contract) -> None:
    event = event_files[REPORT]
    assert event["source"] == SOURCE
    report = decode(Report, json.dumps(event["detail"]))
    assert report.verdict.digest == contract.digest
    envelope = events.envelope(json.dumps(event))
    assert not refusal(contract, report, account=OWNER, sender=envelope.account, sent_at=envelope.time)
    assert refusal(contract, report, account=OWNER, sender="333333333333", sent_at=envelope.time)


def test_the_report_names_the_change_that_the_other_file_records(event_files: dict[str, dict[str, Any]]) -> None:
    cause = event_files[REPORT]["detail"]["cause"]
    assert cause["event_id"] == event_files["role-inline-policy-lost-decrypt"]["detail"]["eventID"]


def test_the_index_names_each_file_its_account_and_its_rule(
    home: Any, home_of_consumer: Any, event_files: dict[str, dict[str, Any]]
) -> None:
    text = (ROOT / "events/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z-]+) \| (owner|consumer)[^|]*\| (\w+Rule) \|", text, re.MULTILINE)
    expected = {
        (name, {"111111111111": "owner", "222222222222": "consumer"}[event["account"]], rule)
        for name, event in event_files.items()
        for template in (home, home_of_consumer)
        for rule, pattern in template.patterns().items()
        if matches(pattern, event)
    }
    assert set(rows) == expected
    assert len(rows) == len(event_files)
