"""The store against a simulated table."""

from __future__ import annotations

import gzip
import random
import string
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from threelocks.aws.session import Clients, Credentials
from threelocks.aws.store import ITEM_LIMIT, DynamoStore, StoreError, own_resources
from threelocks.contract import Contract, sealed
from threelocks.finding import Change, Difference, Finding, Kind, Lock, Verdict, Witness
from threelocks.incident import State
from threelocks.locks.kept import Kept, KeptDocument
from threelocks.policy.authorize import Layer
from threelocks.ports import ConflictError
from threelocks.report import MalformedError, encode

OWNER, CONSUMER = "111111111111", "222222222222"
REGION, TABLE = "eu-west-1", "threelocks"
KEY = "arn:aws:kms:eu-west-1:111111111111:key/abcd1234-a123-456a-a12b-a123b4cd56ef"
BUCKET_ARN = "arn:aws:s3:::datalake-curated-a"
POLICY_ARN = "arn:aws:iam::222222222222:policy/ReadCurated"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    with mock_aws():
        yield Clients(credentials=Credentials("test", "test"), attempts=1)


@pytest.fixture
def store(clients: Clients) -> Iterator[DynamoStore]:
    dynamodb = clients.client("dynamodb", REGION)
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    yield DynamoStore(clients, TABLE, OWNER, REGION)
    dynamodb.delete_table(TableName=TABLE)


def contract(**changes: Any) -> Contract:
    fields = {
        "name": "bi-curated-read",
        "owner": {"account": OWNER, "name": "data-platform", "home_region": REGION},
        "consumer": {"account": CONSUMER, "name": "bi-team", "home_region": REGION},
        "bucket": {"name": "datalake-curated-a", "region": REGION},
        "key": KEY,
        "role": "arn:aws:iam::222222222222:role/BIAnalyticsRole",
        "actions": ["s3:GetObject", "kms:Decrypt"],
    }
    return Contract.model_validate(fields | changes)


def state(agreed: Contract, **changes: Any) -> State:
    return replace(State(agreed.name, agreed.seal, OWNER), **changes)


def items(store: DynamoStore) -> set[tuple[str, str]]:
    """The keys of everything in the table."""
    found = store.clients.client("dynamodb", REGION).scan(TableName=TABLE)["Items"]
    return {(item["pk"]["S"], item["sk"]["S"]) for item in found}


# --- Contracts ---


def test_an_empty_table_has_no_contract_no_state_and_no_names(store: DynamoStore) -> None:
    assert (store.contract("nobody"), store.state("nobody"), store.names(), store.touching((KEY,))) == (
        None,
        None,
        (),
        (),
    )


def test_an_applied_contract_comes_back_whole(store: DynamoStore) -> None:
    also = {"on": "bucket", "principal": "333333333333", "actions": ["s3:GetObject"], "reason": "auditors"}
    agreed = contract(also_allowed=[also], prefixes=["sales/", "hr/"])
    store.apply(agreed)
    assert store.contract(agreed.name) == agreed
    assert store.names() == (agreed.name,)


@pytest.mark.parametrize("resource", [BUCKET_ARN, KEY, "role/BIAnalyticsRole", "account"])
def test_a_contract_is_found_by_each_thing_it_names(store: DynamoStore, resource: str) -> None:
    store.apply(contract())
    assert store.touching((resource,)) == ("bi-curated-read",)


def test_the_consumers_account_settings_touch_no_contract(clients: Clients, store: DynamoStore) -> None:
    DynamoStore(clients, TABLE, CONSUMER, REGION).apply(contract())
    assert store.touching(("account",)) == ()
    assert store.touching((KEY,)) == ("bi-curated-read",)


def test_touching_names_each_contract_once_and_in_order(store: DynamoStore) -> None:
    for name in ("c", "a", "b"):
        store.apply(contract(name=name))
    assert store.touching((KEY, BUCKET_ARN, KEY, "arn:aws:s3:::other")) == ("a", "b", "c")


def test_a_contract_applied_again_drops_the_lookups_that_went_stale(store: DynamoStore) -> None:
    store.apply(contract())
    store.apply(contract(role="arn:aws:iam::222222222222:role/Other"))
    assert store.touching(("role/BIAnalyticsRole",)) == ()
    assert store.touching(("role/Other",)) == ("bi-curated-read",)


