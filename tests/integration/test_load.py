"""Calls to AWS grow with buckets, keys and roles, not with contracts or events; and the ledger counts as moto does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import boto3
import moto.kms.models
import pytest
from botocore import xform_name

from simulation.clock import Clock
from simulation.cloud import Cloud, simulated_aws
from simulation.fleet import (
    CHANGES_AT_ONCE,
    LOTS_AT_ONCE,
    OWNER,
    REGION,
    Fleet,
    Site,
    bucket_events,
    consumer_of,
    owner_of,
)
from simulation.memory import verdict_of
from simulation.share import create_trail
from simulation.world import TEMPLATE
from threelocks.aws.session import Clients, Credentials
from threelocks.aws.store import DynamoStore
from threelocks.contract import Contract
from threelocks.finding import Cause, Finding, Kind, Lock, Verdict
from threelocks.handlers import on_change
from threelocks.handlers.app import App
from threelocks.handlers.batch import requests

BUCKET_READS, KEY_READS, ROLE_READS = 8, 4, 4  # and one for the account, in each lot


@pytest.fixture(autouse=True)
def quiet(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """The functions write their metrics to standard output."""
    yield
    capsys.readouterr()


def all_well(contract: Contract, _: Any, observation: Any, __: Any) -> Verdict:
    return verdict_of(contract, observation.account, as_of=observation.began)


def at_work(site: Site, judge: Any = all_well) -> Site:
    site.app = App(site.app.variables, site.ledger, now=site.clock, judge=judge)
    return site


@pytest.mark.parametrize("each", [1, 3, 6])
def test_a_sweep_reads_each_bucket_once_however_many_contracts_it_has(each: int) -> None:
    site = at_work(owner_of(Fleet(8 * each, 8, 2, 8)))
    site.sweep()
    lots = len(site.batches)
    reads = Counter({call: number for call, number in site.ledger.calls.items() if call.startswith("s3:")})
    assert set(reads.values()) == {8}
    assert len(reads) == BUCKET_READS
    assert site.ledger.calls["s3control:get_public_access_block"] == lots
    assert 2 <= site.ledger.calls["kms:get_key_policy"] <= 2 * lots


@pytest.mark.parametrize("each", [1, 4])
def test_a_sweep_reads_each_role_once_however_many_contracts_it_has(each: int) -> None:
    site = at_work(consumer_of(Fleet(12 * each, 12, 2, 12)))
    site.sweep()
    assert site.ledger.calls["iam:get_role"] == site.ledger.calls["iam:get_role_policy"] == 12
    assert site.ledger.reads() == 12 * ROLE_READS


@pytest.mark.parametrize("each", [1, 4])
def test_a_sweep_reads_each_trail_once_in_a_lot_however_many_contracts_it_has(each: int) -> None:
    fleet = Fleet(8 * each, 8, 2, 8)
    for site, regions in ((at_work(owner_of(fleet)), 1), (at_work(consumer_of(fleet)), 2)):
        site.sweep()
        lots = len(site.batches)
        calls = {call: number for call, number in site.ledger.calls.items() if call.startswith("cloudtrail:")}
        assert calls == {
            "cloudtrail:describe_trails": lots * regions,
            "cloudtrail:get_trail_status": lots,
            "cloudtrail:get_event_selectors": lots,
        }


def test_a_sweep_finds_every_contract_and_sends_every_report() -> None:
    fleet = Fleet(60, 10, 2, 30)
    site = at_work(owner_of(fleet))
    site.sweep()
    assert len(site.ledger.reports) == 60
    assert all((f"CONTRACT#{one.name}", "STATE") in site.ledger.table.items for one in fleet.all)


def test_the_list_of_contracts_is_read_in_bulk() -> None:
    site = at_work(owner_of(Fleet(120, 20, 2, 60)))
    assert len(list(site.app.directory.listings())) == 120
    assert site.ledger.calls == {"dynamodb:query": 1, "dynamodb:batch_get_item": 3}


@pytest.mark.parametrize("each", [2, 10])
def test_what_a_check_asks_of_the_table_does_not_grow_with_its_neighbours(each: int) -> None:
    site = at_work(owner_of(Fleet(24 * each, 24, 1, 24)))
    site.sweep()
    site.ledger.calls.clear()
    site.batches.clear()
    site.clock.advance(3600)
    site.sweep()
    asked = Counter({call: number for call, number in site.ledger.calls.items() if call.startswith("dynamodb:")})
    assert asked["dynamodb:get_item"] == 3 * 24 * each + len(site.batches)
    assert asked["dynamodb:transact_write_items"] == 24 * each


@pytest.mark.parametrize("events", [25, 100, 400])
def test_a_burst_costs_the_same_reads_however_many_events_it_has(events: int) -> None:
    fleet = Fleet(12, 3, 1, 6)
    site = at_work(owner_of(fleet))
    first = site.clock()
    site.clock.advance(30)
    site.burst(bucket_events(fleet.all[0].bucket.name, events, first, timedelta(seconds=20)))
    assert site.ledger.reads() == BUCKET_READS + KEY_READS + 1
    assert len(site.batches) == -(-events // CHANGES_AT_ONCE)
    site.clock.advance(70)
    site.work()
    assert site.ledger.reads() == 2 * (BUCKET_READS + KEY_READS + 1)


def test_a_burst_that_goes_on_is_read_again_for_what_came_after_the_reading() -> None:
    fleet = Fleet(4, 1, 1, 2)
    site = at_work(owner_of(fleet))
    for _ in range(3):
        first = site.clock()
        site.clock.advance(5)
        site.burst(bucket_events(fleet.all[0].bucket.name, 50, first, timedelta(seconds=2)))
    assert site.ledger.reads() == 3 * (BUCKET_READS + KEY_READS + 1)


def test_a_change_that_touches_more_contracts_than_one_invocation_checks_is_handed_on_in_lots() -> None:
    fleet = Fleet(240, 1, 1, 240)
    site = at_work(owner_of(fleet))
    first = site.clock()
    site.clock.advance(30)
    site.burst(bucket_events(fleet.all[0].bucket.name, 1, first, timedelta(seconds=1)))
    assert len(site.batches) == 1 + -(-(240 - on_change.HERE) // on_change.LOT)
    states = [sk for _, sk in site.ledger.table.items if sk == "STATE"]
    assert len(states) == 240
    assert site.ledger.calls["s3:get_bucket_policy"] == len(site.batches)


def test_the_batches_of_the_load_run_are_the_templates(home_template: dict[str, Any]) -> None:
    events = home_template["Resources"]["OnChangeFunction"]["Properties"]["Events"]
    assert events["Change"]["Properties"]["BatchSize"] == CHANGES_AT_ONCE
    assert events["Check"]["Properties"]["BatchSize"] == LOTS_AT_ONCE


@pytest.fixture(scope="module")
def home_template() -> dict[str, Any]:
    from samtranslator.yaml_helper import yaml_parse  # noqa: PLC0415 - it makes sessions when it is imported

    return dict(yaml_parse(TEMPLATE.read_text(encoding="utf-8")))


# --- the ledger and moto ---

SMALL = Fleet(6, 3, 1, 3)


def shut(contract: Contract, _: Any, observation: Any, __: Any) -> Verdict:
    """Every bucket is shut, so that mails, reports and second looks are part of the comparison."""
    finding = Finding(
        code="bucket.no-allow",
        kind=Kind.SHUT,
        lock=Lock.BUCKET_POLICY,
        account=OWNER,
        resource=contract.bucket_arn,
        principal=contract.role,
        actions=("s3:GetObject",),
        detail="no statement allows it",
    )
    return verdict_of(contract, observation.account, (finding,), as_of=observation.began)


@pytest.mark.parametrize("judge", [all_well, shut])
def test_on_moto_the_same_calls_are_made_as_on_the_ledger(judge: Any) -> None:
    """A lot of checks, and a change: what the functions ask of boto3 is what the ledger counts."""
    site = at_work(owner_of(SMALL), judge)
    names = [one.name for one in SMALL.all]
    lot = requests(names, Cause("sweep", site.clock(), region=REGION))
    site.ledger.rules.clear()
    site._invoke([lot])
    with simulated_aws(Clock(site.clock())) as cloud:
        asked: Counter[str] = Counter()
        app = _on_moto(cloud, asked, judge)
        answer = app.serve(on_change.handle, {"Records": [{"messageId": "m", "body": lot}]}, None)
    assert answer == {"batchItemFailures": []}
    assert asked == site.ledger.calls


def _on_moto(cloud: Cloud, asked: Counter[str], judge: Any) -> App:
    """The fleet in moto, and an app whose calls are counted."""
    role = f"arn:aws:iam::{OWNER}:role/admin"
    made = {
        service: cloud.client(service, REGION, role)
        for service in ("dynamodb", "sqs", "sns", "kms", "s3", "s3control", "cloudtrail")
    }
    _set_up(made)
    topic = made["sns"].create_topic(Name="alerts")["TopicArn"]
    urls = {name: made["sqs"].create_queue(QueueName=name)["QueueUrl"] for name in ("changes", "checks")}
    session = boto3.Session()
    clients = Clients(attempts=1, session=session, credentials=Credentials(*cloud.credentials(role, "app").values()))
    store = DynamoStore(clients, table="table", account=OWNER, region=REGION)
    for contract in SMALL.all:
        store.apply(contract)

    def count(model: Any, **_: Any) -> None:
        asked[f"{model.service_model.service_name}:{xform_name(model.name)}"] += 1

    # Clients made from now on, and the one that has been.
    session.events.register("before-call", count)
    clients.client("dynamodb", REGION).meta.events.register("before-call", count)
    environment = {
        **at_work(owner_of(Fleet(1, 1, 1, 1))).app.variables,
        "THREELOCKS_ALERT_TOPIC": topic,
        "THREELOCKS_CHANGE_QUEUE": urls["changes"],
        "THREELOCKS_CHECK_QUEUE": urls["checks"],
    }
    return App(environment, clients, now=cloud.clock.now, judge=judge)


def _set_up(made: dict[str, Any]) -> None:
    create_trail(made["cloudtrail"], made["s3"], OWNER)
    made["dynamodb"].create_table(
        TableName="table",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
    )
    for arn, policy in SMALL.key_policies().items():
        with patch.object(moto.kms.models, "generate_key_id", lambda _, arn=arn: arn.rpartition("/")[2]):
            made["kms"].create_key(Policy=policy)
    blocks = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    made["s3control"].put_public_access_block(AccountId=OWNER, PublicAccessBlockConfiguration=blocks)
    for name, policy in SMALL.bucket_policies().items():
        made["s3"].create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        made["s3"].put_bucket_policy(Bucket=name, Policy=json.dumps(json.loads(policy)))
