"""The deployed functions: their code, environment and role as the stack has them, run in this process."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulation.actions import Need, Place, needs
from simulation.cloud import Cloud
from simulation.faults import Faults, denied
from simulation.feeding import is_on
from simulation.permission import Caller
from simulation.roles import identity_allows, key_allows
from simulation.stacks import Stack
from threelocks.aws.session import Clients, Credentials
from threelocks.handlers.app import App
from threelocks.judge import judge as judge_locks
from threelocks.watch import Judge


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
    uuid: str = ""

    @property
    def is_on(self) -> bool:
        """Whether the queue feeds the function at the moment."""
        return is_on(self.function.account, self.function.region, self.uuid)


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
        # A variable is text: a Number parameter's default, which moto leaves a number, CloudFormation passes as text.
        # Lambda's own variables come on top of those of the template.
        # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
        environment={
            **{name: str(value) for name, value in described.get("Environment", {}).get("Variables", {}).items()},
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
            uuid=mapping["UUID"],
            reports_failures="ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or []),
        )
        for mapping in found
        if mapping["FunctionArn"] in by_arn
    )


# Calls under the role that a function assumes: PutEvents, which the bus asks for itself.
REPORTER = "the assumed role"


# -- running -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call that a function made of AWS."""

    role: str  # with whose credentials
    service: str
    operation: str
    refused: str = ""  # the IAM action that the role lacks


class WatchedClients:
    """An ActingSource like the one that runs in Lambda, with each client reported before it is used."""

    def __init__(self, clients: Clients, role: str, on_new: Callable[[Any, str], None]) -> None:
        self._clients = clients
        self._role = role
        self._on_new = on_new
        self._seen: set[int] = set()

    def client(self, service: str, region: str) -> Any:
        client = self._clients.client(service, region)
        if id(client) not in self._seen:
            self._seen.add(id(client))
            self._on_new(client, self._role)
        return client

    def acting_as(self, credentials: Credentials) -> WatchedClients:
        return WatchedClients(self._clients.acting_as(credentials), REPORTER, self._on_new)


class _Context:
    """What Lambda tells a function of its invocation."""

    aws_request_id = "simulated"

    def __init__(self, function: Function) -> None:
        self.function_name = function.name
        self._millis = function.timeout * 1000

    def get_remaining_time_in_millis(self) -> int:
        return self._millis


class Runtime:
    """Runs functions as Lambda does: one app per function, kept; its environment the stack's, its credentials those of
    its role, and its calls refused that the role's policies do not allow. `log` has what they wrote to standard output.
    """

    # Powertools keeps the stream that it finds at first for as long as the process lives.
    log = io.StringIO()

    def __init__(self, cloud: Cloud, *, judge: Judge = judge_locks, attempts: int = 2) -> None:
        self._cloud = cloud
        self._judge = judge
        self._attempts = attempts
        self._apps: dict[str, App] = {}
        self.faults = Faults()
        self.calls: list[ApiCall] = []

    def __call__(self, function: Function, event: Any) -> Any:
        """Invoke; raises what the function raises."""
        if function.arn not in self._apps:
            self._apps[function.arn] = self._start(function)
        module = importlib.import_module(function.module)
        with contextlib.redirect_stdout(self.log):
            return self._apps[function.arn].serve(module.handle, event, _Context(function))

    def _start(self, function: Function) -> App:
        keys = self._cloud.credentials(function.role, function.name)
        credentials = Credentials(*keys.values())
        clients = Clients(attempts=self._attempts, credentials=credentials, session=self._cloud.session)
        watched = WatchedClients(clients, function.role, self._watch)
        return App(function.environment, watched, now=self._cloud.clock.now, judge=self._judge)

    def _watch(self, client: Any, role: str) -> None:
        region = client.meta.region_name

        def before(params: Mapping[str, Any], model: Any, **_: Any) -> None:
            service, operation = model.service_model.service_name, model.name
            refused = "" if role == REPORTER else _missing(role, region, service, operation, params)
            self.calls.append(ApiCall(role, service, operation, refused))
            if refused:
                self.faults.left.setdefault(f"{service}:{operation}", []).append(denied(role, refused))

        client.meta.events.register("before-parameter-build", before)
        self.faults.watch(client)


def _missing(role: str, region: str, service: str, operation: str, params: Mapping[str, Any]) -> str:
    """The first permission that the role lacks for a call, or an empty string."""
    account = role.split(":")[4]
    wanted = needs(service, operation, params, Place(account, region))
    return next((need.action for need in wanted if not _allowed(Caller(account, role), need)), "")


def _allowed(caller: Caller, need: Need) -> bool:
    """A key's own policy is asked as well as the role's: no statement of another policy can stand for it."""
    context = {
        "aws:PrincipalArn": caller.principal,
        "aws:ResourceAccount": caller.account,
        "aws:SecureTransport": "true",
        **({"kms:ViaService": need.via} if need.via else {}),
    }
    by_role = identity_allows(caller, need.action, need.resource, context)
    return by_role and (not need.via or key_allows(caller, need.action, need.resource, context))
