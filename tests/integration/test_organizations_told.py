"""The policies of an organization, read by a third account that manages it, through the whole pipeline: from the call
to the mails in all three accounts and back.

moto keeps organizations and their policies, for the management account and its members, and denies nobody anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import moto.organizations.utils
import pytest
import yaml

from simulation.faults import Fault, denied
from simulation.scenario import Aftermath, after, begin
from simulation.world import CONTRACT, World, simulated_world
from tests.integration.test_ceilings_told import codes
from threelocks.finding import Kind, Lock

CLOUD = "444444444444"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
NO_KMS = {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}
NO_STRANGERS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": "*",
    "Condition": {"StringNotEquals": {"aws:PrincipalAccount": "111111111111"}},
}
SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"


def text(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Organization:
    """One organization of all three accounts: the root, a unit with both members in it."""

    def __init__(self, world: World) -> None:
        self.client: Any = world.cloud.client("organizations", "us-east-1", world.accounts[CLOUD].people.role)
        self.id = self.client.create_organization(FeatureSet="ALL")["Organization"]["Id"]
        self.root = self.client.list_roots()["Roots"][0]["Id"]
        self.client.enable_policy_type(RootId=self.root, PolicyType=SCP)
        self.client.enable_policy_type(RootId=self.root, PolicyType=RCP)
        unit = self.client.create_organizational_unit(ParentId=self.root, Name="data")
        self.unit = unit["OrganizationalUnit"]["Id"]
        for account in (world.contract.owner.account, world.contract.consumer.account):
            # An account's id is AWS's choice, and its first one here is of the contract.
            with patch.object(moto.organizations.utils, "make_random_account_id", lambda account=account: account):
                self.client.create_account(AccountName=account, Email=f"{account}@example.com")
            self.move(account, self.root, self.unit)

    @property
    def path(self) -> str:
        return f"{self.id}/{self.root}/{self.unit}/"

    def move(self, account: str, source: str, destination: str) -> None:
        self.client.move_account(AccountId=account, SourceParentId=source, DestinationParentId=destination)

    def policy(self, kind: str, name: str, *statements: Any) -> str:
        made = self.client.create_policy(Content=text(*statements), Description="", Name=name, Type=kind)
        return str(made["Policy"]["PolicySummary"]["Id"])


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Organization]]:
    raw = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    cloud = {"account": CLOUD, "name": "cloud-governance", "home_region": "eu-west-1"}
    raw["organizations"] = {"consumer": cloud, "owner": cloud}
    path: Path = tmp_path_factory.mktemp("contract") / "governed.yaml"
    path.write_text(json.dumps(raw), encoding="utf-8")
    with simulated_world(contract_file=path) as world:
        organization = Organization(world)
        # Where the accounts are is known once they are there.
        raw["premises"] = {
            "consumer_organization": organization.id,
            "owner_organization": organization.id,
            "consumer_org_path": organization.path,
        }
        path.write_text(json.dumps(raw), encoding="utf-8")
        for account in world.accounts:
            world.apply_contract(account, path)
        beginning = begin(world)
        assert beginning.problems() == ()
        yield world, organization


@pytest.fixture
def world(governed: tuple[World, Organization]) -> Iterator[World]:
    world = governed[0]
    world.runtime.faults.clear()
    yield world
    world.runtime.faults.clear()
    world.pass_time(1500)
    world.mails()


def told(aftermath: Aftermath) -> dict[str, list[tuple[str, str]]]:
    return {
        account: [(mail.attribute("standing"), mail.attribute("lock")) for mail in mails]
        for account, mails in aftermath.mails.items()
    }


def everywhere(world: World, standing: str, lock: Lock = Lock.CEILING) -> dict[str, list[tuple[str, str]]]:
    return {account: [(standing, lock)] for account in world.accounts}


@pytest.mark.parametrize(("kind", "statement"), [(SCP, NO_KMS), (RCP, NO_STRANGERS)])
@pytest.mark.finding("ceiling.scp", "ceiling.rcp")
def test_a_policy_that_is_attached_to_a_unit_is_told_in_all_three_accounts_and_recovered_from(
    world: World, governed: tuple[World, Organization], kind: str, statement: Any
) -> None:
    organization = governed[1]
    policy = organization.policy(kind, f"strict-{kind.lower()}", statement)
    admin = world.administrator(CLOUD, "organizations")
    broken = after(world, lambda _: admin.attach_policy(PolicyId=policy, TargetId=organization.unit))
    assert broken.errors == ()
    assert told(broken) == everywhere(world, "BROKEN")
    (route,) = broken.routes
    assert route.rules == ("OrganizationChangedRule (us-east-1)", "OrganizationChangedRule (eu-west-1)")
    assert (route.function, route.account) == ("OnChangeFunction", CLOUD)
    expected = {SCP: "ceiling.scp", RCP: "ceiling.rcp"}[kind]
    for account, mails in broken.mails.items():
        (mail,) = mails
        assert codes(mail) == {expected}
        assert "AttachPolicy by" in mail.body
        assert ("YOUR ACCOUNT MUST ACT" in mail.body) == (account == CLOUD)
        assert (f"strict-{kind.lower()}" in mail.body) == (account == CLOUD)
        assert "+ ceilings" in mail.body

    world.pass_time(540)
    mended = after(world, lambda _: admin.detach_policy(PolicyId=policy, TargetId=organization.unit))
    assert mended.errors == ()
    assert told(mended) == everywhere(world, "INTACT")


def test_a_policy_over_other_accounts_and_one_that_lets_the_share_pass_are_silence(
    world: World, governed: tuple[World, Organization]
) -> None:
    organization, admin = governed[1], world.administrator(CLOUD, "organizations")
    other = organization.client.create_organizational_unit(ParentId=organization.root, Name="other")
    strict = organization.policy(SCP, "strict-elsewhere", NO_KMS)
    target = other["OrganizationalUnit"]["Id"]
    assert after(world, lambda _: admin.attach_policy(PolicyId=strict, TargetId=target)).is_silent
    mild = organization.policy(SCP, "mild", EVERYTHING, {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"})
    assert after(world, lambda _: admin.attach_policy(PolicyId=mild, TargetId=organization.root)).is_silent


@pytest.mark.finding("premise.false")
def test_an_account_that_is_moved_is_no_longer_where_the_contract_says(
    world: World, governed: tuple[World, Organization]
) -> None:
    organization, admin = governed[1], world.administrator(CLOUD, "organizations")
    consumer = world.contract.consumer.account

    def move(source: str, destination: str) -> Aftermath:
        ids = {"AccountId": consumer, "SourceParentId": source, "DestinationParentId": destination}
        return after(world, lambda _: admin.move_account(**ids))

    moved = move(organization.unit, organization.root)
    assert told(moved) == everywhere(world, "BROKEN", Lock.PREMISE)
    for account, mails in moved.mails.items():
        (mail,) = mails
        assert codes(mail) == {"premise.false"}
        assert (f"It is at {organization.id}/{organization.root}/." in " ".join(mail.body.split())) == (
            account == CLOUD
        )
    world.pass_time(540)
    assert told(move(organization.root, organization.unit)) == everywhere(world, "INTACT", Lock.PREMISE)


@pytest.mark.finding("ceiling.unread")
@pytest.mark.parametrize("operation", ["ListRoots", "ListParents", "ListPoliciesForTarget", "DescribePolicy"])
def test_an_organization_that_does_not_answer_is_unknown_never_fine(
    world: World, governed: tuple[World, Organization], operation: str
) -> None:
    world.runtime.faults.always[f"organizations:{operation}"] = denied("the reader", f"organizations:{operation}")
    policy = governed[1].policy(SCP, f"again-{operation}", EVERYTHING)
    admin = world.administrator(CLOUD, "organizations")
    unknown = after(world, lambda _: admin.attach_policy(PolicyId=policy, TargetId=governed[1].unit))
    assert told(unknown) == everywhere(world, "UNKNOWN")
    (mail,) = unknown.mails[CLOUD]
    assert codes(mail) == {"ceiling.unread"}
    assert f"organizations:{operation}" in mail.body
    world.runtime.faults.clear()
    world.pass_time(540)
    assert told(after(world, lambda _: world.invoke(CLOUD, "recheck", {}))) == everywhere(world, "INTACT")


def test_an_account_outside_the_organization_has_ceilings_that_nobody_knows(
    world: World, governed: tuple[World, Organization]
) -> None:
    gone = Fault("ChildNotFoundException")
    world.runtime.faults.always["organizations:ListParents"] = gone
    (share,) = world.invoke(CLOUD, "recheck", {})["contracts"]
    assert Kind.UNREAD in {finding["kind"] for finding in share["findings"]}
    assert "ceiling.unread" in {finding["code"] for finding in share["findings"]}
    world.runtime.faults.clear()
    world.pass_time(540)
    world.invoke(CLOUD, "recheck", {})
    world.settle()


def test_without_policies_of_a_kind_nothing_of_that_kind_stands_above(
    world: World, governed: tuple[World, Organization]
) -> None:
    organization, admin = governed[1], world.administrator(CLOUD, "organizations")
    strict = organization.policy(RCP, "strict-for-a-while", NO_STRANGERS)
    broken = after(world, lambda _: admin.attach_policy(PolicyId=strict, TargetId=organization.root))
    assert told(broken) == everywhere(world, "BROKEN")
    world.pass_time(540)
    mended = after(world, lambda _: admin.disable_policy_type(RootId=organization.root, PolicyType=RCP))
    assert told(mended) == everywhere(world, "INTACT")
