"""What comes of refused reads: whose they are, one diagnosis for what looks alike, held against a live check, and told.

Refusals come in floods, so everything is bounded: a contract's diagnosis of one signature is made once a window,
whoever asks, and mailed once for each incident. Records of no contract cost one look-up in the table.

What was told of the share is not touched: a diagnosis is a mail beside the alerts, never one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from threelocks.alert.diagnosis import diagnosis_mail
from threelocks.contract import Contract
from threelocks.diagnose import (
    NOT_AGREED,
    WHOSE,
    Alike,
    Attempt,
    Denial,
    Diagnosis,
    Gathered,
    Known,
    Sure,
    attempts,
    diagnose,
    gather,
    unwrap,
)
from threelocks.diagnose.groups import by_contract, count, resources
from threelocks.finding import Cause, Share
from threelocks.ports import Ledger, Mailer, Store
from threelocks.report import Incident, MalformedError, decode, encode
from threelocks.state import State

Check = Callable[[str, Cause], Share]
"""Check a contract live. Raises what `watch.Watch.check` raises."""

# How long who claimed a diagnosis may take: longer than the function's timeout, shorter than its queue's visibility.
LEASE = timedelta(minutes=2)
WINDOW = timedelta(hours=1)  # one diagnosis of a contract and signature
AGAIN = timedelta(minutes=5)  # where it could not be told: a partner's report may tell soon
SHOWN_FOR = timedelta(days=1)  # in the answer of a re-check
TOLD_FOR = timedelta(days=90)  # an incident's diagnosis is not mailed again

KIND = "denied"
"""The cause of a check that a refused read asked for."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """The answer to somebody who brought records."""

    diagnoses: tuple[Diagnosis, ...]
    others: int  # refused requests of no contract here
    gathered: Gathered


@dataclass(frozen=True)
class Inquiry:
    """One account's inquiries, for the length of one invocation: what the table says of a contract is read once."""

    account: str
    store: Store
    ledger: Ledger
    mailer: Mailer
    check: Check
    now: Callable[[], datetime]
    recheck: str = "threelocks-recheck"
    _role_ids: dict[str, str] = field(default_factory=dict)

    def sort(self, denials: Iterable[Denial]) -> tuple[Alike, ...]:
        """The refused reads of contracts of ours, by contract and by what looks alike."""
        return by_contract(attempts(denials), self._contracts, self._role_id)

    def inquire(self, alike: Alike) -> Diagnosis | None:
        """Diagnose, keep the answer, and mail it while an incident is open; None when it was done within the window.

        Raises what the check, the table or the topic raised; another try then starts anew.
        """
        contract, claim = _contract(alike), f"SEEN#{alike.signature}"
        now = self.now()
        if not self.ledger.claim(contract.name, claim, now=now, until=now + LEASE):
            return None
        try:
            answer, share = self._answer(alike, contract)
            self._tell(contract, answer, share)
        except Exception:
            self.ledger.keep(contract.name, claim, until=now, expires=now)
            raise
        window = AGAIN if share and answer.sure is Sure.CANNOT_TELL else WINDOW
        self.ledger.keep(contract.name, claim, until=now + window, expires=now + SHOWN_FOR, body=encode(answer))
        return answer

    def by_hand(self, value: Any, only: str | None = None) -> ByHand:
        """Diagnose records that somebody brought, against a live check of each contract; nothing is kept or mailed.
        `only` is the one contract to ask about. Raises what the check raises."""
        gathered = gather(unwrap(value))
        found = attempts(gathered.denials)
        alike = [
            one
            for one in by_contract(found, self._contracts, self._role_id)
            if only is None or _contract(one).name == only
        ]
        answers = tuple(self._answer(one, _contract(one))[0] for one in alike)
        return ByHand(answers, len(found) - count(alike), gathered)

    def lately(self, contract: str) -> tuple[Diagnosis, ...]:
        """The last diagnoses of a contract, the newest first; what an older version wrote is left out."""
        found = []
        for body in self.ledger.kept(contract, prefix="SEEN#", now=self.now()):
            try:
                found.append(decode(Diagnosis, body))
            except MalformedError:
                continue
        return tuple(sorted(found, key=lambda one: one.last, reverse=True))

    def _answer(self, alike: Alike, contract: Contract) -> tuple[Diagnosis, Share | None]:
        if alike.signature in {NOT_AGREED, WHOSE}:
            return diagnose(Known(contract), alike.attempts, alike.match), None  # nothing to check
        last = max(attempt.at for attempt in alike.attempts)
        share = self.check(contract.name, Cause(KIND, at=min(last, self.now()), account=self.account))
        incidents = _incidents(self.store.state(contract.name))
        return diagnose(Known(contract, share, incidents), alike.attempts, alike.match), share

    def _tell(self, contract: Contract, answer: Diagnosis, share: Share | None) -> None:
        """Once for each open incident and signature. An answer that names nothing is in the re-check only; so is any
        while the share is suspended, since refusing is what was meant."""
        if share is None or share.suspended or not answer.locks or answer.sure is Sure.CANNOT_TELL:
            return
        incidents = _incidents(self.store.state(contract.name))
        incident = next((one for one in incidents if one.closed is None), None)
        if incident is None:
            return
        claim, now = f"TOLD#{incident.id}#{answer.signature}", self.now()
        if not self.ledger.claim(contract.name, claim, now=now, until=now + LEASE):
            return
        mail = diagnosis_mail(
            contract, answer, incident, standing=share.headline, account=self.account, recheck=self.recheck
        )
        try:
            self.mailer.send(mail.subject, mail.body, mail.attributes)
        except Exception:
            self.ledger.keep(contract.name, claim, until=now, expires=now)
            raise
        self.ledger.keep(contract.name, claim, until=now + TOLD_FOR, expires=now + TOLD_FOR)

    def _contracts(self, attempt: Attempt) -> tuple[Contract, ...]:
        found = (self.store.contract(name) for name in self.store.touching(resources(attempt)))
        return tuple(contract for contract in found if contract)

    def _role_id(self, contract: Contract) -> str:
        """The role's unique id, as its holder has seen it; empty when that is not known here."""
        if contract.name not in self._role_ids:
            self._role_ids[contract.name] = _role_id(contract, self.store.state(contract.name))
        return self._role_ids[contract.name]


def shared(check: Check) -> Check:
    """The check, made once for each contract."""
    made: dict[str, Share] = {}

    def once(name: str, cause: Cause) -> Share:
        if name not in made:
            made[name] = check(name, cause)
        return made[name]

    return once


def _contract(alike: Alike) -> Contract:
    assert alike.contract is not None  # what is sorted here has one
    return alike.contract


def _role_id(contract: Contract, state: State | None) -> str:
    verdicts = [state.own, *(received.report.verdict for received in state.reports)] if state else []
    for verdict in verdicts:
        if verdict and verdict.account == contract.consumer.account:
            return dict(verdict.facts).get("role_id", "")
    return ""


def _incidents(state: State | None) -> tuple[Incident, ...]:
    """Every party's last incident."""
    if state is None:
        return ()
    reported = (received.report.incident for received in state.reports)
    return tuple(incident for incident in (state.incident, *reported) if incident)
