"""Reads what one account holds of a share. Each source by itself: one that cannot be read leaves the others standing.

CALLS lists every operation that is called, with the IAM action that allows it; the reader role's policy must grant
them. All calls on a bucket say who must own it, so that a bucket of that name in another account is an error and never
an answer: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from threelocks.aws import ceilings, trails, watched
from threelocks.aws.answer import Answer, Call, NothingThereError, UnreadError, calls_of, changed, source
from threelocks.aws.look import Answers, Asker, Look
from threelocks.aws.session import ClientSource
from threelocks.contract import Contract, Party
from threelocks.locks.access_points import matter
from threelocks.observation import (
    Absent,
    AccessPoint,
    AclGrant,
    BucketAcl,
    BucketObservation,
    Encryption,
    Found,
    Grant,
    KeyMetadata,
    KeyObservation,
    NamedPolicy,
    Observation,
    PublicAccessBlock,
    Role,
    RoleObservation,
    Source,
    Unreadable,
)
from threelocks.policy.arn import Arn, BadArnError

_NO_BUCKET = frozenset({"NoSuchBucket"})
_NO_BLOCK = "NoSuchPublicAccessBlockConfiguration"


def _s3(operation: str, method: str, action: str, *none: str) -> Call:
    return Call("s3", operation, method, f"s3:{action}", _NO_BUCKET, frozenset(none))


_iam = calls_of("iam", "NoSuchEntity", "NoSuchEntityException")
_kms = calls_of("kms", "NotFoundException")


# The IAM action is not always the operation's name:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
GET_BUCKET_LOCATION = _s3("GetBucketLocation", "get_bucket_location", "GetBucketLocation")
GET_BUCKET_POLICY = _s3("GetBucketPolicy", "get_bucket_policy", "GetBucketPolicy", "NoSuchBucketPolicy")
GET_BUCKET_POLICY_STATUS = _s3(
    "GetBucketPolicyStatus", "get_bucket_policy_status", "GetBucketPolicyStatus", "NoSuchBucketPolicy"
)
GET_PUBLIC_ACCESS_BLOCK = _s3(
    "GetPublicAccessBlock", "get_public_access_block", "GetBucketPublicAccessBlock", _NO_BLOCK
)
GET_BUCKET_ENCRYPTION = _s3(
    "GetBucketEncryption",
    "get_bucket_encryption",
    "GetEncryptionConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
)
GET_BUCKET_OWNERSHIP = _s3(
    "GetBucketOwnershipControls",
    "get_bucket_ownership_controls",
    "GetBucketOwnershipControls",
    "OwnershipControlsNotFoundError",
)
GET_BUCKET_ACL = _s3("GetBucketAcl", "get_bucket_acl", "GetBucketAcl")
GET_BUCKET_PAYER = _s3("GetBucketRequestPayment", "get_bucket_request_payment", "GetBucketRequestPayment")
GET_ACCOUNT_BLOCK = Call(
    "s3control",
    "GetPublicAccessBlock",
    "get_public_access_block",
    "s3:GetAccountPublicAccessBlock",
    gone=frozenset(),
    none=frozenset({_NO_BLOCK}),
)
LIST_ACCESS_POINTS = Call("s3control", "ListAccessPoints", "list_access_points", "s3:ListAccessPoints", _NO_BUCKET)
GET_ACCESS_POINT_POLICY = Call(
    "s3control",
    "GetAccessPointPolicy",
    "get_access_point_policy",
    "s3:GetAccessPointPolicy",
    gone=frozenset({"NoSuchAccessPoint"}),
    none=frozenset({"NoSuchAccessPointPolicy"}),
)
GET_ROLE = _iam("GetRole", "get_role")
LIST_ROLE_POLICIES = _iam("ListRolePolicies", "list_role_policies")
GET_ROLE_POLICY = _iam("GetRolePolicy", "get_role_policy")
LIST_ATTACHED_POLICIES = _iam("ListAttachedRolePolicies", "list_attached_role_policies")
GET_POLICY = _iam("GetPolicy", "get_policy")
GET_POLICY_VERSION = _iam("GetPolicyVersion", "get_policy_version")
DESCRIBE_KEY = _kms("DescribeKey", "describe_key")
LIST_KEY_POLICIES = _kms("ListKeyPolicies", "list_key_policies")
GET_KEY_POLICY = _kms("GetKeyPolicy", "get_key_policy")
LIST_GRANTS = _kms("ListGrants", "list_grants")

CALLS: tuple[Call, ...] = (
    GET_BUCKET_LOCATION,
    GET_BUCKET_POLICY,
    GET_BUCKET_POLICY_STATUS,
    GET_PUBLIC_ACCESS_BLOCK,
    GET_BUCKET_ENCRYPTION,
    GET_BUCKET_OWNERSHIP,
    GET_BUCKET_ACL,
    GET_BUCKET_PAYER,
    GET_ACCOUNT_BLOCK,
    LIST_ACCESS_POINTS,
    GET_ACCESS_POINT_POLICY,
    GET_ROLE,
    LIST_ROLE_POLICIES,
    GET_ROLE_POLICY,
    LIST_ATTACHED_POLICIES,
    GET_POLICY,
    GET_POLICY_VERSION,
    DESCRIBE_KEY,
    LIST_KEY_POLICIES,
    GET_KEY_POLICY,
    LIST_GRANTS,
)
"""Every operation that a lock is read with. With those of `ceilings`, `watched` and `trails`, no other one can be
called."""

# Asked only when the bucket turns the account itself away. It names no bucket, so that no bucket policy refuses it.
LIST_BUCKETS = Call("s3", "ListBuckets", "list_buckets", "s3:ListAllMyBuckets", gone=frozenset())

PERMISSIONS: frozenset[tuple[str, str]] = frozenset((call.name, call.permission) for call in (*CALLS, LIST_BUCKETS))
"""(operation as boto3 calls it, service first; the IAM action it needs)."""

# https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantConstraints.html
_CONSTRAINTS = frozenset({"EncryptionContextEquals", "EncryptionContextSubset", "SourceArn"})

# GetBucketLocation keeps the names that regions had when S3 was young.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
_OLD_REGIONS = {"": "us-east-1", "EU": "eu-west-1"}


@dataclass(frozen=True, slots=True)
class AwsObserver:
    """Keeps ports.Observer. `now` must answer an aware datetime in UTC."""

    clients: ClientSource
    now: Callable[[], datetime]
    duties: watched.Duties | None = None  # where the watchdog's own parts are; None: they are not looked at

    def observe(self, contract: Contract, account: str) -> Observation:
        """Read every source that `account` holds for the contract; the parts of other accounts stay None."""
        began = self.now()
        return self.observe_with(Answers(lambda: began), contract, account)

    def observe_with(self, answers: Answers, contract: Contract, account: str) -> Observation:
        """The same, taking what was asked before from `answers`. The observation begins before the oldest of them."""
        calls = (*CALLS, LIST_BUCKETS, *ceilings.CALLS, *watched.CALLS, *trails.CALLS)
        look = Look(self.clients, answers, calls, answers.now())
        party = contract.party(account)
        role = _observe_role(look, contract, party) if party and account == contract.consumer.account else None
        bucket = _observe_bucket(look, contract) if account == contract.owner.account else None
        key = _observe_key(look, contract) if account == contract.key_account else None
        watchdog = watched.observe(look, contract, account, self.duties) if self.duties else None
        evidence = trails.observe(look, contract, account) if self.duties else None
        above = ceilings.observe(look, contract, account)
        return Observation(account, look.began, role, bucket, key, above, watchdog, evidence)


class SharedObserver:
    """Keeps ports.Observer for as long as one batch lasts: each bucket, key, role and managed policy is read once per
    round, however many contracts it belongs to.

    A contract's first look is of the first round, its second of the second: nothing that a contract saw is ever shown
    to it again, so that a look that must confirm another one really reads again.
    """

    def __init__(self, observer: AwsObserver) -> None:
        self._observer = observer
        self._rounds: list[Answers] = []
        self._looks: Counter[str] = Counter()

    def looking_after(self, duties: watched.Duties) -> SharedObserver:
        """One that sees the watchdog's own parts as well, and shares everything that is read with this one."""
        other = SharedObserver(replace(self._observer, duties=duties))
        other._rounds, other._looks = self._rounds, self._looks
        return other

    def observe(self, contract: Contract, account: str) -> Observation:
        """As AwsObserver does. `began` is before the first read that this observation rests on, whoever made it."""
        number = self._looks[contract.name]
        self._looks[contract.name] += 1
        if number == len(self._rounds):
            self._rounds.append(Answers(self._observer.now))
        return self._observer.observe_with(self._rounds[number], contract, account)


