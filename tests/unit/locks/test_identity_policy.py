"""Lock 1: what makes the role's own policies shut, wide, at risk or unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.unit.locks.scene import (
    ALL,
    BUCKET,
    CONSUMER,
    DENIED,
    IDENTITY,
    KEY,
    NOW,
    OBJECTS,
    OWNER,
    READ,
    ROLE,
    ROLE_ID,
    USE,
    allow,
    codes,
    consumer,
    contract,
    deny,
    document,
    findings,
    only,
    policy,
    verdict,
)
from threelocks.contract import Contract
from threelocks.finding import Headline, Kind, Lock, Scope
from threelocks.observation import Absent, Found, NamedPolicy, Observation, Role, Unreadable

LIST, GET, DECRYPT = IDENTITY
EVERYTHING = allow("*", "*")
ALIAS = f"arn:aws:kms:eu-west-1:{OWNER}:alias/curated"


def test_an_agreed_role_is_intact() -> None:
    judged = verdict(consumer())
    assert (judged.findings, judged.headline) == ((), Headline.INTACT)
    assert [(state.lock, state.account, state.kinds) for state in judged.locks] == [
        (Lock.IDENTITY_POLICY, CONSUMER, ())
    ]


def test_what_the_owner_must_know_of_the_role_travels_in_the_verdict() -> None:
    assert verdict(consumer()).facts == (("has_boundary", "false"), ("role_id", ROLE_ID))
    bounded = consumer(boundary=Found(policy("ceiling", EVERYTHING)))
    assert ("has_boundary", "true") in verdict(bounded).facts


@pytest.mark.parametrize(
    "observation",
    [
        consumer(inline=Found(()), attached=Found((policy("arn:aws:iam::222222222222:policy/read", *IDENTITY),))),
        consumer(LIST, GET, attached=Found((policy("arn:aws:iam::222222222222:policy/kms", DECRYPT),))),
        consumer(boundary=Found(policy("ceiling", EVERYTHING))),
        consumer(boundary=Found(policy("ceiling", allow(["s3:*", "kms:*"], "*")))),
        consumer(*IDENTITY, deny("s3:*", f"{BUCKET}-other/*")),
        consumer(*IDENTITY, deny("s3:DeleteObject", "*")),
        consumer(*IDENTITY, deny(None, "*", NotAction=["s3:*", "kms:*"])),
        consumer(*IDENTITY, deny("*", None, NotResource=[BUCKET, OBJECTS, KEY])),
        consumer(*IDENTITY, deny("*", "*", when={"Bool": {"aws:SecureTransport": "false"}})),
        consumer(*IDENTITY, deny("s3:*", "*", when={"NumericLessThan": {"s3:TlsVersion": "1.2"}})),
        consumer(*IDENTITY, deny("s3:*", "*", when={"StringNotEquals": {"s3:ResourceAccount": OWNER}})),
        consumer(*IDENTITY, deny("*", "*", when={"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}})),
        consumer(*IDENTITY, deny("*", "*", when={"StringNotEquals": {"aws:ResourceAccount": OWNER}})),
        consumer(LIST, GET, allow("kms:DescribeKey", KEY), allow("kms:Decrypt", KEY, when={
            "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com", "kms:CallerAccount": CONSUMER}})),
        consumer(LIST, GET, allow("kms:DescribeKey", KEY), allow("kms:Decrypt", KEY, when={
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [BUCKET, OBJECTS]}})),
        consumer(*IDENTITY, allow("s3:*", ["arn:aws:s3:::my-own-bucket", "arn:aws:s3:::my-own-bucket/*"])),
        consumer(*IDENTITY, allow("kms:*", f"arn:aws:kms:eu-west-1:{CONSUMER}:key/*")),
        consumer(*IDENTITY, allow(["s3:ListAllMyBuckets", "s3:GetAccessPoint", "s3:ListJobs"], "*")),
        consumer(*IDENTITY, allow(["athena:*", "glue:*", "logs:*"], "*")),
        consumer(allow("s3:ListBucket", "arn:*:s3:::datalake-curated-a"), GET, DECRYPT),
    ],
    ids=[
        "attached instead of inline", "inline and attached together", "a boundary of everything",
        "a boundary of both services", "a Deny on another bucket", "a Deny on another action", "a Deny by NotAction",
        "a Deny by NotResource", "TLS only", "TLS 1.2 or more", "only the owner's buckets", "only the agreed region",
        "only the owner's resources", "Decrypt only through S3", "Decrypt only with the bucket's context",
        "a bucket of the consumer by name", "the consumer's own keys", "actions on no bucket", "other services",
        "a partition by wildcard",
    ],
)  # fmt: skip
def test_policies_that_open_the_share_and_no_more_are_intact(observation: Observation) -> None:
    assert findings(observation) == ()


@dataclass(frozen=True)
class Row:
    """One policy that is off, and the finding that says so. What a row leaves out is as for a shut identity policy."""

    title: str
    observation: Observation
    code: str
    kind: Kind
    actions: tuple[str, ...]
    principal: str = ROLE
    resource: str = ROLE
    lock: Lock = Lock.IDENTITY_POLICY
    act: str = CONSUMER


REVOKED = deny("*", "*", when={"DateLessThan": {"aws:TokenIssueTime": "2026-11-20T00:00:00Z"}})

ROWS = (
    Row("Decrypt is missing", consumer(LIST, GET, allow("kms:DescribeKey", KEY)),
        "identity.no-allow", Kind.SHUT, ("kms:Decrypt",)),
    Row("nothing is allowed", consumer(inline=Found(())), "identity.no-allow", Kind.SHUT, ALL),
    Row("no inline policies at all", consumer(inline=Absent()), "identity.no-allow", Kind.SHUT, ALL),
    Row("the statement lacks /*", consumer(LIST, allow("s3:GetObject", BUCKET), DECRYPT),
        "identity.no-allow", Kind.SHUT, ("s3:GetObject",)),
    Row("the statement lacks the bucket's ARN", consumer(allow(list(READ), OBJECTS), DECRYPT),
        "identity.no-allow", Kind.SHUT, ("s3:ListBucket",)),
    Row("an alias in place of the key", consumer(LIST, GET, allow(list(USE), ALIAS)),
        "identity.no-allow", Kind.SHUT, USE),
    Row("the wrong region in kms:ViaService", consumer(LIST, GET, allow("kms:DescribeKey", KEY), allow(
        "kms:Decrypt", KEY, when={"StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}})),
        "identity.no-allow", Kind.SHUT, ("kms:Decrypt",)),
    Row("kms:ViaService on DescribeKey, too", consumer(LIST, GET, allow(
        list(USE), KEY, when={"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}})),
        "identity.no-allow", Kind.SHUT, ("kms:DescribeKey",)),
    Row("the context of objects only", consumer(LIST, GET, allow("kms:DescribeKey", KEY), allow(
        "kms:Decrypt", KEY, when={"StringLike": {"kms:EncryptionContext:aws:s3:arn": OBJECTS}})),
        "identity.no-allow", Kind.SHUT, ("kms:Decrypt",)),
    Row("one prefix only", consumer(LIST, allow("s3:GetObject", f"{BUCKET}/sales/*"), DECRYPT),
        "identity.no-allow", Kind.SHUT, ("s3:GetObject",)),
    Row("the listing only with a delimiter", consumer(
        allow("s3:ListBucket", BUCKET, when={"StringEquals": {"s3:delimiter": "/"}}), GET, DECRYPT),
        "identity.no-allow", Kind.SHUT, ("s3:ListBucket",)),
    Row("one prefix is denied", consumer(*IDENTITY, deny("s3:GetObject", f"{BUCKET}/secret/*")),
        "identity.explicit-deny", Kind.SHUT, ("s3:GetObject",)),
    Row("some session names are denied", consumer(*IDENTITY, deny("s3:*", "*", when={
        "StringLike": {"aws:userid": "*:batch-*"}})), "identity.explicit-deny", Kind.SHUT, READ),
    Row("an attached policy denies", consumer(attached=Found((policy("no-kms", deny("kms:*", "*")),))),
        "identity.explicit-deny", Kind.SHUT, USE),
    Row("denied inside and outside of an endpoint", consumer(
        *IDENTITY, deny("s3:GetObject", "*", when={"StringEquals": {"aws:SourceVpce": "vpce-1"}}),
        deny("s3:GetObject", "*", when={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})),
        "identity.explicit-deny", Kind.SHUT, ("s3:GetObject",)),
    Row("allowed and denied in the same environment", consumer(
        LIST, DECRYPT, allow("s3:GetObject", OBJECTS, when={"StringEquals": {"aws:SourceVpce": "vpce-1"}}),
        deny("s3:GetObject", "*", when={"StringEquals": {"aws:SourceVpce": "vpce-1"}})),
        "identity.explicit-deny", Kind.SHUT, ("s3:GetObject",)),
    Row("the boundary lacks KMS", consumer(boundary=Found(policy("ceiling", allow("s3:*", "*")))),
        "identity.boundary", Kind.SHUT, USE),
    Row("the boundary denies", consumer(boundary=Found(policy("ceiling", EVERYTHING, deny("kms:Decrypt", "*")))),
        "identity.boundary", Kind.SHUT, ("kms:Decrypt",)),
    Row("an endpoint that the contract does not fix", consumer(
        *IDENTITY, deny("s3:GetObject", "*", when={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})),
        "identity.conditional", Kind.RISK, ("s3:GetObject",)),
    Row("multi-factor authentication", consumer(
        *IDENTITY, deny("s3:*", "*", when={"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}})),
        "identity.conditional", Kind.RISK, READ),
    Row("an Allow that expires", consumer(LIST, GET, allow(
        list(USE), KEY, when={"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}})),
        "identity.conditional", Kind.RISK, USE),
    Row("sessions were revoked", consumer(*IDENTITY, REVOKED), "identity.sessions-revoked", Kind.RISK, ALL),
    Row("the role is gone", consumer(role=Absent(), inline=Absent(), attached=Absent()),
        "identity.role-missing", Kind.SHUT, ALL),
    Row("one action more", consumer(*IDENTITY, allow("s3:PutObject", OBJECTS)),
        "identity.wide-action", Kind.WIDE, ("s3:PutObject",)),
    Row("one action more on the key", consumer(*IDENTITY, allow("kms:Encrypt", KEY)),
        "identity.wide-action", Kind.WIDE, ("kms:Encrypt",)),
    Row("an action that we do not know", consumer(*IDENTITY, allow("s3:FrobnicateObject", OBJECTS)),
        "identity.wide-action", Kind.WIDE, ("s3:FrobnicateObject",)),
    Row("GetObject on every bucket", consumer(LIST, DECRYPT, allow("s3:GetObject", "*")),
        "identity.wide-resource", Kind.WIDE, ("s3:GetObject",)),
    Row("a wildcard over other buckets", consumer(GET, DECRYPT, allow("s3:ListBucket", "arn:aws:s3:::datalake-*")),
        "identity.wide-resource", Kind.WIDE, ("s3:ListBucket",)),
    Row("every bucket but one", consumer(*IDENTITY, allow("s3:GetObject", None, NotResource="arn:aws:s3:::x/*")),
        "identity.wide-resource", Kind.WIDE, ("s3:GetObject",)),
    Row("every key of the owner", consumer(LIST, GET, allow(list(USE), f"arn:aws:kms:eu-west-1:{OWNER}:key/*")),
        "identity.wide-resource", Kind.WIDE, USE),
    Row("a policy that is no policy", consumer(inline=Found((NamedPolicy("read-curated", "{"),))),
        "identity.unread", Kind.UNREAD, ("inline policy `read-curated`",), principal="the watchdog"),
    Row("a boundary that is no policy", consumer(boundary=Found(NamedPolicy("ceiling", '{"Statement": 1}'))),
        "identity.unread", Kind.UNREAD, ("permissions boundary `ceiling`",), principal="the watchdog"),
    Row("a boundary without a text", consumer(role=Found(Role(ROLE, ROLE_ID, document(), boundary_arn="arn:gone"))),
        "identity.unread", Kind.UNREAD, ("iam:GetPolicy",), principal="the watchdog"),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
@pytest.mark.finding(
    "identity.no-allow",
    "identity.explicit-deny",
    "identity.boundary",
    "identity.role-missing",
    "identity.conditional",
    "identity.sessions-revoked",
    "identity.wide-resource",
    "identity.wide-action",
    "identity.unread",
)
def test_a_role_that_is_off_has_one_finding(row: Row) -> None:
    found = only(row.observation)
    assert (found.code, found.kind, found.actions) == (row.code, row.kind, row.actions)
    assert (found.principal, found.resource, found.account) == (row.principal, row.resource, CONSUMER)
    assert (found.lock, found.scope) == (row.lock, Scope.SHARE)
    assert found.remedy
    assert found.remedy.account == row.act


@pytest.mark.parametrize("source", ["role", "inline", "attached", "boundary"])
@pytest.mark.finding("identity.unread")
def test_each_source_that_is_unreadable_leaves_the_lock_unknown(source: str) -> None:
    judged = verdict(consumer(**{source: DENIED}))
    assert judged.headline is Headline.UNKNOWN
    assert {(one.code, one.actions) for one in judged.findings} == {("identity.unread", ("x:Read",))}
    assert "lacks x:Read" in judged.findings[0].detail


def test_a_read_that_failed_for_another_reason_names_no_permission() -> None:
    found = only(consumer(inline=Unreadable("iam:ListRolePolicies", "Throttling", transient=True)))
    assert (found.actions, "lacks" in found.detail) == (("iam:ListRolePolicies",), False)


@pytest.mark.finding("identity.not-fully-checked")
def test_syntax_that_is_not_understood_is_reported_beside_what_it_leaves_open() -> None:
    judged = verdict(consumer(LIST, GET, allow(list(USE), KEY, when={"StringFoo": {"aws:x": "y"}}, Sid="Odd")))
    assert judged.headline is Headline.UNKNOWN
    assert {(one.code, one.principal) for one in judged.findings} == {
        ("identity.not-fully-checked", "the watchdog"),
        ("identity.not-fully-checked", ROLE),
    }
    assert any("`Odd`" in one.detail and "StringFoo" in one.detail for one in judged.findings)


def test_two_odd_statements_of_one_policy_are_both_named() -> None:
    odd = {"StringFoo": {"aws:x": "y"}}
    judged = verdict(
        consumer(*IDENTITY, deny("s3:X", "*", when=odd, Sid="One"), deny("s3:Y", "*", when=odd, Sid="Two"))
    )
    assert any("`One`" in one.detail and "`Two`" in one.detail for one in judged.findings)


def test_a_shut_request_is_not_hidden_by_an_odd_statement_that_comes_first() -> None:
    odd = deny("s3:*", "*", when={"StringFoo": {"aws:x": "y"}})
    judged = verdict(consumer(*IDENTITY, odd, deny("s3:GetObject", f"{BUCKET}/secret/*")))
    assert {one.code for one in judged.findings} == {"identity.explicit-deny", "identity.not-fully-checked"}
    assert judged.headline is Headline.BROKEN


@pytest.mark.finding("identity.role-recreated")
def test_a_recreated_role_is_shut_for_the_owner_to_mend() -> None:
    found = only(consumer(), facts={"pinned_role_id": "AROAANOTHER123456789"})
    assert (found.code, found.kind) == ("identity.role-recreated", Kind.SHUT)
    assert found.remedy
    assert found.remedy.account == OWNER


def test_a_recreated_role_is_mended_only_when_both_resource_policies_name_the_new_one() -> None:
    before = {"pinned_role_id": "AROAANOTHER123456789"}
    bucket, key = {"bucket_policy_role_id": ROLE_ID}, {"key_policy_role_id": ROLE_ID}
    assert codes(consumer(), facts={**before, **bucket}) == {"identity.role-recreated"}
    assert codes(consumer(), facts={**before, **key}) == {"identity.role-recreated"}
    old = {"bucket_policy_role_id": "AROAANOTHER123456789"}
    assert codes(consumer(), facts={**before, **old, **key}) == {"identity.role-recreated"}
    assert codes(consumer(), facts={**before, **bucket, **key}) == set()


@pytest.mark.finding("premise.false")
def test_tags_that_the_contract_takes_for_granted_are_verified_one_by_one() -> None:
    agreed = contract(premises={"principal_tags": {"team": "bi", "stage": "prod"}})
    assert findings(consumer(tags=(("team", "bi"), ("stage", "prod"))), agreed) == ()
    found = findings(consumer(tags=(("team", "sales"),)), agreed)
    assert [(one.code, one.kind, one.lock, one.principal) for one in found] == [
        ("premise.false", Kind.SHUT, Lock.PREMISE, "premises.principal_tags.stage"),
        ("premise.false", Kind.SHUT, Lock.PREMISE, "premises.principal_tags.team"),
    ]


def test_agreed_actions_beyond_the_agreed_prefixes_are_a_wide_resource() -> None:
    found = only(consumer(), contract(prefixes=["sales/"]))
    assert (found.code, found.actions) == ("identity.wide-resource", READ)
    assert "prefixes" in found.detail


def test_a_role_of_two_contracts_may_read_both() -> None:
    other = contract(name="other", bucket={"name": "datalake-raw-a", "region": "eu-west-1"})
    raw = "arn:aws:s3:::datalake-raw-a"
    observation = consumer(*IDENTITY, allow(list(READ), [raw, f"{raw}/*"]), allow("s3:PutObject", f"{BUCKET}/x"))
    assert only(observation, neighbours=[other]).actions == ("s3:PutObject",)


@pytest.mark.parametrize(
    ("agreed", "statement"),
    [
        (contract(session_names=["athena", "spark"]),
         deny("s3:*", "*", when={"StringNotLike": {"aws:userid": ["*:athena", "*:spark"]}})),
        (contract(contexts=[{"name": "endpoint", "keys": {"aws:SourceVpce": ["vpce-1"]}}]),
         deny("s3:*", "*", when={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})),
        (contract(contexts=[{"name": "endpoints", "keys": {"aws:SourceVpce": ["vpce-1", "vpce-2"]}}]),
         deny("s3:*", "*", when={"StringNotEquals": {"aws:SourceVpce": ["vpce-1", "vpce-2", "vpce-3"]}})),
        (contract(contexts=[{"name": "http", "keys": {"aws:SecureTransport": ["false"]}}]),
         deny("s3:*", "*", when={"Bool": {"aws:SecureTransport": "true"}})),
        (contract(contexts=[{"name": "then", "keys": {"aws:CurrentTime": ["2026-11-23T12:00:00Z"]}}]),
         deny("s3:*", "*", when={"DateGreaterThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}})),
    ],
    ids=["session names", "an endpoint", "two endpoints", "the profile overridden", "a moment"],
)  # fmt: skip
def test_what_the_contract_fixes_is_neither_shut_nor_a_risk(agreed: Contract, statement: dict[str, Any]) -> None:
    assert findings(consumer(*IDENTITY, statement), agreed) == ()
    assert findings(consumer(*IDENTITY, statement)) != ()


def test_the_wrong_endpoint_is_shut_in_the_context_that_asks_for_another() -> None:
    agreed = contract(contexts=[{"name": "endpoint", "keys": {"aws:SourceVpce": ["vpce-1", "vpce-2"]}}])
    observation = consumer(*IDENTITY, deny("s3:*", "*", when={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}))
    found = only(observation, agreed)
    assert (found.code, found.kind) == ("identity.explicit-deny", Kind.SHUT)
    assert "`endpoint`" in found.detail


def test_an_expiring_allow_says_until_when() -> None:
    def until(key: str, value: str) -> Any:
        return only(consumer(LIST, GET, allow(list(USE), KEY, when={"DateLessThan": {key: value}})))

    by_date = until("aws:CurrentTime", "2027-01-01T00:00:00Z")
    assert "until 2027-01-01T00:00:00Z" in by_date.detail
    assert by_date.witness
    assert dict(by_date.witness.context) == {"aws:currenttime": ("2027-01-01T00:00:00Z",)}
    assert "until 2027-01-01T00:00:00Z" in until("aws:EpochTime", "1798761600").detail


def test_an_expired_allow_is_shut() -> None:
    expired = allow(list(USE), KEY, when={"DateLessThan": {"aws:CurrentTime": "2026-11-01T00:00:00Z"}})
    assert only(consumer(LIST, GET, expired)).code == "identity.no-allow"
    assert NOW.year == 2026


@pytest.mark.parametrize("spelled", ["1798761600", "1.7987616e9", "1798761599.5"])
def test_an_expiry_counted_in_seconds_is_foreseen_like_any_other(spelled: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-epochtime"""
    valid = allow(list(USE), KEY, when={"NumericLessThan": {"aws:EpochTime": spelled}})
    found = only(consumer(LIST, GET, valid))
    assert (found.code, found.kind) == ("identity.conditional", Kind.RISK)
    assert "until 2027-01-01T00:00:00Z" in found.detail
    over = allow(list(USE), KEY, when={"NumericLessThan": {"aws:EpochTime": "1763942400"}})
    assert only(consumer(LIST, GET, over)).code == "identity.no-allow"


