"""Two accounts in a storm: everything that AWS delivers late, twice, out of order or not at all, at any moment.

A world in memory. Policies change; reads are stale and torn; events are lost, doubled and late; checks of one contract
run at once and are interleaved at every call to a port; functions die between any two calls; calls are throttled,
denied, or succeed and are answered with an error; the partner is down, or the chat is gone; clocks differ; tables go
back to a backup; the contract is applied again, with waivers and suspensions that end in the middle. Only the core is
real: `watch`, `incident` and what they use.

`Storm(seed).run(steps)` plays it by one random number generator, so that a seed is a story. What must hold is checked
at every write and every mail by what the *world* knows, never by asking the code under test; and at the end of each
episode, when the dust has settled and one sweep has run. Violations raise `BrokenError`.

Why an interleaver of its own and not hypothesis: a step is one call to a port of one of several functions at once, 20
microseconds of choice instead of a millisecond, and a failing seed is played again with `--seed` to the same end.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from simulation.examples import (
    CONDITIONAL,
    CONSUMER,
    CONTRACT,
    EXPLICIT_DENY,
    KEY_DISABLED,
    KEY_UNREAD,
    NO_ALLOW,
    NO_DECRYPT,
    OWNER,
    WIDE_ROOT,
    WIDE_STRANGER,
)
from simulation.memory import START, resource_scoped, verdict_of
from threelocks import incident
from threelocks.alert import Mail
from threelocks.alert.words import mail_kind
from threelocks.contract import Contract, Party, Suspended, Waived
from threelocks.finding import Cause, Finding, Headline, Kind, Lock, Scope, Share, Suspension, Verdict
from threelocks.locks.kept import Kept
from threelocks.observation import Observation, Unreadable
from threelocks.ports import ConflictError, RefusedMailError
from threelocks.report import Report, ReportRequest
from threelocks.settle import LONGEST_DELAY
from threelocks.state import FindingId, Slot, Standing, State, Times
from threelocks.watch import Desk, RefusedReportError, UnknownContractError, Watch

NAME = CONTRACT.name
OTHER = {OWNER: CONSUMER, CONSUMER: OWNER}
TIMES = Times(silence=timedelta(hours=3, minutes=20))
GRAVE = frozenset({Kind.SHUT, Kind.WIDE, Kind.UNREAD})
HEADLINES = tuple(Headline)  # gravest first

# How far a read may lag: less than SETTLE, as AWS's do.
LAG, GRANT_LAG = timedelta(seconds=50), timedelta(seconds=280)
TIMEOUT = timedelta(seconds=60)  # of a function: shorter than a claim
VISIBILITY = timedelta(seconds=370)
RECEIVES = 5
SWEEPS = timedelta(hours=1)

WIDE_ACTION = replace(
    NO_DECRYPT, code="identity.wide-action", kind=Kind.WIDE, actions=("s3:PutObject",), witness=None, statements=()
)
WIDE_GRANT = replace(WIDE_ROOT, code="key.wide-grant", lock=Lock.KEY_POLICY, resource=CONTRACT.key, statements=())
UNREAD = {
    Lock.BUCKET_POLICY: replace(
        KEY_UNREAD, code="bucket.unread", lock=Lock.BUCKET_POLICY, resource=CONTRACT.bucket_arn
    ),
    Lock.KEY_POLICY: KEY_UNREAD,
    Lock.IDENTITY_POLICY: replace(
        KEY_UNREAD, code="identity.unread", lock=Lock.IDENTITY_POLICY, resource=CONTRACT.role, account=CONSUMER
    ),
}


class BrokenError(AssertionError):
    """Something that must never happen has happened."""


class Died(BaseException):
    """The function was cut off: no code of ours runs after it."""


class Order(Enum):
    """What becomes of the call at which a function waits."""

    GO = "go"
    DIE = "die before"
    DIE_AFTER = "die after it took effect"
    FAIL = "fail"
    FAIL_AFTER = "fail after it took effect"  # a timeout: the answer was lost


# --- The truth, and how it is read -----------------------------------------------------------------------------------


@dataclass
class Source:
    """One thing that AWS keeps and we read: each version is what was off, from when on."""

    account: str
    lock: Lock
    can_be: tuple[Finding, ...]
    lag: timedelta
    event: str
    resource: str
    versions: list[tuple[datetime, tuple[Finding, ...] | None]] = field(default_factory=lambda: [(START, ())])

    @property
    def now(self) -> tuple[Finding, ...] | None:
        """What is off; None while the reader is shut out."""
        return self.versions[-1][1]

    def readable(self, at: datetime) -> range:
        """The versions that a read at this moment may answer with: today's, and those that were so a moment ago."""
        first = len(self.versions) - 1
        while first > 0 and self.versions[first][0] > at - self.lag:
            first -= 1
        return range(first, len(self.versions))


@dataclass(frozen=True, slots=True)
class Seen(Observation):
    """What a look saw: per source its version, or None where the read was refused or throttled by bad luck."""

    versions: tuple[tuple[str, int | None], ...] = ()
    trouble: Unreadable | None = None


