"""The judgement: contract, neighbours, observation and facts in; verdict out. Pure.

Each account judges the locks that it holds. Across accounts access is an AND of all locks, so the share works exactly
when each lock is open, provided that both sides know the same facts: those travel in the verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from threelocks.contract import Contract
from threelocks.finding import Finding, Lock, LockState, Verdict
from threelocks.locks.bucket_policy import judge_bucket
from threelocks.locks.case import Case
from threelocks.locks.ceiling import judge_ceilings, not_watched
from threelocks.locks.evidence import judge_evidence
from threelocks.locks.identity_policy import judge_identity
from threelocks.locks.key_policy import judge_key
from threelocks.locks.mechanism import mechanisms
from threelocks.locks.oddities import oddities
from threelocks.locks.own_parts import updates
from threelocks.locks.watchdog import judge_contract, judge_watchdog, pinned_of_watchdog
from threelocks.observation import Found, Observation, RoleObservation
from threelocks.policy.witness import Budget


def judge(
    contract: Contract, neighbours: tuple[Contract, ...], observation: Observation, facts: Mapping[str, str]
) -> Verdict:
    """Judge the locks that `observation.account` holds, as of `observation.began`.

    `neighbours` are the other active contracts on the same bucket, key or role: what they agree on is permitted too.
    `facts` are what the other parties reported, by name ("role_id", "has_boundary", "bucket_keys", ...).
    """
    case = Case(contract, neighbours, observation, {**facts, **_facts(observation)})
    findings: list[Finding] = []
    held: list[Lock] = []
    if observation.role is not None:
        held.append(Lock.IDENTITY_POLICY)
        findings += judge_identity(_with_budget(case), observation.role)
    if observation.bucket is not None:
        held.append(Lock.BUCKET_POLICY)
        findings += judge_bucket(_with_budget(case), observation.bucket)
    if observation.key is not None:
        held.append(Lock.KEY_POLICY)
        findings += judge_key(_with_budget(case), observation.key)
    if contract.reads_organization(observation.account):
        held.append(Lock.CEILING)
    findings += judge_ceilings(_with_budget(case))
    findings += judge_contract(case)
    if observation.watchdog is not None:
        held.append(Lock.WATCHDOG)  # the state of this "lock" says that it was looked at
        findings += judge_watchdog(case, observation.watchdog)
    if observation.evidence is not None:
        held.append(Lock.EVIDENCE)
        findings += judge_evidence(case, observation.evidence)
    return Verdict(
        contract=contract.name,
        digest=contract.digest,
        account=observation.account,
        as_of=observation.began,
        locks=tuple(_state(lock, findings, observation) for lock in held),
        findings=tuple(_in_order(findings)),
        facts=tuple(sorted({**_facts(observation), **_named(case, held, findings)}.items())),
        remarks=(*not_watched(case), *_updates(case), *oddities(case)),
        mechanisms=mechanisms(case, observation.key) if observation.key else (),
    )


def _updates(case: Case) -> tuple[str, ...]:
    watchdog = case.observation.watchdog
    return tuple(updates(watchdog, pinned_of_watchdog(case))) if watchdog else ()


def _with_budget(case: Case) -> Case:
    """With a budget of its own for one lock, so that a policy that is too involved hides nothing of the other locks."""
    return replace(case, budget=Budget())


def _state(lock: Lock, findings: list[Finding], observation: Observation) -> LockState:
    kinds = {finding.kind for finding in findings if finding.lock is lock}
    return LockState(lock, observation.account, tuple(sorted(kinds)), observation.began)


def _in_order(findings: list[Finding]) -> list[Finding]:
    """By identity, each once, so that equal situations give equal verdicts."""
    return [finding for _, finding in sorted({finding.identity: finding for finding in findings}.items())]


_RESOURCE_POLICIES = {Lock.BUCKET_POLICY: "bucket_policy_role_id", Lock.KEY_POLICY: "key_policy_role_id"}
_NOT_NAMED = (".dangling-principal", ".no-allow", ".unread", ".not-fully-checked")


def _named(case: Case, held: list[Lock], findings: list[Finding]) -> dict[str, str]:
    """Which role the bucket policy and the key policy were seen to let in: the one of today, by its unique id. A policy
    that was put before a role was made again shows the id of the old one, and lets nobody in.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    role_id = case.facts.get("role_id", "")
    shut = {finding.lock for finding in findings if finding.code.endswith(_NOT_NAMED)}
    of_today = (name for lock, name in _RESOURCE_POLICIES.items() if role_id and lock in held and lock not in shut)
    return dict.fromkeys(of_today, role_id)


def _facts(observation: Observation) -> dict[str, str]:
    """What the other side needs to know of what is here."""
    facts: dict[str, str] = {}
    if isinstance(observation.role, RoleObservation) and isinstance(observation.role.role, Found):
        role = observation.role.role.value
        facts["role_id"] = role.unique_id
        facts["has_boundary"] = "true" if role.boundary_arn else "false"
    if observation.bucket is not None and isinstance(observation.bucket.region, Found):
        facts["bucket_region"] = observation.bucket.region.value
    if observation.bucket is not None and isinstance(observation.bucket.encryption, Found):
        facts["bucket_keys"] = "on" if observation.bucket.encryption.value.bucket_key else "off"
    return facts
