"""Event rules: what they match, where they send it, and what becomes of what cannot be delivered."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from simulation.bus import fires
from simulation.pattern import LONGEST_PATTERN, matches
from threelocks.diagnose.denial import ACTIONS
from threelocks.events import EVENTS, SERVICE_EVENTS
from threelocks.report import DETAIL_TYPE, REQUEST_TYPE, SOURCE

OWNER = "111111111111"
GLOBAL_RULES = {"RoleChangedRule", "ManagedPolicyChangedRule", "OrganizationChangedRule"}
UPKEEP_RULES = {
    "TrailChangedRule",
    "RuleChangedRule",
    "TopicChangedRule",
    "FunctionChangedRule",
    "TableChangedRule",
}  # what keeps the watch, of which every relay has some
RELAYED_ALWAYS = {"TrailChangedRule", "RuleChangedRule"}
DENIED_RULES = {"ReadDeniedRule", "DecryptDeniedRule"}
API_CALL, SERVICE_EVENT = "AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"


@pytest.mark.parametrize("stack", ["home", "home_alone", "relay", "relay_of_data"])
def test_every_rule_is_enabled_and_has_targets_with_retries_and_a_dead_letter_queue(
    stack: str, request: pytest.FixtureRequest
) -> None:
    rules = request.getfixturevalue(stack).of_type("AWS::Events::Rule")
    assert rules
    for name, rule in rules.items():
        reads_too = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
        assert rule["State"] == (reads_too if name == "DecryptDeniedRule" else "ENABLED"), name
        assert rule["Targets"], name
        for target in rule["Targets"]:
            assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0, name
            assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] >= 60, name
            assert target["DeadLetterConfig"]["Arn"], name


def test_change_rules_stand_on_the_default_bus_and_send_to_the_change_queue(home: Any) -> None:
    for name, rule in home.of_type("AWS::Events::Rule").items():
        if name in {"ReportRule", "SweepSchedule", *DENIED_RULES}:
            continue
        assert "EventBusName" not in rule, name
        assert [target["Arn"] for target in rule["Targets"]] == ["${ChangeQueue.Arn}"], name


def test_reports_come_by_their_own_bus_to_their_own_queue(home: Any) -> None:
    rule = home.properties("ReportRule")
    assert rule["EventBusName"] == "${ReportBus.Name}"
    assert [target["Arn"] for target in rule["Targets"]] == ["${ReportQueue.Arn}"]
    assert rule["EventPattern"] == {"source": [SOURCE], "detail-type": [DETAIL_TYPE, REQUEST_TYPE]}


@pytest.mark.parametrize("stack", ["home", "relay"])
def test_every_pattern_is_within_the_quota(stack: str, request: pytest.FixtureRequest) -> None:
    for name, pattern in request.getfixturevalue(stack).patterns().items():
        assert len(json.dumps(pattern, separators=(",", ":"))) <= LONGEST_PATTERN, name


@pytest.mark.parametrize("stack", ["home", "relay"])
def test_patterns_use_only_exact_values_exists_and_prefix(stack: str, request: pytest.FixtureRequest) -> None:
    def operators(node: Any) -> set[str]:
        if isinstance(node, dict):
            return set().union(*(operators(inner) for inner in node.values()))
        return {key for row in node if isinstance(row, dict) for key in row}

    for name, pattern in request.getfixturevalue(stack).patterns().items():
        assert operators(pattern) <= {"exists", "prefix"}, name


@pytest.mark.parametrize("stack", ["home", "relay"])
def test_change_rules_match_successful_calls_of_their_own_account_only(
    stack: str, request: pytest.FixtureRequest
) -> None:
    template = request.getfixturevalue(stack)
    account = {"home": OWNER, "relay": "222222222222"}[stack]
    for name, pattern in template.patterns().items():
        if name == "ReportRule":
            continue
        assert pattern["account"] == [account], name
        assert pattern["detail"]["errorCode"] == [{"exists": name in DENIED_RULES}], name
        assert all(source.startswith("aws.") for source in pattern["source"]), name


def named(patterns: dict[str, Any], detail_type: str, *, denied: bool = False) -> set[tuple[str, str]]:
    """(eventSource, eventName) of every rule for that detail-type; S3's control endpoint counts as S3."""
    return {
        (source, name)
        for rule, pattern in patterns.items()
        if pattern["detail-type"] == [detail_type] and (rule in DENIED_RULES) is denied
        for source in pattern["detail"]["eventSource"][:1]
        for name in pattern["detail"]["eventName"]
    }


