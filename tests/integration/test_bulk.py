"""Many items in few calls: the list of contracts, and the terms of neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from simulation.fleet import OWNER, REGION, Fleet
from simulation.memory import verdict_of
from threelocks.aws import bulk
from threelocks.aws.directory import DynamoDirectory
from threelocks.aws.session import Clients, Credentials
from threelocks.aws.store import DynamoStore, own_resources
from threelocks.state import State

FLEET = Fleet(60, 12, 3, 30)
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def store() -> Iterator[DynamoStore]:
    with mock_aws():
        clients = Clients(credentials=Credentials("test", "test"), attempts=1)
        boto3.client("dynamodb", REGION, aws_access_key_id="test", aws_secret_access_key="test").create_table(
            TableName="table",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        )
        made = DynamoStore(clients, table="table", account=OWNER, region=REGION)
        for contract in FLEET.all:
            made.apply(contract)
        yield made


def test_the_directory_lists_every_contract_with_its_resources_and_its_last_check(store: DynamoStore) -> None:
    checked = FLEET.all[7]
    verdict = verdict_of(checked, OWNER, as_of=NOW)
    store.save(State(checked.name, checked.seal, OWNER, own=verdict), expected_version=None)
    listings = list(DynamoDirectory(store.clients, table="table", region=REGION).listings())
    assert [one.name for one in listings] == sorted(one.name for one in FLEET.all)
    by_name = {one.name: one for one in listings}
    assert by_name[checked.name].checked == NOW
    assert by_name[FLEET.all[0].name].checked is None
    for contract in FLEET.all:
        assert by_name[contract.name].resources == tuple(sorted(own_resources(contract, OWNER)))


def test_terms_read_together_are_those_read_one_by_one(store: DynamoStore) -> None:
    names = [one.name for one in FLEET.all]
    assert store.contracts([*names, "nobody"]) == {name: store.contract(name) for name in names}


def test_terms_that_are_damaged_are_left_out_and_stop_no_others(store: DynamoStore) -> None:
    name = FLEET.all[3].name
    client = store.clients.client("dynamodb", REGION)
    key = {"pk": {"S": f"CONTRACT#{name}"}, "sk": {"S": "TERMS"}}
    item = client.get_item(TableName="table", Key=key)["Item"]
    client.put_item(TableName="table", Item={**item, "body": {"S": "{}"}})
    assert set(store.contracts([name, FLEET.all[4].name])) == {FLEET.all[4].name}
    client.put_item(TableName="table", Item=item)


class Busy:
    """DynamoDB that leaves some keys unread at each call."""

    def __init__(self, leaves: list[int]) -> None:
        self.leaves = leaves
        self.asked: list[int] = []

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        keys = RequestItems["table"]["Keys"]
        self.asked.append(len(keys))
        left = self.leaves.pop(0) if self.leaves else 0
        rest = {"table": {**RequestItems["table"], "Keys": keys[:left]}} if left else {}
        return {"Responses": {"table": keys[left:]}, "UnprocessedKeys": rest}


KEYS = [{"pk": {"S": str(number)}, "sk": {"S": "x"}} for number in range(250)]


def got(client: Busy, pauses: list[float]) -> list[Any]:
    return list(bulk.get(client, "table", KEYS, consistent=True, sleep=pauses.append))


def test_a_hundred_keys_go_in_one_call() -> None:
    client = Busy([])
    assert got(client, []) == KEYS
    assert client.asked == [100, 100, 50]


def test_keys_that_were_left_unread_are_asked_for_again_after_longer_and_longer_pauses() -> None:
    client, pauses = Busy([60, 30]), list[float]()
    assert sorted(map(str, got(client, pauses))) == sorted(map(str, KEYS))
    assert client.asked == [100, 60, 30, 100, 50]
    assert pauses == sorted(set(pauses))
    assert len(pauses) == 2


def test_a_table_that_never_has_capacity_is_an_error() -> None:
    with pytest.raises(bulk.OverloadedError, match="throttling"):
        got(Busy([1] * bulk.TRIES), [])
