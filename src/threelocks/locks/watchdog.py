"""The watchdog itself: does every event that can move a lock still reach it, and does anybody hear what it says?

What brings events is judged by what it does, not by its name: the patterns of the enabled rules that send to the right
target must cover every event name that the code knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from threelocks.contract import Contract
from threelocks.events import API_CALL, EVENTS, SERVICE_EVENT, SERVICE_EVENTS
from threelocks.finding import Finding, Kind, Lock, Remedy
from threelocks.locks.case import PINNED, WATCHDOG, About, Case, unread
from threelocks.locks.own_parts import PIN, judge_parts
from threelocks.observation import (
    Absent,
    EventRule,
    Found,
    Unreadable,
    WatchdogObservation,
    WatchedDenials,
    WatchedRegion,
)
from threelocks.policy.arn import Arn

S3, KMS, IAM, EC2 = "s3.amazonaws.com", "kms.amazonaws.com", "iam.amazonaws.com", "ec2.amazonaws.com"
ORGANIZATIONS, CLOUDTRAIL = "organizations.amazonaws.com", "cloudtrail.amazonaws.com"
# What keeps the watch: from which its own account needs events, at home and in each region with a relay.
EVENTBRIDGE, SNS = "events.amazonaws.com", "sns.amazonaws.com"
LAMBDA, DYNAMODB = "lambda.amazonaws.com", "dynamodb.amazonaws.com"
AT_HOME, EVERYWHERE = (CLOUDTRAIL, EVENTBRIDGE, SNS, LAMBDA, DYNAMODB), (CLOUDTRAIL, EVENTBRIDGE)

# Where IAM's calls are recorded. Of China and GovCloud to our best knowledge.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
IAM_REGIONS = {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}
# The same of Organizations.
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_cloudtrail-integration.html
ORGANIZATION_REGIONS = {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-northwest-1"}
_FIELDS = {"account", "source", "detail-type", "detail"}
_DETAIL_FIELDS = {"eventSource", "eventName", "errorCode"}
_SHOWN = 6  # event names in a sentence


def duties(contract: Contract, account: str, home_region: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(region, sources) from which this account needs events, home first. Home has rules for all of them, whether they
    are recorded there or relayed."""
    partition = Arn.parse(contract.role).partition
    above = ORGANIZATION_REGIONS.get(partition, home_region)
    held = (
        (contract.consumer.account, IAM, IAM_REGIONS.get(partition, home_region)),
        (contract.owner.account, S3, contract.bucket.region),
        (contract.key_account, KMS, Arn.parse(contract.key).region),
        *([(contract.consumer.account, EC2, contract.bucket.region)] if contract.endpoints else []),
        *([(account, ORGANIZATIONS, above)] if contract.reads_organization(account) else []),
    )
    mine = [(source, region) for holder, source, region in held if holder == account]
    home = (home_region, (*(source for source, _ in mine), *AT_HOME))
    others = sorted({region for _, region in mine} - {home_region})
    relays = ((region, tuple(source for source, of in mine if of == region)) for region in others)
    return (home, *((region, (*held, *EVERYWHERE)) for region, held in relays))


def judge_watchdog(case: Case, seen: WatchdogObservation) -> list[Finding]:
    """Findings on the watchdog of `case.observation.account`."""
    findings = [finding for region in seen.regions for finding in _region(case, seen, region)]
    findings += [*_denials(case, seen.denials), *_subscribed(case, seen)]
    return [*findings, *judge_parts(case, seen, pinned_of_watchdog(case))]


def pinned_of_watchdog(case: Case) -> dict[str, str]:
    """What earlier looks saw first of the watchdog's own parts, out of the facts of a case."""
    named = {name.removeprefix(PINNED): value for name, value in case.facts.items() if name.startswith(PINNED)}
    return {name: value for name, value in named.items() if name.startswith(PIN)}


def judge_contract(case: Case) -> Iterator[Finding]:
    """What is judged against is itself a thing that somebody may change, and no event tells of it."""
    if not case.contract.is_edited:
        return
    name = case.contract.name
    detail = f"the contract in the table is not the one that was applied: somebody edited the item of `{name}`"
    remedy = Remedy(
        case.observation.account,
        "Apply the contract again from its file, and find out who may write to the table. Until then nobody knows "
        "whether the share is as it was agreed.",
        commands=(f"threelocks apply {name}.yaml",),
    )
    about = _about(case, f"contract/{name}", "the contract")
    yield about.finding("watchdog.contract-edited", Kind.UNREAD, WATCHDOG, (), detail, remedy)


