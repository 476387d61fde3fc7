"""What the records show, compared with what is judged: one sentence, how sure, and on what evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from threelocks.contract import Contract
from threelocks.diagnose.attempts import Attempt
from threelocks.diagnose.concern import Match, agreed, is_agreed
from threelocks.diagnose.known import (
    Known,
    State,
    all_findings,
    codes_of,
    is_fresh,
    mended_incident,
    state_of,
    too_early,
)
from threelocks.diagnose.signatures import Reading, Suspect, interpret
from threelocks.diagnose.words import (
    account_of,
    doubts,
    id_of,
    judged_lines,
    limits,
    named,
    names_of,
    reader_of,
    record_lines,
)
from threelocks.finding import Finding, Lock, Share

_IDS = 10  # record ids that a diagnosis names


class Sure(StrEnum):
    CERTAIN = "certain"
    LIKELY = "likely"
    CANNOT_TELL = "cannot tell"


class Judgement(StrEnum):
    """How the live judgement, and the partners' reports, stand to what the records show."""

    AGREES = "agrees"
    CONTRADICTS = "contradicts"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One answer for all attempts that look alike."""

    contract: str  # empty: the records were read without one
    signature: str
    sentence: str
    sure: Sure
    judgement: Judgement
    locks: tuple[Lock, ...]  # held to be shut; empty: it cannot be told, or no lock is
    accounts: tuple[str, ...]  # that hold them
    evidence: tuple[str, ...]  # a line each
    records: tuple[str, ...]  # event ids, the latest last; not all when there are many
    requests: int
    first: datetime
    last: datetime
    request: str  # the last one


NOT_AGREED, WHOSE = "not-agreed", "whose"
"""Signatures of attempts that no lock has to explain: outside the agreement, and by a caller that may be another."""


def signature_of(known: Known | None, attempt: Attempt, match: Match = Match.YES) -> str:
    """What attempts must share to be answered by one diagnosis. Known before anything is read or judged."""
    if match is Match.UNSURE:
        return WHOSE
    if known and not agreed(known.contract, attempt):
        return NOT_AGREED
    reading = interpret(attempt)
    return f"{reading.action}/{reading.signature.name}"


def diagnose(known: Known | None, alike: Sequence[Attempt], match: Match = Match.YES) -> Diagnosis:
    """The diagnosis of attempts that have the same signature, from the last of them."""
    last = max(alike, key=lambda attempt: attempt.at)
    answer = _answer(known, last, match)
    denials = [denial for attempt in alike for denial in attempt.denials]
    ids = [denial.event_id for denial in sorted(denials, key=lambda denial: denial.at) if denial.event_id]
    return Diagnosis(
        contract=known.contract.name if known else "",
        signature=signature_of(known, last, match),
        sentence=answer.sentence,
        sure=answer.sure,
        judgement=answer.judgement,
        locks=tuple(dict.fromkeys(suspect.lock for suspect in answer.shut)),
        accounts=tuple(dict.fromkeys(name for suspect in answer.shut if (name := account_of(known, last, suspect)))),
        evidence=(*record_lines(known, last), *answer.evidence),
        records=tuple(ids[-_IDS:]),
        requests=len(alike),
        first=min(attempt.at for attempt in alike),
        last=max(attempt.at for attempt in alike),
        request=f"{last.first.request} by {_by(known, last, match)}",
    )


def _by(known: Known | None, attempt: Attempt, match: Match) -> str:
    """Who asked; by the role's name too, where a record has only its id and it is known whose that is."""
    caller = next((one.caller for one in attempt.denials if one.caller.role_name), attempt.first.caller)
    is_known = known is not None and match is Match.YES and not caller.role_name
    return f"{known.contract.role_name}, {caller.named}" if known and is_known else caller.named


@dataclass(frozen=True, slots=True)
class _Answer:
    sentence: str
    sure: Sure
    judgement: Judgement
    shut: tuple[Suspect, ...] = ()
    evidence: tuple[str, ...] = ()


def _answer(known: Known | None, attempt: Attempt, match: Match) -> _Answer:
    if match is Match.UNSURE:
        return _whose(known, attempt)
    if known and not agreed(known.contract, attempt):
        return _not_agreed(known.contract, attempt)
    reading = interpret(attempt)
    if not reading.signature.suspects:
        return _no_lock(known, attempt, reading)
    if known is None or known.share is None:
        return _unjudged(known, attempt, reading)
    return _compared(known, known.share, attempt, reading)


