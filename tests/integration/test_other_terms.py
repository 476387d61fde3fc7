"""What a contract says decides what a policy is: terms that the policies do not keep, applied by the command in
simulated accounts, and terms that only one account holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulation.scenario import after
from simulation.world import CONTRACT, World

OWNER, CONSUMER = "111111111111", "222222222222"


@pytest.fixture(autouse=True)
def as_agreed(world: World) -> Iterator[None]:
    """The contract of the example is in force again, in both accounts."""
    yield
    apply(world, CONTRACT)
    assert codes(world, OWNER) == codes(world, CONSUMER) == set()
    world.mails()


def with_terms(folder: Path, **terms: Any) -> Path:
    """A file of the contract with some fields added or changed."""
    file = folder / "share.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(CONTRACT.read_text(encoding="utf-8")), **terms}))
    return file


def apply(world: World, file: Path, *accounts: str) -> dict[str, list[str]]:
    """Applied in these accounts (none: in both), and checked an hour later. The standings that each was mailed."""
    for account in accounts or tuple(world.accounts):
        world.apply_contract(account, file)
    told = [after(world, lambda _: None), after(world, lambda up: up.pass_time(3600))]
    return {
        account: [str(mail.attribute("standing")) for came in told for mail in came.mails[account]]
        for account in world.accounts
    }


def codes(world: World, account: str) -> set[str]:
    (share,) = world.invoke(account, "recheck", {})["contracts"]
    return {finding["code"] for finding in share["findings"]}


@pytest.mark.finding("bucket.wide-resource", "identity.wide-resource")
def test_a_share_that_is_agreed_for_one_prefix_is_wide_where_the_policies_open_the_bucket(
    world: World, tmp_path: Path
) -> None:
    told = apply(world, with_terms(tmp_path, prefixes=["sales/"]))
    assert {standing for each in told.values() for standing in each} == {"WIDENED"}
    wide = {"bucket.wide-resource", "identity.wide-resource"}
    assert codes(world, OWNER) == codes(world, CONSUMER) == wide


@pytest.mark.finding("ceiling.session-policy")
def test_a_session_policy_without_kms_is_told_in_both_accounts(world: World, tmp_path: Path) -> None:
    passed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    pipeline = {"name": "pipeline", "session_policy": passed}
    told = apply(world, with_terms(tmp_path, contexts=[pipeline]))
    assert all("BROKEN" in each for each in told.values())
    assert codes(world, OWNER) == codes(world, CONSUMER) == {"ceiling.session-policy"}


@pytest.mark.finding("ceiling.access-point")
def test_readers_who_come_through_an_access_point_without_a_policy_are_shut_out_and_both_are_told(
    world: World, tmp_path: Path
) -> None:
    control = world.administrator(OWNER, "s3control")
    made = control.create_access_point(AccountId=OWNER, Name="curated", Bucket=world.contract.bucket.name)
    keys = {"s3:DataAccessPointArn": [made["AccessPointArn"]], "s3:DataAccessPointAccount": [OWNER]}
    told = apply(world, with_terms(tmp_path, contexts=[{"name": "door", "keys": keys}]))
    assert all("BROKEN" in each for each in told.values())
    assert codes(world, OWNER) == codes(world, CONSUMER) == {"ceiling.access-point"}
    actions, below = ["s3:GetObject", "s3:ListBucket"], [made["AccessPointArn"], f"{made['AccessPointArn']}/object/*"]
    allow = {"Effect": "Allow", "Principal": {"AWS": world.contract.role}, "Action": actions, "Resource": below}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    opened = after(world, lambda _: control.put_access_point_policy(AccountId=OWNER, Name="curated", Policy=policy))
    assert {mail.attribute("standing") for mails in opened.mails.values() for mail in mails} == {"INTACT"}
    control.delete_access_point(AccountId=OWNER, Name="curated")


@pytest.mark.finding("watchdog.contracts-differ")
def test_accounts_that_hold_different_terms_are_both_told(world: World, tmp_path: Path) -> None:
    fewer = with_terms(tmp_path, actions=["s3:GetObject", "s3:ListBucket", "kms:Decrypt"])
    told = apply(world, fewer, OWNER)
    assert all("INTACT" not in each for each in told.values())
    assert all(told.values())
    for account in world.accounts:
        assert "watchdog.contracts-differ" in codes(world, account)


def test_the_mail_says_that_the_contract_was_applied_and_when(world: World, tmp_path: Path) -> None:
    at = world.cloud.clock.now()
    world.apply_contract(OWNER, with_terms(tmp_path, prefixes=["sales/"]))
    (mail, *_) = after(world, lambda _: None).mails[OWNER]
    assert f"the contract was applied at {at:%Y-%m-%d %H:%M:%S} UTC" in " ".join(mail.body.split())
