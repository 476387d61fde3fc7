"""What an Allow plainly shares with what is permitted: told from the text of both, so that it need not be searched.

Most Allows of a real policy are written as agreed. What is not plain is left to the search.
"""

from __future__ import annotations

from collections.abc import Sequence

from threelocks.policy.condition import OPERATORS
from threelocks.policy.document import Condition, Statement
from threelocks.policy.pattern import Glob, glob, parse_pattern, plain_glob


def is_inside(allow: Statement, permit: Statement, on: Sequence[str] = ()) -> bool:
    """Whether all that an Allow lets somebody do is plainly permitted, if they are permitted it at all. `on`: the only
    resources that are asked about; empty: any.
    """
    if not (_is_plain(allow) and _is_plain(permit)):
        return False
    return (
        _all_within(allow.actions, _actions(permit), variables=False, fold=True)
        and (
            all(_resources(permit).matches(resource) for resource in on)
            if on
            else _all_within(allow.resources, _resources(permit), variables=allow.variables)
        )
        and all(any(_implies(own, wanted) for own in allow.conditions) for wanted in permit.conditions)
    )


def _is_plain(statement: Statement) -> bool:
    """No element that says what is *not* meant, none missing, and nothing that is not understood."""
    negated = statement.not_principal or statement.not_action or statement.not_resource
    return not (negated or statement.problems or statement.actions is None or statement.resources is None)


def _actions(permit: Statement) -> Glob:
    return plain_glob(permit.actions or (), fold=True)


def _resources(permit: Statement) -> Glob:
    """The resources that are named without a policy variable."""
    patterns = (parse_pattern(text, variables=permit.variables) for text in permit.resources or ())
    return glob(tuple(pattern for pattern in patterns if not pattern.variables))


def _all_within(texts: tuple[str, ...] | None, wider: Glob, *, variables: bool, fold: bool = False) -> bool:
    parsed = (parse_pattern(text, variables=variables) for text in texts or ())
    return all(wider.covers(pattern, colonwise=False, fold=fold) for pattern in parsed)


def _implies(own: Condition, wanted: Condition) -> bool:
    """Whether a condition is the other with no further values, of which one was enough."""
    operator = OPERATORS.get(own.operator)
    return (
        operator is not None
        and not operator.negated
        and (own.operator, own.quantifier, own.if_exists, own.key)
        == (wanted.operator, wanted.quantifier, wanted.if_exists, wanted.key)
        and set(own.values) <= set(wanted.values)
        and not any("${" in value for value in own.values)  # a variable, in one version of the language only
    )
