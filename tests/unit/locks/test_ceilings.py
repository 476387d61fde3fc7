"""What stands above the locks: organization policies, endpoint and session policies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.unit.locks.scene import (
    ALL,
    BUCKET,
    CONSUMER,
    DENIED,
    EMPTY,
    KEY,
    NOW,
    OBJECTS,
    ORGANIZATION,
    OWNER,
    READ,
    ROLE,
    ROOT,
    SHARE_BUCKET,
    SHARE_KEY,
    USE,
    allow,
    bucket,
    codes,
    consumer,
    contract,
    deny,
    document,
    findings,
    key,
    only,
    policy,
    verdict,
)
from threelocks.contract import Contract
from threelocks.finding import Headline, Kind, Lock
from threelocks.observation import (
    Absent,
    CeilingObservation,
    Found,
    Membership,
    NamedEndpoint,
    NamedPolicy,
    Observation,
    PolicyLevel,
    Unreadable,
    VpcEndpoint,
)

S3_ENDPOINT, KMS_ENDPOINT = "vpce-0123456789abcdef0", "vpce-0fedcba9876543210"
FULL = allow("*", "*", Sid="FullAccess")
FULL_FOR_ALL = allow("*", "*", to="*", Sid="FullAccess")


def levels(*of: Any) -> Any:
    """One level per argument, each a statement or a tuple of them; the root first."""
    statements = [each if isinstance(each, tuple) else (each,) for each in of]
    return Found(tuple(PolicyLevel(f"ou-{n}", (policy("p", *each),)) for n, each in enumerate(statements)))


@dataclass(frozen=True)
class Row:
    title: str
    ceilings: CeilingObservation
    code: str
    kind: Kind
    actions: tuple[str, ...]
    holder: str = CONSUMER


ROWS = (
    Row("a level of SCPs that allows nothing", CeilingObservation(scps=levels(FULL, ())),
        "ceiling.scp", Kind.SHUT, ALL),
    Row("a level of SCPs that allows S3 only", CeilingObservation(scps=levels(FULL, allow("s3:*", "*"), FULL)),
        "ceiling.scp", Kind.SHUT, USE),
    Row("an SCP that denies", CeilingObservation(scps=levels(FULL, (FULL, deny("kms:Decrypt", "*")))),
        "ceiling.scp", Kind.SHUT, ("kms:Decrypt",)),
    Row("an SCP that denies another organization's buckets", CeilingObservation(scps=levels((FULL, deny(
        "s3:*", "*", when={"StringNotEquals": {"aws:ResourceAccount": CONSUMER}})))), "ceiling.scp", Kind.SHUT, READ),
    Row("an SCP that asks for an endpoint", CeilingObservation(scps=levels((FULL, deny(
        "s3:*", "*", when={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})))), "ceiling.scp", Kind.RISK, READ),
    Row("an RCP that denies strangers", CeilingObservation(rcps=levels((FULL_FOR_ALL, deny(
        "kms:*", "*", to="*", when={"StringNotEquals": {"aws:PrincipalAccount": OWNER}})))),
        "ceiling.rcp", Kind.SHUT, USE, OWNER),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
@pytest.mark.finding("ceiling.scp", "ceiling.rcp", "ceiling.vpc-endpoint", "ceiling.session-policy")
def test_a_ceiling_that_is_too_low_has_one_finding(row: Row) -> None:
    observation = consumer(ceilings=row.ceilings) if row.holder == CONSUMER else key(ceilings=row.ceilings)
    found = only(observation)
    assert (found.code, found.kind, found.actions) == (row.code, row.kind, row.actions)
    assert (found.principal, found.lock, found.account) == (ROLE, Lock.CEILING, row.holder)
    assert found.remedy
    assert found.remedy.account == row.holder


def through(*, s3: str | None = S3_ENDPOINT, kms: str | None = None, **more: Any) -> Contract:
    return contract(contexts=[{"name": "vpc", "endpoints": {"s3": s3, "kms": kms}, **more}])


def endpoint(*statements: Any, name: str = S3_ENDPOINT, service: str = "s3", state: str = "available") -> NamedEndpoint:
    full = f"com.amazonaws.eu-west-1.{service}"
    return NamedEndpoint(name, Found(VpcEndpoint(full, state, document(*statements or (FULL_FOR_ALL,)), "vpc-1")))


def below(*endpoints: NamedEndpoint) -> Observation:
    return consumer(ceilings=CeilingObservation(endpoints=endpoints))


def test_ceilings_that_let_the_share_pass_are_silent() -> None:
    above = CeilingObservation(
        scps=levels(
            FULL,
            (FULL, deny("*", "*", when={"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}})),
            (allow(["s3:*", "kms:*"], "*"), deny("s3:Delete*", "*")),
        ),
        endpoints=(endpoint(),),
    )
    passed = {"Version": "2012-10-17", "Statement": [allow(list(READ), [BUCKET, OBJECTS]), allow(list(USE), KEY)]}
    judged = verdict(consumer(ceilings=above), through(session_policy=passed))
    assert (judged.headline, judged.remarks) == (Headline.INTACT, ())


OTHER_BUCKETS = allow("s3:*", "arn:aws:s3:::own*", to="*")


@pytest.mark.finding("ceiling.vpc-endpoint")
def test_an_endpoint_policy_for_other_buckets_shuts_the_reads_and_says_which_policy_to_edit() -> None:
    found = only(below(endpoint(OTHER_BUCKETS)), through())
    assert (found.code, found.kind, found.actions) == ("ceiling.vpc-endpoint", Kind.SHUT, READ)
    assert found.resource == f"arn:aws:ec2:eu-west-1:{CONSUMER}:vpc-endpoint/{S3_ENDPOINT}"
    assert "(context `vpc`)" in found.detail
    assert found.remedy
    assert found.remedy.account == CONSUMER
    assert f"--region eu-west-1 --vpc-endpoint-id {S3_ENDPOINT}" in found.remedy.commands[-1]


def test_an_endpoint_stands_above_the_service_that_is_reached_by_it_and_no_other() -> None:
    kms = endpoint(allow("s3:*", "*", to="*"), name=KMS_ENDPOINT, service="kms")
    both = through(kms=KMS_ENDPOINT)
    found = only(below(endpoint(allow("s3:*", "*", to="*")), kms), both)
    assert (found.code, found.actions) == ("ceiling.vpc-endpoint", ("kms:DescribeKey",))
    passes = endpoint(allow("kms:DescribeKey", KEY, to="*"), name=KMS_ENDPOINT, service="kms")
    assert findings(below(endpoint(), passes), both) == ()


def test_an_endpoint_is_judged_for_the_contexts_that_name_it_only() -> None:
    direct = {"name": "direct", "keys": {"aws:SourceVpce": None}}
    agreed = contract(contexts=[{"name": "vpc", "endpoints": {"s3": S3_ENDPOINT}}, direct])
    mine = allow("s3:*", "*", to="*", when={"StringEquals": {"aws:SourceVpce": S3_ENDPOINT}})
    assert findings(below(endpoint(mine)), agreed) == ()
    other = allow("s3:*", "*", to="*", when={"StringEquals": {"aws:SourceVpce": KMS_ENDPOINT}})
    assert only(below(endpoint(other)), agreed).code == "ceiling.vpc-endpoint"


@pytest.mark.finding("premise.false")
@pytest.mark.parametrize(
    ("named", "says"),
    [
        (NamedEndpoint(S3_ENDPOINT, Absent()), "does not exist"),
        (endpoint(service="dynamodb"), "is an endpoint of com.amazonaws.eu-west-1.dynamodb"),
        (endpoint(state="deleting"), "is deleting"),
    ],
    ids=["gone", "of another service", "going"],
)
def test_an_endpoint_that_nobody_can_come_through_is_a_false_premise(named: NamedEndpoint, says: str) -> None:
    found = only(below(named), through())
    assert (found.code, found.kind, found.lock) == ("premise.false", Kind.SHUT, Lock.PREMISE)
    assert (found.principal, found.account) == ("contexts.vpc.endpoints.s3", CONSUMER)
    assert says in found.detail


@pytest.mark.finding("premise.false")
@pytest.mark.parametrize("stated", [["vpc-2"], ["vpc-1", "vpc-2"], None], ids=["another", "one of two", "absent"])
def test_the_vpc_that_a_context_states_is_that_of_its_endpoint(stated: Any) -> None:
    assert findings(below(endpoint()), through(keys={"aws:SourceVpc": ["vpc-1"]})) == ()
    found = only(below(endpoint()), through(keys={"aws:sourceVPC": stated}))
    assert (found.code, found.principal) == ("premise.false", "contexts.vpc.keys.aws:SourceVpc")
    assert f"{S3_ENDPOINT} is in vpc-1" in found.detail


@pytest.mark.parametrize("service", ["kms", "kms-fips"])
def test_both_kinds_of_kms_endpoint_serve_kms(service: str) -> None:
    assert findings(below(endpoint(name=KMS_ENDPOINT, service=service)), through(s3=None, kms=KMS_ENDPOINT)) == ()


def test_an_endpoint_that_is_unread_leaves_the_share_unknown_and_no_premise_false() -> None:
    assert codes(below(NamedEndpoint(S3_ENDPOINT, DENIED)), through()) == {"ceiling.unread"}


@pytest.mark.finding("ceiling.session-policy")
def test_a_session_policy_is_a_ceiling_for_the_contexts_that_pass_it() -> None:
    narrow = {"Version": "2012-10-17", "Statement": [allow("s3:*", "arn:aws:s3:::own*"), allow("kms:*", "*")]}
    direct = {"name": "direct", "keys": {"aws:SourceVpce": None}}
    agreed = contract(contexts=[{"name": "nightly", "session_policy": narrow}, direct])
    found = only(consumer(), agreed)
    assert (found.code, found.kind, found.actions) == ("ceiling.session-policy", Kind.SHUT, READ)
    assert "`nightly`" in found.detail
    assert found.remedy


def test_conditions_on_the_endpoint_are_judged_against_the_endpoint_of_each_service() -> None:
    only_through = {"StringNotEquals": {"aws:SourceVpce": S3_ENDPOINT}}
    assert findings(bucket(SHARE_BUCKET, deny("s3:*", [BUCKET, OBJECTS], to=ROLE, when=only_through)), through()) == ()
    asks_kms = deny("kms:DescribeKey", "*", to=ROLE, when={"StringNotEquals": {"aws:SourceVpce": KMS_ENDPOINT}})
    assert findings(key(ROOT, SHARE_KEY, asks_kms), through(kms=KMS_ENDPOINT)) == ()
    assert only(key(ROOT, SHARE_KEY, asks_kms), through()).kind is Kind.RISK


def test_through_an_endpoint_there_is_no_source_address() -> None:
    office = deny("s3:*", [BUCKET, OBJECTS], to=ROLE, when={"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}})
    found = only(bucket(SHARE_BUCKET, office), through())
    assert (found.code, found.kind) == ("bucket.explicit-deny", Kind.SHUT)


@pytest.mark.parametrize("context", [{"endpoints": {"s3": S3_ENDPOINT}}, {"keys": {"aws:SourceVpce": [S3_ENDPOINT]}}])
def test_the_decrypt_that_s3_asks_for_does_not_surely_come_through_the_readers_endpoint(context: Any) -> None:
    """S3 asks for it in the reader's name, and AWS warns that it may fail such a condition."""
    agreed = contract(contexts=[{"name": "vpc", **context}])
    asks = deny("kms:Decrypt", "*", to=ROLE, when={"StringNotEquals": {"aws:SourceVpce": S3_ENDPOINT}})
    found = only(key(ROOT, SHARE_KEY, asks), agreed)
    assert (found.code, found.kind, found.actions) == ("key.conditional", Kind.RISK, ("kms:Decrypt",))


