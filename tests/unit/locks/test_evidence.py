"""What is found of an account's trails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.locks.scene import AGREED, BUCKET, CONSUMER, KEY, NOW, OWNER, STRANGER, contract
from threelocks.finding import Finding, Kind, Lock, Scope
from threelocks.judge import judge
from threelocks.locks.case import Case
from threelocks.locks.evidence import judge_evidence, regions
from threelocks.observation import (
    Absent,
    Condition,
    EvidenceObservation,
    Found,
    Observation,
    Selectors,
    Trail,
    TrailedRegion,
    TrailStatus,
    Unreadable,
)

HOME, GLOBAL = "eu-west-1", "us-east-1"
DENIED = Unreadable("cloudtrail:GetTrailStatus", "AccessDeniedException", permission="cloudtrail:GetTrailStatus")
MANAGEMENT, DATA = Condition("eventCategory", ("Management",)), Condition("eventCategory", ("Data",))
READS, WRITES = Condition("readOnly", ("true",)), Condition("readOnly", ("false",))
NO_KMS = Condition("eventSource", not_equals=("kms.amazonaws.com",))
S3_OBJECTS = Condition("resources.type", ("AWS::S3::Object",))


def of(**operators: tuple[str, ...]) -> Condition:
    return Condition("resources.ARN", **operators)


OBJECTS = (DATA, S3_OBJECTS, of(starts_with=(f"{BUCKET}/",)))
EVERYTHING = ((MANAGEMENT,), OBJECTS)


def trail(*selectors: tuple[Condition, ...], name: str = "evidence", account: str = OWNER, **changes: Any) -> Trail:
    """A running trail of all regions; without selectors, of everything."""
    made = Trail(
        arn=f"arn:aws:cloudtrail:{HOME}:{account}:trail/{name}",
        home_region=HOME,
        multi_region=True,
        global_events=True,
        status=Found(TrailStatus(is_logging=True)),
        selectors=Found(Selectors(selectors or EVERYTHING, advanced=True)),
    )
    return replace(made, **changes)


def found(*trails: Trail, account: str = OWNER, agreed: Any = AGREED) -> list[Finding]:
    """Findings, each once, as a verdict has them."""
    seen = tuple(TrailedRegion(region, Found(trails)) for region in regions(agreed, account))
    findings = judge_evidence(Case(agreed, (), Observation(account, NOW), {}), EvidenceObservation(seen))
    return list({finding.identity: finding for finding in findings}.values())


def codes(*trails: Trail, **more: Any) -> list[str]:
    return sorted(finding.code for finding in found(*trails, **more))


STOPPED = Found(TrailStatus(is_logging=False))
UNDELIVERED = Found(TrailStatus(is_logging=True, delivery_error="NoSuchBucket"))


@pytest.mark.parametrize("account", [OWNER, CONSUMER])
def test_one_trail_of_everything_in_all_regions_is_evidence(account: str) -> None:
    assert found(trail(), account=account) == []


@pytest.mark.finding("evidence.no-trail")
@pytest.mark.parametrize(("account", "number"), [(OWNER, 1), (CONSUMER, 2)])
def test_without_a_trail_there_is_none_in_each_region_that_matters(account: str, number: int) -> None:
    rest = ["evidence.no-data-events"] * (account == OWNER)
    assert codes(account=account) == [*rest, *["evidence.no-trail"] * number]


def test_what_an_account_needs_evidence_of_is_where_its_calls_are_recorded() -> None:
    elsewhere = contract(key=KEY.replace(HOME, "eu-central-1"), bucket={"name": "b-b-b", "region": "eu-central-1"})
    assert regions(AGREED, OWNER) == (HOME,)
    assert regions(AGREED, CONSUMER) == (HOME, GLOBAL)
    assert regions(elsewhere, OWNER) == ("eu-central-1",)
    assert regions(elsewhere, CONSUMER) == ("eu-central-1", GLOBAL)
    assert regions(AGREED, STRANGER) == ()


def test_a_trail_of_one_region_says_nothing_of_others() -> None:
    assert codes(trail(multi_region=False), account=CONSUMER) == ["evidence.no-trail"]
    assert codes(trail(multi_region=False)) == []


def test_a_trail_without_global_services_has_nothing_of_iam() -> None:
    (finding,) = found(trail(global_events=False), account=CONSUMER)
    assert finding.code == "evidence.no-trail"
    assert GLOBAL in finding.detail
    assert "PutRolePolicy" in finding.detail or "more" in finding.detail
    assert codes(trail(global_events=False)) == []


@pytest.mark.finding("evidence.stopped")
@pytest.mark.parametrize(
    ("status", "says", "command"),
    [(STOPPED, "is not logging", "start-logging"), (UNDELIVERED, "NoSuchBucket", "get-trail-status")],
)
def test_a_trail_that_is_stopped_or_cannot_deliver_is_told_once_with_the_command(
    status: Any, says: str, command: str
) -> None:
    for account in (OWNER, CONSUMER):
        (finding,) = found(trail(account=account, status=status), account=account)
        assert (finding.code, finding.kind, finding.lock) == ("evidence.stopped", Kind.RISK, Lock.EVIDENCE)
        assert finding.scope is Scope.SHARE
        assert says in finding.detail
        assert finding.remedy is not None
        assert finding.remedy.account == account
        assert finding.remedy.commands[0].startswith(f"aws cloudtrail {command} --region {HOME} --name arn:")


def test_a_stopped_trail_beside_one_that_runs_is_nobodys_concern() -> None:
    assert codes(trail(name="old", status=STOPPED), trail()) == []


def test_a_stopped_trail_that_never_recorded_what_is_missing_is_not_its_cause() -> None:
    assert codes(trail(OBJECTS, status=STOPPED)) == ["evidence.no-trail", "evidence.stopped"]
    assert codes(trail(OBJECTS, name="objects"), trail(OBJECTS, status=STOPPED)) == ["evidence.no-trail"]


SHORT = {
    "kms excluded": (((MANAGEMENT, NO_KMS), OBJECTS), ["evidence.kms-excluded"]),
    "writes only": (((MANAGEMENT, WRITES), OBJECTS), ["evidence.no-read-events"]),
    "writes only, kms excluded": (
        ((MANAGEMENT, WRITES, NO_KMS), OBJECTS),
        ["evidence.kms-excluded", "evidence.no-read-events"],
    ),
    "reads in one selector and writes in another": (((MANAGEMENT, READS), (MANAGEMENT, WRITES), OBJECTS), []),
    "Decrypt left out by name": (
        ((MANAGEMENT, Condition("eventName", not_equals=("Decrypt",))), OBJECTS),
        ["evidence.no-read-events"],
    ),
    "one event left out by name": (
        ((MANAGEMENT, Condition("eventName", not_equals=("PutBucketPolicy",))), OBJECTS),
        ["evidence.no-trail"],
    ),
    "some callers only": (
        ((MANAGEMENT, Condition("userIdentity.arn", not_starts_with=("arn:aws:sts::",))), OBJECTS),
        ["evidence.no-trail"],
    ),
    "reads only": (((MANAGEMENT, READS), OBJECTS), ["evidence.no-trail"]),
    "data events only": ((OBJECTS,), ["evidence.no-trail"]),
    "calls of the API only": (
        ((MANAGEMENT, Condition("eventType", ("AwsApiCall",))), OBJECTS),
        ["evidence.no-trail"],  # KMS deletes keys by itself
    ),
}


@pytest.mark.finding("evidence.kms-excluded", "evidence.no-read-events")
@pytest.mark.parametrize(("selectors", "expected"), SHORT.values(), ids=SHORT)
def test_what_the_management_selectors_leave_out_is_told_by_its_kind(selectors: Any, expected: list[str]) -> None:
    assert codes(trail(*selectors)) == expected


def test_the_consumers_trail_must_have_the_uses_of_the_key() -> None:
    selectors = ((MANAGEMENT, NO_KMS),)
    assert codes(trail(*selectors, account=CONSUMER), account=CONSUMER) == ["evidence.kms-excluded"]
    assert codes(trail((MANAGEMENT, WRITES), account=CONSUMER), account=CONSUMER) == ["evidence.no-read-events"]


def test_two_trails_together_are_evidence() -> None:
    assert codes(trail((MANAGEMENT, NO_KMS), name="one"), trail((MANAGEMENT, READS), OBJECTS, name="two")) != []
    assert codes(trail((MANAGEMENT, NO_KMS), name="one"), trail((MANAGEMENT,), name="two"), trail(OBJECTS)) == []


COVERED = {
    "the bucket": of(starts_with=(f"{BUCKET}/",)),
    "every bucket": of(starts_with=("arn:aws:s3",)),
    "all but another bucket": of(not_starts_with=("arn:aws:s3:::other/",)),
    "all but one object elsewhere": of(not_equals=("arn:aws:s3:::other/a",)),
}
UNCOVERED = {
    "a part of it": of(starts_with=(f"{BUCKET}/sales/",)),
    "one object": of(equals=(f"{BUCKET}/a",)),
    "some names": of(ends_with=(".csv",)),
    "all but some names": of(not_ends_with=(".tmp",)),
    "all but the bucket": of(not_starts_with=(BUCKET,)),
    "all but a part of it": of(not_starts_with=(f"{BUCKET}/sales/",)),
    "all but one object": of(not_equals=(f"{BUCKET}/a",)),
    "another bucket": of(starts_with=(f"{BUCKET}-other/",)),
}


@pytest.mark.parametrize("arn", COVERED.values(), ids=COVERED)
def test_data_events_of_every_object_are_evidence(arn: Condition) -> None:
    assert codes(trail((MANAGEMENT,), (DATA, S3_OBJECTS, arn))) == []


@pytest.mark.finding("evidence.no-data-events")
@pytest.mark.parametrize("arn", UNCOVERED.values(), ids=UNCOVERED)
def test_data_events_of_some_objects_are_none(arn: Condition) -> None:
    (finding,) = found(trail((MANAGEMENT,), (DATA, S3_OBJECTS, arn)))
    assert (finding.code, finding.resource) == ("evidence.no-data-events", BUCKET)
    assert finding.remedy is not None
    assert [command.split()[2] for command in finding.remedy.commands if command.startswith("aws")] == [
        "get-event-selectors",
        "put-event-selectors",
    ]


def test_data_events_of_the_agreed_prefixes_are_enough() -> None:
    agreed = contract(bucket={"name": "datalake-curated-a", "region": HOME}, prefixes=["sales/", "stock/"])
    both = of(starts_with=(f"{BUCKET}/sales/", f"{BUCKET}/stock"))
    assert codes(trail((MANAGEMENT,), (DATA, S3_OBJECTS, both)), agreed=agreed) == []
    one = of(starts_with=(f"{BUCKET}/sales/",))
    (finding,) = found(trail((MANAGEMENT,), (DATA, S3_OBJECTS, one)), agreed=agreed)
    assert "stock/" in finding.detail
    assert "sales/" not in finding.detail


def test_data_events_of_writes_or_of_other_things_are_no_evidence_of_reading() -> None:
    assert codes(trail((MANAGEMENT,), (*OBJECTS, WRITES))) == ["evidence.no-data-events"]
    tables = Condition("resources.type", ("AWS::DynamoDB::Table",))
    assert codes(trail((MANAGEMENT,), (DATA, tables))) == ["evidence.no-data-events"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (Condition("eventName", ("GetObject",)), []),
        (Condition("eventName", ("PutObject", "DeleteObject")), ["evidence.no-data-events"]),
        (Condition("eventName", not_equals=("GetObject",)), ["evidence.no-data-events"]),
        (Condition("eventType", ("AwsApiCall",)), []),
        (Condition("eventType", not_equals=("AwsApiCall",)), ["evidence.no-data-events"]),
    ],
)
def test_data_events_chosen_by_name_or_type_are_evidence_when_reads_are_among_them(
    selector: Condition, expected: list[str]
) -> None:
    assert codes(trail((MANAGEMENT,), (*OBJECTS, selector))) == expected


def test_the_consumer_is_asked_for_no_data_events() -> None:
    assert codes(trail((MANAGEMENT,), account=CONSUMER), account=CONSUMER) == []


# --- what could not be read ---


@pytest.mark.finding("evidence.unread")
@pytest.mark.parametrize("change", [{"status": DENIED}, {"selectors": DENIED}, {"status": DENIED, "selectors": DENIED}])
def test_an_organizations_trail_that_members_may_not_read_is_unread_and_named(change: Any) -> None:
    theirs = trail(account=STRANGER, **change)
    (finding,) = found(theirs)
    assert (finding.code, finding.kind) == ("evidence.unread", Kind.UNREAD)
    assert theirs.arn in finding.detail
    assert "cloudtrail:GetTrailStatus" in finding.detail


def test_a_trail_that_cannot_be_read_does_not_matter_beside_one_that_has_everything() -> None:
    assert codes(trail(account=STRANGER, status=DENIED, selectors=DENIED), trail()) == []


def test_a_trail_known_to_be_stopped_or_to_leave_things_out_is_not_unknown() -> None:
    assert "evidence.unread" not in codes(trail(status=STOPPED, selectors=DENIED))
    assert codes(trail((MANAGEMENT, NO_KMS), OBJECTS, status=DENIED)) == ["evidence.no-trail", "evidence.unread"]
    assert "evidence.unread" not in codes(trail(OBJECTS, status=DENIED, multi_region=False, home_region=GLOBAL))


def test_trails_that_cannot_be_listed_are_unread() -> None:
    seen = EvidenceObservation((TrailedRegion(HOME, DENIED),))
    (finding,) = judge_evidence(Case(AGREED, (), Observation(OWNER, NOW), {}), seen)
    assert finding.code == "evidence.unread"
    nothing = EvidenceObservation((TrailedRegion(HOME, Absent()),))
    assert "evidence.no-trail" in [
        one.code for one in judge_evidence(Case(AGREED, (), Observation(OWNER, NOW), {}), nothing)
    ]


def test_an_organizations_trail_is_its_management_accounts_to_mend() -> None:
    (finding,) = found(trail(account=STRANGER, status=STOPPED))
    assert finding.remedy is not None
    assert f"account {STRANGER} must do it" in finding.remedy.sentence


def test_a_verdict_says_whether_the_evidence_was_looked_at() -> None:
    seen = EvidenceObservation((TrailedRegion(HOME, Found((trail(status=STOPPED),))),))
    looked = judge(AGREED, (), Observation(OWNER, NOW, evidence=seen), {})
    assert [(state.lock, state.kinds) for state in looked.locks] == [(Lock.EVIDENCE, (Kind.RISK,))]
    assert judge(AGREED, (), Observation(OWNER, NOW), {}).locks == ()
