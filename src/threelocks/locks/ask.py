"""The two questions that every lock is asked. Open: does every required request pass? Narrow: is every request that
passes permitted? Each answer comes with a request that shows it, confirmed by the plain evaluator.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from threelocks.finding import Kind, Witness
from threelocks.locks.terms import Required
from threelocks.policy.authorize import Decision, Layer, Outcome, Policies, authorize
from threelocks.policy.box import ActionLiteral, Box, Literal, Reading, boxes
from threelocks.policy.document import Document, Effect, Statement
from threelocks.policy.request import Request
from threelocks.policy.space import Const, Free, Point, Space
from threelocks.policy.witness import Budget, Gate, Search, UndecidedError

Alternatives = tuple[tuple[Layer, tuple[Document, ...]], ...]


@dataclass(frozen=True, slots=True)
class Layered:
    """The policies of one lock. Every entry of `needed` must allow; inside an entry any document may (a key's policies
    and its grants, say). Every document may deny.
    """

    needed: tuple[Alternatives, ...]
    policies: Policies  # the same, as the plain evaluator takes them

    @property
    def documents(self) -> tuple[Document, ...]:
        return tuple(document for entry in self.needed for _, documents in entry for document in documents)

    def gate(self, allows: Reading, denies: Reading) -> Gate:
        return Gate(
            tuple(self._boxes(entry, Effect.ALLOW, allows) for entry in self.needed),
            tuple(box for entry in self.needed for box in self._boxes(entry, Effect.DENY, denies)),
        )

    @staticmethod
    def _boxes(entry: Alternatives, effect: Effect, reading: Reading) -> tuple[Box, ...]:
        return tuple(
            box
            for layer, documents in entry
            for document in documents
            for box in boxes((s for s in document.statements if s.effect is effect), layer, reading)
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A required request that does not pass: in no environment (SHUT), or not in all of them (RISK). UNREAD: whether it
    passes rests on what AWS does not document, or could not be searched in full.
    """

    required: Required
    kind: Kind
    denied: bool  # by a Deny, rather than by the lack of an Allow
    layer: Layer | None
    statements: tuple[Statement, ...]
    witness: Witness | None
    reason: str = ""  # for UNREAD


def failures(required: Required, layered: Layered, budget: Budget) -> list[Failure]:
    """Every way in which a required request fails under these policies; empty: the lock is open to it."""
    try:
        return list(_failures(required, layered, budget))
    except UndecidedError as undecided:
        return [_undecided(required, str(undecided))]


def _failures(required: Required, layered: Layered, budget: Budget) -> Iterable[Failure]:
    later = Search(required.later, budget)
    if later.failing(required.must, [_open_gate(layered, required.later, 1)]) is None:
        return
    now = Search(required.space, budget)
    gate = _open_gate(layered, required.space, 0)
    found = False
    for number, layer in enumerate(gate.layers):
        point = now.shut(required.must, Gate((layer,)))
        if point is not None:
            found = True
            yield _shut(required, layered, point, layered.needed[number][0][0])
    point = now.shut(required.must, Gate((), gate.denies))
    if point is not None:
        found = True
        yield _shut(required, layered, point, None)
    if not found and (point := now.shut(required.must, gate)) is not None:
        yield _shut(required, layered, point, None)
    yield from _risks(required, layered, later)


def _open_gate(layered: Layered, space: Space, copy: int) -> Gate:
    """For open: only sure Allows count, and every possible Deny."""
    return layered.gate(Reading(space, possible=False, copy=copy), Reading(space, possible=True, copy=copy))


def _shut(required: Required, layered: Layered, point: Point, layer: Layer | None) -> Failure:
    """A shut request, explained by the plain evaluator. `layer`: the one that lacks an Allow, else a Deny decides."""
    request = point.request(required.space)
    decision = authorize(request, layered.policies)
    denied = layer is None
    if decision.outcome is Outcome.ALLOWED:
        return _undecided(required, "the search and the evaluator disagree about a request: please report this")
    if decision.outcome is Outcome.UNKNOWN:
        witness = as_witness(request, required.space, layered, unsettled=True)
        reason = "whether it passes rests on behaviour that AWS does not document"
        return Failure(required, Kind.UNREAD, denied, decision.layer, decision.statements, witness, reason)
    statements = _denying(decision) if denied else ()
    deciding = next((answer.layer for answer in decision.layers if answer.denying), layer) if denied else layer
    witness = as_witness(request, required.space, layered)
    return Failure(required, Kind.SHUT, denied, deciding, statements, witness)


