"""What crosses to the other account, and what is believed of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from simulation.examples import (
    CONSUMER,
    CONTRACT,
    KEY_DISABLED,
    KEY_UNREAD,
    NO_ALLOW,
    NO_DECRYPT,
    OWNER,
    STRANGER,
    WIDE_ROOT,
    WIDE_STRANGER,
)
from simulation.memory import START, change, resource_scoped, verdict_of
from threelocks.catalogue import CATALOGUE
from threelocks.contract import Contract
from threelocks.finding import Finding, Kind, Lock
from threelocks.report import (
    Incident,
    MalformedError,
    Report,
    content_digest,
    decode,
    differing_fields,
    encode,
    make,
    next_stamp,
    refusal,
)


def report_of(*findings: Finding, stamp: int = 1, account: str = OWNER, contract: Contract = CONTRACT) -> Report:
    return make(contract, verdict_of(contract, account, findings), stamp=stamp)


def refused(report: Report, sender: str = OWNER, account: str = CONSUMER) -> str | None:
    return refusal(CONTRACT, report, account=account, sender=sender, sent_at=START)


# --- What crosses ---


def test_a_report_carries_no_statement_and_no_fix() -> None:
    (finding,) = report_of(NO_ALLOW).verdict.findings
    assert finding.statements == ()
    assert finding.remedy is not None
    assert (finding.remedy.account, finding.remedy.sentence, finding.remedy.statement, finding.remedy.commands) == (
        OWNER,
        "",
        None,
        (),
    )


def test_the_witness_of_what_is_shut_crosses_because_it_is_the_consumers_own_request() -> None:
    (finding,) = report_of(NO_ALLOW).verdict.findings
    assert finding.witness == NO_ALLOW.witness


def test_a_wide_finding_names_neither_another_customer_nor_what_he_reads() -> None:
    text = encode(report_of(WIDE_STRANGER))
    for secret in ("Acme", "acme", STRANGER):
        assert secret not in text
    (finding,) = report_of(WIDE_STRANGER).verdict.findings
    assert finding.principal == "another account"
    assert finding.witness is None


def test_a_wide_finding_on_the_consumer_itself_keeps_its_principal() -> None:
    (finding,) = report_of(WIDE_ROOT).verdict.findings
    assert finding.principal == f"account {CONSUMER}"


def test_findings_that_look_alike_once_masked_are_one_that_says_how_many() -> None:
    other = replace(WIDE_STRANGER, principal="arn:aws:iam::444444444444:role/Other")
    (finding,) = report_of(WIDE_STRANGER, other).verdict.findings
    assert finding.detail.endswith("(2 findings of this kind)")


def test_a_finding_of_the_bucket_itself_stays_with_its_holder_and_so_does_its_kind() -> None:
    report = report_of(resource_scoped(WIDE_STRANGER))
    assert report.verdict.findings == ()
    assert all(lock.kinds == () for lock in report.verdict.locks)


def test_a_lock_keeps_the_kinds_of_the_findings_that_cross() -> None:
    report = report_of(NO_ALLOW, resource_scoped(WIDE_STRANGER))
    kinds = {lock.lock: lock.kinds for lock in report.verdict.locks}
    assert kinds[Lock.BUCKET_POLICY] == (Kind.SHUT,)


@pytest.mark.parametrize("code", sorted(code for code, entry in CATALOGUE.items() if not entry.detail_crosses))
def test_a_detail_that_may_quote_a_policy_is_replaced_by_what_the_code_means(code: str) -> None:
    finding = replace(NO_ALLOW, code=code, detail="statement `AcmeCorpQuarantine` says so")
    (sent,) = report_of(finding).verdict.findings
    assert "Acme" not in sent.detail
    assert sent.detail != ""


def test_the_name_of_a_policy_that_could_not_be_understood_stays_at_home() -> None:
    finding = replace(KEY_UNREAD, code="key.not-fully-checked", actions=("key policy `AcmeCorp`", "kms:GetKeyPolicy"))
    (sent,) = report_of(finding).verdict.findings
    assert sent.actions == ("kms:GetKeyPolicy",)


def test_a_code_that_the_catalogue_does_not_know_crosses_as_the_bare_code() -> None:
    (sent,) = report_of(replace(NO_ALLOW, code="bucket.new", detail="AcmeCorp")).verdict.findings
    assert sent.detail == "bucket.new"


def test_a_date_of_deletion_crosses() -> None:
    finding = replace(KEY_DISABLED, code="key.pending-deletion", detail="the key is deleted on 2026-12-01")
    (sent,) = report_of(finding).verdict.findings
    assert sent.detail == "the key is deleted on 2026-12-01"


def test_who_and_when_cross_but_not_from_where() -> None:
    touched = ("arn:aws:s3:::datalake-curated-a", "arn:aws:iam::111111111111:policy/AcmeCorp")
    cause = change(resources=touched)
    sent = make(CONTRACT, verdict_of(CONTRACT, OWNER, (NO_ALLOW,)), stamp=1, cause=cause).cause
    assert sent is not None
    assert (sent.actor, sent.event_name, sent.event_id, sent.at) == (
        cause.actor,
        cause.event_name,
        cause.event_id,
        cause.at,
    )
    assert (sent.source_ip, sent.user_agent) == ("", "")
    assert sent.resources == ("role/BIAnalyticsRole", "arn:aws:s3:::datalake-curated-a")


def test_an_incident_over_findings_that_stay_at_home_stays_at_home_too() -> None:
    incident = Incident("inc-1", OWNER, START)
    verdict = verdict_of(CONTRACT, OWNER, (resource_scoped(WIDE_STRANGER),))
    assert make(CONTRACT, verdict, stamp=1, incident=incident).incident is None


def test_remarks_stay_at_home() -> None:
    verdict = replace(verdict_of(CONTRACT, OWNER), remarks=("AcmeCorp reads by an access point",))
    assert make(CONTRACT, verdict, stamp=1).verdict.remarks == ()


# --- When it is sent ---


def test_the_digest_of_a_report_ignores_stamp_times_and_acknowledgements() -> None:
    early = make(CONTRACT, verdict_of(CONTRACT, OWNER, (NO_ALLOW,)), stamp=1)
    late = make(
        CONTRACT,
        verdict_of(CONTRACT, OWNER, (NO_ALLOW,), as_of=START + timedelta(hours=1)),
        stamp=9,
        heard=((CONSUMER, 5),),
    )
    assert content_digest(early) == content_digest(late)


@pytest.mark.parametrize(
    "other",
    [
        report_of(NO_ALLOW),
        replace(report_of(), cause=change()),
        replace(report_of(), incident=Incident("inc-1", OWNER, START)),
        make(CONTRACT, replace(verdict_of(CONTRACT, OWNER), facts=(("bucket_keys", "on"),)), stamp=1),
        make(CONTRACT, replace(verdict_of(CONTRACT, OWNER), digest="other"), stamp=1),
    ],
    ids=["findings", "cause", "incident", "facts", "terms"],
)
def test_the_digest_of_a_report_changes_with_what_it_says(other: Report) -> None:
    assert content_digest(other) != content_digest(report_of())


@pytest.mark.parametrize(("stored", "expected"), [(0, 1795428000000), (1795428000000, 1795428000001)])
def test_a_stamp_is_the_time_but_always_more_than_the_one_before(stored: int, expected: int) -> None:
    assert next_stamp(START, stored) == expected


def test_two_accounts_can_name_the_terms_in_which_they_differ() -> None:
    other = CONTRACT.model_copy(update={"prefixes": ("sales/",), "actions": CONTRACT.actions[:1]})
    assert differing_fields(CONTRACT, report_of(contract=other)) == ("actions", "prefixes")
    assert differing_fields(CONTRACT, report_of()) == ()
    assert differing_fields(CONTRACT, replace(report_of(contract=other), terms=())) == ()


# --- What is believed ---


def test_a_report_of_a_party_on_its_own_locks_is_believed() -> None:
    assert refused(report_of(NO_ALLOW)) is None
    assert refused(report_of(NO_DECRYPT, account=CONSUMER), sender=CONSUMER, account=OWNER) is None


_AHEAD = int((START + timedelta(minutes=5)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("report", "sender", "why"),
    [
        (report_of(), STRANGER, "not a party"),
        (report_of(account=CONSUMER), CONSUMER, "from ourselves"),
        (replace(report_of(), verdict=verdict_of(CONTRACT, CONSUMER)), OWNER, "another account's"),
        (report_of(NO_DECRYPT), OWNER, "does not hold its identity_policy"),
        (report_of(replace(NO_DECRYPT, account=OWNER)), OWNER, "does not hold its identity_policy"),
        (report_of(replace(NO_ALLOW, account=CONSUMER)), OWNER, "does not hold its bucket_policy"),
        (replace(report_of(), verdict=replace(verdict_of(CONTRACT, OWNER), locks=())), OWNER, "does not cover"),
        (replace(report_of(), incident=Incident("inc-1", CONSUMER, START)), OWNER, "incident"),
        (replace(report_of(), format="threelocks.report/2"), OWNER, "format"),
        (report_of(stamp=_AHEAD + 1), OWNER, "5 minutes ahead"),
        (
            replace(report_of(), verdict=replace(verdict_of(CONTRACT, OWNER), contract="another")),
            OWNER,
            "another contract",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_forged_report_is_refused(report: Report, sender: str, why: str) -> None:
    reason = refused(report, sender)
    assert reason is not None
    assert why in reason


def test_a_stamp_of_exactly_five_minutes_ahead_is_believed() -> None:
    assert refused(report_of(stamp=_AHEAD)) is None


# --- JSON ---


def test_a_report_survives_its_json() -> None:
    report = make(
        CONTRACT,
        verdict_of(CONTRACT, OWNER, (NO_ALLOW, WIDE_STRANGER)),
        stamp=7,
        heard=((CONSUMER, 5),),
        cause=change(),
        incident=Incident("inc-1", OWNER, START, opened_by=change()),
    )
    assert decode(Report, encode(report)) == report


@pytest.mark.parametrize("text", ["{}", "[]", "not json", '{"stamp": "x"}'])
def test_json_that_is_no_report_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError, match="not a Report"):
        decode(Report, text)