def _whose(known: Known | None, attempt: Attempt) -> _Answer:
    caller = attempt.first.caller
    role = known.contract.role_name if known else "the role"
    holder = named(known, known.contract.consumer.account) if known else "its account"
    names_role = bool(caller.role_arn or caller.role_name)
    why = (
        f"{caller.named} was refused, and it cannot be told whether that is {role}: the record names the caller by "
        f"an id alone, and {holder} has not reported the id of {role}"
        if caller.unique_id and not names_role
        else f"{caller.named} was refused, and the record {attempt.first.event_id} does not name "
        f"{'what was asked for' if names_role else 'who asked'}"
    )
    return _Answer(why, Sure.CANNOT_TELL, Judgement.CANNOT_TELL)


def _not_agreed(contract: Contract, attempt: Attempt) -> _Answer:
    wrong = next(denial for denial in attempt.denials if not is_agreed(contract, denial))
    shared = ", ".join(contract.prefixes[:3]) if contract.prefixes != ("",) else "the whole bucket"
    return _Answer(
        f"no lock has to be open for this: {wrong.request} is not part of the agreed share, which is "
        f"{', '.join(contract.actions)} on {shared}",
        Sure.CERTAIN,
        Judgement.CANNOT_TELL,
    )


def _no_lock(known: Known | None, attempt: Attempt, reading: Reading) -> _Answer:
    reader = reader_of(known, attempt)
    shows = f"record {id_of(reading.by)} {reading.signature.shows}"
    if reading.signature.name.startswith("unknown"):
        text = f"it cannot be told what refused {reader}: {shows} (`{reading.by.code}`)"
        return _Answer(text, Sure.CANNOT_TELL, Judgement.CANNOT_TELL)
    return _Answer(f"no lock refused {reader}: {shows}", Sure.CERTAIN, Judgement.CANNOT_TELL)


def _unjudged(known: Known | None, attempt: Attempt, reading: Reading) -> _Answer:
    shows = f"record {id_of(reading.by)} {reading.signature.shows}"
    if len(reading.signature.suspects) == 1:
        shut = reading.signature.suspects
        text = f"{reader_of(known, attempt)} is refused by {names_of(known, attempt, shut)}: certain, since {shows}"
        return _Answer(text, Sure.CERTAIN, Judgement.CANNOT_TELL, shut, limits(reading))
    text = (
        f"it cannot be told which lock refuses {reader_of(known, attempt)}: {shows}, and only a live judgement tells "
        "them apart"
    )
    return _Answer(text, Sure.CANNOT_TELL, Judgement.CANNOT_TELL, (), limits(reading))


def _compared(known: Known, share: Share, attempt: Attempt, reading: Reading) -> _Answer:
    states = {
        suspect: state_of(known, share, suspect, reading.action, attempt.at) for suspect in reading.signature.suspects
    }
    shows = f"record {id_of(reading.by)} {reading.signature.shows}"
    evidence = (
        *limits(reading),
        *judged_lines(share, states, reading.action),
        *doubts(known, attempt, reading, states),
    )
    decide = _decide_named if len(states) == 1 else _decide_among
    return decide(known, attempt, _Case(states, shows, evidence, all_findings(share, states, reading.action)))


@dataclass(frozen=True, slots=True)
class _Case:
    states: Mapping[Suspect, State]
    shows: str
    evidence: tuple[str, ...]
    findings: tuple[Finding, ...]  # of the suspects that are judged shut

    def those(self, state: State) -> tuple[Suspect, ...]:
        return tuple(suspect for suspect, is_in in self.states.items() if is_in is state)


