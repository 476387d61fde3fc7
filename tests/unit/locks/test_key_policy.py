"""Lock 3: what makes the key's policies, grants and state shut, wide, at risk or unknown, and what must not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.locks.scene import (
    ABSENT,
    AGREED,
    BUCKET,
    CONSUMER,
    DENIED,
    EMPTY,
    KEY,
    OBJECTS,
    OWNER,
    ROLE,
    ROOT,
    SHARE_KEY,
    STRANGER,
    USE,
    allow,
    codes,
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
from threelocks.finding import Headline, Kind, Lock, Scope
from threelocks.observation import Found, Grant, KeyMetadata, NamedPolicy, Observation

REST_OF_B = f"account {CONSUMER}"
ANYONE, OTHERS, SERVICE = "anyone, without credentials", "other accounts", "an AWS service"
S3 = "s3.eu-west-1.amazonaws.com"
DESCRIBE = allow("kms:DescribeKey", "*", to=ROLE)


def decrypt(condition: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Decrypt under a condition, with DescribeKey in a statement of its own."""
    return (ROOT, DESCRIBE, allow("kms:Decrypt", "*", to=ROLE, when=condition))


def of_bucket_keys(setting: str) -> Contract:
    return contract(premises={"bucket_keys": setting})


def state(name: str, manager: str = "CUSTOMER", deletion: datetime | None = None) -> Observation:
    return key(metadata=Found(KeyMetadata(KEY, name, manager, deletion)))


def granted(grantee: str, *operations: str, **more: Any) -> Grant:
    return Grant("g-1", grantee, operations or ("Decrypt", "DescribeKey"), **more)


def test_an_agreed_key_is_intact() -> None:
    judged = verdict(key())
    assert (judged.findings, judged.headline) == ((), Headline.INTACT)
    assert [(one.lock, one.account, one.kinds) for one in judged.locks] == [(Lock.KEY_POLICY, OWNER, ())]


def test_a_key_of_a_third_account_is_judged_for_its_holder() -> None:
    third = {"account": STRANGER, "name": "keys", "home_region": "eu-west-1"}
    there = KEY.replace(OWNER, STRANGER)
    agreed = contract(key=there, key_holder=third)
    root = allow("kms:*", "*", to=f"arn:aws:iam::{STRANGER}:root")
    metadata = Found(KeyMetadata(there, "Enabled", "CUSTOMER"))
    assert findings(key(root, SHARE_KEY, metadata=metadata, account=STRANGER), agreed) == ()
    found = only(key(root, metadata=metadata, account=STRANGER), agreed)
    assert (found.account, found.resource) == (STRANGER, there)
    assert found.remedy
    assert found.remedy.account == STRANGER


