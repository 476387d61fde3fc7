"""The table: contracts, what is recorded of each, and which contracts a resource belongs to.

    pk                   sk         attributes
    CONTRACTS            <name>     the registry
    CONTRACT#<name>      TERMS      body (the contract), digest (of that text: its seal), resources (its own), revision
    CONTRACT#<name>      STATE      body or packed (the state), digest, version, checked (when it was last)
    CONTRACT#<name>      HISTORY#<time>#<version>  body (how the share stood from then on), expires
    CONTRACT#<name>      KEPT#<lock>  packed (the documents of a lock that the account holds, as they were read last)
    CONTRACT#<name>      DEPENDS    resources (what the last observation showed the contract to depend on), revision
    RESOURCE#<resource>  <name>     via: `contract` or `observed`

No index and no scan: indexes cannot be read consistently, and a stale answer here would be a missed change. What
belongs together is written in one transaction, on condition that nobody else wrote in between. `expires`, in seconds
since the epoch, is the table's time to live; DynamoDB deletes late, so readers pass over what has expired.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from threelocks.aws import bulk
from threelocks.aws.session import ClientSource
from threelocks.contract import Contract, sealed
from threelocks.events import ACCOUNT, ORGANIZATION
from threelocks.finding import THE_THREE_LOCKS, Lock
from threelocks.locks.kept import Kept
from threelocks.ports import ConflictError
from threelocks.report import MalformedError, decode, encode
from threelocks.state import Standing, State

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
ITEM_LIMIT = 400 * 1024  # bytes, names of attributes included
TRANSACTION_LIMIT = 100  # items
_ROOM = 2 * 1024  # bytes of an item that are not its body, generously
# A state larger than this is stored compressed. Below, people can read it in the console.
_PACK_FROM = 100 * 1024

KEEP_HISTORY = timedelta(days=400)  # a year, and time to look back on it

_HISTORY, _KEPT = "HISTORY#", "KEPT#"
_TERMS, _STATE, _DEPENDS = "TERMS", "STATE", "DEPENDS"
_REGISTRY = "CONTRACTS"
_BY_CONTRACT, _BY_OBSERVATION = "contract", "observed"

# Why DynamoDB cancels a transaction when somebody else was faster.
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_LOST_RACES = frozenset({"ConditionalCheckFailed", "TransactionConflict"})

Item = dict[str, Any]  # as DynamoDB's low-level interface has it: {"pk": {"S": ...}, ...}


class StoreError(Exception):
    """The table cannot hold what it was given; another try cannot help."""


@dataclass(frozen=True, slots=True)
class DynamoStore:
    """Keeps ports.Store, and applies and removes contracts, in one account's table."""

    clients: ClientSource
    table: str
    account: str  # whose table this is
    region: str
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))  # to pass over what has expired

    # --- contracts ---

    def contract(self, name: str) -> Contract | None:
        """The contract of that name, or None. Raises MalformedError when the item is no contract any more; one that
        was changed, and is still a contract, says so (`Contract.is_edited`)."""
        item = self._get(_of(name), _TERMS)
        return _terms(name, item) if item else None

    def contracts(self, names: Sequence[str]) -> dict[str, Contract]:
        """Those of these contracts that exist and can be read, in few calls."""
        keys = [_key(_of(name), _TERMS) for name in names]
        found = {}
        for item in bulk.get(self._client, self.table, keys, consistent=True):
            name = item["pk"]["S"].removeprefix(_of(""))
            with suppress(MalformedError):
                found[name] = _terms(name, item)
        return found

    def names(self) -> tuple[str, ...]:
        """Every contract's name, sorted."""
        return self._sort_keys(_REGISTRY)

    def touching(self, resources: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the contracts that depend on any of these resources, sorted."""
        found = (self._sort_keys(_resource(resource)) for resource in dict.fromkeys(resources))
        return tuple(sorted({name for names in found for name in names}))

    def apply(self, contract: Contract) -> None:
        """Store a contract in place of the one of the same name, with its lookup items; stale ones go.

        Raises StoreError when this account has no part in it, ConflictError when somebody else applied or removed it
        at the same time: apply again.
        """
        if contract.party(self.account) is None:
            parties = ", ".join(f"`{party.account}`" for party in contract.parties)
            raise StoreError(
                f"`{contract.name}` is between {parties}, and this table is account `{self.account}`'s; "
                "use the profile of one of the parties"
            )
        old, depends = self._get(_of(contract.name), _TERMS), self._get(_of(contract.name), _DEPENDS)
        wanted = own_resources(contract, self.account)
        stale = _resources(old) - set(wanted) - _resources(depends)
        body = encode(contract)
        self._transact(
            [
                self._put(
                    _of(contract.name),
                    _TERMS,
                    {
                        "body": {"S": body},
                        "digest": {"S": sealed(body)},
                        "resources": {"SS": sorted(wanted)},
                        "revision": {"N": str(_number(old, "revision") + 1)},
                    },
                    condition=_unchanged(old, "revision"),
                ),
                self._put(_REGISTRY, contract.name, {}),
                *(self._put_lookup(resource, contract.name, _BY_CONTRACT) for resource in wanted),
                *(self._delete(_resource(resource), contract.name) for resource in sorted(stale)),
            ],
            contract.name,
        )

    def remove(self, name: str) -> bool:
        """Forget a contract and all that is recorded of it; False when there is none of that name.

        Raises ConflictError when somebody else applied or removed it at the same time.
        """
        old, depends = self._get(_of(name), _TERMS), self._get(_of(name), _DEPENDS)
        if old is None:
            return False
        self._transact(
            [
                self._delete(_of(name), _TERMS, condition=_unchanged(old, "revision")),
                self._delete(_of(name), _DEPENDS, condition=_unchanged(depends, "revision")),
                self._delete(_of(name), _STATE),
                *(self._delete(_of(name), f"{_KEPT}{lock}") for lock in THE_THREE_LOCKS),
                self._delete(_REGISTRY, name),
                *(
                    self._delete(_resource(resource), name)
                    for resource in sorted(_resources(old) | _resources(depends))
                ),
            ],
            name,
        )
        return True

    # --- states ---

    def state(self, name: str) -> State | None:
        """What is recorded of a contract, or None before its first check. Raises MalformedError."""
        item = self._get(_of(name), _STATE)
        if item is None:
            return None
        body = gzip.decompress(item["packed"]["B"]) if "packed" in item else _text(item, "body")
        return replace(decode(State, body), version=_number(item, "version"))

    def save(
        self,
        state: State,
        *,
        expected_version: int | None,
        standing: Standing | None = None,
        kept: Sequence[Kept] = (),
    ) -> State:
        """Write the state if the stored version is `expected_version` (None: there is none yet) and the contract in the
        table still has the seal `state.digest`; answers it with its new version. `standing` is a row of history to
        write too, and `kept` the documents of locks.

        Raises ConflictError when either does not hold, StoreError when the state is too large for an item.
        """
        saved = replace(state, version=(expected_version or 0) + 1)
        condition = _absent() if expected_version is None else _equals("version", {"N": str(expected_version)})
        attributes = {
            **_packed(saved),
            "digest": {"S": saved.digest},
            "version": {"N": str(saved.version)},
            # Beside the body, so that a sweep can read it in bulk: see `directory`.
            **({"checked": {"S": saved.own.as_of.isoformat()}} if saved.own else {}),
        }
        self._transact(
            [
                self._put(_of(saved.contract), _STATE, attributes, condition=condition),
                self._still(saved.contract, saved.digest),
                *([self._put_history(saved, standing)] if standing else []),
                *(self._put(_of(saved.contract), f"{_KEPT}{one.lock}", _documents(one)) for one in kept),
            ],
            saved.contract,
        )
        return saved

    def _put_history(self, state: State, standing: Standing) -> Item:
        expires = int((standing.at + KEEP_HISTORY).timestamp())
        return self._put(
            _of(state.contract),
            f"{_since(standing.at)}#{state.version}",
            {"body": {"S": encode(standing)}, "expires": {"N": str(expires)}},
        )

    def kept(self, name: str, lock: Lock) -> Kept | None:
        """The documents that were kept of one lock; None when there are none, or none that this release can read: they
        are then as if they were seen for the first time."""
        item = self._get(_of(name), f"{_KEPT}{lock}")
        with suppress(MalformedError, KeyError, OSError, EOFError):
            return decode(Kept, gzip.decompress(item["packed"]["B"])) if item else None
        return None

    def history(self, name: str, *, since: datetime, limit: int) -> tuple[Standing, ...]:
        """How the share stood from `since` on, newest first, as far as it is kept; at most `limit` rows. Rows outlive
        the contract's removal, until they expire. Raises MalformedError."""
        return tuple(islice(self._history(name, since), limit))

    def _history(self, name: str, since: datetime) -> Iterator[Standing]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table,
            ConsistentRead=True,
            ScanIndexForward=False,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :since AND :end",
            ExpressionAttributeValues={
                ":pk": {"S": _of(name)},
                ":since": {"S": _since(since)},
                ":end": {"S": f"{_HISTORY}~"},
            },
        )
        expired = self.now().timestamp()
        for item in (item for page in pages for item in page["Items"]):
            if _number(item, "expires") > expired:
                yield decode(Standing, _text(item, "body"))

    def _still(self, name: str, seal: str) -> Item:
        """The contract in the table is the one with this seal."""
        condition = _equals("digest", {"S": seal})
        return {"ConditionCheck": {"TableName": self.table, "Key": _key(_of(name), _TERMS), **condition}}

    def depend(self, contract: Contract, resources: tuple[str, ...]) -> None:
        """Record the further resources that an observation showed the contract to depend on; drops those recorded
        before and gone now. Writes nothing when they are the same.

        Raises ConflictError when the contract changed meanwhile, StoreError when they are too many for a transaction.
        """
        old = self._get(_of(contract.name), _DEPENDS)
        own = set(own_resources(contract, self.account))
        before, wanted = _resources(old), set(resources) - own
        if wanted == before:
            return
        attributes: Item = {"revision": {"N": str(_number(old, "revision") + 1)}}
        if wanted:  # a set in DynamoDB has one member at least
            attributes["resources"] = {"SS": sorted(wanted)}
        self._transact(
            [
                self._still(contract.name, contract.seal),
                self._put(_of(contract.name), _DEPENDS, attributes, condition=_unchanged(old, "revision")),
                *(self._put_lookup(resource, contract.name, _BY_OBSERVATION) for resource in sorted(wanted - before)),
                # INVARIANT: what the contract itself names keeps its lookup item.
                *(self._delete(_resource(resource), contract.name) for resource in sorted(before - wanted - own)),
            ],
            contract.name,
        )

    # --- the table ---

    @property
    def _client(self) -> Any:
        return self.clients.client("dynamodb", self.region)

    def _get(self, pk: str, sk: str) -> Item | None:
        answer = self._client.get_item(TableName=self.table, Key=_key(pk, sk), ConsistentRead=True)
        item: Item | None = answer.get("Item")
        return item

    def _sort_keys(self, pk: str) -> tuple[str, ...]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ProjectionExpression="sk",
        )
        return tuple(sorted(item["sk"]["S"] for page in pages for item in page["Items"]))

    def _put(self, pk: str, sk: str, attributes: Item, *, condition: Item | None = None) -> Item:
        return {"Put": {"TableName": self.table, "Item": {**_key(pk, sk), **attributes}, **(condition or {})}}

    def _put_lookup(self, resource: str, name: str, via: str) -> Item:
        return self._put(_resource(resource), name, {"via": {"S": via}})

    def _delete(self, pk: str, sk: str, *, condition: Item | None = None) -> Item:
        return {"Delete": {"TableName": self.table, "Key": _key(pk, sk), **(condition or {})}}

    def _transact(self, writes: list[Item], name: str) -> None:
        if len(writes) > TRANSACTION_LIMIT:
            raise StoreError(
                f"`{name}` needs {len(writes)} items in one transaction, and DynamoDB takes {TRANSACTION_LIMIT}; "
                "it depends on too many resources"
            )
        try:
            self._client.transact_write_items(TransactItems=writes)
        except ClientError as error:
            if _lost_race(error):
                raise ConflictError(f"somebody else wrote `{name}` at the same time; read again") from error
            raise


