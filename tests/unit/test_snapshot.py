"""Snapshots: what a file says, what it leaves out, and what is wrong with it."""

from __future__ import annotations

import copy
import json
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from threelocks.aws.read import CALLS, GET_ACCESS_POINT_POLICY, LIST_ACCESS_POINTS
from threelocks.aws.snapshot import SnapshotError, load, observations
from threelocks.contract import Contract
from threelocks.finding import Kind
from threelocks.judge import judge
from threelocks.observation import (
    LEFT_OUT,
    Absent,
    AccessPoint,
    Found,
    Membership,
    NamedPolicy,
    Observation,
    PolicyLevel,
    Unreadable,
    VpcEndpoint,
)

ROOT = Path(__file__).parents[2]
CONTRACT = Contract.model_validate(yaml.safe_load((ROOT / "contracts/bi-curated-read.yaml").read_text()))
EXAMPLE = ROOT / "contracts/bi-curated-read.snapshot.json"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MANAGED = "arn:aws:iam::222222222222:policy/BIReadCuratedKey"


@pytest.fixture
def intact() -> dict[str, Any]:
    """The example file, to be changed."""
    whole: dict[str, Any] = json.loads(EXAMPLE.read_text())
    return whole


def read(snapshot: Any, contract: Contract = CONTRACT) -> tuple[Observation, ...]:
    return observations(json.dumps(snapshot), contract, now=lambda: NOW)


def sources(seen: tuple[Observation, ...]) -> dict[str, Any]:
    held = [(part, getattr(one, part)) for one in seen for part in ("bucket", "key", "role")]
    return {f"{part}.{f.name}": getattr(value, f.name) for part, value in held if value for f in fields(value)}


def test_the_example_file_is_read_whole() -> None:
    owner, consumer = load(EXAMPLE, CONTRACT, now=lambda: NOW)
    assert (owner.account, consumer.account) == ("111111111111", "222222222222")
    read_as = {name: type(value) for name, value in sources((owner, consumer)).items()}
    assert read_as == dict.fromkeys(read_as, Found) | {"role.boundary": Absent}


def test_a_snapshot_says_when_it_was_taken_and_else_it_is_as_of_now(intact: dict[str, Any]) -> None:
    taken = {one.began for one in read(intact)}
    del intact["taken"]
    assert (taken, {one.began for one in read(intact)}) == ({datetime(2026, 11, 20, 9, 30, tzinfo=UTC)}, {NOW})


SECTIONS = [
    (part, section) for part, held in json.loads(EXAMPLE.read_text()).items() if part != "taken" for section in held
]


def test_the_example_has_a_section_for_every_call_of_the_reader() -> None:
    assert len(SECTIONS) == len(set(CALLS) - {LIST_ACCESS_POINTS, GET_ACCESS_POINT_POLICY})


def delegating(snapshot: dict[str, Any], **sections: Any) -> Any:
    """What is read of access points where the bucket policy leaves the choice to them."""
    ours = {"StringEquals": {"s3:DataAccessPointAccount": "111111111111"}}
    left = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": ours}
    policy = json.loads(snapshot["owner"]["GetBucketPolicy"]["Policy"])
    text = json.dumps({**policy, "Statement": [*policy["Statement"], left]})
    owner, _ = read({**snapshot, "owner": {**snapshot["owner"], "GetBucketPolicy": {"Policy": text}, **sections}})
    assert owner.bucket
    return owner.bucket.access_points


def test_access_points_are_asked_for_only_where_the_bucket_policy_tells_them_apart(intact: dict[str, Any]) -> None:
    assert sources(read(intact))["bucket.access_points"] == Found(())
    unread = delegating(intact)
    assert unread.message == "the snapshot has no section `owner.ListAccessPoints`; add it"


def test_access_points_are_read_with_their_policies_and_null_is_none(intact: dict[str, Any]) -> None:
    arn = "arn:aws:s3:eu-west-1:111111111111:accesspoint/"
    listed = [{"Name": name, "AccessPointArn": arn + name, "NetworkOrigin": "Internet"} for name in ("two", "one")]
    sections = {
        "ListAccessPoints": {"AccessPointList": listed},
        "GetAccessPointPolicy": {"one": {"Policy": "{}"}, "two": None},
    }
    assert delegating(intact, **sections) == Found(
        (AccessPoint("one", f"{arn}one", "Internet", "{}"), AccessPoint("two", f"{arn}two", "Internet", ""))
    )
    assert delegating(intact, ListAccessPoints=None) == Found(())
    sections["GetAccessPointPolicy"] = {"one": {"Policy": "{}"}}
    assert "has no `two`; add it" in delegating(intact, **sections).message


