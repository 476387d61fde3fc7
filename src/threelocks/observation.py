"""What was read from AWS, and when. Each source is Found, Absent or Unreadable: a failed read is never an absence.

Policy documents stay as the JSON text that AWS answered; `policy.document` parses them when they are judged, so that a
document which cannot be understood is reported where it matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Found(Generic[T_co]):
    """AWS answered, and this is what it said."""

    value: T_co


@dataclass(frozen=True, slots=True)
class Absent:
    """AWS answered that there is no such thing."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """AWS did not answer the question: nothing is known, and nothing may be assumed."""

    operation: str  # "s3:GetBucketPolicy" as boto3 calls it, service first
    error: str  # AWS's error code, or the exception's name
    message: str = ""
    permission: str = ""  # the IAM action that is missing, when access was denied
    transient: bool = False  # throttled or timed out: another try may succeed


LEFT_OUT = "NotInSnapshot"
"""The error of a source that a snapshot leaves out: nobody asked AWS, and to wait changes nothing."""

Source = Found[T_co] | Absent | Unreadable


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """A policy document attached to something, by the name people know it by."""

    name: str  # the inline policy's name, or the managed policy's ARN
    document: str  # JSON
    version: str = ""  # the managed policy's default version id


@dataclass(frozen=True, slots=True)
class Role:
    """iam:GetRole."""

    arn: str
    unique_id: str  # AROA...
    trust: str  # JSON
    boundary_arn: str = ""  # empty: no permissions boundary
    tags: tuple[tuple[str, str], ...] = ()
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class RoleObservation:
    """Lock 1. `role` Absent makes the other sources Absent too."""

    role: Source[Role]
    inline: Source[tuple[NamedPolicy, ...]]
    attached: Source[tuple[NamedPolicy, ...]]  # at their default version
    boundary: Source[NamedPolicy]


@dataclass(frozen=True, slots=True)
class PublicAccessBlock:
    """s3:GetPublicAccessBlock of a bucket or, by s3control, of an account. No configuration at all is all False."""

    block_public_acls: bool = False
    ignore_public_acls: bool = False
    block_public_policy: bool = False
    restrict_public_buckets: bool = False


@dataclass(frozen=True, slots=True)
class Encryption:
    """s3:GetBucketEncryption: the default for new objects."""

    algorithm: str  # "AES256", "aws:kms", "aws:kms:dsse"
    key: str = ""  # as configured: key ARN, key id or alias; empty with aws:kms means the AWS managed key
    bucket_key: bool = False
    stands_for: Source[str] = Absent()  # for an alias: the ARN of its key in the bucket's account

    @property
    def is_alias(self) -> bool:
        return ":alias/" in self.key or self.key.startswith("alias/")


@dataclass(frozen=True, slots=True)
class AclGrant:
    """One grant of a bucket's access control list."""

    grantee: str  # a canonical user id or a group URI
    permission: str  # "READ", "FULL_CONTROL", ...


@dataclass(frozen=True, slots=True)
class BucketAcl:
    owner: str  # canonical user id
    grants: tuple[AclGrant, ...]


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """One of s3control:ListAccessPoints, with s3control:GetAccessPointPolicy."""

    name: str
    arn: str
    origin: str  # "Internet" or "VPC"
    policy: str  # JSON; empty: it has none


@dataclass(frozen=True, slots=True)
class BucketObservation:
    """Lock 2. `region` Absent: the bucket is gone, or belongs to another account."""

    region: Source[str]
    policy: Source[str]
    policy_is_public: Source[bool]  # s3:GetBucketPolicyStatus: AWS's own answer
    block: Source[PublicAccessBlock]
    account_block: Source[PublicAccessBlock]
    encryption: Source[Encryption]
    ownership: Source[str]  # "BucketOwnerEnforced", ...; Absent means ObjectWriter
    acl: Source[BucketAcl]
    requester_pays: Source[bool]
    access_points: Source[tuple[AccessPoint, ...]]  # the account's own; none are read where they cannot matter


@dataclass(frozen=True, slots=True)
class KeyMetadata:
    """kms:DescribeKey."""

    arn: str
    state: str  # "Enabled", "Disabled", "PendingDeletion", ...
    manager: str  # "CUSTOMER" or "AWS"
    deletion_date: datetime | None = None
    origin: str = ""
    multi_region: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """One of kms:ListGrants."""

    grant_id: str
    grantee: str  # an ARN, or an account id
    operations: tuple[str, ...]  # "Decrypt", ...
    retiring: str = ""
    context_equals: tuple[tuple[str, str], ...] | None = None
    context_subset: tuple[tuple[str, str], ...] | None = None
    name: str = ""
    source_arn: str = ""  # holds only for requests with this aws:SourceArn; empty: for any


@dataclass(frozen=True, slots=True)
class KeyObservation:
    """Lock 3."""

    metadata: Source[KeyMetadata]
    policies: Source[tuple[NamedPolicy, ...]]  # "default", and "AWS_RAM" where the key is shared by RAM
    grants: Source[tuple[Grant, ...]]


@dataclass(frozen=True, slots=True)
class PolicyLevel:
    """The policies at one level of an organization, root first, the account last."""

    target: str  # "r-ab12", "ou-...", or an account id
    policies: tuple[NamedPolicy, ...]


@dataclass(frozen=True, slots=True)
class VpcEndpoint:
    """One of ec2:DescribeVpcEndpoints."""

    service: str  # "com.amazonaws.eu-west-1.s3"
    state: str  # "available", ...; in lower case
    policy: str  # JSON
    vpc: str  # "vpc-..."


