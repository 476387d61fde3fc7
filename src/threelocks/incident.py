"""What is recorded of a contract, and what each new verdict or report makes of it: what to store and what to say.

Pure: (before, news, time) -> after. `watch` writes the result under a version condition and then announces the slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from threelocks.finding import Cause, Share, Verdict
from threelocks.report import Incident, Report


@dataclass(frozen=True, slots=True)
class Received:
    """The last report accepted from a party."""

    account: str
    report: Report
    at: datetime  # when we received it


@dataclass(frozen=True, slots=True)
class Slot:
    """The one announcement that is on its way. A crash repeats it with the same id; it is never lost."""

    id: str
    before: Share | None  # what people were last told; None: nothing yet
    after: Share
    cause: Cause
    incidents: tuple[Incident, ...]  # those that are open, or that this announcement closes
    claimed_until: datetime  # whoever filled or took the slot sends it alone until then


@dataclass(frozen=True, slots=True)
class State:
    """Everything recorded of one contract in one account."""

    contract: str
    digest: str  # of the contract's terms that this state was judged against
    account: str
    version: int = 0
    own: Verdict | None = None
    own_cause: Cause | None = None
    reports: tuple[Received, ...] = ()
    told: Share | None = None
    slot: Slot | None = None
    incident: Incident | None = None  # of our own locks; kept, closed, until the next one opens
    stamp: int = 0  # of the last report made
    sent: tuple[tuple[str, str], ...] = ()  # account -> digest of the report it was last sent
