"""`make fuzz`: the evaluator against its slow reference, and the search for a witness against brute force.

    python -m fuzz [--pairs 1000000] [--sets 100000] [--jobs 2] [--seed TEXT] [--first NUMBER] [--markdown FILE]

Every run tries new cases; the seed that it prints tries the same ones again. A difference is printed with its case, and
makes the run fail.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.property import test_witness_bruteforce as brute
from tests.property.cases import policies_held, policies_of, request_of, requests
from tests.property.reach import reached, tables
from tests.property.reference import decide
from threelocks.policy.authorize import authorize
from threelocks.policy.witness import UndecidedError

_REQUESTS = 12  # to each set of policies
_COUNTED = 20  # what the cases reach is counted for every so-manieth set: counting costs more than deciding
_SHOWN = 5  # failures in full


@dataclass
class Tally:
    """What came out of some cases."""

    cases: int = 0
    counts: Counter[Any] = field(default_factory=Counter)
    reached: Counter[Any] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.cases += other.cases
        self.counts.update(other.counts)
        self.reached.update(other.reached)
        self.failures += other.failures


# --- the evaluator against the reference ------------------------------------------------------------------------------


def compare(job: tuple[str, range]) -> Tally:
    seed, numbers = job
    tally = Tally()
    for number in numbers:
        rng = Random(f"{seed} {number}")
        held, askings = policies_held(rng), requests(rng)
        policies = policies_of(held)
        for asking in askings:
            decision = authorize(request_of(asking), policies)
            outcome, expected = str(decision.outcome), decide(asking, held)
            tally.cases += 1
            tally.counts[outcome] += 1
            if number % _COUNTED == 0:
                tally.reached.update(reached(asking, held, outcome, str(decision.layer or "")))
            if outcome != expected:
                case = f"case `{seed} {number}`: {asking} under {held}"
                tally.failures.append(f"the evaluator says {outcome}, the reference {expected}; {case}")
    return tally


# --- the search against brute force -----------------------------------------------------------------------------------


def search(job: tuple[str, range]) -> Tally:
    _, numbers = job
    tally = Tally()
    agree = brute.agree

    def counting(requests: int, found: Any, question: str) -> None:
        """What brute force found, and what the search did, before they are compared."""
        by_brute_force = "there is one" if requests else "none among those tried"
        tally.counts[question, by_brute_force, "none" if found is None else "found"] += 1
        agree(requests, found, question)

    brute.agree = counting
    try:
        for number in numbers:
            case = brute.Case(number)
            tally.cases += 1
            tally.reached["worlds", case.world.name, "sets of policies"] += 1
            try:
                brute.check(case)
            except (AssertionError, UndecidedError) as error:
                tally.failures.append(f"{error!r}; {case!r}")
    finally:
        brute.agree = agree
    return tally


# --- running ----------------------------------------------------------------------------------------------------------


def run(what: str, work: Any, seed: str, numbers: range, jobs: int) -> Tally:
    """Spread the cases over processes; say now and then how far it is."""
    total, began, said = Tally(), time.monotonic(), 0.0
    chunks = ((seed, numbers[at : at + 100]) for at in range(0, len(numbers), 100))
    done = 0
    with multiprocessing.Pool(jobs) as pool:
        for tally in pool.imap_unordered(work, chunks):
            for failure in tally.failures[: max(0, _SHOWN - len(total.failures))]:
                print(f"FAILED {failure}", flush=True)
            total.add(tally)
            done += 100
            elapsed = time.monotonic() - began
            if elapsed - said > _EVERY:
                said = elapsed
                left = elapsed / done * max(0, len(numbers) - done)
                print(
                    f"  {what}: {total.cases:,} cases, {len(total.failures)} failures, {left / 60:.0f} min left",
                    flush=True,
                )
    print(f"{what}: {total.cases:,} cases in {(time.monotonic() - began) / 60:.1f} min", flush=True)
    return total


_EVERY = 30.0  # seconds


def rest(count: int) -> int:
    """The texts that the search walks, and the statements that can only be bracketed: pytest counts those itself."""
    tests = ["tests/property/test_witness_walk.py", "tests/property/test_witness_bruteforce.py"]
    command = [sys.executable, "-m", "pytest", "-q", *tests, "-k", "not trying_every_request"]
    print(f"{count:,} expressions walked, and {count:,} statements bracketed", flush=True)
    settings = {**os.environ, "THREELOCKS_BRUTE_CASES": str(count)}
    return subprocess.run(command, env=settings, check=False).returncode  # noqa: S603 - our own tests, no shell


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description="try to prove the policy engine wrong")
    parser.add_argument("--pairs", type=int, default=1_000_000, help="(policies, request) pairs for the evaluator")
    parser.add_argument("--sets", type=int, default=100_000, help="sets of policies for the search")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", default=secrets.token_hex(4), help="of the pairs")
    parser.add_argument("--first", type=int, default=secrets.randbelow(10**9), help="number of the first set")
    parser.add_argument("--markdown", type=Path, help="where to write what the cases reached")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}, first set {options.first}", flush=True)

    failed = False
    written: list[str] = []
    for title, tally in _parts(options):
        failed = failed or bool(tally.failures)
        written.append(f"### {title}\n\n" + "\n".join(_summary(tally)) + "\n\n" + tables(tally.reached))
    if options.sets:
        failed = bool(rest(options.sets)) or failed
    print("\n".join(written))
    if options.markdown:
        options.markdown.write_text("\n".join(written))
    print("FAILED" if failed else "no difference")
    return int(failed)


def _parts(options: argparse.Namespace) -> Iterator[tuple[str, Tally]]:
    if options.pairs:
        sets = range(-(-options.pairs // _REQUESTS))
        yield "The evaluator's cases", run("evaluator", compare, options.seed, sets, options.jobs)
    if options.sets:
        sets = range(options.first, options.first + options.sets)
        yield "The search's cases", run("search", search, "", sets, options.jobs)


def _summary(tally: Tally) -> Iterable[str]:
    for what, count in sorted(tally.counts.items(), key=str):
        yield f"- {what if isinstance(what, str) else ', '.join(what)}: {count:,}"
    yield f"- differences: {len(tally.failures):,}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
