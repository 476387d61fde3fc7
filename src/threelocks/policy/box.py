"""A statement as a box in the space of requests: a conjunction of literals, each about one dimension.

Where AWS's behaviour is unsettled, or a policy variable cannot be resolved, a statement has two boxes: the *sure* one
holds no request that might escape it, the *possible* one every request that it might hold.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from threelocks.policy import condition as conditions
from threelocks.policy.authorize import WITH_PRINCIPAL, Layer
from threelocks.policy.condition import OPERATORS, Family, Lookup, Operator, is_multivalued
from threelocks.policy.document import Condition, Effect, Statement
from threelocks.policy.pattern import Glob, Variable, Wild, glob, literal, parse_pattern, plain_glob
from threelocks.policy.principal import BOUNDED, Name, Named, chain, parse_name, services_in
from threelocks.policy.request import CallerKind
from threelocks.policy.space import CALLER, Binding, CallerSpace, Const, Free, Part, Parts, Point, Space, View
from threelocks.policy.truth import Truth

# --- expressions over texts -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Atom:
    """Whether a text over a group's segments matches a glob."""

    parts: Parts
    glob: Glob


@dataclass(frozen=True, slots=True)
class Not:
    of: Expr


@dataclass(frozen=True, slots=True)
class All:
    of: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Some:
    of: tuple[Expr, ...] = ()


Expr = Atom | Not | All | Some
TRUE, FALSE = All(), Some()


def evaluate(expr: Expr, atom: Callable[[Atom], Truth]) -> Truth:
    if isinstance(expr, Atom):
        return atom(expr)
    if isinstance(expr, Not):
        return ~evaluate(expr.of, atom)
    if isinstance(expr, All):
        return min((evaluate(one, atom) for one in expr.of), default=Truth.YES)
    return max((evaluate(one, atom) for one in expr.of), default=Truth.NO)


def atoms(expr: Expr) -> Iterable[Atom]:
    if isinstance(expr, Atom):
        yield expr
    elif isinstance(expr, Not):
        yield from atoms(expr.of)
    else:
        for one in expr.of:
            yield from atoms(one)


def text_matches(view: View, patterns: Glob) -> Expr:
    """An atom, or its truth where no free text can change it."""
    if is_fixed(view):
        return TRUE if patterns.matches(view.spell(())) else FALSE
    first = view.parts[0]
    begun = patterns.run(patterns.start, first) if isinstance(first, str) else patterns.start
    if begun & patterns.forever:
        return TRUE
    return Atom(view.parts, patterns) if begun else FALSE


def is_fixed(view: View) -> bool:
    """Whether a view has no free segment."""
    return all(isinstance(part, str) for part in view.parts)


def _settled(expr: Expr) -> bool | None:
    """The truth of an expression that no free text can change, else None."""
    if isinstance(expr, Atom) or (isinstance(expr, Not) and isinstance(expr.of, Atom)):
        return None
    truth = evaluate(expr, lambda _: Truth.MAYBE)
    return None if truth is Truth.MAYBE else truth is Truth.YES


# --- literals ---------------------------------------------------------------------------------------------------------

Dimension = Hashable  # "action", the name of a group, or (condition key, copy of the environment)
ACTION = "action"


@dataclass(frozen=True, slots=True)
class ActionLiteral:
    """The action is one of these."""

    among: frozenset[str]

    @property
    def dimension(self) -> Dimension:
        return ACTION

    def negated(self, space: Space) -> ActionLiteral:
        return ActionLiteral(frozenset(space.actions) - self.among)

    def holds(self, point: Point) -> bool:
        return point.action in self.among


@dataclass(frozen=True, slots=True)
class TextLiteral:
    """An expression about the texts of one group. `absent`: whether it holds when the optional group is absent."""

    group: str
    expr: Expr
    absent: bool = False

    @property
    def dimension(self) -> Dimension:
        return self.group

    def negated(self, _: Space) -> TextLiteral:
        return TextLiteral(self.group, Not(self.expr), absent=not self.absent)

    def holds(self, point: Point) -> bool:
        texts = point.texts[self.group]
        if texts is None:
            return self.absent
        return holds_for(self.expr, texts)


def holds_for(expr: Expr, texts: tuple[str, ...]) -> bool:
    def atom(one: Atom) -> Truth:
        return Truth.of(_matches(one.glob, "".join([p if isinstance(p, str) else texts[p] for p in one.parts])))

    return evaluate(expr, atom) is Truth.YES


