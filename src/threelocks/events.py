"""CloudTrail records as EventBridge delivers them: which resources a call touched, who made it, and when.

Events are hints. A resource's name and the actor are taken from them, never a state: the policies are read live.
So a record from which no resource can be told still means something, namely "look at everything".

How resources are spelled, here and in the table: a bucket `arn:<partition>:s3:::<bucket>`; a key by its ARN; a role
`role/<RoleName>` (IAM's events carry no path); a managed policy by its ARN; a VPC endpoint by its id; `account` for
what holds for every bucket of the account; `organization` for what may stand above any account of it.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from threelocks.finding import Cause
from threelocks.policy.arn import partition_of
from threelocks.tool import tool_of

ACCOUNT = "account"
ORGANIZATION = "organization"
EVERY_CONTRACT = (":cloudtrail:", ":events:", ":sns:", ":lambda:", ":dynamodb:")
NOT_OURS = ("",)

API_CALL = "AWS API Call via CloudTrail"
SERVICE_EVENT = "AWS Service Event via CloudTrail"


class BadEventError(ValueError):
    """Not an event that EventBridge delivers for CloudTrail: another try cannot help."""


class ForeignEventError(BadEventError):
    """An event of another account: a rule of a partner can forward what looks like ours."""


@dataclass(frozen=True, slots=True)
class Change:
    """A call that may have moved a lock.

    `everything`: every contract must be checked, because the record does not tell what it touched, or because what it
    touched (`resources`) serves them all.
    """

    resources: tuple[str, ...]
    cause: Cause
    everything: bool = False


@dataclass(frozen=True, slots=True)
class NoChange:
    """A genuine record that moved no lock."""

    reason: str


class Envelope(BaseModel):
    """An event as EventBridge hands it to a target. AWS may add fields; those that we read must be there."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    id: str
    detail_type: str = Field(alias="detail-type")
    source: str
    account: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
    time: AwareDatetime
    region: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """A CloudTrail record, and where it was recorded. Every part of `detail` may be missing, null or cut short."""

    detail: Mapping[str, Any]
    account: str
    region: str

    def text(self, name: str) -> str:
        value = self.detail.get(name)
        return value if isinstance(value, str) else ""

    def part(self, name: str) -> Mapping[str, Any]:
        """An object within the record, empty when it is null, cut (100 KB is CloudTrail's limit) or not an object."""
        value = self.detail.get(name)
        return value if isinstance(value, dict) else {}

    @property
    def partition(self) -> str:
        return partition_of(self.region)

    def arns(self) -> Iterator[str]:
        """The ARNs of `resources[]`."""
        resources = self.detail.get("resources")
        for resource in resources if isinstance(resources, list) else []:
            arn = resource.get("ARN", resource.get("arn")) if isinstance(resource, dict) else None
            if isinstance(arn, str):
                yield arn


Find = Callable[[Record], tuple[str, ...]]
"""From a record to the resources it touched; nothing found means that everything must be looked at."""

