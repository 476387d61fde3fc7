"""Both accounts, deployed once for all tests of a module: each test leaves the share as agreed, and mailboxes empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulation.scenario import begin
from simulation.world import World, simulated_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """The share intact, and told so."""
    with simulated_world() as up:
        beginning = begin(up)
        assert beginning.problems() == ()
        yield up
