"""Which permissions a call needs: its IAM actions, each on which resource.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
Only the calls that the functions make; any other is refused, so that a new one cannot pass unasked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.cloudformation.models import cloudformation_backends
from moto.sns.models import sns_backends


@dataclass(frozen=True, slots=True)
class Need:
    """One action on one resource. `via` is the service that asks KMS in the caller's name."""

    action: str
    resource: str
    via: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call is made."""

    account: str
    region: str


def needs(service: str, operation: str, params: Mapping[str, Any], place: Place) -> tuple[Need, ...]:
    """What the caller must be allowed. Raises NotImplementedError for a call that is not known here."""
    if service not in _RESOURCES:
        raise NotImplementedError(
            f"the permissions of `{service}:{operation}` are not simulated; add them to actions.py"
        )
    if (service, operation) == ("dynamodb", "TransactWriteItems"):
        return tuple(_of_item(item, place) for item in params["TransactItems"])
    if (service, operation) == ("events", "PutEvents"):
        return ()  # the bus asks for itself
    action = _NAMED_OTHERWISE.get((service, operation), f"{service}:{operation}")
    own = Need(action, _RESOURCES[service](params, place))
    return (own, *_of_encrypted(own.resource)) if action == "sns:Publish" else (own,)


# The API's name of a call is not always IAM's.
_NAMED_OTHERWISE = {
    ("s3", "GetBucketEncryption"): "s3:GetEncryptionConfiguration",
    ("s3", "GetPublicAccessBlock"): "s3:GetBucketPublicAccessBlock",
    ("s3control", "GetPublicAccessBlock"): "s3:GetAccountPublicAccessBlock",
    ("s3control", "ListAccessPoints"): "s3:ListAccessPoints",
    ("s3control", "GetAccessPointPolicy"): "s3:GetAccessPointPolicy",
    ("s3", "ListBuckets"): "s3:ListAllMyBuckets",
    ("sqs", "SendMessageBatch"): "sqs:SendMessage",
}
_OF_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


def _of_encrypted(topic: str) -> tuple[Need, ...]:
    """Who publishes to an encrypted topic needs its key, too.
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    _, _, _, region, account, _ = topic.split(":")
    key = sns_backends[account][region].topics[topic].kms_master_key_id
    arn = f"arn:aws:kms:{region}:{account}:key/{key}"
    via = f"sns.{region}.amazonaws.com"
    return tuple(Need(action, arn, via) for action in ("kms:GenerateDataKey", "kms:Decrypt")) if key else ()


def _of_item(item: Mapping[str, Any], place: Place) -> Need:
    ((kind, request),) = item.items()
    return Need(f"dynamodb:{_OF_TRANSACTION[kind]}", _table(request, place))


def _table(params: Mapping[str, Any], place: Place) -> str:
    name = params["TableName"] if "TableName" in params else next(iter(params["RequestItems"]))
    return f"arn:aws:dynamodb:{place.region}:{place.account}:table/{name}"


def _rule(params: Mapping[str, Any], place: Place) -> str:
    name = params.get("Name") or params.get("Rule")
    return f"arn:aws:events:{place.region}:{place.account}:rule/{name}" if name else "*"


def _queue(params: Mapping[str, Any], place: Place) -> str:
    if "QueueName" in params:
        return f"arn:aws:sqs:{place.region}:{place.account}:{params['QueueName']}"
    host, account, name = params["QueueUrl"].removeprefix("https://").split("/")
    return f"arn:aws:sqs:{host.split('.')[1]}:{account}:{name}"


def _key(params: Mapping[str, Any], place: Place) -> str:
    key = params["KeyId"]
    return key if key.startswith("arn:") else f"arn:aws:kms:{place.region}:{place.account}:key/{key}"


def _of_iam(params: Mapping[str, Any], place: Place) -> str:
    return str(params.get("PolicyArn") or f"arn:aws:iam::{place.account}:role/{params['RoleName']}")


def _stack(params: Mapping[str, Any], place: Place) -> str:
    """A stack's ARN ends with an id that the caller need not know."""
    stacks = cloudformation_backends[place.account][place.region].stacks.values()
    return next((stack.stack_id for stack in stacks if stack.name == params["StackName"]), "*")


def _of_account(params: Mapping[str, Any], place: Place) -> str:
    """An access point, or the account as a whole."""
    return f"arn:aws:s3:{place.region}:{place.account}:accesspoint/{params['Name']}" if "Name" in params else "*"


_RESOURCES: dict[str, Callable[[Mapping[str, Any], Place], str]] = {
    "cloudformation": _stack,
    "lambda": lambda params, place: f"arn:aws:lambda:{place.region}:{place.account}:function:{params['FunctionName']}",
    "cloudtrail": lambda params, _: str(params.get("Name") or params.get("TrailName") or "*"),
    "dynamodb": _table,
    "ec2": lambda _params, _place: "*",
    "events": _rule,
    "organizations": lambda _params, _place: "*",
    "sqs": _queue,
    "kms": _key,
    "iam": _of_iam,
    "s3": lambda params, _: f"arn:aws:s3:::{params['Bucket']}" if "Bucket" in params else "*",
    "s3control": _of_account,
    "sns": lambda params, _: str(params["TopicArn"]),
    "sts": lambda params, _: str(params["RoleArn"]),
}
