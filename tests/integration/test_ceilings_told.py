"""VPC endpoints through the whole pipeline: in two simulated accounts, from the call to the mails and back.

moto keeps endpoints and their policies, and lets nothing through them: what would pass is the judgement's alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulation.faults import Fault, denied
from simulation.scenario import Aftermath, after
from simulation.world import CONTRACT, World, simulated_world
from threelocks.finding import Lock

PASSES = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


def policy(**changes: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{**PASSES, **changes}]})


def endpoint(world: World, service: str = "s3", **more: Any) -> str:
    """A new endpoint of the consumer's, before anybody watches it."""
    account = world.accounts[world.contract.consumer.account]
    ec2 = world.cloud.client("ec2", world.contract.bucket.region, account.people.role)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    full = f"com.amazonaws.{world.contract.bucket.region}.{service}"
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=full, VpcEndpointType="Gateway", **more)
    return str(made["VpcEndpoint"]["VpcEndpointId"])


@pytest.fixture(scope="module")
def through(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """The share, whose readers are agreed to come through an endpoint; its id is known once it is made."""
    with simulated_world() as world:
        name = endpoint(world)
        raw = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
        raw["contexts"] = [{"name": "vpc", "endpoints": {"s3": name}}]
        path: Path = tmp_path_factory.mktemp("contract") / "through.yaml"
        path.write_text(yaml.safe_dump(raw), encoding="utf-8")
        for account in world.accounts:
            world.apply_contract(account, path)
        settled = after(world, lambda _: None)
        assert settled.errors == ()
        yield world, name


@pytest.fixture
def world(through: tuple[World, str]) -> Iterator[World]:
    world, name = through
    world.runtime.faults.clear()
    yield world
    world.runtime.faults.clear()
    after(world, lambda _: put(world, name, policy()))
    world.pass_time(1500)
    world.mails()


def put(world: World, name: str, text: str) -> None:
    """ModifyVpcEndpoint, by the consumer."""
    ec2 = world.administrator(world.contract.consumer.account, "ec2")
    ec2.modify_vpc_endpoint(VpcEndpointId=name, PolicyDocument=text)


def codes(mail: Any) -> set[str]:
    """The findings that a mail shows."""
    return set(re.findall(r"\[([a-z]+\.[a-z-]+)\]", mail.body))


def told(aftermath: Aftermath) -> list[tuple[str, str]]:
    """What each account was told, and of which lock."""
    return [(m.attribute("standing"), m.attribute("lock")) for mails in aftermath.mails.values() for m in mails]


@pytest.mark.finding("ceiling.vpc-endpoint")
def test_an_endpoint_policy_that_leaves_the_bucket_out_is_told_in_both_accounts_and_recovered_from(
    world: World, through: tuple[World, str]
) -> None:
    name = through[1]
    broken = after(world, lambda _: put(world, name, policy(Action="s3:*", Resource="arn:aws:s3:::bi-scratch-b/*")))
    assert broken.errors == ()
    assert told(broken) == [("BROKEN", Lock.CEILING)] * 2
    (route,) = broken.routes
    assert (route.rules, route.function) == (("EndpointChangedRule (eu-west-1)",), "OnChangeFunction")
    owner, consumer = world.contract.owner.account, world.contract.consumer.account
    (mail,) = broken.mails[consumer]
    assert codes(mail) == {"ceiling.vpc-endpoint"}
    assert f"aws ec2 modify-vpc-endpoint --region eu-west-1 --vpc-endpoint-id {name}" in " ".join(mail.body.split())
    assert "ModifyVpcEndpoint by" in mail.body
    (mail,) = broken.mails[owner]
    assert "Nothing for you to do" in mail.body
    assert "bi-scratch-b" not in mail.body
    assert "ModifyVpcEndpoint by" in mail.body

    world.pass_time(540)
    mended = after(world, lambda _: put(world, name, policy()))
    assert mended.errors == ()
    assert told(mended) == [("INTACT", Lock.CEILING)] * 2


@pytest.mark.finding("ceiling.not-fully-checked")
def test_an_endpoint_policy_that_names_the_role_is_unknown_since_aws_does_not_settle_whether_sessions_match(
    world: World, through: tuple[World, str]
) -> None:
    unknown = after(world, lambda _: put(world, through[1], policy(Principal={"AWS": world.contract.role})))
    assert told(unknown) == [("UNKNOWN", Lock.CEILING)] * 2
    (mail,) = unknown.mails[world.contract.consumer.account]
    assert codes(mail) == {"ceiling.not-fully-checked"}


def test_a_policy_in_other_words_is_silence(world: World, through: tuple[World, str]) -> None:
    everything = {"Action": ["s3:*"], "Resource": ["*"], "Principal": {"AWS": "*"}}
    assert after(world, lambda _: put(world, through[1], policy(**everything))).is_silent


@pytest.mark.finding("ceiling.unread")
def test_an_endpoint_that_may_not_be_read_is_unknown_and_the_permission_is_named(
    world: World, through: tuple[World, str]
) -> None:
    world.runtime.faults.always["ec2:DescribeVpcEndpoints"] = denied("the reader", "ec2:DescribeVpcEndpoints")
    unknown = after(world, lambda _: put(world, through[1], policy(Sid="Again")))
    assert told(unknown) == [("UNKNOWN", Lock.CEILING)] * 2
    (mail,) = unknown.mails[world.contract.consumer.account]
    assert codes(mail) == {"ceiling.unread"}
    assert "lacks ec2:DescribeVpcEndpoints" in " ".join(mail.body.split())


def test_an_endpoint_that_is_throttled_for_a_moment_is_read_again_and_nobody_is_told(
    world: World, through: tuple[World, str]
) -> None:
    world.runtime.faults.left["ec2:DescribeVpcEndpoints"] = [Fault("RequestLimitExceeded", status=503)] * 2
    quiet = after(world, lambda _: put(world, through[1], policy(Sid="Once")))
    assert world.runtime.faults.hit == ["ec2:DescribeVpcEndpoints"] * 2
    assert quiet.is_silent


def test_an_endpoint_that_no_contract_names_is_nobodys_business(world: World) -> None:
    other = endpoint(world)
    quiet = after(world, lambda _: put(world, other, policy(Effect="Deny")))
    assert quiet.is_silent
    assert quiet.errors == ()


@pytest.mark.finding("premise.false")
def test_an_endpoint_that_is_deleted_is_a_premise_that_no_longer_holds(through: tuple[World, str]) -> None:
    """Last of the file: the endpoint does not come back."""
    world, name = through
    ec2 = world.administrator(world.contract.consumer.account, "ec2")
    gone = after(world, lambda _: ec2.delete_vpc_endpoints(VpcEndpointIds=[name]))
    assert gone.errors == ()
    assert told(gone) == [("BROKEN", Lock.PREMISE)] * 2
    for mails in gone.mails.values():
        (mail,) = mails
        assert codes(mail) == {"premise.false"}
        assert f"{name} is deleted" in " ".join(mail.body.split())
