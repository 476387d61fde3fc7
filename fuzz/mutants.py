"""Mutation testing: change the code in one place, and see whether a test notices. `make mutants` runs all groups.

    python -m fuzz.mutants [GROUP ...] [--sample DIGITS] [--list] [--survivors]

Survivors that no test can notice, or that say nothing of AWS's rules, are explained in fuzz/explained.toml, each with
its reason; the summary counts them apart.

Each group is a few modules with the tests that are about them, so that a mutant is judged within seconds. A group runs
in a copy of the tree under build/mutants, so that nobody's work is in the way. The summary counts, per module, what was
killed, what ran out of time (killed too: the tests end without the change), what survived, and what no test reaches.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "mutants"
MUTMUT = ROOT / ".venv-mutants" / "bin" / "mutmut"

_POLICY_TESTS = (
    *(f"tests/unit/policy/test_policy_{what}.py" for what in ("authorize", "condition", "document", "pattern")),
    *("tests/unit/policy/test_policy_principal.py", "tests/unit/policy/test_policy_semantics.py"),
    "tests/property/test_policy_properties.py",
)
_SEARCHING = "tests/unit/policy/test_witness_search.py"
_SEARCH_TESTS = (
    *("tests/unit/policy", "tests/property/test_witness_walk.py", "tests/property/test_witness_bruteforce.py"),
    "tests/unit/locks",
)
_MENDING = ("draft", "redraft", "remedy", "kept")
_JUDGING = sorted(path.stem for path in (ROOT / "src/threelocks/locks").glob("*.py") if path.stem not in _MENDING)
# Modules and the tests that are about them. What evaluates comes first: all else rests on it.
GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "condition": (("policy/condition.py", "policy/truth.py"), (*_POLICY_TESTS, _SEARCHING)),
    "principal": (("policy/principal.py", "policy/arn.py", "policy/request.py"), _POLICY_TESTS),
    "authorize": (("policy/authorize.py", "policy/matcher.py"), _POLICY_TESTS),
    "pattern": (("policy/pattern.py",), (*_POLICY_TESTS, _SEARCHING, "tests/property/test_witness_walk.py")),
    "document": (("policy/document.py",), _POLICY_TESTS),
    "box": (("policy/box.py", "policy/space.py", "policy/actions.py", "policy/candidates.py"), _SEARCH_TESTS),
    "search": (("policy/walk.py", "policy/witness.py"), _SEARCH_TESTS),
    "locks": ((*(f"locks/{name}.py" for name in _JUDGING), "judge.py"), ("tests/unit/locks",)),
    "mending": (
        (*(f"locks/{name}.py" for name in _MENDING), "mend.py"),
        ("tests/unit/locks", "tests/unit/test_mend.py", "tests/property/test_mend_properties.py"),
    ),
}
# Few random cases, always the same: a mutant must be killed by the same tests on every run.
_CASES = {
    "THREELOCKS_POLICY_CASES": "40",
    "THREELOCKS_POLICY_SEED": "mutants-2",
    "THREELOCKS_BRUTE_CASES": "200",
}
_COPIED = (
    *("src", "simulation", "tests/unit/policy", "tests/unit/locks", "tests/unit/test_mend.py", "tests/property"),
    *("contracts", "docs", "pyproject.toml"),
)

# What mutmut writes down: the exit code of the tests under each mutant.
_VERDICTS = {0: "survived", 5: "no tests", 33: "no tests", 34: "skipped", None: "not run"}
_OUT_OF_TIME = (24, -24, 36, 152, 255)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="mutation testing of policy/, locks/ and judge.py")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"some of: {', '.join(GROUPS)} (none: all)")
    parser.add_argument("--list", action="store_true", help="only show what the last run found")
    parser.add_argument("--survivors", action="store_true", help="also show each change that no test noticed")
    parser.add_argument("--sample", default="", metavar="DIGITS", help="only mutants whose number ends in one of these")
    parser.add_argument("--jobs", type=int, default=2, help="how many mutants are judged at once")
    options = parser.parse_args(arguments)
    unknown = set(options.groups) - set(GROUPS)
    if unknown:
        parser.error(f"no group `{min(unknown)}`; there are: {', '.join(GROUPS)}")
    groups = options.groups or list(GROUPS)
    failed = [] if options.list else [group for group in groups if not run(group, options.jobs, options.sample)]
    total: Counter[str] = Counter()
    for group in groups:
        total += report(group)
        if options.survivors:
            show_survivors(group)
    print(_row("all of these", total))
    if failed:
        print(f"not judged: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


# --- running ----------------------------------------------------------------------------------------------------------


def run(group: str, jobs: int, sample: str) -> bool:
    """Mutate the modules of one group in a copy of the tree. False when mutmut gave up, so that nothing is known."""
    modules, tests = GROUPS[group]
    copy = BUILD / group
    shutil.rmtree(copy, ignore_errors=True)
    for name in _COPIED:
        _copy(ROOT / name, copy / name)
    shutil.copy(ROOT / "fuzz" / "fresh.py", copy / "tests" / "conftest.py")
    settings = copy / "pyproject.toml"
    settings.write_text(settings.read_text().replace(_TABLE, f"{_TABLE}{_settings(modules, tests)}"))
    print(f"{group}: {', '.join(modules)}", flush=True)
    log = copy / "mutmut.log"
    with log.open("w") as output:
        done = subprocess.run(  # noqa: S603 - our own tool, no shell
            [str(MUTMUT), "run", "--max-children", str(jobs), *(f"*mutmut_*{digit}" for digit in sample)],
            cwd=copy,
            env={**os.environ, **_CASES},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            preexec_fn=_limit_memory,
        )
    if done.returncode:
        said = [line for line in log.read_text().splitlines() if "🎉" not in line and "mutants/" not in line]
        print(f"mutmut gave up on {group} ({done.returncode}):", *said[-30:], sep="\n    ")
    return done.returncode == 0


def _limit_memory() -> None:
    """A mutant may loop and hoard for ever: let it fail before the machine does."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


