"""Lock 1: the identity policies of the role, held by the consumer, within its permissions boundary."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial

from threelocks.finding import Finding, Kind, Lock, Remedy
from threelocks.locks.ask import Escape, Failure, Layered
from threelocks.locks.case import Case, Parsed, parse, unread, unreadable
from threelocks.locks.findings import (
    About,
    Universe,
    escapes_of,
    named_actions,
    not_searched,
    open_findings,
    wide_finding,
)
from threelocks.locks.remedy import mend_identity
from threelocks.locks.terms import CALLER_GROUP, at_present, not_by_a_service, permitted, reader
from threelocks.observation import Absent, Found, NamedPolicy, RoleObservation
from threelocks.policy.actions import BUCKET_ACTIONS, KEY_ACTIONS, OBJECT_ACTIONS
from threelocks.policy.arn import Arn
from threelocks.policy.authorize import Layer, Policies
from threelocks.policy.box import Atom, Literal, Not, Some, TextLiteral
from threelocks.policy.document import Document, Effect
from threelocks.policy.pattern import glob, literal
from threelocks.policy.space import BUCKET, CALLER, KEY_ID, OBJECT_KEY, REGION, RESOURCE, Binding, Const, Group, View
from threelocks.policy.witness import UndecidedError


def judge_identity(case: Case, role: RoleObservation) -> list[Finding]:
    """Everything that is off with the role's lock."""
    contract = case.contract
    about = About(Lock.IDENTITY_POLICY, contract.consumer.account, contract.role, "the role's identity policy")
    if isinstance(role.role, Absent):
        return [_role_missing(about, case)]
    sources = (role.role, role.inline, role.attached, role.boundary)
    findings = [unread(about.lock, about.account, about.resource, source) for source in unreadable(sources)]
    if isinstance(role.role, Found):
        findings += _recreated(about, case, role.role.value.unique_id)
        findings += _tags(about, case, dict(role.role.value.tags))
    if findings and not all(isinstance(source, Found | Absent) for source in sources):
        return findings
    identity = parse(about.lock, about.account, about.resource, _identity_documents(role))
    boundary = parse(about.lock, about.account, about.resource, _boundary_document(role))
    findings += [*identity.findings, *boundary.findings]
    if not (identity.whole and boundary.whole):
        return findings
    return findings + _policy_findings(about, case, identity, boundary)


def _identity_documents(role: RoleObservation) -> Iterable[tuple[str, NamedPolicy]]:
    if isinstance(role.inline, Found):
        yield from ((f"inline policy `{policy.name}`", policy) for policy in role.inline.value)
    if isinstance(role.attached, Found):
        yield from ((f"managed policy `{policy.name}`", policy) for policy in role.attached.value)


def _boundary_document(role: RoleObservation) -> Iterable[tuple[str, NamedPolicy]]:
    if isinstance(role.boundary, Found):
        yield f"permissions boundary `{role.boundary.value.name}`", role.boundary.value


def _policy_findings(about: About, case: Case, identity: Parsed, boundary: Parsed) -> list[Finding]:
    ceiling = boundary.documents[0] if boundary.documents else None
    bounded = (((Layer.PERMISSIONS_BOUNDARY, boundary.documents),),) if ceiling else ()
    layered = Layered(
        needed=(((Layer.IDENTITY_POLICY, identity.documents),), *bounded),
        policies=Policies(identity=identity.documents, boundary=ceiling),
    )
    findings = open_findings(case, about, layered, case.contract.actions, partial(_mend, case))
    return [*findings, *_narrow_findings(about, case, layered, identity.documents)]


def _mend(case: Case, code: str, failure: Failure) -> Remedy:
    return mend_identity(case.contract, code, failure, (failure.required.action,))


# --- narrow -----------------------------------------------------------------------------------------------------------


