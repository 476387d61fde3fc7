"""On a schedule: ask for a check of every contract, and tell how old the oldest check is.

Events get lost, and what a policy says can change with the date alone: a sweep bounds how long that goes unseen. The
checks are asked for in lots of contracts that share what must be read, on a queue of their own, so that a sweep never
stands in the way of a change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from threelocks.events import ACCOUNT
from threelocks.finding import Cause
from threelocks.handlers.app import App, TimeLeft, no_limit, process_app
from threelocks.handlers.batch import requests
from threelocks.ports import Listing

LOT = 25  # contracts in one message, which is one invocation's work
NEVER = timedelta(days=3650)  # the age of a check that never was: the alarm waits for a second sweep to say so


class SweepError(Exception):
    """Some checks could not be asked for; the others were. Lambda tries the sweep again."""


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Lambda's entry."""
    return process_app().serve(handle, event, context)


def handle(app: App, event: Any, _: TimeLeft = no_limit) -> dict[str, Any]:  # noqa: ARG001 - the schedule says nothing
    """Ask for a check of every contract; answers how many. Raises SweepError."""
    listings = tuple(app.directory.listings())
    app.telemetry.seconds("OldestCheckAgeSeconds", _oldest_age(listings, app.now()))
    cause = Cause(kind="sweep", at=app.now(), region=app.region)
    unsent = app.outbox.send([requests(lot, cause) for lot in lots(listings)])
    if unsent:
        app.telemetry.log.error("the queue of checks refused requests", refused=len(unsent))
        raise SweepError(f"{len(unsent)} lots of checks could not be asked for; look at the queue of checks")
    return {"asked": len(listings)}


def _oldest_age(listings: Iterable[Listing], now: datetime) -> float:
    """In seconds; 0 when there is nothing to check, so that the heartbeat shows the sweep itself is alive."""
    ages = (now - listing.checked if listing.checked else NEVER for listing in listings)
    return max((age.total_seconds() for age in ages), default=0.0)


def lots(listings: Iterable[Listing], size: int = LOT) -> Iterator[list[str]]:
    """Names in lots of at most `size`. Contracts on the same bucket (where this account holds it) or of the same role
    (where it holds that) are in the same lot, unless they alone are too many for one."""
    lot: list[str] = []
    for _, together in groupby(sorted(listings, key=_order), key=_shared):
        for names in _parts([listing.name for listing in together], size):
            if len(lot) + len(names) > size:
                yield lot
                lot = []
            lot += names
    if lot:
        yield lot


def _parts(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))


def _shared(listing: Listing) -> tuple[str, ...]:
    """What this account reads for a contract: key and bucket when it owns the bucket, else the role. Contracts that
    only share a key follow each other."""
    key, bucket, role = (_named(listing, mark) for mark in (":kms:", ":s3:", "role/"))
    return (key, bucket) if ACCOUNT in listing.resources else (role,)


def _named(listing: Listing, mark: str) -> str:
    return next((resource for resource in listing.resources if mark in resource), "")


def _order(listing: Listing) -> tuple[tuple[str, ...], str]:
    return _shared(listing), listing.name
