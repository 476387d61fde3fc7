"""The history of standings in a simulated table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from moto import mock_aws

from simulation.examples import CONTRACT, OWNER
from simulation.memory import START, change
from threelocks.aws.session import Clients, Credentials
from threelocks.aws.store import KEEP_HISTORY, DynamoStore
from threelocks.finding import Headline
from threelocks.ports import ConflictError
from threelocks.state import Standing, State

REGION, TABLE, NAME = "eu-west-1", "threelocks", CONTRACT.name


class Stopped:
    """A clock that a test moves."""

    time = START

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Stopped:
    return Stopped()


@pytest.fixture
def store(clock: Stopped) -> Iterator[DynamoStore]:
    with mock_aws():
        clients = Clients(credentials=Credentials("test", "test"), attempts=1)
        clients.client("dynamodb", REGION).create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        store = DynamoStore(clients, TABLE, OWNER, REGION, clock)
        store.apply(CONTRACT)
        yield store


def stood(minutes: int, headline: Headline = Headline.BROKEN) -> Standing:
    return Standing(START + timedelta(minutes=minutes), headline, (("bucket.no-allow", "b", "p", ("a",)),), change())


def write(store: DynamoStore, *rows: Standing) -> None:
    for row in rows:
        before = store.state(NAME)
        state = before or State(NAME, CONTRACT.seal, OWNER)
        store.save(state, expected_version=before.version if before else None, standing=row)


def test_rows_come_newest_first_from_a_time_on_and_no_more_than_asked_for(store: DynamoStore) -> None:
    rows = [stood(minutes) for minutes in range(5)]
    write(store, *rows)
    assert store.history(NAME, since=START, limit=9) == tuple(reversed(rows))
    assert store.history(NAME, since=START + timedelta(minutes=3), limit=9) == (rows[4], rows[3])
    assert store.history(NAME, since=START, limit=2) == (rows[4], rows[3])
    assert store.history("another", since=START, limit=2) == ()


def test_two_rows_of_the_same_moment_are_both_kept(store: DynamoStore) -> None:
    write(store, stood(1), stood(1, Headline.INTACT))
    assert {row.headline for row in store.history(NAME, since=START, limit=9)} == {Headline.BROKEN, Headline.INTACT}


def test_a_row_is_written_with_its_state_or_not_at_all(store: DynamoStore) -> None:
    write(store, stood(1))
    with pytest.raises(ConflictError):
        store.save(State(NAME, CONTRACT.seal, OWNER), expected_version=None, standing=stood(2))
    assert len(store.history(NAME, since=START, limit=9)) == 1


def test_an_expired_row_is_passed_over_though_dynamodb_deletes_late(store: DynamoStore, clock: Stopped) -> None:
    write(store, stood(1), stood(60))
    clock.time = START + KEEP_HISTORY + timedelta(minutes=30)
    assert store.history(NAME, since=START, limit=9) == (stood(60),)


def test_the_expiry_is_in_the_attribute_that_the_table_expires_by(store: DynamoStore) -> None:
    write(store, stood(0))
    items = store.clients.client("dynamodb", REGION).scan(TableName=TABLE)["Items"]
    (row,) = [item for item in items if item["sk"]["S"].startswith("HISTORY#")]
    assert int(row["expires"]["N"]) == int((START + KEEP_HISTORY).timestamp())


def test_a_time_of_another_zone_is_the_same_moment(store: DynamoStore) -> None:
    write(store, stood(0), stood(30))
    since = datetime.fromisoformat("2026-11-23T12:15:00+02:00")
    assert store.history(NAME, since=since, limit=9) == (stood(30),)
