"""Refused reads through the template's own rules, in two simulated accounts: which lock refused, and who is told.

The records are constructed (simulation/denials.py); the policies, the rules, the queue, the function and its role are
the deployed ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto.events.models import events_backends

from simulation import denials
from simulation.changes import (
    as_agreed,
    put_bucket_policy,
    put_identity_policy,
    put_key_policy,
    without_decrypt,
    without_the_role_on_the_bucket,
    without_the_role_on_the_key,
)
from simulation.denials import NO_IDENTITY, decrypt_denied, s3_denied
from simulation.scenario import Aftermath, after, begin
from simulation.world import Templates, World, simulated_world

DETAIL_TYPE = "AWS API Call via CloudTrail"
AN_HOUR = 3700


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Both accounts with the diagnosis turned on, the share intact, and told so."""
    templates = Templates(parameters={"DiagnoseDenials": "true"})
    with simulated_world(templates=templates) as up:
        assert begin(up).problems() == ()
        yield up


@pytest.fixture(autouse=True)
def each_by_itself(world: World) -> Iterator[None]:
    """What was diagnosed within the window is not looked at again; and each test ends with the share as agreed."""
    world.cloud.clock.advance(AN_HOUR)
    yield
    world.settle()
    world.mails()


def role_id(world: World) -> str:
    consumer = world.contract.consumer.account
    role = world.administrator(consumer, "iam").get_role(RoleName=world.contract.role_name)
    return str(role["Role"]["RoleId"])


def recorded(world: World, record: dict[str, Any], number: int = 0) -> None:
    """CloudTrail's record, put on the bus of the account whose trail has it: now, and of today's role."""
    now = f"{world.cloud.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    fresh = f"{world.cloud.clock.millis():.0f}-{number}"
    text = {"eventTime": now, "eventID": f"{record['eventID'][:4]}{fresh}", "sharedEventID": fresh}
    identity = dict(record["userIdentity"])
    identity["principalId"] = identity["principalId"].replace(denials.ROLE_ID, role_id(world))
    source = f"aws.{record['eventSource'].partition('.')[0]}"
    whole = record | text | {"userIdentity": identity}
    world.cloud.bus.emit(record["recipientAccountId"], record["awsRegion"], source, DETAIL_TYPE, whole)


def refused(world: World, *records: dict[str, Any]) -> Aftermath:
    def read(up: World) -> None:
        for record in records:
            recorded(up, record)

    return after(world, read)


def diagnoses(aftermath: Aftermath, account: str) -> list[Any]:
    return [mail for mail in aftermath.mails[account] if mail.attribute("kind") == "diagnosis"]


def words(text: str) -> str:
    return " ".join(text.split())


def test_failure_b_is_diagnosed_from_the_owners_data_trail(world: World) -> None:
    """A bare refusal, by a caller whom the record names by id alone: the judgement says which lock."""
    owner, consumer = world.contract.owner.account, world.contract.consumer.account
    broken = after(world, put_bucket_policy(without_the_role_on_the_bucket))
    assert [mail.attribute("kind") for mail in broken.mails[owner]] == ["break"]
    came = refused(world, s3_denied(world.contract))
    assert came.errors == ()
    assert [run.function.logical_id for run in came.invocations][:1] == ["OnDeniedFunction"]
    (mail,) = diagnoses(came, owner)
    assert came.mails[consumer] == ()
    assert mail.subject == "Diagnosis: bi-curated-read - bucket policy of data-platform (111111111111)"
    assert "BIAnalyticsRole is refused by the bucket policy in data-platform (111111111111): certain" in words(
        mail.body
    )
    assert broken.mails[owner][0].body.partition("INCIDENT\n  ")[2].split()[0] in mail.body
    world.cloud.clock.advance(AN_HOUR)
    assert refused(world, s3_denied(world.contract)).is_silent  # once for each incident
    after(world, put_bucket_policy(as_agreed))


