"""A person asks: check one contract, or all of them, while they wait.

{} or {"contract": NAME} -> {"contracts": [share, ...], "errors": [{"contract", "error"}, ...]}, a share being what
`report.encode` makes of finding.Share, with its headline and `since` when it stands so; each of its locks says as of
when it is known. `incidents` are each party's last one: id, account, opened, closed, `seconds` that it lasted, by whom,
and what changed in between. `changes` says what the last change of policies did to permissions, for each of our own
locks of which one was seen. The other parties are asked for fresh reports, which are not waited for: ask again in a
minute.

With "since": TIME (ISO 8601, with its offset), each share has a `history` too: how it stood from then on, newest first.
With "diagnose": RECORDS (CloudTrail's, in any form that `threelocks diagnose` reads), the refused reads among them are
diagnosed against a live check: {"diagnoses": [...], "others": how many are of no contract here, "errors": [...]}.
Anything else -> {"error": what is accepted}.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from threelocks import incident
from threelocks.alert.changed import in_words
from threelocks.contract import Contract, ContractName, Frozen
from threelocks.finding import Cause, Share
from threelocks.handlers.app import App, TimeLeft, no_limit, process_app
from threelocks.handlers.shared import Shift
from threelocks.report import Incident, encode
from threelocks.spelling import shown
from threelocks.watch import UndeliveredError, UnknownContractError

RESERVE = 30.0  # seconds; no check is begun with less time left, lest the caller get no answer at all
ACCEPTED = (
    'send {} for all contracts, {"contract": "<name>"} for one, and "since": "2026-11-23T10:00:00Z" with either for '
    'what has changed since; or {"diagnose": {"Records": [...]}} with CloudTrail records of refused reads'
)
ROWS = 50  # of history, for each contract


class Request(Frozen):
    contract: ContractName | None = None
    since: AwareDatetime | None = None
    diagnose: dict[str, Any] | list[Any] | None = None


_request = TypeAdapter(Request)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Lambda's entry."""
    return process_app().serve(handle, event, context)


def handle(app: App, event: Any, time_left: TimeLeft = no_limit) -> dict[str, Any]:
    """Check what is asked for, one contract after the other."""
    try:
        asked = _request.validate_python(event)
    except ValidationError:
        return {"error": f"{shown(_text(event))} is not a re-check; {ACCEPTED}"}
    shift = app.shift()
    if asked.diagnose is not None:
        return _diagnosed(app, shift, asked.diagnose, asked.contract)
    names = app.desk.store.names() if asked.contract is None else (asked.contract,)
    shares: list[dict[str, Any]] = []
    errors: list[dict[str, str]] = []
    for name in names:
        share, error = (
            _checked(app, shift, name) if time_left() >= RESERVE else (None, "no time left; ask for it alone")
        )
        shares += [_answer(app, shift, share, asked.since)] if share else []
        errors += [{"contract": name, "error": error}] if error else []
    return {"contracts": shares, "errors": errors}


def _checked(app: App, shift: Shift, name: str) -> tuple[Share | None, str]:
    """The share, and what went wrong: both, when the verdict stands but somebody could not be told."""
    cause = Cause(kind="recheck", at=app.now(), account=app.desk.account, region=app.region)
    try:
        share = shift.check(name, cause)
    except UnknownContractError as error:
        return None, str(error)
    except UndeliveredError as error:
        app.telemetry.log.warning("a re-check could not tell everybody", contract=name, exc_info=True)
        return error.share, str(error)
    except Exception as error:
        app.telemetry.log.exception("a re-check failed", contract=name)
        return None, f"{type(error).__name__}: {error}"
    app.telemetry.count("ContractChecked")
    app.telemetry.count("FindingsFound", len(share.findings))
    return share, ""


def _diagnosed(app: App, shift: Shift, records: Any, contract: str | None) -> dict[str, Any]:
    """What refused the reads that the records tell of."""
    from threelocks.inquiry import shared  # noqa: PLC0415 - seldom asked for

    def check(name: str, cause: Cause) -> Share:
        try:
            return shift.check(name, cause)
        except UndeliveredError as error:  # the verdict stands all the same
            app.telemetry.log.warning("a check could not tell everybody", contract=name, exc_info=True)
            return error.share

    try:
        answer = app.inquiry(shift.store, shared(check)).by_hand(records, contract)
    except Exception as error:
        app.telemetry.log.exception("a diagnosis failed")
        return {"diagnoses": [], "others": 0, "errors": [{"error": f"{type(error).__name__}: {error}"}]}
    return {
        "diagnoses": [json.loads(encode(one)) for one in answer.diagnoses],
        "others": answer.others,
        "errors": [{"record": wrong.place, "error": wrong.problem} for wrong in answer.gathered.wrong],
    }


def _lately(app: App, shift: Shift, contract: str) -> list[dict[str, Any]]:
    """What refused reads were diagnosed of late; nothing, when that cannot be read: the share itself matters more."""
    try:
        found = app.inquiry(shift.store, shift.check).lately(contract)
    except Exception:
        app.telemetry.log.warning("the last diagnoses could not be read", contract=contract, exc_info=True)
        return []
    return [json.loads(encode(one)) for one in found]


def _answer(app: App, shift: Shift, share: Share, since: datetime | None) -> dict[str, Any]:
    state = app.desk.store.state(share.contract)
    stood = state.since.isoformat() if state and state.since else None
    answer = {"headline": share.headline.value, "since": stood, **json.loads(encode(share))}
    contract = shift.store.contract(share.contract)
    if state and contract:
        answer["incidents"] = [_told(one, app.now()) for one in incident.incidents(contract, state)]
    changes = _changes(app, contract, share) if contract else []
    if changes:
        answer["changes"] = changes
    diagnoses = _lately(app, shift, share.contract)
    if diagnoses:
        answer["diagnoses"] = diagnoses
    if since:
        rows = app.desk.store.history(share.contract, since=since, limit=ROWS)
        answer["history"] = [json.loads(encode(row)) for row in rows]
    return answer


def _told(one: Incident, now: datetime) -> dict[str, Any]:
    """The incident, and how long it has lasted."""
    seconds = max(0, int(((one.closed or now) - one.opened).total_seconds()))
    return {**json.loads(encode(one)), "seconds": seconds}


def _changes(app: App, contract: Contract, share: Share) -> list[dict[str, Any]]:
    """What the last change of the policies of each of our own locks did, in one sentence and in full."""
    kept = [
        app.desk.store.kept(share.contract, state.lock) for state in share.locks if state.account == app.desk.account
    ]
    changes = [one.change for one in kept if one and one.change]
    return [{"says": in_words(contract, one), **json.loads(encode(one))} for one in changes]


def _text(event: Any) -> str:
    return json.dumps(event, ensure_ascii=False, default=str)
