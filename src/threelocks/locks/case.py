"""What every lock is judged from, and the words that all of them use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from threelocks.contract import Contract
from threelocks.finding import Finding, Kind, Lock, Remedy, Scope, StatementRef, Witness
from threelocks.locks.reading import read_again
from threelocks.observation import LEFT_OUT, NamedPolicy, Observation, Source, Unreadable
from threelocks.policy.arn import Arn
from threelocks.policy.document import Document, DocumentError, Statement, parse_document
from threelocks.policy.witness import Budget


@dataclass(frozen=True, slots=True)
class Case:
    """One contract, what was observed for it, and what else is known."""

    contract: Contract
    neighbours: tuple[Contract, ...]  # the other active contracts on the same bucket, key or role
    observation: Observation
    facts: Mapping[str, str]
    budget: Budget = field(default_factory=Budget)
    documents: dict[Lock, tuple[Document, ...]] = field(default_factory=dict)  # those judged so far

    @property
    def partition(self) -> str:
        return Arn.parse(self.contract.role).partition


PINNED = "pinned_"  # before the names of facts that say what was seen first: see `pins`

# How a lock is called at the start of its findings' codes, and among people.
_AREA = {
    Lock.IDENTITY_POLICY: "identity",
    Lock.BUCKET_POLICY: "bucket",
    Lock.KEY_POLICY: "key",
    Lock.CEILING: "ceiling",
    Lock.EVIDENCE: "evidence",
    Lock.WATCHDOG: "watchdog",
}


@dataclass(frozen=True, slots=True)
class About:
    """Which lock a finding is about, who holds it, and on what."""

    lock: Lock
    account: str
    resource: str
    name: str  # among people: "the bucket policy"

    @property
    def area(self) -> str:
        return _AREA[self.lock]

    def finding(
        self,
        code: str,
        kind: Kind,
        principal: str,
        actions: Iterable[str],
        detail: str,
        remedy: Remedy,
        *,
        lock: Lock | None = None,
        scope: Scope = Scope.SHARE,
        witness: Witness | None = None,
        statements: Iterable[Statement] = (),
    ) -> Finding:
        """A finding on this lock; `lock` only where it belongs to another (a premise)."""
        return Finding(
            code=code,
            kind=kind,
            lock=lock or self.lock,
            account=self.account,
            resource=self.resource,
            principal=principal,
            actions=tuple(sorted(set(actions))),
            detail=detail,
            scope=scope,
            witness=witness,
            statements=tuple(StatementRef(s.document, s.index, s.sid, s.text) for s in dict.fromkeys(statements)),
            remedy=remedy,
        )


def premise(about: About, name: str, detail: str, remedy: Remedy) -> Finding:
    """The contract takes something for granted that does not hold. `name`: the field that says so."""
    return about.finding("premise.false", Kind.SHUT, name, (), detail, remedy, lock=Lock.PREMISE)


# --- what could not be read -------------------------------------------------------------------------------------------

WATCHDOG = "the watchdog"


def unread(case: Case, about: About, sources: Iterable[Source[object]]) -> list[Finding]:
    """A finding for each source that AWS did not answer for, each operation once: nothing is known of it."""
    failed = {source.operation: source for source in sources if isinstance(source, Unreadable)}
    return [_unread(case, about, source) for source in failed.values()]


def _unread(case: Case, about: About, source: Unreadable) -> Finding:
    if source.error == LEFT_OUT:
        detail = f"{source.operation} is not known: {source.message}"
    elif source.permission:
        detail = f"{source.operation} was refused ({source.error}): the watchdog's reader lacks {source.permission}"
    else:
        detail = f"{source.operation} failed ({source.error}): nothing is known of it until it can be read again"
    what = (source.permission or source.operation,)
    remedy = read_again(case.contract, about.lock, about.account, source)
    return about.finding(f"{about.area}.unread", Kind.UNREAD, WATCHDOG, what, detail, remedy)


# --- documents --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parsed:
    """Documents of one lock that could be understood, and findings for what could not."""

    documents: tuple[Document, ...]
    findings: tuple[Finding, ...]

    @property
    def whole(self) -> bool:
        """Whether no document is missing. What is missing might allow or deny anything."""
        return not any(finding.code.endswith(".unread") for finding in self.findings)


def parse(about: About, policies: Iterable[tuple[str, NamedPolicy]]) -> Parsed:
    """Parse (label, policy) pairs. Syntax that is not understood is reported, never skipped."""
    documents, findings = [], []
    for label, policy in policies:
        try:
            document = parse_document(policy.document, label)
        except DocumentError as error:
            findings.append(_not_understood(about, "unread", label, f"is no policy document: {error}"))
            continue
        documents.append(document)
        if document.problems:
            what = f"has {'; '.join(document.problems)}"
            findings.append(_not_understood(about, "not-fully-checked", label, what))
    return Parsed(tuple(documents), tuple(findings))


def _not_understood(about: About, code: str, label: str, what: str) -> Finding:
    detail = f"the {label} {what}; what it allows or denies is not known"
    remedy = Remedy(about.account, f"Correct the {label}, or update the watchdog if AWS has new policy syntax.")
    return about.finding(f"{about.area}.{code}", Kind.UNREAD, WATCHDOG, (label,), detail, remedy)