@pytest.mark.parametrize(("part", "section"), SECTIONS)
def test_every_section_is_described_with_its_command(part: str, section: str) -> None:
    rows = [row for row in (ROOT / "docs/snapshot.md").read_text().splitlines() if row.startswith(f"| {section} |")]
    assert len(rows) == 1
    operation = section.rpartition(":")[2]
    command = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("-")
    assert f" {command} " in rows[0]


@pytest.mark.parametrize(("part", "section"), SECTIONS)
def test_a_section_left_out_was_not_read_and_its_name_is_told(intact: dict[str, Any], part: str, section: str) -> None:
    before = sources(read(intact))
    del intact[part][section]
    changed = [value for name, value in sources(read(intact)).items() if value != before[name]]
    assert changed
    assert {value.error for value in changed} == {LEFT_OUT}
    assert {value.message for value in changed} == {f"the snapshot has no section `{part}.{section}`; add it"}


def test_what_a_snapshot_leaves_out_is_to_be_added_and_not_to_be_waited_for(intact: dict[str, Any]) -> None:
    del intact["owner"]["GetBucketAcl"]
    owner, _ = read(intact)
    (found,) = (finding for finding in judge(CONTRACT, (), owner, {}).findings if finding.kind is Kind.UNREAD)
    assert found.detail == "s3:GetBucketAcl is not known: the snapshot has no section `owner.GetBucketAcl`; add it"
    assert found.remedy
    assert found.remedy.sentence.startswith("Add what is missing to the snapshot")


def test_a_part_left_out_leaves_all_of_it_unread(intact: dict[str, Any]) -> None:
    del intact["consumer"]
    _, consumer = read(intact)
    assert consumer.role
    assert all(isinstance(getattr(consumer.role, f.name), Unreadable) for f in fields(consumer.role))


@pytest.mark.parametrize(
    ("part", "section", "absent"),
    [
        ("owner", "GetBucketPolicy", {"bucket.policy"}),
        ("owner", "GetBucketPolicyStatus", {"bucket.policy_is_public"}),
        ("owner", "GetPublicAccessBlock", {"bucket.block"}),
        ("owner", "s3control:GetPublicAccessBlock", {"bucket.account_block"}),
        ("owner", "GetBucketEncryption", {"bucket.encryption"}),
        ("owner", "GetBucketOwnershipControls", {"bucket.ownership"}),
        ("owner", "DescribeKey", {"key.metadata", "key.policies", "key.grants"}),
        ("consumer", "GetRole", {"role.role", "role.inline", "role.attached", "role.boundary"}),
    ],
)
def test_null_was_read_and_is_absent(intact: dict[str, Any], part: str, section: str, absent: set[str]) -> None:
    before = sources(read(intact))
    intact[part][section] = None
    after = sources(read(intact))
    assert after == before | dict.fromkeys(absent, Absent())


@pytest.mark.parametrize(
    ("part", "section", "source"),
    [
        ("owner", "ListGrants", "key.grants"),
        ("owner", "ListKeyPolicies", "key.policies"),
        ("consumer", "ListRolePolicies", "role.inline"),
        ("consumer", "ListAttachedRolePolicies", "role.attached"),
    ],
)
def test_a_list_that_is_null_is_empty(intact: dict[str, Any], part: str, section: str, source: str) -> None:
    intact[part][section] = None
    assert sources(read(intact))[source] == Found(())


def test_a_bucket_that_is_null_needs_no_other_section() -> None:
    owner, _ = read({"owner": {"GetBucketLocation": None}})
    assert owner.bucket
    assert (owner.bucket.region, owner.bucket.policy, owner.bucket.acl) == (Absent(), Absent(), Absent())


# --- Policies, one or several ---


def test_one_policy_may_be_pasted_without_its_name(intact: dict[str, Any]) -> None:
    before = sources(read(intact))
    for part, section in [("consumer", "GetRolePolicy"), ("consumer", "GetPolicy")]:
        (intact[part][section],) = intact[part][section].values()
    assert sources(read(intact)) == before


