"""What one party tells the others: its full verdict on its own locks, never a change to apply.

Wire format `threelocks.report/1`: the dataclass as JSON, in the `detail` of an EventBridge event whose source is
`threelocks` and whose detail-type is `Share report`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from threelocks.finding import Cause, Verdict

FORMAT = "threelocks.report/1"
SOURCE = "threelocks"
DETAIL_TYPE = "Share report"


@dataclass(frozen=True, slots=True)
class Incident:
    """From the first finding on one party's locks to their recovery. It belongs to the party that holds the lock, and
    both accounts know it by the holder's id."""

    id: str
    account: str  # the holder
    opened: datetime
    opened_by: Cause | None = None
    closed: datetime | None = None
    closed_by: Cause | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One party's full state for one contract."""

    stamp: int  # milliseconds since the epoch, and always more than the one before
    verdict: Verdict  # without statements and without findings of scope `resource`
    heard: tuple[tuple[str, int], ...] = ()  # account -> the last stamp received from it
    cause: Cause | None = None  # of the check behind the verdict
    incident: Incident | None = None
    format: str = FORMAT
