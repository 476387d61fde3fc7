"""Who may do what: the roles' own policies, and the policies of queues, buses, topics and keys."""

from __future__ import annotations

import fnmatch
from functools import cache
from typing import Any

import pytest

from threelocks.alert.event import DETAIL_TYPE
from threelocks.aws import ceilings, history, trails, watched
from threelocks.aws.read import PERMISSIONS
from threelocks.report import SOURCE

PARTNER = "222222222222"
REPORTER = "arn:aws:iam::111111111111:role/threelocks/threelocks-reporter"

HOME_BUS = "arn:aws:events:eu-west-1:111111111111:event-bus/default"

# What changes a lock, a ceiling, a trail, or the watchdog itself; and the data that the locks guard.
NEVER = tuple(
    """
    s3:Put* s3:Create* s3:Delete* s3:Update* s3:Replicate* s3:Restore* s3:Bypass* s3:Abort* s3:GetObject*
    kms:Put* kms:Create* kms:Delete* kms:Update* kms:Disable* kms:Enable* kms:Schedule* kms:Cancel* kms:Import*
    kms:Retire* kms:Revoke* kms:Replicate* kms:Tag* kms:Untag* kms:Encrypt kms:ReEncrypt* kms:Sign
    iam:Put* iam:Create* iam:Delete* iam:Update* iam:Attach* iam:Detach* iam:Set* iam:Tag* iam:Untag* iam:Add*
    iam:Remove* iam:Pass* iam:Upload*
    organizations:Create* organizations:Update* organizations:Attach* organizations:Detach* organizations:Delete*
    ec2:Create* ec2:Modify* ec2:Delete* ram:* cloudtrail:Stop* cloudtrail:Delete* cloudtrail:Update* cloudtrail:Put*
    events:PutRule events:PutTargets events:Delete* events:Disable* events:Remove* events:PutPermission
    lambda:Create* lambda:Update* lambda:Delete* lambda:Put* lambda:Add* lambda:Invoke*
    sns:Subscribe sns:Unsubscribe sns:Set* sns:Delete* sns:AddPermission sns:RemovePermission
    sqs:Set* sqs:Delete?ueue sqs:Purge* sqs:AddPermission dynamodb:DeleteTable dynamodb:UpdateTable dynamodb:Scan
    logs:Delete* logs:Put?etentionPolicy cloudwatch:*
    cloudformation:Create* cloudformation:Update* cloudformation:Delete* cloudformation:Execute* cloudformation:Set*
    cloudformation:Cancel* cloudformation:Continue* cloudformation:Get* cloudformation:List*
    sts:AssumeRoleWith* sts:TagSession
    """.split()
)

# Actions for which AWS knows no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/
UNSCOPED = {
    "s3:GetAccountPublicAccessBlock": "answers for the caller's account only",
    "s3:ListAllMyBuckets": "lists the account's own buckets only, and AWS knows no resource for it",
    "s3:ListAccessPoints": "lists the account's own access points only, and AWS knows no resource for it",
    "ec2:DescribeVpcEndpoints": "answers for the caller's account only",
    "organizations:DescribeOrganization": "answers for the caller's own organization",
    **dict.fromkeys(
        (
            "organizations:ListRoots",
            "organizations:ListParents",
            "organizations:ListPoliciesForTarget",
            "organizations:DescribePolicy",
        ),
        "answers for the caller's own organization; its resources are the management account's, whose id is not known",
    ),
    "lambda:ListEventSourceMappings": "answers for the caller's account only, and AWS knows no resource for it",
    "cloudtrail:DescribeTrails": "answers for the caller's account only",
    "events:ListRuleNamesByTarget": "answers for the caller's account only, and whether it can be scoped is unclear",
    "cloudtrail:LookupEvents": "the event history has no ARN, and answers for the caller's account only",
    "xray:PutTraceSegments": "traces have no ARN",
    "xray:PutTelemetryRecords": "nor has telemetry",
}


