"""A statement as a box: what it holds surely, what possibly, and what it never holds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.policy.spaces import CONSUMER, ROLE, allow, anybody, document, listing, outcome, reading, when
from threelocks.policy.authorize import Layer, Outcome
from threelocks.policy.box import (
    FALSE,
    TRUE,
    ActionLiteral,
    All,
    Atom,
    KeyLiteral,
    Literal,
    Not,
    Reading,
    Some,
    TextLiteral,
    boxes,
    text_matches,
)
from threelocks.policy.pattern import glob, literal, parse_pattern, prefix
from threelocks.policy.request import CallerKind
from threelocks.policy.space import CALLER, RESOURCE, Point, Space, View
from threelocks.policy.walk import normal


def literals(
    space: Space, statement: dict[str, Any], *, possible: bool = False, layer: Layer = Layer.RESOURCE_POLICY
) -> tuple[Literal, ...] | None:
    """The literals of a statement's box; None when it holds nothing of the space."""
    found = boxes(document(statement).statements, layer, Reading(space, possible))
    return found[0].literals if found else None


# name: statement, whether its sure form and its possible form are everything, something or nothing of `reading()`
ALL, PART, NONE = "all", "part", "none"
FORMS: dict[str, tuple[dict[str, Any], str, str]] = {
    "everything": (allow(), ALL, ALL),
    "one action": (allow(Action="s3:GetObject"), PART, PART),
    "no action of the space": (allow(Action="s3:Put*"), NONE, NONE),
    "no Action": (allow(Action=None), NONE, NONE),
    "no Resource": (allow(Resource=None), NONE, NONE),
    "no Principal": (allow(Principal=None), NONE, NONE),
    "an empty list of actions": (allow(Action=[]), NONE, NONE),
    "an empty NotAction": (allow(Action=None, NotAction=[]), NONE, ALL),
    "some keys": (allow(Resource="arn:aws:s3:::b/a*"), PART, PART),
    "a canonical user": (allow(Principal={"CanonicalUser": "x"}), NONE, ALL),
    "an identity provider": (allow(Principal={"Federated": "x"}), NONE, ALL),
    "a unique id": (allow(Principal={"AWS": "AROAEXAMPLEROLEID0001"}), ALL, ALL),
    "another unique id": (allow(Principal={"AWS": "AROAEXAMPLEROLEID0002"}), NONE, NONE),
    "not the role, whose account is not listed": (allow(Principal=None, NotPrincipal={"AWS": ROLE}), NONE, ALL),
    "not another role": (allow(Principal=None, NotPrincipal={"AWS": f"{ROLE}2"}), ALL, ALL),
    "not anybody": (allow(Principal=None, NotPrincipal={"AWS": "*"}), NONE, NONE),
    "an unknown element": (allow(Future=1), NONE, ALL),
    "an unknown operator": (allow(**when("StringSimilar", "aws:SourceVpce", "x")), NONE, ALL),
    "an unknown element and another action": (allow(Future=1, Action="s3:Put*"), NONE, NONE),
    "a fixed key": (allow(**when("Bool", "aws:SecureTransport", "true")), ALL, ALL),
    "a fixed key that is another": (allow(**when("Bool", "aws:SecureTransport", "false")), NONE, NONE),
    "a key that is absent": (allow(**when("StringLike", "aws:SourceArn", "*")), NONE, NONE),
    "a fixed view": (allow(**when("NumericEquals", "aws:PrincipalAccount", CONSUMER)), ALL, ALL),
    "a number of a free view": (allow(**when("NumericEquals", "aws:userid", "1")), NONE, ALL),
    "an ARN of any form": (allow(**when("ArnLike", "aws:PrincipalArn", "*")), NONE, ALL),
    "a free key": (allow(**when("StringEquals", "aws:SourceVpce", "x")), PART, PART),
    "a quantified Null": (allow(**when("ForAnyValue:Null", "aws:SourceVpce", "true")), NONE, ALL),
    "null of a fixed key": (allow(**when("Null", "aws:SecureTransport", "false")), ALL, ALL),
    "null of an absent key": (allow(**when("Null", "aws:SourceArn", "true")), ALL, ALL),
    "null both ways": (allow(**when("Null", "aws:SourceVpce", "true", "false")), ALL, ALL),
    "a list under one value": (allow(**when("StringEquals", "aws:PrincipalOrgPaths", "x")), NONE, NONE),
    "a list under one value, negated": (allow(**when("StringNotEquals", "aws:PrincipalOrgPaths", "x")), NONE, PART),
    "a variable that is free": (allow(Resource="arn:aws:s3:::b/${aws:PrincipalTag/team}/*"), NONE, PART),
    "not a variable that is free": (
        allow(Resource=None, NotResource="arn:aws:s3:::b/${aws:PrincipalTag/team}/*"),
        NONE,
        ALL,
    ),
    "a variable that is absent": (allow(Resource="arn:aws:s3:::b/${aws:SourceArn}/*"), NONE, NONE),
    "a variable with a default": (allow(Resource="arn:aws:s3:::${aws:SourceArn, 'b'}/*"), ALL, ALL),
    "a variable that is fixed": (allow(Resource="arn:aws:s3:::b${aws:SecureTransport}/*"), NONE, NONE),
}