def test_the_rules_and_the_code_know_the_same_api_calls(home: Any) -> None:
    assert named(home.patterns(), API_CALL) == set(EVENTS) - SERVICE_EVENTS


def test_the_rules_and_the_code_know_the_same_service_events(home: Any) -> None:
    assert named(home.patterns(), SERVICE_EVENT) == SERVICE_EVENTS


def test_the_rules_and_the_code_know_the_same_refused_reads(home: Any) -> None:
    assert named(home.patterns(), API_CALL, denied=True) == set(ACTIONS)


def test_refused_reads_go_to_a_queue_of_their_own(home: Any) -> None:
    for name in DENIED_RULES:
        rule = home.properties(name)
        assert "EventBusName" not in rule
        assert [target["Arn"] for target in rule["Targets"]] == ["${DeniedQueue.Arn}"]


def test_refused_reads_are_those_of_the_own_and_the_partner_accounts(home: Any) -> None:
    for name in DENIED_RULES:
        assert home.patterns()[name]["detail"]["userIdentity"] == {"accountId": [OWNER, "222222222222"]}


def test_without_partners_only_own_callers_are_looked_at(home_without_partners: Any) -> None:
    for name in DENIED_RULES:
        assert home_without_partners.patterns()[name]["detail"]["userIdentity"] == {"accountId": [OWNER]}


def test_nothing_of_the_diagnosis_is_deployed_unless_it_is_asked_for(home: Any, home_alone: Any) -> None:
    optional = set(home.resources) - set(home_alone.resources) - {"ReportBusPolicy", *OF_CHAT}
    assert optional >= DENIED_RULES
    assert all("Denied" in name for name in optional)
    assert not [name for name in home_alone.resources if "Denied" in name]


OF_CHAT = {"ChatTopic", "ChatTopicPolicy", "TellChatPolicy", "CardsUndeliveredAlarm"}


def test_there_is_no_chat_topic_unless_it_is_asked_for(home: Any, home_alone: Any) -> None:
    assert set(home.resources) >= OF_CHAT
    assert not OF_CHAT & set(home_alone.resources)
    functions = home_alone.of_type("AWS::Serverless::Function").values()
    topics = [row["Environment"]["Variables"].get("THREELOCKS_CHAT_TOPIC") for row in functions]
    assert set(topics) == {"", None}


def test_no_event_name_stands_in_two_rules(home: Any) -> None:
    rows = [
        (pattern["detail-type"][0], pattern["detail"]["eventSource"][0], name)
        for pattern in home.patterns().values()
        if "detail" in pattern
        for name in pattern["detail"]["eventName"]
    ]
    assert len(rows) == len(set(rows))


GLOBAL = ("aws.iam", "aws.organizations")  # recorded in us-east-1 only


def test_the_relay_forwards_exactly_what_the_home_stack_knows_of_iam_and_organizations(
    home_of_consumer: Any, relay: Any
) -> None:
    known = {name: row for name, row in home_of_consumer.patterns().items() if name in GLOBAL_RULES | RELAYED_ALWAYS}
    assert {name for name, row in known.items() if row["source"][0] in GLOBAL} == GLOBAL_RULES
    assert relay.patterns() == known


def test_a_relay_of_data_forwards_exactly_what_the_home_stack_knows_of_buckets_and_keys(
    home: Any, relay_of_data: Any, relay_of_both: Any
) -> None:
    left_out = {"ReportRule", *DENIED_RULES, *(UPKEEP_RULES - RELAYED_ALWAYS)}
    of_changes = {name: row for name, row in home.patterns().items() if name not in left_out}
    of_data = {name: row for name, row in of_changes.items() if name not in GLOBAL_RULES}
    assert of_data
    assert relay_of_data.patterns() == of_data
    assert relay_of_both.patterns() == of_changes


def test_a_relay_of_data_matches_the_event_files_of_buckets_and_keys_and_no_other(
    relay_of_data: Any, event_files: dict[str, dict[str, Any]]
) -> None:
    relayed = {name for name, event in event_files.items() if matching(relay_of_data, event)}
    of_data = {name for name, event in event_files.items() if event["source"] in {"aws.s3", "aws.kms"}}
    assert relayed - of_upkeep(event_files) == {name for name in of_data if not name.startswith("denied-")}


