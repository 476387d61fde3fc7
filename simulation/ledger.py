"""One account's AWS as a ledger: it answers what the functions ask, from memory, and counts every call.

For load runs, which moto is too slow for. What it answers is made from policies that it is given; the table, the queues
and the topic keep what is put into them. `tests/integration/test_load_agrees.py` holds its calls against moto's.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any

from botocore.exceptions import ClientError

from threelocks.aws.session import Credentials

Item = dict[str, Any]


def refused(code: str, operation: str, **more: Any) -> ClientError:
    """The error that boto3 raises for an answer with that code."""
    answer: Any = {"Error": {"Code": code, "Message": code}, **more}
    return ClientError(answer, operation)


@dataclass
class Table:
    """DynamoDB, as far as the store uses it."""

    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    sorted_by: dict[str, set[str]] = field(default_factory=dict)  # pk -> its sks
    lock: Any = field(default_factory=RLock)

    def get_item(self, *, Key: Item, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's names
        item = self.items.get(_key(Key))
        return {"Item": dict(item)} if item else {}

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        ((name, asked),) = RequestItems.items()
        wanted = asked["ProjectionExpression"].split(", ") if "ProjectionExpression" in asked else None
        found = [self.items[_key(key)] for key in asked["Keys"] if _key(key) in self.items]
        rows = [{name: value for name, value in item.items() if wanted is None or name in wanted} for item in found]
        return {"Responses": {name: rows}, "UnprocessedKeys": {}}

    def query(self, *, ExpressionAttributeValues: Item, **_: Any) -> dict[str, Any]:  # noqa: N803
        (pk,) = ExpressionAttributeValues.values()
        return {"Items": [{"sk": {"S": sk}} for sk in sorted(self.sorted_by.get(pk["S"], ()))]}

    def transact_write_items(self, *, TransactItems: list[Item]) -> dict[str, Any]:  # noqa: N803
        with self.lock:
            writes = [next(iter(each.items())) for each in TransactItems]
            held = [_holds(self.items.get(_of(kind, write)), write) for kind, write in writes]
            if not all(held):
                reasons = [{"Code": "None" if each else "ConditionalCheckFailed"} for each in held]
                raise refused("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)
            for kind, write in writes:
                pk, sk = _of(kind, write)
                if kind == "Put":
                    self.items[pk, sk] = write["Item"]
                    self.sorted_by.setdefault(pk, set()).add(sk)
                elif kind == "Delete" and self.items.pop((pk, sk), None) is not None:
                    self.sorted_by[pk].discard(sk)
        return {}


def _key(key: Item) -> tuple[str, str]:
    return key["pk"]["S"], key["sk"]["S"]


def _of(kind: str, write: Item) -> tuple[str, str]:
    return _key(write["Item"] if kind == "Put" else write["Key"])


def _holds(item: Item | None, write: Item) -> bool:
    condition = write.get("ConditionExpression")
    if condition is None:
        return True
    if condition == "attribute_not_exists(pk)":
        return item is None
    if condition == "#name = :value":
        name = write["ExpressionAttributeNames"]["#name"]
        return item is not None and item.get(name) == write["ExpressionAttributeValues"][":value"]
    raise NotImplementedError(f"condition `{condition}` is not kept here; add it to ledger.py")


@dataclass
class Ledger:
    """An ActingSource. `buckets`, `keys` and `roles` are policies by name, ARN and name; `key_of` a bucket's key."""

    account: str
    now: Callable[[], datetime]
    buckets: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    key_of: dict[str, str] = field(default_factory=dict)
    region: str = "eu-west-1"
    calls: Counter[str] = field(default_factory=Counter)  # "s3:get_bucket_policy"
    about: Counter[tuple[str, str]] = field(default_factory=Counter)  # the same, and on what
    table: Table = field(default_factory=Table)
    queues: dict[str, deque[tuple[datetime, str]]] = field(default_factory=dict)  # URL -> (visible from, body)
    mails: list[dict[str, Any]] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    rules: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)  # (region, target) -> name -> pattern

    def client(self, service: str, region: str) -> Any:
        return _Client(self, service, region)

    def acting_as(self, _: Credentials) -> Ledger:
        return self

    def send(self, url: str, body: str, *, delay: float = 0) -> None:
        """Put a message on a queue, to be seen after so many seconds."""
        self.queues.setdefault(url, deque()).append((self.now() + timedelta(seconds=delay), body))

    def take(self, url: str, number: int) -> list[str]:
        """Up to so many messages that are visible by now."""
        queue = self.queues.get(url, deque())
        now = self.now()
        taken: list[tuple[datetime, str]] = []
        later: list[tuple[datetime, str]] = []
        while queue and len(taken) < number:
            at, body = queue.popleft()
            (taken if at <= now else later).append((at, body))
        queue.extendleft(reversed(later))
        return [body for _, body in taken]

    def reads(self) -> int:
        """Calls that read a lock."""
        return sum(number for call, number in self.calls.items() if call.split(":")[0] in LOCK_SERVICES)


