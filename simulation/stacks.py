"""The templates, deployed: translated as SAM does, created through CloudFormation, and read back from the stack.

What runs in the simulation is what the templates say; nothing here names a rule, a queue or a function.
"""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from simulation.cloud import Cloud
from simulation.resources import known

PACKAGE = "package.zip"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that was created. `physical` is what `Ref` gives: logical id -> name, URL or ARN."""

    account: str
    region: str
    name: str
    physical: Mapping[str, str]
    types: Mapping[str, str]  # logical id -> resource type
    outputs: Mapping[str, str]

    def of_type(self, kind: str) -> Mapping[str, str]:
        """Logical ids and physical ids of the resources of one type."""
        return {logical: self.physical[logical] for logical, known_as in self.types.items() if known_as == kind}


class TemplateError(ValueError):
    """The template cannot be deployed here; the text says why."""


def translated(
    path: Path, region: str, parameters: Mapping[str, str], *, artifacts: str = "artifacts"
) -> dict[str, Any]:
    """A template as CloudFormation gets it: the SAM transform applied, the code taken from that artifact bucket."""
    template = yaml_parse(path.read_text(encoding="utf-8"))
    if "Transform" not in template:
        return dict(template)
    _point_at_the_artifact(template, f"s3://{artifacts}/{PACKAGE}")
    # The translator counts its calls and complains, on standard error, when nobody collects the figures.
    logging.getLogger("samtranslator").addHandler(logging.NullHandler())
    # It takes the partition from boto3's default region.
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": region}):
        return dict(transform(template, dict(parameters), _NoManagedPolicies()))


def deploy(cloud: Cloud, path: Path, *, name: str, role: str, region: str, parameters: Mapping[str, str]) -> Stack:
    """Translate a template and create its stack as that role. Raises TemplateError for a resource type that the
    simulation would skip.
    """
    account = role.split(":")[4]
    artifacts = f"artifacts-{account}-{region}"
    template = translated(path, region, parameters, artifacts=artifacts)
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] not in known():
            raise TemplateError(
                f"`{logical_id}`: `{resource['Type']}` is not simulated; add it to simulation/resources.py"
            )
    if any(resource["Type"] == "AWS::Lambda::Function" for resource in template["Resources"].values()):
        _upload(cloud.client("s3", region, role), artifacts, region)
    client = cloud.client("cloudformation", region, role)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # moto's word for "skipped"
        client.create_stack(
            StackName=name,
            TemplateBody=json.dumps(_still(template)),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=CAPABILITIES,
        )
    return _described(client, name, account, region)


def _described(client: Any, name: str, account: str, region: str) -> Stack:
    described = client.describe_stacks(StackName=name)["Stacks"][0]
    if described["StackStatus"] != "CREATE_COMPLETE":
        raise TemplateError(f"stack `{name}` in `{account}`: {described['StackStatus']}")
    # A resource whose condition is false leaves an entry without ids.
    resources = [
        resource
        for resource in client.describe_stack_resources(StackName=name)["StackResources"]
        if resource.get("LogicalResourceId") and resource.get("PhysicalResourceId")
    ]
    return Stack(
        account=account,
        region=region,
        name=name,
        physical={resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
        types={resource["LogicalResourceId"]: resource["ResourceType"] for resource in resources},
        outputs={output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])},
    )


def _still(template: Mapping[str, Any]) -> dict[str, Any]:
    """Event source mappings switched off: moto would take the messages from the queue as they come."""
    resources = {
        logical_id: {**resource, "Properties": {**resource["Properties"], "Enabled": False}}
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
        else resource
        for logical_id, resource in template["Resources"].items()
    }
    return {**template, "Resources": resources}


def _point_at_the_artifact(template: dict[str, Any], code: str) -> None:
    """`sam deploy` uploads the code and writes its address in place of the folder."""
    for holder in (template.get("Globals", {}).get("Function", {}), *_functions(template)):
        if "CodeUri" in holder:
            holder["CodeUri"] = code


def _functions(template: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            yield resource["Properties"]


def _upload(s3: Any, bucket: str, region: str) -> None:
    """CloudFormation wants the artifact to exist. The code that runs is the source tree (see `functions`)."""
    # us-east-1 is where a bucket goes that says nothing, and may not be named.
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **place)
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("README", "the simulation runs the source tree")
    s3.put_object(Bucket=bucket, Key=PACKAGE, Body=body.getvalue())


class _NoManagedPolicies:
    """The translator asks IAM for the names of AWS managed policies; the templates use none by name."""

    def load(self) -> dict[str, str]:
        return {}
