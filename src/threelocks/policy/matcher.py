"""Statements made ready to be matched: whatever does not depend on the request is worked out once.

`authorize` asks; what a statement says of the caller depends on the layer that it stands in, and is asked there.
"""

from __future__ import annotations

from threelocks.policy.condition import is_multivalued, ready
from threelocks.policy.document import Document, Effect, Statement
from threelocks.policy.pattern import Variable, glob, parse_pattern, plain_glob
from threelocks.policy.principal import parse_name, ready_for_callers
from threelocks.policy.request import Request
from threelocks.policy.truth import Truth

_NO, _MAYBE, _YES = Truth
_ACTIONS = 1024  # actions remembered for one document: a service has a few hundred


class Asked:
    """A request, with the keys that follow from who asks worked out when first needed. `resource`: what a layer knows
    the resource as, where that is not the request's own.
    """

    __slots__ = ("_context", "_own", "request", "resource")

    def __init__(self, request: Request, resource: str | None = None) -> None:
        self.request = request
        self.resource = request.resource if resource is None else resource
        self._context = request.context
        self._own: dict[str, tuple[str, ...]] | None = None

    def values(self, key: str) -> tuple[str, ...] | None:
        """The values of a condition key (in lower case), or None when the request does not carry it."""
        found = self._context.get(key)
        if found is not None:
            return found
        if self._own is None:
            self._own = self.request.caller.keys()
        return self._own.get(key)

    def variable(self, variable: Variable) -> str | None:
        """The value of a policy variable: an absent key gives the default, a list nothing."""
        found = self.values(variable.name)
        if found is None:
            return variable.default
        return found[0] if len(found) == 1 and not is_multivalued(variable.name) else None


class Matcher:
    """One statement. Its answers are those of AWS for what the statement says, whatever its effect.

    `about` says whether a caller is among its principals.
    """

    __slots__ = (
        *("_most", "_not_resource", "_patterns", "_resources", "_tests"),
        *("about", "is_allow", "names", "statement"),
    )

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.is_allow = statement.effect is Effect.ALLOW
        self.names = tuple(parse_name(entry) for entry in statement.principals or ())
        self.about = ready_for_callers(statement, self.names)
        # A statement without Resource or NotResource has no effect: its empty set of patterns never matches.
        self._patterns = tuple(parse_pattern(text, variables=statement.variables) for text in statement.resources or ())
        self._resources = None if any(pattern.variables for pattern in self._patterns) else glob(self._patterns)
        self._not_resource = statement.not_resource
        self._tests = tuple((each.key, ready(each, variables=statement.variables)) for each in statement.conditions)
        self._most = _MAYBE if statement.problems else _YES

    def holds(self, asked: Asked) -> Truth:
        """Whether resource and conditions are as the statement says; MAYBE at most when it is not understood."""
        truth = self._most
        if self._resources is None:
            truth = min(truth, self._about_resource(asked))
        elif self._resources.matches(asked.resource) == self._not_resource:
            return _NO
        for key, test in self._tests:
            found = test(asked.values(key), asked.variable)
            if found < truth:
                truth = found
                if found is _NO:
                    break
        return truth

    def _about_resource(self, asked: Asked) -> Truth:
        """Resources know case.

        A variable without a value matches nothing, but may also make the whole statement invalid: NotResource is
        unsettled.
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
        """
        bound = tuple(one for one in (pattern.bind(asked.variable) for pattern in self._patterns) if one is not None)
        if glob(bound).matches(asked.resource) == self._not_resource:
            return _NO
        return _MAYBE if self._not_resource and len(bound) < len(self._patterns) else _YES


def speaks_of_action(statement: Statement, action: str) -> bool:
    """Whether the action is one that the statement speaks of. Without Action or NotAction there is none."""
    return plain_glob(statement.actions or (), fold=True).matches(action) != statement.not_action


def matcher_of(statement: Statement) -> Matcher:
    """The statement, ready."""
    matcher: Matcher | None = statement.made.get("matcher")
    if matcher is None:
        matcher = statement.made["matcher"] = Matcher(statement)
    return matcher


class Ready:
    """One document: the statements that speak of an action, ready; and `keys`, the condition keys of all of them."""

    __slots__ = ("_by_action", "_statements", "keys")

    def __init__(self, document: Document) -> None:
        self._statements = document.statements
        self._by_action: dict[str, tuple[Matcher, ...]] = {}
        self.keys = frozenset([each.key for statement in document.statements for each in statement.conditions])

    def about(self, action: str) -> tuple[Matcher, ...]:
        """The statements that speak of an action, in order."""
        found = self._by_action.get(action)
        if found is None:
            if len(self._by_action) >= _ACTIONS:
                self._by_action.clear()
            speaking = [statement for statement in self._statements if speaks_of_action(statement, action)]
            found = self._by_action[action] = tuple(map(matcher_of, speaking))
        return found


def ready_document(document: Document) -> Ready:
    """The document, ready."""
    found: Ready | None = document.made.get("ready")
    if found is None:
        found = document.made["ready"] = Ready(document)
    return found
