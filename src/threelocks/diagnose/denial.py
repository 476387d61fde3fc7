"""A refused read, taken from one CloudTrail record: who asked, for what, and what AWS answered.

Records are evidence about one moment, in words that AWS wrote and callers could choose parts of: object keys, session
names and user agents are theirs. Everything kept from a record is checked against a shape, or made visible and cut.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
https://docs.aws.amazon.com/kms/latest/developerguide/ct-decrypt.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from threelocks.policy.arn import partition_of
from threelocks.spelling import shown, visible

# CloudTrail's name of a call -> the IAM action that it needs, by service.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html: HeadObject needs s3:GetObject, and ListObjectsV2,
# which is recorded as ListObjects with `list-type: 2`, s3:ListBucket.
ACTIONS: Mapping[tuple[str, str], str] = {
    ("s3.amazonaws.com", "GetObject"): "s3:GetObject",
    ("s3.amazonaws.com", "HeadObject"): "s3:GetObject",
    ("s3.amazonaws.com", "ListObjects"): "s3:ListBucket",
    ("s3.amazonaws.com", "ListObjectsV2"): "s3:ListBucket",
    ("kms.amazonaws.com", "Decrypt"): "kms:Decrypt",
}
_OF_A_VERSION = {"s3:GetObject": "s3:GetObjectVersion"}

# S3 asks KMS in the reader's name, by forward access sessions; older records say "AWS Internal".
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html
_S3_ITSELF = frozenset({"fas.s3.amazonaws.com", "s3.amazonaws.com", "AWS Internal"})

# Errors that say nothing of permission: the object is not there or not as wished, or the service was busy.
_NO_REFUSAL = frozenset(
    """
    NoSuchKey NoSuchVersion NotModified PreconditionFailed InvalidRange InvalidObjectState MethodNotAllowed
    InvalidArgument InvalidRequest InvalidBucketName PermanentRedirect TemporaryRedirect Redirect
    SlowDown Throttling ThrottlingException RequestTimeout InternalError KMSInternalException InternalFailure
    ServiceUnavailable DependencyTimeoutException KeyUnavailableException LimitExceededException
    DryRunOperationException 304 404 405 409 412 416 500 503
    """.split()
)

_LONGEST_MESSAGE = 1024  # CloudTrail cuts errorMessage there, and a record may come from elsewhere
_LONGEST_NAME = 256
_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_UNIQUE_ID = re.compile(r"A[A-Z0-9]{15,127}", re.ASCII)
_ROLE = re.compile(r"arn:[a-z-]+:iam::([0-9]{12}):role/(?:[\x21-\x7e]+/)?([\w+=,.@-]{1,64})", re.ASCII)
_SESSION = re.compile(r"arn:[a-z-]+:sts::([0-9]{12}):assumed-role/([\w+=,.@-]{1,64})/([\w+=,.@-]{1,64})", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_BUCKET = re.compile(r"arn:[a-z-]+:s3:::([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.ASCII | re.DOTALL)
_KEYS = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}", re.ASCII)
_ENDPOINT = re.compile(r"vpce-[0-9a-f]{1,32}", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9.]{1,80}", re.ASCII)

_moment = TypeAdapter(AwareDatetime)


class BadDenialError(ValueError):
    """A record of a refused read that does not say when it was."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked; every part may be empty. The owner's copy of a cross-account denial has no ARN, only the unique id."""

    account: str
    role_arn: str = ""  # the session's issuer
    role_name: str = ""
    unique_id: str = ""  # AROA...
    session: str = ""

    @property
    def named(self) -> str:
        """As people can find it: the role, or the id when the record has no more."""
        who = self.role_arn or (f"role {self.role_name} of {self.account}" if self.role_name else self.unique_id)
        with_session = f"{who}, session {self.session}" if who and self.session else who
        return with_session or (f"a caller of {self.account}" if self.account else "an unnamed caller")


@dataclass(frozen=True, slots=True)
class Denial:
    """One refused read, in one account's trail."""

    event_id: str
    shared_id: str  # CloudTrail's sharedEventID: the same in both accounts' records of one call; may be empty
    at: datetime
    recipient: str  # in whose trail
    event_name: str
    action: str  # "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "kms:Decrypt"
    code: str  # AWS's, without the `KMS.` that S3 puts before it
    message: str  # on one line, made visible, cut
    caller: Caller
    bucket: str = ""  # ARN
    object_key: str | None = None  # None: a listing, or not known
    prefix: str | None = None  # of a listing; None: the caller named none
    keys: tuple[str, ...] = ()  # ARNs of KMS keys that the record names
    for_s3: bool = False  # a Decrypt that S3 asked for
    owner: str = ""  # the account that the record says the bucket belongs to
    endpoint: str = ""  # vpce-...

    @property
    def of_kms(self) -> bool:
        return self.action.startswith("kms:")

    @property
    def request(self) -> str:
        """What was asked for, in words."""
        if self.of_kms:
            return f"{self.action} with {self.keys[0] if self.keys else 'a key that the record does not name'}"
        name = self.bucket.rpartition(":")[2]
        if self.action == "s3:ListBucket":
            return f"{self.action} on s3://{name}/{_cut(visible(self.prefix or ''))}"
        return f"{self.action} on s3://{name}/{_cut(visible(self.object_key or ''))}"


@dataclass(frozen=True, slots=True)
class NotDenied:
    """A record that tells of no refused read."""

    reason: str