def _terms(name: str, item: Item) -> Contract:
    body = _text(item, "body")
    contract = decode(Contract, body)
    if contract.name != name:
        raise MalformedError(f"the item of `{name}` holds a contract called `{contract.name}`; apply it again")
    return contract.as_stored(body, _text(item, "digest"))


def own_resources(contract: Contract, account: str) -> tuple[str, ...]:
    """What a contract depends on by itself, spelled as `events` spells it; `account` when that account's settings hold
    for the contract's bucket; the consumer's VPC endpoints; the organization where it matters here."""
    settings = (ACCOUNT,) if account == contract.owner.account else ()
    endpoints = contract.endpoints if account == contract.consumer.account else ()
    above = (ORGANIZATION,) if contract.reads_organization(account) or contract.states_organization(account) else ()
    return (contract.bucket_arn, contract.key, f"role/{contract.role_name}", *settings, *endpoints, *above)


def _of(name: str) -> str:
    return f"CONTRACT#{name}"


def _since(at: datetime) -> str:
    """The sort key of history from a moment on: the order of texts is the order of times."""
    return f"{_HISTORY}{at.astimezone(UTC).isoformat(timespec='microseconds')}"


def _resource(resource: str) -> str:
    return f"RESOURCE#{resource}"


def _key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _number(item: Item | None, name: str) -> int:
    return int(item[name]["N"]) if item else 0


