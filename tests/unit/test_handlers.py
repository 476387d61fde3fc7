"""Each function's handler over fakes: what is checked, what comes again, what is counted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simulation.memory import START, Clock, MemoryAccount, MemoryLedger, change, memory_account, verdict_of
from tests.unit.locks.scene import SHARE_BUCKET, TLS_ONLY, bucket
from threelocks import contract as contracts
from threelocks import report as reports
from threelocks.aws.store import own_resources
from threelocks.finding import Cause, Finding, Kind, Lock, Witness
from threelocks.handlers import batch, environment, on_change, on_report, recheck, sweep
from threelocks.handlers.app import build
from threelocks.handlers.batch import Outbox
from threelocks.handlers.shared import Shift
from threelocks.handlers.telemetry import Telemetry
from threelocks.incident import State
from threelocks.inquiry import Inquiry
from threelocks.ports import Listing
from threelocks.report import encode
from threelocks.watch import TransientError

EVENTS = Path(__file__).parents[2] / "events"
OWNER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/abcd1234-a123-456a-a12b-a123b4cd56ef"


def contract(name: str = "bi-curated-read", **changes: Any) -> contracts.Contract:
    return contracts.parse(
        {
            "name": name,
            "owner": {"account": OWNER, "name": "data-platform", "home_region": "eu-west-1"},
            "consumer": {"account": CONSUMER, "name": "bi-team", "home_region": "eu-west-1"},
            "bucket": {"name": "datalake-curated-a", "region": "eu-west-1"},
            "key": KEY,
            "role": f"arn:aws:iam::{CONSUMER}:role/BIAnalyticsRole",
            "actions": ["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:DescribeKey"],
        }
        | changes
    )


CONTRACT = contract()
SHUT = Finding(
    code="bucket.no-allow",
    kind=Kind.SHUT,
    lock=Lock.BUCKET_POLICY,
    account=OWNER,
    resource=CONTRACT.bucket_arn,
    principal=CONTRACT.role,
    actions=("s3:GetObject",),
    detail="no statement of the bucket policy allows s3:GetObject to the role",
    witness=Witness(CONTRACT.role, "s3:GetObject", f"{CONTRACT.bucket_arn}/a"),
)


@dataclass
class FakeQueue:
    """SQS, as far as the sweep sees it. `refuses` holds how many entries each call refuses."""

    refuses: list[int] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        self.sizes.append(len(Entries))
        number = self.refuses.pop(0) if self.refuses else 0
        refused, taken = Entries[:number], Entries[number:]
        self.sent += [entry["MessageBody"] for entry in taken]
        return {"Successful": taken, "Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in refused]}


@dataclass
class FakeDirectory:
    """The list of all contracts, from an account in memory."""

    account: MemoryAccount

    def listings(self) -> Iterator[Listing]:
        for name, one in self.account.store.contracts.items():
            own = self.account.stored(name).own if name in self.account.store.states else None
            yield Listing(name, own_resources(one, self.account.number), own.as_of if own else None)


class FakeApp:
    """What a handler sees of an app, over an account in memory."""

    def __init__(self, account: MemoryAccount) -> None:
        self.account = account
        self.telemetry = Telemetry({})
        self.watch, self.desk, self.store = account.watch, account.watch.desk, account.store
        self.now, self.region = account.watch.desk.now, "eu-west-1"
        self.sqs = FakeQueue()

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.sqs, "https://sqs.eu-west-1.amazonaws.com/111111111111/checks", lambda _: None)

    @property
    def directory(self) -> FakeDirectory:
        return FakeDirectory(self.account)

    def shift(self) -> Shift:
        return Shift(self.watch)

    def inquiry(self, store: Any, check: Any) -> Inquiry:
        return Inquiry(self.account.number, store, MemoryLedger(), self.desk.mailer, check, self.now)

    @property
    def observed(self) -> int:
        return self.account.scene.failures.calls.count("observe")

    def causes(self) -> list[Cause | None]:
        return [self.account.stored(name).own_cause for name in self.store.states]


@pytest.fixture
def app() -> FakeApp:
    return FakeApp(memory_account(OWNER, CONTRACT, Clock()))


def file(name: str, **changes: Any) -> str:
    return json.dumps(json.loads((EVENTS / f"{name}.json").read_text()) | changes)


def queue_batch(*bodies: str, receives: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": "r",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(receives), "SentTimestamp": "1"},
                "eventSource": "aws:sqs",
            }
            for number, body in enumerate(bodies)
        ]
    }


def again(answer: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def metrics(app: FakeApp, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the function would have counted."""
    capsys.readouterr()
    app.telemetry.flush()
    lines = capsys.readouterr().out.splitlines()
    found = {name: value for line in lines for name, value in json.loads(line).items()}
    return {name: value[0] for name, value in found.items() if isinstance(value, list)}


