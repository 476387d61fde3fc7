"""The pipeline: observe -> judge -> record -> announce -> report.

`Desk` is what every function has, and `on_report` uses alone: it stores, merges and announces, and never reads a lock
or sends a report. `Watch` adds the reading. Neither knows AWS; the clock, the ids and the clients are passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from threelocks import incident, lookup, pins
from threelocks.alert import (
    AT_ONCE,
    Mail,
    Told,
    card,
    card_of_many,
    compose,
    event,
    likeness,
    short_card,
    short_event,
    short_mail,
    together,
)
from threelocks.contract import Contract, Party
from threelocks.finding import Cause, Change, Finding, Remedy, Share, Verdict
from threelocks.judge import judge
from threelocks.locks.compare import compare
from threelocks.locks.kept import Kept, changed, kept
from threelocks.mend import offering, proven
from threelocks.observation import Absent, Found, Observation, Unreadable
from threelocks.ports import (
    Announcer,
    ConflictError,
    EventHistory,
    Mailer,
    Observer,
    RefusedMailError,
    Reporter,
    Store,
    Timer,
)
from threelocks.report import MalformedError, Report, ReportRequest, refusal, request_refusal
from threelocks.settle import SETTLED, covered, looks_after
from threelocks.state import CHAT, EVENT, MAIL, Moment, Slot, State, Times

TRIES = 8  # at a conditional write that others win
LOOKS = 3  # at most so many observations, to see a new finding twice in a row
PATIENCE = 2  # failed sends of one text before the short one replaces it
ALWAYS_REPORT = frozenset({"sweep", "recheck", "request", "apply", "accept"})

Judge = Callable[..., Verdict]
Compare = Callable[..., Change]
Prove = Callable[..., Mapping[tuple[str, str, str, tuple[str, ...]], Remedy]]


class UnknownContractError(LookupError):
    """The table has no contract of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no contract `{name}` in this account; apply it first")
        self.name = name


class RefusedReportError(ValueError):
    """A report, or a request for one, that must not be believed. Nothing of it was kept."""

    def __init__(self, reason: str, contract: str, sender: str, *, what: str = "a report") -> None:
        super().__init__(f"refused {what} on `{contract}` from `{sender}`: {reason}")
        self.reason = reason
        self.contract = contract
        self.sender = sender


class TransientError(Exception):
    """AWS did not answer for the moment, and nothing was recorded: try the check again."""

    def __init__(self, name: str, sources: tuple[Unreadable, ...]) -> None:
        operations = ", ".join(f"`{source.operation}` ({source.error})" for source in sources)
        super().__init__(f"cannot check `{name}` now, try again: {operations}")
        self.name = name
        self.sources = sources


class UndeliveredError(Exception):
    """The verdict or report is recorded, but somebody was not told; another try with the same event tells them."""

    def __init__(self, share: Share, failures: tuple[Exception, ...]) -> None:
        what = "; ".join(f"{type(failure).__name__}: {failure}" for failure in failures)
        super().__init__(f"recorded `{share.contract}`, but could not tell everybody: {what}")
        self.share = share
        self.failures = failures


