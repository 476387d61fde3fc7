"""The agreed role, made again under its name or trusting somebody else, by real calls in simulated accounts.

moto leaves a deleted role in the policies that name it. What AWS shows in its place, the dead role's unique id, is
put there by hand and unrecorded, as AWS does it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from simulation.changes import as_agreed, put_bucket_policy, put_key_policy
from simulation.scenario import Aftermath, after
from simulation.share import bucket_policy, create_role, key_policy
from simulation.world import World

ALICE = "arn:aws:iam::222222222222:user/alice"


@pytest.fixture(autouse=True)
def mailboxes_are_empty(world: World) -> Iterator[None]:
    yield
    world.settle()
    world.mails()


def iam(world: World) -> Any:
    return world.administrator(world.contract.consumer.account, "iam")


def role_id(world: World) -> str:
    return str(iam(world).get_role(RoleName=world.contract.role_name)["Role"]["RoleId"])


def standings(came: Aftermath) -> set[str]:
    return {mail.attribute("standing") for mails in came.mails.values() for mail in mails}


def bodies(came: Aftermath, account: str) -> str:
    return " ".join(" ".join(mail.body.split()) for mail in came.mails[account])


def trusting(principal: dict[str, str]) -> str:
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [trust]})


def put_trust(world: World, principal: dict[str, str]) -> Aftermath:
    """UpdateAssumeRolePolicy."""
    name, document = world.contract.role_name, trusting(principal)
    return after(world, lambda _: iam(world).update_assume_role_policy(RoleName=name, PolicyDocument=document))


@pytest.mark.finding("identity.trust-changed")
@pytest.mark.parametrize("principal", [ALICE, "arn:aws:iam::333333333333:root", "*"])
def test_a_role_that_trusts_somebody_else_is_told_by_its_event_and_recovered_from(world: World, principal: str) -> None:
    owner, consumer = world.contract.owner.account, world.contract.consumer.account
    changed = put_trust(world, {"AWS": principal})
    assert standings(changed) == {"AT_RISK"}
    (route,) = changed.routes
    assert route.rules == ("RoleChangedRule (us-east-1)", "RoleChangedRule (eu-west-1)")
    code = "identity.trust-changed"
    assert f"[{code}]" in bodies(changed, consumer)
    assert "no longer trusts glue.amazonaws.com" in bodies(changed, consumer)
    assert "UpdateAssumeRolePolicy" in bodies(changed, owner)
    assert "alice" not in bodies(changed, owner)
    assert standings(put_trust(world, {"Service": "glue.amazonaws.com"})) == {"INTACT"}


def with_ghosts(world: World, dead: str) -> None:
    """What AWS makes of the policies when the role is deleted: nobody calls, and no event tells."""
    contract, client = world.contract, world.cloud.client
    people = world.accounts[contract.owner.account].people.role

    def ghostly(policy: dict[str, Any]) -> str:
        return json.dumps(policy).replace(contract.role, dead)

    client("s3", "eu-west-1", people).put_bucket_policy(
        Bucket=contract.bucket.name, Policy=ghostly(bucket_policy(contract))
    )
    client("kms", "eu-west-1", people).put_key_policy(
        KeyId=contract.key.rpartition("/")[2], PolicyName="default", Policy=ghostly(key_policy(contract))
    )


@pytest.mark.finding("identity.role-recreated")
@pytest.mark.finding("bucket.dangling-principal")
@pytest.mark.finding("key.dangling-principal")
def test_a_role_made_again_is_shut_until_both_policies_are_put_anew(world: World) -> None:
    owner, consumer = world.contract.owner.account, world.contract.consumer.account
    dead, name = role_id(world), world.contract.role_name

    def again(_: World) -> None:
        iam(world).delete_role_policy(RoleName=name, PolicyName="read-curated")
        iam(world).delete_role(RoleName=name)
        create_role(iam(world), world.contract)
        with_ghosts(world, dead)

    made = after(world, again)
    assert role_id(world) != dead
    assert "BROKEN" in standings(made)
    shut = {
        code: f"[{code}]" for code in ("identity.role-recreated", "bucket.dangling-principal", "key.dangling-principal")
    }
    assert shut["identity.role-recreated"] in bodies(made, consumer)
    # The report with another id is what has the owner look.
    assert shut["bucket.dangling-principal"] in bodies(made, owner)
    assert shut["key.dangling-principal"] in bodies(made, owner)

    half = after(world, put_bucket_policy(as_agreed))
    assert "INTACT" not in standings(half)
    whole = after(world, put_key_policy(as_agreed))
    assert {mails[-1].attribute("standing") for mails in whole.mails.values()} == {"INTACT"}
    assert whole.errors == ()


@pytest.mark.finding("identity.role-recreated")
def test_policies_that_never_named_the_old_role_answer_for_the_new_one_by_themselves(world: World) -> None:
    """As where they name an account, or the role by aws:PrincipalArn."""
    name = world.contract.role_name

    def again(_: World) -> None:
        iam(world).delete_role_policy(RoleName=name, PolicyName="read-curated")
        iam(world).delete_role(RoleName=name)
        create_role(iam(world), world.contract)

    made = after(world, again)
    assert {mails[-1].attribute("standing") for mails in made.mails.values()} == {"INTACT"}
