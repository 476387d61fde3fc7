"""What is seen first is kept, by the holder of the role, until it is agreed anew or answered for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.locks.scene import AGREED, BUCKET, CONSUMER, OWNER, ROLE, ROLE_ID, allow, bucket, consumer, key
from tests.unit.locks.scene import document as policy_document
from tests.unit.locks.scene import verdict as judged
from threelocks import incident, pins
from threelocks.contract import Contract
from threelocks.finding import Cause, Verdict
from threelocks.judge import judge
from threelocks.locks.trust import pin
from threelocks.observation import Absent, Found, Observation, Role
from threelocks.report import make
from threelocks.state import Moment, State, Times

NEW_ID = "AROANEWEXAMPLE123456"
SWEEP = Cause(kind="sweep", at=consumer().began)
GHOST = allow(["s3:GetObject", "s3:ListBucket"], [BUCKET, f"{BUCKET}/*"], to=ROLE_ID)


def role(unique_id: str = ROLE_ID, trust: str = "") -> Observation:
    return consumer(role=Found(Role(ROLE, unique_id, trust or policy_document())))


def checked(
    before: State, observation: Observation, facts: dict[str, str] | None = None, cause: Cause = SWEEP
) -> tuple[State, Verdict]:
    """The state of the role's account after a check."""
    known = {**(facts or {}), **pins.known(AGREED, before, cause)}
    verdict = judge(AGREED, (), observation, known)
    after = replace(before, pinned=pins.pinned(AGREED, before, cause, verdict, observation))
    return after, verdict


def codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings}


FRESH = State(AGREED.name, AGREED.digest, CONSUMER)


def test_the_role_that_is_seen_first_is_the_one_that_was_agreed() -> None:
    first, verdict = checked(FRESH, role())
    assert codes(verdict) == set()
    assert dict(first.pinned) == {"role": ROLE, "role_id": ROLE_ID, "trust": pin(policy_document())}
    again, _ = checked(first, role())
    assert again.pinned == first.pinned


@pytest.mark.finding("identity.role-recreated")
def test_a_role_that_was_made_again_is_shut_until_both_resource_policies_are_said_to_name_it() -> None:
    first, _ = checked(FRESH, role())
    named = {"bucket_policy_role_id": NEW_ID, "key_policy_role_id": NEW_ID}
    for facts in ({}, {"bucket_policy_role_id": NEW_ID}, {**named, "key_policy_role_id": ROLE_ID}):
        state, verdict = checked(first, role(NEW_ID), facts)
        assert codes(verdict) == {"identity.role-recreated"}
        assert dict(state.pinned)["role_id"] == ROLE_ID
    state, verdict = checked(first, role(NEW_ID), named)
    assert codes(verdict) == set()
    assert dict(state.pinned)["role_id"] == NEW_ID
    _, verdict = checked(state, role(NEW_ID))
    assert codes(verdict) == set()


def test_a_role_that_is_gone_or_unread_is_still_remembered() -> None:
    first, _ = checked(FRESH, role())
    for observation in (consumer(role=Absent()), bucket()):
        assert checked(first, observation)[0].pinned == first.pinned


def test_applying_the_contract_agrees_on_the_role_of_today_and_on_whom_it_trusts() -> None:
    first, _ = checked(FRESH, role())
    trust = policy_document({"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:*"})
    other = role(NEW_ID, trust)
    assert codes(checked(first, other)[1]) == {"identity.role-recreated", "identity.trust-changed"}
    agreed, verdict = checked(first, other, cause=Cause(kind="apply", at=SWEEP.at))
    assert codes(verdict) == set()
    assert dict(agreed.pinned) == {"role": ROLE, "role_id": NEW_ID, "trust": pin(trust)}


def test_pins_of_another_role_say_nothing() -> None:
    first, _ = checked(FRESH, role())
    elsewhere: Contract = AGREED.model_copy(update={"role": f"arn:aws:iam::{CONSUMER}:role/Another"})
    assert pins.known(elsewhere, first, SWEEP) == {}


# --- what the holders of the resource policies say --------------------------------------------------------------------


def test_holders_say_whom_their_policies_let_in_once_they_know_the_role() -> None:
    held = Observation(OWNER, SWEEP.at, bucket=bucket().bucket, key=key().key)
    assert dict(judged(held).facts)["bucket_policy_role_id"] == ROLE_ID
    assert dict(judged(held).facts)["key_policy_role_id"] == ROLE_ID
    assert not any("role_id" in name for name, _ in judged(held, facts={}).facts)


def test_a_policy_that_shows_the_id_of_a_deleted_role_lets_in_nobody() -> None:
    facts = dict(judged(bucket(GHOST), facts={"role_id": NEW_ID}).facts)
    assert "bucket_policy_role_id" not in facts
    ghost = key(allow(["kms:Decrypt", "kms:DescribeKey"], "*", to=ROLE_ID))
    assert "key_policy_role_id" not in dict(judged(ghost, facts={"role_id": NEW_ID}).facts)


def reported(state: State, observation: Observation, known: dict[str, str], stamp: int) -> State:
    """The state after the holder of this observation has reported."""
    verdict = judge(AGREED, (), observation, known)
    moment = Moment(SWEEP.at, lambda: "id", Times().merge)
    after = incident.accept(AGREED, state, make(AGREED, verdict, stamp=stamp), moment)
    assert after is not None
    return after


def test_nobody_but_its_holder_may_say_whom_a_policy_names_and_nobody_what_we_saw_first() -> None:
    forged = (("key_policy_role_id", NEW_ID), ("pinned_role_id", NEW_ID), ("role_id", NEW_ID))
    verdict = replace(judge(AGREED, (), consumer(), {}), facts=forged)
    moment = Moment(SWEEP.at, lambda: "id", Times().merge)
    owners = State(AGREED.name, AGREED.digest, OWNER)
    heard = incident.accept(AGREED, owners, make(AGREED, verdict, stamp=1), moment)
    assert incident.facts(AGREED, heard) == {"role_id": NEW_ID}


def test_an_owner_that_hears_of_another_role_looks_at_its_policies_again_and_once() -> None:
    owners = State(AGREED.name, AGREED.digest, OWNER, own=judged(bucket()))
    first = reported(owners, role(), {}, 1)
    assert first.again is None
    other = reported(first, role(NEW_ID), {}, 2)
    assert other.again == SWEEP.at
    assert reported(replace(other, again=None), role(NEW_ID), {}, 3).again is None


def test_the_roles_account_looks_again_when_what_it_waits_for_is_said() -> None:
    state, verdict = checked(checked(FRESH, role())[0], role(NEW_ID))
    waiting = replace(state, own=verdict)
    held = Observation(OWNER, SWEEP.at, bucket=bucket().bucket, key=key().key)
    assert reported(waiting, held, {}, 1).again is None
    assert reported(waiting, held, {"role_id": NEW_ID}, 2).again == SWEEP.at
    assert reported(replace(waiting, own=replace(verdict, findings=())), held, {"role_id": NEW_ID}, 3).again is None