FINE: dict[str, tuple[tuple[dict[str, Any], ...], Contract]] = {
    "through S3, for the consumer": (
        decrypt({"StringEquals": {"kms:ViaService": S3, "kms:CallerAccount": CONSUMER}}), AGREED),
    "through S3 of any region": (decrypt({"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}), AGREED),
    "the object's context, without Bucket Keys": (
        decrypt({"StringLike": {"kms:EncryptionContext:aws:s3:arn": OBJECTS}}), of_bucket_keys("off")),
    "the bucket's context, with Bucket Keys": (
        decrypt({"StringEquals": {"kms:EncryptionContext:aws:s3:arn": BUCKET}}), of_bucket_keys("on")),
    "either context": (decrypt({"StringLike": {"kms:EncryptionContext:aws:s3:arn": f"{BUCKET}*"}}), AGREED),
    "the context of agreed prefixes": (
        decrypt({"StringLike": {"kms:EncryptionContext:aws:s3:arn": f"{BUCKET}/sales/*"}}),
        contract(prefixes=["sales/"], premises={"bucket_keys": "off"})),
    "by the algorithm of every symmetric key": (
        decrypt({"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}}), AGREED),
    "no key of another account": ((ROOT, SHARE_KEY, deny(
        "kms:*", "*", to="*", when={"StringNotEquals": {"aws:ResourceAccount": OWNER}})), AGREED),
    "what a stranger may do to keys of other accounts": ((ROOT, SHARE_KEY, allow(
        list(USE), "*", to=STRANGER, when={"StringNotEquals": {"aws:ResourceAccount": OWNER}})), AGREED),
    "some context must be there": (decrypt({"Null": {"kms:EncryptionContext:aws:s3:arn": "false"}}), AGREED),
    "only that context": (
        decrypt({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["aws:s3:arn"]}}), AGREED),
    "not for AWS resources' grants": ((ROOT, SHARE_KEY, allow(
        "kms:CreateGrant", "*", to=f"arn:aws:iam::{OWNER}:role/Admin",
        when={"Bool": {"kms:GrantIsForAWSResource": "true"}})), AGREED),
    "everybody of the owner's account through S3": ((ROOT, SHARE_KEY, allow(
        ["kms:Decrypt", "kms:GenerateDataKey*", "kms:CreateGrant"], "*", to={"AWS": "*"},
        when={"StringEquals": {"kms:CallerAccount": OWNER, "kms:ViaService": S3}})), AGREED),
    "CloudTrail of the owner": ((ROOT, SHARE_KEY, allow(
        "kms:GenerateDataKey*", "*", to={"Service": "cloudtrail.amazonaws.com"},
        when={"StringEquals": {"aws:SourceArn": f"arn:aws:cloudtrail:eu-west-1:{OWNER}:trail/t"}})), AGREED),
    "a service role of the owner": ((ROOT, SHARE_KEY, allow(
        "kms:*", "*", to=f"arn:aws:iam::{OWNER}:role/aws-service-role/autoscaling.amazonaws.com/R")), AGREED),
    "the key by its ARN": ((ROOT, {**SHARE_KEY, "Resource": KEY}), AGREED),
    "administration, which no other account can": (
        (ROOT, SHARE_KEY, allow(["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"], "*", to=ROLE)), AGREED),
    "another key's ARN, which means nothing here": (
        (ROOT, SHARE_KEY, allow("kms:*", f"arn:aws:kms:eu-west-1:{OWNER}:key/other", to=STRANGER)), AGREED),
    "TLS only": (
        (ROOT, SHARE_KEY, deny("kms:*", "*", to="*", when={"Bool": {"aws:SecureTransport": "false"}})), AGREED),
    "no reading but through S3": ((ROOT, SHARE_KEY, deny(
        "kms:Decrypt", "*", to=ROLE, when={"StringNotEquals": {"kms:ViaService": S3}})), AGREED),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "agreed"), FINE.values(), ids=FINE)
def test_key_policies_that_open_the_share_and_no_more_are_intact(
    statements: tuple[dict[str, Any], ...], agreed: Contract
) -> None:
    assert findings(key(*statements), agreed) == ()


@pytest.mark.parametrize(
    ("principal", "statement"),
    [
        (STRANGER, allow("kms:Decrypt", "*", to=STRANGER)),
        ("delivery.logs.amazonaws.com", allow("kms:Decrypt", "*", to={"Service": "delivery.logs.amazonaws.com"})),
    ],
)
@pytest.mark.finding("key.wide-principal")
def test_a_further_user_of_the_key_is_drift_until_the_contract_lists_it(
    principal: str, statement: dict[str, Any]
) -> None:
    entry = {"on": "key", "principal": principal, "actions": ["kms:Decrypt"], "reason": "a test"}
    assert codes(key(ROOT, SHARE_KEY, statement)) == {"key.wide-principal"}
    assert findings(key(ROOT, SHARE_KEY, statement), contract(also_allowed=[entry])) == ()


def test_a_neighbour_on_the_same_key_with_another_bucket_may_use_the_key() -> None:
    third = {"account": STRANGER, "name": "third", "home_region": "eu-west-1"}
    reader = f"arn:aws:iam::{STRANGER}:role/Reader"
    raw = {"name": "datalake-raw-a", "region": "eu-west-1"}
    neighbour = contract(name="n", consumer=third, role=reader, bucket=raw)
    observation = key(ROOT, SHARE_KEY, allow(list(USE), "*", to=reader))
    assert findings(observation, neighbours=[neighbour]) == ()
    assert codes(observation) == {"key.wide-principal"}


@dataclass(frozen=True)
class Row:
    """One key that is off, and the finding that says so."""

    title: str
    observation: Observation
    code: str
    kind: Kind
    actions: tuple[str, ...] = USE
    principal: str = ROLE
    agreed: Contract = AGREED
    scope: Scope = Scope.SHARE


def wide(title: str, observation: Observation, principal: str, *actions: str, **more: Any) -> Row:
    scope = Scope.SHARE if principal in (REST_OF_B, ROLE) else Scope.RESOURCE
    code = more.pop("code", "key.wide-principal")
    return Row(title, observation, code, Kind.WIDE, actions or ("kms:Decrypt",), principal, scope=scope, **more)


def more(statement: dict[str, Any]) -> Observation:
    return key(ROOT, SHARE_KEY, statement)


ROWS = (
    Row("the role is not named", key(ROOT), "key.no-allow", Kind.SHUT),
    Row("no policies", key(policies=EMPTY), "key.no-allow", Kind.SHUT),
    Row("no policies at all", key(policies=ABSENT), "key.no-allow", Kind.SHUT),
    Row("Decrypt is missing", key(ROOT, DESCRIBE), "key.no-allow", Kind.SHUT, ("kms:Decrypt",)),
    Row("no Resource, which has no effect", key(ROOT, allow(list(USE), to=ROLE)), "key.no-allow", Kind.SHUT),
    Row("S3 of the wrong region", key(*decrypt({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}})),
        "key.no-allow", Kind.SHUT, ("kms:Decrypt",)),
    Row("the owner as the caller", key(*decrypt({"StringEquals": {"kms:CallerAccount": OWNER}})),
        "key.no-allow", Kind.SHUT, ("kms:Decrypt",)),
    Row("through S3, for DescribeKey as well", key(
        ROOT, {**SHARE_KEY, "Condition": {"StringEquals": {"kms:ViaService": S3}}}),
        "key.no-allow", Kind.SHUT, ("kms:DescribeKey",)),
    Row("the object's context, with Bucket Keys", key(*decrypt(
        {"StringLike": {"kms:EncryptionContext:aws:s3:arn": OBJECTS}})), "key.no-allow", Kind.SHUT, ("kms:Decrypt",),
        agreed=of_bucket_keys("on")),
    Row("the bucket's context, without Bucket Keys", key(*decrypt(
        {"StringEquals": {"kms:EncryptionContext:aws:s3:arn": BUCKET}})), "key.no-allow", Kind.SHUT, ("kms:Decrypt",),
        agreed=of_bucket_keys("off")),
    Row("the context of one prefix", key(*decrypt(
        {"StringLike": {"kms:EncryptionContext:aws:s3:arn": f"{BUCKET}/sales/*"}})),
        "key.no-allow", Kind.SHUT, ("kms:Decrypt",), agreed=of_bucket_keys("off")),
    Row("a deleted role is still named", key(ROOT, allow(list(USE), "*", to="AROADELETED123456789")),
        "key.dangling-principal", Kind.SHUT),
    Row("a Deny", key(ROOT, SHARE_KEY, deny("kms:Decrypt", "*", to=CONSUMER)),
        "key.explicit-deny", Kind.SHUT, ("kms:Decrypt",)),
    Row("a Deny beats a grant", key(ROOT, deny("kms:Decrypt", "*", to=CONSUMER), SHARE_KEY,
                                    grants=Found((granted(ROLE),))),
        "key.explicit-deny", Kind.SHUT, ("kms:Decrypt",)),
    Row("an endpoint that S3's own call does not come through", key(
        *decrypt({"StringEquals": {"aws:SourceVpce": "vpce-1"}})), "key.conditional", Kind.RISK, ("kms:Decrypt",)),
    Row("a grant alone", key(ROOT, grants=Found((granted(ROLE),))), "key.by-grant-only", Kind.RISK),
    Row("a grant for what the policy lacks", key(ROOT, DESCRIBE, grants=Found((granted(ROLE, "Decrypt"),))),
        "key.by-grant-only", Kind.RISK, ("kms:Decrypt",)),
    Row("a grant for other contexts", key(ROOT, DESCRIBE, grants=Found((
        granted(ROLE, "Decrypt", context_equals=(("aws:s3:arn", "arn:aws:s3:::other"),)),))),
        "key.no-allow", Kind.SHUT, ("kms:Decrypt",)),
    Row("a grant for one resource of a service", key(ROOT, DESCRIBE, grants=Found((
        granted(ROLE, "Decrypt", source_arn="arn:aws:dynamodb:eu-west-1:111111111111:table/t"),))),
        "key.no-allow", Kind.SHUT, ("kms:Decrypt",)),
    wide("the account's root", more(allow("kms:Decrypt", "*", to=CONSUMER)), REST_OF_B),
    wide("another role of the account", more(allow("kms:Decrypt", "*", to=f"{ROLE}2")), REST_OF_B),
    wide("a third account", more(allow("kms:Decrypt", "*", to=STRANGER)), f"account {STRANGER}"),
    wide("a service for anybody", more(
        allow("kms:Decrypt", "*", to={"Service": "logs.eu-west-1.amazonaws.com"})), SERVICE),
    wide("one action more", more(allow("kms:GenerateDataKey", "*", to=ROLE)), ROLE, "kms:GenerateDataKey",
         code="key.wide-action"),
    wide("grants to others by the role", more(allow("kms:CreateGrant", "*", to=ROLE)), ROLE, "kms:CreateGrant",
         code="key.wide-action"),
    wide("a grant to a stranger", key(grants=Found((granted(f"arn:aws:iam::{STRANGER}:role/x", "Decrypt"),))),
         f"account {STRANGER}", code="key.wide-grant"),
    wide("a grant of more to the role", key(grants=Found((granted(ROLE, "Decrypt", "Encrypt"),))), ROLE, "kms:Encrypt",
         code="key.wide-grant"),
    Row("disabled", state("Disabled"), "key.disabled", Kind.SHUT),
    Row("pending deletion", state("PendingDeletion", deletion=datetime(2026, 12, 1, tzinfo=UTC)),
        "key.pending-deletion", Kind.SHUT),
    Row("a replica pending deletion", state("PendingReplicaDeletion"), "key.pending-deletion", Kind.SHUT),
    Row("pending import", state("PendingImport"), "key.unavailable", Kind.SHUT),
    Row("unavailable", state("Unavailable"), "key.unavailable", Kind.SHUT),
    Row("an AWS managed key", state("Enabled", manager="AWS"), "key.aws-managed", Kind.SHUT),
    Row("the key is gone", key(metadata=ABSENT, policies=ABSENT), "key.missing", Kind.SHUT),
    Row("a policy that is no policy", key(policies=Found((NamedPolicy("default", "{"),))), "key.unread", Kind.UNREAD,
        ("key policy `default`",), principal="the watchdog"),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
@pytest.mark.finding(
    "key.no-allow",
    "key.explicit-deny",
    "key.conditional",
    "key.dangling-principal",
    "key.disabled",
    "key.pending-deletion",
    "key.unavailable",
    "key.missing",
    "key.aws-managed",
    "key.wide-action",
    "key.wide-grant",
    "key.unread",
    "key.by-grant-only",
)
def test_a_key_that_is_off_has_one_finding(row: Row) -> None:
    found = only(row.observation, row.agreed)
    assert (found.code, found.kind, found.actions) == (row.code, row.kind, row.actions)
    assert (found.principal, found.resource, found.account) == (row.principal, KEY, OWNER)
    assert (found.lock, found.scope) == (Lock.KEY_POLICY, row.scope)
    assert found.remedy
    assert found.remedy.account == OWNER


def test_a_key_open_to_anyone_names_the_rest_of_the_account_and_all_others() -> None:
    found = findings(more(allow("kms:Decrypt", "*", to="*")))
    assert {one.principal for one in found if one.kind is Kind.WIDE} == {REST_OF_B, ANYONE}


def test_everybody_of_a_third_account_through_s3_is_that_account() -> None:
    through = {"StringEquals": {"kms:CallerAccount": STRANGER, "kms:ViaService": S3}}
    found = findings(more(allow("kms:Decrypt", "*", to={"AWS": "*"}, when=through)))
    assert [one.principal for one in found if one.kind is Kind.WIDE] == [f"account {STRANGER}"]


def test_pending_deletion_says_the_date_and_how_to_cancel() -> None:
    found = only(state("PendingDeletion", deletion=datetime(2026, 12, 1, tzinfo=UTC)))
    assert "2026-12-01" in found.detail
    assert found.remedy
    assert found.remedy.commands[0].startswith("aws kms cancel-key-deletion --region eu-west-1 ")


def test_a_second_policy_of_the_key_counts_as_well() -> None:
    """Resource Access Manager keeps one of its own, which people do not see."""
    policies = Found((policy("default", ROOT, SHARE_KEY), policy("AWS_RAM", allow("kms:Decrypt", "*", to=STRANGER))))
    assert only(key(policies=policies)).principal == f"account {STRANGER}"
    opened = Found((policy("default", ROOT), policy("AWS_RAM", SHARE_KEY)))
    assert findings(key(policies=opened)) == ()


def test_a_policy_and_a_grant_that_let_in_the_same_stranger_are_two_findings() -> None:
    observation = key(
        ROOT,
        SHARE_KEY,
        allow("kms:Decrypt", "*", to=STRANGER),
        grants=Found((granted(STRANGER, "Encrypt", "Decrypt"),)),
    )
    assert {(one.code, one.actions) for one in findings(observation)} == {
        ("key.wide-principal", ("kms:Decrypt",)),
        ("key.wide-grant", ("kms:Decrypt", "kms:Encrypt")),
    }


def test_grants_to_services_of_the_owner_are_no_drift() -> None:
    assert (
        findings(key(grants=Found((granted("dynamodb.amazonaws.com"), granted("rds.eu-west-1.amazonaws.com"))))) == ()
    )
    assert findings(key(grants=Found((granted(f"arn:aws:iam::{OWNER}:role/Admin"),)))) == ()


@pytest.mark.parametrize("source", ["metadata", "policies", "grants"])
@pytest.mark.finding("key.unread")
def test_each_source_that_is_unreadable_leaves_the_lock_unknown(source: str) -> None:
    judged = verdict(key(**{source: DENIED}))
    assert judged.headline is Headline.UNKNOWN
    assert {(one.code, one.actions) for one in judged.findings} == {("key.unread", ("x:Read",))}


def test_a_missing_allow_is_not_certain_while_grants_are_unreadable() -> None:
    assert codes(key(ROOT, grants=DENIED)) == {"key.unread"}
    assert codes(key(ROOT, deny("kms:*", "*", to=ROLE), grants=DENIED)) == {"key.unread", "key.explicit-deny"}


@pytest.mark.finding("key.not-fully-checked")
def test_a_statement_that_is_not_understood_leaves_the_key_unknown() -> None:
    judged = verdict(key(ROOT, {**SHARE_KEY, "Condition": {"StringFoo": {"aws:x": "y"}}}))
    assert judged.headline is Headline.UNKNOWN
    assert {one.code for one in judged.findings} == {"key.not-fully-checked"}


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda: key(allow("kms:Encrypt", "*", to=ROLE, Sid="E"), {**DESCRIBE, "Sid": "D"}, ROOT),
        lambda: key(ROOT, allow(["kms:DescribeKey", "kms:Encrypt"], "*", to=[ROLE])),
        lambda: key(ROOT, allow(["KMS:encrypt", "kms:describekey"], KEY, to={"AWS": ROLE})),
        lambda: key(policies=Found((
            policy("default", ROOT, DESCRIBE), policy("x", allow("kms:Encrypt", "*", to=ROLE))))),
        lambda: key(policies=Found((NamedPolicy("default", document(
            ROOT, DESCRIBE, allow("kms:Encrypt", "*", to=ROLE), version="2008-10-17")),))),
    ],
    ids=["another order and Sids", "one statement", "other letters", "two policies", "an older version"],
)  # fmt: skip
def test_an_equivalent_rewrite_gives_the_same_findings(rewrite: Callable[[], Observation]) -> None:
    first = findings(key(ROOT, DESCRIBE, allow("kms:Encrypt", "*", to=ROLE)))
    assert {one.code for one in first} == {"key.no-allow", "key.wide-action"}
    assert {one.identity for one in findings(rewrite())} == {one.identity for one in first}


PROVIDERS = ["cognito-identity.amazonaws.com", f"arn:aws:iam::{CONSUMER}:saml-provider/sso"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_whom_an_identity_provider_lets_use_the_key_is_not_known(provider: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-saml"""
    found = findings(key(ROOT, SHARE_KEY, allow("kms:Decrypt", "*", to={"Federated": provider})))
    assert {one.code for one in found} == {"key.not-fully-checked"}
    assert {one.principal for one in found} == {REST_OF_B, OTHERS}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_whether_a_deny_of_an_identity_provider_takes_the_key_from_the_role_is_not_known(provider: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-saml"""
    judged = verdict(key(ROOT, SHARE_KEY, deny("kms:Decrypt", "*", to={"Federated": provider})))
    assert {(one.code, one.actions) for one in judged.findings} == {("key.not-fully-checked", ("kms:Decrypt",))}
    assert judged.headline is Headline.UNKNOWN


@pytest.mark.parametrize(
    ("region", "partition", "standing"),
    [("us-gov-west-1", "aws-us-gov", Headline.INTACT), ("cn-north-1", "aws-cn", Headline.AT_RISK)],
)
@pytest.mark.parametrize("ending", ["", ".cn"])
def test_how_s3_is_called_in_china_is_not_relied_upon(
    region: str, partition: str, standing: Headline, ending: str
) -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service"""

    def there(text: str) -> str:
        return text.replace("arn:aws:", f"arn:{partition}:").replace("eu-west-1", region)

    agreed = contract(
        owner={"account": OWNER, "name": "data-platform", "home_region": region},
        consumer={"account": CONSUMER, "name": "bi-team", "home_region": region},
        bucket={"name": "datalake-curated-a", "region": region},
        key=there(KEY),
        role=there(ROLE),
    )
    text = there(document(*decrypt({"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com{ending}"}})))
    observation = key(
        policies=Found((NamedPolicy("default", text),)), metadata=Found(KeyMetadata(there(KEY), "Enabled", "CUSTOMER"))
    )
    expected = Headline.BROKEN if ending and standing is Headline.INTACT else standing
    assert verdict(observation, agreed).headline is expected


# --- the key's own account --------------------------------------------------------------------------------------------

ADMIN, ROOT_OF_A = f"arn:aws:iam::{OWNER}:role/Admin", f"arn:aws:iam::{OWNER}:root"


@pytest.mark.finding("key.no-owner-root")
def test_a_key_that_only_named_principals_administer_is_a_risk_of_its_account() -> None:
    found = only(key(allow("kms:*", "*", to=ADMIN), SHARE_KEY))
    assert (found.code, found.kind, found.principal) == ("key.no-owner-root", Kind.RISK, f"account {OWNER}")
    assert found.remedy
    assert json.loads(found.remedy.statement or "") == {"Sid": "Account", **allow("kms:*", "*", to=ROOT_OF_A)}


@pytest.mark.parametrize(
    "statement",
    [
        allow("kms:*", "*", to=OWNER),
        allow(["kms:Get*", "kms:put*"], "*", to=ROOT_OF_A),
        allow(None, "*", to=ROOT_OF_A, NotAction="kms:Decrypt"),
        allow("kms:*", "*", to=ROOT_OF_A, when={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
    ],
)
def test_a_key_that_its_account_can_administer_is_none(statement: dict[str, Any]) -> None:
    assert findings(key(statement, SHARE_KEY)) == ()


@pytest.mark.parametrize(
    "statement",
    [
        allow(["kms:Encrypt", "kms:Describe*"], "*", to=ROOT_OF_A),
        allow(None, "*", to=ROOT_OF_A, NotAction="kms:Put*"),
        deny("kms:PutKeyPolicy", "*", to=ROOT_OF_A),
    ],
)
def test_an_account_that_may_use_but_not_administer_its_key_is_not_its_owner(statement: dict[str, Any]) -> None:
    assert codes(key(statement, SHARE_KEY)) == {"key.no-owner-root"}


def test_an_aws_managed_key_has_no_such_statement_and_needs_none() -> None:
    managed = Found(KeyMetadata(KEY, "Enabled", "AWS"))
    assert "key.no-owner-root" not in codes(key(SHARE_KEY, metadata=managed))
