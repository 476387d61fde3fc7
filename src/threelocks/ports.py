"""What the watchdog needs of the world, as Protocols: `aws` keeps them with boto3, tests with fakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from threelocks.contract import Contract, Party
from threelocks.finding import Cause, Lock
from threelocks.locks.kept import Kept
from threelocks.lookup import Question, Records
from threelocks.observation import Observation
from threelocks.report import Report, ReportRequest
from threelocks.state import Standing, State


class ConflictError(Exception):
    """Somebody else wrote the item first, or the contract changed meanwhile: read again and start over."""


class Observer(Protocol):
    def observe(self, contract: Contract, account: str) -> Observation:
        """Read every source that `account` holds for the contract. Never raises for a source that AWS refuses: that
        source is Unreadable."""


class Store(Protocol):
    """The table. Every read is consistent."""

    def contract(self, name: str) -> Contract | None:
        """The contract of that name, or None."""

    def names(self) -> tuple[str, ...]:
        """Every contract's name, sorted."""

    def touching(self, resources: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the contracts that depend on any of these resources (see `events` for their spelling), sorted."""

    def state(self, name: str) -> State | None:
        """What is recorded of a contract, or None before its first check."""

    def save(
        self,
        state: State,
        *,
        expected_version: int | None,
        standing: Standing | None = None,
        kept: Sequence[Kept] = (),
    ) -> State:
        """Write the state if the stored version is `expected_version` (None: there is none yet) and the contract in
        the table still has the seal `state.digest`; answers it with its new version. Raises ConflictError otherwise.

        `standing` is a row for the contract's history, and `kept` the documents of locks that have changed: they are
        written with the state or not at all."""

    def kept(self, name: str, lock: Lock) -> Kept | None:
        """The documents that were kept of one lock, or None when there are none that can be read."""

    def history(self, name: str, *, since: datetime, limit: int) -> tuple[Standing, ...]:
        """How the share stood from `since` on, newest first, as far as it is kept; at most `limit` rows."""

    def depend(self, contract: Contract, resources: tuple[str, ...]) -> None:
        """Record the further resources, attached policies for example, that an observation showed the contract to
        depend on; drops those recorded before and gone now."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A contract in the list of all."""

    name: str
    resources: tuple[str, ...]  # that it names, as `events` spells them; sorted
    checked: datetime | None  # when the observation behind its last verdict began; None: never yet


class Directory(Protocol):
    def listings(self) -> Iterator[Listing]:
        """Every contract of this account. May be a moment old."""


class RefusedMailError(Exception):
    """The topic does not take this text: trying again with the same text is in vain."""


class Mailer(Protocol):
    def send(self, subject: str, body: str, attributes: dict[str, str]) -> None:
        """Publish to the alert topic. Raises RefusedMailError when the text itself is refused (SNS InvalidParameter),
        anything else when another try may succeed."""


class Announcer(Protocol):
    def announce(self, detail: str) -> None:
        """Put an announcement on the account's own bus; raises when EventBridge did not take it."""


class Ledger(Protocol):
    """What was done about a contract and must not be done again soon. Entries go by themselves when they expire."""

    def claim(self, contract: str, name: str, *, now: datetime, until: datetime) -> bool:
        """Take an entry that nobody holds at `now`, and hold it until then; False when somebody does."""

    def keep(self, contract: str, name: str, *, until: datetime, expires: datetime, body: str = "") -> None:
        """Hold an entry that was claimed until another time, or release it, and keep `body` in it until `expires`."""

    def kept(self, contract: str, *, prefix: str, now: datetime) -> tuple[str, ...]:
        """The bodies of the entries whose names begin so and that have not expired."""


class EventHistory(Protocol):
    def ask(self, question: Question, since: datetime, until: datetime) -> Records:
        """CloudTrail's records of that time, and whether those are all. Never raises: what cannot be read is UNREAD."""


class Reporter(Protocol):
    def report(self, party: Party, report: Report) -> None:
        """Put a report on the party's bus; raises when EventBridge did not take it."""

    def request(self, party: Party, request: ReportRequest) -> None:
        """Ask the party for a fresh report; raises when EventBridge did not take it."""


class Timer(Protocol):
    def ask(self, contract: str, cause: Cause, *, delay: timedelta) -> None:
        """Have the contract checked after `delay` (15 minutes at most), for that cause; raises when it could not be
        asked for."""