# --- on_change ---


def test_an_event_of_a_contracts_bucket_is_judged_and_told(app: FakeApp, capsys: pytest.CaptureFixture[str]) -> None:
    app.account.scene.findings = (SHUT,)
    assert again(on_change.handle(app, queue_batch(file("bucket-policy-lost-role")))) == []
    assert len(app.account.mails) == 1
    assert metrics(app, capsys) == {"ContractChecked": 1.0, "FindingsFound": 1.0}


def test_a_burst_on_one_contract_is_one_check_with_the_newest_cause(app: FakeApp) -> None:
    events = [file("bucket-policy-lost-role"), file("key-disabled"), file("bucket-policy-deleted")]
    late = json.loads(events[1])
    late["detail"]["eventTime"] = "2999-01-01T00:00:00Z"
    app.account.scene.findings = (SHUT,)
    on_change.handle(app, queue_batch(events[0], json.dumps(late), events[2]))
    (cause,) = app.causes()
    assert cause is not None
    assert cause.event_name == "DisableKey"
    assert len(app.account.mails) == 1


def test_a_sweep_in_the_same_batch_is_a_check_of_its_own_since_it_is_the_heartbeat(app: FakeApp) -> None:
    asked = batch.request(CONTRACT.name, Cause(kind="sweep", at=START))
    on_change.handle(app, queue_batch(file("key-disabled"), asked, asked))
    assert len(app.account.scene.judged) == 2
    assert [account for account, _ in app.account.reporter.reports] == [CONSUMER, CONSUMER]


def test_an_event_for_a_bucket_in_no_contract_costs_one_lookup_and_no_reads(app: FakeApp) -> None:
    event = json.loads(file("bucket-policy-lost-role"))
    event["detail"]["requestParameters"]["bucketName"] = "somebody-elses"
    event["detail"]["resources"] = []
    assert again(on_change.handle(app, queue_batch(json.dumps(event)))) == []
    assert app.account.scene.failures.calls == ["touching"]


def test_an_event_that_names_nothing_checks_every_contract(app: FakeApp) -> None:
    app.store.contracts["other"] = contract("other")
    event = json.loads(file("key-disabled"))
    event["detail"] |= {"requestParameters": None, "resources": None, "responseElements": None}
    on_change.handle(app, queue_batch(json.dumps(event)))
    assert sorted(app.store.states) == ["bi-curated-read", "other"]


def test_a_refused_call_is_no_change(app: FakeApp) -> None:
    event = json.loads(file("bucket-policy-lost-role"))
    event["detail"]["errorCode"] = "AccessDenied"
    assert again(on_change.handle(app, queue_batch(json.dumps(event)))) == []
    assert app.account.scene.failures.calls == []


POISON = {
    "not JSON": "{",
    "not an object": "[1]",
    "empty": "",
    "another envelope": json.dumps({"hello": "world"}),
    "another account's event": file("bucket-policy-lost-role", account=STRANGER),
    "not from CloudTrail": file("bucket-policy-lost-role", **{"detail-type": "EC2 Instance State-change"}),
    "a damaged request": json.dumps({"threelocks": "check/1", "contract": "bi-curated-read"}),
    "a newer request": json.dumps({"threelocks": "check/9", "contract": "bi-curated-read", "cause": {}}),
}


