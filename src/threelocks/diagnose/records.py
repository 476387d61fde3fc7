"""CloudTrail records as people come by them: one, a trail's log file, JSON lines, what `lookup-events` or CloudTrail
Lake answered, or EventBridge events. Unwrapped here, each with its place, so that an error can name it.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetQueryResults.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from threelocks.spelling import shown


@dataclass(frozen=True, slots=True)
class Placed:
    """A CloudTrail record, and where it stands: "record 3"."""

    place: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Misplaced:
    """Something that is no CloudTrail record: where it stands, what is wrong, what to give instead."""

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}" if self.place else self.problem


Row = Placed | Misplaced

# What holds a list: a log file, the answer of lookup-events, that of CloudTrail Lake.
_LISTS = ("Records", "Events", "QueryResultRows")
# What holds one record as text: in lookup-events, and in CloudTrail Lake's column.
_TEXTS = ("CloudTrailEvent", "eventJson")


def parse(text: str) -> Iterator[Row]:
    """The records in a JSON text, or in a text with one JSON value a line."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield from _lines(text, error)
        return
    yield from unwrap(whole)


def _lines(text: str, error: Exception) -> Iterator[Row]:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if len(lines) < 2 or not _is_json(lines[0][1]):  # noqa: PLR2004 - one line is a JSON text, and a broken one
        yield Misplaced("", f"not JSON: {_first_line(error)}; give CloudTrail's records as JSON, or one a line")
        return
    for number, line in lines:
        try:
            yield from unwrap(json.loads(line), f"line {number}")
        except (ValueError, RecursionError) as wrong:
            yield Misplaced(f"line {number}", f"not JSON: {_first_line(wrong)}; mend or remove the line")


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0]


def unwrap(value: Any, place: str = "") -> Iterator[Row]:
    """The records in a JSON value."""
    if isinstance(value, list):
        for number, row in enumerate(value, start=1):
            yield from unwrap(_flat(row), _within(place, number))
        return
    if not isinstance(value, Mapping):
        yield Misplaced(place or "record 1", f"{shown(value)} is not a CloudTrail record; give JSON objects")
        return
    for name in _LISTS:
        if isinstance(value.get(name), list):
            yield from unwrap(value[name], place)
            return
    yield _one(value, place or "record 1")


def _within(place: str, number: int) -> str:
    return f"{place}, record {number}" if place else f"record {number}"


def _flat(row: Any) -> Any:
    """A row of CloudTrail Lake: a list with one object for each column."""
    if isinstance(row, list) and row and all(isinstance(cell, Mapping) and len(cell) == 1 for cell in row):
        return {name: cell[name] for cell in row for name in cell}
    return row


def _one(value: Mapping[str, Any], place: str) -> Row:
    for name in _TEXTS:
        if isinstance(value.get(name), str):
            return _quoted(value[name], name, place)
    detail = value.get("detail")
    if "detail-type" in value and isinstance(detail, Mapping):
        value = detail
    missing = [
        f"`{name}`" for name in ("eventSource", "eventName", "eventTime") if not isinstance(value.get(name), str)
    ]
    if missing:
        return Misplaced(
            place,
            f"has no {', '.join(missing)}, so it is not a CloudTrail record; give whole records (in CloudTrail Lake, "
            "select eventJson)",
        )
    return Placed(place, value)


def _quoted(text: str, name: str, place: str) -> Row:
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Misplaced(place, f"its `{name}` is not JSON: {_first_line(error)}; export it again")
    if not isinstance(inner, Mapping):
        return Misplaced(place, f"its `{name}` is {shown(inner)}, not a record; export it again")
    return _one({key: value for key, value in inner.items() if key not in _TEXTS}, place)
