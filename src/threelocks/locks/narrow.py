"""Narrow: what a lock lets through beyond what is agreed, one kind of request at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from threelocks.finding import Finding, Kind, Remedy, Scope
from threelocks.locks.ask import Escape, Layered, escapes
from threelocks.locks.case import About, Case
from threelocks.locks.terms import through
from threelocks.locks.words import listed, telling_first
from threelocks.policy.actions import carries
from threelocks.policy.box import Literal
from threelocks.policy.document import Document, Statement
from threelocks.policy.pattern import plain_glob
from threelocks.policy.space import ABSENT, Binding, CallerSpace, Free, Group, Space, View
from threelocks.policy.witness import UndecidedError


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
    case: Case, universe: Universe, layered: Layered, permitted: Sequence[Statement], keys: frozenset[str]
) -> Iterable[Escape]:
    """Requests of the universe that pass without being permitted. `keys`: what all the statements ask for. Raises
    UndecidedError, after what was found until then.
    """
    for space in spaces_of(universe, keys):
        yield from escapes(space, universe.must, layered, permitted, case.budget)


def spaces_of(universe: Universe, keys: frozenset[str]) -> Iterable[Space]:
    """The universe as spaces, one for all actions that carry the same of these condition keys."""
    for actions in _alike(universe.actions, keys):
        yield _space(universe, actions, keys)


@lru_cache(maxsize=256)
def _alike(actions: tuple[str, ...], keys: frozenset[str]) -> tuple[tuple[str, ...], ...]:
    """The actions, parted by which of these condition keys they carry, those that matter most first."""
    parts: dict[frozenset[str], list[str]] = {}
    for action in actions:
        parts.setdefault(frozenset(key for key in keys if carries(action, key)), []).append(action)
    return tuple(telling_first(part) for part in parts.values())


def _space(universe: Universe, actions: tuple[str, ...], keys: frozenset[str]) -> Space:
    bound: dict[str, Binding] = {key: Free() if carries(actions[0], key) else ABSENT for key in keys}
    return Space(
        universe.caller,
        actions,
        universe.resource,
        universe.resource_account,
        universe.groups,
        {**bound, **universe.keys},
        through=through(universe.resource, universe.keys.get("s3:dataaccesspointarn")),
    )


# --- findings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Excess:
    """An escape, and what to call it. `what` is what the lock does, as the middle of a sentence."""

    code: str
    what: str
    universe: Universe
    hit: Escape
    remedy: Remedy


def wide_findings(about: About, found: Iterable[Excess]) -> list[Finding]:
    """One finding for each code and class of principals; what only might be open is not known rather than wide."""
    together: dict[tuple[str, str], list[Excess]] = {}
    for excess in found:
        code = f"{about.area}.not-fully-checked" if excess.hit.witness.unsettled else excess.code
        together.setdefault((code, excess.universe.label), []).append(excess)
    return [_finding(about, code, excesses) for (code, _), excesses in together.items()]


def _finding(about: About, code: str, found: Sequence[Excess]) -> Finding:
    first = found[0]
    actions = {action for excess in found for action in excess.hit.actions}
    what = f"{about.name} {' and '.join(dict.fromkeys(excess.what for excess in found))}: {listed(actions)}"
    unsettled = first.hit.witness.unsettled
    return about.finding(
        code,
        Kind.UNREAD if unsettled else Kind.WIDE,
        first.universe.label,
        actions,
        f"perhaps {what}; that rests on behaviour that AWS does not document" if unsettled else what,
        first.remedy,
        scope=first.universe.scope,
        witness=first.hit.witness,
        statements=[statement for excess in found for statement in excess.hit.statements],
    )


def not_searched(about: About, universe: Universe, error: UndecidedError) -> Finding:
    """The search gave up: it is not known whether these principals get more than agreed."""
    detail = f"whether {about.name} gives {universe.label} more than agreed is not known: {error}"
    remedy = Remedy(about.account, f"Simplify {about.name}: fewer wildcards and conditions can be checked in full.")
    code = f"{about.area}.not-fully-checked"
    return about.finding(code, Kind.UNREAD, universe.label, (), detail, remedy, scope=universe.scope)


# --- actions that we do not know --------------------------------------------------------------------------------------

# Actions of S3 on other things than a bucket that exists and its objects; on those they have no effect.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
_ELSEWHERE = plain_glob(
    """
    s3:*AccessPoint* s3:*AccessGrant* s3:*StorageLens* s3:*Job s3:*Jobs s3:*JobTagging s3:*JobPriority
    s3:*JobStatus s3:*AccountPublicAccessBlock s3:ListAllMyBuckets s3:CreateBucket s3:GetDataAccess
    """.split(),
    fold=True,
)


def unknown_actions(known: Iterable[str], documents: Iterable[Document]) -> tuple[str, ...]:
    """Actions of S3 that a policy spells out though we do not know them: they count as existing."""
    lower = {action.lower() for action in known}
    spelled = {
        action: None
        for document in documents
        for statement in document.statements
        for action in statement.actions or ()
        if action.lower().startswith("s3:") and not set("*?") & set(action)
    }
    return tuple(action for action in spelled if action.lower() not in lower and not _ELSEWHERE.matches(action))
