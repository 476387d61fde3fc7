"""What can only say no: service control policies, resource control policies, VPC endpoint and session policies.

Whoever can read one judges it; one that nobody watches is a remark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from threelocks.contract import Context
from threelocks.finding import Finding, Lock, Remedy
from threelocks.locks.access_points import ARN, OF_ACCOUNT, ORIGIN, as_policies
from threelocks.locks.ask import Failure, Layered
from threelocks.locks.case import About, Case, parse, premise, unread
from threelocks.locks.commands import access_point_policy_commands
from threelocks.locks.findings import open_findings
from threelocks.observation import (
    Absent,
    AccessPoint,
    Found,
    NamedEndpoint,
    NamedPolicy,
    PolicyLevel,
    Source,
    Unreadable,
    VpcEndpoint,
)
from threelocks.policy.authorize import Layer, Policies
from threelocks.policy.document import Document


@dataclass(frozen=True, slots=True)
class _Ceiling:
    """One ceiling, the requests that pass below it, and who can raise it."""

    layer: Layer
    about: About
    source: Source[tuple[PolicyLevel, ...]]
    case: Case  # with the contexts that it is above alone
    actions: tuple[str, ...]


def judge_ceilings(case: Case) -> list[Finding]:
    """What the ceilings that were read refuse, and what the contract says of them that does not hold."""
    findings = [finding for ceiling in _ceilings(case) for finding in _findings(ceiling)]
    return [*findings, *_premises(case)]


def not_watched(case: Case) -> tuple[str, ...]:
    """Remarks, where ceilings that might say no, or premises, are read by nobody."""
    contract, observed, account = case.contract, case.observation.ceilings, case.observation.account
    readers, remarks = contract.organizations, []
    above = []
    if account == contract.consumer.account:
        above += [
            (Layer.SERVICE_CONTROL_POLICY, observed.scps is not None or readers.consumer is not None),
            (Layer.VPC_ENDPOINT_POLICY, bool(contract.endpoints)),
            (Layer.SESSION_POLICY, any(context.session_policy for context in contract.contexts)),
        ]
        if contract.premises.consumer_org_path and readers.consumer is None:
            remarks.append("premise not verified: consumer_org_path (organizations.consumer names nobody to read it)")
    if account == contract.owner.account:
        above.append((Layer.RESOURCE_CONTROL_POLICY, observed.rcps is not None or readers.owner is not None))
    elif account == contract.key_account:
        above.append((Layer.RESOURCE_CONTROL_POLICY, observed.key_rcps is not None or readers.key_holder is not None))
    remarks += [text for context in contract.contexts for text in _through_unjudged(case, context)]
    unwatched = [_NAMES[layer] for layer, is_watched in above if not is_watched]
    return (*([f"ceilings not watched: {', '.join(unwatched)}"] if unwatched else []), *remarks)


def _through_unjudged(case: Case, context: Context) -> Iterator[str]:
    """What is not judged of a context that comes through an access point."""
    contract, account, stated = case.contract, case.observation.account, _stated(context)
    if not any(stated.get(key) for key in (ARN, OF_ACCOUNT, ORIGIN)):
        return
    holders = {_holder(arn) for arn in stated.get(ARN) or ("",)}
    if account == contract.owner.account and holders != {account}:
        yield (
            f"context `{context.name}`: the policy of the access point is not judged, since the context names none of "
            "this account by its ARN (s3:DataAccessPointArn)"
        )
    if account == contract.consumer.account:
        yield (
            f"context `{context.name}`: identity policies are judged by the bucket's ARN; whether AWS asks for that of "
            "the access point as well is not watched"
        )


_NAMES = {
    Layer.SERVICE_CONTROL_POLICY: "service control policies",
    Layer.RESOURCE_CONTROL_POLICY: "resource control policies",
    Layer.VPC_ENDPOINT_POLICY: "VPC endpoint policy",
    Layer.SESSION_POLICY: "session policy",
}


# --- which ceilings there are -----------------------------------------------------------------------------------------


def _ceilings(case: Case) -> Iterator[_Ceiling]:
    """The ceilings that this account sees: those of an organization and, where it is the consumer, its own."""
    contract, observed = case.contract, case.observation.ceilings
    owner, holder = contract.owner.account, contract.key_account
    s3 = tuple(action for action in contract.actions if action.startswith("s3:"))
    kms = tuple(action for action in contract.actions if action.startswith("kms:"))
    for layer, source, below, actions in (
        (Layer.SERVICE_CONTROL_POLICY, observed.scps, contract.consumer.account, contract.actions),
        (Layer.RESOURCE_CONTROL_POLICY, observed.rcps, owner, (*s3, *(kms if holder == owner else ()))),
        (Layer.RESOURCE_CONTROL_POLICY, observed.key_rcps, holder, kms),
    ):
        if source is not None:
            what = f"{_NAMES[layer]} over account {below}"
            about = About(Lock.CEILING, case.observation.account, what, f"the {what}")
            yield _Ceiling(layer, about, source, case, actions)
    for named in observed.endpoints:
        yield from _endpoint(case, named)
    for context in contract.contexts:
        if case.observation.account == contract.consumer.account:
            yield from _session(case, context)
        if point := _access_point(case, context):
            yield _at_access_point(case, context, point, s3)


def _endpoint(case: Case, named: NamedEndpoint) -> Iterator[_Ceiling]:
    """What passes through it: S3 reads, or direct calls of KMS. The Decrypt that S3 asks for comes from S3."""
    for service, contexts in _coming_through(case, named.id).items():
        passing = tuple(a for a in case.contract.actions if a.startswith(f"{service}:") and a != "kms:Decrypt")
        about = _about_endpoint(case, named.id)
        source = named.endpoint
        policy = Found(source.value.policy) if isinstance(source, Found) else source
        yield _Ceiling(Layer.VPC_ENDPOINT_POLICY, about, _alone(named.id, policy), _within(case, contexts), passing)


def _about_endpoint(case: Case, name: str) -> About:
    contract = case.contract
    holder = contract.consumer.account
    arn = f"arn:{case.partition}:ec2:{contract.bucket.region}:{holder}:vpc-endpoint/{name}"
    return About(Lock.CEILING, holder, arn, f"the policy of the VPC endpoint {name}")


def _coming_through(case: Case, name: str) -> dict[str, list[Context]]:
    """By service, the contexts whose readers reach it through this endpoint."""
    found: dict[str, list[Context]] = {}
    for context in case.contract.contexts:
        for service, endpoint in context.endpoints:
            if endpoint == name:
                found.setdefault(service, []).append(context)
    return found


def _session(case: Case, context: Context) -> Iterator[_Ceiling]:
    """A session has no more than the policy that was passed when the role was assumed.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
    """
    if context.session_policy:
        name = f"the session policy of the context `{context.name}`"
        about = About(Lock.CEILING, case.contract.consumer.account, f"session policy of {context.name}", name)
        source = _alone(context.name, Found(context.session_policy))
        yield _Ceiling(Layer.SESSION_POLICY, about, source, _within(case, [context]), case.contract.actions)


def _stated(context: Context) -> dict[str, tuple[str, ...] | None]:
    """What a context says of condition keys, whose names know no case."""
    return {key.lower(): values for key, values in context.keys.items()}


def _access_point(case: Case, context: Context) -> AccessPoint | None:
    """The access point that a context comes through, where it is one of this account's."""
    named, bucket = _stated(context).get(ARN) or (), case.observation.bucket
    points = bucket.access_points if bucket else None
    return next((p for p in points.value if p.arn in named), None) if isinstance(points, Found) else None


