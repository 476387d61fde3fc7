"""What the demo shows: plain text of 100 columns, with colour only where a terminal asks for it.

Everything shown is taken from what happened; the words for it are here, the facts are not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TextIO

from simulation.mailbox import Mail
from simulation.scenario import Aftermath, Route, Step
from threelocks.contract import Contract

WIDTH = 100
_INDENT = "  "
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_OF_STANDING = {"BROKEN": "red", "WIDENED": "yellow", "UNKNOWN": "yellow", "AT_RISK": "yellow", "INTACT": "green"}


class Page:
    """Where the demo writes to. `quiet` leaves out all but the table."""

    def __init__(self, stream: TextIO, contract: Contract, *, quiet: bool = False, colour: bool | None = None) -> None:
        self._stream = stream
        self._quiet = quiet
        self._colour = wants_colour(stream, os.environ) if colour is None else colour
        # The accounts go by a letter, in the contract's order: owner, consumer.
        self.letters = {party.account: letter for letter, party in zip("ABC", contract.parties, strict=False)}
        self._names = {party.account: party.name for party in contract.parties}

    def line(self, text: str = "", style: str = "") -> None:
        """One line, shown at once."""
        if not self._quiet:
            self._put(self._styled(text, style))

    def heading(self, text: str) -> None:
        self.line(f"── {text} ".ljust(WIDTH, "─"), "bold")
        self.line()

    def event(self, at: datetime, account: str, text: str) -> None:
        """Something that somebody did, and when by the simulated clock."""
        self.line(f"{_INDENT}{at:%H:%M:%S}  {self.letters[account]}  {text}")

    def aftermath(self, aftermath: Aftermath) -> None:
        """The way of each call to a function, and then every mail."""
        for route in aftermath.routes:
            self._route(route)
        for error in aftermath.errors:
            self.line(f"{_INDENT * 7}{error}", "red")
        if aftermath.is_silent:
            self.line(f"{_INDENT * 7}nobody is told")
        for account, mails in aftermath.mails.items():
            for mail in mails:
                self.mail(account, mail)
        self.line()

    def _route(self, route: Route) -> None:
        at = datetime.fromisoformat(route.at)
        self.event(at, route.by, f"{route.actor}: aws {route.command.replace('.', ' ')}")
        self.line(f"{_INDENT * 7}CloudTrail records {route.event_name}", "dim")
        for rule in route.rules:
            self.line(f"{_INDENT * 7}> {rule}", "dim")
        ran = f"{route.function} in {self.letters[route.account]}" if route.function else "nobody: no rule took it"
        self.line(f"{_INDENT * 7}> {ran}", "dim" if route.function else "red")

    def mail(self, account: str, mail: Mail) -> None:
        """A mail in a frame, as people in that account get it."""
        style = _OF_STANDING.get(mail.attribute("standing"), "")
        self.line()
        self.line(f"┌─ mail in {self.letters[account]}, {self._names[account]} ".ljust(WIDTH, "─"), style)
        # As it was sent: its commands are there to be copied.
        self.line(f"Subject: {mail.subject}\n\n{mail.body.rstrip()}")
        self.line("└".ljust(WIDTH, "─"), style)

    def table(self, steps: Sequence[Step], problems: Mapping[str, tuple[str, ...]], seconds: float) -> None:
        """The summary. Shown even when quiet."""
        accounts = tuple(account for account in self.letters if steps and account in steps[0].broken.mails)
        head = ("CHANGE", "DETECTED BY", "STANDING", "LOCK", *(f"MAILS IN {self.letters[a]}" for a in accounts), "")
        rows = [self._row(step, accounts, problems[step.change.name]) for step in steps]
        widths = [
            max(len(line) for row in (*rows, [[cell] for cell in head]) for line in row[n]) for n in range(len(head))
        ]
        self._put(self._styled(_columns(head, widths), "bold"))
        for row in rows:
            for number in range(max(map(len, row))):
                cells = [cell[number] if number < len(cell) else "" for cell in row]
                self._put(self._painted(_columns(cells, widths)))
        self._put()
        for name, texts in problems.items():
            for text in texts:
                self._put(self._styled(f"{name}: {text}", "red"))
        self._put(self._verdict(steps, problems, seconds))

    def _verdict(self, steps: Sequence[Step], problems: Mapping[str, tuple[str, ...]], seconds: float) -> str:
        failed = sum(bool(texts) for texts in problems.values())
        if failed:
            return self._styled(f"{failed} of {len(steps)} changes did not go as they must, in {seconds:.0f} s", "red")
        told = sum(len(mails) for step in steps for after in _both(step) for mails in after.mails.values())
        return self._styled(
            f"All {len(steps)} changes went as they must: {told} mails, none missing or too many, {seconds:.0f} s.",
            "green",
        )

    def _row(self, step: Step, accounts: Iterable[str], problems: tuple[str, ...]) -> list[list[str]]:
        told = [mail for mails in step.broken.mails.values() for mail in mails]
        standings = dict.fromkeys(mail.attribute("standing") for mail in told)
        locks = dict.fromkeys(mail.attribute("lock") for mail in told)
        return [
            [step.change.name],
            list(self._detected(step.broken.routes)),
            list(standings) or ["as before"],
            list(locks) or ["none"],
            *([_counted(step, account)] for account in accounts),
            ["FAILED" if problems else "ok"],
        ]

    def _detected(self, routes: Iterable[Route]) -> Iterator[str]:
        for route in routes:
            yield from (f"{'> ' if number else ''}{rule}" for number, rule in enumerate(route.rules))
            yield f"> {route.function} in {self.letters[route.account]}" if route.function else "> nobody"

    def _painted(self, text: str) -> str:
        for word, style in (*_OF_STANDING.items(), ("FAILED", "red"), (" ok", "green")):
            text = text.replace(word, self._styled(word, style))
        return text.rstrip()

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colour and style and text else text

    def _put(self, text: str = "") -> None:
        print(text, file=self._stream, flush=True)


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """https://no-color.org"""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _counted(step: Step, account: str) -> str:
    """Mails of the break and of the recovery."""
    counts = [str(len(after.mails[account])) for after in _both(step)]
    return " + ".join(counts)


def _both(step: Step) -> tuple[Aftermath, ...]:
    return (step.broken, step.mended) if step.mended else (step.broken,)