def test_a_contract_applied_twice_leaves_the_same_items(store: DynamoStore) -> None:
    store.apply(contract())
    once = items(store)
    store.apply(contract())
    assert items(store) == once


def test_a_removed_contract_leaves_nothing_behind(store: DynamoStore) -> None:
    agreed = contract()
    store.apply(agreed)
    store.save(state(agreed), expected_version=None)
    store.depend(agreed, (POLICY_ARN,))
    assert store.remove(agreed.name)
    assert items(store) == set()


def test_removing_a_contract_leaves_the_others(store: DynamoStore) -> None:
    store.apply(contract(name="one"))
    before = items(store)
    store.apply(contract(name="two"))
    store.remove("two")
    assert items(store) == before


def test_removing_what_is_not_there_says_so(store: DynamoStore) -> None:
    assert not store.remove("nobody")


def test_a_contract_of_other_accounts_is_refused(clients: Clients, store: DynamoStore) -> None:
    with pytest.raises(StoreError, match="use the profile of one of the parties"):
        DynamoStore(clients, TABLE, "333333333333", REGION).apply(contract())
    assert items(store) == set()


class Meanwhile:
    """A ClientSource that lets something happen just before the first transaction is sent."""

    def __init__(self, clients: Clients, act: Any) -> None:
        self._inner = clients.client("dynamodb", REGION)
        self._act = act

    def client(self, service: str, region: str) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def transact_write_items(self, **request: Any) -> Any:
        act, self._act = self._act, lambda: None
        act()
        return self._inner.transact_write_items(**request)


@pytest.mark.parametrize("already", [True, False])
def test_two_who_apply_at_once_cannot_interleave(clients: Clients, store: DynamoStore, already: bool) -> None:  # noqa: FBT001 - a case
    if already:
        store.apply(contract())
    other = contract(role="arn:aws:iam::222222222222:role/Other")
    slow = replace(store, clients=Meanwhile(clients, lambda: store.apply(other)))
    with pytest.raises(ConflictError):
        slow.apply(contract(role="arn:aws:iam::222222222222:role/Third"))
    assert store.contract("bi-curated-read") == other
    assert store.touching(("role/Third",)) == ()


def test_a_contract_applied_while_it_is_removed_stays(clients: Clients, store: DynamoStore) -> None:
    store.apply(contract())
    slow = replace(store, clients=Meanwhile(clients, lambda: store.apply(contract())))
    with pytest.raises(ConflictError):
        slow.remove("bi-curated-read")
    assert store.names() == ("bi-curated-read",)


def test_many_names_come_back_over_several_pages(clients: Clients, store: DynamoStore) -> None:
    for number in range(7):
        store.apply(contract(name=f"share-{number}"))

    class TwoAtATime:
        """DynamoDB's pages hold 1 MB; these hold two items."""

        def client(self, service: str, region: str) -> Any:
            return self

        def get_paginator(self, name: str) -> Any:
            paginator = clients.client("dynamodb", REGION).get_paginator(name)
            paginate = paginator.paginate
            paginator.paginate = lambda **request: paginate(**request, PaginationConfig={"PageSize": 2})
            return paginator

    few = replace(store, clients=TwoAtATime())
    assert few.names() == few.touching((KEY,)) == tuple(f"share-{number}" for number in range(7))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"body": {"S": "{}"}}, "not a Contract"),
        ({"body": {"S": "{"}}, "not a Contract"),
        ({"body": {"S": encode(contract(name="another"))}}, "holds a contract called `another`"),
        ({"body": {"N": "1"}}, "has no text `body`"),
    ],
)
def test_a_contract_that_is_none_any_more_is_refused_and_can_be_applied_over(
    clients: Clients, store: DynamoStore, change: dict[str, Any], told: str
) -> None:
    store.apply(contract())
    dynamodb = clients.client("dynamodb", REGION)
    key = {"pk": {"S": "CONTRACT#bi-curated-read"}, "sk": {"S": "TERMS"}}
    item = dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
    dynamodb.put_item(TableName=TABLE, Item=item | change)
    with pytest.raises(MalformedError, match=told):
        store.contract("bi-curated-read")
    store.apply(contract())
    assert store.contract("bi-curated-read") == contract()


