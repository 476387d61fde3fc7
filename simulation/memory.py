"""The ports in memory: a table with versions and conflicts, mailboxes and buses, each of which fails on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from threelocks.contract import Contract, Party
from threelocks.finding import Cause, Finding, Lock, LockState, Scope, Verdict
from threelocks.locks.kept import Kept
from threelocks.observation import Observation
from threelocks.ports import ConflictError
from threelocks.report import Report, ReportRequest, decode, encode, holders
from threelocks.state import Standing, State, Times
from threelocks.watch import Desk, Watch

# For tests that are not about waiting.
INSTANT = Times(settle=timedelta(0), settle_grants=timedelta(0), merge=timedelta(0))
START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@dataclass
class Failures:
    """Which calls fail: `at` counts all calls, from 1; `by_name` holds exceptions for the next calls of one name. A
    write counts twice, once before and once after it took effect: an error may hide a success."""

    at: int | None = None
    error: Exception = field(default_factory=lambda: OSError("the machine died"))
    by_name: dict[str, list[Exception]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def call(self, name: str) -> None:
        self.calls.append(name)
        waiting = self.by_name.get(name)
        if waiting:
            raise waiting.pop(0)
        if self.at is not None and len(self.calls) == self.at:
            raise self.error


@dataclass
class Clock:
    """Time that passes one second a look, so that no two moments are the same."""

    time: datetime = START

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


@dataclass
class MemoryStore:
    """The table of one account. States go through their JSON form, as they do in DynamoDB."""

    contracts: dict[str, Contract] = field(default_factory=dict)
    states: dict[str, tuple[int, str]] = field(default_factory=dict)
    depends: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    standings: dict[str, list[Standing]] = field(default_factory=dict)
    documents: dict[tuple[str, Lock], Kept] = field(default_factory=dict)
    failures: Failures = field(default_factory=Failures)
    before_save: list[Callable[[], object]] = field(default_factory=list)  # each runs once, before the next save

    def contract(self, name: str) -> Contract | None:
        self.failures.call("contract")
        return self.contracts.get(name)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.contracts))

    def touching(self, resources: tuple[str, ...]) -> tuple[str, ...]:
        self.failures.call("touching")
        return tuple(
            name
            for name, contract in sorted(self.contracts.items())
            if {contract.bucket_arn, contract.key, f"role/{contract.role_name}"} & set(resources)
        )

    def state(self, name: str) -> State | None:
        self.failures.call("state")
        if name not in self.states:
            return None
        version, body = self.states[name]
        return replace(decode(State, body), version=version)

    def save(
        self,
        state: State,
        *,
        expected_version: int | None,
        standing: Standing | None = None,
        kept: Sequence[Kept] = (),
    ) -> State:
        while self.before_save:
            self.before_save.pop(0)()
        self.failures.call("save")
        version = self.states[state.contract][0] if state.contract in self.states else None
        if version != expected_version or self.contracts[state.contract].seal != state.digest:
            raise ConflictError(f"`{state.contract}` is at version {version}, not {expected_version}")
        saved = replace(state, version=(version or 0) + 1)
        self.states[state.contract] = (saved.version, encode(saved))
        if standing:
            self.standings.setdefault(state.contract, []).append(standing)
        self.documents.update({(state.contract, one.lock): decode(Kept, encode(one)) for one in kept})
        self.failures.call("saved")
        return saved

    def kept(self, name: str, lock: Lock) -> Kept | None:
        self.failures.call("kept")
        return self.documents.get((name, lock))

    def history(self, name: str, *, since: datetime, limit: int) -> tuple[Standing, ...]:
        self.failures.call("history")
        rows = [row for row in self.standings.get(name, []) if row.at >= since]
        return tuple(reversed(rows))[:limit]

    def depend(self, contract: Contract, resources: tuple[str, ...]) -> None:
        self.failures.call("depend")
        self.depends.append((contract.name, resources))
        self.failures.call("depended")


@dataclass(frozen=True)
class Sent:
    """One mail, as the topic took it."""

    subject: str
    body: str
    attributes: dict[str, str]


@dataclass
class MemoryMailer:
    failures: Failures = field(default_factory=Failures)
    mails: list[Sent] = field(default_factory=list)
    while_sending: list[Callable[[], object]] = field(default_factory=list)  # each runs once, inside the next send

    def send(self, subject: str, body: str, attributes: dict[str, str]) -> None:
        while self.while_sending:
            self.while_sending.pop(0)()
        self.failures.call("send")
        self.mails.append(Sent(subject, body, attributes))
        self.failures.call("sent")


@dataclass
class MemoryBus:
    """The account's own bus: what was announced, as JSON."""

    failures: Failures = field(default_factory=Failures)
    events: list[str] = field(default_factory=list)

    def announce(self, detail: str) -> None:
        self.failures.call("announce")
        self.events.append(detail)
        self.failures.call("announced")