def _narrow_findings(about: About, case: Case, layered: Layered, documents: tuple[Document, ...]) -> Iterable[Finding]:
    """More actions than agreed on the contract's own bucket and key; anything at all on buckets that the policies do
    not spell out in full, and on the owner's other keys. A bucket named in full is the consumer's own business.
    """
    allowed = permitted(case, "role")
    for code, universes in (
        ("identity.wide-action", tuple(_own_universes(case, documents))),
        ("identity.wide-resource", tuple(_other_universes(case, documents))),
    ):
        found: list[Escape] = []
        for universe in universes:
            try:
                found += escapes_of(case, universe, layered, allowed, lambda _space: ())
            except UndecidedError as error:
                yield not_searched(about, universe.label, error)
        if found:
            what = _EXCESS[code]
            yield wide_finding(about, code, universes[0], found, what=what, remedy=_narrowing(case, code))


_EXCESS = {
    "identity.wide-action": "allows more on the shared bucket or key than was agreed",
    "identity.wide-resource": "allows buckets or keys that it does not name: a wildcard reaches further than agreed",
}


def _narrowing(case: Case, code: str) -> Remedy:
    contract = case.contract
    what = "the agreed actions" if code.endswith("action") else f"{contract.bucket_arn} and {contract.key} by name"
    return Remedy(
        contract.consumer.account,
        f"Narrow the identity policies of {contract.role_name} to {what}.",
        None,
        (
            f"aws iam list-role-policies --role-name {contract.role_name}",
            f"aws iam list-attached-role-policies --role-name {contract.role_name}",
        ),
    )


def _own_universes(case: Case, documents: tuple[Document, ...]) -> Iterable[Universe]:
    contract = case.contract
    s3 = named_actions((), documents, "s3")
    known = {action.lower() for action in (*BUCKET_ACTIONS, *OBJECT_ACTIONS)}
    further = tuple(action for action in s3 if action.lower() not in known)
    bucket, owner = contract.bucket_arn, contract.owner.account
    yield _universe(case, View(RESOURCE, (bucket,)), Group(()), (*BUCKET_ACTIONS, *further), owner)
    yield _universe(case, View(RESOURCE, (f"{bucket}/", 0)), Group((OBJECT_KEY,)), (*OBJECT_ACTIONS, *further), owner)
    yield _universe(case, View(RESOURCE, (contract.key,)), Group(()), KEY_ACTIONS, contract.key_account)


def _other_universes(case: Case, documents: tuple[Document, ...]) -> Iterable[Universe]:
    contract = case.contract
    partition = Arn.parse(contract.role).partition
    s3 = f"arn:{partition}:s3:::"
    buckets = (_none_of(0, {*_spelled_buckets(documents, s3), contract.bucket.name}),)
    yield _universe(case, View(RESOURCE, (s3, 0)), Group((BUCKET,)), BUCKET_ACTIONS, None, buckets)
    yield _universe(case, View(RESOURCE, (s3, 0, "/", 1)), Group((BUCKET, OBJECT_KEY)), OBJECT_ACTIONS, None, buckets)
    holder = contract.key_account
    view = View(RESOURCE, (f"arn:{partition}:kms:", 0, f":{holder}:key/", 1))
    spelled = {*_spelled_keys(documents, holder), contract.key.rpartition("/")[2]}
    yield _universe(case, view, Group((REGION, KEY_ID)), KEY_ACTIONS, holder, (_none_of(1, spelled),))


def _universe(
    case: Case,
    resource: View,
    group: Group,
    actions: tuple[str, ...],
    account: str | None,
    must: tuple[Literal, ...] = (),
) -> Universe:
    caller = reader(case)
    keys: dict[str, Binding] = {**caller.keys(), **not_by_a_service(), **at_present(case)}
    if account is not None:
        keys["aws:resourceaccount"] = keys["s3:resourceaccount"] = Const((account,))
    return Universe(
        label=case.contract.role,
        caller=caller,
        groups={CALLER: CALLER_GROUP, RESOURCE: group},
        resource=resource,
        resource_account=account or case.contract.owner.account,
        actions=actions,
        keys=keys,
        must=must,
    )


