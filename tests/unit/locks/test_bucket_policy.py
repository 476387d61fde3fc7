"""Lock 2: what makes the bucket's policy and state shut, wide, at risk or unknown, and what must not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.unit.locks.scene import (
    ABSENT,
    AGREED,
    BUCKET,
    CONSUMER,
    DENIED,
    KEY,
    NO,
    OBJECTS,
    ORGANIZATION,
    OWNER,
    READ,
    RESTRICTED,
    ROLE,
    ROLE_ID,
    SHARE_BUCKET,
    STRANGER,
    TLS_ONLY,
    YES,
    allow,
    bucket,
    codes,
    consumer,
    contract,
    deny,
    findings,
    only,
    verdict,
)
from threelocks.contract import Contract
from threelocks.finding import Headline, Kind, Lock, Scope
from threelocks.observation import AclGrant, BucketAcl, Encryption, Found, Observation, PublicAccessBlock

BOTH = [BUCKET, OBJECTS]
ROOT_OF_B = f"arn:aws:iam::{CONSUMER}:root"
OTHER_ROLE = f"arn:aws:iam::{CONSUMER}:role/Other"
REST_OF_B = f"account {CONSUMER}"
ANYONE, OTHERS, SERVICE = "anyone, without credentials", "other accounts", "an AWS service"


def service(name: str, action: Any, **more: Any) -> dict[str, Any]:
    return allow(action, BOTH, to={"Service": name}, **more)


def when(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {operator: {key: value}}


def unless(operator: str, key: str, value: Any, action: Any = "s3:*") -> dict[str, Any]:
    """A Deny for everybody, with one condition."""
    return deny(action, BOTH, to="*", when=when(operator, key, value))


def test_an_agreed_bucket_is_intact() -> None:
    judged = verdict(bucket())
    assert (judged.findings, judged.headline) == ((), Headline.INTACT)
    assert [(state.lock, state.account, state.kinds) for state in judged.locks] == [(Lock.BUCKET_POLICY, OWNER, ())]
    assert judged.facts == (
        ("bucket_keys", "off"),
        ("bucket_policy_role_id", ROLE_ID),
        ("bucket_region", "eu-west-1"),
    )


# --- what people write, and what is no drift --------------------------------------------------------------------------

OWNERS = [f"arn:aws:iam::{OWNER}:root", f"arn:aws:iam::{OWNER}:role/Admin", f"arn:aws:iam::{OWNER}:user/alice"]
ORGANIZED = contract(premises={"consumer_organization": ORGANIZATION})
PLACED = contract(
    premises={"consumer_organization": ORGANIZATION, "consumer_org_path": f"{ORGANIZATION}/r-ab12/ou-ab12-11111111/"}
)
THROUGH = contract(contexts=[{"name": "endpoint", "keys": {"aws:SourceVpce": ["vpce-1"]}}])
NAMED = contract(session_names=["athena", "spark-nightly"])
SALES = contract(prefixes=["sales/", "finance/2026/"])
OF_SALES = (
    allow("s3:GetObject", [f"{BUCKET}/sales/*", f"{BUCKET}/finance/2026/*"], to=ROLE),
    allow("s3:ListBucket", BUCKET, to=ROLE, when=when("StringLike", "s3:prefix", ["sales/*", "finance/2026/*"])),
)
ODD = contract(prefixes=["price$/", "a${b}/", "umlaut-ä/", "with blank/"])
OF_ODD = (
    allow("s3:GetObject", [
        f"{BUCKET}/{text}*" for text in ("price$/", "a${$}{b}/", "umlaut-ä/", "with blank/")], to=ROLE),
    allow("s3:ListBucket", BUCKET, to=ROLE, when=when(
        "StringLike", "s3:prefix", ["price$/*", "a${$}{b}/*", "umlaut-ä/*", "with blank/*"])),
)  # fmt: skip

FINE = {
    "TLS version": (unless("NumericLessThan", "s3:TlsVersion", "1.2"), AGREED),
    "signature version": (unless("StringNotEquals", "s3:signatureversion", "AWS4-HMAC-SHA256"), AGREED),
    "no presigned URLs": (unless("StringNotEquals", "s3:authType", "REST-HEADER"), AGREED),
    "no unencrypted uploads": (
        unless("StringNotEquals", "s3:x-amz-server-side-encryption", "aws:kms", "s3:PutObject"), AGREED),
    "no uploads without a key": (
        unless("Null", "s3:x-amz-server-side-encryption-aws-kms-key-id", "true", "s3:PutObject"), AGREED),
    "no deletes without MFA": (unless("Null", "aws:MultiFactorAuthAge", "true", "s3:DeleteObject*"), AGREED),
    "the agreed organization": (unless("StringNotEquals", "aws:PrincipalOrgID", ORGANIZATION), ORGANIZED),
    "the agreed organization, with IfExists": (
        unless("StringNotEqualsIfExists", "aws:PrincipalOrgID", ORGANIZATION), ORGANIZED),
    "the agreed unit": (unless(
        "ForAllValues:StringNotLike", "aws:PrincipalOrgPaths", f"{ORGANIZATION}/r-ab12/ou-ab12-11111111/*"), PLACED),
    "the agreed endpoint": (unless("StringNotEquals", "aws:SourceVpce", ["vpce-1", "vpce-2"]), THROUGH),
    "the agreed session names": (unless("StringNotLike", "aws:userid", ["*:athena", "*:spark-*"]), NAMED),
    "the role by its unique id": (unless("StringNotLike", "aws:userId", ["AROAEXAMPLE123456789:*", OWNER]), AGREED),
    "the role by its ARN": (
        unless("ArnNotEquals", "aws:PrincipalArn", [ROLE, f"arn:aws:iam::{OWNER}:role/*"]), AGREED),
    "the two accounts": (unless("StringNotEquals", "aws:PrincipalAccount", [OWNER, CONSUMER]), AGREED),
    "assumed roles only": (unless("StringNotEquals", "aws:PrincipalType", "AssumedRole"), AGREED),
    "no direct service calls": (unless("Bool", "aws:PrincipalIsAWSService", "true"), AGREED),
    "the bucket's region": (unless("StringNotEquals", "aws:RequestedRegion", "eu-west-1"), AGREED),
    "the bucket's account": (unless("StringNotEquals", "aws:ResourceAccount", OWNER), AGREED),
    "the bucket's account, as S3 calls it": (unless("StringNotEquals", "s3:ResourceAccount", OWNER), AGREED),
    "what a stranger may do to buckets of other accounts": (
        allow("s3:*", BOTH, to=STRANGER, when=when("StringNotEquals", "aws:ResourceAccount", OWNER)), AGREED),
    "a Deny by NotAction": (deny(None, BOTH, to="*", NotAction=[*READ, "s3:GetBucketLocation"]), AGREED),
    "a Deny by NotResource": (deny("s3:*", None, to="*", NotResource=BOTH), AGREED),
    "a Deny on a stranger": (deny("s3:*", BOTH, to=STRANGER), AGREED),
    "a Deny on another bucket": (deny("s3:*", "arn:aws:s3:::other/*", to="*"), AGREED),
    "NotPrincipal with every form": (deny("s3:*", BOTH, when=when("StringEquals", "aws:PrincipalAccount", CONSUMER),
        NotPrincipal={"AWS": [ROLE, ROOT_OF_B, f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/athena"]}),
        contract(session_names=["athena"])),
    "the owner's own": (allow("s3:*", BOTH, to=OWNERS), AGREED),
    "everybody of the owner's account": (
        allow("s3:*", BOTH, to="*", when=when("StringEquals", "aws:PrincipalAccount", OWNER)), AGREED),
    "everybody of the owner's account by ARN": (
        allow("s3:*", BOTH, to="*", when=when("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{OWNER}:*")), AGREED),
    "access logs": (service("logging.s3.amazonaws.com", "s3:PutObject", when={
        "ArnLike": {"aws:SourceArn": "arn:aws:s3:::source"}, "StringEquals": {"aws:SourceAccount": OWNER}}), AGREED),
    "CloudTrail": (service("cloudtrail.amazonaws.com", ["s3:GetBucketAcl", "s3:PutObject"], when=when(
        "StringEquals", "aws:SourceArn", f"arn:aws:cloudtrail:eu-west-1:{OWNER}:trail/t")), AGREED),
    "Config": (service("config.amazonaws.com", ["s3:ListBucket", "s3:GetBucketAcl"], when=when(
        "StringEquals", "AWS:SourceAccount", OWNER)), AGREED),
    "inventory of the bucket itself": (
        service("s3.amazonaws.com", "s3:PutObject", when=when("ArnLike", "aws:SourceArn", BUCKET)), AGREED),
    "an action on access points": (allow("s3:CreateAccessPoint", BUCKET, to=STRANGER), AGREED),
    "a statement without Principal": (allow("s3:*", BOTH), AGREED),
    "a role pattern, which names nobody": (allow("s3:*", BOTH, to=f"arn:aws:iam::{STRANGER}:role/*"), AGREED),
    "a condition that nobody meets": (
        allow("s3:*", BOTH, to="*", when=when("StringEquals", "aws:PrincipalOrgPaths", "o-a/r-b/")), AGREED),
}  # fmt: skip


@pytest.mark.parametrize(("statement", "agreed"), FINE.values(), ids=FINE)
def test_what_leaves_the_share_as_it_is_gives_no_finding(statement: dict[str, Any], agreed: Contract) -> None:
    assert findings(bucket(SHARE_BUCKET, TLS_ONLY, statement), agreed) == ()


def test_agreed_prefixes_are_agreed_whatever_they_are_made_of() -> None:
    assert findings(bucket(*OF_SALES), SALES) == ()
    assert findings(bucket(*OF_ODD), ODD) == ()


def test_the_deny_on_unencrypted_objects_matters_when_it_covers_reading() -> None:
    """GetObject carries no such key, and a negated operator holds without one."""
    found = only(bucket(SHARE_BUCKET, unless("StringNotEquals", "s3:x-amz-server-side-encryption", "aws:kms")))
    assert (found.code, found.kind, found.actions) == ("bucket.explicit-deny", Kind.SHUT, READ)


ALSO = {
    "an account": (STRANGER, allow(["s3:GetObject", "s3:GetObjectTagging"], OBJECTS, to=STRANGER)),
    "an account by its root": (STRANGER, allow("s3:GetObject", OBJECTS, to=f"arn:aws:iam::{STRANGER}:root")),
    "a role": (f"arn:aws:iam::{STRANGER}:role/x", allow("s3:GetObject", OBJECTS, to=f"arn:aws:iam::{STRANGER}:role/x")),
    "another role of the consumer": (OTHER_ROLE, allow("s3:GetObject", OBJECTS, to=OTHER_ROLE)),
    "a load balancer's log account": ("127311923021", allow("s3:GetObjectTagging", OBJECTS, to="127311923021")),
    "a service": ("delivery.logs.amazonaws.com", service("delivery.logs.amazonaws.com", "s3:GetObject")),
    "a CloudFront identity": (
        "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1X",
        allow("s3:GetObject", OBJECTS, to="arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1X")),
    "anyone": ("*", allow("s3:GetObject", OBJECTS, to="*")),
}  # fmt: skip


@pytest.mark.parametrize(("principal", "statement"), ALSO.values(), ids=ALSO)
@pytest.mark.finding("bucket.wide-principal")
def test_a_further_reader_is_drift_until_the_contract_lists_it(principal: str, statement: dict[str, Any]) -> None:
    entry = {"on": "bucket", "principal": principal, "actions": ["s3:GetObject*"], "reason": "a test"}
    assert codes(bucket(SHARE_BUCKET, statement)) == {"bucket.wide-principal"}
    assert findings(bucket(SHARE_BUCKET, statement), contract(also_allowed=[entry])) == ()


def test_a_further_reader_of_one_prefix_may_read_no_other() -> None:
    entry = {"on": "bucket", "principal": STRANGER, "actions": ["s3:GetObject"], "prefixes": ["p/"], "reason": "a test"}
    agreed = contract(also_allowed=[entry])
    assert findings(bucket(SHARE_BUCKET, allow("s3:GetObject", f"{BUCKET}/p/*", to=STRANGER)), agreed) == ()
    assert only(bucket(SHARE_BUCKET, allow("s3:GetObject", OBJECTS, to=STRANGER)), agreed).principal.endswith(STRANGER)


def test_what_neighbours_agreed_on_the_same_bucket_is_agreed() -> None:
    third = {"account": STRANGER, "name": "third", "home_region": "eu-west-1"}
    reader = f"arn:aws:iam::{STRANGER}:role/Reader"
    listed = {"on": "bucket", "principal": "444444444444", "actions": ["s3:GetObject"], "reason": "a test"}
    neighbour = contract(name="n", consumer=third, role=reader, prefixes=["p/"], also_allowed=[listed])
    observation = bucket(
        SHARE_BUCKET,
        allow("s3:GetObject", f"{BUCKET}/p/*", to=reader),
        allow("s3:GetObject", OBJECTS, to="444444444444"),
    )
    assert findings(observation, neighbours=[neighbour]) == ()
    assert {one.principal for one in findings(observation)} == {f"account {STRANGER}", "account 444444444444"}


def test_neighbours_on_another_bucket_allow_nothing_here() -> None:
    reader = f"arn:aws:iam::{CONSUMER}:role/Reader"
    neighbour = contract(name="n", role=reader, bucket={"name": "another-bucket", "region": "eu-west-1"})
    found = only(bucket(SHARE_BUCKET, allow("s3:GetObject", OBJECTS, to=reader)), neighbours=[neighbour])
    assert found.principal == REST_OF_B


@pytest.mark.parametrize(
    ("partition", "region"), [("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")], ids=["GovCloud", "China"]
)
def test_other_partitions_are_judged_in_their_own_names(partition: str, region: str) -> None:
    def there(text: str) -> str:
        return text.replace("arn:aws:", f"arn:{partition}:").replace("eu-west-1", region)

    agreed = contract(role=there(ROLE), key=there(KEY), bucket={"name": "datalake-curated-a", "region": region})
    key = Found(Encryption("aws:kms", there(KEY)))
    share = allow(list(READ), [there(BUCKET), there(OBJECTS)], to=there(ROLE))
    assert findings(bucket(share, region=Found(region), encryption=key), agreed) == ()
    assert codes(bucket(SHARE_BUCKET, region=Found(region), encryption=key), agreed) == {"bucket.no-allow"}
    stranger = allow("s3:GetObject", there(OBJECTS), to=there(f"arn:aws:iam::{STRANGER}:root"))
    found = only(bucket(share, stranger, region=Found(region), encryption=key), agreed)
    assert found.principal == f"account {STRANGER}"
    assert found.witness
    assert found.witness.principal.startswith(f"arn:{partition}:sts::{STRANGER}:")


# --- what must be found -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One bucket that is off, and the finding that says so."""

    title: str
    observation: Observation
    code: str
    kind: Kind
    actions: tuple[str, ...]
    principal: str = ROLE
    scope: Scope = Scope.SHARE
    agreed: Contract = AGREED
    lock: Lock = Lock.BUCKET_POLICY


