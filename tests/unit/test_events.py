"""What is taken from CloudTrail's records, shape by shape."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from threelocks import events
from threelocks.events import BadEventError, Change, ForeignEventError, NoChange
from threelocks.finding import Lock
from threelocks.report import lock_of

OWNER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
KEY_ID = "abcd1234-a123-456a-a12b-a123b4cd56ef"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/{KEY_ID}"
BUCKET = "arn:aws:s3:::datalake-curated-a"
POLICY = f"arn:aws:iam::{CONSUMER}:policy/bi/read-curated"
KEY_RESOURCE = {"accountId": OWNER, "type": "AWS::KMS::Key", "ARN": KEY}
ALIAS_RESOURCE = {"accountId": OWNER, "ARN": f"arn:aws:kms:eu-west-1:{OWNER}:alias/curated"}


def delivered(
    source: str,
    name: str,
    *,
    account: str = OWNER,
    region: str = "eu-west-1",
    detail_type: str = events.API_CALL,
    **detail: Any,
) -> str:
    """An envelope as EventBridge delivers it, with `detail` over a plain record."""
    record = {
        "eventVersion": "1.11",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "eventTime": "2026-03-01T10:15:30Z",
        "awsRegion": region,
        "eventID": "0c5cbb1a-0000-4000-8000-000000000001",
        "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::{account}:user/ann"},
        "sourceIPAddress": "192.0.2.10",
        "userAgent": "aws-cli/2.17",
        "requestParameters": None,
    }
    envelope = {
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": detail_type,
        "source": f"aws.{source}",
        "account": account,
        "time": "2026-03-01T10:15:31Z",
        "region": region,
        "resources": [],
        "detail": record | detail,
    }
    return json.dumps(envelope)


def read(text: str, account: str = OWNER) -> Change | NoChange:
    return events.read(events.envelope(text), account=account)


def change(text: str, account: str = OWNER) -> Change:
    found = read(text, account)
    assert isinstance(found, Change), found
    return found


@pytest.mark.parametrize(
    ("source", "name", "detail", "resources"),
    [
        pytest.param(
            "s3",
            "PutBucketPolicy",
            {"requestParameters": {"bucketName": "datalake-curated-a", "Host": "h", "policy": "", "bucketPolicy": {}}},
            (BUCKET,),
            id="a bucket is named by the request",
        ),
        pytest.param(
            "s3",
            "DeleteBucketPolicy",
            {"requestParameters": None, "resources": [{"type": "AWS::S3::Bucket", "ARN": BUCKET}]},
            (BUCKET,),
            id="or only by resources, when the request is null",
        ),
        pytest.param(
            "s3",
            "PutBucketPolicy",
            {"requestParameters": {"omitted": True}, "resources": [{"ARN": f"{BUCKET}/sales/x"}]},
            (BUCKET,),
            id="an object's ARN tells its bucket",
        ),
        pytest.param(
            "s3",
            "PutBucketAcl",
            {"requestParameters": {"bucketName": "datalake-curated-a"}, "awsRegion": "cn-north-1"},
            ("arn:aws-cn:s3:::datalake-curated-a",),
            id="the partition follows from the region",
        ),
        pytest.param(
            "s3",
            "PutAccountPublicAccessBlock",
            {"requestParameters": {"Host": f"{OWNER}.s3-control.eu-west-1.amazonaws.com"}},
            ("account",),
            id="the account's public access block touches every bucket of the account",
        ),
        pytest.param(
            "s3-control",
            "DeleteAccountPublicAccessBlock",
            {},
            ("account",),
            id="under the control endpoint's name too",
        ),
        pytest.param(
            "s3",
            "CreateAccessPoint",
            {"requestParameters": {"name": "ap", "CreateAccessPointRequest": {"Bucket": "datalake-curated-a"}}},
            (BUCKET,),
            id="a new access point says its bucket, one level down",
        ),
        pytest.param(
            "s3",
            "PutAccessPointPolicy",
            {"requestParameters": {"name": "ap", "accountId": OWNER}},
            ("account",),
            id="an access point's policy does not say the bucket: any of the account's may be meant",
        ),
        pytest.param(
            "kms",
            "PutKeyPolicy",
            {"requestParameters": {"keyId": KEY_ID, "policy": "{}"}, "resources": [KEY_RESOURCE]},
            (KEY,),
            id="a key is named by resources, whatever the caller typed",
        ),
        pytest.param(
            "kms",
            "DeleteAlias",
            {"requestParameters": {"aliasName": "alias/curated"}, "resources": [ALIAS_RESOURCE, KEY_RESOURCE]},
            (KEY,),
            id="an alias in resources is passed over for its key",
        ),
        pytest.param(
            "kms",
            "CreateAlias",
            {"requestParameters": {"aliasName": "alias/curated", "targetKeyId": KEY_ID}, "resources": [ALIAS_RESOURCE]},
            (KEY,),
            id="a bare key id means the caller's own account and region",
        ),
        pytest.param(
            "kms",
            "RetireGrant",
            {"additionalEventData": {"grantId": "f5c4"}, "resources": [KEY_RESOURCE]},
            (KEY,),
            id="RetireGrant has no request parameters",
        ),
        pytest.param(
            "kms",
            "DisableKey",
            {"requestParameters": {"keyId": KEY}, "resources": None},
            (KEY,),
            id="without resources the key's ARN as typed serves",
        ),
        pytest.param(
            "iam",
            "PutRolePolicy",
            {"requestParameters": {"roleName": "BIAnalyticsRole", "policyName": "read", "policyDocument": "{}"}},
            ("role/BIAnalyticsRole",),
            id="a role goes by its name",
        ),
        pytest.param(
            "iam",
            "AttachRolePolicy",
            {"requestParameters": {"roleName": "BIAnalyticsRole", "policyArn": POLICY}},
            ("role/BIAnalyticsRole",),
            id="attaching changes the role, not the policy",
        ),
        pytest.param(
            "iam",
            "CreateRole",
            {"requestParameters": None, "responseElements": {"role": {"roleName": "BIAnalyticsRole"}}},
            ("role/BIAnalyticsRole",),
            id="a new role is also named by the answer",
        ),
        pytest.param(
            "iam",
            "CreatePolicyVersion",
            {"requestParameters": {"policyArn": POLICY, "policyDocument": "{}", "setAsDefault": True}},
            (POLICY,),
            id="a managed policy goes by its ARN",
        ),
    ],
)
def test_the_resources_of_a_record(source: str, name: str, detail: dict[str, Any], resources: tuple[str, ...]) -> None:
    found = change(delivered(source, name, **detail))
    assert (found.resources, found.everything) == (resources, False)
    assert found.cause.resources == resources


@pytest.mark.parametrize("cut", [None, {}, "{not json", [], {"omitted": True, "originalSize": 200000}])
@pytest.mark.parametrize(("source", "name"), sorted(events.EVENTS))
def test_a_record_that_names_nothing_is_never_silence(source: str, name: str, cut: Any) -> None:
    found = change(delivered(source.partition(".")[0], name, requestParameters=cut, resources=[None, {"ARN": 7}, "x"]))
    assert found.everything or found.resources in {("account",), ("organization",)}


def test_a_moved_alias_means_everything_since_the_key_it_left_is_not_named() -> None:
    text = delivered("kms", "UpdateAlias", requestParameters={"targetKeyId": KEY_ID}, resources=[KEY_RESOURCE])
    assert change(text).everything


@pytest.mark.parametrize("name", ["bucket\nname", "BIAnalyticsRole\n", "ünicode", "x" * 65, ""])
def test_what_cannot_be_a_role_name_is_not_taken_for_one(name: str) -> None:
    assert change(delivered("iam", "PutRolePolicy", requestParameters={"roleName": name})).everything


def test_a_key_that_aws_deleted_arrives_as_a_service_event() -> None:
    text = delivered(
        "kms",
        "DeleteKey",
        detail_type=events.SERVICE_EVENT,
        eventType="AwsServiceEvent",
        userIdentity={"accountId": OWNER, "invokedBy": "AWS Internal"},
        serviceEventDetails={"keyId": KEY_ID},
        resources=[],
    )
    found = change(text)
    assert (found.resources, found.cause.actor) == ((KEY,), "AWS Internal")


ROLE_SESSION = f"arn:aws:sts::{OWNER}:assumed-role/Admin/ann"


@pytest.mark.parametrize(
    ("identity", "actor"),
    [
        ({"type": "AssumedRole", "arn": ROLE_SESSION, "sessionContext": {}}, ROLE_SESSION),
        ({"type": "Root", "arn": f"arn:aws:iam::{OWNER}:root"}, f"arn:aws:iam::{OWNER}:root"),
        (
            {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"arn": f"arn:aws:iam::{OWNER}:role/Admin"}}},
            f"arn:aws:iam::{OWNER}:role/Admin",
        ),
        (
            {"type": "AssumedRole", "arn": ROLE_SESSION, "invokedBy": "cloudformation.amazonaws.com"},
            f"{ROLE_SESSION} through cloudformation.amazonaws.com",
        ),
        ({"type": "AWSService", "invokedBy": "ram.amazonaws.com"}, "ram.amazonaws.com"),
        (
            {"type": "AWSAccount", "principalId": "AROAEXAMPLE:bob", "accountId": CONSUMER},
            f"AROAEXAMPLE:bob of account {CONSUMER}",
        ),
        ({"type": "SAMLUser", "principalId": "idp:bob", "userName": "bob"}, "idp:bob"),
        (None, ""),
        ("", ""),
    ],
)
def test_who_made_the_change(identity: Any, actor: str) -> None:
    assert change(delivered("s3", "PutBucketPolicy", userIdentity=identity)).cause.actor == actor


def test_the_cause_says_when_where_and_by_which_event() -> None:
    cause = change(delivered("iam", "PutRolePolicy", account=CONSUMER, region="us-east-1"), CONSUMER).cause
    assert (cause.kind, cause.at) == ("change", datetime(2026, 3, 1, 10, 15, 30, tzinfo=UTC))
    assert (cause.account, cause.region, cause.event_name) == (CONSUMER, "us-east-1", "PutRolePolicy")
    assert (cause.event_id, cause.source_ip) == ("0c5cbb1a-0000-4000-8000-000000000001", "192.0.2.10")
    assert cause.user_agent == "aws-cli/2.17"


@pytest.mark.parametrize("time", [None, "", "yesterday", "2026-03-01T10:15:30", 7])
def test_a_record_without_a_usable_time_has_the_envelopes(time: Any) -> None:
    at = change(delivered("s3", "PutBucketPolicy", eventTime=time)).cause.at
    assert at == datetime(2026, 3, 1, 10, 15, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        delivered("s3", "PutBucketPolicy", errorCode="AccessDenied"),
        delivered("s3", "GetBucketPolicy"),
        delivered("ec2", "RunInstances"),
        delivered("s3", "PutBucketPolicy", eventSource=None),
    ],
)
def test_a_refused_call_and_a_call_that_moves_no_lock_are_no_change(text: str) -> None:
    assert isinstance(read(text), NoChange)


def test_an_event_of_another_account_is_refused() -> None:
    with pytest.raises(ForeignEventError, match=f"`{STRANGER}`"):
        read(delivered("s3", "PutBucketPolicy", account=STRANGER))


def without(name: str) -> str:
    event = json.loads(delivered("s3", "PutBucketPolicy"))
    del event[name]
    return json.dumps(event)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "the whole"),
        ("not json", "the whole"),
        ("[]", "the whole"),
        (without("account"), "account"),
        (without("detail"), "detail"),
        (without("detail-type"), "detail-type"),
        (json.dumps(json.loads(delivered("s3", "PutBucketPolicy")) | {"account": "11111111111"}), "account"),
        (json.dumps(json.loads(delivered("s3", "PutBucketPolicy")) | {"account": "١" * 12}), "account"),
        (json.dumps(json.loads(delivered("s3", "PutBucketPolicy")) | {"detail": None}), "detail"),
    ],
)
def test_what_is_no_envelope_is_refused_with_the_field_that_is_wrong(text: str, named: str) -> None:
    with pytest.raises(BadEventError, match=f"`{named}`"):
        events.envelope(text)


def test_an_event_that_cloudtrail_did_not_make_is_refused() -> None:
    with pytest.raises(BadEventError, match="KMS CMK Deletion"):
        read(delivered("kms", "DeleteKey", detail_type="KMS CMK Deletion"))


FILES = sorted((Path(__file__).parents[2] / "events").glob("*.json"))


def cloudtrail_files() -> list[Path]:
    """Those of changes; refused reads move no lock."""
    return [path for path in FILES if "via CloudTrail" in path.read_text() and not path.stem.startswith("denied-")]


@pytest.mark.parametrize("path", cloudtrail_files(), ids=lambda path: path.stem)
def test_every_event_file_names_what_it_touched(path: Path) -> None:
    text = path.read_text()
    found = change(text, events.envelope(text).account)
    assert found.everything or found.resources
    assert found.cause.actor
    assert found.cause.event_id


# --- what keeps the watch ---


def upkeep(source: str, event_name: str, **parameters: Any) -> Change | NoChange:
    detail = {"eventSource": source, "eventName": event_name, "awsRegion": "eu-west-1", "requestParameters": parameters}
    event = {
        "id": "e",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws",
        "account": "111111111111",
        "time": "2026-11-23T12:00:00Z",
        "region": "eu-west-1",
        "detail": detail,
    }
    return events.read(events.envelope(json.dumps(event)), account="111111111111")


OURS = {
    "a rule of the home stack": ("events.amazonaws.com", "DisableRule", {"name": "threelocks-KeyChangedRule-1A2B3C"}),
    "a relay's, in a stack set": (
        "events.amazonaws.com",
        "RemoveTargets",
        {"rule": "StackSet-relay-1-RoleChangedRule-1A2B3C"},
    ),
    "one for refused reads": ("events.amazonaws.com", "DeleteRule", {"name": "x-DecryptDeniedRule-1A2B3C"}),
    "the sweep's": ("events.amazonaws.com", "PutRule", {"name": "threelocks-SweepSchedule-1A2B3C"}),
    "the topic": (
        "sns.amazonaws.com",
        "DeleteTopic",
        {"topicArn": "arn:aws:sns:eu-west-1:111111111111:threelocks-AlertTopic-1A2b"},
    ),
    "a subscription of it": (
        "sns.amazonaws.com",
        "Unsubscribe",
        {"subscriptionArn": "arn:aws:sns:eu-west-1:111111111111:threelocks-AlertTopic-1A2b:6b2d-8f1e"},
    ),
}
THEIRS = {
    "another rule": ("events.amazonaws.com", "DisableRule", {"name": "nightly-report"}),
    "a rule that is called like one of ours": ("events.amazonaws.com", "PutRule", {"name": "KeyChangedRule"}),
    "another topic": ("sns.amazonaws.com", "DeleteTopic", {"topicArn": "arn:aws:sns:eu-west-1:111111111111:orders"}),
    "the alarms' topic": (
        "sns.amazonaws.com",
        "Subscribe",
        {"topicArn": "arn:aws:sns:eu-west-1:111111111111:threelocks-AlarmTopic-1A2b"},
    ),
}


@pytest.mark.parametrize(("source", "name", "parameters"), OURS.values(), ids=OURS)
def test_a_change_of_the_watchdogs_own_parts_is_of_every_contract(source: str, name: str, parameters: Any) -> None:
    change = upkeep(source, name, **parameters)
    assert isinstance(change, Change)
    assert change.everything
    (resource,) = change.resources
    assert lock_of(resource) is Lock.WATCHDOG
    assert any(str(value).rpartition("/")[2].startswith(resource.rpartition("/")[2]) for value in parameters.values())


@pytest.mark.parametrize(("source", "name", "parameters"), THEIRS.values(), ids=THEIRS)
def test_rules_and_topics_of_others_are_no_change(source: str, name: str, parameters: Any) -> None:
    assert isinstance(upkeep(source, name, **parameters), NoChange)


@pytest.mark.parametrize("template", ["template.yaml", "relay.yaml"])
def test_every_rule_and_the_alert_topic_of_the_templates_is_known_by_its_name(template: str) -> None:
    text = (Path(__file__).parents[2] / template).read_text(encoding="utf-8")
    rules = re.findall(r"^  (\w+):\n    Type: AWS::Events::Rule$", text, re.MULTILINE)
    assert rules
    for rule in rules:
        assert isinstance(upkeep("events.amazonaws.com", "DeleteRule", name=f"stack-{rule}-1A2B3C4D5E6F"), Change), rule
    assert template == "relay.yaml" or "  AlertTopic:\n    Type: AWS::SNS::Topic" in text
