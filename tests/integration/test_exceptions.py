"""Waivers, suspensions and edits of a contract in simulated accounts: applied by the command, told to both accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulation.world import CONTRACT, World

OWNER, CONSUMER = "111111111111", "222222222222"


@pytest.fixture(autouse=True)
def as_before(world: World) -> Iterator[None]:
    """Each test leaves the share as it was, and its mails read."""
    bucket = world.contract.bucket.name
    policy = world.administrator(OWNER, "s3").get_bucket_policy(Bucket=bucket)["Policy"]
    world.settle()
    world.mails()
    yield
    world.administrator(OWNER, "s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    world.apply_contract(OWNER)
    for _ in range(2):
        hours(world, 1)
    assert standing(world, OWNER) == standing(world, CONSUMER) == ("INTACT", [], [])
    world.mails()


def hours(world: World, number: float) -> None:
    """Time passes, sweeps run."""
    world.pass_time(3600 * number)
    world.settle()


def apply(world: World, tmp_path: Path, **own: Any) -> None:
    """The owner applies the contract with what it adds of its own."""
    file = tmp_path / "share.yaml"
    file.write_text(CONTRACT.read_text() + yaml.safe_dump(own))
    world.apply_contract(OWNER, file)
    world.settle()


def kinds(world: World) -> dict[str, list[str]]:
    return {account: [dict(mail.attributes)["kind"] for mail in mails] for account, mails in world.mails().items()}


def standing(world: World, account: str) -> tuple[str, list[str], list[str]]:
    (share,) = world.invoke(account, "recheck", {})["contracts"]
    world.settle()
    found = [sorted({each["code"] for each in share[field]}) for field in ("findings", "waived")]
    return share["headline"], found[0], found[1]


def open_to_account(world: World) -> None:
    """The bucket policy names the consumer's whole account in the role's place."""
    client, bucket = world.administrator(OWNER, "s3"), world.contract.bucket.name
    policy = client.get_bucket_policy(Bucket=bucket)["Policy"]
    client.put_bucket_policy(Bucket=bucket, Policy=policy.replace(world.contract.role, f"arn:aws:iam::{CONSUMER}:root"))
    world.settle()


def end(world: World, after: float) -> str:
    return (world.cloud.clock.now() + timedelta(hours=after)).isoformat()


def test_a_waived_widening_is_silence_in_both_accounts_until_a_sweep_after_its_end(
    world: World, tmp_path: Path
) -> None:
    waiver = {"finding": "bucket.wide-principal", "principal": CONSUMER, "reason": "moving", "until": end(world, 5)}
    apply(world, tmp_path, waivers=[waiver])
    open_to_account(world)
    hours(world, 1)
    assert kinds(world) == {OWNER: [], CONSUMER: []}
    for account in (OWNER, CONSUMER):
        assert standing(world, account) == ("INTACT", [], ["bucket.wide-principal"])
    hours(world, 6)
    assert kinds(world) == {OWNER: ["waiver-expired"], CONSUMER: ["waiver-expired"]}
    for account in (OWNER, CONSUMER):
        assert standing(world, account) == ("WIDENED", ["bucket.wide-principal"], [])


def test_a_suspended_share_is_told_in_both_accounts_when_it_begins_and_when_it_ends(
    world: World, tmp_path: Path
) -> None:
    apply(world, tmp_path, suspended={"by": "Dana Example", "reason": "the audit", "until": end(world, 5)})
    hours(world, 1)
    assert kinds(world) == {OWNER: ["suspended"], CONSUMER: ["suspended"]}
    world.administrator(OWNER, "s3").delete_bucket_policy(Bucket=world.contract.bucket.name)
    world.settle()
    hours(world, 1)
    assert kinds(world) == {OWNER: [], CONSUMER: []}
    assert standing(world, CONSUMER)[0] == "BROKEN"
    hours(world, 6)
    assert kinds(world) == {OWNER: ["resumed"], CONSUMER: ["resumed"]}


@pytest.mark.finding("watchdog.contract-edited")
def test_an_item_that_somebody_edited_is_told_to_both_accounts_and_waives_nothing(world: World) -> None:
    account = world.accounts[OWNER]
    client = world.cloud.client("dynamodb", account.home_region, account.people.role)
    table = account.home.outputs["TableName"]
    key = {"pk": {"S": f"CONTRACT#{world.contract.name}"}, "sk": {"S": "TERMS"}}
    item = client.get_item(TableName=table, Key=key)["Item"]
    body = json.loads(item["body"]["S"])
    body["suspended"] = {"by": "nobody", "reason": "silence", "until": end(world, 48)}
    client.put_item(TableName=table, Item=item | {"body": {"S": json.dumps(body)}})
    hours(world, 1)
    assert kinds(world) == {OWNER: ["unknown"], CONSUMER: ["unknown"]}
    for each in (OWNER, CONSUMER):
        assert standing(world, each) == ("UNKNOWN", ["watchdog.contract-edited"], [])
    world.apply_contract(OWNER)
    hours(world, 2)
    assert kinds(world) == {OWNER: ["recovery"], CONSUMER: ["recovery"]}
