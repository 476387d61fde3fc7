"""What a change did, whatever the policies before and after: every difference is true, and none is missed."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.property.test_judge_properties import (
    CALLERS,
    DENIALS,
    FIXED,
    KMS_FIXED,
    LOCKS,
    SEEDS,
    SETTINGS,
    Lock,
    agreed_request,
    caller_of,
    further_request,
    label,
    reworded,
)
from tests.unit.locks.scene import AGREED, NOW, OWNER, ROLE, ROLE_ID, Statement
from threelocks.finding import Change, Difference
from threelocks.locks.compare import compare
from threelocks.locks.kept import Kept, kept
from threelocks.policy.authorize import Outcome, authorize
from threelocks.policy.request import Request

FACTS = {"role_id": ROLE_ID, "has_boundary": "false"}


def documents(lock: Lock, statements: tuple[Statement, ...]) -> Kept:
    (found,) = kept(AGREED, lock.observe(statements))
    return found


def change(lock: Lock, before: tuple[Statement, ...], after: tuple[Statement, ...]) -> Change:
    account = lock.observe(before).account
    return compare(AGREED, (), FACTS, documents(lock, before), documents(lock, after), account=account, at=NOW)


@st.composite
def pairs(draw: st.DrawFn, lock: Lock) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """Policies that have much in common, as one that was edited has, or nothing at all."""
    before = draw(lock.documents)
    if draw(st.integers(0, 3)) == 0:
        return before, draw(lock.documents)
    more = tuple(draw(st.lists(lock.statement("Allow") | lock.statement("Deny"), max_size=2)))
    kept_ones = tuple(one for one in before if draw(st.booleans()) or draw(st.booleans()))
    return before, (*kept_ones, *more) or before


def request_of(one: Difference, lock: Lock) -> Request:
    witness = one.witness
    fixed = dict(FIXED) if one.is_agreed else {k: v for k, v in FIXED.items() if k != "aws:securetransport"}
    if witness.action == "kms:Decrypt" and one.is_agreed:
        fixed |= KMS_FIXED
    context = {name: (value,) for name, value in fixed.items()} | {k: v for k, v in witness.context if v}
    return Request(caller_of(witness), witness.action, witness.resource, OWNER, context)


@LOCKS
@SETTINGS
@given(data=st.data())
def test_what_is_said_to_have_changed_has_changed(lock: Lock, data: st.DataObject) -> None:
    before, after = data.draw(pairs(lock))
    for one in change(lock, before, after).differences:
        request = request_of(one, lock)
        was, now = (authorize(request, lock.policies(policies)).outcome for policies in (before, after))
        assert (was, now)[one.allowed] is Outcome.ALLOWED
        assert (now, was)[one.allowed] in DENIALS


@LOCKS
@SETTINGS
@given(data=st.data())
def test_no_request_is_decided_otherwise_unless_the_change_says_so(lock: Lock, data: st.DataObject) -> None:
    before, after = data.draw(pairs(lock))
    told = change(lock, before, after)
    if told.undecided:
        return
    said = {(d.allowed, action, _class(d.principal)) for d in told.differences for action in d.actions}
    old, new = lock.policies(before), lock.policies(after)
    chance = Random(data.draw(SEEDS))  # noqa: S311 - no secret hangs on it
    callers = CALLERS if lock.name == "bucket" else CALLERS[:2]
    asked = [further_request(chance, callers) for _ in range(60)] + [agreed_request(chance) for _ in range(60)]
    for request in asked:
        was, now = (authorize(request, policies).outcome for policies in (old, new))
        for allowed, giving, taking in ((False, was, now), (True, now, was)):
            if giving is Outcome.ALLOWED and taking in DENIALS:
                names = {*label(request.caller), "anyone, without credentials"}
                assert {(allowed, request.action, _class(name)) for name in names} & said


def _class(principal: str) -> str:
    """The account of one who is named, so that it can be held against the class that a caller is of."""
    if principal == ROLE or not principal.startswith("arn:"):
        return principal
    return f"account {principal.split(':')[4]}"


@LOCKS
@SETTINGS
@given(data=st.data())
def test_what_one_way_allows_the_way_back_takes(lock: Lock, data: st.DataObject) -> None:
    before, after = data.draw(pairs(lock))
    there, back = change(lock, before, after), change(lock, after, before)
    assert _said(there) == {(not allowed, *rest) for allowed, *rest in _said(back)}
    assert bool(there.undecided) == bool(back.undecided)


def _said(told: Change) -> set[tuple[object, ...]]:
    return {(d.allowed, d.principal, d.is_agreed, d.actions) for d in told.differences}


@LOCKS
@SETTINGS
@given(data=st.data())
def test_a_rewrite_in_other_words_is_one(lock: Lock, data: st.DataObject) -> None:
    statements = data.draw(lock.documents)
    order = data.draw(st.permutations(range(len(statements))))
    told = change(lock, statements, reworded(statements, list(order)))
    assert not told.differences
    assert all("does not document" in why for why in told.undecided)


@LOCKS
@SETTINGS
@given(data=st.data())
def test_a_comparison_without_the_steps_for_it_says_so(lock: Lock, data: st.DataObject) -> None:
    before, after = data.draw(pairs(lock))
    old, new = documents(lock, before), documents(lock, after)
    account = lock.observe(before).account
    told = compare(AGREED, (), FACTS, old, new, account=account, at=NOW, steps=0)
    full = compare(AGREED, (), FACTS, old, new, account=account, at=NOW)
    assert not told.differences
    assert told.undecided or full.is_rewrite
    assert replace(told, undecided=()) == Change(told.lock, NOW)
