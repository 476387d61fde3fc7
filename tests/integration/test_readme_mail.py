"""README shows a mail as it is sent."""

from __future__ import annotations

import re
from pathlib import Path

from simulation.changes import CHANGES
from simulation.scenario import run
from simulation.world import World

README = Path(__file__).resolve().parents[2] / "README.md"
LEFT_OUT = "[...]"
# What is another each time.
_VARIES = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<date>"),
    (re.compile(r"\d\d:\d\d:\d\d"), "<time>"),
)


def masked(line: str) -> str:
    for pattern, name in _VARIES:
        line = pattern.sub(name, line)
    return line.rstrip()


def shown() -> list[str]:
    (block,) = re.findall(r"^```text\n(Subject: .*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [masked(line) for line in block.split("\n") if line.strip()]


def test_the_mail_in_the_readme_is_the_one_that_the_owner_gets_when_the_role_is_taken_out_of_the_key_policy(
    world: World,
) -> None:
    step = run(world, next(change for change in CHANGES if change.name == "key-policy"))
    (mail,) = step.broken.mails[world.contract.owner.account]
    sent = [masked(line) for line in (f"Subject: {mail.subject}", *mail.body.split("\n")) if line.strip()]
    at, may_skip = 0, False
    for line in shown():
        if line.strip() == LEFT_OUT:
            may_skip = True
            continue
        found = sent.index(line, at) if line in sent[at:] else None
        assert found is not None, f"not in the mail, or not in this order: {line}"
        assert may_skip or found == at, f"lines are left out, and nothing says so, before: {line}"
        at, may_skip = found + 1, False
    assert may_skip or at == len(sent)
