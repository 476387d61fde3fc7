"""What one party tells the others: its full verdict on its own locks, never a change to apply.

Wire format `threelocks.report/1`: the dataclass as JSON, in the `detail` of an EventBridge event whose source is
`threelocks` and whose detail-type is `Share report`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from threelocks.finding import Cause, Verdict

FORMAT = "threelocks.report/1"
SOURCE = "threelocks"
DETAIL_TYPE = "Share report"


@dataclass(frozen=True, slots=True)
class Incident:
    """From the first finding on one party's locks to their recovery. It belongs to the party that holds the lock, and
    both accounts know it by the holder's id."""

    id: str
    account: str  # the holder
    opened: datetime
    opened_by: Cause | None = None
    closed: datetime | None = None
    closed_by: Cause | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One party's full state for one contract."""

    stamp: int  # milliseconds since the epoch, and always more than the one before
    verdict: Verdict  # without statements and without findings of scope `resource`
    heard: tuple[tuple[str, int], ...] = ()  # account -> the last stamp received from it
    cause: Cause | None = None  # of the check behind the verdict
    incident: Incident | None = None
    format: str = FORMAT


class MalformedError(ValueError):
    """The JSON is not the value it should be; the text says where and why."""


T = TypeVar("T")

_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    """Built when first needed: a cold start pays only for what it reads and writes."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def encode(value: object) -> str:
    """Any of our dataclasses as JSON; the same value always gives the same text."""
    return _adapter(type(value)).dump_json(value).decode()


def decode(kind: type[T], text: str | bytes) -> T:
    """The value that `encode` wrote. Raises MalformedError when a field is missing or of the wrong type; fields that a
    newer version added are passed over.
    """
    try:
        value: T = _adapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise MalformedError(f"not a {kind.__name__}: `{where}`: {first['msg']}") from error
    return value
