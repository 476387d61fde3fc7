"""What stands above the locks: organization policies, endpoint and session policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.unit.locks.scene import (
    ALL,
    BUCKET,
    CONSUMER,
    DENIED,
    KEY,
    OBJECTS,
    OWNER,
    READ,
    ROLE,
    USE,
    allow,
    codes,
    consumer,
    contract,
    deny,
    findings,
    key,
    only,
    policy,
    verdict,
)
from threelocks.finding import Headline, Kind, Lock
from threelocks.observation import CeilingObservation, Found, NamedPolicy, PolicyLevel

FULL = allow("*", "*", Sid="FullAccess")
FULL_FOR_ALL = allow("*", "*", to="*", Sid="FullAccess")


def levels(*of: Any) -> Any:
    """One level per argument, each a statement or a tuple of them; the root first."""
    statements = [each if isinstance(each, tuple) else (each,) for each in of]
    return Found(tuple(PolicyLevel(f"ou-{n}", (policy("p", *each),)) for n, each in enumerate(statements)))


@dataclass(frozen=True)
class Row:
    title: str
    ceilings: CeilingObservation
    code: str
    kind: Kind
    actions: tuple[str, ...]
    holder: str = CONSUMER


ROWS = (
    Row("a level of SCPs that allows nothing", CeilingObservation(scps=levels(FULL, ())),
        "ceiling.scp", Kind.SHUT, ALL),
    Row("a level of SCPs that allows S3 only", CeilingObservation(scps=levels(FULL, allow("s3:*", "*"), FULL)),
        "ceiling.scp", Kind.SHUT, USE),
    Row("an SCP that denies", CeilingObservation(scps=levels(FULL, (FULL, deny("kms:Decrypt", "*")))),
        "ceiling.scp", Kind.SHUT, ("kms:Decrypt",)),
    Row("an SCP that denies another organization's buckets", CeilingObservation(scps=levels((FULL, deny(
        "s3:*", "*", when={"StringNotEquals": {"aws:ResourceAccount": CONSUMER}})))), "ceiling.scp", Kind.SHUT, READ),
    Row("an SCP that asks for an endpoint", CeilingObservation(scps=levels((FULL, deny(
        "s3:*", "*", when={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})))), "ceiling.scp", Kind.RISK, READ),
    Row("an endpoint policy for other buckets", CeilingObservation(endpoint=Found(policy(
        "vpce-1", allow("s3:*", "arn:aws:s3:::own*", to="*")))), "ceiling.vpc-endpoint", Kind.SHUT, READ),
    Row("a session policy for other buckets", CeilingObservation(session=Found(policy(
        "athena", allow("s3:*", "arn:aws:s3:::own*"), allow("kms:*", "*")))),
        "ceiling.session-policy", Kind.SHUT, READ),
    Row("an RCP that denies strangers", CeilingObservation(rcps=levels((FULL_FOR_ALL, deny(
        "kms:*", "*", to="*", when={"StringNotEquals": {"aws:PrincipalAccount": OWNER}})))),
        "ceiling.rcp", Kind.SHUT, USE, OWNER),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
@pytest.mark.finding("ceiling.scp", "ceiling.rcp", "ceiling.vpc-endpoint", "ceiling.session-policy")
def test_a_ceiling_that_is_too_low_has_one_finding(row: Row) -> None:
    observation = consumer(ceilings=row.ceilings) if row.holder == CONSUMER else key(ceilings=row.ceilings)
    found = only(observation)
    assert (found.code, found.kind, found.actions) == (row.code, row.kind, row.actions)
    assert (found.principal, found.lock, found.account) == (ROLE, Lock.CEILING, row.holder)
    assert found.remedy
    assert found.remedy.account == row.holder


def test_ceilings_that_let_the_share_pass_are_silent() -> None:
    below = CeilingObservation(
        scps=levels(
            FULL,
            (FULL, deny("*", "*", when={"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}})),
            (allow(["s3:*", "kms:*"], "*"), deny("s3:Delete*", "*")),
        ),
        endpoint=Found(policy("vpce-1", allow("*", "*", to="*"))),
        session=Found(policy("athena", allow(list(READ), [BUCKET, OBJECTS]), allow(list(USE), KEY))),
    )
    judged = verdict(consumer(ceilings=below))
    assert (judged.headline, judged.remarks) == (Headline.INTACT, ())


def test_the_levels_of_an_organization_must_all_allow() -> None:
    split = levels(FULL, allow("s3:*", "*"), allow("kms:*", "*"))
    found = only(consumer(ceilings=CeilingObservation(scps=split)))
    assert (found.code, found.actions) == ("ceiling.scp", ALL)


@pytest.mark.finding("ceiling.not-fully-checked")
def test_an_endpoint_policy_that_names_the_role_is_unsettled_and_one_with_an_account_is_shut() -> None:
    def endpoint(principal: str) -> set[str]:
        source = Found(policy("vpce-1", allow("s3:*", "*", to=principal)))
        return codes(consumer(ceilings=CeilingObservation(endpoint=source)))

    assert endpoint(ROLE) == {"ceiling.not-fully-checked"}
    assert endpoint(CONSUMER) == {"ceiling.vpc-endpoint"}


def test_a_shut_and_a_risky_ceiling_are_told_as_shut() -> None:
    statements = (
        FULL,
        deny("s3:GetObject", f"{BUCKET}/secret/*"),
        deny("s3:*", "*", when={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}),
    )
    found = only(consumer(ceilings=CeilingObservation(scps=levels(statements))))
    assert (found.code, found.kind, found.actions) == ("ceiling.scp", Kind.SHUT, ("s3:GetObject",))


def test_ceilings_that_nobody_watches_are_a_remark_and_change_no_standing() -> None:
    judged = verdict(consumer())
    assert judged.headline is Headline.INTACT
    (remark,) = judged.remarks
    assert "service control policies" in remark
    assert "resource control policies" in verdict(key()).remarks[0]


@pytest.mark.parametrize("source", ["scps", "endpoint", "session"])
@pytest.mark.finding("ceiling.unread")
def test_a_ceiling_that_is_unreadable_leaves_the_share_unknown(source: str) -> None:
    judged = verdict(consumer(ceilings=CeilingObservation(**{source: DENIED})))
    assert (judged.headline, {one.code for one in judged.findings}) == (Headline.UNKNOWN, {"ceiling.unread"})


def test_a_ceiling_that_is_no_policy_leaves_the_share_unknown() -> None:
    broken = Found((PolicyLevel("r-1", (NamedPolicy("p", "{"),)),))
    assert codes(consumer(ceilings=CeilingObservation(scps=broken))) == {"ceiling.unread"}


def test_rcps_over_the_owner_do_not_concern_the_consumer() -> None:
    nothing = CeilingObservation(rcps=levels(()))
    assert findings(consumer(ceilings=nothing)) == ()


def test_rcps_over_the_owner_do_not_concern_a_key_of_a_third_account() -> None:
    third = {"account": "333333333333", "name": "keys", "home_region": "eu-west-1"}
    agreed = contract(key=KEY.replace(OWNER, "333333333333"), key_holder=third)
    below = CeilingObservation(rcps=levels((FULL_FOR_ALL, deny("kms:*", "*", to="*"))))
    assert "ceiling.rcp" not in codes(key(ceilings=below), agreed)
