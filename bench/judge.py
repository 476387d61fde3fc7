"""How long a judgement takes, beside one decision of the plain evaluator. Measures; asserts nothing.

    .venv/bin/python bench/judge.py [rounds]

Prints, for a whole contract (all three locks, both accounts), for each account and for a few situations, the median
processor time of judging under policies of twenty statements, and that time as a multiple of `authorize` on one request
under the same bucket policy.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from threelocks.contract import parse
from threelocks.judge import judge
from threelocks.observation import (
    Absent,
    BucketAcl,
    BucketObservation,
    Encryption,
    Found,
    KeyMetadata,
    KeyObservation,
    NamedPolicy,
    Observation,
    PublicAccessBlock,
    Role,
    RoleObservation,
)
from threelocks.policy.authorize import Policies, authorize
from threelocks.policy.document import parse_document
from threelocks.policy.request import Caller, CallerKind, Request

OWNER, CONSUMER = "111111111111", "222222222222"
BUCKET = "arn:aws:s3:::datalake-curated-a"
OBJECTS = f"{BUCKET}/*"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/abcd1234-a123-456a-a12b-a123b4cd56ef"
ROLE = f"arn:aws:iam::{CONSUMER}:role/BIAnalyticsRole"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STATEMENTS = 20

Statement = dict[str, Any]

CONTRACT = parse(
    {
        "name": "bi-curated-read",
        "owner": {"account": OWNER, "name": "data-platform", "home_region": "eu-west-1"},
        "consumer": {"account": CONSUMER, "name": "bi-team", "home_region": "eu-west-1"},
        "bucket": {"name": "datalake-curated-a", "region": "eu-west-1"},
        "key": KEY,
        "role": ROLE,
        "actions": ["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:DescribeKey"],
    }
)


def statement(effect: str, action: Any, resource: Any, to: Any = None, when: Any = None) -> Statement:
    one: Statement = {"Effect": effect, "Action": action, "Resource": resource}
    one |= {"Principal": to if to == "*" or isinstance(to, dict) else {"AWS": to}} if to else {}
    return {**one, "Condition": when} if when else one


def document(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def filled(*statements: Statement, with_: Callable[[int], Statement]) -> tuple[Statement, ...]:
    """These statements, and harmless ones up to twenty."""
    return (*statements, *(with_(number) for number in range(STATEMENTS - len(statements))))


def on_bucket(number: int) -> Statement:
    """What owners have: roles of their own, guards, logs, a few bans."""
    kinds = (
        statement("Allow", "s3:*", [BUCKET, f"{BUCKET}/zone-{number}/*"], f"arn:aws:iam::{OWNER}:role/Zone{number}"),
        statement("Deny", "s3:PutObject", f"{BUCKET}/zone-{number}/*", "*", {"Null": {"s3:x-amz-acl": "false"}}),
        statement("Deny", "s3:*", [BUCKET, OBJECTS], "*", {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
        statement(
            "Allow",
            "s3:PutObject",
            f"{BUCKET}/logs-{number}/*",
            {"Service": "logging.s3.amazonaws.com"},
            {"StringEquals": {"aws:SourceAccount": OWNER}},
        ),
    )
    return kinds[number % len(kinds)]


def on_key(number: int) -> Statement:
    return statement("Allow", "kms:Encrypt", "*", f"arn:aws:iam::{OWNER}:role/Zone{number}")


def on_role(number: int) -> Statement:
    own = f"arn:aws:s3:::bi-team-{number}"
    return statement("Allow" if number % 2 else "Deny", ["s3:GetObject", "s3:PutObject"], [own, f"{own}/*"])


SHARE = statement("Allow", ["s3:GetObject", "s3:ListBucket"], [BUCKET, OBJECTS], ROLE)
SHARE_KEY = statement("Allow", ["kms:Decrypt", "kms:DescribeKey"], "*", ROLE)
ROOT = statement("Allow", "kms:*", "*", f"arn:aws:iam::{OWNER}:root")
IDENTITY = (
    statement("Allow", ["s3:GetObject", "s3:ListBucket"], [BUCKET, OBJECTS]),
    statement("Allow", ["kms:Decrypt", "kms:DescribeKey"], KEY),
)


def owner(*further: Statement) -> Observation:
    """The owner's bucket and key, with further statements on the bucket."""
    own = document(*filled(SHARE, *further, with_=on_bucket))
    keys = document(*filled(ROOT, SHARE_KEY, with_=on_key))
    bucket = BucketObservation(
        Found("eu-west-1"), Found(own), Found(value=False), Found(PublicAccessBlock()), Absent(),
        Found(Encryption("aws:kms", KEY)), Found("BucketOwnerEnforced"), Found(BucketAcl("o", ())), Found(value=False),
        Found(()),
    )  # fmt: skip
    metadata = Found(KeyMetadata(KEY, "Enabled", "CUSTOMER"))
    key = KeyObservation(metadata, Found((NamedPolicy("default", keys),)), Found(()))
    return Observation(OWNER, NOW, bucket=bucket, key=key)


