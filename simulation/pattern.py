"""EventBridge event patterns: does this event match that pattern?

Knows the operators that a threelocks template may use, and refuses every other one: a pattern that is not understood
must not count as one that does not match.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
LONGEST_PATTERN = 2048


class PatternError(ValueError):
    """The pattern is not one that EventBridge would take, or uses an operator that the simulation does not know."""


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Every field of the pattern is met by the event. Within an array of objects, one object must meet all the fields
    that the pattern asks of it. Raises PatternError.
    """
    if not pattern:
        raise PatternError("an event pattern may not be empty: name at least one field")
    # Every field is looked at, here and below, so that an unknown operator is refused wherever it stands.
    met = [_field(expected, event.get(name, _ABSENT), name) for name, expected in pattern.items()]
    return all(met)


_ABSENT = object()


def _field(expected: Any, actual: Any, name: str) -> bool:
    if isinstance(expected, Mapping):
        return _nested(expected, actual)
    if not isinstance(expected, list) or not expected:
        raise PatternError(f"`{name}` must be a list of values or an object, not `{expected!r}`")
    leaves = _leaves(actual)
    met = [_alternative(alternative, leaves) for alternative in expected]
    return any(met)


def _nested(expected: Mapping[str, Any], actual: Any) -> bool:
    candidates = actual if isinstance(actual, list) else [actual]
    objects = [candidate for candidate in candidates if isinstance(candidate, Mapping)]
    # A field inside an absent object is itself absent, which `exists: false` asks for.
    met = [matches(expected, candidate) for candidate in objects or [{}]]
    return any(met)


def _leaves(actual: Any) -> list[Any]:
    values = actual if isinstance(actual, list) else [actual]
    return [value for value in values if value is not _ABSENT and not isinstance(value, Mapping | list)]


def _alternative(alternative: Any, leaves: list[Any]) -> bool:
    if not isinstance(alternative, Mapping):
        return any(_same(alternative, leaf) for leaf in leaves)
    if len(alternative) != 1:
        raise PatternError(f"`{dict(alternative)!r}` must hold exactly one operator")
    ((operator, operand),) = alternative.items()
    if operator not in _OPERATORS:
        raise PatternError(f"operator `{operator}` is not simulated; use {', '.join(sorted(_OPERATORS))}")
    return _OPERATORS[operator](operand, leaves)


def _same(expected: Any, actual: Any) -> bool:
    # Python takes True for 1; EventBridge compares the JSON.
    return type(expected) is type(actual) and bool(expected == actual)


def _exists(operand: Any, leaves: list[Any]) -> bool:
    if not isinstance(operand, bool):
        raise PatternError(f"`exists` takes true or false, not `{operand!r}`")
    return bool(leaves) is operand


def _text(operand: Any, operator: str) -> str:
    if not isinstance(operand, str) or not operand:
        raise PatternError(f"`{operator}` takes a string that is not empty, not `{operand!r}`")
    return operand


def _prefix(operand: Any, leaves: list[Any]) -> bool:
    start = _text(operand, "prefix")
    return any(isinstance(leaf, str) and leaf.startswith(start) for leaf in leaves)


def _suffix(operand: Any, leaves: list[Any]) -> bool:
    end = _text(operand, "suffix")
    return any(isinstance(leaf, str) and leaf.endswith(end) for leaf in leaves)


def _anything_but(operand: Any, leaves: list[Any]) -> bool:
    refused = operand if isinstance(operand, list) else [operand]
    if any(isinstance(value, Mapping) for value in refused):
        raise PatternError(f"`anything-but` is simulated for plain values only, not `{operand!r}`")
    return any(not any(_same(value, leaf) for value in refused) for leaf in leaves)


_OPERATORS: dict[str, Callable[[Any, list[Any]], bool]] = {
    "exists": _exists,
    "prefix": _prefix,
    "suffix": _suffix,
    "anything-but": _anything_but,
}