@dataclass(frozen=True, slots=True)
class Desk:
    """One account's table and alert topic.

    `claim` must be longer than any function's timeout, so that two never send the same slot, and shorter than the
    queues' visibility timeout, so that the redelivered message of a crashed function finds the claim expired.
    """

    account: str
    store: Store
    mailer: Mailer
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    timer: Timer
    compose: Callable[..., Mail] = compose
    recheck: str = "threelocks-recheck"  # the function to invoke for a re-check, as the mail names it
    claim: timedelta = timedelta(minutes=2)
    times: Times = field(default=Times())
    chat: Mailer | None = None  # a topic of its own, for cards
    bus: Announcer | None = None  # the account's own, for other automations

    def moment(self) -> Moment:
        return Moment(self.now(), self.new_id, self.claim, self.times)

    def hear(self, sender: str, report: Report, *, sent_at: datetime, waiting: list[Filled] | None = None) -> Share:
        """Believe a report, store it, and announce what it changes.

        `sender` and `sent_at` are the envelope's `account` and `time`. A stale or repeated report changes nothing, but
        a slot that is still waiting is announced. Raises RefusedReportError when it must not be believed, ConflictError
        after too many lost races, UndeliveredError when the mail could not be sent.

        What it fills is put with `waiting`, where that is given, for the caller to `tell`.
        """
        contract, state, filled = self._accept(sender, report, sent_at)
        share = incident.merge(contract, state)
        _deliver(share, self.telling(contract, state, filled, waiting))
        return share

    def telling(
        self, contract: Contract, state: State, filled: Slot | None, waiting: list[Filled] | None
    ) -> list[Callable[[], object]]:
        """The steps that are left: to announce, and to look again later; none when both wait."""
        if waiting is not None and filled is not None:
            waiting.append(Filled(contract.name, filled))
            return []
        armed = [lambda: self.arm(contract.name)] if self.waits(contract, state, filled) else []
        return [lambda: self._announce(contract.name, filled), *armed]

    def tell(self, waiting: Sequence[Filled]) -> dict[str, Exception]:
        """Send what has been filled: those that one cause made, and that read alike, in one mail. Answers what failed,
        by contract; each slot is then free for the next try, with its id.
        """
        failures: dict[str, Exception] = {}
        alike: dict[object, list[Told]] = {}
        for name, slot in waiting:
            with _noting(failures, [name]):
                taken = self._take(name, slot)
                if taken is not None:
                    contract, held = taken
                    mail = self._mail(contract, held)
                    alike.setdefault((likeness(held, mail), frozenset(dict(held.done))), []).append(
                        (contract, held, mail)
                    )
        for rows in alike.values():
            for start in range(0, len(rows), AT_ONCE):
                self._tell(rows[start : start + AT_ONCE], failures)
        for name, _ in waiting:
            with _noting(failures, [name]):
                self.arm(name)
        return failures

    def _tell(self, rows: Sequence[Told], failures: dict[str, Exception]) -> None:
        """INVARIANT: every slot of the rows is ours; each is emptied only when a mail that has its id was sent."""
        done = tuple((way, self.now()) for way in self._send_together(rows)) if len(rows) > 1 else ()
        for contract, slot, _ in rows:
            name = contract.name
            with _noting(failures, [name]):
                self._announce(name, self._send(contract, replace(slot, done=done)) if done else slot)

    def _send_together(self, rows: Sequence[Told]) -> tuple[str, ...]:
        """The ways by which all were sent at once; none when the mail could not be: then each must be by itself, which
        tells what is wrong with which. A card that fails is left to each as well."""
        try:
            mail = together(rows)
            self.mailer.send(mail.subject, mail.body, mail.attributes)
        except Exception:  # noqa: BLE001 - as above
            return ()
        with suppress(Exception):
            if self.chat:
                pairs = [(contract, slot) for contract, slot, _ in rows]
                text = card_of_many(pairs, account=self.account, recheck=self.recheck)
                self.chat.send(mail.subject, text, mail.attributes)
                return (MAIL, CHAT)
        return (MAIL,)

    def answer(self, sender: str, request: ReportRequest) -> bool:
        """Take up a party's request for a fresh report: ask for a check, whose report is the answer. False when the
        sender was answered a moment ago.

        Raises RefusedReportError when the sender has no part in the contract.
        """
        name = request.contract
        for _ in range(TRIES):
            contract = self.store.contract(name)
            reason = "we have no contract of that name"
            if contract:
                reason = request_refusal(contract, request, account=self.account, sender=sender) or ""
            if contract is None or reason:
                raise RefusedReportError(reason, name, sender, what="a request")
            stored, now = self.store.state(name), self.now()
            state = incident.begin(contract, self.account, stored)
            if not incident.may_answer(state, sender, now, self.times):
                return False
            # Asked for first: a crash in between costs a second check, not the answer.
            self.timer.ask(name, Cause(kind="request", at=now, account=sender), delay=timedelta(0))
            with suppress(ConflictError):
                after = incident.answering(state, sender, now)
                self.store.save(after, expected_version=stored.version if stored else None)
                return True
        raise ConflictError(f"cannot note a request on `{name}`: others wrote first {TRIES} times; try again")

    def waits(self, contract: Contract, state: State, filled: Slot | None) -> bool:
        """Whether something settles or is told later, or may be once the slot is sent."""
        return filled is not None or incident.due(contract, state, self.moment()) is not None

    def arm(self, name: str) -> None:
        """Have a message sent that asks for the next check, unless one is on its way that comes in time.

        It is sent before it is recorded: a crash in between costs a second message, and none is ever lost.
        """
        is_sent = False
        for _ in range(TRIES):
            contract, state = self.store.contract(name), self.store.state(name)
            if contract is None or state is None:
                return
            moment = self.moment()
            at = incident.due(contract, state, moment)
            if at is None:
                return
            if not is_sent:
                self.timer.ask(name, Cause(kind=SETTLED, at=moment.now, account=self.account), delay=at - moment.now)
                is_sent = True
            after = replace(incident.begin(contract, self.account, state), timer=at)
            with suppress(ConflictError):
                self.store.save(after, expected_version=state.version)
                return

    def _accept(self, sender: str, report: Report, sent_at: datetime) -> tuple[Contract, State, Slot | None]:
        name, written = report.verdict.contract, _Written()
        for _ in range(TRIES):
            contract = self.store.contract(name)
            if contract is None:
                raise RefusedReportError("we have no contract of that name", name, sender)
            reason = refusal(contract, report, account=self.account, sender=sender, sent_at=sent_at)
            if reason:
                raise RefusedReportError(reason, name, sender)
            stored = self.store.state(name)
            state = incident.begin(contract, self.account, stored)
            after = incident.accept(contract, state, report, self.moment())
            if after is None:
                return contract, state, written.slot_of(state)
            written.note(stored, after)
            try:
                saved = self.store.save(
                    after,
                    expected_version=stored.version if stored else None,
                    standing=incident.standing(contract, stored, after, report.cause or _reported(report, after)),
                )
            except ConflictError:
                continue
            return contract, saved, written.slot_of(saved)
        raise ConflictError(f"cannot record a report on `{name}`: others wrote first {TRIES} times; try again")

    def announce(self, name: str) -> bool:
        """Send what waits in the slot, if nobody else has a claim on it; True when a mail was sent.

        Afterwards what happened meanwhile is compared, and told as well. A failure raises, and leaves the slot free for
        the next try, with the same id.
        """
        return self._announce(name, None)

    def _announce(self, name: str, held: Slot | None) -> bool:
        """`held` is the slot as the caller itself filled it: the claim on it is ours. Without it, only a slot whose
        claim has expired is ours to take."""
        any_sent = False
        for _ in range(TRIES):
            taken = self._take(name, held)
            if taken is None:
                return any_sent
            held = self._send(*taken)
            any_sent = True
        return any_sent

    def _told(self, contract: Contract, state: State) -> State:
        return incident.told(contract, state, self.moment())

    def _take(self, name: str, held: Slot | None) -> tuple[Contract, Slot] | None:
        """The slot to send, with a claim of ours on it that begins now; None when there is nothing for us to send."""
        for _ in range(TRIES):
            contract, state = self.store.contract(name), self.store.state(name)
            if contract is None or state is None or state.slot is None:
                return None
            moment = self.moment()
            is_ours = _is_ours(state.slot, held)
            if not is_ours and state.slot.claimed_until > moment.now:
                return None
            # INVARIANT: no recovery is told that what we know by now contradicts.
            slot = incident.refreshed(contract, state, moment)
            if is_ours and slot is None:
                return contract, state.slot
            held = replace(slot or state.slot, claimed_until=moment.now + self.claim)
            after = replace(incident.begin(contract, self.account, state), slot=held)
            with suppress(ConflictError):
                self.store.save(after, expected_version=state.version)
                return contract, held
        raise ConflictError(f"cannot claim the announcement of `{name}`: others wrote first {TRIES} times; try again")

    def _change_slot(self, name: str, slot: Slot, change: Callable[[Contract, State], State]) -> Slot | None:
        """Apply `change` while the slot is still the one we claimed; answers the slot that stands afterwards when it is
        ours."""
        written = _Written()
        for _ in range(TRIES):
            contract, state = self.store.contract(name), self.store.state(name)
            if contract is None or state is None:
                return None
            if not _is_ours(state.slot, slot):
                return written.slot_of(state)
            after = change(contract, incident.begin(contract, self.account, state))
            written.note(state, after)
            with suppress(ConflictError):
                return written.slot_of(self.store.save(after, expected_version=state.version))
        raise ConflictError(
            f"cannot empty the slot of `{name}`: others wrote first {TRIES} times; its mail will repeat"
        )

    def _send(self, contract: Contract, slot: Slot) -> Slot | None:
        """Send by every way that has not taken it yet, and empty the slot; the slot that is ours afterwards.

        One way's failure is not another's: it raises what failed when all were tried, and leaves the slot free for the
        next try, which has the same id and those ways only.
        """
        done, failures = dict(slot.done), list[Exception]()
        for way, send in self._ways(contract, slot):
            if way in done:
                continue
            try:
                send()
            except Exception as failure:  # noqa: BLE001 - raised below
                failures.append(failure)
            else:
                done[way] = self.now()
        if not failures:
            return self._change_slot(contract.name, slot, self._told)
        self._change_slot(contract.name, slot, _released(self.now(), done))
        raise failures[0] if len(failures) == 1 else ExceptionGroup("cannot tell", failures)

    def _ways(self, contract: Contract, slot: Slot) -> Iterator[tuple[str, Callable[[], None]]]:
        """Every way to tell that there is in this account."""
        chat, bus = self.chat, self.bus
        yield MAIL, lambda: self._send_mail(contract, slot)
        if chat:
            yield CHAT, lambda: self._send_card(chat, contract, slot)
        if bus:
            yield EVENT, lambda: bus.announce(self._event(contract, slot))

    def _send_mail(self, contract: Contract, slot: Slot) -> None:
        """The mail, or a short one in its place when it is refused."""
        mail = self._mail(contract, slot)
        try:
            self.mailer.send(mail.subject, mail.body, mail.attributes)
        except RefusedMailError:
            short = self._short(contract, slot)
            if mail == short:
                raise
            self.mailer.send(short.subject, short.body, short.attributes)

    def _send_card(self, chat: Mailer, contract: Contract, slot: Slot) -> None:
        mail = self._mail(contract, slot)
        try:
            text = card(contract, slot, account=self.account, recheck=self.recheck)
        except Exception:  # noqa: BLE001 - as with the mail
            text = short_card(contract, slot)
        chat.send(mail.subject, text, mail.attributes)

    def _event(self, contract: Contract, slot: Slot) -> str:
        try:
            return event(contract, slot, account=self.account)
        except Exception:  # noqa: BLE001 - as with the mail
            return short_event(contract, slot, account=self.account)

    def _mail(self, contract: Contract, slot: Slot) -> Mail:
        """The mail, or a short one in its place when it cannot be composed, or failed too often."""
        if slot.failures >= PATIENCE:
            return self._short(contract, slot)
        try:
            return self.compose(contract, slot, account=self.account, recheck=self.recheck)
        except Exception:  # noqa: BLE001 - whatever a strange policy does to our text, people must be told
            return self._short(contract, slot)

    def _short(self, contract: Contract, slot: Slot) -> Mail:
        return short_mail(contract, slot, account=self.account, recheck=self.recheck)


