"""Ask both sides, make each difference small, and count it under its class; fail on one that has none.

    python -m second_opinion NODE_MODULES

THREELOCKS_OPINION_CASES is the number of sets of policies, each with a dozen requests (default 500);
THREELOCKS_OPINION_SEED chooses other cases than the fixed ones.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from pprint import pformat
from typing import Any

import yaml

from second_opinion.case import Case, cases
from second_opinion.classes import CLASSES, class_of
from second_opinion.opinion import Opinion, opinion
from second_opinion.shrink import shrunk

_DIFFERENCES = Path(__file__).parent / "differences.yaml"
_WHO = ("ours", "theirs", "neither", "unsettled")


def main(modules: Path) -> int:
    """0 when every difference is one that is explained."""
    explained = _explained()
    node = shutil.which("node")
    if node is None:
        print("node is not installed; the second opinion is optional and needs it")
        return 1
    seed = os.environ.get("THREELOCKS_OPINION_SEED", "fixed")
    asked = cases(seed, int(os.environ.get("THREELOCKS_OPINION_CASES", "500")))
    with opinion(node, modules) as them:
        return _compare(asked, them, explained)


def _explained() -> dict[str, dict[str, Any]]:
    """differences.yaml, whose names must be those of CLASSES."""
    entries: dict[str, dict[str, Any]] = yaml.safe_load(_DIFFERENCES.read_text())
    if entries.keys() != CLASSES.keys():
        raise ValueError(f"differences.yaml and classes.py differ on {sorted(entries.keys() ^ CLASSES.keys())}")
    for name, entry in entries.items():
        if entry.get("who_follows_aws") not in _WHO or not entry.get("why") or not entry.get("source"):
            raise ValueError(f"`{name}` in differences.yaml lacks why, source or who_follows_aws ({', '.join(_WHO)})")
    return entries


def _compare(asked: list[Case], them: Opinion, explained: dict[str, dict[str, Any]]) -> int:
    ours, theirs = [case.possible() for case in asked], them.outcomes(asked)
    counted: Counter[str] = Counter()
    unexplained: list[str] = []
    for case, possible, outcome in zip(asked, ours, theirs, strict=True):
        if outcome in possible:
            counted["agreed" if len(possible) == 1 else f"left open by us, {outcome} by them"] += 1
            continue
        smallest = _smallest(case, possible, outcome, them)
        name = class_of(smallest)
        counted[f"class {name or 'UNEXPLAINED'}"] += 1
        if name is None:
            unexplained.append(f"ours {sorted(possible)}, theirs {outcome}:\n{pformat(smallest, width=120)}")
    print(f"{len(asked)} cases")
    for name, count in sorted(counted.items(), key=lambda item: -item[1]):
        who = explained.get(name.removeprefix("class "), {}).get("who_follows_aws")
        print(f"{count:8} {name}" + (f" (follows AWS: {who})" if who else ""))
    for text in unexplained[:10]:
        print(f"\nno class for this difference: {text}")
    return 1 if unexplained else 0


def _smallest(case: Case, possible: frozenset[str], outcome: str, them: Opinion) -> Case:
    def differs(tried: list[Case]) -> list[bool]:
        return [
            answer == outcome and one.possible() == possible
            for one, answer in zip(tried, them.outcomes(tried), strict=True)
        ]

    return shrunk(case, differs)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
