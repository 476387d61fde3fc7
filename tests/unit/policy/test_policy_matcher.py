"""What is made ready once answers as what is worked out anew."""

from __future__ import annotations

from random import Random

import pytest

from threelocks.policy.condition import ARN_SHAPE, is_arn
from threelocks.policy.document import parse_document
from threelocks.policy.matcher import matcher_of, ready_document
from threelocks.policy.pattern import Glob, parse_pattern

_TEXT = (
    '{"Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}, {"Effect": "Deny", "Action": "kms:*"}]}'
)


@pytest.mark.parametrize("kind", [{}, {"fold": True}, {"colonwise": True}, {"fold": True, "colonwise": True}], ids=str)
def test_looking_for_parts_finds_what_walking_letter_by_letter_finds(kind: dict[str, bool]) -> None:
    rng = Random(str(kind))  # noqa: S311 - cases, not secrets
    found = 0
    for _ in range(3000):
        texts = ("".join(rng.choices("abA:**?ıK", k=rng.randint(0, 10))) for _ in range(rng.randint(0, 3)))
        patterns = tuple(parse_pattern(text, variables=False) for text in texts)
        automaton = Glob(patterns, **kind)
        for text in ("".join(rng.choices("abAiIkK:é", k=rng.randint(0, 9))) for _ in range(4)):
            walked = bool(automaton.run(automaton.start, text) & automaton.accept)
            assert automaton.matches(text) == walked, (patterns, text)
            found += walked
    assert found > 500


def test_the_shape_of_an_arn_is_the_same_said_either_way() -> None:
    for text in (
        "",
        "arn",
        "arn:",
        "arn:a:b:c:d",
        "arn:a:b:c:d:",
        "arn:::::",
        "arn:a:b:c:d:e:f",
        "ARN:::::",
        "xarn:::::",
    ):
        assert is_arn(text) == ARN_SHAPE.matches(text), text


def test_what_was_worked_out_of_a_document_is_no_part_of_its_value() -> None:
    used, fresh = parse_document(_TEXT, "policy"), parse_document(_TEXT, "policy")
    assert ready_document(used).about("s3:GetObject") == (matcher_of(used.statements[0]),)
    assert (used, hash(used), repr(used)) == (fresh, hash(fresh), repr(fresh))


def test_a_document_remembers_actions_without_end_in_bounded_room() -> None:
    ready = ready_document(parse_document(_TEXT, "policy"))
    for number in range(3000):
        assert len(ready.about(f"s3:GetObject{number}")) == 1
    assert len(ready._by_action) <= 1024
