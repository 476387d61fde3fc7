"""What was done about a contract and must not be done again soon, in the table of `store`.

    pk                   sk                  attributes
    CONTRACT#<name>      DIAGNOSED#<entry>   until (held until then, in milliseconds), body, expires

Nothing here is needed to judge a share: an entry that is lost costs a mail too many.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from threelocks.aws.session import ClientSource

_KIND = "DIAGNOSED#"


@dataclass(frozen=True, slots=True)
class DynamoLedger:
    """Keeps ports.Ledger."""

    clients: ClientSource
    table: str
    region: str

    def claim(self, contract: str, name: str, *, now: datetime, until: datetime) -> bool:
        try:
            self._put(
                contract,
                name,
                until=until,
                expires=until,
                ConditionExpression="attribute_not_exists(pk) OR #until <= :now",
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues={":now": {"N": _millis(now)}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def keep(self, contract: str, name: str, *, until: datetime, expires: datetime, body: str = "") -> None:
        self._put(contract, name, until=until, expires=expires, body=body)

    def kept(self, contract: str, *, prefix: str, now: datetime) -> tuple[str, ...]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues={":pk": {"S": f"CONTRACT#{contract}"}, ":sk": {"S": f"{_KIND}{prefix}"}},
        )
        return tuple(
            item["body"]["S"]
            for page in pages
            for item in page["Items"]
            if "body" in item and int(item["expires"]["N"]) > now.timestamp()  # DynamoDB deletes late
        )

    def _put(
        self, contract: str, name: str, *, until: datetime, expires: datetime, body: str = "", **condition: Any
    ) -> None:
        item = {
            "pk": {"S": f"CONTRACT#{contract}"},
            "sk": {"S": f"{_KIND}{name}"},
            "until": {"N": _millis(until)},
            "expires": {"N": str(int(expires.timestamp()))},
            **({"body": {"S": body}} if body else {}),
        }
        self._client.put_item(TableName=self.table, Item=item, **condition)

    @property
    def _client(self) -> Any:
        return self.clients.client("dynamodb", self.region)


def _millis(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))
