"""The reader against simulated AWS. Errors are put in as HTTP answers, so that boto3 itself understands them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from moto import mock_aws

from threelocks.aws import read
from threelocks.aws.answer import CHANGED, UNEXPECTED, Call
from threelocks.aws.read import CALLS, PERMISSIONS, AwsObserver
from threelocks.aws.session import Clients, Credentials
from threelocks.contract import Contract
from threelocks.observation import (
    Absent,
    AccessPoint,
    Encryption,
    Found,
    Grant,
    NamedPolicy,
    Observation,
    PublicAccessBlock,
    Source,
    Unreadable,
)

OWNER, CONSUMER = "111111111111", "222222222222"
BUCKET, ROLE = "datalake-curated-a", "arn:aws:iam::222222222222:role/bi/BIAnalyticsRole"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})
# So that access points are read as well.
DELEGATING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": "*",
                "Condition": {"StringEquals": {"s3:DataAccessPointAccount": OWNER}},
            }
        ],
    }
)
PAYER = "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>"

Reply = Callable[[AWSPreparedRequest], AWSResponse | None]


class _Raw(BytesIO):
    """What botocore expects of urllib3's response."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def answer(body: str | dict[str, Any], status: int = 200) -> Reply:
    text = body if isinstance(body, str) else json.dumps(body)
    return lambda request: AWSResponse(request.url, status, {}, _Raw(text.encode()))


def failure(call: Call, code: str, status: int) -> Reply:
    """An error as the service words it: S3 and IAM in XML of their own kinds, KMS in JSON."""
    error = f"<Code>{code}</Code><Message>said AWS</Message>"
    bodies = {
        "s3": f"<Error>{error}</Error>",
        "s3control": f"<ErrorResponse><Error>{error}</Error></ErrorResponse>",
        "iam": f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>",
        "kms": json.dumps({"__type": code, "message": "said AWS"}),
    }
    return answer(bodies[call.service], status)


def raising(error: Exception) -> Reply:
    def reply(_: AWSPreparedRequest) -> AWSResponse:
        raise error

    return reply


def name_of(value: Any) -> str:
    return value.name if isinstance(value, Call) else str(value)