def _denying(decision: Decision) -> tuple[Statement, ...]:
    return tuple(statement for answer in decision.layers for statement in answer.denying)


def _risks(required: Required, layered: Layered, later: Search) -> Iterable[Failure]:
    """A request that passes in one environment (2) and fails in another (1), perhaps at a later time."""
    passes = _open_gate(layered, required.space, 2)
    fails = _open_gate(layered, required.later, 1)
    for box in passes.allowing():
        point = later.failing((*required.must, *box.literals), [fails], passes.denies)
        if point is not None:
            request = point.request(required.later, copy=1)
            decision = authorize(request, layered.policies)
            if decision.outcome is Outcome.ALLOWED:
                yield _undecided(required, "the search and the evaluator disagree about a request: please report this")
                return
            denied = bool(_denying(decision))
            statements = _denying(decision) or _depending(layered)
            unsettled = decision.outcome is Outcome.UNKNOWN
            witness = as_witness(request, required.later, layered, unsettled=unsettled)
            yield Failure(required, Kind.RISK, denied, decision.layer, statements, witness)
            return


def _depending(layered: Layered) -> tuple[Statement, ...]:
    """Allows that hang on a condition: one of them lets the request through elsewhere."""
    return tuple(
        s for document in layered.documents for s in document.statements if s.effect is Effect.ALLOW and s.conditions
    )


def _undecided(required: Required, reason: str) -> Failure:
    return Failure(required, Kind.UNREAD, denied=False, layer=None, statements=(), witness=None, reason=reason)


# --- narrow -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Escape:
    """Requests beyond what is permitted: the first found, and every action for which there is one."""

    actions: tuple[str, ...]
    witness: Witness
    layer: Layer | None
    statements: tuple[Statement, ...]


def escapes(
    space: Space, must: Sequence[Literal], layered: Layered, permitted: Sequence[Box], budget: Budget
) -> Escape | None:
    """Whether a request of the space that meets `must` passes without being permitted. Raises UndecidedError.

    For wide, every possible Allow counts, and only sure Denies.
    """
    search = Search(space, budget)
    gate = layered.gate(Reading(space, possible=True), Reading(space, possible=False))
    first: tuple[Request, Decision] | None = None
    actions: list[str] = []
    left = frozenset(space.actions)
    while left:
        point = search.passing((*must, ActionLiteral(left)), gate, permitted)
        if point is None:
            break
        actions.append(point.action)
        left -= {point.action}
        if first is None:
            request = point.request(space)
            first = request, authorize(request, layered.policies)
    if first is None:
        return None
    request, decision = first
    if decision.outcome in (Outcome.EXPLICITLY_DENIED, Outcome.IMPLICITLY_DENIED):
        raise UndecidedError("the search and the evaluator disagree about a request: please report this")
    allowing = [(a.layer, s) for a in decision.layers for s in a.allowing]
    unsettled = decision.outcome is Outcome.UNKNOWN
    witness = as_witness(request, space, layered, absences=False, unsettled=unsettled)
    layer = allowing[0][0] if allowing else None
    return Escape(tuple(sorted(actions)), witness, layer, tuple(statement for _, statement in allowing))


def as_witness(
    request: Request, space: Space, layered: Layered, *, absences: bool = True, unsettled: bool = False
) -> Witness:
    """A request as a finding shows it: of its condition keys, those that some policy asks about and that are open.

    `absences`: also those that the request lacks, with no values; they may be why it fails, but never why it passes.
    """
    asked = {c.key for d in layered.documents for s in d.statements for c in s.conditions}
    shown = []
    for key in sorted(asked):
        binding = space.binding(key)
        values = request.context.get(key)
        if values is not None and not isinstance(binding, Const):
            shown.append((key, values))
        elif absences and values is None and isinstance(binding, Free):
            shown.append((key, ()))
    return Witness(request.caller.arn, request.action, request.resource, tuple(shown), unsettled)
