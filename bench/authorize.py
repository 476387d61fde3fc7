"""Decisions a second of `authorize`, beside iam-simulate and Principal Mapper.

    python -m bench.authorize NODE_MODULES PYTHON_WITH_PRINCIPAL_MAPPER

Either may be missing. The programs take turns in short windows, and the best window of each counts, so that other work
on the machine counts little; what is told is ratios.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench.rivals import Rival, rival
from bench.share import REQUESTS, parsed, texts
from threelocks.policy.authorize import authorize

_HERE = Path(__file__).parent
_ROUNDS, _SECONDS = 15, 0.06
_HOW = {"once": "policies parsed once", "each": "policies parsed each time", "published": "its public function"}


def ours(request: int, how: str) -> tuple[str, float]:
    """Our outcome, and our decisions a second in one window."""
    _, variants, resource_policy = REQUESTS[request]
    written = texts(resource_policy)
    policies = parsed(*written)
    outcome = str(authorize(variants[0], policies).outcome)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < _SECONDS:
        for one in variants:
            authorize(one, policies if how == "once" else parsed(*written))
        count += len(variants)
    return outcome, count / (time.perf_counter() - start)


def main(modules: Path, mapper: Path) -> None:
    with ExitStack() as running:
        rivals: dict[str, tuple[Rival, tuple[str, ...]]] = {}
        node = shutil.which("node")
        if node and modules.is_dir():
            started = running.enter_context(rival(node, str(_HERE / "simulate.mjs"), str(modules)))
            rivals["iam-simulate"] = (started, ("once", "each", "published"))
        if mapper.exists():
            started = running.enter_context(rival(str(mapper), str(_HERE / "principal_mapper.py")))
            rivals["Principal Mapper"] = (started, ("once", "each"))
        for number, (name, _, _) in enumerate(REQUESTS):
            _tell(number, name, rivals)
        for missing in {"iam-simulate", "Principal Mapper"} - rivals.keys():
            print(f"{missing} is not there: not compared")


def _tell(request: int, name: str, rivals: dict[str, tuple[Rival, tuple[str, ...]]]) -> None:
    windows: dict[tuple[str, str], Callable[[], tuple[str, float]]] = {
        ("ours", how): lambda how=how: ours(request, how)  # type: ignore[misc]
        for how in ("once", "each")
    }
    for who, (other, ways) in rivals.items():
        for how in ways:
            windows[who, how] = lambda other=other, how=how: other.rate(request, how, _SECONDS)  # type: ignore[misc]
    best: dict[tuple[str, str], tuple[str, float]] = {}
    for _ in range(_ROUNDS):
        for key, window in windows.items():
            best[key] = max(best.get(key, ("", 0.0)), window(), key=lambda told: told[1])
    print(f"\n{name}")
    for (who, how), (outcome, rate) in best.items():
        # A public function parses each time, and so is measured against ours that does.
        against = best["ours", "once" if how == "once" else "each"][1]
        ratio = "" if who == "ours" else f"ours is {against / rate:6.1f} times as fast"
        print(f"  {who:17} {_HOW[how]:26} {rate:10,.0f} a second  {outcome:17} {ratio}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
