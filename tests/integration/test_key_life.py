"""The key's own account, and the key's life: by real calls in simulated accounts, told by their events in both."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from simulation.changes import as_agreed, key_id, put_key_policy
from simulation.scenario import Aftermath, after
from simulation.share import Policy, changed
from simulation.world import World
from threelocks.contract import Contract


@pytest.fixture(autouse=True)
def mailboxes_are_empty(world: World) -> Iterator[None]:
    yield
    world.settle()
    world.mails()


def standings(came: Aftermath) -> set[str]:
    return {mail.attribute("standing") for mails in came.mails.values() for mail in mails}


def for_administrators_only(policy: Policy, contract: Contract) -> Policy:
    """As somebody writes it who wants to keep everybody else out, the watchdog's reader excepted."""
    holder = contract.key_account
    named = [f"arn:aws:iam::{holder}:role/{name}" for name in ("DataPlatformAdmin", "threelocks/threelocks-reader")]
    return changed(policy, "Account", Principal={"AWS": named})


@pytest.mark.finding("key.no-owner-root")
def test_a_key_policy_without_the_account_is_told_in_both_accounts_and_recovered_from(world: World) -> None:
    owner, code = world.contract.owner.account, "key.no-owner-root"
    taken = after(world, put_key_policy(for_administrators_only))
    assert standings(taken) == {"AT_RISK"}
    assert f"[{code}]" in taken.mails[owner][0].body
    assert "PutKeyPolicy" in taken.mails[owner][0].body
    assert set(taken.mails) == set(world.accounts)
    assert standings(after(world, put_key_policy(as_agreed))) == {"INTACT"}


@pytest.mark.finding("key.pending-deletion")
def test_a_key_that_is_to_be_deleted_is_told_with_the_date_and_how_to_cancel(world: World) -> None:
    kms, key = world.administrator(world.contract.owner.account, "kms"), key_id(world.contract)
    scheduled = after(world, lambda _: kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7))
    assert standings(scheduled) == {"BROKEN"}
    code, body = "key.pending-deletion", " ".join(scheduled.mails[world.contract.owner.account][0].body.split())
    assert f"[{code}]" in body
    assert re.search(r"the key will be deleted on \d{4}-\d\d-\d\d, in \d days", body)
    assert "aws kms cancel-key-deletion" in body

    def keep(_: World) -> None:
        kms.cancel_key_deletion(KeyId=key)
        kms.enable_key(KeyId=key)

    assert standings(after(world, keep)) == {"INTACT"}


def test_a_recheck_in_either_account_names_what_opens_the_key(world: World) -> None:
    def named(account: str) -> list[str]:
        (share,) = world.invoke(account, "recheck", {})["contracts"]
        return [one["name"] for one in share["mechanisms"]]

    owner, consumer = world.contract.owner.account, world.contract.consumer.account
    kms, key = world.administrator(owner, "kms"), world.contract.key
    assert named(owner) == named(consumer) == ["role ARN"]
    role, operations = world.contract.role, ["Decrypt", "DescribeKey"]
    made = kms.create_grant(KeyId=key, GranteePrincipal=role, Operations=operations)
    after(world, lambda _: None)
    assert named(owner) == named(consumer) == ["role ARN", "grant"]
    kms.revoke_grant(KeyId=key, GrantId=made["GrantId"])
    after(world, lambda _: None)
    assert named(owner) == named(consumer) == ["role ARN"]
