"""The walk finds the shortest texts that satisfy an expression, and finds none only when there are none.

Checked against trying every text of a few letters. THREELOCKS_BRUTE_CASES sets the number of random cases.
"""

# ruff: noqa: S311 - random cases need no secrecy
from __future__ import annotations

import os
import random
from itertools import product

import pytest

from threelocks.policy.box import All, Atom, Expr, Not, Some, evaluate, holds_for
from threelocks.policy.pattern import glob, parse_pattern
from threelocks.policy.space import Group, Part, Shape
from threelocks.policy.truth import Truth
from threelocks.policy.walk import Budget, normal, walk

CASES = int(os.environ.get("THREELOCKS_BRUTE_CASES", "2000"))
LONGEST = 4  # letters of a text that is tried, over all its segments


def shape(letters: str, least: int, most: int = 99) -> Shape:
    return Shape(letters, least, most, frozenset(letters))


GROUPS = [
    Group((shape("ab", 0),)),
    Group((shape("xab", 1),)),
    Group((shape("xaA:", 0),)),
    Group((shape("ab", 1), shape("xab", 0))),
    Group((shape("ab", 2, 2), shape("xb:", 0))),
    Group((Shape("/xa", 1, 99, frozenset("/xab"), path=True), shape("xa", 1))),
    Group((shape("a", 0), shape("ab", 1), shape("xa:", 0))),
]


def every_text(one: Shape, letters: int) -> list[str]:
    texts = ["".join(each) for size in range(letters + 1) for each in product(sorted(one.only or ()), repeat=size)]
    return [text for text in texts if is_valid(one, text)]


def is_valid(one: Shape, text: str) -> bool:
    if one.path:
        return text == "/" or (text[:1] == text[-1:] == "/" and "//" not in text and len(text) > 2)
    return len(text) == one.least if one.least == one.most else len(text) >= one.least


EVERY = [
    sorted(
        (t for t in product(*(every_text(s, LONGEST) for s in group.segments)) if sum(map(len, t)) <= LONGEST),
        key=lambda texts: sum(map(len, texts)),
    )
    for group in GROUPS
]


def random_atom(rng: random.Random, group: Group) -> Atom:
    segments = sorted(rng.sample(range(len(group.segments)), rng.randint(1, len(group.segments))))
    parts: list[Part] = []
    for segment in segments:
        if rng.random() < 0.4:
            parts.append(rng.choice(("a", "b:", "/", "ab")))
        parts.append(segment)
    if rng.random() < 0.3:
        parts.append(rng.choice(("b", ":a")))
    texts = [
        "".join(rng.choice("aabb*??:/A*") for _ in range(rng.randint(0, 5))) for _ in range(rng.choice((1, 1, 2, 3)))
    ]
    patterns = tuple(parse_pattern(text, variables=False) for text in texts)
    return Atom(tuple(parts), glob(patterns, colonwise=rng.random() < 0.3, fold=rng.random() < 0.3))


def random_expr(rng: random.Random, group: Group, depth: int) -> Expr:
    if not depth or rng.random() < 0.3:
        atom = random_atom(rng, group)
        return atom if rng.random() < 0.5 else Not(atom)
    kind = rng.choice((All, All, Some))
    expr = kind(tuple(random_expr(rng, group, depth - 1) for _ in range(rng.choice((0, 1, 2, 2, 3)))))
    return Not(expr) if rng.random() < 0.25 else expr


@pytest.mark.parametrize("number", range(len(GROUPS)))
def test_walk_finds_the_shortest_texts_if_there_are_any(number: int) -> None:
    group, texts = GROUPS[number], EVERY[number]
    for case in range(CASES // len(GROUPS)):
        rng = random.Random(f"{number} {case}")
        expr = random_expr(rng, group, 3)
        shortest = next((each for each in texts if holds_for(expr, each)), None)
        found = walk(group, expr, Budget())
        if found is None:
            assert shortest is None, (case, expr, shortest)
            continue
        assert holds_for(expr, found), (case, expr, found)
        assert all(is_valid(one, text) for one, text in zip(group.segments, found, strict=True)), (case, expr, found)
        if shortest is None:
            assert sum(map(len, found)) > LONGEST, (case, expr, found)
        else:
            assert sum(map(len, found)) == sum(map(len, shortest)), (case, expr, found, shortest)


def test_normal_form_means_the_same() -> None:
    rng = random.Random("normal form")
    for _ in range(CASES):
        expr = random_expr(rng, GROUPS[1], 4)
        plain, texts = normal(expr), rng.choice(EVERY[1])

        def truth(atom: Atom, texts: tuple[str, ...] = texts) -> Truth:
            return Truth.of(holds_for(atom, texts))

        assert evaluate(plain, truth) is evaluate(expr, truth)