ATHENA = contract(contexts=[{"name": "queries", "via": "athena"}])


@pytest.mark.parametrize(
    "statement",
    [
        deny("s3:*", [BUCKET, OBJECTS], to=ROLE, when={"StringNotEquals": {"aws:SourceVpce": S3_ENDPOINT}}),
        deny("s3:*", [BUCKET, OBJECTS], to=ROLE, when={"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
        deny("s3:*", [BUCKET, OBJECTS], to=ROLE, when={"Bool": {"aws:ViaAWSService": "true"}}),
    ],
    ids=["an endpoint", "an address", "no service between"],
)
def test_what_asks_where_requests_come_from_shuts_athena_out(statement: Any) -> None:
    (shut,) = (one for one in findings(bucket(SHARE_BUCKET, statement), ATHENA) if one.kind is Kind.SHUT)
    assert shut.code == "bucket.explicit-deny"
    assert "(context `queries`)" in shut.detail


def test_a_deny_of_some_addresses_may_hit_athena() -> None:
    some = deny("s3:*", [BUCKET, OBJECTS], to=ROLE, when={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    assert only(bucket(SHARE_BUCKET, some), ATHENA).kind is Kind.RISK


def test_athena_is_let_in_by_name() -> None:
    by_name = {"ForAnyValue:StringEquals": {"aws:CalledVia": "athena.amazonaws.com"}}
    assert findings(bucket(allow(list(READ), [BUCKET, OBJECTS], to=ROLE, when=by_name)), ATHENA) == ()
    decrypts = allow("kms:Decrypt", "*", to=ROLE, when=by_name)
    assert findings(key(ROOT, decrypts, allow("kms:DescribeKey", "*", to=ROLE)), ATHENA) == ()


def test_each_context_must_be_open() -> None:
    agreed = contract(
        contexts=[{"name": "vpc", "endpoints": {"s3": S3_ENDPOINT}}, {"name": "queries", "via": "athena"}]
    )
    asks = deny("s3:*", [BUCKET, OBJECTS], to=ROLE, when={"StringNotEquals": {"aws:SourceVpce": S3_ENDPOINT}})
    found = findings(bucket(SHARE_BUCKET, asks), agreed)
    assert {one.code for one in found} == {"bucket.explicit-deny", "bucket.conditional"}
    assert all("(context `queries`)" in one.detail for one in found)


def test_the_levels_of_an_organization_must_all_allow() -> None:
    split = levels(FULL, allow("s3:*", "*"), allow("kms:*", "*"))
    found = only(consumer(ceilings=CeilingObservation(scps=split)))
    assert (found.code, found.actions) == ("ceiling.scp", ALL)


@pytest.mark.finding("ceiling.not-fully-checked")
def test_an_endpoint_policy_that_names_the_role_is_unsettled_and_one_with_an_account_is_shut() -> None:
    def named(principal: str) -> set[str]:
        return codes(below(endpoint(allow("s3:*", "*", to=principal))), through())

    assert named(ROLE) == {"ceiling.not-fully-checked"}
    assert named(CONSUMER) == {"ceiling.vpc-endpoint"}


def test_a_shut_and_a_risky_ceiling_are_told_as_shut() -> None:
    statements = (
        FULL,
        deny("s3:GetObject", f"{BUCKET}/secret/*"),
        deny("s3:*", "*", when={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}),
    )
    found = only(consumer(ceilings=CeilingObservation(scps=levels(statements))))
    assert (found.code, found.kind, found.actions) == ("ceiling.scp", Kind.SHUT, ("s3:GetObject",))


def test_ceilings_that_nobody_watches_are_a_remark_and_change_no_standing() -> None:
    judged = verdict(consumer())
    assert judged.headline is Headline.INTACT
    (remark,) = judged.remarks
    assert "service control policies" in remark
    assert "resource control policies" in verdict(key()).remarks[0]


@pytest.mark.finding("ceiling.unread")
def test_a_ceiling_that_is_unreadable_leaves_the_share_unknown() -> None:
    judged = verdict(consumer(ceilings=CeilingObservation(scps=DENIED)))
    assert (judged.headline, {one.code for one in judged.findings}) == (Headline.UNKNOWN, {"ceiling.unread"})


def test_a_ceiling_that_is_no_policy_leaves_the_share_unknown() -> None:
    broken = Found((PolicyLevel("r-1", (NamedPolicy("p", "{"),)),))
    assert codes(consumer(ceilings=CeilingObservation(scps=broken))) == {"ceiling.unread"}


def test_rcps_over_the_owner_do_not_concern_a_key_of_a_third_account() -> None:
    third = {"account": "333333333333", "name": "keys", "home_region": "eu-west-1"}
    agreed = contract(key=KEY.replace(OWNER, "333333333333"), key_holder=third)
    below = CeilingObservation(rcps=levels((FULL_FOR_ALL, deny("kms:*", "*", to="*"))))
    assert "ceiling.rcp" not in codes(key(ceilings=below), agreed)


# --- who reads an organization's policies -----------------------------------------------------------------------------

CLOUD = "444444444444"
GOVERNANCE = {"account": CLOUD, "name": "cloud-governance", "home_region": "eu-west-1"}
PATH = "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"


def governed(*whose: str, **more: Any) -> Contract:
    return contract(organizations=dict.fromkeys(whose, GOVERNANCE), **more)


def from_above(**sources: Any) -> Observation:
    return Observation(CLOUD, NOW, ceilings=CeilingObservation(**sources))


@pytest.mark.finding("ceiling.scp")
def test_another_account_judges_the_policies_over_the_consumer_and_is_to_act_on_them() -> None:
    judged = verdict(from_above(scps=levels(FULL, (FULL, deny("kms:*", "*")))), governed("consumer"))
    (found,) = judged.findings
    assert (found.code, found.account, found.lock) == ("ceiling.scp", CLOUD, Lock.CEILING)
    assert found.resource == f"service control policies over account {CONSUMER}"
    assert found.remedy
    assert found.remedy.account == CLOUD
    assert [(state.lock, state.account, state.kinds) for state in judged.locks] == [(Lock.CEILING, CLOUD, (Kind.SHUT,))]


@pytest.mark.finding("ceiling.rcp")
def test_resource_control_policies_over_bucket_and_key_are_judged_apart() -> None:
    third = {"account": "333333333333", "name": "keys", "home_region": "eu-west-1"}
    agreed = governed("owner", "key_holder", key=KEY.replace(OWNER, "333333333333"), key_holder=third)
    nothing, everything = levels(()), levels(FULL_FOR_ALL)
    bucket_shut, key_shut = (
        only(from_above(rcps=over_bucket, key_rcps=over_key), agreed)
        for over_bucket, over_key in ((nothing, everything), (everything, nothing))
    )
    assert (bucket_shut.code, bucket_shut.actions) == ("ceiling.rcp", READ)
    assert (key_shut.code, key_shut.actions) == ("ceiling.rcp", USE)


def test_an_organization_without_policies_of_that_kind_and_its_management_account_have_no_ceiling() -> None:
    judged = verdict(from_above(scps=EMPTY, rcps=EMPTY), governed("consumer", "owner"))
    assert (judged.headline, judged.remarks) == (Headline.INTACT, ())


def test_a_ceiling_that_another_account_reads_is_no_remark() -> None:
    agreed = governed("consumer", "owner")
    assert verdict(consumer(), agreed).remarks == ("ceilings not watched: VPC endpoint policy, session policy",)
    assert verdict(bucket(), agreed).remarks == verdict(key(), agreed).remarks == ()


def test_policies_of_an_organization_that_are_unread_are_unknown_and_the_mail_says_who_may_read_them() -> None:
    refused = Unreadable("organizations:ListParents", "AccessDeniedException", permission="organizations:ListParents")
    found = only(from_above(scps=refused), governed("consumer"))
    assert (found.code, found.kind) == ("ceiling.unread", Kind.UNREAD)
    assert found.remedy
    assert "delegated administrators" in found.remedy.sentence


MEMBER = Found(Membership(ORGANIZATION, CLOUD))


@pytest.mark.finding("premise.false")
@pytest.mark.parametrize("source", [Found(Membership("o-zzzzzzzzzz", CLOUD)), Absent()], ids=["another", "none"])
def test_each_side_verifies_the_organization_that_it_is_agreed_to_be_in(source: Any) -> None:
    for field, observation in (("consumer_organization", consumer()), ("owner_organization", bucket())):
        agreed = contract(premises={field: ORGANIZATION})
        seen = replace(observation, ceilings=CeilingObservation(organization=MEMBER))
        assert findings(seen, agreed) == ()
        found = only(replace(observation, ceilings=CeilingObservation(organization=source)), agreed)
        assert (found.code, found.kind, found.lock) == ("premise.false", Kind.SHUT, Lock.PREMISE)
        assert (found.principal, found.account) == (f"premises.{field}", observation.account)
        assert "zzzz" not in found.detail


def test_an_organization_that_is_unread_is_unknown_and_no_premise_false() -> None:
    agreed = contract(premises={"consumer_organization": ORGANIZATION})
    assert codes(consumer(ceilings=CeilingObservation(organization=DENIED)), agreed) == {"ceiling.unread"}


@pytest.mark.finding("premise.false")
def test_the_consumers_path_is_verified_by_who_reads_its_organization_and_else_by_nobody() -> None:
    premises = {"consumer_organization": ORGANIZATION, "consumer_org_path": PATH}
    agreed = governed("consumer", premises=premises)
    assert findings(from_above(scps=EMPTY, consumer_path=Found(PATH)), agreed) == ()
    moved = only(from_above(scps=EMPTY, consumer_path=Found("o-a1b2c3d4e5/r-ab12/")), agreed)
    assert (moved.code, moved.principal, moved.account) == ("premise.false", "premises.consumer_org_path", CLOUD)
    member = consumer(ceilings=CeilingObservation(organization=MEMBER))
    assert any(
        "premise not verified: consumer_org_path" in each
        for each in verdict(member, contract(premises=premises)).remarks
    )
    assert not any("premise" in each for each in verdict(member, agreed).remarks)
