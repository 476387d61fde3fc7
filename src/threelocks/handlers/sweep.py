"""On a schedule: ask for a check of every contract, and tell how old the oldest check is.

Events get lost, and what a policy says can change with the date alone: a sweep bounds how long that goes unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from threelocks.finding import Cause
from threelocks.handlers.app import App, TimeLeft, no_limit, process_app
from threelocks.handlers.batch import request

BATCH = 10  # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
TRIES = 3
NEVER = timedelta(days=3650)  # the age of a check that never was: the alarm waits for a second sweep to say so


class SweepError(Exception):
    """Some checks could not be asked for; the others were. Lambda tries the sweep again."""


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Lambda's entry."""
    return process_app().serve(handle, event, context)


def handle(app: App, event: Any, _: TimeLeft = no_limit) -> dict[str, Any]:  # noqa: ARG001 - the schedule says nothing
    """Send one request per contract; answers how many. Raises SweepError."""
    names = app.store.names()
    app.telemetry.seconds("OldestCheckAgeSeconds", _oldest_age(app, names))
    cause = Cause(kind="sweep", at=app.now(), region=app.region)
    unsent = [text for texts in _tens([request(name, cause) for name in names]) for text in _send(app, texts)]
    if unsent:
        raise SweepError(f"{len(unsent)} of {len(names)} checks could not be asked for; look at the queue of changes")
    return {"asked": len(names)}


def _oldest_age(app: App, names: Sequence[str]) -> float:
    """In seconds; 0 when there is nothing to check, so that the heartbeat shows the sweep itself is alive."""
    ages = (_age(app, name).total_seconds() for name in names)
    return max(ages, default=0.0)


def _age(app: App, name: str) -> timedelta:
    state = app.store.state(name)
    return app.now() - state.own.as_of if state and state.own else NEVER


def _tens(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))


def _send(app: App, texts: Sequence[str]) -> Sequence[str]:
    """Send up to ten messages; answers those that the queue refused at every try: failures come inside HTTP 200."""
    sqs, url = app.queue
    for _ in range(TRIES):
        entries = [{"Id": str(number), "MessageBody": text} for number, text in enumerate(texts)]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        refused = answer.get("Failed", [])
        if refused:
            app.telemetry.log.warning("the queue refused requests", failures=refused)
        texts = [texts[int(entry["Id"])] for entry in refused]
        if not texts:
            break
    return texts