def read(record: Mapping[str, Any]) -> Denial | NotDenied:
    """What a record tells of a refused read. Raises BadDenialError when one of them has no time that can be used."""
    code = _text(record, "errorCode").removeprefix("KMS.")
    source, name = _text(record, "eventSource"), _text(record, "eventName")
    action = ACTIONS.get((source, name))
    if action is None:
        return NotDenied(f"{shown(name)} of {shown(source)} is no read of objects")
    if not code:
        return NotDenied("the call succeeded")
    if code in _NO_REFUSAL:
        return NotDenied(f"{shown(code)} is no refusal")
    parameters, context = _part(record, "requestParameters"), _context(record)
    message = _cut(visible(_one_line(_text(record, "errorMessage"))), _LONGEST_MESSAGE)
    listed = list(_arns(record))
    if not action.startswith("kms:") and _has(parameters, "versionId"):
        action = _OF_A_VERSION.get(action, action)
    bucket, key = _object(record, parameters, (context, *listed))
    return Denial(
        event_id=_shaped(_ID, _text(record, "eventID")),
        shared_id=_shaped(_ID, _text(record, "sharedEventID")),
        at=_time(record),
        recipient=_shaped(_ACCOUNT, _text(record, "recipientAccountId")),
        event_name=name,
        action=action,
        code=_shaped(_CODE, code) or "unreadable",
        message=message,
        caller=_caller(_part(record, "userIdentity")),
        bucket=bucket,
        object_key=key if action != "s3:ListBucket" else None,
        prefix=_text(parameters, "prefix") if action == "s3:ListBucket" and _has(parameters, "prefix") else None,
        keys=_keys(listed, parameters, message) if action.startswith("kms:") else _keys((), {}, message),
        for_s3=_asked_by_s3(record),
        owner=_owner(record),
        endpoint=_shaped(_ENDPOINT, _text(record, "vpcEndpointId")),
    )


def _time(record: Mapping[str, Any]) -> datetime:
    try:
        return _moment.validate_python(_text(record, "eventTime"))
    except ValidationError as error:
        raise BadDenialError(
            f"its `eventTime` is {shown(record.get('eventTime'))}; give it as CloudTrail does, 2026-03-01T10:15:30Z"
        ) from error


def _caller(identity: Mapping[str, Any]) -> Caller:
    """https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html"""
    issuer = _part(_part(identity, "sessionContext"), "sessionIssuer")
    role = _ROLE.fullmatch(_text(issuer, "arn"))
    session = _SESSION.fullmatch(_text(identity, "arn"))
    unique, _, name = _text(identity, "principalId").partition(":")
    account = _shaped(_ACCOUNT, _text(identity, "accountId")) or (session[1] if session else "")
    return Caller(
        account=account or (role[1] if role else ""),
        role_arn=role[0] if role else "",
        role_name=role[2] if role else (session[2] if session else ""),
        unique_id=_shaped(_UNIQUE_ID, unique) or _shaped(_UNIQUE_ID, _text(issuer, "principalId")),
        session=session[3] if session else _cut(visible(name), 64),
    )


def _asked_by_s3(record: Mapping[str, Any]) -> bool:
    by = (_text(_part(record, "userIdentity"), "invokedBy"), _text(record, "sourceIPAddress"))
    return any(who in _S3_ITSELF for who in by)


def _context(record: Mapping[str, Any]) -> str:
    """What S3 tells KMS it is about: the object's ARN or, under S3 Bucket Keys, the bucket's."""
    return _text(_part(_part(record, "requestParameters"), "encryptionContext"), "aws:s3:arn")


def _object(record: Mapping[str, Any], parameters: Mapping[str, Any], arns: tuple[str, ...]) -> tuple[str, str | None]:
    """The bucket's ARN and the object's key, as far as the record names them."""
    named = [match for arn in arns if (match := _BUCKET.fullmatch(arn))]
    name = _shaped(_NAME, _text(parameters, "bucketName")) or next((match[1] for match in named), "")
    key = _text(parameters, "key") if _has(parameters, "key") else None
    if key is None:
        key = next((match[2] for match in named if match[2] and match[1] == name), None)
    return (f"arn:{partition_of(_text(record, 'awsRegion'))}:s3:::{name}" if name else ""), key


def _keys(listed: list[str] | tuple[()], parameters: Mapping[str, Any], message: str) -> tuple[str, ...]:
    """`resources[]` has the key's ARN; on denial it may be missing, and only the message has it."""
    candidates = [arn for arn in (*listed, _text(parameters, "keyId")) if _KEYS.fullmatch(arn)]
    return tuple(dict.fromkeys(candidates or _KEYS.findall(message)))


def _resources(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    rows = record.get("resources")
    return (row for row in (rows if isinstance(rows, list) else []) if isinstance(row, Mapping))


def _arns(record: Mapping[str, Any]) -> Iterator[str]:
    for row in _resources(record):
        arn = _text(row, "ARN") or _text(row, "arn")
        if arn:
            yield arn


def _owner(record: Mapping[str, Any]) -> str:
    """Blank in the requester's copy of a denied call."""
    rows = (row for row in _resources(record) if _text(row, "type") == "AWS::S3::Bucket")
    return next((account for row in rows if (account := _shaped(_ACCOUNT, _text(row, "accountId")))), "")


def _one_line(text: str) -> str:
    return " ".join(text[: 4 * _LONGEST_MESSAGE].split())


def _cut(text: str, limit: int = _LONGEST_NAME) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _shaped(shape: re.Pattern[str], text: str) -> str:
    return text if shape.fullmatch(text) else ""


def _has(part: Mapping[str, Any], name: str) -> bool:
    return isinstance(part.get(name), str)


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within; empty when it is null, cut or something else."""
    value = whole.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) else ""