def _about(case: Case, resource: str, name: str) -> About:
    return About(Lock.WATCHDOG, case.observation.account, resource, name)


def _region(case: Case, seen: WatchdogObservation, region: WatchedRegion) -> Iterator[Finding]:
    account = case.observation.account
    bus = f"arn:{case.partition}:events:{region.region}:{account}:event-bus/default"
    about = _about(case, bus, f"the watchdog in {region.region}")
    yield from unread(case, about, (region.rules, *([region.dead_letters] if region.dead_letters else [])))
    if isinstance(region.rules, Unreadable):
        return
    rules = region.rules.value if isinstance(region.rules, Found) else ()
    if region.region == seen.home_region:
        yield from _home(about, region, rules)
    elif not rules:
        yield _unwatched(about, seen, region)
    else:
        yield from _relay(about, region, rules)


def _home(about: About, region: WatchedRegion, rules: tuple[EventRule, ...]) -> Iterator[Finding]:
    missing = _missing(region.sources, rules)
    if missing:
        detail = f"no enabled rule brings {_listed(missing)} to the queue of changes{_off(rules)}"
        sentence = "Enable the rule again, or deploy the home stack again; find out who turned it off (CloudTrail)."
        yield _risk(about, "watchdog.rule-off", detail, sentence, _enabling(rules))


def _unwatched(about: About, seen: WatchdogObservation, region: WatchedRegion) -> Finding:
    held = [source for source in region.sources if source in _SERVICE]
    services = " and ".join(_SERVICE[source] for source in held)
    detail = f"no rule in {region.region} relays the changes of {services} to {seen.home_region}"
    of_accounts = {IAM, ORGANIZATIONS} & set(held)
    forward = "data" if not of_accounts else "identities" if of_accounts == set(held) else "both"
    command = (
        f"aws cloudformation deploy --region {region.region} --stack-name threelocks-relay "
        "--template-file relay.yaml --capabilities CAPABILITY_IAM "
        f"--parameter-overrides HomeRegion={seen.home_region} Forward={forward}"
    )
    sentence = f"Deploy the relay in {region.region}; until then its changes are seen at the next sweep only."
    return _risk(about, "watchdog.region-unwatched", detail, sentence, (command,))


def _relay(about: About, region: WatchedRegion, rules: tuple[EventRule, ...]) -> Iterator[Finding]:
    waiting = region.dead_letters.value if isinstance(region.dead_letters, Found) else 0
    missing = _missing(region.sources, rules)
    faults = [
        *([f"it does not carry {_listed(missing)}{_off(rules)}"] if missing else []),
        *([f"{waiting} events could not be relayed and wait in its dead letter queue"] if waiting else []),
        *(["what it cannot deliver is lost: a rule has no dead letter queue"] if _loses(rules) else []),
        *(["its dead letter queue is gone"] if isinstance(region.dead_letters, Absent) else []),
    ]
    if faults:
        sentence = (
            "Re-check, then mend the relay: docs/runbook.md, section relay dead letters. Deploying the home stack and "
            "then the relay again restores what either of them had."
        )
        detail = f"the relay in {region.region} is failing: {'; '.join(faults)}"
        yield _risk(about, "watchdog.relay-failing", detail, sentence, _enabling(rules))


# Refused reads, and the state that a rule for them must have: Decrypt is a read-only management event.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
_ENABLED, _READS_TOO = "ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
DENIALS = {
    (S3, "GetObject"): {_ENABLED, _READS_TOO},
    (S3, "HeadObject"): {_ENABLED, _READS_TOO},
    (S3, "ListObjects"): {_ENABLED, _READS_TOO},
    (S3, "ListObjectsV2"): {_ENABLED, _READS_TOO},
    (KMS, "Decrypt"): {_READS_TOO},
}


