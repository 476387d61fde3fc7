"""What was done and must not be done again soon, in a table as the template makes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from simulation.environment import environment_of_its_own
from threelocks.aws.ledger import DynamoLedger
from threelocks.aws.session import Clients

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TABLE, REGION = "table", "eu-west-1"


@pytest.fixture
def ledger() -> Iterator[DynamoLedger]:
    from moto import mock_aws  # noqa: PLC0415 - patches botocore when it is imported

    with environment_of_its_own(), mock_aws():
        clients = Clients(session=boto3.Session())
        clients.client("dynamodb", REGION).create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        yield DynamoLedger(clients, TABLE, REGION)


def items(ledger: DynamoLedger) -> list[dict[str, Any]]:
    return list(ledger.clients.client("dynamodb", REGION).scan(TableName=TABLE)["Items"])


def test_an_entry_is_claimed_once_until_its_time_is_up(ledger: DynamoLedger) -> None:
    assert ledger.claim("share", "SEEN#a", now=NOW, until=NOW + MINUTE)
    assert not ledger.claim("share", "SEEN#a", now=NOW + MINUTE / 2, until=NOW + 2 * MINUTE)
    assert ledger.claim("share", "SEEN#b", now=NOW, until=NOW + MINUTE)
    assert ledger.claim("other", "SEEN#a", now=NOW, until=NOW + MINUTE)
    assert ledger.claim("share", "SEEN#a", now=NOW + MINUTE, until=NOW + 2 * MINUTE)


def test_what_is_kept_holds_the_entry_and_what_is_released_does_not(ledger: DynamoLedger) -> None:
    ledger.claim("share", "SEEN#a", now=NOW, until=NOW + MINUTE)
    ledger.keep("share", "SEEN#a", until=NOW + 60 * MINUTE, expires=NOW + 90 * MINUTE, body="{}")
    assert not ledger.claim("share", "SEEN#a", now=NOW + 30 * MINUTE, until=NOW + 31 * MINUTE)
    ledger.keep("share", "SEEN#a", until=NOW, expires=NOW)
    assert ledger.claim("share", "SEEN#a", now=NOW, until=NOW + MINUTE)


def test_bodies_are_read_by_prefix_and_not_after_they_expired(ledger: DynamoLedger) -> None:
    for name, minutes in (("SEEN#a", 10), ("SEEN#b", 20), ("TOLD#c", 30)):
        ledger.keep("share", name, until=NOW, expires=NOW + minutes * MINUTE, body=name)
    ledger.claim("share", "SEEN#no-body-yet", now=NOW, until=NOW + 60 * MINUTE)
    assert set(ledger.kept("share", prefix="SEEN#", now=NOW)) == {"SEEN#a", "SEEN#b"}
    assert ledger.kept("share", prefix="SEEN#", now=NOW + 15 * MINUTE) == ("SEEN#b",)
    assert ledger.kept("another", prefix="SEEN#", now=NOW) == ()


def test_every_entry_goes_by_the_tables_time_to_live(ledger: DynamoLedger) -> None:
    ledger.claim("share", "SEEN#a", now=NOW, until=NOW + MINUTE)
    ledger.keep("share", "SEEN#b", until=NOW, expires=NOW + MINUTE)
    seconds = int((NOW + MINUTE).timestamp())
    assert {int(item["expires"]["N"]) for item in items(ledger)} == {seconds}
    assert {item["pk"]["S"] for item in items(ledger)} == {"CONTRACT#share"}


def test_another_failure_than_a_lost_claim_is_raised(ledger: DynamoLedger) -> None:
    with pytest.raises(ClientError, match="ResourceNotFound"):
        DynamoLedger(ledger.clients, "no-such-table", REGION).claim("share", "a", now=NOW, until=NOW)
