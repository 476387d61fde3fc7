"""Nothing is lost and nobody is lied to, whatever AWS delivers late, twice, out of order or not at all.

`make storm` plays 100,000 steps and more; here is a part of it, always the same.
"""

import pytest

from simulation.storm import Storm


@pytest.mark.parametrize("seed", range(1, 7))
def test_in_any_storm_both_accounts_end_with_the_truth_and_nobody_was_told_a_lie(seed: int) -> None:
    storm = Storm(seed).run(4_000)
    assert storm.steps >= 4_000
    assert all(len(account.mails) > 2 for account in storm.accounts.values())


def test_the_storm_has_everything_in_it() -> None:
    """A storm without deaths, restores or lost reports would prove little."""
    storm = Storm(7).run(20_000)
    assert storm.happened.keys() >= {
        "die before",
        "die after it took effect",
        "fail",
        "fail after it took effect",
        "conflict",
        "lost",
        "doubled",
        "stale read",
        "read refused",
        "reader shut out",
        "applied",
        "waived",
        "suspended",
        "ended",
        "restored",
        "partner down",
        "check",
        "report",
        "request",
        "settle",
        "two at once",
        "late",
        "outage",
        "without chat",
    }


def test_a_story_is_the_same_each_time() -> None:
    assert Storm(3).run(2_000).log == Storm(3).run(2_000).log
