"""CloudTrail's event history, asked for who changed a lock. Keeps ports.EventHistory.

Two requests a second are answered for an account and region, whoever asks, and at most 50 records in each:
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
So requests are paced and counted, and a question that was answered is not put again. That somebody changed something
is worth a mail; who it was is not worth holding one up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from threelocks.aws.answer import Answer, Call, UnreadError, ask
from threelocks.aws.session import ClientSource
from threelocks.finding import History
from threelocks.lookup import Question, Records

LOOKUP = Call("cloudtrail", "LookupEvents", "lookup_events", "cloudtrail:LookupEvents", frozenset())
PERMISSIONS: frozenset[tuple[str, str]] = frozenset({(LOOKUP.name, LOOKUP.permission)})

PACE = 0.6  # seconds between requests
PAGES = 4  # for one question
REQUESTS = 16  # in one invocation
FURTHER = timedelta(minutes=15)  # asked about beyond what is wanted, so that one answer serves a batch of contracts
KEPT_FOR = timedelta(days=90)


@dataclass(slots=True)
class Lookups:
    """The look-ups of one invocation. `sleep` paces them."""

    clients: ClientSource
    sleep: Callable[[float], object] = time.sleep
    requests: int = REQUESTS
    _made: int = 0
    _failed: set[str] = field(default_factory=set)  # regions
    _kept: dict[Question, tuple[datetime, datetime, Records]] = field(default_factory=dict)

    def ask(self, question: Question, since: datetime, until: datetime) -> Records:
        """See ports.EventHistory."""
        since = max(since, until - KEPT_FOR)
        kept = self._kept.get(question)
        # Asked a moment ago: CloudTrail itself takes minutes to show what happened since.
        if kept and kept[0] <= since and until - kept[1] < FURTHER:
            return kept[2]
        first = max(since - FURTHER, until - KEPT_FOR)
        records = self._records(question, first, until)
        self._kept[question] = (first, until, records)
        return records

    def _records(self, question: Question, since: datetime, until: datetime) -> Records:
        details: list[Mapping[str, Any]] = []
        history = History.SEARCHED
        if question.region in self._failed:
            return Records((), History.UNREAD)
        try:
            for number, page in enumerate(self._pages(question, since, until)):
                details += [detail for event in page.items("Events") if (detail := _detail(event))]
                if number + 1 == PAGES and page.has("NextToken"):
                    history = History.IN_PART
                    break
        except UnreadError:
            # Whatever it was will hardly be gone by the next question.
            self._failed.add(question.region)
            history = History.IN_PART if details else History.UNREAD
        except _TooManyError:
            history = History.IN_PART if details else History.UNREAD
        return Records(tuple(details), history)

    def _pages(self, question: Question, since: datetime, until: datetime) -> Iterator[Answer]:
        asked = {
            "LookupAttributes": [{"AttributeKey": question.key, "AttributeValue": question.value}],
            "StartTime": since,
            "EndTime": until,
            "MaxResults": 50,
        }
        token = ""
        while True:
            if self._made >= self.requests:
                raise _TooManyError
            if self._made:
                self.sleep(PACE)
            self._made += 1
            more = {"NextToken": token} if token else {}
            page = ask(LOOKUP, lambda: self.clients.client("cloudtrail", question.region), {**asked, **more})
            yield page
            token = page.maybe_text("NextToken")
            if not token:
                return


class _TooManyError(Exception):
    """This invocation has asked enough."""


def _detail(event: Answer) -> Mapping[str, Any] | None:
    """The record as CloudTrail kept it, or None when it is no JSON object."""
    try:
        detail = json.loads(event.maybe_text("CloudTrailEvent"))
    except ValueError:
        return None
    return detail if isinstance(detail, dict) else None