@dataclass
class World:
    """Two accounts with an intact share, and the answers that stand in for moto's."""

    contract: Contract
    clients: dict[str, Clients]
    replies: dict[str, Reply] = field(default_factory=dict)  # "s3.GetBucketPolicy" -> answer
    asked: list[tuple[str, AWSPreparedRequest]] = field(default_factory=list)
    intact: dict[str, Source[Any]] = field(default_factory=dict)

    def hook(self, event_name: str, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        name = event_name.removeprefix("before-send.")
        self.asked.append((name, request))
        reply = self.replies.get(name)
        return reply(request) if reply else None

    def instead(self, call: Call, reply: Reply) -> None:
        self.replies[_event(call)] = reply

    def observe(self, account: str) -> Observation:
        return AwsObserver(self.clients[account], lambda: NOW).observe(self.contract, account)

    def sources(self, *accounts: str) -> dict[str, Source[Any]]:
        """Every source of these accounts, or of both, by name."""
        seen = [self.observe(account) for account in accounts or (OWNER, CONSUMER)]
        held = [(part, getattr(one, part)) for one in seen for part in ("bucket", "key", "role")]
        return {f"{part}.{f.name}": getattr(value, f.name) for part, value in held if value for f in fields(value)}

    def after(self, call: Call, reply: Reply) -> dict[str, Source[Any]]:
        """The sources that changed when that call got another answer."""
        self.instead(call, reply)
        now = self.sources(CONSUMER if call.service == "iam" else OWNER)
        return {name: value for name, value in now.items() if value != self.intact[name]}


def _event(call: Call) -> str:
    return f"{'s3-control' if call.service == 's3control' else call.service}.{call.operation}"


# moto does not know who pays.
NOT_MOTOS = {"s3.GetBucketRequestPayment": answer(PAYER)}


@pytest.fixture(scope="module")
def share() -> Iterator[World]:
    with mock_aws():
        session = boto3.Session()
        admin = {account: Clients(credentials=_keys(account), attempts=1) for account in (OWNER, CONSUMER)}
        key = _set_up_owner(admin[OWNER])
        _set_up_consumer(admin[CONSUMER])
        clients = {
            account: Clients(credentials=_keys(account), attempts=1, session=session) for account in (OWNER, CONSUMER)
        }
        world = World(_contract(key), clients)
        session.events.register_first("before-send", world.hook)
        world.replies = dict(NOT_MOTOS)
        world.intact = world.sources()
        yield world


@pytest.fixture
def world(share: World) -> World:
    """The share, intact again."""
    share.replies = dict(NOT_MOTOS)
    share.asked = []
    return share


def _keys(account: str) -> Credentials:
    sts = boto3.client("sts", "eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    made = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/admin", RoleSessionName="admin")["Credentials"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


def _contract(key: str) -> Contract:
    return Contract.model_validate(
        {
            "name": "bi-curated-read",
            "owner": {"account": OWNER, "name": "data-platform", "home_region": "eu-west-1"},
            "consumer": {"account": CONSUMER, "name": "bi-team", "home_region": "eu-west-1"},
            "bucket": {"name": BUCKET, "region": "eu-west-1"},
            "key": key,
            "role": ROLE,
            "actions": ["s3:GetObject", "kms:Decrypt"],
        }
    )


BLOCK = {"BlockPublicAcls": True, "IgnorePublicAcls": False, "BlockPublicPolicy": True, "RestrictPublicBuckets": False}


def _set_up_owner(admin: Clients) -> str:
    kms, s3 = admin.client("kms", "eu-west-1"), admin.client("s3", "eu-west-1")
    key: str = kms.create_key(Policy=POLICY)["KeyMetadata"]["Arn"]
    kms.create_grant(
        KeyId=key,
        GranteePrincipal=ROLE,
        Operations=["Decrypt"],
        Constraints={"EncryptionContextSubset": {"aws:s3:arn": f"arn:aws:s3:::{BUCKET}"}},
        Name="one-grant",
    )
    s3.create_bucket(
        Bucket=BUCKET,
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        ObjectOwnership="BucketOwnerEnforced",
    )
    s3.put_bucket_policy(Bucket=BUCKET, Policy=DELEGATING)
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=BLOCK)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    s3.put_bucket_encryption(
        Bucket=BUCKET,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
        },
    )
    control = admin.client("s3control", "eu-west-1")
    control.put_public_access_block(AccountId=OWNER, PublicAccessBlockConfiguration=BLOCK)
    control.create_access_point(AccountId=OWNER, Name="curated", Bucket=BUCKET)
    control.put_access_point_policy(AccountId=OWNER, Name="curated", Policy=POLICY)
    return key


def _set_up_consumer(admin: Clients) -> None:
    iam = admin.client("iam", "eu-west-1")
    arns = [
        iam.create_policy(PolicyName=name, PolicyDocument=_allowing("s3:GetObject"))["Policy"]["Arn"]
        for name in ("attached", "boundary")
    ]
    iam.create_role(
        RoleName="BIAnalyticsRole",
        Path="/bi/",
        AssumeRolePolicyDocument=_allowing("sts:AssumeRole", Principal={"AWS": CONSUMER}),
        PermissionsBoundary=arns[1],
        Tags=[{"Key": "team", "Value": "bi"}],
    )
    iam.put_role_policy(RoleName="BIAnalyticsRole", PolicyName="inline", PolicyDocument=_allowing("kms:Decrypt"))
    iam.attach_role_policy(RoleName="BIAnalyticsRole", PolicyArn=arns[0])


def _allowing(action: str, **more: Any) -> str:
    resource = {} if more else {"Resource": "*"}
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, **more, **resource}]}
    )


# --- What is there ---


def test_every_source_of_an_intact_share_is_found(world: World) -> None:
    assert {name for name, value in world.sources().items() if not isinstance(value, Found)} == set()


