"""Principal and NotPrincipal: does a statement of a resource policy speak of this caller?

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache, partial

from threelocks.policy.arn import Arn, BadArnError
from threelocks.policy.document import Effect, PrincipalEntry, PrincipalType, Statement
from threelocks.policy.request import Caller, CallerKind
from threelocks.policy.truth import Truth


class Named(IntEnum):
    """What a principal entry is, by how exactly it names a caller."""

    NOBODY = 0  # a group, or a wildcard within a name: names nobody
    UNIQUE_ID = 1  # AROA...: what is left of a deleted role or user
    ANYONE = 2
    ACCOUNT = 3  # the account, whose own IAM decides
    IDENTITY = 4  # a role or a user
    SESSION = 5  # one session of a role, or one federated user
    SERVICE = 6
    FEDERATED = 7
    CANONICAL_USER = 8
    UNKNOWN = 9  # a form that is not known: perhaps anybody, or anybody of its account


@dataclass(frozen=True, slots=True)
class Name:
    """A principal entry, parsed. Fields that do not apply are empty."""

    named: Named
    account: str = ""
    kind: CallerKind | None = None
    name: str = ""  # of role, user, service; or the unique id
    session: str = ""
    partition: str = ""


_ACCOUNT = re.compile(r"[0-9]{12}")
# Origin access identities are users of an account that is called so:
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html
CLOUDFRONT = "cloudfront"
_UNIQUE_ID = re.compile(r"A(?:ROA|IDA|GPA|SIA)[A-Z0-9]{12,}")


@lru_cache(maxsize=4096)
def parse_name(entry: PrincipalEntry) -> Name:
    """What an entry of a Principal element names."""
    if entry.type is PrincipalType.SERVICE:
        return Name(Named.SERVICE, kind=CallerKind.SERVICE, name=entry.value)
    if entry.type is PrincipalType.FEDERATED:
        return Name(Named.FEDERATED, name=entry.value)
    if entry.type is PrincipalType.CANONICAL_USER:
        return Name(Named.CANONICAL_USER, name=entry.value)
    if entry.value == "*":
        return Name(Named.ANYONE)
    if set("*?") & set(entry.value):
        return Name(Named.NOBODY)
    if _ACCOUNT.fullmatch(entry.value):
        return Name(Named.ACCOUNT, account=entry.value)
    if _UNIQUE_ID.fullmatch(entry.value):
        return Name(Named.UNIQUE_ID, name=entry.value)
    try:
        return _from_arn(Arn.parse(entry.value))
    except BadArnError:
        return Name(Named.UNKNOWN)


def _from_arn(arn: Arn) -> Name:
    kind, _, rest = arn.resource.partition("/")
    if not _ACCOUNT.fullmatch(arn.account) and not (arn.account == CLOUDFRONT and kind == "user"):
        return Name(Named.UNKNOWN)
    unknown = Name(Named.UNKNOWN, arn.account)
    if arn.region:
        return unknown
    if arn.service == "iam" and arn.resource == "root":
        return Name(Named.ACCOUNT, account=arn.account, partition=arn.partition)
    name = rest.rpartition("/")[2]
    if arn.service == "iam" and kind in ("role", "user") and name:
        caller = CallerKind.ROLE_SESSION if kind == "role" else CallerKind.USER
        return Name(Named.IDENTITY, arn.account, caller, name, partition=arn.partition)
    role, _, session = rest.partition("/")
    if arn.service == "sts" and kind == "assumed-role" and role and session and "/" not in session:
        return Name(Named.SESSION, arn.account, CallerKind.ROLE_SESSION, role, session, arn.partition)
    if arn.service == "sts" and kind == "federated-user" and rest and "/" not in rest:
        return Name(Named.SESSION, arn.account, CallerKind.FEDERATED_USER, rest, partition=arn.partition)
    return Name(Named.NOBODY) if arn.service == "iam" and kind == "group" else unknown


# Looking up a member of an enumeration by name takes longer than what is done with it here.
_ANYONE, _ACCOUNT_ITSELF, _IDENTITY, _SESSION = Named.ANYONE, Named.ACCOUNT, Named.IDENTITY, Named.SESSION
_NO, _MAYBE, _YES = Truth


def names(name: Name, caller: Caller, *, services: Truth = Truth.MAYBE) -> Truth:
    """Whether an entry covers the caller, the account that a caller belongs to included. `services`: whether `*` covers
    AWS services.

    An identity provider stands for the sessions of roles that were assumed through it. The documentation shows it in
    the trust policies of roles, and says nowhere what it does in other resource policies; nor does a request tell
    through whom its role was assumed.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-federated-web-identity
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-saml
    """
    named = name.named
    if named in _IN_AN_ACCOUNT:
        return _YES if _is_within(name, caller) else _NO
    if named is _ANYONE:
        return services if caller.kind is CallerKind.SERVICE else _YES
    if named is Named.SERVICE:
        return Truth.of(caller.kind is CallerKind.SERVICE and caller.name == name.name)
    if caller.kind in (CallerKind.SERVICE, CallerKind.ANONYMOUS):
        return _NO
    if named is Named.UNIQUE_ID:
        return Truth.of(bool(caller.unique_id) and caller.unique_id == name.name)
    if named is Named.FEDERATED:
        return _MAYBE if caller.kind is CallerKind.ROLE_SESSION else _NO
    if named is Named.UNKNOWN:
        return _MAYBE if name.account in ("", caller.account) else _NO
    # Which account a canonical user id stands for cannot be told from the policy.
    return _MAYBE if named is Named.CANONICAL_USER else _NO


_IN_AN_ACCOUNT = (_IDENTITY, _ACCOUNT_ITSELF, _SESSION)
_OF_ACCOUNTS = (CallerKind.ROLE_SESSION, CallerKind.USER, CallerKind.FEDERATED_USER, CallerKind.ROOT)


def _is_within(name: Name, caller: Caller) -> bool:
    """Whether the caller is of the account, and is the role, user or session of that name, where one is named.

    A federated user is let in by its own name, not by that of the user who federates.
    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
    """
    if name.account != caller.account or name.partition not in ("", caller.partition):
        return False
    if name.named is _ACCOUNT_ITSELF:
        return caller.kind in _OF_ACCOUNTS
    return (
        name.name == caller.name
        and name.kind is caller.kind
        and (name.named is _IDENTITY or name.session == caller.session)
    )


def speaks_of(statement: Statement, caller: Caller) -> Truth:
    """Whether a statement of a resource policy is about this caller. Without Principal it is about nobody."""
    return ready_for_callers(statement, tuple(map(parse_name, statement.principals or ())))(caller)


def ready_for_callers(statement: Statement, listed: tuple[Name, ...]) -> Callable[[Caller], Truth]:
    """The same as a test of callers; `listed` is the statement's Principal or NotPrincipal, parsed."""
    if statement.principals is None:
        return lambda _: _NO
    if statement.not_principal:
        return lambda caller: _not_listed([(name, names(name, caller)) for name in listed], caller, statement.effect)
    services = services_in(statement.effect)
    if len(listed) == 1:
        return partial(names, listed[0], services=services)
    return lambda caller: max([names(name, caller, services=services) for name in listed], default=_NO)


