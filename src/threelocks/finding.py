"""What a judgement says: findings, the verdict they make up, and the standing of a share.

Everything here is a frozen value. Times are aware datetimes in UTC. The same values, as JSON, are what a re-check
answers, what `threelocks check --json` prints and what crosses to the other account (see `report`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What a finding means for the share."""

    SHUT = "shut"  # a required request fails, whatever the environment
    WIDE = "wide"  # a request succeeds that was never agreed
    RISK = "risk"  # works today by luck, or only in some environments
    UNREAD = "unread"  # could not be read, or could not be decided


class Headline(StrEnum):
    """The standing of a share in one word; the gravest kind found names it."""

    BROKEN = "BROKEN"
    WIDENED = "WIDENED"
    UNKNOWN = "UNKNOWN"
    AT_RISK = "AT_RISK"
    INTACT = "INTACT"


# Gravest first.
_HEADLINES = (
    (Kind.SHUT, Headline.BROKEN),
    (Kind.WIDE, Headline.WIDENED),
    (Kind.UNREAD, Headline.UNKNOWN),
    (Kind.RISK, Headline.AT_RISK),
)


def headline(kinds: frozenset[Kind]) -> Headline:
    """The word for a set of kinds. INTACT only when the set is empty."""
    return next((word for kind, word in _HEADLINES if kind in kinds), Headline.INTACT)


class Lock(StrEnum):
    """What a finding is about: one of the three locks, or what stands around them."""

    IDENTITY_POLICY = "identity_policy"
    BUCKET_POLICY = "bucket_policy"
    KEY_POLICY = "key_policy"
    CEILING = "ceiling"
    PREMISE = "premise"
    EVIDENCE = "evidence"
    WATCHDOG = "watchdog"


THE_THREE_LOCKS = (Lock.IDENTITY_POLICY, Lock.BUCKET_POLICY, Lock.KEY_POLICY)
# What keeps the watch: looked at together, by sweeps, re-checks and changes of it.
UPKEEP = (Lock.EVIDENCE, Lock.WATCHDOG)


class Scope(StrEnum):
    """`share` findings belong to a contract and are told to every party; `resource` findings belong to the bucket or
    key and stay with its holder."""

    SHARE = "share"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class Witness:
    """One concrete request that shows a finding is true."""

    principal: str  # an ARN, an account id, a service name, or "anyone"
    action: str
    resource: str
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()  # the condition keys that matter, sorted by name
    unsettled: bool = False  # rests on behaviour that AWS does not document


@dataclass(frozen=True, slots=True)
class StatementRef:
    """A statement as its document has it, for people to find it again."""

    document: str  # "bucket policy", "key policy `default`", "inline policy `read-curated`", ...
    index: int  # from 0
    sid: str | None
    text: str  # the statement, as JSON


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a policy."""

    sentence: str
    statement: str | None = None  # JSON


@dataclass(frozen=True, slots=True)
class Remedy:
    """What mends a finding: who must act, what to do, and what to type."""

    account: str
    sentence: str
    statement: str | None = None  # JSON
    commands: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()  # where it takes several changes, in place of `statement`
    proof: str = ""  # what judging the lock again with it has shown; empty: it was not tried, or did not pass


@dataclass(frozen=True, slots=True)
class Waiver:
    """A known exception: until then, its lock's holder does not count a finding."""

    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Suspension:
    """A share withdrawn on purpose: until then, nobody is told of drift."""

    account: str  # whose contract says so
    by: str
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is off. Known by `identity`, never by Sid or position, so that a rewrite is no change."""

    code: str  # "bucket.no-allow": a row of docs/alerts.md
    kind: Kind
    lock: Lock
    account: str  # the account that holds the lock
    resource: str  # the ARN of what is off
    principal: str  # the class of principal: an ARN, "account 222222222222", "another account", "anyone", ...
    actions: tuple[str, ...]  # sorted
    detail: str  # one sentence, for people
    scope: Scope = Scope.SHARE
    witness: Witness | None = None
    statements: tuple[StatementRef, ...] = ()
    remedy: Remedy | None = None
    waiver: Waiver | None = None  # the holder's, whether or not it has ended
    deadline: datetime | None = None  # when something is lost for good: a key's deletion

    def counts(self, at: datetime) -> bool:
        """Whether the finding makes up the standing at that moment. What is unknown is never waived."""
        return self.waiver is None or self.kind is Kind.UNREAD or self.waiver.until <= at

    @property
    def identity(self) -> tuple[str, str, str, tuple[str, ...]]:
        return (self.code, self.resource, self.principal, self.actions)


class History(StrEnum):
    """What CloudTrail's event history was asked about a cause, and answered."""

    NOT_ASKED = ""
    SEARCHED = "searched"
    IN_PART = "in part"  # there was more of it than is read
    UNREAD = "unread"  # it could not be read


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a check ran, and who is behind it where that is known."""

    kind: str  # "change", "sweep", "recheck", "report"
    at: datetime  # when the change was made, or the check was asked for
    account: str = ""
    region: str = ""
    event_name: str = ""  # "PutBucketPolicy"
    event_id: str = ""  # CloudTrail's
    actor: str = ""  # the ARN of who made the change
    source_ip: str = ""
    user_agent: str = ""
    resources: tuple[str, ...] = ()  # what the event touched
    tool: str = ""  # what made the call, by its own account: "Terraform"
    history: History = History.NOT_ASKED
    earlier: tuple[Cause, ...] = ()  # further changes that may be behind it, newest first


@dataclass(frozen=True, slots=True)
class Difference:
    """Requests that a change of policies began to allow, or that it no longer allows."""

    allowed: bool  # now, and not before; otherwise the reverse
    principal: str  # the class of principal, as a finding has it, or the ARN that the policy names
    actions: tuple[str, ...]  # sorted
    on: tuple[str, ...]  # resources, as the statements that make the difference spell them
    witness: Witness
    is_agreed: bool = False  # the contract entitles the reader to them


@dataclass(frozen=True, slots=True)
class Edit:
    """How a statement that makes a difference was changed."""

    title: str  # "statement 2 `ShareRead` of the bucket policy, changed"
    lines: tuple[str, ...]  # of its JSON: each begins with "+ ", "- " or two blanks


@dataclass(frozen=True, slots=True)
class Change:
    """What became of the permissions on one lock when its policies changed between two observations. It quotes
    policies, so it never leaves the account that holds the lock."""

    lock: Lock
    at: datetime  # when the observation that saw it began
    differences: tuple[Difference, ...] = ()
    undecided: tuple[str, ...] = ()  # what could not be compared in full, and why
    edits: tuple[Edit, ...] = ()

    @property
    def is_rewrite(self) -> bool:
        """Whether the policies say the same in other words, as far as this contract goes."""
        return not self.differences and not self.undecided


@dataclass(frozen=True, slots=True)
class LockState:
    """One lock, as its holder saw it. `kinds` is empty when it is open and no wider than agreed."""

    lock: Lock
    account: str  # the holder
    kinds: tuple[Kind, ...]  # sorted, each once
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One way in which lock 3 is open to the role: see docs/mechanisms.md."""

    name: str  # "role ARN", "grant", ...
    cross_account: bool  # it can serve another account at all
    stable: bool  # it stays until somebody changes the key policy
    least_privilege: bool  # it can be kept to the one role
    auditable: bool  # the key policy says who is let in


