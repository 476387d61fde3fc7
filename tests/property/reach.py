"""What random cases reach: each operator with each answer, each negation, quantifier, variable, form of principal, kind
of caller, layer and outcome. Counted with the reference's own parts, over every statement of every layer that is asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tests.property import reference
from tests.property.reference import Answer, Asking, Held

Cell = tuple[str, str, str]  # table, row, column
Reached = Counter[Cell]

YES, NO, UNSETTLED = "yes", "no", "unsettled"
_ANSWER = {True: YES, False: NO, None: UNSETTLED}


def reached(asking: Asking, held: Held, outcome: str, decider: str) -> Reached:
    """One request under all its policies. `decider`: the layer that the evaluator named, or "" when it allowed."""
    cells: Reached = Counter()
    where = {"": "no account", asking.owner: "the owner's account"}.get(asking.account, "another account")
    cells["callers", asking.kind, where] += 1
    cells["outcomes", outcome, where] += 1
    for layer, documents in layers_of(asking, held):
        cells["layers", layer, "asked"] += 1
        named = replace(asking, resource=asking.through) if layer == "access point policy" else asking
        for document in documents:
            for statement in reference.as_list(document["Statement"]):
                cells.update(_of_statement(statement, document.get("Version", "2008-10-17"), named, layer))
    if decider:
        cells["layers", decider, f"decided: {outcome}"] += 1
    return cells


def layers_of(asking: Asking, held: Held) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    """The layers that are asked about a request, by the names that `authorize` gives them."""
    asked = {layer.layer for layer in reference.asked_layers(asking, held)}
    single: list[tuple[str, str, list[dict[str, Any]] | None]] = [
        ("identity", "identity policy", held.identity),
        ("boundary", "permissions boundary", held.boundary and [held.boundary]),
        ("session", "session policy", held.session),
        *(("scp", "service control policy", level) for level in held.scps),
        *(("rcp", "resource control policy", level) for level in held.rcps),
        ("endpoint", "VPC endpoint policy", held.endpoint and [held.endpoint]),
        ("resource", "resource policy", held.resource),
        ("grant", "grant", held.grants and [held.grants]),
        ("access point", "access point policy", held.access_point),
    ]
    yield from ((name, documents) for short, name, documents in single if short in asked and documents is not None)
    if held.restrict_public:
        yield "public access block", []


_SHORT = {
    "identity policy": "identity",
    "permissions boundary": "boundary",
    "session policy": "session",
    "service control policy": "scp",
    "resource control policy": "rcp",
    "VPC endpoint policy": "endpoint",
    "resource policy": "resource",
    "grant": "grant",
    "access point policy": "access point",
}


def _of_statement(statement: dict[str, Any], version: str, asking: Asking, layer: str) -> Iterable[Cell]:
    variables = version == "2012-10-17"
    yield "statements", statement["Effect"], _ANSWER[reference.speaks(statement, version, asking, _SHORT[layer])]
    yield "elements", _form(statement, "Action"), _ANSWER[reference.about_action(statement, asking)]
    yield (
        "elements",
        _form(statement, "Resource"),
        _ANSWER[reference.about_resource(statement, asking, variables=variables)],
    )
    if layer not in ("identity policy", "permissions boundary", "session policy", "service control policy"):
        yield (
            "elements",
            _form(statement, "Principal"),
            _ANSWER[reference.about_caller(statement, asking, _SHORT[layer])],
        )
        for element in ("Principal", "NotPrincipal"):
            for kind, entry in reference.entries(statement.get(element, {})):
                named = "names the caller" if reference.forms(kind, entry, asking) else "names another"
                yield "principals", form_of(kind, entry), f"{element}, {named}"
    for element in ("Resource", "NotResource"):
        for text in reference.as_list(statement.get(element, [])):
            yield from _variables(text, asking, element, variables=variables)
    for operator, keys in statement.get("Condition", {}).items():
        for key, wanted in keys.items():
            yield from _of_condition(operator, key, reference.as_list(wanted), asking, variables=variables)


def _form(statement: dict[str, Any], element: str) -> str:
    return next((name for name in (element, f"Not{element}") if name in statement), f"no {element}")


def _of_condition(written: str, key: str, wanted: list[str], asking: Asking, *, variables: bool) -> Iterable[Cell]:
    quantifier, _, operator = written.rpartition(":")
    base = operator.removesuffix("IfExists")
    answer: Answer = reference.condition(written, key, wanted, asking, variables=variables)
    values = asking.values(key)
    yield "operators", base, _ANSWER[answer]
    modified = " ... ".join(part for part in (quantifier, "IfExists" if base != operator else "") if part)
    carried = "key absent" if values is None else "empty list" if not values else "key present"
    yield "modifiers", modified or "none", carried
    if key != key.lower() and key.swapcase() in asking.context:
        yield "modifiers", "key in other capitals", carried
    if base.startswith(("String", "Arn")):
        for text in wanted:
            yield from _variables(text, asking, "Condition", variables=variables)


def _variables(text: str, asking: Asking, element: str, *, variables: bool) -> Iterable[Cell]:
    """What became of each `${...}` in one pattern."""
    for inner in re.findall(r"\$\{([^{}]*)\}?", text):
        yield "variables", _fate(inner, asking, closed=f"${{{inner}}}" in text, variables=variables), element


def _fate(inner: str, asking: Asking, *, closed: bool, variables: bool) -> str:
    if not variables:
        return "literal text in an old version"
    if not closed or not inner:
        return "malformed, so literal text"
    if inner in ("*", "?", "$"):
        return "an escape"
    name, comma, _ = (part.strip() for part in inner.partition(","))
    if name.lower() in reference.LISTS:
        return "a list, so no value"
    if asking.values(name) is not None:
        return "substituted"
    return "default taken" if comma else "without a value"


def form_of(kind: str, entry: str) -> str:
    """What an entry of a Principal element looks like."""
    if kind != "AWS":
        return kind
    return next(form for form, pattern in _FORMS if re.fullmatch(pattern, entry))


_FORMS = (
    ("anyone", r"\*"),
    ("account id", "[0-9]{12}"),
    ("unique id", "A[A-Z0-9]{15,}"),
    ("wildcard within an ARN", r"arn:.*\*.*"),
    ("another partition", "arn:aws-cn:.*"),
    ("account ARN", "arn:.*:root"),
    ("role ARN", "arn:.*:role/[^/]*"),
    ("role ARN with a path", "arn:.*:role/.*"),
    ("user ARN", "arn:.*:user/.*"),
    ("session ARN", "arn:.*:assumed-role/.*/.*"),
    ("federated user ARN", "arn:.*:federated-user/.*"),
    ("junk", ".*"),
)


# --- as tables --------------------------------------------------------------------------------------------------------


def tables(counts: Reached) -> str:
    """Markdown, one table for each kind of thing that was counted."""
    parts = []
    for table in dict.fromkeys(sorted(cell[0] for cell in counts)):
        rows = sorted({row for of, row, _ in counts if of == table})
        columns = sorted({column for of, _, column in counts if of == table})
        lines = [f"| {table} | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
        lines += [f"| {row} | {' | '.join(f'{counts[table, row, column]:,}' for column in columns)} |" for row in rows]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
