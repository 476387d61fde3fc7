"""What is offered as proven mends what it is for, whatever the policies: done as the remedy says, and judged again."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.test_judge_properties import LOCKS, SETTINGS, Lock
from tests.unit.locks.scene import (
    AGREED,
    CONSUMER,
    ROLE,
    ROLE_ID,
    ROOT,
    SHARE_KEY,
    STRANGER,
    Statement,
    bucket,
    consumer,
    document,
    findings,
    key,
    verdict,
)
from threelocks.finding import Finding, Remedy
from threelocks.mend import proven
from threelocks.observation import Found, NamedPolicy, Observation

FACTS = {"role_id": ROLE_ID, "has_boundary": "false"}
AS_AGREED = "is as agreed"


def remedies(observation: Observation) -> dict[Any, Remedy]:
    return proven(AGREED, (), observation, FACTS, verdict(observation))


# --- doing what a remedy says -----------------------------------------------------------------------------------------


def done(statements: list[Statement], remedy: Remedy) -> list[Statement]:
    """A policy after somebody did, step by step, what a remedy for a bucket or key policy says."""
    after: list[Statement | None] = list(statements)
    for step in remedy.steps or (remedy,):
        statement = json.loads(step.statement) if step.statement else None
        if step.sentence.startswith("Add"):
            after.append(statement)
        else:
            number = int(step.sentence.partition("tatement ")[2].split()[0])
            after[number - 1] = statement
    return [one for one in after if one is not None]


def done_to_role(statements: tuple[Statement, ...], remedy: Remedy) -> Observation:
    """A role after somebody put what a remedy says; its one inline policy was `read-curated`."""
    policies = {"read-curated": document(*statements)}
    for step in remedy.steps or (remedy,):
        if step.sentence.startswith("Delete"):
            del policies["read-curated"]
        else:
            name = "read-curated" if "`read-curated`" in step.sentence else "share-bi-curated-read"
            policies[name] = step.statement or ""
    return consumer(inline=Found(tuple(NamedPolicy(name, text) for name, text in policies.items())))


def after_doing(lock: Lock, statements: tuple[Statement, ...], remedy: Remedy) -> Observation:
    if lock.name == "role":
        return done_to_role(statements, remedy)
    changed = done(list(statements), remedy)
    return bucket(*changed) if changed else bucket(policy=Found(document()))


@LOCKS
@SETTINGS
@given(data=st.data())
def test_a_proven_remedy_mends_what_it_is_for_and_brings_nothing_new(lock: Lock, data: st.DataObject) -> None:
    statements = data.draw(lock.documents)
    before = findings(lock.observe(statements))
    offered = remedies(lock.observe(statements))
    for remedy in dict.fromkeys(offered.values()):
        after = findings(after_doing(lock, statements, remedy))
        assert not {one.identity for one in after} & {ident for ident, one in offered.items() if one == remedy}
        assert _classes(after) <= _classes(before)
        assert remedy.proof
        if AS_AGREED in remedy.proof:
            assert not after


def _classes(found: tuple[Finding, ...]) -> set[tuple[str, str]]:
    return {(one.code, one.principal) for one in found}


@LOCKS
@SETTINGS
@given(data=st.data())
def test_one_careless_change_of_an_agreed_policy_is_always_mended(lock: Lock, data: st.DataObject) -> None:
    """A statement more, or one less: what happens to policies that were as agreed, as far as it is settled at all."""
    agreed = tuple(json.loads(text) for text in _agreed(lock))
    if data.draw(st.booleans()):
        number = data.draw(st.integers(0, len(agreed) - 1))
        statements: tuple[Statement, ...] = (*agreed[:number], *agreed[number + 1 :])
    else:
        statements = (*agreed, data.draw(lock.statement(data.draw(st.sampled_from(("Allow", "Deny"))))))
    if not statements:
        return
    found = findings(lock.observe(statements))
    if any(one.code.endswith(("not-fully-checked", "sessions-revoked")) for one in found):
        return
    offered = remedies(lock.observe(statements))
    assert {one.identity for one in found} == set(offered)
    assert all(AS_AGREED in remedy.proof for remedy in offered.values())


def _agreed(lock: Lock) -> list[str]:
    observation = lock.observe(())
    if observation.role:
        assert isinstance(observation.role.inline, Found)
        (text,) = (one.document for one in observation.role.inline.value)
    else:
        assert observation.bucket
        assert isinstance(observation.bucket.policy, Found)
        text = observation.bucket.policy.value
    return [json.dumps(one) for one in json.loads(text)["Statement"]]


# --- the key ----------------------------------------------------------------------------------------------------------

ON_KEY = st.builds(
    lambda effect, to, action, when: {
        "Effect": effect,
        "Principal": to,
        "Action": action,
        "Resource": "*",
        **({"Condition": when} if when else {}),
    },
    st.sampled_from(("Allow", "Allow", "Deny")),
    st.sampled_from(
        ("*", {"AWS": ROLE}, {"AWS": f"arn:aws:iam::{CONSUMER}:root"}, {"AWS": [f"{ROLE}2", STRANGER, ROLE]})
    ),
    st.sampled_from(("kms:*", "kms:Decrypt", ["kms:Decrypt", "kms:DescribeKey"], "kms:CreateGrant")),
    st.sampled_from(
        (
            None,
            None,
            {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}},
            {"StringEquals": {"aws:SourceVpce": "vpce-1"}},
            {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/BI*"}},
        )
    ),
)


@SETTINGS
@given(
    more=st.lists(ON_KEY, max_size=3),
    agreed=st.sampled_from(([ROOT, SHARE_KEY], [ROOT, SHARE_KEY], [ROOT], [SHARE_KEY], [])),
)
def test_a_proven_remedy_of_a_key_mends_it_and_leaves_the_key_to_its_account(
    more: list[Statement], agreed: list[Statement]
) -> None:
    statements = [*agreed, *more]
    if not statements:
        return
    before = findings(key(*statements))
    offered = remedies(key(*statements))
    for remedy in dict.fromkeys(offered.values()):
        after = findings(key(*done(statements, remedy)))
        assert not {one.identity for one in after} & {ident for ident, one in offered.items() if one == remedy}
        assert _classes(after) <= _classes(before)
        assert ("key.no-owner-root" in {one.code for one in after}) <= (
            "key.no-owner-root" in {one.code for one in before}
        )
