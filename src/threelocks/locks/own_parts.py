"""The watchdog's own parts: functions that do nothing, settings that were changed by hand, subscribers who are gone.

What was seen first is pinned, and again whenever CloudFormation has changed the stack since: an update of the stack is
an update, and anything else is somebody's doing. `threelocks apply --accept` takes everything as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from threelocks.finding import Finding, Kind, Lock, Remedy
from threelocks.locks.case import WATCHDOG, About, Case, unread
from threelocks.observation import Absent, Found, OwnStack, Source, Unreadable, WatchdogObservation

PIN = "watchdog:"  # before the name of each pin
_STACK, _SUBSCRIBERS = f"{PIN}stack", f"{PIN}subscribers"


def pins_of(seen: WatchdogObservation | None, before: Mapping[str, str]) -> dict[str, str]:
    """What is pinned after a look at the watchdog; `before` are the pins of earlier looks, of the watchdog alone."""
    if seen is None or _in_doubt(seen.stack):
        return dict(before)
    made = _made(seen.stack)
    digests = {f"{PIN}{part.name}": part.settings.value for part in seen.parts if isinstance(part.settings, Found)}
    most = max(seen.subscribed.value if isinstance(seen.subscribed, Found) else 0, int(before.get(_SUBSCRIBERS, "0")))
    kept = before if before.get(_STACK) == made else {}
    return {**digests, **kept, _STACK: made, _SUBSCRIBERS: str(most)}


def _in_doubt(stack: Source[OwnStack] | None) -> bool:
    """Whether the settings may be between two updates of the stack, or nobody knows."""
    return isinstance(stack, Unreadable) or (isinstance(stack, Found) and stack.value.status.endswith("_IN_PROGRESS"))


def _made(stack: Source[OwnStack] | None) -> str:
    return stack.value.changed if isinstance(stack, Found) else ""


def judge_parts(case: Case, seen: WatchdogObservation, pins: Mapping[str, str]) -> Iterator[Finding]:
    """Findings on the parts of the stack. `pins`: what earlier looks saw first."""
    yield from unread(case, _about(case, seen.alert_topic, "the stack"), [seen.stack] if seen.stack else [])
    if _in_doubt(seen.stack):
        return
    is_updated = pins.get(_STACK) != _made(seen.stack)
    for part in seen.parts:
        about = _about(case, part.arn, part.name)
        yield from unread(case, about, [part.settings])
        if isinstance(part.settings, Absent):
            yield _off(about, ["is gone"])
        elif part.off:
            yield _off(about, part.off)
        elif isinstance(part.settings, Found) and not is_updated:
            first = pins.get(f"{PIN}{part.name}", part.settings.value)
            if first != part.settings.value:
                yield _changed(about, case.contract.name)
    yield from _subscribers(case, seen, int(pins.get(_SUBSCRIBERS, "0")))


def updates(seen: WatchdogObservation, pins: Mapping[str, str]) -> Iterator[str]:
    """A remark where the stack was updated since the last look."""
    made = _made(seen.stack)
    if made and pins.get(_STACK) and pins[_STACK] != made and not _in_doubt(seen.stack):
        yield f"the watchdog's own stack was updated at {made}: its settings are taken as they are now"


def _about(case: Case, resource: str, name: str) -> About:
    return About(Lock.WATCHDOG, case.observation.account, resource, name)


def _off(about: About, reasons: list[str] | tuple[str, ...]) -> Finding:
    sentence = (
        "Undo it, or deploy the home stack again; find out who turned it off (CloudTrail). Until then changes are seen "
        "late or not at all."
    )
    detail = f"{about.name} {'; it '.join(reasons)}"
    return about.finding("watchdog.part-off", Kind.RISK, WATCHDOG, (), detail, Remedy(about.account, sentence))


def _changed(about: About, contract: str) -> Finding:
    detail = f"settings of {about.name} were changed by hand since the home stack was deployed"
    sentence = (
        "Find out who changed them (CloudTrail), and undo it. What is to stay belongs into the template: deploy it, or "
        "accept the settings as they are."
    )
    remedy = Remedy(about.account, sentence, commands=(f"threelocks apply --accept {contract}.yaml",))
    return about.finding("watchdog.settings-changed", Kind.RISK, WATCHDOG, (), detail, remedy)


def _subscribers(case: Case, seen: WatchdogObservation, most: int) -> Iterator[Finding]:
    """Fewer than there were, or some that never confirmed. None at all is a finding of its own."""
    if not isinstance(seen.subscribed, Found) or not seen.subscribed.value:
        return
    now = seen.subscribed.value
    faults = [
        *([f"{most - now} of the {most} that were confirmed are gone"] if now < most else []),
        *([f"{seen.pending} wait to be confirmed, and hear nothing"] if seen.pending else []),
    ]
    if faults:
        about = _about(case, seen.alert_topic, "the alert topic")
        sentence = (
            "Look who is missing, and subscribe them again or have them confirm: AWS drops a subscription that nobody "
            "confirms within two days. Where it is meant, accept those who are left."
        )
        commands = (
            f"aws sns list-subscriptions-by-topic --topic-arn {seen.alert_topic}",
            f"threelocks apply --accept {case.contract.name}.yaml",
        )
        detail = f"subscriptions of the alert topic: {'; '.join(faults)}"
        remedy = Remedy(about.account, sentence, commands=commands)
        yield about.finding("watchdog.subscriber-lost", Kind.RISK, WATCHDOG, (), detail, remedy)
