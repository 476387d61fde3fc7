"""From what the two questions answer to findings: codes, sentences, remedies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from threelocks.finding import Finding, Kind, Lock, Remedy, Scope, Witness
from threelocks.locks.ask import Escape, Failure, Layered, escapes, failures
from threelocks.locks.case import AREA, Case, statement_refs
from threelocks.locks.terms import keys_in_play, required
from threelocks.policy.actions import carries
from threelocks.policy.authorize import Layer
from threelocks.policy.box import Box, Literal, Reading, boxes
from threelocks.policy.document import Document
from threelocks.policy.space import ABSENT, Binding, CallerSpace, Free, Group, Space, View
from threelocks.policy.witness import UndecidedError


@dataclass(frozen=True, slots=True)
class About:
    """Which lock a finding is about, who holds it, and on what."""

    lock: Lock
    account: str
    resource: str
    name: str  # "the bucket policy"


# --- open -------------------------------------------------------------------------------------------------------------

# Code and kind of a failure, by the layer that decides; everything else goes by the lock's own area.
_BY_LAYER = {
    Layer.PERMISSIONS_BOUNDARY: "identity.boundary",
    Layer.SESSION_POLICY: "ceiling.session-policy",
    Layer.SERVICE_CONTROL_POLICY: "ceiling.scp",
    Layer.RESOURCE_CONTROL_POLICY: "ceiling.rcp",
    Layer.VPC_ENDPOINT_POLICY: "ceiling.vpc-endpoint",
}
_TOKEN_AGE = "aws:tokenissuetime"  # noqa: S105 - a condition key's name


def code_of(failure: Failure, area: str) -> str:
    if failure.kind is Kind.UNREAD:
        return f"{area}.not-fully-checked"
    if failure.kind is Kind.RISK:
        by_age = any(c.key == _TOKEN_AGE for s in failure.statements for c in s.conditions)
        return "identity.sessions-revoked" if area == "identity" and by_age else f"{area}.conditional"
    if failure.layer in _BY_LAYER:
        return _BY_LAYER[failure.layer]
    return f"{area}.explicit-deny" if failure.denied else f"{area}.no-allow"


def open_findings(
    case: Case, about: About, layered: Layered, actions: Iterable[str], remedy: Callable[[str, Failure], Remedy]
) -> list[Finding]:
    """What keeps required requests from passing this lock, one finding per code."""
    by_code: dict[str, list[Failure]] = {}
    for one in required(case, layered.documents, actions):
        for failure in failures(one, layered, case.budget):
            by_code.setdefault(code_of(failure, AREA[about.lock]), []).append(failure)
    return [_open_finding(case, about, code, failed, remedy) for code, failed in by_code.items()]


def _open_finding(
    case: Case, about: About, code: str, failed: list[Failure], remedy: Callable[[str, Failure], Remedy]
) -> Finding:
    first = failed[0]
    actions = tuple(sorted({one.required.action for one in failed}))
    statements = dict.fromkeys(statement for one in failed for statement in one.statements)
    return Finding(
        code=code,
        kind=first.kind,
        lock=about.lock,
        account=about.account,
        resource=about.resource,
        principal=case.contract.role,
        actions=actions,
        detail=_sentence(about, code, first, actions),
        witness=first.witness,
        statements=statement_refs(statements),
        remedy=remedy(code, first),
    )


def _sentence(about: About, code: str, failure: Failure, actions: tuple[str, ...]) -> str:
    what = ", ".join(actions)
    if failure.kind is Kind.UNREAD:
        return f"whether {about.name} lets {what} pass is not known: {failure.reason}"
    if failure.kind is Kind.RISK:
        return f"{about.name} lets {what} pass only under conditions that the contract does not fix{_context(failure)}"
    if code.endswith(".explicit-deny"):
        return f"a Deny in {about.name} refuses {what}"
    if failure.layer in _BY_LAYER:
        return f"the {failure.layer} {'refuses' if failure.denied else 'does not allow'} {what}"
    return f"no statement of {about.name} allows {what}"


def _context(failure: Failure) -> str:
    return f" (context `{failure.required.context}`)" if failure.required.context else ""


# --- narrow -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Universe:
    """One kind of request that a lock might let through beyond what is agreed."""

    label: str  # how a finding calls the principals
    caller: CallerSpace
    groups: dict[str, Group]
    resource: View
    resource_account: str
    actions: tuple[str, ...]
    keys: dict[str, Binding]
    must: tuple[Literal, ...] = ()
    scope: Scope = Scope.SHARE


def escapes_of(
    case: Case, universe: Universe, layered: Layered, allowed: Document, further: Callable[[Space], tuple[Box, ...]]
) -> list[Escape]:
    """Requests of the universe that pass without being permitted. Raises UndecidedError."""
    keys = keys_in_play((*layered.documents, allowed))
    found = []
    for actions in _alike(universe.actions, keys):
        space = _space(universe, actions, keys)
        agreed = boxes(allowed.statements, Layer.RESOURCE_POLICY, Reading(space, possible=False))
        escape = escapes(space, universe.must, layered, (*agreed, *further(space)), case.budget)
        if escape is not None:
            found.append(escape)
    return found


def _alike(actions: tuple[str, ...], keys: frozenset[str]) -> list[tuple[str, ...]]:
    """The actions, parted by which of these condition keys they carry."""
    parts: dict[frozenset[str], list[str]] = {}
    for action in actions:
        parts.setdefault(frozenset(key for key in keys if carries(action, key)), []).append(action)
    return [tuple(part) for part in parts.values()]


def _space(universe: Universe, actions: tuple[str, ...], keys: frozenset[str]) -> Space:
    bound: dict[str, Binding] = {key: Free() if carries(actions[0], key) else ABSENT for key in keys}
    return Space(
        universe.caller,
        actions,
        universe.resource,
        universe.resource_account,
        universe.groups,
        {**bound, **universe.keys},
    )


def wide_finding(
    about: About, code: str, universe: Universe, found: list[Escape], *, what: str, remedy: Remedy
) -> Finding:
    """One finding for all escapes of a class of principals."""
    first = min(found, key=lambda escape: (len(escape.witness.context), len(escape.witness.resource)))
    statements = dict.fromkeys(statement for escape in found for statement in escape.statements)
    return Finding(
        code=code,
        kind=Kind.WIDE,
        lock=about.lock,
        account=about.account,
        resource=about.resource,
        principal=universe.label,
        actions=tuple(sorted({action for escape in found for action in escape.actions})),
        detail=f"{about.name} {what}",
        scope=universe.scope,
        witness=first.witness,
        statements=statement_refs(statements),
        remedy=remedy,
    )


def not_searched(about: About, label: str, error: UndecidedError) -> Finding:
    """The search gave up: it is not known whether these principals get more than agreed."""
    return Finding(
        code=f"{AREA[about.lock]}.not-fully-checked",
        kind=Kind.UNREAD,
        lock=about.lock,
        account=about.account,
        resource=about.resource,
        principal=label,
        actions=(),
        detail=f"whether {about.name} gives {label} more than agreed is not known: {error}",
        remedy=Remedy(about.account, f"Simplify {about.name}: fewer wildcards and conditions can be checked in full."),
    )


def named_actions(known: tuple[str, ...], documents: Iterable[Document], service: str) -> tuple[str, ...]:
    """Known actions, and those that a policy spells out though we do not know them: they count as existing."""
    lower = {action.lower() for action in known}
    spelled: dict[str, None] = {}
    for document in documents:
        for statement in document.statements:
            for action in statement.actions or ():
                exact = "*" not in action and "?" not in action
                if exact and action.lower().startswith(f"{service}:") and action.lower() not in lower:
                    spelled[action] = None
    return (*known, *spelled)


def with_scope(finding: Finding, scope: Scope) -> Finding:
    return replace(finding, scope=scope)


def in_words(witness: Witness) -> str:
    """A witness as a clause: "arn:... could call s3:GetObject on arn:..."."""
    return f"{witness.principal} could call {witness.action} on {witness.resource}"
