"""Every condition operator, on values that fit, that do not, that are missing and that are lists."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.unit.policy.builders import MAYBE, NO, YES, allow, ask, holds, only
from threelocks.policy import condition as conditions
from threelocks.policy.authorize import Layer, matches
from threelocks.policy.condition import (
    ARN_SHAPE,
    OPERATORS,
    Family,
    is_multivalued,
    parse_address,
    parse_date,
    parse_network,
    parse_number,
)
from threelocks.policy.document import Condition
from threelocks.policy.pattern import Variable
from threelocks.policy.truth import Truth

NOON = "2026-11-23T12:00:00Z"
LATER = "2026-11-24T12:00:00Z"
TOPIC = "arn:aws:sns:eu-west-1:111111111111:orders"


@pytest.mark.parametrize(
    ("operator", "wanted", "matching", "other"),
    [
        ("StringEquals", "Ab", ["Ab"], ["ab", "Abc", "", "A?"]),
        ("StringEquals", ["a", "b"], ["a", "b"], ["c", "ab"]),
        ("StringEquals", "", [""], ["a"]),
        ("StringNotEquals", ["a", "b"], ["c", "A", ""], ["a", "b"]),
        ("StringEqualsIgnoreCase", "Ab", ["AB", "ab"], ["abc", "a"]),
        ("StringEqualsIgnoreCase", "a*", ["A*"], ["ab"]),
        ("StringNotEqualsIgnoreCase", "Ab", ["abc"], ["AB", "Ab"]),
        ("StringLike", ["a*", "?b"], ["a", "axx", "xb"], ["b", "xxb", "A"]),
        ("StringLike", "*", ["", "a\nb"], []),
        ("StringNotLike", ["a*", "?b"], ["b", "xxb"], ["a", "xb"]),
        ("NumericEquals", "10", ["10", "10.0", "1e1", "+10", "010"], ["11", "ten", "", "1_0", " 10", "１０", "0x0A"]),
        ("NumericEquals", "ten", [], ["ten", "10"]),
        ("NumericNotEquals", "10", ["11", "ten", ""], ["10", "10.0"]),
        ("NumericNotEquals", ["10", "11"], ["12"], ["10", "11"]),
        ("NumericLessThan", "10", ["9", "9.99", "-1e5"], ["10", "11", "x", "Infinity", "-Infinity", "NaN"]),
        ("NumericLessThanEquals", "10", ["10", "9"], ["10.01"]),
        ("NumericLessThanEquals", ["10", "20"], ["15"], ["21"]),
        ("NumericGreaterThan", "10", ["10.01", "11"], ["10", "9", "x"]),
        ("NumericGreaterThanEquals", "10", ["10", "11"], ["9.99"]),
        ("DateEquals", NOON, [NOON, "2026-11-23T13:00:00+01:00", "1795435200"], [LATER, "2026-11-23", "x"]),
        ("DateEquals", "2026-11-23", ["2026-11-23T00:00:00Z", "2026-11-23T00:00Z"], [NOON]),
        ("DateEquals", "2026-11", ["2026-11-01"], [NOON]),
        ("DateNotEquals", NOON, [LATER, "junk"], [NOON]),
        ("DateLessThan", NOON, ["2026-11-23T11:59:59.999Z", "0", "-5"], [NOON, LATER, "junk"]),
        ("DateLessThanEquals", NOON, [NOON], ["2026-11-23T12:00:00.001Z"]),
        ("DateGreaterThan", NOON, [LATER, "9999-12-31T23:59:59Z"], [NOON, "junk", ""]),
        ("DateGreaterThanEquals", NOON, [NOON, LATER], ["2026-11-23"]),
        ("Bool", "true", ["true", "True", "TRUE"], ["false", "1", "yes", ""]),
        ("Bool", ["true", "false"], ["true", "FALSE"], ["maybe"]),
        ("Bool", "1", [], ["1", "true"]),
        ("BinaryEquals", "QmluYXJ5", ["QmluYXJ5"], ["QmluYXJ6", "binary", "QmluYXJ5=", "Bin\u00e9"]),
        ("BinaryEquals", "not base64", [], ["not base64"]),
        ("IpAddress", "203.0.113.0/24", ["203.0.113.0", "203.0.113.255", "::ffff:203.0.113.9"], ["203.0.112.255"]),
        (
            "IpAddress",
            "203.0.113.9",
            ["203.0.113.9"],
            ["203.0.113.8", "203.0.113.9/32", "203.0.113.009", " 203.0.113.9"],
        ),
        ("IpAddress", "0.0.0.0/0", ["8.8.8.8", "::ffff:8.8.8.8"], ["2001:db8::1"]),
        ("IpAddress", "::/0", ["2001:db8::1"], ["8.8.8.8", "fe80::1%eth0"]),
        ("IpAddress", ["10.0.0.0/8", "2001:db8::/32"], ["10.1.1.1", "2001:DB8::1"], ["11.0.0.1", "2001:db9::1"]),
        ("IpAddress", "10.0.0.0/255.0.0.0", [], ["10.1.1.1"]),
        ("IpAddress", "10.0.0.0/33", [], ["10.0.0.0"]),
        ("NotIpAddress", ["10.0.0.0/8", "2001:db8::/32"], ["11.0.0.1"], ["10.1.1.1", "2001:db8::1", "junk", ""]),
        ("ArnEquals", TOPIC, [TOPIC], [f"{TOPIC}x", TOPIC.upper(), "orders"]),
        ("ArnLike", "arn:aws:sns:*:*:o*", [TOPIC, f"{TOPIC}:sub"], ["arn:aws:sqs:eu-west-1:111111111111:orders"]),
        ("ArnLike", "arn:*:*:*:*:*", [TOPIC, "arn:aws:s3:::b"], ["arn:aws:s3", "x:aws:s3:::b", ""]),
        ("ArnNotEquals", TOPIC, ["arn:aws:s3:::b"], [TOPIC, "junk"]),
        ("ArnNotLike", "arn:aws:sns:*:*:*", ["arn:aws:s3:::b"], [TOPIC, "junk"]),
    ],
)
def test_operators_compare_values(operator: str, wanted: Any, matching: list[str], other: list[str]) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""
    found = {value: holds(operator, "s3:x", wanted, value) for value in (*matching, *other)}
    assert found == {**dict.fromkeys(matching, YES), **dict.fromkeys(other, NO)}
    condition = only(allow(Condition={operator: {"s3:x": wanted}})).conditions[0]
    for value, truth in found.items():
        assert conditions.compare(condition, OPERATORS[operator], value, lambda _: None, variables=False) is truth


@pytest.mark.parametrize("name", [name for name in OPERATORS if name != "Null"])
def test_a_condition_without_wanted_values_compares_with_nothing(name: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"""
    condition = Condition(name, "", if_exists=False, key="s3:x", values=())
    sample = "10.0.0.1" if OPERATORS[name].family is Family.ADDRESS else TOPIC
    assert conditions.holds(condition, (sample,), lambda _: None, variables=True) is Truth.of(OPERATORS[name].negated)
    assert conditions.compare(condition, OPERATORS[name], sample, lambda _: None, variables=True) is Truth.of(
        OPERATORS[name].negated
    )