def _observe_role(look: Look, contract: Contract, party: Party) -> RoleObservation:
    # IAM answers alike from every region of the partition.
    iam = Asker(look, party.home_region)
    name = {"RoleName": contract.role_name}
    role = source(lambda: _read_role(iam(GET_ROLE, name)))
    if isinstance(role, Absent):
        return RoleObservation(role, Absent(), Absent(), Absent())
    known = isinstance(role, Found)
    return RoleObservation(
        role=role,
        inline=source(lambda: _inline_policies(iam, name), known=known),
        attached=source(lambda: _attached_policies(iam, name), known=known),
        boundary=_boundary(iam, role),
    )


def _observe_bucket(look: Look, contract: Contract) -> BucketObservation:
    s3 = Asker(look, contract.bucket.region)
    bucket = {"Bucket": contract.bucket.name, "ExpectedBucketOwner": contract.owner.account}
    account_block = source(lambda: _read_block(s3(GET_ACCOUNT_BLOCK, {"AccountId": contract.owner.account})))
    region = _unless_a_strangers(s3, contract, source(lambda: _read_region(s3(GET_BUCKET_LOCATION, bucket))))
    if isinstance(region, Absent):
        gone = Absent()
        return BucketObservation(
            *(region, gone, gone, gone, account_block),
            **dict.fromkeys(("encryption", "ownership", "acl", "requester_pays", "access_points"), gone),
        )
    known = isinstance(region, Found)
    encryption = source(lambda: _read_encryption(s3(GET_BUCKET_ENCRYPTION, bucket)), known=known)
    policy = source(lambda: s3(GET_BUCKET_POLICY, bucket).document("Policy"), known=known)
    return BucketObservation(
        region=region,
        policy=policy,
        policy_is_public=source(
            lambda: s3(GET_BUCKET_POLICY_STATUS, bucket).flag("PolicyStatus.IsPublic"), known=known
        ),
        block=source(lambda: _read_block(s3(GET_PUBLIC_ACCESS_BLOCK, bucket)), known=known),
        account_block=account_block,
        encryption=_with_alias(look, contract, encryption),
        ownership=source(lambda: _read_ownership(s3(GET_BUCKET_OWNERSHIP, bucket)), known=known),
        acl=source(lambda: _read_acl(s3(GET_BUCKET_ACL, bucket)), known=known),
        requester_pays=source(lambda: s3(GET_BUCKET_PAYER, bucket).text("Payer") == "Requester", known=known),
        access_points=_observe_access_points(s3, contract, policy, known=known),
    )


