"""Reads what stands above the locks: the VPC endpoints that a contract names, in the consumer's account."""

from __future__ import annotations

from threelocks.aws.answer import Answer, Call, source
from threelocks.aws.look import Asker, Look
from threelocks.contract import Contract
from threelocks.observation import CeilingObservation, NamedEndpoint, VpcEndpoint

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
DESCRIBE_ENDPOINTS = Call(
    "ec2",
    "DescribeVpcEndpoints",
    "describe_vpc_endpoints",
    "ec2:DescribeVpcEndpoints",
    gone=frozenset({"InvalidVpcEndpointId.NotFound"}),
)

# https://docs.aws.amazon.com/vpc/latest/privatelink/concepts.html. Another one may mean anything.
_STATES = frozenset(
    {"available", "pendingacceptance", "pending", "deleting", "deleted", "rejected", "failed", "expired"}
)

CALLS: tuple[Call, ...] = (DESCRIBE_ENDPOINTS,)
PERMISSIONS: frozenset[tuple[str, str]] = frozenset((call.name, call.permission) for call in CALLS)


def observe(look: Look, contract: Contract, account: str) -> CeilingObservation:
    """What this account can read of the ceilings that the contract names; nothing is asked for where it names none."""
    mine = contract.endpoints if account == contract.consumer.account else ()
    return CeilingObservation(endpoints=tuple(_endpoint(look, contract, name) for name in mine))


def _endpoint(look: Look, contract: Contract, name: str) -> NamedEndpoint:
    ec2 = Asker(look, contract.bucket.region)
    # A tuple, since questions are kept by their parameters.
    return NamedEndpoint(name, source(lambda: _read(ec2(DESCRIBE_ENDPOINTS, {"VpcEndpointIds": (name,)}), name)))


def _read(answer: Answer, name: str) -> VpcEndpoint:
    found = [each for each in answer.items("VpcEndpoints") if each.text("VpcEndpointId") == name]
    if len(found) != 1:
        raise answer.unexpected("VpcEndpoints", f"does not hold `{name}` once")
    state = found[0].text("State").lower()
    if state not in _STATES:
        raise found[0].unexpected("State", f"is `{state}`, which is not known")
    return VpcEndpoint(
        service=found[0].text("ServiceName"),
        state=state,
        policy=found[0].document("PolicyDocument"),
    )
