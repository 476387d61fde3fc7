"""Policy documents: JSON text in, statements out.

What AWS would refuse raises DocumentError with the path and the reason. What AWS might accept but this package does not
understand (an unknown element, an unknown operator) makes its statement *opaque*: it is listed in `problems`, and
counts as perhaps matching wherever that matters. Nothing is ever skipped.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any


class DocumentError(ValueError):
    """The text is no policy document. `path` says where ("Statement[2].Action"), `reason` why."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = _printable(path)
        self.reason = _printable(reason)
        super().__init__(f"{self.path}: {self.reason}" if path else self.reason)


def _printable(text: str) -> str:
    """Text that can be sent on: half a surrogate pair, which JSON can spell, becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


class Effect(StrEnum):
    ALLOW = "Allow"
    DENY = "Deny"


class PrincipalType(StrEnum):
    """The keys of a Principal element."""

    AWS = "AWS"
    SERVICE = "Service"
    FEDERATED = "Federated"
    CANONICAL_USER = "CanonicalUser"


@dataclass(frozen=True, slots=True)
class PrincipalEntry:
    """One entry of a Principal or NotPrincipal element. `Principal: "*"` is the AWS entry `*`."""

    type: PrincipalType
    value: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One key under one operator. The values are alternatives."""

    operator: str  # "StringLike", without quantifier and IfExists
    quantifier: str  # "", "ForAllValues" or "ForAnyValue"
    if_exists: bool
    key: str  # in lower case: condition key names do not know case
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. An element that is absent is None, which is not the same as an empty list."""

    document: str  # the label of the document it stands in
    index: int
    sid: str | None
    effect: Effect
    principals: tuple[PrincipalEntry, ...] | None
    not_principal: bool
    actions: tuple[str, ...] | None
    not_action: bool
    resources: tuple[str, ...] | None
    not_resource: bool
    conditions: tuple[Condition, ...]
    variables: bool  # Version 2012-10-17: `${...}` is a policy variable
    problems: tuple[str, ...]  # what is not understood; not empty: opaque
    text: str  # the statement as JSON; decimal numbers as the texts that they are compared as
    # What `matcher` worked out of the statement once; no part of its value.
    made: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed policy. `label` is how people know it: "bucket policy", "inline policy `x`"."""

    label: str
    version: str
    statements: tuple[Statement, ...]
    # What `matcher` worked out of the document once; no part of its value.
    made: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def problems(self) -> tuple[str, ...]:
        """Every piece of syntax that is not understood, with its statement."""
        return tuple(f"{_name(s)}: {problem}" for s in self.statements for problem in s.problems)


def _name(statement: Statement) -> str:
    return f"statement `{statement.sid}`" if statement.sid else f"statement {statement.index + 1}"


_OLD, _CURRENT = "2008-10-17", "2012-10-17"
_DOCUMENT_ELEMENTS = {"Version", "Id", "Statement"}
_STATEMENT_ELEMENTS = {
    *("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"),
}
_MAX_DEPTH = 40  # the grammar nests five deep; this only keeps hostile input from exhausting the stack


@lru_cache(maxsize=32)
def parse_document(text: str, label: str) -> Document:
    """Read a policy document; once, since the contracts on one bucket or key are judged one after the other. Raises
    DocumentError.
    """
    tree = _load(text)
    if not isinstance(tree, dict):
        raise DocumentError("", "the document is not a JSON object")
    for element in sorted(tree.keys() - _DOCUMENT_ELEMENTS):
        raise DocumentError(element, "unknown element of a policy document")
    version = tree.get("Version", _OLD)
    if version not in (_OLD, _CURRENT):
        raise DocumentError("Version", f"`{version}` is neither {_CURRENT} nor {_OLD}")
    statements = tree.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list):
        raise DocumentError("Statement", "must be an object or a list of objects")
    current, decimals = version == _CURRENT, bool(_MAYBE_DECIMAL.search(text))
    return Document(
        label=label,
        version=version,
        statements=tuple(
            _statement(tree, label, index, variables=current, decimals=decimals)
            for index, tree in enumerate(statements)
        ),
    )