def test_the_values_are_those_that_were_set(world: World) -> None:
    found = {name: value.value for name, value in world.sources().items() if isinstance(value, Found)}
    block = PublicAccessBlock(block_public_acls=True, block_public_policy=True)
    key = world.contract.key
    assert found["bucket.region"] == "eu-west-1"
    assert found["bucket.policy"] == DELEGATING
    assert found["bucket.policy_is_public"] is False
    assert found["bucket.block"] == found["bucket.account_block"] == block
    assert found["bucket.encryption"] == Encryption("aws:kms", key, bucket_key=True)
    assert found["bucket.ownership"] == "BucketOwnerEnforced"
    assert [grant.permission for grant in found["bucket.acl"].grants] == ["FULL_CONTROL"]
    assert found["bucket.requester_pays"] is False
    (point,) = found["bucket.access_points"]
    assert (point.name, point.origin, point.policy) == ("curated", "Internet", POLICY)
    assert (found["key.metadata"].arn, found["key.metadata"].state) == (key, "Enabled")
    assert found["key.policies"] == (NamedPolicy("default", POLICY),)
    (grant,) = found["key.grants"]
    assert grant == Grant(
        grant_id=grant.grant_id,
        grantee=ROLE,
        operations=("Decrypt",),
        context_subset=(("aws:s3:arn", f"arn:aws:s3:::{BUCKET}"),),
        name="one-grant",
    )
    role = found["role.role"]
    assert (role.arn, role.tags) == (ROLE, (("team", "bi"),))
    assert role.unique_id.startswith("AROA")
    assert json.loads(role.trust)["Statement"][0]["Action"] == "sts:AssumeRole"
    assert json.loads(found["role.inline"][0].document)["Statement"][0]["Action"] == "kms:Decrypt"
    assert [(p.name, p.version) for p in found["role.attached"]] == [(f"arn:aws:iam::{CONSUMER}:policy/attached", "v1")]
    assert found["role.boundary"].name == role.boundary_arn == f"arn:aws:iam::{CONSUMER}:policy/boundary"


def test_an_observation_begins_before_its_first_read_and_says_so(world: World) -> None:
    clock = iter([NOW])

    def now() -> datetime:
        assert world.asked == []
        return next(clock)

    assert AwsObserver(world.clients[OWNER], now).observe(world.contract, OWNER).began == NOW


def test_each_account_reads_only_what_it_holds(world: World) -> None:
    owner, consumer = world.observe(OWNER), world.observe(CONSUMER)
    assert (owner.role, consumer.bucket, consumer.key) == (None, None, None)
    world.asked = []
    stranger = AwsObserver(world.clients[OWNER], lambda: NOW).observe(world.contract, "333333333333")
    assert (stranger.role, stranger.bucket, stranger.key, world.asked) == (None, None, None, [])


def test_every_call_on_a_bucket_says_who_must_own_it(world: World) -> None:
    world.observe(OWNER)
    asked = [request for name, request in world.asked if name.startswith("s3.")]
    assert len(asked) == sum(call.service == "s3" for call in CALLS)
    assert {request.headers["x-amz-expected-bucket-owner"] for request in asked} == {OWNER.encode()}


def test_every_call_in_the_table_is_made_and_no_other(world: World) -> None:
    world.sources()
    assert {name for name, _ in world.asked} == {_event(call) for call in CALLS}


def test_the_permissions_are_actions_of_their_service_and_no_write() -> None:
    assert len(PERMISSIONS) == len(CALLS) + 1  # ListBuckets, when the bucket turns its own account away
    assert all(permission.partition(":")[0] in operation for operation, permission in PERMISSIONS)
    assert all(permission.partition(":")[2].startswith(("Get", "List", "Describe")) for _, permission in PERMISSIONS)


@pytest.mark.parametrize(
    ("stated", "region"),
    [("", "us-east-1"), ("EU", "eu-west-1"), ("eu-central-1", "eu-central-1")],
)
def test_old_names_of_regions_are_read_as_todays(world: World, stated: str, region: str) -> None:
    xml = '<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' + stated + "</LocationConstraint>"
    world.instead(read.GET_BUCKET_LOCATION, answer(xml))
    assert world.sources()["bucket.region"] == Found(region)


