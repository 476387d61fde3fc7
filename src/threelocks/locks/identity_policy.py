"""Lock 1: the identity policies of the role, held by the consumer, within its permissions boundary."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from threelocks.finding import Finding, Kind, Lock, Remedy
from threelocks.locks.agreed import permitted
from threelocks.locks.ask import Layered
from threelocks.locks.case import About, Case, Parsed, parse, premise, unread
from threelocks.locks.commands import bucket_policy_commands, key_policy_commands
from threelocks.locks.findings import open_findings
from threelocks.locks.inside import is_inside
from threelocks.locks.narrow import Excess, Universe, escapes_of, not_searched, unknown_actions, wide_findings
from threelocks.locks.remedy import mend_identity
from threelocks.locks.terms import CALLER_GROUP, at_present, keys_in_play, not_by_a_service, organization, reader
from threelocks.locks.trust import judge_trust
from threelocks.observation import Absent, Found, NamedPolicy, RoleObservation, Source, Unreadable
from threelocks.policy.actions import BUCKET_ACTIONS, KEY_ACTIONS, OBJECT_ACTIONS
from threelocks.policy.authorize import Layer, Policies
from threelocks.policy.box import Atom, Literal, Not, Some, TextLiteral
from threelocks.policy.document import Document, Effect, Statement
from threelocks.policy.pattern import glob, literal
from threelocks.policy.space import (
    BUCKET,
    CALLER,
    KEY_ID,
    MULTI_REGION_KEY_ID,
    OBJECT_KEY,
    REGION,
    RESOURCE,
    Binding,
    Const,
    Group,
    View,
)
from threelocks.policy.witness import UndecidedError


def judge_identity(case: Case, role: RoleObservation) -> list[Finding]:
    """Everything that is off with the role's lock."""
    contract = case.contract
    about = About(Lock.IDENTITY_POLICY, contract.consumer.account, contract.role, "the role's identity policy")
    if isinstance(role.role, Absent):
        return [_role_missing(about, case)]
    findings = unread(case, about, (role.role, role.inline, role.attached, boundary_of(role)))
    complete = not findings
    if isinstance(role.role, Found):
        findings += _recreated(about, case, role.role.value.unique_id)
        findings += _tags(about, case, dict(role.role.value.tags))
        findings += judge_trust(about, case, role.role.value)
    if not complete:
        return findings
    identity = parse(about, identity_policies(role))
    boundary = parse(about, _boundary_document(role))
    case.documents[about.lock] = (*identity.documents, *boundary.documents)
    findings += [*identity.findings, *boundary.findings]
    whole = identity.whole and boundary.whole
    return findings + _policy_findings(about, case, identity, boundary) if whole else findings


def boundary_of(role: RoleObservation) -> Source[NamedPolicy]:
    """A boundary that the role names but that has no text is not known, rather than absent."""
    named = role.role.value.boundary_arn if isinstance(role.role, Found) else ""
    if named and isinstance(role.boundary, Absent):
        return Unreadable("iam:GetPolicy", "NoSuchEntity", f"no policy {named}")
    return role.boundary


def identity_policies(role: RoleObservation) -> Iterable[tuple[str, NamedPolicy]]:
    """The role's own policies, each with its label."""
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
    findings = open_findings(case, about, layered, case.contract.actions, partial(mend_identity, case.contract))
    return [*findings, *_narrow_findings(about, case, layered, identity.documents)]


# --- narrow -----------------------------------------------------------------------------------------------------------