def test_null_without_wanted_values_never_holds() -> None:
    condition = Condition("Null", "", if_exists=False, key="s3:x", values=())
    for values in (None, (), ("a",)):
        assert conditions.holds(condition, values, lambda _: None, variables=True) is NO


def test_a_condition_asks_for_the_values_of_its_variables() -> None:
    condition = Condition("StringEquals", "", if_exists=False, key="s3:x", values=("a${aws:username}",))

    def lookup(variable: Variable) -> str:
        return {"aws:username": "na"}[variable.name]

    assert conditions.holds(condition, ("ana",), lookup, variables=True) is YES
    assert conditions.holds(condition, ("ana",), lookup, variables=False) is NO
    assert conditions.holds(condition, ("a${aws:username}",), lookup, variables=False) is YES


@pytest.mark.parametrize(
    ("operator", "wanted", "value"),
    [
        ("NotIpAddress", "nowhere", "10.0.0.1"),
        ("NotIpAddress", "2001:db8::1/32", "10.0.0.1"),
        ("ArnLike", "*", TOPIC),
        ("ArnNotLike", "*", TOPIC),
        ("ArnNotEquals", "junk", TOPIC),
        ("StringNotEquals", "${aws:username}", "a"),
        ("ArnNotLike", "arn:aws:s3:::${aws:username}", TOPIC),
        ("StringNotLike", ["x", "a${aws:TagKeys}"], "a"),
        ("DateLessThan", "2027", NOON),
        ("DateNotEquals", NOON, "2026"),
        ("Null", "perhaps", "a"),
        ("ForAnyValue:Null", "false", "a"),
        ("NullIfExists", "false", "a"),
    ],
)
def test_what_aws_does_not_say_is_unsettled(operator: str, wanted: Any, value: str) -> None:
    """Policy values of another kind under negated operators, variables without value, four digits as a date."""
    assert holds(operator, "s3:x", wanted, value) is MAYBE


