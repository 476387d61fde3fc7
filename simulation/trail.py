"""CloudTrail: the record of each change an administrator makes, taken from the real boto3 call and put on the account's
default bus, as CloudTrail does.

Record contents: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from botocore import xform_name

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
    source_ip: str
    unique_id: str  # the role's, AROA...


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as the client saw it."""

    service: str
    operation: str
    region: str
    account: str
    params: Mapping[str, Any]
    answer: Mapping[str, Any]

    @property
    def command(self) -> str:
        """As it is typed: `s3api.put-bucket-policy`."""
        return f"{'s3api' if self.service == 's3' else self.service}.{xform_name(self.operation, '-')}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the service writes of a call, beyond what every record has."""

    event_name: str
    request: Mapping[str, Any] | None
    response: Mapping[str, Any] | None = None
    resources: tuple[Mapping[str, str], ...] = ()
    extra: Mapping[str, Any] | None = None  # further fields of the record
    host: str = ""  # the endpoint that was called


class Trail:
    """Every account's trail. `records` keeps what was written, oldest first."""

    def __init__(self, bus: EventBridge, clock: Clock, records: list[dict[str, Any]] | None = None) -> None:
        self._bus = bus
        self._clock = clock
        self.records: list[dict[str, Any]] = [] if records is None else records
        self._events: dict[str, str] = {}  # a record's eventID -> the id of the event that carried it

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
        sent = self._bus.emit(actor.account, record["awsRegion"], source, DETAIL_TYPE, record)
        self._events[record["eventID"]] = sent
        return record

    def event_of(self, record: Mapping[str, Any]) -> str:
        """The id of the event that carried a record; relaying keeps it."""
        return self._events[record["eventID"]]


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
        "userAgent": f"aws-cli/2.31.0 ua/2.1 os/linux lang/python md/command#{call.command}",
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
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": entry.host,
        },
    }
    return dict(json.loads(json.dumps(record, default=_plain)))


