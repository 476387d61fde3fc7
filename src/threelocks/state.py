"""What is recorded of one contract in one account, and the times by which it is judged. Values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from threelocks.finding import Cause, Change, Finding, Headline, Share, Verdict
from threelocks.report import Incident, Report

FindingId = tuple[str, str, str, tuple[str, ...]]

# Grants take up to five minutes to be known everywhere; all else is known within seconds.
# https://docs.aws.amazon.com/kms/latest/developerguide/grants.html#terms-eventual-consistency
_OF_GRANTS = frozenset({"key.wide-grant", "key.by-grant-only"})


@dataclass(frozen=True, slots=True)
class Times:
    """How long things take, and how long they are waited for."""

    # Longer than AWS's reads lag behind its writes; from the end of one observation to the beginning of another.
    settle: timedelta = timedelta(seconds=60)
    settle_grants: timedelta = timedelta(minutes=5)
    # After a mail, further changes wait this long to be one message; a graver standing does not wait.
    merge: timedelta = timedelta(minutes=5)
    # Without a report, or without an acknowledgement of ours, for so long: the partner counts as silent.
    silence: timedelta = timedelta(hours=3, minutes=20)
    # A partner's requests for a report are answered this often at most.
    answer: timedelta = timedelta(minutes=1)
    # How long past changes are remembered, to be named when what they mended is gone for certain.
    remember: timedelta = timedelta(minutes=15)
    # While an incident is open and nothing changes, people are reminded so often; nought: never.
    remind: timedelta = timedelta(0)

    def settling(self, finding: Finding) -> timedelta:
        """How long after the last observation that held a finding another may drop it."""
        return self.settle_grants if finding.code in _OF_GRANTS else self.settle

    def settling_change(self, cause: Cause) -> timedelta:
        """How long after a change a read shows it for certain."""
        return self.settle_grants if "Grant" in cause.event_name else self.settle


@dataclass(frozen=True, slots=True)
class Received:
    """The last report accepted from a party."""

    account: str
    report: Report
    at: datetime  # when we received it


class Reminder(StrEnum):
    """Why people are told what they know already."""

    NONE = ""
    OPEN = "open"  # an incident has been open for long
    DEADLINE = "deadline"  # something will soon be lost for good


MAIL, CHAT, EVENT = "mail", "chat", "event"
"""The ways by which people and programs are told; the mail is the one that counts as telling."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The one announcement that is on its way. A crash repeats it with the same id; it is never lost."""

    id: str
    before: Share | None  # what people were last told; None: nothing yet
    after: Share
    cause: Cause
    incidents: tuple[Incident, ...]  # those that are open, or that this announcement closes
    claimed_until: datetime  # whoever filled or took the slot sends it alone until then
    failures: int = 0  # how often it could not be sent
    reminder: Reminder = Reminder.NONE
    changes: tuple[Change, ...] = ()  # what the changes of our own policies behind it did, oldest first
    done: tuple[tuple[str, datetime], ...] = ()  # the ways by which it was sent already, MAIL and others, and when

    @property
    def mailed_at(self) -> datetime | None:
        """Since when people have it, though another way may still fail."""
        return dict(self.done).get(MAIL)


@dataclass(frozen=True, slots=True)
class Silence:
    """A party from which nothing is heard, or which does not hear us."""

    account: str
    since: datetime  # of its last report, or of our first report that it has not acknowledged
    hears_us_not: bool = False  # it reports, but acknowledges nothing


@dataclass(frozen=True, slots=True)
class Standing:
    """How a share stood from a moment on: one row of its history."""

    at: datetime
    headline: Headline
    findings: tuple[FindingId, ...]
    cause: Cause | None = None
    changes: tuple[Change, ...] = ()  # of our own policies, seen then; the standing may be as it was before
    waived: tuple[FindingId, ...] = ()  # what was off and did not count
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Everything recorded of one contract in one account."""

    contract: str
    digest: str  # the seal of the contract that this state was judged against
    account: str
    version: int = 0
    own: Verdict | None = None
    own_cause: Cause | None = None  # of the check that last changed what `own` finds
    held: tuple[tuple[FindingId, datetime], ...] = ()  # finding of `own` -> when it was last seen
    recent: tuple[Cause, ...] = ()  # the last changes, oldest first
    kept: tuple[tuple[str, str], ...] = ()  # lock -> digest of the documents that are kept of it
    changes: tuple[Change, ...] = ()  # what became of permissions of late, and was not told yet; oldest first
    reports: tuple[Received, ...] = ()
    told: Share | None = None
    told_at: datetime | None = None
    told_incidents: tuple[Incident, ...] = ()  # as the announcement of `told` named them
    slot: Slot | None = None
    since: datetime | None = None  # since when the share stands as it does
    incident: Incident | None = None  # of our own locks; kept, closed, until the next one opens
    stamp: int = 0  # of the last report made
    sent: tuple[tuple[str, str], ...] = ()  # account -> digest of the report it was last sent
    depends: tuple[str, ...] = ()  # further resources last given to Store.depend
    again: datetime | None = None  # an observation that begins before this may miss a change that we heard of
    timer: datetime | None = None  # a message that asks for a check arrives then
    awaited: tuple[tuple[str, datetime], ...] = ()  # party -> since when its reports are waited for
    unheard: tuple[tuple[str, int], ...] = ()  # party -> stamp of our first report that it has not acknowledged
    silences: tuple[Silence, ...] = ()
    at: datetime | None = None  # of the last check or report: what has ended by then has ended
    pinned: tuple[tuple[str, str], ...] = ()  # what was seen first, by name: see `pins`
    answered: tuple[tuple[str, datetime], ...] = ()  # party -> when its last request for a report was taken up


@dataclass(frozen=True, slots=True)
class Moment:
    """What the pure core may not make itself: the time, fresh ids, and how long a claim on the slot lasts."""

    now: datetime
    new_id: Callable[[], str]
    claim: timedelta
    times: Times = field(default=Times())
