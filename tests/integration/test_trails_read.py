"""What is read of trails, from simulated CloudTrail where it knows the answer, and by hand where it does not: it has no
delivery errors, no default selectors, and keeps no organization's trail from its members."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from simulation.fleet import CONSUMER, OWNER, REGION, Fleet
from threelocks.aws.answer import Call
from threelocks.aws.look import Answers, Look
from threelocks.aws.trails import CALLS, observe
from threelocks.observation import Condition, EvidenceObservation, Found, Selectors, Trail, TrailStatus, Unreadable

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CONTRACT = Fleet(1, 1, 1, 1).all[0]
GLOBAL = "us-east-1"
MANAGEMENT = Condition("eventCategory", ("Management",))


class Recorded:
    """Clients of simulated AWS, whose answers can be replaced by method, and are counted."""

    def __init__(self, account: str) -> None:
        self.account, self.instead, self.asked = account, dict[str, Any](), list[tuple[str, str]]()
        self._made: dict[tuple[str, str], _Counted] = {}

    @cached_property
    def _session(self) -> boto3.Session:
        sts = boto3.client("sts", region_name=REGION)
        role = f"arn:aws:iam::{self.account}:role/admin"
        keys = sts.assume_role(RoleArn=role, RoleSessionName="reader")["Credentials"]
        return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    def client(self, service: str, region: str) -> Any:
        if (service, region) not in self._made:
            self._made[service, region] = _Counted(self, self._session.client(service, region_name=region), region)
        return self._made[service, region]


class _Counted:
    def __init__(self, recorded: Recorded, client: Any, region: str) -> None:
        self._recorded, self._client, self._region = recorded, client, region

    def __getattr__(self, method: str) -> Any:
        def call(**parameters: Any) -> Any:
            self._recorded.asked.append((method, self._region))
            answer = self._recorded.instead.get(method)
            if isinstance(answer, Exception):
                raise answer
            return answer if answer is not None else getattr(self._client, method)(**parameters)

        return call


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "said AWS"}}, "Get")


@pytest.fixture
def aws() -> Iterator[Recorded]:
    with mock_aws():
        yield Recorded(OWNER)


def create(aws: Recorded, name: str = "evidence", *, region: str = REGION, **more: Any) -> Any:
    cloudtrail, s3 = (aws.client(service, region)._client for service in ("cloudtrail", "s3"))
    place = {} if region == GLOBAL else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=f"bucket-of-{name}", **place)
    cloudtrail.create_trail(Name=name, S3BucketName=f"bucket-of-{name}", **more)
    return cloudtrail


def evidence(aws: Recorded, account: str = OWNER) -> EvidenceObservation:
    aws.asked.clear()
    return observe(Look(aws, Answers(lambda: NOW), CALLS, NOW), CONTRACT, account)


def trails(aws: Recorded, account: str = OWNER) -> tuple[Trail, ...]:
    (region, *_) = evidence(aws, account).regions
    assert isinstance(region.trails, Found), region
    return region.trails.value


def test_an_account_without_a_trail_has_none(aws: Recorded) -> None:
    assert trails(aws) == ()


def test_a_trail_is_read_with_its_status_and_its_basic_selectors(aws: Recorded) -> None:
    cloudtrail = create(aws, IsMultiRegionTrail=True)
    resource = {"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::one/", "arn:aws:s3:::two/sales"]}
    basic = {"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True, "DataResources": [resource]}
    cloudtrail.put_event_selectors(
        TrailName="evidence",
        EventSelectors=[
            {**basic, "ExcludeManagementEventSources": ["kms.amazonaws.com"]},
            {**basic, "DataResources": []},
        ],
    )
    cloudtrail.start_logging(Name="evidence")
    writes = Condition("readOnly", ("false",))
    assert trails(aws) == (
        Trail(
            arn=f"arn:aws:cloudtrail:{REGION}:{OWNER}:trail/evidence",
            home_region=REGION,
            multi_region=True,
            global_events=True,
            status=Found(TrailStatus(is_logging=True)),
            selectors=Found(
                Selectors(
                    (
                        (MANAGEMENT, writes, Condition("eventSource", not_equals=("kms.amazonaws.com",))),
                        (
                            Condition("eventCategory", ("Data",)),
                            writes,
                            Condition("resources.type", ("AWS::S3::Object",)),
                            Condition("resources.ARN", starts_with=("arn:aws:s3:::one/", "arn:aws:s3:::two/sales")),
                        ),
                        (MANAGEMENT, writes),
                    ),
                    advanced=False,
                )
            ),
        ),
    )


def test_a_trail_is_read_with_its_advanced_selectors(aws: Recorded) -> None:
    cloudtrail = create(aws)
    fields = [
        {"Field": "eventCategory", "Equals": ["Data"]},
        {"Field": "resources.ARN", "StartsWith": ["a"], "NotEndsWith": ["b", "c"]},
    ]
    cloudtrail.put_event_selectors(
        TrailName="evidence", AdvancedEventSelectors=[{"Name": "x", "FieldSelectors": fields}]
    )
    (trail,) = trails(aws)
    one = (
        Condition("eventCategory", ("Data",)),
        Condition("resources.ARN", starts_with=("a",), not_ends_with=("b", "c")),
    )
    assert trail.selectors == Found(Selectors((one,), advanced=True))
    assert trail.status == Found(TrailStatus(is_logging=False))


def test_a_shadow_is_read_by_its_arn_in_its_home_region(aws: Recorded) -> None:
    create(aws, region=GLOBAL, IsMultiRegionTrail=True).start_logging(Name="evidence")
    (trail,) = trails(aws)
    assert (trail.home_region, trail.status) == (GLOBAL, Found(TrailStatus(is_logging=True)))
    assert ("get_trail_status", GLOBAL) in aws.asked
    assert ("describe_trails", REGION) in aws.asked


def test_each_question_is_put_once_however_many_regions_show_the_trail(aws: Recorded) -> None:
    aws.account = CONSUMER
    create(aws, IsMultiRegionTrail=True)
    assert len(evidence(aws, CONSUMER).regions) == 2
    asked = [call for call in aws.asked if call[0] in {each.method for each in CALLS}]
    assert sorted(asked) == [
        ("describe_trails", REGION),
        ("describe_trails", GLOBAL),
        ("get_event_selectors", REGION),
        ("get_trail_status", REGION),
    ]


def test_a_delivery_error_is_read(aws: Recorded) -> None:
    create(aws)
    aws.instead["get_trail_status"] = {"IsLogging": True, "LatestDeliveryError": "AccessDenied"}
    assert trails(aws)[0].status == Found(TrailStatus(is_logging=True, delivery_error="AccessDenied"))


def test_a_basic_selector_has_management_events_and_reads_unless_it_says_otherwise(aws: Recorded) -> None:
    create(aws)
    aws.instead["get_event_selectors"] = {"EventSelectors": [{}, {"IncludeManagementEvents": False}]}
    assert trails(aws)[0].selectors == Found(Selectors(((MANAGEMENT,),), advanced=False))


STRANGE = {
    "an operator": {"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "a", "Like": ["b"]}]}]},
    "a kind of event": {"EventSelectors": [{"ReadWriteType": "Some"}]},
}


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE)
def test_a_selector_of_a_form_that_is_not_known_is_unread(aws: Recorded, answer: Any) -> None:
    create(aws)
    aws.instead["get_event_selectors"] = answer
    assert isinstance(trails(aws)[0].selectors, Unreadable)


def unread(seen: EvidenceObservation) -> list[Unreadable]:
    (region,) = seen.regions
    if isinstance(region.trails, Unreadable):
        return [region.trails]
    assert isinstance(region.trails, Found)
    sources = [source for trail in region.trails.value for source in (trail.status, trail.selectors)]
    return [source for source in sources if isinstance(source, Unreadable)]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_a_call_that_is_refused_is_unread_and_names_the_permission(aws: Recorded, call: Call) -> None:
    create(aws)
    aws.instead[call.method] = error("AccessDeniedException")
    (source,) = unread(evidence(aws))
    assert (source.operation, source.permission, source.transient) == (call.name, call.permission, False)


def test_an_own_trail_that_is_not_found_was_deleted_in_between(aws: Recorded) -> None:
    create(aws)
    aws.instead["get_trail_status"] = error("TrailNotFoundException")
    (source,) = unread(evidence(aws))
    assert source.transient


def test_an_organizations_trail_that_is_kept_from_members_is_unread_for_good(aws: Recorded) -> None:
    arn = "arn:aws:cloudtrail:eu-west-1:333333333333:trail/organization"
    known = {"TrailARN": arn, "HomeRegion": REGION, "IsMultiRegionTrail": True, "IncludeGlobalServiceEvents": True}
    aws.instead["describe_trails"] = {"trailList": [{**known, "IsOrganizationTrail": True}]}
    found = unread(evidence(aws))
    assert [source.operation for source in found] == ["cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors"]
    assert not any(source.transient for source in found)