def test_several_policies_stand_under_their_names(intact: dict[str, Any]) -> None:
    owner = intact["owner"]
    owner["ListKeyPolicies"] = {"PolicyNames": ["default", "AWS_RAM"]}
    owner["GetKeyPolicy"] = {"default": {"Policy": "{}"}, "AWS_RAM": {"Policy": '{"Id": "ram"}'}}
    assert sources(read(intact))["key.policies"] == Found(
        (NamedPolicy("AWS_RAM", '{"Id": "ram"}'), NamedPolicy("default", "{}"))
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ListRolePolicies": {"PolicyNames": ["read-curated", "b"]}}, "section `consumer.GetRolePolicy` has no `b`"),
        (
            {"GetRolePolicy": {"PolicyName": "b", "PolicyDocument": {}}},
            "`consumer.GetRolePolicy` has no `read-curated`",
        ),
        ({"GetPolicy": {"Policy": {"Arn": "arn:b"}}}, f"section `consumer.GetPolicy` has no `{MANAGED}`"),
        (
            {"GetPolicyVersion": {MANAGED: {"PolicyVersion": {"VersionId": "v1", "Document": {}}}}},
            f"`consumer.GetPolicyVersion.{MANAGED}` is version `v1`, and `v2` is the default one",
        ),
    ],
)
def test_a_policy_that_is_not_in_the_file_is_unread_and_never_another_one(
    intact: dict[str, Any], change: dict[str, Any], told: str
) -> None:
    intact["consumer"] |= change
    unread = [value for value in sources(read(intact)).values() if isinstance(value, Unreadable)]
    assert len(unread) == 1
    assert told in unread[0].message


def test_policy_documents_may_be_objects_json_text_or_url_encoded(intact: dict[str, Any]) -> None:
    texts = []
    for document in ({"Statement": []}, '{"Statement": []}', "%7B%22Statement%22%3A%20%5B%5D%7D"):
        intact["consumer"]["GetRolePolicy"] = {"PolicyName": "read-curated", "PolicyDocument": document}
        texts.append(sources(read(intact))["role.inline"].value[0].document)
    assert texts == ['{"Statement": []}'] * 3


@pytest.mark.parametrize("made", ["2026-03-01T10:00:00Z", "2026-03-01T11:00:00+01:00", 1772359200, 1772359200.0])
def test_times_are_read_as_either_version_of_the_aws_cli_prints_them(intact: dict[str, Any], made: str | float) -> None:
    intact["consumer"]["GetRole"]["Role"]["CreateDate"] = made
    assert sources(read(intact))["role.role"].value.created == datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


def test_a_section_may_say_its_service(intact: dict[str, Any]) -> None:
    before = read(intact)
    intact["owner"]["s3:GetBucketPolicy"] = intact["owner"].pop("GetBucketPolicy")
    assert read(intact) == before


def test_the_key_of_a_third_account_stands_in_a_part_of_its_own(intact: dict[str, Any]) -> None:
    holder = {"account": "333333333333", "name": "keys", "home_region": "eu-west-1"}
    key = CONTRACT.key.replace("111111111111", "333333333333")
    third = Contract.model_validate(CONTRACT.model_dump() | {"key_holder": holder, "key": key})
    kms = {name: intact["owner"].pop(name) for name in list(intact["owner"]) if "Key" in name or name == "ListGrants"}
    owner, _, keeper = read(intact | {"key_holder": kms}, third)
    assert (owner.key, keeper.account, keeper.bucket) == (None, "333333333333", None)
    assert keeper.key
    assert isinstance(keeper.key.metadata, Found)


# --- Ceilings ---


def test_ceilings_left_out_are_not_watched(intact: dict[str, Any]) -> None:
    owner, consumer = read(intact)
    assert (owner.ceilings.rcps, consumer.ceilings.scps, consumer.ceilings.endpoints) == (None, None, ())


def test_ceilings_are_read_in_their_own_part(intact: dict[str, Any]) -> None:
    arn = "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"
    level = {"target": "r-ab12", "policies": [{"Policy": {"PolicySummary": {"Arn": arn}, "Content": "{}"}}]}
    intact["owner"]["rcps"] = [level]
    intact["consumer"]["scps"] = [level, {"target": "222222222222", "policies": []}]
    owner, consumer = read(intact)
    levels = PolicyLevel("r-ab12", (NamedPolicy(arn, "{}"),))
    assert owner.ceilings.rcps == Found((levels,))
    assert consumer.ceilings.scps == Found((levels, PolicyLevel("222222222222", ())))


ENDPOINT = "vpce-0123456789abcdef0"
THROUGH = Contract.model_validate(
    CONTRACT.model_dump() | {"contexts": [{"name": "vpc", "endpoints": {"s3": ENDPOINT}}]}
)


def _endpoint(**changes: Any) -> dict[str, Any]:
    service = "com.amazonaws.eu-west-1.s3"
    described = {"ServiceName": service, "State": "available", "PolicyDocument": "{}", "VpcId": "vpc-1"}
    return {"VpcEndpointId": ENDPOINT, **described, **changes}