def _none_of(segment: int, names: Iterable[str]) -> Literal:
    return TextLiteral(RESOURCE, Not(Some((Atom((segment,), glob(tuple(literal(name) for name in sorted(names)))),))))


_SPELLED_BUCKET = re.compile(r"^([a-z0-9.-]{3,63})(?:/.*)?$", re.DOTALL)
_SPELLED_KEY = re.compile(r"^arn:[^:]*:kms:[^:*?$]*:(\d{12}):key/([A-Za-z0-9-]+)$")


def _spelled_buckets(documents: tuple[Document, ...], s3: str) -> set[str]:
    """Buckets that an Allow names in full."""
    matches = (_SPELLED_BUCKET.match(text.removeprefix(s3)) for text in _resources(documents) if text.startswith(s3))
    return {match[1] for match in matches if match}


def _spelled_keys(documents: tuple[Document, ...], holder: str) -> set[str]:
    """Ids of the holder's keys that an Allow names in full."""
    matches = (_SPELLED_KEY.match(text) for text in _resources(documents))
    return {match[2] for match in matches if match and match[1] == holder}


def _resources(documents: tuple[Document, ...]) -> Iterable[str]:
    for document in documents:
        for statement in document.statements:
            if statement.effect is Effect.ALLOW and not statement.not_resource:
                yield from statement.resources or ()


# --- the role itself --------------------------------------------------------------------------------------------------


def _role_missing(about: About, case: Case) -> Finding:
    contract = case.contract
    return Finding(
        code="identity.role-missing",
        kind=Kind.SHUT,
        lock=about.lock,
        account=about.account,
        resource=about.resource,
        principal=contract.role,
        actions=tuple(sorted(contract.actions)),
        detail=f"the role {contract.role_name} does not exist in account {about.account}",
        remedy=Remedy(
            about.account,
            f"Create {contract.role_name} again, then ask {contract.owner.name} ({contract.owner.account}) to put its "
            "bucket policy and key policy again: they still name the role that was deleted.",
        ),
    )


def _recreated(about: About, case: Case, unique_id: str) -> Iterable[Finding]:
    """A role of the same name with another unique id is another principal to the resource policies.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    pinned = case.facts.get("pinned_role_id", "")
    if pinned and pinned != unique_id:
        contract = case.contract
        yield Finding(
            code="identity.role-recreated",
            kind=Kind.SHUT,
            lock=about.lock,
            account=about.account,
            resource=about.resource,
            principal=contract.role,
            actions=tuple(sorted(contract.actions)),
            detail=f"the role is not the one that was agreed: its unique id is {unique_id}, not {pinned}",
            remedy=Remedy(
                contract.owner.account,
                f"Put the bucket policy and the key policy again with {contract.role}: what they name now is the role "
                "that was deleted.",
            ),
        )


def _tags(about: About, case: Case, tags: dict[str, str]) -> Iterable[Finding]:
    """Principal tags that the contract takes for granted. A session may bring its own; the role's are checked."""
    for tag, value in case.contract.premises.principal_tags.items():
        if tags.get(tag) != value:
            actual = f"`{tags[tag]}`" if tag in tags else "absent"
            yield Finding(
                code="premise.false",
                kind=Kind.SHUT,
                lock=Lock.PREMISE,
                account=about.account,
                resource=about.resource,
                principal="the contract",
                actions=(),
                detail=f"the contract says that the role has the tag {tag}=`{value}`, but it is {actual}",
                remedy=Remedy(
                    about.account,
                    "Tag the role again, or agree on other premises in the contract.",
                    None,
                    (f"aws iam tag-role --role-name {case.contract.role_name} --tags Key={tag},Value={value}",),
                ),
            )