@lru_cache(maxsize=1 << 16)
def _matches(patterns: Glob, text: str) -> bool:
    """A search asks the same few texts of the same patterns over and over."""
    return patterns.matches(text)


@dataclass(frozen=True, slots=True)
class Test:
    """A predicate on one value of a condition key: an expression over the text, or a condition of another family."""

    expr: Expr | None = None
    condition: Condition | None = None
    possible: bool = False  # whether an unsettled comparison counts as true
    negate: bool = False

    def holds(self, value: str) -> bool:
        if self.expr is not None:
            return holds_for(self.expr, (value,)) != self.negate
        assert self.condition is not None
        if not value and self.condition.quantifier == "ForAllValues":
            return not self.negate
        operator = OPERATORS[self.condition.operator]
        truth = conditions.compare(self.condition, operator, value, _no_variables, variables=False)
        return (truth is Truth.YES or (self.possible and truth is Truth.MAYBE)) != self.negate

    @property
    def cost(self) -> int:
        """Steps of the budget that `holds` takes."""
        return 10 if self.condition is None else 5 + 2 * len(self.condition.values)

    def opposite(self) -> Test:
        return Test(self.expr, self.condition, self.possible, not self.negate)

    def as_expr(self) -> Expr | None:
        """The test as an expression over the text, where it is one."""
        if self.expr is None:
            return None
        return Not(self.expr) if self.negate else self.expr


def _no_variables(_: Variable) -> None:
    return None


@dataclass(frozen=True, slots=True)
class KeyLiteral:
    """About a free condition key: it is absent and `absent`, or its value passes the test. Of a list (`every` is not
    None) every element passes, or some element does.
    """

    key: str
    copy: int
    test: Test
    absent: bool = False
    every: bool | None = None

    @property
    def dimension(self) -> Dimension:
        return (self.key, self.copy)

    def negated(self, _: Space) -> KeyLiteral:
        opposite = None if self.every is None else not self.every
        return KeyLiteral(self.key, self.copy, self.test.opposite(), absent=not self.absent, every=opposite)

    def holds(self, point: Point) -> bool:
        values = point.keys.get((self.key, self.copy))
        if values is None:
            return self.absent
        results = (self.test.holds(value) for value in values)
        return all(results) if self.every else any(results)


Literal = ActionLiteral | TextLiteral | KeyLiteral


@dataclass(frozen=True, slots=True)
class Box:
    """A conjunction of literals. No literal at all: every request. `statement` is None for what no policy says."""

    literals: tuple[Literal, ...]
    statement: Statement | None = None
    layer: Layer | None = None

    def holds(self, point: Point) -> bool:
        return all(one.holds(point) for one in self.literals)


# --- from statement to box --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """How statements are read: in which space, as sure or possible, and in which copy of the environment."""

    space: Space
    possible: bool
    copy: int = 0

    def settle(self, truth: Truth) -> bool:
        return truth is Truth.YES or (self.possible and truth is Truth.MAYBE)


class _NeverError(Exception):
    """The statement holds no request of the space."""


def boxes(statements: Iterable[Statement], layer: Layer, reading: Reading) -> tuple[Box, ...]:
    """The boxes of those statements that can hold a request of the space at all."""
    return tuple(box for statement in statements for box in _box(statement, layer, reading))


def _box(statement: Statement, layer: Layer, reading: Reading) -> Iterable[Box]:
    if statement.problems and not reading.possible:
        return
    try:
        yield Box(tuple(_literals(statement, layer, reading)), statement, layer)
    except _NeverError:
        return


def _literals(statement: Statement, layer: Layer, reading: Reading) -> Iterable[Literal]:
    yield from _action_literal(statement, reading.space)
    if layer in WITH_PRINCIPAL:
        expr = _principal_expr(statement, layer, reading)
        yield from _text_literal(CALLER, expr)
    yield from _resource_literal(statement, reading, reading.space.resource_of(layer))
    for condition in statement.conditions:
        yield from _condition_literals(condition, statement, reading)


def _action_literal(statement: Statement, space: Space) -> Iterable[Literal]:
    if statement.actions is None:
        raise _NeverError
    among = _among(space.actions, statement.actions, statement.not_action)
    if not among:
        raise _NeverError
    if len(among) < len(space.actions):
        yield ActionLiteral(among)


