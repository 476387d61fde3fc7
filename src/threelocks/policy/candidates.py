"""Sample values that tell all values of an ordered or finite condition key apart.

Between two neighbouring thresholds every value meets the same conditions, so one of each stretch is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from threelocks.policy.condition import OPERATORS, Address, Family, parse_date, parse_network, parse_number
from threelocks.policy.document import Condition
from threelocks.policy.space import Free


@dataclass(frozen=True, slots=True)
class Candidates:
    """`complete`: if none of the values will do, no value will."""

    values: tuple[str, ...]
    complete: bool


def candidates(key: str, conditions: Iterable[Condition], binding: Free) -> Candidates:
    """Values for a key under these conditions, none of them of the string or ARN family."""
    by_family: dict[Family, list[str]] = {}
    for condition in conditions:
        by_family.setdefault(OPERATORS[condition.operator].family, []).extend(condition.values)
    values: dict[str, None] = {}
    for family, wanted in by_family.items():
        values.update(dict.fromkeys(_OF_FAMILY[family](wanted, binding)))
    if _may_hold_anything(key):
        values["anything"] = None
    return Candidates(tuple(values), complete=len(by_family) == 1)


# Keys of these kinds hold text of somebody's choice, so that a value may be no number, date or address at all.
_ANY_TEXT = (
    "aws:principaltag/",
    "aws:requesttag/",
    "aws:resourcetag/",
    "s3:existingobjecttag/",
    "kms:encryptioncontext:",
)


def _may_hold_anything(key: str) -> bool:
    return key.startswith(_ANY_TEXT)


def _numbers(wanted: list[str], _: Free) -> Iterable[str]:
    thresholds = sorted({value for value in map(parse_number, wanted) if value is not None})
    for value in thresholds:
        yield str(value)
    for low, high in pairwise(thresholds):
        yield str((low + high) / 2)
    yield str(thresholds[0] - 1) if thresholds else "1"
    if thresholds:
        yield str(thresholds[-1] + 1)


def _dates(wanted: list[str], binding: Free) -> Iterable[str]:
    thresholds = sorted({value.timestamp() for value in map(parse_date, wanted) if value is not None})
    points = [*thresholds, *((low + high) / 2 for low, high in pairwise(thresholds))]
    points += [thresholds[0] - 1, thresholds[-1] + 1] if thresholds else [0.0]
    floor = binding.floor
    if floor is not None:
        points = [floor, floor + 1, *(point for point in points if point > floor)]
        later = [point for point in thresholds if point > floor]
        points += [(floor + min(later)) / 2] if later else []
    if binding.ceiling is not None:
        points = [binding.ceiling, *(point for point in points if point <= binding.ceiling)]
        points += [(binding.ceiling + value) / 2 for value in thresholds[-1:] if value < binding.ceiling]
    return (_instant(point) for point in points)


def _instant(seconds: float) -> str:
    instant = datetime.fromtimestamp(seconds, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")


def _booleans(_: list[str], __: Free) -> Iterable[str]:
    return ("false", "true")


def _binaries(wanted: list[str], _: Free) -> Iterable[str]:
    return (*wanted, "eA==")


_OUTSIDE = ("203.0.113.7", "198.51.100.7", "2001:db8::7")


def _addresses(wanted: list[str], _: Free) -> Iterable[str]:
    yield from _OUTSIDE
    for network in map(parse_network, wanted):
        if network is None:
            continue
        kind: Callable[[int], Address] = type(network.network_address)
        first, last = int(network.network_address), int(network.broadcast_address)
        for number in (first, last, first - 1, last + 1):
            if 0 <= number < 1 << network.max_prefixlen:
                yield str(kind(number))


_OF_FAMILY: dict[Family, Callable[[list[str], Free], Iterable[str]]] = {
    Family.NUMBER: _numbers,
    Family.DATE: _dates,
    Family.BOOL: _booleans,
    Family.BINARY: _binaries,
    Family.ADDRESS: _addresses,
}
