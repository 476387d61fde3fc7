"""What else decides whether the bucket's objects can be read: each setting moved by real calls in a simulated account,
told by its event in both accounts, and recovered from.
"""

from __future__ import annotations

from typing import Any

import pytest

from simulation.changes import Deed
from simulation.scenario import Aftermath, after
from simulation.world import World

EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"


def s3(world: World) -> Any:
    return world.administrator(world.contract.owner.account, "s3")


def standings(came: Aftermath) -> set[str]:
    return {mail.attribute("standing") for mails in came.mails.values() for mail in mails}


def told(world: World, make: Deed, mend: Deed, *, code: str, standing: str) -> Aftermath:
    """The change is told under that code, by its own event; its repair ends it. Answers what the change brought."""
    broken = after(world, make)
    assert standings(broken) == {standing}
    assert f"[{code}]" in broken.mails[world.contract.owner.account][0].body
    assert {route.function for route in broken.routes} == {"OnChangeFunction"}
    assert broken.errors == ()
    mended = after(world, mend)
    assert standings(mended) == {"INTACT"}
    return broken


def own_objects(to: str) -> Deed:
    """PutBucketOwnershipControls."""

    def put(world: Any) -> None:
        s3(world).put_bucket_ownership_controls(
            Bucket=world.contract.bucket.name, OwnershipControls={"Rules": [{"ObjectOwnership": to}]}
        )

    return put


@pytest.mark.finding("bucket.ownership")
def test_object_ownership_is_told_in_both_accounts(world: World) -> None:
    broken = told(
        world,
        own_objects("ObjectWriter"),
        own_objects("BucketOwnerEnforced"),
        code="bucket.ownership",
        standing="AT_RISK",
    )
    assert set(broken.mails) == set(world.accounts)


@pytest.mark.finding("bucket.ownership")
def test_deleted_ownership_controls_are_told_alike(world: World) -> None:
    told(
        world,
        lambda _: s3(world).delete_bucket_ownership_controls(Bucket=world.contract.bucket.name),
        own_objects("BucketOwnerEnforced"),
        code="bucket.ownership",
        standing="AT_RISK",
    )


@pytest.mark.finding("bucket.requester-pays")
def test_requesters_who_pay_are_told_in_both_accounts(world: World) -> None:
    def pays(who: str) -> Deed:
        return lambda _: s3(world).put_bucket_request_payment(
            Bucket=world.contract.bucket.name, RequestPaymentConfiguration={"Payer": who}
        )

    told(world, pays("Requester"), pays("BucketOwner"), code="bucket.requester-pays", standing="AT_RISK")


@pytest.mark.finding("bucket.wide-principal")
def test_a_public_list_is_told_once_it_counts(world: World) -> None:
    """Only with ownership controls and public access blocks out of its way."""
    name, owner = world.contract.bucket.name, world.contract.owner.account
    s3control = world.administrator(owner, "s3control")

    def blocked(*, ignore: bool) -> None:
        settings = {"BlockPublicAcls": ignore, "IgnorePublicAcls": ignore, "BlockPublicPolicy": True}
        configured = {**settings, "RestrictPublicBuckets": True}
        s3(world).put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=configured)
        s3control.put_public_access_block(AccountId=owner, PublicAccessBlockConfiguration=configured)

    def open_up(_: Any) -> None:
        own_objects("ObjectWriter")(world)
        blocked(ignore=False)
        s3(world).put_bucket_acl(Bucket=name, GrantRead=f'uri="{EVERYBODY}"')

    def close(_: Any) -> None:
        s3(world).put_bucket_acl(Bucket=name, ACL="private")
        blocked(ignore=True)
        own_objects("BucketOwnerEnforced")(world)

    opened = after(world, open_up)
    bodies = " ".join(mail.body for mail in opened.mails[owner])
    assert "WIDENED" in standings(opened)
    wide = "bucket.wide-principal"
    assert f"[{wide}]" in bodies
    assert "the bucket's access control list lets in anyone" in " ".join(bodies.split())
    closed = after(world, close)
    assert standings(closed) == {"INTACT"}


def encrypt_by(key: str) -> Deed:
    """PutBucketEncryption."""

    def put(world: Any) -> None:
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
        s3(world).put_bucket_encryption(
            Bucket=world.contract.bucket.name, ServerSideEncryptionConfiguration={"Rules": [rule]}
        )

    return put


@pytest.mark.finding("bucket.wrong-encryption")
@pytest.mark.finding("bucket.not-encrypted-as-agreed")
def test_an_alias_is_a_risk_and_shut_when_it_is_moved_to_another_key(world: World) -> None:
    owner = world.contract.owner.account
    kms, agreed = world.administrator(owner, "kms"), world.contract.key
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/curated", TargetKeyId=agreed.rpartition("/")[2])
    after(world, encrypt_by(agreed))
    at_risk = after(world, encrypt_by("alias/curated"))
    risk, shut = "bucket.not-encrypted-as-agreed", "bucket.wrong-encryption"
    assert standings(at_risk) == {"AT_RISK"}
    assert f"[{risk}]" in at_risk.mails[owner][0].body
    moved = after(world, lambda _: kms.update_alias(AliasName="alias/curated", TargetKeyId=other))
    assert standings(moved) == {"BROKEN"}
    assert f"[{shut}]" in moved.mails[owner][0].body
    assert "UpdateAlias" in moved.mails[owner][0].body
    assert standings(after(world, encrypt_by(agreed))) == {"INTACT"}
