"""Sample values tell all values of a key apart: each stretch between thresholds has one."""

from __future__ import annotations

import pytest

from threelocks.policy.candidates import candidates, examples, is_boolean
from threelocks.policy.condition import OPERATORS, compare, parse_address, parse_date, parse_number
from threelocks.policy.document import Condition
from threelocks.policy.space import Free
from threelocks.policy.truth import Truth


def condition(operator: str, *values: str) -> Condition:
    return Condition(operator, "", if_exists=False, key="k", values=values)


def kinds(key: str, conditions: list[Condition], binding: Free | None = None) -> set[tuple[Truth, ...]]:
    """The ways in which the values meet the conditions."""
    tried = candidates(key, conditions, binding or Free())
    return {
        tuple(compare(c, OPERATORS[c.operator], value, lambda _: None, variables=False) for c in conditions)
        for value in tried.values
    }


Y, N = Truth.YES, Truth.NO


def test_numbers_have_one_value_below_at_between_and_above() -> None:
    conditions = [condition("NumericLessThan", "1"), condition("NumericLessThanEquals", "+1e0")]
    conditions += [condition("NumericLessThan", "2"), condition("NumericGreaterThan", "02")]
    assert kinds("k", conditions) == {(Y, Y, Y, N), (N, Y, Y, N), (N, N, Y, N), (N, N, N, N), (N, N, N, Y)}


def test_a_clock_counted_in_seconds_and_as_a_date_has_a_second_in_every_stretch() -> None:
    conditions = [condition("NumericLessThan", "100000.5"), condition("DateLessThanEquals", "1970-01-02T03:46:50Z")]
    clock = Free(required=True, floor=50_000.0)
    assert kinds("aws:epochtime", conditions, clock) == {(Y, Y), (N, Y), (N, N)}
    tried = candidates("aws:epochtime", conditions, clock)
    assert tried.complete
    assert min(map(int, tried.values)) == 50_000


def test_whole_numbers_are_preferred() -> None:
    tried = candidates("k", [condition("NumericEquals", "1", "10")], Free())
    assert tried.values == ("1", "10", "2", "0", "11")
    assert tried.complete


@pytest.mark.parametrize("wanted", ["1e99999", "-1e99999", "1e-99999", "junk", "9" * 40])
def test_numbers_of_any_size_have_something_beside_them(wanted: str) -> None:
    both = [condition("NumericLessThan", wanted), condition("NumericGreaterThan", wanted)]
    expected = {(N, N)} if wanted == "junk" else {(Y, N), (N, N), (N, Y)}
    assert kinds("k", both) == expected


def test_dates_keep_within_floor_and_ceiling() -> None:
    binding = Free(floor=1780272000.0, ceiling=1790000000.0)
    wanted = condition("DateLessThan", "2026-01-01", "2026-07-01T00:00:00Z", "2030-01-01")
    instants = [parse_date(value) for value in candidates("k", [wanted], binding).values]
    assert all(at is not None and 1780272000.0 <= at.timestamp() <= 1790000000.0 for at in instants)
    july = [condition("DateLessThan", "2026-07-01"), condition("DateGreaterThan", "2026-07-01")]
    assert kinds("k", july, binding) == {(Y, N), (N, N), (N, Y)}


def test_dates_end_where_the_calendar_ends() -> None:
    last = [condition("DateGreaterThan", "9999-12-31T23:59:59Z"), condition("DateEquals", "9999-12-31T23:59:59Z")]
    assert kinds("k", last) == {(N, N), (N, Y)}
    assert kinds("k", [condition("DateLessThan", "0001-01-01")]) == {(N,)}


def test_dates_before_a_threshold_come_right_before_it() -> None:
    assert "2025-12-31T23:59:59Z" in candidates("k", [condition("DateLessThan", "2026-01-01")], Free()).values


def test_addresses_have_one_value_in_each_part_of_nested_networks() -> None:
    networks = ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "2001:db8::/32")
    conditions = [condition("IpAddress", network) for network in networks]
    assert kinds("k", conditions) == {(Y, N, N, N), (Y, Y, N, N), (Y, Y, Y, N), (N, N, N, Y), (N, N, N, N)}


def test_addresses_at_the_ends_of_their_space_are_tried() -> None:
    halves = [
        condition("IpAddress", "0.0.0.0/1"),
        condition("IpAddress", "128.0.0.0/1"),
        condition("IpAddress", "::/1"),
    ]
    assert kinds("k", halves) == {(Y, N, N), (N, Y, N), (N, N, Y), (N, N, N)}


def test_bytes_have_another_value_beside_every_wanted_one() -> None:
    assert kinds("k", [condition("BinaryEquals", "eA==")]) == {(Y,), (N,)}


def test_tags_may_hold_what_is_no_number() -> None:
    either = [condition("NumericLessThan", "1"), condition("NumericGreaterThanEquals", "1")]
    assert (N, N) in kinds("aws:principaltag/n", either)
    assert (N, N) not in kinds("s3:max-keys", either)


def test_values_of_two_families_are_no_complete_list() -> None:
    mixed = [condition("NumericLessThan", "1"), condition("Bool", "true")]
    assert not candidates("k", mixed, Free()).complete


def test_examples_are_of_the_type_of_their_key() -> None:
    assert all(parse_address(value) for value in examples("aws:sourceip", Free()))
    assert all(parse_number(value) is not None for value in examples("s3:max-keys", Free()))
    assert all(parse_date(value) for value in examples("any:date", Free(required=True)))
    assert set(examples("aws:multifactorauthpresent", Free())) == {"false", "true"}
    assert is_boolean("aws:multifactorauthpresent")
    assert examples("aws:principaltag/n", Free()) == ()