_MEMORY = 3 << 30  # bytes, for each process


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "golden"))
    else:
        shutil.copy(source, target)


_TABLE = "[tool.mutmut]\n"


def _settings(modules: tuple[str, ...], tests: tuple[str, ...]) -> str:
    """What only this group sets in the table [tool.mutmut] of pyproject.toml."""
    mutated = [f"src/threelocks/{module}" for module in modules]
    return f"only_mutate = {json.dumps(mutated)}\npytest_add_cli_args_test_selection = {json.dumps(tests)}\n"


# --- reporting --------------------------------------------------------------------------------------------------------


def report(group: str) -> Counter[str]:
    """Print one row for each module of a group."""
    total: Counter[str] = Counter()
    for path in sorted((BUILD / group / "mutants").rglob("*.py.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        counts = Counter(_explained(group, name, _verdict(code)) for name, code in codes.items())
        if counts:
            print(_row(str(path.relative_to(BUILD / group / "mutants/src/threelocks")).removesuffix(".meta"), counts))
        total += counts
    return total


def _explained(group: str, mutant: str, verdict: str) -> str:
    """The verdict on a mutant; "explained" for a survivor that fuzz/explained.toml has a reason for."""
    if verdict != "survived":
        return verdict
    lines = _change(group, mutant)
    was, now = (" ".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
    known = any(
        fnmatchcase(mutant, f"threelocks.{one.get('mutant', '*')}") and one["was"] in was and one.get("now", "") in now
        for one in _explanations()
    )
    return "explained" if known else verdict


@cache
def _explanations() -> list[dict[str, str]]:
    """Each a pattern of mutants' names (all, where it is left out), a text of the line that was changed and perhaps one
    of what became of it, and why no test notices."""
    rows: list[dict[str, str]] = tomllib.loads((ROOT / "fuzz/explained.toml").read_text(encoding="utf-8"))["explained"]
    assert all(row["why"] for row in rows)
    return rows


@cache
def _change(group: str, mutant: str) -> list[str]:
    """The lines of the difference, with their signs."""
    shown = subprocess.run(  # noqa: S603 - our own tool, no shell
        [str(MUTMUT), "show", mutant], cwd=BUILD / group, capture_output=True, text=True, check=False
    )
    return [line for line in shown.stdout.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def _verdict(code: int | None) -> str:
    return "killed" if code in _OUT_OF_TIME else _VERDICTS.get(code, "killed")


def _row(name: str, counts: Counter[str]) -> str:
    judged = counts.total() - counts["not run"] - counts["skipped"]
    share = f"{100 * (counts['killed'] + counts['explained']) / judged:5.1f} %" if judged else "      -"
    words = ("killed", "explained", "survived", "no tests", "not run")
    return f"  {name:28} {share} of {judged:4}: {', '.join(f'{counts[what]} {what}' for what in words if counts[what])}"


def show_survivors(group: str) -> None:
    for path in sorted((BUILD / group / "mutants").rglob("*.py.meta")):
        for mutant, code in json.loads(path.read_text())["exit_code_by_key"].items():
            verdict = _explained(group, mutant, _verdict(code))
            if verdict in ("survived", "no tests"):
                print(f"{verdict}: {mutant}", *_change(group, mutant), sep="\n    ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
