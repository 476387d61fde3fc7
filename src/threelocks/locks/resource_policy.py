"""What the bucket lock and the key lock share: whom else does a resource policy let in, and does it name a ghost?"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from threelocks.finding import Finding, Kind, Remedy
from threelocks.locks.ask import Layered
from threelocks.locks.callers import ANYONE, SERVICES, STRANGERS, CallerClass, classes
from threelocks.locks.case import Case
from threelocks.locks.findings import About, Universe, escapes_of, not_searched, wide_finding
from threelocks.locks.terms import permitted
from threelocks.policy.authorize import Layer
from threelocks.policy.box import Box, Reading, boxes
from threelocks.policy.document import Document, Effect, parse_document
from threelocks.policy.principal import Named, parse_name
from threelocks.policy.request import CallerKind
from threelocks.policy.space import CALLER, Binding, Group, Space, View
from threelocks.policy.witness import UndecidedError


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of resource that a lock guards, with the actions on it."""

    resource: View
    account: str
    group: Group
    actions: tuple[str, ...]
    keys: dict[str, Binding]


def narrow_findings(
    case: Case, about: About, on: str, layered: Layered, targets: tuple[Target, ...], remedy: Remedy
) -> list[Finding]:
    """Who gets more than agreed: one finding for each class of principals and code."""
    allowed = permitted(case, on)
    services = _bound_to(case.contract.owner.account, about.account)
    found: dict[tuple[str, str], Finding] = {}
    for caller in classes(case, about.account, layered.documents):
        for target in targets:
            universe = _universe(case, caller, target)
            try:
                hits = escapes_of(case, universe, layered, allowed, _for_services(caller, services))
            except UndecidedError as error:
                found[("not-fully-checked", caller.label)] = not_searched(about, caller.label, error)
                continue
            for hit in hits:
                granted = hit.layer is Layer.GRANT
                code, what = _kind_of_excess(case, caller, hit.actions, granted=granted, on=on)
                finding = wide_finding(about, code, universe, [hit], what=what, remedy=remedy)
                known = found.get((code, caller.label))
                found[(code, caller.label)] = _joined(known, finding) if known else finding
    return [finding for finding in found.values() if not _implied(finding, set(found))]


def _implied(finding: Finding, found: set[tuple[str, str]]) -> bool:
    """What anyone may do, other accounts and AWS services may do as well: it need not be said three times."""
    return finding.principal in (STRANGERS, SERVICES) and (finding.code, ANYONE) in found


def _joined(one: Finding, other: Finding) -> Finding:
    """Two findings of one code and class as one."""
    statements = tuple(dict.fromkeys((*one.statements, *other.statements)))
    return replace(one, actions=tuple(sorted({*one.actions, *other.actions})), statements=statements)


def _universe(case: Case, caller: CallerClass, target: Target) -> Universe:
    keys = {**target.keys, **caller.keys(case)}
    return Universe(
        label=caller.label,
        caller=caller.space,
        groups={CALLER: caller.group, target.resource.group: target.group},
        resource=target.resource,
        resource_account=target.account,
        actions=target.actions,
        keys=keys,
        must=caller.must,
        scope=caller.scope,
    )


def _kind_of_excess(
    case: Case, caller: CallerClass, actions: tuple[str, ...], *, granted: bool, on: str
) -> tuple[str, str]:
    """The code of an excess, and what the policy does, as the rest of a sentence."""
    if granted:
        return "key.wide-grant", f"lets {caller.label} use the key by a grant that was not agreed"
    if not caller.is_reader:
        beyond_role = " beyond the agreed role" if caller.space.account == case.contract.consumer.account else ""
        return f"{on}.wide-principal", f"lets in {caller.label}{beyond_role}, which was not agreed"
    agreed = {action.lower() for action in case.contract.actions}
    beyond = [action for action in actions if action.lower() not in agreed]
    if beyond:
        return f"{on}.wide-action", f"gives the role actions that were not agreed: {_list(beyond)}"
    return f"{on}.wide-resource", "gives the role objects outside the agreed prefixes"


_SHOWN = 6


def _list(names: list[str]) -> str:
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"


def _bound_to(*accounts: str) -> Document:
    """AWS services may act for these accounts, where the policy makes sure that they do.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    own = sorted(set(accounts))
    text = {
        "Version": "2012-10-17",
        "Statement": [
            _any_service({"StringEquals": {"aws:SourceAccount": own}}),
            _any_service({"ArnLike": {"aws:SourceArn": [f"arn:*:*:*:{account}:*" for account in own]}}),
        ],
    }
    return parse_document(json.dumps(text), "services bound to their owner")


def _any_service(condition: dict[str, object]) -> dict[str, object]:
    return {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": condition}


def _for_services(caller: CallerClass, services: Document) -> Callable[[Space], tuple[Box, ...]]:
    """The boxes of what services may do; none for other callers."""
    statements = services.statements if caller.space.kind is CallerKind.SERVICE else ()

    def in_space(space: Space) -> tuple[Box, ...]:
        # Read as possible, `Principal: "*"` stands for every service.
        return boxes(statements, Layer.RESOURCE_POLICY, Reading(space, possible=True))

    return in_space


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


def as_ghosts(findings: list[Finding], documents: tuple[Document, ...], on: str, remedy: Remedy) -> list[Finding]:
    """Where the policy names a ghost, the missing Allow is most likely the one that the ghost still has."""
    if not _names_a_ghost(documents):
        return findings
    dangling = "still allows an AROA... id: the role it named was deleted, and a new role of that name is not meant"
    return [
        replace(f, code=f"{on}.dangling-principal", detail=f"{f.detail}; the policy {dangling}", remedy=remedy)
        if f.code == f"{on}.no-allow" and f.kind is Kind.SHUT
        else f
        for f in findings
    ]