def test_the_default_version_of_a_managed_policy_is_read(world: World) -> None:
    iam = world.clients[CONSUMER].client("iam", "eu-west-1")
    arn = f"arn:aws:iam::{CONSUMER}:policy/attached"
    version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=_allowing("s3:PutObject"))["PolicyVersion"]
    before = world.sources()["role.attached"]
    iam.set_default_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    after = world.sources()["role.attached"]
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert isinstance(before, Found)
    assert isinstance(after, Found)
    assert [policy.version for policy in (*before.value, *after.value)] == ["v1", version["VersionId"]]
    assert "s3:PutObject" not in before.value[0].document
    assert "s3:PutObject" in after.value[0].document


# --- What is not there ---


ABSENT_SOURCES = {
    ("s3:GetBucketPolicy", "NoSuchBucketPolicy"): "bucket.policy",
    ("s3:GetBucketPolicyStatus", "NoSuchBucketPolicy"): "bucket.policy_is_public",
    ("s3:GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"): "bucket.block",
    ("s3control:GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"): "bucket.account_block",
    ("s3:GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError"): "bucket.encryption",
    ("s3:GetBucketOwnershipControls", "OwnershipControlsNotFoundError"): "bucket.ownership",
}


# Told beside what else is known of the access point.
WITHOUT = ("s3control:GetAccessPointPolicy", "NoSuchAccessPointPolicy")


def test_every_code_for_a_missing_setting_has_its_case_below() -> None:
    assert {(call.name, code) for call in CALLS for code in call.none} == {*ABSENT_SOURCES, WITHOUT}


@pytest.mark.parametrize(("operation", "code"), ABSENT_SOURCES)
def test_a_setting_that_is_not_there_is_absent_and_the_others_stand(world: World, operation: str, code: str) -> None:
    call = next(call for call in CALLS if call.name == operation)
    after = world.after(call, failure(call, code, 404))
    if call is read.GET_BUCKET_POLICY:  # without it, access points do not matter
        assert after.pop("bucket.access_points") == Found(())
    assert after == {ABSENT_SOURCES[operation, code]: Absent()}


@pytest.mark.parametrize(
    ("call", "code", "part"),
    [
        (read.GET_BUCKET_LOCATION, "NoSuchBucket", "bucket."),
        (read.GET_ROLE, "NoSuchEntity", "role."),
        (read.DESCRIBE_KEY, "NotFoundException", "key."),
    ],
)
def test_a_bucket_key_or_role_that_is_gone_has_no_parts_either(world: World, call: Call, code: str, part: str) -> None:
    expected = {n: Absent() for n in world.intact if n.startswith(part) and n != "bucket.account_block"}
    assert world.after(call, failure(call, code, 404)) == expected


PARTS = [call for call in CALLS if call not in (read.GET_BUCKET_LOCATION, read.GET_ROLE, read.DESCRIBE_KEY)]


@pytest.mark.parametrize("call", [call for call in PARTS if call.gone], ids=name_of)
def test_what_vanishes_while_it_is_read_is_to_be_read_again(world: World, call: Call) -> None:
    """The role was just seen: that a policy of it "does not exist" is no proof that it has no policies."""
    changed = world.after(call, failure(call, min(call.gone), 404)).values()
    assert all(isinstance(value, Unreadable) for value in changed)
    assert {(value.error, value.transient) for value in changed} == {(CHANGED, True)}


def test_a_boundary_of_an_unread_role_is_unread_too(world: World) -> None:
    world.instead(read.GET_ROLE, failure(read.GET_ROLE, "AccessDenied", 403))
    sources = world.sources()
    assert isinstance(sources["role.boundary"], Unreadable)
    assert isinstance(sources["role.inline"], Found)


# --- What cannot be read ---


def _unread(world: World, call: Call, reply: Reply) -> list[Unreadable]:
    """The sources that `reply` made unreadable; all others are as before, and none has become Absent."""
    changed = list(world.after(call, reply).values())
    assert changed, "nothing depends on this call"
    assert all(isinstance(value, Unreadable) for value in changed)
    assert {value.operation for value in changed} == {call.name}
    return changed


