"""The demo, run as people run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.changes import CHANGES

ROOT = Path(__file__).resolve().parents[2]


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m simulation`, in an environment that would lead it astray if it took anything from it."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.devnull,
        "PYTHONPATH": str(ROOT / "src"),
        "AWS_PROFILE": "production",
        "AWS_DEFAULT_REGION": "ap-southeast-2",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "MOTO_ACCOUNT_ID": "333333333333",
    }
    return subprocess.run(  # noqa: S603 - our own module, and arguments from this file
        [sys.executable, "-m", "simulation", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,  # it takes some ten seconds; this only ends one that hangs
        check=False,
    )


@pytest.fixture(scope="module")
def whole() -> subprocess.CompletedProcess[str]:
    """The whole demo."""
    return demo()


Ran = subprocess.CompletedProcess[str]


def test_the_demo_succeeds_and_complains_of_nothing(whole: Ran) -> None:
    assert whole.returncode == 0, whole.stdout[-3000:] + whole.stderr
    assert whole.stderr == ""


@pytest.mark.parametrize("change", [change for change in CHANGES if change.lock], ids=lambda change: change.name)
def test_the_table_has_each_change_with_what_was_told(whole: Ran, change: object) -> None:
    name, standing, lock = change.name, change.standing.value, change.lock.value  # type: ignore[attr-defined]
    table = whole.stdout.partition("What happened")[2]
    assert re.search(rf"^{name} .* {standing} +{lock} +1 \+ 1 +1 \+ 1 +ok$", table, re.MULTILINE)


def test_the_equivalent_rewrite_is_silence(whole: Ran) -> None:
    table = whole.stdout.partition("What happened")[2]
    assert re.search(r"^rewrite .* as before +none +0 +0 +ok$", table, re.MULTILINE)


def test_failure_a_is_detected_through_the_relay(whole: Ran) -> None:
    rows = whole.stdout.partition("What happened")[2].splitlines()
    start = next(number for number, row in enumerate(rows) if row.startswith("identity-policy"))
    assert "RoleChangedRule (us-east-1)" in rows[start]
    assert "RoleChangedRule (eu-west-1)" in rows[start + 1]
    assert "OnChangeFunction in B" in rows[start + 2]


def test_every_mail_is_shown_as_it_was_sent_in_both_accounts(whole: Ran) -> None:
    shown = whole.stdout
    broken = sum(change.lock is not None for change in CHANGES)
    assert shown.count("┌─ mail in A, data-platform") == 1 + 2 * broken
    assert shown.count("┌─ mail in B, bi-team") == 1 + 2 * broken
    assert shown.count("WHAT TO DO") == 2 * broken
    assert shown.count("INTACT again: bi-curated-read - ") == 2 * broken


def test_a_pipe_gets_no_colour(whole: Ran) -> None:
    assert "\x1b" not in whole.stdout


def test_quiet_shows_the_table_only() -> None:
    ran = demo("--quiet", "--only", "key-disabled")
    assert ran.returncode == 0
    assert ran.stdout.startswith("CHANGE ")
    assert "mail in" not in ran.stdout


def test_a_change_that_does_not_exist_is_refused_with_those_that_do() -> None:
    ran = demo("--only", "nonsense")
    assert ran.returncode == 2
    assert "`nonsense`" in ran.stderr
    assert "denied-prefix" in ran.stderr