@dataclass
class MemoryLedger:
    """Entries: (contract, name) -> held until, kept until, body."""

    failures: Failures = field(default_factory=Failures)
    entries: dict[tuple[str, str], tuple[datetime, datetime, str]] = field(default_factory=dict)

    def claim(self, contract: str, name: str, *, now: datetime, until: datetime) -> bool:
        self.failures.call("claim")
        held = self.entries.get((contract, name))
        if held and held[0] > now:
            return False
        self.entries[contract, name] = (until, until, "")
        return True

    def keep(self, contract: str, name: str, *, until: datetime, expires: datetime, body: str = "") -> None:
        self.failures.call("keep")
        self.entries[contract, name] = (until, expires, body)

    def kept(self, contract: str, *, prefix: str, now: datetime) -> tuple[str, ...]:
        self.failures.call("kept")
        return tuple(
            body
            for (owner, name), (_, expires, body) in sorted(self.entries.items())
            if owner == contract and name.startswith(prefix) and body and expires > now
        )


@dataclass
class MemoryReporter:
    failures: Failures = field(default_factory=Failures)
    reports: list[tuple[str, Report]] = field(default_factory=list)  # the party's account, the report
    requests: list[tuple[str, ReportRequest]] = field(default_factory=list)

    def report(self, party: Party, report: Report) -> None:
        self.failures.call("report")
        self.reports.append((party.account, decode(Report, encode(report))))
        self.failures.call("reported")

    def request(self, party: Party, request: ReportRequest) -> None:
        self.failures.call("request")
        self.requests.append((party.account, request))
        self.failures.call("requested")


@dataclass
class MemoryTimer:
    """Checks that were asked for: the contract, its cause, and when the message arrives."""

    clock: Callable[[], datetime]
    failures: Failures = field(default_factory=Failures)
    asked: list[tuple[datetime, str, Cause]] = field(default_factory=list)

    def ask(self, contract: str, cause: Cause, *, delay: timedelta) -> None:
        self.failures.call("ask")
        self.asked.append((self.clock() + delay, contract, cause))
        self.failures.call("asked")

    def take(self) -> list[tuple[datetime, str, Cause]]:
        """Everything asked for, soonest first; then nothing is."""
        asked, self.asked[:] = sorted(self.asked, key=lambda each: each[0]), []
        return asked


@dataclass
class Scene:
    """What is off in one account, for a judge that says just that. `looks`, while it holds any, stands for the next
    observations one by one."""

    clock: Clock
    findings: tuple[Finding, ...] = ()
    looks: list[tuple[Finding, ...]] = field(default_factory=list)
    observation: Observation | None = None
    facts: tuple[tuple[str, str], ...] = ()
    judged: list[dict[str, object]] = field(default_factory=list)
    failures: Failures = field(default_factory=Failures)

    def observe(self, contract: Contract, account: str) -> Observation:  # noqa: ARG002 - the port has it
        self.failures.call("observe")
        return replace(self.observation or Observation(account, START), account=account, began=self.clock())

    def judge(
        self,
        contract: Contract,
        neighbours: tuple[Contract, ...],
        observation: Observation,
        facts: dict[str, str],
    ) -> Verdict:
        self.judged.append({"neighbours": neighbours, "facts": dict(facts), "observation": observation})
        findings = self.looks.pop(0) if self.looks else self.findings
        return verdict_of(contract, observation.account, findings, as_of=observation.began, facts=self.facts)


