"""What was seen first, so that a change is seen as one: the role's unique id, and whom its trust policy names.

Kept in the state of the account that holds the role, for as long as the contract names that role. Applying the contract
there agrees on what is there today.
"""

from __future__ import annotations

from threelocks.contract import Contract
from threelocks.finding import Cause, Verdict
from threelocks.locks import trust
from threelocks.observation import Found, Observation
from threelocks.state import State

_ROLE, _ROLE_ID, _TRUST = "role", "role_id", "trust"
PREFIX = "pinned_"


def known(contract: Contract, before: State, cause: Cause) -> dict[str, str]:
    """The pins as facts to judge by; none of another role, and none when the contract was applied just now."""
    pins = _of(contract, before, cause)
    return {f"{PREFIX}{name}": value for name, value in pins.items() if name != _ROLE}


def pinned(
    contract: Contract, before: State, cause: Cause, verdict: Verdict, observation: Observation
) -> tuple[tuple[str, str], ...]:
    """The pins after a check. Another unique id takes the pinned one's place once nothing speaks against it any more:
    the holders of the resource policies have said that theirs name the new role."""
    seen = observation.role.role if observation.role else None
    if not isinstance(seen, Found):
        return before.pinned
    pins = _of(contract, before, cause)
    if "identity.role-recreated" not in {finding.code for finding in verdict.findings}:
        pins[_ROLE_ID] = seen.value.unique_id
    pins.setdefault(_TRUST, trust.pin(seen.value.trust))
    return tuple(sorted({**pins, _ROLE: contract.role}.items()))


def _of(contract: Contract, before: State, cause: Cause) -> dict[str, str]:
    pins = dict(before.pinned)
    return pins if pins.get(_ROLE) == contract.role and cause.kind != "apply" else {}