def _reported(report: Report, state: State) -> Cause:
    at = next(received.at for received in state.reports if received.account == report.verdict.account)
    return Cause(kind="report", at=at, account=report.verdict.account)


def _is_ours(slot: Slot | None, held: Slot | None) -> bool:
    """The same announcement under the same claim: another one's claim ends at another time."""
    return bool(slot and held and (slot.id, slot.claimed_until) == (held.id, held.claimed_until))


class Filled(NamedTuple):
    """An announcement that a check or a report has filled, and that waits for others of the same cause."""

    name: str
    slot: Slot


class _Written:
    """The slots that a loop of conditional writes tried to fill.

    A write may succeed and be answered with a conflict, when the client's own retry finds the new version: what was
    filled so is ours to send all the same, and one that stood before is somebody else's.
    """

    def __init__(self) -> None:
        self._slots: list[Slot] = []

    def note(self, before: State | None, after: State) -> None:
        if after.slot and not (before and _is_ours(before.slot, after.slot)):
            self._slots.append(after.slot)

    def slot_of(self, state: State) -> Slot | None:
        return state.slot if any(_is_ours(state.slot, slot) for slot in self._slots) else None


def _released(now: datetime, done: Mapping[str, datetime]) -> Callable[[Contract, State], State]:
    def release(_: Contract, state: State) -> State:
        assert state.slot is not None  # the caller saw that it is ours
        failures = state.slot.failures + (MAIL not in done)
        slot = replace(state.slot, claimed_until=now, failures=failures, done=tuple(done.items()))
        return replace(state, slot=slot)

    return release


