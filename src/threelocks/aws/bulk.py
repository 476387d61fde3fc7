"""Many items of the table in few calls.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

KEYS_AT_ONCE = 100
TRIES = 6

Item = dict[str, Any]


class OverloadedError(Exception):
    """DynamoDB left keys unread at every try."""


def get(
    client: Any,
    table: str,
    keys: Sequence[Item],
    *,
    consistent: bool,
    only: str = "",
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Item]:
    """The items of these keys that exist, in no order; `only` names the attributes that are read.

    Keys that DynamoDB had no capacity for come back in the answer, and are asked for again after a pause that doubles.
    Raises OverloadedError when that does not end.
    """
    for start in range(0, len(keys), KEYS_AT_ONCE):
        more = {"ProjectionExpression": only} if only else {}
        wanted: dict[str, Any] = {
            "Keys": list(keys[start : start + KEYS_AT_ONCE]),
            "ConsistentRead": consistent,
            **more,
        }
        asked = {table: wanted}
        for attempt in range(TRIES):
            if attempt:
                sleep(0.05 * 2**attempt)
            answer = client.batch_get_item(RequestItems=asked)
            yield from answer["Responses"].get(table, [])
            asked = answer.get("UnprocessedKeys") or {}
            if not asked:
                break
        else:
            raise OverloadedError(f"DynamoDB left keys of `{table}` unread {TRIES} times; look at its throttling")
