"""`python -m simulation`: two simulated accounts, one share, each way it breaks, and the mails that people get."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from simulation.clock import Clock
from simulation.environment import environment_of_its_own
from threelocks import cli

if TYPE_CHECKING:
    from simulation.changes import Change
    from simulation.page import Page
    from simulation.scenario import Step
    from simulation.world import World


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 only if every change was seen, told in both accounts and recovered from, and the rewrite was
    passed over; 1 if not; 2 for bad usage.
    """
    asked = _parser().parse_args(arguments)
    began = time.monotonic()
    if not asked.quiet:
        print("Three-lock watchdog: a share breaks in one account, and people in both are told why.\n", flush=True)
    with environment_of_its_own():
        return _demo(asked, began)


def _demo(asked: argparse.Namespace, began: float) -> int:
    # Only now: moto and the SAM translator take seconds to import, and nobody should look at an empty screen.
    from simulation.changes import CHANGES  # noqa: PLC0415 - see above
    from simulation.page import Page  # noqa: PLC0415 - see above
    from simulation.world import CONTRACT, simulated_world  # noqa: PLC0415 - see above

    changes = [change for change in CHANGES if not asked.only or change.name in asked.only]
    unknown = set(asked.only) - {change.name for change in CHANGES}
    if unknown:
        known = ", ".join(change.name for change in CHANGES)
        print(f"there is no change `{min(unknown)}`; name one of {known}", file=sys.stderr)
        return 2
    page = Page(sys.stdout, cli.load(CONTRACT), quiet=asked.quiet)
    with simulated_world(clock=_at_nine()) as world:
        return play(world, page, changes, began=began)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--quiet", action="store_true", help="show the table at the end only")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="make this change only; repeatable")
    return parser


def _at_nine() -> Clock:
    """The simulated day begins at nine in the morning."""
    return Clock(datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0))


def play(world: World, page: Page, changes: Sequence[Change], *, began: float) -> int:
    """Everything from the share as agreed to the table; the exit status."""
    from simulation.scenario import begin, run  # noqa: PLC0415 - as above

    _show_set_up(world, page)
    page.line()
    page.heading("The share as agreed")
    problems = {"the share as agreed": begin(world, page).problems()}
    steps: list[Step] = []
    for number, change in enumerate(changes, start=1):
        page.heading(f"{number} of {len(changes)}  {change.title}")
        step = run(world, change, page)
        steps.append(step)
        problems[change.name] = step.problems(world.accounts)
    page.heading("What happened")
    page.table(steps, problems, time.monotonic() - began)
    return int(any(problems.values()))


def _show_set_up(world: World, page: Page) -> None:
    from simulation.world import CONTRACT  # noqa: PLC0415 - as above

    contract = world.contract
    page.line(
        f"  The share: {contract.role_name} reads s3://{contract.bucket.name}, encrypted with a key of its owner's."
    )
    page.line("  Everything is simulated in this process; nothing leaves it, and no time is slept.")
    page.line()
    for account in world.accounts.values():
        page.line(f"  {page.letters[account.id]}  {account.name}, account {account.id}")
        for stack in (account.home, account.relay):
            counted = ", ".join(
                _number(len(stack.of_type(kind)), word) for kind, word in _COUNTED if stack.of_type(kind)
            )
            page.line(f"     stack {stack.name} in {stack.region}: {counted}")
        page.line(f"     threelocks apply contracts/{CONTRACT.name}")


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


_COUNTED = (
    ("AWS::Events::Rule", "rule"),
    ("AWS::SQS::Queue", "queue"),
    ("AWS::Lambda::Function", "function"),
    ("AWS::IAM::Role", "role"),
    ("AWS::SNS::Topic", "topic"),
    ("AWS::DynamoDB::Table", "table"),
)


if __name__ == "__main__":
    sys.exit(main())