@contextmanager
def _noting(failures: dict[str, Exception], names: Iterable[str]) -> Iterator[None]:
    """Whatever fails inside is noted for these contracts, and stops no other."""
    try:
        yield
    except Exception as failure:  # noqa: BLE001 - the caller raises or reports it
        failures.update(dict.fromkeys(names, failure))


def _deliver(share: Share, steps: list[Callable[[], object]]) -> None:
    """Take every step, whichever fails; then raise UndeliveredError when one did."""
    failures = []
    for step in steps:
        try:
            step()
        except Exception as failure:  # noqa: BLE001 - each step is tried; all failures are raised below
            failures.append(failure)
    if failures:
        raise UndeliveredError(share, tuple(failures)) from failures[0]


class _Recorded(NamedTuple):
    """What a check wrote, and what is left to deliver."""

    contract: Contract
    state: State
    slot: Slot | None  # the one that this check filled
    report: Report | None
    depends: tuple[str, ...] | None  # to hand to Store.depend; None: nothing new


class _Known(NamedTuple):
    """What a check goes by, beside what it observes: read once, so that all that is made of it agrees."""

    contract: Contract
    before: State
    neighbours: tuple[Contract, ...]
    facts: Mapping[str, str]

    @property
    def past(self) -> tuple[Finding, ...]:
        """The findings of the last check under the same terms."""
        own = self.before.own
        return own.findings if own and own.digest == self.contract.digest else ()