def test_the_endpoints_that_the_contract_names_are_found_in_one_answer(intact: dict[str, Any]) -> None:
    intact["consumer"]["DescribeVpcEndpoints"] = {"VpcEndpoints": [_endpoint(VpcEndpointId="vpce-1"), _endpoint()]}
    (named,) = read(intact, THROUGH)[1].ceilings.endpoints
    assert (named.id, named.endpoint) == (
        ENDPOINT,
        Found(VpcEndpoint("com.amazonaws.eu-west-1.s3", "available", "{}", "vpc-1")),
    )


def test_an_endpoint_is_absent_only_where_the_file_says_null(intact: dict[str, Any]) -> None:
    def named() -> Any:
        return read(intact, THROUGH)[1].ceilings.endpoints[0].endpoint

    assert (named().operation, named().error) == ("ec2:DescribeVpcEndpoints", "NotInSnapshot")
    intact["consumer"]["DescribeVpcEndpoints"] = {"VpcEndpoints": [_endpoint(VpcEndpointId="vpce-1")]}
    assert (named().error, named().permission) == ("NotInSnapshot", "")
    intact["consumer"]["DescribeVpcEndpoints"] = None
    assert named() == Absent()


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"State": "partial"}, "State` is `partial`"), ({"PolicyDocument": None}, "PolicyDocument` is missing")],
)
def test_an_endpoint_that_cannot_be_understood_is_a_mistake(
    intact: dict[str, Any], changes: dict[str, Any], told: str
) -> None:
    intact["consumer"]["DescribeVpcEndpoints"] = {"VpcEndpoints": [_endpoint(**changes)]}
    with pytest.raises(SnapshotError, match=rf"consumer\.DescribeVpcEndpoints`: `VpcEndpoints\[0\]\.{told}"):
        read(intact, THROUGH)


GOVERNANCE = {"account": "444444444444", "name": "cloud", "home_region": "eu-west-1"}
PLACED = {"consumer_organization": "o-a1b2c3d4e5", "consumer_org_path": "o-a1b2c3d4e5/r-ab12/"}
GOVERNED = Contract.model_validate(
    CONTRACT.model_dump() | {"organizations": {"consumer": GOVERNANCE, "owner": GOVERNANCE}, "premises": PLACED}
)


def test_what_the_contract_says_is_read_must_be_in_the_file(intact: dict[str, Any]) -> None:
    owner, consumer = read(intact, GOVERNED)
    for source in (owner.ceilings.rcps, consumer.ceilings.scps, consumer.ceilings.consumer_path):
        assert isinstance(source, Unreadable)
        assert source.error == "NotInSnapshot"
    assert isinstance(consumer.ceilings.organization, Unreadable)


def test_the_consumers_place_follows_from_its_levels(intact: dict[str, Any]) -> None:
    intact["consumer"] |= {
        "DescribeOrganization": {"Organization": {"Id": "o-a1b2c3d4e5", "MasterAccountId": "444444444444"}},
        "scps": [{"target": target, "policies": []} for target in ("r-ab12", "ou-ab12-11111111", "222222222222")],
    }
    ceilings = read(intact, GOVERNED)[1].ceilings
    assert ceilings.organization == Found(Membership("o-a1b2c3d4e5", "444444444444"))
    assert ceilings.consumer_path == Found("o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/")


def test_an_organization_is_absent_only_where_the_file_says_null(intact: dict[str, Any]) -> None:
    intact["consumer"]["DescribeOrganization"] = None
    assert read(intact, GOVERNED)[1].ceilings.organization == Absent()


def test_a_ceiling_that_is_null_was_read_and_is_absent(intact: dict[str, Any]) -> None:
    intact["consumer"]["scps"] = None
    assert read(intact)[1].ceilings.scps == Absent()


# --- What is wrong with a file ---