def _holder(point: str) -> str:
    """The account of an access point's ARN; empty where a context states something that is no ARN."""
    parts = point.split(":")
    return parts[4] if len(parts) == len("arn:aws:s3:region:account:accesspoint".split(":")) else ""


def _at_access_point(case: Case, context: Context, point: AccessPoint, actions: tuple[str, ...]) -> _Ceiling:
    about = About(Lock.CEILING, case.observation.account, point.arn, f"the policy of the access point {point.name}")
    policies = tuple(policy for _, policy in as_policies(point))
    source = Found((PolicyLevel("", policies),))
    return _Ceiling(Layer.ACCESS_POINT_POLICY, about, source, _within(case, [context]), actions)


def _alone(name: str, source: Source[str]) -> Source[tuple[PolicyLevel, ...]]:
    return Found((PolicyLevel("", (NamedPolicy(name, source.value),)),)) if isinstance(source, Found) else source


def _within(case: Case, contexts: Sequence[Context]) -> Case:
    return replace(case, contract=case.contract.model_copy(update={"contexts": tuple(contexts)}))


# --- what they refuse -------------------------------------------------------------------------------------------------


def _findings(ceiling: _Ceiling) -> list[Finding]:
    case, about = ceiling.case, ceiling.about
    if isinstance(ceiling.source, Unreadable):
        return unread(case, about, [ceiling.source])
    if isinstance(ceiling.source, Absent) or not ceiling.source.value or not ceiling.actions:
        return []
    parsed = [parse(about, _labelled(ceiling, level)) for level in ceiling.source.value]
    findings = [finding for level in parsed for finding in level.findings]
    if not all(level.whole for level in parsed):
        return findings
    levels = tuple(level.documents for level in parsed)
    layered = Layered(
        needed=tuple(((ceiling.layer, documents),) for documents in levels),
        policies=_policies(ceiling.layer, levels),
    )
    return findings + open_findings(case, about, layered, ceiling.actions, partial(_raise, about))


