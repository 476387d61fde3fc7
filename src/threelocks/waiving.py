"""Known exceptions of a contract, and the withdrawal of a share: what is off on purpose, until a date.

Both stand in the contract of the party that holds the lock, beside the agreed terms. A check marks its findings with
the waivers that cover them, so that they travel in its report; what counts is decided by time, where findings are
merged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from difflib import get_close_matches

from threelocks.catalogue import CATALOGUE
from threelocks.contract import Contract, Waived
from threelocks.finding import Finding, Kind, Suspension, Verdict, Waiver
from threelocks.policy.pattern import plain_glob
from threelocks.problems import Problem
from threelocks.spelling import shown

LONGEST = timedelta(days=366)  # an exception that is renewed each year is looked at each year

# Of the other party, or of what the watchdog knows at all.
_NEVER = frozenset({"watchdog.partner-silent", "watchdog.contracts-differ", "watchdog.report-trimmed"})
_UNKNOWN = (".unread", ".not-fully-checked", ".contract-edited")


def marked(contract: Contract, verdict: Verdict) -> Verdict:
    """The verdict of a holder, with its contract's waivers on the findings that they cover, and its suspension. A
    contract that somebody edited has neither."""
    findings = tuple(replace(finding, waiver=_waiver(contract, finding)) for finding in verdict.findings)
    stated = None if contract.is_edited else contract.suspended
    suspended = Suspension(verdict.account, stated.by, stated.reason, stated.until) if stated else None
    return replace(verdict, findings=findings, suspended=suspended)


def _waiver(contract: Contract, finding: Finding) -> Waiver | None:
    """The one that lasts longest."""
    if finding.kind is Kind.UNREAD or contract.is_edited:
        return None
    covering = [one for one in contract.waivers if covers(one, finding)]
    longest = max(covering, key=lambda one: one.until, default=None)
    return Waiver(longest.reason, longest.until) if longest else None


def covers(waived: Waived, finding: Finding) -> bool:
    """Whether all of the finding lies within what is waived: one that has grown beyond it counts again."""
    return (
        finding.code == waived.finding
        and waived.principal in (None, finding.principal, finding.principal.removeprefix("account "))
        and waived.resource in (None, finding.resource)
        and (not waived.actions or _within(finding.actions, waived.actions))
    )


def _within(actions: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    """A finding that names no action is about more than any list of them."""
    return bool(actions) and all(map(plain_glob(patterns, fold=True).matches, actions))


def problems(contract: Contract, now: datetime) -> Iterator[Problem]:
    """What is wrong with a contract's exceptions on the day when it is applied."""
    if contract.suspended:
        yield from _end("suspended.until", contract.suspended.until, now)
    for index, one in enumerate(contract.waivers):
        field = f"waivers[{index}]"
        yield from _finding(field, one)
        yield from _end(f"{field}.until", one.until, now)


def _finding(field: str, one: Waived) -> Iterator[Problem]:
    code = one.finding
    if code not in CATALOGUE:
        near = get_close_matches(code, CATALOGUE, n=1)
        advice = f"did you mean `{near[0]}`?" if near else "write a code of docs/alerts.md"
        yield Problem(f"{field}.finding", f"{shown(code)} is not a finding; {advice}")
    elif code.endswith(_UNKNOWN):
        yield Problem(
            f"{field}.finding",
            f"`{code}` says that something is not known, which cannot be waived; mend what keeps it from being read",
        )
    elif code in _NEVER:
        yield Problem(
            f"{field}.finding", f"`{code}` is between the two accounts and cannot be waived; suspend the share instead"
        )
    elif ".wide-" in code and one.principal is None:
        yield Problem(
            f"{field}.principal",
            f"is missing: `{code}` without it would waive every stranger to come; write whom, as the finding names it",
        )


def _end(field: str, until: datetime, now: datetime) -> Iterator[Problem]:
    if until <= now:
        yield Problem(field, f"is over since {until:%Y-%m-%d %H:%M} UTC; take the entry out, or write a later date")
    elif until > now + LONGEST:
        yield Problem(field, "is more than a year ahead; write a date within a year, and renew it then")