def _with(path: str, value: Any) -> dict[str, Any]:
    """The example, with `value` at a place such as `owner/GetBucketPolicy`."""
    whole: dict[str, Any] = json.loads(EXAMPLE.read_text())
    *parents, last = path.split("/")
    at = whole
    for name in parents:
        at = at[name]
    at[last] = copy.deepcopy(value)
    return whole


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("owners", {}, "`owners` is not a part of a snapshot for this contract; did you mean `owner`?"),
        ("key_holder", {}, "`key_holder` is not a part of a snapshot for this contract"),
        ("owner", [], "`owner` is not an object"),
        ("taken", "yesterday", "`taken` is not a time with its zone"),
        ("taken", "2026-11-20T09:30:00", "`taken` is not a time with its zone"),
        ("owner/GetBucketPolice", {}, "`owner.GetBucketPolice` is not a part .* did you mean `GetBucketPolicy`?"),
        ("owner/GetRole", {}, "`owner.GetRole` is not a part"),
        ("owner/s3:GetBucketAcl", {}, "is there under two names"),
        ("owner/GetBucketPolicy", [], "`owner.GetBucketPolicy` is not an object"),
        ("owner/GetBucketPolicy", "{}", "`owner.GetBucketPolicy` is not an object"),
        ("owner/GetBucketPolicy", {}, "`owner.GetBucketPolicy`: `Policy` is missing"),
        ("owner/GetBucketPolicy", {"Policy": 1}, "`owner.GetBucketPolicy`: `Policy` is not a text"),
        ("owner/GetBucketLocation", {}, "`owner.GetBucketLocation`: `LocationConstraint` is missing"),
        ("owner/GetBucketAcl", None, "`owner.GetBucketAcl` is null, but AWS always has an answer"),
        ("owner/s3control:GetPublicAccessBlock", {"a": 1}, "`owner.s3control:GetPublicAccessBlock`: `PublicAcc"),
        ("owner/GetPublicAccessBlock/PublicAccessBlockConfiguration/BlockPublicAcls", "true", "is not true or false"),
        ("owner/GetBucketEncryption/ServerSideEncryptionConfiguration/Rules", [], "has no default encryption"),
        ("owner/GetBucketOwnershipControls/OwnershipControls/Rules", [], "`OwnershipControls.Rules` is empty"),
        ("owner/GetBucketAcl/Grants", [{"Grantee": {}, "Permission": "READ"}], r"`Grants\[0\].Grantee` names nobody"),
        ("owner/GetKeyPolicy", {"default": []}, "`owner.GetKeyPolicy.default` is not an object"),
        ("owner/ListGrants", {"Grants": [{"GrantId": "g"}]}, r"`Grants\[0\].GranteePrincipal` is missing"),
        ("owner/ListGrants", {"Grants": [], "Truncated": True, "NextMarker": "x"}, "no marker that leads"),
        ("owner/ListGrants", {"Grants": [], "NextToken": "x"}, "was cut short; ask again without --max-items"),
        ("consumer/GetRole/Role/Arn", "", "`consumer.GetRole`: `Role.Arn` is empty"),
        ("consumer/GetRole/Role", "x", "`consumer.GetRole`: `Role` is not an object"),
        ("consumer/GetRole/Role/CreateDate", "soon", "`Role.CreateDate` is not a time"),
        ("consumer/GetRole/Role/Tags", {}, "`Role.Tags` is not a list"),
        ("consumer/ListRolePolicies", {"PolicyNames": [1]}, r"`PolicyNames\[0\]` is not a text"),
        ("consumer/GetPolicy", {"Policy": "x"}, "`Policy` is not an object"),
        ("consumer/GetPolicyVersion", {"PolicyVersion": {}}, 'which policy it is of; write {"<PolicyArn>"'),
        ("consumer/scps", {}, "`consumer.scps` is not a list"),
        ("consumer/scps", [{"target": "r-1"}], r"`consumer.scps\[0\].policies` is missing"),
        ("consumer/session", 7, "`consumer.session` is not a part"),
        ("owner/scps", [], "`owner.scps` is not a part"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(path: str, value: Any, told: str) -> None:
    with pytest.raises(SnapshotError, match=told):
        read(_with(path, value))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not JSON: line 1, column 1"),
        ('{"owner": {,}}', "not JSON: line 1, column 12"),
        ("[]", "not an object; write"),
        ("9" * 5000, "a number in it is too long"),
        ('{"owner": {}, "owner": {}}', "`owner` is there twice"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_text_that_is_no_snapshot_is_refused(text: str, told: str) -> None:
    with pytest.raises(SnapshotError, match=told):
        observations(text, CONTRACT, now=lambda: NOW)


@pytest.mark.parametrize(
    ("content", "told"), [(None, "cannot read"), (b"\xff\xfe", "is not UTF-8 text"), (b"[]", "not an object")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "shot.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SnapshotError, match=told) as caught:
        load(path, CONTRACT, now=lambda: NOW)
    assert str(path) in str(caught.value)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "shot.json"
    path.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.read_bytes())
    assert load(path, CONTRACT, now=lambda: NOW) == load(EXAMPLE, CONTRACT, now=lambda: NOW)
