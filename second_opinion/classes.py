"""The known classes of difference: each is what the smallest case of it has in common.

What each class is, why, and who follows AWS stands in differences.yaml under the same name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from second_opinion.case import Case
from tests.property.reference import as_list, entries, instant, number


class Stated(NamedTuple):
    """One statement, and where it stands."""

    layer: str
    version: str
    statement: dict[str, Any]


def class_of(case: Case) -> str | None:
    """The class of a difference that cannot be made smaller; None when it is not known."""
    stated = list(_stated(case))
    return next((name for name, is_in in CLASSES.items() if is_in(case, stated)), None)


def _stated(case: Case) -> Iterator[Stated]:
    held = case.held
    one = {"boundary": held.boundary, "endpoint": held.endpoint}
    several = {"identity": held.identity, "session": held.session, "resource": held.resource}
    documents = [
        *((layer, document) for layer, document in one.items() if document),
        *((layer, document) for layer, listed in several.items() for document in listed or []),
        *(("scp", document) for level in held.scps for document in level),
        *(("rcp", document) for level in held.rcps for document in level),
    ]
    for layer, document in documents:
        for statement in as_list(document["Statement"]):
            yield Stated(layer, document.get("Version", "2008-10-17"), statement)


def _resources(stated: list[Stated]) -> list[str]:
    return [
        text
        for each in stated
        for form in ("Resource", "NotResource")
        for text in as_list(each.statement.get(form, []))
    ]


def _values(operator: str, case: Case, stated: list[Stated]) -> Iterator[str]:
    """Every value, of policy and request, that an operator of that name compares."""
    for each in stated:
        for name, keys in each.statement.get("Condition", {}).items():
            for key, wanted in keys.items() if operator in name else ():
                yield from as_list(wanted)
                yield from case.asking.values(key) or ()


def _some(pattern: str, values: Iterator[str]) -> bool:
    return any(re.fullmatch(pattern, value) for value in values)


def _another(pattern: str, values: Iterator[str]) -> bool:
    """Whether some value is not of that form."""
    return any(not re.fullmatch(pattern, value) for value in values)


def _texts(case: Case, stated: list[Stated]) -> str:
    """All text of the statements and of the request's own keys."""
    return repr([[each.statement for each in stated], case.asking.context])


def _principals(each: Stated) -> list[str]:
    forms = [each.statement[form] for form in ("Principal", "NotPrincipal") if form in each.statement]
    return [entry for form in forms for _, entry in entries(form)]


def _no_resource(_: Case, stated: list[Stated]) -> bool:
    return any(not {"Resource", "NotResource"} & each.statement.keys() for each in stated)


def _retire_grant(case: Case, _: list[Stated]) -> bool:
    return case.asking.action == "kms:RetireGrant" and bool(case.held.rcps)


def _endpoint_principal(_: Case, stated: list[Stated]) -> bool:
    return any(each.layer == "endpoint" and each.statement.get("Principal") != "*" for each in stated)


def _role_name_case(case: Case, stated: list[Stated]) -> bool:
    last = {entry.rpartition("/")[2] for each in stated for entry in _principals(each)}
    return case.asking.name not in last and case.asking.name.lower() in {name.lower() for name in last}


def _epoch(case: Case, stated: list[Stated]) -> bool:
    return _some("-?[0-9]{5,11}", _values("Date", case, stated))


def _exponent(case: Case, stated: list[Stated]) -> bool:
    return _some("[0-9]+e[0-9]+", _values("Numeric", case, stated))


def _junk_value(case: Case, stated: list[Stated]) -> bool:
    numbers, dates = _values("Numeric", case, stated), _values("Date", case, stated)
    return any(number(value) is None for value in numbers) or any(instant(value) is None for value in dates)


def _junk_binary(case: Case, stated: list[Stated]) -> bool:
    return _another("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", _values("BinaryEquals", case, stated))


def _address_families(case: Case, stated: list[Stated]) -> bool:
    return len({":" in value for value in _values("NotIpAddress", case, stated)}) > 1


def _mapped_address(case: Case, stated: list[Stated]) -> bool:
    return _some("::ffff:.*", _values("IpAddress", case, stated))


def _empty_value(case: Case, stated: list[Stated]) -> bool:
    named = re.findall(r"\$\{([^{},]+)", _texts(case, stated))
    return any(case.asking.values(name) == ("",) for name in named)


def _empty_variable(case: Case, stated: list[Stated]) -> bool:
    return "${}" in _texts(case, stated)


def _escape(case: Case, stated: list[Stated]) -> bool:
    return "${*}" in _texts(case, stated)


def _unique_id(case: Case, stated: list[Stated]) -> bool:
    return bool(case.asking.unique_id) and any(case.asking.unique_id in _principals(each) for each in stated)


def _newline(case: Case, _: list[Stated]) -> bool:
    return "\n" in case.asking.resource


def _short_arn(_: Case, stated: list[Stated]) -> bool:
    return any(text != "*" and text.count(":") < 5 for text in _resources(stated))


def _old_version(_: Case, stated: list[Stated]) -> bool:
    return any("${" in str(each.statement) and each.version != "2012-10-17" for each in stated)


CLASSES: dict[str, Callable[[Case, list[Stated]], bool]] = {
    "no-resource": _no_resource,
    "retire-grant": _retire_grant,
    "endpoint-principal": _endpoint_principal,
    "role-name-case": _role_name_case,
    "newline": _newline,
    "short-arn": _short_arn,
    "old-version": _old_version,
    "epoch": _epoch,
    "exponent": _exponent,
    "junk-value": _junk_value,
    "junk-binary": _junk_binary,
    "address-families": _address_families,
    "mapped-address": _mapped_address,
    "empty-value": _empty_value,
    "empty-variable": _empty_variable,
    "escape": _escape,
    "unique-id": _unique_id,
}
