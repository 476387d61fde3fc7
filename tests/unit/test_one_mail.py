"""One event that moves many contracts is one mail, in each account; nobody is left untold when it cannot be sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from simulation.fleet import CONSUMER, OWNER, Fleet
from simulation.memory import Clock, MemoryAccount, Sent, change, memory_account
from threelocks.alert import AT_ONCE
from threelocks.contract import Contract
from threelocks.finding import Cause, Finding, Kind, Lock, Verdict
from threelocks.ports import RefusedMailError
from threelocks.watch import Filled

EVENT = change(resources=("arn:aws:s3:::bucket-00000",))


def finding(contract: Contract, kind: Kind = Kind.SHUT) -> Finding:
    return Finding(
        code="bucket.no-allow" if kind is Kind.SHUT else "bucket.wide-action",
        kind=kind,
        lock=Lock.BUCKET_POLICY,
        account=OWNER,
        resource=contract.bucket_arn,
        principal=contract.role,
        actions=("s3:GetObject",),
        detail="no statement of the bucket policy allows s3:GetObject to the role",
    )


@dataclass
class Scene:
    """One account with many contracts on one bucket, told that all are well; then all are shut."""

    account: MemoryAccount
    contracts: tuple[Contract, ...]
    shut: dict[str, Kind]

    def judge(self, contract: Contract, neighbours: Any, observation: Any, facts: Any) -> Verdict:
        verdict = self.account.scene.judge(contract, neighbours, observation, facts)
        found = (finding(contract, self.shut[contract.name]),) if contract.name in self.shut else ()
        locks = tuple(
            replace(lock, kinds=tuple(one.kind for one in found if one.lock is lock.lock)) for lock in verdict.locks
        )
        return replace(verdict, findings=found, locks=locks)

    def check(self, cause: Cause = EVENT, names: tuple[str, ...] = ()) -> list[Filled]:
        waiting: list[Filled] = []
        watch = replace(self.account.watch, judge=self.judge)
        for name in names or tuple(one.name for one in self.contracts):
            watch.check(name, cause, waiting=waiting)
        return waiting

    def tell(self, waiting: list[Filled]) -> dict[str, Exception]:
        return self.account.watch.desk.tell(waiting)

    @property
    def mails(self) -> list[Sent]:
        return self.account.mails


def scene(number: int, *, watched: bool = True) -> Scene:
    contracts = Fleet(number, 1, 1, number).all
    account = memory_account(OWNER, contracts[0], Clock())
    account.store.contracts |= {one.name: one for one in contracts}
    up = Scene(account, contracts, {})
    if watched:
        up.check()
    up.shut = dict.fromkeys((one.name for one in contracts), Kind.SHUT)
    return up


def slot_ids(waiting: list[Filled]) -> set[str]:
    return {slot.id for _, slot in waiting}


def test_one_event_that_breaks_many_contracts_is_one_mail_that_names_them_all() -> None:
    up = scene(20)
    waiting = up.check()
    assert up.mails == []
    assert up.tell(waiting) == {}
    (mail,) = up.mails
    assert mail.subject.startswith("BROKEN: 20 contracts - bucket policy of ")
    for contract in up.contracts:
        assert f"  {contract.name}\n" in mail.body
    for one in slot_ids(waiting):
        assert one in mail.body
    assert EVENT.actor in mail.body


def test_each_contracts_effect_and_incident_stand_beside_its_name() -> None:
    up = scene(3)
    up.tell(up.check())
    (mail,) = up.mails
    for contract in up.contracts:
        known = up.account.stored(contract.name).incident
        assert known is not None
        block = mail.body.partition(f"  {contract.name}\n")[2].partition("\n  share-")[0]
        assert known.id in block
        assert contract.role_name in block


def test_subscribers_can_filter_on_every_attribute_and_on_each_name() -> None:
    up = scene(3)
    up.tell(up.check())
    (mail,) = up.mails
    assert json.loads(mail.attributes["contract"]) == [one.name for one in up.contracts]
    others = {name: value for name, value in mail.attributes.items() if name != "contract"}
    assert others == {"standing": "BROKEN", "lock": "bucket_policy", "account": OWNER, "kind": "first"}


def test_afterwards_people_are_known_to_be_told_of_each() -> None:
    up = scene(5)
    up.tell(up.check())
    for contract in up.contracts:
        known = up.account.stored(contract.name)
        assert known.slot is None
        assert known.told is not None
        assert [one.code for one in known.told.findings] == ["bucket.no-allow"]
    assert up.check() == []


def test_one_contract_is_told_as_ever() -> None:
    up = scene(1)
    up.tell(up.check())
    (mail,) = up.mails
    assert "contracts" not in mail.subject
    assert mail.attributes["contract"] == up.contracts[0].name


def test_what_reads_otherwise_is_another_mail() -> None:
    up = scene(4)
    up.shut[up.contracts[3].name] = Kind.WIDE
    up.tell(up.check())
    assert sorted(mail.attributes["standing"] for mail in up.mails) == ["BROKEN", "WIDENED"]


def test_two_events_are_two_mails() -> None:
    up = scene(4)
    names = [one.name for one in up.contracts]
    waiting = up.check(names=tuple(names[:2]))
    waiting += up.check(replace(EVENT, event_id="another"), names=tuple(names[2:]))
    up.tell(waiting)
    assert [json.loads(mail.attributes["contract"]) for mail in up.mails] == [names[:2], names[2:]]


def test_very_many_are_several_mails() -> None:
    up = scene(2 * AT_ONCE + 1)
    up.tell(up.check())
    assert [mail.subject.split()[1] for mail in up.mails[:2]] == [str(AT_ONCE)] * 2
    assert len(up.mails) == 3
    assert max(len(mail.body.encode()) for mail in up.mails) < 256 * 1024


# --- when it fails ---


def test_a_mail_that_is_refused_is_sent_contract_by_contract() -> None:
    up = scene(3)
    waiting = up.check()
    up.account.mailer.failures.by_name["send"] = [RefusedMailError("no")]
    assert up.tell(waiting) == {}
    assert [mail.attributes["contract"] for mail in up.mails] == [one.name for one in up.contracts]


def test_when_nothing_can_be_sent_every_contract_is_answered_and_keeps_its_id() -> None:
    up = scene(3)
    waiting = up.check()
    up.account.mailer.failures.by_name["send"] = [OSError("the topic is away")] * 4
    assert set(up.tell(waiting)) == {one.name for one in up.contracts}
    assert {up.account.stored(name).slot.id for name, _ in waiting} == slot_ids(waiting)  # type: ignore[union-attr]


def test_a_crash_before_the_mail_repeats_with_the_same_ids() -> None:
    up = scene(3)
    waiting = up.check()  # and then the function dies
    up.account.scene.clock.time += timedelta(minutes=5)
    up.check()
    told = "".join(mail.body for mail in up.mails)
    assert all(one in told for one in slot_ids(waiting))


def test_a_slot_that_another_function_took_meanwhile_is_not_told_twice() -> None:
    up = scene(3)
    waiting = up.check()
    up.account.scene.clock.time += timedelta(minutes=5)
    up.account.watch.desk.announce(up.contracts[0].name)
    up.tell(waiting)
    names = [mail.attributes["contract"] for mail in up.mails]
    assert names == [up.contracts[0].name, json.dumps([one.name for one in up.contracts[1:]], separators=(",", ":"))]


# --- in the other account ---


def test_reports_of_one_event_are_one_mail_too() -> None:
    up = scene(4)
    up.tell(up.check())
    partner = memory_account(CONSUMER, up.contracts[0], up.account.scene.clock)
    partner.store.contracts |= {one.name: one for one in up.contracts}
    for one in up.contracts:
        partner.watch.check(one.name, Cause("sweep", partner.scene.clock()))
    now = up.account.scene.clock()
    reports = [report for _, report in up.account.reporter.reports if report.verdict.findings]
    waiting: list[Filled] = []
    partner.mailer.mails.clear()
    for report in reports:
        partner.watch.desk.hear(OWNER, report, sent_at=now, waiting=waiting)
    assert partner.watch.desk.tell(waiting) == {}
    (mail,) = partner.mails
    assert len(json.loads(mail.attributes["contract"])) == 4


@pytest.mark.parametrize("number", [1, 4])
def test_what_waits_is_looked_at_again_after_it_was_told(number: int) -> None:
    up = scene(number, watched=False)
    waiting = up.check()
    assert up.account.timer.asked == []
    up.tell(waiting)
    assert {contract for _, contract, _ in up.account.timer.asked} == {one.name for one in up.contracts}
