"""Each way a share breaks, and each bad input, through the whole pipeline in two simulated accounts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from simulation.changes import (
    CHANGES,
    Change,
    Deed,
    as_agreed,
    put_bucket_policy,
    put_identity_policy,
    put_key_policy,
    without_decrypt,
    without_the_role_on_the_bucket,
    without_the_role_on_the_key,
)
from simulation.faults import Fault, denied
from simulation.scenario import Aftermath, after, run
from simulation.share import Policy, create_bucket, create_role, with_also
from simulation.world import World
from threelocks.finding import Lock
from threelocks.report import Report, decode, encode

STRANGER = "333333333333"


@pytest.fixture(autouse=True)
def nothing_is_wrong(world: World) -> Iterator[None]:
    """Each test begins and ends without faults, and with empty mailboxes."""
    world.runtime.faults.clear()
    yield
    world.runtime.faults.clear()
    world.settle()
    world.mails()


def named(name: str) -> Change:
    return next(change for change in CHANGES if change.name == name)


# -- what administrators do --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [change.name for change in CHANGES])
def test_a_change_is_seen_told_in_both_accounts_and_recovered_from(world: World, name: str) -> None:
    step = run(world, named(name))
    assert step.problems(world.accounts) == ()


def test_an_identity_policy_change_comes_through_the_relay(world: World) -> None:
    (route,) = run(world, named("identity-policy")).broken.routes
    assert route.rules == ("RoleChangedRule (us-east-1)", "RoleChangedRule (eu-west-1)")
    assert (route.function, route.account) == ("OnChangeFunction", world.contract.consumer.account)


def test_both_mails_name_who_made_the_change_and_the_incident(world: World) -> None:
    step = run(world, named("key-policy"))
    record = step.broken.records[0]
    for mails in step.broken.mails.values():
        assert record["userIdentity"]["arn"] in mails[0].body
        assert record["eventID"] in mails[0].body
    incidents = {mails[0].body.partition("INCIDENT\n  ")[2].split()[0] for mails in step.broken.mails.values()}
    assert len(incidents) == 1


def test_the_account_that_must_act_is_told_so_and_the_other_is_not(world: World) -> None:
    mails = run(world, named("identity-policy")).broken.mails
    assert "YOUR ACCOUNT MUST ACT" in mails[world.contract.consumer.account][0].body
    assert "YOUR ACCOUNT MUST ACT" not in mails[world.contract.owner.account][0].body


FIXES: dict[str, tuple[Callable[[Callable[..., Policy]], Deed], Callable[..., Policy]]] = {
    "identity-policy": (put_identity_policy, without_decrypt),
    "bucket-policy": (put_bucket_policy, without_the_role_on_the_bucket),
    "key-policy": (put_key_policy, without_the_role_on_the_key),
}


@pytest.mark.parametrize("name", FIXES)
def test_the_statement_in_the_mail_mends_the_share_when_it_is_added_to_the_policy(world: World, name: str) -> None:
    put, broken_policy = FIXES[name]
    broken = after(world, put(broken_policy))
    (mail,) = [mail for mails in broken.mails.values() for mail in mails if "YOUR ACCOUNT MUST ACT" in mail.body]
    told_to_do = mail.body.partition("WHAT TO DO")[2]
    told, _ = json.JSONDecoder().raw_decode(told_to_do[told_to_do.index("{") :])
    (statement,) = told.get("Statement", [told])  # a role is given a policy of its own
    mended = after(world, put(lambda policy, contract: with_also(broken_policy(policy, contract), statement)))
    assert {mail.attribute("standing") for mails in mended.mails.values() for mail in mails} == {"INTACT"}
    assert after(world, put(as_agreed)).is_silent


def test_the_first_break_is_not_told_again_when_the_same_policy_is_put_again(world: World) -> None:
    after(world, put_bucket_policy(without_the_role_on_the_bucket))
    world.cloud.clock.advance(60)
    assert after(world, put_bucket_policy(without_the_role_on_the_bucket)).is_silent
    assert not after(world, put_bucket_policy(as_agreed)).is_silent


def test_two_breaks_are_two_mails_and_the_share_is_intact_only_after_both_are_mended(world: World) -> None:
    bucket, key = named("bucket-policy"), named("key-policy")
    assert bucket.mend
    assert key.mend
    after(world, bucket.make)
    both = after(world, key.make)
    assert {mail.attribute("lock") for mails in both.mails.values() for mail in mails} == {Lock.KEY_POLICY.value}
    one_left = after(world, key.mend)
    assert {mail.attribute("standing") for mails in one_left.mails.values() for mail in mails} == {"BROKEN"}
    mended = after(world, bucket.mend)
    assert {mail.attribute("standing") for mails in mended.mails.values() for mail in mails} == {"INTACT"}


def test_a_record_delivered_twice_is_told_once(world: World) -> None:
    change = named("bucket-policy")
    assert change.mend

    def twice(people: Any) -> None:
        change.make(people)
        record = world.trail.records[-1]
        world.cloud.bus.emit(
            record["recipientAccountId"], record["awsRegion"], "aws.s3", "AWS API Call via CloudTrail", record
        )

    broken = after(world, twice)
    assert {account: len(mails) for account, mails in broken.mails.items()} == dict.fromkeys(world.accounts, 1)
    after(world, change.mend)


def test_a_lost_event_is_found_by_the_sweep(world: World) -> None:
    owner = world.contract.owner.account
    rule = world.accounts[owner].home.physical["BucketChangedRule"]
    events = world.cloud.client("events", world.contract.owner.home_region, world.accounts[owner].people.role)
    events.disable_rule(Name=rule)
    unseen = after(world, put_bucket_policy(without_the_role_on_the_bucket))
    assert unseen.is_silent
    swept = after(world, lambda up: up.invoke(owner, "sweep", {}))
    assert {mail.attribute("standing") for mails in swept.mails.values() for mail in mails} == {"BROKEN"}
    assert "CloudTrail's event history has it." in swept.mails[owner][0].body
    events.enable_rule(Name=rule)
    after(world, put_bucket_policy(as_agreed))


# -- reads that fail ---------------------------------------------------------------------------------------------------

OWNERS = {
    "s3:GetBucketPolicy": "s3:GetBucketPolicy",
    "s3:GetBucketPolicyStatus": "s3:GetBucketPolicyStatus",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3control:GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
    "s3:GetBucketOwnershipControls": "s3:GetBucketOwnershipControls",
    "s3:GetBucketAcl": "s3:GetBucketAcl",
    "s3:GetBucketRequestPayment": "s3:GetBucketRequestPayment",
    "s3:GetBucketLocation": "s3:GetBucketLocation",
    "kms:DescribeKey": "kms:DescribeKey",
    "kms:ListKeyPolicies": "kms:ListKeyPolicies",
    "kms:GetKeyPolicy": "kms:GetKeyPolicy",
    "kms:ListGrants": "kms:ListGrants",
}
CONSUMERS = {
    "iam:GetRole": "iam:GetRole",
    "iam:ListRolePolicies": "iam:ListRolePolicies",
    "iam:GetRolePolicy": "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies": "iam:ListAttachedRolePolicies",
}
UNREAD = {"s3": "bucket.unread", "s3control": "bucket.unread", "kms": "key.unread", "iam": "identity.unread"}


@pytest.mark.finding("identity.unread", "bucket.unread", "key.unread")
@pytest.mark.parametrize("operation", [*OWNERS, *CONSUMERS])
def test_a_refused_read_makes_the_share_unknown_and_names_the_missing_permission(world: World, operation: str) -> None:
    """Never intact, and never taken for something missing."""
    is_owners = operation in OWNERS
    permission = {**OWNERS, **CONSUMERS}[operation]
    party = world.contract.owner if is_owners else world.contract.consumer
    reader = world.accounts[party.account].function("recheck").role
    world.runtime.faults.always[operation] = denied(reader, permission)
    refused = after(world, lambda up: up.invoke(party.account, "recheck", {}))
    assert world.runtime.faults.hit
    told = [mail for mails in refused.mails.values() for mail in mails]
    assert {mail.account for mail in told} == set(world.accounts)
    assert {mail.attribute("standing") for mail in told} == {"UNKNOWN"}
    assert permission in refused.mails[party.account][0].body
    assert f"[{UNREAD[operation.partition(':')[0]]}]" in refused.mails[party.account][0].body
    world.runtime.faults.clear()
    world.cloud.clock.advance(60)
    read = after(world, lambda up: up.invoke(party.account, "recheck", {}))
    assert {mail.attribute("standing") for mails in read.mails.values() for mail in mails} == {"INTACT"}


def test_a_throttled_read_is_tried_again_and_nobody_hears_of_it(world: World) -> None:
    slow = Fault("SlowDown", "reduce your request rate", 503)
    world.runtime.faults.left["s3:GetBucketPolicy"] = [slow]
    assert after(world, put_bucket_policy(as_agreed)).is_silent
    assert world.runtime.faults.hit == ["s3:GetBucketPolicy"]


def test_a_read_that_stays_throttled_goes_back_to_the_queue_and_is_judged_when_it_passes(world: World) -> None:
    slow = Fault("SlowDown", "reduce your request rate", 503)
    world.runtime.faults.left["s3:GetBucketPolicy"] = [slow] * 2  # both attempts of the first check
    broken = after(world, put_bucket_policy(without_the_role_on_the_bucket))
    assert any(invocation.failed for invocation in broken.invocations)
    assert {mail.attribute("standing") for mails in broken.mails.values() for mail in mails} == {"BROKEN"}
    assert not after(world, put_bucket_policy(as_agreed)).is_silent


# -- events that are none of ours --------------------------------------------------------------------------------------


def locks_read(world: World, since: int) -> list[str]:
    return [call.operation for call in world.runtime.calls[since:] if call.service in {"s3", "s3control", "kms", "iam"}]


def test_a_change_of_a_bucket_in_no_contract_reads_nothing(world: World) -> None:
    owner = world.contract.owner.account
    s3 = world.administrator(owner, "s3")
    already = len(world.runtime.calls)

    def make_another(_: World) -> None:
        s3.create_bucket(Bucket="some-other-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_bucket_policy(Bucket="some-other-bucket", Policy='{"Version": "2012-10-17", "Statement": []}')

    came_of_it = after(world, make_another)
    assert [route.function for route in came_of_it.routes] == ["OnChangeFunction", "OnChangeFunction"]
    assert came_of_it.is_silent
    assert came_of_it.errors == ()
    assert locks_read(world, already) == []


def test_a_failed_call_reaches_no_function(world: World) -> None:
    s3 = world.administrator(world.contract.owner.account, "s3")

    def fail(_: World) -> None:
        with pytest.raises(s3.exceptions.ClientError):
            s3.put_bucket_policy(Bucket="no-such-bucket-anywhere", Policy="{}")

    came_of_it = after(world, fail)
    assert [route.function for route in came_of_it.routes] == [""]


def test_an_event_without_request_parameters_is_judged_by_what_else_it_names(world: World) -> None:
    owner = world.contract.owner.account
    already = len(world.runtime.calls)

    def emit(up: World) -> None:
        up.administrator(owner, "kms").enable_key(KeyId=up.contract.key.rpartition("/")[2])
        record = {**up.trail.records[-1], "requestParameters": None, "eventName": "RetireGrant"}
        up.cloud.bus.emit(owner, "eu-west-1", "aws.kms", "AWS API Call via CloudTrail", record)

    came_of_it = after(world, emit)
    assert came_of_it.errors == ()
    assert "GetKeyPolicy" in locks_read(world, already)


@pytest.mark.finding("bucket.missing")
def test_a_deleted_bucket_is_told_as_missing(world: World) -> None:
    owner = world.contract.owner.account
    people = world.accounts[owner].people.role
    gone = after(world, lambda up: up.administrator(owner, "s3").delete_bucket(Bucket=up.contract.bucket.name))
    assert {mail.attribute("standing") for mails in gone.mails.values() for mail in mails} == {"BROKEN"}
    assert "bucket.missing" in gone.mails[owner][0].body
    client = world.cloud.client
    create_bucket(client("s3", "eu-west-1", people), client("s3control", "eu-west-1", people), world.contract)
    back = after(world, put_bucket_policy(as_agreed))
    assert {mail.attribute("standing") for mails in back.mails.values() for mail in mails} == {"INTACT"}


@pytest.mark.finding("identity.role-missing")
def test_a_deleted_role_is_told_as_missing(world: World) -> None:
    consumer = world.contract.consumer.account
    iam, role = world.administrator(consumer, "iam"), world.contract.role_name

    def delete(_: World) -> None:
        iam.delete_role_policy(RoleName=role, PolicyName="read-curated")
        iam.delete_role(RoleName=role)

    gone = after(world, delete)
    told = [mail for mails in gone.mails.values() for mail in mails]
    assert {mail.attribute("standing") for mail in told} == {"BROKEN"}
    assert any("identity.role-missing" in mail.body for mail in told)
    create_role(world.administrator(consumer, "iam"), world.contract)
    world.settle()
    world.mails()


# -- reports that must not be believed ---------------------------------------------------------------------------------


def own_report(world: World, account: str) -> Report:
    """The last report that this account sent, as its partner received it."""
    every = (body for run_ in world.poller.invocations for body in run_.bodies())
    bodies = [body for body in every if body.get("detail-type") == "Share report"]
    last = [body for body in bodies if body["account"] == account][-1]
    return decode(Report, json.dumps(last["detail"]))


def put_report(world: World, sender: str, report: Report, *, role: str) -> Aftermath:
    party = world.contract.owner
    bus = f"arn:aws:events:{party.home_region}:{party.account}:event-bus/threelocks"
    entry = {"Source": "threelocks", "DetailType": "Share report", "Detail": encode(report), "EventBusName": bus}
    events = world.cloud.client("events", party.home_region, f"arn:aws:iam::{sender}:role/{role}")

    def put(_: World) -> None:
        events.put_events(Entries=[entry])

    return after(world, put)


def claims(world: World, lock: Lock) -> Report:
    """A newer report of the consumer's, whose one lock is another."""
    report = own_report(world, world.contract.consumer.account)
    states = tuple(replace(state, lock=lock) for state in report.verdict.locks)
    stamp = max(report.stamp + 1, int(world.cloud.clock.millis()))
    return replace(report, stamp=stamp, verdict=replace(report.verdict, locks=states))