@lru_cache(maxsize=4096)
def _among(actions: tuple[str, ...], patterns: tuple[str, ...], negated: bool) -> frozenset[str]:  # noqa: FBT001
    """The actions that a statement speaks of: asked again for every class of callers, and always the same."""
    matcher = plain_glob(patterns, fold=True)
    return frozenset(action for action in actions if matcher.matches(action) != negated)


def _text_literal(group: str, expr: Expr, *, absent: bool = False, optional: bool = False) -> Iterable[Literal]:
    """At most one literal: none for what is always true."""
    settled = _settled(expr)
    if settled is None or (optional and settled != absent):
        yield TextLiteral(group, expr, absent)
    elif not settled:
        raise _NeverError


def _resource_literal(statement: Statement, reading: Reading, view: View) -> Iterable[Literal]:
    if statement.resources is None:
        raise _NeverError
    if _has_variables(statement.resources, statement):
        lookup = bracket(reading, negated=statement.not_resource)
        parsed = (parse_pattern(text, variables=True) for text in statement.resources)
        bound = tuple(p for p in (pattern.bind(lookup) for pattern in parsed) if p is not None)
        unresolved = len(bound) < len(statement.resources) or _may_lack(statement.resources, reading.space)
        if statement.not_resource and not reading.possible and unresolved:
            raise _NeverError  # a variable without a value may make the whole statement invalid
        expr = text_matches(view, glob(bound))
    else:
        expr = _plain_resource(statement.resources, view)
    yield from _text_literal(view.group, Not(expr) if statement.not_resource else expr)


@lru_cache(maxsize=4096)
def _plain_resource(resources: tuple[str, ...], view: View) -> Expr:
    """Resources without variables: asked again for every class of callers, and always the same."""
    return text_matches(view, plain_glob(resources))


def _has_variables(texts: Iterable[str], statement: Statement) -> bool:
    return statement.variables and any("${" in text for text in texts)


def bracket(reading: Reading, *, negated: bool) -> Lookup:
    """Values of policy variables. One that the space leaves open matches everything or nothing, whichever keeps the box
    possible, or sure.
    """

    def value(variable: Variable) -> str | Wild | None:
        binding = reading.space.binding(variable.name)
        if isinstance(binding, Const):
            if binding.values is None:
                return variable.default
            return binding.values[0] if len(binding.values) == 1 and not is_multivalued(variable.name) else None
        if isinstance(binding, View) and is_fixed(binding):
            return binding.spell(())
        return Wild.RUN if reading.possible != negated else None

    return value


def _open_variables(texts: Iterable[str], space: Space) -> Iterable[tuple[Variable, Binding]]:
    """The variables in these patterns whose values the space leaves open."""
    for text in texts:
        for variable in parse_pattern(text, variables=True).variables:
            binding = space.binding(variable.name)
            if isinstance(binding, Free) or (isinstance(binding, View) and not is_fixed(binding)):
                yield variable, binding


def _may_lack(texts: Iterable[str], space: Space) -> bool:
    """Whether some request of the space leaves a variable in these patterns without a value."""

    def absent(binding: Binding) -> bool:
        if isinstance(binding, View):
            return _is_optional(binding, space)
        return isinstance(binding, Free) and not binding.required

    return any(
        (variable.default is None and absent(binding)) or is_multivalued(variable.name)
        for variable, binding in _open_variables(texts, space)
    )


def _is_optional(view: View, space: Space) -> bool:
    return view.group in space.groups and space.groups[view.group].optional


# --- principals -------------------------------------------------------------------------------------------------------


def _principal_expr(statement: Statement, layer: Layer, reading: Reading) -> Expr:
    if statement.principals is None:
        return FALSE
    caller = reading.space.caller
    listed = [parse_name(entry) for entry in statement.principals]
    if not statement.not_principal:
        at_endpoint = layer is Layer.VPC_ENDPOINT_POLICY
        everybody = not at_endpoint and (
            layer is Layer.RESOURCE_CONTROL_POLICY or services_in(statement.effect) is Truth.YES
        )
        if everybody and any(name.named is Named.ANYONE for name in listed):
            return TRUE
        return Some(tuple(_named(name, caller, possible=reading.possible, at_endpoint=at_endpoint) for name in listed))
    if statement.effect is Effect.DENY and caller.has_boundary:
        return TRUE
    if not reading.possible:
        return Not(Some(tuple(_named(name, caller, possible=True) for name in listed)))
    if statement.effect is Effect.DENY and caller.has_boundary is None and caller.kind in BOUNDED:
        return TRUE
    return Not(_exempt(listed, caller))


