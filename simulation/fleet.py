"""Many contracts: buckets with keys, roles that read several buckets, and the policies that let them.

Contracts, buckets, keys and roles are counted; each bucket has as many contracts as the next, and so has each role.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from simulation.ledger import Ledger
from threelocks import contract as contracts
from threelocks.aws.store import DynamoStore
from threelocks.contract import Contract
from threelocks.events import API_CALL, EVENTS, SERVICE_EVENT, SERVICE_EVENTS
from threelocks.handlers import on_change, sweep
from threelocks.handlers.app import App
from threelocks.locks.watchdog import AT_HOME

OWNER, CONSUMER, REGION = "111111111111", "222222222222", "eu-west-1"
START = datetime.fromisoformat("2026-11-23T09:00:00+00:00")
_ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Ticking:
    """A clock that moves by a few milliseconds at each look, as work does, and by more when it is told to."""

    time: datetime = START
    tick: timedelta = timedelta(milliseconds=2)

    def __call__(self) -> datetime:
        self.time += self.tick
        return self.time

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Fleet:
    """How many there are of each. `contracts` must be a multiple of `buckets` and of `roles`, `buckets` of `keys`."""

    contracts: int
    buckets: int
    keys: int
    roles: int

    @cached_property
    def all(self) -> tuple[Contract, ...]:
        """Every contract, by name."""
        each, spread = self.contracts // self.buckets, self.contracts // self.roles
        return tuple(
            self._contract(bucket, bucket // spread * each + number)
            for bucket in range(self.buckets)
            for number in range(each)
        )

    def _contract(self, bucket: int, role: int) -> Contract:
        key = bucket * self.keys // self.buckets
        return contracts.parse(
            {
                "name": f"share-{bucket:05}-{role:05}",
                "owner": {"account": OWNER, "name": "data-platform", "home_region": REGION},
                "consumer": {"account": CONSUMER, "name": "bi-team", "home_region": REGION},
                "bucket": {"name": f"bucket-{bucket:05}", "region": REGION},
                "key": f"arn:aws:kms:{REGION}:{OWNER}:key/{key:08}-0000-4000-8000-000000000000",
                "role": f"arn:aws:iam::{CONSUMER}:role/Reader{role:05}",
                "actions": ["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:DescribeKey"],
            }
        )

    # -- the policies under which every share works --

    def bucket_policies(self) -> dict[str, str]:
        """Bucket -> its policy."""
        return {one[0].bucket.name: _bucket_policy(one) for one in _by(self.all, lambda each: each.bucket.name)}

    def key_policies(self) -> dict[str, str]:
        """Key ARN -> its policy."""
        return {one[0].key: _key_policy(one) for one in _by(self.all, lambda each: each.key)}

    def role_policies(self) -> dict[str, str]:
        """Role -> its inline policy."""
        return {one[0].role_name: _role_policy(one) for one in _by(self.all, lambda each: each.role)}


def _by(all_: Iterable[Contract], name: Any) -> list[list[Contract]]:
    groups: dict[str, list[Contract]] = {}
    for one in all_:
        groups.setdefault(name(one), []).append(one)
    return list(groups.values())


def _bucket_policy(shared: list[Contract]) -> str:
    readers, arn = {"AWS": [one.role for one in shared]}, shared[0].bucket_arn
    return _document(
        {"Effect": "Allow", "Principal": readers, "Action": "s3:GetObject", "Resource": f"{arn}/*"},
        {"Effect": "Allow", "Principal": readers, "Action": "s3:ListBucket", "Resource": arn},
    )


def _key_policy(shared: list[Contract]) -> str:
    root = {"AWS": f"arn:aws:iam::{OWNER}:root"}
    readers = {"AWS": sorted({one.role for one in shared})}
    return _document(
        {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": readers, "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": "*"},
    )


def _role_policy(shared: list[Contract]) -> str:
    buckets, keys = [one.bucket_arn for one in shared], sorted({one.key for one in shared})
    return _document(
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": [f"{arn}/*" for arn in buckets]},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": buckets},
        {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": keys},
    )


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


# -- one account at work --

TOPIC = "arn:aws:sns:{region}:{account}:alerts"
QUEUE = "https://sqs.{region}.amazonaws.com/{account}/{name}"


@dataclass
class Site:
    """One account's watchdog over a ledger, with the fleet applied and nothing checked yet."""

    account: str
    ledger: Ledger
    clock: Ticking
    app: App
    batches: list[int] = field(default_factory=list)  # messages in each invocation of on_change

    @property
    def changes(self) -> str:
        """The queue of changes."""
        return QUEUE.format(region=REGION, account=self.account, name="changes")

    @property
    def checks(self) -> str:
        """The queue of checks that were asked for."""
        return QUEUE.format(region=REGION, account=self.account, name="checks")

    def sweep(self) -> None:
        """What the schedule starts, and all that follows from it at once."""
        self.app.serve(sweep.handle, {}, None)
        self.work()

    def burst(self, bodies: Iterable[str]) -> None:
        """Events, as EventBridge puts them on the queue of changes, and all that follows from them at once."""
        for body in bodies:
            self.ledger.send(self.changes, body)
        self.work()

    def work(self) -> None:
        """Run on_change until no message is left that is visible by now."""
        while batches := [batch for url, size in self._mapped() if (batch := self.ledger.take(url, size))]:
            for batch in batches:
                self._invoke(batch)

    def _mapped(self) -> tuple[tuple[str, int], ...]:
        return ((self.checks, LOTS_AT_ONCE), (self.changes, CHANGES_AT_ONCE))

    def _invoke(self, bodies: list[str]) -> None:
        """Raises RuntimeError when a message is left in the queue: nothing fails here."""
        self.batches.append(len(bodies))
        records = [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]
        left = self.app.serve(on_change.handle, {"Records": records}, None)["batchItemFailures"]
        if left:
            raise RuntimeError(f"{len(left)} of {len(bodies)} messages failed; look at the log")


