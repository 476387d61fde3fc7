"""Sample values that tell all values of an ordered or finite condition key apart.

Between two neighbouring thresholds every value meets the same conditions, so one of each stretch is enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
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
    if _counts_seconds(key, binding) and by_family.keys() <= {Family.DATE, Family.NUMBER}:
        return Candidates(tuple(_seconds(by_family, binding)), complete=True)
    values: dict[str, None] = {}
    for family, wanted in by_family.items():
        values.update(dict.fromkeys(_OF_FAMILY[family](wanted, binding)))
    if _may_hold_anything(key):
        values.update({"anything": None, "": None})
    return Candidates(tuple(values), complete=len(by_family) == 1)


# Keys of these kinds hold text of somebody's choice, so that a value may be no number, date or address at all.
_ANY_TEXT = (
    "aws:principaltag/",
    "aws:requesttag/",
    "aws:resourcetag/",
    "s3:existingobjecttag/",
    "kms:encryptioncontext:",
)


# What some keys hold whenever a request carries them, whatever operator a policy puts them under.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
_TYPES = {
    **dict.fromkeys(("aws:sourceip", "aws:vpcsourceip"), Family.ADDRESS),
    **dict.fromkeys(("aws:currenttime", "aws:tokenissuetime", "s3:object-lock-retain-until-date"), Family.DATE),
    **dict.fromkeys(("aws:epochtime", "aws:multifactorauthage", "s3:max-keys", "s3:signatureage"), Family.NUMBER),
    **dict.fromkeys(("s3:tlsversion", "s3:object-lock-remaining-retention-days"), Family.NUMBER),
    **dict.fromkeys(("aws:multifactorauthpresent", "aws:securetransport", "aws:viaawsservice"), Family.BOOL),
    **dict.fromkeys(("aws:principalisawsservice", "kms:bypasspolicylockoutsafetycheck"), Family.BOOL),
    **dict.fromkeys(("kms:grantisforawsresource", "kms:multiregion"), Family.BOOL),
}


def examples(key: str, binding: Free) -> tuple[str, ...]:
    """Values of a key (in lower case) whose type is known: all of them for a boolean; empty where it holds any text."""
    if _counts_seconds(key, binding):
        return tuple(_seconds({}, binding))
    family = Family.DATE if binding.required else _TYPES.get(key)
    return () if family is None else tuple(_OF_FAMILY[family]([], binding))


def is_boolean(key: str) -> bool:
    """Whether a key (in lower case) holds `true` or `false` whenever a request carries it."""
    return _TYPES.get(key) is Family.BOOL


def _may_hold_anything(key: str) -> bool:
    return key.startswith(_ANY_TEXT)


def _numbers(wanted: list[str], _: Free) -> Iterable[str]:
    thresholds = sorted({value for value in map(parse_number, wanted) if value is not None})
    points = [*thresholds, *(_between(low, high) for low, high in pairwise(thresholds))]
    points += [_beside(thresholds[0], -1), _beside(thresholds[-1], 1)] if thresholds else [Decimal(1)]
    return (str(point) for point in points)


def _between(low: Decimal, high: Decimal) -> Decimal:
    """A number between two others; a whole one if there is one, since most keys count something."""
    whole = Decimal(math.floor(low)) + 1 if abs(low) < _HUGE else high
    return whole if whole < high else (low + high) / 2


def _beside(number: Decimal, by: int) -> Decimal:
    return number + by * (1 if abs(number) < _HUGE else abs(number))


_HUGE = 10**20  # from here on adding 1 may change nothing


def _dates(wanted: list[str], binding: Free) -> Iterable[str]:
    floor, ceiling = binding.floor, binding.ceiling
    least, most = (-math.inf if floor is None else floor), (math.inf if ceiling is None else ceiling)
    limits = [limit for limit in (ceiling, floor) if limit is not None]
    thresholds = {value.timestamp() for value in map(parse_date, wanted) if value is not None}
    edges = sorted({*limits, *(point for point in thresholds if least <= point <= most)})
    points = [*limits, *edges, *(_moment_between(low, high) for low, high in pairwise(edges))]
    points += [edges[0] - 1, edges[-1] + 1] if edges else [_SOME_DAY]
    instants = (_instant(point) for point in points if least <= point <= most)
    return (instant for instant in instants if instant is not None)


def _counts_seconds(key: str, binding: Free) -> bool:
    """Whether a key is a clock that counts seconds: aws:EpochTime."""
    return binding.required and _TYPES.get(key) is Family.NUMBER


def _seconds(by_family: dict[Family, list[str]], binding: Free) -> Iterable[str]:
    """Whole seconds since 1970, which policies compare as numbers or as dates.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-epochtime
    """
    dates = [value.timestamp() for value in map(parse_date, by_family.get(Family.DATE, [])) if value is not None]
    numbers = [value for value in map(parse_number, by_family.get(Family.NUMBER, [])) if value is not None]
    whole = [math.floor(each) for each in dates]
    whole += [math.floor(each) for each in numbers if abs(each) < _LAST_SECOND]
    least = _SOME_DAY if binding.floor is None else binding.floor
    points = sorted({math.ceil(least), *(each + beside for each in whole for beside in (-1, 0, 1, 2))})
    return (str(point) for point in points if binding.floor is None or point >= binding.floor)


_LAST_SECOND = 250_000_000_000  # in the year 9892
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def _moment_between(low: float, high: float) -> float:
    middle = (low + high) / 2
    return float(round(middle)) if low < round(middle) < high else middle


def _instant(seconds: float) -> str | None:
    """As ISO 8601; None before the year 1 and after 9999, where no request is made."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def _booleans(_: list[str], __: Free) -> Iterable[str]:
    return ("false", "true")


def _binaries(wanted: list[str], _: Free) -> Iterable[str]:
    return (*wanted, *(value for value in ("eA==", "eQ==") if value not in wanted))


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