def test_the_relay_sends_to_the_default_bus_of_the_home_region_in_the_same_account(relay: Any) -> None:
    for name, rule in relay.of_type("AWS::Events::Rule").items():
        (target,) = rule["Targets"]
        assert target["Arn"] == "arn:aws:events:eu-west-1:222222222222:event-bus/default", name
        assert target["RoleArn"] == "${RelayRole.Arn}", name


def test_a_relay_in_its_own_home_region_has_no_rule_to_send_events_in_circles(relay_at_home: Any) -> None:
    assert not relay_at_home.of_type("AWS::Events::Rule")


# --- the event files ---


def account_of(event: dict[str, Any]) -> str:
    """Who receives the event: a report goes to the other account."""
    return OWNER if event["source"] == SOURCE else str(event["account"])


def matching(template: Any, event: dict[str, Any]) -> set[str]:
    return {name for name, pattern in template.patterns().items() if matches(pattern, event)}


def test_each_event_file_matches_exactly_one_rule_of_its_account(
    home: Any, home_of_consumer: Any, event_files: dict[str, dict[str, Any]]
) -> None:
    homes = {OWNER: home, "222222222222": home_of_consumer}
    wrong = {
        name: hit for name, event in event_files.items() if len(hit := matching(homes[account_of(event)], event)) != 1
    }
    assert not wrong


def test_each_rule_has_an_event_file(home: Any, home_of_consumer: Any, event_files: dict[str, dict[str, Any]]) -> None:
    hit = {name for event in event_files.values() for name in matching(home, event) | matching(home_of_consumer, event)}
    assert hit == set(home.patterns())


def of_upkeep(event_files: dict[str, dict[str, Any]]) -> set[str]:
    """The files that every relay's rules for what keeps the watch match."""
    return {name for name, event in event_files.items() if event["source"] in {"aws.cloudtrail", "aws.events"}}


def test_the_relay_matches_the_event_files_of_iam_of_organizations_and_of_what_keeps_the_watch(
    relay: Any, event_files: dict[str, dict[str, Any]]
) -> None:
    relayed = {name for name, event in event_files.items() if matching(relay, event)}
    of_all = {name for name, event in event_files.items() if event["source"] in GLOBAL}
    own = {name for name in of_upkeep(event_files) if event_files[name]["account"] == "222222222222"}
    assert relayed == of_all | own


def test_no_rule_matches_a_refused_call(
    home: Any, home_of_consumer: Any, relay: Any, event_files: dict[str, dict[str, Any]]
) -> None:
    for name, event in event_files.items():
        if event["source"] == SOURCE or name.startswith("denied-"):
            continue
        refused = copy.deepcopy(event)
        refused["detail"]["errorCode"] = "AccessDenied"
        for template in (home, home_of_consumer, relay):
            assert not matching(template, refused), name


def test_no_rule_matches_a_read_that_succeeds_or_that_a_stranger_makes(
    home: Any, home_of_consumer: Any, event_files: dict[str, dict[str, Any]]
) -> None:
    denied = {name: event for name, event in event_files.items() if name.startswith("denied-")}
    assert denied
    for name, event in denied.items():
        allowed, strange = copy.deepcopy(event), copy.deepcopy(event)
        del allowed["detail"]["errorCode"]
        strange["detail"]["userIdentity"]["accountId"] = "333333333333"
        for template in (home, home_of_consumer):
            assert not matching(template, allowed), name
            assert not matching(template, strange), name


def test_the_rule_of_a_management_read_is_in_the_state_that_such_events_come_to(
    home: Any, event_files: dict[str, dict[str, Any]]
) -> None:
    for name, event in event_files.items():
        for rule in matching(home, event):
            is_management_read = event["detail"].get("readOnly") and event["detail"].get("managementEvent")
            assert fires(home.properties(rule)["State"], home.patterns()[rule], event), name
            if is_management_read:
                assert not fires("ENABLED", home.patterns()[rule], event), name


def test_no_rule_takes_another_accounts_event_for_its_own(
    home: Any, home_of_consumer: Any, event_files: dict[str, dict[str, Any]]
) -> None:
    others = {OWNER: home_of_consumer, "222222222222": home}
    for name, event in event_files.items():
        if event["source"] != SOURCE:
            assert not matching(others[event["account"]], event), name


def test_a_report_of_a_stranger_reaches_the_function_that_counts_it(
    home: Any, event_files: dict[str, dict[str, Any]]
) -> None:
    forged = {**event_files["partner-report-identity-shut"], "account": "333333333333"}
    assert matching(home, forged) == {"ReportRule"}
