"""What is known of a contract besides the records: the live judgement, the partners' reports, and past incidents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from threelocks.contract import Contract
from threelocks.diagnose.attempts import Attempt
from threelocks.diagnose.signatures import Suspect
from threelocks.finding import Finding, Kind, Lock, LockState, Share
from threelocks.report import Incident, holders

# How long policies, and grants, take to hold everywhere: https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
LAG = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Known:
    """What a contract's share looks like from here: the live judgement with the partners' reports, and incidents."""

    contract: Contract
    share: Share | None = None  # None: nothing was judged
    incidents: tuple[Incident, ...] = ()  # every party's last


class State(StrEnum):
    SHUT = "shut"
    OPEN = "open"
    BEFORE = "open before the request"  # as its holder reported then: it may have been changed since
    UNKNOWN = "not known"


def state_of(known: Known, share: Share, suspect: Suspect, action: str, at: datetime) -> State:
    """How a suspect stood for a request at that time, as far as is known."""
    if findings_of(share, suspect, action):
        return State.SHUT
    if suspect.lock is Lock.CEILING:
        return State.UNKNOWN  # open only where it was watched, which a share does not say
    state = _lock_state(known, share, suspect)
    if state is None or Kind.UNREAD in state.kinds:
        return State.UNKNOWN
    return State.OPEN if state.as_of >= at else State.BEFORE


def is_fresh(known: Known, suspect: Suspect, at: datetime) -> bool:
    """Whether the suspect's lock was looked at after that time."""
    state = _lock_state(known, known.share, suspect) if known.share else None
    return state is not None and state.as_of >= at


def _lock_state(known: Known, share: Share, suspect: Suspect) -> LockState | None:
    holder = holders(known.contract).get(suspect.lock)  # nobody's, of a ceiling: several may see some
    return next((state for state in share.locks if (state.lock, state.account) == (suspect.lock, holder)), None)


def findings_of(share: Share, suspect: Suspect, action: str) -> tuple[Finding, ...]:
    """What is judged shut of a suspect, for this action. What is waived refuses all the same."""
    return tuple(
        finding
        for finding in (*share.findings, *share.waived)
        if finding.kind is Kind.SHUT
        and finding.lock is suspect.lock
        and (not suspect.codes or finding.code in suspect.codes)
        and (not finding.actions or action in _widened(finding.actions))
    )


def _widened(actions: tuple[str, ...]) -> frozenset[str]:
    """Any read of an object asks for its Decrypt, so what shuts Decrypt refuses GetObject."""
    return frozenset(actions) | ({"s3:GetObject"} if "kms:Decrypt" in actions else set())


def all_findings(share: Share, states: Mapping[Suspect, State], action: str) -> tuple[Finding, ...]:
    found = (finding for suspect in states for finding in findings_of(share, suspect, action))
    return tuple({finding.identity: finding for finding in found}.values())


def codes_of(findings: Iterable[Finding]) -> str:
    return ", ".join(dict.fromkeys(finding.code for finding in findings))


def _incident(known: Known, suspect: Suspect) -> Incident | None:
    holder = holders(known.contract).get(suspect.lock)
    return next((incident for incident in known.incidents if incident.account == holder), None)


def mended_incident(known: Known, attempt: Attempt, suspect: Suspect) -> Incident | None:
    """The incident of the suspect's holder that is closed by now, and was open at the time of the attempt."""
    incident = _incident(known, suspect)
    if incident is None or incident.closed is None:
        return None
    return incident if incident.opened - LAG <= attempt.at <= incident.closed + LAG else None


def too_early(known: Known, attempt: Attempt, shut: Sequence[Suspect]) -> bool:
    """Whether the request was refused before any of these was shut, as far as is known."""
    found = [_incident(known, suspect) for suspect in shut]
    return bool(found) and all(one is not None and attempt.at < one.opened - LAG for one in found)