def sources() -> dict[str, Source]:
    stranger = resource_scoped(WIDE_STRANGER)
    wide = (NO_ALLOW, EXPLICIT_DENY, WIDE_ROOT, CONDITIONAL, stranger)
    return {
        "bucket": Source(OWNER, Lock.BUCKET_POLICY, wide, LAG, "PutBucketPolicy", CONTRACT.bucket_arn),
        "key": Source(OWNER, Lock.KEY_POLICY, (KEY_DISABLED,), LAG, "PutKeyPolicy", CONTRACT.key),
        "grants": Source(OWNER, Lock.KEY_POLICY, (WIDE_GRANT,), GRANT_LAG, "CreateGrant", CONTRACT.key),
        "role": Source(
            CONSUMER,
            Lock.IDENTITY_POLICY,
            (NO_DECRYPT, WIDE_ACTION),
            LAG,
            "PutRolePolicy",
            f"role/{CONTRACT.role_name}",
        ),
    }


# --- Functions at work -----------------------------------------------------------------------------------------------


class Worker:
    """One invocation, in a thread that runs only between two calls to ports, when it is told to."""

    def __init__(self, account: Account, message: Message, work: Callable[[], object], until: datetime) -> None:
        self.account, self.message, self.kind, self.until = account, message, message.kind, until
        self.at = "start"
        self.failure: BaseException | None = None
        self.is_done = False
        self.read: State | None = None  # the last state that it read or wrote
        self.looks: list[Seen] = []
        self._work = work
        self._order = Order.GO
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._go.acquire()
        try:
            if self._order is not Order.DIE:
                self._work()
        except BaseException as failure:  # noqa: BLE001 - even a kill must hand the baton back
            self.failure = failure
        self.is_done = True
        self._back.release()

    def step(self, order: Order) -> None:
        """Let it run to its next call."""
        self._order = order
        self._go.release()
        self._back.acquire()

    def call(self, name: str, effect: Callable[[], object] | None = None) -> object:
        """A call to a port, in the worker's thread: wait for the order, then obey."""
        self.at = name
        self._back.release()
        self._go.acquire()
        if self._order is Order.DIE:
            raise Died
        if self._order is Order.FAIL:
            raise OSError(f"throttled at {name}")
        answer = effect() if effect else None
        if self._order is Order.DIE_AFTER:
            raise Died
        if self._order is Order.FAIL_AFTER:
            raise OSError(f"no answer from {name}")
        return answer


@dataclass(frozen=True, slots=True)
class Message:
    """What waits in a queue."""

    due: datetime
    account: str
    kind: str  # "check", "report" or "request"
    body: object  # a Cause; (sender, Report, sent_at); (sender, ReportRequest)
    receives: int = 0


@dataclass
class Chat:
    """The account's second way to tell people, whose topic may be gone for as long as it likes."""

    account: Account
    is_gone: bool = False
    last: str = ""  # id of the last card

    def send(self, subject: str, body: str, attributes: dict[str, str]) -> None:  # noqa: ARG002 - the port has it
        self.account._call("chat", lambda: self._arrive(json.loads(body)["id"]))

    def _arrive(self, message: str) -> None:
        if self.is_gone:
            raise OSError("no such topic")
        self.last = message


