"""Queue of partners' reports -> stored, merged, announced. Never reads a lock, never sends a report.

A partner's request for a report becomes a request for a check, which `on_change` answers with its report.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from threelocks import events
from threelocks.events import BadEventError, Envelope
from threelocks.handlers.app import App, TimeLeft, no_limit, process_app
from threelocks.handlers.batch import Message, failed, messages
from threelocks.handlers.shared import tell
from threelocks.report import DETAIL_TYPE, REQUEST_TYPE, SOURCE, MalformedError, ReportRequest, decode, read
from threelocks.watch import Filled, RefusedReportError


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Lambda's entry. Answers {"batchItemFailures": [...]}."""
    return process_app().serve(handle, event, context)


def handle(app: App, event: Any, _: TimeLeft = no_limit) -> dict[str, Any]:
    """Hear every report of the batch, then tell people; answers which messages must come again."""
    kept: list[str] = []
    waiting: list[Filled] = []
    filled_by: dict[str, list[str]] = {}  # contract -> ids of the messages whose mail is part of the waiting
    for message in messages(event):
        before = len(waiting)
        if not _heard(app, message, waiting):
            kept.append(message.id)
        for name, _slot in waiting[before:]:
            filled_by.setdefault(name, []).append(message.id)
    return failed([*kept, *(one for name in tell(app, waiting) for one in filled_by.get(name, ()))])


def _heard(app: App, message: Message, waiting: list[Filled]) -> bool:
    """Hear one message; False when it must come again, or is for the dead letters."""
    log = app.telemetry.log
    try:
        envelope = events.envelope(message.body)
        hear = _HEAR.get((envelope.source, envelope.detail_type), _strange)
        # The sender is who EventBridge says it is, whatever the report itself claims.
        hear(app, envelope, waiting)
    except (RefusedReportError, MalformedError) as error:
        # Another try would be refused as well. The sender's next sweep sends its whole state again.
        app.telemetry.count("ReportRefused")
        log.warning("refused a report", sender=envelope.account, event_id=envelope.id, reason=str(error))
        return True
    except BadEventError as error:
        app.telemetry.count("PoisonMessage")
        log.warning("a message that is no report", message_id=message.id, reason=str(error))
        return False
    except Exception:
        log.exception("a report could not be kept or told", message_id=message.id)
        return False
    return True


def _report(app: App, envelope: Envelope, waiting: list[Filled]) -> None:
    report = read(envelope.detail)
    app.desk.hear(envelope.account, report, sent_at=envelope.time, waiting=waiting)
    verdict = report.verdict
    app.telemetry.log.info(
        "heard", sender=envelope.account, contract=verdict.contract, standing=verdict.headline, stamp=report.stamp
    )


def _request(app: App, envelope: Envelope, _: list[Filled]) -> None:
    request = decode(ReportRequest, json.dumps(envelope.detail))
    is_taken_up = app.desk.answer(envelope.account, request)
    app.telemetry.log.info(
        "asked for a report", sender=envelope.account, contract=request.contract, is_taken_up=is_taken_up
    )


def _strange(_: App, envelope: Envelope, __: list[Filled]) -> None:
    raise BadEventError(
        f"`{envelope.detail_type}` of `{envelope.source}` is not a report; mend the rule that matched it"
    )


_HEAR: dict[tuple[str, str], Callable[[App, Envelope, list[Filled]], None]] = {
    (SOURCE, DETAIL_TYPE): _report,
    (SOURCE, REQUEST_TYPE): _request,
}
