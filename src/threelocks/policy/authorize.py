"""May this request pass? The plain evaluator: every layer of policy, one request, AWS's rules to the letter.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from threelocks.policy.condition import Lookup, holds, is_multivalued
from threelocks.policy.document import Document, Effect, Statement
from threelocks.policy.pattern import Variable, glob, parse_pattern
from threelocks.policy.principal import Name, Named, names, parse_name, speaks_of
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
    GRANT = "grant"
    PUBLIC_ACCESS_BLOCK = "public access block"


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies that have a say. None: that layer is not asked (an empty tuple is asked, and allows nothing).

    The outer tuple of `scps` and `rcps` is the levels of the organization, root first; each level must allow.
    `restrict_public`: the bucket's policy is public and RestrictPublicBuckets is on.
    """

    identity: tuple[Document, ...] | None = None
    boundary: Document | None = None
    session: tuple[Document, ...] | None = None
    scps: tuple[tuple[Document, ...], ...] = ()
    rcps: tuple[tuple[Document, ...], ...] = ()
    endpoint: Document | None = None
    resource: tuple[Document, ...] | None = None
    grants: Document | None = None
    restrict_public: bool = False


@dataclass(frozen=True, slots=True)
class LayerAnswer:
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


def authorize(request: Request, policies: Policies) -> Decision:
    """Decide one request under all the layers given."""
    layers = tuple(_layers(request, policies))
    lacking = tuple(sorted(_lacking(request, policies)))
    for answer in layers:
        if answer.deny is Truth.YES:
            return Decision(Outcome.EXPLICITLY_DENIED, answer.layer, answer.denying, lacking, layers)
    allowed, blocking = _combined(request, policies, layers)
    if allowed is Truth.NO:
        return Decision(Outcome.IMPLICITLY_DENIED, blocking, (), lacking, layers)
    for answer in layers:
        if answer.deny is Truth.MAYBE:
            return Decision(Outcome.UNKNOWN, answer.layer, answer.denying, lacking, layers)
    if allowed is Truth.MAYBE:
        undecided = (a for a in layers if a.layer is blocking and a.allow is Truth.MAYBE)
        maybe = tuple(statement for answer in undecided for statement in answer.allowing)
        return Decision(Outcome.UNKNOWN, blocking, maybe, lacking, layers)
    statements = tuple(statement for answer in layers for statement in answer.allowing)
    return Decision(Outcome.ALLOWED, None, statements, lacking, layers)


# --- the layers -------------------------------------------------------------------------------------------------------


def _layers(request: Request, policies: Policies) -> Iterable[LayerAnswer]:
    for layer, documents in _documents(request, policies):
        if layer not in _OF_THE_CALLER or request.caller.kind in _SUBJECT_TO[layer]:
            yield _answer(layer, documents, request)
    if policies.restrict_public and _is_cut_off(request):
        yield LayerAnswer(Layer.PUBLIC_ACCESS_BLOCK, Truth.YES, Truth.YES)


_CALLER_SIDE = (Layer.IDENTITY_POLICY, Layer.PERMISSIONS_BOUNDARY, Layer.SESSION_POLICY)
_LIMITS = (Layer.PERMISSIONS_BOUNDARY, Layer.SESSION_POLICY)
_OF_THE_CALLER = (*_CALLER_SIDE, Layer.SERVICE_CONTROL_POLICY)
# A root user has no identity policies: all is allowed to it but for what its organization and the resource's side say.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-single.html
_SUBJECT_TO = {
    **dict.fromkeys(_CALLER_SIDE, (CallerKind.ROLE_SESSION, CallerKind.USER)),
    Layer.SERVICE_CONTROL_POLICY: (CallerKind.ROLE_SESSION, CallerKind.USER, CallerKind.ROOT),
}