def _text(item: Item, name: str) -> str:
    value = item.get(name, {}).get("S")
    if not isinstance(value, str):
        raise MalformedError(
            f"the item `{item['pk']['S']}`, `{item['sk']['S']}` has no text `{name}`; apply the contract again"
        )
    return value


def _resources(item: Item | None) -> set[str]:
    """Those recorded in a TERMS or DEPENDS item."""
    return set(item.get("resources", {}).get("SS", [])) if item else set()


def _absent() -> Item:
    return {"ConditionExpression": "attribute_not_exists(pk)"}


def _equals(name: str, value: Item) -> Item:
    return {
        "ConditionExpression": "#name = :value",
        "ExpressionAttributeNames": {"#name": name},
        "ExpressionAttributeValues": {":value": value},
    }


def _unchanged(item: Item | None, name: str) -> Item:
    """The item is still as it was read."""
    return _equals(name, item[name]) if item else _absent()


def _packed(state: State) -> Item:
    body = encode(state)
    size = len(body.encode())
    if size < _PACK_FROM:
        return {"body": {"S": body}}
    packed = gzip.compress(body.encode(), mtime=0)
    if len(packed) > ITEM_LIMIT - _ROOM:
        raise StoreError(
            f"the state of `{state.contract}` is {size} bytes, {len(packed)} compressed, and an item holds "
            f"{ITEM_LIMIT}; it has {len(state.own.findings) if state.own else 0} findings of our own: repair some"
        )
    return {"packed": {"B": packed}}


def _documents(kept: Kept) -> Item:
    """Without the documents where they are too large for an item: the next change is then not compared."""
    packed = gzip.compress(encode(kept).encode(), mtime=0)
    if len(packed) > ITEM_LIMIT - _ROOM:
        packed = gzip.compress(encode(replace(kept, documents=(), change=None)).encode(), mtime=0)
    return {"packed": {"B": packed}}


def _lost_race(error: ClientError) -> bool:
    """Whether a transaction was cancelled by a condition, or for another writer's sake."""
    if error.response.get("Error", {}).get("Code") != "TransactionCanceledException":
        return False
    return any(reason.get("Code") in _LOST_RACES for reason in error.response.get("CancellationReasons", []))