# The template's batch sizes; a test compares them.
LOTS_AT_ONCE, CHANGES_AT_ONCE = 1, 25


def owner_of(fleet: Fleet, clock: Ticking | None = None) -> Site:
    """The account that holds buckets and keys."""
    site = _site(OWNER, fleet, clock or Ticking())
    site.ledger.buckets, site.ledger.keys = fleet.bucket_policies(), fleet.key_policies()
    site.ledger.key_of = {one.bucket.name: one.key for one in fleet.all}
    return site


def consumer_of(fleet: Fleet, clock: Ticking | None = None) -> Site:
    """The account that holds the roles."""
    site = _site(CONSUMER, fleet, clock or Ticking())
    site.ledger.roles = fleet.role_policies()
    return site


def variables(account: str) -> dict[str, str]:
    """The environment of a function, as the template sets it."""
    return {
        "AWS_REGION": REGION,
        "POWERTOOLS_LOG_LEVEL": "ERROR",
        "THREELOCKS_ACCOUNT": account,
        "THREELOCKS_TABLE": "table",
        "THREELOCKS_ALERT_TOPIC": TOPIC.format(region=REGION, account=account),
        "THREELOCKS_REPORTER_ROLE": f"arn:aws:iam::{account}:role/threelocks/threelocks-reporter",
        "THREELOCKS_CHANGE_QUEUE": QUEUE.format(region=REGION, account=account, name="changes"),
        "THREELOCKS_CHECK_QUEUE": QUEUE.format(region=REGION, account=account, name="checks"),
        "THREELOCKS_SILENCE_SECONDS": "12000",
        "THREELOCKS_MERGE_SECONDS": "300",
        "THREELOCKS_REMINDER_HOURS": "24",
        "THREELOCKS_CHAT_TOPIC": "",
    }


def _site(account: str, fleet: Fleet, clock: Ticking) -> Site:
    ledger = Ledger(account, clock, region=REGION, rules=_rules(account))
    store = DynamoStore(ledger, table="table", account=account, region=REGION)
    for contract in fleet.all:
        store.apply(contract)
    ledger.calls.clear()
    ledger.about.clear()
    return Site(account, ledger, clock, App(variables(account), ledger, now=clock))


def _rules(account: str) -> dict[tuple[str, str], dict[str, str]]:
    """Region and target -> rules that send there."""
    keeping = [each.partition(".")[0] for each in AT_HOME]
    sources = (*{OWNER: ("s3", "kms"), CONSUMER: ("iam",)}[account], *keeping)
    queue, bus = f"arn:aws:sqs:{REGION}:{account}:changes", f"arn:aws:events:{REGION}:{account}:event-bus/default"
    patterns = {f"{source}-changed-{number}": text for source in sources for number, text in enumerate(_taking(source))}
    relayed = {("us-east-1", bus): {f"relay-{name}": text for name, text in patterns.items()}}
    return {(REGION, queue): patterns, **(relayed if account == CONSUMER else {})}


def _taking(source: str) -> Iterator[str]:
    """Patterns for all events of a source that matter."""
    for kind, service in ((API_CALL, False), (SERVICE_EVENT, True)):
        names = [
            name
            for event_source, name in EVENTS
            if event_source == f"{source}.amazonaws.com" and ((event_source, name) in SERVICE_EVENTS) is service
        ]
        if names:
            detail = {"eventSource": [f"{source}.amazonaws.com"], "eventName": names}
            yield json.dumps({"source": [f"aws.{source}"], "detail-type": [kind], "detail": detail})


def bucket_events(bucket: str, number: int, first: datetime, over: timedelta) -> list[str]:
    """PutBucketPolicy on one bucket, so many times within so long, each with an event id of its own."""
    event = json.loads((_ROOT / "events" / "bucket-policy-lost-role.json").read_text(encoding="utf-8"))
    detail = json.loads(json.dumps(event["detail"]).replace(event["detail"]["requestParameters"]["bucketName"], bucket))
    bodies = []
    for each in range(number):
        at = (first + over * each / number).strftime("%Y-%m-%dT%H:%M:%SZ")
        one = {**detail, "eventTime": at, "eventID": f"00000000-0000-4000-8000-{each:012}"}
        bodies.append(json.dumps({**event, "id": one["eventID"], "time": at, "detail": one}))
    return bodies
