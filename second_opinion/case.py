"""One case for the second opinion: a request and the policies that both sides understand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.property.cases import ALLOW_ALL, policies_held, policies_of, request_of, requests, statement_of
from tests.property.reference import LISTS, Asking, Held, as_list
from threelocks.policy.authorize import Outcome, authorize
from threelocks.policy.truth import Truth

ALLOW_ALL_WITHOUT_PRINCIPAL = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"},
}


@dataclass(frozen=True)
class Case:
    """A request under policies."""

    asking: Asking
    held: Held

    def possible(self) -> frozenset[str]:
        """Every outcome that `authorize` leaves open: more than one where AWS's documentation settles nothing."""
        decision = authorize(request_of(self.asking), policies_of(self.held))
        if decision.outcome not in (Outcome.UNKNOWN, Outcome.IMPLICITLY_DENIED):
            return frozenset({decision.outcome})
        perhaps_allowed = {Outcome.ALLOWED} if decision.outcome is Outcome.UNKNOWN else set()
        perhaps_denied = {Outcome.EXPLICITLY_DENIED for answer in decision.layers if answer.deny is not Truth.NO}
        return frozenset({Outcome.IMPLICITLY_DENIED, *perhaps_allowed, *perhaps_denied})

    def simulation(self) -> dict[str, Any]:
        """The case as simulate.mjs takes it."""
        asking, held = self.asking, self.held
        carried = {**{key: (value,) for key, value in asking.own_keys().items()}, **asking.context}
        return {
            "principal": _principal(asking),
            "action": asking.action,
            "resource": asking.resource,
            "account": asking.owner,
            "context": {
                key: list(values) if key.lower() in LISTS or len(values) != 1 else values[0]
                for key, values in carried.items()
            },
            "identity": held.identity or [],
            "session": held.session[0] if held.session else None,
            "boundary": held.boundary,
            "scps": held.scps,
            "rcps": held.rcps,
            "endpoint": held.endpoint,
            "policy": held.resource[0] if held.resource else None,
        }


def _principal(asking: Asking) -> Any:
    iam = f"arn:aws:iam::{asking.account}:"
    return {
        "role": f"arn:aws:sts::{asking.account}:assumed-role/{asking.name}/{asking.session}",
        "user": f"{iam}user{asking.path}{asking.name}",
        "root": f"{iam}root",
        "service": asking.name,
        "anonymous": {"type": "Anonymous"},
    }[asking.kind]


def cases(seed: str, count: int) -> list[Case]:
    """Random cases, the same for the same seed: `count` sets of policies with a dozen requests to each.

    Every other set is a single statement of which one element is random, so that each element decides often enough.
    """
    found = []
    for number in range(count):
        rng = Random(f"{seed} {number}")  # noqa: S311 - cases, not secrets
        held = _focused(rng) if number % 2 else policies_held(rng)
        asked = [asking for asking in requests(rng) if asking.kind != "federated"]  # a user, to the other side
        found += [_understood(Case(asking, held)) for asking in asked]
    return found


_PLAIN = {"Principal": "*", "Action": "*", "Resource": "*"}


def _focused(rng: Random) -> Held:
    """One statement, one element of it random, in one layer; all else is allowed, and the statement may be a Deny."""
    element = rng.choice(["Principal", "Action", "Resource", "Condition", "Condition", "Condition"])
    drawn = statement_of(rng, principal=True)
    while not {element, f"Not{element}"} & drawn.keys():
        drawn = statement_of(rng, principal=True)
    chosen = {name: value for name, value in drawn.items() if name in ("Effect", element, f"Not{element}")}
    statement = {**{name: value for name, value in _PLAIN.items() if name != element}, **chosen}
    allowing = [{"Effect": "Allow", **_PLAIN}] if statement["Effect"] == "Deny" else []
    document = {"Version": rng.choice(["2012-10-17", "2012-10-17", "2008-10-17"]), "Statement": [*allowing, statement]}
    layer = (
        "resource" if element == "Principal" else rng.choice(["identity", "boundary", "session", "resource", "scps"])
    )
    filled: dict[str, Any] = {"boundary": document, "scps": [[document]]}
    return replace(Held(resource=[ALLOW_ALL]), **{layer: filled.get(layer, [document])})


def _understood(case: Case) -> Case:
    """The case with what cannot be put to the other side left out.

    It knows one resource policy and one session policy, no grants, no access points, and is told RestrictPublicBuckets
    in another form. It refuses a statement without Action, takes a `*` in the resource of a request for a wildcard, and
    expects in resource control policies the one Principal that AWS accepts there. Services and anonymous callers
    have no policies of their own, and a root user is, to the other side, a user to whom its identity policy allows all.
    """
    held, asking = case.held, case.asking
    person = asking.kind in ("role", "user")
    identity = [ALLOW_ALL_WITHOUT_PRINCIPAL] if held.identity is None else _with_actions(held.identity)
    boundary = _with_actions([held.boundary])[0] if held.boundary and person else None
    return Case(
        replace(asking, bounded=boundary is not None, resource=asking.resource.replace("*", "x")),
        Held(
            identity=identity if person else [ALLOW_ALL_WITHOUT_PRINCIPAL] if asking.kind == "root" else [],
            boundary=boundary,
            session=_with_actions(held.session[:1]) or None if held.session and asking.kind == "role" else None,
            scps=[_with_actions(level) for level in held.scps] if asking.account else [],
            rcps=[[_by_anyone(document) for document in _with_actions(level)] for level in held.rcps],
            endpoint=_with_actions([held.endpoint])[0] if held.endpoint else None,
            resource=_with_actions(held.resource or [])[:1],
        ),
    )


def _with_actions(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents without the statements that have neither Action nor NotAction."""
    return [
        {**document, "Statement": [s for s in as_list(document["Statement"]) if "Action" in s or "NotAction" in s]}
        for document in documents
    ]


def _by_anyone(document: dict[str, Any]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_syntax.html"""
    statements = [
        {**{name: value for name, value in statement.items() if name != "NotPrincipal"}, "Principal": "*"}
        for statement in document["Statement"]
    ]
    return {**document, "Statement": statements}