_MOST_ACCESS_POINTS = 200  # of one bucket that are read: a second or so for every twenty


def _observe_access_points(
    s3: Asker, contract: Contract, policy: Source[str], *, known: bool
) -> Source[tuple[AccessPoint, ...]]:
    """The account's own access points of the bucket; those of other accounts it cannot see."""
    if isinstance(policy, Unreadable):
        return policy
    if not matter(policy.value if isinstance(policy, Found) else "{}", contract):
        return Found(())
    asked = {"AccountId": contract.owner.account, "Bucket": contract.bucket.name}

    def read() -> tuple[AccessPoint, ...]:
        listed = [*s3.pages(LIST_ACCESS_POINTS, "AccessPointList", asked, asks_by="NextToken")]
        if len(listed) > _MOST_ACCESS_POINTS:
            raise UnreadError(Unreadable(LIST_ACCESS_POINTS.name, f"MoreThan{_MOST_ACCESS_POINTS}AccessPoints"))
        return tuple(sorted((_access_point(s3, contract, each) for each in listed), key=lambda point: point.name))

    return source(read, known=known)


def _access_point(s3: Asker, contract: Contract, listed: Answer) -> AccessPoint:
    name = listed.text("Name")
    try:
        question = {"AccountId": contract.owner.account, "Name": name}
        policy = s3(GET_ACCESS_POINT_POLICY, question).document("Policy")
    except NothingThereError as error:
        if error.gone:
            raise UnreadError(changed(error.call, f"`{name}` was deleted while it was read")) from error
        policy = ""
    arn = listed.text("AccessPointArn")
    try:
        Arn.parse(arn)
    except BadArnError:
        raise listed.unexpected("AccessPointArn", "is not an ARN") from None
    return AccessPoint(name, arn, listed.text("NetworkOrigin"), policy)


