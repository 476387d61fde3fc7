"""docs/coverage.md: for each finding code the events that tell of it, the rules that bring them, and the tests that
make it. Made from the catalogue, the templates and the tests' own marks, so that what is missing shows.

A test says `@pytest.mark.finding("bucket.no-allow")` when it makes that finding. Those under tests/integration and
tests/e2e make it by calls in simulated accounts; others from what they say that AWS answered.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from threelocks.catalogue import CATALOGUE, TOLD_BY

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/coverage.md"
BY_CALLS = ("integration", "e2e")  # folders of tests/

# What no test makes by calls, and why.
NOT_BY_CALLS = {
    "identity.not-fully-checked": "IAM refuses a policy with an element or operator that it does not know",
    "watchdog.report-trimmed": "policies within AWS's size limits do not make as many findings",
}

Event = tuple[str, str]  # eventSource, eventName


@dataclass(frozen=True, slots=True, order=True)
class Marked:
    """A test that is marked with the codes that it makes."""

    file: str  # from the root of the project
    name: str
    codes: tuple[str, ...]

    @property
    def by_calls(self) -> bool:
        """Whether it makes the finding by calls to simulated AWS."""
        return self.file.split("/")[1] in BY_CALLS


@cache
def marked() -> tuple[Marked, ...]:
    """Every marked test."""
    return tuple(sorted(test for path in (ROOT / "tests").rglob("test_*.py") for test in _marked_in(path)))


def _marked_in(path: Path) -> Iterator[Marked]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        codes = _codes(node) if isinstance(node, ast.FunctionDef) else ()
        if isinstance(node, ast.FunctionDef) and codes:
            yield Marked(str(path.relative_to(ROOT)), node.name, codes)


def _codes(test: ast.FunctionDef) -> tuple[str, ...]:
    calls = [each for each in test.decorator_list if isinstance(each, ast.Call)]
    marks = [call for call in calls if ast.unparse(call.func) == "pytest.mark.finding"]
    return tuple(ast.literal_eval(argument) for mark in marks for argument in mark.args)


@cache
def delivered(template: str) -> Mapping[Event, str]:
    """(eventSource, eventName) -> the rule of that template which takes successful calls of that name."""
    taken: dict[Event, str] = {}
    for name, rule in _rules(template).items():
        detail = rule["Properties"].get("EventPattern", {}).get("detail", {})
        if detail.get("errorCode") == [{"exists": False}]:
            taken |= {(source, event): name for source in detail["eventSource"] for event in detail["eventName"]}
    return taken


def _rules(template: str) -> dict[str, dict[str, Any]]:
    resources = yaml_parse((ROOT / template).read_text(encoding="utf-8"))["Resources"]
    return {name: each for name, each in resources.items() if each["Type"] == "AWS::Events::Rule"}


def made_by(code: str) -> tuple[Marked, ...]:
    return tuple(test for test in marked() if code in test.codes)


# --- the page ---------------------------------------------------------------------------------------------------------

_HEAD = """# Coverage

Every finding code: which calls tell of it, which rules bring their events, and which tests make it. `make catalogue`
writes this page from `src/threelocks/catalogue.py`, `template.yaml`, `relay.yaml` and the marks of the tests
(`pytest.mark.finding`); a test fails when it is stale, or when a code lacks anything.

- **Code** leads to its entry in [alerts.md](alerts.md).
- **Events** are those that make the finding or end it. Whatever else moves it, and every event that is lost, is found
  by the next sweep. A finding without any is of a sweep, of a partner's report, or of its absence.
- **Rules** stand in `template.yaml`; `relay.yaml` has those in brackets too, for events of other regions.
- **By calls**: tests that make it by calls in simulated accounts. **By hand**: tests that make it from what they say
  that AWS answered. What has only the latter says why.
"""


def page(codes: Mapping[str, object] = CATALOGUE, told_by: Mapping[str, frozenset[Event]] = TOLD_BY) -> str:
    """The text of docs/coverage.md."""
    areas: dict[str, list[str]] = {}
    for code in codes:
        areas.setdefault(code.partition(".")[0], []).append(_row(code, sorted(told_by.get(code, ()))))
    return "\n".join([_HEAD, *(_section(area, rows) for area, rows in areas.items())])


def _section(area: str, rows: list[str]) -> str:
    head = [f"## {area.capitalize()}\n", "| code | events | rules | by calls | by hand |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _row(code: str, events: list[Event]) -> str:
    tests = made_by(code)
    cells = (
        f"[`{code}`](alerts.md#{re.sub(r'[^a-z-]', '', code)})",
        " ".join(name for _, name in events),
        " ".join(dict.fromkeys(map(_rule, events))),
        NOT_BY_CALLS.get(code) or _links(test for test in tests if test.by_calls),
        _links(test for test in tests if not test.by_calls),
    )
    return f"| {' | '.join(cells)} |"


def _rule(event: Event) -> str:
    rule = delivered("template.yaml").get(event, "**none**")
    return f"{rule} (relay)" if event in delivered("relay.yaml") else rule


def _links(tests: Iterator[Marked]) -> str:
    return "<br>".join(f"[{test.name.removeprefix('test_')}](../{test.file})" for test in tests)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