LOCK_SERVICES = frozenset({"s3", "s3control", "kms", "iam"})


@dataclass(frozen=True)
class _Client:
    ledger: Ledger
    service: str
    region: str

    def __getattr__(self, method: str) -> Any:
        answers = _SERVICES[self.service](self.ledger, self.region)
        if method == "get_paginator":
            return lambda operation: _Pages(getattr(self, operation))
        if not hasattr(answers, method):
            raise NotImplementedError(f"`{self.service}:{method}` has no answer here; add it to ledger.py")
        answer = getattr(answers, method)

        def call(**parameters: Any) -> Any:
            self.ledger.calls[f"{self.service}:{method}"] += 1
            about = next((str(parameters[name]) for name in _NAMES if name in parameters), "")
            self.ledger.about[f"{self.service}:{method}", about] += 1
            return answer(**parameters)

        return call


# By which parameter a call says what it is about.
_NAMES = (
    "Bucket",
    "KeyId",
    "RoleName",
    "PolicyArn",
    "AccountId",
    "TargetArn",
    "Rule",
    "Name",
    "QueueName",
    "QueueUrl",
    "TrailName",
)


@dataclass(frozen=True)
class _Pages:
    call: Callable[..., Any]

    def paginate(self, **parameters: Any) -> Iterator[Any]:
        yield self.call(**parameters)


@dataclass(frozen=True)
class _Answers:
    ledger: Ledger
    region: str


_BLOCK = {"PublicAccessBlockConfiguration": dict.fromkeys(("BlockPublicAcls", "RestrictPublicBuckets"), True)}


class _S3(_Answers):
    def get_bucket_location(self, **_: Any) -> Any:
        return {"LocationConstraint": self.ledger.region}

    def get_bucket_policy(self, *, Bucket: str, **_: Any) -> Any:  # noqa: N803
        return {"Policy": self.ledger.buckets[Bucket]}

    def get_bucket_policy_status(self, **_: Any) -> Any:
        return {"PolicyStatus": {"IsPublic": False}}

    def get_public_access_block(self, **_: Any) -> Any:
        return _BLOCK

    def get_bucket_encryption(self, *, Bucket: str, **_: Any) -> Any:  # noqa: N803
        by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self.ledger.key_of[Bucket]}
        rule = {"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}
        return {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}

    def get_bucket_ownership_controls(self, **_: Any) -> Any:
        return {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}

    def get_bucket_acl(self, **_: Any) -> Any:
        return {"Owner": {"ID": "owner"}, "Grants": []}

    def get_bucket_request_payment(self, **_: Any) -> Any:
        return {"Payer": "BucketOwner"}


class _S3Control(_Answers):
    def get_public_access_block(self, **_: Any) -> Any:
        return _BLOCK


class _Kms(_Answers):
    def describe_key(self, *, KeyId: str) -> Any:  # noqa: N803
        return {"KeyMetadata": {"Arn": KeyId, "KeyState": "Enabled", "KeyManager": "CUSTOMER"}}

    def list_key_policies(self, **_: Any) -> Any:
        return {"PolicyNames": ["default"], "Truncated": False}

    def get_key_policy(self, *, KeyId: str, **_: Any) -> Any:  # noqa: N803
        return {"Policy": self.ledger.keys[KeyId]}

    def list_grants(self, **_: Any) -> Any:
        return {"Grants": [], "Truncated": False}


_TRUST = '{"Version": "2012-10-17", "Statement": []}'


class _Iam(_Answers):
    def get_role(self, *, RoleName: str) -> Any:  # noqa: N803
        if RoleName not in self.ledger.roles:
            raise refused("NoSuchEntity", "GetRole")
        arn = f"arn:aws:iam::{self.ledger.account}:role/{RoleName}"
        return {"Role": {"Arn": arn, "RoleId": "AROAEXAMPLE123456789", "AssumeRolePolicyDocument": _TRUST}}

    def list_role_policies(self, **_: Any) -> Any:
        return {"PolicyNames": ["read"], "IsTruncated": False}

    def get_role_policy(self, *, RoleName: str, **_: Any) -> Any:  # noqa: N803
        return {"PolicyDocument": self.ledger.roles[RoleName]}

    def list_attached_role_policies(self, **_: Any) -> Any:
        return {"AttachedPolicies": [], "IsTruncated": False}


class _DynamoDb(_Answers):
    def __getattr__(self, method: str) -> Any:
        return getattr(self.ledger.table, method)

    def describe_table(self, **_: Any) -> Any:
        return {"Table": {"DeletionProtectionEnabled": True}}

    def describe_time_to_live(self, **_: Any) -> Any:
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}}

    def describe_continuous_backups(self, **_: Any) -> Any:
        recovery = {"PointInTimeRecoveryStatus": "ENABLED"}
        return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": recovery}}