def _unless_a_strangers(s3: Asker, contract: Contract, region: Source[str]) -> Source[str]:
    """A bucket that turned us away is gone when the account has none of that name: somebody else took the name, and S3
    answers alike whether the owner or a permission is wrong. Whatever the list does not settle stays unread.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
    """
    if not isinstance(region, Unreadable) or not region.permission:
        return region
    name = contract.bucket.name
    listed = source(
        lambda: {
            bucket.text("Name")
            for bucket in s3.pages(LIST_BUCKETS, "Buckets", {"Prefix": name}, asks_by="ContinuationToken")
        }
    )
    return Absent() if isinstance(listed, Found) and name not in listed.value else region


def _with_alias(look: Look, contract: Contract, encryption: Source[Encryption]) -> Source[Encryption]:
    """What an alias stands for in the bucket's account, which is what its own writers encrypt with.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionByDefault.html
    """
    if not isinstance(encryption, Found) or not encryption.value.is_alias:
        return encryption
    kms = Asker(look, contract.bucket.region)
    named = source(lambda: kms(DESCRIBE_KEY, {"KeyId": encryption.value.key}).text("KeyMetadata.Arn"))
    return Found(replace(encryption.value, stands_for=named))


def _observe_key(look: Look, contract: Contract) -> KeyObservation:
    kms = Asker(look, Arn.parse(contract.key).region)
    key = {"KeyId": contract.key}
    metadata = source(lambda: _read_key(kms(DESCRIBE_KEY, key)))
    if isinstance(metadata, Absent):
        return KeyObservation(metadata, Absent(), Absent())
    known = isinstance(metadata, Found)
    return KeyObservation(
        metadata=metadata,
        policies=source(lambda: _key_policies(kms, key), known=known),
        grants=source(lambda: tuple(map(_read_grant, kms.pages(LIST_GRANTS, "Grants", key))), known=known),
    )


def _read_role(answer: Answer) -> Role:
    tags = answer.items("Role.Tags") if answer.has("Role.Tags") else ()
    return Role(
        arn=answer.text("Role.Arn"),
        unique_id=answer.text("Role.RoleId"),
        trust=answer.document("Role.AssumeRolePolicyDocument"),
        boundary_arn=answer.maybe_text("Role.PermissionsBoundary.PermissionsBoundaryArn"),
        tags=tuple(sorted((tag.text("Key"), tag.maybe_text("Value")) for tag in tags)),
        created=answer.moment("Role.CreateDate"),
    )


def _inline_policies(iam: Asker, role: Mapping[str, str]) -> tuple[NamedPolicy, ...]:
    names = [item.itself() for item in iam.pages(LIST_ROLE_POLICIES, "PolicyNames", role)]
    return tuple(
        NamedPolicy(name, iam.of_listed(GET_ROLE_POLICY, {**role, "PolicyName": name}).document("PolicyDocument"))
        for name in sorted(names)
    )


def _attached_policies(iam: Asker, role: Mapping[str, str]) -> tuple[NamedPolicy, ...]:
    arns = [item.text("PolicyArn") for item in iam.pages(LIST_ATTACHED_POLICIES, "AttachedPolicies", role)]
    return tuple(_managed_policy(iam, arn) for arn in sorted(arns))


def _managed_policy(iam: Asker, arn: str) -> NamedPolicy:
    """The default version: the one that is in force."""
    version = iam.of_listed(GET_POLICY, {"PolicyArn": arn}).text("Policy.DefaultVersionId")
    answer = iam.of_listed(GET_POLICY_VERSION, {"PolicyArn": arn, "VersionId": version})
    return NamedPolicy(arn, answer.document("PolicyVersion.Document"), version)


def _boundary(iam: Asker, role: Found[Role] | Unreadable) -> Source[NamedPolicy]:
    """Absent only when the role was read and has none: a boundary that is not known may forbid everything."""
    if isinstance(role, Unreadable):
        return role
    arn = role.value.boundary_arn
    return source(lambda: _managed_policy(iam, arn)) if arn else Absent()


