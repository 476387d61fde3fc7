"""Wildcards and policy variables, as patterns and as automata."""

from __future__ import annotations

import re
import time
from itertools import product

import pytest

from threelocks.policy.pattern import Pattern, Variable, Wild, glob, literal, parse_pattern, prefix, utf16


def matches(pattern: str, text: str, *, colonwise: bool = False, fold: bool = False) -> bool:
    return glob((parse_pattern(pattern, variables=False),), colonwise=colonwise, fold=fold).matches(text)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("", [""], ["a"]),
        ("*", ["", "a", "a/b:c\nd", "\U0001f600"], []),
        ("**", ["", "ab"], []),
        ("?", ["a", "\n", ":", "*"], ["", "ab", "\U0001f600"]),
        ("??", ["ab", "\U0001f600"], ["a", "abc"]),
        ("*?", ["a", "ab"], [""]),
        ("a*b", ["ab", "axb", "aabb"], ["a", "b", "abc", "ba"]),
        ("a*b*c", ["abc", "a-b-c", "abbcbc"], ["acb", "ab"]),
        ("*a", ["a", "aa", "ba"], ["", "ab"]),
        (".+", [".+"], ["ab", ".", "aa"]),
        ("[a-z]", ["[a-z]"], ["b"]),
        ("(a|b)", ["(a|b)"], ["a"]),
        ("a\\*", ["a\\", "a\\b"], ["a*"]),
        ("^a$", ["^a$"], ["a"]),
        ("${aws:username}", ["${aws:username}"], ["x"]),
        ("é", ["é"], ["e\u0301", "É"]),
    ],
)
def test_only_star_and_question_mark_are_wild(pattern: str, matching: list[str], other: list[str]) -> None:
    assert [text for text in (*matching, *other) if matches(pattern, text)] == matching


def test_short_patterns_agree_with_regular_expressions_on_all_short_texts() -> None:
    texts = ["".join(letters) for size in range(5) for letters in product("ab:", repeat=size)]
    for pattern in ("".join(letters) for size in range(5) for letters in product("a*?:", repeat=size)):
        expression = re.compile("".join({"*": ".*", "?": "."}.get(letter, letter) for letter in pattern), re.DOTALL)
        automaton = glob((parse_pattern(pattern, variables=False),))
        for text in texts:
            assert automaton.matches(text) == bool(expression.fullmatch(text)), (pattern, text)


def test_colonwise_wildcards_agree_with_matching_part_by_part_on_all_short_texts() -> None:
    patterns = ["".join(letters) for size in range(1, 7) for letters in product("a*:", repeat=size)]
    texts = [
        "a" * first + ":" + "a" * second + rest for first in (0, 1) for second in (0, 1) for rest in ("", ":", ":a")
    ]
    for pattern in patterns:
        parts = pattern.split(":", 5)
        for text in texts:
            expected = len(parts) == len(text.split(":", 5)) and all(
                re.fullmatch(part.replace("*", ".*"), piece)
                for part, piece in zip(parts, text.split(":", 5), strict=True)
            )
            assert matches(pattern, text, colonwise=True) == expected, (pattern, text)


def test_colonwise_wildcards_cross_colons_in_the_sixth_part_only() -> None:
    assert matches("arn:aws:*:*:*:*", "arn:aws:sns:eu-west-1:1:topic:sub:x", colonwise=True)
    assert matches("arn:?:a:b:c:d?e", "arn:x:a:b:c:d:e", colonwise=True)
    assert not matches("arn:?:a:b:c:d", "arn:::a:b:c:d", colonwise=True)
    assert not matches("arn:aws:*:x", "arn:aws:sns:eu-west-1:1:x", colonwise=True)
    assert not matches("*", "arn:aws:s3:::b", colonwise=True)


