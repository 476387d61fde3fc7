"""May this request pass? The plain evaluator: every layer of policy, one request, AWS's rules to the letter.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from threelocks.policy.document import Document, Statement
from threelocks.policy.matcher import Asked, Matcher, matcher_of, ready_document, speaks_of_action
from threelocks.policy.principal import Name, Named, names
from threelocks.policy.request import CallerKind, Request
from threelocks.policy.truth import Truth


class Outcome(StrEnum):
    ALLOWED = "Allowed"
    IMPLICITLY_DENIED = "ImplicitlyDenied"
    EXPLICITLY_DENIED = "ExplicitlyDenied"
    UNKNOWN = "Unknown"


class Layer(StrEnum):
    IDENTITY_POLICY = "identity policy"
    PERMISSIONS_BOUNDARY = "permissions boundary"
    SESSION_POLICY = "session policy"
    SERVICE_CONTROL_POLICY = "service control policy"
    RESOURCE_CONTROL_POLICY = "resource control policy"
    VPC_ENDPOINT_POLICY = "VPC endpoint policy"
    RESOURCE_POLICY = "resource policy"
    ACCESS_POINT_POLICY = "access point policy"
    GRANT = "grant"
    PUBLIC_ACCESS_BLOCK = "public access block"


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies that have a say. None: that layer is not asked (an empty tuple is asked, and allows nothing).

    The outer tuple of `scps` and `rcps` is the levels of the organization, root first; each level must allow.
    `access_point`: the policy of the access point that requests come through. `restrict_public`: the bucket's policy is
    public and RestrictPublicBuckets is on.
    """

    identity: tuple[Document, ...] | None = None
    boundary: Document | None = None
    session: tuple[Document, ...] | None = None
    scps: tuple[tuple[Document, ...], ...] = ()
    rcps: tuple[tuple[Document, ...], ...] = ()
    endpoint: Document | None = None
    resource: tuple[Document, ...] | None = None
    access_point: tuple[Document, ...] | None = None
    grants: Document | None = None
    restrict_public: bool = False
    # What `authorize` worked out of the policies once; no part of their value.
    made: dict[tuple[str, CallerKind], _Plan] = field(default_factory=dict, init=False, repr=False, compare=False)