def _labelled(ceiling: _Ceiling, level: PolicyLevel) -> Iterable[tuple[str, NamedPolicy]]:
    label = f"{ceiling.layer} of {level.target}" if level.target else str(ceiling.layer)
    return ((f"{label} `{policy.name}`", policy) for policy in level.policies)


def _policies(layer: Layer, levels: tuple[tuple[Document, ...], ...]) -> Policies:
    if layer is Layer.SERVICE_CONTROL_POLICY:
        return Policies(scps=levels)
    if layer is Layer.RESOURCE_CONTROL_POLICY:
        return Policies(rcps=levels)
    if layer is Layer.VPC_ENDPOINT_POLICY:
        return Policies(endpoint=levels[0][0])
    if layer is Layer.ACCESS_POINT_POLICY:
        return Policies(access_point=levels[0])
    return Policies(session=levels[0])


def _raise(about: About, code: str, failed: Sequence[Failure]) -> Remedy:
    names = dict.fromkeys(s.sid or s.document for failure in failed for s in failure.statements)
    which = f" ({', '.join(names)})" if names else ""
    return _REMEDIES.get(code, _by_others)(about, which)


def _by_others(about: About, which: str) -> Remedy:
    return Remedy(
        about.account,
        f"Let the agreed requests pass {about.name}{which}, at every level from the root to the account; no policy of "
        "the accounts below can override it.",
    )


def _at_endpoint(about: About, which: str) -> Remedy:
    region, endpoint = about.resource.split(":")[3], about.resource.rpartition("/")[2]
    show = f"aws ec2 describe-vpc-endpoints --region {region} --vpc-endpoint-ids {endpoint}"
    commands = (
        f"{show} --query 'VpcEndpoints[0].PolicyDocument' --output text > policy.json",
        "# edit policy.json, and keep every other statement",
        f"aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id {endpoint} --policy-document file://policy.json",
    )
    return Remedy(about.account, f"Let the agreed requests pass {about.name}{which}.", None, commands)


def _below(about: About, which: str) -> Remedy:
    sentence = f"Let the agreed requests pass {about.name}{which}; it names objects below the access point."
    return Remedy(about.account, sentence, None, access_point_policy_commands(about.resource))


def _in_session(about: About, which: str) -> Remedy:
    sentence = f"Have the pipelines pass a session policy{which} that allows what was agreed, and agree on that one."
    return Remedy(about.account, sentence)


_REMEDIES: dict[str, Callable[[About, str], Remedy]] = {
    "ceiling.vpc-endpoint": _at_endpoint,
    "ceiling.session-policy": _in_session,
    "ceiling.access-point": _below,
}


# --- what the contract says of them -----------------------------------------------------------------------------------