def _narrow_findings(about: About, case: Case, layered: Layered, documents: tuple[Document, ...]) -> list[Finding]:
    """More than agreed on the contract's own bucket and key; anything at all on buckets that the policies do not spell
    out in full, and on the owner's other keys. A bucket named in full is the consumer's own business.
    """
    agreed = permitted(case, "role")
    keys = keys_in_play((*layered.documents, agreed))
    beyond = layered.reduced(lambda allow: None if any(is_inside(allow, one) for one in agreed.statements) else allow)
    given_up: list[Finding] = []
    found: list[Excess] = []
    buckets, of_keys = _spelled(documents, _BUCKET_OF), _spelled(documents, _KEY_OF)
    here = {case.contract.bucket.name, (case.contract.key_account, case.contract.key.rpartition("/")[2])}
    ours = beyond.reduced(partial(_unspelled, buckets - here, of_keys - here))
    elsewhere = beyond.reduced(partial(_unspelled, buckets, of_keys))
    for reduced, asked in ((ours, _own(case, documents)), (elsewhere, _others(case, documents))):
        for code, what, universe in () if reduced.is_closed else asked:
            try:
                for hit in escapes_of(case, universe, reduced, agreed.statements, keys):
                    # One by one, so that what was found stands even when the search is given up.
                    found.append(Excess(code, what, universe, hit, _narrowing(case, code)))  # noqa: PERF401 - see above
            except UndecidedError as error:
                given_up.append(not_searched(about, universe, error))
    return [*given_up, *wide_findings(about, found)]


def _narrowing(case: Case, code: str) -> Remedy:
    contract = case.contract
    what = "the agreed actions" if code.endswith("action") else f"{contract.bucket_arn} and {contract.key} by name"
    which = f"--role-name {contract.role_name}"
    commands = (f"aws iam list-role-policies {which}", f"aws iam list-attached-role-policies {which}")
    sentence = f"Narrow the identity policies of {contract.role_name} to {what}."
    return Remedy(contract.consumer.account, sentence, None, commands)


def universes(case: Case, documents: tuple[Document, ...]) -> Iterable[Universe]:
    """What matters of what the role's policies may allow it."""
    return (universe for _, _, universe in (*_own(case, documents), *_others(case, documents)))


_Asked = tuple[str, str, Universe]  # the code of an excess, what the policy does, and where


def _own(case: Case, documents: tuple[Document, ...]) -> Iterable[_Asked]:
    """The contract's bucket and key: other actions, and agreed ones on objects that are not agreed."""
    contract = case.contract
    bucket, owner = contract.bucket_arn, contract.owner.account
    further = unknown_actions((*BUCKET_ACTIONS, *OBJECT_ACTIONS), documents)
    for resource, group, actions, account in (
        (View(RESOURCE, (bucket,)), Group(()), (*BUCKET_ACTIONS, *further), owner),
        (View(RESOURCE, (f"{bucket}/", 0)), Group((OBJECT_KEY,)), (*OBJECT_ACTIONS, *further), owner),
        (View(RESOURCE, (contract.key,)), Group(()), KEY_ACTIONS, contract.key_account),
    ):
        agreed = tuple(action for action in actions if action in contract.actions)
        others = tuple(action for action in actions if action not in contract.actions)
        more = "allows more on the shared bucket or key than was agreed"
        yield "identity.wide-action", more, _universe(case, resource, group, others, account)
        beyond = "reaches further into the shared bucket than the agreed prefixes"
        if agreed:
            yield "identity.wide-resource", beyond, _universe(case, resource, group, agreed, account)


def _others(case: Case, documents: tuple[Document, ...]) -> Iterable[_Asked]:
    """Buckets that no Allow spells out in full, and such keys of the key's holder."""
    contract, holder = case.contract, case.contract.key_account
    s3 = f"arn:{case.partition}:s3:::"
    buckets = (_none_of(0, {*_spelled(documents, _BUCKET_OF), contract.bucket.name}),)
    spelled = {key for account, key in _spelled(documents, _KEY_OF) if account == holder}
    keys = (_none_of(1, {*spelled, contract.key.rpartition("/")[2]}),)
    key = View(RESOURCE, (f"arn:{case.partition}:kms:", 0, f":{holder}:key/", 1))
    for universe in (
        _universe(case, View(RESOURCE, (s3, 0)), Group((BUCKET,)), BUCKET_ACTIONS, None, buckets),
        _universe(case, View(RESOURCE, (s3, 0, "/", 1)), Group((BUCKET, OBJECT_KEY)), OBJECT_ACTIONS, None, buckets),
        _universe(case, key, Group((REGION, KEY_ID)), KEY_ACTIONS, holder, keys),
        _universe(case, key, Group((REGION, MULTI_REGION_KEY_ID)), KEY_ACTIONS, holder, keys),
    ):
        yield "identity.wide-resource", "reaches buckets or keys that it does not name", universe


