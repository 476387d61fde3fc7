"""Other deployments than the one that works: each is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulation.changes import CHANGES, Change
from simulation.cloud import simulated_aws
from simulation.scenario import run
from simulation.world import RELAY, TEMPLATE, Templates, simulated_world

OWNER, CONSUMER = "111111111111", "222222222222"


def named(name: str) -> Change:
    return next(change for change in CHANGES if change.name == name)


def test_a_partner_that_the_bus_policy_does_not_admit_is_never_heard() -> None:
    with simulated_world(partners={OWNER: ()}) as world:
        for account in world.accounts:
            world.invoke(account, "recheck", {})
        world.settle()
        assert [caller.account for caller, _ in world.cloud.bus.refused] != []
        assert {caller.account for caller, bus in world.cloud.bus.refused if OWNER in bus} == {CONSUMER}
        step = run(world, named("identity-policy"))
        assert f"{OWNER} got 0 mails of the break, not one" in step.problems(world.accounts)


def test_a_template_without_a_rule_is_noticed(tmp_path: Path) -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    assert "- PutKeyPolicy\n" in text
    broken = tmp_path / "template.yaml"
    broken.write_text(text.replace("- PutKeyPolicy\n", "- PutKeyPolicies\n"), encoding="utf-8")
    with simulated_world(templates=Templates(broken, RELAY)) as world:
        step = run(world, named("key-policy"))
    assert "PutKeyPolicy reached no function" in step.problems(world.accounts)


def test_there_is_one_simulated_cloud_at_a_time() -> None:
    with simulated_aws(), pytest.raises(RuntimeError, match="one at a time"), simulated_aws():
        pass
