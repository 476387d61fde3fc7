"""Remarks on policies that AWS would refuse, or accepts without effect. What they say is judged as it stands."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.locks.scene import (
    BUCKET,
    CONSUMER,
    IDENTITY,
    KEY,
    OBJECTS,
    ROLE,
    ROOT,
    SHARE_BUCKET,
    SHARE_KEY,
    USE,
    allow,
    bucket,
    codes,
    consumer,
    deny,
    document,
    key,
    policy,
    verdict,
)
from threelocks.finding import Headline
from threelocks.observation import Found, NamedPolicy, Observation

DENIES_ALL = {
    "Resource": deny("kms:*", to="*"),
    "Action": deny(None, "*", to="*"),
    "Principal": deny("kms:*", "*"),
}


def remarks(observation: Observation) -> tuple[str, ...]:
    """Those on policies, without the one on ceilings."""
    return tuple(remark for remark in verdict(observation).remarks if not remark.startswith("ceilings"))


@pytest.mark.parametrize(("element", "statement"), DENIES_ALL.items(), ids=DENIES_ALL)
def test_a_key_policy_statement_without_an_element_has_no_effect_and_is_remarked_on(
    element: str, statement: dict[str, Any]
) -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html"""
    judged = verdict(key(ROOT, SHARE_KEY, statement))
    assert judged.headline is Headline.INTACT
    assert f"key policy `default`, Statement[2] has no {element}: it has no effect" in judged.remarks


def test_an_allow_without_resource_opens_no_key() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html"""
    assert codes(key(ROOT, allow(list(USE), to=ROLE))) == {"key.no-allow"}


def test_what_is_as_it_should_be_gets_no_remark() -> None:
    assert [remarks(one) for one in (consumer(), bucket(), key())] == [(), (), ()]


def padded(size: int, *statements: dict[str, Any]) -> str:
    """A document of so many characters, without white space."""
    text = document(*statements, {"Effect": "Deny", "Action": "ec2:x", "Resource": "*", "Sid": ""}).replace(" ", "")
    return text.replace('"Sid":""', f'"Sid":"{"x" * (size - len(text))}"')


@pytest.mark.parametrize(("over", "said"), [(0, False), (1, True)])
@pytest.mark.parametrize(
    ("most", "observe", "name"),
    [
        (20_480, lambda text: bucket(policy=Found(text)), "bucket policy"),
        (32_768, lambda text: key(policies=Found((NamedPolicy("default", text),))), "key policy `default`"),
        (
            10_240,
            lambda text: consumer(inline=Found((NamedPolicy("a", text[:5000]), NamedPolicy("b", text[5000:])))),
            "the role's inline policies together",
        ),
        (6_144, lambda text: consumer(attached=Found((NamedPolicy("a", text),))), "managed policy `a`"),
        (6_144, lambda text: consumer(boundary=Found(NamedPolicy("b", text))), "permissions boundary `b`"),
    ],
    ids=["bucket", "key", "inline", "managed", "boundary"],
)
def test_a_policy_larger_than_aws_accepts_is_remarked_on(
    most: int, observe: Any, name: str, over: int, *, said: bool
) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    size = most + over
    text = f"{name}: {size:,} characters are more than the {most:,} that AWS accepts"
    assert (text in remarks(observe(padded(size)))) is said


def test_iam_counts_no_white_space() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    spaced = padded(6_000).replace(",", ",\n" + " " * 200)
    assert len(spaced) > 6_144
    assert not any(
        "more than" in one for one in remarks(consumer(*IDENTITY, attached=Found((NamedPolicy("a", spaced),))))
    )


NAMES = {
    "a resource without arn": (allow("s3:GetObject", "datalake/*", to=ROLE), ".Resource: `datalake/*` is no ARN"),
    "a bucket by its name": (deny("s3:GetObject", "datalake", to="*"), ".Resource: `datalake` is no ARN"),
    "roles by a wildcard": (
        allow("s3:GetObject", OBJECTS, to=f"arn:aws:iam::{CONSUMER}:role/*"),
        f".Principal: `arn:aws:iam::{CONSUMER}:role/*` names nobody",
    ),
    "a group": (
        allow("s3:GetObject", OBJECTS, to=f"arn:aws:iam::{CONSUMER}:group/bi"),
        f".Principal: `arn:aws:iam::{CONSUMER}:group/bi` names nobody",
    ),
    "a form of principal that nobody knows": (
        allow("s3:GetObject", OBJECTS, to=f"arn:aws:sts::{CONSUMER}:new-form/x"),
        f".Principal: `arn:aws:sts::{CONSUMER}:new-form/x` is of no form that AWS documents",
    ),
}


@pytest.mark.parametrize(("statement", "says"), NAMES.values(), ids=NAMES)
def test_a_bad_name_is_told_with_its_path(statement: dict[str, Any], says: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html"""
    (remark,) = remarks(bucket(SHARE_BUCKET, statement))
    assert remark.startswith(f"bucket policy, Statement[1]{says}")


def test_a_role_policy_needs_no_principal_and_is_remarked_on_all_the_same() -> None:
    odd = policy(
        "odd", allow("s3:GetObject", "x"), allow("kms:Decrypt"), {"Effect": "Allow", "Resource": [BUCKET, KEY]}
    )
    assert remarks(consumer(*IDENTITY, attached=Found((odd,)))) == (
        "managed policy `odd`, Statement[0].Resource: `x` is no ARN, which AWS would refuse",
        "managed policy `odd`, Statement[1] has no Resource: it has no effect",
        "managed policy `odd`, Statement[2] has no Action: it has no effect",
    )


def test_what_is_not_understood_is_a_finding_and_no_remark() -> None:
    assert remarks(bucket(policy=Found("{"))) == ()
    assert remarks(bucket(SHARE_BUCKET, {**deny("s3:*", to="*"), "Comment": "x"})) == ()
