"""Make a difference small: leave out whatever it does not need, until nothing more can go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from second_opinion.case import ALLOW_ALL_WITHOUT_PRINCIPAL, Case
from tests.property.cases import ALLOW_ALL, BUCKET
from tests.property.reference import as_list

Differs = Callable[[list[Case]], list[bool]]


def shrunk(case: Case, differs: Differs) -> Case:
    """The smallest case found by leaving out one thing at a time that still `differs`."""
    while True:
        tried = list(_simpler(case))
        smaller = next((one for one, still in zip(tried, differs(tried), strict=True) if still), None)
        if smaller is None:
            return case
        case = smaller


# What each layer is when it decides nothing.
_NOTHING: dict[str, Any] = {
    "boundary": None,
    "session": None,
    "endpoint": None,
    "scps": [],
    "rcps": [],
    "identity": [ALLOW_ALL_WITHOUT_PRINCIPAL],
    "resource": [ALLOW_ALL],
}


def _simpler(case: Case) -> Iterator[Case]:
    """Every case that is simpler by one thing; each is smaller by a measure that cannot fall for ever."""
    for layer, nothing in _NOTHING.items():
        value = getattr(case.held, layer)
        for simpler in [nothing, *_smaller(value)] if value and value != nothing else []:
            bounded = case.asking.bounded and not (layer == "boundary" and simpler is None)
            yield Case(replace(case.asking, bounded=bounded), replace(case.held, **{layer: simpler}))
    if case.asking.path != "/":
        yield Case(replace(case.asking, path="/"), case.held)
    if case.asking.action == "s3:GetObject" and case.asking.resource != f"{BUCKET}/a":
        yield Case(replace(case.asking, resource=f"{BUCKET}/a"), case.held)
    for key in case.asking.context:
        left = {name: values for name, values in case.asking.context.items() if name != key}
        yield Case(replace(case.asking, context=left), case.held)


def _smaller(layer: Any) -> Iterator[Any]:
    """A document made smaller, or a list of documents (or of lists of them) with one left out or made smaller."""
    if isinstance(layer, list):
        yield from _fewer(layer)
        yield from _in_one(layer, _smaller)
    else:
        yield from _smaller_document(layer)


def _fewer(items: list[Any]) -> Iterator[list[Any]]:
    """The list without one of its items, while it has several."""
    for index in range(len(items) if len(items) > 1 else 0):
        yield items[:index] + items[index + 1 :]


def _in_one(items: list[Any], smaller: Callable[[Any], Any]) -> Iterator[list[Any]]:
    """The list with one of its items made smaller."""
    for index, item in enumerate(items):
        for less in smaller(item):
            yield [*items[:index], less, *items[index + 1 :]]


def _smaller_document(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    statements = as_list(document["Statement"])
    for fewer in [*_fewer(statements), *_in_one(statements, _smaller_statement)]:
        yield {**document, "Statement": fewer}
    if document.get("Version") != "2012-10-17":
        yield {**document, "Version": "2012-10-17"}


def _smaller_statement(statement: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for element in ("Action", "Resource", "Principal"):
        if f"Not{element}" in statement:
            yield {**{name: value for name, value in statement.items() if name != f"Not{element}"}, element: "*"}
        elif statement.get(element, "*") != "*":
            yield {**statement, element: "*"}
        for name in (element, f"Not{element}"):
            for value in _smaller_value(statement.get(name)):
                yield {**statement, name: value}
    for operator, keys in statement.get("Condition", {}).items():
        others = {name: value for name, value in statement["Condition"].items() if name != operator}
        for key, wanted in keys.items():
            left = {name: value for name, value in keys.items() if name != key}
            yield {**statement, "Condition": {**others, **({operator: left} if left else {})}}
            for value in _smaller_value(wanted):
                yield {**statement, "Condition": {**others, operator: {**left, key: value}}}
    if statement.get("Condition") == {}:
        yield {name: value for name, value in statement.items() if name != "Condition"}


def _smaller_value(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value if len(value) == 1 else _fewer(value)
    elif isinstance(value, dict):
        for kind, listed in value.items():
            left = {name: entry for name, entry in value.items() if name != kind}
            if left:
                yield left
            for less in _smaller_value(listed):
                yield {**left, kind: less}