@dataclass
class Account:
    """One account: what the world knows of it, and all its ports in one: store, mailer, observer, reporter, timer."""

    number: str
    storm: Storm
    skew: timedelta = timedelta(0)
    terms: Contract = CONTRACT
    state_now: State | None = None
    backups: list[State] = field(default_factory=list)
    mails: list[Told] = field(default_factory=list)
    is_down: bool = False
    troubles: int = 0  # faults, deaths and restores so far
    restores: int = 0
    last_seen: dict[FindingId, dict[str, int]] = field(default_factory=dict)  # the versions that showed it last
    newest_heard: Report | None = None
    ids: int = 0
    chat: Chat = field(init=False)
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.chat = Chat(self)
        desk = Desk(
            self.number,
            self,
            self,
            self.now,
            self.new_id,
            self,
            compose=compose,
            claim=timedelta(minutes=2),
            times=TIMES,
            chat=self.chat,
        )
        self.watch = Watch(desk, self, self, self.judge)

    def now(self) -> datetime:
        self.storm.time += timedelta(milliseconds=1)
        return self.storm.time + self.skew

    def new_id(self) -> str:
        self.ids += 1
        return f"{self.number[0]}-{self.ids}"

    def heard(self, report: Report) -> None:
        """A report was heard to the end; the newest one by its stamp is what the holder says."""
        if self.newest_heard is None or report.stamp > self.newest_heard.stamp:
            self.newest_heard = report

    # Store

    def contract(self, name: str) -> Contract | None:
        assert name == NAME
        terms = self._call("contract", lambda: self.terms)
        assert isinstance(terms, Contract)
        return terms

    def names(self) -> tuple[str, ...]:
        return (NAME,)

    def touching(self, resources: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002 - the port has it
        return (NAME,)

    def state(self, name: str) -> State | None:
        assert name == NAME
        state = self._call("state", lambda: self.state_now)
        assert state is None or isinstance(state, State)
        self.storm.running.read = state
        return state

    def save(
        self,
        state: State,
        *,
        expected_version: int | None,
        standing: Standing | None = None,  # noqa: ARG002
        kept: Sequence[Kept] = (),  # noqa: ARG002
    ) -> State:
        def write() -> State:
            version = self.state_now.version if self.state_now else None
            if self.is_stale(version, expected_version) or self.has_other_terms(state):
                self.storm.happened["conflict"] += 1
                raise ConflictError(f"at {version}, not {expected_version}")
            saved = replace(state, version=(version or 0) + 1)
            self.storm.check_write(self, self.state_now, saved)
            self.state_now = saved
            return saved

        saved = self._call("save", write)
        assert isinstance(saved, State)
        self.storm.running.read = saved
        return saved

    # The two conditions of a write, each by itself, so that one can be taken away.

    def is_stale(self, version: int | None, expected: int | None) -> bool:
        return version != expected

    def has_other_terms(self, state: State) -> bool:
        return state.digest != self.terms.seal

    def kept(self, name: str, lock: Lock) -> Kept | None:
        raise NotImplementedError  # its observations hold no documents

    def history(self, name: str, *, since: datetime, limit: int) -> tuple[Standing, ...]:
        raise NotImplementedError  # no function of the storm asks

    def depend(self, contract: Contract, resources: tuple[str, ...]) -> None:  # noqa: ARG002 - the port has it
        self._call("depend")

    # Observer and judge

    def observe(self, contract: Contract, account: str) -> Observation:  # noqa: ARG002 - the port has it
        began = self.now()
        seen: list[tuple[str, int | None]] = []
        trouble: Unreadable | None = None
        for name, source in self.storm.sources.items():
            if source.account != self.number:
                continue
            try:
                self._call("read")
            except OSError as error:
                is_lasting = self.storm.dice.random() < 0.3
                trouble = Unreadable(name, str(error), transient=not is_lasting)
                seen.append((name, None))
                self.storm.happened["read refused"] += 1
                continue
            version = self.storm.dice.choice(source.readable(self.storm.time))
            self.storm.happened["stale read"] += version < len(source.versions) - 1
            seen.append((name, version))
        look = Seen(self.number, began, versions=tuple(seen), trouble=trouble)
        self.storm.running.looks.append(look)
        return look

    def judge(self, contract: Contract, _: object, observation: Observation, facts: object) -> Verdict:  # noqa: ARG002
        assert isinstance(observation, Seen)
        findings = dict.fromkeys(
            finding for name, version in observation.versions for finding in self._off(name, version)
        )
        return verdict_of(contract, self.number, tuple(findings), as_of=observation.began)

    def _off(self, name: str, version: int | None) -> tuple[Finding, ...]:
        source = self.storm.sources[name]
        off = None if version is None else source.versions[version][1]
        return (UNREAD[source.lock],) if off is None else off

    # Mailer, Reporter, Timer

    def send(self, subject: str, body: str, attributes: dict[str, str]) -> None:  # noqa: ARG002 - the port has it
        def arrive() -> None:
            if self.storm.dice.random() < self.storm.faults / 4:
                raise RefusedMailError("invalid parameter")
            self.storm.check_mail(self, TOLD[body])

        if body not in TOLD:  # the short text has another form, and the same news
            body = body.rpartition("Message ")[2].strip()
        self._call("send", arrive)

    def report(self, party: Party, report: Report) -> None:
        self._call("report", lambda: self.storm.carry(self, party, "report", report))

    def request(self, party: Party, request: ReportRequest) -> None:
        self._call("request", lambda: self.storm.carry(self, party, "request", request))

    def ask(self, contract: str, cause: Cause, *, delay: timedelta) -> None:
        if contract != NAME or delay > LONGEST_DELAY:
            raise BrokenError(f"a timer for `{contract}` in {delay}")
        self._call("ask", lambda: self.storm.post(Message(self.storm.time + delay, self.number, "check", cause)))

    def _call(self, name: str, effect: Callable[[], object] | None = None) -> object:
        return self.storm.running.call(name, effect)


@dataclass(frozen=True, slots=True)
class Told:
    """One mail, by what it says."""

    id: str
    slot: Slot
    at: datetime
    troubles: int  # of the account, when it was sent
    restores: int

    @property
    def says(self) -> Says:
        return _says(self.slot.after)


Says = tuple[Headline, frozenset[FindingId], tuple[Suspension, ...]]


def _says(share: Share) -> Says:
    return share.headline, incident.identities(share.findings), share.suspended


# What counts, said once more than in the code under test.


def _ends(terms: Contract, finding: Finding) -> datetime | None:
    """When the last waiver of these terms that covers a finding ends; None when there is none. The storm's waivers name
    a code and a principal, or a code alone."""
    covering = [
        waived.until
        for waived in terms.waivers
        if waived.finding == finding.code and waived.principal in (None, finding.principal)
    ]
    return max(covering, default=None) if finding.kind is not Kind.UNREAD else None


def _counted(own: Verdict, at: datetime) -> set[Kind]:
    """The kinds of what a verdict found and does not waive at that moment."""
    return {
        finding.kind
        for finding in own.findings
        if finding.kind is Kind.UNREAD or finding.waiver is None or finding.waiver.until <= at
    }


TOLD: dict[str, Slot] = {}  # what each message id says; the text of a mail is its id


def compose(contract: Contract, slot: Slot, *, account: str, recheck: str) -> Mail:  # noqa: ARG001 - as alert.compose
    known = TOLD.setdefault(slot.id, slot)
    if _says(known.after) != _says(slot.after):
        raise BrokenError(f"message {slot.id} says two things")
    return Mail(slot.id, slot.id, {})


# --- The storm -------------------------------------------------------------------------------------------------------


@dataclass
class Storm:
    """One story. `faults` is how likely a call is to go wrong."""

    seed: int
    faults: float = 0.05
    time: datetime = START
    steps: int = 0
    episodes: int = 0

    def __post_init__(self) -> None:
        TOLD.clear()
        self.dice = random.Random(self.seed)  # noqa: S311 - a story, not a secret
        self.sources = sources()
        self.accounts = {number: Account(number, self) for number in (OWNER, CONSUMER)}
        self.queue: list[Message] = []
        self.workers: list[Worker] = []
        self.running: Worker
        self.next_sweep = self.time
        self.is_calm = False
        self.is_set_back = False
        self.past = self.time  # what ended before has ended for everybody
        self.unheard: Account | None = None  # whose reports all go astray
        self.causes = 0  # from outside: changes, sweeps, people
        self.messages = 0  # of our own
        self.dead_letters = 0
        self.refused = 0
        self.log: list[str] = []
        self.happened: Counter[str] = Counter()

    def run(self, steps: int) -> Storm:
        """Play at least so many steps; each episode ends with a calm in which everything is compared."""
        try:
            while self.steps < steps:
                self.episode()
        finally:
            for worker in self.workers:
                worker.step(Order.DIE)
        return self

    # -- an episode --

    def episode(self) -> None:
        self.episodes += 1
        self.is_calm = self.dice.random() < 0.25  # nothing lost and nothing failing: then no sweep is needed
        self.is_set_back = False
        for account in self.accounts.values():
            skew = timedelta(seconds=self.dice.uniform(-240, 240)) if self.dice.random() < 0.5 else account.skew
            # An account whose clock was set back may take a change for one that it saw, until the next sweep.
            self.is_set_back |= skew < account.skew
            account.skew = skew
            account.troubles += 1  # a mail of the future keeps nobody waiting
            account.backups.clear()
        for _ in range(self.dice.randint(200, 900)):
            self.chance()
        self.settle_dust()

    def chance(self) -> None:
        """Something happens."""
        dice, roll = self.dice, self.dice.random()
        if self.workers and roll < 0.75:
            self.advance(dice.choice(self.workers), self.order())
        elif roll < 0.86:
            self.start_some()
        elif roll < 0.89:
            self.change(dice.choice(list(self.sources)))
        elif roll < 0.975:
            self.pass_time()
        elif not self.is_calm:
            dice.choice((self.restore, self.apply, self.toggle_down, self.person, self.sweep_now))()
        else:
            self.person()

    def order(self) -> Order:
        if self.is_calm or self.dice.random() >= self.faults:
            return Order.GO
        return self.dice.choice((Order.DIE, Order.DIE_AFTER, Order.FAIL, Order.FAIL, Order.FAIL_AFTER))

    def pass_time(self) -> None:
        seconds = self.dice.choice((0.1, 1, 5)) if self.workers else self.dice.choice((1, 10, 30, 70, 400, 1500))
        self.time += timedelta(seconds=seconds * self.dice.random())
        self.on_the_hour()

    def on_the_hour(self) -> None:
        if self.time >= self.next_sweep:
            self.next_sweep = self.time + SWEEPS
            self.sweep_now()

    # -- what happens --

    def change(self, name: str) -> None:
        source = self.sources[name]
        off = [finding for finding in source.can_be if self.dice.random() < 0.3]
        shut_out = source.lag == LAG and self.dice.random() < 0.06  # a permission is known sooner than a grant
        source.versions.append((self.time, None if shut_out else tuple(off)))
        # CloudTrail's clock is the account's, but for a second, and its times are cut to seconds.
        at = self.time + self.accounts[source.account].skew + timedelta(seconds=self.dice.uniform(-0.9, 0.9))
        at = at.replace(microsecond=0)
        cause = Cause("change", at, source.account, "eu-west-1", source.event, f"{name}-{len(source.versions)}", "dana")
        cause = replace(cause, resources=(source.resource,))
        self.causes += 1
        copies = self.copies()
        self.happened["reader shut out"] += shut_out
        for _ in range(copies):
            self.post(Message(self.later(90), source.account, "check", cause), ours=False)

    def copies(self) -> int:
        """How often what was sent once arrives."""
        copies = 1 if self.is_calm else self.dice.choice((0, 1, 1, 1, 1, 1, 2, 3))
        self.happened["lost"] += copies == 0
        self.happened["doubled"] += copies > 1
        return copies

    def later(self, seconds: float) -> datetime:
        return self.time + timedelta(seconds=self.dice.random() ** 2 * seconds)

    def sweep_now(self) -> None:
        for account in self.accounts.values():
            if not account.is_down:
                self.causes += 1
                cause = Cause("sweep", self.time + account.skew)
                self.post(Message(self.later(20), account.number, "check", cause), ours=False)

    def person(self) -> None:
        self.causes += 1
        account = self.dice.choice(list(self.accounts.values()))
        cause = Cause("recheck", self.time + account.skew)
        self.post(Message(self.time, account.number, "check", cause), ours=False)

    def apply(self) -> None:
        """The contract is applied again in one account, with other terms or other exceptions."""
        account = self.dice.choice(list(self.accounts.values()))
        prefixes = self.dice.choice((("",), ("sales/",))) if self.dice.random() < 0.5 else account.terms.prefixes
        self.happened["applied"] += 1
        self.apply_terms(account, prefixes=prefixes, waivers=self.waivers(account), suspended=self.suspended())

    def apply_terms(self, account: Account, **changes: object) -> None:
        account.terms = account.terms.model_copy(update=changes)
        self.causes += 1
        self.post(Message(self.later(5), account.number, "check", Cause("apply", self.time + account.skew)), ours=False)

    def waivers(self, account: Account) -> tuple[Waived, ...]:
        """Of some of what can be off in this account; of what is unread too, which no waiver covers."""
        can_be = [
            each for source in self.sources.values() if source.account == account.number for each in source.can_be
        ]
        can_be += [UNREAD[each.lock] for each in can_be]
        waived = [finding for finding in can_be if self.dice.random() < 0.15]
        self.happened["waived"] += bool(waived)
        return tuple(
            Waived(
                finding=finding.code,
                principal=finding.principal if self.dice.random() < 0.7 else None,
                reason="known",
                until=self.some_end(),
            )
            for finding in waived
        )

    def suspended(self) -> Suspended | None:
        if self.dice.random() > 0.2:
            return None
        self.happened["suspended"] += 1
        return Suspended(by="dana", reason="withdrawn", until=self.some_end())

    def some_end(self) -> datetime:
        """Soon, or so much later that it is in force when all is compared."""
        return self.time + timedelta(minutes=self.dice.choice((1, 10, 60, 60, 90, 20_000)) * (0.5 + self.dice.random()))

    def let_end(self) -> None:
        """Time passes until no exception is about to end: whether it has, accounts whose clocks differ may see
        differently."""
        while soon := [end for end in self.ends() if abs(end - self.time) < timedelta(hours=24) and end > self.past]:
            self.past = self.time = max(self.time, *soon) + timedelta(minutes=15)
            self.happened["ended"] += 1

    def ends(self) -> list[datetime]:
        exceptions = (
            each
            for account in self.accounts.values()
            for each in (*account.terms.waivers, account.terms.suspended)
            if each is not None
        )
        return [each.until for each in exceptions]

    def toggle_down(self) -> None:
        """A partner's stack is gone, or back: its bus takes everything and keeps nothing."""
        account = self.dice.choice(list(self.accounts.values()))
        account.is_down = not account.is_down
        self.happened["partner down"] += account.is_down
        if account.is_down:
            self.kill(account)

    def restore(self) -> None:
        """The table goes back to a backup. Functions at work had the old one, and are gone."""
        account = self.dice.choice(list(self.accounts.values()))
        if account.backups:
            self.kill(account)
            account.state_now = self.dice.choice(account.backups)
            account.troubles += 1
            account.restores += 1
            self.happened["restored"] += 1
            account.newest_heard = None
            account.last_seen.clear()

    def kill(self, account: Account) -> None:
        for worker in [worker for worker in self.workers if worker.account is account]:
            self.advance(worker, Order.DIE)

    # -- queues --

    def post(self, message: Message, *, ours: bool = True) -> None:
        self.messages += ours
        self.queue.append(message)
        # Every check that somebody asks for may ask for one more look, one wait for the merge window and one report to
        # the other side, which may ask for one wait there; and every message may come five times.
        if self.messages > 200 + 30 * self.causes:
            raise BrokenError(
                f"{self.messages} messages of our own after {self.causes} causes: an exchange without end"
            )

    def carry(self, sender: Account, party: Party, kind: str, body: object) -> None:
        """PutEvents: from this account to the party's bus. A bus that is not there takes it all the same."""
        if self.running.kind != "check":
            raise BrokenError(f"a {kind} was sent in answer to a {self.running.kind}")
        receiver = self.accounts[party.account]
        if receiver.is_down or sender is self.unheard:
            return
        for _ in range(self.copies()):
            content = (sender.number, body, self.time)
            self.post(Message(self.later(60), party.account, kind, content))

    def start_some(self) -> None:
        due = [
            message for message in self.queue if message.due <= self.time and not self.accounts[message.account].is_down
        ]
        if due and len(self.workers) < 4:
            self.start(self.dice.choice(due))

    def start(self, message: Message) -> None:
        self.queue.remove(message)
        self.happened[message.kind] += 1
        self.happened["settle"] += isinstance(message.body, Cause) and message.body.kind == "settle"
        self.happened["two at once"] += any(worker.account.number == message.account for worker in self.workers)
        self.happened["late"] += self.time - message.due > timedelta(minutes=1)
        account, desk = self.accounts[message.account], self.accounts[message.account].watch.desk
        received = replace(message, receives=message.receives + 1)
        body = message.body

        def work() -> None:
            if message.kind == "check":
                assert isinstance(body, Cause)
                first, last = received.receives == 1, received.receives >= RECEIVES
                account.watch.check(NAME, body, last_try=last, first_try=first)
                return
            assert isinstance(body, tuple)
            sender, content, sent_at = body
            if message.kind == "request":
                desk.answer(sender, content)
            else:
                desk.hear(sender, content, sent_at=sent_at)
                account.heard(content)

        self.workers.append(Worker(account, received, work, self.time + TIMEOUT))

    def advance(self, worker: Worker, order: Order) -> None:
        """One step of one function. One that has run too long is cut off."""
        if self.time > worker.until:
            order = Order.DIE
        self.steps += 1
        self.running = worker
        if order is not Order.GO:
            worker.account.troubles += 1
            self.happened[order.value] += 1
        worker.step(order)
        if worker.is_done:
            self.finish(worker)

    def finish(self, worker: Worker) -> None:
        self.workers.remove(worker)
        failure, message = worker.failure, worker.message
        if failure is None:
            return
        if isinstance(failure, BrokenError):
            raise failure
        if isinstance(failure, RefusedReportError):
            self.refused += 1
            raise BrokenError(f"an honest report was refused: {failure}") from failure
        expected = Died | OSError | ConflictError | UnknownContractError
        if not isinstance(failure, expected) and type(failure).__module__ != "threelocks.watch":
            raise BrokenError(f"{type(failure).__name__}: {failure}") from failure
        for part in getattr(failure, "failures", ()):
            if isinstance(part, BrokenError):
                raise part
        worker.account.troubles += 1
        if message.receives < RECEIVES:
            self.queue.append(replace(message, due=self.time + VISIBILITY))
        else:
            self.dead_letters += 1

    # -- what is checked at each write and mail --

    def check_write(self, account: Account, before: State | None, after: State) -> None:
        if self.dice.random() < 0.3:
            account.backups.append(after)
        if after.digest != account.terms.seal:
            raise BrokenError(f"{account.number} records a verdict on terms that are not in force any more")
        if after.told is not None and (before is None or before.told != after.told):
            slot = before.slot if before else None
            if slot is None or not any(mail.id == slot.id and mail.says == _says(after.told) for mail in account.mails):
                raise BrokenError(f"{account.number} notes as told what nobody was told")
        if before and after.stamp < before.stamp:
            raise BrokenError(f"{account.number} makes a report that its partner takes for an older one")
        for received in after.reports:
            kept = next((one for one in before.reports if one.account == received.account), None) if before else None
            if kept and received.report.stamp < kept.report.stamp:
                raise BrokenError(f"{account.number} went back to an older report")
        if after.own and (before is None or after.own is not before.own) and self.running.looks:
            self._check_verdict(account, before, after)

    def _check_verdict(self, account: Account, before: State | None, after: State) -> None:
        assert after.own is not None
        looks, now = self.running.looks, incident.identities(after.own.findings)
        versions = dict(looks[-1].versions)
        for lock in {self.sources[name].lock for name in versions}:
            is_blind = any(self._is_blind(name, versions[name]) for name in versions if self.sources[name].lock is lock)
            if is_blind and UNREAD[lock].identity not in now:
                raise BrokenError(f"a source of {lock} could not be read, and the verdict does not say so")
            if is_blind and before and before.own and before.own.digest == after.own.digest:
                known = {f.identity for f in before.own.findings if f.lock is lock}
                if not known <= now:
                    raise BrokenError(f"{lock} could not be read, and its last known findings are gone")
        self._check_drops(account, before, after)
        for finding in after.own.findings:
            if (finding.waiver and finding.waiver.until) != _ends(account.terms, finding):
                raise BrokenError(f"{finding.code} is waived otherwise than the contract in force says")
        for identity in now:
            showing = {
                name: version
                for name, version in versions.items()
                if version is not None and identity in incident.identities(account._off(name, version))
            }
            if showing:
                account.last_seen[identity] = showing

    def _is_blind(self, name: str, version: int | None) -> bool:
        return version is None or self.sources[name].versions[version][1] is None

    def _check_drops(self, account: Account, before: State | None, after: State) -> None:
        """A finding goes only when a newer version of what showed it was read: never by reading an older one."""
        assert after.own is not None
        if before is None or before.own is None or before.own.digest != after.own.digest:
            account.last_seen.clear()
            return
        versions = dict(self.running.looks[-1].versions)
        for identity in incident.identities(before.own.findings) - incident.identities(after.own.findings):
            for name, version in account.last_seen.pop(identity, {}).items():
                read = versions.get(name)
                if read is None or read <= version:
                    raise BrokenError(
                        f"{identity[0]} was dropped by version {read} of {name}, after {version} showed it"
                    )

    def check_mail(self, account: Account, slot: Slot) -> None:
        mail = Told(slot.id, slot, self.time, account.troubles, account.restores)
        kind, standing = mail_kind(slot.before, slot.after), slot.after.headline
        self.log.append(f"{self.time:%d %H:%M:%S} {account.number} {kind} {standing} {slot.id} by {self.running.kind}")
        read = self.running.read
        if read and not {finding.kind for finding in slot.after.findings} & GRAVE:
            recorded = _counted(read.own, max(read.own.as_of, read.at or START)) if read.own else set()
            if recorded & GRAVE:
                raise BrokenError(f"{account.number} was told {slot.after.headline} while its own lock is recorded off")
            heard = account.newest_heard
            at = max(heard.verdict.as_of, read.at or START) if heard else START
            if heard and _counted(heard.verdict, at) & GRAVE and not _is_newer(read, heard):
                raise BrokenError(
                    f"{account.number} was told {slot.after.headline} while the holder says its lock is off"
                )
        self._check_silence(account, read, slot)
        past = account.mails[-1] if account.mails else None
        same = [one for one in account.mails if one.id == slot.id]
        if same and same[-1].troubles == account.troubles:
            raise BrokenError(f"message {slot.id} was sent twice, though nothing had failed")
        # Whether a recovery was sent before it was found wrong, nobody knows: then what stands is told again.
        is_refreshed = slot.before is not None and _says(slot.before) == mail.says
        if past and not same and past.restores == account.restores and past.says == mail.says and not is_refreshed:
            raise BrokenError(f"{account.number} was told the same twice, under two ids")
        if past and not same and past.troubles == account.troubles:
            graver = HEADLINES.index(slot.after.headline) < HEADLINES.index(past.slot.after.headline)
            if not graver and mail.at - past.at < TIMES.merge - TIMEOUT:
                raise BrokenError(f"{account.number} got two mails within {mail.at - past.at}")
        account.mails.append(mail)

    def _check_silence(self, account: Account, read: State | None, slot: Slot) -> None:
        """Nobody is told of drift while it is recorded that the share is suspended."""
        if read is None or slot.after.suspended:
            return
        said = [read.own, *(received.report.verdict for received in read.reports)]
        for verdict in said:
            stated = verdict.suspended if verdict else None
            if verdict and stated and stated.until > max(verdict.as_of, read.at or START):
                raise BrokenError(f"{account.number} was told {slot.after.headline} of a share that is suspended")

    # -- the calm after it --

    def settle_dust(self) -> None:
        """Nothing goes wrong any more: everything that waits arrives; then one sweep runs, and all must be well."""
        calm, self.is_calm = self.is_calm, True
        faults, self.faults = self.faults, 0.0
        was_down = any(account.is_down for account in self.accounts.values())
        for account in self.accounts.values():
            account.is_down = False
        prefixes = self.dice.choice(list(self.accounts.values())).terms.prefixes
        for account in self.accounts.values():
            if account.terms.prefixes != prefixes:
                self.apply_terms(account, prefixes=prefixes)
        self.drain()
        if calm:
            self.pass_time()
            self.change(self.dice.choice(list(self.sources)))  # alone, so that no other check finds it
            self.drain()
        # Where nothing was lost and nobody had died, no sweep is needed to know the truth.
        if calm and not was_down and not self.is_set_back and self.episodes > 1:
            self.compare(sweeps=0)
        self.let_end()
        self.time += TIMES.settle_grants + TIMES.merge
        self.sweep_now()
        self.drain()
        self.compare(sweeps=1)
        # A second one settles who hears whom: the first reports cross each other.
        self.sweep_now()
        self.drain()
        self.compare(sweeps=2)
        if self.dice.random() < 0.1:
            self.outage()
        if self.dice.random() < 0.4:
            self.without_chat()
        self.faults = faults

    def outage(self) -> None:
        """For hours one account's reports all go astray, and PutEvents says that all is well: both must notice."""
        self.unheard = deaf_to = self.dice.choice(list(self.accounts.values()))
        self.happened["outage"] += 1
        for _ in range(6):
            self.time += SWEEPS
            self.sweep_now()
            self.drain()
        for account in self.accounts.values():
            state = account.state_now
            share = incident.merge(account.terms, state) if state else None
            found = [one for one in share.findings if one.code == "watchdog.partner-silent"] if share else []
            if not share or not found or bool(found[0].actions) is not (account is deaf_to):
                raise BrokenError(f"{account.number} has not noticed that {deaf_to.number} is not heard")
            is_told = bool(share.suspended) or account.mails[-1].says == _says(share)
            if not is_told or share.headline is Headline.INTACT:
                raise BrokenError(f"{account.number} was not told that {deaf_to.number} is not heard")
        self.unheard = None
        self.sweep_twice()

    def without_chat(self) -> None:
        """One account's chat is gone while policies change: every mail goes out all the same, and none waits for a
        sweep; back again, the chat hears what stands."""
        account = self.dice.choice(list(self.accounts.values()))
        account.chat.is_gone = True
        self.happened["without chat"] += 1
        for _ in range(self.dice.randint(1, 4)):
            self.time += timedelta(minutes=self.dice.choice((0.5, 3, 10, 40)))
            self.change(self.dice.choice(list(self.sources)))
            self.drain()
            self.compare(sweeps=0)
        account.chat.is_gone = False
        self.sweep_twice()

    def sweep_twice(self) -> None:
        """What was down is back: two sweeps, and all is well."""
        for _ in range(2):
            self.time += TIMES.merge
            self.sweep_now()
            self.drain()
        self.compare(sweeps=2)

    def drain(self) -> None:
        budget = 400 + 4 * len(self.queue)
        while self.workers or self.queue:
            if self.workers:
                self.advance(self.dice.choice(self.workers), Order.GO)
                continue
            budget -= 1
            if budget < 0:
                raise BrokenError("messages beget messages without end")
            message = min(self.queue, key=lambda one: one.due)
            self.time = max(self.time, message.due)
            self.start(message)
            due = [one for one in self.queue if one.due <= self.time]
            if due and self.dice.random() < 0.5:
                self.start(self.dice.choice(due))

    def compare(self, *, sweeps: int) -> None:
        """Both accounts know the truth, have told it, and tell the same."""
        shared = []
        for account in self.accounts.values():
            state = account.state_now
            if state is None or state.own is None:
                raise BrokenError(f"{account.number} has no verdict after {sweeps} sweeps")
            self._compare_own(account, state.own, sweeps)
            share = incident.merge(account.terms, state)
            findings = share.findings
            if sweeps < 2:
                findings = tuple(one for one in findings if one.code != "watchdog.partner-silent")
            elif any(one.code == "watchdog.partner-silent" for one in findings):
                raise BrokenError(f"{account.number} says that its partner is silent, and it is not")
            off = {one.identity for one in findings if one.scope is Scope.SHARE}
            known = {one.identity for one in share.waived if one.scope is Scope.SHARE}
            shared.append((off, known, {one.account for one in share.suspended}))
            self._compare_exceptions(account, state.own, share, sweeps)
            if (state.slot and not account.chat.is_gone) or not account.mails:
                raise BrokenError(f"{account.number} has news that wait, after {sweeps} sweeps")
            last = account.mails[-1]
            if not (_knows_it_suspended(account, last, share) if share.suspended else last.says == _says(share)):
                raise BrokenError(
                    f"{account.number} was last told {last.says}, and what stands is {_says(share)} "
                    f"after {sweeps} sweeps"
                )
            if not account.chat.is_gone and _says(TOLD[account.chat.last].after) != last.says:
                raise BrokenError(f"{account.number} told its chat otherwise than by mail")
            grave = bool(_counted(state.own, self.time + account.skew) & GRAVE)
            if (state.incident is not None and state.incident.closed is None) is not grave:
                raise BrokenError(f"{account.number} has an incident that does not fit")
        if shared[0] != shared[1]:
            raise BrokenError(f"the accounts know different shares after {sweeps} sweeps: {shared[0]}, {shared[1]}")

    def _compare_exceptions(self, account: Account, own: Verdict, share: Share, sweeps: int) -> None:
        """What an account's contract waives and suspends by now, no more and no less."""
        now, terms = self.time + account.skew, account.terms
        waived = {each.identity for each in own.findings if (end := _ends(terms, each)) and end > now}
        if waived != {each.identity for each in share.waived if each.account == account.number}:
            raise BrokenError(f"{account.number} waives other findings than its contract, after {sweeps} sweeps")
        is_suspended = terms.suspended is not None and terms.suspended.until > now
        if is_suspended is not any(each.account == account.number for each in share.suspended):
            raise BrokenError(f"{account.number} does not know whether it suspends the share, after {sweeps} sweeps")

    def _compare_own(self, account: Account, own: Verdict, sweeps: int) -> None:
        known = incident.identities(own.findings)
        for lock in {source.lock for source in self.sources.values() if source.account == account.number}:
            mine = [source for source in self.sources.values() if source.lock is lock]
            truth = {finding.identity for source in mine for finding in source.now or ()}
            have = {finding.identity for finding in own.findings if finding.lock is lock}
            if any(source.now is None for source in mine):
                if UNREAD[lock].identity not in known or not truth <= have:
                    raise BrokenError(f"{lock} cannot be read, and {account.number} does not say so")
            elif truth != have:
                raise BrokenError(
                    f"{lock} is {truth or 'as agreed'}, {account.number} has {have} after {sweeps} sweeps"
                )


def _knows_it_suspended(account: Account, last: Told, share: Share) -> bool:
    """Whether the last mail said so. What was told before a restore and has ended since is not told to have ended while
    another suspension lasts."""
    told, stands = set(last.slot.after.suspended), set(share.suspended)
    return stands <= told if last.restores < account.restores else stands == told


def _is_newer(state: State | None, report: Report) -> bool:
    """Whether the state has a newer report of the same sender."""
    received = state.reports if state else ()
    return any(one.account == report.verdict.account and one.report.stamp > report.stamp for one in received)


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1 when a seed breaks something; its number plays it again."""
    parser = argparse.ArgumentParser(prog="python -m simulation.storm", description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=100_000, help="calls to ports, at least (default: 100000)")
    parser.add_argument("--seed", type=int, default=1, help="of the first story; each further one is the next number")
    parser.add_argument("--story", type=int, default=5_000, help="steps in one story (default: 5000)")
    asked = parser.parse_args(arguments)
    began, steps, seed, mails = time.monotonic(), 0, asked.seed, 0
    while steps < asked.steps:
        storm = Storm(seed)
        try:
            storm.run(min(asked.story, asked.steps))
        except BrokenError as broken:
            print(f"seed {seed}, step {storm.steps}, {storm.time:%d %H:%M:%S}: {broken}", file=sys.stderr)
            return 1
        steps, seed = steps + storm.steps, seed + 1
        mails += sum(len(account.mails) for account in storm.accounts.values())
    seconds = time.monotonic() - began
    print(f"{steps} steps in {seed - asked.seed} stories, {mails} mails, nothing lost and no lie, in {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
