"""src/threelocks/policy/action_table.py, made anew from AWS's own machine-readable reference of its services.

https://docs.aws.amazon.com/service-authorization/latest/reference/service-reference.html
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import urlopen

PUBLISHED = "https://servicereference.us-east-1.amazonaws.com/v1"
SERVICES = ("kms", "s3")
TABLE = Path(__file__).resolve().parent.parent / "src/threelocks/policy/action_table.py"
_SECONDS = 20

# What the judgement speaks of: a bucket and its objects, and a key. Actions on anything else are left out.
_RESOURCES = {"s3": ("bucket", "object"), "kms": ("key",)}

Row = tuple[tuple[str, ...], tuple[str, ...] | None]  # what an action acts on, and the condition keys it carries


class UnreadableError(Exception):
    """The reference could not be had, or is not in the documented form."""


def rows(service: str, reference: Any) -> dict[str, Row]:
    """The actions of one service, from its reference."""
    try:
        keys_of = {one["Name"]: one.get("ConditionKeys", []) for one in reference["Resources"]}
        return dict(_row(service, action, keys_of) for action in reference["Actions"] if _acts_on(service, action))
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(f"the reference of {service} is not in the documented form: {error!r}") from error


def _acts_on(service: str, action: Mapping[str, Any]) -> tuple[str, ...]:
    named = {resource["Name"] for resource in action.get("Resources", [])}
    return tuple(sorted(named & set(_RESOURCES[service])))


def _row(service: str, action: Mapping[str, Any], keys_of: Mapping[str, list[str]]) -> tuple[str, Row]:
    """Global condition keys, which any request may carry, are left out."""
    resources = _acts_on(service, action)
    # Of access points as well, through which a request for a bucket or an object may come.
    named = [resource["Name"] for resource in action["Resources"]]
    keys = {*action.get("ActionConditionKeys", []), *(key for name in named for key in keys_of.get(name, []))}
    own = {_as_pattern(key) for key in keys if _is_of(service, key)}
    return f"{service}:{action['Name']}", (resources, tuple(sorted(own)))


def _as_pattern(key: str) -> str:
    """`s3:ExistingObjectTag/key`, `kms:EncryptionContext:${EncryptionContextKey}` -> with `*` for what is chosen."""
    return re.sub(r"\$\{[^}]*\}|<[^>]*>|(?<=/)key$", "*", key).lower()


def condition_keys(service: str, reference: Any) -> frozenset[str]:
    """Every condition key that a service has."""
    try:
        return frozenset(_as_pattern(one["Name"]) for one in reference["ConditionKeys"] if _is_of(service, one["Name"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(f"the reference of {service} is not in the documented form: {error!r}") from error


def _is_of(service: str, key: str) -> bool:
    return key.lower().startswith(f"{service}:")


def as_module(table: Mapping[str, Row], keys: Iterable[str], sources: Iterable[str], day: str) -> str:
    """The text of the module, in a stable order; `ruff format` breaks its long lines."""
    lines = [
        '"""The actions of S3 on buckets and objects and of KMS on keys. Written by `make actions`; not edited."""',
        "",
        f"SOURCES = ({''.join(f'{json.dumps(source)}, ' for source in sources)})",
        f"READ = {json.dumps(day)}",
        "",
        "# What each acts on, and the condition keys of its service, in lower case, that a request for it can carry.",
        "# None: not recorded here, so that it may carry any.",
        "ACTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...] | None]] = {",
        *(f"    {json.dumps(name)}: {table[name]!r}," for name in sorted(table)),
        "}",
        "",
        "# Every condition key of these services. What is not among them is newer than this table.",
        "CONDITION_KEYS: tuple[str, ...] = (",
        *(f"    {json.dumps(key)}," for key in sorted({*keys, *_carried(table)})),
        ")",
    ]
    return "\n".join(lines) + "\n"


def _carried(table: Mapping[str, Row]) -> Iterable[str]:
    return (key for _, keys in table.values() for key in keys or ())


def fetched(address: str) -> Any:
    """What is published there."""
    try:
        with urlopen(address, timeout=_SECONDS) as answer:  # noqa: S310 - AWS's address, or a test's
            return json.load(answer)
    except (OSError, HTTPException, ValueError) as error:
        raise UnreadableError(f"{address} could not be read: {error}") from error


def _all(addresses: Mapping[str, str]) -> tuple[dict[str, Row], set[str]]:
    """The actions and the condition keys of every service."""
    found: dict[str, Row] = {}
    keys: set[str] = set()
    for service, address in addresses.items():
        reference = fetched(address)
        of_service = rows(service, reference)
        if not of_service:
            raise UnreadableError(f"no action of {service} is left")
        found |= of_service
        keys |= condition_keys(service, reference)
    return found, keys


def renew(table: Path = TABLE, published: str = PUBLISHED) -> int:
    """Write the table anew, and answer the exit status. It stays as it is when anything is missing."""
    addresses = {service: f"{published}/{service}/{service}.json" for service in SERVICES}
    try:
        found, keys = _all(addresses)
    except UnreadableError as error:
        print(f"the table of actions is not renewed: {error}", file=sys.stderr)
        return 1
    day = datetime.now(UTC).date().isoformat()
    table.write_text(as_module(found, keys, addresses.values(), day), encoding="utf-8")
    print(f"{len(found)} actions written to {table.name}")
    return 0


if __name__ == "__main__":
    sys.exit(renew())