def _load(text: str) -> Any:
    try:
        tree = _DECODER.decode(text)
    except DocumentError:
        raise
    except RecursionError as error:
        raise DocumentError("", "the document is nested too deep") from error
    except ValueError as error:
        raise DocumentError("", f"not JSON: {error}") from error
    level = [tree] if isinstance(tree, (dict, list)) else []
    depth = 0
    while level and depth < _MAX_DEPTH:
        children = (parent.values() if isinstance(parent, dict) else parent for parent in level)
        level = [child for each in children for child in each if isinstance(child, (dict, list))]
        depth += 1
    if level:
        raise DocumentError("", "the document is nested too deep")
    try:
        if "\\u" in text or not text.isascii():
            _ENCODER.encode(tree).encode()
    except UnicodeEncodeError as error:
        raise DocumentError("", "holds half of a surrogate pair, which is no text") from error
    return tree


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise DocumentError(key, "appears twice in one object")
        result[key] = value
    return result


class _Float(float):
    """A number that remembers its spelling: `1.10` is compared as text by a string operator."""

    spelling: str


def _float(spelling: str) -> _Float:
    number = _Float(spelling)
    number.spelling = spelling
    return number


_MAYBE_DECIMAL = re.compile(r"\d(\.\d|[eE])")  # wherever JSON has a number with a point or an exponent


