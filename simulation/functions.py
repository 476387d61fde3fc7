"""The deployed functions: their code, environment and role as the stack has them, run in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulation.cloud import Cloud
from simulation.stacks import Stack


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function of a stack."""

    account: str
    region: str
    logical_id: str
    name: str
    arn: str
    handler: str  # "threelocks.handlers.on_change.handler"
    role: str  # ARN
    timeout: int  # seconds
    environment: Mapping[str, str]

    @property
    def module(self) -> str:
        return self.handler.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Mapped:
    """An event source mapping: which queue feeds which function."""

    queue_arn: str
    queue_url: str
    function: Function
    batch_size: int
    reports_failures: bool  # ReportBatchItemFailures


Runner = Callable[[Function, Any], Any]  # runs a function on an event; raises what the function raises


def functions(cloud: Cloud, stack: Stack, role: str) -> tuple[Function, ...]:
    """Every function of a stack, as Lambda describes it."""
    client = cloud.client("lambda", stack.region, role)
    return tuple(
        _function(stack, logical_id, client.get_function_configuration(FunctionName=name))
        for logical_id, name in stack.of_type("AWS::Lambda::Function").items()
    )


def _function(stack: Stack, logical_id: str, described: Mapping[str, Any]) -> Function:
    return Function(
        account=stack.account,
        region=stack.region,
        logical_id=logical_id,
        name=described["FunctionName"],
        arn=described["FunctionArn"],
        handler=described["Handler"],
        role=described["Role"],
        timeout=int(described["Timeout"]),
        # Lambda's own variables come on top of those of the template.
        # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
        environment={
            **described.get("Environment", {}).get("Variables", {}),
            "AWS_REGION": stack.region,
            "AWS_LAMBDA_FUNCTION_NAME": described["FunctionName"],
        },
    )


def mappings(cloud: Cloud, stack: Stack, role: str) -> tuple[Mapped, ...]:
    """Every event source mapping of a stack."""
    client = cloud.client("lambda", stack.region, role)
    sqs = cloud.client("sqs", stack.region, role)
    by_arn = {function.arn: function for function in functions(cloud, stack, role)}
    found = client.list_event_source_mappings()["EventSourceMappings"]
    return tuple(
        Mapped(
            queue_arn=mapping["EventSourceArn"],
            queue_url=sqs.get_queue_url(QueueName=mapping["EventSourceArn"].rpartition(":")[2])["QueueUrl"],
            function=by_arn[mapping["FunctionArn"]],
            batch_size=int(mapping["BatchSize"]),
            reports_failures="ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or []),
        )
        for mapping in found
        if mapping["FunctionArn"] in by_arn
    )
