"""What checks share, and which of them need not be made: readings of a batch, terms of contracts, bursts of changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from simulation.memory import START, Clock, MemoryAccount, change, memory_account, verdict_of
from threelocks import contract as contracts
from threelocks.aws.read import AwsObserver, SharedObserver
from threelocks.contract import Contract
from threelocks.finding import Cause, Finding, Kind, Lock
from threelocks.handlers.shared import SharedStore
from threelocks.observation import Found, Observation, Unreadable
from threelocks.ports import ConflictError
from threelocks.settle import RECORDED_WITHIN, covered
from threelocks.state import State, Times

OWNER, CONSUMER = "111111111111", "222222222222"
TIMES = Times()


def contract(name: str, **changes: Any) -> Contract:
    return contracts.parse(
        {
            "name": name,
            "owner": {"account": OWNER, "name": "data-platform", "home_region": "eu-west-1"},
            "consumer": {"account": CONSUMER, "name": "bi-team", "home_region": "eu-west-1"},
            "bucket": {"name": "datalake-curated-a", "region": "eu-west-1"},
            "key": f"arn:aws:kms:eu-west-1:{OWNER}:key/abcd1234-a123-456a-a12b-a123b4cd56ef",
            "role": f"arn:aws:iam::{CONSUMER}:role/BIAnalyticsRole",
            "actions": ["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:DescribeKey"],
        }
        | changes
    )


SHARE = contract("bi-curated-read")
SHUT = Finding(
    code="bucket.no-allow",
    kind=Kind.SHUT,
    lock=Lock.BUCKET_POLICY,
    account=OWNER,
    resource=SHARE.bucket_arn,
    principal=SHARE.role,
    actions=("s3:GetObject",),
    detail="no statement of the bucket policy allows s3:GetObject to the role",
)

# --- one reading for many contracts ---


@dataclass
class CountingClients:
    """Clients that answer that nothing may be read, and count who asks for what."""

    asked: list[tuple[str, str]] = field(default_factory=list)  # method, what it was asked about

    def client(self, service: str, region: str) -> Any:
        return CountingClient(self)


@dataclass
class CountingClient:
    clients: CountingClients

    def __getattr__(self, method: str) -> Any:
        def call(**parameters: Any) -> dict[str, Any]:
            about = parameters.get("Bucket") or parameters.get("KeyId") or parameters.get("RoleName") or "account"
            self.clients.asked.append((method, str(about)))
            return ANSWERS.get(method, {})

        return call


ANSWERS: dict[str, dict[str, Any]] = {
    "get_bucket_location": {"LocationConstraint": "eu-west-1"},
    "get_bucket_policy": {"Policy": "{}"},
    "describe_key": {"KeyMetadata": {"Arn": SHARE.key, "KeyState": "Enabled", "KeyManager": "CUSTOMER"}},
    "list_key_policies": {"PolicyNames": []},
    "list_grants": {"Grants": []},
}


def shared(clients: CountingClients, clock: Clock) -> SharedObserver:
    return SharedObserver(AwsObserver(clients, clock))


def test_a_bucket_and_a_key_are_read_once_however_many_contracts_share_them() -> None:
    clients = CountingClients()
    observer = shared(clients, Clock())
    seen = [observer.observe(contract(f"share-{number}"), OWNER) for number in range(50)]
    assert len(clients.asked) == len(set(clients.asked))
    assert {one.bucket for one in seen} == {seen[0].bucket}


def test_another_bucket_costs_its_own_reads_and_shares_those_of_key_and_account() -> None:
    clients = CountingClients()
    observer = shared(clients, Clock())
    observer.observe(SHARE, OWNER)
    clients.asked.clear()
    observer.observe(contract("other", bucket={"name": "another", "region": "eu-west-1"}), OWNER)
    assert {about for _, about in clients.asked} == {"another"}


def test_an_observation_begins_before_the_reading_that_another_contract_made() -> None:
    clock = Clock()
    observer = shared(CountingClients(), clock)
    first = observer.observe(SHARE, OWNER)
    clock.time += timedelta(seconds=30)
    assert observer.observe(contract("other"), OWNER).began <= first.began + timedelta(seconds=1)


def test_a_contract_never_sees_the_same_reading_twice() -> None:
    clients = CountingClients()
    observer = shared(clients, Clock())
    first = observer.observe(SHARE, OWNER)
    calls = len(clients.asked)
    second = observer.observe(SHARE, OWNER)
    assert len(clients.asked) == 2 * calls
    assert second.began > first.began


def test_second_looks_share_a_second_reading() -> None:
    clients = CountingClients()
    observer = shared(clients, Clock())
    many = [contract(f"share-{number}") for number in range(20)]
    for one in many:
        observer.observe(one, OWNER)
    calls = len(clients.asked)
    for one in many:
        observer.observe(one, OWNER)
    assert len(clients.asked) == 2 * calls


def test_an_unreadable_source_is_unreadable_for_all_and_asked_for_once() -> None:
    clients = CountingClients()
    observer = shared(clients, Clock())
    seen = [observer.observe(contract(f"share-{number}"), OWNER) for number in range(3)]
    assert all(one.bucket and isinstance(one.bucket.encryption, Unreadable) for one in seen)
    assert [method for method, _ in clients.asked].count("get_bucket_encryption") == 1


# --- never an older one than what is recorded ---


def test_a_reading_older_than_the_recorded_one_is_not_used() -> None:
    """Another function recorded a newer observation between the batch's shared reading and this contract's turn."""
    clock = Clock()
    account = memory_account(OWNER, SHARE, clock)
    account.watch.check(SHARE.name, Cause("sweep", clock()))
    recorded = account.stored(SHARE.name).own
    assert recorded is not None
    old = recorded.as_of - timedelta(seconds=5)

    @dataclass
    class Stale:
        looks: int = 0

        def observe(self, _: Contract, number: str) -> Observation:
            self.looks += 1
            return Observation(number, old if self.looks == 1 else clock())

    stale = Stale()
    replace(account.watch, observer=stale).check(SHARE.name, Cause("sweep", clock()))
    after = account.stored(SHARE.name).own
    assert after is not None
    assert stale.looks == 2
    assert after.as_of > recorded.as_of


def test_where_clocks_differ_the_newest_look_must_do() -> None:
    clock = Clock()
    account = memory_account(OWNER, SHARE, clock)
    account.watch.check(SHARE.name, Cause("sweep", clock()))
    clock.time -= timedelta(hours=1)
    account.watch.check(SHARE.name, Cause("sweep", clock()))
    own = account.stored(SHARE.name).own
    assert own is not None
    assert own.as_of < START


# --- terms and look-ups ---


def stored(account: MemoryAccount) -> SharedStore:
    return SharedStore(account.store)


def test_terms_and_look_ups_are_read_once_and_states_always() -> None:
    account = memory_account(OWNER, SHARE, Clock())
    store = stored(account)
    for _ in range(5):
        store.contract(SHARE.name)
        store.touching((SHARE.bucket_arn, SHARE.key))
        store.touching((SHARE.bucket_arn,))
        store.state(SHARE.name)
    assert account.store.failures.calls == ["contract", "touching", "touching", *["state"] * 5]


def test_a_lost_race_has_the_terms_read_again() -> None:
    account = memory_account(OWNER, SHARE, Clock())
    store = stored(account)
    assert store.contract(SHARE.name) == SHARE
    new = contract(SHARE.name, prefixes=["sales/"])
    account.store.contracts[SHARE.name] = new
    with pytest.raises(ConflictError):
        store.save(State(SHARE.name, SHARE.seal, OWNER), expected_version=None)
    assert store.contract(SHARE.name) == new


def test_a_failed_look_up_is_not_remembered() -> None:
    account = memory_account(OWNER, SHARE, Clock())
    account.store.failures.by_name["touching"] = [OSError("the table is away")]
    store = stored(account)
    with pytest.raises(OSError, match="away"):
        store.touching((SHARE.bucket_arn,))
    assert store.touching((SHARE.bucket_arn,)) == (SHARE.name,)


# --- changes that need no observation of their own ---


def state(seconds: float, *, again: float | None = None, digest: str = SHARE.digest) -> State:
    """Observed so many seconds after START, with another look due so many after it."""
    own = replace(verdict_of(SHARE, OWNER), as_of=START + timedelta(seconds=seconds), digest=digest)
    due = None if again is None else START + timedelta(seconds=again)
    return State(SHARE.name, digest, OWNER, own=own, again=due)


NOW = START + timedelta(hours=1)
LATE = RECORDED_WITHIN.total_seconds()


@pytest.mark.parametrize(
    ("known", "cause", "expected"),
    [
        pytest.param(state(60), change(), True, id="seen when it had settled"),
        pytest.param(state(59), change(), False, id="seen too soon, and nothing follows"),
        pytest.param(state(LATE, again=60), change(), True, id="seen soon, and looked at again when it has settled"),
        pytest.param(state(LATE, again=59), change(), False, id="looked at again too soon"),
        pytest.param(state(LATE - 0.1, again=60), change(), False, id="perhaps not seen"),
        pytest.param(state(60), change("CreateGrant"), False, id="grants settle later"),
        pytest.param(state(300), change("CreateGrant"), True, id="seen when the grant had settled"),
        pytest.param(state(600, digest="other"), change(), False, id="other terms"),
        pytest.param(state(600), Cause("sweep", START), False, id="a heartbeat is always given"),
        pytest.param(State(SHARE.name, SHARE.seal, OWNER), change(), False, id="never seen"),
    ],
)
def test_a_change_is_covered_by_an_observation_that_certainly_saw_it(
    known: State, cause: Cause, *, expected: bool
) -> None:
    assert covered(known, cause, SHARE.digest, NOW, TIMES) is expected


def test_a_burst_is_one_observation_now_and_one_when_it_has_settled() -> None:
    clock = Clock()
    account = memory_account(OWNER, SHARE, clock)
    account.scene.findings = (SHUT,)
    for number in range(100):
        account.watch.check(SHARE.name, change(at=START - timedelta(seconds=30 - number / 5)), first_try=True)
    assert account.scene.failures.calls.count("observe") == 2  # the second one confirms the first
    assert len(account.mails) == 1
    ((_, _, asked),) = account.timer.asked
    assert asked.kind == "settle"


def test_a_change_that_may_have_died_half_way_is_always_checked() -> None:
    clock = Clock()
    account = memory_account(OWNER, SHARE, clock)
    for _ in range(3):
        account.watch.check(SHARE.name, change(at=START - timedelta(hours=1)), first_try=False)
    assert account.scene.failures.calls.count("observe") == 3


def test_a_covered_change_answers_the_share_and_writes_nothing() -> None:
    clock = Clock()
    account = memory_account(OWNER, SHARE, clock)
    account.scene.findings = (SHUT,)
    account.watch.check(SHARE.name, change(at=START - timedelta(hours=1)))
    before = account.stored(SHARE.name)
    share = account.watch.check(SHARE.name, change(at=START - timedelta(hours=1)), first_try=True)
    assert share.findings == before.own.findings if before.own else ()
    assert account.stored(SHARE.name) == before


def test_found_sources_stay_found() -> None:
    """The answers of this file's clients are understood, so that what is counted above are whole readings."""
    seen = shared(CountingClients(), Clock()).observe(SHARE, OWNER)
    assert seen.bucket is not None
    assert seen.key is not None
    assert isinstance(seen.bucket.policy, Found)
    assert isinstance(seen.key.metadata, Found)
