"""How many are subscribed to a topic. moto always answers that nobody is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.sns.models import Topic


def _subscribed(topic: Any) -> int:
    return sum(each.topic.arn == topic.arn for each in topic.sns_backend.subscriptions.values())


@contextmanager
def subscribers_are_counted() -> Iterator[None]:
    """While the block runs, GetTopicAttributes counts each subscription as a confirmed one."""
    # moto sets the number, to zero, when it makes a topic.
    counted = property(_subscribed, lambda _topic, _number: None)
    with patch.object(Topic, "subscriptions_confimed", counted, create=True):
        yield
