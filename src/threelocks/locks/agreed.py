"""What is agreed, as policy statements: what a lock may allow, and what people are told to add."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

from threelocks.contract import AlsoAllowed, Contract
from threelocks.locks.case import Case
from threelocks.policy.document import Document, parse_document

Tree = dict[str, object]  # a statement, as JSON has it


def agreed(contract: Contract, actions: Collection[str]) -> list[Tree]:
    """Statements that allow these of the agreed actions and nothing beyond, without a Principal."""
    statements = _reading(contract, [action for action in ("s3:ListBucket", "s3:GetObject") if action in actions])
    if kms := sorted(action for action in actions if action.startswith("kms:")):
        statements.append(_allow("ShareDecrypt", kms, [contract.key]))
    return statements


def _reading(contract: Contract, actions: Sequence[str]) -> list[Tree]:
    """One statement for a whole bucket; who shares only some prefixes shares only their listings, by a condition."""
    objects = [f"{contract.bucket_arn}/{_literally(text)}*" for text in contract.prefixes]
    resources = {"s3:ListBucket": [contract.bucket_arn], "s3:GetObject": objects}
    if "" in contract.prefixes:
        everything = [resource for action in actions for resource in resources[action]]
        return [_allow("ShareRead", actions, everything)] if actions else []
    listed: Tree = {"StringLike": {"s3:prefix": [f"{_literally(text)}*" for text in contract.prefixes]}}
    rows = {"s3:ListBucket": ("ShareList", listed), "s3:GetObject": ("ShareRead", None)}
    return [_allow(rows[action][0], [action], resources[action], rows[action][1]) for action in actions]


def _allow(sid: str, actions: Sequence[str], resources: Sequence[str], condition: Tree | None = None) -> Tree:
    statement: Tree = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return {**statement, "Condition": condition} if condition else statement


def to(principal: str, statement: Tree) -> Tree:
    """The statement as a resource policy has it, with the Principal where people look for it."""
    kind = "Service" if principal.endswith((".amazonaws.com", ".amazonaws.com.cn")) else "AWS"
    return {"Sid": statement["Sid"], "Effect": "Allow", "Principal": {kind: principal}, **statement}


def _literally(text: str) -> str:
    """A prefix as policy text, in which `${` would begin a variable. Wildcards no prefix of a contract has."""
    return text.replace("${", "${$}{")


# --- what may be allowed ----------------------------------------------------------------------------------------------


def permitted(case: Case, on: str) -> Document:
    """What the bucket ("bucket"), the key ("key") or the role ("role") may allow, as one policy: this contract, its
    neighbours, and the further readers that any of them lists for the same bucket or key.
    """
    return as_policy(permitted_statements(case.contract, case.neighbours, on), f"permitted on the {on}")


def permitted_statements(contract: Contract, neighbours: Iterable[Contract], on: str) -> list[Tree]:
    return _together(statement for one in _on_the_same(contract, neighbours, on) for statement in _permitted(one, on))


def _together(statements: Iterable[Tree]) -> list[Tree]:
    """Statements that differ in their principals only, as one that names them all: a key of two hundred contracts would
    otherwise be searched two hundred statements deep."""
    groups: dict[str, list[Tree]] = {}
    for statement in statements:
        rest = {name: value for name, value in statement.items() if name != "Principal"}
        groups.setdefault(json.dumps(rest, sort_keys=True), []).append(statement)
    return [{**group[0], "Principal": _all_of(group)} for group in groups.values()]


def _all_of(group: Iterable[Tree]) -> dict[str, list[str]]:
    principals: dict[str, list[str]] = {}
    for statement in group:
        named = statement["Principal"]
        assert isinstance(named, dict)
        for kind, principal in named.items():
            principals.setdefault(kind, []).append(principal)
    return {kind: list(dict.fromkeys(names)) for kind, names in principals.items()}


def as_policy(statements: Iterable[Tree], label: str) -> Document:
    return parse_document(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), label)


def _on_the_same(contract: Contract, neighbours: Iterable[Contract], on: str) -> list[Contract]:
    def resource(one: Contract) -> str:
        return {"bucket": one.bucket_arn, "key": one.key, "role": one.role}[on]

    return [one for one in (contract, *neighbours) if resource(one) == resource(contract)]


def _permitted(contract: Contract, on: str) -> Iterable[Tree]:
    yield from (to(contract.role, statement) for statement in agreed(contract, contract.actions))
    yield from (_further(contract, entry) for entry in contract.also_allowed if entry.on == on)


def _further(contract: Contract, entry: AlsoAllowed) -> Tree:
    resources = [contract.key]
    if entry.on == "bucket":
        resources = [contract.bucket_arn, *(f"{contract.bucket_arn}/{_literally(text)}*" for text in entry.prefixes)]
    return to(entry.principal, _allow("Further", entry.actions, resources))
