"""What every lock is judged from, and the words that all of them use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from threelocks.contract import Contract
from threelocks.finding import Finding, Kind, Lock, Remedy, StatementRef
from threelocks.observation import NamedPolicy, Observation, Source, Unreadable
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


# How a lock is called at the start of its findings' codes, and among people.
AREA = {Lock.IDENTITY_POLICY: "identity", Lock.BUCKET_POLICY: "bucket", Lock.KEY_POLICY: "key", Lock.CEILING: "ceiling"}


def unread(lock: Lock, account: str, resource: str, source: Unreadable) -> Finding:
    """AWS did not answer: nothing is known of this source, and the finding says what would let us read it."""
    if source.permission:
        detail = f"{source.operation} was refused ({source.error}): the watchdog's reader lacks {source.permission}"
    else:
        # What passes by itself is worded differently each time; what stays says what is wrong.
        told = source.error if source.transient or not source.message else f"{source.error}: {source.message}"
        detail = f"{source.operation} failed ({told}): nothing is known of it until it can be read again"
    return Finding(
        code=f"{AREA[lock]}.unread",
        kind=Kind.UNREAD,
        lock=lock,
        account=account,
        resource=resource,
        principal="the watchdog",
        actions=(source.permission or source.operation,),
        detail=detail,
        remedy=_reading_again(account, source),
    )


def _reading_again(account: str, source: Unreadable) -> Remedy:
    reader = f"arn:aws:iam::{account}:role/threelocks/threelocks-reader"
    if not source.permission:
        return Remedy(account, "Re-check in a few minutes; if it persists, look at the function's log.")
    return Remedy(
        account,
        f"Let {reader} call {source.permission}: exempt it from the Deny that hits it (a condition ArnNotEquals on "
        "aws:PrincipalArn), or, for a key policy without the account's root statement, allow it by name.",
    )


def unreadable(sources: Iterable[Source[object]]) -> list[Unreadable]:
    """Those that could not be read, each operation once."""
    by_operation = {source.operation: source for source in sources if isinstance(source, Unreadable)}
    return list(by_operation.values())


@dataclass(frozen=True, slots=True)
class Parsed:
    """Documents of one lock that could be understood, and findings for what could not."""

    documents: tuple[Document, ...]
    findings: tuple[Finding, ...]

    @property
    def whole(self) -> bool:
        """Whether no document is missing. What is missing might allow or deny anything."""
        return not any(finding.code.endswith(".unread") for finding in self.findings)


def parse(lock: Lock, account: str, resource: str, policies: Iterable[tuple[str, NamedPolicy]]) -> Parsed:
    """Parse (label, policy) pairs. Syntax that is not understood is reported, never skipped."""
    documents, findings = [], []
    for label, policy in policies:
        try:
            document = parse_document(policy.document, label)
        except DocumentError as error:
            findings.append(_not_understood(lock, account, resource, label, f"is no policy document: {error}"))
            continue
        documents.append(document)
        findings += [
            _not_understood(lock, account, resource, label, f"has {problem}", code="not-fully-checked")
            for problem in document.problems
        ]
    return Parsed(tuple(documents), tuple(findings))


def _not_understood(lock: Lock, account: str, resource: str, label: str, what: str, *, code: str = "unread") -> Finding:
    return Finding(
        code=f"{AREA[lock]}.{code}",
        kind=Kind.UNREAD,
        lock=lock,
        account=account,
        resource=resource,
        principal="the watchdog",
        actions=(label,),
        detail=f"the {label} {what}; what it allows or denies is not known",
        remedy=Remedy(account, f"Correct the {label}, or update the watchdog if AWS has new policy syntax."),
    )


def statement_refs(statements: Iterable[Statement]) -> tuple[StatementRef, ...]:
    return tuple(StatementRef(s.document, s.index, s.sid, s.text) for s in statements)
