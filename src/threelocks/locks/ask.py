"""The two questions that every lock is asked. Open: does every required request pass? Narrow: is every request that
passes permitted? Each answer comes with a request that shows it, confirmed by the plain evaluator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from threelocks.finding import Kind, Witness
from threelocks.locks.terms import Required, variables_of
from threelocks.policy.authorize import Layer, Outcome, Policies, authorize
from threelocks.policy.box import ActionLiteral, Box, KeyLiteral, Literal, Reading, boxes
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

    def reduced(self, left: Callable[[Statement], Statement | None]) -> Layered:
        """The same with less in its Allows: what is left of each, or None. For what is known not to be asked about."""
        needed = tuple(
            tuple((layer, tuple(_reduced(document, left) for document in documents)) for layer, documents in entry)
            for entry in self.needed
        )
        return replace(self, needed=needed)

    @property
    def is_closed(self) -> bool:
        """Whether it plainly lets nothing pass: something that must allow has no Allow at all."""
        return not all(any(_has_allow(one) for _, documents in entry for one in documents) for entry in self.needed)

    def allows(self, reading: Reading) -> tuple[tuple[Box, ...], ...]:
        return tuple(_boxes(entry, Effect.ALLOW, reading) for entry in self.needed)

    def denies(self, reading: Reading) -> tuple[Box, ...]:
        return tuple(box for entry in self.needed for box in _boxes(entry, Effect.DENY, reading))


def _has_allow(document: Document) -> bool:
    return any(statement.effect is Effect.ALLOW for statement in document.statements)


def _reduced(document: Document, left: Callable[[Statement], Statement | None]) -> Document:
    kept = (s if s.effect is Effect.DENY else left(s) for s in document.statements)
    return replace(document, statements=tuple(s for s in kept if s is not None))


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
    found: list[Failure] = []
    try:
        # One by one, so that what was found stands even when the search is given up.
        for failure in _failures(required, layered, budget):
            found.append(failure)  # noqa: PERF402 - see above
    except UndecidedError as undecided:
        found += [*_Question.of(required, layered, Budget(_SECOND_LOOK)).obvious()] if not found else []
        found.append(_undecided(required, str(undecided)))
    return found


_SECOND_LOOK = 10_000  # steps, beyond the budget of the judgement


def _failures(required: Required, layered: Layered, budget: Budget) -> Iterable[Failure]:
    question = _Question.of(required, layered, budget)
    strict = question.gate(required.later, sure=True, copy=1)
    if question.later.failing(required.must, [strict]) is None:
        return
    settled = [*question.shut(sure=False), *question.risk(sure=False)]
    yield from settled
    # What fails only when the unsettled is read against the share: said once, and never as if it were certain.
    for failure in (*question.shut(sure=True), *question.risk(sure=True)):
        if failure.kind is Kind.UNREAD or not settled:
            yield replace(failure, kind=Kind.UNREAD, reason=failure.reason or _UNSETTLED)
            return


_UNSETTLED = "that rests on behaviour that AWS does not document"
_DISAGREE = "the search and the evaluator disagree about a request: please report this"
_VARIABLES = "it has policy variables whose values are not known"


def _contradicted(layered: Layered) -> str:
    """Why a request that was found is not one. A variable that the space leaves open was taken for whatever text."""
    open_to_values = any(variables_of(statement) for one in layered.documents for statement in one.statements)
    return _VARIABLES if open_to_values else _DISAGREE


@dataclass(frozen=True, slots=True)
class _Question:
    """One required space, asked of one lock's policies. Read as `sure`, only sure Allows count and every possible Deny;
    else every possible Allow, and only sure Denies.
    """

    required: Required
    layered: Layered
    now: Search
    later: Search

    @classmethod
    def of(cls, required: Required, layered: Layered, budget: Budget) -> _Question:
        return cls(required, layered, Search(required.space, budget), Search(required.later, budget))

    def gate(self, space: Space, *, sure: bool, copy: int = 0) -> Gate:
        allows, denies = Reading(space, possible=not sure, copy=copy), Reading(space, possible=sure, copy=copy)
        return Gate(self.layered.allows(allows), self.layered.denies(denies))

    def shut(self, *, sure: bool) -> Iterable[Failure]:
        """Requests that fail in every environment: by each layer that does not allow, by Denies, or by all together."""
        must, gate, found = self.required.must, self.gate(self.required.space, sure=sure), False
        for number, layer in enumerate(gate.layers):
            point = self.now.shut(must, Gate((layer,)))
            if point is not None:
                found = True
                yield self._lacking(point, self.layered.needed[number][0][0])
        point = self.now.shut(must, Gate((), gate.denies))
        if point is None and not found:
            point = self.now.shut(must, gate)
        if point is not None:
            yield self._denied(point, gate)

    def risk(self, *, sure: bool) -> Iterable[Failure]:
        """A request that passes in one environment (2) and fails in another (1), perhaps at a later time."""
        passes = self.gate(self.required.space, sure=not sure, copy=2)
        fails = self.gate(self.required.later, sure=sure, copy=1)
        point = self.later.differing(self.required.must, passes, fails)
        if point is not None:
            yield self._at_risk(point, passes)

    def obvious(self) -> Iterable[Failure]:
        """A request that one sure Deny alone refuses in every environment: found, as a rule, even where all policies
        together are too involved.
        """
        gate = self.gate(self.required.space, sure=False)
        for deny in gate.denies:
            try:
                point = self.now.shut(self.required.must, Gate((), (deny,)))
            except UndecidedError:
                return
            if point is not None:
                yield self._denied(point, gate)
                return

    def _lacking(self, point: Point, layer: Layer) -> Failure:
        return self._failure(point.request(self.required.space), Kind.SHUT, layer=layer)

    def _denied(self, point: Point, gate: Gate) -> Failure:
        """Denied in this environment, or else in each in which it would be allowed."""
        failure = self._failure(point.request(self.required.space), Kind.SHUT)
        if failure.denied or failure.kind is not Kind.SHUT:
            return failure
        denies = [box for box in gate.denies if _holds_somewhere(box, self.required.space, point)]
        statements = tuple(box.statement for box in denies if box.statement)
        layer = denies[0].layer if denies else failure.layer
        return replace(failure, denied=bool(denies), layer=layer, statements=statements)

    def _at_risk(self, point: Point, passes: Gate) -> Failure:
        """Where nothing denies it, what limits it is the Allow that lets it through in the other environment."""
        failure = self._failure(point.request(self.required.later, copy=1), Kind.RISK)
        if failure.statements:
            return failure
        allowing = (box.statement for layer in passes.layers for box in layer if box.holds(point))
        return replace(failure, statements=tuple(one for one in allowing if one is not None)[:1])

    def _failure(self, request: Request, kind: Kind, *, layer: Layer | None = None) -> Failure:
        """A failing request as the plain evaluator explains it. `layer`: the one that is known not to allow it."""
        decision = authorize(request, self.layered.policies)
        if decision.outcome is Outcome.ALLOWED:
            return _undecided(self.required, _contradicted(self.layered))
        unsettled = decision.outcome is Outcome.UNKNOWN
        denying = () if layer else tuple((a.layer, statement) for a in decision.layers for statement in a.denying)
        return Failure(
            self.required,
            Kind.UNREAD if unsettled else kind,
            denied=bool(denying),
            layer=denying[0][0] if denying else layer or decision.layer,
            statements=tuple(s for _, s in denying) or (decision.statements if unsettled else ()),
            witness=as_witness(request, self.required.later, self.layered, unsettled=unsettled),
            reason=_UNSETTLED if unsettled else "",
        )


def _holds_somewhere(box: Box, space: Space, point: Point) -> bool:
    """Whether a box may hold the request in some environment."""
    return all(literal.holds(point) for literal in box.literals if not _of_environment(literal, space))


def _of_environment(literal: Literal, space: Space) -> bool:
    binding = space.binding(literal.key) if isinstance(literal, KeyLiteral) else None
    return isinstance(binding, Free) and not binding.chosen


def _undecided(required: Required, reason: str) -> Failure:
    return Failure(required, Kind.UNREAD, denied=False, layer=None, statements=(), witness=None, reason=reason)


# --- narrow -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Escape:
    """Requests beyond what is permitted: the first found, and every action for which there is one."""

    actions: tuple[str, ...]
    witness: Witness  # `unsettled`: whether they pass at all rests on what AWS does not document
    layer: Layer | None
    statements: tuple[Statement, ...]


def escapes(
    space: Space, must: Sequence[Literal], layered: Layered, permitted: Sequence[Statement], budget: Budget
) -> Iterable[Escape]:
    """Requests of the space that meet `must` and pass without being permitted: at most one for each layer that lets
    them pass, and for each of surely and perhaps. Raises UndecidedError, after what was found until then.
    """
    search, left = Search(space, budget), frozenset(space.actions)
    asked: list[Gate] = []
    for sure in (True, False):
        allows = layered.allows(Reading(space, possible=not sure))
        if not left or not all(allows):
            continue  # all that may escape has, or some layer lets nothing pass
        gate = Gate(allows, layered.denies(Reading(space, possible=sure)))
        if gate in asked:
            return  # nothing here is unsettled
        asked.append(gate)
        avoid = boxes(permitted, Layer.RESOURCE_POLICY, Reading(space, possible=True))
        found: frozenset[str] = frozenset()
        for layer in dict.fromkeys(box.layer for box in allows[0]):
            alone = Gate((tuple(box for box in allows[0] if box.layer is layer), *allows[1:]), (*gate.denies, *avoid))
            point, actions, undecided = _escaping(search, must, alone, left)
            if point is not None:
                found |= actions
                yield _escape(space, layered, layer, point, actions)
            if undecided is not None:
                raise undecided
        left -= found


def _escaping(
    search: Search, must: Sequence[Literal], gate: Gate, actions: frozenset[str]
) -> tuple[Point | None, frozenset[str], UndecidedError | None]:
    """The first request that passes, all of these actions for which one does, and what stopped the search, if it was
    given up.
    """
    first, left = None, actions
    try:
        while left and (point := search.passing((*must, ActionLiteral(left)), gate)):
            first = first or point
            left -= {point.action} | gate.passing_at(point, left)
    except UndecidedError as undecided:
        return first, actions - left, undecided
    return first, actions - left, None


def _escape(space: Space, layered: Layered, layer: Layer | None, point: Point, actions: frozenset[str]) -> Escape:
    request = point.request(space)
    decision = authorize(request, layered.policies)
    if decision.outcome in (Outcome.EXPLICITLY_DENIED, Outcome.IMPLICITLY_DENIED):
        raise UndecidedError(_contradicted(layered))
    told = (layer, Layer.ACCESS_POINT_POLICY)
    statements = tuple(s for answer in decision.layers if answer.layer in told for s in answer.allowing)
    unsettled = decision.outcome is Outcome.UNKNOWN
    witness = as_witness(request, space, layered, absences=False, unsettled=unsettled)
    return Escape(tuple(sorted(actions)), witness, layer, statements)


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
