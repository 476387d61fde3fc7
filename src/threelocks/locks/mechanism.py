"""By what lock 3 is open to the role, and how far that can be relied on. The table stands in docs/mechanisms.md.

https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html
https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from threelocks.finding import Kind, Mechanism
from threelocks.locks.ask import Layered, failures
from threelocks.locks.case import Case
from threelocks.locks.grants import grants_as_policy
from threelocks.locks.terms import required
from threelocks.observation import Found, KeyMetadata, KeyObservation
from threelocks.policy.authorize import Layer, Policies
from threelocks.policy.document import Document, DocumentError, Effect, PrincipalEntry, Statement, parse_document
from threelocks.policy.principal import Named, parse_name
from threelocks.policy.witness import Budget

AWS_MANAGED = Mechanism("AWS managed key", cross_account=False, stable=True, least_privilege=False, auditable=True)
ACCOUNT = Mechanism("account root", cross_account=True, stable=True, least_privilege=False, auditable=False)
CONDITION = Mechanism(
    "condition on the role's ARN", cross_account=True, stable=True, least_privilege=True, auditable=True
)
ROLE = Mechanism("role ARN", cross_account=True, stable=True, least_privilege=True, auditable=True)
IDENTITY_CENTER = Mechanism(
    "IAM Identity Center role", cross_account=True, stable=False, least_privilege=True, auditable=True
)
GRANT = Mechanism("grant", cross_account=True, stable=False, least_privilege=True, auditable=False)
ALL = (AWS_MANAGED, ACCOUNT, CONDITION, ROLE, IDENTITY_CENTER, GRANT)

_STEPS = 10_000  # beyond the budget of the judgement; what is not decided by then is not named
_BY_ROLE = frozenset({"aws:principalarn"})
_POSITIVE = frozenset({"ArnEquals", "ArnLike", "StringEquals", "StringLike", "StringEqualsIgnoreCase"})


def mechanisms(case: Case, key: KeyObservation) -> tuple[Mechanism, ...]:
    """Each that opens the key to the role by itself, for certain and now. None while the lock is shut or not known."""
    if isinstance(key.metadata, Found) and key.metadata.value.manager != "CUSTOMER":
        return (AWS_MANAGED,)
    if not isinstance(key.policies, Found) or not _is_usable(key.metadata):
        return ()
    try:
        documents = tuple(parse_document(one.document, f"key policy `{one.name}`") for one in key.policies.value)
    except DocumentError:
        return ()
    grants = grants_as_policy(key.grants.value if isinstance(key.grants, Found) else ())
    there = {one for document in documents for s in _allows(document) for one in _of(case, s)}
    if grants.statements:
        there.add(GRANT)
    return tuple(one for one in ALL if one in there and _opens(case, _only(one, case, documents, grants)))


def _is_usable(metadata: object) -> bool:
    return isinstance(metadata, Found) and isinstance(metadata.value, KeyMetadata) and metadata.value.state == "Enabled"


def _allows(document: Document) -> Iterable[Statement]:
    return (statement for statement in document.statements if statement.effect is Effect.ALLOW)


def _only(one: Mechanism, case: Case, documents: tuple[Document, ...], grants: Document) -> Layered:
    """The key's policies with no other Allows than those of this mechanism."""
    if one is GRANT:
        kept, granted = tuple(_keeping(document, lambda _: False) for document in documents), grants
    else:
        kept = tuple(_keeping(document, lambda s: one in _of(case, s)) for document in documents)
        granted = replace(grants, statements=())
    needed = (((Layer.RESOURCE_POLICY, kept), (Layer.GRANT, (granted,))),)
    return Layered(needed=needed, policies=Policies(resource=kept, grants=granted))


def _keeping(document: Document, is_kept: Callable[[Statement], bool]) -> Document:
    return replace(document, statements=tuple(s for s in document.statements if s.effect is Effect.DENY or is_kept(s)))


def _of(case: Case, statement: Statement) -> Iterable[Mechanism]:
    """The mechanisms by which an Allow might let the role in."""
    if statement.not_principal:
        yield ACCOUNT
    for entry in statement.principals or ():
        name = parse_name(entry)
        if name.named in (Named.ANYONE, Named.CANONICAL_USER) or _is_account(case, entry):
            yield CONDITION if _names_the_role(statement) else ACCOUNT
        elif name.account == case.contract.consumer.account and name.name == case.contract.role_name:
            yield IDENTITY_CENTER if name.name.startswith("AWSReservedSSO_") else ROLE


def _is_account(case: Case, entry: PrincipalEntry) -> bool:
    name = parse_name(entry)
    return name.named is Named.ACCOUNT and name.account == case.contract.consumer.account


def _names_the_role(statement: Statement) -> bool:
    return any(c.key in _BY_ROLE and c.operator in _POSITIVE for c in statement.conditions)


def _opens(case: Case, layered: Layered) -> bool:
    """Whether every required use of the key surely passes, in some environment at least."""
    asked = [action for action in ("kms:Decrypt", "kms:DescribeKey") if action in case.contract.actions][:1]
    own = replace(case, budget=Budget(steps=_STEPS))
    failed = [
        failure for one in required(own, layered.documents, asked) for failure in failures(one, layered, own.budget)
    ]
    return bool(asked) and not any(failure.kind in (Kind.SHUT, Kind.UNREAD) for failure in failed)