def _documents(request: Request, policies: Policies) -> Iterable[tuple[Layer, tuple[Document, ...]]]:
    """The documents of each layer that is asked; every level of an organization is a layer of its own."""
    single = (
        (Layer.IDENTITY_POLICY, policies.identity),
        (Layer.PERMISSIONS_BOUNDARY, _alone(policies.boundary)),
        (Layer.SESSION_POLICY, policies.session),
        *((Layer.SERVICE_CONTROL_POLICY, level) for level in policies.scps),
        *((Layer.RESOURCE_CONTROL_POLICY, level) for level in (() if _beyond_rcps(request) else policies.rcps)),
        (Layer.VPC_ENDPOINT_POLICY, _alone(policies.endpoint)),
        (Layer.RESOURCE_POLICY, policies.resource),
        (Layer.GRANT, _alone(policies.grants)),
    )
    return ((layer, documents) for layer, documents in single if documents is not None)


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


def _answer(layer: Layer, documents: tuple[Document, ...], request: Request) -> LayerAnswer:
    matched = [(statement, matches(statement, request, layer)) for d in documents for statement in d.statements]
    by_effect = {
        effect: [(s, truth) for s, truth in matched if s.effect is effect and truth is not Truth.NO]
        for effect in Effect
    }
    return LayerAnswer(
        layer,
        allow=max((truth for _, truth in by_effect[Effect.ALLOW]), default=Truth.NO),
        deny=max((truth for _, truth in by_effect[Effect.DENY]), default=Truth.NO),
        allowing=tuple(s for s, _ in by_effect[Effect.ALLOW]),
        denying=tuple(s for s, _ in by_effect[Effect.DENY]),
    )


# --- one statement ----------------------------------------------------------------------------------------------------

WITH_PRINCIPAL = (*(Layer.RESOURCE_POLICY, Layer.GRANT, Layer.RESOURCE_CONTROL_POLICY, Layer.VPC_ENDPOINT_POLICY),)


def matches(statement: Statement, request: Request, layer: Layer) -> Truth:
    """Whether a statement, standing in a policy of that layer, speaks of the request; MAYBE at most when opaque."""
    truth = min(
        _about_caller(statement, request, layer),
        _about_action(statement, request.action),
        _about_resource(statement, request),
        _conditions_hold(statement, request),
    )
    return min(truth, Truth.MAYBE) if statement.problems else truth


def _about_caller(statement: Statement, request: Request, layer: Layer) -> Truth:
    if layer not in WITH_PRINCIPAL:
        return Truth.YES
    if layer is Layer.VPC_ENDPOINT_POLICY and not statement.not_principal:
        return _at_endpoint(statement, request)
    return speaks_of(statement, request.caller)


def _at_endpoint(statement: Statement, request: Request) -> Truth:
    """In a gateway endpoint's policy an account stands for its root user only; what else is named there is unsettled.

    https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html
    """
    found = Truth.NO
    for entry in statement.principals or ():
        name = parse_name(entry)
        truth = names(name, request.caller)
        if name.named is Named.ACCOUNT:
            truth = min(truth, Truth.of(request.caller.kind is CallerKind.ROOT))
        elif name.named is not Named.ANYONE:
            truth = min(truth, Truth.MAYBE)
        found = max(found, truth)
    return found


def _about_action(statement: Statement, action: str) -> Truth:
    """Actions do not know case. A statement without Action or NotAction has no effect."""
    if statement.actions is None:
        return Truth.NO
    patterns = tuple(parse_pattern(text, variables=False) for text in statement.actions)
    return Truth.of(glob(patterns, fold=True).matches(action) != statement.not_action)


