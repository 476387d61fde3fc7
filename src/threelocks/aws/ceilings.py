"""Reads what stands above the locks: the VPC endpoints that a contract names, in the consumer's account, and the
policies of the organizations, in the accounts that the contract says read them.

Organizations answers about its policies in the management account and to delegated administrators only; which
organization an account is in it tells every member:
https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeOrganization.html
"""

from __future__ import annotations

from collections.abc import Iterator

from threelocks.aws.answer import Answer, Call, NothingThereError, UnreadError, source
from threelocks.aws.look import Asker, Look
from threelocks.contract import Contract, Party
from threelocks.observation import (
    CeilingObservation,
    Membership,
    NamedEndpoint,
    NamedPolicy,
    PolicyLevel,
    Source,
    Unreadable,
    VpcEndpoint,
)

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
DESCRIBE_ENDPOINTS = Call(
    "ec2",
    "DescribeVpcEndpoints",
    "describe_vpc_endpoints",
    "ec2:DescribeVpcEndpoints",
    gone=frozenset({"InvalidVpcEndpointId.NotFound"}),
)


def _organizations(operation: str, method: str, *gone: str, none: str = "") -> Call:
    codes = frozenset({none} - {""})
    return Call("organizations", operation, method, f"organizations:{operation}", frozenset(gone), codes)


DESCRIBE_ORGANIZATION = _organizations(
    "DescribeOrganization", "describe_organization", none="AWSOrganizationsNotInUseException"
)
LIST_ROOTS = _organizations("ListRoots", "list_roots")
# Without codes for what is gone: an account that is not in this organization may be in another one, and what stands
# above it there is not known.
LIST_PARENTS = _organizations("ListParents", "list_parents")
LIST_POLICIES = _organizations("ListPoliciesForTarget", "list_policies_for_target", "TargetNotFoundException")
DESCRIBE_POLICY = _organizations("DescribePolicy", "describe_policy", "PolicyNotFoundException")

CALLS: tuple[Call, ...] = (
    DESCRIBE_ENDPOINTS,
    DESCRIBE_ORGANIZATION,
    LIST_ROOTS,
    LIST_PARENTS,
    LIST_POLICIES,
    DESCRIBE_POLICY,
)
PERMISSIONS: frozenset[tuple[str, str]] = frozenset((call.name, call.permission) for call in CALLS)

# https://docs.aws.amazon.com/vpc/latest/privatelink/concepts.html. Another one may mean anything.
_STATES = frozenset(
    {"available", "pendingacceptance", "pending", "deleting", "deleted", "rejected", "failed", "expired"}
)
_SCP, _RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
# Five organizational units may be nested under the root:
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
_DEEPEST = 20


def observe(look: Look, contract: Contract, account: str) -> CeilingObservation:
    """What this account can read of the ceilings that the contract names; nothing is asked for where it names none."""
    party = contract.party(account)
    if party is None:
        return CeilingObservation()
    ask = Asker(look, party.home_region)  # Organizations answers alike from every region of the partition
    above, owner = contract.organizations, contract.owner.account

    def levels(reader: Party | None, of: str, kind: str) -> Source[tuple[PolicyLevel, ...]] | None:
        return source(lambda: _levels(ask, of, kind), known=True) if reader == party else None

    return CeilingObservation(
        scps=levels(above.consumer, contract.consumer.account, _SCP),
        rcps=levels(above.owner, owner, _RCP),
        key_rcps=levels(above.key_holder, contract.key_account, _RCP) if contract.key_holder else None,
        endpoints=tuple(_endpoint(look, contract, name) for name in _own_endpoints(contract, account)),
        organization=source(lambda: _membership(ask)) if contract.states_organization(account) else None,
        consumer_path=_path(ask, contract) if above.consumer == party else None,
    )


# --- VPC endpoints ---


def _own_endpoints(contract: Contract, account: str) -> tuple[str, ...]:
    return contract.endpoints if account == contract.consumer.account else ()


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
        vpc=found[0].text("VpcId"),
    )


# --- organizations ---


def _membership(ask: Asker) -> Membership:
    answer = ask(DESCRIBE_ORGANIZATION, {})
    return Membership(answer.text("Organization.Id"), answer.text("Organization.MasterAccountId"))


def _own(ask: Asker) -> Membership:
    """The organization that this account reads. If it is in none, what stands above the others is not known."""
    try:
        return _membership(ask)
    except NothingThereError as error:
        call = error.call
        raise UnreadError(Unreadable(call.name, "AWSOrganizationsNotInUseException", str(error))) from error


def _path(ask: Asker, contract: Contract) -> Source[str] | None:
    """The consumer's place, where the contract says one."""
    if not contract.premises.consumer_org_path:
        return None

    def place() -> str:
        above = list(_above(ask, contract.consumer.account))
        return "/".join((_own(ask).id, *reversed(above), ""))

    return source(place, known=True)


def _levels(ask: Asker, account: str, kind: str) -> tuple[PolicyLevel, ...]:
    """The policies of that kind over an account, root first.

    None of either kind stands above the management account:
    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
    """
    if _own(ask).management == account or not _is_enabled(ask, kind):
        return ()
    targets = [account, *_above(ask, account)]
    return tuple(PolicyLevel(target, tuple(_policies(ask, target, kind))) for target in reversed(targets))


def _is_enabled(ask: Asker, kind: str) -> bool:
    """Whether the root has enabled that kind; where it has not, nothing is attached and nothing is limited.
    https://docs.aws.amazon.com/organizations/latest/APIReference/API_PolicyTypeSummary.html
    """
    roots = list(ask.pages(LIST_ROOTS, "Roots", {}, asks_by="NextToken"))
    if len(roots) != 1:
        raise _unexpected(ask, "has another number of roots than one")
    states = [each.text("Status") for each in roots[0].items("PolicyTypes") if each.text("Type") == kind]
    if any(state != "ENABLED" for state in states):
        raise roots[0].unexpected("PolicyTypes", f"has {kind} in the state {states[0]}; look again later")
    return bool(states)


def _unexpected(ask: Asker, problem: str) -> UnreadError:
    return ask(LIST_ROOTS, {}).unexpected("Roots", problem)


def _above(ask: Asker, account: str) -> Iterator[str]:
    """The ids of what the account is in, up to the root."""
    child = account
    for _ in range(_DEEPEST):
        answer = ask(LIST_PARENTS, {"ChildId": child})
        parents = answer.items("Parents")
        if len(parents) != 1:
            raise answer.unexpected("Parents", "has another number of parents than one")
        child = parents[0].text("Id")
        yield child
        if parents[0].text("Type") == "ROOT":
            return
    raise answer.unexpected("Parents", "never comes to a root")


def _policies(ask: Asker, target: str, kind: str) -> Iterator[NamedPolicy]:
    listed = ask.pages(LIST_POLICIES, "Policies", {"TargetId": target, "Filter": kind}, asks_by="NextToken")
    for policy_id in sorted(each.text("Id") for each in listed):
        policy = ask.of_listed(DESCRIBE_POLICY, {"PolicyId": policy_id})
        name = policy.text("Policy.PolicySummary.Name")
        yield NamedPolicy(f"{name} ({policy_id})", policy.document("Policy.Content"))