@pytest.mark.parametrize(
    ("operator", "seconds"),
    [("NumericGreaterThan", "1700000000"), ("NumericLessThan", "1e300"), ("NumericNotEquals", "never")],
)
def test_what_no_later_second_changes_is_no_risk(operator: str, seconds: str) -> None:
    assert findings(consumer(LIST, GET, allow(list(USE), KEY, when={operator: {"aws:EpochTime": seconds}}))) == ()


def test_the_holders_multi_region_keys_are_keys_as_well() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html"""
    found = only(consumer(*IDENTITY, allow("kms:Decrypt", f"arn:aws:kms:*:{OWNER}:key/mrk-*")))
    assert (found.code, found.actions) == ("identity.wide-resource", ("kms:Decrypt",))
    assert found.witness
    assert found.witness.resource.rpartition("/")[2].startswith("mrk-")


def _reworded(change: Callable[[], Observation]) -> set[tuple[object, ...]]:
    return {one.identity for one in findings(change())}


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda: consumer(allow(["s3:GetObject"], [OBJECTS], Sid="A"), allow("s3:PutObject", OBJECTS, Sid="B")),
        lambda: consumer(allow("s3:PutObject", OBJECTS), allow("s3:GetObject", OBJECTS)),
        lambda: consumer(allow(["s3:PutObject", "s3:GetObject"], OBJECTS)),
        lambda: consumer(allow(["S3:putobject", "s3:GETOBJECT"], OBJECTS)),
        lambda: consumer(inline=Found((NamedPolicy("b", document(allow("s3:GetObject", OBJECTS))),
                                       NamedPolicy("a", document(allow("s3:PutObject", OBJECTS)))))),
        lambda: consumer(inline=Found(()), attached=Found((
            policy("x", allow(["s3:GetObject", "s3:PutObject"], OBJECTS)),))),
    ],
    ids=["with Sids", "in another order", "in one statement", "in other letters", "in two policies", "attached"],
)  # fmt: skip
def test_an_equivalent_rewrite_gives_the_same_findings(rewrite: Callable[[], Observation]) -> None:
    first = consumer(allow("s3:GetObject", OBJECTS), allow("s3:PutObject", OBJECTS))
    assert _reworded(rewrite) == {one.identity for one in findings(first)}
    assert codes(first) == {"identity.no-allow", "identity.wide-action"}