def _premises(case: Case) -> Iterator[Finding]:
    yield from _organization_premises(case)
    yield from _access_point_premises(case)
    for named in case.observation.ceilings.endpoints:
        for service, contexts in _coming_through(case, named.id).items():
            wrong = _wrong(named.endpoint, service)
            if wrong:
                field = f"contexts.{contexts[0].name}.endpoints.{service}"
                yield _false(case, named.id, field, f"{named.id} {wrong}, so no reader comes through it")
            yield from _elsewhere(case, named, contexts)


def _access_point_premises(case: Case) -> Iterator[Finding]:
    """That each access point that a context names is there."""
    bucket = case.observation.bucket
    for context in case.contract.contexts if bucket and isinstance(bucket.access_points, Found) else ():
        named = _stated(context).get(ARN) or ()
        if named and _holder(named[0]) == case.observation.account and not _access_point(case, context):
            about = About(Lock.CEILING, case.observation.account, named[0], "the access point")
            sentence = "Create the access point again, or agree on the one that the readers come through now."
            yield premise(
                about,
                f"contexts.{context.name}.keys.{ARN}",
                f"the contract says that readers come through {named[0]}, and the bucket has no such access point",
                Remedy(about.account, sentence),
            )


def _organization_premises(case: Case) -> Iterator[Finding]:
    contract, observed, account = case.contract, case.observation.ceilings, case.observation.account
    premises = contract.premises
    about = About(Lock.CEILING, account, f"organization of account {account}", "the organization")
    stated = {
        "consumer_organization": premises.consumer_organization if account == contract.consumer.account else None,
        "owner_organization": premises.owner_organization if account == contract.owner.account else None,
    }
    yield from unread(case, about, [one for one in (observed.organization, observed.consumer_path) if one])
    for field, agreed in stated.items():
        if agreed and observed.organization is not None and not isinstance(observed.organization, Unreadable):
            found = observed.organization
            actual = found.value.id if isinstance(found, Found) else "no organization"
            if actual != agreed:
                yield _misplaced(about, field, f"account {account} is in {agreed}", f"It is in {actual}.")
    path = observed.consumer_path
    if isinstance(path, Found) and path.value != premises.consumer_org_path:
        says = f"account {contract.consumer.account} is at {premises.consumer_org_path}"
        yield _misplaced(about, "consumer_org_path", says, f"It is at {path.value}.")


def _misplaced(about: About, field: str, says: str, actually: str) -> Finding:
    """Where it really is stays with the account that reads it: an organization's units are no business of others."""
    sentence = (
        f"{actually} Find out who moved the account (CloudTrail of the management account), and whether it is to go "
        "back; else agree on its new place, apply the contract in all accounts, and have policies that ask for it "
        "follow."
    )
    return premise(
        about, f"premises.{field}", f"the contract says that {says}, and it is not", Remedy(about.account, sentence)
    )


def _wrong(endpoint: Source[VpcEndpoint], service: str) -> str:
    if isinstance(endpoint, Absent):
        return "does not exist"
    if not isinstance(endpoint, Found):
        return ""  # told as unread
    serves, state = endpoint.value.service.rpartition(".")[2].removesuffix("-fips"), endpoint.value.state
    if serves != service:
        return f"is an endpoint of {endpoint.value.service}"
    return "" if state == "available" else f"is {state}"


def _elsewhere(case: Case, named: NamedEndpoint, contexts: Sequence[Context]) -> Iterator[Finding]:
    """Requests carry the VPC of the endpoint that they come through."""
    for context in contexts:
        stated = _stated(context)
        if "aws:sourcevpc" not in stated or not isinstance(named.endpoint, Found):
            continue
        vpc, agreed = named.endpoint.value.vpc, stated["aws:sourcevpc"] or ()
        if any(each != vpc for each in agreed) or not agreed:
            field = f"contexts.{context.name}.keys.aws:SourceVpc"
            yield _false(case, named.id, field, f"{named.id} is in {vpc}, and not in {' or '.join(agreed) or 'none'}")


def _false(case: Case, name: str, field: str, detail: str) -> Finding:
    about = _about_endpoint(case, name)
    sentence = (
        "Restore the endpoint, or agree on the one that the readers come through now, and apply the contract in both "
        "accounts: bucket and key policies may name the old one."
    )
    return premise(
        about,
        field,
        f"what the contract says of an endpoint does not hold: {detail}",
        Remedy(about.account, sentence),
    )
