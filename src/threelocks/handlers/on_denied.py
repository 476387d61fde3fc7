"""Queue of refused reads -> diagnosed, kept, mailed while an incident is open. Off by default (docs/diagnosis.md).

A message that cannot be understood is kept, as failed: after its last receive it is a dead letter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from threelocks import events
from threelocks.diagnose import Alike, BadDenialError, Denial, NotDenied, read
from threelocks.events import BadEventError
from threelocks.handlers.app import App, TimeLeft, no_limit, process_app
from threelocks.handlers.batch import Message, failed, messages
from threelocks.inquiry import Inquiry, shared
from threelocks.watch import UnknownContractError

RESERVE = 20.0  # seconds; no diagnosis is begun with less time left, lest the whole batch be cut off


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Lambda's entry. Answers {"batchItemFailures": [...]}."""
    return process_app().serve(handle, event, context)


def handle(app: App, event: Any, time_left: TimeLeft = no_limit) -> dict[str, Any]:
    """Diagnose what the batch holds; answers which messages must come again."""
    shift = app.shift()
    inquiry = app.inquiry(shift.store, shared(shift.check))
    kept: list[str] = []
    denials: dict[Denial, list[Message]] = {}
    for message in messages(event):
        try:
            denial = _denial(app, message)
        except (BadEventError, BadDenialError) as error:
            _keep(app, message, error)
            kept.append(message.id)
            continue
        if denial:
            denials.setdefault(denial, []).append(message)
    for alike in inquiry.sort(denials):
        if time_left() < RESERVE or not _inquired(app, inquiry, alike):
            kept += _messages(denials, alike)
    return failed(kept)


def _keep(app: App, message: Message, error: Exception) -> None:
    app.telemetry.count("PoisonMessage")
    app.telemetry.log.error("a message that cannot be understood", message_id=message.id, reason=str(error))


def _denial(app: App, message: Message) -> Denial | None:
    """None for a record of no refused read. Raises BadEventError, BadDenialError."""
    envelope = events.envelope(message.body)
    if envelope.account != app.desk.account:
        raise BadEventError(
            f"the event `{envelope.id}` is of account `{envelope.account}`; mend the rule that let it in"
        )
    if envelope.detail_type != events.API_CALL:
        raise BadEventError(
            f"the detail-type `{envelope.detail_type}` is not CloudTrail's; mend the rule that matched it"
        )
    found = read(envelope.detail)
    return None if isinstance(found, NotDenied) else found


def _inquired(app: App, inquiry: Inquiry, alike: Alike) -> bool:
    """Diagnose one group; False when its messages must come again."""
    log, name = app.telemetry.log, alike.contract.name if alike.contract else ""
    try:
        answer = inquiry.inquire(alike)
    except UnknownContractError:
        log.info("the contract was removed meanwhile", contract=name)
        return True
    except Exception:
        log.exception("a refused read could not be diagnosed", contract=name, signature=alike.signature)
        return False
    app.telemetry.count("ReadDenied", len(alike.attempts))
    if answer:
        app.telemetry.count("ReadDiagnosed")
        log.info("diagnosed", contract=name, signature=answer.signature, sure=answer.sure, judgement=answer.judgement)
    return True


def _messages(denials: dict[Denial, list[Message]], alike: Alike) -> Iterable[str]:
    return (
        message.id for attempt in alike.attempts for denial in attempt.denials for message in denials.get(denial, [])
    )
