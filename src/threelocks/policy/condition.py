"""Condition operators: does a condition hold for the values that a request carries?

Each operator is a row of OPERATORS. `holds` decides one condition for one request; `witness` searches by the same rows.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import TypeVar

from threelocks.policy.document import Condition
from threelocks.policy.pattern import Glob, Pattern, Variable, Wild, glob, parse_pattern
from threelocks.policy.truth import Truth

_NO, _MAYBE, _YES = Truth

Lookup = Callable[[Variable], str | Wild | None]
_Ordered = TypeVar("_Ordered", Decimal, datetime)


class Family(Enum):
    """What an operator's values are."""

    STRING = "string"
    ARN = "arn"
    NUMBER = "number"
    DATE = "date"
    BOOL = "bool"
    ADDRESS = "address"
    BINARY = "binary"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Operator:
    """`negated`: true where none of the values compares. `relation` is for what is ordered."""

    family: Family
    negated: bool = False
    wildcards: bool = False
    fold: bool = False
    relation: str = "=="


OPERATORS: dict[str, Operator] = {
    "StringEquals": Operator(Family.STRING),
    "StringNotEquals": Operator(Family.STRING, negated=True),
    "StringEqualsIgnoreCase": Operator(Family.STRING, fold=True),
    "StringNotEqualsIgnoreCase": Operator(Family.STRING, negated=True, fold=True),
    "StringLike": Operator(Family.STRING, wildcards=True),
    "StringNotLike": Operator(Family.STRING, negated=True, wildcards=True),
    "NumericEquals": Operator(Family.NUMBER),
    "NumericNotEquals": Operator(Family.NUMBER, negated=True),
    "NumericLessThan": Operator(Family.NUMBER, relation="<"),
    "NumericLessThanEquals": Operator(Family.NUMBER, relation="<="),
    "NumericGreaterThan": Operator(Family.NUMBER, relation=">"),
    "NumericGreaterThanEquals": Operator(Family.NUMBER, relation=">="),
    "DateEquals": Operator(Family.DATE),
    "DateNotEquals": Operator(Family.DATE, negated=True),
    "DateLessThan": Operator(Family.DATE, relation="<"),
    "DateLessThanEquals": Operator(Family.DATE, relation="<="),
    "DateGreaterThan": Operator(Family.DATE, relation=">"),
    "DateGreaterThanEquals": Operator(Family.DATE, relation=">="),
    "Bool": Operator(Family.BOOL),
    "BinaryEquals": Operator(Family.BINARY),
    "IpAddress": Operator(Family.ADDRESS),
    "NotIpAddress": Operator(Family.ADDRESS, negated=True),
    "ArnEquals": Operator(Family.ARN, wildcards=True),
    "ArnLike": Operator(Family.ARN, wildcards=True),
    "ArnNotEquals": Operator(Family.ARN, negated=True, wildcards=True),
    "ArnNotLike": Operator(Family.ARN, negated=True, wildcards=True),
    "Null": Operator(Family.NULL),
}

# Keys that hold a list by their type, whatever number of values a request has for them. Their scalar use never matches.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
_MULTIVALUED = frozenset(
    {
        *("aws:calledvia", "aws:tagkeys", "aws:principalorgpaths", "aws:resourceorgpaths", "aws:sourceorgpaths"),
        *("aws:principalservicenameslist", "aws:vpceorgpaths", "kms:encryptioncontextkeys", "kms:grantoperations"),
        *("kms:resourcealiases", "s3:requestobjecttagkeys"),
    }
)


def is_multivalued(key: str) -> bool:
    """Whether the key (in lower case) is of list type."""
    return key in _MULTIVALUED


Test = Callable[[tuple[str, ...] | None, Lookup], Truth]
_TestOne = Callable[[str, Lookup], Truth]


def holds(condition: Condition, values: tuple[str, ...] | None, lookup: Lookup, *, variables: bool) -> Truth:
    """Whether a condition holds. `values` is None when the request does not carry the key.

    `lookup` answers the value of a policy variable; `variables` says whether the document's version has them at all.
    """
    return ready(condition, variables=variables)(values, lookup)


@lru_cache(maxsize=8192)
def ready(condition: Condition, *, variables: bool) -> Test:
    """The condition as a test of the values that a request carries for its key, with all that can be done once done."""
    operator = OPERATORS.get(condition.operator)
    if operator is None:
        return lambda _values, _lookup: Truth.MAYBE
    if operator.family is Family.NULL:
        present, absent = _null(condition, ()), _null(condition, None)
        return lambda values, _lookup: absent if values is None else present
    missing = without_value(condition, operator)
    one = _ready_for_one(condition, operator, variables=variables)
    if condition.quantifier == "ForAllValues":
        # An empty string is no value to this quantifier, and without values it holds.
        return lambda values, lookup: min([one(value, lookup) for value in values or () if value], default=missing)
    if condition.quantifier:
        return lambda values, lookup: max([one(value, lookup) for value in values or ()], default=missing)
    if is_multivalued(condition.key):
        return lambda values, _lookup: missing if values is None else Truth.NO

    def test(values: tuple[str, ...] | None, lookup: Lookup) -> Truth:
        if values is None:
            return missing
        # A list under an operator for one value never matches, not even a negated one.
        return one(values[0], lookup) if len(values) == 1 else _NO

    return test


