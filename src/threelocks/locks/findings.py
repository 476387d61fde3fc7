"""Open: from the required requests that fail to findings, with their codes, sentences and remedies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from threelocks.finding import Finding, Kind, Remedy
from threelocks.locks.ask import Failure, Layered, failures
from threelocks.locks.case import About, Case
from threelocks.locks.remedy import actions_of
from threelocks.locks.terms import required
from threelocks.policy.authorize import Layer
from threelocks.policy.condition import parse_date

Mend = Callable[[str, Sequence[Failure]], Remedy]  # from a code and its failures

# What fails at a ceiling bears its name; everything else goes by the lock's own area.
_CEILINGS = {
    Layer.SESSION_POLICY: "ceiling.session-policy",
    Layer.SERVICE_CONTROL_POLICY: "ceiling.scp",
    Layer.RESOURCE_CONTROL_POLICY: "ceiling.rcp",
    Layer.VPC_ENDPOINT_POLICY: "ceiling.vpc-endpoint",
    Layer.ACCESS_POINT_POLICY: "ceiling.access-point",
}
_TOKEN_AGE = "aws:tokenissuetime"  # noqa: S105 - a condition key's name


def open_findings(case: Case, about: About, layered: Layered, actions: Iterable[str], mend: Mend) -> list[Finding]:
    """What keeps required requests from passing this lock, one finding per code."""
    by_code: dict[str, list[Failure]] = {}
    for failure in _all_failures(case, layered, actions):
        by_code.setdefault(code_of(failure, about.area), []).append(failure)
    return [_finding(case, about, code, _gravest(failed), mend) for code, failed in by_code.items()]


def _all_failures(case: Case, layered: Layered, actions: Iterable[str]) -> Iterable[Failure]:
    asked = tuple(actions)
    guesses = [required(_with_role_id(case, one), layered.documents, asked) for one in _ids_asked_for(case, layered)]
    for number, one in enumerate(required(case, layered.documents, asked)):
        found = failures(one, layered, case.budget)
        if found and any(not failures(guess[number], layered, case.budget) for guess in guesses):
            yield replace(found[0], kind=Kind.UNREAD, statements=(), reason=_unknown_id(case))
        else:
            yield from found


_ROLE_ID = re.compile(r"AROA[A-Z0-9]{12,}")


def _ids_asked_for(case: Case, layered: Layered) -> list[str]:
    """While the role's unique id is not known here, the ids that conditions ask for: it may be any of them."""
    if "role_id" in case.facts:
        return []
    values = (
        value
        for document in layered.documents
        for statement in document.statements
        for condition in statement.conditions
        if condition.key == "aws:userid"
        for value in condition.values
    )
    return sorted({found for value in values for found in _ROLE_ID.findall(value)})


def _with_role_id(case: Case, role_id: str) -> Case:
    return replace(case, facts={**case.facts, "role_id": role_id})


def _unknown_id(case: Case) -> str:
    return (
        f"the role's unique id, which a condition asks for, is known once {case.contract.consumer.account} reports it"
    )


def _gravest(failed: list[Failure]) -> list[Failure]:
    """A ceiling's code stands for shut and for risk: what is shut is said first, and alone."""
    shut = [failure for failure in failed if failure.kind is Kind.SHUT]
    return shut or failed


def code_of(failure: Failure, area: str) -> str:
    if failure.kind is Kind.UNREAD:
        return f"{area}.not-fully-checked"
    if failure.layer in _CEILINGS:
        return _CEILINGS[failure.layer]
    if failure.kind is Kind.RISK:
        by_age = any(c.key == _TOKEN_AGE for s in failure.statements for c in s.conditions)
        return "identity.sessions-revoked" if area == "identity" and by_age else f"{area}.conditional"
    if failure.layer is Layer.PERMISSIONS_BOUNDARY:
        return "identity.boundary"
    return f"{area}.explicit-deny" if failure.denied else f"{area}.no-allow"


def _finding(case: Case, about: About, code: str, failed: list[Failure], mend: Mend) -> Finding:
    first = failed[0]
    return about.finding(
        code,
        first.kind,
        case.contract.role,
        actions_of(failed),
        _sentence(about, code, failed),
        mend(code, failed),
        witness=first.witness,
        statements=[statement for failure in failed for statement in failure.statements],
    )


def _sentence(about: About, code: str, failed: list[Failure]) -> str:
    first, actions = failed[0], actions_of(failed)
    what = ", ".join(actions) + _context(first)
    passes = f"{what} {'passes' if len(actions) == 1 else 'pass'} {about.name}"
    if first.kind is Kind.UNREAD:
        return f"whether {passes} is not known: {first.reason}"
    if code == "identity.sessions-revoked":
        return f"{about.name} refuses {what} to sessions that began before a set time"
    if first.kind is Kind.RISK:
        return f"{passes} only {_until(first) or 'under conditions that the contract does not fix'}"
    if first.layer in _CEILINGS or first.layer is Layer.PERMISSIONS_BOUNDARY:
        return f"the {first.layer} {'refuses' if first.denied else 'does not allow'} {what}"
    if first.denied:
        return f"a Deny in {about.name} refuses {what}"
    return f"no statement of {about.name} allows {what}"


def _context(failure: Failure) -> str:
    return f" (context `{failure.required.context}`)" if failure.required.context else ""


_CLOCKS = ("aws:currenttime", "aws:epochtime")


def _until(failure: Failure) -> str:
    """`until 2027-01-01T00:00:00Z`, where a clock is all that the failure hangs on."""
    context = dict(failure.witness.context) if failure.witness else {}
    moments = [moment for clock in _CLOCKS for moment in map(parse_date, context.get(clock, ())) if moment]
    if not moments or not context.keys() <= set(_CLOCKS):
        return ""
    return f"until {min(moments).isoformat().replace('+00:00', 'Z')}"
