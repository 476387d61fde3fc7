"""What the parts of the home stack owe each other: functions, queues, table, alarms; and what the relay must not be."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from threelocks.handlers import environment
from threelocks.handlers.batch import RECEIVES
from threelocks.handlers.telemetry import Telemetry
from threelocks.watch import Desk

ROOT = Path(__file__).parents[2]
HANDLERS = {
    "OnChangeFunction": "on_change",
    "OnReportFunction": "on_report",
    "OnDeniedFunction": "on_denied",
    "RecheckFunction": "recheck",
    "SweepFunction": "sweep",
}


def seconds(name: str) -> float:
    """A default of Desk that is a length of time."""
    (field,) = [field for field in fields(Desk) if field.name == name]
    return float(field.default.total_seconds())


# --- functions ---


def test_the_functions_are_the_five_entries_of_the_package(home: Any) -> None:
    handlers = {name: row["Handler"] for name, row in home.of_type("AWS::Serverless::Function").items()}
    assert handlers == {name: f"threelocks.handlers.{module}.handler" for name, module in HANDLERS.items()}


@pytest.mark.parametrize("name", HANDLERS)
def test_every_handler_can_be_imported(home: Any, name: str) -> None:
    module, _, attribute = home.properties(name)["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), attribute))


def test_every_function_is_built_for_its_runtime_whatever_python_this_machine_has(home: Any) -> None:
    for name in HANDLERS:
        assert home.resources[name]["Metadata"] == {"BuildMethod": "python-uv"}, name
    assert "beta_features = true" in (ROOT / "samconfig.toml").read_text(encoding="utf-8")


def test_every_function_is_traced_and_logs_to_a_group_that_expires(translated: Any) -> None:
    groups = translated.of_type("AWS::Logs::LogGroup")
    for name, row in translated.of_type("AWS::Lambda::Function").items():
        assert row["TracingConfig"] == {"Mode": "Active"}, name
        group = groups[row["LoggingConfig"]["LogGroup"].strip("${}")]
        assert group["LogGroupName"] == f"/aws/lambda/{row['FunctionName']}", name
        assert group["RetentionInDays"] == "90", name


def test_every_role_may_write_the_logs_of_its_own_functions_and_no_others(
    translated: Any, allowed: tuple[Any, ...]
) -> None:
    written: dict[str, set[str]] = {}
    for row in translated.of_type("AWS::Lambda::Function").values():
        role, group = row["Role"].removesuffix(".Arn}").strip("${"), row["LoggingConfig"]["LogGroup"].strip("${}")
        written.setdefault(role, set()).add(f"${{{group}.Arn}}")
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        granted: dict[str, set[str]] = {}
        for row in allowed:
            if row.action == action:
                granted.setdefault(row.role, set()).add(row.resource)
        assert granted == written


def test_a_claim_on_an_announcement_outlasts_every_function_that_announces(home: Any) -> None:
    """Else two functions could send the same mail."""
    for name in set(HANDLERS) - {"SweepFunction"}:
        assert home.properties(name)["Timeout"] < seconds("claim"), name


def test_a_message_comes_back_after_the_claim_of_a_crashed_function_has_run_out(home: Any) -> None:
    for name in ("ChangeQueue", "CheckQueue", "ReportQueue", "DeniedQueue"):
        assert home.properties(name)["VisibilityTimeout"] > seconds("claim"), name


def test_the_re_check_that_the_mail_names_is_the_function_of_the_default_stack(home: Any) -> None:
    (field,) = [field for field in fields(Desk) if field.name == "recheck"]
    assert home.properties("RecheckFunction")["FunctionName"] == field.default


# --- their environment ---

# Function -> the models of what it reads, and the parts of the app that read it.
READS: dict[str, tuple[tuple[Any, ...], set[str]]] = {
    "OnChangeFunction": ((environment.WatchEnvironment, environment.AskEnvironment), {"watch", "outbox"}),
    "OnReportFunction": ((environment.DeskEnvironment,), {"desk"}),
    "OnDeniedFunction": ((environment.WatchEnvironment,), {"watch"}),
    "RecheckFunction": ((environment.WatchEnvironment,), {"watch"}),
    "SweepFunction": ((environment.AskEnvironment,), {"outbox"}),
}
PARTS = {"watch": "app.shift", "desk": "app.desk.hear", "outbox": "app.outbox"}
# What Lambda itself sets: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
LAMBDAS_OWN = {"AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME"}


def variables(translated: Any, name: str) -> dict[str, str]:
    return dict(translated.properties(name)["Environment"]["Variables"])


@pytest.mark.parametrize("name", READS)
def test_a_function_is_given_exactly_the_variables_that_it_reads(translated: Any, name: str) -> None:
    models, _ = READS[name]
    read = {str(field.alias) for model in models for field in model.model_fields.values()} - LAMBDAS_OWN
    given = {variable for variable in variables(translated, name) if variable.startswith("THREELOCKS_")}
    assert given == read


@pytest.mark.parametrize("name", READS)
def test_a_function_uses_the_parts_that_its_environment_is_for(name: str) -> None:
    source = inspect.getsource(importlib.import_module(f"threelocks.handlers.{HANDLERS[name]}"))
    assert {part for part, use in PARTS.items() if use in source} == READS[name][1]


def test_the_variables_of_powertools_are_set_for_all_and_are_what_the_alarms_expect(translated: Any) -> None:
    for name in READS:
        given = {variable for variable in variables(translated, name) if variable.startswith("POWERTOOLS_")}
        source = inspect.getsource(Telemetry)
        assert given == set(re.findall(r"POWERTOOLS_[A-Z_]+", source)), name


@pytest.mark.parametrize("name", ["OnChangeFunction", "OnReportFunction", "OnDeniedFunction", "RecheckFunction"])
def test_every_function_that_mails_knows_the_re_check_of_its_own_stack(translated: Any, name: str) -> None:
    (model, *_), _ = READS[name]
    known = {
        "AWS_REGION": "eu-west-1",
        "THREELOCKS_ACCOUNT": "111111111111",
        "THREELOCKS_TABLE": "table",
        "THREELOCKS_ALERT_TOPIC": "arn:aws:sns:eu-west-1:111111111111:alerts",
        "THREELOCKS_REPORTER_ROLE": "arn:aws:iam::111111111111:role/threelocks/threelocks-reporter",
        "THREELOCKS_CHANGE_QUEUE": "https://sqs.eu-west-1.amazonaws.com/111111111111/changes",
        "THREELOCKS_MERGE_SECONDS": "300",
        "THREELOCKS_REMINDER_HOURS": "24",
        "THREELOCKS_CHAT_TOPIC": "",
        "THREELOCKS_SILENCE_SECONDS": "12000",
        "AWS_LAMBDA_FUNCTION_NAME": translated.properties(name)["FunctionName"].replace("threelocks", "mine"),
    }
    recheck = translated.properties("RecheckFunction")["FunctionName"].replace("threelocks", "mine")
    assert environment.read(model, known).recheck == recheck


# --- queues ---


def mappings(translated: Any) -> dict[str, Any]:
    """Event source -> its mapping."""
    return {row["EventSourceArn"]: row for row in translated.of_type("AWS::Lambda::EventSourceMapping").values()}


def test_each_queue_has_one_function_that_reports_single_failures(translated: Any) -> None:
    found = mappings(translated)
    assert {source: row["FunctionName"] for source, row in found.items()} == {
        "${ChangeQueue.Arn}": "${OnChangeFunction}",
        "${CheckQueue.Arn}": "${OnChangeFunction}",
        "${ReportQueue.Arn}": "${OnReportFunction}",
        "${DeniedQueue.Arn}": "${OnDeniedFunction}",
    }
    for source, row in found.items():
        assert row["FunctionResponseTypes"] == ["ReportBatchItemFailures"], source
        assert int(row["ScalingConfig"]["MaximumConcurrency"]) >= 2, source


def test_a_batch_of_more_than_ten_has_a_window(translated: Any) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    for source, row in mappings(translated).items():
        assert row["BatchSize"] <= 10 or row["MaximumBatchingWindowInSeconds"] >= 1, source


def test_a_message_stays_hidden_for_six_timeouts_of_its_function_and_the_window(translated: Any) -> None:
    for source, row in mappings(translated).items():
        queue = translated.properties(source.removesuffix(".Arn}").strip("${"))
        function = translated.properties(row["FunctionName"].strip("${}"))
        window = row.get("MaximumBatchingWindowInSeconds", 0)
        assert queue["VisibilityTimeout"] >= 6 * function["Timeout"] + window, source


SHORT_LIVED = {"DeniedQueue": 43200}  # a diagnosis that comes after half a day is of no use


def test_every_queue_is_encrypted_and_every_dead_letter_is_kept_for_two_weeks(home: Any, relay: Any) -> None:
    for template in (home, relay):
        for name, row in template.of_type("AWS::SQS::Queue").items():
            assert row["SqsManagedSseEnabled"] is True, name
            kept = 1209600 if name.endswith("DeadLetters") else SHORT_LIVED.get(name, 345600)
            assert row["MessageRetentionPeriod"] == kept, name


def test_each_way_to_fail_has_a_dead_letter_queue_of_its_own(home: Any, translated: Any) -> None:
    redrives = {
        name: row["RedrivePolicy"]["deadLetterTargetArn"]
        for name, row in home.of_type("AWS::SQS::Queue").items()
        if "RedrivePolicy" in row
    }
    assert redrives == {
        "ChangeQueue": "${ChangeDeadLetters.Arn}",
        "CheckQueue": "${CheckDeadLetters.Arn}",
        "ReportQueue": "${ReportDeadLetters.Arn}",
        "DeniedQueue": "${DeniedDeadLetters.Arn}",
    }
    (invoked,) = translated.of_type("AWS::Lambda::EventInvokeConfig").values()
    assert invoked["FunctionName"] == "${SweepFunction}"
    assert invoked["DestinationConfig"]["OnFailure"]["Destination"] == "${SweepDeadLetters.Arn}"
    deliveries = {
        name: target["DeadLetterConfig"]["Arn"]
        for name, rule in home.of_type("AWS::Events::Rule").items()
        for target in rule["Targets"]
    }
    # Events either way, and the queue takes them back: one is enough for refused reads.
    denied = {deliveries.pop(name) for name in ("ReadDeniedRule", "DecryptDeniedRule")}
    assert denied == {"${DeniedDeadLetters.Arn}"}
    assert set(deliveries.values()) == {"${DeliveryDeadLetters.Arn}"}


def test_the_code_knows_after_how_many_receives_a_message_becomes_a_dead_letter(home: Any) -> None:
    for name in ("ChangeQueue", "CheckQueue", "ReportQueue", "DeniedQueue"):
        assert home.properties(name)["RedrivePolicy"]["maxReceiveCount"] == RECEIVES, name


# --- the table ---


def test_the_table_outlives_the_stack(home: Any) -> None:
    table = home.resources["Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert "TableName" not in table["Properties"]
    assert table["Properties"]["DeletionProtectionEnabled"] == "true"
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True}


def test_the_table_has_the_keys_that_the_store_uses(home: Any) -> None:
    keys = home.properties("Table")["KeySchema"]
    assert keys == [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]


# --- alarms ---


def alarms(home: Any) -> dict[str, Any]:
    return dict(home.of_type("AWS::CloudWatch::Alarm"))


def test_every_alarm_goes_to_the_alarm_topic_when_it_begins_and_when_it_ends(home: Any) -> None:
    for name, row in alarms(home).items():
        assert row["AlarmActions"] == row["OKActions"] == ["${AlarmTopic}"], name


def test_every_alarm_names_a_section_of_the_runbook_that_exists(home: Any, relay: Any) -> None:
    text = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^\w-]", "", line.lower().replace(" ", "-")) for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    raw = [*alarms(home).values(), relay.raw["Resources"]["RelayDeadLettersAlarm"]["Properties"]]
    for row in raw:
        match = re.search(r"docs/runbook\.md#([\w-]+)$", row["AlarmDescription"])
        assert match, row["AlarmDescription"]
        assert match[1] in anchors


def test_every_dead_letter_queue_has_an_alarm(home: Any) -> None:
    watched = {
        row["Dimensions"][0]["Value"]
        for row in alarms(home).values()
        if row.get("MetricName") == "ApproximateNumberOfMessagesVisible" and row["Threshold"] == 0
    }
    queues = [name for name in home.of_type("AWS::SQS::Queue") if name.endswith("DeadLetters")]
    assert watched == {f"${{{name}.QueueName}}" for name in queues}


def test_every_source_queue_has_an_alarm_on_its_oldest_message(home: Any) -> None:
    watched = {
        row["Dimensions"][0]["Value"]
        for row in alarms(home).values()
        if row.get("MetricName") == "ApproximateAgeOfOldestMessage"
    }
    sources = ("ChangeQueue", "CheckQueue", "ReportQueue", "DeniedQueue")
    assert watched == {f"${{{name}.QueueName}}" for name in sources}


def test_every_function_has_an_alarm_on_its_errors_and_on_throttling(home: Any) -> None:
    errors = {row["Dimensions"][0]["Value"] for row in alarms(home).values() if row.get("MetricName") == "Errors"}
    assert errors == {f"${{{name}}}" for name in HANDLERS}
    throttles = {
        query["MetricStat"]["Metric"]["Dimensions"][0]["Value"]
        for query in home.properties("ThrottlesAlarm")["Metrics"]
        if "MetricStat" in query
    }
    throttles |= {
        row["Dimensions"][0]["Value"] for row in alarms(home).values() if row.get("MetricName") == "Throttles"
    }
    assert throttles == errors


def test_alarms_on_our_own_metrics_look_where_the_functions_write_them(home: Any) -> None:
    environment = home.raw["Globals"]["Function"]["Environment"]["Variables"]
    for name in ("ReportRefusedAlarm", "HeartbeatAlarm"):
        row = home.properties(name)
        assert row["Namespace"] == environment["POWERTOOLS_METRICS_NAMESPACE"], name
        assert row["Dimensions"] == [{"Name": "service", "Value": environment["POWERTOOLS_SERVICE_NAME"]}], name


def test_silence_of_the_sweep_is_an_alarm(home: Any) -> None:
    assert home.properties("HeartbeatAlarm")["TreatMissingData"] == "breaching"


@pytest.mark.parametrize("rate", ["quarter-hourly", "hourly", "six-hourly", "daily"])
def test_the_heartbeat_follows_the_sweep_rate(home: Any, rate: str) -> None:
    sweep = home.raw["Mappings"]["Sweeps"][rate]
    number, unit = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", sweep["Schedule"]).groups()
    assert sweep["Seconds"] == int(number) * {"minute": 60, "hour": 3600, "day": 86400}[unit]
    assert sweep["TooOld"] == 3 * sweep["Seconds"]
    assert rate in home.raw["Parameters"]["SweepRate"]["AllowedValues"]


# --- parameters and outputs ---


def test_every_parameter_is_described_by_a_sentence(home: Any, relay: Any) -> None:
    for template in (home, relay):
        for name, row in template.raw["Parameters"].items():
            assert row["Description"].strip().endswith("."), name


def test_without_addresses_nobody_is_subscribed_and_nothing_fails(home_alone: Any) -> None:
    assert not home_alone.of_type("AWS::SNS::Subscription")


# --- the relay ---


def test_the_relay_needs_no_macro_and_no_function(relay: Any) -> None:
    assert "Transform" not in relay.raw
    kinds = {row["Type"] for row in relay.raw["Resources"].values()}
    assert not [kind for kind in kinds if "Lambda" in kind or "Serverless" in kind or kind.startswith("Custom::")]
    assert "Fn::Transform" not in str(relay.raw)


def test_the_relays_role_has_no_fixed_name_so_that_several_regions_can_have_one(relay: Any) -> None:
    assert "RoleName" not in relay.properties("RelayRole")
