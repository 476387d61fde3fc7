"""Who may become the role: what of its trust policy is a risk, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.locks.scene import (
    CONSUMER,
    OWNER,
    ROLE,
    ROLE_ID,
    STRANGER,
    codes,
    consumer,
    contract,
    document,
    findings,
    only,
)
from threelocks.contract import Contract
from threelocks.finding import Kind, Verdict
from threelocks.judge import judge
from threelocks.locks.trust import pin
from threelocks.observation import Found, Observation, Role
from threelocks.report import make

GLUE, ADMIN, ALICE = "glue.amazonaws.com", f"arn:aws:iam::{CONSUMER}:role/Admin", f"arn:aws:iam::{CONSUMER}:user/alice"
PROVIDER = f"arn:aws:iam::{CONSUMER}:saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE"


def trusts(*principals: Any, action: Any = "sts:AssumeRole", **more: Any) -> dict[str, Any]:
    """One statement of a trust policy for these ARNs or accounts, or for one whole Principal element."""
    principal = principals[0] if principals and isinstance(principals[0], dict) else {"AWS": list(principals)}
    return {"Effect": "Allow", "Principal": principal, "Action": action, **more}


BY_GLUE = trusts({"Service": GLUE})


def role(*statements: dict[str, Any]) -> Observation:
    return consumer(role=Found(Role(ROLE, ROLE_ID, document(*statements))))


def seen(*statements: dict[str, Any]) -> dict[str, str]:
    """The facts of an account that saw this trust policy first."""
    return {"pinned_trust": pin(document(*statements))}


def agreed(*names: str) -> Contract:
    return contract(trusted_by=list(names))


@pytest.mark.finding("identity.trust-changed")
def test_a_principal_that_was_not_agreed_is_a_risk_and_named() -> None:
    found = only(role(BY_GLUE, trusts(ADMIN)), agreed(GLUE))
    assert (found.code, found.kind, found.principal) == ("identity.trust-changed", Kind.RISK, ADMIN)
    assert found.remedy
    assert found.remedy.account == CONSUMER


def test_each_further_principal_is_a_finding_of_its_own_so_that_none_hides_behind_another() -> None:
    found = findings(role(BY_GLUE, trusts(ADMIN, STRANGER)), agreed(GLUE))
    assert {one.principal for one in found} == {ADMIN, STRANGER}


def test_a_principal_that_is_trusted_no_longer_is_a_risk_too() -> None:
    found = only(role(BY_GLUE), agreed(GLUE, ADMIN))
    assert (found.principal, found.detail) == (ADMIN, f"the role no longer trusts {ADMIN}, as agreed")


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        (BY_GLUE, GLUE),
        (trusts(ADMIN), ADMIN),
        (trusts(f"arn:aws:iam::{CONSUMER}:root"), CONSUMER),
        (trusts(CONSUMER, action="sts:*"), CONSUMER),
        (trusts({"Federated": PROVIDER}, action=["sts:AssumeRoleWithSAML", "sts:TagSession"]), PROVIDER),
        (trusts({"Federated": "accounts.google.com"}, action="sts:AssumeRoleWithWebIdentity"), "accounts.google.com"),
    ],
)
def test_whom_the_contract_names_may_be_trusted_in_any_form(statement: dict[str, Any], name: str) -> None:
    assert findings(role(statement), agreed(name)) == ()


def test_tags_on_a_session_let_nobody_become_the_role() -> None:
    assert findings(role(BY_GLUE, trusts(STRANGER, action="sts:TagSession")), agreed(GLUE)) == ()


@pytest.mark.parametrize("known", [{}, seen(trusts(ALICE)), seen(BY_GLUE)], ids=["first", "as seen first", "later"])
@pytest.mark.finding("identity.trust-changed")
def test_a_user_with_long_lived_keys_is_a_risk_even_when_it_was_there_from_the_beginning(known: dict[str, str]) -> None:
    found = [one for one in findings(role(trusts(ALICE)), facts=known) if one.principal == ALICE]
    assert [one.code for one in found] == ["identity.trust-changed"]
    assert "whose access keys do not expire" in found[0].detail


@pytest.mark.parametrize(
    "statement",
    [
        trusts("*"),
        {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "NotPrincipal": {"AWS": STRANGER}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": "*", "NotAction": "sts:TagSession"},
        trusts("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
    ],
)
def test_anyone_is_never_to_be_trusted(statement: dict[str, Any]) -> None:
    assert {one.principal for one in findings(role(statement))} == {"*"}


def test_without_an_agreement_whoever_was_trusted_first_is_right_and_every_change_is_a_risk() -> None:
    assert findings(role(BY_GLUE, trusts(ADMIN))) == ()
    first = seen(BY_GLUE)
    assert findings(role(BY_GLUE), facts=first) == ()
    found = only(role(BY_GLUE, trusts(ADMIN)), facts=first)
    assert found.detail == f"the role trusts {ADMIN}, not as when it was first seen"


def test_dropping_a_condition_is_a_change_of_the_trust() -> None:
    """The one that binds a repository's pipelines to an external id, say."""
    bound = trusts(ADMIN, Condition={"StringEquals": {"sts:ExternalId": "4711"}})
    assert findings(role(bound), facts=seen(bound)) == ()
    found = only(role(trusts(ADMIN)), facts=seen(bound))
    assert found.detail == f"the role trusts {ADMIN} on other terms than when it was first seen"


def test_a_user_who_may_not_become_the_role_is_not_trusted() -> None:
    denying = {"Effect": "Deny", "Principal": {"AWS": ALICE}, "Action": "sts:AssumeRole"}
    assert findings(role(BY_GLUE, denying)) == ()
    assert findings(role(BY_GLUE, trusts(ALICE, action="sts:TagSession"))) == ()


def test_dropping_a_deny_is_a_change_of_the_trust() -> None:
    denying = {"Effect": "Deny", "Principal": {"AWS": ADMIN}, "Action": "sts:AssumeRole"}
    assert codes(role(BY_GLUE), facts=seen(BY_GLUE, denying)) == {"identity.trust-changed"}


def test_another_order_sid_or_spelling_is_no_change() -> None:
    first = seen(trusts(CONSUMER, ADMIN), BY_GLUE)
    again = role(
        {**BY_GLUE, "Sid": "Glue", "Action": ["sts:AssumeRole"]},
        trusts(ADMIN),
        trusts(f"arn:aws:iam::{CONSUMER}:root", action="sts:assumerole"),
    )
    assert findings(again, facts=first) == ()


def test_a_trust_policy_that_is_not_understood_is_unknown_and_pins_nothing() -> None:
    unknown = consumer(role=Found(Role(ROLE, ROLE_ID, '{"Statement": 1}')))
    assert codes(unknown) == {"identity.unread"}
    odd = document({**BY_GLUE, "Frobnicate": True})
    assert "identity.not-fully-checked" in codes(consumer(role=Found(Role(ROLE, ROLE_ID, odd))))
    assert pin('{"Statement": 1}') == pin(odd) == ""


def test_whom_the_role_trusts_does_not_leave_its_account() -> None:
    observed = role(BY_GLUE, trusts(ADMIN, STRANGER))
    terms = agreed(GLUE)
    judged: Verdict = judge(terms, (), observed, {})
    (crossed,) = make(terms, judged, stamp=1).verdict.findings
    assert crossed.principal == ROLE
    assert "Admin" not in repr(crossed)
    assert STRANGER not in repr(crossed)
    assert OWNER not in crossed.principal