@pytest.mark.parametrize(
    "change",
    [
        {"digest": {"S": "0" * 64}},
        {"body": {"S": encode(contract(prefixes=["sales/"]))}},
        {"body": {"S": encode(contract(suspended={"by": "x", "reason": "y", "until": "2026-12-31"}))}},
        {"body": {"S": encode(contract()) + " "}},
    ],
)
def test_a_contract_that_somebody_edited_says_so_and_can_still_be_recorded_on(
    clients: Clients, store: DynamoStore, change: dict[str, Any]
) -> None:
    store.apply(contract())
    found = store.contract("bi-curated-read")
    assert found is not None
    assert not found.is_edited
    dynamodb = clients.client("dynamodb", REGION)
    key = {"pk": {"S": "CONTRACT#bi-curated-read"}, "sk": {"S": "TERMS"}}
    item = dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
    dynamodb.put_item(TableName=TABLE, Item=item | change)
    edited = store.contract("bi-curated-read")
    assert edited is not None
    assert edited.is_edited
    assert store.save(state(edited), expected_version=None).version == 1
    store.apply(contract())
    again = store.contract("bi-curated-read")
    assert again == found
    with pytest.raises(ConflictError):
        store.save(state(contract(prefixes=["sales/"])), expected_version=1)


def test_what_an_older_release_wrote_with_fewer_fields_is_not_taken_for_edited(
    clients: Clients, store: DynamoStore
) -> None:
    store.apply(contract())
    older = encode(contract()).replace(',"suspended":null,"waivers":[]', "")
    assert older != encode(contract())
    dynamodb = clients.client("dynamodb", REGION)
    key = {"pk": {"S": "CONTRACT#bi-curated-read"}, "sk": {"S": "TERMS"}}
    item = dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
    dynamodb.put_item(TableName=TABLE, Item=item | {"body": {"S": older}, "digest": {"S": sealed(older)}})
    found = store.contract("bi-curated-read")
    assert found is not None
    assert not found.is_edited
    assert store.save(state(found), expected_version=None).version == 1


# --- States ---


def test_a_saved_state_comes_back_with_its_new_version(store: DynamoStore) -> None:
    store.apply(contract())
    first = store.save(state(contract(), stamp=7), expected_version=None)
    assert (first.version, first.stamp) == (1, 7)
    second = store.save(replace(first, stamp=8), expected_version=1)
    assert second.version == 2
    assert store.state("bi-curated-read") == second


@pytest.mark.parametrize("expected", [None, 1, 3])
def test_a_state_is_not_written_over_another_version(store: DynamoStore, expected: int | None) -> None:
    store.apply(contract())
    store.save(state(contract()), expected_version=None)
    stored = store.save(state(contract(), stamp=2), expected_version=1)
    with pytest.raises(ConflictError):
        store.save(state(contract(), stamp=3), expected_version=expected)
    assert store.state("bi-curated-read") == stored


def test_a_version_is_expected_where_there_is_no_state(store: DynamoStore) -> None:
    store.apply(contract())
    with pytest.raises(ConflictError):
        store.save(state(contract()), expected_version=1)
    assert store.state("bi-curated-read") is None


def test_a_state_judged_against_other_terms_is_not_written(store: DynamoStore) -> None:
    store.apply(contract())
    store.apply(contract(prefixes=["sales/"]))
    with pytest.raises(ConflictError):
        store.save(state(contract()), expected_version=None)
    assert store.save(state(contract(prefixes=["sales/"])), expected_version=None).version == 1


def test_a_state_of_a_removed_contract_is_not_written(store: DynamoStore) -> None:
    store.apply(contract())
    store.remove("bi-curated-read")
    with pytest.raises(ConflictError):
        store.save(state(contract()), expected_version=None)
    assert items(store) == set()


def _cancelled(*codes: str) -> ClientError:
    response: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
        "CancellationReasons": [{"Code": code} for code in codes],
    }
    return ClientError(response, "TransactWriteItems")


def _raising(error: ClientError) -> Any:
    def act() -> None:
        raise error

    return act


def test_another_transaction_on_the_same_item_is_a_conflict(clients: Clients, store: DynamoStore) -> None:
    store.apply(contract())
    busy = replace(store, clients=Meanwhile(clients, _raising(_cancelled("None", "TransactionConflict"))))
    with pytest.raises(ConflictError):
        busy.save(state(contract()), expected_version=None)


