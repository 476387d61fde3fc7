"""Remedies that are proven: the smallest change comes first, nobody else is cut off, nothing unproven is offered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.locks.scene import (
    AGREED,
    BUCKET,
    CONSUMER,
    EMPTY,
    IDENTITY,
    KEY,
    OBJECTS,
    OWNER,
    READ,
    ROLE,
    ROLE_ID,
    ROOT,
    SHARE_BUCKET,
    SHARE_KEY,
    STRANGER,
    TLS_ONLY,
    YES,
    Statement,
    allow,
    bucket,
    consumer,
    contract,
    deny,
    key,
    policy,
    verdict,
)
from threelocks.contract import Contract
from threelocks.finding import Remedy, Verdict
from threelocks.judge import judge
from threelocks.mend import MOST, offering, proven
from threelocks.observation import Encryption, Found, Grant, KeyMetadata, NamedPolicy, Observation

FACTS = {"role_id": ROLE_ID, "has_boundary": "false"}
CONSUMER_ROOT = f"arn:aws:iam::{CONSUMER}:root"
OWN_POLICY = "arn:aws:iam::222222222222:policy/x"


def remedies(observation: Observation, agreed: Contract = AGREED, *neighbours: Contract) -> list[Remedy]:
    """Each once. Every finding has one."""
    judged = verdict(observation, agreed, neighbours=neighbours)
    found = proven(agreed, neighbours, observation, FACTS, judged)
    assert set(found) == {one.identity for one in judged.findings}
    return list(dict.fromkeys(found.values()))


def only(observation: Observation, agreed: Contract = AGREED, *neighbours: Contract) -> Remedy:
    (remedy,) = remedies(observation, agreed, *neighbours)
    assert remedy.proof.endswith("is as agreed")
    return remedy


def steps(remedy: Remedy) -> list[tuple[str, Any]]:
    """The first word of each step, and its statement."""
    taken = [(step.sentence, step.statement) for step in remedy.steps or (remedy,)]
    return [(sentence.split()[0], json.loads(text) if text else None) for sentence, text in taken]


ROW = [
    pytest.param(bucket(TLS_ONLY), ["Add"], id="the role is missing"),
    pytest.param(
        bucket({**SHARE_BUCKET, "Principal": {"AWS": [ROLE, STRANGER]}}), ["Replace"], id="a stranger beside the role"
    ),
    pytest.param(bucket(SHARE_BUCKET, allow("s3:GetObject", OBJECTS, to=STRANGER)), ["Remove"], id="a stranger alone"),
    pytest.param(bucket({**SHARE_BUCKET, "Principal": {"AWS": CONSUMER_ROOT}}), ["Replace"], id="the whole account"),
    pytest.param(bucket({**SHARE_BUCKET, "Action": "s3:*"}), ["Replace"], id="every action"),
    pytest.param(
        bucket({**SHARE_BUCKET, "Principal": "*", "Action": "s3:*"}), ["Replace", "Add"], id="anyone, anything"
    ),
    pytest.param(bucket(SHARE_BUCKET, deny("s3:*", f"{BUCKET}/x/*", to="*")), ["Replace"], id="a Deny for all"),
    pytest.param(bucket(SHARE_BUCKET, deny("s3:*", f"{BUCKET}/x/*", to=ROLE)), ["Remove"], id="a Deny for the role"),
    pytest.param(
        bucket({**SHARE_BUCKET, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}), ["Add"], id="a condition"
    ),
    pytest.param(bucket({**SHARE_BUCKET, "Principal": {"AWS": "AROADELETED123456789"}}), ["Replace"], id="a ghost"),
    pytest.param(
        bucket(SHARE_BUCKET, allow("s3:GetObject", OBJECTS, to="*"), policy_is_public=YES), ["Replace"], id="public"
    ),
    pytest.param(bucket(encryption=Found(Encryption("AES256"))), ["Set"], id="encryption"),
    pytest.param(key(ROOT), ["Add"], id="the role is missing in the key policy"),
    pytest.param(key(SHARE_KEY), ["Add"], id="the account is missing in the key policy"),
    pytest.param(key(ROOT, {**SHARE_KEY, "Action": "kms:*"}), ["Replace"], id="every action on the key"),
    pytest.param(key(ROOT, SHARE_KEY, deny("kms:Decrypt", "*", to="*")), ["Replace"], id="a Deny on the key"),
    pytest.param(key(ROOT, grants=Found((Grant("g-1", ROLE, ("Decrypt", "DescribeKey")),))), ["Add"], id="by a grant"),
    pytest.param(
        key(ROOT, SHARE_KEY, grants=Found((Grant("g-1", f"arn:aws:iam::{STRANGER}:role/A", ("Decrypt",)),))),
        ["Revoke"],
        id="a grant to a stranger",
    ),
    pytest.param(key(metadata=Found(KeyMetadata(KEY, "Disabled", "CUSTOMER"))), ["Enable"], id="disabled"),
    pytest.param(key(metadata=Found(KeyMetadata(KEY, "PendingDeletion", "CUSTOMER"))), ["Cancel"], id="to be deleted"),
    pytest.param(
        bucket(SHARE_BUCKET, deny("s3:*", OBJECTS, to="*", when={"ArnNotEquals": {"aws:PrincipalArn": f"{ROLE}2"}})),
        ["Replace"],
        id="a Deny that spares another role",
    ),
    pytest.param(
        bucket(
            SHARE_BUCKET,
            deny("s3:*", OBJECTS, to="*", when={"StringNotLike": {"AWS:PrincipalArn": [f"{ROLE}2", f"{ROLE}3"]}}),
        ),
        ["Replace"],
        id="a Deny that spares other roles, in other capitals",
    ),
    pytest.param(
        bucket({**SHARE_BUCKET, "Principal": {"AWS": [ROLE, CONSUMER_ROOT], "Service": "logging.s3.amazonaws.com"}}),
        ["Replace"],
        id="an account and a service beside the role",
    ),
    pytest.param(
        bucket(SHARE_BUCKET, allow(["s3:GETOBJECT", "s3:PutObject"], [BUCKET, OBJECTS], to=ROLE)),
        ["Replace"],
        id="an action too many, in other capitals",
    ),
    pytest.param(
        bucket(SHARE_BUCKET, allow("s3:GetObject", None, to=STRANGER, NotResource="arn:aws:s3:::x/*")),
        ["Remove"],
        id="a stranger on all but one",
    ),
    pytest.param(
        consumer(*IDENTITY, deny("s3:GetObject", [f"{BUCKET}/x/*", "arn:aws:s3:::other/*"])),
        ["Put"],
        id="a Deny on the shared bucket and another",
    ),
    pytest.param(
        consumer(*IDENTITY, allow("s3:GetObject", None, NotResource="arn:aws:s3:::x/*")),
        ["Put"],
        id="all buckets but one",
    ),
    pytest.param(
        consumer(*IDENTITY, allow("s3:GetObject", [OBJECTS, "arn:aws:s3:::own/*", "arn:aws:s3:::own-*/*"])),
        ["Put"],
        id="buckets of its own beside the shared one, some by a wildcard",
    ),
    pytest.param(
        consumer(inline=Found((policy("share-bi-curated-read", *IDENTITY[:2]),))), ["Put"], id="its own policy is there"
    ),
    pytest.param(
        key(ROOT, {**SHARE_KEY, "Principal": {"AWS": [ROLE, CONSUMER_ROOT]}}), ["Replace"], id="the account on the key"
    ),
    pytest.param(consumer(*IDENTITY[:2]), ["Give"], id="kms is missing for the role"),
    pytest.param(consumer(allow("*", "*")), ["Put"], id="everything for the role"),
    pytest.param(consumer(*IDENTITY, deny("s3:GetObject", "*")), ["Put"], id="a Deny in the role's policy"),
    pytest.param(
        consumer(boundary=Found(policy(OWN_POLICY, allow("s3:*", "*")))), ["Put"], id="a boundary that is too low"
    ),
    pytest.param(
        consumer(boundary=Found(policy(OWN_POLICY, allow("*", "*"), deny("kms:*", "*")))), ["Put"], id="one that denies"
    ),
    pytest.param(
        consumer(attached=Found((policy("arn:aws:iam::aws:policy/AmazonS3FullAccess", allow("s3:*", "*")),))),
        ["Detach"],
        id="a policy that AWS manages",
    ),
]


@pytest.mark.parametrize(("observation", "expected"), ROW)
def test_the_smallest_change_that_mends_it_is_offered(observation: Observation, expected: list[str]) -> None:
    remedy = only(observation)
    assert [word for word, _ in steps(remedy)] == expected
    assert remedy.account == observation.account
    assert remedy.commands
    assert remedy.sentence.endswith(":") == bool(remedy.statement or remedy.steps)


MENDED = Path(__file__).parent / "locks" / "mended.txt"


def written(observation: Observation) -> str:
    """The proven remedies of one row, with every word."""
    lines = []
    for one in remedies(observation):
        lines.append(f"in {one.account}: {one.sentence} ({one.proof})")
        lines += (one.statement or "").splitlines()
        for step in one.steps:
            lines += [f"- {step.sentence}", *(step.statement or "").splitlines()]
        lines += [f"$ {command}" for command in one.commands]
    return "\n".join([*lines, ""])


@pytest.mark.parametrize(("title", "observation"), [(row.id, row.values[0]) for row in ROW])
def test_a_remedy_is_worded_as_written_down(title: str, observation: Observation) -> None:
    """To renew it: `python -m tests.unit.test_mend`."""
    assert f"=== {title}\n{written(observation)}" in MENDED.read_text(encoding="utf-8")


def test_two_things_that_are_off_in_one_policy_are_one_remedy_of_two_steps() -> None:
    stranger, secret = allow("s3:GetObject", OBJECTS, to=STRANGER), deny("s3:*", f"{BUCKET}/x/*", to=ROLE, Sid="Secret")
    remedy = only(bucket(SHARE_BUCKET, stranger, secret))
    assert remedy.sentence == "Make these 2 changes:"
    assert [step.sentence for step in remedy.steps] == [
        "Remove statement 2 of the bucket policy.",
        "Remove statement 3 `Secret` of the bucket policy.",
    ]


def test_every_other_statement_is_kept() -> None:
    own = allow("s3:*", [BUCKET, OBJECTS], to=f"arn:aws:iam::{OWNER}:root", Sid="Own")
    ((_, put),) = steps(only(consumer(allow("s3:*", "*", Sid="Wide"), *IDENTITY)))
    assert put["Statement"][1:] == list(IDENTITY)
    ((word, _),) = steps(only(bucket(own, TLS_ONLY)))
    assert word == "Add"


def test_a_statement_that_is_added_has_a_sid_of_its_own() -> None:
    ((_, added),) = steps(only(bucket({**TLS_ONLY, "Sid": "ShareRead"})))
    assert added["Sid"] == "ShareRead2"


def test_what_the_role_may_do_with_other_buckets_is_kept_where_it_is_said_in_full() -> None:
    others = ["arn:aws:s3:::own", "arn:aws:s3:::own/*"]
    ((_, put),) = steps(only(consumer(allow("s3:*", [BUCKET, OBJECTS, *others]), *IDENTITY)))
    assert put["Statement"][0] == allow("s3:*", others)


@pytest.mark.parametrize("shared", [f"{BUCKET}/x/*", f"{BUCKET}/sales/*", OBJECTS, f"{BUCKET}/sa?es/x"])
def test_a_deny_on_the_shared_bucket_and_on_others_stays_for_the_others(shared: str) -> None:
    ((_, put),) = steps(only(consumer(*IDENTITY, deny("s3:GetObject", [shared, "arn:aws:s3:::other/*"]))))
    assert put["Statement"][3] == deny("s3:GetObject", ["arn:aws:s3:::other/*"])


def test_a_deny_on_what_is_not_shared_of_the_bucket_stays() -> None:
    agreed = contract(prefixes=["sales/"])
    hr, own = f"{BUCKET}/hr/*", allow("s3:ListBucket", BUCKET, when={"StringLike": {"s3:prefix": "sales/*"}})
    objects = allow("s3:GetObject", f"{BUCKET}/sales/*")
    observation = consumer(own, objects, IDENTITY[2], deny("s3:GetObject", [f"{BUCKET}/sales/secret/*", hr]))
    ((_, put),) = steps(only(observation, agreed))
    assert put["Statement"][3] == deny("s3:GetObject", [hr])


def test_a_policy_with_nothing_left_in_it_is_deleted() -> None:
    remedy = only(consumer(inline=Found((policy("read-curated", *IDENTITY), policy("odd", deny("s3:*", OBJECTS))))))
    assert remedy.sentence == "Delete the inline policy `odd`: nothing else stands in it."
    assert remedy.commands == ("aws iam delete-role-policy --role-name BIAnalyticsRole --policy-name odd",)


def test_a_managed_policy_is_put_as_a_new_version_and_says_whom_else_it_reaches() -> None:
    remedy = only(consumer(inline=EMPTY, attached=Found((policy(OWN_POLICY, *IDENTITY, deny("s3:*", "*")),))))
    assert "whoever else has it" in remedy.sentence
    assert remedy.commands[-1].startswith(f"aws iam create-policy-version --policy-arn {OWN_POLICY} ")


# --- nobody else is cut off -------------------------------------------------------------------------------------------

OTHER_ROLE = f"arn:aws:iam::{CONSUMER}:role/Other"
NEIGHBOUR = contract(name="other-read", role=OTHER_ROLE)


def opened(remedy: Remedy, statements: tuple[Statement, ...]) -> Observation:
    """The bucket after the remedy; every statement of these examples is replaced, removed or added."""
    after: list[Statement | None] = list(statements)
    for step in remedy.steps or (remedy,):
        tree = json.loads(step.statement) if step.statement else None
        if step.sentence.startswith("Add"):
            after.append(tree)
        else:
            after[int(step.sentence.partition("tatement ")[2].split()[0]) - 1] = tree
    return bucket(*(one for one in after if one is not None))


@pytest.mark.parametrize("principal", ["*", CONSUMER_ROOT, CONSUMER])
def test_a_neighbour_that_lived_on_a_statement_for_everybody_gets_its_own(principal: str) -> None:
    wide = allow(list(READ), [BUCKET, OBJECTS], to=principal)
    after = opened(only(bucket(wide), AGREED, NEIGHBOUR), (wide,))
    assert verdict(after, NEIGHBOUR, neighbours=(AGREED,)).findings == ()


def test_a_reader_that_the_owner_also_allows_keeps_what_it_has() -> None:
    auditor = f"arn:aws:iam::{STRANGER}:role/Auditor"
    entry = {"on": "bucket", "principal": auditor, "actions": ["s3:GetObject"], "reason": "yearly audit"}
    agreed = contract(also_allowed=[entry])
    named = allow("s3:GetObject", OBJECTS, to=[auditor, f"arn:aws:iam::{STRANGER}:role/B"])
    ((_, narrowed),) = steps(only(bucket(SHARE_BUCKET, named), agreed))
    assert narrowed["Principal"] == {"AWS": auditor}
    everybody = bucket(allow(list(READ), [BUCKET, OBJECTS], to="*"))
    assert auditor in json.dumps([tree for _, tree in steps(only(everybody, agreed))])


def test_a_role_of_two_contracts_keeps_what_the_other_needs() -> None:
    other = contract(name="second", bucket={"name": "second-bucket", "region": "eu-west-1"})
    put = [tree for _, tree in steps(only(consumer(allow("*", "*")), AGREED, other))]
    assert "arn:aws:s3:::second-bucket/*" in json.dumps(put)


def test_with_too_many_readers_behind_one_statement_nothing_is_offered() -> None:
    crowd = tuple(
        contract(name=f"n{n}", role=f"arn:aws:iam::{CONSUMER}:role/R{n}", prefixes=[f"p{n}/"]) for n in range(12)
    )
    wide = bucket(allow(list(READ), [BUCKET, OBJECTS], to=CONSUMER_ROOT))
    judged = verdict(wide, neighbours=crowd)
    assert judged.findings
    assert proven(AGREED, crowd, wide, FACTS, judged) == {}


@pytest.mark.parametrize("principal", ["*", [f"arn:aws:iam::{OWNER}:root", CONSUMER_ROOT]])
def test_the_holder_of_a_key_never_loses_it(principal: Any) -> None:
    root = f"arn:aws:iam::{OWNER}:root"
    kept = [tree for _, tree in steps(only(key(allow("kms:*", "*", to=principal)))) if tree]
    assert any(tree["Action"] == "kms:*" and root in json.dumps(tree["Principal"]) for tree in kept)


# --- nothing unproven -------------------------------------------------------------------------------------------------


def test_what_does_not_pass_the_judge_keeps_the_remedy_that_says_what_to_look_at() -> None:
    unread = bucket(TLS_ONLY, requester_pays=Found(value=True))
    judged = verdict(unread)
    found = proven(AGREED, (), unread, FACTS, judged, judge=lambda *_: judged)
    assert found == {}
    assert offering(judged, found) == judged


def test_a_change_that_brings_something_else_is_not_offered() -> None:
    shut = bucket(TLS_ONLY)

    def worse(agreed: Contract, neighbours: Any, observation: Observation, facts: Any) -> Verdict:
        return verdict(bucket(allow("s3:*", [BUCKET, OBJECTS], to=STRANGER)))

    assert proven(AGREED, (), shut, FACTS, verdict(shut), judge=worse) == {}


def test_a_lock_is_judged_again_only_so_often() -> None:
    calls = []

    def counted(*arguments: Any) -> Verdict:
        calls.append(arguments)
        return judge(*arguments)

    many = [allow("s3:GetObject", OBJECTS, to={"Federated": f"f{n}", "AWS": f"{500000000000 + n}"}) for n in range(40)]
    wide = bucket(SHARE_BUCKET, *many)
    proven(AGREED, (), wide, FACTS, verdict(wide), judge=counted)
    assert len(calls) <= MOST


@pytest.mark.parametrize("text", ["not JSON", "[]", "{}", '{"Statement": 7}', '{"Statement": ["x"]}', "[" * 100_000])
def test_what_is_no_policy_document_is_not_redrafted(text: str) -> None:
    odd = bucket(policy=Found(text))
    shut = verdict(bucket(TLS_ONLY))
    assert proven(AGREED, (), odd, FACTS, shut) == {}


def test_what_else_is_off_is_said_to_stay() -> None:
    both = consumer(*IDENTITY[:2], tags=())
    agreed = contract(premises={"principal_tags": {"team": "bi"}})
    found = proven(AGREED, (), both, FACTS, verdict(both, agreed))
    assert [one.proof for one in found.values()] == ["judged again with it, lock 1 (identity policy) is as agreed"]
    odd = allow("s3:PutObject", OBJECTS, to=CONSUMER_ROOT, when={"StringMatches": {"s3:x": "y"}})
    half = bucket(TLS_ONLY, odd)
    proofs = {one.proof for one in proven(AGREED, (), half, FACTS, verdict(half)).values()}
    assert proofs == {"judged again with it, this is no longer so; what else is off stays"}


def test_a_decimal_number_is_put_back_as_it_is_spelled() -> None:
    text = '{"Version": "2012-10-17", "Statement": [{"Sid": "A", "Effect": "Allow", "Action": "s3:GetObject", '
    text += '"Resource": "arn:aws:s3:::own/*", "Condition": {"StringEquals": {"aws:PrincipalTag/v": 1.10}}}, '
    text += '{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}'
    odd = consumer(inline=Found((policy("read-curated", *IDENTITY), NamedPolicy("odd", text))))
    assert '"1.10"' in json.dumps([tree for _, tree in steps(only(odd))])


def test_nothing_is_judged_where_nothing_is_off() -> None:
    def never(*_: Any) -> Verdict:
        raise AssertionError("nothing is off")

    assert proven(AGREED, (), bucket(), FACTS, verdict(bucket()), judge=never) == {}


if __name__ == "__main__":
    MENDED.write_text("".join(f"=== {row.id}\n{written(row.values[0])}" for row in ROW), encoding="utf-8")
