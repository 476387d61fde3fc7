"""What is found of the watchdog itself: rules, relays, dead letters and subscribers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from threelocks import contract as contracts
from threelocks.contract import Contract
from threelocks.diagnose.denial import ACTIONS
from threelocks.events import API_CALL, EVENTS, SERVICE_EVENT, SERVICE_EVENTS
from threelocks.finding import Finding, Kind, Lock, Scope
from threelocks.judge import judge
from threelocks.locks.case import Case
from threelocks.locks.watchdog import (
    AT_HOME,
    DENIALS,
    EC2,
    EVERYWHERE,
    IAM,
    KMS,
    ORGANIZATIONS,
    S3,
    duties,
    judge_watchdog,
)
from threelocks.observation import (
    Absent,
    EventRule,
    Found,
    Observation,
    Unreadable,
    WatchdogObservation,
    WatchedDenials,
    WatchedRegion,
)

OWNER, CONSUMER = "111111111111", "222222222222"
HOME, ELSEWHERE = "eu-west-1", "us-east-1"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
TOPIC = f"arn:aws:sns:{HOME}:{CONSUMER}:alerts"
DENIED = Unreadable("events:DescribeRule", "AccessDeniedException", permission="events:DescribeRule")


def contract(**changes: Any) -> Contract:
    return contracts.parse(
        {
            "name": "bi-curated-read",
            "owner": {"account": OWNER, "name": "data-platform", "home_region": HOME},
            "consumer": {"account": CONSUMER, "name": "bi-team", "home_region": HOME},
            "bucket": {"name": "datalake-curated-a", "region": HOME},
            "key": f"arn:aws:kms:{HOME}:{OWNER}:key/abcd1234-a123-456a-a12b-a123b4cd56ef",
            "role": f"arn:aws:iam::{CONSUMER}:role/BIAnalyticsRole",
            "actions": ["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:DescribeKey"],
        }
        | changes
    )


def names_of(*sources: str) -> list[str]:
    return [name for source, name in EVENTS if source in sources]


def pattern(source: str, names: list[str] | None = None, kind: str = API_CALL, **more: Any) -> str:
    detail = {"eventSource": [source], "eventName": names_of(source) if names is None else names}
    whole = {"account": [CONSUMER], "source": ["aws"], "detail-type": [kind], "detail": detail}
    return json.dumps({**whole, **more})


def rule(name: str, text: str, *, state: str = "ENABLED", dead_letters: str = "") -> EventRule:
    return EventRule(f"arn:aws:events:{HOME}:{CONSUMER}:rule/{name}", state, text, dead_letters)


def relayed(name: str, text: str, **changes: Any) -> EventRule:
    made = rule(name, text, dead_letters=f"arn:aws:sqs:{ELSEWHERE}:{CONSUMER}:dead")
    return replace(made, arn=made.arn.replace(HOME, ELSEWHERE), **changes)


def region(*rules: EventRule, at: str = HOME, sources: tuple[str, ...] = (IAM,), **changes: Any) -> WatchedRegion:
    dead = None if at == HOME else Found(0)
    return replace(WatchedRegion(at, sources, "target", Found(rules), dead), **changes)


ALL_HOME = region(rule("role-changed", pattern(IAM)))
ALL_RELAYED = region(relayed("relay-role-changed", pattern(IAM)), at=ELSEWHERE)


ONE = Found(1)


def found(*regions: WatchedRegion, subscribed: Any = ONE) -> list[Finding]:
    seen = WatchdogObservation(HOME, regions or (ALL_HOME, ALL_RELAYED), TOPIC, subscribed)
    return judge_watchdog(Case(contract(), (), Observation(CONSUMER, NOW), {}), seen)


# --- the rules for refused reads ---

QUEUE = f"arn:aws:sqs:{HOME}:{CONSUMER}:denied"
READS_TOO = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


def refused(source: str, names: list[str], **more: Any) -> str:
    caller = {"userIdentity": {"accountId": [OWNER, CONSUMER]}}
    detail = {"eventSource": [source], "eventName": names, "errorCode": [{"exists": True}], **caller, **more}
    return pattern(source, names, detail=detail)


READS = rule("read-denied", refused(S3, [name for source, name in DENIALS if source == S3]))
DECRYPTS = rule("decrypt-denied", refused(KMS, ["Decrypt"]), state=READS_TOO)


def of_denials(*rules: EventRule) -> list[Finding]:
    seen = WatchdogObservation(HOME, (ALL_HOME, ALL_RELAYED), TOPIC, ONE, WatchedDenials(QUEUE, Found(rules)))
    return judge_watchdog(Case(contract(), (), Observation(CONSUMER, NOW), {}), seen)


def test_what_counts_as_a_refused_read_here_is_what_is_diagnosed() -> None:
    assert set(DENIALS) == set(ACTIONS)


def test_the_rules_for_refused_reads_are_watched_where_the_stack_has_them() -> None:
    assert of_denials(READS, DECRYPTS) == []
    assert found() == []  # nothing is diagnosed


@pytest.mark.finding("watchdog.rule-off")
@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        ((), "Decrypt, GetObject, HeadObject, ListObjects, ListObjectsV2"),
        ((READS,), "Decrypt"),
        ((READS, replace(DECRYPTS, state="DISABLED")), "Decrypt"),
        ((READS, replace(DECRYPTS, state="ENABLED")), "Decrypt"),  # no read-only management event comes to it
        ((replace(READS, state="DISABLED"), DECRYPTS), "GetObject, HeadObject, ListObjects, ListObjectsV2"),
        ((READS, rule("x", refused(KMS, ["Decrypt"], errorCode=[{"exists": False}]), state=READS_TOO)), "Decrypt"),
        ((READS, rule("x", refused(KMS, ["Decrypt"], sourceIPAddress=["x"]), state=READS_TOO)), "Decrypt"),
    ],
)
def test_a_rule_for_refused_reads_that_is_off_is_found(rules: tuple[EventRule, ...], missing: str) -> None:
    (finding,) = of_denials(*rules)
    assert (finding.code, finding.resource) == ("watchdog.rule-off", QUEUE)
    assert f"refused calls of {missing} to their diagnosis" in finding.detail


def test_rules_for_refused_reads_that_cannot_be_read_are_unread() -> None:
    seen = WatchdogObservation(HOME, (ALL_HOME, ALL_RELAYED), TOPIC, ONE, WatchedDenials(QUEUE, DENIED))
    (finding,) = judge_watchdog(Case(contract(), (), Observation(CONSUMER, NOW), {}), seen)
    assert finding.code == "watchdog.unread"


def codes(*regions: WatchedRegion, **changes: Any) -> list[str]:
    return [finding.code for finding in found(*regions, **changes)]


def test_all_is_well_when_every_event_is_brought_and_somebody_listens() -> None:
    assert found() == []


# --- home ---


@pytest.mark.finding("watchdog.rule-off")
def test_a_disabled_rule_is_off_and_named_with_the_command_that_enables_it() -> None:
    (finding,) = found(region(rule("role-changed", pattern(IAM), state="DISABLED")), ALL_RELAYED)
    assert (finding.code, finding.kind, finding.lock) == ("watchdog.rule-off", Kind.RISK, Lock.WATCHDOG)
    assert "role-changed" in finding.detail
    assert finding.remedy is not None
    assert finding.remedy.commands == (f"aws events enable-rule --region {HOME} --name role-changed",)


def test_a_finding_on_the_watchdog_goes_to_the_partner_as_well() -> None:
    (finding,) = found(region(), ALL_RELAYED)
    assert finding.scope is Scope.SHARE


def test_no_rule_at_all_at_home_is_rules_off() -> None:
    assert codes(region(), ALL_RELAYED) == ["watchdog.rule-off"]


BROUGHT_BY_SOME = {
    "one name is missing": pattern(IAM, [name for name in names_of(IAM) if name != "PutRolePolicy"]),
    "another source": pattern("s3.amazonaws.com", names_of(IAM)),
    "another kind of event": pattern(IAM, kind=SERVICE_EVENT),
    "limited to a region": pattern(IAM, region=["eu-west-1"]),
    "limited to somebody": pattern(IAM, detail={**json.loads(pattern(IAM))["detail"], "userIdentity": {"x": ["y"]}}),
    "failed calls only": pattern(IAM, detail={**json.loads(pattern(IAM))["detail"], "errorCode": [{"exists": True}]}),
    "no pattern": "",
    "not JSON": "{",
    "not an object": "[]",
    "no detail": json.dumps({"source": ["aws.iam"]}),
    "names that are matchers": pattern(IAM, [{"prefix": "Put"}]),  # type: ignore[list-item]
}


@pytest.mark.parametrize("text", BROUGHT_BY_SOME.values(), ids=BROUGHT_BY_SOME)
def test_a_rule_that_does_not_take_every_event_is_as_good_as_off(text: str) -> None:
    assert codes(region(rule("role-changed", text)), ALL_RELAYED) == ["watchdog.rule-off"]


def test_several_rules_together_take_every_event() -> None:
    names = names_of(IAM)
    halves = [rule("one", pattern(IAM, names[:5])), rule("two", pattern(IAM, names[5:]))]
    assert codes(region(*halves), ALL_RELAYED) == []


def test_what_aws_itself_does_comes_as_another_kind_of_event() -> None:
    own = {name for source, name in SERVICE_EVENTS if source == KMS}
    calls = [name for name in names_of(KMS) if name not in own]
    without = region(rule("key-changed", pattern(KMS, calls)), sources=(KMS,))
    assert codes(without) == ["watchdog.rule-off"]
    deleted = rule("key-deleted", pattern(KMS, sorted(own), kind=SERVICE_EVENT))
    assert codes(region(rule("key-changed", pattern(KMS, calls)), deleted, sources=(KMS,))) == []


def test_a_long_list_of_missing_events_is_cut_short() -> None:
    (finding,) = found(region(), ALL_RELAYED)
    assert f"and {len(names_of(IAM)) - 6} more" in finding.detail


# --- relays ---


@pytest.mark.finding("watchdog.region-unwatched")
def test_a_region_without_any_relaying_rule_is_unwatched_and_the_mail_says_how_to_relay_it() -> None:
    (finding,) = found(ALL_HOME, region(at=ELSEWHERE))
    assert finding.code == "watchdog.region-unwatched"
    assert finding.remedy is not None
    assert "--region us-east-1" in finding.remedy.commands[0]
    assert "HomeRegion=eu-west-1 Forward=identities" in finding.remedy.commands[0]


@pytest.mark.parametrize(
    ("sources", "forward"), [((IAM,), "identities"), ((S3, KMS), "data"), ((S3,), "data"), ((IAM, S3), "both")]
)
def test_the_relay_that_is_asked_for_carries_what_is_needed(sources: tuple[str, ...], forward: str) -> None:
    (finding,) = found(ALL_HOME, region(at="eu-central-1", sources=sources))
    assert finding.remedy is not None
    assert finding.remedy.commands[0].endswith(f"Forward={forward}")


FAILING = {
    "disabled": (
        region(relayed("relay-role-changed", pattern(IAM), state="DISABLED"), at=ELSEWHERE),
        "disabled: relay-role-changed",
    ),
    "carries some only": (region(relayed("relay", pattern(IAM, ["PutRolePolicy"])), at=ELSEWHERE), "does not carry"),
    "dead letters": (replace(ALL_RELAYED, dead_letters=Found(3)), "3 events could not be relayed"),
    "no dead letter queue": (region(relayed("relay", pattern(IAM), dead_letters=""), at=ELSEWHERE), "lost"),
    "dead letter queue gone": (replace(ALL_RELAYED, dead_letters=Absent()), "gone"),
}


@pytest.mark.parametrize(("relay", "says"), FAILING.values(), ids=FAILING)
@pytest.mark.finding("watchdog.relay-failing")
def test_a_relay_that_does_not_do_its_work_is_failing(relay: WatchedRegion, says: str) -> None:
    (finding,) = found(ALL_HOME, relay)
    assert finding.code == "watchdog.relay-failing"
    assert says in finding.detail


# --- who listens, and what could not be read ---


@pytest.mark.parametrize(("subscribed", "expected"), [(Found(0), 1), (Absent(), 1), (Found(1), 0), (Found(7), 0)])
@pytest.mark.finding("watchdog.nobody-subscribed")
def test_a_topic_without_a_confirmed_subscription_reaches_nobody(subscribed: Any, expected: int) -> None:
    assert codes(subscribed=subscribed) == ["watchdog.nobody-subscribed"] * expected


@pytest.mark.parametrize(
    "regions",
    [
        (replace(ALL_HOME, rules=DENIED), ALL_RELAYED),
        (ALL_HOME, replace(ALL_RELAYED, rules=DENIED, dead_letters=DENIED)),
        (ALL_HOME, replace(ALL_RELAYED, dead_letters=DENIED)),
    ],
)
@pytest.mark.finding("watchdog.unread")
def test_what_could_not_be_read_is_unread_once_and_never_off(regions: tuple[WatchedRegion, ...]) -> None:
    (finding,) = found(*regions)
    assert (finding.code, finding.kind) == ("watchdog.unread", Kind.UNREAD)
    assert "events:DescribeRule" in finding.detail


def test_a_topic_that_could_not_be_read_is_unread() -> None:
    assert codes(subscribed=DENIED) == ["watchdog.unread"]


# --- what each account must be told of ---


@pytest.mark.parametrize(
    ("account", "changes", "expected"),
    [
        (CONSUMER, {}, ((HOME, (IAM, *AT_HOME)), (ELSEWHERE, (IAM, *EVERYWHERE)))),
        (OWNER, {}, ((HOME, (S3, KMS, *AT_HOME)),)),
        (
            OWNER,
            {
                "bucket": {"name": "datalake-curated-a", "region": "eu-central-1"},
                "key": f"arn:aws:kms:eu-central-1:{OWNER}:key/abcd1234-a123-456a-a12b-a123b4cd56ef",
            },
            ((HOME, (S3, KMS, *AT_HOME)), ("eu-central-1", (S3, KMS, *EVERYWHERE))),
        ),
    ],
)
def test_an_account_needs_the_events_of_what_it_holds_from_where_they_are_recorded(
    account: str, changes: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert duties(contract(**changes), account, HOME) == expected


def test_a_consumer_at_home_in_us_east_1_needs_no_relay() -> None:
    assert duties(contract(), CONSUMER, ELSEWHERE) == ((ELSEWHERE, (IAM, *AT_HOME)),)


# --- in a verdict ---


def test_a_verdict_says_whether_the_watchdog_was_looked_at() -> None:
    seen = WatchdogObservation(HOME, (ALL_HOME, ALL_RELAYED), TOPIC, Found(0))
    looked = judge(contract(), (), Observation(CONSUMER, NOW, watchdog=seen), {})
    assert [(state.lock, state.kinds) for state in looked.locks] == [(Lock.WATCHDOG, (Kind.RISK,))]
    assert [finding.code for finding in looked.findings] == ["watchdog.nobody-subscribed"]
    assert judge(contract(), (), Observation(CONSUMER, NOW), {}).locks == ()


def test_endpoints_and_organizations_are_recorded_where_they_are_called() -> None:
    cloud = {"account": "444444444444", "name": "cloud", "home_region": HOME}
    agreed = contract(contexts=[{"name": "vpc", "endpoints": {"s3": "vpce-12345678"}}], organizations={"owner": cloud})
    bucket = agreed.bucket.region
    assert (bucket, (EC2, *EVERYWHERE)) in duties(agreed, CONSUMER, ELSEWHERE)[1:]
    assert EC2 not in duties(agreed, OWNER, HOME)[0][1]
    home, above = duties(agreed, "444444444444", HOME)
    assert (home, above) == ((HOME, (ORGANIZATIONS, *AT_HOME)), ("us-east-1", (ORGANIZATIONS, *EVERYWHERE)))
