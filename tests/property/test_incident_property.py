"""Two accounts, any sequence of changes, lost and repeated reports, failing mails: what people were told in the end is
what stands, each transition is one mail, and no recovery is told while anybody has something shut on record."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

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
from simulation.memory import INSTANT, Clock, MemoryAccount, Sent, change, memory_account, resource_scoped
from threelocks import incident
from threelocks.finding import Cause, Finding, Kind, Scope, Share
from threelocks.ports import ConflictError
from threelocks.report import Report
from threelocks.silence import silences
from threelocks.watch import UndeliveredError

OWNERS = (NO_ALLOW, EXPLICIT_DENY, KEY_DISABLED, WIDE_ROOT, KEY_UNREAD, CONDITIONAL, resource_scoped(WIDE_STRANGER))
CONSUMERS = (
    NO_DECRYPT,
    replace(NO_DECRYPT, code="identity.wide-action", kind=Kind.WIDE, actions=("s3:PutObject",), witness=None),
    replace(NO_DECRYPT, code="identity.unread", kind=Kind.UNREAD, actions=("iam:GetRolePolicy",), witness=None),
)
ACCOUNTS = st.sampled_from((OWNER, CONSUMER))


@dataclass
class Mailbox:
    """The mails of one account, each message id once: a repeat is allowed, another mail under the same id is not."""

    seen: dict[str, Sent] = field(default_factory=dict)

    def take(self, account: MemoryAccount) -> list[Sent]:
        fresh = []
        for mail in account.mails:
            message = mail.body.rpartition("Message ")[2].strip()
            if message not in self.seen:
                self.seen[message] = mail
                fresh.append(mail)
        account.mails.clear()
        return fresh


class TwoAccounts(RuleBasedStateMachine):
    """Each rule is something that can happen; the invariants hold after every one."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.accounts = {
            number: memory_account(number, CONTRACT, self.clock, times=INSTANT) for number in (OWNER, CONSUMER)
        }
        self.boxes = {number: Mailbox() for number in self.accounts}
        self.past: list[tuple[str, Report]] = []
        self.newest: dict[str, int] = {}  # the highest stamp that each account heard

    @initialize()
    def start(self) -> None:
        for number in self.accounts:
            self.check(number, sweep=True)

    @rule(findings=st.sets(st.sampled_from(OWNERS)), sweep=st.booleans())
    def owner_changes(self, findings: set[Finding], *, sweep: bool) -> None:
        self.accounts[OWNER].scene.findings = tuple(sorted(findings, key=lambda finding: finding.identity))
        self.check(OWNER, sweep=sweep)

    @rule(findings=st.sets(st.sampled_from(CONSUMERS)), sweep=st.booleans())
    def consumer_changes(self, findings: set[Finding], *, sweep: bool) -> None:
        self.accounts[CONSUMER].scene.findings = tuple(sorted(findings, key=lambda finding: finding.identity))
        self.check(CONSUMER, sweep=sweep)

    @rule(number=ACCOUNTS)
    def a_policy_is_rewritten_without_effect(self, number: str) -> None:
        account = self.accounts[number]
        account.scene.findings = tuple(
            replace(finding, detail=finding.detail + "!", statements=()) for finding in account.scene.findings
        )
        self.check(number, sweep=False)

    @rule(number=ACCOUNTS, call=st.sampled_from(("send", "sent", "report", "reported", "save", "saved")))
    def the_next_call_fails(self, number: str, call: str) -> None:
        error = ConflictError("lost a race") if call.startswith("save") else OSError("timed out")
        self.accounts[number].store.failures.by_name.setdefault(call, []).append(error)

    @rule(number=ACCOUNTS, data=st.data())
    def a_report_arrives(self, number: str, data: st.DataObject) -> None:
        """Any of those that wait, in any order; or an old one again."""
        waiting = self.accounts[number].reporter.reports
        pool = waiting + self.past
        if not pool:
            return
        chosen = data.draw(st.sampled_from(range(len(pool))))
        addressed = pool[chosen]
        if chosen < len(waiting):
            waiting.pop(chosen)
            self.past.append(addressed)
        self.hear(addressed)

    @rule(number=ACCOUNTS)
    def reports_are_lost(self, number: str) -> None:
        self.accounts[number].reporter.reports.clear()

    @rule(minutes=st.integers(1, 90))
    def time_passes(self, minutes: int) -> None:
        self.clock.time += timedelta(minutes=minutes)

    def check(self, number: str, *, sweep: bool) -> None:
        """A check whose message is delivered again until it succeeds."""
        account = self.accounts[number]
        cause = Cause("sweep", self.clock()) if sweep else change(at=self.clock())
        self._until_done(account, lambda: account.watch.check(CONTRACT.name, cause))

    def hear(self, addressed: tuple[str, Report]) -> None:
        number, report = addressed
        account = self.accounts[number]
        sender = report.verdict.account
        self.newest[number] = max(self.newest.get(number, 0), report.stamp)
        self._until_done(account, lambda: account.watch.desk.hear(sender, report, sent_at=self.clock.time))

    def _until_done(self, account: MemoryAccount, act: Callable[[], object]) -> None:
        known = account.stored(CONTRACT.name) if CONTRACT.name in account.store.states else None
        before, silent = known.told if known else None, self._silent(account)
        for _ in range(40):
            try:
                act()
            except (UndeliveredError, OSError, ConflictError):
                self.clock.time += 2 * account.watch.desk.claim
            else:
                break
        else:
            raise AssertionError("the function never succeeded")
        self._people_read(account, before, fell_silent=self._silent(account) - silent)

    def _silent(self, account: MemoryAccount) -> frozenset[str]:
        """Who is silent to an account at this moment, whether it looked or not."""
        if CONTRACT.name not in account.store.states:
            return frozenset()
        state = account.stored(CONTRACT.name)
        return frozenset(each.account for each in silences(CONTRACT, state, self.clock.time, INSTANT))

    def _people_read(self, account: MemoryAccount, before: Share | None, *, fell_silent: frozenset[str]) -> None:
        """One thing happened, so there is one mail when it is worth telling, and none when it is not. A partner that
        fell silent while the function was tried again is another thing."""
        after = incident.merge(CONTRACT, account.stored(CONTRACT.name))
        mails = self.boxes[account.number].take(account)
        assert (
            incident.worth_telling(before, after)
            <= len(mails)
            <= incident.worth_telling(before, after) + len(fell_silent)
        )
        for mail in mails[-1:] if fell_silent else mails:
            assert mail.attributes["standing"] == after.headline.value
        for mail in mails:
            if mail.attributes["kind"] == "recovery":
                assert not after.kinds & incident.GRAVE

    @invariant()
    def nothing_waits_once_a_function_has_succeeded(self) -> None:
        """What people were told is what stands, as this account knows it."""
        for account in self.accounts.values():
            if CONTRACT.name not in account.store.states:
                continue
            state = account.stored(CONTRACT.name)
            assert state.slot is None
            assert not incident.worth_telling(state.told, incident.merge(CONTRACT, state))

    @invariant()
    def the_newest_report_is_the_one_that_counts(self) -> None:
        for number, stamp in self.newest.items():
            (received,) = self.accounts[number].stored(CONTRACT.name).reports
            assert received.report.stamp == stamp

    @invariant()
    def an_incident_is_open_exactly_while_something_grave_is_on_record(self) -> None:
        for account in self.accounts.values():
            if CONTRACT.name not in account.store.states:
                continue
            state = account.stored(CONTRACT.name)
            grave = bool(state.own and state.own.kinds & incident.GRAVE)
            assert (state.incident is not None and state.incident.closed is None) is grave

    def teardown(self) -> None:
        """After a sweep on each side with nothing failing, both know the same share, and were told it."""
        for account in self.accounts.values():
            account.store.failures.by_name.clear()
        # Twice: the first report after a long silence does not acknowledge yet what crosses it.
        for number, other in ((OWNER, CONSUMER), (CONSUMER, OWNER)) * 2:
            self.check(number, sweep=True)
            account = self.accounts[number]
            waiting, account.reporter.reports[:] = list(account.reporter.reports), []
            for addressed in waiting:
                assert addressed[0] == other
                self.hear(addressed)
        shares = []
        for account in self.accounts.values():
            state = account.stored(CONTRACT.name)
            merged = incident.merge(CONTRACT, state)
            assert state.told is not None
            assert incident.identities(state.told.findings) == incident.identities(merged.findings)
            assert state.told.headline is merged.headline
            assert merged.awaiting == ()
            shares.append({f.identity for f in merged.findings if f.scope is Scope.SHARE})
        assert shares[0] == shares[1]


TwoAccounts.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestTwoAccounts = TwoAccounts.TestCase
