"""Other evaluators, each a program of its own that is asked for its rate over standard input."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.share import REQUESTS, simulation


class Rival:
    """A running program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def rate(self, request: int, how: str, seconds: float) -> tuple[str, float]:
        """Its outcome, and its decisions a second, measured over so many seconds."""
        self.send({"request": request, "how": how, "seconds": seconds})
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the program ended early; its own message stands above")
        answer = json.loads(line)
        return answer["outcome"], answer["rate"]

    def send(self, message: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{json.dumps(message)}\n")
        self._process.stdin.flush()


@contextmanager
def rival(*command: str) -> Iterator[Rival]:
    """Start a program, tell it the cases, and end it."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        started = Rival(process)
        started.send([[simulation(one, policy) for one in variants] for _, variants, policy in REQUESTS])
        yield started
        assert process.stdin
        process.stdin.close()
