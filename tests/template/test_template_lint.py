"""The templates as CloudFormation's own rules see them: the sources, and what SAM makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cfnlint.api import lint_file

from simulation.stacks import translated as translate

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["template.yaml", "relay.yaml"])
def test_the_source_is_lint_clean(name: str) -> None:
    assert not lint_file(ROOT / name)


def test_what_sam_makes_of_it_is_lint_clean(tmp_path: Path) -> None:
    """Event source mappings and their limits exist only after the translation."""
    path = tmp_path / "translated.json"
    path.write_text(json.dumps(translate(ROOT / "template.yaml", "eu-west-1", {})), encoding="utf-8")
    assert not lint_file(path)


def test_the_linter_sees_what_it_is_shown(tmp_path: Path) -> None:
    """A clean answer means something only because a broken template gets another one."""
    broken = translate(ROOT / "template.yaml", "eu-west-1", {})
    del broken["Resources"]["ChangeDeadLetters"]
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(broken), encoding="utf-8")
    assert {match.rule.id for match in lint_file(path)} & {"E1010", "E1020"}
