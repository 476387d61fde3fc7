"""The templates as values: intrinsic functions resolved for the example deployment, references kept as `${Name}`.

A reference to a resource becomes the text `${LogicalId}` (Ref) or `${LogicalId.Attribute}` (GetAtt), so that a test can
say "this rule's target is that queue" without a deployment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from simulation.stacks import translated as translate

ROOT = Path(__file__).parents[2]
OWNER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
_NOTHING = object()


@dataclass(frozen=True)
class Template:
    """A template for one account, region and set of parameters."""

    resources: Mapping[str, Mapping[str, Any]]
    raw: Mapping[str, Any]

    def of_type(self, kind: str) -> dict[str, Any]:
        """Logical id -> properties."""
        return {name: row.get("Properties", {}) for name, row in self.resources.items() if row["Type"] == kind}

    def properties(self, name: str) -> Any:
        return self.resources[name]["Properties"]

    def patterns(self) -> dict[str, dict[str, Any]]:
        """Each rule that has an event pattern."""
        rules = self.of_type("AWS::Events::Rule")
        return {name: rule["EventPattern"] for name, rule in rules.items() if "EventPattern" in rule}


class _Resolver:
    """Enough of CloudFormation's intrinsic functions for these templates; any other raises."""

    def __init__(self, raw: Mapping[str, Any], parameters: Mapping[str, str], account: str, region: str) -> None:
        self._raw = raw
        pseudo = {
            "AWS::AccountId": account,
            "AWS::Region": region,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": "threelocks",
            "AWS::NoValue": _NOTHING,
        }
        given = {name: self._parameter(name, row, parameters) for name, row in raw["Parameters"].items()}
        self._known: dict[str, Any] = {**pseudo, **given}
        self._functions = {
            "Ref": self._ref,
            "Fn::GetAtt": lambda at: "${" + ".".join(at if isinstance(at, list) else at.split(".")) + "}",
            "Fn::Sub": self._sub,
            "Fn::Join": lambda args: args[0].join(self.value(args[1])),
            "Fn::Split": lambda args: self.value(args[1]).split(args[0]),
            "Fn::If": lambda args: self.value(args[1] if self.holds(args[0]) else args[2]),
            "Fn::FindInMap": lambda args: raw["Mappings"][args[0]][self.value(args[1])][args[2]],
            "Fn::Equals": lambda args: self.value(args[0]) == self.value(args[1]),
            "Fn::Not": lambda args: not self.value(args[0]),
            "Fn::And": lambda args: all(self.value(row) for row in args),
            "Condition": self.holds,
        }

    @staticmethod
    def _parameter(name: str, row: Mapping[str, Any], given: Mapping[str, str]) -> Any:
        text = str(given.get(name, row.get("Default", "")))
        return text.split(",") if row["Type"] == "CommaDelimitedList" else text

    def holds(self, condition: str) -> bool:
        return bool(self.value(self._raw["Conditions"][condition]))

    def value(self, node: Any) -> Any:
        if isinstance(node, Mapping):
            if len(node) == 1 and next(iter(node)) in self._functions:
                ((name, argument),) = node.items()
                return self._functions[name](argument)
            if any(str(key).startswith("Fn::") for key in node):
                raise NotImplementedError(f"`{node}`")
            resolved = {key: self.value(inner) for key, inner in node.items()}
            return {key: inner for key, inner in resolved.items() if inner is not _NOTHING}
        if isinstance(node, list):
            return [inner for inner in map(self.value, node) if inner is not _NOTHING]
        return node

    def _ref(self, name: str) -> Any:
        return self._known.get(name, "${" + name + "}")

    def _sub(self, text: str) -> str:
        return re.sub(r"\$\{([\w:.]+)\}", lambda match: str(self._known.get(match[1], match[0])), text)


def resolve(raw: Mapping[str, Any], parameters: Mapping[str, str], account: str, region: str) -> Template:
    resolver = _Resolver(raw, parameters, account, region)
    resources = {
        name: {
            **row,
            "Properties": resolver.value(row.get("Properties", {})),
        }
        for name, row in raw["Resources"].items()
        if "Condition" not in row or resolver.holds(row["Condition"])
    }
    return Template(resources, raw)


