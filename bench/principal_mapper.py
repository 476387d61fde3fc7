"""Decisions a second of Principal Mapper, in the interpreter that has it; asked by bench/rivals.py."""

import collections
import collections.abc
import json
import sys
import time
from typing import Any

# It was written for an older Python, where these stood in `collections`.
for _name in ("Mapping", "MutableMapping", "Sequence"):
    setattr(collections, _name, getattr(collections.abc, _name))

from principalmapper.common import Node, Policy  # type: ignore[import-not-found]  # noqa: E402 - after the above
from principalmapper.querying.query_interface import (  # type: ignore[import-not-found]  # noqa: E402
    local_check_authorization_full,
)


def _node(asked: dict[str, Any], identity: dict[str, Any]) -> Any:
    attached = [Policy("arn:aws:iam::222222222222:policy/read", "read", identity)]
    return Node(
        asked["role"],
        "AROAEXAMPLE",
        attached,
        group_memberships=[],
        trust_policy={"Version": "2012-10-17", "Statement": []},
        instance_profile=None,
        num_access_keys=0,
        active_password=False,
        is_admin=False,
        permissions_boundary=None,
        has_mfa=False,
        tags=None,
    )


def _decide(asked: dict[str, Any], node: Any, policy: dict[str, Any]) -> bool:
    allowed: bool = local_check_authorization_full(
        node, asked["action"], asked["resource"], asked["context"], policy, asked["account"]
    )
    return allowed


def _once(variants: list[dict[str, Any]]) -> Any:
    prepared = [(asked, _node(asked, asked["identity"][0]), asked["policy"]) for asked in variants]
    return [lambda one=one: _decide(*one) for one in prepared]


def _each(variants: list[dict[str, Any]]) -> Any:
    texts = [(asked, json.dumps(asked["identity"][0]), json.dumps(asked["policy"])) for asked in variants]
    return [lambda one=one: _decide(one[0], _node(one[0], json.loads(one[1])), json.loads(one[2])) for one in texts]


def _measured(variants: list[dict[str, Any]], how: str, seconds: float) -> dict[str, Any]:
    work = {"once": _once, "each": _each}[how](variants)
    outcome = "Allowed" if work[0]() else "denied"
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for decide in work:
            decide()
        count += len(work)
    return {"outcome": outcome, "rate": count / (time.perf_counter() - start)}


def main() -> None:
    cases = json.loads(sys.stdin.readline())
    for line in sys.stdin:
        asked = json.loads(line)
        answer = _measured(cases[asked["request"]], asked["how"], asked["seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
