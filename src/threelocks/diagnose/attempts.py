"""Which records are of one request: both accounts' copies of it, and the Decrypt that S3 asked for in its course."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    joined = {id(one): [one] for one in of_s3}
    alone = []
    by_caller = _by_caller(of_s3)
    for decrypt in of_kms:
        partner = _partner(decrypt, by_caller, joined)
        if partner is None:
            alone.append(decrypt)
        else:
            joined[id(partner)].append(decrypt)
    whole = [Attempt(tuple(denial for one in group for denial in one.denials)) for group in joined.values()]
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


Session = tuple[str, str]


def _sessions(denial: Denial) -> Iterator[Session]:
    """What a caller goes by: the owner's copy has only the unique id, others may have only the name."""
    caller = denial.caller
    for name in (caller.unique_id, f"{caller.account}/{caller.role_name}" if caller.role_name else ""):
        if name:
            yield (name, caller.session)


def _by_caller(ordered: Sequence[Attempt]) -> Mapping[Session, list[Attempt]]:
    groups: dict[Session, list[Attempt]] = {}
    for one in ordered:
        for session in dict.fromkeys(name for denial in one.denials for name in _sessions(denial)):
            groups.setdefault(session, []).append(one)
    return groups


def _partner(
    decrypt: Attempt, by_caller: Mapping[Session, list[Attempt]], joined: Mapping[int, list[Attempt]]
) -> Attempt | None:
    """The read for which S3 asked KMS: by the same session, of the same object, nearest in time, and not taken yet."""
    if not decrypt.first.for_s3:
        return None
    candidates = [one for session in _sessions(decrypt.first) for one in _near(by_caller.get(session, []), decrypt.at)]
    fitting = [one for one in candidates if len(joined[id(one)]) == 1 and _same_object(one, decrypt.first)]
    return min(fitting, key=lambda one: abs(one.at - decrypt.at), default=None)


def _near(ordered: Sequence[Attempt], at: datetime) -> Sequence[Attempt]:
    start = bisect_left(ordered, at - TOGETHER, key=lambda one: one.at)
    end = bisect_left(ordered, at + TOGETHER, key=lambda one: one.at)
    return [one for one in ordered[start : end + 1] if abs(one.at - at) <= TOGETHER]


def _same_object(attempt: Attempt, decrypt: Denial) -> bool:
    """A Decrypt names the object or, under S3 Bucket Keys, the bucket; on denial perhaps neither."""
    read = attempt.of_s3
    if read is None or read.action == "s3:ListBucket":
        return False
    if decrypt.bucket and decrypt.bucket != read.bucket:
        return False
    return decrypt.object_key is None or decrypt.object_key == read.object_key