def test_letters_are_folded_one_by_one_so_that_a_text_equals_itself() -> None:
    for text in ("s3:GetObject", "ΑΣ", "İ", "ß", "\U00010400", "ǅ", "\u212a", "ı"):
        assert matches(text, text, fold=True)
    assert matches("S3:getobject", "s3:GETOBJECT", fold=True)
    assert matches("É", "é", fold=True)
    assert matches("ΑΣΑ", "ασα", fold=True)
    assert not matches("straße", "STRASSE", fold=True)
    assert not matches("a", "A")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a*" * 200, "a" * 1_000 + "b"),
        ("*a" * 200, "a" * 199 + "b" * 800),
        ("?*" * 300, "x" * 1_000),
        ("*" * 5_000 + "b", "a" * 1_000),
        ("*".join("abcdefgh" * 500), "abcdefgh" * 125),
    ],
)
def test_an_adversarial_pattern_stays_fast(pattern: str, text: str) -> None:
    start = time.process_time()
    matches(pattern, text)
    matches(pattern, text, colonwise=True)
    assert time.process_time() - start < 2


def test_a_set_of_patterns_matches_what_any_of_them_does_and_an_empty_set_nothing() -> None:
    several = glob(tuple(parse_pattern(text, variables=False) for text in ("a", "b*", "")))
    assert [several.matches(text) for text in ("a", "bcd", "", "c", "ab")] == [True, True, True, False, False]
    assert not glob(()).matches("")
    assert glob(()).start == 0


def test_an_automaton_is_walked_letter_by_letter() -> None:
    one = glob((parse_pattern("a*c", variables=False),))
    assert one.run(one.start, "a") == one.step(one.start, "a") != 0
    assert one.step(one.start, "b") == 0
    assert one.run(one.start, "abc") & one.accept
    assert not one.run(one.start, "ab") & one.accept
    assert one.live_letters(one.start) == ["a"]
    assert one.live_letters(one.run(one.start, "ab")) == ["c"]
    assert one.letters == frozenset("ac")
    assert glob((parse_pattern("*", variables=False),), colonwise=True).letters == frozenset(":")


def test_a_text_is_counted_in_utf16_units() -> None:
    assert utf16("aé") == "aé"
    assert utf16("\U0001f600") == "\ud83d\ude00"
    assert utf16("\U00010000") == "\ud800\udc00"
    assert utf16("\uffff") == "\uffff"
    assert utf16("\ud83d") == "\ud83d"