def _about_resource(statement: Statement, request: Request) -> Truth:
    """Resources know case. A statement without Resource or NotResource has no effect.

    A variable without a value matches nothing, but may also make the whole statement invalid: NotResource is unsettled.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    if statement.resources is None:
        return Truth.NO
    parsed = (parse_pattern(text, variables=statement.variables) for text in statement.resources)
    bound = tuple(p for p in (pattern.bind(_lookup(request)) for pattern in parsed) if p is not None)
    truth = Truth.of(glob(bound).matches(request.resource) != statement.not_resource)
    unresolved = len(bound) < len(statement.resources)
    return min(truth, Truth.MAYBE) if statement.not_resource and unresolved else truth


def _lookup(request: Request) -> Lookup:
    """The values of policy variables: an absent key gives the default, a list nothing."""

    def value(variable: Variable) -> str | None:
        found = request.values(variable.name)
        if found is None:
            return variable.default
        return found[0] if len(found) == 1 and not is_multivalued(variable.name) else None

    return value


def _conditions_hold(statement: Statement, request: Request) -> Truth:
    return min(
        (
            holds(condition, request.values(condition.key), _lookup(request), variables=statement.variables)
            for condition in statement.conditions
        ),
        default=Truth.YES,
    )


def _lacking(request: Request, policies: Policies) -> set[str]:
    """Condition keys that some statement asks for and the request does not carry."""
    return {
        condition.key
        for _, documents in _documents(request, policies)
        for document in documents
        for statement in document.statements
        for condition in statement.conditions
        if request.values(condition.key) is None
    }


# --- all layers together ----------------------------------------------------------------------------------------------

_CEILINGS = (Layer.SERVICE_CONTROL_POLICY, Layer.RESOURCE_CONTROL_POLICY, Layer.VPC_ENDPOINT_POLICY)


def _combined(request: Request, policies: Policies, layers: tuple[LayerAnswer, ...]) -> tuple[Truth, Layer | None]:
    """Whether the Allows suffice, and the first layer that keeps them from being sure."""
    needed: list[tuple[Truth, Layer]] = [(a.allow, a.layer) for a in layers if a.layer in _CEILINGS]
    given = [answer for answer in layers if answer.layer in (Layer.RESOURCE_POLICY, Layer.GRANT)]
    by_resource = max((answer.allow for answer in given), default=Truth.NO)
    asked = policies.resource is not None or policies.grants is not None
    if asked and request.caller.account == request.resource_account and request.caller.account:
        needed += _inside_account(request, layers)
    else:
        needed += [(answer.allow, answer.layer) for answer in layers if answer.layer in _CALLER_SIDE]
        needed += [(by_resource, Layer.RESOURCE_POLICY)] if asked else []
    weakest = min((truth for truth, _ in needed), default=Truth.YES)
    return weakest, next((layer for truth, layer in needed if truth is weakest), None)


def _inside_account(request: Request, layers: tuple[LayerAnswer, ...]) -> list[tuple[Truth, Layer]]:
    """Inside one account either policy is enough, except that a key policy must at least delegate to the account.

    A resource policy that names the session or the user itself is not limited by what boundary and session policy leave
    unsaid; one that names the role is.
    """
    of = {answer.layer: answer for answer in layers}
    limits = min((of[layer].allow for layer in _LIMITS if layer in of), default=Truth.YES)
    identity = of[Layer.IDENTITY_POLICY].allow if Layer.IDENTITY_POLICY in of else Truth.YES
    named = dict.fromkeys(Named, Truth.NO)
    for layer in (Layer.RESOURCE_POLICY, Layer.GRANT):
        for statement in of[layer].allowing if layer in of else ():
            for strength, truth in _strengths(statement, request, layer):
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


def _strengths(statement: Statement, request: Request, layer: Layer) -> Iterable[tuple[Named, Truth]]:
    """How exactly each entry of an allowing statement names the caller, and whether it surely does."""
    truth = matches(statement, request, layer)
    if statement.not_principal:
        yield Named.ANYONE, truth
        return
    for name in map(parse_name, statement.principals or ()):
        covered = names(name, request.caller)
        if covered is not Truth.NO:
            yield _strength(name, statement, request.caller.kind), min(truth, covered)


def _strength(name: Name, statement: Statement, kind: CallerKind) -> Named:
    """Users are named as exactly as sessions are, and a unique id is its role or user.

    Anyone with a condition on `aws:PrincipalArn` is as good as the session itself.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    named = _SAME_AS.get(name.named, name.named)
    if named is Named.IDENTITY and kind is CallerKind.USER:
        return Named.SESSION
    if named is Named.ANYONE and any(condition.key == "aws:principalarn" for condition in statement.conditions):
        return Named.SESSION
    return named


_SAME_AS = {Named.UNIQUE_ID: Named.IDENTITY, Named.CANONICAL_USER: Named.ACCOUNT}