@cache
def overlap(one: str, other: str) -> bool:
    """Is there a text that both patterns match? `*` stands for any text, `?` for one character."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(other, one)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and overlap(one[1:], other[1:])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("s3:*", "s3:PutBucketPolicy", True),
        ("s3:Get*", "s3:*Policy", True),
        ("s3:Get*", "s3:Put*", False),
        ("*", "kms:PutKeyPolicy", True),
        ("s3:?ut*", "s3:Put*", True),
        ("iam:GetRole", "iam:GetRolePolicy", False),
    ],
)
def test_overlap_finds_a_text_that_both_patterns_match(one: str, other: str, *, expected: bool) -> None:
    assert overlap(one.lower(), other.lower()) is expected
    assert overlap(other.lower(), one.lower()) is expected


def test_no_role_may_write_what_the_watchdog_watches_or_read_what_it_guards(allowed: tuple[Any, ...]) -> None:
    crossed = [
        (permission.role, permission.action, pattern)
        for permission in allowed
        for pattern in NEVER
        if overlap(permission.action.lower(), pattern.lower())
    ]
    assert not crossed


def test_the_reader_may_make_every_read_that_the_code_makes_and_no_other(allowed: tuple[Any, ...]) -> None:
    services = {permission.split(":")[0] for _, permission in PERMISSIONS}
    granted = {
        permission.action
        for permission in allowed
        if permission.role == "ReaderRole"
        and permission.action.split(":")[0] in services
        and permission.resource != "${AlertKey.Arn}"
    }
    assert granted == {permission for _, permission in PERMISSIONS}


def test_the_reader_may_look_after_the_watchdog_by_every_call_that_the_code_makes_and_no_other(
    home: Any,
) -> None:
    role = home.properties("ReaderRole")
    (policy,) = [row for row in role["Policies"] if row["PolicyName"] == "look-after-the-watchdog"]
    granted = {action for row in policy["PolicyDocument"]["Statement"] for action in listed(row["Action"])}
    assert granted == {permission for _, permission in watched.PERMISSIONS}
    (policy,) = [row for row in role["Policies"] if row["PolicyName"] == "look-for-evidence"]
    granted = {action for row in policy["PolicyDocument"]["Statement"] for action in listed(row["Action"])}
    assert granted == {permission for _, permission in trails.PERMISSIONS}


def test_the_reader_may_look_up_changes_and_trails_and_ask_cloudtrail_nothing_else(allowed: tuple[Any, ...]) -> None:
    asked = {(row.role, row.action) for row in allowed if row.action.startswith("cloudtrail:")}
    assert asked == {("ReaderRole", permission) for _, permission in history.PERMISSIONS | trails.PERMISSIONS}


def test_the_reader_may_read_ceilings_by_every_call_that_the_code_makes_and_no_other(home: Any) -> None:
    role = home.properties("ReaderRole")
    (policy,) = [row for row in role["Policies"] if row["PolicyName"] == "read-ceilings"]
    granted = {action for row in policy["PolicyDocument"]["Statement"] for action in listed(row["Action"])}
    assert granted == {permission for _, permission in ceilings.PERMISSIONS}


def test_the_reader_may_look_into_the_dead_letters_of_relays_in_every_region(
    relay: Any, allowed: tuple[Any, ...]
) -> None:
    (resource,) = {row.resource for row in allowed if row.action == "sqs:GetQueueUrl"}
    (queue,) = relay.of_type("AWS::SQS::Queue")
    assert fnmatch.fnmatchcase(f"arn:aws:sqs:us-east-1:111111111111:threelocks-relay-{queue}-4XB7", resource)


def test_no_action_is_a_pattern(allowed: tuple[Any, ...]) -> None:
    assert not {permission.action for permission in allowed if set(permission.action) & set("*?")}


def test_every_resource_is_scoped_where_aws_allows_it(allowed: tuple[Any, ...]) -> None:
    loose = {permission.action for permission in allowed if permission.resource == "*"}
    assert loose == set(UNSCOPED)


def test_every_role_stays_in_its_own_account(allowed: tuple[Any, ...]) -> None:
    """Either the ARN names the account or one of our resources, or a condition does. An organization's trail, whose
    state its members may read, is another account's."""
    for permission in allowed:
        if permission.resource == "*" or permission.resource.startswith("${"):
            continue
        account = permission.resource.split(":")[4]
        own = account in {"111111111111", "222222222222", "aws"} or permission.action.startswith("cloudtrail:Get")
        conditioned = "aws:ResourceAccount" in permission.condition.get("StringEquals", {})
        assert own or conditioned, permission


def test_the_reader_reads_buckets_of_its_own_account_only(allowed: tuple[Any, ...]) -> None:
    buckets = [row for row in allowed if row.action.startswith("s3:") and row.resource.startswith("arn:aws:s3:::")]
    assert buckets
    for row in buckets:
        assert row.condition == {"StringEquals": {"aws:ResourceAccount": "111111111111"}}, row


