"""CloudTrail: the record of each change an administrator makes, taken from the real boto3 call and put on the account's
default bus, as CloudTrail does.

Record contents: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from simulation.bus import EventBridge
from simulation.clock import Clock

DETAIL_TYPE = "AWS API Call via CloudTrail"
GLOBAL_REGION = "us-east-1"  # where the calls of IAM and Organizations are recorded
READS = ("Get", "List", "Describe", "Head", "Simulate", "Lookup")


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody with a role session."""

    account: str
    role: str  # ARN
    session: str
    source_ip: str = "198.51.100.7"
    user_agent: str = "aws-cli/2.31.0"


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as the client saw it."""

    service: str
    operation: str
    region: str
    account: str
    params: Mapping[str, Any]
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the service writes of a call, beyond what every record has."""

    event_name: str
    request: Mapping[str, Any] | None
    response: Mapping[str, Any] | None = None
    resources: tuple[Mapping[str, str], ...] = ()
    extra: Mapping[str, Any] | None = None  # further fields of the record


class Trail:
    """Every account's trail. `records` keeps what was written, oldest first."""

    def __init__(self, bus: EventBridge, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self.records: list[dict[str, Any]] = []

    def watch(self, client: Any, actor: Actor) -> None:
        """From now on, each change that this client makes is recorded as that actor's."""
        events = client.meta.events

        def before(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
            context["simulated-trail-params"] = dict(params)

        def after(parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any) -> None:
            params = context["simulated-trail-params"]
            service = model.service_model.service_name
            call = Call(service, model.name, client.meta.region_name, actor.account, params, parsed)
            if not model.name.startswith(READS):
                self.record(call, actor)

        events.register("before-parameter-build", before)
        events.register("after-call", after)

    def record(self, call: Call, actor: Actor) -> dict[str, Any]:
        """Write the record of a call and send it on its way."""
        record = as_record(call, actor, self._clock.now())
        self.records.append(record)
        source = "aws." + record["eventSource"].partition(".")[0]
        self._bus.emit(actor.account, record["awsRegion"], source, DETAIL_TYPE, record)
        return record


def as_record(call: Call, actor: Actor, at: datetime) -> dict[str, Any]:
    """The CloudTrail record of a call. Raises NotImplementedError for a service that has no entry here."""
    if call.service not in _SERVICES:
        raise NotImplementedError(
            f"the record of `{call.service}:{call.operation}` is not simulated; add it to trail.py"
        )
    source, region, describe = _SERVICES[call.service]
    entry = describe(call)
    error = call.answer.get("Error", {})
    record: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": _identity(actor, at),
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": source,
        "eventName": entry.event_name,
        "awsRegion": region or call.region,
        "sourceIPAddress": actor.source_ip,
        "userAgent": actor.user_agent,
        "requestParameters": entry.request,
        "responseElements": None if error else entry.response,
        **({"errorCode": error["Code"], "errorMessage": error.get("Message", "")} if error else {}),
        **(entry.extra or {}),
        "requestID": str(uuid4()),
        "eventID": str(uuid4()),
        "readOnly": False,
        **({"resources": [dict(resource) for resource in entry.resources]} if entry.resources else {}),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": actor.account,
        "eventCategory": "Management",
    }
    return dict(json.loads(json.dumps(record, default=_plain)))


def _identity(actor: Actor, at: datetime) -> dict[str, Any]:
    name = actor.role.rpartition("/")[2]
    unique_id = "AROA" + name.upper().ljust(17, "X")[:17]
    return {
        "type": "AssumedRole",
        "principalId": f"{unique_id}:{actor.session}",
        "arn": f"arn:aws:sts::{actor.account}:assumed-role/{name}/{actor.session}",
        "accountId": actor.account,
        "accessKeyId": "ASIAEXAMPLEEXAMPLE00",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": unique_id,
                "arn": actor.role,
                "accountId": actor.account,
                "userName": name,
            },
            "attributes": {"creationDate": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "mfaAuthenticated": "true"},
        },
    }


# -- what each service writes ------------------------------------------------------------------------------------------

