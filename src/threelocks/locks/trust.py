"""Who may become the role: its trust policy, held against what the contract agrees on, or else against the first look.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from threelocks.finding import Finding, Kind, Remedy
from threelocks.locks.case import About, Case, parse
from threelocks.observation import NamedPolicy, Role
from threelocks.policy.document import Document, DocumentError, Effect, Statement, parse_document
from threelocks.policy.matcher import speaks_of_action
from threelocks.policy.principal import Named, parse_name
from threelocks.policy.request import CallerKind

ANYONE = "*"
_LABEL = "trust policy"
_ASSUMING = ("sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity")
_LONG_LIVED = "the IAM user {}, whose access keys do not expire by themselves"


@dataclass(frozen=True, slots=True, order=True)
class Trusted:
    """One principal that may assume the role. `terms`: under which conditions, or, for a Deny, that it may not."""

    name: str  # an account by its id
    terms: str = ""


def trusted(document: Document) -> tuple[Trusted, ...]:
    """Whom a trust policy speaks of, sorted, each once; Sids, order and spelling make no difference."""
    return tuple(
        sorted({Trusted(name, _terms(s)) for s in document.statements if _assumes(s) for name in _names_in(s)})
    )


def _assumes(statement: Statement) -> bool:
    """Whether it speaks of assuming the role, rather than of tags on the session only."""
    if statement.not_action or statement.problems:
        return True
    return any(speaks_of_action(statement, action) for action in _ASSUMING)


def _names_in(statement: Statement) -> Iterable[str]:
    listed = statement.principals or ()
    if statement.not_principal:
        yield ANYONE if statement.effect is Effect.ALLOW else f"all but {', '.join(sorted(e.value for e in listed))}"
        return
    for entry in listed:
        name = parse_name(entry)
        yield name.account if name.named is Named.ACCOUNT else entry.value


def _terms(statement: Statement) -> str:
    said = sorted(
        (c.quantifier, c.operator, c.if_exists, c.key, tuple(sorted(set(c.values)))) for c in statement.conditions
    )
    terms = {"effect": statement.effect.value} if statement.effect is Effect.DENY else {}
    return json.dumps({**terms, "conditions": said}) if said or terms else ""


def pin(trust: str) -> str:
    """A trust policy as text that is the same for the same trust; empty when it cannot be understood."""
    try:
        document = parse_document(trust, _LABEL)
    except DocumentError:
        return ""
    return "" if document.problems else json.dumps([[one.name, one.terms] for one in trusted(document)])


def judge_trust(about: About, case: Case, role: Role) -> list[Finding]:
    """A risk for each principal that is trusted and should not be, or the reverse."""
    parsed = parse(about, [(_LABEL, NamedPolicy(_LABEL, role.trust))])
    if not parsed.documents:
        return list(parsed.findings)
    now = trusted(parsed.documents[0])
    wrong = {**dict(_drift(case, now)), **dict(_never(parsed.documents[0]))}
    return [*parsed.findings, *(_finding(about, case, name, what) for name, what in sorted(wrong.items()))]


def _never(document: Document) -> Iterable[tuple[str, str]]:
    """Whom no share should hang on, agreed or not.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html
    """
    for statement in document.statements:
        if statement.effect is Effect.ALLOW and _assumes(statement):
            names = set(_names_in(statement))
            if ANYONE in names:
                limit = ", under conditions only" if statement.conditions else ""
                yield ANYONE, f"trusts anyone, of every account{limit}"
            for entry in statement.principals or ():
                if entry.value in names and parse_name(entry).kind is CallerKind.USER:
                    yield entry.value, f"trusts {_LONG_LIVED.format(entry.value)}"


def _drift(case: Case, now: Sequence[Trusted]) -> Iterable[tuple[str, str]]:
    """What differs from the contract's `trusted_by` or, where it says nothing, from the trust that was seen first."""
    agreed, pinned = case.contract.trusted_by, case.facts.get("pinned_trust", "")
    if agreed is not None:
        before = {Trusted(name) for name in agreed}
        now = [Trusted(name) for name in dict.fromkeys(one.name for one in now if '"effect"' not in one.terms)]
        by = "as agreed"
    elif pinned:
        before = {Trusted(name, terms) for name, terms in json.loads(pinned)}
        by = "as when it was first seen"
    else:
        return
    for one in sorted(before ^ set(now)):
        others = {other.name for other in (before if one in now else now)}
        if one.name in others:
            yield one.name, f"trusts {one.name} on other terms than {by.removeprefix('as ')}"
        else:
            yield one.name, f"trusts {one.name}, not {by}" if one in now else f"no longer trusts {one.name}, {by}"


def _finding(about: About, case: Case, name: str, what: str) -> Finding:
    role = case.contract.role_name
    commands = (
        f"aws iam get-role --role-name {role} --query Role.AssumeRolePolicyDocument > trust.json",
        "# edit trust.json, and keep every other statement",
        f"aws iam update-assume-role-policy --role-name {role} --policy-document file://trust.json",
    )
    sentence = (
        f"Put the trust policy of {role} back, or agree on whom it trusts: trusted_by in the contract, or "
        "`threelocks apply --accept` in this account."
    )
    remedy = Remedy(about.account, sentence, None, commands)
    return about.finding("identity.trust-changed", Kind.RISK, name, ("sts:AssumeRole",), f"the role {what}", remedy)
