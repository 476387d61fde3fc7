"""Classes of principals that a bucket or key policy might let in. Each is asked about by itself, so that one witness
hides no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from threelocks.finding import Scope
from threelocks.locks.case import Case
from threelocks.locks.terms import CALLER_GROUP, not_by_a_service, organization, reader
from threelocks.policy.box import Atom, Literal, Not, TextLiteral
from threelocks.policy.document import Document, Effect, PrincipalType, Statement
from threelocks.policy.pattern import glob, literal
from threelocks.policy.principal import CLOUDFRONT, Name, Named, parse_name
from threelocks.policy.request import CallerKind
from threelocks.policy.space import (
    ABSENT,
    ACCOUNT,
    CALLER,
    FEDERATED_NAME,
    NAME,
    PATH,
    ROLE_ID,
    SERVICE_NAME,
    SESSION_NAME,
    USER_ID,
    Binding,
    CallerSpace,
    Group,
    View,
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
            return {**keys, **_OF_NO_ORGANIZATION}
        keys |= not_by_a_service()
        if self.space.kind is CallerKind.ANONYMOUS:
            return {**keys, **_OF_NO_ORGANIZATION, "aws:tokenissuetime": ABSENT, "kms:calleraccount": ABSENT}
        keys["kms:calleraccount"] = View(CALLER, (self.space.account,))
        if self.space.account == case.contract.consumer.account:
            keys |= organization(case.contract)
        return keys

    def left_of(self, allow: Statement) -> Statement | None:
        """The Allow, unless it names nobody of these callers. Most do not, and need not be searched."""
        listed = allow.principals or ()
        return allow if allow.not_principal or any(self._may_be(parse_name(entry)) for entry in listed) else None

    def _may_be(self, name: Name) -> bool:
        if name.named is Named.SERVICE:
            return self.space.kind is CallerKind.SERVICE
        # INVARIANT: callers of an open account are of none that an Allow names.
        return name.account == self.space.account if name.account else name.named in _OPEN


_OPEN = (Named.ANYONE, Named.CANONICAL_USER, Named.FEDERATED, Named.UNIQUE_ID, Named.UNKNOWN)
_OF_NO_ORGANIZATION: dict[str, Binding] = {"aws:principalorgid": ABSENT, "aws:principalorgpaths": ABSENT}


def classes(case: Case, holder: str, documents: Iterable[Document]) -> list[CallerClass]:
    """The reader, the rest of its account, every other account that an Allow names, all further accounts, anybody
    without credentials, CloudFront's identities, and AWS services. The holder's own principals may do what they like:
    its account is left out, as is the owner's.
    """
    allowing = [s for document in documents for s in document.statements if s.effect is Effect.ALLOW]
    consumer, role = case.contract.consumer.account, reader(case)
    home = {holder, case.contract.owner.account}
    named = sorted(_accounts(allowing) - {consumer, *home})
    return [
        CallerClass(case.contract.role, role, CALLER_GROUP, scope=Scope.SHARE, is_reader=True),
        *_account(consumer, case.partition, but=role, scope=Scope.SHARE),
        *(one for account in named for one in _account(account, case.partition)),
        *_strangers(case.partition, known=sorted({consumer, *home, *named})),
        *_cloudfront(allowing, case.partition),
        CallerClass(ANYONE, CallerSpace(CallerKind.ANONYMOUS), Group(())),
        CallerClass(SERVICES, CallerSpace(CallerKind.SERVICE, name=0), Group((SERVICE_NAME,))),
    ]


_IN_CONDITIONS = ("aws:principalaccount", "aws:principalarn", "kms:calleraccount")
_ACCOUNT_ID = re.compile(r"(?<!\d)\d{12}(?!\d)")


def _accounts(allowing: Iterable[Statement]) -> set[str]:
    """Accounts that these statements name, as principals or in conditions on who the principal is."""
    found: set[str] = set()
    for statement in allowing:
        found |= {name.account for name in _names(statement) if _ACCOUNT_ID.fullmatch(name.account)}
        values = [value for c in statement.conditions if c.key in _IN_CONDITIONS for value in c.values]
        found |= {account for value in values for account in _ACCOUNT_ID.findall(value)}
    return found


def _names(statement: Statement) -> Iterable[Name]:
    return (parse_name(entry) for entry in statement.principals or () if entry.type is PrincipalType.AWS)


def _cloudfront(allowing: Iterable[Statement], partition: str) -> list[CallerClass]:
    """Each origin access identity of CloudFront that an Allow names: what it may read, a distribution may publish.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html
    """
    identities = {name.name for s in allowing for name in _names(s) if name.account == CLOUDFRONT}
    return [
        CallerClass(identity, CallerSpace(CallerKind.USER, CLOUDFRONT, name=identity, partition=partition), Group(()))
        for identity in sorted(identities)
    ]


_ROLES = Group((PATH, ROLE_ID, NAME, SESSION_NAME))
_USERS = Group((PATH, USER_ID, NAME))
_FEDERATED = Group((FEDERATED_NAME,))


def _account(
    account: str, partition: str, but: CallerSpace | None = None, scope: Scope = Scope.RESOURCE
) -> list[CallerClass]:
    """Roles, users, federated users and the root user of one account; `but` one role."""
    label = f"account {account}"
    roles = CallerSpace(CallerKind.ROLE_SESSION, account, 0, 2, 3, 1, partition=partition)
    must: tuple[Literal, ...] = ()
    if but is not None:
        assert isinstance(but.name, str)
        must = (TextLiteral(CALLER, Not(Atom((2,), glob((literal(but.name),))))),)
    return [
        CallerClass(label, roles, _ROLES, must, scope),
        CallerClass(label, CallerSpace(CallerKind.USER, account, 0, 2, "", 1, partition=partition), _USERS, (), scope),
        CallerClass(
            label, CallerSpace(CallerKind.FEDERATED_USER, account, name=0, partition=partition), _FEDERATED, (), scope
        ),
        CallerClass(label, CallerSpace(CallerKind.ROOT, account, partition=partition), Group(()), (), scope),
    ]


def _strangers(partition: str, known: list[str]) -> list[CallerClass]:
    """Roles, users, federated users and root users of every account that nobody names."""
    unknown = TextLiteral(CALLER, Not(Atom((0,), glob(tuple(literal(account) for account in known)))))
    roles = CallerSpace(CallerKind.ROLE_SESSION, 0, 1, 3, 4, 2, partition=partition)
    users = CallerSpace(CallerKind.USER, 0, 1, 3, "", 2, partition=partition)
    federated = CallerSpace(CallerKind.FEDERATED_USER, 0, name=1, partition=partition)
    roots = CallerSpace(CallerKind.ROOT, 0, partition=partition)
    return [
        CallerClass(STRANGERS, roles, Group((ACCOUNT, *_ROLES.segments)), (unknown,)),
        CallerClass(STRANGERS, users, Group((ACCOUNT, *_USERS.segments)), (unknown,)),
        CallerClass(STRANGERS, federated, Group((ACCOUNT, *_FEDERATED.segments)), (unknown,)),
        CallerClass(STRANGERS, roots, Group((ACCOUNT,)), (unknown,)),
    ]