def _identity(actor: Actor, at: datetime) -> dict[str, Any]:
    name = actor.role.rpartition("/")[2]
    return {
        "type": "AssumedRole",
        "principalId": f"{actor.unique_id}:{actor.session}",
        "arn": f"arn:aws:sts::{actor.account}:assumed-role/{name}/{actor.session}",
        "accountId": actor.account,
        "accessKeyId": "ASIAEXAMPLEEXAMPLE00",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": actor.unique_id,
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
    host = f"{bucket}.s3.{call.region}.amazonaws.com"
    request: dict[str, Any] = {"bucketName": bucket, "Host": host}
    if name in _S3_FLAGS:
        request[_S3_FLAGS[name]] = ""
    request |= _s3_body(call.params, "http://s3.amazonaws.com/doc/2006-03-01/")
    resource = {"accountId": call.account, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}
    return Entry(
        event_name=name,
        request=request,
        resources=() if name in _S3_WITHOUT_RESOURCE else (resource,),
        extra=_s3_extra(request),
        host=host,
    )


_S3CONTROL = "http://awss3control.amazonaws.com/doc/2018-08-20/"


def _s3control(call: Call) -> Entry:
    """Account level: no bucket, and no resources. What is sent of an access point stands under the call's own name."""
    host = f"{call.account}.s3-control.{call.region}.amazonaws.com"
    if "AccessPoint" in call.operation:
        sent = {key: value for key, value in call.params.items() if key not in ("AccountId", "Name")}
        body = {f"{call.operation}Request": {"xmlns": _S3CONTROL, **_as_xml(sent)}} if sent else {}
        request: dict[str, Any] = {"Host": host, "name": call.params["Name"], **body}
    else:
        request = {"publicAccessBlock": "", "Host": host, **_s3_body(call.params, _S3CONTROL)}
    name = call.operation.replace("PublicAccessBlock", "AccountPublicAccessBlock")
    return Entry(event_name=name, request=request, extra=_s3_extra(request), host=host)


def _s3_body(params: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """What is sent as a document: a policy as JSON, everything else as the XML has it, with its namespace."""
    body: dict[str, Any] = {}
    for key, value in params.items():
        if key == "Policy":
            body["bucketPolicy"] = _json_or_text(value)
        elif isinstance(value, Mapping):
            body[key] = {"xmlns": namespace, **_as_xml(value)}
    return body


def _as_xml(value: Mapping[str, Any]) -> dict[str, Any]:
    """`Rules: [one]` is `<Rule>one</Rule>`."""
    return {
        (key.removesuffix("s") if isinstance(inner, list) else key): (
            inner[0] if isinstance(inner, list) and len(inner) == 1 else inner
        )
        for key, inner in value.items()
    }


def _s3_extra(request: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "additionalEventData": {
            "SignatureVersion": "SigV4",
            "CipherSuite": "TLS_AES_128_GCM_SHA256",
            "bytesTransferredIn": len(json.dumps(request.get("bucketPolicy", {}))),
            "AuthenticationMethod": "AuthHeader",
            "x-amz-id-2": uuid4().hex,
            "bytesTransferredOut": 0,
        }
    }


def _kms(call: Call) -> Entry:
    key_id = call.params.get("KeyId") or call.answer.get("KeyMetadata", {}).get("KeyId", "")
    arn = key_id if key_id.startswith("arn:") else f"arn:aws:kms:{call.region}:{call.account}:key/{key_id}"
    # moto leaves out of an answer what can be told from the call.
    told = {**_KMS_ANSWERS.get(call.operation, {}), **call.params, **call.answer}
    answered = _KMS_ANSWERED.get(call.operation, ())
    response = {"keyId": arn, **{_camel(field): told[field] for field in answered if field in told}}
    return Entry(
        event_name=call.operation,
        request={**_camels(call.params), **_KMS_DEFAULTS.get(call.operation, {})},
        response=response,
        resources=({"accountId": arn.split(":")[4], "type": "AWS::KMS::Key", "ARN": arn},),
        host=f"kms.{call.region}.amazonaws.com",
    )


_KMS_ANSWERED = {
    "CreateGrant": ("GrantId",),
    "ScheduleKeyDeletion": ("KeyState", "DeletionDate", "PendingWindowInDays"),
}
_KMS_ANSWERS = {"ScheduleKeyDeletion": {"KeyState": "PendingDeletion", "PendingWindowInDays": 30}}
_KMS_DEFAULTS = {"PutKeyPolicy": {"bypassPolicyLockoutSafetyCheck": False}}


def _iam(call: Call) -> Entry:
    answer = {key: value for key, value in call.answer.items() if key not in {"ResponseMetadata", "Error"}}
    return Entry(
        event_name=call.operation,
        request=_camels(call.params),
        response=_camels(answer) or None,
        host="iam.amazonaws.com",
    )


def _organization(call: Call) -> Entry:
    return Entry(
        event_name=call.operation, request=_camels(call.params) or None, host="organizations.us-east-1.amazonaws.com"
    )


def _ec2(call: Call) -> Entry:
    """EC2 wraps what it was sent. How exactly, of these calls, no public record shows; events.py takes any form."""
    sent = {name: _listed(value) for name, value in call.params.items()}
    return Entry(
        event_name=call.operation,
        request={f"{call.operation}Request": sent},
        host=f"ec2.{call.region}.amazonaws.com",
    )


def _listed(value: Any) -> Any:
    """Its lists are numbered objects."""
    return {"tag": 1, "content": value[0]} if isinstance(value, list) and len(value) == 1 else value


def _as_sent(call: Call) -> Entry:
    answer = {key: value for key, value in call.answer.items() if key not in {"ResponseMetadata", "Error"}}
    return Entry(
        event_name=call.operation,
        request=_camels(call.params),
        response=_camels(answer) or None,
        host=f"{call.service}.{call.region}.amazonaws.com",
    )


# https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html
_LAMBDA_NAMES = {
    **{name: f"{name}20150331v2" for name in ("UpdateFunctionCode", "UpdateFunctionConfiguration")},
    **{name: f"{name}20171031" for name in ("PutFunctionConcurrency", "DeleteFunctionConcurrency")},
}


def _lambda(call: Call) -> Entry:
    """Most of Lambda's calls bear the date of its interface in their names."""
    return replace(_as_sent(call), event_name=_LAMBDA_NAMES.get(call.operation, f"{call.operation}20150331"))


# service -> eventSource, the region its calls are recorded in (empty: the call's own), what it writes
_SERVICES: dict[str, tuple[str, str, Callable[[Call], Entry]]] = {
    "s3": ("s3.amazonaws.com", "", _s3),
    "s3control": ("s3.amazonaws.com", "", _s3control),
    "kms": ("kms.amazonaws.com", "", _kms),
    "iam": ("iam.amazonaws.com", GLOBAL_REGION, _iam),
    "ec2": ("ec2.amazonaws.com", "", _ec2),
    "organizations": ("organizations.amazonaws.com", GLOBAL_REGION, _organization),
    "cloudtrail": ("cloudtrail.amazonaws.com", "", _as_sent),
    "events": ("events.amazonaws.com", "", _as_sent),
    "sns": ("sns.amazonaws.com", "", _as_sent),
    "lambda": ("lambda.amazonaws.com", "", _lambda),
    "dynamodb": ("dynamodb.amazonaws.com", "", _as_sent),
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
