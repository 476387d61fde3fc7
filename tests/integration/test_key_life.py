"""The key's own account, and the key's life: by real calls in simulated accounts, told by their events in both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from moto.kms.models import kms_backends

from simulation.changes import as_agreed, key_id, put_key_policy
from simulation.faults import Fault
from simulation.scenario import Aftermath, after
from simulation.share import Policy, changed
from simulation.world import World
from threelocks.contract import Contract
from threelocks.policy.arn import Arn


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


def gone(world: World) -> None:
    for call in ("DescribeKey", "GetKeyPolicy", "ListKeyPolicies", "ListGrants"):
        world.runtime.faults.always[f"kms:{call}"] = Fault("NotFoundException", "Key does not exist")


def described_as(**attributes: str) -> Callable[[World], None]:
    """What DescribeKey answers of the key; simulated AWS takes no key into these states by calls."""

    def put(world: World) -> None:
        contract = world.contract
        key = kms_backends[contract.key_account][Arn.parse(contract.key).region].keys[key_id(contract)]
        for name, value in attributes.items():
            setattr(key, name, value)

    return put


STATES = {
    "key.missing": (gone, lambda world: world.runtime.faults.clear()),
    "key.unavailable": (described_as(key_state="PendingImport"), described_as(key_state="Enabled")),
    "key.aws-managed": (described_as(key_manager="AWS"), described_as(key_manager="CUSTOMER")),
}


@pytest.mark.finding("key.missing", "key.unavailable", "key.aws-managed")
@pytest.mark.parametrize("code", STATES)
def test_a_key_that_cannot_be_used_is_told_by_the_sweep_in_both_accounts_and_its_return_too(
    world: World, code: str
) -> None:
    make, mend = STATES[code]
    told = []
    for deed in (make, mend):
        deed(world)
        told.append(after(world, lambda up: up.pass_time(3600)))
    assert [standings(came) for came in told] == [{"BROKEN"}, {"INTACT"}]
    assert set(told[0].mails) == set(world.accounts)
    assert all(f"[{code}]" in mail.body for mails in told[0].mails.values() for mail in mails)


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
