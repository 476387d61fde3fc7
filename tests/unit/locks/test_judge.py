"""The judgement as a whole: what a verdict says, and that each remedy mends what it is for."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from random import Random
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
    READ,
    ROLE,
    ROOT,
    SHARE_BUCKET,
    SHARE_KEY,
    STRANGER,
    TLS_ONLY,
    USE,
    allow,
    bucket,
    consumer,
    contract,
    deny,
    document,
    findings,
    key,
    only,
    policy,
    verdict,
)
from threelocks.catalogue import CATALOGUE
from threelocks.contract import Contract
from threelocks.finding import Finding, Headline, Kind, Lock
from threelocks.judge import judge
from threelocks.locks.bucket_policy import judge_bucket
from threelocks.locks.case import Case
from threelocks.locks.words import listed
from threelocks.observation import Found, Observation
from threelocks.policy.witness import Budget


def owner(*on_bucket: dict[str, Any], on_key: tuple[dict[str, Any], ...] = ()) -> Observation:
    """Bucket and key in one account, as most owners have it."""
    return replace(bucket(*on_bucket), key=key(*on_key).key)


def test_both_accounts_find_an_agreed_share_intact() -> None:
    assert [verdict(each).headline for each in (consumer(), owner())] == [Headline.INTACT] * 2


def test_a_verdict_says_whose_it_is_of_what_and_as_of_when() -> None:
    judged = verdict(owner())
    assert (judged.contract, judged.account, judged.as_of) == (AGREED.name, OWNER, NOW)
    assert judged.digest == AGREED.digest
    assert [state.lock for state in judged.locks] == [Lock.BUCKET_POLICY, Lock.KEY_POLICY]


def test_each_lock_has_the_kinds_of_its_own_findings() -> None:
    judged = verdict(owner(TLS_ONLY, on_key=(ROOT, SHARE_KEY, allow("kms:Encrypt", "*", to=ROLE))))
    assert {state.lock: state.kinds for state in judged.locks} == {
        Lock.BUCKET_POLICY: (Kind.SHUT,),
        Lock.KEY_POLICY: (Kind.WIDE,),
    }
    assert judged.headline is Headline.BROKEN


def test_a_fact_that_the_account_observes_itself_beats_a_reported_one() -> None:
    assert verdict(consumer(), facts={"role_id": "AROAOLD1234567890123"}).facts[1] == (
        "role_id",
        "AROAEXAMPLE123456789",
    )


def test_equal_situations_give_equal_verdicts() -> None:
    statements = (SHARE_BUCKET, allow("s3:*", [BUCKET, OBJECTS], to=[STRANGER, CONSUMER]), TLS_ONLY)
    first = verdict(owner(*statements))
    assert first == verdict(owner(*statements))
    assert [one.identity for one in first.findings] == sorted(one.identity for one in first.findings)


def test_an_account_that_holds_nothing_of_the_share_has_nothing_to_say() -> None:
    judged = verdict(Observation(STRANGER, NOW))
    assert (judged.locks, judged.findings) == ((), ())


# --- remedies ---------------------------------------------------------------------------------------------------------

SALES = contract(prefixes=["sales/", "price${x}/"])
SHARES = (AGREED, SALES, contract(actions=["s3:ListBucket"]))


def statements_of(finding: Finding) -> list[dict[str, Any]]:
    assert finding.remedy
    assert finding.remedy.statement
    told = json.loads(finding.remedy.statement)
    return told if isinstance(told, list) else [told]


@pytest.mark.parametrize("agreed", SHARES, ids=["all", "prefixes", "listing"])
@pytest.mark.parametrize("kept", [(), IDENTITY[:1], IDENTITY[1:2], IDENTITY[2:]], ids=["none", "list", "get", "key"])
def test_the_statement_for_the_role_is_enough_and_opens_no_more(
    agreed: Contract, kept: tuple[dict[str, Any], ...]
) -> None:
    kept = kept if agreed is AGREED else ()
    for one in findings(consumer(inline=Found((policy("read", *kept),))), agreed):
        kept = (*kept, *statements_of(one))
        assert (one.code, one.remedy and one.remedy.account) == ("identity.no-allow", CONSUMER)
    assert findings(consumer(*kept), agreed) == ()


@pytest.mark.parametrize("agreed", SHARES, ids=["all", "prefixes", "listing"])
def test_the_statement_for_the_bucket_is_enough_and_opens_no_more(agreed: Contract) -> None:
    told = statements_of(only(bucket(TLS_ONLY), agreed))
    assert findings(bucket(TLS_ONLY, *told), agreed) == ()


def test_the_statement_for_the_key_is_enough_and_opens_no_more() -> None:
    told = statements_of(only(key(ROOT)))
    assert findings(key(ROOT, *told)) == ()
    assert told[0]["Resource"] == "*"


def test_only_what_is_missing_is_told_to_be_added() -> None:
    (told,) = statements_of(only(bucket(allow("s3:GetObject", OBJECTS, to=ROLE), TLS_ONLY)))
    assert told["Action"] == ["s3:ListBucket"]


def test_the_statement_in_place_of_a_ghost_is_enough() -> None:
    ghost = "AROADELETED123456789"
    on_bucket = only(bucket(allow(list(READ), [BUCKET, OBJECTS], to=ghost)))
    assert findings(bucket(*statements_of(on_bucket))) == ()
    on_key = only(key(ROOT, allow(list(USE), "*", to=ghost)))
    assert findings(key(ROOT, *statements_of(on_key))) == ()


def test_the_boundary_is_mended_by_the_statement_where_it_does_not_allow_and_by_the_deny_where_it_denies() -> None:
    low = only(consumer(boundary=Found(policy("ceiling", allow("s3:*", "*")))))
    assert findings(consumer(boundary=Found(policy("ceiling", allow("s3:*", "*"), *statements_of(low))))) == ()
    denied = deny("kms:*", "*", Sid="NoKeys")
    remedy = only(consumer(boundary=Found(policy("ceiling", allow("*", "*"), denied)))).remedy
    assert remedy
    assert remedy.statement is None
    assert "`NoKeys`" in remedy.sentence


def test_a_deny_is_named_by_its_sid_or_its_place() -> None:
    named = only(bucket(SHARE_BUCKET, deny("s3:*", OBJECTS, to=ROLE, Sid="Quarantine"))).remedy
    placed = only(bucket(SHARE_BUCKET, deny("s3:*", OBJECTS, to=ROLE))).remedy
    assert named
    assert placed
    assert "`Quarantine`" in named.sentence
    assert "number 2" in placed.sentence


BROKEN = (
    consumer(IDENTITY[0]), consumer(*IDENTITY, deny("*", "*")), consumer(*IDENTITY, allow("s3:*", "*")),
    consumer(role=DENIED), bucket(TLS_ONLY), bucket(SHARE_BUCKET, allow("s3:*", OBJECTS, to="*")),
    bucket(policy=DENIED), key(ROOT), key(ROOT, SHARE_KEY, allow("kms:*", "*", to=STRANGER)), key(grants=DENIED),
)  # fmt: skip


@pytest.mark.parametrize("observation", BROKEN)
def test_every_finding_says_who_must_act_and_its_commands_can_be_typed(observation: Observation) -> None:
    for one in findings(observation):
        assert one.remedy
        assert one.remedy.account in (OWNER, CONSUMER)
        assert one.remedy.sentence.endswith((".", ":"))
        assert one.remedy.sentence.endswith(":") == (one.remedy.statement is not None)
        for command in one.remedy.commands:
            assert command.startswith("# ") or shlex.split(command)[0] == "aws"


@pytest.mark.parametrize("observation", BROKEN)
def test_every_code_is_in_the_catalogue_and_every_sentence_is_one_line(observation: Observation) -> None:
    for one in findings(observation):
        assert one.code in CATALOGUE
        assert "\n" not in one.detail
        assert one.actions == tuple(sorted(set(one.actions)))


def test_a_refused_read_names_the_reader_in_its_own_partition() -> None:
    arn = "arn:aws-us-gov:iam::222222222222:role/BIAnalyticsRole"
    agreed = contract(
        role=arn, key=KEY.replace("arn:aws:", "arn:aws-us-gov:").replace("eu-west-1", "us-gov-west-1"),
        bucket={"name": "datalake-curated-a", "region": "us-gov-west-1"},
    )  # fmt: skip
    remedy = only(consumer(role=DENIED), agreed).remedy
    assert remedy
    assert "arn:aws-us-gov:iam::222222222222:role/threelocks/threelocks-reader" in remedy.sentence


# --- words ------------------------------------------------------------------------------------------------------------


def test_many_actions_are_listed_by_what_matters_and_not_all() -> None:
    found = only(bucket(SHARE_BUCKET, allow("s3:*", [BUCKET, OBJECTS], to=ROLE)))
    assert len(found.actions) > 80
    assert ": s3:PutBucketPolicy, s3:DeleteBucketPolicy, s3:PutObject, " in found.detail
    assert found.detail.endswith(f"and {len(found.actions) - 5} more")
    assert listed(["s3:GetObjectAcl", "s3:PutObject"]) == "s3:PutObject, s3:GetObjectAcl"


SENTENCES = (
    (bucket(TLS_ONLY), "no statement of the bucket policy allows s3:GetObject, s3:ListBucket"),
    (bucket(SHARE_BUCKET, deny("s3:*", BUCKET, to="*")), "a Deny in the bucket policy refuses s3:ListBucket"),
    (bucket(SHARE_BUCKET, allow("s3:GetObject", OBJECTS, to=CONSUMER)),
     "the bucket policy lets in others of account 222222222222 than the agreed role: s3:GetObject"),
    (bucket(SHARE_BUCKET, allow("s3:GetObject", OBJECTS, to=STRANGER)),
     "the bucket policy lets in account 333333333333: s3:GetObject"),
    (consumer(*IDENTITY, allow("s3:PutObject", OBJECTS)),
     "the role's identity policy allows more on the shared bucket or key than was agreed: s3:PutObject"),
    (consumer(*IDENTITY[:2], allow(list(USE), KEY, when={"DateLessThan": {"aws:CurrentTime": "2027-01-01"}})),
     "kms:Decrypt, kms:DescribeKey pass the role's identity policy only until 2027-01-01T00:00:00Z"),
    (consumer(boundary=Found(policy("c", allow("s3:*", "*")))),
     "the permissions boundary does not allow kms:Decrypt, kms:DescribeKey"),
)  # fmt: skip


@pytest.mark.parametrize(("observation", "sentence"), SENTENCES, ids=[sentence[:50] for _, sentence in SENTENCES])
def test_findings_speak_plainly(observation: Observation, sentence: str) -> None:
    assert only(observation).detail == sentence


# --- when the search gives up -----------------------------------------------------------------------------------------


def test_policies_too_involved_to_search_are_unknown_never_intact() -> None:
    involved = [
        deny("s3:GetObject", f"{BUCKET}/*{'?*'.join(letters)}*", to="*", Sid=letters)
        for letters in ("abcdefgh", "hgfedcba", "acegbdfh", "hfdbgeca", "adgbehcf")
    ]
    sure = [allow("s3:GetObject", f"{BUCKET}/*{text}*", to=ROLE) for text in ("abab", "baba", "aabb", "bbaa", "abba")]
    judged = verdict(bucket(*involved, *sure, allow("s3:ListBucket", BUCKET, to=ROLE)))
    assert judged.headline is not Headline.INTACT


def test_a_deny_that_is_plain_by_itself_is_found_among_policies_too_involved_to_search() -> None:
    observation = bucket(SHARE_BUCKET, TLS_ONLY, deny("s3:GetObject", f"{BUCKET}/*secret*", to="*", Sid="Plain"))
    assert observation.bucket
    case = Case(AGREED, (), observation, {"role_id": "AROAEXAMPLE123456789"}, Budget(steps=0))
    shut = [one for one in judge_bucket(case, observation.bucket) if one.kind is Kind.SHUT]
    assert [(one.code, one.actions) for one in shut] == [("bucket.explicit-deny", ("s3:GetObject",))]
    assert [statement.sid for statement in shut[0].statements] == ["Plain"]


def test_every_question_that_is_given_up_is_reported() -> None:
    observation = bucket()
    assert observation.bucket
    case = Case(AGREED, (), observation, {"role_id": "AROAEXAMPLE123456789"}, Budget(steps=0))
    found = judge_bucket(case, observation.bucket)
    assert {one.code for one in found} == {"bucket.not-fully-checked"}
    assert ROLE in {one.principal for one in found}


def test_a_policy_that_is_too_involved_leaves_the_other_locks_their_search() -> None:
    chance = Random("tags")  # noqa: S311 - no secret hangs on it
    operators = ("StringEquals", "StringNotEquals", "StringEqualsIfExists", "StringNotEqualsIfExists")

    def tags() -> dict[str, Any]:
        return {one: {f"aws:PrincipalTag/t{chance.randrange(30)}": "x"} for one in chance.sample(operators, 3)}

    involved = (deny("s3:GetObject", OBJECTS, to="*", when=tags()) for _ in range(90))
    of_key = key(ROOT, SHARE_KEY, allow("kms:Decrypt", "*", to=STRANGER))
    seen = replace(bucket(SHARE_BUCKET, *involved), key=of_key.key)
    assert {one.code for one in verdict(seen).findings} == {"bucket.not-fully-checked", "key.wide-principal"}


def test_judging_leaves_its_arguments_as_they_are() -> None:
    facts = {"role_id": "AROAEXAMPLE123456789"}
    judge(AGREED, (), consumer(), facts)
    assert facts == {"role_id": "AROAEXAMPLE123456789"}
    assert document() == '{"Version": "2012-10-17", "Statement": []}'