@pytest.mark.parametrize(
    "error",
    [
        _cancelled("None", "ThrottlingError"),
        _cancelled("ValidationError", "None"),
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "TransactWriteItems"),
    ],
    ids=["throttled", "invalid", "denied"],
)
def test_other_failures_are_not_taken_for_a_conflict(clients: Clients, store: DynamoStore, error: ClientError) -> None:
    store.apply(contract())
    failing = replace(store, clients=Meanwhile(clients, _raising(error)))
    with pytest.raises(ClientError):
        failing.save(state(contract()), expected_version=None)


def _finding(detail: str) -> Finding:
    return Finding("bucket.no-allow", Kind.SHUT, Lock.BUCKET_POLICY, OWNER, BUCKET_ARN, "anyone", (), detail)


def _with_findings(details: list[str]) -> State:
    agreed = contract()
    verdict = Verdict(agreed.name, agreed.digest, OWNER, NOW, (), tuple(map(_finding, details)))
    return state(agreed, own=verdict)


def test_a_state_too_long_for_an_item_is_stored_compressed(clients: Clients, store: DynamoStore) -> None:
    store.apply(contract())
    saved = store.save(_with_findings(["the same words again " * 50] * 1000), expected_version=None)
    assert store.state("bi-curated-read") == saved
    key = {"pk": {"S": "CONTRACT#bi-curated-read"}, "sk": {"S": "STATE"}}
    item = clients.client("dynamodb", REGION).get_item(TableName=TABLE, Key=key)["Item"]
    assert len(item["packed"]["B"]) < ITEM_LIMIT


def test_a_state_too_long_even_when_compressed_is_refused_with_its_size(store: DynamoStore) -> None:
    store.apply(contract())
    noise = random.Random(7)  # noqa: S311 - words that gzip cannot shorten
    details = ["".join(noise.choices(string.printable, k=1000)) for _ in range(700)]
    with pytest.raises(StoreError, match=r"the state of `bi-curated-read` is \d+ bytes, .* 700 findings"):
        store.save(_with_findings(details), expected_version=None)
    assert store.state("bi-curated-read") is None


# --- Documents that are kept ---


def _kept(text: str, *more: Change) -> Kept:
    document = KeptDocument(Layer.RESOURCE_POLICY, "bucket policy", text)
    return Kept(Lock.BUCKET_POLICY, BUCKET_ARN, (document,), change=more[0] if more else None)


def test_documents_are_kept_with_the_state_and_go_with_the_contract(store: DynamoStore) -> None:
    store.apply(contract())
    one = Difference(allowed=True, principal="x", actions=("s3:GetObject",), on=("*",), witness=Witness("x", "y", "z"))
    told = Change(Lock.BUCKET_POLICY, NOW, (one,))
    store.save(state(contract()), expected_version=None, kept=(_kept("{}", told),))
    assert store.kept("bi-curated-read", Lock.BUCKET_POLICY) == _kept("{}", told)
    assert store.kept("bi-curated-read", Lock.KEY_POLICY) is None
    store.remove("bi-curated-read")
    assert items(store) == set()


def test_documents_of_a_state_that_was_not_written_are_not_kept(store: DynamoStore) -> None:
    store.apply(contract())
    with pytest.raises(ConflictError):
        store.save(state(contract()), expected_version=1, kept=(_kept("{}"),))
    assert store.kept("bi-curated-read", Lock.BUCKET_POLICY) is None


def test_the_largest_policies_that_aws_takes_are_kept(store: DynamoStore) -> None:
    noise = random.Random(7)  # noqa: S311 - words that gzip cannot shorten
    documents = tuple(
        KeptDocument(
            Layer.IDENTITY_POLICY, f"managed policy `{number}`", "".join(noise.choices(string.printable, k=6144))
        )
        for number in range(33)
    )
    kept = Kept(Lock.IDENTITY_POLICY, BUCKET_ARN, documents)
    store.apply(contract())
    store.save(state(contract()), expected_version=None, kept=(kept,))
    assert store.kept("bi-curated-read", Lock.IDENTITY_POLICY) == kept


def test_documents_too_large_for_an_item_are_left_out_and_hinder_nothing(store: DynamoStore) -> None:
    noise = random.Random(7)  # noqa: S311 - words that gzip cannot shorten
    large = _kept("".join(noise.choices(string.printable, k=900_000)))
    store.apply(contract())
    store.save(state(contract()), expected_version=None, kept=(large,))
    kept = store.kept("bi-curated-read", Lock.BUCKET_POLICY)
    assert kept is not None
    assert kept.documents == ()
    assert kept.digest != large.digest


