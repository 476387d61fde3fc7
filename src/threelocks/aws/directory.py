"""The list of contracts as a sweep needs it: what each depends on, and when it was last checked.

Read in bulk, since there may be many: a query for the names, then fifty contracts to a call. What a sweep sees may be a
moment old, so these reads are eventually consistent, at half the price.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from threelocks.aws import bulk
from threelocks.aws.session import ClientSource
from threelocks.ports import Listing

CONTRACTS_AT_ONCE = bulk.KEYS_AT_ONCE // 2  # terms and state of each
_ONLY = "pk, sk, resources, checked"


@dataclass(frozen=True, slots=True)
class DynamoDirectory:
    """Keeps ports.Directory on the table of `store`."""

    clients: ClientSource
    table: str
    region: str
    sleep: Callable[[float], object] = time.sleep

    def listings(self) -> Iterator[Listing]:
        """Every contract, by name. Raises bulk.OverloadedError."""
        names = self._names()
        for start in range(0, len(names), CONTRACTS_AT_ONCE):
            yield from self._read(names[start : start + CONTRACTS_AT_ONCE])

    def _names(self) -> list[str]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "CONTRACTS"}},
            ProjectionExpression="sk",
        )
        return [item["sk"]["S"] for page in pages for item in page["Items"]]

    def _read(self, names: Sequence[str]) -> Iterator[Listing]:
        keys = [{"pk": {"S": f"CONTRACT#{name}"}, "sk": {"S": part}} for name in names for part in ("TERMS", "STATE")]
        items = bulk.get(self._client, self.table, keys, consistent=False, only=_ONLY, sleep=self.sleep)
        found = {(item["pk"]["S"], item["sk"]["S"]): item for item in items}
        for name in names:
            terms, state = found.get((f"CONTRACT#{name}", "TERMS")), found.get((f"CONTRACT#{name}", "STATE"))
            if terms:  # else it was removed just now
                yield Listing(name, tuple(sorted(terms.get("resources", {}).get("SS", ()))), _checked(state))

    @property
    def _client(self) -> Any:
        return self.clients.client("dynamodb", self.region)


def _checked(state: dict[str, Any] | None) -> datetime | None:
    text = state.get("checked", {}).get("S") if state else None
    return datetime.fromisoformat(text) if text else None
