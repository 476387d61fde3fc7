"""CloudTrail's event history, which moto does not have: what the simulated trails wrote, looked up.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch

from moto.cloudtrail.responses import CloudTrailResponse

PAGE = 50


@contextmanager
def event_history_of(records: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """While the block runs, LookupEvents answers from these records, which may grow."""

    def lookup_events(handler: Any) -> str:
        asked = json.loads(handler.body)
        found = [
            record
            for record in reversed(records)
            if record["recipientAccountId"] == handler.current_account
            and record["awsRegion"] == handler.region
            and asked["StartTime"] <= _time(record).timestamp() <= asked["EndTime"]
            and all(_has(record, one["AttributeKey"], one["AttributeValue"]) for one in asked["LookupAttributes"])
        ]
        start = int(asked.get("NextToken", 0))
        size = asked.get("MaxResults", PAGE)
        more = {"NextToken": str(start + size)} if len(found) > start + size else {}
        return json.dumps({"Events": [_event(record) for record in found[start : start + size]], **more})

    with patch.object(CloudTrailResponse, "lookup_events", lookup_events, create=True):
        yield


def _event(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "EventTime": _time(record).timestamp(),
        "EventSource": record["eventSource"],
        "Resources": [{"ResourceName": name} for name in sorted(_names(record))],
        "CloudTrailEvent": json.dumps(record),
    }


def _has(record: Mapping[str, Any], key: str, value: str) -> bool:
    return value in _names(record) if key == "ResourceName" else record["eventName"] == value


def _names(record: Mapping[str, Any]) -> set[str]:
    """As the event history names resources: a bucket and a role by name, a policy and a key by ARN."""
    parameters = record.get("requestParameters") or {}
    named = {parameters[field] for field in ("bucketName", "roleName", "policyArn") if field in parameters}
    keys = {resource["ARN"] for resource in record.get("resources", ()) if ":kms:" in resource["ARN"]}
    return named | keys


def _time(record: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(record["eventTime"])