class LayerAnswer(NamedTuple):
    """What one layer says of one request, and because of which statements."""

    layer: Layer
    allow: Truth
    deny: Truth
    allowing: tuple[Statement, ...] = ()
    denying: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome, the layer that decided, and its statements.

    A denial names the layer that denies or that fails to allow; `lacking` are the condition keys that statements asked
    for and the request did not carry.
    """

    outcome: Outcome
    layer: Layer | None = None
    statements: tuple[Statement, ...] = ()
    lacking: tuple[str, ...] = ()
    layers: tuple[LayerAnswer, ...] = field(default=(), repr=False)


_NO, _MAYBE, _YES = Truth


def authorize(request: Request, policies: Policies) -> Decision:
    """Decide one request under all the layers given."""
    plan = _plan(request, policies)
    context = request.context
    lacking = tuple([key for key in plan.keys if key not in context])
    asked = Asked(request)
    through = asked if policies.access_point is None else Asked(request, request.through)
    layers = [_answer(layer, matchers, through if layer is _ACCESS_POINT else asked) for layer, matchers in plan.layers]
    if policies.restrict_public and _is_cut_off(request):
        layers.append(LayerAnswer(Layer.PUBLIC_ACCESS_BLOCK, _YES, _YES))
    answers = tuple(layers)
    for answer in answers:
        if answer.deny is _YES:
            return Decision(Outcome.EXPLICITLY_DENIED, answer.layer, answer.denying, lacking, answers)
    allowed, blocking = _combined(asked, policies, answers)
    if allowed is _NO:
        return Decision(Outcome.IMPLICITLY_DENIED, blocking, (), lacking, answers)
    for answer in answers:
        if answer.deny is _MAYBE:
            return Decision(Outcome.UNKNOWN, answer.layer, answer.denying, lacking, answers)
    if allowed is _MAYBE:
        undecided = (a for a in answers if a.layer is blocking and a.allow is _MAYBE)
        maybe = tuple(statement for answer in undecided for statement in answer.allowing)
        return Decision(Outcome.UNKNOWN, blocking, maybe, lacking, answers)
    statements = tuple([statement for answer in answers for statement in answer.allowing])
    return Decision(_ALLOWED, None, statements, lacking, answers)


_ALLOWED = Outcome.ALLOWED


# --- the layers -------------------------------------------------------------------------------------------------------


class _Plan(NamedTuple):
    """What is asked for one action and one kind of caller: each layer with the statements that speak of the action.

    `keys`, sorted: the condition keys that any statement asks for, but for those that follow from who asks.
    """

    layers: tuple[tuple[Layer, tuple[Matcher, ...]], ...]
    keys: tuple[str, ...]


_PLANS = 1024  # remembered for one set of policies: some actions of a few services, five kinds of caller


def _plan(request: Request, policies: Policies) -> _Plan:
    action, kind = request.action, request.caller.kind
    plan = policies.made.get((action, kind))
    if plan is not None:
        return plan
    documents = _documents(request, policies)
    applying = [(layer, held) for layer, held in documents if layer not in _OF_THE_CALLER or kind in _SUBJECT_TO[layer]]
    layers = tuple(
        (layer, tuple(matcher for document in held for matcher in ready_document(document).about(action)))
        for layer, held in applying
    )
    keys = {key for _, held in documents for document in held for key in ready_document(document).keys}
    plan = _Plan(layers, tuple(sorted(keys - request.caller.keys().keys())))
    if len(policies.made) >= _PLANS:
        policies.made.clear()
    policies.made[action, kind] = plan
    return plan


_CALLER_SIDE = (Layer.IDENTITY_POLICY, Layer.PERMISSIONS_BOUNDARY, Layer.SESSION_POLICY)
_LIMITS = (Layer.PERMISSIONS_BOUNDARY, Layer.SESSION_POLICY)
_OF_THE_CALLER = (*_CALLER_SIDE, Layer.SERVICE_CONTROL_POLICY)
# A federated user has those of the user who federates.
_WITH_IDENTITY_POLICIES = (CallerKind.ROLE_SESSION, CallerKind.USER, CallerKind.FEDERATED_USER)
# A root user has no identity policies: all is allowed to it but for what its organization and the resource's side say.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-single.html
_SUBJECT_TO = {
    **dict.fromkeys(_CALLER_SIDE, _WITH_IDENTITY_POLICIES),
    Layer.SERVICE_CONTROL_POLICY: (*_WITH_IDENTITY_POLICIES, CallerKind.ROOT),
}


def _documents(request: Request, policies: Policies) -> list[tuple[Layer, tuple[Document, ...]]]:
    """The documents of each layer that is asked; every level of an organization is a layer of its own."""
    rcps = () if policies.rcps and _beyond_rcps(request) else policies.rcps
    held: list[tuple[Layer, tuple[Document, ...] | None]] = [
        (Layer.IDENTITY_POLICY, policies.identity),
        (Layer.PERMISSIONS_BOUNDARY, _alone(policies.boundary)),
        (Layer.SESSION_POLICY, policies.session),
        *[(Layer.SERVICE_CONTROL_POLICY, level) for level in policies.scps],
        *[(Layer.RESOURCE_CONTROL_POLICY, level) for level in rcps],
        (Layer.VPC_ENDPOINT_POLICY, _alone(policies.endpoint)),
        (Layer.RESOURCE_POLICY, policies.resource),
        (Layer.GRANT, _alone(policies.grants)),
        (Layer.ACCESS_POINT_POLICY, policies.access_point),
    ]
    return [(layer, documents) for layer, documents in held if documents is not None]


def _beyond_rcps(request: Request) -> bool:
    """Retiring a grant is the one action on a customer's key that no resource control policy limits.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
    """
    return request.action.lower() == "kms:retiregrant"


def _alone(document: Document | None) -> tuple[Document, ...] | None:
    return None if document is None else (document,)


def _is_cut_off(request: Request) -> bool:
    """RestrictPublicBuckets leaves a bucket with a public policy to its own account and to AWS services.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
    """
    caller = request.caller
    return caller.kind is not CallerKind.SERVICE and caller.account != request.resource_account


def _answer(layer: Layer, matchers: tuple[Matcher, ...], asked: Asked) -> LayerAnswer:
    allow = deny = _NO
    allowing: tuple[Statement, ...] = ()
    denying: tuple[Statement, ...] = ()
    by_principal = layer in WITH_PRINCIPAL
    for matcher in matchers:
        truth = matcher.holds(asked)
        if truth is not _NO and by_principal:
            about = _about_caller(matcher, asked.request, layer)
            truth = truth if about is _YES else about  # the weaker of the two
        if truth is _NO:
            continue
        if matcher.is_allow:
            allow = allow if allow is _YES else truth  # the stronger of the two
            allowing += (matcher.statement,)
        else:
            deny = deny if deny is _YES else truth
            denying += (matcher.statement,)
    return LayerAnswer(layer, allow, deny, allowing, denying)


# --- one statement ----------------------------------------------------------------------------------------------------

WITH_PRINCIPAL = (
    *(Layer.RESOURCE_POLICY, Layer.GRANT, Layer.RESOURCE_CONTROL_POLICY, Layer.VPC_ENDPOINT_POLICY),
    Layer.ACCESS_POINT_POLICY,
)
_ACCESS_POINT = Layer.ACCESS_POINT_POLICY  # its policy names objects below the access point, not below the bucket
_ENDPOINT, _RCP = Layer.VPC_ENDPOINT_POLICY, Layer.RESOURCE_CONTROL_POLICY


def matches(statement: Statement, request: Request, layer: Layer) -> Truth:
    """Whether a statement, standing in a policy of that layer, speaks of the request; MAYBE at most when opaque."""
    if not speaks_of_action(statement, request.action):
        return _NO
    resource = request.through if layer is _ACCESS_POINT else request.resource
    return _truth(matcher_of(statement), Asked(request, resource), layer)


def _truth(matcher: Matcher, asked: Asked, layer: Layer) -> Truth:
    """The same for a statement that speaks of the action."""
    truth = matcher.holds(asked)
    if truth is _NO or layer not in WITH_PRINCIPAL:
        return truth
    return min(truth, _about_caller(matcher, asked.request, layer))


def _about_caller(matcher: Matcher, request: Request, layer: Layer) -> Truth:
    if layer is _ENDPOINT and not matcher.statement.not_principal:
        return _at_endpoint(matcher, request)
    truth = matcher.about(request.caller)
    return _YES if truth is _MAYBE and layer is _RCP and _is_for_all(matcher) else truth


def _is_for_all(matcher: Matcher) -> bool:
    """Whether a statement of a resource control policy is for all principals, AWS services among them.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_examples.html
    """
    return not matcher.statement.not_principal and any(name.named is Named.ANYONE for name in matcher.names)


def _at_endpoint(matcher: Matcher, request: Request) -> Truth:
    """In a gateway endpoint's policy an account stands for its root user only; what else is named there is unsettled.

    https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html
    """
    found = Truth.NO
    for name in matcher.names:
        truth = names(name, request.caller)
        if name.named is Named.ACCOUNT:
            truth = min(truth, Truth.of(request.caller.kind is CallerKind.ROOT))
        elif name.named is not Named.ANYONE:
            truth = min(truth, Truth.MAYBE)
        found = max(found, truth)
    return found


# --- all layers together ----------------------------------------------------------------------------------------------

_OF_THE_RESOURCE = (Layer.RESOURCE_POLICY, Layer.GRANT)
_CEILINGS = (Layer.SERVICE_CONTROL_POLICY, Layer.RESOURCE_CONTROL_POLICY, Layer.VPC_ENDPOINT_POLICY)


def _combined(asked: Asked, policies: Policies, layers: tuple[LayerAnswer, ...]) -> tuple[Truth, Layer | None]:
    """Whether the Allows suffice, and the first layer that keeps them from being sure.

    Through an access point, callers of other accounts need the Allow of its policy beside that of the bucket's. Inside
    one account it can only deny.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html
    """
    caller, owner = asked.request.caller, asked.request.resource_account
    by_policy = policies.resource is not None or policies.grants is not None
    if caller.account != owner and all(answer.allow is _YES for answer in layers):
        return _YES, None
    ceilings = [answer for answer in layers if answer.layer in _CEILINGS]
    if by_policy and caller.account and caller.account == owner:
        needed = [*((answer.allow, answer.layer) for answer in ceilings), *_inside_account(asked, layers)]
    else:
        limiting = [*ceilings, *[answer for answer in layers if answer.layer in _CALLER_SIDE]]
        needed = [(answer.allow, answer.layer) for answer in limiting]
        if by_policy:
            given = [answer.allow for answer in layers if answer.layer in _OF_THE_RESOURCE]
            needed.append((max(given), _BY_RESOURCE))
        if caller.account != owner:
            needed += [(answer.allow, answer.layer) for answer in layers if answer.layer is _ACCESS_POINT]
    weakest = min([truth for truth, _ in needed], default=_YES)
    return weakest, next((layer for truth, layer in needed if truth is weakest), None)


_BY_RESOURCE = Layer.RESOURCE_POLICY


def _inside_account(asked: Asked, layers: tuple[LayerAnswer, ...]) -> list[tuple[Truth, Layer]]:
    """Inside one account either policy is enough, except that a key policy must at least delegate to the account.

    A resource policy that names the session or the user itself is not limited by what boundary and session policy leave
    unsaid; one that names the role is.
    """
    request = asked.request
    of = {answer.layer: answer for answer in layers}
    limits = min((of[layer].allow for layer in _LIMITS if layer in of), default=Truth.YES)
    identity = of[Layer.IDENTITY_POLICY].allow if Layer.IDENTITY_POLICY in of else Truth.YES
    named = dict.fromkeys(Named, Truth.NO)
    for layer in _OF_THE_RESOURCE:
        for statement in of[layer].allowing if layer in of else ():
            for strength, truth in _strengths(statement, asked, layer):
                named[strength] = max(named[strength], truth)
    itself = named[Named.SESSION]
    role = min(named[Named.IDENTITY], limits)
    # Whether `*` names the session itself is not documented: the limits then leave it unsettled.
    anyone = min(named[Named.ANYONE], max(limits, Truth.MAYBE))
    delegated = min(identity, limits)
    if request.action.lower().startswith("kms:"):
        delegated = min(delegated, max(named[Named.ACCOUNT], named[Named.ANYONE]))
    blamed = (
        *((a.allow, a.layer) for a in layers if a.layer in _LIMITS and max(identity, named[Named.IDENTITY]) > a.allow),
        *((a.allow, a.layer) for a in layers if a.layer is Layer.IDENTITY_POLICY),
    )
    allowed = max(itself, role, anyone, delegated)
    return [(allowed, next((layer for truth, layer in blamed if truth <= allowed), Layer.RESOURCE_POLICY))]


def _strengths(statement: Statement, asked: Asked, layer: Layer) -> Iterable[tuple[Named, Truth]]:
    """How exactly each entry of an allowing statement names the caller, and whether it surely does."""
    matcher, caller = matcher_of(statement), asked.request.caller
    truth = _truth(matcher, asked, layer)
    if statement.not_principal:
        yield Named.ANYONE, truth
        return
    for name in matcher.names:
        covered = names(name, caller)
        if covered is not _NO:
            yield _strength(name, statement, caller.kind), min(truth, covered)


def _strength(name: Name, statement: Statement, kind: CallerKind) -> Named:
    """Users are named as exactly as sessions are, and a unique id is its role or user. An identity provider and a
    form that is not known name sessions, as far as they name anybody.

    Anyone with a condition on `aws:PrincipalArn` is as good as the session itself.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    named = _SAME_AS.get(name.named, name.named)
    if named is Named.IDENTITY and kind is CallerKind.USER:
        return Named.SESSION
    if named is Named.ANYONE and any(condition.key == "aws:principalarn" for condition in statement.conditions):
        return Named.SESSION
    return named


_SAME_AS = {
    Named.UNIQUE_ID: Named.IDENTITY,
    Named.CANONICAL_USER: Named.ACCOUNT,
    Named.FEDERATED: Named.SESSION,
    Named.UNKNOWN: Named.SESSION,
}
