"""Hostile policies end: decided within few steps where the search has a way, else told to be too involved."""

from __future__ import annotations

import json
import random
import string
from typing import Any

import pytest

from tests.unit.policy.spaces import allow, deny, gate, reading, under, when
from threelocks.policy.witness import Budget, Search, UndecidedError

B = "arn:aws:s3:::b"
STEPS = 1_000_000
_random = random.Random("hostile")  # noqa: S311 - a table of cases, no secret


def stars(count: int) -> str:
    """`*q*d*...*`"""
    return "".join(f"*{_random.choice(string.ascii_lowercase)}" for _ in range(count)) + "*"


def tag(number: int) -> str:
    return f"aws:PrincipalTag/t{number}"


def unlike(text: str) -> dict[str, Any]:
    return deny(Resource=None, NotResource=text)


LETTERS = string.ascii_lowercase
NETWORKS = [f"10.{number // 250}.{number % 250}.0/24" for number in range(900)]

# name: statements, steps that each question may take
DECIDED: dict[str, tuple[list[dict[str, Any]], int]] = {
    "one glob of 4000 stars": ([allow(), deny(Resource=f"{B}/{stars(4000)}")], 5_000),
    "twenty globs of twelve stars": ([allow(Resource=[f"{B}/{stars(12)}" for _ in range(20)])], 20_000),
    "a wide and a far question mark": ([allow(Resource=f"{B}/*a{'?' * 18}"), unlike(f"{B}/*a{'?' * 17}")], 20_000),
    "every length but one": ([allow(Resource=[f"{B}/{'?' * size}" for size in range(1, 60)])], 20_000),
    "three hundred denied prefixes": ([allow(), *(deny(Resource=f"{B}/x{n}/*") for n in range(300))], 100_000),
    "three hundred denied suffixes": ([allow(), *(deny(Resource=f"{B}/*/x{n}") for n in range(300))], 120_000),
    "a prefix per endpoint": (
        [
            allow(),
            *(
                deny(Resource=f"{B}/sales/{LETTERS[n]}*", **when("StringNotEquals", "aws:SourceVpce", f"vpce-{n}"))
                for n in range(16)
            ),
        ],
        200_000,
    ),
    "nine hundred networks": ([allow(**when("IpAddress", "aws:SourceIp", *NETWORKS))], 50_000),
    "sessions without many letters": (
        [allow(), *(deny(**when("StringLike", "aws:userid", f"*:{stars(6)}")) for _ in range(60))],
        50_000,
    ),
    "six hundred endpoints left out": (
        [allow(**when("StringNotEquals", "aws:SourceVpce", *(f"vpce-{n:08x}" for n in range(600))))],
        50_000,
    ),
}

# name: statements that one of the questions cannot be answered for
TOO_INVOLVED: dict[str, list[dict[str, Any]]] = {
    "forty globs of eight stars, all at once": [allow(), *(unlike(f"{B}/{stars(8)}") for _ in range(40))],
    "networks in and out": [
        allow(Condition={"IpAddress": {"aws:SourceIp": NETWORKS}, "NotIpAddress": {"aws:SourceIp": NETWORKS}})
    ],
    "three tags in each of 130 statements": [
        allow(
            Condition={
                _random.choice(("StringEquals", "StringNotEquals")): {tag(_random.randrange(30)): "x"},
                _random.choice(("StringLike", "StringNotLike")): {tag(_random.randrange(30)): "x"},
                _random.choice(("StringEqualsIfExists", "StringNotEqualsIfExists")): {tag(_random.randrange(30)): "x"},
            }
        )
        for _ in range(130)
    ],
}


def ask(statements: list[dict[str, Any]]) -> list[int]:
    """Ask all questions; the steps that each took, -1 where it was too involved."""
    assert len(json.dumps(statements)) < 50_000
    space = reading()
    policy, must, taken = gate(space, *statements), (under("sales/"),), []
    questions = (
        lambda search: search.failing(must, [policy]),
        lambda search: search.shut(must, policy),
        lambda search: search.passing(must, policy),
    )
    for question in questions:
        budget = Budget(STEPS)
        try:
            question(Search(space, budget))
            taken.append(STEPS - budget.steps)
        except UndecidedError:
            taken.append(-1)
    return taken


@pytest.mark.parametrize("name", DECIDED)
def test_a_large_policy_is_decided_in_few_steps(name: str) -> None:
    statements, most = DECIDED[name]
    taken = ask(statements)
    assert min(taken) >= 0
    assert max(taken) <= most


@pytest.mark.parametrize("name", TOO_INVOLVED)
def test_a_policy_that_is_too_involved_ends_and_says_so(name: str) -> None:
    assert -1 in ask(TOO_INVOLVED[name])