def test_a_report_of_a_strangers_account_is_turned_away_at_the_bus(world: World) -> None:
    turned_away = len(world.cloud.bus.refused)
    came = put_report(world, STRANGER, claims(world, Lock.IDENTITY_POLICY), role="threelocks/threelocks-reporter")
    assert len(world.cloud.bus.refused) == turned_away + 1
    assert came.invocations == ()
    assert came.is_silent


def test_a_report_by_another_role_of_the_partner_is_turned_away_at_the_bus(world: World) -> None:
    turned_away = len(world.cloud.bus.refused)
    came = put_report(world, world.contract.consumer.account, claims(world, Lock.IDENTITY_POLICY), role="intruder")
    assert len(world.cloud.bus.refused) == turned_away + 1
    assert came.is_silent


def test_a_report_about_a_lock_that_its_sender_does_not_hold_is_refused_counted_and_changes_nothing(
    world: World,
) -> None:
    already = len(world.runtime.log.getvalue())
    people = world.contract.consumer.account
    came = put_as_reporter(world, people, claims(world, Lock.BUCKET_POLICY))
    assert [run_.function.logical_id for run_ in came.invocations] == ["OnReportFunction"]
    assert came.is_silent
    assert came.errors == ()
    assert "ReportRefused" in world.runtime.log.getvalue()[already:]


