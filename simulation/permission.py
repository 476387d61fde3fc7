"""Resource and identity policies of what the product itself runs on: its bus, its queues and the roles that deliver.

Small on purpose, and apart from `threelocks.policy`: the product is not to be proven by its own evaluator. What it does
not know it refuses, loudly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class PolicyError(ValueError):
    """The policy uses something that the simulation does not know."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call: a role of an account, or an AWS service."""

    account: str  # empty for a service
    principal: str  # the role's ARN, or "events.amazonaws.com"

    @property
    def is_service(self) -> bool:
        return not self.account


def decides(
    policy: Mapping[str, Any],
    *,
    action: str,
    resource: str,
    context: Mapping[str, str],
    caller: Caller | None = None,
) -> bool | None:
    """True: allowed; False: denied by a statement; None: nothing said. Without a caller it is an identity policy, whose
    statements name no principal. Raises PolicyError.
    """
    effects = {
        statement["Effect"]
        for statement in _list(policy["Statement"])
        if _applies(statement, action, resource, context, caller)
    }
    return False if "Deny" in effects else True if "Allow" in effects else None


_KNOWN = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}


def _applies(
    statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str], caller: Caller | None
) -> bool:
    unknown = set(statement) - _KNOWN
    if unknown:
        raise PolicyError(f"statement element `{min(unknown)}` is not simulated; use {', '.join(sorted(_KNOWN))}")
    met = _conditions(statement.get("Condition", {}), context)  # first, so that an unknown operator never hides
    return (
        met
        and (caller is None or _names(statement["Principal"], caller))
        and any(_like(pattern, action, ignore_case=True) for pattern in _list(statement["Action"]))
        and any(_like(pattern, resource) for pattern in _list(statement["Resource"]))
    )


def _names(principal: Any, caller: Caller) -> bool:
    if principal == "*":
        return True
    unknown = set(principal) - {"AWS", "Service"}
    if unknown:
        raise PolicyError(f"principal type `{min(unknown)}` is not simulated; use AWS or Service")
    if caller.is_service:
        return caller.principal in _list(principal.get("Service", []))
    account_wide = {caller.account, f"arn:aws:iam::{caller.account}:root", caller.principal, "*"}
    return any(name in account_wide for name in _list(principal.get("AWS", [])))


def _conditions(condition: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    lowered = {key.lower(): value for key, value in context.items()}
    met = [
        _operator(operator)(_list(values), lowered.get(key.lower()))
        for operator, tests in condition.items()
        for key, values in tests.items()
    ]
    return all(met)


def _operator(name: str) -> Callable[[list[str], str | None], bool]:
    if name not in _OPERATORS:
        raise PolicyError(f"condition operator `{name}` is not simulated; use {', '.join(sorted(_OPERATORS))}")
    return _OPERATORS[name]


# An absent key fails a positive operator and meets a negative one.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
_OPERATORS: dict[str, Callable[[list[str], str | None], bool]] = {
    "StringEquals": lambda values, actual: actual is not None and actual in values,
    "StringNotEquals": lambda values, actual: actual is None or actual not in values,
    "StringLike": lambda values, actual: actual is not None and any(_like(value, actual) for value in values),
    "ArnEquals": lambda values, actual: actual is not None and any(_arn_like(value, actual) for value in values),
    "ArnLike": lambda values, actual: actual is not None and any(_arn_like(value, actual) for value in values),
    "ArnNotEquals": lambda values, actual: actual is None or not any(_arn_like(value, actual) for value in values),
    "ForAllValues:StringEquals": lambda values, actual: actual is None or actual in values,
    "Null": lambda values, actual: str(actual is None).lower() in [str(value).lower() for value in values],
    "Bool": lambda values, actual: actual is not None and actual.lower() in [str(value).lower() for value in values],
}


def _like(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None


def _arn_like(pattern: str, arn: str) -> bool:
    """A star stays within its part of the ARN, but for the last part."""
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(map(_like, patterns, parts))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