def verdict_of(
    contract: Contract,
    account: str,
    findings: tuple[Finding, ...] = (),
    *,
    as_of: datetime = START,
    facts: tuple[tuple[str, str], ...] = (),
) -> Verdict:
    """A verdict on every lock that the account holds, whose lock states agree with its findings."""
    return Verdict(
        contract=contract.name,
        digest=contract.digest,
        account=account,
        as_of=as_of,
        locks=tuple(
            LockState(
                lock,
                account,
                tuple(sorted({finding.kind for finding in findings if finding.lock is lock})),
                as_of,
            )
            for lock, holder in holders(contract).items()
            if holder == account
        ),
        findings=findings,
        facts=facts,
    )


def ids(prefix: str) -> Iterator[str]:
    """`prefix-1`, `prefix-2`, ..."""
    number = 0
    while True:
        number += 1
        yield f"{prefix}-{number}"


def change(event_name: str = "PutBucketPolicy", *, at: datetime = START, resources: tuple[str, ...] = ()) -> Cause:
    """A cause such as a CloudTrail record gives."""
    return Cause(
        kind="change",
        at=at,
        account="111111111111",
        region="eu-west-1",
        event_name=event_name,
        event_id="3c2b1a09-8f7e-4d6c-9b5a-4e3f2d1c0b9a",
        actor="arn:aws:sts::111111111111:assumed-role/PlatformAdmin/dana",
        source_ip="203.0.113.7",
        user_agent="aws-cli/2.31.0",
        resources=resources or ("arn:aws:s3:::datalake-curated-a",),
    )


def resource_scoped(finding: Finding) -> Finding:
    """The finding as one that belongs to the bucket or key, and stays with its holder."""
    return replace(finding, scope=Scope.RESOURCE)


@dataclass(frozen=True)
class MemoryAccount:
    """One account with all its parts, for tests that want to reach into any of them."""

    number: str
    watch: Watch
    store: MemoryStore
    mailer: MemoryMailer
    reporter: MemoryReporter
    timer: MemoryTimer
    scene: Scene

    @property
    def mails(self) -> list[Sent]:
        return self.mailer.mails

    def stored(self, name: str) -> State:
        """What is recorded of a contract; not counted as a call."""
        version, body = self.store.states[name]
        return replace(decode(State, body), version=version)

    def let_settle(self, clock: Clock) -> None:
        """Let time pass to each check that was asked for, and run it, until none is."""
        for _ in range(50):
            asked = self.timer.take()
            if not asked:
                return
            for at, name, cause in asked:
                clock.time = max(clock.time, at)
                self.watch.check(name, cause)
        raise AssertionError("checks ask for further checks without end")

    def hear_all(self, reports: list[tuple[str, Report]], sent_at: datetime) -> None:
        """Hear every report addressed to this account, in order."""
        for addressee, report in reports:
            if addressee == self.number:
                self.watch.desk.hear(report.verdict.account, report, sent_at=sent_at)


def memory_account(
    number: str, contract: Contract, clock: Clock, failures: Failures | None = None, times: Times | None = None
) -> MemoryAccount:
    """An account that has applied the contract and checked nothing yet. `failures` are shared by all its ports."""
    shared = failures or Failures()
    store = MemoryStore({contract.name: contract}, failures=shared)
    mailer, reporter = MemoryMailer(shared), MemoryReporter(shared)
    scene = Scene(clock, failures=shared)
    fresh = ids(f"id-{number[:1]}")
    # The clock that a fake reads by itself does not move the account's.
    timer = MemoryTimer(lambda: clock.time, shared)
    desk = Desk(number, store, mailer, clock, lambda: next(fresh), timer, times=times or Times())
    return MemoryAccount(number, Watch(desk, scene, reporter, scene.judge), store, mailer, reporter, timer, scene)
