"""What is read of ceilings: every call, its pages, its refusals, and nothing that the contract does not name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from simulation.examples import CONSUMER, CONTRACT, OWNER, STRANGER
from tests.unit.test_watched import NOW, Clients, error
from threelocks import contract as contracts
from threelocks.aws import ceilings
from threelocks.aws.answer import CHANGED, UNEXPECTED
from threelocks.aws.look import Answers, Look
from threelocks.aws.read import AwsObserver
from threelocks.aws.store import own_resources
from threelocks.contract import Contract
from threelocks.observation import (
    Absent,
    CeilingObservation,
    Found,
    Membership,
    NamedPolicy,
    PolicyLevel,
    Unreadable,
    VpcEndpoint,
)
from threelocks.watch import unreadable

CLOUD, ORGANIZATION = "444444444444", "o-a1b2c3d4e5"
GOVERNANCE = {"account": CLOUD, "name": "cloud-governance", "home_region": "eu-central-1"}
ENDPOINT = "vpce-0123456789abcdef0"
POLICY = '{"Version": "2012-10-17", "Statement": []}'


def agreed(**changes: Any) -> Contract:
    return contracts.parse(CONTRACT.model_dump() | changes)


def governed(*whose: str, **changes: Any) -> Contract:
    return agreed(organizations=dict.fromkeys(whose, GOVERNANCE), **changes)


THROUGH = agreed(contexts=[{"name": "vpc", "endpoints": {"s3": ENDPOINT}}])
PARENTS = {CONSUMER: "ou-ab12-22222222", OWNER: "ou-ab12-11111111", "ou-ab12-22222222": "ou-ab12-11111111"}


def parent(asked: dict[str, Any]) -> dict[str, Any]:
    above = PARENTS.get(asked["ChildId"], "r-ab12")
    return {"Parents": [{"Id": above, "Type": "ROOT" if above == "r-ab12" else "ORGANIZATIONAL_UNIT"}]}


def roots(*kinds: str, status: str = "ENABLED") -> dict[str, Any]:
    return {"Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": kind, "Status": status} for kind in kinds]}]}


def described(asked: dict[str, Any]) -> dict[str, Any]:
    return {"Policy": {"PolicySummary": {"Name": "Full"}, "Content": POLICY, "Id": asked["PolicyId"]}}


ANSWERS: dict[str, Any] = {
    "describe_vpc_endpoints": {
        "VpcEndpoints": [
            {
                "VpcEndpointId": ENDPOINT,
                "ServiceName": "s",
                "State": "Available",
                "PolicyDocument": POLICY,
                "VpcId": "vpc-1",
            }
        ]
    },
    "describe_organization": {"Organization": {"Id": ORGANIZATION, "MasterAccountId": CLOUD}},
    "list_roots": roots("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"),
    "list_parents": parent,
    "list_policies_for_target": lambda asked: {"Policies": [{"Id": f"p-{asked['TargetId']}"}]},
    "describe_policy": described,
}


def observe(contract: Contract, account: str, **answers: Any) -> tuple[CeilingObservation, Clients]:
    clients = Clients({**ANSWERS, **answers})
    look = Look(clients, Answers(lambda: NOW), ceilings.CALLS, NOW)
    return ceilings.observe(look, contract, account), clients


def level(target: str) -> PolicyLevel:
    return PolicyLevel(target, (NamedPolicy(f"Full (p-{target})", POLICY),))


# --- What is asked for ---


@pytest.mark.parametrize("account", [OWNER, CONSUMER, STRANGER, CLOUD])
def test_a_contract_that_names_no_ceiling_costs_no_call(account: str) -> None:
    seen, clients = observe(agreed(), account)
    assert (seen, clients.asked) == (CeilingObservation(), [])


def test_an_endpoint_is_asked_for_by_the_consumer_in_the_buckets_region() -> None:
    seen, clients = observe(THROUGH, CONSUMER)
    (named,) = seen.endpoints
    assert (named.id, named.endpoint) == (ENDPOINT, Found(VpcEndpoint("s", "available", POLICY, "vpc-1")))
    assert clients.asked == [("describe_vpc_endpoints", "eu-west-1", {"VpcEndpointIds": (ENDPOINT,)})]
    assert observe(THROUGH, OWNER)[1].asked == []


def test_which_organization_an_account_is_in_only_itself_is_asked() -> None:
    premises = {"consumer_organization": ORGANIZATION, "consumer_org_path": f"{ORGANIZATION}/r-ab12/"}
    contract = governed("consumer", premises=premises)
    seen, clients = observe(contract, CONSUMER)
    assert seen == CeilingObservation(organization=Found(Membership(ORGANIZATION, CLOUD)))
    assert [method for method, _, _ in clients.asked] == ["describe_organization"]
    assert observe(contract, OWNER)[1].asked == []


def test_policies_of_each_level_are_read_from_root_to_account() -> None:
    seen, clients = observe(governed("consumer", "owner"), CLOUD)
    units = ["r-ab12", "ou-ab12-11111111", "ou-ab12-22222222"]
    assert seen.scps == Found(tuple(map(level, [*units, CONSUMER])))
    assert seen.rcps == Found(tuple(map(level, [*units[:2], OWNER])))
    assert (seen.key_rcps, seen.organization, seen.consumer_path) == (None, None, None)
    assert {region for _, region, _ in clients.asked} == {"eu-central-1"}
    kinds = {(asked["TargetId"], asked["Filter"]) for _, _, asked in clients.asked if "Filter" in asked}
    assert (CONSUMER, "SERVICE_CONTROL_POLICY") in kinds
    assert (OWNER, "RESOURCE_CONTROL_POLICY") in kinds
    assert (OWNER, "SERVICE_CONTROL_POLICY") not in kinds


def test_a_key_of_a_third_account_has_levels_of_its_own() -> None:
    holder = {"account": STRANGER, "name": "keys", "home_region": "eu-west-1"}
    key = CONTRACT.key.replace(OWNER, STRANGER)
    seen, _ = observe(governed("key_holder", key_holder=holder, key=key), CLOUD)
    assert seen.key_rcps == Found((level("r-ab12"), level(STRANGER)))
    assert (seen.scps, seen.rcps) == (None, None)


def test_the_consumer_reads_its_own_ceilings_where_the_contract_says_so() -> None:
    contract = agreed(organizations={"consumer": CONTRACT.consumer.model_dump()})
    seen, _ = observe(contract, CONSUMER, describe_organization={"Organization": {"Id": "o", "MasterAccountId": OWNER}})
    assert isinstance(seen.scps, Found)
    assert len(seen.scps.value) == 4


def test_the_consumers_place_is_spelled_as_policies_ask_for_it() -> None:
    premises = {"consumer_organization": ORGANIZATION, "consumer_org_path": f"{ORGANIZATION}/r-ab12/"}
    seen, _ = observe(governed("consumer", premises=premises), CLOUD)
    assert seen.consumer_path == Found(f"{ORGANIZATION}/r-ab12/ou-ab12-11111111/ou-ab12-22222222/")


# --- Nothing stands above ---


def test_nothing_stands_above_the_management_account() -> None:
    of_consumer = {"Organization": {"Id": ORGANIZATION, "MasterAccountId": CONSUMER}}
    seen, _ = observe(governed("consumer", "owner"), CLOUD, describe_organization=of_consumer)
    assert seen.scps == Found(())
    assert seen.rcps == Found((level("r-ab12"), level("ou-ab12-11111111"), level(OWNER)))


def test_a_kind_of_policy_that_is_not_enabled_limits_nothing() -> None:
    seen, _ = observe(governed("consumer", "owner"), CLOUD, list_roots=roots("SERVICE_CONTROL_POLICY"))
    assert seen.rcps == Found(())
    assert seen.scps != Found(())


def test_a_level_without_policies_is_a_level() -> None:
    seen, _ = observe(governed("owner"), CLOUD, list_policies_for_target={"Policies": []})
    assert seen.rcps == Found((PolicyLevel("r-ab12", ()), PolicyLevel("ou-ab12-11111111", ()), PolicyLevel(OWNER, ())))


# --- Pages ---


def test_policies_and_roots_come_from_every_page() -> None:
    def paged(items: str, of: list[Any]) -> Any:
        def page(asked: dict[str, Any]) -> dict[str, Any]:
            number = int(asked.get("NextToken", "0"))
            more = {"NextToken": str(number + 1)} if number + 1 < len(of) else {}
            return {items: of[number], **more}

        return page

    enabled = roots("RESOURCE_CONTROL_POLICY")["Roots"]
    seen, _ = observe(
        governed("owner"),
        CLOUD,
        list_policies_for_target=paged("Policies", [[{"Id": "p-b"}], [], [{"Id": "p-a"}]]),
        list_roots=paged("Roots", [[], enabled]),
    )
    assert isinstance(seen.rcps, Found)
    assert [[policy.name for policy in each.policies] for each in seen.rcps.value] == [["Full (p-a)", "Full (p-b)"]] * 3


# --- What cannot be read ---


def unread(contract: Contract, account: str, **answers: Any) -> Iterator[Unreadable]:
    return unreadable(observe(contract, account, **answers)[0])


NO_ORGANIZATION = error("AWSOrganizationsNotInUseException", "DescribeOrganization")
NO_ROOTS = error("AWSOrganizationsNotInUseException", "ListRoots")
METHODS = {call.method: call for call in ceilings.CALLS if call.service == "organizations"}


@pytest.mark.parametrize("method", METHODS)
def test_a_refused_call_names_its_permission(method: str) -> None:
    (told,) = unread(governed("owner"), CLOUD, **{method: error("AccessDeniedException", method)})
    assert (told.operation, told.permission) == (METHODS[method].name, METHODS[method].permission)
    assert not told.transient


@pytest.mark.parametrize("method", METHODS)
def test_a_throttled_call_may_be_tried_again(method: str) -> None:
    (told,) = unread(governed("owner"), CLOUD, **{method: error("TooManyRequestsException", method)})
    assert (told.transient, told.permission) == (True, "")


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"list_parents": error("ChildNotFoundException", "ListParents")}, "ChildNotFoundException"),
        ({"list_roots": NO_ROOTS}, "AWSOrganizationsNotInUseException"),
        ({"list_roots": {"Roots": []}}, UNEXPECTED),
        ({"list_roots": roots("RESOURCE_CONTROL_POLICY", status="PENDING_ENABLE")}, UNEXPECTED),
        ({"list_roots": roots("RESOURCE_CONTROL_POLICY", status="PENDING_DISABLE")}, UNEXPECTED),
        ({"list_parents": {"Parents": []}}, UNEXPECTED),
        ({"list_parents": {"Parents": [{"Id": "ou-1", "Type": "ORGANIZATIONAL_UNIT"}]}}, UNEXPECTED),
        ({"describe_policy": {"Policy": {"PolicySummary": {"Name": "Full"}}}}, UNEXPECTED),
        ({"describe_policy": error("PolicyNotFoundException", "DescribePolicy")}, CHANGED),
        ({"list_policies_for_target": error("TargetNotFoundException", "ListPoliciesForTarget")}, CHANGED),
        ({"describe_organization": NO_ORGANIZATION}, "AWSOrganizationsNotInUseException"),
    ],
    ids=["in another organization", "no organization", "no root", "being enabled", "being disabled", "no parent",
         "parents without end", "a policy without text", "a policy that went", "a unit that went", "in none"],
)  # fmt: skip
def test_levels_that_are_not_known_for_certain_are_unread_and_never_none(answers: dict[str, Any], code: str) -> None:
    seen, _ = observe(governed("owner"), CLOUD, **answers)
    assert isinstance(seen.rcps, Unreadable)
    assert (seen.rcps.error, seen.rcps.transient) == (code, code == CHANGED)


def test_an_account_that_is_in_no_organization_says_so() -> None:
    contract = agreed(premises={"owner_organization": ORGANIZATION})
    assert observe(contract, OWNER, describe_organization=NO_ORGANIZATION)[0].organization == Absent()


def test_an_endpoint_that_is_gone_is_absent_and_one_that_is_refused_is_not() -> None:
    def endpoint(code: str) -> Any:
        refused = error(code, "DescribeVpcEndpoints")
        return observe(THROUGH, CONSUMER, describe_vpc_endpoints=refused)[0].endpoints[0].endpoint

    assert endpoint("InvalidVpcEndpointId.NotFound") == Absent()
    assert endpoint("UnauthorizedOperation").permission == "ec2:DescribeVpcEndpoints"
    assert endpoint("RequestLimitExceeded").transient


# --- Whose business it is ---


def test_calls_of_organizations_concern_the_contracts_that_look_at_one() -> None:
    def looks(contract: Contract, *accounts: str) -> list[bool]:
        return ["organization" in own_resources(contract, account) for account in accounts]

    assert looks(agreed(), OWNER, CONSUMER) == [False, False]
    assert looks(governed("consumer"), OWNER, CONSUMER, CLOUD) == [False, False, True]
    assert looks(agreed(premises={"owner_organization": ORGANIZATION}), OWNER, CONSUMER) == [True, False]


def test_calls_on_an_endpoint_concern_the_consumers_contracts_that_name_it() -> None:
    assert [ENDPOINT in own_resources(THROUGH, account) for account in (OWNER, CONSUMER)] == [False, True]


def test_the_observer_reads_ceilings_with_the_locks() -> None:
    seen = AwsObserver(Clients(dict(ANSWERS)), lambda: NOW).observe(governed("owner"), CLOUD)
    assert isinstance(seen.ceilings.rcps, Found)
    assert (seen.role, seen.bucket, seen.key) == (None, None, None)
