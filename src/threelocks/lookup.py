"""Who changed a lock when no event told: what to ask CloudTrail's event history, and which of its records may be it.

Pure: `aws.history` asks. The event history holds management events of 90 days, newest first, and is asked by one
attribute at a time: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from threelocks.contract import Contract
from threelocks.events import ACCOUNT, BadEventError, Change, recorded
from threelocks.finding import Cause, Finding, History, Lock
from threelocks.locks.watchdog import IAM_REGIONS
from threelocks.policy.arn import Arn

AT_MOST = 10  # changes that are told
POLICIES = 4  # managed policies that are asked about

RESOURCE, EVENT = "ResourceName", "EventName"

# A key in use has records of Decrypt without end, which a question by its name would answer with. So a key is asked
# about by what may have been done to it, and the records tell which key it was.
_KEY_EVENTS = {
    "key.disabled": ("DisableKey", "EnableKey"),
    "key.pending-deletion": ("ScheduleKeyDeletion", "CancelKeyDeletion"),
    "key.unavailable": ("DeleteImportedKeyMaterial", "ImportKeyMaterial"),
    "key.missing": ("DeleteKey",),
    "key.wide-grant": ("CreateGrant", "RevokeGrant", "RetireGrant"),
    "key.by-grant-only": ("PutKeyPolicy", "CreateGrant"),
}
# The account's settings are of no bucket: their records name none.
_ACCOUNT_EVENTS = {"bucket.public-block": ("PutAccountPublicAccessBlock", "DeleteAccountPublicAccessBlock")}


@dataclass(frozen=True, slots=True)
class Question:
    """One look-up: `key` is RESOURCE or EVENT."""

    region: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Records:
    """What the event history answered: CloudTrail's records, and how far they are to be trusted."""

    details: tuple[Mapping[str, Any], ...] = ()
    history: History = History.SEARCHED


def questions(contract: Contract, findings: Iterable[Finding], depends: Sequence[str]) -> tuple[Question, ...]:
    """What to ask about findings on the three locks that nobody was seen to cause, each once. `depends` are the role's
    managed policies."""
    return tuple(dict.fromkeys(one for finding in findings for one in _questions(contract, finding, depends)))


def _questions(contract: Contract, finding: Finding, depends: Sequence[str]) -> Iterator[Question]:
    region = contract.bucket.region
    if finding.lock is Lock.BUCKET_POLICY:
        yield Question(region, RESOURCE, contract.bucket.name)
        yield from (Question(region, EVENT, name) for name in _ACCOUNT_EVENTS.get(finding.code, ()))
    if finding.lock is Lock.KEY_POLICY:
        for name in _KEY_EVENTS.get(finding.code, ("PutKeyPolicy",)):
            yield Question(Arn.parse(contract.key).region, EVENT, name)
    if finding.lock is Lock.IDENTITY_POLICY:
        home = IAM_REGIONS.get(Arn.parse(contract.role).partition, region)
        yield from (Question(home, RESOURCE, name) for name in (contract.role_name, *depends[:POLICIES]))


def changes(
    contract: Contract,
    finding: Finding,
    depends: Sequence[str],
    answers: Iterable[tuple[Question, Records]],
    *,
    since: datetime,
    until: datetime,
) -> tuple[Cause, ...]:
    """The changes to the finding's lock in that time, newest first, each once."""
    names = _names(contract, finding, depends)
    found = {
        (change.cause.event_id, change.cause.at): change.cause
        for question, records in answers
        for change in _read(question, records, finding.account)
        if names & set(change.resources) and since <= change.cause.at <= until
    }
    return tuple(sorted(found.values(), key=lambda cause: cause.at, reverse=True)[:AT_MOST])


def _names(contract: Contract, finding: Finding, depends: Sequence[str]) -> set[str]:
    """What a change to the lock touches, as `events` spells it."""
    if finding.lock is Lock.IDENTITY_POLICY:
        return {f"role/{contract.role_name}", *depends}
    return {contract.bucket_arn, ACCOUNT} if finding.lock is Lock.BUCKET_POLICY else {contract.key}


def _read(question: Question, records: Records, account: str) -> Iterator[Change]:
    for detail in records.details:
        try:
            change = recorded(detail, account=account, region=question.region)
        except BadEventError:
            continue
        if isinstance(change, Change):
            yield change


def told(cause: Cause, found: Sequence[Cause], others: Sequence[Cause], history: History) -> Cause:
    """The cause to name: the newest change to the gravest finding's lock, or the one that there was; behind it all
    others that were found."""
    first = found[0] if found else cause
    behind = sorted({*found, *others} - {first}, key=lambda one: one.at, reverse=True)
    return replace(first, history=history, earlier=tuple(behind[: AT_MOST - 1]))


def outcome(answers: Iterable[Records]) -> History:
    """Of several answers, the worst."""
    said = {records.history for records in answers}
    return next((word for word in (History.UNREAD, History.IN_PART, History.SEARCHED) if word in said), History.UNREAD)
