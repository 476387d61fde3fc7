"""Many refused reads -> what is to be diagnosed: by contract, and by what looks alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from threelocks.contract import Contract
from threelocks.diagnose.attempts import Attempt
from threelocks.diagnose.compare import signature_of
from threelocks.diagnose.concern import Match, concerns
from threelocks.diagnose.denial import BadDenialError, Denial, NotDenied, read
from threelocks.diagnose.known import Known
from threelocks.diagnose.records import Misplaced, Placed, Row


@dataclass(frozen=True, slots=True)
class Alike:
    """Attempts that one diagnosis answers."""

    contract: Contract | None  # None: they were read without one
    signature: str
    match: Match
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a heap of records holds."""

    denials: tuple[Denial, ...]
    others: int  # records that tell of no refused read
    wrong: tuple[Misplaced, ...]


def gather(rows: Iterable[Row]) -> Gathered:
    """The refused reads among records."""
    denials: list[Denial] = []
    wrong: list[Misplaced] = []
    others = 0
    for row in rows:
        if isinstance(row, Misplaced):
            wrong.append(row)
            continue
        found = _read(row)
        if isinstance(found, Denial):
            denials.append(found)
        elif isinstance(found, Misplaced):
            wrong.append(found)
        else:
            others += 1
    return Gathered(tuple(denials), others, tuple(wrong))


def _read(row: Placed) -> Denial | NotDenied | Misplaced:
    try:
        return read(row.record)
    except BadDenialError as error:
        return Misplaced(row.place, str(error))


def resources(attempt: Attempt) -> tuple[str, ...]:
    """What an attempt names, as `events` spells it: buckets and keys, or the role where it names neither."""
    named = [name for denial in attempt.denials for name in (denial.bucket, *denial.keys) if name]
    roles = [f"role/{denial.caller.role_name}" for denial in attempt.denials if denial.caller.role_name]
    return tuple(dict.fromkeys(named or roles))


def by_contract(
    attempts: Iterable[Attempt],
    contracts: Callable[[Attempt], Iterable[Contract]],
    role_id: Callable[[Contract], str],
) -> tuple[Alike, ...]:
    """The attempts of each contract, by what looks alike. `contracts` answers those that an attempt may be of."""
    groups: dict[tuple[str, str], tuple[Contract, Match, list[Attempt]]] = {}
    for attempt in attempts:
        for contract in contracts(attempt):
            match = concerns(contract, attempt)
            if match is Match.UNSURE:  # the role's id costs a look-up
                match = concerns(contract, attempt, role_id(contract))
            if match is not Match.NO:
                signature = signature_of(Known(contract), attempt, match)
                groups.setdefault((contract.name, signature), (contract, match, []))[2].append(attempt)
    return tuple(
        Alike(contract, signature, match, tuple(group)) for (_, signature), (contract, match, group) in groups.items()
    )


def without_contract(attempts: Iterable[Attempt]) -> tuple[Alike, ...]:
    """The same without a contract: by caller, bucket and what looks alike."""
    groups: dict[tuple[str, str, str], list[Attempt]] = {}
    for attempt in attempts:
        first = attempt.first
        key = (signature_of(None, attempt), first.caller.unique_id or first.caller.named, first.bucket)
        groups.setdefault(key, []).append(attempt)
    return tuple(Alike(None, signature, Match.YES, tuple(group)) for (signature, _, _), group in groups.items())


def count(alike: Iterable[Alike]) -> int:
    """How many attempts they are, each once."""
    seen: Mapping[int, Attempt] = {id(attempt): attempt for one in alike for attempt in one.attempts}
    return len(seen)
