"""What was seen first, so that a change is seen as one: the role's unique id, whom its trust policy names, and the
settings of the watchdog's own parts.

Kept in the state of the account that holds them; those of the role for as long as the contract names that role.
Applying a contract there agrees on the role that is there today, `threelocks apply --accept` on all of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from threelocks.contract import Contract
from threelocks.finding import Cause, Verdict
from threelocks.locks import trust
from threelocks.locks.case import PINNED
from threelocks.locks.own_parts import PIN, pins_of
from threelocks.observation import Found, Observation
from threelocks.state import State

_ROLE, _ROLE_ID, _TRUST = "role", "role_id", "trust"


def known(contract: Contract, before: State, cause: Cause) -> dict[str, str]:
    """The pins as facts to judge by; none of another role, and none that were agreed on anew just now."""
    pins = {**_of_role(contract, before, cause), **_of_watchdog(before, cause)}
    return {f"{PINNED}{name}": value for name, value in pins.items() if name != _ROLE}


def pinned(
    contract: Contract, before: State, cause: Cause, verdict: Verdict, observation: Observation
) -> tuple[tuple[str, str], ...]:
    """The pins after a check."""
    role = _role_after(before, _of_role(contract, before, cause), contract, verdict, observation)
    return tuple(sorted({**role, **pins_of(observation.watchdog, _of_watchdog(before, cause))}.items()))


def _role_after(
    before: State, pins: Mapping[str, str], contract: Contract, verdict: Verdict, observation: Observation
) -> dict[str, str]:
    """Another unique id takes the pinned one's place once nothing speaks against it any more: the holders of the
    resource policies have said that theirs name the new role."""
    seen = observation.role.role if observation.role else None
    if not isinstance(seen, Found):
        return {name: value for name, value in before.pinned if not name.startswith(PIN)}
    made = dict(pins)
    if "identity.role-recreated" not in {finding.code for finding in verdict.findings}:
        made[_ROLE_ID] = seen.value.unique_id
    made.setdefault(_TRUST, trust.pin(seen.value.trust))
    return {**made, _ROLE: contract.role}


def _of_role(contract: Contract, before: State, cause: Cause) -> dict[str, str]:
    pins = {name: value for name, value in before.pinned if not name.startswith(PIN)}
    return pins if pins.get(_ROLE) == contract.role and cause.kind not in ("apply", "accept") else {}


def _of_watchdog(before: State, cause: Cause) -> dict[str, str]:
    pins = {name: value for name, value in before.pinned if name.startswith(PIN)}
    return pins if cause.kind != "accept" else {}