def _ready_for_one(condition: Condition, operator: Operator, *, variables: bool) -> _TestOne:
    if operator.family is Family.BOOL:
        wanted = frozenset(value.lower() for value in condition.values) & {"true", "false"}
        return lambda value, _lookup: _YES if value.lower() in wanted else _NO
    if operator.family not in (Family.STRING, Family.ARN) or (variables and any("${" in v for v in condition.values)):
        return lambda value, lookup: compare(condition, operator, value, lookup, variables=variables)
    automaton, unsettled = compiled(condition, operator, _no_value, variables=False)
    otherwise = Truth.NO if unsettled is Truth.NO else Truth.MAYBE
    matching, other = (~Truth.YES, ~otherwise) if operator.negated else (Truth.YES, otherwise)
    if operator.family is Family.STRING:
        return lambda value, _lookup: matching if automaton.matches(value) else other
    return lambda value, _lookup: (matching if automaton.matches(value) else other) if is_arn(value) else _NO


def _no_value(_: Variable) -> None:
    return None


def without_value(condition: Condition, operator: Operator) -> Truth:
    """Whether a condition (other than Null) holds when its key is absent, or is an empty list under a quantifier.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition_examples-multi-valued-context-keys.html
    """
    if condition.quantifier == "ForAllValues":
        return Truth.YES
    if condition.quantifier == "ForAnyValue":
        # IfExists promises true for a missing key, ForAnyValue false; AWS does not say which one wins.
        return Truth.MAYBE if condition.if_exists else Truth.NO
    holds_without = condition.if_exists or operator.negated
    if is_multivalued(condition.key):
        return Truth.MAYBE if holds_without else Truth.NO
    return Truth.of(holds_without)


def _null(condition: Condition, values: tuple[str, ...] | None) -> Truth:
    if condition.quantifier or condition.if_exists:
        return Truth.MAYBE  # accepted nowhere in the documentation
    return max((_null_one(wanted, absent=values is None) for wanted in condition.values), default=Truth.NO)


def _null_one(wanted: str, *, absent: bool) -> Truth:
    wanted = wanted.lower()
    return Truth.of(absent == (wanted == "true")) if wanted in ("true", "false") else Truth.MAYBE


def compare(condition: Condition, operator: Operator, value: str, lookup: Lookup, *, variables: bool) -> Truth:
    """Whether one value that is present satisfies the operator."""
    if operator.family is Family.ADDRESS:
        return _compare_address(condition, operator, value)
    if operator.family is Family.ARN and not is_arn(value):
        return Truth.NO  # what is not an ARN never matches, not even a negated operator
    if operator.family in (Family.STRING, Family.ARN):
        automaton, unsettled = compiled(condition, operator, lookup, variables=variables)
        found = max(Truth.of(automaton.matches(value)), unsettled)
    else:
        # A value or a wanted value that is no number, date, ... compares with nothing: a negated operator holds then.
        test = _TESTS[operator.family]
        found = max((Truth.of(test(value, wanted, operator.relation)) for wanted in condition.values), default=Truth.NO)
        if operator.family is Family.DATE and any(_YEAR.fullmatch(text) for text in (value, *condition.values)):
            found = max(found, Truth.MAYBE)
    return ~found if operator.negated else found


def compiled(condition: Condition, operator: Operator, lookup: Lookup, *, variables: bool) -> tuple[Glob, Truth]:
    """The values of a string or ARN condition as one automaton, and whether a value beside them is unsettled.

    A bare `*` under an ARN operator has no six parts: whether it means any ARN is not documented; nor is what a negated
    ARN operator makes of what is no ARN. A variable without a value equals nothing, and a negated operator holds; only
    of some variables AWS also says that they make the statement invalid.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-no-value
    """
    parsed = [parse_pattern(value, variables=variables, wildcards=operator.wildcards) for value in condition.values]
    tried = [(each, each.bind(lookup)) for each in parsed]
    bound = tuple(pattern for _, pattern in tried if pattern is not None)
    void = any(pattern is None and _may_void(each) for each, pattern in tried)
    arn = operator.family is Family.ARN
    doubtful = operator.negated and (void or (arn and not all(map(_may_be_arn, bound))))
    unsettled = Truth.MAYBE if doubtful or (arn and "*" in condition.values) else Truth.NO
    return glob(bound, colonwise=arn, fold=operator.fold), unsettled


