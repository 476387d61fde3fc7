"""Queues of changes and of checks -> checks. A batch is collapsed to the contracts that it touches, which share what is
read for them; more than one invocation can check are asked for in lots.

A message that cannot be understood is kept, as failed: after its last receive it is a dead letter, which alarms and can
be read for 14 days. That costs some useless tries and loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from threelocks import events
from threelocks.events import BadEventError, NoChange
from threelocks.finding import Cause
from threelocks.handlers.app import App, TimeLeft, no_limit, process_app
from threelocks.handlers.batch import BadRequestError, Message, failed, messages, read_request, requests
from threelocks.handlers.shared import Shift, tell
from threelocks.watch import Filled, TransientError, UndeliveredError, UnknownContractError

RESERVE = 15.0  # seconds; no check is begun with less time left, lest the whole batch be cut off and judged again
HERE = 100  # checks in one invocation: what its time is enough for, with a wide margin
LOT = 50  # contracts in one message, when there are more


@dataclass(frozen=True, slots=True)
class Wanted:
    """One message wants one contract checked."""

    contract: str
    cause: Cause
    message: Message


@dataclass(frozen=True, slots=True)
class Check:
    """One check, which answers for all the messages that want it."""

    contract: str
    cause: Cause
    messages: tuple[Message, ...]

    @property
    def is_first_try(self) -> bool:
        return all(message.is_first_try for message in self.messages)

    @property
    def is_last_try(self) -> bool:
        return any(message.is_last_try for message in self.messages)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Lambda's entry. Answers {"batchItemFailures": [...]}."""
    return process_app().serve(handle, event, context)


def handle(app: App, event: Any, time_left: TimeLeft = no_limit) -> dict[str, Any]:
    """Check every contract that the batch touches, once; answers which messages must come again."""
    shift = app.shift()
    kept: list[str] = []
    wanted: list[Wanted] = []
    for message in messages(event):
        try:
            wanted += _wanted(app, shift, message)
        except Exception as error:  # noqa: BLE001 - one message's trouble is not the others'
            _keep(app, message, error)
            kept.append(message.id)
    checks = list(_collapse(wanted))
    kept += _hand_on(app, checks[HERE:])
    waiting: list[Filled] = []
    for check in checks[:HERE]:
        if time_left() < RESERVE or not _checked(app, shift, check, waiting):
            kept += [message.id for message in check.messages]
    untold = tell(app, waiting)
    return failed([*kept, *(message.id for check in checks if check.contract in untold for message in check.messages)])


def _wanted(app: App, shift: Shift, message: Message) -> Iterable[Wanted]:
    """Raises BadEventError or BadRequestError for a message that no try can mend."""
    asked = read_request(message.body)
    if asked:
        return [Wanted(name, asked.cause, message) for name in asked.contracts]
    change = events.read(events.envelope(message.body), account=app.desk.account)
    if isinstance(change, NoChange):
        app.telemetry.log.info("no change", reason=change.reason)
        return []
    names = shift.store.names() if change.everything else shift.store.touching(change.resources)
    return [Wanted(name, change.cause, message) for name in names]


def _hand_on(app: App, checks: Sequence[Check]) -> Iterator[str]:
    """Ask for checks that there is no time for here; the messages of those that could not be asked for come again.

    A lot is of one cause: who is behind the change travels with it.
    """
    texts: dict[str, list[Message]] = {}
    for cause, group in groupby(checks, key=lambda check: check.cause):
        together = list(group)
        for start in range(0, len(together), LOT):
            lot = together[start : start + LOT]
            text = requests([check.contract for check in lot], cause)
            texts[text] = [message for check in lot for message in check.messages]
    if texts:
        app.telemetry.log.info("asked for further checks", checks=len(checks), lots=len(texts))
    for text in app.outbox.send(list(texts)) if texts else ():
        yield from (message.id for message in texts[text])


def _keep(app: App, message: Message, error: Exception) -> None:
    if isinstance(error, BadEventError | BadRequestError):
        app.telemetry.count("PoisonMessage")
        app.telemetry.log.error("a message that cannot be understood", message_id=message.id, reason=str(error))
    else:
        app.telemetry.log.error("a message could not be looked up", message_id=message.id, exc_info=error)


def _collapse(wanted: Iterable[Wanted]) -> Iterator[Check]:
    """One check per contract and kind of cause, with the newest cause.

    Kinds stay apart because a sweep's check is also the heartbeat that other parties wait for, and a change's has
    somebody to name: neither can stand for the other.
    """
    groups: dict[tuple[str, str], list[Wanted]] = {}
    for one in wanted:
        groups.setdefault((one.contract, one.cause.kind), []).append(one)
    for (contract, _), group in groups.items():
        newest = max(group, key=lambda one: one.cause.at)
        yield Check(contract, newest.cause, tuple({one.message.id: one.message for one in group}.values()))


def _checked(app: App, shift: Shift, check: Check, waiting: list[Filled]) -> bool:
    """Run a check; False when its messages must come again."""
    log = app.telemetry.log
    try:
        share = shift.watch.check(
            check.contract,
            check.cause,
            last_try=check.is_last_try,
            first_try=check.is_first_try,
            waiting=waiting,
        )
    except UnknownContractError:
        log.info("the contract was removed meanwhile", contract=check.contract)
        return True
    except (TransientError, UndeliveredError) as error:
        log.warning("a check must be tried again", contract=check.contract, reason=str(error), exc_info=True)
        return False
    except Exception:
        log.exception("a check failed", contract=check.contract)
        return False
    app.telemetry.count("ContractChecked")
    app.telemetry.count("FindingsFound", len(share.findings))
    log.info("checked", contract=check.contract, standing=share.headline, cause=check.cause.event_name)
    return True
