"""By what the key is open to the role, and that nothing is named that does not open it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.locks.scene import (
    CONSUMER,
    DENIED,
    KEY,
    OWNER,
    ROLE,
    ROOT,
    SHARE_KEY,
    STRANGER,
    USE,
    Statement,
    allow,
    consumer,
    contract,
    deny,
    key,
    verdict,
)
from threelocks.contract import Contract
from threelocks.finding import Verdict
from threelocks.locks.mechanism import ALL
from threelocks.observation import Found, Grant, KeyMetadata, Observation

ROOT_OF_B = f"arn:aws:iam::{CONSUMER}:root"
SSO = f"arn:aws:iam::{CONSUMER}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Analyst_0123456789abcdef"
BY_SSO = contract(role=SSO)
BY_ARN = {
    "ArnLike": {
        "aws:PrincipalArn": f"arn:aws:iam::{CONSUMER}:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Analyst_*"
    }
}
FOR_ROLE = Grant("g-1", ROLE, ("Decrypt", "DescribeKey"))


def to(principal: Any, **more: Any) -> Statement:
    return allow(list(USE), "*", to=principal, **more)


def named(observation: Observation, agreed: Contract | None = None) -> tuple[str, ...]:
    judged: Verdict = verdict(observation, agreed) if agreed else verdict(observation)
    return tuple(one.name for one in judged.mechanisms)


OPEN = {
    "the role by its ARN": (key(), None, ("role ARN",)),
    "the whole account": (key(ROOT, to(CONSUMER)), None, ("account root",)),
    "the whole account by its root": (key(ROOT, to(ROOT_OF_B)), None, ("account root",)),
    "anyone": (key(ROOT, to("*")), None, ("account root",)),
    "the account, for the role alone": (
        key(ROOT, to(ROOT_OF_B, when={"ArnEquals": {"aws:PrincipalArn": ROLE}})), None,
        ("condition on the role's ARN",)),
    "a grant": (key(ROOT, grants=Found((FOR_ROLE,))), None, ("grant",)),
    "a grant beside the policy": (key(grants=Found((FOR_ROLE,))), None, ("role ARN", "grant")),
    "the account beside the role": (key(ROOT, SHARE_KEY, to(CONSUMER)), None, ("account root", "role ARN")),
    "an Identity Center role by its ARN": (key(ROOT, to(SSO)), BY_SSO, ("IAM Identity Center role",)),
    "an Identity Center role by a pattern": (
        key(ROOT, to(ROOT_OF_B, when=BY_ARN)), BY_SSO, ("condition on the role's ARN",)),
    "the role from one endpoint": (
        key(ROOT, to(ROLE, when={"StringEquals": {"aws:SourceVpce": "vpce-1"}})), None, ("role ARN",)),
}  # fmt: skip


@pytest.mark.parametrize(("observation", "agreed", "names"), OPEN.values(), ids=OPEN)
def test_what_opens_the_key_is_named(observation: Observation, agreed: Contract | None, names: tuple[str, ...]) -> None:
    assert named(observation, agreed) == names


SHUT = {
    "nobody is allowed": key(ROOT),
    "a stranger is": key(ROOT, to(STRANGER)),
    "a Deny stands before all": key(ROOT, SHARE_KEY, deny("kms:Decrypt", "*", to="*"), grants=Found((FOR_ROLE,))),
    "only half of it": key(ROOT, allow("kms:DescribeKey", "*", to=ROLE)),
    "a condition that is never met": key(
        ROOT, to(ROLE, when={"StringEquals": {"kms:ViaService": "s3.eu-west-2.amazonaws.com"}})),
    "the key is disabled": key(metadata=Found(KeyMetadata(KEY, "Disabled", "CUSTOMER"))),
    "the policies are unread": key(policies=DENIED),
    "it is not understood": key(ROOT, {**SHARE_KEY, "Frobnicate": 1}),
    "another account holds it": consumer(),
}  # fmt: skip


@pytest.mark.parametrize("observation", SHUT.values(), ids=SHUT)
def test_nothing_is_named_that_does_not_open_the_key_for_certain(observation: Observation) -> None:
    assert named(observation) == ()


def test_an_aws_managed_key_is_named_as_what_can_never_be_shared() -> None:
    (one,) = verdict(key(metadata=Found(KeyMetadata(KEY, "Enabled", "AWS")))).mechanisms
    assert (one.name, one.cross_account) == ("AWS managed key", False)


def test_the_page_has_a_row_for_each_mechanism_that_says_the_same() -> None:
    text = (Path(__file__).parents[3] / "docs/mechanisms.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `([^`]+)` \| (yes|no)\b[^|]*\| (yes|no)\b[^|]*\| (yes|no)\b[^|]*\| (yes|no)\b", text, re.MULTILINE
    )
    said = [(name, *(word == "yes" for word in words)) for name, *words in rows]
    assert said == [(one.name, one.cross_account, one.stable, one.least_privilege, one.auditable) for one in ALL]
    assert OWNER not in text
