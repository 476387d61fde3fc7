# ruff: noqa: INP001 - imported by itself, in another process
"""The handler of every function of the built package in a simulated account: the function's own, at the simulated time.

Runs inside the function's process, where nothing of `simulation` can be imported. An event comes wrapped, with the time
at which it is delivered.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import time_machine

_module, _, _name = os.environ["SIMULATED_HANDLER"].rpartition(".")
_handle = getattr(import_module(_module), _name)


def handler(event: dict[str, Any], context: object) -> Any:
    """`event` holds "at", in seconds since the epoch, and "event", the function's own."""
    with time_machine.travel(event["at"], tick=True):
        return _handle(event["event"], context)
