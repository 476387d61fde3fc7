"""Puts the parts together: from an environment and a source of clients to what a function calls.

Each part is made when it is first asked for, and kept: a process is one app, a test or a simulation may have several.
Importing a handler brings neither boto3 nor botocore's clients; the parts that call AWS are imported when they are
made. What is left is some 330 modules, most of them pydantic's and Powertools'; a test holds it there.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from threelocks.handlers import environment
from threelocks.handlers.batch import Outbox
from threelocks.handlers.environment import AskEnvironment, DeskEnvironment, TableEnvironment, WatchEnvironment
from threelocks.handlers.shared import SharedStore, Shift
from threelocks.handlers.telemetry import Telemetry
from threelocks.judge import judge as judge_locks
from threelocks.policy.arn import Arn
from threelocks.ports import Directory, Ledger, Store
from threelocks.state import Times
from threelocks.watch import Desk, Judge, Watch

if TYPE_CHECKING:
    from threelocks.aws.read import AwsObserver
    from threelocks.aws.session import ActingSource
    from threelocks.aws.store import DynamoStore
    from threelocks.inquiry import Check, Inquiry

TimeLeft = Callable[[], float]
"""Seconds until the function is cut off."""

Handle = Callable[["App", Any, TimeLeft], dict[str, Any]]


def no_limit() -> float:
    """The time left where nothing is cut off."""
    return float("inf")


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True)
class App:
    """One function in one account. `variables` is its environment, as the template sets it."""

    variables: Mapping[str, str]
    clients: ActingSource
    now: Callable[[], datetime] = field(default=_now)
    new_id: Callable[[], str] = field(default=_new_id)
    judge: Judge = field(default=judge_locks)

    def serve(self, handle: Handle, event: Any, context: Any) -> dict[str, Any]:
        """Handle one invocation, and write out its metrics whatever happens."""
        self.telemetry.begin(context)
        try:
            return handle(self, event, _time_left(context))
        finally:
            self.telemetry.flush()

    @cached_property
    def telemetry(self) -> Telemetry:
        return Telemetry(self.variables)

    @cached_property
    def store(self) -> DynamoStore:
        from threelocks.aws.store import DynamoStore  # noqa: PLC0415 - see the module's text

        known = environment.read(TableEnvironment, self.variables)
        return DynamoStore(self.clients, table=known.table, account=known.account, region=known.region, now=self.now)

    @cached_property
    def desk(self) -> Desk:
        from threelocks.aws.publish import HomeBus, SnsMailer, SqsTimer  # noqa: PLC0415 - see the module's text

        known = environment.read(DeskEnvironment, self.variables)
        return Desk(
            account=known.account,
            store=self.store,
            mailer=SnsMailer(self.clients, known.alert_topic),
            now=self.now,
            new_id=self.new_id,
            timer=SqsTimer(self.clients, known.change_queue, known.region),
            recheck=known.recheck,
            chat=SnsMailer(self.clients, known.chat_topic) if known.chat_topic else None,
            bus=HomeBus(self.clients, known.region),
            times=Times(
                merge=timedelta(seconds=known.merge_seconds),
                silence=timedelta(seconds=known.silence_seconds),
                remind=timedelta(hours=known.reminder_hours),
            ),
        )

    @cached_property
    def observer(self) -> AwsObserver:
        from threelocks.aws.read import AwsObserver  # noqa: PLC0415 - see the module's text

        return AwsObserver(self.clients, self.now)

    @cached_property
    def watch(self) -> Watch:
        from threelocks.aws.publish import EventBusReporter  # noqa: PLC0415 - see the module's text
        from threelocks.aws.session import AssumedRole  # noqa: PLC0415 - see the module's text

        known = environment.read(WatchEnvironment, self.variables)
        reporter = AssumedRole(
            self.clients,
            role_arn=known.reporter_role,
            session_name="threelocks",
            region=known.region,
            now=self.now,
        )
        return Watch(
            desk=self.desk,
            observer=self.observer,
            reporter=EventBusReporter(reporter, partition=Arn.parse(known.reporter_role).partition),
            judge=self.judge,
        )

    @cached_property
    def directory(self) -> Directory:
        from threelocks.aws.directory import DynamoDirectory  # noqa: PLC0415 - see the module's text

        known = environment.read(TableEnvironment, self.variables)
        return DynamoDirectory(self.clients, table=known.table, region=known.region)

    def shift(self) -> Shift:
        """The watch for one invocation, whose checks share what they read."""
        from threelocks.aws.history import Lookups  # noqa: PLC0415 - see the module's text
        from threelocks.aws.read import SharedObserver  # noqa: PLC0415 - see the module's text
        from threelocks.aws.watched import Duties  # noqa: PLC0415 - see the module's text

        known = environment.read(WatchEnvironment, self.variables)
        topic = Arn.parse(known.alert_topic)

        def queue(url: str) -> str:
            return str(Arn(topic.partition, "sqs", known.region, known.account, url.rpartition("/")[2])) if url else ""

        observer = SharedObserver(self.observer)
        desk = replace(self.desk, store=SharedStore(self.store, bulk=self.store.contracts))
        watch = replace(self.watch, desk=desk, observer=observer, history=Lookups(self.clients))
        thorough = observer.looking_after(
            Duties(
                *(known.region, queue(known.change_queue), known.alert_topic, queue(known.denied_queue)),
                stack=known.recheck.removesuffix("-recheck"),
                table=known.table,
            )
        )
        return Shift(replace(watch, thorough=thorough))

    @cached_property
    def outbox(self) -> Outbox:
        """The queue of checks that were asked for."""
        known = environment.read(AskEnvironment, self.variables)
        return Outbox(self.clients.client("sqs", known.region), known.check_queue)

    @cached_property
    def ledger(self) -> Ledger:
        from threelocks.aws.ledger import DynamoLedger  # noqa: PLC0415 - see the module's text

        known = environment.read(TableEnvironment, self.variables)
        return DynamoLedger(self.clients, table=known.table, region=known.region)

    def inquiry(self, store: Store, check: Check) -> Inquiry:
        """What diagnoses refused reads, for one invocation."""
        from threelocks.inquiry import Inquiry  # noqa: PLC0415 - see the module's text

        desk = self.desk
        return Inquiry(desk.account, store, self.ledger, desk.mailer, check, self.now, desk.recheck)

    @property
    def region(self) -> str:
        return environment.read(TableEnvironment, self.variables).region


def build(variables: Mapping[str, str], clients: ActingSource) -> App:
    """An app with the real clock, ids and judgement."""
    return App(dict(variables), clients)


@cache
def process_app() -> App:
    """The app of this process, made at the first invocation."""
    from threelocks.aws.session import Clients  # noqa: PLC0415 - see the module's text

    return build(os.environ, Clients())


def _time_left(context: Any) -> TimeLeft:
    """https://docs.aws.amazon.com/lambda/latest/dg/python-context.html"""
    millis = getattr(context, "get_remaining_time_in_millis", None)
    return (lambda: millis() / 1000) if millis else no_limit