def of(allowed: tuple[Any, ...], role: str) -> set[tuple[str, str]]:
    """What a role may do beside logging and tracing."""
    return {
        (row.action, row.resource)
        for row in allowed
        if row.role == role and row.action.split(":")[0] not in {"logs", "xray"}
    }


def test_the_reporter_puts_events_on_the_partners_buses_and_does_nothing_else(
    home: Any, allowed: tuple[Any, ...]
) -> None:
    assert of(allowed, "ReporterRole") == {("events:PutEvents", "arn:aws:events:*:*:event-bus/threelocks")}
    (row,) = [row for row in allowed if row.role == "ReporterRole"]
    assert row.condition == {"StringEquals": {"aws:ResourceAccount": [PARTNER]}}
    (trust,) = home.properties("ReporterRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"AWS": "${ReaderRole.Arn}"}


def test_without_partners_the_reporter_may_do_nothing_and_the_bus_admits_nobody(home_alone: Any) -> None:
    assert "Policies" not in home_alone.properties("ReporterRole")
    assert set(home_alone.of_type("AWS::Events::EventBusPolicy")) == {"DefaultBusPolicy"}


def test_on_report_has_the_table_its_queue_and_the_topic_and_may_ask_for_checks(allowed: tuple[Any, ...]) -> None:
    resources = {resource for _, resource in of(allowed, "OnReportRole")}
    queues = {"${ReportQueue.Arn}", "${ChangeQueue.Arn}"}
    assert resources == {*queues, "${Table.Arn}", "${AlertTopic}", "${ChatTopic}", "${AlertKey.Arn}", HOME_BUS}
    assert [action for action, resource in of(allowed, "OnReportRole") if resource == "${ChangeQueue.Arn}"] == [
        "sqs:SendMessage"
    ]


def test_who_tells_may_announce_standings_on_the_own_bus_and_put_nothing_else_there(allowed: tuple[Any, ...]) -> None:
    rows = [row for row in allowed if row.action == "events:PutEvents" and row.resource == HOME_BUS]
    own = [row for row in rows if row.role in {"ReaderRole", "OnReportRole"}]
    assert len(own) == 2
    for row in own:
        assert row.condition == {"StringEquals": {"events:source": SOURCE, "events:detail-type": DETAIL_TYPE}}


def test_the_sweep_reads_the_table_and_sends_messages(allowed: tuple[Any, ...]) -> None:
    assert of(allowed, "SweepRole") == {
        ("dynamodb:BatchGetItem", "${Table.Arn}"),
        ("dynamodb:Query", "${Table.Arn}"),
        ("sqs:SendMessage", "${CheckQueue.Arn}"),
        ("sqs:SendMessage", "${SweepDeadLetters.Arn}"),
    }


def test_only_the_reader_may_assume_a_role_and_that_is_the_reporter(allowed: tuple[Any, ...]) -> None:
    assumes = {(row.role, row.resource) for row in allowed if row.action == "sts:AssumeRole"}
    assert assumes == {("ReaderRole", REPORTER)}


def test_roles_that_others_must_name_have_fixed_names(home: Any) -> None:
    named = {
        name: f"role{row['Path']}{row['RoleName']}"
        for name, row in home.of_type("AWS::IAM::Role").items()
        if "RoleName" in row
    }
    assert named["ReaderRole"] == "role/threelocks/threelocks-reader"
    assert named["ReporterRole"] == "role/threelocks/threelocks-reporter"


# --- policies of resources ---


def test_the_report_bus_admits_only_the_partners_reporter_with_our_events(home: Any) -> None:
    policy = home.properties("ReportBusPolicy")
    assert policy["EventBusName"] == "${ReportBus.Name}"
    assert policy["Statement"] == {
        "Effect": "Allow",
        "Principal": {"AWS": [PARTNER]},
        "Action": "events:PutEvents",
        "Resource": "${ReportBus.Arn}",
        "Condition": {
            "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/threelocks/threelocks-reporter"},
            "ForAllValues:StringEquals": {
                "events:source": "threelocks",
                "events:detail-type": ["Share report", "Report request"],
            },
            "Null": {"events:source": "false", "events:detail-type": "false"},
        },
    }