@pytest.mark.parametrize(
    ("operator", "wanted", "truth"),
    [
        ("StringNotEquals", "${aws:PrincipalTag/none}", YES),
        ("StringNotEqualsIgnoreCase", "x${s3:ExistingObjectTag/none}", YES),
        ("StringNotLike", "${aws:PrincipalTag/none}*", YES),
        ("StringNotEquals", ["${aws:PrincipalTag/none}", "a"], NO),
        ("StringNotEquals", ["${aws:PrincipalTag/none}", "${aws:username}"], MAYBE),
        ("StringEquals", "${aws:PrincipalTag/none}", NO),
        ("StringLike", "${aws:PrincipalTag/none}*", NO),
        ("StringEqualsIfExists", "${aws:PrincipalTag/none}", NO),
    ],
)
def test_a_variable_without_a_value_equals_nothing(operator: str, wanted: Any, truth: Truth) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-no-value"""
    assert holds(operator, "s3:x", wanted, "a") is truth


def test_a_settled_value_beside_an_unsettled_one_still_counts() -> None:
    assert holds("ArnLike", "s3:x", ["*", TOPIC], TOPIC) is YES
    assert holds("ArnNotLike", "s3:x", ["*", TOPIC], TOPIC) is NO
    assert holds("NotIpAddress", "s3:x", ["nowhere", "10.0.0.0/8"], "10.0.0.1") is NO
    assert holds("DateLessThan", "s3:x", ["2027", LATER], NOON) is YES
    assert holds("Null", "s3:x", ["perhaps", "false"], "a") is YES
    assert holds("StringEquals", "s3:x", ["${aws:PrincipalTag/none}", "a"], "a") is YES


NEGATED = [name for name, operator in OPERATORS.items() if operator.negated]
POSITIVE = [name for name, operator in OPERATORS.items() if not operator.negated and name != "Null"]


@pytest.mark.parametrize("name", [*POSITIVE, *NEGATED])
def test_every_operator_without_its_key(name: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html"""
    negated = name in NEGATED
    assert holds(name, "s3:x", "1") is Truth.of(negated)
    assert holds(f"{name}IfExists", "s3:x", "1") is YES
    assert holds(f"ForAllValues:{name}", "s3:x", "1") is YES
    assert holds(f"ForAllValues:{name}IfExists", "s3:x", "1") is YES
    assert holds(f"ForAnyValue:{name}", "s3:x", "1") is NO
    assert holds(f"ForAnyValue:{name}IfExists", "s3:x", "1") is MAYBE
    # Of a list AWS says both that a negated operator holds without its key, and that no operator for one value does.
    assert holds(name, "aws:TagKeys", "1") is (MAYBE if negated else NO)
    assert holds(f"{name}IfExists", "aws:TagKeys", "1") is MAYBE


