"""Search all requests of a space for one that escapes.

`escape(must, avoid)` looks for a request that meets every literal of `must` and lies in no box of `avoid`: pick one
that meets the literals; when it lies in a box, step outside that box one literal at a time, disjointly, and look there.
The answer is exact: None means that no such request exists. Where that cannot be shown within the budget of steps, or
at all, UndecidedError is raised; nothing is ever rounded to "none".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, starmap

from threelocks.policy.box import (
    ACTION,
    TRUE,
    ActionLiteral,
    All,
    Atom,
    Box,
    Dimension,
    Expr,
    KeyLiteral,
    Literal,
    Some,
    Test,
    TextLiteral,
    atoms,
    holds_for,
)
from threelocks.policy.candidates import candidates, examples, is_boolean
from threelocks.policy.pattern import glob
from threelocks.policy.space import TEXT, Free, Group, Point, Space
from threelocks.policy.walk import Budget, UndecidedError, better_read, normal, walk

__all__ = ["Budget", "Gate", "Search", "UndecidedError", "walk"]


@dataclass(frozen=True, slots=True)
class Gate:
    """Policies as boxes: a request passes when it lies in some box of every layer, and in no Deny."""

    layers: tuple[tuple[Box, ...], ...]
    denies: tuple[Box, ...] = ()

    def literals(self) -> Iterator[Literal]:
        for boxes in (*self.layers, self.denies):
            yield from _literals(boxes)

    def passes(self, point: Point) -> bool:
        allowed = all(any(box.holds(point) for box in layer) for layer in self.layers)
        return allowed and not any(box.holds(point) for box in self.denies)

    def passing_at(self, point: Point, actions: frozenset[str]) -> frozenset[str]:
        """Which of these actions pass in all else that this point says: what one may do, others often may as well."""

        def spoken_of(boxes: Iterable[Box]) -> frozenset[str]:
            here = (box for box in boxes if all(one.holds(point) for one in box.literals if not _is_action(one)))
            return frozenset().union(*(_actions_of(box, actions) for box in here))

        allowed = actions.intersection(*map(spoken_of, self.layers))
        return allowed - spoken_of(self.denies)


def _is_action(one: Literal) -> bool:
    return isinstance(one, ActionLiteral)


def _actions_of(box: Box, actions: frozenset[str]) -> frozenset[str]:
    """Those of some actions that a box is about."""
    return actions.intersection(*(one.among for one in box.literals if isinstance(one, ActionLiteral)))


Must = dict[Dimension, frozenset[Literal]]  # what is asked of each dimension
Texts = tuple[str, ...] | None  # of a group; None: the group is absent
Answer = tuple[str, ...] | bool | None  # the same, or False: there is none


@dataclass(slots=True)
class Search:
    """Searches of one space, sharing a memory of what single dimensions allow, and a budget."""

    space: Space
    budget: Budget = field(default_factory=Budget)
    _texts: dict[tuple[str, frozenset[Literal]], Answer] = field(default_factory=dict)
    _values: dict[frozenset[Literal], Answer] = field(default_factory=dict)

    # --- escape -------------------------------------------------------------------------------------------------------

    def escape(self, must: Sequence[Literal], avoid: Sequence[Box]) -> Point | None:
        """A request that meets `must` and lies in no box of `avoid`, or None: there is none."""
        if any(all(one in must for one in box.literals) for box in avoid):
            return None  # it holds every request that meets `must`
        by_dimension: Must = {}
        for one in (*must, *self._required((*must, *_literals(avoid)))):
            by_dimension = _with(by_dimension, one)
        # Few literals leave few ways out: such a box decides sooner.
        waiting = [(by_dimension, tuple(sorted(avoid, key=lambda box: len(box.literals))))]
        while waiting:
            here, boxes = waiting.pop()
            self.budget.spend(_NODE + len(boxes))
            point = self.pick(here)
            if point is None:
                continue
            inside = next((box for box in boxes if box.holds(point)), None)
            if inside is None:
                return point
            waiting += reversed([*self._outside(here, inside, boxes)])
        return None

    def _outside(self, must: Must, box: Box, boxes: tuple[Box, ...]) -> Iterator[tuple[Must, tuple[Box, ...]]]:
        """The ways out of a box, disjoint: deny its first literal; keep the first and deny the second; ... Out of boxes
        of one literal there is one way, so all of them are left at once.
        """
        if len(box.literals) == 1:
            kept = must
            for only in _literals(other for other in boxes if len(other.literals) == 1):
                kept = _with(kept, only.negated(self.space))
            yield kept, tuple(other for other in boxes if len(other.literals) > 1)
            return
        kept, rest = must, tuple(other for other in boxes if other is not box)
        # Likeliest to have a way out first: dimensions that nothing else constrains yet.
        for one in sorted(box.literals, key=lambda literal: literal.dimension in must):
            yield _with(kept, one.negated(self.space)), rest
            kept = _with(kept, one)

    def _required(self, literals: Iterable[Literal]) -> Iterable[KeyLiteral]:
        """Keys that every request carries are present, whatever else is asked of them."""
        for one in literals:
            if isinstance(one, KeyLiteral):
                binding = self.space.binding(one.key)
                if isinstance(binding, Free) and binding.required:
                    yield KeyLiteral(one.key, one.copy, Test(expr=TRUE))

    # --- failing and passing ------------------------------------------------------------------------------------------

    def failing(self, must: Sequence[Literal], gates: Sequence[Gate], avoid: Sequence[Box] = ()) -> Point | None:
        """A request that meets `must`, lies in no box of `avoid`, and passes none of the gates."""
        required = self._required(one for gate in gates for one in gate.literals())
        return self._failing((*must, *dict.fromkeys(required)), tuple(gates), tuple(avoid))

    def _failing(self, must: tuple[Literal, ...], gates: tuple[Gate, ...], avoid: tuple[Box, ...]) -> Point | None:
        point = self.escape(must, avoid)
        if point is None:
            return None
        gate = next((gate for gate in gates if self._passes(gate, point)), None)
        if gate is None:
            return point
        rest = tuple(other for other in gates if other is not gate)
        for layer in gate.layers:
            found = self._failing(must, rest, (*avoid, *layer))
            if found is not None:
                return found
        for literals in _either(gate.denies):
            found = self._failing((*must, *literals), rest, avoid)
            if found is not None:
                return found
        return None

    def _passes(self, gate: Gate, point: Point) -> bool:
        self.budget.spend(1 + len(gate.denies) + sum(map(len, gate.layers)))
        return gate.passes(point)

    def passing(self, must: Sequence[Literal], gate: Gate, avoid: Sequence[Box] = ()) -> Point | None:
        """A request that meets `must`, passes the gate, and lies in no box of `avoid`."""
        avoided = (*gate.denies, *avoid)
        found = (self.escape(literals, avoided) for literals in self._allowed(tuple(must), gate.layers))
        return next((point for point in found if point is not None), None)

    def differing(self, must: Sequence[Literal], passes: Gate, fails: Gate) -> Point | None:
        """A request that meets `must`, passes one gate and fails the other: with each gate read in its own copy of the
        environment, a request that works by luck.
        """
        must = (*must, *dict.fromkeys(self._required((*passes.literals(), *fails.literals()))))
        # What both gates deny, whatever the environment, tells them not apart.
        alike = {box.literals for box in passes.denies}
        denied = [*_either(box for box in fails.denies if box.literals not in alike)]
        for allowed in self._allowed(must, passes.layers):
            lacking = ((allowed, (*passes.denies, *layer)) for layer in fails.layers)
            refused = (((*allowed, *literals), passes.denies) for literals in denied)
            found = next((point for point in starmap(self.escape, chain(lacking, refused)) if point is not None), None)
            if found is not None:
                return found
        return None

    def _allowed(self, must: tuple[Literal, ...], layers: tuple[tuple[Box, ...], ...]) -> Iterator[tuple[Literal, ...]]:
        """Conjunctions of literals whose union is what all layers allow of `must`. Those of several layers that
        exclude each other are left out early: their product can be huge.
        """
        if not layers:
            yield must
            return
        for box in layers[0]:
            both = (*must, *box.literals)
            if not layers[1:] or self.escape(both, ()) is not None:
                yield from self._allowed(both, layers[1:])

    def shut(self, must: Sequence[Literal], gate: Gate) -> Point | None:
        """A request that fails in *every* environment that `must` leaves open, or None.

        Each request that fails in one environment but passes in another rules that other environment out for the next
        candidate; there are finitely many kinds of environment, so this ends.
        """
        must = (*must, *dict.fromkeys(self._required(gate.literals())))
        given = tuple(one for one in must if self._of_environment(one))
        environments: list[Gate] = []
        while True:
            found = self.failing(must, environments or (gate,))
            if found is None:
                return None
            saved = self.passing(given, self._at_request(gate, found))
            if saved is None:
                return found
            environments.append(self._at_environment(gate, saved))

    def _at_request(self, gate: Gate, point: Point) -> Gate:
        """The gate with all but the environment fixed at this request."""
        return _reduced(gate, point, lambda one: not self._of_environment(one))

    def _at_environment(self, gate: Gate, point: Point) -> Gate:
        return _reduced(gate, point, self._of_environment)

    def _of_environment(self, one: Literal) -> bool:
        if not isinstance(one, KeyLiteral):
            return False
        binding = self.space.binding(one.key)
        return isinstance(binding, Free) and not binding.chosen

    # --- one request --------------------------------------------------------------------------------------------------

    def pick(self, must: Must) -> Point | None:
        """The simplest request that meets these literals, dimension by dimension; None when one of them allows none."""
        action = self._action(must.get(ACTION, frozenset()))
        if action is None:
            return None
        texts: dict[str, Texts] = {}
        for name in self.space.groups:
            found = self._text(name, must.get(name, frozenset()))
            if found is False:
                return None
            texts[name] = found  # type: ignore[assignment] # never True
        keys: dict[tuple[str, int], tuple[str, ...] | None] = {}
        for dimension, literals in must.items():
            if isinstance(dimension, tuple):
                values = self._value(literals)
                if values is False:
                    return None
                keys[dimension] = values  # type: ignore[assignment] # never True
        return Point(action, texts, keys)

    def _action(self, literals: frozenset[Literal]) -> str | None:
        sets = [one.among for one in literals if isinstance(one, ActionLiteral)]
        return next((action for action in self.space.actions if all(action in among for among in sets)), None)

    def _text(self, name: str, literals: frozenset[Literal]) -> Answer:
        """The shortest texts of a group, None when it is best absent, False when nothing meets the literals."""
        known = (name, literals)
        if known not in self._texts:
            self._texts[known] = self._walk(self.space.groups[name], literals)
        return self._texts[known]

    def _walk(self, group: Group, literals: frozenset[Literal]) -> Answer:
        of_text = [one for one in literals if isinstance(one, TextLiteral)]
        if group.optional and all(one.absent for one in of_text):
            return None
        expr = All(tuple(one.expr for one in of_text))
        found = walk(group, expr, self.budget)
        return False if found is None else better_read(group, expr, found)

    def _value(self, literals: frozenset[Literal]) -> Answer:
        """The values of a free condition key; None: absent; False: nothing meets the literals."""
        if literals not in self._values:
            self._values[literals] = self._solve([one for one in literals if isinstance(one, KeyLiteral)])
        return self._values[literals]

    def _solve(self, literals: list[KeyLiteral]) -> Answer:
        binding = self.space.binding(literals[0].key)
        assert isinstance(binding, Free)
        if not binding.required and all(one.absent for one in literals):
            return None
        if literals[0].every is not None:
            return self._solve_list(literals, binding)
        value = self._one_value(literals, binding)
        return False if value is None else (value,)

    def _solve_list(self, literals: list[KeyLiteral], binding: Free) -> Answer:
        """A list needs one element for each literal that asks for some, and each element must meet all the others."""
        universal = [one for one in literals if one.every]
        existential = [one for one in literals if not one.every]
        elements = []
        for asked in [[one, *universal] for one in existential] or [universal]:
            element = self._one_value(asked, binding)
            if element is None:
                return False
            elements.append(element)
        return tuple(dict.fromkeys(elements))

    def _one_value(self, literals: list[KeyLiteral], binding: Free) -> str | None:
        tests = [one.test for one in literals]
        key, group = literals[0].key, _VALUE if literals[0].every is None else _ELEMENT
        texts = normal(All(tuple(expr for expr in (test.as_expr() for test in tests) if expr is not None)))
        others = [test.condition for test in tests if test.condition is not None]
        known = examples(key, binding)
        if is_boolean(key) or (known and not others and texts == TRUE):
            return self._first(known, tests)
        if not others:
            found = self._shortest(texts, group)
            example = _EXAMPLES.get(key, "anything")
            return example if found is not None and holds_for(texts, (example,)) else found
        tried = candidates(key, others, binding)
        value = self._first(tried.values, tests)
        if value is not None or (tried.complete and texts == TRUE):
            return value
        value = self._first(self._instances(texts, group), tests)
        if value is None and self._shortest(texts, group) is not None:
            raise UndecidedError(f"`{key}` stands under operators of different families")
        return value

    def _first(self, values: Iterable[str], tests: list[Test]) -> str | None:
        for value in values:
            self.budget.spend(sum(test.cost for test in tests))
            if all(test.holds(value) for test in tests):
                return value
        return None

    def _shortest(self, expr: Expr, group: Group) -> str | None:
        found = walk(group, expr, self.budget)
        return None if found is None else found[0]

    def _instances(self, expr: Expr, group: Group) -> Iterator[str]:
        """The shortest text of each pattern in an expression, within the expression: all its texts, where it lists
        some without wildcards.
        """
        for atom in dict.fromkeys(atoms(expr)):
            for pattern in atom.glob.patterns:
                one = glob((pattern,), colonwise=atom.glob.colonwise, fold=atom.glob.fold)
                found = self._shortest(All((expr, Atom(atom.parts, one))), group)
                if found is not None:
                    yield found


_NODE = 30  # what it costs to pick a request that is known by parts, in steps of the budget
# What reads better than the shortest value, where it will do.
_EXAMPLES = {
    "aws:principalorgid": "o-anotherorg",
    "aws:sourceaccount": "333333333333",
    "aws:sourcearn": "arn:aws:s3:::another-bucket",
    "aws:sourcevpc": "vpc-0123456789abcdef0",
    "aws:sourcevpce": "vpce-0123456789abcdef0",
}
_VALUE, _ELEMENT = Group((TEXT,)), Group((replace(TEXT, least=1),))  # in no list does AWS send an empty text


def _either(boxes: Iterable[Box]) -> Iterator[tuple[Literal, ...]]:
    """Conjunctions whose union the boxes are: one for all boxes that are about the same text and nothing else."""
    of_text: dict[str, list[TextLiteral]] = {}
    for box in boxes:
        match box.literals:
            case (TextLiteral() as only,):
                of_text.setdefault(only.group, []).append(only)
            case _:
                yield box.literals
    for group, literals in of_text.items():
        yield (TextLiteral(group, Some(tuple(one.expr for one in literals)), any(one.absent for one in literals)),)


def _literals(boxes: Iterable[Box]) -> Iterator[Literal]:
    for box in boxes:
        yield from box.literals


def _with(must: Must, one: Literal) -> Must:
    return {**must, one.dimension: must.get(one.dimension, frozenset()) | {one}}


def _reduced(gate: Gate, point: Point, fixed: Callable[[Literal], bool]) -> Gate:
    """The gate with the literals that `fixed` names decided at this point: gone where true, their box where false."""

    def reduce(boxes: Iterable[Box]) -> tuple[Box, ...]:
        kept = []
        for box in boxes:
            if all(one.holds(point) for one in box.literals if fixed(one)):
                rest = tuple(one for one in box.literals if not fixed(one))
                kept.append(Box(rest, box.statement, box.layer))
        return tuple(kept)

    return Gate(tuple(reduce(layer) for layer in gate.layers), reduce(gate.denies))