def _may_void(pattern: Pattern) -> bool:
    """Whether a variable in a pattern makes the whole statement invalid when it has no value: AWS says so of
    `aws:username`, and that a list cannot be a variable at all.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable
    """
    return any(variable.name == "aws:username" or is_multivalued(variable.name) for variable in pattern.variables)


def _may_be_arn(pattern: Pattern) -> bool:
    """Whether a pattern has the six parts of an ARN: a wildcard stands for no colon."""
    return sum(piece.count(":") for piece in pattern.pieces if isinstance(piece, str)) >= _COLONS


_COLONS = 5


# Any ARN: six parts, of which the first five hold no colon.
ARN_SHAPE = glob((parse_pattern("arn:*:*:*:*:*", variables=False),), colonwise=True)


def is_arn(text: str) -> bool:
    """Whether a text has the shape of an ARN: what ARN_SHAPE says, said faster."""
    return text.startswith("arn:") and text.count(":") >= _COLONS


def _compare_address(condition: Condition, operator: Operator, value: str) -> Truth:
    address = parse_address(value)
    if address is None:
        return Truth.NO  # not even a negated operator matches what is no address
    networks = [parse_network(wanted) for wanted in condition.values]
    found = Truth.of(any(within is not None and address in within for within in networks))
    if not operator.negated:
        return found
    # What NotIpAddress makes of a network that is none is not documented.
    return min(~found, Truth.MAYBE) if None in networks else ~found


def _ordered(relation: str, left: _Ordered, right: _Ordered) -> bool:
    if relation == "==":
        return left == right
    if relation.startswith("<"):
        return left < right or (relation == "<=" and left == right)
    return left > right or (relation == ">=" and left == right)


def _number_test(value: str, wanted: str, relation: str) -> bool:
    left, right = parse_number(value), parse_number(wanted)
    return left is not None and right is not None and _ordered(relation, left, right)


def _date_test(value: str, wanted: str, relation: str) -> bool:
    left, right = parse_date(value), parse_date(wanted)
    return left is not None and right is not None and _ordered(relation, left, right)


def _bool_test(value: str, wanted: str, _: str) -> bool:
    return wanted.lower() in ("true", "false") and value.lower() == wanted.lower()


def _binary_test(value: str, wanted: str, _: str) -> bool:
    left, right = _binary(value), _binary(wanted)
    return left is not None and left == right


_TESTS: dict[Family, Callable[[str, str, str], bool]] = {
    Family.NUMBER: _number_test,
    Family.DATE: _date_test,
    Family.BOOL: _bool_test,
    Family.BINARY: _binary_test,
}


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,5})?", re.ASCII | re.IGNORECASE)


def parse_number(text: str) -> Decimal | None:
    """A number as IAM reads it: `+1`, `1e0` and `01` are numbers; None for anything else.

    Exponents of more than five digits count as junk: arithmetic on them overflows.
    """
    return Decimal(text) if _NUMBER.fullmatch(text) else None


_DATE = re.compile(r"\d{4}-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?)?", re.ASCII)
_MONTH = len("2026-11")
_EPOCH = re.compile(r"-\d{1,11}|\d{1,3}|\d{5,11}", re.ASCII)
_YEAR = re.compile(r"\d{4}", re.ASCII)  # or so many seconds since 1970: both are documented forms


def parse_date(text: str) -> datetime | None:
    """A date as an instant: ISO 8601 (https://www.w3.org/TR/NOTE-datetime) or seconds since 1970.

    None for junk, and for four digits, which `compare` leaves unsettled.
    """
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        if not _DATE.fullmatch(text):
            return None
        instant = datetime.fromisoformat(f"{text}-01" if len(text) == _MONTH else text)
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


_BASE64 = re.compile(r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def _binary(text: str) -> bytes | None:
    return base64.b64decode(text) if _BASE64.fullmatch(text) else None


Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """An address; an IPv4 address mapped into IPv6 is that IPv4 address."""
    if "%" in text:
        return None  # a zone is no part of an address on the network
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


_NETWORK = re.compile(r"[0-9a-f:.]+(/\d{1,3})?", re.ASCII | re.IGNORECASE)


@lru_cache(maxsize=4096)
def parse_network(text: str) -> Network | None:
    """A CIDR block or a single address. An IPv6 block with host bits set never matches: None."""
    if not _NETWORK.fullmatch(text):
        return None
    try:
        within = ipaddress.ip_network(text, strict=":" in text)
    except ValueError:
        return None
    mapped = within.network_address.ipv4_mapped if isinstance(within, ipaddress.IPv6Network) else None
    if mapped and within.prefixlen >= 96:  # noqa: PLR2004 - ::ffff:0:0/96 is where IPv4 is mapped
        return ipaddress.ip_network(f"{mapped}/{within.prefixlen - 96}")
    return within