# boto3's operation -> what CloudTrail calls it, where they differ
_S3_NAMES = {
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "DeleteBucketPublicAccessBlock",
}
# CloudTrail's event name -> the query string that the call carries, which shows up among its parameters
_S3_FLAGS = {
    "PutBucketPolicy": "policy",
    "DeleteBucketPolicy": "policy",
    "PutBucketEncryption": "encryption",
    "DeleteBucketEncryption": "encryption",
    "PutBucketPublicAccessBlock": "publicAccessBlock",
    "DeleteBucketPublicAccessBlock": "publicAccessBlock",
    "PutBucketOwnershipControls": "ownershipControls",
    "DeleteBucketOwnershipControls": "ownershipControls",
    "PutBucketAcl": "acl",
    "PutBucketRequestPayment": "requestPayment",
    "PutBucketTagging": "tagging",
    "DeleteBucketTagging": "tagging",
}
_S3_WITHOUT_RESOURCE = {"CreateBucket"}


def _s3(call: Call) -> Entry:
    name = _S3_NAMES.get(call.operation, call.operation)
    bucket = call.params["Bucket"]
    request = {
        **{key: value for key, value in call.params.items() if key not in {"Bucket", "Policy"}},
        "bucketName": bucket,
        "Host": f"{bucket}.s3.{call.region}.amazonaws.com",
    }
    if "Policy" in call.params:
        request["bucketPolicy"] = _json_or_text(call.params["Policy"])
    if name in _S3_FLAGS:
        request[_S3_FLAGS[name]] = ""
    resource = {"accountId": call.account, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}
    return Entry(
        event_name=name,
        request=request,
        resources=() if name in _S3_WITHOUT_RESOURCE else (resource,),
        extra={"additionalEventData": {"SignatureVersion": "SigV4", "AuthenticationMethod": "AuthHeader"}},
    )


def _s3control(call: Call) -> Entry:
    """Account level: no bucket, and no resources."""
    name = call.operation.replace("PublicAccessBlock", "AccountPublicAccessBlock")
    request = {
        **{key: value for key, value in call.params.items() if key != "AccountId"},
        "publicAccessBlock": "",
        "accountId": call.params["AccountId"],
        "Host": f"{call.account}.s3-control.{call.region}.amazonaws.com",
    }
    return Entry(event_name=name, request=request)


# Operations whose record answers with the key's ARN.
_KMS_ANSWERING = {"DisableKey", "EnableKey", "CancelKeyDeletion", "ScheduleKeyDeletion", "CreateGrant", "RevokeGrant"}


def _kms(call: Call) -> Entry:
    key_id = call.params.get("KeyId") or call.answer.get("KeyMetadata", {}).get("KeyId", "")
    arn = key_id if key_id.startswith("arn:") else f"arn:aws:kms:{call.region}:{call.account}:key/{key_id}"
    response = {"keyId": arn} if call.operation in _KMS_ANSWERING else None
    for field in ("GrantId", "DeletionDate", "KeyState", "PendingWindowInDays"):
        if response is not None and field in call.answer:
            response[_camel(field)] = call.answer[field]
    return Entry(
        event_name=call.operation,
        request=_camels(call.params),
        response=response,
        resources=({"accountId": arn.split(":")[4], "type": "AWS::KMS::Key", "ARN": arn},),
    )


def _iam(call: Call) -> Entry:
    answer = {key: value for key, value in call.answer.items() if key not in {"ResponseMetadata", "Error"}}
    return Entry(event_name=call.operation, request=_camels(call.params), response=_camels(answer) or None)


# service -> eventSource, the region its calls are recorded in (empty: the call's own), what it writes
_SERVICES: dict[str, tuple[str, str, Callable[[Call], Entry]]] = {
    "s3": ("s3.amazonaws.com", "", _s3),
    "s3control": ("s3.amazonaws.com", "", _s3control),
    "kms": ("kms.amazonaws.com", "", _kms),
    "iam": ("iam.amazonaws.com", GLOBAL_REGION, _iam),
}


def _camel(name: str) -> str:
    return name[0].lower() + name[1:]


def _camels(value: Any) -> Any:
    """CloudTrail writes names with a small first letter."""
    if isinstance(value, Mapping):
        return {_camel(key): _camels(inner) for key, inner in value.items()}
    return [_camels(inner) for inner in value] if isinstance(value, list) else value


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _plain(value: Any) -> str:
    return value.strftime("%b %d, %Y, %I:%M:%S %p") if isinstance(value, datetime) else str(value)
