"""Three parties: the key belongs to an account that is neither the owner nor the consumer, and holds lock 3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from simulation.changes import as_agreed, put_bucket_policy, put_key_policy, without_the_role_on_the_bucket
from simulation.changes import without_the_role_on_the_key as without_the_role
from simulation.scenario import Aftermath, after, begin
from simulation.world import CONTRACT, World, simulated_world

HOLDER = "444444444444"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The share intact, and told so in all three accounts."""
    terms = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    terms["key"] = terms["key"].replace(terms["owner"]["account"], HOLDER)
    terms["key_holder"] = {"account": HOLDER, "name": "key-vault", "home_region": "eu-west-1"}
    file: Path = tmp_path_factory.mktemp("contract") / "bi-curated-read.yaml"
    file.write_text(yaml.safe_dump(terms), encoding="utf-8")
    with simulated_world(contract_file=file) as up:
        beginning = begin(up)
        assert beginning.problems() == ()
        yield up


def standings(came: Aftermath) -> dict[str, set[str]]:
    return {account: {mail.attribute("standing") for mail in mails} for account, mails in came.mails.items()}


def test_each_of_three_accounts_watches_and_is_heard(world: World) -> None:
    assert set(world.accounts) == {world.contract.owner.account, world.contract.consumer.account, HOLDER}
    for account in world.accounts:
        (share,) = world.invoke(account, "recheck", {})["contracts"]
        assert (share["headline"], share["awaiting"]) == ("INTACT", [])
        assert {(lock["lock"], lock["account"]) for lock in share["locks"]} >= {
            ("bucket_policy", world.contract.owner.account),
            ("identity_policy", world.contract.consumer.account),
            ("key_policy", HOLDER),
        }
        assert [one["name"] for one in share["mechanisms"]] == ["role ARN"]
    after(world, lambda _: None)


@pytest.mark.finding("key.no-allow")
def test_a_key_policy_that_loses_the_role_is_told_in_all_three_and_the_holder_must_act(world: World) -> None:
    code = "key.no-allow"
    broken = after(world, put_key_policy(without_the_role))
    assert standings(broken) == {account: {"BROKEN"} for account in world.accounts}
    for account, (mail, *_) in broken.mails.items():
        assert f"[{code}]" in mail.body
        assert ("YOUR ACCOUNT MUST ACT" in mail.body) is (account == HOLDER)
        assert f"key-vault ({HOLDER})" in mail.subject
    mended = after(world, put_key_policy(as_agreed))
    assert standings(mended) == {account: {"INTACT"} for account in world.accounts}


def test_a_bucket_policy_that_loses_the_role_is_the_owners_to_mend_and_told_in_all_three(world: World) -> None:
    broken = after(world, put_bucket_policy(without_the_role_on_the_bucket))
    assert standings(broken) == {account: {"BROKEN"} for account in world.accounts}
    musts = {account for account, mails in broken.mails.items() if "YOUR ACCOUNT MUST ACT" in mails[0].body}
    assert musts == {world.contract.owner.account}
    mended = after(world, put_bucket_policy(as_agreed))
    assert standings(mended) == {account: {"INTACT"} for account in world.accounts}


def test_default_encryption_by_a_bare_key_id_would_mean_a_key_of_the_owners_own(world: World) -> None:
    """A key id without an account is resolved in the bucket's account, where the agreed key is not."""
    owner, name = world.contract.owner.account, world.contract.bucket.name
    s3 = world.administrator(owner, "s3")

    def encrypt_by(key: str) -> None:
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})

    broken = after(world, lambda _: encrypt_by(world.contract.key.rpartition("/")[2]))
    assert standings(broken) == {account: {"BROKEN"} for account in world.accounts}
    assert standings(after(world, lambda _: encrypt_by(world.contract.key))) == {
        account: {"INTACT"} for account in world.accounts
    }