ONE_OF_EACH_SERVICE = list({call.service: call for call in CALLS}.values())
DENIED = ["AccessDeniedException", "403", "UnauthorizedOperation", "AuthorizationError", "Forbidden"]
PASSING = [
    ("Throttling", 400),
    ("TooManyRequestsException", 429),
    ("RequestLimitExceeded", 400),
    ("InternalError", 500),
    ("SomethingNew", 502),
]
NO_ANSWER = [ConnectTimeoutError, EndpointConnectionError]


@pytest.mark.parametrize(
    ("call", "code"),
    [*((call, "AccessDenied") for call in CALLS), *((c, code) for c in ONE_OF_EACH_SERVICE for code in DENIED)],
    ids=name_of,
)
def test_a_denied_call_names_the_missing_permission(world: World, call: Call, code: str) -> None:
    told = _unread(world, call, failure(call, code, 403))
    assert {(one.error, one.permission, one.transient) for one in told} == {(code, call.permission, False)}
    assert {one.message for one in told} == {"said AWS"}


@pytest.mark.parametrize(
    ("call", "code", "status"),
    [
        *((call, "ThrottlingException", 400) for call in CALLS),
        *((call, "SlowDown", 503) for call in CALLS if call.service == "s3"),
        *((call, code, status) for call in ONE_OF_EACH_SERVICE for code, status in PASSING),
    ],
    ids=name_of,
)
def test_a_throttled_or_failed_call_is_worth_another_try(world: World, call: Call, code: str, status: int) -> None:
    told = _unread(world, call, failure(call, code, status))
    assert {(one.error, one.permission, one.transient) for one in told} == {(code, "", True)}


@pytest.mark.parametrize(
    ("call", "kind"),
    [*((call, ReadTimeoutError) for call in CALLS), *((c, kind) for c in ONE_OF_EACH_SERVICE for kind in NO_ANSWER)],
    ids=name_of,
)
def test_a_call_without_an_answer_is_worth_another_try(world: World, call: Call, kind: type) -> None:
    told = _unread(world, call, raising(kind(endpoint_url="https://aws.example")))
    assert {(one.error, one.permission, one.transient) for one in told} == {(kind.__name__, "", True)}


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_an_error_that_is_not_known_is_neither_absence_nor_a_missing_permission(world: World, call: Call) -> None:
    told = _unread(world, call, failure(call, "SignatureDoesNotMatch", 403))
    assert {(one.error, one.permission, one.transient) for one in told} == {("SignatureDoesNotMatch", "", False)}


# botocore takes these answers apart by itself, and fills in what is not there: the body is the policy, an empty region
# is us-east-1, and a setting that is left out is off.
FILLED_IN = (
    read.GET_BUCKET_POLICY,
    read.GET_BUCKET_LOCATION,
    read.GET_PUBLIC_ACCESS_BLOCK,
    read.GET_ACCOUNT_BLOCK,
)


@pytest.mark.parametrize("call", [call for call in CALLS if call not in FILLED_IN], ids=name_of)
def test_an_answer_of_another_shape_is_unread(world: World, call: Call) -> None:
    result = f"<R><{call.operation}Result/></R>"
    empty = {"kms": "{}", "s3": "<Nothing/>", "s3control": "<Nothing/>", "iam": result}
    told = _unread(world, call, answer(empty[call.service]))
    assert {(one.error, one.transient) for one in told} == {(UNEXPECTED, False)}


# The body of GetBucketPolicy is not botocore's to parse: whoever parses the policy reports it.
PARSED = [call for call in CALLS if call is not read.GET_BUCKET_POLICY]


@pytest.mark.parametrize("call", PARSED, ids=name_of)
def test_an_answer_that_is_no_answer_at_all_is_unread(world: World, call: Call) -> None:
    """A proxy's HTML page, say."""
    _unread(world, call, answer("<html><p>gateway"))


@pytest.mark.parametrize(("code", "status"), [("MethodNotAllowed", 405), ("AccessDenied", 403)])
def test_a_bucket_of_another_account_never_reads_as_one_without_policy(world: World, code: str, status: int) -> None:
    for call in CALLS:
        if call.service == "s3":
            world.instead(call, failure(call, code, status))
    bucket = world.observe(OWNER).bucket
    assert bucket
    values = [getattr(bucket, f.name) for f in fields(bucket) if f.name != "account_block"]
    assert all(isinstance(value, Unreadable) and value.error == code for value in values)