def put_as_reporter(world: World, account: str, report: Report) -> Aftermath:
    """With the reporter role that the stack made, assumed by the reader as in AWS."""
    home = world.accounts[account].home
    sts = world.cloud.client("sts", home.region, home.outputs["ReaderRoleArn"])
    keys = sts.assume_role(RoleArn=home.outputs["ReporterRoleArn"], RoleSessionName="test")["Credentials"]
    party = world.contract.owner
    events = world.cloud.session.client(
        "events",
        region_name=party.home_region,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    bus = f"arn:aws:events:{party.home_region}:{party.account}:event-bus/threelocks"
    entry = {"Source": "threelocks", "DetailType": "Share report", "Detail": encode(report), "EventBusName": bus}

    def put(_: World) -> None:
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    return after(world, put)


def test_a_report_older_than_the_last_one_changes_nothing(world: World) -> None:
    stale = replace(own_report(world, world.contract.consumer.account), stamp=1)
    came = put_as_reporter(world, world.contract.consumer.account, stale)
    assert came.is_silent
    assert came.errors == ()


def test_an_invoke_payload_that_is_not_ours_is_answered_with_what_is_accepted(world: World) -> None:
    answer = world.invoke(world.contract.owner.account, "recheck", {"contrct": "bi-curated-read"})
    assert "send {}" in answer["error"]
