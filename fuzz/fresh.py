"""For tests of mutants: each begins with empty caches. What an earlier test left there came from the unchanged code,
and hides which tests reach which function.
"""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Forget what every cached function of the package has answered."""
    for name, module in list(sys.modules.items()):
        if name.startswith("threelocks."):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
