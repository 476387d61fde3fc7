"""What the checks of one invocation share: readings of AWS, and what the table says of contracts.

Neither outlives the invocation. Everything in a batch was caused before it began, so a reading made for one of its
contracts is new enough for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from threelocks.contract import Contract
from threelocks.finding import Cause, Lock, Share
from threelocks.locks.kept import Kept
from threelocks.ports import ConflictError, Store
from threelocks.state import Standing, State
from threelocks.watch import Filled, Watch

if TYPE_CHECKING:
    from threelocks.handlers.app import App


AT_ONCE = 1000  # contracts whose terms are read before anybody asks


@dataclass(frozen=True)
class SharedStore:
    """Keeps ports.Store on another one: a contract's terms and a resource's contracts are read once.

    States are always read anew, and every write still has its conditions. A lost race means that the terms may have
    changed: they are forgotten, and read again.
    """

    store: Store
    bulk: Callable[[Sequence[str]], Mapping[str, Contract]] | None = None  # many contracts in few calls
    _contracts: dict[str, Contract | None] = field(default_factory=dict)
    _touching: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def contract(self, name: str) -> Contract | None:
        if name not in self._contracts:
            self._contracts[name] = self.store.contract(name)
        return self._contracts[name]

    def names(self) -> tuple[str, ...]:
        return self.store.names()

    def touching(self, resources: tuple[str, ...]) -> tuple[str, ...]:
        for resource in resources:
            if resource not in self._touching:
                self._touching[resource] = self._found(self.store.touching((resource,)))
        return tuple(sorted({name for resource in resources for name in self._touching[resource]}))

    def _found(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """All of them will be wanted, as neighbours of one that is checked, if not as such."""
        unknown = [name for name in names if name not in self._contracts]
        if self.bulk and 1 < len(unknown) <= AT_ONCE:
            self._contracts.update(self.bulk(unknown))
        return names

    def state(self, name: str) -> State | None:
        return self.store.state(name)

    def save(
        self,
        state: State,
        *,
        expected_version: int | None,
        standing: Standing | None = None,
        kept: Sequence[Kept] = (),
    ) -> State:
        try:
            return self.store.save(state, expected_version=expected_version, standing=standing, kept=kept)
        except ConflictError:
            self._contracts.pop(state.contract, None)
            raise

    def kept(self, name: str, lock: Lock) -> Kept | None:
        return self.store.kept(name, lock)

    def history(self, name: str, *, since: datetime, limit: int) -> tuple[Standing, ...]:
        return self.store.history(name, since=since, limit=limit)

    def depend(self, contract: Contract, resources: tuple[str, ...]) -> None:
        try:
            self.store.depend(contract, resources)
        except ConflictError:
            self._contracts.pop(contract.name, None)
            raise


@dataclass(frozen=True, slots=True)
class Shift:
    """The watch as one invocation has it."""

    watch: Watch

    @property
    def store(self) -> Store:
        return self.watch.desk.store

    def check(self, name: str, cause: Cause) -> Share:
        """Raises what Watch.check raises."""
        return self.watch.check(name, cause)


def tell(app: App, waiting: Sequence[Filled]) -> Mapping[str, Exception]:
    """Send what the checks or reports of a batch have filled, one mail for one cause; what failed, by contract."""
    failures = app.desk.tell(waiting) if waiting else {}
    for name, failure in failures.items():
        app.telemetry.log.warning("people could not be told", contract=name, exc_info=failure)
    return failures
