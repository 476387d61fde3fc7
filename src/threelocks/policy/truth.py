"""Three-valued truth: where AWS's documentation settles nothing, the answer is MAYBE, never a guess."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Truth(IntEnum):
    """Kleene logic: and is `min`, or is `max`."""

    NO = 0
    MAYBE = 1
    YES = 2

    @classmethod
    def of(cls, value: bool) -> Truth:  # noqa: FBT001 - it is the value itself
        return cls.YES if value else cls.NO

    def __invert__(self) -> Self:
        return type(self)(2 - self)
