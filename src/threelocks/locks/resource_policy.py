"""What the bucket lock and the key lock share: whom else does a resource policy let in, and does it name a ghost?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from threelocks.finding import Finding, Kind, Remedy
from threelocks.locks.agreed import Tree, as_policy, permitted
from threelocks.locks.ask import Escape, Layered
from threelocks.locks.callers import ANYONE, SERVICES, STRANGERS, CallerClass, classes
from threelocks.locks.case import About, Case
from threelocks.locks.inside import is_inside
from threelocks.locks.narrow import Excess, Universe, escapes_of, not_searched, wide_findings
from threelocks.locks.terms import keys_in_play
from threelocks.policy.authorize import Layer
from threelocks.policy.box import Literal, is_fixed
from threelocks.policy.document import Document, Effect, PrincipalEntry, PrincipalType, Statement
from threelocks.policy.principal import Named, parse_name
from threelocks.policy.request import CallerKind
from threelocks.policy.space import CALLER, Binding, Group, View
from threelocks.policy.witness import UndecidedError


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of resource that a lock guards, with the actions on it."""

    resource: View
    account: str
    groups: dict[str, Group]
    actions: tuple[str, ...]
    keys: dict[str, Binding]
    must: tuple[Literal, ...] = ()


@dataclass(frozen=True, slots=True)
class Guarded:
    """What a bucket or key lock guards, and by which policies."""

    on: str  # "bucket" or "key"
    layered: Layered
    targets: tuple[Target, ...]
    remedy: Remedy  # for whatever is wide


def narrow_findings(
    case: Case, about: About, guarded: Guarded, *, asked: Callable[[CallerClass], bool] = lambda _: True
) -> list[Finding]:
    """Who gets more than agreed: one finding for each class of principals and code. `asked`: of which classes."""
    agreed, services = permitted(case, guarded.on), _services_of(case, about)
    beyond = guarded.layered.reduced(partial(_beyond, case, about, guarded, agreed, services))
    if beyond.is_closed:
        return []
    keys = keys_in_play((*guarded.layered.documents, agreed, services))
    given_up: list[Finding] = []
    found: list[Excess] = []
    for caller in filter(asked, classes(case, about.account, guarded.layered.documents)):
        allowed = (*agreed.statements, *(services.statements if is_service(caller) else ()))
        layered = beyond.reduced(caller.left_of)
        if layered.is_closed:
            continue
        for universe in universes(case, caller, guarded.targets):
            try:
                for hit in escapes_of(case, universe, layered, allowed, keys):
                    # One by one, so that what was found stands even when the search is given up.
                    found.append(_excess(case, guarded, caller, universe, hit))  # noqa: PERF401 - see above
            except UndecidedError as error:
                given_up.append(not_searched(about, universe, error))
    return [*given_up, *_unimplied(wide_findings(about, found))]


def _beyond(
    case: Case, about: About, guarded: Guarded, agreed: Document, services: Document, allow: Statement
) -> Statement | None:
    """An Allow with those of its principals only who may get more by it than they are plainly permitted."""
    if allow.not_principal:
        return allow
    home = {about.account, case.contract.owner.account}
    left = [entry for entry in allow.principals or () if parse_name(entry).account not in home]
    views = [target.resource for target in guarded.targets]
    on = [view.spell(()) for view in views] if all(map(is_fixed, views)) else []
    for permit in agreed.statements if left else ():
        if is_inside(allow, permit, on):
            left = [entry for entry in left if entry not in (permit.principals or ())]
    if any(map(_names_service, left)) and any(is_inside(allow, permit, on) for permit in services.statements):
        left = [entry for entry in left if not _names_service(entry)]
    return replace(allow, principals=tuple(left)) if left else None


def _names_service(entry: PrincipalEntry) -> bool:
    return entry.type is PrincipalType.SERVICE


def is_service(caller: CallerClass) -> bool:
    return caller.space.kind is CallerKind.SERVICE


def _unimplied(findings: list[Finding]) -> list[Finding]:
    """What anyone may do, other accounts and AWS services may do as well: it need not be said three times."""
    anyone = {action for one in findings if one.principal == ANYONE and one.kind is Kind.WIDE for action in one.actions}
    return [one for one in findings if one.principal not in (STRANGERS, SERVICES) or not anyone.issuperset(one.actions)]