@dataclass(frozen=True, slots=True)
class Watch:
    """One account's whole watchdog."""

    desk: Desk
    observer: Observer
    reporter: Reporter
    judge: Judge = judge
    compare: Compare = compare
    prove: Prove = proven
    history: EventHistory | None = None  # asked for who is behind what no event told
    thorough: Observer | None = None  # sees what keeps the watch, too; without it nothing looks after that

    def check(
        self,
        name: str,
        cause: Cause,
        *,
        last_try: bool = True,
        first_try: bool = False,
        waiting: list[Filled] | None = None,
    ) -> Share:
        """Read the locks that this account holds, judge, record, announce, and report to the other parties.

        The report goes out when its content differs from the one last sent, and always when the cause is a sweep (its
        heartbeat), a re-check, a partner's request or a contract that was applied. A re-check also asks the other
        parties for a fresh report, and does not wait for it. With `last_try` False, a source that is throttled or timed
        out raises TransientError before anything is recorded; with True it is recorded as unread.

        With `first_try` True, a change that the recorded observation saw already is done, without reading a lock or
        writing anything. Who comes again may have died half-way, and is never done so.

        An announcement that the check fills is put with `waiting`, where that is given, for the caller to have the desk
        `tell` it: one change that moves many contracts is then one mail.

        Raises UnknownContractError, TransientError, ConflictError after too many lost races, and UndeliveredError
        (which has the share) when the verdict is recorded but a mail or report failed: everything else was tried.
        """
        recorded = self._record(name, cause, last_try=last_try, first_try=first_try)
        if isinstance(recorded, Share):
            return recorded
        contract, state, filled, report, depends = recorded
        share = incident.merge(contract, state)
        steps = self.desk.telling(contract, state, filled, waiting)
        if report:
            steps.append(lambda: self._report(contract, report))
        if depends is not None:
            steps.append(lambda: self._depend(contract, depends))
        if cause.kind == "recheck":
            steps.append(lambda: self._ask(contract))
        _deliver(share, steps)
        return share

    def _record(self, name: str, cause: Cause, *, last_try: bool, first_try: bool) -> _Recorded | Share:
        store, account, written = self.desk.store, self.desk.account, _Written()
        for _ in range(TRIES):
            contract = store.contract(name)
            if contract is None:
                raise UnknownContractError(name)
            stored = store.state(name)
            before = incident.begin(contract, account, stored)
            if first_try and covered(before, cause, contract.digest, self.desk.now(), self.desk.times):
                return incident.merge(contract, before)
            is_thorough = cause.kind in ALWAYS_REPORT or looks_after(before, cause, self.desk.times)
            observer = self.thorough if self.thorough and is_thorough else self.observer
            known = _Known(contract, before, self._neighbours(contract), _facts(contract, before, cause))
            verdict, observation, judged = self._look(known, observer, last_try=last_try)
            documents = self._changed(known, verdict, observation)
            verdict = self._offering(known, verdict, observation, judged, is_same=not documents)
            changes = tuple(one.change for one in documents if one.change)
            after = self._after(contract, before, verdict, cause, changes)
            pinned = pins.pinned(contract, before, cause, verdict, observation)
            after = replace(after, kept=_with_digests(before.kept, documents), pinned=pinned)
            always = cause.kind in ALWAYS_REPORT
            after, report = incident.report_due(contract, after, always=always, now=self.desk.now())
            fresh = before.own is None or before.own.digest != contract.digest or cause.kind == "sweep"
            depends = depends_on(observation)
            written.note(stored, after)
            try:
                saved = store.save(
                    after,
                    expected_version=stored.version if stored else None,
                    standing=incident.standing(contract, stored, after, cause, changes=changes),
                    kept=documents,
                )
            except ConflictError:
                continue
            is_news = depends is not None and (fresh or depends != saved.depends)
            return _Recorded(contract, saved, written.slot_of(saved), report, depends if is_news else None)
        raise ConflictError(f"cannot record a check of `{name}`: others wrote first {TRIES} times; try again")

    def _after(
        self, contract: Contract, before: State, verdict: Verdict, cause: Cause, changes: tuple[Change, ...]
    ) -> State:
        """The state to record, which names who is behind what came or went."""
        moment = self.desk.moment()
        after = incident.record(contract, before, verdict, cause, moment, changes=changes)
        unexplained = incident.unexplained(before, after)
        if not unexplained or self.history is None:
            return after
        found = self._behind(self.history, contract, before, unexplained, cause)
        return incident.record(contract, before, verdict, cause, moment, found=found, changes=changes)

    def _behind(
        self, history: EventHistory, contract: Contract, before: State, findings: tuple[Finding, ...], cause: Cause
    ) -> Cause:
        """What CloudTrail's event history has: the newest change to the gravest finding's lock, and all others behind
        it; the cause itself when there is none."""
        until = self.desk.now()
        since = {one.identity: incident.last_seen(before, one, self.desk.times) or until for one in findings}
        asked = lookup.questions(contract, findings, before.depends)
        answers = [(question, history.ask(question, min(since.values()), until)) for question in asked]
        found = [
            lookup.changes(contract, one, before.depends, answers, since=since[one.identity], until=until)
            for one in findings
        ]
        others = [change for changes in found[1:] for change in changes]
        return lookup.told(cause, found[0], others, lookup.outcome(records for _, records in answers))

    def _look(self, given: _Known, observer: Observer, *, last_try: bool) -> tuple[Verdict, Observation, Verdict]:
        """The verdict on live policies, a new finding only when two observations in a row show it; with the last of
        the observations, and all that was judged of it."""
        contract = given.contract
        known = incident.identities(given.past)

        def look() -> tuple[Verdict, Observation, Verdict]:
            observation = self._observe(contract, given.before, observer)
            transient = tuple(source for source in unreadable(observation) if source.transient)
            if transient and not last_try:
                raise TransientError(contract.name, transient)
            verdict = self.judge(contract, given.neighbours, observation, given.facts)
            return incident.told_here(contract, given.neighbours, verdict), observation, verdict

        verdict, observation, judged = look()
        looks = [verdict]
        while incident.unconfirmed(looks, known) and len(looks) < LOOKS:
            verdict, observation, judged = look()
            looks.append(verdict)
        return incident.confirmed(looks, known), observation, judged

    def _offering(
        self, given: _Known, verdict: Verdict, observation: Observation, judged: Verdict, *, is_same: bool
    ) -> Verdict:
        """The verdict with remedies that are proven: those of the last check while the policies are the same, since
        each costs some judgements."""
        known = {one.identity: one.remedy for one in given.past if one.remedy and one.remedy.proof}
        if is_same and incident.identities(verdict.findings) <= incident.identities(given.past):
            return offering(verdict, known)
        try:
            return offering(verdict, self.prove(given.contract, given.neighbours, observation, given.facts, judged))
        except Exception:  # noqa: BLE001 - a remedy less keeps nobody from being told
            return verdict

    def _changed(self, given: _Known, verdict: Verdict, observation: Observation) -> tuple[Kept, ...]:
        """The documents of our locks that are to be kept in place of others, each with what its change did; at first
        sight there is nothing to compare with."""
        return tuple(
            replace(now, change=self._compared(given, verdict, now))
            for now in changed(kept(given.contract, observation), given.before.kept)
        )

    def _compared(self, given: _Known, verdict: Verdict, now: Kept) -> Change | None:
        contract, known = given.contract, dict(given.before.kept).get(now.lock)
        was = self.desk.store.kept(contract.name, now.lock) if known else None
        if was is None or was.digest != known or was.resource != now.resource:
            return None
        facts, account, at = {**given.facts, **dict(verdict.facts)}, self.desk.account, verdict.as_of
        try:
            return self.compare(contract, given.neighbours, facts, was, now, account=account, at=at)
        except Exception as error:  # noqa: BLE001 - a comparison that fails keeps nobody from being told
            return Change(
                now.lock, at, undecided=(f"the comparison failed ({type(error).__name__}): please report this",)
            )

    def _observe(self, contract: Contract, before: State, observer: Observer) -> Observation:
        """An observation that is newer than the recorded one: what the checks of a batch share may be older than what
        another function has recorded meanwhile. Where clocks differ there may be none, and the newest must do."""
        for _ in range(LOOKS):
            observation = observer.observe(contract, self.desk.account)
            if before.own is None or observation.began > before.own.as_of:
                break
        return observation

    def _neighbours(self, contract: Contract) -> tuple[Contract, ...]:
        """The other contracts on the same bucket, key or role."""
        store = self.desk.store
        names = store.touching((contract.bucket_arn, contract.key, f"role/{contract.role_name}"))
        found = (self._neighbour(name) for name in names if name != contract.name)
        return tuple(neighbour for neighbour in found if neighbour is not None)

    def _neighbour(self, name: str) -> Contract | None:
        """None for one that is not what was applied, so that it permits nobody anything."""
        try:
            found = self.desk.store.contract(name)
        except MalformedError:
            return None
        return found if found and not found.is_edited else None

    def _report(self, contract: Contract, report: Report) -> None:
        """Send the report to every other party, and remember who was sent it; raises the failures together."""
        failures, done = self._to_others(contract, lambda party: self.reporter.report(party, report))
        self._change(contract.name, lambda state: incident.sent(state, report, done))
        if failures:
            raise ExceptionGroup("cannot report", failures)

    def _ask(self, contract: Contract) -> None:
        """Ask every other party for a fresh report; raises the failures together."""
        request = ReportRequest(contract.name)
        failures, _ = self._to_others(contract, lambda party: self.reporter.request(party, request))
        if failures:
            raise ExceptionGroup("cannot ask for reports", failures)

    def _to_others(self, contract: Contract, send: Callable[[Party], None]) -> tuple[list[Exception], tuple[str, ...]]:
        """The failures, and the accounts that were reached."""
        failures, done = [], []
        for party in contract.others(self.desk.account):
            try:
                send(party)
                done.append(party.account)
            except Exception as failure:  # noqa: BLE001 - one partner's trouble is not the other's
                failures.append(_at(party, failure))
        return failures, tuple(done)

    def _depend(self, contract: Contract, resources: tuple[str, ...]) -> None:
        self.desk.store.depend(contract, resources)
        self._change(contract.name, lambda state: replace(state, depends=resources))

    def _change(self, name: str, change: Callable[[State], State | None]) -> None:
        """Write a small change to whatever state stands now; None means that it no longer applies."""
        for _ in range(TRIES):
            contract, state = self.desk.store.contract(name), self.desk.store.state(name)
            after = change(state) if state else None
            if contract is None or state is None or after is None or after == state:
                return
            try:
                self.desk.store.save(replace(after, digest=contract.seal), expected_version=state.version)
            except ConflictError:
                continue
            return
        raise ConflictError(f"cannot note what was sent for `{name}`: others wrote first {TRIES} times; try again")