# --- Pages ---


def _xml_pages(call: Call, items: str, pages: list[list[str]]) -> Reply:
    """A list of IAM in pages; the marker is the number of the next one."""

    def reply(request: AWSPreparedRequest) -> AWSResponse | None:
        body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
        at = int(parse_qs(body).get("Marker", ["0"])[0])
        more = at + 1 < len(pages)
        members = "".join(f"<member>{member}</member>" for member in pages[at])
        marker = f"<IsTruncated>true</IsTruncated><Marker>{at + 1}</Marker>" if more else ""
        result = f"<{call.operation}Result><{items}>{members}</{items}>{marker}</{call.operation}Result>"
        return answer(f"<R>{result}</R>")(request)

    return reply


def _json_pages(items: str, pages: list[list[Any]]) -> Reply:
    def reply(request: AWSPreparedRequest) -> AWSResponse | None:
        at = int(json.loads(request.body or b"{}").get("Marker", "0"))
        more = {"Truncated": True, "NextMarker": str(at + 1)} if at + 1 < len(pages) else {"Truncated": False}
        return answer({items: pages[at], **more})(request)

    return reply


def test_all_pages_of_inline_policies_are_read(world: World) -> None:
    world.instead(read.LIST_ROLE_POLICIES, _xml_pages(read.LIST_ROLE_POLICIES, "PolicyNames", [["c"], [], ["a", "b"]]))
    document = "%7B%22Statement%22%3A%5B%5D%7D"
    world.instead(
        read.GET_ROLE_POLICY,
        answer(f"<R><GetRolePolicyResult><PolicyDocument>{document}</PolicyDocument></GetRolePolicyResult></R>"),
    )
    assert world.sources()["role.inline"] == Found(tuple(NamedPolicy(n, '{"Statement": []}') for n in "abc"))


def test_all_pages_of_attached_policies_are_read(world: World) -> None:
    arns = [f"arn:aws:iam::{CONSUMER}:policy/{name}" for name in ("attached", "boundary")]
    pages = [[f"<PolicyName>x</PolicyName><PolicyArn>{arn}</PolicyArn>"] for arn in arns]
    world.instead(read.LIST_ATTACHED_POLICIES, _xml_pages(read.LIST_ATTACHED_POLICIES, "AttachedPolicies", pages))
    attached = world.sources()["role.attached"]
    assert isinstance(attached, Found)
    assert [policy.name for policy in attached.value] == arns


def test_all_pages_of_key_policies_are_read(world: World) -> None:
    world.instead(read.LIST_KEY_POLICIES, _json_pages("PolicyNames", [["default"], ["AWS_RAM"]]))
    world.instead(read.GET_KEY_POLICY, answer({"Policy": POLICY}))
    assert world.sources()["key.policies"] == Found(
        (NamedPolicy("AWS_RAM", POLICY), NamedPolicy("default", POLICY)),
    )


def test_all_pages_of_grants_are_read(world: World) -> None:
    pages = [[{"GrantId": f"g{i}", "GranteePrincipal": CONSUMER, "Operations": ["Decrypt"]}] for i in range(3)]
    world.instead(read.LIST_GRANTS, _json_pages("Grants", pages))
    grants = world.sources()["key.grants"]
    assert isinstance(grants, Found)
    assert [grant.grant_id for grant in grants.value] == ["g0", "g1", "g2"]


@pytest.mark.parametrize("marker", [{}, {"NextMarker": "1"}])
def test_a_list_that_never_ends_is_unread_and_not_read_for_ever(world: World, marker: dict[str, str]) -> None:
    world.instead(read.LIST_GRANTS, answer({"Grants": [], "Truncated": True, **marker}))
    grants = world.sources()["key.grants"]
    assert isinstance(grants, Unreadable)
    assert grants.error == UNEXPECTED