def universes(case: Case, caller: CallerClass, targets: Sequence[Target]) -> Iterable[Universe]:
    """The reader is asked twice: for agreed actions on what was not agreed, and for all others."""
    agreed = {action.lower() for action in case.contract.actions}
    for target in targets:
        ours = tuple(action for action in target.actions if action.lower() in agreed)
        others = tuple(action for action in target.actions if action.lower() not in agreed)
        for actions in (ours, others) if caller.is_reader else (target.actions,):
            if actions:
                yield _universe(case, caller, target, actions)


def _universe(case: Case, caller: CallerClass, target: Target, actions: tuple[str, ...]) -> Universe:
    return Universe(
        label=caller.label,
        caller=caller.space,
        groups={CALLER: caller.group, **target.groups},
        resource=target.resource,
        resource_account=target.account,
        actions=actions,
        keys={**target.keys, **caller.keys(case)},
        must=(*caller.must, *target.must),
        scope=caller.scope,
    )


def _excess(case: Case, guarded: Guarded, caller: CallerClass, universe: Universe, hit: Escape) -> Excess:
    """The code of an excess, and what the policy does, in words."""
    on, who = guarded.on, _who(case, caller)
    agreed = {action.lower() for action in case.contract.actions}
    if hit.layer is Layer.GRANT:
        code, what = "key.wide-grant", f"has a grant that lets in {who}"
    elif not caller.is_reader:
        code, what = f"{on}.wide-principal", f"lets in {who}"
    elif hit.witness.action.lower() in agreed:
        code, what = f"{on}.wide-resource", "lets the role go beyond the agreed prefixes"
    else:
        code, what = f"{on}.wide-action", "gives the role more actions than agreed"
    return Excess(code, what, universe, hit, guarded.remedy)


def _who(case: Case, caller: CallerClass) -> str:
    """A class of principals, in words that cannot be misread."""
    consumer = case.contract.consumer.account
    if caller.is_reader:
        return "the role"
    if caller.label == f"account {consumer}":
        return f"others of account {consumer} than the agreed role"
    return _IN_WORDS.get(caller.label, caller.label)


_IN_WORDS = {
    STRANGERS: "accounts that nobody agreed on",
    ANYONE: "anyone, even without credentials",
    SERVICES: "an AWS service, on whosever behalf",
}


# --- AWS services -----------------------------------------------------------------------------------------------------


def _services_of(case: Case, about: About) -> Document:
    """AWS services may act for the bucket's owner and for this lock's holder, where the policy makes sure that they do.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    own = sorted({case.contract.owner.account, about.account})
    arns = [case.contract.bucket_arn, *(f"arn:*:*:*:{account}:*" for account in own)]
    conditions: tuple[Tree, ...] = (
        {"StringEquals": {"aws:SourceAccount": own}},
        {"ArnLike": {"aws:SourceArn": arns}},
        {"StringEquals": {"kms:CallerAccount": own}},
    )
    every: Tree = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    return as_policy(({**every, "Condition": condition} for condition in conditions), "services of the owner")


# --- ghosts -----------------------------------------------------------------------------------------------------------


def _names_a_ghost(documents: tuple[Document, ...]) -> bool:
    """Whether an Allow names a unique id (AROA...): what AWS shows in place of a principal that was deleted.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    return any(
        parse_name(entry).named is Named.UNIQUE_ID
        for document in documents
        for statement in document.statements
        if statement.effect is Effect.ALLOW
        for entry in statement.principals or ()
    )


def as_ghosts(
    findings: list[Finding], documents: tuple[Document, ...], on: str, remedy: Callable[[Collection[str]], Remedy]
) -> list[Finding]:
    """Where the policy names a ghost, the missing Allow is most likely the one that the ghost still has."""
    if not _names_a_ghost(documents):
        return findings
    dangling = "it still allows an AROA... id, whose role was deleted: a new role of that name is not meant"
    return [
        replace(f, code=f"{on}.dangling-principal", detail=f"{f.detail}; {dangling}", remedy=remedy(f.actions))
        if f.code == f"{on}.no-allow"
        else f
        for f in findings
    ]
