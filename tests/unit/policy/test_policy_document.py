"""What is read from a policy document, what AWS would refuse, and what is kept as not understood."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.policy.builders import (
    MAYBE,
    NO,
    OWNER,
    ROLE_ARN,
    UNKNOWN,
    YES,
    across,
    allow,
    ask,
    deny,
    document,
    only,
    says,
    service,
)
from threelocks.policy.authorize import Layer, matches
from threelocks.policy.condition import OPERATORS
from threelocks.policy.document import (
    OPERATOR_NAMES,
    Document,
    DocumentError,
    Effect,
    PrincipalType,
    parse_document,
    split_operator,
)


def parsed(tree: Any) -> Document:
    return parse_document(tree if isinstance(tree, str) else json.dumps(tree), "bucket policy")


def refused(tree: Any) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        parsed(tree)
    return caught.value


GET = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def with_statement(**elements: Any) -> dict[str, Any]:
    return {"Statement": [{**GET, **elements}]}


def test_a_document_keeps_all_that_its_statements_say() -> None:
    condition = {"ForAnyValue:StringLikeIfExists": {"aws:PrincipalOrgPaths": ["o-a/*", 1, True]}}
    principal = {"AWS": ROLE_ARN, "Service": ["a.amazonaws.com", "b.amazonaws.com"]}
    statement = {**GET, "Sid": "Read", "Principal": principal, "Condition": condition}
    found = parsed({"Version": "2012-10-17", "Id": "x", "Statement": [GET, statement]})
    one = found.statements[1]
    assert (found.label, found.version, found.problems) == ("bucket policy", "2012-10-17", ())
    assert (one.document, one.index, one.sid, one.effect) == ("bucket policy", 1, "Read", Effect.ALLOW)
    assert [(entry.type, entry.value) for entry in one.principals or ()] == [
        (PrincipalType.AWS, ROLE_ARN),
        (PrincipalType.SERVICE, "a.amazonaws.com"),
        (PrincipalType.SERVICE, "b.amazonaws.com"),
    ]
    assert (one.actions, one.resources, one.variables) == (("s3:GetObject",), ("*",), True)
    (only_condition,) = one.conditions
    assert (only_condition.operator, only_condition.quantifier, only_condition.if_exists) == (
        "StringLike",
        "ForAnyValue",
        True,
    )
    assert (only_condition.key, only_condition.values) == ("aws:principalorgpaths", ("o-a/*", "1", "true"))
    assert json.loads(one.text) == statement


def test_one_statement_needs_no_list_and_no_version_is_the_old_one() -> None:
    found = parsed({"Statement": GET})
    assert (len(found.statements), found.version, found.statements[0].variables) == (1, "2008-10-17", False)


def test_an_absent_element_is_not_an_empty_list() -> None:
    found = parsed({"Statement": [{"Effect": "Deny"}, {"Effect": "Deny", "Action": [], "Resource": []}]})
    assert [(s.actions, s.resources, s.principals) for s in found.statements] == [(None, None, None), ((), (), None)]


@pytest.mark.parametrize(
    ("tree", "path", "reason"),
    [
        ("", "", "not JSON"),
        ("nonsense", "", "not JSON"),
        ("{} {}", "", "not JSON"),
        ("\ufeff{}", "", "not JSON"),
        ('{"Statement": NaN}', "", "`NaN` is not JSON"),
        ('{"Statement": -Infinity}', "", "`-Infinity` is not JSON"),
        ("1" * 5000, "", "not JSON"),
        ([], "", "not a JSON object"),
        ("null", "", "not a JSON object"),
        ('"Statement"', "", "not a JSON object"),
        ({}, "Statement", "must be an object or a list"),
        ({"Statement": "x"}, "Statement", "must be an object or a list"),
        ({"Statement": [GET, "x"]}, "Statement[1]", "must be an object"),
        ({"Statement": [[]]}, "Statement[0]", "must be an object"),
        ({"Statement": [], "Comment": "x"}, "Comment", "unknown element"),
        ({"Statement": [], "b": 1, "a": 1}, "a", "unknown element"),
        ({"Statement": [], "Version": "2012-10-18"}, "Version", "neither"),
        ({"Statement": [], "Version": ["2012-10-17"]}, "Version", "neither"),
        ({"Statement": [], "Version": None}, "Version", "neither"),
        ({"Statement": [], "Version": 20121017}, "Version", "neither"),
        ({"Statement": {}}, "Statement[0].Effect", "`None` is neither"),
        (with_statement(Effect="allow"), "Statement[0].Effect", "`allow` is neither"),
        (with_statement(Effect=["Allow"]), "Statement[0].Effect", "is neither"),
        (with_statement(Effect=True), "Statement[0].Effect", "is neither"),
        (with_statement(Sid=7), "Statement[0].Sid", "must be a string"),
        (with_statement(Sid=["a"]), "Statement[0].Sid", "must be a string"),
        (with_statement(Action=7), "Statement[0].Action", "string or a list of strings, not `7`"),
        (with_statement(Action=[["a"]]), "Statement[0].Action", "string or a list of strings"),
        (with_statement(Action={"a": "b"}), "Statement[0].Action", "string or a list of strings"),
        (with_statement(Action=None), "Statement[0].Action", "is null"),
        (with_statement(Action=[None]), "Statement[0].Action", "string or a list of strings"),
        (with_statement(Resource=None), "Statement[0].Resource", "is null"),
        (with_statement(Resource=[True]), "Statement[0].Resource", "string or a list of strings"),
        (with_statement(NotAction="x"), "Statement[0]", "both Action and NotAction"),
        (with_statement(NotAction=None), "Statement[0]", "both Action and NotAction"),
        (with_statement(NotResource=[]), "Statement[0]", "both Resource and NotResource"),
        (with_statement(Principal="*", NotPrincipal="*"), "Statement[0]", "both Principal and NotPrincipal"),
        (with_statement(Principal=ROLE_ARN), "Statement[0].Principal", 'must be "*" or an object'),
        (with_statement(Principal=["*"]), "Statement[0].Principal", 'must be "*" or an object'),
        (with_statement(Principal=None), "Statement[0].Principal", "is null"),
        (with_statement(Principal={"AWS": 111111111111}), "Statement[0].Principal.AWS", "not `111111111111`"),
        (with_statement(Principal={"AWS": None}), "Statement[0].Principal.AWS", "is null"),
        (with_statement(Principal={"AWS": {"a": "b"}}), "Statement[0].Principal.AWS", "string or a list"),
        (with_statement(Condition=None), "Statement[0].Condition", "must be an object"),
        (with_statement(Condition=[]), "Statement[0].Condition", "must be an object"),
        (with_statement(Condition={"Bool": "x"}), "Statement[0].Condition.Bool", "must be an object"),
        (with_statement(Condition={"Bool": {"a": None}}), "Statement[0].Condition.Bool.a", "not `null`"),
        (with_statement(Condition={"Bool": {"a": [["x"]]}}), "Statement[0].Condition.Bool.a", 'not `["x"]`'),
        (with_statement(Condition={"Bool": {"a": {"b": "c"}}}), "Statement[0].Condition.Bool.a", "string or a list"),
        ('{"Statement": [], "Statement": []}', "Statement", "appears twice"),
        ('{"Statement": {"Effect": "Allow", "Effect": "Deny"}}', "Effect", "appears twice"),
        ('{"Statement": {"Effect": "Deny", "Condition": {"Bool": {"a": "1"}, "Bool": {}}}}', "Bool", "appears twice"),
        ('{"Statement": {"Effect": "Deny", "Sid": "\\ud83d"}}', "", "half of a surrogate pair"),
        ('{"\\ud83d": 1, "\\ud83d": 1}', "\\ud83d", "appears twice"),
    ],
)
def test_what_aws_would_refuse_is_refused_with_path_and_reason(tree: Any, path: str, reason: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html"""
    error = refused(tree)
    assert error.path == path
    assert reason in error.reason
    str(error).encode()  # it can be mailed


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"Statement":' + "[" * 500 + "]" * 500 + "}",
        '{"Sid":"' + "]" * 5_000 + '","Statement":' + "[" * 900 + "]" * 900 + "}",
        '{"Statement":{"Effect":"Allow","Condition":{"Bool":{"a":' + "[" * 60 + "]" * 60 + "}}}}",
    ],
)
def test_a_document_nested_too_deep_is_refused_and_exhausts_nothing(text: str) -> None:
    assert refused(text).reason == "the document is nested too deep"