@pytest.mark.parametrize("body", POISON.values(), ids=POISON)
def test_a_message_that_cannot_be_understood_is_counted_kept_for_the_dead_letters_and_stops_no_other(
    app: FakeApp, body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = on_change.handle(app, queue_batch(body, file("bucket-policy-lost-role")))
    assert again(answer) == ["m0"]
    assert len(app.account.scene.judged) == 1
    assert metrics(app, capsys)["PoisonMessage"] == 1


def test_a_failed_lookup_brings_back_only_its_own_message(app: FakeApp) -> None:
    app.store.failures.by_name["touching"] = [OSError("the table is away")]
    answer = on_change.handle(app, queue_batch(file("bucket-policy-lost-role"), file("key-disabled")))
    assert again(answer) == ["m0"]


def test_a_failed_check_brings_back_exactly_the_messages_that_wanted_it(app: FakeApp) -> None:
    other_key = KEY.replace("abcd1234", "ffff1234")
    other = contract("other", key=other_key, bucket={"name": "another-bucket", "region": "eu-west-1"})
    app.store.contracts["other"] = other
    event = json.loads(file("bucket-policy-lost-role"))
    event["detail"]["requestParameters"]["bucketName"] = "another-bucket"
    event["detail"]["resources"] = []
    app.store.failures.by_name["observe"] = [OSError("no network")]
    bodies = (file("bucket-policy-lost-role"), json.dumps(event), file("key-disabled"))
    assert again(on_change.handle(app, queue_batch(*bodies))) == ["m0", "m2"]
    assert list(app.store.states) == ["other"]


@pytest.mark.parametrize(("receives", "last"), [(1, False), (batch.RECEIVES - 1, False), (batch.RECEIVES, True)])
def test_only_the_last_receive_is_the_last_try(app: FakeApp, receives: int, last: bool) -> None:  # noqa: FBT001
    seen = []

    class Throttled:
        desk = app.desk

        def check(self, name: str, cause: Cause, *, last_try: bool, first_try: bool, waiting: Any) -> None:
            seen.append(last_try)
            raise TransientError(name, ())

    app.watch = Throttled()
    answer = on_change.handle(app, queue_batch(file("bucket-policy-lost-role"), receives=receives))
    assert (seen, again(answer)) == ([last], ["m0"])


def test_a_mail_that_could_not_be_sent_brings_the_message_back(app: FakeApp) -> None:
    app.account.scene.findings = (SHUT,)
    app.store.failures.by_name["send"] = [OSError("the topic is away")]
    assert again(on_change.handle(app, queue_batch(file("bucket-policy-lost-role")))) == ["m0"]
    assert again(on_change.handle(app, queue_batch(file("bucket-policy-lost-role"), receives=2))) == []
    assert len(app.account.mails) == 1


def test_a_request_for_a_contract_that_is_gone_is_done(app: FakeApp) -> None:
    assert again(on_change.handle(app, queue_batch(batch.request("gone", Cause(kind="sweep", at=START))))) == []


def test_no_check_is_begun_that_would_be_cut_off(app: FakeApp) -> None:
    answer = on_change.handle(app, queue_batch(file("key-disabled")), lambda: on_change.RESERVE - 1)
    assert again(answer) == ["m0"]
    assert app.account.scene.judged == []


@pytest.mark.parametrize("event", [{}, None, [], {"Records": [{"body": "x"}]}, json.loads(file("key-disabled"))])
@pytest.mark.parametrize("handle", [on_change.handle, on_report.handle])
def test_what_is_no_batch_is_refused(app: FakeApp, handle: Any, event: Any) -> None:
    with pytest.raises(batch.BadBatchError, match="send the event to the queue"):
        handle(app, event)


# --- on_report ---


def report_event(sender: str = CONSUMER, *, account: str | None = None, **changes: Any) -> str:
    """A report as the bus delivers it; `account` is what the envelope says when a sender forges."""
    verdict = replace(verdict_of(CONTRACT, sender), **changes)
    report = reports.make(CONTRACT, verdict, stamp=int(START.timestamp() * 1000), cause=change())
    envelope = {
        "version": "0",
        "id": "e-1",
        "detail-type": reports.DETAIL_TYPE,
        "source": reports.SOURCE,
        "account": account or sender,
        "time": START.isoformat(),
        "region": "eu-west-1",
        "resources": [],
        "detail": json.loads(encode(report)),
    }
    return json.dumps(envelope)


def test_a_partners_report_is_kept_and_no_lock_is_read(app: FakeApp) -> None:
    assert again(on_report.handle(app, queue_batch(report_event()))) == []
    assert [received.account for received in app.account.stored(CONTRACT.name).reports] == [CONSUMER]
    assert app.observed == 0
    assert app.account.reporter.reports == []


FORGED = {
    "the envelope is a stranger's": report_event(account=STRANGER),
    "a stranger speaks for himself": report_event(STRANGER),
    "the envelope is ours": report_event(account=OWNER),
    "of a contract that we do not have": report_event(contract="other"),
    "a report that cannot be read": json.dumps(json.loads(report_event()) | {"detail": {"stamp": "x"}}),
}


@pytest.mark.parametrize("body", FORGED.values(), ids=FORGED)
def test_a_forged_report_is_counted_and_not_believed_or_tried_again(
    app: FakeApp, body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert again(on_report.handle(app, queue_batch(body))) == []
    assert app.store.states == {}
    assert metrics(app, capsys) == {"ReportRefused": 1.0}


@pytest.mark.parametrize("body", ["{", "", file("key-disabled"), json.dumps({"detail": {}})])
def test_a_message_that_is_no_report_is_counted_and_kept_for_the_dead_letters(
    app: FakeApp, body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert again(on_report.handle(app, queue_batch(body, report_event()))) == ["m0"]
    assert metrics(app, capsys) == {"PoisonMessage": 1.0}


def test_a_report_that_could_not_be_stored_comes_again(app: FakeApp) -> None:
    app.store.failures.by_name["save"] = [OSError("the table is away")]
    assert again(on_report.handle(app, queue_batch(report_event()))) == ["m0"]


def request_event(sender: str = CONSUMER, **detail: Any) -> str:
    asked = {"format": "threelocks.request/1", "contract": CONTRACT.name} | detail
    return json.dumps(json.loads(report_event(sender)) | {"detail-type": reports.REQUEST_TYPE, "detail": asked})


def test_a_request_for_a_report_becomes_a_check_in_the_own_queue(app: FakeApp) -> None:
    assert again(on_report.handle(app, queue_batch(request_event()))) == []
    ((_, name, cause),) = app.account.timer.asked
    assert (name, cause.kind) == (CONTRACT.name, "request")
    assert app.account.reporter.reports == app.account.reporter.requests == []
    assert app.observed == 0


@pytest.mark.parametrize(
    "body",
    [request_event(STRANGER), request_event(contract="nobody"), request_event(contract=7), request_event(format="x")],
    ids=["a stranger", "unknown contract", "malformed", "unknown format"],
)
def test_a_bad_request_for_a_report_is_refused_and_counted(
    app: FakeApp, capsys: pytest.CaptureFixture[str], body: str
) -> None:
    assert again(on_report.handle(app, queue_batch(body))) == []
    assert app.account.timer.asked == []
    assert metrics(app, capsys) == {"ReportRefused": 1.0}


# --- recheck ---


def test_a_recheck_tells_since_when_and_asks_the_partner_without_waiting(app: FakeApp) -> None:
    app.account.scene.findings = (SHUT,)
    (first,) = recheck.handle(app, {})["contracts"]
    (again_,) = recheck.handle(app, {})["contracts"]
    assert first["since"] == again_["since"] == app.account.stored(CONTRACT.name).since.isoformat()
    assert {lock["lock"]: bool(lock["as_of"]) for lock in first["locks"]} == {"bucket_policy": True, "key_policy": True}
    assert [account for account, _ in app.account.reporter.requests] == [CONSUMER, CONSUMER]


def test_a_recheck_tells_what_has_changed_since_a_time(app: FakeApp) -> None:
    recheck.handle(app, {})
    app.account.scene.findings = (SHUT,)
    (share,) = recheck.handle(app, {"since": START.isoformat()})["contracts"]
    assert [row["headline"] for row in share["history"]] == ["BROKEN", "UNKNOWN"]
    (share,) = recheck.handle(app, {"since": "2999-01-01T00:00:00Z", "contract": CONTRACT.name})["contracts"]
    assert share["history"] == []
    assert "history" not in recheck.handle(app, {})["contracts"][0]
    assert "is not a re-check" in recheck.handle(app, {"since": "yesterday"})["error"]


def test_a_recheck_tells_what_the_last_change_of_our_policies_did(app: FakeApp) -> None:
    app.account.scene.observation = bucket()
    assert "changes" not in recheck.handle(app, {})["contracts"][0]
    app.account.scene.observation = bucket(SHARE_BUCKET, {**TLS_ONLY, "Sid": "TlsOnly"})
    for _ in range(2):
        (told,) = recheck.handle(app, {})["contracts"][0]["changes"]
        assert "was rewritten" in told["says"]
        assert (told["lock"], told["differences"]) == ("bucket_policy", [])
    app.account.scene.observation = bucket(TLS_ONLY)
    (told,) = recheck.handle(app, {"since": START.isoformat()})["contracts"][0]["changes"]
    assert "No longer allowed: s3:GetObject, s3:ListBucket" in told["says"]
    assert [edit["title"] for edit in told["edits"]] == ["Statement 1 of the bucket policy, removed"]


@pytest.mark.parametrize("event", [{}, {"contract": "bi-curated-read"}, {"contract": None}])
def test_a_recheck_answers_the_share(app: FakeApp, event: Any) -> None:
    app.account.scene.findings = (SHUT,)
    (share,) = recheck.handle(app, event)["contracts"]
    assert (share["contract"], share["headline"], share["awaiting"]) == ("bi-curated-read", "BROKEN", [CONSUMER])
    assert [finding["code"] for finding in share["findings"]] == ["bucket.no-allow"]


@pytest.mark.parametrize(
    "event",
    [None, [], "bi-curated-read", {"Contract": "x"}, {"contract": 7}, {"contract": "Not A Name"}, {"Records": []}],
)
def test_a_payload_that_is_not_ours_is_answered_with_what_is_accepted(app: FakeApp, event: Any) -> None:
    answer = recheck.handle(app, event)
    assert list(answer) == ["error"]
    assert '{"contract": "<name>"}' in answer["error"]
    assert app.account.scene.failures.calls == []


def test_a_recheck_of_an_unknown_contract_says_so(app: FakeApp) -> None:
    answer = recheck.handle(app, {"contract": "other"})
    assert answer["contracts"] == []
    assert answer["errors"][0]["contract"] == "other"
    assert "apply it first" in answer["errors"][0]["error"]


def test_one_contracts_failure_leaves_the_others_checked(app: FakeApp) -> None:
    app.store.contracts["a-first"] = contract("a-first")
    app.store.failures.by_name["observe"] = [OSError("no network")]
    answer = recheck.handle(app, {})
    assert [share["contract"] for share in answer["contracts"]] == ["bi-curated-read"]
    assert answer["errors"] == [{"contract": "a-first", "error": "OSError: no network"}]


def test_a_verdict_that_could_not_be_mailed_is_still_answered(app: FakeApp) -> None:
    app.account.scene.findings = (SHUT,)
    app.store.failures.by_name["send"] = [OSError("the topic is away")]
    answer = recheck.handle(app, {})
    assert [share["contract"] for share in answer["contracts"]] == ["bi-curated-read"]
    assert "could not tell everybody" in answer["errors"][0]["error"]


def test_a_recheck_that_runs_out_of_time_says_which_contracts_it_left(app: FakeApp) -> None:
    answer = recheck.handle(app, {}, lambda: 1.0)
    assert answer == {
        "contracts": [],
        "errors": [{"contract": "bi-curated-read", "error": "no time left; ask for it alone"}],
    }


# --- sweep ---


def many(number: int, contracts_each: int = 1) -> dict[str, contracts.Contract]:
    """That many buckets, each with so many contracts, named so that neighbours do not follow each other by name."""
    return {
        name: contract(name, bucket={"name": f"bucket-{bucket:03}", "region": "eu-west-1"})
        for one in range(contracts_each)
        for bucket in range(number)
        for name in [f"share-{one}-{bucket}"]
    }


def asked(app: FakeApp) -> list[batch.CheckRequest]:
    return [one for body in app.sqs.sent if (one := batch.read_request(body))]


def test_a_sweep_asks_for_a_check_of_each_contract_in_lots_and_for_ten_lots_at_once(app: FakeApp) -> None:
    app.store.contracts = many(11 * sweep.LOT)
    assert sweep.handle(app, {}) == {"asked": 11 * sweep.LOT}
    assert app.sqs.sizes == [10, 1]
    assert sorted(name for one in asked(app) for name in one.contracts) == sorted(app.store.contracts)
    assert {len(one.contracts) for one in asked(app)} == {sweep.LOT}
    assert {one.cause.kind for one in asked(app)} == {"sweep"}


def test_contracts_on_one_bucket_are_in_one_lot(app: FakeApp) -> None:
    app.store.contracts = many(30, contracts_each=7)
    sweep.handle(app, {})
    lots_of = {}
    for number, one in enumerate(asked(app)):
        for name in one.contracts:
            lots_of.setdefault(app.store.contracts[name].bucket.name, set()).add(number)
    assert {len(numbers) for numbers in lots_of.values()} == {1}
    assert max(len(one.contracts) for one in asked(app)) == 21  # three buckets fit, and a fourth does not


def test_contracts_of_one_role_are_in_one_lot_where_the_role_is_held() -> None:
    listings = [Listing(f"share-{number:02}", (f"role/R{number % 3}",), None) for number in range(12)]
    together = [[f"share-{number:02}" for number in range(role, 12, 3)] for role in range(3)]
    assert list(sweep.lots(listings, 4)) == together


def test_a_bucket_with_more_contracts_than_a_lot_holds_is_split(app: FakeApp) -> None:
    app.store.contracts = many(1, contracts_each=2 * sweep.LOT + 1)
    sweep.handle(app, {})
    assert [len(one.contracts) for one in asked(app)] == [sweep.LOT, sweep.LOT, 1]


def test_what_the_queue_refuses_is_sent_again(app: FakeApp) -> None:
    app.store.contracts = many(4 * sweep.LOT)
    app.sqs.refuses = [2, 1]
    sweep.handle(app, {})
    assert app.sqs.sizes == [4, 2, 1]
    assert len(set(app.sqs.sent)) == 4


def test_a_sweep_that_the_queue_keeps_refusing_fails_after_it_sent_the_rest(app: FakeApp) -> None:
    app.store.contracts = many(14 * sweep.LOT)
    app.sqs.refuses = [1] * batch.SEND_TRIES
    with pytest.raises(sweep.SweepError, match="1 lots"):
        sweep.handle(app, {})
    assert len(app.sqs.sent) == 13


def test_messages_that_are_too_large_together_go_in_several_calls() -> None:
    texts = ["x" * (batch.BYTES_AT_MOST // 2)] * 5 + ["y"]
    assert [len(bundle) for bundle in batch.bundles(texts)] == [2, 2, 2]


def test_the_heartbeat_is_the_age_of_the_oldest_check(app: FakeApp, capsys: pytest.CaptureFixture[str]) -> None:
    app.store.contracts["other"] = contract("other")
    app.account.scene.clock.time = START
    for name, age in (("other", timedelta(hours=2)), (CONTRACT.name, timedelta(minutes=5))):
        verdict = verdict_of(app.store.contracts[name], OWNER, as_of=START - age)
        app.store.states[name] = (1, encode(State(name, verdict.digest, OWNER, own=verdict)))
    sweep.handle(app, {})
    assert 7200 <= metrics(app, capsys)["OldestCheckAgeSeconds"] < 7260


def test_a_contract_that_was_never_checked_is_older_than_any_alarm(
    app: FakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.handle(app, {})
    assert metrics(app, capsys)["OldestCheckAgeSeconds"] > timedelta(days=365).total_seconds()


def test_a_sweep_over_nothing_still_beats(app: FakeApp, capsys: pytest.CaptureFixture[str]) -> None:
    app.store.contracts.clear()
    assert sweep.handle(app, {}) == {"asked": 0}
    assert app.sqs.sizes == []
    assert metrics(app, capsys) == {"OldestCheckAgeSeconds": 0.0}


# --- the messages between them ---


def test_a_request_comes_back_as_it_was_written() -> None:
    cause = change(at=datetime(2026, 3, 1, 10, 15, 30, 123456, tzinfo=UTC))
    asked = batch.read_request(batch.request("bi-curated-read", cause))
    assert asked is not None
    assert (asked.contracts, asked.cause) == (("bi-curated-read",), cause)


def test_a_request_for_several_comes_back_as_it_was_written() -> None:
    asked = batch.read_request(batch.requests(["a", "b"], change()))
    assert asked is not None
    assert (asked.contracts, asked.cause) == (("a", "b"), change())


# --- cold starts ---

HEAVY = (
    "boto3",
    "botocore.session",
    "botocore.exceptions",
    "yaml",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.parser",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_xray_sdk",
)


@pytest.mark.parametrize("name", ["on_change", "on_report", "recheck", "sweep"])
def test_importing_a_handler_brings_nothing_heavy(name: str) -> None:
    """The number of modules is a steadier gate than milliseconds: 330 of them when this was written."""
    code = f"import sys, threelocks.handlers.{name}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    loaded = run.stdout.split()
    assert [module for module in HEAVY if module in loaded] == []
    assert len(loaded) < 400


# --- the environment ---


VARIABLES = {
    "AWS_REGION": "eu-west-1",
    "AWS_LAMBDA_FUNCTION_NAME": "guard-on-change",
    "THREELOCKS_ACCOUNT": OWNER,
    "THREELOCKS_TABLE": "guard-Table",
    "THREELOCKS_ALERT_TOPIC": f"arn:aws:sns:eu-west-1:{OWNER}:alerts",
    "THREELOCKS_REPORTER_ROLE": f"arn:aws:iam::{OWNER}:role/threelocks/threelocks-reporter",
    "THREELOCKS_CHANGE_QUEUE": f"https://sqs.eu-west-1.amazonaws.com/{OWNER}/changes",
    "THREELOCKS_CHECK_QUEUE": f"https://sqs.eu-west-1.amazonaws.com/{OWNER}/checks",
    "THREELOCKS_MERGE_SECONDS": "300",
    "THREELOCKS_REMINDER_HOURS": "24",
    "THREELOCKS_CHAT_TOPIC": "",
    "THREELOCKS_SILENCE_SECONDS": "12000",
}


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        (environment.AskEnvironment, "THREELOCKS_CHECK_QUEUE"),
        (environment.DeskEnvironment, "THREELOCKS_ALERT_TOPIC"),
        (environment.DeskEnvironment, "THREELOCKS_CHANGE_QUEUE"),
        (environment.DeskEnvironment, "THREELOCKS_MERGE_SECONDS"),
        (environment.DeskEnvironment, "THREELOCKS_REMINDER_HOURS"),
        (environment.DeskEnvironment, "THREELOCKS_SILENCE_SECONDS"),
        (environment.WatchEnvironment, "THREELOCKS_REPORTER_ROLE"),
        (environment.WatchEnvironment, "THREELOCKS_TABLE"),
        (environment.TableEnvironment, "AWS_REGION"),
    ],
)
def test_a_variable_that_is_missing_or_empty_is_named(kind: Any, missing: str) -> None:
    environment.read(kind, VARIABLES)
    for broken in ({**VARIABLES, missing: ""}, {key: VARIABLES[key] for key in VARIABLES if key != missing}):
        with pytest.raises(environment.BadEnvironmentError, match=f"`{missing}`"):
            environment.read(kind, broken)


@pytest.mark.parametrize("function", ["guard-on-change", "guard-on-report", "guard-recheck", "guard-sweep"])
def test_the_mail_names_the_recheck_function_of_its_own_stack(function: str) -> None:
    known = environment.read(environment.DeskEnvironment, {**VARIABLES, "AWS_LAMBDA_FUNCTION_NAME": function})
    assert known.recheck == "guard-recheck"


def test_an_app_builds_each_part_from_its_own_environment_without_a_call() -> None:
    class NoCalls:
        def client(self, service: str, region: str) -> Any:
            raise AssertionError(service)

    one = build(VARIABLES, NoCalls())
    other = build({**VARIABLES, "THREELOCKS_ACCOUNT": CONSUMER}, NoCalls())
    assert (one.watch.desk.account, other.watch.desk.account) == (OWNER, CONSUMER)
    assert one.watch.desk.store is one.store