@dataclass(frozen=True, slots=True)
class NamedEndpoint:
    """An endpoint that the contract names. Absent: the account has none of that id in the bucket's region."""

    id: str
    endpoint: Source[VpcEndpoint]


@dataclass(frozen=True, slots=True)
class Membership:
    """organizations:DescribeOrganization, as a member sees it."""

    id: str  # o-...
    management: str  # the management account's id


@dataclass(frozen=True, slots=True)
class CeilingObservation:
    """What can only say no. A source that is None was not watched; the verdict then says so in a remark.

    No levels at all: nothing of that kind stands above the account, which manages its organization, or whose
    organization has not enabled policies of that kind.
    """

    scps: Source[tuple[PolicyLevel, ...]] | None = None  # over the consumer's account
    rcps: Source[tuple[PolicyLevel, ...]] | None = None  # over the owner's
    key_rcps: Source[tuple[PolicyLevel, ...]] | None = None  # over that of a third account that holds the key
    endpoints: tuple[NamedEndpoint, ...] = ()  # those that the contract names, in its consumer's account
    organization: Source[Membership] | None = None  # that this account is in; Absent: in none
    consumer_path: Source[str] | None = None  # the consumer's place: "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"


@dataclass(frozen=True, slots=True)
class EventRule:
    """events:DescribeRule."""

    arn: str
    state: str  # "ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    pattern: str  # JSON; empty for a schedule
    dead_letters: str = ""  # ARN of the queue for what it cannot deliver; not looked at where it is not a relay's


@dataclass(frozen=True, slots=True)
class WatchedRegion:
    """What brings the events of one region to the watchdog: the home stack's rules, or a relay."""

    region: str
    sources: tuple[str, ...]  # whose events are recorded there and matter: "iam.amazonaws.com", ...
    target: str  # ARN: where they must arrive
    rules: Source[tuple[EventRule, ...]]  # those of the default bus that send there
    dead_letters: Source[int] | None = None  # messages in a relay's dead letter queues; None: this is home


@dataclass(frozen=True, slots=True)
class WatchedDenials:
    """What brings refused reads to their diagnosis."""

    queue: str  # ARN: where they must arrive
    rules: Source[tuple[EventRule, ...]]


@dataclass(frozen=True, slots=True)
class OwnStack:
    """cloudformation:DescribeStacks of the home stack."""

    changed: str  # ISO 8601: when it was last updated, or created; empty when AWS does not say
    status: str  # "UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", ...


@dataclass(frozen=True, slots=True)
class WatchedPart:
    """A part of the home stack that somebody may change by hand."""

    name: str  # among people: "the function threelocks-sweep"
    arn: str
    settings: Source[str]  # a digest; Absent: it is gone
    off: tuple[str, ...] = ()  # why it does not do what it is for, as ends of sentences


@dataclass(frozen=True, slots=True)
class WatchdogObservation:
    """What the watchdog itself lives on."""

    home_region: str
    regions: tuple[WatchedRegion, ...]
    alert_topic: str  # ARN
    subscribed: Source[int]  # confirmed subscriptions; Absent: the topic is gone
    denials: WatchedDenials | None = None  # None: refused reads are not diagnosed here
    pending: int = 0  # subscriptions that wait to be confirmed
    stack: Source[OwnStack] | None = None  # not looked at, with its parts
    parts: tuple[WatchedPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """One field of a trail's selector: it takes what fits one of the first three, where there are any, and none of the
    others."""

    field: str  # "eventCategory", "readOnly", "resources.ARN", ...
    equals: tuple[str, ...] = ()
    starts_with: tuple[str, ...] = ()
    ends_with: tuple[str, ...] = ()
    not_equals: tuple[str, ...] = ()
    not_starts_with: tuple[str, ...] = ()
    not_ends_with: tuple[str, ...] = ()


Selector = tuple[Condition, ...]
"""What a trail records: events that meet every condition."""


@dataclass(frozen=True, slots=True)
class Selectors:
    """cloudtrail:GetEventSelectors. An event is recorded when one of them selects it."""

    selectors: tuple[Selector, ...]
    advanced: bool  # as they are kept there; here the basic ones are written as advanced ones, too


@dataclass(frozen=True, slots=True)
class TrailStatus:
    """cloudtrail:GetTrailStatus."""

    is_logging: bool
    delivery_error: str = ""


@dataclass(frozen=True, slots=True)
class Trail:
    """One of cloudtrail:DescribeTrails."""

    arn: str  # of another account where it is an organization's
    home_region: str
    multi_region: bool
    global_events: bool  # of services that have no region, such as IAM
    status: Source[TrailStatus]
    selectors: Source[Selectors]


@dataclass(frozen=True, slots=True)
class TrailedRegion:
    """The trails that one region shows, those of other regions and of the organization included."""

    region: str
    trails: Source[tuple[Trail, ...]]


@dataclass(frozen=True, slots=True)
class EvidenceObservation:
    """What records the calls that matter, in each region where they are recorded."""

    regions: tuple[TrailedRegion, ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that one account reads for one contract. A part is None when another account holds it."""

    account: str
    began: datetime  # before the first read: nothing in here is older
    role: RoleObservation | None = None
    bucket: BucketObservation | None = None
    key: KeyObservation | None = None
    ceilings: CeilingObservation = CeilingObservation()
    watchdog: WatchdogObservation | None = None  # not looked at, which is no news of it
    evidence: EvidenceObservation | None = None  # the same; looked at with the watchdog