def consumer(*further: Statement) -> Observation:
    own = Found((NamedPolicy("read", document(*filled(*IDENTITY, *further, with_=on_role))),))
    trust = statement("Allow", "sts:AssumeRole", None, f"arn:aws:iam::{CONSUMER}:root")
    del trust["Resource"]
    role = Found(Role(ROLE, "AROAEXAMPLE123456789", document(trust)))
    return Observation(CONSUMER, NOW, role=RoleObservation(role, own, Found(()), Absent()))


SITUATIONS = {
    "consumer, intact": consumer(),
    "consumer, everything allowed": consumer(statement("Allow", "*", "*")),
    "owner, intact": owner(),
    "owner, a prefix denied": owner(statement("Deny", "s3:GetObject", f"{BUCKET}/secret/*", "*")),
    "owner, account root let in": owner(statement("Allow", "s3:*", [BUCKET, OBJECTS], f"arn:aws:iam::{CONSUMER}:root")),
    "owner, anyone let in by address": owner(
        statement("Allow", "s3:*", [BUCKET, OBJECTS], "*", {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    ),
}


def median(work: Callable[[], object], rounds: int) -> float:
    """Milliseconds of processor time, so that other work on the machine counts less."""
    taken = []
    for _ in range(rounds):
        parse_document.cache_clear()
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken) * 1e3


def decision(observation: Observation) -> Callable[[], object]:
    """`authorize` of the reader's GetObject under the owner's bucket policy."""
    assert observation.bucket
    assert isinstance(observation.bucket.policy, Found)
    policies = Policies(resource=(parse_document(observation.bucket.policy.value, "bucket policy"),))
    caller = Caller(CallerKind.ROLE_SESSION, CONSUMER, "BIAnalyticsRole", session="athena", unique_id="AROAEXAMPLE")
    request = Request(caller, "s3:GetObject", f"{BUCKET}/x", OWNER, {"aws:securetransport": ("true",)})
    return lambda: authorize(request, policies)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    one = median(decision(owner()), rounds * 10)
    print(f"{'authorize, one request':34} {one:9.3f} ms")
    facts = {"role_id": "AROAEXAMPLE123456789", "has_boundary": "false"}
    both = owner(), consumer()
    whole = median(lambda: [judge(CONTRACT, (), seen, facts) for seen in both], rounds)
    print(f"{'all three locks, intact':34} {whole:9.3f} ms {whole / one:7.0f} x")
    for name, observation in SITUATIONS.items():
        verdict = judge(CONTRACT, (), observation, facts)
        taken = median(lambda seen=observation: judge(CONTRACT, (), seen, facts), rounds)  # type: ignore[misc]
        print(f"{name:34} {taken:9.3f} ms {taken / one:7.0f} x  {verdict.headline}")


if __name__ == "__main__":
    main()
