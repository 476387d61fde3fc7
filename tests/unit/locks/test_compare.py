"""What a change of policies did to the permissions on one lock, as people would say it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.locks.scene import (
    AGREED,
    BUCKET,
    CONSUMER,
    DENIED,
    IDENTITY,
    KEY,
    NOW,
    OBJECTS,
    OWNER,
    ROLE,
    ROLE_ID,
    ROOT,
    SHARE_BUCKET,
    SHARE_KEY,
    STRANGER,
    TLS_ONLY,
    USE,
    allow,
    bucket,
    consumer,
    deny,
    document,
    key,
    policy,
)
from threelocks.finding import Change, Lock
from threelocks.locks.compare import compare
from threelocks.locks.kept import Kept, changed, kept
from threelocks.observation import Absent, Found, Grant, NamedPolicy, Observation
from threelocks.policy.authorize import Layer

AUDITOR = f"arn:aws:iam::{STRANGER}:role/Auditor"


def documents(observation: Observation) -> Kept:
    (found,) = kept(AGREED, observation)
    return found


def change(before: Observation, after: Observation, **more: Any) -> Change:
    facts = {"role_id": ROLE_ID, "has_boundary": "false"}
    old, new = documents(before), documents(after)
    return compare(AGREED, (), facts, old, new, account=after.account, at=NOW, **more)


def said(told: Change) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    """`+` for what is newly allowed, `=` or `-` for what no longer is, as agreed or beyond."""
    marks = {(False, True): "=", (False, False): "-", (True, True): "!", (True, False): "+"}
    return [(marks[d.allowed, d.is_agreed], d.principal, d.actions[:2], d.on) for d in told.differences]


GRANT = Grant("g-1", AUDITOR, ("Decrypt",))
VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}

CHANGES = [
    pytest.param(
        bucket(), bucket(TLS_ONLY),
        [("=", ROLE, ("s3:GetObject", "s3:ListBucket"), (BUCKET, OBJECTS))],
        id="the role is taken out of the bucket policy",
    ),
    pytest.param(
        bucket(TLS_ONLY), bucket(),
        [("!", ROLE, ("s3:GetObject", "s3:ListBucket"), (BUCKET, OBJECTS))],
        id="the role is back in the bucket policy",
    ),
    pytest.param(
        bucket(), bucket(SHARE_BUCKET, TLS_ONLY, deny("s3:GetObject", f"{BUCKET}/secret/*", to="*")),
        [("=", ROLE, ("s3:GetObject",), (f"{BUCKET}/secret/*",))],
        id="a Deny on one prefix",
    ),
    pytest.param(
        bucket(), bucket(SHARE_BUCKET, TLS_ONLY, allow("s3:GetObject", OBJECTS, to=AUDITOR)),
        [("+", AUDITOR, ("s3:GetObject",), (OBJECTS,))],
        id="one role of a stranger is let in",
    ),
    pytest.param(
        bucket(), bucket(SHARE_BUCKET, TLS_ONLY, allow("s3:GetObject", OBJECTS, to=STRANGER)),
        [("+", f"account {STRANGER}", ("s3:GetObject",), (OBJECTS,))],
        id="a whole account is let in",
    ),
    pytest.param(
        bucket(), bucket(SHARE_BUCKET, TLS_ONLY, allow("s3:GetObject", OBJECTS, to="*")),
        [
            ("+", f"account {CONSUMER}", ("s3:GetObject",), (OBJECTS,)),
            ("+", "anyone, without credentials", ("s3:GetObject",), (OBJECTS,)),
        ],
        id="anyone is let in, which is not said of other accounts and services again",
    ),
    pytest.param(
        bucket(), bucket(SHARE_BUCKET),
        [("+", ROLE, ("s3:GetObject", "s3:ListBucket"), (BUCKET, OBJECTS))],
        id="the Deny on plain HTTP is gone",
    ),
    pytest.param(
        bucket(policy_is_public=Found(value=True), block=Absent()), bucket(policy_is_public=Found(value=True)),
        [("=", ROLE, ("s3:GetObject", "s3:ListBucket"), (BUCKET, OBJECTS))],
        id="RestrictPublicBuckets begins to cut every other account off",
    ),
    pytest.param(
        bucket(), bucket(region=Absent()),
        [("=", ROLE, ("s3:GetObject", "s3:ListBucket"), (BUCKET, OBJECTS))],
        id="the bucket is gone, and with it all that its policy allowed",
    ),
    pytest.param(key(), key(ROOT), [("=", ROLE, USE, ("*",))], id="the role is taken out of the key policy"),
    pytest.param(
        key(), key(ROOT, allow(list(USE), "*", to=ROLE, when=VIA_S3)),
        [("=", ROLE, ("kms:DescribeKey",), ("*",)), ("-", ROLE, ("kms:Decrypt",), ("*",))],
        id="a condition that agreed reads meet and a direct call does not",
    ),
    pytest.param(key(), key(grants=Found((GRANT,))), [("+", AUDITOR, ("kms:Decrypt",), ("*",))], id="a grant is made"),
    pytest.param(
        consumer(), consumer(*IDENTITY[:2]), [("=", ROLE, USE, (KEY,))], id="kms:Decrypt is taken from the role"
    ),
    pytest.param(
        consumer(), consumer(boundary=Found(policy("ceiling", allow("s3:*", "*")))),
        [("=", ROLE, USE, ())],
        id="a permissions boundary is set that is too low",
    ),
    pytest.param(
        consumer(), consumer(*IDENTITY, allow("s3:PutObject", OBJECTS)),
        [("+", ROLE, ("s3:PutObject",), (OBJECTS,))],
        id="the role may write",
    ),
    pytest.param(
        consumer(), consumer(role=Absent(), inline=Absent(), attached=Absent(), boundary=Absent()),
        [("=", ROLE, ("kms:Decrypt", "kms:DescribeKey"), (KEY, OBJECTS, BUCKET))],
        id="the role is gone",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES)
def test_a_change_is_told_by_the_permissions_that_it_gives_and_takes(
    before: Observation, after: Observation, expected: list[Any]
) -> None:
    told = change(before, after)
    assert (*(row[:3] for row in said(told)),) == (*(row[:3] for row in expected),)
    assert [set(row[3]) for row in said(told)] == [set(row[3]) for row in expected]
    assert not told.undecided


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (bucket(), bucket(TLS_ONLY, {**SHARE_BUCKET, "Sid": "Renamed"})),
        (
            bucket(SHARE_BUCKET),
            bucket(allow("s3:GetObject", OBJECTS, to=ROLE), allow("s3:ListBucket", BUCKET, to=ROLE)),
        ),
        (bucket(SHARE_BUCKET), bucket(SHARE_BUCKET, allow("s3:GetObject", f"{BUCKET}/sales/*", to=ROLE))),
        (bucket(SHARE_BUCKET), bucket(SHARE_BUCKET, deny("s3:GetObject", "arn:aws:s3:::another/*", to="*"))),
        (bucket(), bucket(SHARE_BUCKET, TLS_ONLY, allow("s3:*", [BUCKET, OBJECTS], to=f"arn:aws:iam::{OWNER}:root"))),
        (consumer(), consumer(attached=Found((policy("arn:aws:iam::222222222222:policy/more", *IDENTITY[:1]),)))),
        (consumer(), consumer(boundary=Found(policy("ceiling", allow("*", "*"))))),
        (key(), key(ROOT, allow(USE[0], KEY, to=ROLE), allow(USE[1], "*", to=ROLE))),
    ],
)
def test_what_gives_and_takes_nothing_that_matters_is_a_rewrite(before: Observation, after: Observation) -> None:
    told = change(before, after)
    assert documents(before).digest != documents(after).digest
    assert told.is_rewrite
    assert told.edits == ()


def test_the_statements_that_made_the_difference_are_shown_as_they_were_and_are() -> None:
    narrowed = {**SHARE_BUCKET, "Sid": "Share", "Action": ["s3:ListBucket"]}
    old = bucket({**SHARE_BUCKET, "Sid": "Share"}, TLS_ONLY, allow("s3:GetObject", OBJECTS, to=OWNER, Sid="Own"))
    (edit,) = change(old, bucket(narrowed, TLS_ONLY)).edits
    assert edit.title == "Statement 1 `Share` of the bucket policy, changed"
    assert [line.strip() for line in edit.lines if line[0] == "-"] == ['-     "s3:GetObject",']


def test_a_boundary_is_said_to_be_set_or_removed_where_no_statement_can_be_shown() -> None:
    low = consumer(boundary=Found(policy("ceiling", allow("s3:*", "*"))))
    (was_set,) = change(consumer(), low).edits
    assert "boundary was set" in was_set.title
    assert ["removed" in edit.title for edit in change(low, consumer()).edits][:1] == [True]


def test_a_long_statement_is_cut_and_says_by_how_much() -> None:
    many = allow("s3:GetObject", [f"{BUCKET}/{number}/{'x' * 300}/*" for number in range(200)], to=STRANGER)
    (edit,) = change(bucket(), bucket(SHARE_BUCKET, TLS_ONLY, many)).edits
    assert len(edit.lines) == 41
    assert "more lines" in edit.lines[-1]
    assert max(map(len, edit.lines)) <= 200


def test_many_differences_are_cut_and_say_how_many_are_left_out() -> None:
    named = [allow("s3:GetObject", OBJECTS, to=f"{500000000000 + number}") for number in range(20)]
    told = change(bucket(), bucket(SHARE_BUCKET, TLS_ONLY, *named))
    assert len(told.differences) == 12
    assert told.undecided == ("8 further differences, which are not listed",)


def test_what_aws_does_not_document_is_undecided_and_never_a_rewrite() -> None:
    odd = allow("s3:PutObject", OBJECTS, to=f"arn:aws:iam::{STRANGER}:root", when={"StringMatches": {"s3:x": "y"}})
    told = change(bucket(), bucket(SHARE_BUCKET, TLS_ONLY, odd))
    assert told.differences == ()
    assert [why for why in told.undecided if f"account {STRANGER}" in why]
    assert not told.is_rewrite


def test_an_odd_statement_that_did_not_change_leaves_nothing_undecided() -> None:
    odd = allow("s3:PutObject", OBJECTS, to=f"arn:aws:iam::{STRANGER}:root", when={"StringMatches": {"s3:x": "y"}})
    told = change(bucket(SHARE_BUCKET, odd), bucket({**SHARE_BUCKET, "Sid": "Renamed"}, odd))
    assert told.is_rewrite


def test_a_comparison_beyond_its_budget_is_undecided() -> None:
    told = change(bucket(), bucket(TLS_ONLY), steps=1)
    assert (told.differences, told.is_rewrite) == ((), False)
    assert "budget" in told.undecided[0]


def test_what_is_no_policy_document_is_undecided() -> None:
    told = change(bucket(), bucket(policy=Found("{}")))
    assert "no policy document" in told.undecided[0]


def test_grants_that_are_too_many_to_be_kept_are_not_compared() -> None:
    many = tuple(replace(GRANT, grant_id=f"g-{number}") for number in range(2000))
    told = change(key(), key(ROOT, grants=Found(many)))
    assert ("=", ROLE, USE, ("*",)) in said(told)
    assert told.undecided == ("the grants are too many to be compared",)


# --- what is kept -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unread",
    [
        bucket(policy=DENIED),
        bucket(policy_is_public=DENIED),
        bucket(block=DENIED),
        key(grants=DENIED),
        key(policies=DENIED),
        consumer(inline=DENIED),
        consumer(attached=DENIED),
        consumer(boundary=DENIED),
        consumer(role=DENIED),
    ],
)
def test_a_lock_that_was_not_read_in_full_keeps_what_was_read_before(unread: Observation) -> None:
    assert kept(AGREED, unread) == ()


def test_blanks_and_the_order_of_lists_are_no_change_of_a_document() -> None:
    tree = json.loads(document(SHARE_BUCKET))
    tree["Statement"][0]["Action"].reverse()
    same = bucket(policy=Found(json.dumps(tree, indent=4, sort_keys=True)))
    assert documents(same).digest == documents(bucket(SHARE_BUCKET)).digest


@pytest.mark.parametrize(
    "other",
    [
        bucket(TLS_ONLY, SHARE_BUCKET),
        bucket(policy=Found('{"Statement": [], "Statement": []}')),
        bucket(policy=Found("not JSON")),
        bucket(policy=Found("[" * 100_000)),
        bucket(policy_is_public=Found(value=True)),
    ],
)
def test_any_other_document_is_a_change(other: Observation) -> None:
    assert changed((documents(other),), [(Lock.BUCKET_POLICY, documents(bucket()).digest)])


def test_every_document_of_a_role_is_kept_under_the_name_that_findings_use() -> None:
    arn = "arn:aws:iam::222222222222:policy/more"
    found = consumer(attached=Found((policy(arn, *IDENTITY),)), boundary=Found(policy("ceiling", allow("*", "*"))))
    assert [(one.layer, one.label) for one in documents(found).documents] == [
        (Layer.IDENTITY_POLICY, "inline policy `read-curated`"),
        (Layer.IDENTITY_POLICY, f"managed policy `{arn}`"),
        (Layer.PERMISSIONS_BOUNDARY, "permissions boundary `ceiling`"),
    ]


def test_every_policy_of_a_key_and_its_grants_are_kept() -> None:
    both = (policy("AWS_RAM", SHARE_KEY), NamedPolicy("default", document(ROOT)))
    found = key(policies=Found(both), grants=Found((GRANT,)))
    assert [one.label for one in documents(found).documents] == [
        "key policy `AWS_RAM`",
        "key policy `default`",
        "grants",
    ]
    assert documents(found).digest == documents(key(policies=Found(both), grants=Found((GRANT,)))).digest


def test_what_is_left_to_access_points_is_said_not_to_be_compared_and_never_told_as_open_to_all() -> None:
    ours = {"StringEquals": {"s3:DataAccessPointAccount": OWNER}}
    left = allow("s3:*", [BUCKET, OBJECTS], to="*", when=ours)
    told = change(bucket(), bucket(SHARE_BUCKET, TLS_ONLY, left))
    assert told.differences == ()
    assert told.undecided == (
        "what may be done through the account's own access points: that rests on their policies, too",
    )
    assert change(bucket(SHARE_BUCKET, TLS_ONLY, left), bucket(left, SHARE_BUCKET, TLS_ONLY)).undecided == ()


def test_what_access_points_of_other_accounts_may_open_is_told() -> None:
    strangers = {"StringEquals": {"s3:DataAccessPointAccount": STRANGER}}
    told = change(bucket(), bucket(SHARE_BUCKET, TLS_ONLY, allow("s3:GetObject", OBJECTS, to="*", when=strangers)))
    assert ("+", "anyone, without credentials", ("s3:GetObject",), (OBJECTS,)) in said(told)