@pytest.mark.parametrize("name", FORMS)
def test_sure_and_possible_forms(name: str) -> None:
    statement, *expected = FORMS[name]
    for possible, form in zip((False, True), expected, strict=True):
        found = literals(reading(), statement, possible=possible)
        assert (NONE if found is None else PART if found else ALL) == form, f"possible={possible}"


def test_a_statement_of_the_caller_needs_no_principal() -> None:
    statement = allow(Principal=None)
    assert literals(reading(), statement, layer=Layer.IDENTITY_POLICY) == ()


def test_at_an_endpoint_an_account_is_its_root_user() -> None:
    statement = allow(Principal={"AWS": CONSUMER})
    endpoint = Layer.VPC_ENDPOINT_POLICY
    assert literals(reading(), statement, layer=endpoint, possible=True) is None
    assert literals(anybody(CallerKind.ROOT), statement, layer=endpoint) is not None
    assert literals(reading(), allow(), layer=endpoint) is None
    assert literals(reading(), allow(), layer=endpoint, possible=True) == ()
    assert literals(reading(), allow(Principal="*"), layer=endpoint) == ()


def test_an_optional_group_remembers_what_its_absence_means() -> None:
    by_operator = {"StringLike": False, "StringNotLike": True, "StringLikeIfExists": True}
    for operator, absent in by_operator.items():
        found = literals(listing(), allow(**when(operator, "s3:prefix", "a*")))
        assert found is not None
        (only,) = found
        assert isinstance(only, TextLiteral)
        assert only.absent is absent
    (null,) = literals(listing(), allow(**when("Null", "s3:prefix", "true"))) or ()
    texts = {CALLER: ("s1",)}
    assert null.holds(Point("s3:ListBucket", {**texts, "prefix": None}, {}))
    assert not null.holds(Point("s3:ListBucket", {**texts, "prefix": ("",)}, {}))


def test_a_negated_literal_holds_where_the_literal_does_not() -> None:
    space = reading()
    key = ("aws:principalorgpaths", 0)
    lists: list[tuple[str, ...] | None] = [None, ("a",), ("b",), ("a", "b")]
    operators = ("ForAllValues:StringEquals", "ForAnyValue:StringEquals", "ForAnyValue:StringEqualsIfExists", "Null")
    for operator in operators:
        statement = allow(**when(operator, "aws:PrincipalOrgPaths", "false" if operator == "Null" else "a"))
        (one,) = literals(space, statement, possible=True) or ()
        for values in lists:
            point = Point("s3:GetObject", {CALLER: ("s1",), RESOURCE: ("k",)}, {key: values})
            says = outcome(point.request(space), statement)
            assert one.holds(point) == (says in (Outcome.ALLOWED, Outcome.UNKNOWN))
            assert one.negated(space).holds(point) != one.holds(point)


def test_actions_not_named_are_the_negation_of_those_named() -> None:
    space = reading()
    one = ActionLiteral(frozenset({"s3:GetObject"}))
    assert one.negated(space) == ActionLiteral(frozenset({"s3:GetObjectVersion"}))


def test_environment_keys_carry_the_copy_of_their_reading_and_chosen_keys_do_not() -> None:
    statement = allow(Condition={"StringEquals": {"aws:SourceVpce": "x", "s3:delimiter": "/"}})
    (box,) = boxes(document(statement).statements, Layer.RESOURCE_POLICY, Reading(reading(), possible=False, copy=2))
    copies = {one.key: one.copy for one in box.literals if isinstance(one, KeyLiteral)}
    assert copies == {"aws:sourcevpce": 2, "s3:delimiter": 0}


def test_a_view_without_segments_is_true_or_false_at_once() -> None:
    assert text_matches(View(RESOURCE, ("ab",)), glob((prefix("a"),))) == TRUE
    assert text_matches(View(RESOURCE, ("ab",)), glob((prefix("b"),))) == FALSE


def test_the_normal_form_joins_lists_of_patterns() -> None:
    one, two = (Atom((0,), glob((literal(text),))) for text in "ab")
    either = glob((literal("a"), literal("b")))
    assert normal(Some((one, Some((two,))))) == Atom((0,), either)
    assert normal(All((Not(one), Not(two)))) == Not(Atom((0,), either))
    assert normal(Not(Some((one, two)))) == Not(Atom((0,), either))
    assert normal(All((one, Some()))) == FALSE
    assert normal(Not(All((one, Not(TRUE))))) == TRUE
    colonwise = Atom((0,), glob((parse_pattern("b", variables=False),), colonwise=True))
    assert normal(Some((one, colonwise))) == Some((one, colonwise))
