"""The other program: cases out as JSON lines, outcomes in."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from second_opinion.case import Case

_HERE = Path(__file__).parent
_LINES = 200  # in flight at once: their answers fit into a pipe's buffer, so that neither side waits for the other


class Opinion:
    """A running opinion.mjs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def outcomes(self, asked: Iterable[Case]) -> list[str]:
        """The outcome of each case, or `error: ...` where the other side cannot decide."""
        answers: list[str] = []
        written = (f"{json.dumps(case.simulation())}\n" for case in asked)
        while lines := tuple(islice(written, _LINES)):
            answers += self._some(lines)
        return answers

    def _some(self, lines: tuple[str, ...]) -> Iterator[str]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("".join(lines))
        self._process.stdin.flush()
        for _ in lines:
            text = self._process.stdout.readline()
            if not text:
                raise RuntimeError("the second opinion's program ended early; its own message stands above")
            answer = json.loads(text)
            yield answer.get("outcome") or f"error: {answer['error']}"


@contextmanager
def opinion(node: str, modules: Path) -> Iterator[Opinion]:
    """Start opinion.mjs with the packages in `modules`, and end it."""
    command = [node, str(_HERE / "opinion.mjs"), str(modules)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        yield Opinion(process)
        assert process.stdin
        process.stdin.close()
