"""Our own message in the queue of changes: check this contract, for that cause.

Timers, partners' requests and `threelocks apply` write it; `handlers.batch` reads it.
"""

from __future__ import annotations

import json
from typing import Literal

from threelocks.finding import Cause
from threelocks.report import encode

FORMAT: Literal["check/1"] = "check/1"


def request(contract: str, cause: Cause) -> str:
    """The message that asks for a check."""
    return json.dumps({"threelocks": FORMAT, "contract": contract, "cause": json.loads(encode(cause))})
