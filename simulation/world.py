"""Two accounts, deployed and at work: the watchdog's stacks, the share, who changes it and who is told."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from simulation import share
from simulation.clock import Clock
from simulation.cloud import Cloud, simulated_aws
from simulation.functions import Function, Mapped, Runner, Runtime, functions, mappings
from simulation.mailbox import Mail, Mailbox
from simulation.poller import Invocation, Poller
from simulation.stacks import Stack, deploy
from simulation.trail import GLOBAL_REGION, Actor, Trail
from threelocks import cli
from threelocks.contract import Contract

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE, RELAY = ROOT / "template.yaml", ROOT / "relay.yaml"
CONTRACT = ROOT / "contracts" / "bi-curated-read.yaml"
STACK, RELAY_STACK = "threelocks", "threelocks-relay"
SETTLE = 900  # seconds; the longest that a message can be delayed


@dataclass(frozen=True, slots=True)
class Templates:
    """What is deployed; tests deploy others to see the demo fail."""

    home: Path = TEMPLATE
    relay: Path = RELAY
    parameters: Mapping[str, str] = field(default_factory=dict)  # further ones, of the home stack


@dataclass(frozen=True, slots=True)
class Account:
    """One of the two, deployed."""

    id: str
    name: str  # as the contract has it
    home_region: str
    people: Actor  # who administers it
    home: Stack
    relay: Stack
    functions: Mapping[str, Function]  # by logical id

    def function(self, module: str) -> Function:
        """The function whose code is `threelocks.handlers.<module>`. Raises LookupError."""
        for function in self.functions.values():
            if function.module == f"threelocks.handlers.{module}":
                return function
        raise LookupError(f"no function of the stack runs `threelocks.handlers.{module}`")


class World:
    """Everything at once. Messages move only when `settle` is called."""

    def __init__(self, cloud: Cloud, contract: Contract, runtime: Runtime, runner: Runner | None = None) -> None:
        self.cloud = cloud
        self.contract = contract
        self.runtime = runtime
        self.runner: Runner = runner or runtime
        self.trail = Trail(cloud.bus, cloud.clock, cloud.records)
        self.accounts: dict[str, Account] = {}
        self.applied: dict[str, str] = {}  # what `threelocks apply` printed, by account
        self._mapped: list[Mapped] = []
        self._mailboxes: dict[str, Mailbox] = {}
        self._administrators: dict[tuple[str, str], Any] = {}
        self.poller = Poller(cloud, (), self.runner, {})

    # -- deploying -----------------------------------------------------------------------------------------------------

    def deploy(self, people: Actor, partners: tuple[str, ...], templates: Templates) -> Account:
        """Both stacks of one account, as its administrator deploys them."""
        party = self.contract.party(people.account)
        assert party is not None  # the people are of the parties
        home = deploy(
            self.cloud,
            templates.home,
            name=STACK,
            role=people.role,
            region=party.home_region,
            parameters={"PartnerAccounts": ",".join(partners), **templates.parameters},
        )
        relay = deploy(
            self.cloud,
            templates.relay,
            name=RELAY_STACK,
            role=people.role,
            region=GLOBAL_REGION,
            parameters={"HomeRegion": party.home_region},
        )
        account = Account(
            id=people.account,
            name=party.name,
            home_region=party.home_region,
            people=people,
            home=home,
            relay=relay,
            functions={each.logical_id: each for each in functions(self.cloud, home, people.role)},
        )
        self.accounts[people.account] = account
        self._mapped += mappings(self.cloud, home, people.role)
        roles = {each.id: each.people.role for each in self.accounts.values()}
        self.poller = Poller(self.cloud, self._mapped, self.runner, roles)
        self._mailboxes[people.account] = Mailbox(self.cloud, home.outputs["AlertTopicArn"], people.role)
        return account

    def apply_contract(self, account: str, path: Path = CONTRACT, *options: str) -> str:
        """`threelocks apply`, with the credentials of the account's administrator; what the command printed."""
        people = self.accounts[account].people
        keys = self.cloud.credentials(people.role, people.session)
        said = io.StringIO()
        signed_in = patch.dict(os.environ, {name.upper(): value for name, value in keys.items()})
        with signed_in, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = cli.main(["apply", str(path), *options], now=self.cloud.clock.now)
        if status:
            raise RuntimeError(f"`threelocks apply` ended with {status}: {said.getvalue().strip()}")
        return said.getvalue()

    def set_up_share(self) -> None:
        """Trails, bucket, key and role, before anybody watches them."""
        owner, consumer = self.contract.owner.account, self.contract.consumer.account
        for account in self.accounts:
            cloudtrail, s3 = self._unrecorded(account, "cloudtrail"), self._unrecorded(account, "s3")
            objects = self.contract.bucket_arn if account == owner else ""
            share.create_trail(cloudtrail, s3, account, objects=objects)
        share.create_key(self._unrecorded(self.contract.key_account, "kms"), self.contract)
        share.create_bucket(self._unrecorded(owner, "s3"), self._unrecorded(owner, "s3control"), self.contract)
        share.create_role(self._unrecorded(consumer, "iam"), self.contract)

    def _unrecorded(self, account: str, service: str) -> Any:
        return self.cloud.client(service, self.contract.bucket.region, self.accounts[account].people.role)

    # -- people --------------------------------------------------------------------------------------------------------

    def administrator(self, account: str, service: str) -> Any:
        """A client of the account's administrator. Each change made with it is recorded by CloudTrail, and so put on
        the account's default bus."""
        if (account, service) not in self._administrators:
            people = self.accounts[account].people
            region = self.contract.bucket.region
            client = self.cloud.new_client(service, region, people.role, session=people.session)
            self.trail.watch(client, people)
            self._administrators[account, service] = client
        return self._administrators[account, service]

    def mails(self) -> dict[str, tuple[Mail, ...]]:
        """What came since the last reading, by account."""
        return {account: mailbox.read() for account, mailbox in self._mailboxes.items()}

    # -- functions -----------------------------------------------------------------------------------------------------

    def settle(self) -> tuple[Invocation, ...]:
        """Let every message take its way, those that are delayed too; what ran, oldest first."""
        return self.poller.settle(SETTLE)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and with it the schedule: a sweep in each account at every full hour."""
        until = self.cloud.clock.now() + timedelta(seconds=seconds)
        while (hour := _next_hour(self.cloud.clock.now())) < until:
            self.cloud.clock.advance((hour - self.cloud.clock.now()).total_seconds())
            for account in self.accounts:
                self.invoke(account, "sweep", {})
            self.settle()
        self.cloud.clock.advance(max(0.0, (until - self.cloud.clock.now()).total_seconds()))

    def invoke(self, account: str, module: str, event: Any) -> Any:
        """Invoke a function synchronously, as `aws lambda invoke` does."""
        answer = self.runner(self.accounts[account].function(module), event)
        return json.loads(json.dumps(answer))


def _next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def people_of(contract: Contract) -> tuple[Actor, ...]:
    """The administrators of each party."""
    owner, consumer = contract.owner.account, contract.consumer.account
    others = (party.account for party in contract.parties if party.account not in (owner, consumer))
    return (
        Actor(
            owner,
            f"arn:aws:iam::{owner}:role/DataPlatformAdmin",
            "dana@example.com",
            "198.51.100.7",
            "AROAEXAMPLEDPADMIN111",
        ),
        Actor(
            consumer,
            f"arn:aws:iam::{consumer}:role/BiTeamAdmin",
            "bora@example.com",
            "203.0.113.40",
            "AROAEXAMPLEBIADMIN222",
        ),
        *(
            Actor(
                each, f"arn:aws:iam::{each}:role/CloudAdmin", "cleo@example.com", "192.0.2.60", "AROAEXAMPLECLOUD44444"
            )
            for each in others
        ),
    )


@contextmanager
def simulated_world(
    *,
    clock: Clock | None = None,
    templates: Templates = Templates(),
    partners: Mapping[str, tuple[str, ...]] | None = None,
    contract_file: Path = CONTRACT,
    runner: Callable[[Cloud], Runner] | None = None,
    **runtime: Any,
) -> Iterator[World]:
    """Both accounts deployed, the contract applied in both, the share set up, and nothing checked yet.

    `partners` replaces the accounts that a stack admits, by account. `runner` makes what runs the functions, in place
    of Runtime, to which further arguments go.
    """
    contract = cli.load(contract_file)
    people = people_of(contract)
    with simulated_aws(clock) as cloud:
        world = World(cloud, contract, Runtime(cloud, **runtime), runner(cloud) if runner else None)
        for each in people:
            others = tuple(party.account for party in contract.others(each.account))
            world.deploy(each, (partners or {}).get(each.account, others), templates)
        world.set_up_share()
        for each in people:
            world.applied[each.account] = world.apply_contract(each.account, contract_file)
        yield world
