"""Simulated AWS: moto in this process, with what it leaves out put in its place for as long as the cloud is up."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from threading import Lock
from typing import Any
from unittest.mock import patch

import boto3
import moto.kms.models
import moto.sqs.models
import moto.sts.models
from botocore.config import Config
from botocore.httpsession import URLLib3Session
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sts.models import sts_backends

from simulation.bus import EventBridge
from simulation.clock import Clock
from simulation.environment import environment_of_its_own
from simulation.feeding import mappings_are_shown_as_set
from simulation.history import event_history_of
from simulation.payer import payer_is_known
from simulation.permission import Caller
from simulation.resources import register
from simulation.roles import trust_is_asked
from simulation.subscribers import subscribers_are_counted

_UP = Lock()
# One attempt: a simulated service that answers with an error does so on purpose, and waiting would only cost time.
CLIENT_CONFIG = Config(retries={"total_max_attempts": 1})


class Cloud:
    """Simulated AWS while it is up. Clients are made for a role of an account, and shared."""

    def __init__(self, clock: Clock, bus: EventBridge) -> None:
        self.clock = clock
        self.bus = bus
        self.session = _session()
        self.records: list[dict[str, Any]] = []  # CloudTrail's, of every account, oldest first
        self._credentials: dict[tuple[str, str], dict[str, str]] = {}
        self._clients: dict[tuple[str, str, str, str], Any] = {}

    def client(self, service: str, region: str, role: str, *, session: str = "simulation") -> Any:
        """A client that calls as that role (its ARN names the account)."""
        wanted = (service, region, role, session)
        if wanted not in self._clients:
            self._clients[wanted] = self.new_client(service, region, role, session=session)
        return self._clients[wanted]

    def new_client(
        self, service: str, region: str, role: str, *, session: str = "simulation", config: Config = CLIENT_CONFIG
    ) -> Any:
        """A client of its own, for who hooks into it."""
        return self.session.client(
            service,  # type: ignore[call-overload]
            region_name=region,
            config=config,
            **self.credentials(role, session),
        )

    def credentials(self, role: str, session: str) -> dict[str, str]:
        """Temporary credentials of a role; the role need not exist yet, since administrators are there first."""
        if (role, session) not in self._credentials:
            sts = self.session.client("sts", region_name="eu-west-1", config=CLIENT_CONFIG)
            answer = sts.assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
            self._credentials[role, session] = {
                "aws_access_key_id": answer["AccessKeyId"],
                "aws_secret_access_key": answer["SecretAccessKey"],
                "aws_session_token": answer["SessionToken"],
            }
        return self._credentials[role, session]


@cache
def _session() -> boto3.Session:
    """One for all clouds: what makes a client slow is reading its service's model, which a session keeps."""
    return boto3.Session()


@contextmanager
def simulated_aws(clock: Clock | None = None) -> Iterator[Cloud]:
    """A fresh cloud without any resources; gone, with all that was in it, when the block ends."""
    clock = clock or Clock()
    # moto's state is the process's: a second cloud would find the first one's buckets.
    if not _UP.acquire(blocking=False):
        raise RuntimeError("a simulated cloud is up already; there is one at a time")
    with ExitStack() as stack:
        stack.callback(_UP.release)
        stack.enter_context(warnings.catch_warnings())
        # The services' models do not list the errors that every service can answer with, AccessDenied for one.
        warnings.filterwarnings("ignore", message=".*does not match an error shape.*")
        stack.enter_context(environment_of_its_own())
        stack.enter_context(mock_aws(config={"lambda": {"use_docker": False}}))
        # Queues tell the time by these: delays and visibility timeouts follow the simulated clock.
        stack.enter_context(patch.object(moto.sqs.models, "unix_time_millis", clock.millis))
        stack.enter_context(patch.object(moto.sqs.models, "unix_time", clock.seconds))
        # By this, so many days pass until a key is deleted, and a role's credentials expire.
        for models in (moto.kms.models, moto.sts.models):
            stack.enter_context(patch.object(models, "utcnow", clock.naive))
        stack.enter_context(patch.object(URLLib3Session, "send", _nothing_leaves))
        bus = EventBridge(clock)
        stack.enter_context(bus.in_place_of_motos(_caller))
        stack.enter_context(trust_is_asked(_caller))
        stack.enter_context(payer_is_known())
        stack.enter_context(subscribers_are_counted())
        stack.enter_context(mappings_are_shown_as_set())
        register()
        cloud = Cloud(clock, bus)
        stack.enter_context(event_history_of(cloud.records))
        yield cloud


def _caller(account: str, access_key: str) -> Caller:
    """Who holds the credentials that signed a call. Those of the simulation itself only ever start a function."""
    if account == DEFAULT_ACCOUNT_ID:
        return Caller("", "lambda.amazonaws.com")
    assumed = sts_backends[account]["aws"].get_assumed_role_from_access_key(access_key)
    return Caller(account, assumed.role_arn if assumed else f"arn:aws:iam::{account}:root")


def _nothing_leaves(_: URLLib3Session, request: Any) -> None:
    # moto answers before a connection is made: who gets here would go out to the network.
    raise RuntimeError(f"`{request.method} {request.url}` is not simulated, and nothing may leave the machine")
