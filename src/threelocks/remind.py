"""When people are told again what they were told already: an incident stays open, or a key's end draws near.

Pure, like `incident`, which uses it. A reminder goes through the same slot as any announcement, and counts like one:
what was told last, and when, is all that needs to be known, so none is sent twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from threelocks.finding import Share
from threelocks.report import Incident
from threelocks.state import Reminder, Times

DAYS = (7, 3, 1)  # before a deadline


def due(share: Share, incidents: Iterable[Incident], told_at: datetime | None, now: datetime, times: Times) -> Reminder:
    """What to remind of, when what people know still stands."""
    if told_at is None or share.suspended:
        return Reminder.NONE
    if any(_passed(told_at, deadline, now) for deadline in deadlines(share)):
        return Reminder.DEADLINE
    is_open = any(incident.closed is None for incident in incidents)
    return Reminder.OPEN if is_open and times.remind and now - told_at >= times.remind else Reminder.NONE


def deadlines(share: Share) -> tuple[datetime, ...]:
    """When something is lost for good, soonest first."""
    return tuple(sorted({finding.deadline for finding in share.findings if finding.deadline}))


def _passed(told_at: datetime, deadline: datetime, now: datetime) -> bool:
    """Whether one of the days before the deadline has begun since people were told."""
    marks = (deadline - timedelta(days=days) for days in DAYS)
    return now < deadline and any(told_at < mark <= now for mark in marks)
