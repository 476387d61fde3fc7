"""Brute force over small worlds: the answers that the search for a witness must give, by trying every request.

A world is a space with a handful of values per dimension. What a statement says of a value of one dimension is asked
of `matches`, one dimension at a time (a statement is the conjunction of its parts); sets of requests are
bits of one integer, so that a case with some ten thousand requests takes a few milliseconds. `audit` compares that
shortcut with `authorize` itself.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

from threelocks.policy.authorize import Layer, Outcome, Policies, authorize, matches
from threelocks.policy.box import Reading, boxes
from threelocks.policy.document import Document, Effect, Statement, parse_document
from threelocks.policy.request import Request
from threelocks.policy.space import CALLER, Const, Free, Point, Space, View
from threelocks.policy.truth import Truth
from threelocks.policy.witness import Gate

ACTION = "action"
Value = Any  # an action; texts of a group or None; values of a condition key or None


@dataclass
class World:
    """A space, the values to try per dimension, and what its random policies are made of."""

    name: str
    space: Space
    values: dict[Hashable, list[Value]]  # "action", names of groups, condition keys
    resources: Callable[[random.Random], str]
    principals: list[Any]
    conditions: dict[str, tuple[Sequence[str], Sequence[str]]]  # key -> operators, values
    actions: list[str]
    layer: Layer = Layer.RESOURCE_POLICY

    @cached_property
    def dimensions(self) -> list[Hashable]:
        """The environment's last: the requests that differ in nothing else stand side by side."""
        return sorted(self.values, key=self.is_environment)

    def is_environment(self, dimension: Hashable) -> bool:
        if dimension == ACTION or dimension in self.space.groups:
            return False
        binding = self.space.binding(str(dimension))
        return isinstance(binding, Free) and not binding.chosen

    @cached_property
    def environments(self) -> int:
        count = 1
        for dimension in self.dimensions:
            count *= len(self.values[dimension]) if self.is_environment(dimension) else 1
        return count

    @cached_property
    def first_environment(self) -> int:
        return int(("0" * (self.environments - 1) + "1") * (self.size // self.environments), 2)

    @cached_property
    def size(self) -> int:
        count = 1
        for dimension in self.dimensions:
            count *= len(self.values[dimension])
        return count

    @cached_property
    def masks(self) -> dict[Hashable, list[int]]:
        """For each value of a dimension, the requests that have it."""
        answer: dict[Hashable, list[int]] = {}
        below = 1
        for dimension in reversed(self.dimensions):
            count = len(self.values[dimension])
            run = (1 << below) - 1
            period = below * count
            repeat = int(("0" * (period - 1) + "1") * (self.size // period), 2)
            answer[dimension] = [(run << (below * i)) * repeat for i in range(count)]
            below = period
        return answer

    def point(self, values: dict[Hashable, Value], copy: int = 0) -> Point:
        def of(key: str) -> int:
            return copy if self.is_environment(key) else 0

        return Point(
            action=values[ACTION],
            texts={name: values[name] for name in self.space.groups},
            keys={
                (str(key), of(str(key))): v
                for key, v in values.items()
                if key != ACTION and key not in self.space.groups
            },
        )

    def request(self, values: dict[Hashable, Value]) -> Request:
        return self.point(values).request(self.space)

    def values_at(self, index: int) -> dict[Hashable, Value]:
        values = {}
        for dimension in reversed(self.dimensions):
            index, at = divmod(index, len(self.values[dimension]))
            values[dimension] = self.values[dimension][at]
        return values

    @cached_property
    def along(self) -> dict[Hashable, list[Request]]:
        """For each dimension, requests that differ in nothing else."""
        first = {dimension: values[0] for dimension, values in self.values.items()}
        return {
            dimension: [self.request({**first, dimension: value}) for value in values]
            for dimension, values in self.values.items()
        }

    def in_every_environment(self, values: dict[Hashable, Value]) -> Iterable[Request]:
        dimensions = [dimension for dimension in self.dimensions if self.is_environment(dimension)]
        for combination in product(*(self.values[dimension] for dimension in dimensions)):
            yield self.request({**values, **dict(zip(dimensions, combination, strict=True))})

    # --- statements as sets of requests -------------------------------------------------------------------------------

    def extent(self, statement: Statement, layer: Layer) -> tuple[int, int]:
        """The requests that a statement surely holds, and those that it may hold."""
        sure = possible = (1 << self.size) - 1
        by_dimension: dict[Hashable, list[Callable[[Request], Truth]]] = {}
        for dimension, part in self._parts(statement, layer):
            by_dimension.setdefault(dimension, []).append(part)
        for dimension, parts in by_dimension.items():
            yes = maybe = 0
            for request, mask in zip(self.along[dimension], self.masks[dimension], strict=True):
                truth = min(part(request) for part in parts)
                yes |= mask if truth is Truth.YES else 0
                maybe |= mask if truth is not Truth.NO else 0
            sure &= yes
            possible &= maybe
        return (0 if statement.problems else sure), possible

    def _parts(self, statement: Statement, layer: Layer) -> Iterable[tuple[Hashable, Callable[[Request], Truth]]]:
        def part(layer: Layer = Layer.IDENTITY_POLICY, **elements: Any) -> Callable[[Request], Truth]:
            """What is left of the statement when nothing but these elements says anything."""
            silent: dict[str, Any] = {
                "actions": ("*",),
                "not_action": False,
                "resources": ("*",),
                "not_resource": False,
            }
            alone = replace(statement, **{**silent, "conditions": (), "problems": (), **elements})
            return lambda request: matches(alone, request, layer)

        yield ACTION, part(actions=statement.actions, not_action=statement.not_action)
        yield self._dimension(CALLER), part(layer)
        resources = part(resources=statement.resources, not_resource=statement.not_resource)
        named = (
            (lambda request: resources(replace(request, resource=request.through))) if _is_below(layer) else resources
        )
        yield self._dimension(self.space.resource.group), named
        for condition in statement.conditions:
            yield self._of_key(condition.key), part(conditions=(condition,))

    def _of_key(self, key: str) -> Hashable:
        binding = self.space.binding(key)
        if isinstance(binding, View):
            return self._dimension(binding.group)
        return ACTION if isinstance(binding, Const) else key

    def _dimension(self, group: str) -> Hashable:
        """What never varies may count as part of any dimension."""
        return group if group in self.values else ACTION


def _is_below(layer: Layer) -> bool:
    """Whether policies of that layer name the resource as it is called below an access point."""
    return layer is Layer.ACCESS_POINT_POLICY


@dataclass
class Sets:
    """Policies of one world, as sets of requests: sure and possible, of Allows (per layer) and of Denies."""

    world: World
    layers: dict[Layer, Document]
    allow: dict[bool, list[int]] = field(default_factory=dict)
    deny: dict[bool, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for possible in (False, True):
            self.allow[possible] = []
            self.deny[possible] = 0
        for layer, document in self.layers.items():
            extents = [(s, self.world.extent(s, layer)) for s in document.statements]
            for possible in (False, True):
                self.allow[possible].append(union(e[possible] for s, e in extents if s.effect is Effect.ALLOW))
                self.deny[possible] |= union(e[possible] for s, e in extents if s.effect is Effect.DENY)

    def passing(self, *, possible: bool) -> int:
        """The requests that surely pass (every possible Deny counted), or may pass (only sure Denies counted)."""
        allowed = (1 << self.world.size) - 1
        for layer in self.allow[possible]:
            allowed &= layer
        return allowed & ~self.deny[not possible]

    def gate(self, *, possible: bool, copy: int = 0) -> Gate:
        """The same as boxes, for the search."""
        space = self.world.space
        allows, denies = Reading(space, possible, copy), Reading(space, not possible, copy)
        return Gate(
            tuple(
                boxes([s for s in d.statements if s.effect is Effect.ALLOW], layer, allows)
                for layer, d in self.layers.items()
            ),
            tuple(
                box
                for layer, d in self.layers.items()
                for box in boxes([s for s in d.statements if s.effect is Effect.DENY], layer, denies)
            ),
        )

    @property
    def policies(self) -> Policies:
        if Layer.RESOURCE_POLICY in self.layers:
            below = self.layers.get(Layer.ACCESS_POINT_POLICY)
            return Policies(
                resource=(self.layers[Layer.RESOURCE_POLICY],), access_point=None if below is None else (below,)
            )
        return Policies(
            identity=(self.layers[Layer.IDENTITY_POLICY],), boundary=self.layers.get(Layer.PERMISSIONS_BOUNDARY)
        )

    def outcome(self, request: Request) -> Outcome:
        return authorize(request, self.policies).outcome

    def passes(self, request: Request, *, possible: bool) -> bool:
        outcome = self.outcome(request)
        return outcome is Outcome.ALLOWED or (possible and outcome is Outcome.UNKNOWN)

    def audit(self, rng: random.Random, tries: int) -> None:
        """The sets of requests say what `authorize` says."""
        sure, possible = self.passing(possible=False), self.passing(possible=True)
        for _ in range(tries):
            index = rng.randrange(self.world.size)
            request = self.world.request(self.world.values_at(index))
            assert self.passes(request, possible=False) == bool(sure >> index & 1), request
            assert self.passes(request, possible=True) == bool(possible >> index & 1), request


def union(sets: Iterable[int]) -> int:
    answer = 0
    for one in sets:
        answer |= one
    return answer


def in_some_environment(world: World, requests: int) -> int:
    """The requests that are in the set in some environment, by their first environment."""
    found = 0
    for environment in range(world.environments):
        found |= requests >> environment & world.first_environment
    return found


# --- random policies --------------------------------------------------------------------------------------------------


def random_statement(rng: random.Random, world: World, effect: str | None = None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": effect or rng.choice(("Allow", "Allow", "Deny"))}
    _with_not(statement, "Action", _some(rng, world.actions), rng, 0.1)
    _with_not(statement, "Resource", [world.resources(rng) for _ in range(rng.choice((1, 1, 2)))], rng, 0.15)
    if world.layer is Layer.RESOURCE_POLICY:
        principal = rng.choice(world.principals)
        _with_not(statement, "Principal", principal, rng, 0.2 if isinstance(principal, dict) else 0)
    condition: dict[str, dict[str, Any]] = {}
    for _ in range(rng.choice((0, 0, 1, 1, 1, 2))):
        key = rng.choice(list(world.conditions))
        operators, values = world.conditions[key]
        operator = rng.choice((*operators, "Null")) if rng.random() < 0.2 else rng.choice(operators)
        if operator == "Null":
            condition.setdefault(operator, {})[key] = rng.choice(("true", "false"))
            continue
        operator = rng.choice(("", "", "", "ForAllValues:", "ForAnyValue:")) + operator
        operator += "IfExists" if rng.random() < 0.2 else ""
        condition.setdefault(operator, {})[key] = _some(rng, values)
    if condition:
        statement["Condition"] = condition
    if rng.random() < 0.03:
        statement["Future"] = "unknown"
    return statement


def _with_not(statement: dict[str, Any], element: str, value: Any, rng: random.Random, share: float) -> None:
    statement[f"Not{element}" if rng.random() < share else element] = value


def _some(rng: random.Random, values: Sequence[str]) -> list[str]:
    return rng.sample(list(values), min(len(values), rng.choice((1, 1, 1, 2))))


def document(statements: Sequence[dict[str, Any]], label: str = "policy") -> Document:
    return parse_document(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), label)
