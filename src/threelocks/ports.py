"""What the watchdog needs of the world, as Protocols: `aws` keeps them with boto3, tests with fakes."""

from __future__ import annotations

from typing import Protocol

from threelocks.contract import Contract, Party
from threelocks.incident import State
from threelocks.observation import Observation
from threelocks.report import Report


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

    def save(self, state: State, *, expected_version: int | None) -> State:
        """Write the state if the stored version is `expected_version` (None: there is none yet) and the contract in
        the table still has `state.digest`; answers it with its new version. Raises ConflictError otherwise."""

    def depend(self, contract: Contract, resources: tuple[str, ...]) -> None:
        """Record the further resources, attached policies for example, that an observation showed the contract to
        depend on; drops those recorded before and gone now."""


class RefusedMailError(Exception):
    """The topic does not take this text: trying again with the same text is in vain."""


class Mailer(Protocol):
    def send(self, subject: str, body: str, attributes: dict[str, str]) -> None:
        """Publish to the alert topic. Raises RefusedMailError when the text itself is refused (SNS InvalidParameter),
        anything else when another try may succeed."""


class Reporter(Protocol):
    def report(self, party: Party, report: Report) -> None:
        """Put a report on the party's bus; raises when EventBridge did not take it."""