def _facts(contract: Contract, before: State, cause: Cause) -> dict[str, str]:
    """What the judgement is told beside the observation."""
    return {**incident.facts(contract, before), **pins.known(contract, before, cause)}


def _with_digests(known: tuple[tuple[str, str], ...], documents: tuple[Kept, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**dict(known), **{str(one.lock): one.digest for one in documents}}.items()))


def _at(party: Party, failure: Exception) -> Exception:
    failure.add_note(f"reporting to `{party.account}` {party.name} in `{party.home_region}`")
    return failure


# --- What an observation shows ---


def unreadable(value: object) -> Iterator[Unreadable]:
    """Every source of an observation that could not be read."""
    if isinstance(value, Unreadable):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from unreadable(getattr(value, each.name))
    elif isinstance(value, tuple):
        for one in value:
            yield from unreadable(one)


def depends_on(observation: Observation) -> tuple[str, ...] | None:
    """The managed policies on the role, its boundary included, sorted: changes to them touch the contract. None when
    they are not known, so that what was known before stays."""
    role = observation.role
    if role is None:
        return None
    if isinstance(role.role, Absent):
        return ()
    if not isinstance(role.role, Found) or isinstance(role.attached, Unreadable):
        return None
    attached = [policy.name for policy in role.attached.value] if isinstance(role.attached, Found) else []
    boundary = [role.role.value.boundary_arn] if role.role.value.boundary_arn else []
    return tuple(sorted({*attached, *boundary}))