def services_in(effect: Effect) -> Truth:
    """Whether `*` in the Principal of a resource policy covers AWS services: in a Deny, which needs a condition to
    exempt them. Whether an Allow for `*` lets them in as well is not documented.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalisawsservice
    """
    return _YES if effect is Effect.DENY else _MAYBE


def _not_listed(listed: list[tuple[Name, Truth]], caller: Caller, effect: Effect) -> Truth:
    """NotPrincipal. AWS asks that account, role and session are all listed before a caller is surely exempt; a Deny
    hits every principal with a permissions boundary, listed or not.
    """
    matched = {name.named for name, truth in listed if truth is not Truth.NO}
    if not matched:
        return Truth.YES
    if effect is Effect.DENY and caller.has_boundary:
        return Truth.YES
    sure = {name.named for name, truth in listed if truth is Truth.YES}
    exempt = Named.ANYONE in sure or chain(caller.kind) <= sure
    unknown_boundary = effect is Effect.DENY and caller.has_boundary is None and caller.kind in BOUNDED
    return Truth.NO if exempt and not unknown_boundary else Truth.MAYBE


BOUNDED = (CallerKind.ROLE_SESSION, CallerKind.USER, CallerKind.FEDERATED_USER)


def chain(kind: CallerKind) -> set[Named]:
    """Every form in which NotPrincipal must list a caller. A request does not tell who the user behind a federated one
    is, so that one is never surely exempt.
    """
    if kind is CallerKind.SERVICE:
        return {Named.SERVICE}
    forms = {Named.ACCOUNT}
    if kind in BOUNDED:
        forms.add(Named.IDENTITY)
    if kind is CallerKind.ROLE_SESSION:
        forms.add(Named.SESSION)
    return forms
