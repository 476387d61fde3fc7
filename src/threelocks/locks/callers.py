"""Classes of principals that a bucket or key policy might let in. Each is asked about by itself, so that one witness
hides no other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from threelocks.finding import Scope
from threelocks.locks.case import Case
from threelocks.locks.terms import CALLER_GROUP, not_by_a_service, reader
from threelocks.policy.arn import Arn
from threelocks.policy.box import Atom, Literal, Not, TextLiteral
from threelocks.policy.document import Document, PrincipalType
from threelocks.policy.pattern import glob, literal
from threelocks.policy.principal import parse_name
from threelocks.policy.request import CallerKind
from threelocks.policy.space import (
    ABSENT,
    ACCOUNT,
    CALLER,
    NAME,
    PATH,
    SERVICE_NAME,
    SESSION_NAME,
    UNIQUE_ID,
    Binding,
    CallerSpace,
    Const,
    Group,
)

STRANGERS, ANYONE, SERVICES = "other accounts", "anyone, without credentials", "an AWS service"


@dataclass(frozen=True, slots=True)
class CallerClass:
    """Callers that are judged together. `label` is how a finding calls them."""

    label: str
    space: CallerSpace
    group: Group
    must: tuple[Literal, ...] = ()
    scope: Scope = Scope.RESOURCE
    is_reader: bool = False

    def keys(self, case: Case) -> dict[str, Binding]:
        """Condition keys that these callers fix."""
        keys = self.space.keys()
        if self.space.kind is CallerKind.SERVICE:
            return {**keys, "aws:principalorgid": ABSENT, "aws:principalorgpaths": ABSENT}
        keys |= not_by_a_service()
        if self.space.kind is CallerKind.ANONYMOUS:
            return {**keys, "aws:principalorgid": ABSENT, "aws:principalorgpaths": ABSENT, "aws:tokenissuetime": ABSENT}
        organization = case.contract.premises.consumer_organization
        if organization and self.space.account == case.contract.consumer.account:
            keys["aws:principalorgid"] = Const((organization,))
        return keys


def classes(case: Case, holder: str, documents: Iterable[Document]) -> list[CallerClass]:
    """The reader, the rest of its account, every other account that the policies name, all further accounts, anybody
    without credentials, and AWS services. The holder's own principals may do what they like: its account is left out.
    """
    partition = Arn.parse(case.contract.role).partition
    consumer = case.contract.consumer.account
    home = {holder, case.contract.owner.account}
    found = [CallerClass(case.contract.role, reader(case), CALLER_GROUP, scope=Scope.SHARE, is_reader=True)]
    found += [*_account(consumer, partition, but=reader(case), scope=Scope.SHARE)]
    named = _accounts(documents) - {consumer, *home}
    for account in sorted(named):
        found += _account(account, partition)
    found += _strangers(partition, known=sorted({consumer, *home, *named}))
    found.append(CallerClass(ANYONE, CallerSpace(CallerKind.ANONYMOUS), Group(())))
    found.append(CallerClass(SERVICES, CallerSpace(CallerKind.SERVICE, name=0), Group((SERVICE_NAME,))))
    return found


def _accounts(documents: Iterable[Document]) -> set[str]:
    return {
        name.account
        for document in documents
        for statement in document.statements
        for entry in statement.principals or ()
        if entry.type is PrincipalType.AWS and (name := parse_name(entry)).account
    }


_ROLES = Group((PATH, UNIQUE_ID, NAME, SESSION_NAME))
_USERS = Group((PATH, UNIQUE_ID, NAME))


def _account(
    account: str, partition: str, but: CallerSpace | None = None, scope: Scope = Scope.RESOURCE
) -> list[CallerClass]:
    """Roles, users and the root user of one account; `but` one role."""
    label = f"account {account}"
    roles = CallerSpace(CallerKind.ROLE_SESSION, account, 0, 2, 3, 1, partition=partition)
    must: tuple[Literal, ...] = ()
    if but is not None:
        assert isinstance(but.name, str)
        must = (TextLiteral(CALLER, Not(Atom((2,), glob((literal(but.name),))))),)
    return [
        CallerClass(label, roles, _ROLES, must, scope),
        CallerClass(label, CallerSpace(CallerKind.USER, account, 0, 2, "", 1, partition=partition), _USERS, (), scope),
        CallerClass(label, CallerSpace(CallerKind.ROOT, account, partition=partition), Group(()), (), scope),
    ]


def _strangers(partition: str, known: list[str]) -> list[CallerClass]:
    """Roles and users of every account that nobody names."""
    unknown = TextLiteral(CALLER, Not(Atom((0,), glob(tuple(literal(account) for account in known)))))
    roles = CallerSpace(CallerKind.ROLE_SESSION, 0, 1, 3, 4, 2, partition=partition)
    users = CallerSpace(CallerKind.USER, 0, 1, 3, "", 2, partition=partition)
    return [
        CallerClass(STRANGERS, roles, Group((ACCOUNT, *_ROLES.segments)), (unknown,)),
        CallerClass(STRANGERS, users, Group((ACCOUNT, *_USERS.segments)), (unknown,)),
    ]
