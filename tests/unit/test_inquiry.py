"""Refused reads on their way: which are diagnosed, how often, and who is told; by the queue and by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from simulation.denials import (
    AT,
    NO_IDENTITY,
    ROLE_ID,
    decrypt_denied,
    enveloped,
    listing_denied,
    s3_denied,
)
from simulation.examples import CONSUMER, CONTRACT, NO_ALLOW, NO_DECRYPT, OWNER, STRANGER
from simulation.memory import Clock, MemoryAccount, MemoryLedger, memory_account, verdict_of
from threelocks.alert.text import WIDTH
from threelocks.contract import Contract
from threelocks.diagnose import NOT_AGREED, WHOSE, Denial, read
from threelocks.finding import Cause
from threelocks.handlers import on_denied, recheck
from threelocks.handlers.batch import RECEIVES
from threelocks.handlers.shared import SharedStore, Shift
from threelocks.handlers.telemetry import Telemetry
from threelocks.inquiry import WINDOW, Inquiry
from threelocks.report import make

DUE = WINDOW + timedelta(minutes=1)


class App:
    """What a handler sees of an app, over an account in memory."""

    def __init__(self, account: MemoryAccount) -> None:
        self.account = account
        self.telemetry = Telemetry({})
        self.watch, self.desk, self.store = account.watch, account.watch.desk, account.store
        self.now, self.region = account.watch.desk.now, "eu-west-1"
        self.ledger = MemoryLedger()

    def shift(self) -> Shift:
        return Shift(replace(self.watch, desk=replace(self.desk, store=SharedStore(self.store))))

    def inquiry(self, store: Any, check: Any) -> Inquiry:
        return Inquiry(self.account.number, store, self.ledger, self.desk.mailer, check, self.now)

    @property
    def observed(self) -> int:
        return self.account.scene.failures.calls.count("observe")

    def diagnoses(self) -> list[Any]:
        return [mail for mail in self.account.mails if mail.attributes["kind"] == "diagnosis"]


def make_app(number: str, *, hears: bool = True) -> App:
    """An account whose partner, if it was heard, has nothing off."""
    clock = Clock(AT)
    account = memory_account(number, CONTRACT, clock)
    if hears:
        other = CONSUMER if number == OWNER else OWNER
        facts = (("role_id", ROLE_ID),) if other == CONSUMER else ()
        report = make(CONTRACT, verdict_of(CONTRACT, other, as_of=AT, facts=facts), stamp=1)
        account.watch.desk.hear(other, report, sent_at=AT)
    else:
        account.scene.facts = ()
    return App(account)


@pytest.fixture
def owner() -> App:
    return make_app(OWNER)


@pytest.fixture
def consumer() -> App:
    app = make_app(CONSUMER)
    app.account.scene.facts = (("role_id", ROLE_ID),)
    return app


def batch(*records: Any, receives: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "body": record if isinstance(record, str) else json.dumps(enveloped(record)),
                "attributes": {"ApproximateReceiveCount": str(receives)},
            }
            for number, record in enumerate(records)
        ]
    }


def kept(answer: dict[str, Any]) -> list[str]:
    return [row["itemIdentifier"] for row in answer["batchItemFailures"]]


def later(record: dict[str, Any], number: int) -> dict[str, Any]:
    """The same request once more."""
    return record | {"eventID": f"again-{number}", "sharedEventID": f"again-{number}"}


# --- by the queue ---


def test_a_refused_read_is_checked_live_and_mailed_beside_the_alert(owner: App) -> None:
    owner.watch.check(CONTRACT.name, _sweep(owner))
    owner.account.scene.findings = (NO_ALLOW,)
    owner.account.scene.clock.time += DUE
    now = f"{owner.account.scene.clock.time:%Y-%m-%dT%H:%M:%SZ}"
    assert kept(on_denied.handle(owner, batch(s3_denied(CONTRACT, eventTime=now)))) == []
    assert [mail.attributes["kind"] for mail in owner.account.mails] == ["first", "break", "diagnosis"]
    (mail,) = owner.diagnoses()
    assert mail.subject == "Diagnosis: bi-curated-read - bucket policy of data-platform (111111111111)"
    assert "BIAnalyticsRole is refused by the bucket policy in data-platform (111111111111): certain" in " ".join(
        mail.body.split()
    )
    assert mail.attributes | {"standing": "BROKEN", "lock": "bucket_policy", "account": OWNER} == mail.attributes
    incident = owner.account.stored(CONTRACT.name).incident
    assert incident is not None
    assert incident.id in mail.body
    assert max(map(len, mail.body.splitlines())) <= WIDTH + 80  # the command to check again is one line


def test_while_a_share_is_suspended_a_diagnosis_is_in_the_recheck_only(owner: App) -> None:
    ends = {"by": "Dana", "reason": "the audit", "until": AT + timedelta(days=1)}
    suspended = Contract.model_validate(CONTRACT.model_dump() | {"suspended": ends})
    owner.account.store.contracts[CONTRACT.name] = suspended
    owner.account.scene.findings = (NO_ALLOW,)
    on_denied.handle(owner, batch(s3_denied(CONTRACT)))
    assert owner.account.stored(CONTRACT.name).incident is not None
    assert owner.diagnoses() == []
    answer = recheck.handle(owner, {"contract": CONTRACT.name})  # type: ignore[arg-type] # what it needs of an app
    assert len(answer["contracts"][0]["diagnoses"]) == 1


def test_what_counts_as_told_is_not_touched_by_a_diagnosis(owner: App) -> None:
    owner.account.scene.findings = (NO_ALLOW,)
    owner.watch.check(CONTRACT.name, _sweep(owner))
    before = owner.account.stored(CONTRACT.name)
    on_denied.handle(owner, batch(s3_denied(CONTRACT)))
    after = owner.account.stored(CONTRACT.name)
    assert (after.told, after.slot, after.incident) == (before.told, before.slot, before.incident)


def _sweep(app: App) -> Cause:
    return Cause(kind="sweep", at=app.now())


def test_a_flood_of_refusals_is_one_check_and_one_mail(owner: App) -> None:
    owner.account.scene.findings = (NO_ALLOW,)
    on_denied.handle(owner, batch(*(later(s3_denied(CONTRACT), number) for number in range(200))))
    checked = owner.observed
    for number in range(20):
        on_denied.handle(owner, batch(later(s3_denied(CONTRACT), 200 + number)))
    assert owner.observed == checked
    assert len(owner.diagnoses()) == 1
    assert "200 requests" in owner.diagnoses()[0].body


def test_after_the_window_it_is_looked_at_again_and_not_mailed_again_for_the_same_incident(owner: App) -> None:
    owner.account.scene.findings = (NO_ALLOW,)
    on_denied.handle(owner, batch(s3_denied(CONTRACT)))
    checked = owner.observed
    owner.account.scene.clock.time += DUE
    on_denied.handle(owner, batch(later(s3_denied(CONTRACT), 1)))
    assert owner.observed > checked
    assert len(owner.diagnoses()) == 1


def test_what_cannot_be_told_is_looked_at_again_sooner(owner: App) -> None:
    on_denied.handle(owner, batch(s3_denied(CONTRACT)))
    checked = owner.observed
    owner.account.scene.clock.time += timedelta(minutes=4)
    on_denied.handle(owner, batch(later(s3_denied(CONTRACT), 1)))
    assert owner.observed == checked
    owner.account.scene.clock.time += timedelta(minutes=2)
    owner.account.scene.findings = (NO_ALLOW,)
    now = f"{owner.account.scene.clock.time:%Y-%m-%dT%H:%M:%SZ}"
    on_denied.handle(owner, batch(later(s3_denied(CONTRACT), 2) | {"eventTime": now}))
    assert len(owner.diagnoses()) == 1


def test_another_signature_is_a_diagnosis_of_its_own(owner: App) -> None:
    owner.account.scene.findings = (NO_ALLOW,)
    on_denied.handle(owner, batch(s3_denied(CONTRACT), later(listing_denied(CONTRACT), 1)))
    assert len(owner.diagnoses()) == 2


def test_the_next_incident_is_mailed_again(owner: App) -> None:
    owner.account.scene.findings = (NO_ALLOW,)
    on_denied.handle(owner, batch(s3_denied(CONTRACT)))
    owner.account.scene.findings = ()
    owner.account.scene.clock.time += DUE
    owner.watch.check(CONTRACT.name, _sweep(owner))
    owner.account.scene.clock.time += DUE
    owner.account.scene.findings = (NO_ALLOW,)
    now = f"{owner.account.scene.clock.time:%Y-%m-%dT%H:%M:%SZ}"
    on_denied.handle(owner, batch(later(s3_denied(CONTRACT), 1) | {"eventTime": now}))
    assert len(owner.diagnoses()) == 2
    assert len({mail.body.rpartition("INCIDENT")[2] for mail in owner.diagnoses()}) == 2


def test_without_an_incident_nobody_is_mailed_and_a_recheck_shows_it(owner: App) -> None:
    scp = "User: arn:aws:sts::222222222222:assumed-role/BIAnalyticsRole/nightly-load is not authorized to perform: "
    message = f"{scp}s3:GetObject on resource: x with an explicit deny in a service control policy"
    on_denied.handle(owner, batch(s3_denied(CONTRACT, message=message)))
    assert owner.diagnoses() == []
    (share,) = recheck.handle(owner, {})["contracts"]
    (told,) = share["diagnoses"]
    assert (told["locks"], told["sure"]) == (["ceiling"], "certain")
    owner.account.scene.clock.time += timedelta(days=2)
    (share,) = recheck.handle(owner, {})["contracts"]
    assert "diagnoses" not in share


def test_a_diagnosis_that_names_no_lock_is_not_mailed(owner: App) -> None:
    owner.account.scene.findings = (NO_ALLOW,)
    on_denied.handle(owner, batch(s3_denied(CONTRACT, message="who knows")))
    assert owner.diagnoses() == []


def test_the_consumers_records_of_one_request_are_one_diagnosis(consumer: App) -> None:
    consumer.account.scene.findings = (NO_DECRYPT,)
    consumer.watch.check(CONTRACT.name, _sweep(consumer))
    records = (decrypt_denied(CONTRACT, because=NO_IDENTITY), s3_denied(CONTRACT, view="consumer"))
    assert kept(on_denied.handle(consumer, batch(*records))) == []
    (mail,) = consumer.diagnoses()
    assert mail.attributes["lock"] == "identity_policy"
    assert "Your account holds the lock" in mail.body


A_VERSION = {"bucketName": CONTRACT.bucket.name, "key": "a", "versionId": "1"}
OTHERS = {
    "another bucket": s3_denied(CONTRACT, requestParameters={"bucketName": "another", "key": "a"}, resources=[]),
    "another role": s3_denied(
        CONTRACT, userIdentity={"type": "AWSAccount", "principalId": "AROAEXAMPLEANOTHER222:x", "accountId": CONSUMER}
    ),
    "a missing object": s3_denied(CONTRACT, errorCode="NoSuchKey"),
    "another key": decrypt_denied(
        CONTRACT, view="owner", resources=[{"ARN": CONTRACT.key.replace("abcd", "ffff")}], requestParameters=None
    ),
}


@pytest.mark.parametrize("record", OTHERS.values(), ids=OTHERS)
def test_records_that_are_none_of_ours_lead_to_no_check_and_no_entry(owner: App, record: dict[str, Any]) -> None:
    assert kept(on_denied.handle(owner, batch(*(later(record, number) for number in range(50))))) == []
    assert owner.observed == 0
    assert owner.ledger.entries == {}
    assert owner.account.scene.failures.calls.count("touching") <= 1


@pytest.mark.parametrize(
    ("hears", "record", "signature"),
    [
        (False, s3_denied(CONTRACT), WHOSE),
        (True, s3_denied(CONTRACT, requestParameters=A_VERSION), NOT_AGREED),
    ],
)
def test_what_no_lock_has_to_explain_is_kept_for_a_recheck_without_a_check(
    hears: bool,  # noqa: FBT001
    record: dict[str, Any],
    signature: str,
) -> None:
    app = make_app(OWNER, hears=hears)
    on_denied.handle(app, batch(record))
    assert app.observed == 0
    assert [one.signature for one in app.inquiry(app.store, None).lately(CONTRACT.name)] == [signature]


POISON = {
    "not JSON": "{",
    "no envelope": json.dumps(s3_denied(CONTRACT)),
    "another account's event": json.dumps(enveloped(s3_denied(CONTRACT)) | {"account": STRANGER}),
    "not from CloudTrail": json.dumps(enveloped(s3_denied(CONTRACT)) | {"detail-type": "Object Created"}),
    "without a time": json.dumps(enveloped(s3_denied(CONTRACT)) | {"detail": s3_denied(CONTRACT, eventTime="x")}),
}


@pytest.mark.parametrize("body", POISON.values(), ids=POISON)
def test_a_message_that_cannot_be_understood_is_kept_and_stops_no_other(owner: App, body: str) -> None:
    owner.account.scene.findings = (NO_ALLOW,)
    assert kept(on_denied.handle(owner, batch(body, s3_denied(CONTRACT)))) == ["m0"]
    assert len(owner.diagnoses()) == 1


@pytest.mark.parametrize("call", ["observe", "save", "send", "keep", "claim"])
def test_what_fails_comes_again_and_is_then_told_once(owner: App, call: str) -> None:
    owner.account.scene.findings = (NO_ALLOW,)
    owner.watch.check(CONTRACT.name, _sweep(owner))
    failures = owner.ledger.failures if call in {"keep", "claim"} else owner.store.failures
    failures.by_name[call] = [OSError("the machine died")]
    assert kept(on_denied.handle(owner, batch(s3_denied(CONTRACT)))) == ["m0"]
    owner.account.scene.clock.time += timedelta(minutes=6)  # the queue's visibility timeout
    assert kept(on_denied.handle(owner, batch(s3_denied(CONTRACT), receives=RECEIVES))) == []
    assert len(owner.diagnoses()) == (2 if call == "keep" else 1)  # a crash after sending repeats the mail


def test_without_time_left_nothing_is_begun(owner: App) -> None:
    assert kept(on_denied.handle(owner, batch(s3_denied(CONTRACT)), lambda: 1.0)) == ["m0"]
    assert owner.ledger.entries == {}


def test_hostile_records_make_no_line_of_the_mail(owner: App) -> None:
    owner.account.scene.findings = (NO_ALLOW,)
    hostile = "https://evil.example\n\nYOUR ACCOUNT MUST ACT\n\u202e" + "x" * 3000
    identity = {"type": "AWSAccount", "principalId": f"{ROLE_ID}:{hostile}", "accountId": CONSUMER}
    on_denied.handle(owner, batch(s3_denied(CONTRACT, key=hostile, userIdentity=identity)))
    (mail,) = owner.diagnoses()
    assert not [line for line in mail.body.splitlines() if line.startswith(("YOUR", "https"))]
    assert all(line.isprintable() for line in mail.body.splitlines())
    assert "evil.example" in mail.body
    assert "https://evil" not in mail.body
    assert len(mail.body) < 10_000


# --- by hand ---


def test_records_that_somebody_brings_are_diagnosed_and_nothing_is_kept_or_mailed(owner: App) -> None:
    owner.account.scene.findings = (NO_ALLOW,)
    owner.watch.check(CONTRACT.name, _sweep(owner))
    records = {"Records": [s3_denied(CONTRACT), later(OTHERS["another bucket"], 1), {"what": 1}]}
    answer = recheck.handle(owner, {"diagnose": records})
    (told,) = answer["diagnoses"]
    assert (told["locks"], told["sure"], told["judgement"]) == (["bucket_policy"], "certain", "agrees")
    assert answer["others"] == 1
    assert answer["errors"][0]["record"] == "record 3"
    assert owner.ledger.entries == {}
    assert owner.diagnoses() == []


@pytest.mark.parametrize("payload", [s3_denied(CONTRACT), [s3_denied(CONTRACT)], enveloped(s3_denied(CONTRACT))])
def test_every_form_of_payload_is_read(owner: App, payload: Any) -> None:
    owner.account.scene.findings = (NO_ALLOW,)
    (told,) = recheck.handle(owner, {"diagnose": payload, "contract": CONTRACT.name})["diagnoses"]
    assert told["contract"] == CONTRACT.name
    assert recheck.handle(owner, {"diagnose": payload, "contract": "another"})["diagnoses"] == []


def test_a_check_that_fails_is_told_to_whoever_asked(owner: App) -> None:
    owner.store.failures.by_name["observe"] = [OSError("no network")]
    answer = recheck.handle(owner, {"diagnose": s3_denied(CONTRACT)})
    assert answer["errors"] == [{"error": "OSError: no network"}]


def test_a_mail_that_cannot_be_sent_does_not_keep_the_diagnosis_from_whoever_asked(owner: App) -> None:
    owner.account.scene.findings = (NO_ALLOW,)
    owner.store.failures.by_name["send"] = [OSError("the topic is away")]
    assert len(recheck.handle(owner, {"diagnose": s3_denied(CONTRACT)})["diagnoses"]) == 1


def test_a_recheck_is_answered_though_the_ledger_cannot_be_read(owner: App) -> None:
    owner.ledger.failures.by_name["kept"] = [OSError("the table is away")]
    assert len(recheck.handle(owner, {})["contracts"]) == 1


def test_a_denial_can_be_a_key_of_a_mapping() -> None:
    """The handler finds the messages of a diagnosis by it."""
    one, two = read(s3_denied(CONTRACT)), read(s3_denied(CONTRACT))
    assert isinstance(one, Denial)
    assert one == two
    assert hash(one) == hash(two)