def _universe(
    case: Case,
    resource: View,
    group: Group,
    actions: tuple[str, ...],
    account: str | None,
    must: tuple[Literal, ...] = (),
) -> Universe:
    caller = reader(case)
    keys: dict[str, Binding] = {
        **caller.keys(),
        **organization(case.contract),
        **not_by_a_service(),
        **at_present(case),
        "kms:calleraccount": Const((case.contract.consumer.account,)),
    }
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


_BUCKET_OF = re.compile(r"arn:[^:]*:s3:::([a-z0-9.-]{3,63})(?:/.*)?", re.DOTALL)
_KEY_OF = re.compile(r"arn:[^:]*:kms:[^:]*:(\d{12}):key/([A-Za-z0-9-]+)")


def _unspelled(buckets: set[Any], keys: set[Any], allow: Statement) -> Statement | None:
    """An Allow with those of its resources only that may be others than these buckets and keys."""
    if allow.not_resource:
        return allow

    def is_one_of_these(text: str) -> bool:
        bucket, key = _BUCKET_OF.fullmatch(text), _KEY_OF.fullmatch(text)
        named = bucket if bucket and bucket[1] in buckets else key if key and key.groups() in keys else None
        # A wildcard before the name may stand for a whole ARN, with which the key of another object begins.
        return named is not None and not set("*?$") & set(text[: named.end(named.re.groups)])

    left = tuple(text for text in allow.resources or () if not is_one_of_these(text))
    if not left:
        return None
    return allow if left == allow.resources else replace(allow, resources=left)


def _spelled(documents: tuple[Document, ...], form: re.Pattern[str]) -> set[Any]:
    """What the resources of Allows name in full: the groups of `form`."""
    texts = (
        text
        for document in documents
        for statement in document.statements
        if statement.effect is Effect.ALLOW and not statement.not_resource
        for text in statement.resources or ()
    )
    return {found for text in texts if form.fullmatch(text) for found in form.findall(text)}


# --- the role itself --------------------------------------------------------------------------------------------------


def _role_missing(about: About, case: Case) -> Finding:
    contract = case.contract
    remedy = Remedy(
        about.account,
        f"Create {contract.role_name} again, then ask {contract.owner.name} ({contract.owner.account}) to put its "
        "bucket policy and key policy again: they still name the role that was deleted.",
    )
    detail = f"the role {contract.role_name} does not exist in account {about.account}"
    return about.finding("identity.role-missing", Kind.SHUT, contract.role, contract.actions, detail, remedy)


def _recreated(about: About, case: Case, unique_id: str) -> Iterable[Finding]:
    """A role of the same name with another unique id is another principal to the resource policies.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    pinned = case.facts.get("pinned_role_id", "")
    named = {case.facts.get("bucket_policy_role_id"), case.facts.get("key_policy_role_id")}
    if not pinned or pinned == unique_id or named == {unique_id}:
        return
    contract = case.contract
    remedy = Remedy(
        contract.owner.account,
        f"Put the bucket policy and the key policy again with {contract.role}: what they name now is the role that "
        "was deleted. The finding ends when their holders have reported that they name the new role, or with "
        "`threelocks apply --accept` in the role's account.",
        None,
        (*bucket_policy_commands(contract), *key_policy_commands(contract)),
    )
    detail = f"the role was deleted and made again: its unique id is {unique_id}, and was {pinned}"
    yield about.finding("identity.role-recreated", Kind.SHUT, contract.role, contract.actions, detail, remedy)


def _tags(about: About, case: Case, tags: dict[str, str]) -> Iterable[Finding]:
    """Principal tags that the contract takes for granted. A session may bring its own; the role's are checked."""
    for tag, value in case.contract.premises.principal_tags.items():
        if tags.get(tag) != value:
            actual = f"`{tags[tag]}`" if tag in tags else "absent"
            pair = shlex.quote(f"Key={tag},Value={value}")
            command = f"aws iam tag-role --role-name {case.contract.role_name} --tags {pair}"
            yield premise(
                about,
                f"premises.principal_tags.{tag}",
                f"the contract says that the role has the tag {tag}=`{value}`, but it is {actual}",
                Remedy(about.account, "Tag the role again, or agree on other premises.", None, (command,)),
            )