@dataclass(frozen=True, slots=True)
class Verdict:
    """One party's full judgement of the locks that its own account holds, for one contract."""

    contract: str
    digest: str  # of the contract's agreed terms, as this party has them
    account: str  # whose verdict this is
    as_of: datetime  # when the observation behind it began
    locks: tuple[LockState, ...]
    findings: tuple[Finding, ...]
    facts: tuple[tuple[str, str], ...] = ()  # what the other side needs to know, sorted: ("role_id", "AROA...")
    remarks: tuple[str, ...] = ()  # what no finding covers; never changes the standing
    suspended: Suspension | None = None  # by this party, whether or not it has ended
    mechanisms: tuple[Mechanism, ...] = ()  # by which the key is open to the role, where this party holds it

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(finding.kind for finding in self.findings)

    @property
    def headline(self) -> Headline:
        return headline(self.kinds)

    def with_findings(self, findings: Iterable[Finding]) -> Verdict:
        """The verdict with other findings, and with lock states that agree. Kinds of a lock that none of its findings
        ever had are the judge's own and stay."""
        findings = tuple(findings)
        was = {(finding.lock, finding.kind) for finding in self.findings}
        now = {(finding.lock, finding.kind) for finding in findings}
        locks = tuple(
            replace(
                state,
                kinds=tuple(
                    sorted(
                        {kind for kind in state.kinds if (state.lock, kind) not in was}
                        | {kind for lock, kind in now if lock is state.lock}
                    )
                ),
            )
            for state in self.locks
        )
        return replace(self, findings=findings, locks=locks)

    def counted(self, at: datetime) -> Verdict:
        """The verdict with those of its findings that make up the standing at that moment."""
        return self.with_findings(finding for finding in self.findings if finding.counts(at))


@dataclass(frozen=True, slots=True)
class Share:
    """A contract as one party sees it: its own verdict, and what the other parties last reported."""

    contract: str
    account: str  # who looks
    locks: tuple[LockState, ...]
    findings: tuple[Finding, ...]
    awaiting: tuple[str, ...] = ()  # accounts that have not been heard yet
    remarks: tuple[str, ...] = field(default=())
    waived: tuple[Finding, ...] = ()  # what is off, and does not count for now
    suspended: tuple[Suspension, ...] = ()  # by which parties
    mechanisms: tuple[Mechanism, ...] = ()  # by which the key is open to the role, as its holder last saw it

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(finding.kind for finding in self.findings)

    @property
    def headline(self) -> Headline:
        """UNKNOWN while a party has not been heard, unless something graver is known already."""
        kinds = self.kinds | {Kind.UNREAD} if self.awaiting else self.kinds
        return headline(kinds)