def wide(title: str, statement: dict[str, Any], principal: str, *actions: str, **more: Any) -> Row:
    scope = Scope.SHARE if principal in (REST_OF_B, ROLE) else Scope.RESOURCE
    observation = bucket(SHARE_BUCKET, TLS_ONLY, statement)
    code = more.pop("code", "bucket.wide-principal")
    return Row(title, observation, code, Kind.WIDE, actions or ("s3:GetObject",), principal, scope, **more)


def limited(title: str, operator: str, key: str, value: Any, principal: str, **more: Any) -> Row:
    """An Allow for everybody with a condition that is too weak."""
    return wide(title, allow("s3:GetObject", OBJECTS, to="*", when=when(operator, key, value)), principal, **more)


ALL_OF_B = contract(
    also_allowed=[{"on": "bucket", "principal": CONSUMER, "actions": ["s3:*"], "reason": "a test of somebody else"}]
)
ATHENA = f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/athena"
DISABLED = PublicAccessBlock()
EXPIRING = allow(list(READ), BOTH, to=ROLE, when=when("DateLessThan", "aws:CurrentTime", "2027-01-01T00:00:00Z"))

ROWS = (
    Row("the role is not named", bucket(TLS_ONLY), "bucket.no-allow", Kind.SHUT, READ),
    Row("no policy at all", bucket(policy=ABSENT), "bucket.no-allow", Kind.SHUT, READ),
    Row("another role is named instead", bucket(allow(list(READ), BOTH, to=f"{ROLE}2"), TLS_ONLY),
        "bucket.no-allow", Kind.SHUT, READ,
        agreed=ALL_OF_B),
    Row("the statement lacks /*", bucket(allow(list(READ), BUCKET, to=ROLE)),
        "bucket.no-allow", Kind.SHUT, ("s3:GetObject",)),
    Row("the statement lacks the bucket's ARN", bucket(allow(list(READ), OBJECTS, to=ROLE)),
        "bucket.no-allow", Kind.SHUT, ("s3:ListBucket",)),
    Row("one of two prefixes", bucket(*(OF_SALES[1], allow("s3:GetObject", f"{BUCKET}/sales/*", to=ROLE))),
        "bucket.no-allow", Kind.SHUT, ("s3:GetObject",), agreed=SALES),
    Row("the wrong organization", bucket(allow(list(READ), BOTH, to=ROLE, when=when(
        "StringEquals", "aws:PrincipalOrgID", "o-zzzzzzzzzz"))), "bucket.no-allow", Kind.SHUT, READ, agreed=ORGANIZED),
    Row("one session name only", bucket(allow(list(READ), BOTH, to=ATHENA)),
        "bucket.no-allow", Kind.SHUT, READ),
    Row("a deleted role is still named", bucket(allow(list(READ), BOTH, to="AROADELETED123456789")),
        "bucket.dangling-principal", Kind.SHUT, READ),
    Row("one prefix is denied", bucket(SHARE_BUCKET, deny("s3:GetObject", f"{BUCKET}/secret/*", to="*")),
        "bucket.explicit-deny", Kind.SHUT, ("s3:GetObject",)),
    Row("the account is denied", bucket(SHARE_BUCKET, deny("s3:*", BOTH, to=CONSUMER)),
        "bucket.explicit-deny", Kind.SHUT, READ),
    Row("some session names are denied", bucket(SHARE_BUCKET, unless("StringLike", "aws:userid", "*:batch-*")),
        "bucket.explicit-deny", Kind.SHUT, READ),
    Row("callers outside the wrong organization are denied", bucket(
        SHARE_BUCKET, unless("StringNotEquals", "aws:PrincipalOrgID", "o-zzzzzzzzzz")),
        "bucket.explicit-deny", Kind.SHUT, READ, agreed=ORGANIZED),
    Row("the watchdog's own mistake: all but the owner", bucket(
        SHARE_BUCKET, unless("StringNotEquals", "aws:PrincipalAccount", OWNER)),
        "bucket.explicit-deny", Kind.SHUT, READ),
    Row("the wrong unique id", bucket(SHARE_BUCKET, unless("StringNotLike", "aws:userid", "AROAOTHER1234567890:*")),
        "bucket.explicit-deny", Kind.SHUT, READ),
    Row("an organization that is not agreed", bucket(allow(list(READ), BOTH, to=ROLE, when=when(
        "StringEquals", "aws:PrincipalOrgID", ORGANIZATION))), "bucket.conditional", Kind.RISK, READ),
    Row("an endpoint that is not agreed", bucket(SHARE_BUCKET, unless("StringNotEquals", "aws:SourceVpce", "vpce-1")),
        "bucket.conditional", Kind.RISK, READ),
    Row("addresses", bucket(SHARE_BUCKET, unless("NotIpAddress", "aws:SourceIp", ["10.0.0.0/8", "203.0.113.0/24"])),
        "bucket.conditional", Kind.RISK, READ),
    Row("it expires", bucket(EXPIRING), "bucket.conditional", Kind.RISK, READ),
    Row("object tags", bucket(
        SHARE_BUCKET, unless("StringEquals", "s3:ExistingObjectTag/secret", "yes", "s3:GetObject")),
        "bucket.conditional", Kind.RISK, ("s3:GetObject",)),
    wide("the account's root", allow("s3:GetObject", OBJECTS, to=ROOT_OF_B), REST_OF_B),
    wide("the account's number", allow(list(READ), BOTH, to=CONSUMER), REST_OF_B, *READ),
    wide("another role of the account", allow("s3:GetObject", OBJECTS, to=OTHER_ROLE), REST_OF_B),
    wide("a user of the account", allow("s3:GetObject", OBJECTS, to=f"arn:aws:iam::{CONSUMER}:user/u"), REST_OF_B),
    wide("a third account", allow("s3:GetObject", OBJECTS, to=STRANGER), f"account {STRANGER}"),
    wide("a role of a third account", allow("s3:GetObject", OBJECTS, to=f"arn:aws:iam::{STRANGER}:role/path/x"),
         f"account {STRANGER}"),
    wide("a CloudFront identity", ALSO["a CloudFront identity"][1], "CloudFront Origin Access Identity E1X"),
    wide("NotPrincipal that leaves out a stranger", allow("s3:GetObject", OBJECTS, when=when(
        "StringEquals", "aws:PrincipalAccount", "444444444444"), NotPrincipal={"AWS": STRANGER}),
        "account 444444444444"),
    wide("a service for anybody", service("logging.s3.amazonaws.com", "s3:PutObject"), SERVICE, "s3:PutObject"),
    wide("a service for a stranger", service("cloudtrail.amazonaws.com", "s3:PutObject", when=when(
        "StringEquals", "aws:SourceAccount", [OWNER, STRANGER])), SERVICE, "s3:PutObject"),
    limited("a stranger by condition", "StringEquals", "aws:PrincipalAccount", STRANGER, f"account {STRANGER}"),
    limited("a stranger's role by pattern", "StringLike", "aws:PrincipalArn", f"arn:aws:iam::{STRANGER}:role/x*",
            f"account {STRANGER}"),
    limited("roles of a name in every account", "ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/BI*", OTHERS,
            agreed=ALL_OF_B),
    limited("root users of every account", "StringLike", "aws:PrincipalArn", "arn:aws:iam::*:root", OTHERS,
            agreed=ALL_OF_B),
    limited("an organization", "StringEquals", "aws:PrincipalOrgID", "o-zzzzzzzzzz", OTHERS, agreed=ORGANIZED),
    wide("one action more", allow("s3:PutObject", OBJECTS, to=ROLE), ROLE, "s3:PutObject", code="bucket.wide-action"),
    wide("an action by wildcard", allow("s3:GetObjectVersion*", OBJECTS, to=ROLE, when=when(
        "StringEquals", "s3:VersionId", "1")), ROLE, "s3:GetObjectVersion", "s3:GetObjectVersionAcl",
        "s3:GetObjectVersionAnnotation", "s3:GetObjectVersionAttributes", "s3:GetObjectVersionTagging",
        "s3:GetObjectVersionTorrent", code="bucket.wide-action"),
    wide("an action that we do not know", allow("s3:FrobnicateBucket", BUCKET, to=ROLE), ROLE, "s3:FrobnicateBucket",
         code="bucket.wide-action"),
    Row("more than the agreed prefixes", bucket(*OF_SALES, allow("s3:GetObject", f"{BUCKET}/hr/*", to=ROLE)),
        "bucket.wide-resource", Kind.WIDE, ("s3:GetObject",), agreed=SALES),
    Row("listings without a prefix", bucket(OF_SALES[0], allow("s3:ListBucket", BUCKET, to=ROLE)),
        "bucket.wide-resource", Kind.WIDE, ("s3:ListBucket",), agreed=SALES),
    Row("public, and blocked", bucket(SHARE_BUCKET, allow("s3:GetObject", OBJECTS, to="*"), policy_is_public=YES),
        "bucket.public-block", Kind.SHUT, READ),
    Row("public, and blocked by the account", bucket(
        policy_is_public=YES, block=ABSENT, account_block=Found(RESTRICTED)),
        "bucket.public-block", Kind.SHUT, READ),
    Row("the bucket is gone", bucket(region=ABSENT), "bucket.missing", Kind.SHUT, READ),
    Row("another key", bucket(encryption=Found(Encryption("aws:kms", KEY.replace("abcd", "dcba")))),
        "bucket.wrong-encryption", Kind.SHUT, ("s3:GetObject",)),
    Row("the AWS managed key", bucket(encryption=Found(Encryption("aws:kms"))),
        "bucket.wrong-encryption", Kind.SHUT, ("s3:GetObject",)),
    Row("no key", bucket(encryption=Found(Encryption("AES256"))),
        "bucket.not-encrypted-as-agreed", Kind.RISK, ("s3:GetObject",)),
    Row("no default encryption", bucket(encryption=ABSENT),
        "bucket.not-encrypted-as-agreed", Kind.RISK, ("s3:GetObject",)),
    Row("an alias", bucket(encryption=Found(Encryption("aws:kms", f"arn:aws:kms:eu-west-1:{OWNER}:alias/curated"))),
        "bucket.not-encrypted-as-agreed", Kind.RISK, ("s3:GetObject",)),
    Row("another region", bucket(region=Found("eu-central-1")), "premise.false", Kind.SHUT, (),
        principal="bucket.region", lock=Lock.PREMISE),
    Row("Bucket Keys on, agreed off", bucket(encryption=Found(Encryption("aws:kms", KEY, bucket_key=True))),
        "premise.false", Kind.SHUT, (), principal="premises.bucket_keys", lock=Lock.PREMISE,
        agreed=contract(premises={"bucket_keys": "off"})),
    Row("a policy that is no policy", bucket(policy=Found("[]")), "bucket.unread", Kind.UNREAD, ("bucket policy",),
        principal="the watchdog"),
    Row("NotPrincipal without every form", bucket(
        SHARE_BUCKET, deny("s3:GetObject", OBJECTS, NotPrincipal={"AWS": [ROLE, ROOT_OF_B, OWNER]})),
        "bucket.not-fully-checked", Kind.UNREAD, ("s3:GetObject",)),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
@pytest.mark.finding(
    "bucket.no-allow",
    "bucket.explicit-deny",
    "bucket.conditional",
    "bucket.dangling-principal",
    "bucket.public-block",
    "bucket.missing",
    "bucket.wrong-encryption",
    "bucket.not-encrypted-as-agreed",
    "bucket.wide-action",
    "bucket.wide-resource",
    "bucket.unread",
    "bucket.not-fully-checked",
    "premise.false",
)
def test_a_bucket_that_is_off_has_one_finding(row: Row) -> None:
    found = only(row.observation, row.agreed)
    assert (found.code, found.kind, found.actions) == (row.code, row.kind, row.actions)
    assert (found.principal, found.resource, found.account) == (row.principal, BUCKET, OWNER)
    assert (found.lock, found.scope) == (row.lock, row.scope)
    assert found.remedy
    assert found.remedy.account == OWNER


ANYBODY = {
    "anyone": allow("s3:GetObject", OBJECTS, to="*"),
    "anyone as an AWS principal": allow("s3:GetObject", OBJECTS, to={"AWS": "*"}),
    "a large network": allow("s3:GetObject", OBJECTS, to="*", when=when("IpAddress", "aws:SourceIp", "10.0.0.0/8")),
    "a referer": allow("s3:GetObject", OBJECTS, to="*", when=when("StringLike", "aws:Referer", "https://x/*")),
    "ForAllValues, true without the key": allow("s3:GetObject", OBJECTS, to="*", when=when(
        "ForAllValues:StringEquals", "aws:PrincipalOrgPaths", "o-a/r-b/")),
    "IfExists, true without the key": allow("s3:GetObject", OBJECTS, to="*", when=when(
        "StringEqualsIfExists", "aws:PrincipalOrgID", ORGANIZATION)),
    "a negation, true without the key": allow("s3:GetObject", OBJECTS, to="*", when=when(
        "StringNotEquals", "aws:PrincipalAccount", STRANGER)),
    "NotPrincipal": allow("s3:GetObject", OBJECTS, NotPrincipal={"AWS": STRANGER}),
    "a wildcard action": allow("s3:Get*", OBJECTS, to="*"),
    "all but some actions": allow(None, OBJECTS, to="*", NotAction="s3:Put*"),
}  # fmt: skip


@pytest.mark.parametrize("statement", ANYBODY.values(), ids=ANYBODY)
def test_a_policy_open_to_anyone_names_anyone_and_the_rest_of_the_account(statement: dict[str, Any]) -> None:
    judged = verdict(bucket(SHARE_BUCKET, statement))
    assert {ANYONE, REST_OF_B} <= {one.principal for one in judged.findings if one.code == "bucket.wide-principal"}
    assert not {OTHERS, SERVICE} & {one.principal for one in judged.findings}
    assert judged.headline is Headline.WIDENED


def test_a_settled_stranger_is_wide_and_an_unsettled_one_only_unknown() -> None:
    canonical = allow("s3:GetObject", OBJECTS, to={"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f"})
    judged = verdict(bucket(SHARE_BUCKET, canonical))
    assert {one.code for one in judged.findings} == {"bucket.not-fully-checked"}
    assert judged.headline is Headline.UNKNOWN
    assert all(one.witness and one.witness.unsettled for one in judged.findings)
    both = findings(bucket(SHARE_BUCKET, canonical, allow("s3:GetObject", OBJECTS, to=STRANGER)))
    assert f"account {STRANGER}" in {one.principal for one in both if one.kind is Kind.WIDE}


@pytest.mark.parametrize(
    "statement",
    [
        allow("s3:GetObject", f"{BUCKET}/${{aws:PrincipalTag/team}}/*", to=STRANGER),
        allow("s3:GetObject", f"{BUCKET}/home/${{aws:username}}/*", to=STRANGER),
        deny("s3:GetObject", f"{BUCKET}/${{aws:PrincipalTag/team}}/*", to="*"),
    ],
    ids=["a stranger's tag", "a stranger's name", "a tag of the role"],
)
def test_a_variable_whose_value_is_open_is_said_to_be_the_reason_and_hides_nothing(statement: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html"""
    found = only(bucket(SHARE_BUCKET, statement))
    assert found.code == "bucket.not-fully-checked"
    assert "policy variables whose values are not known" in found.detail
    both = codes(bucket(SHARE_BUCKET, statement, allow("s3:GetObject", OBJECTS, to=STRANGER)))
    assert "bucket.wide-principal" in both


@pytest.mark.parametrize(
    ("operator", "key", "value"),
    [
        ("Bool", "aws:NewKey", "true"),
        ("NumericLessThan", "aws:NewKey", "5"),
        ("DateLessThan", "s3:NewKey", "2026-01-01"),
        ("IpAddress", "aws:NewKey", "203.0.113.0/24"),
        ("BinaryEquals", "aws:NewKey", "eA=="),
        ("NumericEquals", "aws:SourceIp", "5"),
        ("ArnEquals", "aws:PrincipalArn", f"arn:aws:iam::{STRANGER}:root"),
    ],
)
def test_a_condition_key_that_nobody_knows_rules_no_stranger_out_under_any_operator(
    operator: str, key: str, value: str
) -> None:
    """Whatever a key may hold, some value of it may satisfy the condition; the last lets in a root user alone."""
    found = only(bucket(SHARE_BUCKET, allow("s3:GetObject", OBJECTS, to=STRANGER, when=when(operator, key, value))))
    assert (found.code, found.principal) == ("bucket.wide-principal", f"account {STRANGER}")


def test_a_deny_under_a_key_that_nobody_knows_is_a_risk() -> None:
    against = deny("s3:GetObject", OBJECTS, to="*", when=when("NumericNotEquals", "aws:NewKey", "1"))
    assert codes(bucket(SHARE_BUCKET, against)) == {"bucket.conditional"}


PROVIDERS = ["cognito-identity.amazonaws.com", f"arn:aws:iam::{OWNER}:saml-provider/sso"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_whom_an_identity_provider_lets_in_is_not_known(provider: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-saml"""
    judged = verdict(bucket(SHARE_BUCKET, allow("s3:GetObject", OBJECTS, to={"Federated": provider})))
    assert {one.code for one in judged.findings} == {"bucket.not-fully-checked"}
    assert {one.principal for one in judged.findings} == {REST_OF_B, OTHERS}
    assert judged.headline is Headline.UNKNOWN


@pytest.mark.parametrize("provider", PROVIDERS)
def test_whether_a_deny_of_an_identity_provider_hits_the_role_is_not_known(provider: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-saml"""
    judged = verdict(bucket(SHARE_BUCKET, deny("s3:GetObject", OBJECTS, to={"Federated": provider})))
    assert {(one.code, one.actions) for one in judged.findings} == {("bucket.not-fully-checked", ("s3:GetObject",))}
    assert judged.headline is Headline.UNKNOWN


FEDERATED_ELSEWHERE = {
    "by its ARN": allow("s3:GetObject", OBJECTS, to=f"arn:aws:sts::{STRANGER}:federated-user/bob"),
    "by its id": allow("s3:GetObject", OBJECTS, to="*", when=when("StringLike", "aws:userid", f"{STRANGER}:b*")),
    "by its type": allow(
        "s3:GetObject", OBJECTS, to="*", when=when("StringEquals", "aws:PrincipalType", "FederatedUser")
    ),
}


@pytest.mark.parametrize("statement", FEDERATED_ELSEWHERE.values(), ids=FEDERATED_ELSEWHERE)
def test_a_federated_user_of_another_account_is_one_more_reader(statement: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#sts-session-principals"""
    found = [one for one in findings(bucket(SHARE_BUCKET, statement)) if one.kind is Kind.WIDE]
    assert {one.code for one in found} == {"bucket.wide-principal"}
    assert all(one.witness and ":federated-user/" in one.witness.principal for one in found)
    assert {f"account {STRANGER}", OTHERS} & {one.principal for one in found}


def test_a_principal_of_a_form_that_is_not_known_is_perhaps_anybody_of_its_account() -> None:
    unknown = allow("s3:GetObject", OBJECTS, to=f"arn:aws:sts::{STRANGER}:new-form/bob")
    one = only(bucket(SHARE_BUCKET, unknown))
    assert (one.code, one.principal, one.kind) == ("bucket.not-fully-checked", f"account {STRANGER}", Kind.UNREAD)
    against = deny("s3:GetObject", OBJECTS, to=f"arn:aws:sts::{CONSUMER}:new-form/bob")
    assert codes(bucket(SHARE_BUCKET, against)) == {"bucket.not-fully-checked"}


def test_each_class_of_principals_has_its_own_finding_and_witness() -> None:
    reader = "s3:GetObject"
    observation = bucket(
        SHARE_BUCKET,
        allow(reader, OBJECTS, to=[ROOT_OF_B, STRANGER, "444444444444"]),
        service("logging.s3.amazonaws.com", "s3:PutObject"),
        allow("s3:PutObject", OBJECTS, to=ROLE),
    )
    found = {one.principal: one for one in findings(observation)}
    assert set(found) == {ROLE, REST_OF_B, f"account {STRANGER}", "account 444444444444", SERVICE}
    for principal in (CONSUMER, STRANGER, "444444444444"):
        one = found[f"account {principal}"].witness
        assert one
        assert principal in one.principal


def test_the_witness_names_the_value_that_a_stranger_may_choose() -> None:
    statement = allow("s3:GetObject", OBJECTS, to="*", when=when("StringEquals", "aws:PrincipalOrgID", "o-zzzzzzzzzz"))
    found = [one for one in findings(bucket(SHARE_BUCKET, statement), ORGANIZED) if one.principal == OTHERS]
    assert found[0].witness
    assert found[0].witness.context == (("aws:principalorgid", ("o-zzzzzzzzzz",)),)


def test_what_nobody_is_let_in_by_is_not_wide_while_public_access_is_blocked() -> None:
    observation = bucket(
        SHARE_BUCKET, allow("s3:*", BOTH, to="*"), service("x.amazonaws.com", "s3:PutObject"), policy_is_public=YES
    )
    found = findings(observation)
    assert {(one.code, one.principal) for one in found} == {
        ("bucket.public-block", ROLE),
        ("bucket.wide-principal", SERVICE),
    }
    assert codes(bucket(SHARE_BUCKET, allow("s3:*", BOTH, to="*"), policy_is_public=YES, block=Found(DISABLED))) == {
        "bucket.wide-action",
        "bucket.wide-principal",
    }


# --- default encryption by an alias -----------------------------------------------------------------------------------


def by_alias(stands_for: Any, name: str = "alias/curated") -> Observation:
    return bucket(encryption=Found(Encryption("aws:kms", name, stands_for=stands_for)))


@pytest.mark.finding("bucket.not-encrypted-as-agreed")
def test_an_alias_of_the_agreed_key_is_a_risk_since_other_writers_resolve_it_themselves() -> None:
    found = only(by_alias(Found(KEY)))
    assert (found.code, found.kind) == ("bucket.not-encrypted-as-agreed", Kind.RISK)
    assert "stands for the agreed key here" in found.detail


@pytest.mark.finding("bucket.wrong-encryption")
def test_an_alias_of_another_key_is_that_key() -> None:
    found = only(by_alias(Found(KEY.replace("abcd1234", "ffff1234"))))
    assert (found.code, found.kind) == ("bucket.wrong-encryption", Kind.SHUT)
    assert "ffff1234" in found.detail
    managed = only(by_alias(DENIED, "alias/aws/s3"))
    assert (managed.code, managed.kind) == ("bucket.wrong-encryption", Kind.SHUT)


def test_an_alias_that_cannot_be_resolved_leaves_the_bucket_unknown() -> None:
    assert codes(by_alias(DENIED)) == {"bucket.unread", "bucket.not-encrypted-as-agreed"}
    assert verdict(by_alias(DENIED)).headline is Headline.UNKNOWN
    assert codes(by_alias(ABSENT)) == {"bucket.not-encrypted-as-agreed"}


def test_two_layers_of_encryption_under_the_agreed_key_are_as_agreed() -> None:
    """DSSE: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingDSSEncryption.html"""
    assert findings(bucket(encryption=Found(Encryption("aws:kms:dsse", KEY)))) == ()
    assert only(bucket(encryption=Found(Encryption("aws:kms:dsse")))).code == "bucket.wrong-encryption"


# --- settings and lists -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ownership", [ABSENT, Found("ObjectWriter"), Found("BucketOwnerPreferred")])
@pytest.mark.finding("bucket.ownership")
def test_objects_of_other_writers_are_a_risk_unless_the_buckets_owner_owns_them_all(ownership: Any) -> None:
    found = only(bucket(ownership=ownership))
    assert (found.code, found.kind, found.account) == ("bucket.ownership", Kind.RISK, OWNER)
    assert found.remedy
    assert "ObjectOwnership=BucketOwnerEnforced" in found.remedy.commands[1]


@pytest.mark.finding("bucket.requester-pays")
def test_readers_who_must_agree_to_pay_are_a_risk() -> None:
    found = only(bucket(requester_pays=YES))
    assert (found.code, found.kind, found.actions) == ("bucket.requester-pays", Kind.RISK, READ)


EVERYBODY, EVERY_ACCOUNT, LOGS = (
    f"http://acs.amazonaws.com/groups/{name}"
    for name in ("global/AllUsers", "global/AuthenticatedUsers", "s3/LogDelivery")
)
OPENED = PublicAccessBlock()


def listing(*grants: tuple[str, str], block: PublicAccessBlock = OPENED, statement: Any = TLS_ONLY) -> Observation:
    """A bucket whose access control list counts."""
    acl = BucketAcl("canonical", (AclGrant("canonical", "FULL_CONTROL"), *(AclGrant(*one) for one in grants)))
    kept = Found("ObjectWriter")
    return bucket(SHARE_BUCKET, statement, acl=Found(acl), ownership=kept, block=Found(block))


def outsiders(observation: Observation, agreed: Contract = AGREED) -> set[tuple[str, str, tuple[str, ...]]]:
    every = findings(observation, agreed)
    return {(one.code, one.principal, one.actions) for one in every if one.code != "bucket.ownership"}


LISTS = ("s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions")


@pytest.mark.parametrize(
    ("grant", "who", "actions"),
    [
        ((EVERYBODY, "READ"), ANYONE, LISTS),
        ((EVERY_ACCOUNT, "READ_ACP"), "every AWS account", ("s3:GetBucketAcl",)),
        (("another-user", "WRITE"), "canonical user another-user", ("s3:DeleteObject", "s3:PutObject")),
        (("another-user", "WRITE_ACP"), "canonical user another-user", ("s3:PutBucketAcl",)),
    ],
)
@pytest.mark.finding("bucket.wide-principal")
def test_whom_the_buckets_list_lets_in_beside_its_owner_was_not_agreed(
    grant: tuple[str, str], who: str, actions: tuple[str, ...]
) -> None:
    assert outsiders(listing(grant)) == {("bucket.wide-principal", who, actions)}


def test_a_list_that_counts_for_nothing_lets_nobody_in() -> None:
    """Switched off by ownership, void by a public access block, or S3's own writer of logs."""
    grants = (EVERYBODY, "FULL_CONTROL"), (EVERY_ACCOUNT, "READ")
    acl = Found(BucketAcl("canonical", tuple(AclGrant(*one) for one in grants)))
    assert findings(bucket(acl=acl)) == ()
    assert outsiders(listing(*grants, block=PublicAccessBlock(ignore_public_acls=True))) == set()
    assert outsiders(listing((LOGS, "WRITE"), (LOGS, "READ_ACP"))) == set()
    unread = bucket(acl=acl, ownership=DENIED)
    assert codes(unread) == {"bucket.unread"}


def test_denies_of_the_bucket_policy_bind_whom_the_list_lets_in() -> None:
    shut_out = unless("StringNotEquals", "aws:PrincipalAccount", [OWNER, CONSUMER])
    assert outsiders(listing((EVERYBODY, "WRITE"), statement=shut_out)) == {
        ("bucket.wide-principal", ANYONE, ("s3:DeleteObject", "s3:PutObject"))  # those of the consumer's account
    }
    assert outsiders(
        listing(
            (EVERYBODY, "WRITE"),
            statement=deny("s3:*", BOTH, to="*", when=when("StringNotEquals", "aws:PrincipalArn", ROLE)),
        )
    ) == {
        ("bucket.wide-principal", ANYONE, ("s3:DeleteObject", "s3:PutObject"))  # the role itself
    }
    nobody = unless("StringNotEquals", "aws:PrincipalAccount", OWNER, ["s3:PutObject", "s3:DeleteObject"])
    assert outsiders(listing((EVERYBODY, "WRITE"), ("another-user", "WRITE"), statement=nobody)) == set()


def test_a_grantee_whom_denies_may_shut_out_is_unknown_since_its_account_cannot_be_told() -> None:
    shut_out = unless("StringNotEquals", "aws:PrincipalAccount", [OWNER, CONSUMER])
    judged = verdict(listing(("another-user", "WRITE"), statement=shut_out))
    assert {(one.code, one.kind) for one in judged.findings if one.code != "bucket.ownership"} == {
        ("bucket.not-fully-checked", Kind.UNREAD)
    }


def test_a_permission_that_nobody_knows_leaves_the_list_unknown() -> None:
    assert {code for code, _, _ in outsiders(listing(("another-user", "FROBNICATE")))} == {"bucket.not-fully-checked"}


@pytest.mark.parametrize(
    "source",
    "region policy policy_is_public block account_block encryption ownership acl requester_pays access_points".split(),
)
@pytest.mark.finding("bucket.unread")
def test_each_source_that_is_unreadable_leaves_the_lock_unknown(source: str) -> None:
    judged = verdict(bucket(**{source: DENIED}))
    assert judged.headline is Headline.UNKNOWN
    assert {(one.code, one.actions) for one in judged.findings} == {("bucket.unread", ("x:Read",))}


def test_a_bucket_that_is_partly_unreadable_is_still_judged_by_what_was_read() -> None:
    assert codes(bucket(TLS_ONLY, acl=DENIED)) == {"bucket.unread", "bucket.no-allow"}


@pytest.mark.finding("bucket.not-fully-checked")
def test_a_statement_that_is_not_understood_leaves_the_bucket_unknown_never_broken() -> None:
    odd = allow(list(READ), BOTH, to=ROLE, when={"StringFoo": {"aws:x": "y"}}, Sid="Odd")
    judged = verdict(bucket(odd))
    assert {one.code for one in judged.findings} == {"bucket.not-fully-checked"}
    assert judged.headline is Headline.UNKNOWN
    assert verdict(bucket(SHARE_BUCKET, {**TLS_ONLY, "Frobnicate": True})).headline is Headline.UNKNOWN


def test_an_unsettled_notprincipal_is_settled_by_the_fact_that_the_role_has_a_boundary() -> None:
    forms = [ROLE, ROOT_OF_B, f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/athena"]
    observation = bucket(SHARE_BUCKET, deny("s3:GetObject", OBJECTS, NotPrincipal={"AWS": forms}))
    agreed = contract(session_names=["athena"])
    assert findings(observation, agreed, facts={"has_boundary": "false"}) == ()
    assert codes(observation, agreed, facts={"has_boundary": "true"}) == {"bucket.explicit-deny"}
    assert codes(observation, agreed, facts={}) == {"bucket.not-fully-checked"}


def test_a_unique_id_is_unknown_rather_than_wrong_until_the_consumer_has_reported() -> None:
    observation = bucket(SHARE_BUCKET, unless("StringNotLike", "aws:userid", ["AROAEXAMPLE123456789:*", OWNER]))
    found = only(observation, facts={})
    assert (found.code, found.kind) == ("bucket.not-fully-checked", Kind.UNREAD)
    assert CONSUMER in found.detail
    assert codes(bucket(unless("StringNotLike", "aws:userid", "AROAEXAMPLE123456789:*")), facts={}) >= {
        "bucket.no-allow"
    }


def test_a_key_id_in_default_encryption_is_a_key_of_the_buckets_own_account() -> None:
    by_id = Found(Encryption("aws:kms", KEY.rpartition("/")[2]))
    assert findings(bucket(encryption=by_id)) == ()
    third = {"account": STRANGER, "name": "keys", "home_region": "eu-west-1"}
    elsewhere = contract(key=KEY.replace(OWNER, STRANGER), key_holder=third)
    assert codes(bucket(encryption=by_id), elsewhere) == {"bucket.wrong-encryption"}
    assert findings(bucket(encryption=Found(Encryption("aws:kms:dsse", KEY)))) == ()


def test_bucket_keys_agreed_as_both_may_be_switched() -> None:
    for agreed, switched in (("both", True), ("both", False), ("on", True), ("off", False)):
        observation = bucket(encryption=Found(Encryption("aws:kms", KEY, bucket_key=switched)))
        assert findings(observation, contract(premises={"bucket_keys": agreed})) == ()


def test_two_false_premises_are_two_findings() -> None:
    observation = bucket(region=Found("eu-central-1"), encryption=Found(Encryption("aws:kms", KEY, bucket_key=True)))
    found = findings(observation, contract(premises={"bucket_keys": "off"}))
    assert [one.principal for one in found] == ["bucket.region", "premises.bucket_keys"]


def test_risks_name_the_statement_that_they_hang_on_and_no_other() -> None:
    fine = allow("s3:GetObject", f"{BUCKET}/x/*", to=ROLE, when=when("Bool", "aws:SecureTransport", "true"), Sid="Fine")
    found = only(bucket({**EXPIRING, "Sid": "Until2027"}, fine))
    assert [statement.sid for statement in found.statements] == ["Until2027"]
    assert "until 2027-01-01T00:00:00Z" in found.detail


REWRITES = {
    "another order": [TLS_ONLY, allow("s3:Put*", OBJECTS, to=STRANGER), allow("s3:GetObject", OBJECTS, to=ROLE)],
    "with Sids": [allow("s3:GetObject", OBJECTS, to=ROLE, Sid="A"), allow("s3:Put*", OBJECTS, to=STRANGER, Sid="B")],
    "lists": [allow(["s3:GetObject"], [OBJECTS], to=[ROLE]), allow(["s3:Put*"], [OBJECTS], to=[STRANGER])],
    "split": [allow("s3:GetObject", f"{BUCKET}/*", to=ROLE), *(
        allow(action, OBJECTS, to=f"arn:aws:iam::{STRANGER}:root") for action in ("s3:PutO*", "s3:Put*"))],
    "roots and numbers": [allow("s3:GetObject", OBJECTS, to=ROLE),
                          allow("s3:Put*", OBJECTS, to=[STRANGER, f"arn:aws:iam::{STRANGER}:root"])],
}  # fmt: skip


@pytest.mark.parametrize("statements", REWRITES.values(), ids=REWRITES)
def test_an_equivalent_rewrite_gives_the_same_findings(statements: list[dict[str, Any]]) -> None:
    first = findings(bucket(allow("s3:GetObject", OBJECTS, to=ROLE), allow("s3:Put*", OBJECTS, to=STRANGER)))
    assert {one.code for one in first} == {"bucket.no-allow", "bucket.wide-principal"}
    assert {one.identity for one in findings(bucket(*statements))} == {one.identity for one in first}


def test_a_consumer_judges_no_bucket() -> None:
    assert {state.lock for state in verdict(consumer()).locks} == {Lock.IDENTITY_POLICY}
    assert NO.value is False