def test_failure_c_is_diagnosed_from_the_consumers_management_events(world: World) -> None:
    """Decrypt is a read, and reaches a rule in that one state only."""
    consumer = world.contract.consumer.account
    after(world, put_key_policy(without_the_role_on_the_key))
    came = refused(world, s3_denied(world.contract, view="consumer"), decrypt_denied(world.contract))
    assert came.errors == ()
    (mail,) = diagnoses(came, consumer)
    assert mail.attribute("lock") == "key_policy"
    assert "data-platform (111111111111) must act" in words(mail.body)
    after(world, put_key_policy(as_agreed))


def test_failure_a_is_told_apart_from_failure_c_by_the_text_alone(world: World) -> None:
    consumer = world.contract.consumer.account
    after(world, put_identity_policy(without_decrypt))
    came = refused(world, decrypt_denied(world.contract, because=NO_IDENTITY))
    (mail,) = diagnoses(came, consumer)
    assert mail.attribute("lock") == "identity_policy"
    assert "YOUR ACCOUNT MUST ACT" not in mail.body
    assert "Your account holds the lock" in mail.body
    after(world, put_identity_policy(as_agreed))


def test_while_nothing_is_off_a_refusal_is_in_the_re_check_and_in_no_mail(world: World) -> None:
    owner = world.contract.owner.account
    assert refused(world, s3_denied(world.contract)).is_silent
    (share,) = world.invoke(owner, "recheck", {"contract": world.contract.name})["contracts"]
    newest = share["diagnoses"][0]
    # The consumer's last report is older than the request: it contradicts nothing.
    assert (newest["sure"], newest["judgement"]) == ("cannot tell", "cannot tell")


@pytest.mark.parametrize(
    "change",
    [
        {"requestParameters": {"bucketName": "some-other-bucket", "key": "a"}, "resources": []},
        {"userIdentity": {"type": "AWSAccount", "principalId": "AROAEXAMPLEANOTHER222:x", "accountId": "222222222222"}},
        {"errorCode": "NoSuchKey"},
    ],
    ids=["another bucket", "another role", "a missing object"],
)
def test_refusals_of_no_contract_read_no_lock(world: World, change: dict[str, Any]) -> None:
    already = len(world.runtime.calls)
    came = refused(world, s3_denied(world.contract, **change))
    assert came.is_silent
    assert came.errors == ()
    services = {call.service for call in world.runtime.calls[already:]}
    assert services <= {"dynamodb"}


def test_a_strangers_refusals_reach_no_function(world: World) -> None:
    stranger = {"type": "AWSAccount", "principalId": "AROAEXAMPLESTRANGER33:x", "accountId": "333333333333"}
    assert refused(world, s3_denied(world.contract, userIdentity=stranger)).invocations == ()


def test_records_brought_by_hand_are_diagnosed_by_the_re_check(world: World) -> None:
    owner = world.contract.owner.account
    after(world, put_bucket_policy(without_the_role_on_the_bucket))
    now = f"{world.cloud.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    record = s3_denied(world.contract, view="consumer", eventTime=now)
    answer = world.invoke(owner, "recheck", {"diagnose": {"Records": [record]}})
    (told,) = answer["diagnoses"]
    assert (told["locks"], told["sure"]) == (["bucket_policy"], "certain")
    after(world, put_bucket_policy(as_agreed))


@pytest.mark.parametrize("name", ["ReadDeniedRule", "DecryptDeniedRule"])
def test_a_rule_for_refused_reads_that_is_off_is_told_by_the_sweep(world: World, name: str) -> None:
    owner = world.contract.owner.account
    rules = events_backends[owner]["eu-west-1"].event_buses["default"].rules
    rule = next(each for each in rules.values() if name in each.name)
    was, rule.state = rule.state, "DISABLED"
    assert swept(world) == {"watchdog.rule-off"}
    rule.state = was
    assert swept(world) == set()


def swept(world: World) -> set[str]:
    """What the owner knows to be off when both accounts have swept and heard each other."""
    for _ in range(2):
        world.cloud.clock.advance(AN_HOUR)
        for account in world.accounts:
            world.invoke(account, "sweep", {})
        world.settle()
    (share,) = world.invoke(world.contract.owner.account, "recheck", {})["contracts"]
    return {each["code"] for each in share["findings"]}
