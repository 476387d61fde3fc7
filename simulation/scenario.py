"""One change after the other, each watched all the way: from the call to the mails, and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from simulation.bus import Hop, Outcome
from simulation.changes import Change, Deed
from simulation.mailbox import Mail
from simulation.poller import Invocation
from simulation.world import World
from threelocks.finding import Headline

# In simulated seconds: between two changes, from a break to its repair, and from a call to its record's arrival.
PAUSE, REPAIR, DELIVERY = 1500.0, 540.0, 20.0


class Audience(Protocol):
    """Who watches while it happens."""

    def event(self, at: datetime, account: str, text: str) -> None:
        """Somebody of that account does something."""

    def aftermath(self, aftermath: Aftermath) -> None:
        """What came of it."""


class Nobody:
    """An empty hall."""

    def event(self, at: datetime, account: str, text: str) -> None:
        pass

    def aftermath(self, aftermath: Aftermath) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Route:
    """How one call came to be judged: the rules it passed, and the function that ran for it."""

    at: str  # when the call was made, as its record says
    by: str  # the account of who made it
    actor: str  # the name of the session
    command: str  # "iam.put-role-policy"
    event_name: str
    rules: tuple[str, ...]  # logical ids with their region, in order
    function: str  # logical id; empty when no function ran
    account: str  # where it ran

    def __str__(self) -> str:
        return " > ".join((*self.rules, self.function or "nobody"))


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What came of one deed."""

    records: tuple[Mapping[str, Any], ...]  # CloudTrail's, one per call
    routes: tuple[Route, ...]  # one per record
    invocations: tuple[Invocation, ...]
    mails: Mapping[str, tuple[Mail, ...]]  # by account

    @property
    def errors(self) -> tuple[str, ...]:
        """What functions raised, or left in their queue."""
        return tuple(
            f"{run.function.logical_id} in {run.function.account}: {run.error or 'batch item failures'}"
            for run in self.invocations
            if run.error or run.failed
        )

    @property
    def is_silent(self) -> bool:
        return not any(self.mails.values())


@dataclass(frozen=True, slots=True)
class Step:
    """A change, what it did, and what its repair did."""

    change: Change
    broken: Aftermath
    mended: Aftermath | None
    seconds: float  # of real time

    def problems(self, accounts: Iterable[str]) -> tuple[str, ...]:
        """Why this step does not count as a success; empty when it does."""
        return tuple(_problems(self, tuple(accounts)))


@dataclass(frozen=True, slots=True)
class Beginning:
    """The share before anything happens: re-checked in each account, twice."""

    headlines: Mapping[str, str]  # by account, as the second re-check answered them
    first: Aftermath
    again: Aftermath

    def problems(self) -> tuple[str, ...]:
        """Why the share is not intact and told so once; empty when it is."""
        return tuple(_bad_beginning(self))


def begin(world: World, audience: Audience | None = None) -> Beginning:
    """Ask for a re-check in each account, and once more when each has heard of the other."""
    audience = audience or Nobody()
    answers: dict[str, str] = {}

    def recheck(_: World) -> None:
        for account in world.accounts:
            audience.event(world.cloud.clock.now(), account, "invokes the re-check")
            answer = world.invoke(account, "recheck", {"contract": world.contract.name})
            answers[account] = ", ".join([share["headline"] for share in answer["contracts"]] or [str(answer)])

    first = after(world, recheck)
    audience.aftermath(first)
    world.cloud.clock.advance(DELIVERY)
    again = after(world, recheck)
    for account, headline in answers.items():
        audience.event(world.cloud.clock.now(), account, f"is answered {headline}")
    audience.aftermath(again)
    return Beginning(dict(answers), first, again)


def run(world: World, change: Change, audience: Audience | None = None) -> Step:
    """Make a change, see what comes of it, and mend it."""
    audience, began = audience or Nobody(), time.monotonic()
    broken = _watched(world, change.make, PAUSE, audience)
    mended = _watched(world, change.mend, REPAIR, audience) if change.mend else None
    return Step(change, broken, mended, time.monotonic() - began)


def _watched(world: World, deed: Deed, pause: float, audience: Audience) -> Aftermath:
    world.pass_time(pause)
    aftermath = after(world, deed)
    audience.aftermath(aftermath)
    return aftermath


def after(world: World, deed: Deed | Callable[[World], None]) -> Aftermath:
    """Everything that comes of a deed."""
    record, hop = len(world.trail.records), len(world.cloud.bus.hops)
    deed(world)
    world.cloud.clock.advance(DELIVERY)
    invocations = world.settle()
    records, hops = tuple(world.trail.records[record:]), tuple(world.cloud.bus.hops[hop:])
    routes = tuple(_route(world, each, hops, invocations) for each in records)
    return Aftermath(records, routes, invocations, world.mails())


def _route(
    world: World, record: Mapping[str, Any], hops: tuple[Hop, ...], invocations: tuple[Invocation, ...]
) -> Route:
    event = world.trail.event_of(record)
    passed = [hop for hop in hops if hop.event_id == event and hop.outcome is Outcome.DELIVERED]
    ran = [run for run in invocations if any(body.get("id") == event for body in run.bodies())]
    return Route(
        at=record["eventTime"],
        by=record["userIdentity"]["accountId"],
        actor=record["userIdentity"]["arn"].rpartition("/")[2],
        command=record["userAgent"].rpartition("#")[2],
        event_name=record["eventName"],
        rules=tuple(f"{hop.logical_id} ({hop.rule.split(':')[3]})" for hop in passed),
        function=ran[0].function.logical_id if ran else "",
        account=ran[0].function.account if ran else record["recipientAccountId"],
    )


# -- what counts as success --------------------------------------------------------------------------------------------


def _bad_beginning(beginning: Beginning) -> Iterable[str]:
    yield from (*beginning.first.errors, *beginning.again.errors)
    for account, headline in beginning.headlines.items():
        if headline != Headline.INTACT.value:
            yield f"the re-check in {account} answered {headline}, not INTACT"
        yield from _told_otherwise("share", account, beginning.first.mails[account], {"standing": "INTACT"})
    if not beginning.again.is_silent:
        yield "the first verdict was told twice"


def _problems(step: Step, accounts: tuple[str, ...]) -> Iterable[str]:
    change = step.change
    for aftermath in (step.broken, *([step.mended] if step.mended else [])):
        yield from aftermath.errors
        yield from (f"{route.event_name} reached no function" for route in aftermath.routes if not route.function)
    if change.lock is None:
        yield from () if step.broken.is_silent else ("somebody was told, though nothing changed",)
        return
    wanted = {"standing": change.standing.value, "lock": change.lock.value}
    for account in accounts:
        yield from _told_otherwise("break", account, step.broken.mails[account], wanted)
        if step.mended:
            recovered = {"standing": Headline.INTACT.value, "lock": change.lock.value}
            yield from _told_otherwise("recovery", account, step.mended.mails[account], recovered)


def _told_otherwise(what: str, account: str, mails: tuple[Mail, ...], wanted: Mapping[str, str]) -> Iterable[str]:
    if len(mails) != 1:
        yield f"{account} got {len(mails)} mails of the {what}, not one"
    for mail in mails:
        for name, value in wanted.items():
            if mail.attribute(name) != value:
                yield f"{account} was told of the {what} with {name} `{mail.attribute(name)}`, not `{value}`"