def _exempt(listed: list[Name], caller: CallerSpace) -> Expr:
    """Listed in every form that surely exempts a caller from a NotPrincipal."""

    def some(named: Named) -> Expr:
        return Some(tuple(_named(name, caller, possible=False) for name in listed if name.named is named))

    return Some((some(Named.ANYONE), All(tuple(some(named) for named in chain(caller.kind)))))


def _named(name: Name, caller: CallerSpace, *, possible: bool, at_endpoint: bool = False) -> Expr:
    """Whether an entry covers the caller: `principal.names`, and at an endpoint the rule of `authorize`, as text."""
    maybe = TRUE if possible else FALSE
    if name.named is Named.ANYONE:
        return maybe if caller.kind is CallerKind.SERVICE else TRUE
    if at_endpoint:
        if name.named is Named.ACCOUNT and caller.kind is not CallerKind.ROOT:
            return FALSE
        if name.named is not Named.ACCOUNT and not possible:
            return FALSE
    if name.named is Named.SERVICE:
        return _spelled((caller.name,), name.name) if caller.kind is CallerKind.SERVICE else FALSE
    if caller.kind in (CallerKind.SERVICE, CallerKind.ANONYMOUS):
        return FALSE
    if name.named is Named.FEDERATED:
        return maybe if caller.kind is CallerKind.ROLE_SESSION else FALSE
    if name.named is Named.CANONICAL_USER:
        return maybe
    if name.named is Named.UNKNOWN:
        return _spelled((caller.account,), name.account) if possible and name.account else maybe
    return _covers(name, caller)


def _covers(name: Name, caller: CallerSpace) -> Expr:
    if name.named is Named.UNIQUE_ID:
        # A living principal is shown by its ARN, so an id in a policy can only be that of one that we know.
        return _spelled((caller.unique_id,), name.name) if isinstance(caller.unique_id, str) else FALSE
    if name.partition not in ("", caller.partition):
        return FALSE
    if name.named is Named.ACCOUNT:
        return _spelled((caller.account,), name.account)
    if name.kind is not caller.kind or name.named not in (Named.IDENTITY, Named.SESSION):
        return FALSE
    if name.named is Named.IDENTITY:
        return _spelled((caller.account, "/", caller.name), f"{name.account}/{name.name}")
    return _spelled(
        (caller.account, "/", caller.name, "/", caller.session), f"{name.account}/{name.name}/{name.session}"
    )


def _spelled(parts: tuple[Part, ...], text: str) -> Expr:
    return text_matches(View(CALLER, parts), glob((literal(text),)))


# --- conditions -------------------------------------------------------------------------------------------------------


def _condition_literals(condition: Condition, statement: Statement, reading: Reading) -> Iterable[Literal]:
    binding = reading.space.binding(condition.key)
    if isinstance(binding, View) and is_fixed(binding):
        binding = Const((binding.spell(()),))
    optional = isinstance(binding, View) and _is_optional(binding, reading.space)
    if _has_variables(condition.values, statement):
        return _as_literals(condition, binding, reading, optional=optional, variables=True)
    found = _plain_literals(condition, binding, reading.possible, reading.copy, optional)
    if found is None:
        raise _NeverError
    return found


@lru_cache(maxsize=4096)
def _plain_literals(
    condition: Condition,
    binding: Binding,
    possible: bool,  # noqa: FBT001 - one form of call, one entry
    copy: int,
    optional: bool,  # noqa: FBT001
) -> tuple[Literal, ...] | None:
    """The literals of a condition without variables, which are the same in every space with this binding; None where
    it never holds.
    """
    reading = Reading(_ANY_SPACE, possible, copy)
    try:
        return tuple(_as_literals(condition, binding, reading, optional=optional, variables=False))
    except _NeverError:
        return None


_ANY_SPACE = Space(CallerSpace(CallerKind.ANONYMOUS), (), View("", ()), "", {}, {})


