"""Which records are of one request: both accounts' copies of it, and the Decrypt that S3 asked for in its course."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from threelocks.diagnose.denial import Denial

# How far apart S3's record and that of the Decrypt it asked for may be: both are of one request, in whole seconds.
TOGETHER = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The records of one refused request, oldest first; those of S3 before those of KMS."""

    denials: tuple[Denial, ...]

    @property
    def of_s3(self) -> Denial | None:
        return next((denial for denial in self.denials if not denial.of_kms), None)

    @property
    def of_kms(self) -> Denial | None:
        return next((denial for denial in self.denials if denial.of_kms), None)

    @property
    def at(self) -> datetime:
        return min(denial.at for denial in self.denials)

    @property
    def first(self) -> Denial:
        return self.denials[0]


def attempts(denials: Iterable[Denial]) -> tuple[Attempt, ...]:
    """Records put together by request, oldest first: each record once, the copies of both accounts by their shared id,
    and S3's record with that of the Decrypt by caller, object and time."""
    ordered = sorted(denials, key=lambda denial: (denial.at, denial.recipient, denial.event_id))
    copies = [Attempt(tuple(group)) for group in _copies(ordered)]
    of_s3 = [one for one in copies if one.of_s3]
    of_kms = [one for one in copies if not one.of_s3]
    waiting = _waiting(of_s3)
    decrypts: dict[int, Attempt] = {}  # the read, by its identity -> the Decrypt that S3 asked for
    alone = []
    for decrypt in of_kms:
        read = _read_of(decrypt, waiting, decrypts)
        if read is None:
            alone.append(decrypt)
        else:
            decrypts[id(read)] = decrypt
    whole = [Attempt(one.denials + (decrypts[id(one)].denials if id(one) in decrypts else ())) for one in of_s3]
    return tuple(sorted([*whole, *alone], key=lambda one: (one.at, one.first.event_id)))


def _copies(denials: Iterable[Denial]) -> Iterable[list[Denial]]:
    groups: dict[str, list[Denial]] = {}
    seen: set[str] = set()
    for number, denial in enumerate(denials):
        if denial.event_id in seen:
            continue  # EventBridge delivers at least once
        seen |= {denial.event_id} - {""}
        shared = f"{denial.shared_id} {denial.action}" if denial.shared_id else f"alone {number}"
        groups.setdefault(shared, []).append(denial)
    return groups.values()


Sought = tuple[str, str, str, str | None]
"""Caller, session, bucket and object, as far as a record of a Decrypt names them."""


def _callers(denial: Denial) -> Iterator[str]:
    """What a caller goes by: the owner's copy has only the unique id, others may have only the name."""
    caller = denial.caller
    if caller.unique_id:
        yield caller.unique_id
    if caller.role_name:
        yield f"{caller.account}/{caller.role_name}"


class _Line:
    """Reads of one kind in the order of time, of which the nearest that is still free is wanted.

    Who is taken is skipped for good: a flood of refusals in one second must not cost its square.
    """

    def __init__(self) -> None:
        self.reads: list[Attempt] = []
        self._after: dict[int, int] = {}
        self._before: dict[int, int] = {}

    def nearest(self, at: datetime, taken: Mapping[int, Attempt]) -> Attempt | None:
        start = bisect_left(self.reads, at, key=lambda one: one.at)
        found = (self._free(start, 1, self._after, taken), self._free(start - 1, -1, self._before, taken))
        near = [one for one in found if one and abs(one.at - at) <= TOGETHER]
        return min(near, key=lambda one: abs(one.at - at), default=None)

    def _free(self, place: int, step: int, onward: dict[int, int], taken: Mapping[int, Attempt]) -> Attempt | None:
        """The first free read from a place on; the way there is remembered, shortened."""
        way = []
        while 0 <= place < len(self.reads) and id(self.reads[place]) in taken:
            way.append(place)
            place = onward.get(place, place + step)
        onward.update(dict.fromkeys(way, place))
        return self.reads[place] if 0 <= place < len(self.reads) else None


def _waiting(reads: Iterable[Attempt]) -> Mapping[Sought, _Line]:
    """Reads of objects, in the order of time, by all that a Decrypt may name: the object or, under S3 Bucket Keys, the
    bucket; on denial perhaps neither."""
    lines: dict[Sought, _Line] = defaultdict(_Line)
    for one in reads:
        first = one.first
        if first.action == "s3:ListBucket":
            continue
        callers = dict.fromkeys(name for denial in one.denials for name in _callers(denial))
        for caller in callers:
            for bucket, key in ((first.bucket, first.object_key), (first.bucket, None), ("", None)):
                lines[caller, first.caller.session, bucket, key].reads.append(one)
    return lines


def _read_of(decrypt: Attempt, waiting: Mapping[Sought, _Line], taken: Mapping[int, Attempt]) -> Attempt | None:
    """The read for which S3 asked KMS: by the same session, of the same object, nearest in time, and not taken yet."""
    first = decrypt.first
    if not first.for_s3:
        return None
    sought = ((caller, first.caller.session, first.bucket, first.object_key) for caller in _callers(first))
    lines = [waiting[name] for name in sought if name in waiting]
    found = [one for line in lines if (one := line.nearest(decrypt.at, taken))]
    return min(found, key=lambda one: abs(one.at - decrypt.at), default=None)
