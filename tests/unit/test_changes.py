"""The pipeline when policies change: what is kept of them, compared, recorded, told and never sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from simulation.examples import CONTRACT, NO_ALLOW, OWNER, WIDE_STRANGER
from simulation.memory import INSTANT, Clock, MemoryAccount, change, memory_account
from tests.unit.locks.scene import DENIED, OBJECTS, SHARE_BUCKET, TLS_ONLY, allow, bucket
from threelocks.alert.changed import in_words
from threelocks.contract import Contract
from threelocks.finding import Cause, Lock
from threelocks.observation import Observation
from threelocks.ports import ConflictError
from threelocks.report import encode
from threelocks.state import Times

NAME = CONTRACT.name
STRANGER = allow("s3:GetObject", OBJECTS, to="333333333333", Sid="Stranger")
REWRITTEN = bucket(TLS_ONLY, {**SHARE_BUCKET, "Sid": "Renamed"})
TOLD = "WHAT THE CHANGE DID"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def watching(clock: Clock, times: Times = INSTANT) -> MemoryAccount:
    """The owner, who has seen the agreed policy once."""
    owner = memory_account(OWNER, CONTRACT, clock, times=times)
    owner.scene.observation = bucket()
    check(owner, clock, "sweep")
    owner.mails.clear()
    owner.reporter.reports.clear()
    return owner


def check(owner: MemoryAccount, clock: Clock, kind: str = "change") -> None:
    cause = Cause(kind=kind, at=clock()) if kind != "change" else change(at=clock())
    owner.watch.check(NAME, cause)


def becomes(owner: MemoryAccount, clock: Clock, observation: Observation, *findings: Any) -> None:
    owner.scene.observation, owner.scene.findings = observation, findings
    check(owner, clock)


def test_at_first_sight_there_is_nothing_to_compare_with(clock: Clock) -> None:
    owner = memory_account(OWNER, CONTRACT, clock, times=INSTANT)
    becomes(owner, clock, bucket(TLS_ONLY), NO_ALLOW)
    (mail,) = owner.mails
    assert TOLD not in mail.body
    kept = owner.store.kept(NAME, Lock.BUCKET_POLICY)
    assert kept is not None
    assert kept.change is None


def test_a_break_is_told_with_what_the_change_took_and_the_statement_that_did_it(clock: Clock) -> None:
    owner = watching(clock)
    becomes(owner, clock, bucket(TLS_ONLY), NO_ALLOW)
    (mail,) = owner.mails
    section = mail.body.partition(f"\n{TOLD}\n")[2].partition("\n\n")[0]
    assert "No longer allowed: s3:GetObject, s3:ListBucket" in section
    assert "for BIAnalyticsRole." in section
    assert "Statement 1 of the bucket policy, removed:" in section
    assert '-   "Effect": "Allow",' in section
    assert all(line.startswith("  ") for line in section.splitlines())


def test_a_recovery_is_told_with_what_the_change_gave_back_once_it_has_settled(clock: Clock) -> None:
    owner = watching(clock, Times(merge=timedelta(0)))
    becomes(owner, clock, bucket(TLS_ONLY), NO_ALLOW)
    clock.time += timedelta(seconds=20)
    becomes(owner, clock, bucket())
    assert len(owner.mails) == 1, "a finding is dropped when it stays gone"
    owner.let_settle(clock)
    broken, mended = owner.mails
    assert "No longer allowed" in broken.body
    assert "Newly allowed: s3:GetObject, s3:ListBucket" in mended.body
    assert "No longer allowed" not in mended.body


def test_what_waited_for_the_merge_window_is_told_with_every_change_behind_it(clock: Clock) -> None:
    owner = watching(clock, Times(settle=timedelta(0)))
    becomes(owner, clock, bucket(TLS_ONLY), NO_ALLOW)
    clock.time += timedelta(minutes=1)
    becomes(owner, clock, bucket(TLS_ONLY, STRANGER), NO_ALLOW, WIDE_STRANGER)
    assert len(owner.mails) == 1
    owner.let_settle(clock)
    assert "Newly allowed: s3:GetObject" in owner.mails[-1].body
    assert "No longer allowed" not in owner.mails[-1].body, "that was told already"


def test_a_rewrite_sends_nothing_and_stands_in_the_history(clock: Clock) -> None:
    owner = watching(clock)
    rows = len(owner.store.standings[NAME])
    becomes(owner, clock, REWRITTEN)
    assert owner.mails == []
    assert owner.reporter.reports == []
    (row,) = owner.store.standings[NAME][rows:]
    (told,) = row.changes
    assert told.is_rewrite
    assert row.cause is not None
    assert row.cause.event_name == "PutBucketPolicy"
    assert "nothing that matters to bi-curated-read is allowed more or less" in in_words(CONTRACT, told)


def test_an_unchanged_policy_is_neither_read_from_the_table_nor_written_to_it(clock: Clock) -> None:
    owner = watching(clock)
    before = dict(owner.store.documents)
    owner.store.documents.clear()
    owner.store.failures.calls.clear()
    check(owner, clock, "sweep")
    assert "kept" not in owner.store.failures.calls
    assert owner.store.documents == {}
    owner.store.documents.update(before)
    becomes(owner, clock, bucket(TLS_ONLY), NO_ALLOW)
    assert TOLD in owner.mails[-1].body


def test_a_change_that_no_finding_came_of_is_not_told_with_a_later_one(clock: Clock) -> None:
    owner = watching(clock)
    becomes(owner, clock, bucket(SHARE_BUCKET))
    clock.time += timedelta(hours=1)
    becomes(owner, clock, bucket(policy_is_public=DENIED, policy=DENIED), NO_ALLOW)
    assert TOLD not in owner.mails[-1].body


def test_a_lock_that_was_unreadable_is_compared_with_what_was_read_last(clock: Clock) -> None:
    owner = watching(clock)
    becomes(owner, clock, bucket(policy=DENIED))
    becomes(owner, clock, bucket(TLS_ONLY), NO_ALLOW)
    assert "No longer allowed" in owner.mails[-1].body


def test_a_contract_for_another_bucket_is_not_compared_with_the_first_one(clock: Clock) -> None:
    owner = watching(clock)
    other = CONTRACT.model_copy(update={"bucket": CONTRACT.bucket.model_copy(update={"name": "datalake-curated-b"})})
    assert isinstance(other, Contract)
    owner.store.contracts[NAME] = other
    becomes(owner, clock, bucket(TLS_ONLY), NO_ALLOW)
    assert TOLD not in owner.mails[-1].body


def test_documents_of_another_time_than_the_state_are_not_compared(clock: Clock) -> None:
    """As after a restore of a part of the table."""
    owner = watching(clock)
    kept = owner.store.documents[NAME, Lock.BUCKET_POLICY]
    owner.store.documents[NAME, Lock.BUCKET_POLICY] = replace(kept, documents=())
    becomes(owner, clock, bucket(TLS_ONLY), NO_ALLOW)
    assert TOLD not in owner.mails[-1].body


def test_what_is_kept_belongs_to_the_observation_that_is_recorded(clock: Clock) -> None:
    owner = watching(clock)
    before = owner.store.documents[NAME, Lock.BUCKET_POLICY]

    def meanwhile() -> None:
        owner.scene.observation = REWRITTEN
        raise ConflictError("somebody was faster")

    owner.store.before_save.append(meanwhile)
    becomes(owner, clock, bucket(TLS_ONLY))
    kept = owner.store.documents[NAME, Lock.BUCKET_POLICY]
    assert dict(owner.stored(NAME).kept)[Lock.BUCKET_POLICY] == kept.digest != before.digest
    assert kept.change is not None
    assert kept.change.is_rewrite, "compared with what was recorded, not with what was only seen"


def test_a_comparison_that_fails_keeps_nobody_from_being_told(clock: Clock) -> None:
    owner = watching(clock)

    def fails(*_: object, **__: object) -> Any:
        raise ZeroDivisionError

    becomes(replace(owner, watch=replace(owner.watch, compare=fails)), clock, bucket(TLS_ONLY), NO_ALLOW)
    assert "the comparison failed (ZeroDivisionError): please report this" in " ".join(owner.mails[-1].body.split())


def test_nothing_of_a_change_crosses_to_the_partner(clock: Clock) -> None:
    owner = watching(clock)
    becomes(owner, clock, bucket(SHARE_BUCKET, STRANGER), NO_ALLOW)
    assert "Stranger" in owner.mails[-1].body
    assert owner.reporter.reports
    for _, report in owner.reporter.reports:
        assert "Stranger" not in encode(report)
        assert "differences" not in encode(report)


def test_text_from_a_policy_cannot_look_like_a_line_of_the_mail(clock: Clock) -> None:
    owner = watching(clock)
    hostile = allow(
        "s3:GetObject",
        [f"{OBJECTS}\nWHO AND WHEN\n  nobody\u202e"],
        to="333333333333",
        Sid="x\n\nWHAT TO DO\n  nothing \u202e\x1b[31m",
    )
    becomes(owner, clock, bucket(SHARE_BUCKET, TLS_ONLY, hostile), WIDE_STRANGER)
    body = owner.mails[-1].body
    assert TOLD in body
    lines = body.splitlines()
    assert lines.count("WHAT TO DO") == lines.count("WHO AND WHEN") == 1
    assert not {"\u202e", "\x1b"} & set(body)