def test_an_error_on_a_later_page_makes_the_whole_list_unread(world: World) -> None:
    first = _json_pages("Grants", [[], []])

    def reply(request: AWSPreparedRequest) -> AWSResponse | None:
        later = b"Marker" in (request.body or b"")
        return (failure(read.LIST_GRANTS, "ThrottlingException", 400) if later else first)(request)

    world.instead(read.LIST_GRANTS, reply)
    assert isinstance(world.sources()["key.grants"], Unreadable)


# --- Grants ---


def test_a_grant_to_a_service_or_for_one_source_keeps_what_limits_it(world: World) -> None:
    grant = {
        "GrantId": "g",
        "GranteeServicePrincipal": "dynamodb.amazonaws.com",
        "Operations": ["Decrypt"],
        "Constraints": {"SourceArn": "arn:aws:dynamodb:eu-west-1:111111111111:table/t", "EncryptionContextEquals": {}},
    }
    world.instead(read.LIST_GRANTS, answer({"Grants": [grant]}))
    assert world.sources()["key.grants"] == Found(
        (
            Grant(
                "g",
                "dynamodb.amazonaws.com",
                ("Decrypt",),
                context_equals=(),
                source_arn="arn:aws:dynamodb:eu-west-1:111111111111:table/t",
            ),
        )
    )


# --- a bucket that is a stranger's, and an alias ----------------------------------------------------------------------


# --- Access points ---

NO_POLICY = failure(read.GET_ACCESS_POINT_POLICY, "NoSuchAccessPointPolicy", 404)


def _points(*pages: tuple[str, ...], arn: str = f"arn:aws:s3:eu-west-1:{OWNER}:accesspoint") -> Reply:
    """ListAccessPoints, as S3 answers it in pages."""
    left = list(pages)

    def reply(request: AWSPreparedRequest) -> AWSResponse | None:
        page = left.pop(0)
        assert ("nextToken=next" in request.url) is (len(left) < len(pages) - 1)
        assert f"bucket={BUCKET}" in request.url
        listed = "".join(
            f"<AccessPoint><Name>{name}</Name><NetworkOrigin>Internet</NetworkOrigin>"
            f"<AccessPointArn>{arn}/{name}</AccessPointArn></AccessPoint>"
            for name in page
        )
        more = "<NextToken>next</NextToken>" if left else ""
        body = f"<ListAccessPointsResult><AccessPointList>{listed}</AccessPointList>{more}</ListAccessPointsResult>"
        return answer(body)(request)

    return reply


def _delegated(world: World, listed: Reply, policy: Reply) -> Any:
    world.instead(read.LIST_ACCESS_POINTS, listed)
    world.instead(read.GET_ACCESS_POINT_POLICY, policy)
    return world.sources(OWNER)["bucket.access_points"]


def test_access_points_are_read_page_by_page_with_their_policies(world: World) -> None:
    held = answer("<GetAccessPointPolicyResult><Policy>{}</Policy></GetAccessPointPolicyResult>")
    found = _delegated(world, _points(("bbb",), ("aaa", "ccc")), held)
    assert isinstance(found, Found)
    assert [(point.name, point.policy) for point in found.value] == [("aaa", "{}"), ("bbb", "{}"), ("ccc", "{}")]


def test_an_access_point_without_a_policy_is_read_as_such(world: World) -> None:
    found = _delegated(world, _points(("aaa",)), NO_POLICY)
    assert found == Found((AccessPoint("aaa", f"arn:aws:s3:eu-west-1:{OWNER}:accesspoint/aaa", "Internet", ""),))


def test_an_access_point_that_goes_while_it_is_read_is_another_try(world: World) -> None:
    found = _delegated(world, _points(("aaa",)), failure(read.GET_ACCESS_POINT_POLICY, "NoSuchAccessPoint", 404))
    assert isinstance(found, Unreadable)
    assert (found.error, found.transient) == ("ChangedWhileRead", True)


def test_more_access_points_than_are_read_are_unread(world: World) -> None:
    many = _points(tuple(f"p{n}" for n in range(201)))
    found = _delegated(world, many, NO_POLICY)
    assert isinstance(found, Unreadable)
    assert (found.operation, found.error) == ("s3control:ListAccessPoints", "MoreThan200AccessPoints")