def parse(name: str) -> dict[str, Any]:
    return dict(yaml_parse((ROOT / name).read_text(encoding="utf-8")))


# Everything that a parameter can turn on.
FULL = {"DiagnoseDenials": "true", "ChatAlerts": "true"}


@pytest.fixture(scope="session")
def home() -> Template:
    """template.yaml, as SAM reads it, in the owner's account, with all that it can do."""
    return resolve(parse("template.yaml"), {"PartnerAccounts": CONSUMER, **FULL}, OWNER, "eu-west-1")


@pytest.fixture(scope="session")
def home_alone() -> Template:
    """template.yaml with nothing but defaults: no partners, no addresses."""
    return resolve(parse("template.yaml"), {}, OWNER, "eu-west-1")


@pytest.fixture(scope="session")
def home_without_partners() -> Template:
    return resolve(parse("template.yaml"), FULL, OWNER, "eu-west-1")


@pytest.fixture(scope="session")
def home_of_consumer() -> Template:
    return resolve(parse("template.yaml"), {"PartnerAccounts": OWNER, **FULL}, CONSUMER, "eu-west-1")


@pytest.fixture(scope="session")
def translated() -> Template:
    """template.yaml, as CloudFormation gets it."""
    given = {"PartnerAccounts": CONSUMER, **FULL}
    return resolve(translate(ROOT / "template.yaml", "eu-west-1", given), given, OWNER, "eu-west-1")


@pytest.fixture(scope="session")
def relay() -> Template:
    return resolve(parse("relay.yaml"), {"HomeRegion": "eu-west-1"}, CONSUMER, "us-east-1")


@pytest.fixture(scope="session")
def relay_of_data() -> Template:
    """relay.yaml where shared buckets are, in the owner's account."""
    return resolve(parse("relay.yaml"), {"HomeRegion": "eu-west-1", "Forward": "data"}, OWNER, "eu-central-1")


@pytest.fixture(scope="session")
def relay_of_both() -> Template:
    """relay.yaml where there are shared buckets in us-east-1 itself."""
    return resolve(parse("relay.yaml"), {"HomeRegion": "eu-west-1", "Forward": "both"}, OWNER, "us-east-1")


@pytest.fixture(scope="session")
def relay_at_home() -> Template:
    """The mistake of deploying the relay into its own home region."""
    return resolve(parse("relay.yaml"), {"HomeRegion": "us-east-1"}, CONSUMER, "us-east-1")


@pytest.fixture(scope="session")
def event_files() -> dict[str, dict[str, Any]]:
    """Name without suffix -> envelope."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "events").glob("*.json"))
    }


@dataclass(frozen=True)
class Permission:
    """One allowed action on one resource, with its condition."""

    role: str
    action: str
    resource: str
    condition: Mapping[str, Any]


def permissions(template: Template) -> Iterator[Permission]:
    """What every role's own policies allow, spelled out. Nothing here may hide behind NotAction or NotResource."""
    for role, policy in _policies(template):
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow", (role, statement)
            assert not {"NotAction", "NotResource"} & set(statement), (role, statement)
            for action in _listed(statement["Action"]):
                for resource in _listed(statement["Resource"]):
                    yield Permission(role, action, resource, statement.get("Condition", {}))


def _policies(template: Template) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Role and policy; those written in the role, and those that stand by themselves because a parameter decides."""
    for role, properties in template.of_type("AWS::IAM::Role").items():
        yield from ((role, policy) for policy in properties.get("Policies", []))
    for policy in template.of_type("AWS::IAM::Policy").values():
        yield from ((role.strip("${}"), policy) for role in policy["Roles"])


@pytest.fixture(scope="session")
def allowed(home: Template, relay: Template) -> tuple[Permission, ...]:
    """What the roles of both templates may do."""
    return (*permissions(home), *permissions(relay))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