@pytest.mark.parametrize(
    ("operator", "values", "truth"),
    [
        ("ForAllValues:StringEquals", ["a", "b"], YES),
        ("ForAllValues:StringEquals", ["a", "c"], NO),
        ("ForAllValues:StringNotEquals", ["c", "d"], YES),
        ("ForAllValues:StringNotEquals", ["a", "c"], NO),
        ("ForAnyValue:StringEquals", ["a", "c"], YES),
        ("ForAnyValue:StringEquals", ["c", "d"], NO),
        ("ForAnyValue:StringNotEquals", ["a", "c"], YES),
        ("ForAnyValue:StringNotEquals", ["a", "b"], NO),
        ("ForAllValues:StringLike", ["a", "b"], YES),
        ("ForAllValues:StringEqualsIfExists", ["a", "c"], NO),
        ("ForAnyValue:StringEqualsIfExists", ["a", "c"], YES),
        ("ForAnyValue:StringEqualsIfExists", ["c"], NO),
    ],
)
def test_quantifiers_ask_all_or_any_of_the_carried_values(operator: str, values: list[str], truth: Truth) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html"""
    assert holds(operator, "aws:TagKeys", ["a", "b"], *values) is truth


@pytest.mark.parametrize("name", POSITIVE)
def test_an_empty_string_is_no_value_to_forallvalues(name: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition_examples-multi-valued-context-keys.html"""
    assert holds(f"ForAllValues:{name}", "aws:TagKeys", "1", "") is YES
    assert holds(f"ForAllValues:{name}", "s3:x", "1", "", "") is YES
    assert holds(f"ForAllValues:{name}", "aws:TagKeys", "1", "", "other") is NO
    assert holds(f"ForAnyValue:{name}", "aws:TagKeys", "1", "") is NO
    assert holds("Null", "aws:TagKeys", "false", "") is YES


def test_quantifiers_reach_values_of_every_family() -> None:
    assert holds("ForAnyValue:NumericLessThan", "s3:x", "5", "9", "4") is YES
    assert holds("ForAllValues:IpAddress", "s3:x", "10.0.0.0/8", "10.0.0.1", "11.0.0.1") is NO
    assert holds("ForAllValues:ArnNotLike", "s3:x", "arn:aws:s3:::b", TOPIC, "junk") is NO
    assert holds("ForAnyValue:ArnLike", "s3:x", "*", TOPIC, "junk") is MAYBE
    assert holds("ForAllValues:ArnLike", "s3:x", "*", TOPIC, "junk") is NO


def test_a_key_that_comes_with_several_values_is_a_list_whatever_its_name() -> None:
    assert holds("StringEquals", "s3:x", "a", "a", "a") is NO
    assert holds("StringNotEquals", "s3:x", "a", "b", "c") is NO


@pytest.mark.parametrize("key", ["aws:tagkeys", "aws:sourceorgpaths", "kms:encryptioncontextkeys"])
def test_keys_of_list_type_are_known(key: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html"""
    assert is_multivalued(key)
    assert not is_multivalued(f"{key}x")


def test_variables_stand_in_strings_and_arns_only() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-conditionelement"""
    tag = {"aws__PrincipalTag/n": "1"}
    assert holds("StringLike", "s3:x", "a${aws:PrincipalTag/n}*", "a1b", **tag) is YES
    assert holds("ArnLike", "s3:x", "arn:aws:s3:::${aws:PrincipalTag/n}", "arn:aws:s3:::1", **tag) is YES
    assert holds("StringEqualsIgnoreCase", "s3:x", "A${aws:PrincipalTag/n}", "a1", **tag) is YES
    assert holds("NumericEquals", "s3:x", "${aws:PrincipalTag/n}", "1", **tag) is NO
    assert holds("IpAddress", "s3:x", "${aws:PrincipalTag/n}", "1", **tag) is NO


def test_a_substituted_star_stays_a_star_even_within_arns() -> None:
    star = {"aws__PrincipalTag/n": "*"}
    assert holds("ArnLike", "s3:x", "arn:aws:s3:::${aws:PrincipalTag/n}", "arn:aws:s3:::b", **star) is NO
    assert holds("ArnLike", "s3:x", "arn:aws:s3:::${aws:PrincipalTag/n}", "arn:aws:s3:::*", **star) is YES


def test_an_unknown_operator_is_unsettled() -> None:
    unknown = Condition("StringRhymes", "", if_exists=False, key="s3:x", values=("a",))
    assert conditions.holds(unknown, ("a",), lambda _: None, variables=True) is MAYBE


def test_several_conditions_are_all_asked() -> None:
    statement = only(allow(Condition={"Bool": {"s3:a": "true", "s3:b": "true"}, "StringRhymes": {"s3:c": "x"}}))
    yes, no = {"s3__a": "true", "s3__b": "true"}, {"s3__a": "true", "s3__b": "false"}
    assert [matches(statement, ask(**one), Layer.IDENTITY_POLICY) for one in (yes, no)] == [MAYBE, NO]


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_a_condition_that_fails_decides_wherever_an_unsettled_one_stands(order: slice) -> None:
    unsettled, failing = ("ForAnyValue:StringEqualsIfExists", "s3:none"), ("Bool", "s3:a")
    tree = {operator: {key: "true"} for operator, key in [unsettled, failing][order]}
    statement = only(allow(Condition=tree))
    assert matches(statement, ask(s3__a="false"), Layer.IDENTITY_POLICY) is NO
    assert matches(statement, ask(s3__a="true"), Layer.IDENTITY_POLICY) is MAYBE


# --- readers of values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("1", "1"), ("+1", "1"), ("-01.50", "-1.5"), ("1e3", "1000"), (".5", "0.5"), ("5.", "5"), ("0", "0")),
        *(
            (text, None)
            for text in ("", "+", ".", "e1", "1e", "1_0", " 1", "1\n", "NaN", "Infinity", "0x1", "١", "1,0")
        ),
        ("1e999999", None),
    ],
)
def test_numbers_are_read_strictly(text: str, number: str | None) -> None:
    assert parse_number(text) == (None if number is None else Decimal(number))