def _denials(case: Case, seen: WatchedDenials | None) -> Iterator[Finding]:
    """The rules of the diagnosis of refused reads, where the stack has it turned on."""
    if seen is None:
        return
    about = _about(case, seen.queue, "the queue of refused reads")
    yield from unread(case, about, (seen.rules,))
    if isinstance(seen.rules, Unreadable):
        return
    rules = seen.rules.value if isinstance(seen.rules, Found) else ()
    taken = [(rule.state, set(_taken(rule.pattern, failed=True))) for rule in rules]
    missing = sorted(
        name
        for (source, name), states in DENIALS.items()
        if not any(state in states and (API_CALL, source, name) in rows for state, rows in taken)
    )
    if missing:
        detail = f"no enabled rule brings refused calls of {_listed(missing)} to their diagnosis{_off(rules)}"
        sentence = "Deploy the home stack again, or turn its parameter DiagnoseDenials off; find out who turned it off."
        yield _risk(about, "watchdog.rule-off", detail, sentence, ())


def _subscribed(case: Case, seen: WatchdogObservation) -> Iterator[Finding]:
    about = _about(case, seen.alert_topic, "the alert topic")
    yield from unread(case, about, (seen.subscribed,))
    if seen.subscribed in (Found(0), Absent()):
        gone = isinstance(seen.subscribed, Absent)
        detail = "the alert topic is gone" if gone else "the alert topic has no confirmed subscription"
        sentence = (
            "Deploy the home stack again, then subscribe."
            if gone
            else "Subscribe whoever must know, and have them confirm; mail scanners can open the unsubscribe link."
        )
        command = f"aws sns subscribe --topic-arn {seen.alert_topic} --protocol email --notification-endpoint <address>"
        yield _risk(about, "watchdog.nobody-subscribed", detail, sentence, (command,))


def _risk(about: About, code: str, detail: str, sentence: str, commands: tuple[str, ...]) -> Finding:
    remedy = Remedy(about.account, sentence, commands=commands)
    return about.finding(code, Kind.RISK, WATCHDOG, (), detail, remedy)


# --- what the rules cover ---

_SERVICE = {S3: "S3", KMS: "KMS", IAM: "IAM", EC2: "VPC endpoints", ORGANIZATIONS: "Organizations"}


def _missing(sources: tuple[str, ...], rules: Iterable[EventRule]) -> list[str]:
    """Names of the events of these sources that no enabled rule takes, sorted."""
    taken = {each for rule in rules if rule.state != "DISABLED" for each in _taken(rule.pattern)}
    wanted = {key for key in EVENTS if key[0] in sources}
    return sorted(
        name
        for source, name in wanted
        if ((SERVICE_EVENT if (source, name) in SERVICE_EVENTS else API_CALL), source, name) not in taken
    )


def _taken(pattern: str, *, failed: bool = False) -> Iterator[tuple[str, str, str]]:
    """(detail-type, eventSource, eventName) that a pattern takes, of calls that succeeded or of those that `failed`.
    One that is limited in a way that we do not write, or is no pattern at all, counts as taking nothing.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
    """
    try:
        whole = json.loads(pattern)
        detail = whole["detail"]
        fields = _DETAIL_FIELDS | ({"userIdentity"} if failed else set())  # refused reads: of some callers only
        if not (set(whole) <= _FIELDS and set(detail) <= fields):
            return
        if detail.get("errorCode", [{"exists": failed}]) != [{"exists": failed}]:
            return
        rows: list[tuple[Any, Any, Any]] = [
            (kind, source, name)
            for kind in whole["detail-type"]
            for source in detail["eventSource"]
            for name in detail["eventName"]
        ]
    except (ValueError, LookupError, TypeError, AttributeError):
        return
    yield from (row for row in rows if all(isinstance(part, str) for part in row))


def _off(rules: Iterable[EventRule]) -> str:
    names = [rule.arn.rpartition("/")[2] for rule in rules if rule.state == "DISABLED"]
    return f"; disabled: {', '.join(names)}" if names else ""


def _enabling(rules: Iterable[EventRule]) -> tuple[str, ...]:
    return tuple(
        f"aws events enable-rule --region {Arn.parse(rule.arn).region} --name {rule.arn.rpartition('/')[2]}"
        for rule in rules
        if rule.state == "DISABLED"
    )


def _loses(rules: Iterable[EventRule]) -> bool:
    return any(not rule.dead_letters for rule in rules)


def _listed(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