def _quoted(tree: Any) -> Any:
    """The tree with each decimal number as its spelling: `1.10` would come out as 1.1, and `1e400` as no JSON."""
    if isinstance(tree, dict):
        return {key: _quoted(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_quoted(value) for value in tree]
    return tree.spelling if isinstance(tree, _Float) else tree


def _no_constant(name: str) -> Any:
    raise DocumentError("", f"`{name}` is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_float)
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def _statement(tree: Any, label: str, index: int, *, variables: bool, decimals: bool) -> Statement:
    path = f"Statement[{index}]"
    if not isinstance(tree, dict):
        raise DocumentError(path, "must be an object")
    effect = tree.get("Effect")
    if effect not in (Effect.ALLOW, Effect.DENY):
        raise DocumentError(f"{path}.Effect", f"`{effect}` is neither Allow nor Deny")
    sid = tree.get("Sid")
    if sid is not None and not isinstance(sid, str):
        raise DocumentError(f"{path}.Sid", "must be a string")
    problems = [f"unknown element `{element}`" for element in sorted(tree.keys() - _STATEMENT_ELEMENTS)]
    unread = bool(problems)
    principal, not_principal = _either(tree, path, "Principal")
    action, not_action = _either(tree, path, "Action")
    resource, not_resource = _either(tree, path, "Resource")
    conditions = _conditions(tree.get("Condition", {}), f"{path}.Condition", problems)
    entries = _principals(principal, f"{path}.Principal", problems, negated=not_principal)
    actions = _strings(action, f"{path}.Action")
    resources = _strings(resource, f"{path}.Resource")
    problems += [
        f"`Not{element}` is empty"
        for element, negated, values in (
            ("Principal", not_principal, entries),
            ("Action", not_action, actions),
            ("Resource", not_resource, resources),
        )
        if negated and not values
    ]
    if unread:
        # What is missing may be what the unknown element says: the statement may speak of anybody and anything.
        entries, actions, resources = entries or (_ANYONE,), actions or ("*",), resources or ("*",)
    return Statement(
        document=label,
        index=index,
        sid=sid,
        effect=Effect(effect),
        principals=entries,
        not_principal=not_principal,
        actions=actions,
        not_action=not_action,
        resources=resources,
        not_resource=not_resource,
        conditions=conditions,
        variables=variables,
        problems=tuple(problems),
        text=_ENCODER.encode(_quoted(tree) if decimals else tree),
    )


def _either(tree: dict[str, Any], path: str, element: str) -> tuple[Any, bool]:
    """The value of an element or of its Not form, None when there is neither; AWS refuses both together."""
    present = [name for name in (element, f"Not{element}") if name in tree]
    if len(present) > 1:
        raise DocumentError(path, f"has both {element} and Not{element}")
    for name in present:
        if tree[name] is None:
            raise DocumentError(f"{path}.{name}", "is null; leave the element out or give it a value")
        return tree[name], name != element
    return None, False


def _strings(value: Any, path: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    values = value if isinstance(value, list) else [value]
    for item in values:
        if not isinstance(item, str):
            raise DocumentError(path, f"must be a string or a list of strings, not `{item}`")
    return tuple(values)


_PRINCIPAL_TYPES = frozenset(kind.value for kind in PrincipalType)
_ANYONE = PrincipalEntry(PrincipalType.AWS, "*")


def _principals(value: Any, path: str, problems: list[str], *, negated: bool) -> tuple[PrincipalEntry, ...] | None:
    if value is None:
        return None
    if value == "*":
        return (_ANYONE,)
    if not isinstance(value, dict):
        raise DocumentError(path, 'must be "*" or an object')
    entries: list[PrincipalEntry] = []
    for kind, listed in value.items():
        if kind not in _PRINCIPAL_TYPES:
            problems.append(f"unknown type of principal `{kind}`")
            # It may cover anybody. Under NotPrincipal it only exempts, and a statement with problems is never sure.
            entries += [] if negated else [_ANYONE]
            continue
        if listed is None:
            raise DocumentError(f"{path}.{kind}", "is null; leave it out or give it a value")
        strings = _strings(listed, f"{path}.{kind}") or ()
        entries += [PrincipalEntry(PrincipalType(kind), item) for item in strings]
    return tuple(entries)


def _conditions(tree: Any, path: str, problems: list[str]) -> tuple[Condition, ...]:
    if not isinstance(tree, dict):
        raise DocumentError(path, "must be an object")
    conditions: list[Condition] = []
    for operator, keys in tree.items():
        if not isinstance(keys, dict):
            raise DocumentError(f"{path}.{operator}", "must be an object")
        quantifier, name, if_exists = split_operator(operator)
        if name not in OPERATOR_NAMES:
            problems.append(f"unknown condition operator `{operator}`")
        if len({key.lower() for key in keys}) < len(keys):
            problems.append(f"`{operator}` has one key in different capitalization")
        for key, values in keys.items():
            condition = Condition(name, quantifier, if_exists, key.lower(), _values(values, f"{path}.{operator}.{key}"))
            if condition.values or _settled_without_values(condition):
                conditions.append(condition)
            else:
                problems.append(f"`{operator}` has no value for `{key}`")
    return tuple(conditions)


def _settled_without_values(condition: Condition) -> bool:
    """Whether AWS says what a condition with an empty list of values does: with a quantifier or IfExists it holds at
    most where the key is missing, otherwise it "returns true" and yet "provides no permissions".

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html
    """
    return bool(condition.quantifier or condition.if_exists) and "Not" not in condition.operator


def split_operator(text: str) -> tuple[str, str, bool]:
    """`ForAnyValue:StringLikeIfExists` -> ("ForAnyValue", "StringLike", True)."""
    quantifier, colon, name = text.partition(":")
    if not colon:
        quantifier, name = "", text
    if quantifier not in ("", "ForAllValues", "ForAnyValue"):
        quantifier, name = "", text  # an unknown quantifier makes an unknown operator
    base = name.removesuffix("IfExists")
    return quantifier, base, base != name


def _values(value: Any, path: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(_text(item, path) for item in values)


def _text(value: Any, path: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Float):
        return value.spelling
    if isinstance(value, str | int):
        return str(value)
    raise DocumentError(path, f"must be a string or a list of strings, not `{json.dumps(value)}`")


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
OPERATOR_NAMES = frozenset(
    {
        *("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
        *("StringLike", "StringNotLike"),
        *("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals"),
        *("NumericGreaterThan", "NumericGreaterThanEquals"),
        *("DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals"),
        *("DateGreaterThan", "DateGreaterThanEquals"),
        *("Bool", "BinaryEquals", "IpAddress", "NotIpAddress"),
        *("ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike", "Null"),
    }
)