def _read_region(answer: Answer) -> str:
    if "LocationConstraint" not in answer.names():
        raise answer.unexpected("LocationConstraint", "is missing")
    stated = answer.maybe_text("LocationConstraint")
    return _OLD_REGIONS.get(stated, stated)


def _read_block(answer: Answer) -> PublicAccessBlock:
    # A setting that is left out is off.
    settings = answer.part("PublicAccessBlockConfiguration")
    return PublicAccessBlock(
        block_public_acls=settings.maybe_flag("BlockPublicAcls"),
        ignore_public_acls=settings.maybe_flag("IgnorePublicAcls"),
        block_public_policy=settings.maybe_flag("BlockPublicPolicy"),
        restrict_public_buckets=settings.maybe_flag("RestrictPublicBuckets"),
    )


def _read_encryption(answer: Answer) -> Encryption:
    rules = answer.items("ServerSideEncryptionConfiguration.Rules")
    rule = next((rule for rule in rules if rule.has("ApplyServerSideEncryptionByDefault")), None)
    if rule is None:
        raise answer.unexpected("ServerSideEncryptionConfiguration.Rules", "has no default encryption")
    return Encryption(
        algorithm=rule.text("ApplyServerSideEncryptionByDefault.SSEAlgorithm"),
        key=rule.maybe_text("ApplyServerSideEncryptionByDefault.KMSMasterKeyID"),
        bucket_key=rule.maybe_flag("BucketKeyEnabled"),
    )


def _read_ownership(answer: Answer) -> str:
    rules = answer.items("OwnershipControls.Rules")
    if not rules:
        raise answer.unexpected("OwnershipControls.Rules", "is empty")
    return rules[0].text("ObjectOwnership")


def _read_acl(answer: Answer) -> BucketAcl:
    return BucketAcl(answer.text("Owner.ID"), tuple(map(_read_acl_grant, answer.items("Grants"))))


def _read_acl_grant(grant: Answer) -> AclGrant:
    grantee = next(filter(None, (grant.maybe_text(f"Grantee.{name}") for name in ("ID", "URI", "EmailAddress"))), "")
    if not grantee:
        raise grant.unexpected("Grantee", "names nobody")
    return AclGrant(grantee, grant.text("Permission"))


def _read_key(answer: Answer) -> KeyMetadata:
    return KeyMetadata(
        arn=answer.text("KeyMetadata.Arn"),
        state=answer.text("KeyMetadata.KeyState"),
        manager=answer.text("KeyMetadata.KeyManager"),
        deletion_date=answer.moment("KeyMetadata.DeletionDate"),
        origin=answer.maybe_text("KeyMetadata.Origin"),
        multi_region=answer.maybe_flag("KeyMetadata.MultiRegion"),
    )


def _key_policies(kms: Asker, key: Mapping[str, str]) -> tuple[NamedPolicy, ...]:
    """All of them: Resource Access Manager keeps one of its own beside `default`."""
    names = [item.itself() for item in kms.pages(LIST_KEY_POLICIES, "PolicyNames", key)]
    return tuple(
        NamedPolicy(name, kms.of_listed(GET_KEY_POLICY, {**key, "PolicyName": name}).document("Policy"))
        for name in sorted(names)
    )


def _read_grant(grant: Answer) -> Grant:
    grantee = grant.maybe_text("GranteePrincipal") or grant.maybe_text("GranteeServicePrincipal")
    if not grantee:
        raise grant.unexpected("GranteePrincipal", "is missing")
    limits = grant.part("Constraints").names() if grant.has("Constraints") else frozenset()
    if limits - _CONSTRAINTS:  # it allows less than we would make of it
        raise grant.unexpected("Constraints", f"limits the grant by `{min(limits - _CONSTRAINTS)}`, which is not known")
    return Grant(
        grant_id=grant.text("GrantId"),
        grantee=grantee,
        operations=grant.texts("Operations"),
        retiring=grant.maybe_text("RetiringPrincipal") or grant.maybe_text("RetiringServicePrincipal"),
        context_equals=grant.pairs("Constraints.EncryptionContextEquals"),
        context_subset=grant.pairs("Constraints.EncryptionContextSubset"),
        name=grant.maybe_text("Name"),
        source_arn=grant.maybe_text("Constraints.SourceArn"),
    )
