"""Simulated time: nothing sleeps, and waiting an hour takes no time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""When simulated time begins, whatever the day: what a sweep or a merge window meets must not depend on the hour."""

_TICK = timedelta(milliseconds=1)


class Clock:
    """Stands still until it is advanced, but for one millisecond at each reading, so that no two readings are equal."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        """The simulated time, in UTC."""
        self._now += _TICK
        return self._now

    def naive(self) -> datetime:
        """The simulated time in UTC, without saying so."""
        return self.now().replace(tzinfo=None)

    def seconds(self) -> float:
        """The simulated time in seconds since the epoch."""
        return self.now().timestamp()

    def millis(self) -> float:
        """The simulated time in milliseconds since the epoch."""
        return self.now().timestamp() * 1000

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds < 0:
            raise ValueError(f"time does not run backwards: `{seconds}`; advance by zero or more seconds")
        self._now += timedelta(seconds=seconds)