def test_brackets_inside_strings_are_no_nesting() -> None:
    key = "arn:aws:s3:::b/" + "[{" * 100
    assert parsed(with_statement(Resource=key)).statements[0].resources == (key,)


def test_a_whole_surrogate_pair_is_text() -> None:
    found = parsed('{"Statement": {"Effect": "Deny", "Resource": "\\ud83d\\ude00"}}')
    assert found.statements[0].resources == ("\U0001f600",)


def test_numbers_among_condition_values_keep_their_spelling() -> None:
    text = '{"Statement": {"Effect": "Deny", "Condition": {"StringEquals": {"a": [1.10, 1e400, 7, false]}}}}'
    assert parsed(text).statements[0].conditions[0].values == ("1.10", "1e400", "7", "false")


def test_the_text_of_a_statement_is_json_that_says_the_same() -> None:
    text = '{"Statement": {"Effect": "Deny", "Condition": {"StringEquals": {"a": [1.10, 1e400, 7, false, "\\u00e9"]}}}}'
    statement = parsed(text).statements[0]
    assert parsed(json.dumps({"Statement": json.loads(statement.text, parse_constant=pytest.fail)})).statements == (
        statement,
    )
    assert "\u00e9" in statement.text


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=3) | st.just("*"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Effect",
                    "Action",
                    "NotAction",
                    "Principal",
                    "NotResource",
                    "Condition",
                    "Sid",
                    "AWS",
                    "Bool",
                    "\ud800",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(_JSON, st.sampled_from(["Allow", "Deny"]))
def test_nothing_but_a_document_error_ever_comes_out(tree: Any, effect: str) -> None:
    statement = {**tree, "Effect": effect} if isinstance(tree, dict) else tree
    for candidate in (tree, {"Statement": tree}, {"Statement": [statement]}):
        try:
            found = parsed(candidate)
        except DocumentError as error:
            str(error).encode()
            continue
        for one in found.statements:
            one.text.encode()
            for layer in Layer:
                matches(one, ask(), layer)


# --- what is not understood -------------------------------------------------------------------------------------------


def test_an_unknown_operator_makes_its_statement_perhaps_match() -> None:
    statement = allow(Principal="*", Condition={"StringRhymes": {"s3:prefix": "a"}})
    assert only(statement).problems == ("unknown condition operator `StringRhymes`",)
    assert says(statement) is MAYBE
    assert says({**statement, "Action": "ec2:*"}) is NO
    assert across(resource=(document(statement),)).outcome is UNKNOWN
    assert across(identity=(document(allow(), deny(Condition={"Maybe:Bool": {"a": "true"}})),)).outcome is UNKNOWN


def test_an_unknown_element_makes_its_statement_perhaps_match_whatever_it_leaves_open() -> None:
    shouting = {"Effect": "Deny", "action": "s3:*", "RESOURCE": "*", "principal": "*"}
    assert only(shouting).problems == (
        "unknown element `RESOURCE`",
        "unknown element `action`",
        "unknown element `principal`",
    )
    assert says(shouting) is MAYBE
    assert says(allow(Principal="*", Comment="x")) is MAYBE
    assert says(allow("ec2:*", Principal="*", Comment="x")) is NO  # what is understood still counts
    assert across(resource=(document(allow(Principal="*"), shouting),)).outcome is UNKNOWN


def test_an_unknown_type_of_principal_may_be_anybody() -> None:
    statement = allow(Principal={"Martian": "x"})
    assert only(statement).problems == ("unknown type of principal `Martian`",)
    assert [says(statement, ask(caller)) for caller in (None, service())] == [MAYBE, MAYBE]
    exempting = deny(NotPrincipal={"Martian": "x", "AWS": OWNER})
    assert says(exempting) is MAYBE


@pytest.mark.parametrize("element", ["NotAction", "NotResource", "NotPrincipal"])
def test_an_empty_list_of_exceptions_is_unsettled(element: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"""
    statement = deny(Principal="*")
    del statement[element.removeprefix("Not")]
    statement[element] = {} if element == "NotPrincipal" else []
    assert only(statement).problems == (f"`{element}` is empty",)
    assert says(statement) is MAYBE


@pytest.mark.parametrize("element", ["Action", "Resource", "Principal"])
def test_an_empty_list_has_no_effect(element: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"""
    statement = {**deny(Principal="*"), element: {} if element == "Principal" else []}
    assert (says(statement), only(statement).problems) == (NO, ())


@pytest.mark.parametrize(
    ("operator", "without", "with_value"),
    [
        ("StringEquals", MAYBE, MAYBE),
        ("StringNotEquals", MAYBE, MAYBE),
        ("Null", MAYBE, MAYBE),
        ("StringEqualsIfExists", YES, NO),
        ("StringNotEqualsIfExists", MAYBE, MAYBE),
        ("ForAllValues:StringEquals", YES, NO),
        ("ForAnyValue:StringEquals", NO, NO),
    ],
)
def test_a_condition_without_values_is_unsettled_where_aws_contradicts_itself(
    operator: str, without: object, with_value: object
) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"""
    statement = only(allow(Condition={operator: {"aws:PrincipalTag/a": []}}))
    requests = (ask(), ask(**{"aws__PrincipalTag/a": "x"}))
    assert [matches(statement, request, Layer.IDENTITY_POLICY) for request in requests] == [without, with_value]


def test_one_key_twice_in_different_capitalization_is_not_understood() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"""
    statement = allow(Principal="*", Condition={"StringLike": {"s3:prefix": "a", "S3:Prefix": "*"}})
    assert only(statement).problems == ("`StringLike` has one key in different capitalization",)
    assert says(statement, ask(s3__prefix="a")) is MAYBE


def test_the_problems_of_a_document_name_their_statements() -> None:
    found = document(allow(), allow(Comment=1), allow(Sid="Odd", Condition={"X": {"a": "b"}}))
    assert found.problems == (
        "statement 2: unknown element `Comment`",
        "statement `Odd`: unknown condition operator `X`",
    )


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("StringLike", ("", "StringLike", False)),
        ("StringLikeIfExists", ("", "StringLike", True)),
        ("ForAnyValue:StringLike", ("ForAnyValue", "StringLike", False)),
        ("ForAllValues:BoolIfExists", ("ForAllValues", "Bool", True)),
        ("ForSome:Bool", ("", "ForSome:Bool", False)),
        ("foranyvalue:Bool", ("", "foranyvalue:Bool", False)),
        ("IfExists", ("", "", True)),
        (":Bool", ("", "Bool", False)),
        ("", ("", "", False)),
    ],
)
def test_an_operator_is_split_into_quantifier_name_and_suffix(text: str, parts: tuple[str, str, bool]) -> None:
    assert split_operator(text) == parts


def test_every_operator_that_is_read_can_be_evaluated() -> None:
    assert set(OPERATORS) == OPERATOR_NAMES


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"Statement": [1]}', "Statement[0]: must be an object"),
        ('{"Statement": [{"Effect": "Allow", "Effect": "Deny"}]}', "Effect: appears twice in one object"),
        ("[" * 100_000, "the document is nested too deep"),
    ],
)
def test_an_error_says_where_and_what(text: str, told: str) -> None:
    with pytest.raises(DocumentError) as error:
        parse_document(text, "policy")
    assert str(error.value) == told