# Used with fullmatch, so that a line break after a name is not part of a match.
_BUCKET = re.compile(r"(arn:[a-z-]+:s3:::)([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/.*)?", re.DOTALL)
_KEY = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+")
_KEY_ID = re.compile(r"mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_ENDPOINT = re.compile(r"\bvpce-[0-9a-f]{8,17}\b", re.ASCII)
_TRAIL = re.compile(r"arn:[a-z-]+:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[A-Za-z0-9._-]{3,128}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,256}")
# CloudFormation names a resource for its stack and its logical id. What is taken for ours and is not costs a look.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-name.html
_OWN_RULE = re.compile(r".+-([A-Za-z]+(Changed|Deleted|Denied)Rule|ReportRule|SweepSchedule)-[A-Za-z0-9]+")
_OWN_FUNCTION = re.compile(
    r"(?:arn:[a-z-]+:lambda:[a-z0-9-]+:)?(?:[0-9]{12}:)?(?:function:)?"
    r"([A-Za-z0-9_-]+-(?:on-change|on-report|on-denied|recheck|sweep))(?::[A-Za-z0-9$_-]+)?"
)
_OWN_TABLE = re.compile(r"(?:arn:[a-z-]+:dynamodb:[a-z0-9-]+:[0-9]{12}:table/)?([A-Za-z0-9_.-]+-Table-[A-Za-z0-9]+)")
_OWN_TOPIC = re.compile(r"(arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+-AlertTopic-[A-Za-z0-9]+)(:[a-z0-9-]+)?")
_POLICY = re.compile(r"arn:[a-z-]+:iam::([0-9]{12}|aws):policy/[\x21-\x7e]{1,640}")


def _bucket(record: Record) -> tuple[str, ...]:
    parameters = record.part("requestParameters")
    named = next(_strings_called(parameters, {"bucketname", "bucket"}), "")
    candidates = (f"arn:{record.partition}:s3:::{named}", *record.arns())
    return _unique(match[1] + match[2] for match in map(_BUCKET.fullmatch, candidates) if match)


def _access_point(record: Record) -> tuple[str, ...]:
    """Only CreateAccessPoint says the bucket; the other calls name the access point, which any bucket may have."""
    return _bucket(record) or (ACCOUNT,)


def _whole_account(_: Record) -> tuple[str, ...]:
    return (ACCOUNT,)


def _organization(_: Record) -> tuple[str, ...]:
    """A policy's id does not tell whom it is above: such calls are rare, and every contract is looked at whose
    organization is read here."""
    return (ORGANIZATION,)


def _key(record: Record) -> tuple[str, ...]:
    """`resources[]` has the key's ARN; `keyId` is whatever the caller typed: ARN, id or alias."""
    listed = _unique(arn for arn in record.arns() if _KEY.fullmatch(arn))
    return listed or _unique(arn for typed in _typed_keys(record) if (arn := _key_arn(typed, record)))


def _typed_keys(record: Record) -> Iterator[str]:
    for part in ("requestParameters", "responseElements", "serviceEventDetails", "additionalEventData"):
        yield from _strings_called(record.part(part), {"keyid", "targetkeyid", "keyarn"})


def _key_arn(typed: str, record: Record) -> str:
    """A bare key id means a key of the caller's own account and region."""
    if _KEY_ID.fullmatch(typed):
        return f"arn:{record.partition}:kms:{record.region}:{record.account}:key/{typed}"
    return typed if _KEY.fullmatch(typed) else ""


def _moved_alias(_: Record) -> tuple[str, ...]:
    """The record of UpdateAlias names the key that the alias points to now, not the one that it left: both changed."""
    return ()


def _role(record: Record) -> tuple[str, ...]:
    return _unique(f"role/{name}" for name in _asked_or_answered(record, {"rolename"}) if _ROLE_NAME.fullmatch(name))


def _policy(record: Record) -> tuple[str, ...]:
    named = _strings_called(record.part("requestParameters"), {"policyarn"})
    return _unique(arn for arn in named if _POLICY.fullmatch(arn))


def _endpoint(record: Record) -> tuple[str, ...]:
    """EC2 wraps its parameters, one way or another: an endpoint's id is looked for anywhere in them."""
    parts = (record.part("requestParameters"), record.part("responseElements"))
    return _unique(found for part in parts for found in _ENDPOINT.findall(json.dumps(part)))


def _trail(record: Record) -> tuple[str, ...]:
    """The trail's ARN; calls name it by that, or by its name in their own region."""
    parameters = record.part("requestParameters")
    named = next(_strings_called(parameters, {"name", "trailname"}), "")
    here = f"arn:{record.partition}:cloudtrail:{record.region}:{record.account}:trail"
    return (named if _TRAIL.fullmatch(named) else f"{here}/{named if _NAME.fullmatch(named) else ''}",)


def _rule(record: Record) -> tuple[str, ...]:
    """One of the watchdog's own rules; calls name a rule by `name`, and its targets' rule by `rule`."""
    named = next(_strings_called(record.part("requestParameters"), {"name", "rule"}), "").rpartition("/")[2]
    if named and not _OWN_RULE.fullmatch(named):
        return NOT_OURS
    return (f"arn:{record.partition}:events:{record.region}:{record.account}:rule/{named}",)


def _topic(record: Record) -> tuple[str, ...]:
    """The topic of the alerts; a subscription's ARN begins with its topic's."""
    named = _asked_or_answered(record, {"topicarn", "subscriptionarn"})
    if not named:
        return (f"arn:{record.partition}:sns:{record.region}:{record.account}:",)
    return _unique(match[1] for match in map(_OWN_TOPIC.fullmatch, named) if match) or NOT_OURS


def _function(record: Record) -> tuple[str, ...]:
    """One of the watchdog's own functions; calls name a function by its name or its ARN, a mapping by an id that only
    the answer connects with its function."""
    here = f"arn:{record.partition}:lambda:{record.region}:{record.account}:function:"
    return _ours(_OWN_FUNCTION, _asked_or_answered(record, {"functionname", "functionarn"}), here)


def _table(record: Record) -> tuple[str, ...]:
    """The watchdog's own table, by its name or its ARN."""
    named = [*_strings_called(record.part("requestParameters"), {"tablename"})]
    here = f"arn:{record.partition}:dynamodb:{record.region}:{record.account}:table/"
    return _ours(_OWN_TABLE, named, here)


def _ours(own: re.Pattern[str], named: Sequence[str], here: str) -> tuple[str, ...]:
    """Those named that may be ours, as ARNs that begin with `here`; the beginning alone, where a call names none."""
    if not named:
        return (here,)
    return _unique(f"{here}{match[1]}" for match in map(own.fullmatch, named) if match) or NOT_OURS


def _asked_or_answered(record: Record, names: set[str]) -> list[str]:
    """Texts under one of these names (lowercase), in the parameters of a call or in its answer."""
    parts = (record.part("requestParameters"), record.part("responseElements"))
    return [text for part in parts for text in _strings_called(part, names)]


def _strings_called(part: Mapping[str, Any], names: set[str]) -> Iterator[str]:
    """Texts under one of these names (lowercase), at the top or one level down, where some services wrap requests."""
    nested = (value for value in part.values() if isinstance(value, dict))
    for level in (part, *nested):
        yield from (value for name, value in level.items() if name.lower() in names and isinstance(value, str))


def _unique(texts: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


_FINDERS: dict[str, dict[Find, str]] = {
    "s3.amazonaws.com": {
        _bucket: """
            PutBucketPolicy DeleteBucketPolicy PutBucketEncryption DeleteBucketEncryption
            PutBucketPublicAccessBlock DeleteBucketPublicAccessBlock
            PutBucketOwnershipControls DeleteBucketOwnershipControls
            PutBucketAcl PutBucketRequestPayment PutBucketAbac PutBucketTagging DeleteBucketTagging
            CreateBucket DeleteBucket
        """,
        _whole_account: "PutAccountPublicAccessBlock DeleteAccountPublicAccessBlock",
        _access_point: "CreateAccessPoint DeleteAccessPoint PutAccessPointPolicy DeleteAccessPointPolicy",
    },
    "kms.amazonaws.com": {
        _key: """
            PutKeyPolicy DisableKey EnableKey ScheduleKeyDeletion CancelKeyDeletion DeleteKey
            CreateGrant RetireGrant RevokeGrant ImportKeyMaterial DeleteImportedKeyMaterial
            CreateAlias DeleteAlias TagResource UntagResource
        """,
        _moved_alias: "UpdateAlias",
    },
    "iam.amazonaws.com": {
        _role: """
            PutRolePolicy DeleteRolePolicy AttachRolePolicy DetachRolePolicy
            PutRolePermissionsBoundary DeleteRolePermissionsBoundary UpdateAssumeRolePolicy
            CreateRole DeleteRole TagRole UntagRole
        """,
        _policy: "CreatePolicyVersion SetDefaultPolicyVersion DeletePolicyVersion DeletePolicy",
    },
    "organizations.amazonaws.com": {
        _organization: """
            AttachPolicy DetachPolicy UpdatePolicy DeletePolicy EnablePolicyType DisablePolicyType
            MoveAccount AcceptHandshake LeaveOrganization RemoveAccountFromOrganization
        """,
    },
    "ec2.amazonaws.com": {
        _endpoint: "CreateVpcEndpoint ModifyVpcEndpoint DeleteVpcEndpoints",
    },
    "events.amazonaws.com": {
        _rule: "PutRule EnableRule DisableRule DeleteRule PutTargets RemoveTargets",
    },
    "sns.amazonaws.com": {
        _topic: "SetTopicAttributes Subscribe ConfirmSubscription Unsubscribe DeleteTopic",
    },
    # Lambda's names carry the date of its interface:
    # https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html
    "lambda.amazonaws.com": {
        _function: """
            UpdateFunctionCode20150331v2 UpdateFunctionConfiguration20150331v2 DeleteFunction20150331
            PutFunctionConcurrency20171031 DeleteFunctionConcurrency20171031
            CreateEventSourceMapping20150331 UpdateEventSourceMapping20150331 DeleteEventSourceMapping20150331
        """,
    },
    "dynamodb.amazonaws.com": {
        _table: "UpdateTable DeleteTable UpdateTimeToLive UpdateContinuousBackups",
    },
    "cloudtrail.amazonaws.com": {
        _trail: "CreateTrail UpdateTrail DeleteTrail StartLogging StopLogging PutEventSelectors",
    },
}

EVENTS: Mapping[tuple[str, str], Find] = {
    (source, name): find for source, rows in _FINDERS.items() for find, names in rows.items() for name in names.split()
}
"""Every event that can move a lock, a ceiling, or what keeps the watch: (eventSource, eventName) -> how to find what it
touched."""

SERVICE_EVENTS = frozenset({("kms.amazonaws.com", "DeleteKey")})
"""Those of EVENTS that no caller makes: AWS does, and their detail-type is SERVICE_EVENT.
https://docs.aws.amazon.com/kms/latest/developerguide/ct-delete-key.html
"""

# Account-level calls go to the S3 control endpoint; their records say s3.amazonaws.com.
_SAME_SOURCE = {"s3-control.amazonaws.com": "s3.amazonaws.com", "s3control.amazonaws.com": "s3.amazonaws.com"}

_envelope = TypeAdapter(Envelope)
_moment = TypeAdapter(AwareDatetime)


def envelope(text: str | bytes) -> Envelope:
    """The envelope in a queue message. Raises BadEventError, naming each field that is missing or wrong."""
    try:
        return _envelope.validate_json(text)
    except ValidationError as error:
        raise BadEventError(_not_an_envelope(error)) from error


def _not_an_envelope(error: ValidationError) -> str:
    wrong = ((".".join(map(str, row["loc"])) or "the whole", row["msg"]) for row in error.errors(include_url=False))
    told = "; ".join(f"`{where}`: {what}" for where, what in wrong)
    return f"not an event as EventBridge delivers it: {told}; send the whole envelope, not its detail alone"


def read(event: Envelope, *, account: str) -> Change | NoChange:
    """What an event of our own account (`account`) touched.

    Raises ForeignEventError for an event of another account, BadEventError for one that CloudTrail did not make.
    """
    if event.account != account:
        raise ForeignEventError(
            f"the event `{event.id}` is of account `{event.account}`, and only those of `{account}` are believed; "
            "have its own watchdog judge it"
        )
    if event.detail_type not in (API_CALL, SERVICE_EVENT):
        raise BadEventError(f"the detail-type `{event.detail_type}` is not CloudTrail's; mend the rule that matched it")
    return _read(Record(event.detail, event.account, _region(event)), event)


def recorded(detail: Mapping[str, Any], *, account: str, region: str) -> Change | NoChange:
    """What a record that CloudTrail kept touched, for a record of `account` and `region`. Raises BadEventError when it
    does not say when."""
    record = Record(detail, account, region)
    at = _time(record)
    if at is None:
        raise BadEventError("the record has no time")
    return _change(record, at, record.text("eventID"))


def _read(record: Record, event: Envelope) -> Change | NoChange:
    return _change(record, _time(record) or event.time, record.text("eventID") or event.id)


def _change(record: Record, at: datetime, event_id: str) -> Change | NoChange:
    if record.text("errorCode"):
        return NoChange(f"the call was refused: `{record.text('errorCode')}`")
    source = record.text("eventSource")
    find = EVENTS.get((_SAME_SOURCE.get(source, source), record.text("eventName")))
    if not find:
        return NoChange(f"`{record.text('eventName')}` of `{source}` moves no lock")
    resources = find(record)
    if resources == NOT_OURS:
        return NoChange(f"`{record.text('eventName')}` is about nothing of the watchdog's own")
    everything = not resources or any(service in one for one in resources for service in EVERY_CONTRACT)
    return Change(resources, _cause(record, at, event_id, resources), everything=everything)


def _region(event: Envelope) -> str:
    """Where the call was made. The envelope of an event that another region relayed may say the relay's region."""
    stated = event.detail.get("awsRegion")
    return stated if isinstance(stated, str) and stated else event.region


def _cause(record: Record, at: datetime, event_id: str, resources: tuple[str, ...]) -> Cause:
    return Cause(
        kind="change",
        at=at,
        account=record.account,
        region=record.region,
        event_name=record.text("eventName"),
        event_id=event_id,
        actor=_actor(record.part("userIdentity")),
        source_ip=record.text("sourceIPAddress"),
        user_agent=record.text("userAgent"),
        resources=resources,
        tool=tool_of(record.detail),
    )


def _time(record: Record) -> datetime | None:
    try:
        return _moment.validate_python(record.text("eventTime"))
    except ValidationError:
        return None


def _actor(identity: Mapping[str, Any]) -> str:
    """Who made the call, and the AWS service that made it for them, if one did.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
    """
    who = _text(identity, "arn") or _issuer(identity) or _unnamed(identity)
    service = _text(identity, "invokedBy")
    if who and service:
        return f"{who} through {service}"
    return who or service


def _issuer(identity: Mapping[str, Any]) -> str:
    session = identity.get("sessionContext")
    issuer = session.get("sessionIssuer") if isinstance(session, dict) else None
    return _text(issuer, "arn") if isinstance(issuer, dict) else ""


def _unnamed(identity: Mapping[str, Any]) -> str:
    """A caller without an ARN: of another account, or of IAM Identity Center. A service is named by invokedBy."""
    principal, account = _text(identity, "principalId") or _text(identity, "userName"), _text(identity, "accountId")
    if not principal:
        return ""
    return f"{principal} of account {account}" if account else principal


def _text(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) else ""
