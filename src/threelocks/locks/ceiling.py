"""What can only say no: service control policies, resource control policies, VPC endpoint and session policies.

Whoever can read one judges it; one that nobody watches is a remark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from threelocks.finding import Finding, Lock, Remedy
from threelocks.locks.ask import Failure, Layered
from threelocks.locks.case import About, Case, parse, unread
from threelocks.locks.findings import open_findings
from threelocks.observation import Found, NamedPolicy, PolicyLevel, Source, Unreadable
from threelocks.policy.authorize import Layer, Policies
from threelocks.policy.document import Document


@dataclass(frozen=True, slots=True)
class _Ceiling:
    layer: Layer
    name: str  # among people
    source: Source[tuple[PolicyLevel, ...]] | None


def judge_ceilings(case: Case) -> list[Finding]:
    """What the ceilings that were read refuse."""
    findings: list[Finding] = []
    for ceiling in _ceilings(case):
        findings += _findings(case, ceiling)
    return findings


def not_watched(case: Case) -> tuple[str, ...]:
    """A remark, where ceilings that might say no were not read."""
    unwatched = [ceiling.name for ceiling in _ceilings(case) if ceiling.source is None]
    return (f"ceilings not watched: {', '.join(unwatched)}",) if unwatched else ()


def _ceilings(case: Case) -> Iterable[_Ceiling]:
    """Each party sees the ceilings over its own account: the consumer the caller's, the owner the resource's."""
    observed, account = case.observation.ceilings, case.observation.account
    if account == case.contract.consumer.account:
        yield _Ceiling(Layer.SERVICE_CONTROL_POLICY, "service control policies", observed.scps)
        yield _Ceiling(Layer.VPC_ENDPOINT_POLICY, "VPC endpoint policy", _single(observed.endpoint))
        yield _Ceiling(Layer.SESSION_POLICY, "session policy", _single(observed.session))
    if account in (case.contract.owner.account, case.contract.key_account):
        yield _Ceiling(Layer.RESOURCE_CONTROL_POLICY, "resource control policies", observed.rcps)


def _single(source: Source[NamedPolicy] | None) -> Source[tuple[PolicyLevel, ...]] | None:
    return Found((PolicyLevel("", (source.value,)),)) if isinstance(source, Found) else source


def _findings(case: Case, ceiling: _Ceiling) -> list[Finding]:
    account = case.observation.account
    about = About(Lock.CEILING, account, f"{ceiling.name} over account {account}", f"the {ceiling.name}")
    if isinstance(ceiling.source, Unreadable):
        return unread(case, about, [ceiling.source])
    if not isinstance(ceiling.source, Found):
        return []
    parsed = [parse(about, _labelled(ceiling, level)) for level in ceiling.source.value]
    findings = [finding for level in parsed for finding in level.findings]
    if not all(level.whole for level in parsed):
        return findings
    levels = tuple(level.documents for level in parsed)
    layered = Layered(
        needed=tuple(((ceiling.layer, documents),) for documents in levels),
        policies=_policies(ceiling.layer, levels),
    )
    return findings + open_findings(case, about, layered, _covered(case, ceiling.layer), partial(_raise, about))


def _labelled(ceiling: _Ceiling, level: PolicyLevel) -> Iterable[tuple[str, NamedPolicy]]:
    label = f"{ceiling.layer} of {level.target}" if level.target else str(ceiling.layer)
    return ((f"{label} `{policy.name}`", policy) for policy in level.policies)


def _policies(layer: Layer, levels: tuple[tuple[Document, ...], ...]) -> Policies:
    if layer is Layer.SERVICE_CONTROL_POLICY:
        return Policies(scps=levels)
    if layer is Layer.RESOURCE_CONTROL_POLICY:
        return Policies(rcps=levels)
    if layer is Layer.VPC_ENDPOINT_POLICY:
        return Policies(endpoint=levels[0][0] if levels[0] else None)
    return Policies(session=levels[0])


def _covered(case: Case, layer: Layer) -> list[str]:
    """The actions that pass below the ceiling: an S3 endpoint sees no KMS call, RCPs bind the resource's account."""
    actions: list[str] = list(case.contract.actions)
    if layer is Layer.VPC_ENDPOINT_POLICY:
        return [action for action in actions if action.startswith("s3:")]
    if layer is Layer.RESOURCE_CONTROL_POLICY:
        account = case.observation.account
        holds = {"s3": case.contract.owner.account == account, "kms": case.contract.key_account == account}
        return [action for action in actions if holds[action.partition(":")[0]]]
    return actions


def _raise(about: About, _: str, failed: Sequence[Failure]) -> Remedy:
    names = dict.fromkeys(s.sid or s.document for failure in failed for s in failure.statements)
    which = f" ({', '.join(names)})" if names else ""
    return Remedy(
        about.account,
        f"Ask whoever manages {about.name}{which} to let the agreed requests pass; nothing in either account can "
        "override it.",
    )