class _Lambda(_Answers):
    """Functions as they were deployed, fed by the queue that the rules send to; none where there are no rules."""

    def get_function(self, **_: Any) -> Any:
        if not self.ledger.rules:
            raise refused("ResourceNotFoundException", "GetFunction")
        names = {"CodeSha256": "code", "Handler": "handler", "Runtime": "python3.13", "Role": "role"}
        return {"Configuration": {**names, "State": "Active"}}

    def list_event_source_mappings(self, *, FunctionName: str, **_: Any) -> Any:  # noqa: N803
        queues = {target for _, target in self.ledger.rules if ":sqs:" in target}
        fed = queues if FunctionName.endswith("-on-change") else ()
        return {"EventSourceMappings": [{"EventSourceArn": arn, "State": "Enabled"} for arn in sorted(fed)]}


class _CloudFormation(_Answers):
    def describe_stacks(self, **_: Any) -> Any:
        made = datetime(2026, 11, 20, tzinfo=UTC)
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "CreationTime": made}]}


class _Sqs(_Answers):
    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int = 0) -> Any:  # noqa: N803
        self.ledger.send(QueueUrl, MessageBody, delay=DelaySeconds)
        return {}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Mapping[str, Any]]) -> Any:  # noqa: N803
        for entry in Entries:
            self.send_message(QueueUrl=QueueUrl, MessageBody=entry["MessageBody"])
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def get_queue_url(self, *, QueueName: str) -> Any:  # noqa: N803
        return {"QueueUrl": f"https://sqs.{self.region}.amazonaws.com/{self.ledger.account}/{QueueName}"}

    def get_queue_attributes(self, **_: Any) -> Any:
        return {"Attributes": {"ApproximateNumberOfMessages": "0"}}


class _Sns(_Answers):
    def publish(self, **parameters: Any) -> Any:
        self.ledger.mails.append(parameters)
        return {}

    def get_topic_attributes(self, **_: Any) -> Any:
        return {"Attributes": {"SubscriptionsConfirmed": "1"}}


class _Events(_Answers):
    def put_events(self, *, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803
        self.ledger.reports += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "e"} for _ in Entries]}

    def list_rule_names_by_target(self, *, TargetArn: str, **_: Any) -> Any:  # noqa: N803
        return {"RuleNames": sorted(self.ledger.rules.get((self.region, TargetArn), {}))}

    def describe_rule(self, *, Name: str) -> Any:  # noqa: N803
        arn = f"arn:aws:events:{self.region}:{self.ledger.account}:rule/{Name}"
        of_region = {name: row for (region, _), rows in self.ledger.rules.items() for name, row in rows.items()}
        return {"Arn": arn, "State": "ENABLED", "EventPattern": of_region[Name]}

    def list_targets_by_rule(self, *, Rule: str) -> Any:  # noqa: N803
        queue = f"arn:aws:sqs:{self.region}:{self.ledger.account}:relay-RelayDeadLetters"
        targets = [
            target for (region, target), rows in self.ledger.rules.items() if region == self.region and Rule in rows
        ]
        return {"Targets": [{"Id": "home", "Arn": each, "DeadLetterConfig": {"Arn": queue}} for each in targets]}


class _CloudTrail(_Answers):
    """One trail, which records everything."""

    def describe_trails(self, **_: Any) -> Any:
        arn = f"arn:aws:cloudtrail:{self.ledger.region}:{self.ledger.account}:trail/evidence"
        known = {"TrailARN": arn, "HomeRegion": self.ledger.region}
        return {"trailList": [{**known, "IsMultiRegionTrail": True, "IncludeGlobalServiceEvents": True}]}

    def get_trail_status(self, **_: Any) -> Any:
        return {"IsLogging": True}

    def get_event_selectors(self, **_: Any) -> Any:
        objects = [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]
        return {"EventSelectors": [{"ReadWriteType": "All", "DataResources": objects}]}


class _Sts(_Answers):
    def assume_role(self, **_: Any) -> Any:
        keys = {"AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t"}
        return {"Credentials": {**keys, "Expiration": self.ledger.now() + timedelta(hours=1)}}


_SERVICES: dict[str, Callable[[Ledger, str], Any]] = {
    "s3": _S3,
    "s3control": _S3Control,
    "kms": _Kms,
    "iam": _Iam,
    "cloudtrail": _CloudTrail,
    "dynamodb": _DynamoDb,
    "lambda": _Lambda,
    "cloudformation": _CloudFormation,
    "sqs": _Sqs,
    "sns": _Sns,
    "events": _Events,
    "sts": _Sts,
}
