"""Remedies that are proven before they are offered: the smallest change that mends a lock is drafted, and the lock
judged again with it. What does not pass is not offered; then a finding's remedy says what to look at.

Nothing is ever changed by the watchdog itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from threelocks.contract import BucketKeys, Contract
from threelocks.finding import THE_THREE_LOCKS, Finding, Lock, Remedy, Verdict
from threelocks.judge import judge as judge_live
from threelocks.locks import redraft
from threelocks.locks.draft import Draft, drafted, observed
from threelocks.locks.remedy import as_remedy
from threelocks.observation import Encryption, Found, Observation

Judge = Callable[..., Verdict]
Identity = tuple[str, str, str, tuple[str, ...]]

MOST = 20  # judgements, for one lock
ROUNDS = 6  # changes, one after the other


def proven(
    contract: Contract,
    neighbours: tuple[Contract, ...],
    observation: Observation,
    facts: Mapping[str, str],
    verdict: Verdict,
    *,
    judge: Judge = judge_live,
) -> dict[Identity, Remedy]:
    """Proven remedies for findings of this verdict on this observation, by their identities."""
    known = {**facts, **dict(verdict.facts)}
    found: dict[Identity, Remedy] = {}
    for lock in THE_THREE_LOCKS:
        here = tuple(one for one in verdict.findings if one.lock is lock)
        if here:
            bench = _Bench(contract, neighbours, observation, known, judge, here)
            found |= {**bench.settings(), **bench.policies(lock)}
    return found


@dataclass(slots=True)
class _Bench:
    """One lock, what is off with it, and how often it may still be judged again."""

    contract: Contract
    neighbours: tuple[Contract, ...]
    observation: Observation
    facts: Mapping[str, str]
    judge: Judge
    findings: tuple[Finding, ...]
    left: int = MOST

    def policies(self, lock: Lock) -> dict[Identity, Remedy]:
        """One remedy for all findings of the lock that a change of its policies mends."""
        draft = drafted(self.observation, lock) if any(map(redraft.is_of_policies, self.findings)) else None
        if draft is None:
            return {}
        began, now, given_up = draft, self.findings, set[Identity]()
        for _ in range(ROUNDS):
            todo = [one for one in now if redraft.is_of_policies(one) and one.identity not in given_up]
            if not todo:
                break
            better = self._better(draft, now, todo[0])
            if better is None:
                given_up.add(todo[0].identity)
            else:
                draft, now = better
        gone = {one.identity for one in self.findings} - {one.identity for one in now}
        if draft == began or not gone:
            return {}
        remedy = as_remedy(self.contract, draft, _proof(lock, now))
        return dict.fromkeys(sorted(gone), remedy)

    def _better(
        self, draft: Draft, now: tuple[Finding, ...], finding: Finding
    ) -> tuple[Draft, tuple[Finding, ...]] | None:
        """The first of the drafts that brings nothing new and takes the finding away, or some of it."""
        for one in redraft.drafts(self.contract, self.neighbours, draft, finding):
            after = self._judged(observed(self.observation, one), finding.lock)
            if after is None:
                return None
            if _is_progress(after, now, finding):
                return one, after
        return None

    def settings(self) -> dict[Identity, Remedy]:
        """What is no policy: the remedies are those of the findings, and are proven here."""
        found = {}
        for finding in self.findings:
            changed = _with_setting(self.contract, self.observation, finding)
            after = self._judged(changed, finding.lock) if changed and finding.remedy else None
            if after is not None and finding.remedy and _is_progress(after, self.findings, finding):
                found[finding.identity] = replace(finding.remedy, proof=_proof(finding.lock, after))
        return found

    def _judged(self, observation: Observation, lock: Lock) -> tuple[Finding, ...] | None:
        """The lock's findings; None when it was judged often enough."""
        if not self.left:
            return None
        self.left -= 1
        verdict = self.judge(self.contract, self.neighbours, observation, self.facts)
        return tuple(one for one in verdict.findings if one.lock is lock)


def _is_progress(after: Iterable[Finding], before: Iterable[Finding], finding: Finding) -> bool:
    """Whether nothing came that was not there, and the finding went, shrank, or is due to other statements."""
    was: dict[tuple[str, str, str], set[str]] = {}
    for one in before:
        was.setdefault((one.code, one.resource, one.principal), set()).update(one.actions)
    for one in after:
        known = was.get((one.code, one.resource, one.principal))
        if known is None or not known.issuperset(one.actions):
            return False
        if one.identity == finding.identity and _texts(one) == _texts(finding):
            return False
    return True


def _texts(finding: Finding) -> set[str]:
    return {statement.text for statement in finding.statements}


def _proof(lock: Lock, left: tuple[Finding, ...]) -> str:
    if not left:
        number = THE_THREE_LOCKS.index(lock) + 1
        return f"judged again with it, lock {number} ({lock.value.replace('_', ' ')}) is as agreed"
    return "judged again with it, this is no longer so; what else is off stays"


def _with_setting(contract: Contract, observation: Observation, finding: Finding) -> Observation | None:
    """What would be read once a setting is as its remedy puts it."""
    alone = Observation(observation.account, observation.began)
    bucket, key = observation.bucket, observation.key
    if finding.code in ("key.disabled", "key.pending-deletion") and key and isinstance(key.metadata, Found):
        enabled = replace(key.metadata.value, state="Enabled", deletion_date=None)
        return replace(alone, key=replace(key, metadata=Found(enabled)))
    if finding.code in ("bucket.wrong-encryption", "bucket.not-encrypted-as-agreed") and bucket:
        on = contract.premises.bucket_keys is BucketKeys.ON
        return replace(
            alone, bucket=replace(bucket, encryption=Found(Encryption("aws:kms", contract.key, bucket_key=on)))
        )
    return None


def offering(verdict: Verdict, remedies: Mapping[Identity, Remedy]) -> Verdict:
    """The verdict with these remedies in place of those that its findings came with."""
    return replace(
        verdict,
        findings=tuple(replace(one, remedy=remedies.get(one.identity, one.remedy)) for one in verdict.findings),
    )