@pytest.mark.parametrize(
    "packed", [b"", b"junk", gzip.compress(b"{}"), gzip.compress(b"{}")[:9]], ids=["empty", "junk", "other", "cut"]
)
def test_documents_that_cannot_be_read_are_as_if_never_seen(
    clients: Clients, store: DynamoStore, packed: bytes
) -> None:
    key = {"pk": {"S": "CONTRACT#bi-curated-read"}, "sk": {"S": "KEPT#bucket_policy"}}
    clients.client("dynamodb", REGION).put_item(TableName=TABLE, Item={**key, "packed": {"B": packed}})
    assert store.kept("bi-curated-read", Lock.BUCKET_POLICY) is None


# --- What contracts depend on ---


def test_an_observed_policy_leads_to_the_contract_until_it_is_gone(store: DynamoStore) -> None:
    store.apply(contract())
    other = POLICY_ARN + "2"
    store.depend(contract(), (POLICY_ARN, other))
    assert store.touching((POLICY_ARN,)) == store.touching((other,)) == ("bi-curated-read",)
    store.depend(contract(), (other,))
    assert store.touching((POLICY_ARN,)) == ()
    store.depend(contract(), ())
    assert store.touching((other,)) == ()


def test_what_the_contract_names_itself_stays_whatever_is_observed(store: DynamoStore) -> None:
    store.apply(contract())
    own = own_resources(contract(), OWNER)
    store.depend(contract(), (*own, POLICY_ARN))
    store.depend(contract(), ())
    assert [store.touching((resource,)) for resource in own] == [("bi-curated-read",)] * len(own)


def test_what_was_observed_before_a_contract_named_it_stays_too(store: DynamoStore) -> None:
    later = contract(role="arn:aws:iam::222222222222:role/Other")
    store.apply(contract())
    store.depend(contract(), ("role/Other",))
    store.apply(later)
    store.depend(later, ())
    assert store.touching(("role/Other",)) == ("bi-curated-read",)


def test_observed_policies_survive_a_new_version_of_the_contract(store: DynamoStore) -> None:
    store.apply(contract())
    store.depend(contract(), (POLICY_ARN,))
    store.apply(contract(prefixes=["sales/"]))
    assert store.touching((POLICY_ARN,)) == ("bi-curated-read",)


def test_the_same_dependencies_again_write_nothing(clients: Clients, store: DynamoStore) -> None:
    store.apply(contract())
    store.depend(contract(), (POLICY_ARN,))
    quiet = replace(store, clients=Meanwhile(clients, _raising(_cancelled("must not be sent"))))
    quiet.depend(contract(), (POLICY_ARN, POLICY_ARN))


def test_dependencies_of_terms_that_changed_meanwhile_are_a_conflict(store: DynamoStore) -> None:
    store.apply(contract())
    with pytest.raises(ConflictError):
        store.depend(contract(prefixes=["sales/"]), (POLICY_ARN,))
    assert store.touching((POLICY_ARN,)) == ()


def test_two_observations_at_once_cannot_leave_a_lookup_that_nobody_knows(clients: Clients, store: DynamoStore) -> None:
    store.apply(contract())
    slow = replace(store, clients=Meanwhile(clients, lambda: store.depend(contract(), (POLICY_ARN,))))
    with pytest.raises(ConflictError):
        slow.depend(contract(), (POLICY_ARN + "2",))
    assert store.touching((POLICY_ARN + "2",)) == ()


def test_more_dependencies_than_a_transaction_holds_are_refused(store: DynamoStore) -> None:
    store.apply(contract())
    with pytest.raises(StoreError, match="102 items in one transaction"):
        store.depend(contract(), tuple(f"{POLICY_ARN}{number}" for number in range(100)))


def test_reads_are_consistent(clients: Clients) -> None:
    asked: list[dict[str, Any]] = []
    session = boto3.Session()
    session.events.register("provide-client-params.dynamodb.*", lambda params, **_: asked.append(params))
    watched = Clients(credentials=Credentials("test", "test"), attempts=1, session=session)
    store = DynamoStore(watched, "nowhere", OWNER, REGION)
    for read in (lambda: store.contract("x"), lambda: store.state("x"), store.names, lambda: store.touching((KEY,))):
        with pytest.raises(ClientError):
            read()
    assert [params["ConsistentRead"] for params in asked] == [True] * 4