def _as_literals(
    condition: Condition, binding: Binding, reading: Reading, *, optional: bool, variables: bool
) -> Iterable[Literal]:
    """`optional`: whether the group of a view may be absent; `variables`: whether values hold some."""
    operator = OPERATORS.get(condition.operator)
    if operator is None:
        yield from _constant(reading.settle(Truth.MAYBE))
    elif isinstance(binding, Const):
        lookup = bracket(reading, negated=operator.negated)
        truth = conditions.holds(condition, binding.values, lookup, variables=variables)
        if binding.values is not None and variables and _doubtful(condition, operator, reading):
            truth = Truth.MAYBE
        yield from _constant(reading.settle(truth))
    elif isinstance(binding, View):
        absent = _without(condition, reading)
        if operator.family is Family.NULL:
            expr: Expr = TRUE if _with_a_value(condition, reading) else FALSE
        else:
            expr = _value_expr(condition, operator, binding, reading, variables=variables)
        yield from _text_literal(binding.group, expr, absent=absent if optional else False, optional=optional)
    else:
        yield from _on_free(condition, operator, binding, reading, variables=variables)


def _constant(truth: bool) -> Iterable[Literal]:  # noqa: FBT001 - it is the value itself
    if not truth:
        raise _NeverError
    return ()


def _without(condition: Condition, reading: Reading) -> bool:
    """Whether the condition holds when its key is absent."""
    return reading.settle(conditions.holds(condition, None, _no_variables, variables=False))


def _with_a_value(condition: Condition, reading: Reading) -> bool:
    """Whether a `Null` condition holds when its key is there."""
    return reading.settle(conditions.holds(condition, ("",), _no_variables, variables=False))


def _value_expr(condition: Condition, operator: Operator, view: View, reading: Reading, *, variables: bool) -> Expr:
    """A string or ARN condition as an expression over a view; other families on such a text stay unsettled."""
    if operator.family not in (Family.STRING, Family.ARN):
        return TRUE if reading.possible else FALSE
    lookup = bracket(reading, negated=operator.negated)
    automaton, unsettled = conditions.compiled(condition, operator, lookup, variables=variables)
    found = text_matches(view, automaton)
    doubtful = unsettled is Truth.MAYBE or (variables and _doubtful(condition, operator, reading))
    if doubtful and reading.possible != operator.negated:
        found = TRUE
    expr = Not(found) if operator.negated else found
    if operator.family is Family.ARN:
        expr = All((text_matches(view, conditions.ARN_SHAPE), expr))
    if condition.quantifier == "ForAllValues":
        expr = Some((expr, text_matches(view, _NOTHING)))  # an empty string is no value to it
    return expr


_NOTHING = glob((literal(""),))


def _doubtful(condition: Condition, operator: Operator, reading: Reading) -> bool:
    """Whether a wildcard in the place of an open variable says too little: where the variable may lack a value, which
    leaves a negated operator unsettled; in an ARN, where its value may hold colons, which a wildcard does not cross.
    """
    if operator.family is Family.ARN and any(True for _ in _open_variables(condition.values, reading.space)):
        return True
    if operator.family not in (Family.STRING, Family.ARN) or not operator.negated or reading.possible:
        return False
    return _may_lack(condition.values, reading.space)


_ELEMENT = View("", (0,))  # the one text of a condition key's value


def _on_free(
    condition: Condition, operator: Operator, binding: Free, reading: Reading, *, variables: bool
) -> Iterable[Literal]:
    key, copy = condition.key, 0 if binding.chosen else reading.copy
    absent = _without(condition, reading)
    many = is_multivalued(key)
    if operator.family is Family.NULL:
        yield from _presence(key, copy, many=many, absent=absent, present=_with_a_value(condition, reading))
        return
    if operator.family in (Family.STRING, Family.ARN):
        test = Test(expr=_value_expr(condition, operator, _ELEMENT, reading, variables=variables))
    else:
        test = Test(condition=condition, possible=reading.possible)
    if not many:
        yield KeyLiteral(key, copy, test, absent)
    elif not condition.quantifier:
        yield from _presence(key, copy, many=True, absent=absent, present=False)
    else:
        yield KeyLiteral(key, copy, test, absent, every=condition.quantifier == "ForAllValues")


def _presence(key: str, copy: int, *, many: bool, absent: bool, present: bool) -> Iterable[Literal]:
    if absent == present:
        yield from _constant(absent)
    else:
        test = Test(expr=TRUE if present else FALSE)
        yield KeyLiteral(key, copy, test, absent, every=False if many else None)