def test_numbers_keep_all_their_digits() -> None:
    big = "123456789012345678901234567890.1"
    assert parse_number(big) != parse_number(f"{big}1")
    assert holds("NumericLessThan", "s3:x", f"{big}1", big) is YES


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        (NOON, datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T12:00Z", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T12:00:00.25-01:30", datetime(2026, 11, 23, 13, 30, 0, 250_000, tzinfo=UTC)),
        ("2026-11-23T12:00:00", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-02", datetime(2026, 2, 1, tzinfo=UTC)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("-60", datetime(1969, 12, 31, 23, 59, tzinfo=UTC)),
        ("1795435200", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        *(
            (text, None)
            for text in (
                *("", "2026", "2026-13", "2026-02-30", "2026-11-23T25:00Z", "20261123T120000Z", "2026-W47", "noon"),
                *("2026-11-23 12:00:00Z", "2026-11-23T12Z", "2026-11-23\n", "12345\n", "٢٠٢٦-11-23", "999999999999"),
                *("2026-11-23T12:00:00+25:00", "-99999999999", "1795435200.5", "0000-01-01"),
            )
        ),
    ],
)
def test_dates_are_read_strictly(text: str, instant: datetime | None) -> None:
    """https://www.w3.org/TR/NOTE-datetime"""
    assert parse_date(text) == instant


def test_dates_compare_to_the_microsecond_even_far_away() -> None:
    assert holds("DateLessThan", "s3:x", "9999-12-31T23:59:59.000002Z", "9999-12-31T23:59:59.000001Z") is YES


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::FFFF:10.0.0.1", "10.0.0.1"),
        ("::ffff:a00:1", "10.0.0.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        *((text, None) for text in ("", "10.0.0", "10.0.0.256", "10.0.0.01", "fe80::1%1", "10.0.0.1/32", "1", "::1::")),
    ],
)
def test_addresses_are_read_strictly(text: str, address: str | None) -> None:
    assert parse_address(text) == (None if address is None else ip_address(address))


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        *((text, None) for text in ("", "10/8", "10.0.0.0/", "10.0.0.0/33", "2001:db8::1/32", "10.0.0.0/255.0.0.0")),
        *((text, None) for text in ("10.0.0.0/0.0.0.255", "fe80::%1/64", "10.0.0.0 /8", "10.0.0.0/-1", "*")),
    ],
)
def test_networks_are_read_strictly(text: str, network: str | None) -> None:
    """An IPv6 block with host bits set never matches. Published capture."""
    assert parse_network(text) == (None if network is None else ip_network(network))


def test_the_shape_of_an_arn_is_six_parts() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html"""
    texts = (
        "arn:aws:s3:::b",
        "arn:::::",
        "arn:aws:sns:r:a:t:x",
        "arn:aws:s3::b",
        "ARN:aws:s3:::b",
        "",
        "xarn:a:b:c:d:e",
    )
    assert [ARN_SHAPE.matches(text) for text in texts] == [True, True, True, False, False, False, False]


def test_truth_is_kleenes() -> None:
    assert [~truth for truth in (YES, MAYBE, NO)] == [NO, MAYBE, YES]
    assert (min(YES, MAYBE), max(NO, MAYBE), Truth.of(value=True), Truth.of(value=False)) == (MAYBE, MAYBE, YES, NO)