def test_the_default_bus_admits_its_own_account_only(home: Any) -> None:
    statement = home.properties("DefaultBusPolicy")["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}


@pytest.mark.parametrize("stack", ["home", "relay", "relay_of_data", "relay_of_both"])
def test_each_queue_admits_exactly_the_rules_that_send_to_it(stack: str, request: pytest.FixtureRequest) -> None:
    template = request.getfixturevalue(stack)
    rules = template.of_type("AWS::Events::Rule")
    senders: dict[str, set[str]] = {}
    for name, rule in rules.items():
        for target in rule["Targets"]:
            senders.setdefault(target["DeadLetterConfig"]["Arn"], set()).add(f"${{{name}.Arn}}")
            senders.setdefault(target["Arn"], set()).add(f"${{{name}.Arn}}")
    queues = {f"${{{name}.Arn}}" for name in template.of_type("AWS::SQS::Queue")}
    assert admitted(template) == {queue: names for queue, names in senders.items() if queue in queues}


def admitted(template: Any) -> dict[str, set[str]]:
    """Queue ARN -> ARNs of the rules that its policy lets in."""
    found: dict[str, set[str]] = {}
    for policy in template.of_type("AWS::SQS::QueuePolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Deny":
                continue
            assert statement["Principal"] == {"Service": "events.amazonaws.com"}
            assert statement["Action"] == "sqs:SendMessage"
            arns = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
            found.setdefault(statement["Resource"], set()).update([arns] if isinstance(arns, str) else arns)
    return found


@pytest.mark.parametrize("stack", ["home", "relay"])
def test_every_queue_refuses_to_be_reached_without_tls(stack: str, request: pytest.FixtureRequest) -> None:
    template = request.getfixturevalue(stack)
    refusing = {
        queue
        for policy in template.of_type("AWS::SQS::QueuePolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Action"] == "sqs:*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for queue in policy["Queues"]
    }
    assert refusing == {f"${{{name}}}" for name in template.of_type("AWS::SQS::Queue")}


def test_the_alert_key_may_be_used_by_the_publishing_roles_and_by_nobody_else(
    home: Any, allowed: tuple[Any, ...]
) -> None:
    statements = home.properties("AlertKey")["KeyPolicy"]["Statement"]
    using = [row for row in statements if any(uses(action) for action in listed(row["Action"]))]
    (statement,) = using
    paths = {
        name: f"arn:aws:iam::111111111111:role{row['Path']}{row['RoleName']}"
        for name, row in home.of_type("AWS::IAM::Role").items()
    }
    publishers = {row.role for row in allowed if row.action == "sns:Publish"}
    assert set(statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]) == {paths[role] for role in publishers}
    assert statement["Condition"]["StringEquals"] == {"kms:ViaService": "sns.eu-west-1.amazonaws.com"}


def uses(action: str) -> bool:
    """Does this pattern allow a cryptographic operation, or hand it on by a grant?"""
    operations = ("kms:decrypt", "kms:encrypt", "kms:generatedatakey", "kms:reencryptfrom", "kms:creategrant")
    return any(fnmatch.fnmatchcase(operation, action.lower()) for operation in operations)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("topic", ["AlertTopic", "ChatTopic"])
def test_each_publisher_may_publish_by_the_topics_policy_too(home: Any, allowed: tuple[Any, ...], topic: str) -> None:
    assert home.properties(topic)["KmsMasterKeyId"] == "${AlertKey}"
    statements = home.properties(f"{topic}Policy")["PolicyDocument"]["Statement"]
    (statement,) = [row for row in statements if row["Effect"] == "Allow"]
    assert statement["Resource"] == f"${{{topic}}}"
    publishers = {row.role for row in allowed if row.action == "sns:Publish" and row.resource == f"${{{topic}}}"}
    assert publishers == {"ReaderRole", "OnReportRole"}
    assert set(statement["Principal"]["AWS"]) == {f"${{{role}.Arn}}" for role in publishers}


def test_the_alarm_topic_shares_no_key_and_no_publisher_with_the_alert_topic(home: Any) -> None:
    assert "KmsMasterKeyId" in home.properties("AlertTopic")
    assert "KmsMasterKeyId" not in home.properties("AlarmTopic")
    statements = home.properties("AlarmTopicPolicy")["PolicyDocument"]["Statement"]
    (statement,) = [row for row in statements if row["Effect"] == "Allow"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "111111111111"}