def _decide_named(known: Known, attempt: Attempt, case: _Case) -> _Answer:
    """AWS names one cause: the record is certain, whatever is judged now."""
    ((suspect, state),) = case.states.items()
    is_refused = f"{reader_of(known, attempt)} is refused by {names_of(known, attempt, (suspect,))}"
    if state is State.SHUT:
        text = f"{is_refused}: certain, since {case.shows}, and the live judgement agrees ({codes_of(case.findings)})"
        return _Answer(text, Sure.CERTAIN, Judgement.AGREES, (suspect,), case.evidence)
    if state is not State.OPEN:
        older = "is older than the request" if state is State.BEFORE else "does not know it"
        text = f"{is_refused}: certain, since {case.shows}; the live judgement {older}"
        return _Answer(text, Sure.CERTAIN, Judgement.CANNOT_TELL, (suspect,), case.evidence)
    mended = mended_incident(known, attempt, suspect)
    if mended:
        was = is_refused.replace(" is refused", " was refused", 1)
        closed = f"closed {mended.closed:%Y-%m-%d %H:%M:%S} UTC"
        text = f"{was}: certain, since {case.shows}; it is open now, and its account's incident was {closed}"
        return _Answer(text, Sure.CERTAIN, Judgement.AGREES, (suspect,), case.evidence)
    text = (
        f"{is_refused}: likely, since {case.shows}, but the live judgement finds it open; it was changed since, or "
        "refuses under conditions that were not judged"
    )
    return _Answer(text, Sure.LIKELY, Judgement.CONTRADICTS, (suspect,), case.evidence)


# Findings about part of what is shared: they need not be about the request at hand.
_PARTIAL = frozenset({"identity.explicit-deny", "bucket.explicit-deny", "key.explicit-deny", "bucket.wrong-encryption"})


def _decide_among(known: Known, attempt: Attempt, case: _Case) -> _Answer:
    """AWS names no cause: the judgement is what tells."""
    shut, unknown = case.those(State.SHUT), case.those(State.UNKNOWN)
    reader = reader_of(known, attempt)
    if not shut:
        return _none_shut(known, attempt, case)
    which = names_of(known, attempt, shut)
    agrees = f"{case.shows}, and the live judgement finds"
    if too_early(known, attempt, shut):
        text = (
            f"it cannot be told which lock refused {reader}: {case.shows}, and the live judgement finds {which} shut, "
            "but only since later"
        )
        return _Answer(text, Sure.CANNOT_TELL, Judgement.CANNOT_TELL, (), case.evidence)
    codes = codes_of(case.findings)
    one_whole_lock = len(shut) == 1 and not unknown and not _PARTIAL & {finding.code for finding in case.findings}
    surely = one_whole_lock and is_fresh(known, shut[0], attempt.at)
    sure = Sure.CERTAIN if surely else Sure.LIKELY
    only = "only that" if len(shut) == 1 and not unknown else ("that" if len(shut) == 1 else "each of them")
    text = f"{reader} is refused by {which}: {sure}, since {agrees} {only} shut ({codes})"
    return _Answer(text, sure, Judgement.AGREES, shut, case.evidence)


def _none_shut(known: Known, attempt: Attempt, case: _Case) -> _Answer:
    reader, unknown = reader_of(known, attempt), case.those(State.UNKNOWN)
    before = case.those(State.BEFORE)
    mended = {suspect: past for suspect in case.states if (past := mended_incident(known, attempt, suspect))}
    if len(mended) == 1 and not unknown and not before:
        ((suspect, past),) = mended.items()
        text = (
            f"{reader} was refused by {names_of(known, attempt, (suspect,))}: likely, since {case.shows}, and of these "
            f"only that one's account had an incident then, closed {past.closed:%Y-%m-%d %H:%M:%S} UTC"
        )
        return _Answer(text, Sure.LIKELY, Judgement.AGREES, (suspect,), case.evidence)
    if unknown:
        text = (
            f"it cannot be told which lock refuses {reader}: {case.shows}, and the live judgement does not know "
            f"{names_of(known, attempt, unknown)}"
        )
        return _Answer(text, Sure.CANNOT_TELL, Judgement.CANNOT_TELL, (), case.evidence)
    if before:
        text = (
            f"it cannot be told which lock refuses {reader}: {case.shows}, and none is judged shut, but "
            f"{names_of(known, attempt, before)} was last reported before the request"
        )
        return _Answer(text, Sure.CANNOT_TELL, Judgement.CANNOT_TELL, (), case.evidence)
    text = (
        f"it cannot be told what refuses {reader}: {case.shows}, and the live judgement finds each of them open; "
        "what is left is a ceiling, a condition that was not judged, or a change since"
    )
    return _Answer(text, Sure.CANNOT_TELL, Judgement.CONTRADICTS, (), case.evidence)
