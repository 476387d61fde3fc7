"""The announcement as an event on the account's own default bus, for other automations. docs/events.md documents it.

Format `threelocks.standing/1`. A field may be added to it; one that changes or goes makes the next format. It is the
whole standing and not a change, so that one that was lost or came late does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from threelocks.alert.mail import label
from threelocks.alert.text import plain
from threelocks.alert.words import effect, kind_of, subject_finding
from threelocks.catalogue import plain_sentence
from threelocks.contract import Contract
from threelocks.finding import Cause, Finding, Suspension
from threelocks.incident import Slot, identities, touches
from threelocks.report import Incident

FORMAT = "threelocks.standing/1"
DETAIL_TYPE = "Share standing"
AT_ALL = 100  # findings
# PutEvents takes 256 KB: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
LARGEST = 200 * 1024  # bytes; the text is ASCII
_SHORT, _LONG = 200, 1000


def event(contract: Contract, slot: Slot, *, account: str) -> str:
    """The detail of the event, as JSON."""
    finding = subject_finding(slot)
    findings = slot.after.findings
    was = identities(slot.before.findings if slot.before else ())
    acting = () if slot.after.suspended else findings
    actors = dict.fromkeys(one.remedy.account if one.remedy else one.account for one in acting)
    cause = slot.cause if finding and touches(slot.cause, finding) else None
    whole = _short(contract, slot, account) | {
        "title": f"{label(slot)}: {contract.name}",
        "description": plain(effect(contract, slot), _LONG),
        "lock": finding.lock.value if finding else None,
        "holder": plain(finding.account) if finding else None,
        "must_act": [plain(one) for one in actors],
        "locks": [
            {
                "lock": one.lock.value,
                "account": plain(one.account),
                "kinds": [kind.value for kind in one.kinds],
                "as_of": one.as_of.isoformat(),
            }
            for one in slot.after.locks
        ],
        "findings": [_finding(contract, one, is_new=one.identity not in was) for one in findings[:AT_ALL]],
        "further_findings": max(0, len(findings) - AT_ALL),
        "waived": [_waived(one) for one in slot.after.waived[:AT_ALL]],
        "cause": _cause(cause) if cause else None,
    }
    return _cut(whole, len(findings))


def _cut(detail: dict[str, Any], findings: int) -> str:
    """The detail as JSON that EventBridge takes: with as many findings as fit."""
    text = _text(detail)
    while len(text) > LARGEST and detail["findings"]:
        kept = detail["findings"][: len(detail["findings"]) // 2]
        detail = {**detail, "findings": kept, "further_findings": findings - len(kept)}
        text = _text(detail)
    return text


def short_event(contract: Contract, slot: Slot, *, account: str) -> str:
    """The event without anything that comes from policies or events."""
    return _text(_short(contract, slot, account))


def _short(contract: Contract, slot: Slot, account: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "message": plain(slot.id),
        "contract": contract.name,
        "account": account,
        "kind": kind_of(slot).value,
        "standing": slot.after.headline.value,
        "before": slot.before.headline.value if slot.before else None,
        "owner": contract.owner.account,
        "consumer": contract.consumer.account,
        "bucket": contract.bucket_arn,
        "key": contract.key,
        "role": contract.role,
        "incidents": [_incident(one) for one in slot.incidents],
        "suspended": [_suspension(one) for one in slot.after.suspended],
    }


def _suspension(suspension: Suspension) -> dict[str, str]:
    return {
        "account": plain(suspension.account),
        "by": plain(suspension.by, _SHORT),
        "reason": plain(suspension.reason, 300),
        "until": suspension.until.isoformat(),
    }


def _waived(finding: Finding) -> dict[str, Any]:
    return {
        "code": plain(finding.code, _SHORT),
        "kind": finding.kind.value,
        "lock": finding.lock.value,
        "account": plain(finding.account),
        "reason": plain(finding.waiver.reason, 300) if finding.waiver else "",
        "until": finding.waiver.until.isoformat() if finding.waiver else None,
    }


def _text(detail: dict[str, Any]) -> str:
    return json.dumps(detail, ensure_ascii=True, separators=(",", ":"))


def _finding(contract: Contract, finding: Finding, *, is_new: bool) -> dict[str, Any]:
    return {
        "code": plain(finding.code, _SHORT),
        "kind": finding.kind.value,
        "lock": finding.lock.value,
        "account": plain(finding.account),
        "resource": plain(finding.resource, _SHORT),
        "principal": plain(finding.principal, _SHORT),
        "actions": [plain(one, _SHORT) for one in finding.actions[:20]],
        "sentence": plain(finding.detail, 300) or plain(plain_sentence(contract, finding), 300),
        "new": is_new,
        "deadline": finding.deadline.isoformat() if finding.deadline else None,
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "event": plain(cause.event_name, _SHORT),
        "event_id": plain(cause.event_id, _SHORT),
        "actor": plain(cause.actor),
        "at": cause.at.isoformat(),
        "account": plain(cause.account),
        "region": plain(cause.region),
        "tool": plain(cause.tool),
        "earlier": _earlier(cause.earlier),
    }


def _earlier(causes: Iterable[Cause]) -> list[dict[str, str]]:
    return [{"event_id": plain(one.event_id, _SHORT), "at": one.at.isoformat()} for one in causes]


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "id": plain(incident.id),
        "account": plain(incident.account),
        "opened": incident.opened.isoformat(),
        "closed": incident.closed.isoformat() if incident.closed else None,
    }