def test_an_access_point_whose_arn_is_none_is_unread(world: World) -> None:
    found = _delegated(world, _points(("aaa",), arn="junk"), NO_POLICY)
    assert isinstance(found, Unreadable)
    assert found.error == "UnexpectedAnswer"


def test_access_points_are_not_asked_for_where_the_bucket_policy_does_not_tell_them_apart(world: World) -> None:
    world.instead(read.GET_BUCKET_POLICY, answer(POLICY))
    world.instead(read.LIST_ACCESS_POINTS, failure(read.LIST_ACCESS_POINTS, "AccessDenied", 403))
    assert world.sources(OWNER)["bucket.access_points"] == Found(())


def _listed(*pages: str) -> Reply:
    """ListBuckets, as S3 answers it in pages. moto does not part them."""
    left = list(pages)

    def reply(request: AWSPreparedRequest) -> AWSResponse | None:
        page = left.pop(0)
        assert ("continuation-token=next" in request.url) is (len(left) < len(pages) - 1)
        names = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in page.split())
        more = "<ContinuationToken>next</ContinuationToken>" if left else ""
        body = f"<ListAllMyBucketsResult><Buckets>{names}</Buckets>{more}</ListAllMyBucketsResult>"
        return answer(body)(request)

    return reply


TURNED_AWAY = failure(read.GET_BUCKET_LOCATION, "AccessDenied", 403)


def test_a_bucket_that_turns_its_own_account_away_is_gone_when_the_account_has_none_of_that_name(world: World) -> None:
    """It was deleted, and a stranger made one: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html"""
    world.instead(read.GET_BUCKET_LOCATION, TURNED_AWAY)
    world.instead(read.LIST_BUCKETS, _listed(f"{BUCKET}-2", f"{BUCKET}-3"))
    found = world.sources(OWNER)
    assert found["bucket.region"] == Absent()
    assert found["bucket.policy"] == Absent()


@pytest.mark.parametrize(
    "reply",
    [
        _listed(f"{BUCKET}-2", BUCKET),
        failure(read.GET_BUCKET_ACL, "AccessDenied", 403),
        failure(read.GET_BUCKET_ACL, "SlowDown", 503),
        answer("<ListAllMyBucketsResult></ListAllMyBucketsResult>"),
    ],
    ids=["its own", "denied", "throttled", "no list"],
)
def test_a_bucket_that_may_be_the_accounts_own_stays_unread(world: World, reply: Reply) -> None:
    world.instead(read.GET_BUCKET_LOCATION, TURNED_AWAY)
    world.instead(read.LIST_BUCKETS, reply)
    found = world.sources(OWNER)["bucket.region"]
    assert isinstance(found, Unreadable)
    assert found.permission == "s3:GetBucketLocation"


def test_buckets_are_listed_for_nothing_else(world: World) -> None:
    world.sources(OWNER)
    world.instead(read.GET_BUCKET_LOCATION, failure(read.GET_BUCKET_LOCATION, "SlowDown", 503))
    world.sources(OWNER)
    assert not [name for name, _ in world.asked if name == "s3.ListBuckets"]


@pytest.mark.parametrize("form", ["alias/curated", f"arn:aws:kms:eu-west-1:{OWNER}:alias/curated"])
def test_an_alias_under_default_encryption_is_looked_up_in_the_buckets_account(world: World, form: str) -> None:
    default = f"<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{form}</KMSMasterKeyID>"
    rule = f"<Rule><ApplyServerSideEncryptionByDefault>{default}</ApplyServerSideEncryptionByDefault></Rule>"
    body = f"<ServerSideEncryptionConfiguration>{rule}</ServerSideEncryptionConfiguration>"
    world.instead(read.GET_BUCKET_ENCRYPTION, answer(body))
    found = world.sources(OWNER)["bucket.encryption"]
    assert isinstance(found, Found)
    assert found.value.stands_for == Absent()
    kms = world.clients[OWNER].client("kms", "eu-west-1")
    kms.create_alias(AliasName="alias/curated", TargetKeyId=world.contract.key)
    found = world.sources(OWNER)["bucket.encryption"]
    kms.delete_alias(AliasName="alias/curated")
    assert isinstance(found, Found)
    assert found.value.stands_for == Found(world.contract.key)
