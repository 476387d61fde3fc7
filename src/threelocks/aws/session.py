"""Clients of AWS services: one boto3 session in a process, each client made when it is first needed and then kept.

Making a session costs about 100 ms and a client 10 to 80 ms, which a cold start feels; and a client that is never asked
for needs no permission, region or endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import boto3
from botocore.config import Config

ATTEMPTS = 4
CONNECT_TIMEOUT = 2.0  # seconds
READ_TIMEOUT = 5.0  # seconds
# Temporary credentials are renewed this long before they expire: longer than any one call and its retries.
RENEW_BEFORE = timedelta(minutes=5)


class ClientSource(Protocol):
    """Where clients come from: `Clients` for AWS, `snapshot` for a file, anything else for tests and simulations."""

    def client(self, service: str, region: str) -> Any:
        """The client of a service (boto3's name for it) in a region."""


class ActingSource(ClientSource, Protocol):
    """A ClientSource that can call with other credentials."""

    def acting_as(self, credentials: Credentials) -> ClientSource:
        """The same, with other credentials."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key and, when it is a temporary one, its session token."""

    access_key: str
    secret_key: str
    token: str | None = None


class Clients:
    """An ActingSource on boto3.

    `attempts` counts the first call too (retry mode `standard`). Without `credentials`, boto3 finds them as it always
    does; `session` is made when the first client is. `endpoint_url` is for simulated services.
    """

    def __init__(
        self,
        *,
        attempts: int = ATTEMPTS,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        endpoint_url: str | None = None,
        credentials: Credentials | None = None,
        session: boto3.Session | None = None,
    ) -> None:
        self._config = Config(
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            retries={"total_max_attempts": attempts, "mode": "standard"},
        )
        self._endpoint_url = endpoint_url
        self._credentials = credentials
        self._session = session
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, region: str) -> Any:
        """The client of a service in a region: the same one at each call."""
        if (service, region) not in self._clients:
            self._clients[service, region] = self._make(service, region)
        return self._clients[service, region]

    def acting_as(self, credentials: Credentials) -> Clients:
        """Clients with the same settings, and of the same session, that call with other credentials."""
        other = Clients(endpoint_url=self._endpoint_url, credentials=credentials, session=self._opened())
        other._config = self._config
        return other

    def _opened(self) -> boto3.Session:
        if self._session is None:
            self._session = boto3.Session()
        return self._session

    def _make(self, service: str, region: str) -> Any:
        keys = self._credentials
        return self._opened().client(
            service,  # type: ignore[call-overload] # the stubs know each service by a literal
            region_name=region,
            config=self._config,
            endpoint_url=self._endpoint_url,
            aws_access_key_id=keys.access_key if keys else None,
            aws_secret_access_key=keys.secret_key if keys else None,
            aws_session_token=keys.token if keys else None,
        )


class AssumedRole:
    """A ClientSource that calls as another role; its credentials are kept until shortly before they expire.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """

    def __init__(
        self, clients: ActingSource, *, role_arn: str, session_name: str, region: str, now: Callable[[], datetime]
    ) -> None:
        self._clients = clients
        self._role_arn = role_arn
        self._session_name = session_name
        self._region = region  # of the STS endpoint
        self._now = now
        self._assumed: ClientSource | None = None
        self._expires: datetime | None = None

    def client(self, service: str, region: str) -> Any:
        """A client with the role's credentials. Raises botocore's ClientError when STS refuses the role."""
        if self._assumed is None or self._expires is None or self._now() >= self._expires - RENEW_BEFORE:
            self._assume()
        assert self._assumed is not None
        return self._assumed.client(service, region)

    def _assume(self) -> None:
        sts = self._clients.client("sts", self._region)
        answer = sts.assume_role(RoleArn=self._role_arn, RoleSessionName=self._session_name)["Credentials"]
        keys = Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
        self._assumed, self._expires = self._clients.acting_as(keys), answer["Expiration"]