def test_literal_and_prefix() -> None:
    assert glob((literal("a*"),)).matches("a*")
    assert not glob((literal("a*"),)).matches("ab")
    assert glob((literal(""),)).matches("")
    assert not glob((literal(""),)).matches("a")
    assert glob((prefix("a*"),)).matches("a*b")
    assert not glob((prefix("a*"),)).matches("ab")
    assert glob((prefix(""),)).matches("anything")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("${aws:username}", (Variable("aws:username"),)),
        ("a/${AWS:UserName}/*", ("a/", Variable("aws:username"), "/", Wild.RUN)),
        ("${a}${b}", (Variable("a"), Variable("b"))),
        ("${a, 'x y'}", (Variable("a", "x y"),)),
        ("${a,'it''s'}", (Variable("a", "it''s"),)),
        ("${a, ''}", (Variable("a", ""),)),
        ("${*}${?}${$}", ("*?$",)),
        ("x${*}*", ("x*", Wild.RUN)),
        ("${", ("${",)),
        ("${}", ("${}",)),
        ("$a}", ("$a}",)),
        ("${${a}}", ("${", Variable("a"), "}")),
        ("$${a}", ("$", Variable("a"))),
    ],
)
def test_variables_are_read_with_defaults_and_escapes(text: str, pieces: tuple[object, ...]) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html"""
    assert parse_pattern(text, variables=True).pieces == pieces


def test_without_variables_a_dollar_is_a_dollar_and_wildcards_stay_wild() -> None:
    assert parse_pattern("${a}*", variables=False).pieces == ("${a}", Wild.RUN)
    assert parse_pattern("${*}", variables=False).pieces == ("${", Wild.RUN, "}")
    assert parse_pattern("${a}*?", variables=True, wildcards=False).pieces == (Variable("a"), "*?")


def test_binding_puts_literal_text_in_and_gives_up_without_a_value() -> None:
    pattern = parse_pattern("a/${x}/*", variables=True)
    assert pattern.variables == (Variable("x"),)
    assert pattern.bind(lambda _: "*?") == Pattern(("a/*?/", Wild.RUN))
    assert pattern.bind(lambda _: "") == Pattern(("a//", Wild.RUN))
    assert pattern.bind(lambda _: Wild.RUN) == Pattern(("a/", Wild.RUN, "/", Wild.RUN))
    assert pattern.bind(lambda _: None) is None
    plain = parse_pattern("a", variables=True)
    assert plain.bind(lambda _: None) is plain


PATTERNS = ["".join(letters) for size in range(4) for letters in product("aA*?:", repeat=size)]
TEXTS = ["".join(letters) for size in range(5) for letters in product("aA:x", repeat=size)]


@pytest.mark.parametrize("fold", [False, True])
def test_a_pattern_that_is_covered_matches_nothing_that_the_other_does_not(fold: bool) -> None:  # noqa: FBT001
    matched = {text: {t for t in TEXTS if matches(text, t, fold=fold)} for text in PATTERNS}
    for wider in PATTERNS:
        automaton = glob((parse_pattern(wider, variables=False),), fold=fold)
        for text in PATTERNS:
            if automaton.covers(parse_pattern(text, variables=False), colonwise=False, fold=fold):
                assert matched[text] <= matched[wider], (wider, text)


@pytest.mark.parametrize(
    ("wider", "text"),
    [("*", "*a?"), ("*", "?"), ("*", ""), ("*", "${aws:userid}"), ("a*", "a"), ("a*", "ab?*"), ("a?b*", "a?b*")],
)
def test_the_plain_cases_of_covering_are_seen(wider: str, text: str) -> None:
    automaton = glob((parse_pattern("x", variables=False), parse_pattern(wider, variables=False)))
    assert automaton.covers(parse_pattern(text, variables=True), colonwise=False, fold=False)


@pytest.mark.parametrize(
    ("wider", "by", "text", "of"),
    [
        ("a", {}, "a", {"fold": True}),
        ("arn:*:s3:::b", {"colonwise": True}, "arn:*:s3:::b", {}),
        ("arn:*", {"colonwise": True}, "arn:aws:s3:::b", {}),
    ],
)
def test_a_pattern_that_matches_more_by_its_kind_is_not_covered(
    wider: str, by: dict[str, bool], text: str, of: dict[str, bool]
) -> None:
    automaton = glob((parse_pattern(wider, variables=False),), **by)
    kind = {"colonwise": False, "fold": False, **of}
    assert not automaton.covers(parse_pattern(text, variables=False), **kind)


def test_the_shortest_text_of_a_set_of_runs_matches_and_none_is_shorter() -> None:
    for first, second in product(PATTERNS[::3], PATTERNS[1::7]):
        automaton = glob((parse_pattern(first, variables=False), parse_pattern(second, variables=False)))
        shortest = automaton.shortest(automaton.start, "x")
        assert automaton.matches(shortest)
        assert len(shortest) == min(len(text.replace("*", "")) for text in (first, second))


@pytest.mark.parametrize("colonwise", [False, True])
def test_many_long_patterns_together_mean_what_each_means_by_itself(colonwise: bool) -> None:  # noqa: FBT001 - a case
    texts = ["a" * 700, "*" + "b" * 600, "é?" * 400 + "*", "arn:*:s3:::" + "c" * 300 + "?", "*?" * 300, ""]
    patterns = tuple(parse_pattern(text, variables=False) for text in texts)
    together = glob(patterns, colonwise=colonwise)
    tried = [*texts, "b" * 601, "b" * 599, "éx" * 400 + "y", "arn:aws:s3:::" + "c" * 301, "a:b:" + "b" * 600, "a" * 299]
    for text in tried:
        alone = [glob((pattern,), colonwise=colonwise).matches(text) for pattern in patterns]
        assert together.matches(text) is any(alone), text[:20]
