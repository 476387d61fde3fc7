"""The pipeline with every port in memory: nothing lost whatever fails, nothing told twice, nobody forged."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from simulation.examples import (
    CONDITIONAL,
    CONSUMER,
    CONTRACT,
    KEY_DISABLED,
    KEY_UNREAD,
    NO_ALLOW,
    NO_DECRYPT,
    OWNER,
    WIDE_STRANGER,
)
from simulation.memory import (
    INSTANT,
    Clock,
    Failures,
    MemoryAccount,
    change,
    memory_account,
    resource_scoped,
    verdict_of,
)
from threelocks.alert import Mail
from threelocks.finding import Cause, Finding, Headline, Kind
from threelocks.observation import (
    Absent,
    Found,
    NamedPolicy,
    Observation,
    Role,
    RoleObservation,
    Source,
    Unreadable,
)
from threelocks.ports import ConflictError, RefusedMailError
from threelocks.report import Report, make
from threelocks.state import Slot, Times
from threelocks.watch import RefusedReportError, TransientError, UndeliveredError, UnknownContractError

NAME = CONTRACT.name


def sweep(clock: Clock) -> Cause:
    return Cause(kind="sweep", at=clock())


def pair(clock: Clock, times: Times = INSTANT) -> tuple[MemoryAccount, MemoryAccount]:
    """Owner and consumer, both checked and heard, everything told, every counter at nought."""
    owner = memory_account(OWNER, CONTRACT, clock, times=times)
    consumer = memory_account(CONSUMER, CONTRACT, clock, times=times)
    owner.watch.check(NAME, sweep(clock))
    consumer.watch.check(NAME, sweep(clock))
    exchange(owner, consumer, clock)
    for account in (owner, consumer):
        account.mails.clear()
        account.store.failures.calls.clear()
    return owner, consumer


def exchange(one: MemoryAccount, other: MemoryAccount, clock: Clock) -> None:
    """Deliver the reports that wait between the two."""
    for sender, receiver in ((one, other), (other, one)):
        waiting, sender.reporter.reports[:] = list(sender.reporter.reports), []
        receiver.hear_all(waiting, clock.time)


def slot_of(account: MemoryAccount) -> Slot:
    slot = account.stored(NAME).slot
    assert slot is not None
    return slot


@pytest.fixture
def clock() -> Clock:
    return Clock()


# --- The main job ---


def test_a_break_is_told_once_in_both_accounts_and_so_is_its_repair(clock: Clock) -> None:
    owner, consumer = pair(clock)
    for findings, kind in (((NO_ALLOW,), "break"), ((), "recovery")):
        owner.scene.findings = findings
        for _ in range(2):  # events are delivered at least once
            owner.watch.check(NAME, change(at=clock()))
            exchange(owner, consumer, clock)
        assert [mail.attributes["kind"] for mail in owner.mails] == [kind]
        assert [mail.attributes["kind"] for mail in consumer.mails] == [kind]
        owner.mails.clear()
        consumer.mails.clear()


def test_both_accounts_name_the_same_incident_and_the_same_actor(clock: Clock) -> None:
    owner, consumer = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.watch.check(NAME, change(at=clock()))
    exchange(owner, consumer, clock)
    incident = owner.stored(NAME).incident
    assert incident is not None
    for account in (owner, consumer):
        (mail,) = account.mails
        assert incident.id in mail.body
        assert change().actor in mail.body


def test_an_equivalent_rewrite_is_silence_in_both_accounts(clock: Clock) -> None:
    owner, consumer = pair(clock)
    owner.scene.findings = (CONDITIONAL,)
    owner.watch.check(NAME, change(at=clock()))
    exchange(owner, consumer, clock)
    owner.scene.findings = (replace(CONDITIONAL, detail="in other words", statements=()),)
    owner.watch.check(NAME, change(at=clock()))
    exchange(owner, consumer, clock)
    assert len(owner.mails) == len(consumer.mails) == 1


def test_the_share_that_a_check_answers_is_the_whole_one(clock: Clock) -> None:
    owner, consumer = pair(clock)
    consumer.scene.findings = (NO_DECRYPT,)
    consumer.watch.check(NAME, change("PutRolePolicy", at=clock()))
    exchange(owner, consumer, clock)
    owner.scene.findings = (KEY_DISABLED,)
    share = owner.watch.check(NAME, Cause("recheck", clock()))
    assert {finding.code for finding in share.findings} == {"identity.no-allow", "key.disabled"}
    assert share.headline is Headline.BROKEN


def test_a_contract_that_is_not_in_the_table_is_unknown(clock: Clock) -> None:
    owner = memory_account(OWNER, CONTRACT, clock)
    with pytest.raises(UnknownContractError, match="apply it first"):
        owner.watch.check("nobody", sweep(clock))


# --- Reading ---


def test_a_new_finding_that_the_second_look_does_not_show_is_no_news(clock: Clock) -> None:
    owner, _ = pair(clock)
    owner.scene.looks = [(NO_ALLOW,), ()]
    assert owner.watch.check(NAME, change(at=clock())).headline is Headline.INTACT
    assert owner.mails == []


def test_what_is_known_already_is_looked_at_once(clock: Clock) -> None:
    owner, _ = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.watch.check(NAME, change(at=clock()))
    owner.scene.judged.clear()
    owner.watch.check(NAME, change(at=clock()))
    assert len(owner.scene.judged) == 1


def test_looking_ends_after_three_looks(clock: Clock) -> None:
    owner, _ = pair(clock)
    owner.scene.judged.clear()
    owner.scene.looks = [(NO_ALLOW,), (KEY_DISABLED,), (resource_scoped(WIDE_STRANGER),), ()]
    share = owner.watch.check(NAME, change(at=clock()))
    assert len(owner.scene.judged) == 3
    assert share.headline is Headline.WIDENED


def role_observation(
    attached: Source[tuple[NamedPolicy, ...]], *, boundary: str = "", role: Source[Role] | None = None
) -> Observation:
    found = Found(Role(CONTRACT.role, "AROAEXAMPLE", "{}", boundary_arn=boundary))
    return Observation(CONSUMER, Clock()(), role=RoleObservation(role or found, Found(()), attached, Absent()))


THROTTLED = Unreadable("iam:ListAttachedRolePolicies", "Throttling", transient=True)
DENIED = Unreadable("iam:ListAttachedRolePolicies", "AccessDenied", permission="iam:ListAttachedRolePolicies")


def test_a_throttled_read_is_tried_again_and_nothing_is_recorded(clock: Clock) -> None:
    _, consumer = pair(clock)
    before = consumer.stored(NAME)
    consumer.scene.observation = role_observation(THROTTLED)
    with pytest.raises(TransientError, match="iam:ListAttachedRolePolicies"):
        consumer.watch.check(NAME, change(at=clock()), last_try=False)
    assert consumer.stored(NAME) == before


@pytest.mark.parametrize(("source", "last_try"), [(THROTTLED, True), (DENIED, False)])
def test_a_read_that_stays_throttled_or_is_denied_is_judged_as_it_is(
    clock: Clock, source: Unreadable, *, last_try: bool
) -> None:
    _, consumer = pair(clock)
    consumer.scene.observation = role_observation(source)
    consumer.watch.check(NAME, change(at=clock()), last_try=last_try)
    assert consumer.stored(NAME).own is not None


def test_neighbours_are_the_other_contracts_on_the_same_bucket_key_or_role(clock: Clock) -> None:
    owner, _ = pair(clock)
    neighbour = CONTRACT.model_copy(update={"name": "another", "role": "arn:aws:iam::222222222222:role/Another"})
    elsewhere = neighbour.model_copy(
        update={
            "name": "elsewhere",
            "bucket": CONTRACT.bucket.model_copy(update={"name": "elsewhere"}),
            "key": CONTRACT.key.replace("abcd1234", "ffff1234"),
        }
    )
    owner.store.contracts |= {"another": neighbour, "elsewhere": elsewhere}
    owner.watch.check(NAME, change(at=clock()))
    assert owner.scene.judged[-1]["neighbours"] == (neighbour,)


def test_the_facts_that_the_partner_reported_reach_the_judge(clock: Clock) -> None:
    owner, consumer = pair(clock)
    consumer.scene.facts = (("role_id", "AROAEXAMPLE"),)
    consumer.watch.check(NAME, change(at=clock()))
    exchange(owner, consumer, clock)
    owner.watch.check(NAME, change(at=clock()))
    assert owner.scene.judged[-1]["facts"] == {"role_id": "AROAEXAMPLE"}


# --- What a contract depends on ---

POLICY = "arn:aws:iam::222222222222:policy/Curated"
BOUNDARY = "arn:aws:iam::222222222222:policy/Boundary"


def test_attached_policies_and_the_boundary_are_noted_when_they_change(clock: Clock) -> None:
    _, consumer = pair(clock)
    attached = role_observation(Found((NamedPolicy(POLICY, "{}", "v1"),)), boundary=BOUNDARY)
    for observation in (attached, attached, role_observation(Found(()))):
        consumer.scene.observation = observation
        consumer.watch.check(NAME, change(at=clock()))
    assert consumer.store.depends == [(NAME, (BOUNDARY, POLICY)), (NAME, ())]


def test_policies_that_could_not_be_listed_stay_noted(clock: Clock) -> None:
    _, consumer = pair(clock)
    consumer.scene.observation = role_observation(Found((NamedPolicy(POLICY, "{}", "v1"),)))
    consumer.watch.check(NAME, change(at=clock()))
    consumer.scene.observation = role_observation(DENIED)
    consumer.watch.check(NAME, change(at=clock()))
    assert consumer.store.depends == [(NAME, (POLICY,))]


def test_a_role_that_is_gone_depends_on_no_policy(clock: Clock) -> None:
    _, consumer = pair(clock)
    consumer.scene.observation = role_observation(Found((NamedPolicy(POLICY, "{}", "v1"),)))
    consumer.watch.check(NAME, change(at=clock()))
    consumer.scene.observation = role_observation(Absent(), role=Absent())
    consumer.watch.check(NAME, change(at=clock()))
    assert consumer.store.depends[-1] == (NAME, ())


def test_a_sweep_notes_them_again_whatever_was_noted(clock: Clock) -> None:
    _, consumer = pair(clock)
    consumer.scene.observation = role_observation(Found((NamedPolicy(POLICY, "{}", "v1"),)))
    consumer.watch.check(NAME, change(at=clock()))
    consumer.watch.check(NAME, sweep(clock))
    assert consumer.store.depends == [(NAME, (POLICY,))] * 2


# --- Reports ---


def test_a_report_is_sent_when_its_content_changes_and_with_every_sweep_and_recheck(clock: Clock) -> None:
    owner, _ = pair(clock)
    steps: list[tuple[tuple[Finding, ...], Cause, int]] = [
        ((), change(at=clock()), 0),
        ((NO_ALLOW,), change(at=clock()), 1),
        ((NO_ALLOW,), change(at=clock()), 0),
        ((NO_ALLOW,), sweep(clock), 1),
        ((NO_ALLOW,), Cause("recheck", clock()), 1),
        ((), change(at=clock()), 1),
    ]
    for findings, cause, expected in steps:
        owner.scene.findings = findings
        owner.reporter.reports.clear()
        owner.watch.check(NAME, cause)
        assert len(owner.reporter.reports) == expected


def test_hearing_a_report_reads_no_lock_and_sends_no_report(clock: Clock) -> None:
    owner, consumer = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.watch.check(NAME, change(at=clock()))
    exchange(owner, consumer, clock)
    assert {"observe", "report"}.isdisjoint(consumer.store.failures.calls)


def test_stamps_always_rise_even_when_the_clock_does_not(clock: Clock) -> None:
    owner, _ = pair(clock)
    clock.time -= timedelta(hours=1)
    for _ in range(3):
        owner.watch.check(NAME, sweep(clock))
    stamps = [report.stamp for _, report in owner.reporter.reports]
    assert stamps == sorted(set(stamps))


def owner_report(*findings: Finding, stamp: int = 1) -> Report:
    return make(CONTRACT, verdict_of(CONTRACT, OWNER, findings), stamp=stamp)


def test_a_replayed_report_changes_nothing(clock: Clock) -> None:
    owner, consumer = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.watch.check(NAME, change(at=clock()))
    stale = list(owner.reporter.reports)
    exchange(owner, consumer, clock)
    owner.scene.findings = ()
    owner.watch.check(NAME, change(at=clock()))
    exchange(owner, consumer, clock)
    consumer.mails.clear()
    consumer.hear_all(stale, clock.time)
    assert consumer.mails == []
    assert consumer.watch.check(NAME, sweep(clock)).headline is Headline.INTACT


@pytest.mark.parametrize(
    ("sender", "report"),
    [
        ("333333333333", owner_report(NO_ALLOW)),
        (CONSUMER, owner_report(NO_ALLOW)),
        (OWNER, replace(owner_report(), verdict=verdict_of(CONTRACT, CONSUMER))),
        (OWNER, owner_report(NO_DECRYPT)),
        (OWNER, owner_report(NO_ALLOW, stamp=10**14)),
        (OWNER, replace(owner_report(), verdict=replace(verdict_of(CONTRACT, OWNER), contract="nobody"))),
    ],
    ids=["a stranger", "ourselves", "wrong account", "wrong lock", "future stamp", "unknown contract"],
)
def test_a_forged_report_is_refused_and_nothing_of_it_is_kept(clock: Clock, sender: str, report: Report) -> None:
    _, consumer = pair(clock)
    before = consumer.stored(NAME)
    with pytest.raises(RefusedReportError) as refused:
        consumer.watch.desk.hear(sender, report, sent_at=clock.time)
    assert (refused.value.sender, refused.value.contract) == (sender, report.verdict.contract)
    assert consumer.stored(NAME) == before
    assert consumer.mails == []


def test_a_report_before_the_first_check_of_our_own_is_kept_and_told_when_something_is_off(clock: Clock) -> None:
    consumer = memory_account(CONSUMER, CONTRACT, clock)
    share = consumer.watch.desk.hear(OWNER, owner_report(NO_ALLOW), sent_at=clock.time)
    assert share.awaiting == (CONSUMER,)
    assert [mail.attributes["standing"] for mail in consumer.mails] == ["BROKEN"]
    assert "not checked yet" in consumer.mails[0].body


# --- Terms that differ ---


def test_a_contract_applied_again_in_one_account_is_at_risk_until_the_other_follows(clock: Clock) -> None:
    owner, consumer = pair(clock)
    narrower = CONTRACT.model_copy(update={"prefixes": ("sales/",)})
    owner.store.contracts[NAME] = narrower
    owner.watch.check(NAME, sweep(clock))
    exchange(owner, consumer, clock)
    for account in (owner, consumer):
        assert account.mails[-1].attributes["standing"] == "AT_RISK"
        assert "`prefixes`" in account.mails[-1].body
    consumer.store.contracts[NAME] = narrower
    consumer.watch.check(NAME, sweep(clock))
    exchange(owner, consumer, clock)
    assert [account.mails[-1].attributes["standing"] for account in (owner, consumer)] == ["INTACT", "INTACT"]


# --- Mails that fail ---


def test_a_mail_that_fails_keeps_the_slot_and_everything_else_is_still_done(clock: Clock) -> None:
    owner, _ = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.mailer.failures.by_name["send"] = [OSError("no route to the topic")]
    with pytest.raises(UndeliveredError, match="no route to the topic") as failed:
        owner.watch.check(NAME, change(at=clock()))
    assert failed.value.share.headline is Headline.BROKEN
    assert len(owner.reporter.reports) == 1
    waiting = slot_of(owner)
    owner.watch.check(NAME, change(at=clock()))
    (mail,) = owner.mails
    assert waiting.id in mail.body
    assert owner.stored(NAME).slot is None


def test_a_failed_mail_is_sent_by_the_redelivered_report_too(clock: Clock) -> None:
    owner, consumer = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.watch.check(NAME, change(at=clock()))
    waiting = list(owner.reporter.reports)
    consumer.mailer.failures.by_name["send"] = [OSError("no route to the topic")]
    with pytest.raises(UndeliveredError):
        consumer.hear_all(waiting, clock.time)
    consumer.hear_all(waiting, clock.time)
    assert len(consumer.mails) == 1


def test_a_report_that_fails_is_sent_by_the_next_check(clock: Clock) -> None:
    owner, _ = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.reporter.failures.by_name["report"] = [OSError("entry failed")]
    with pytest.raises(UndeliveredError):
        owner.watch.check(NAME, change(at=clock()))
    assert len(owner.mails) == 1
    owner.watch.check(NAME, change(at=clock()))
    assert len(owner.reporter.reports) == 1


def test_a_refused_text_is_replaced_by_a_short_one(clock: Clock) -> None:
    owner, _ = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.mailer.failures.by_name["send"] = [RefusedMailError("invalid parameter")]
    owner.watch.check(NAME, change(at=clock()))
    (mail,) = owner.mails
    assert "could not be sent" in mail.body
    assert NO_ALLOW.detail not in mail.body


def test_a_text_that_fails_twice_is_replaced_by_a_short_one(clock: Clock) -> None:
    owner, _ = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.mailer.failures.by_name["send"] = [OSError("?"), OSError("?")]
    for _ in range(2):
        with pytest.raises(UndeliveredError):
            owner.watch.check(NAME, change(at=clock()))
    owner.watch.check(NAME, change(at=clock()))
    assert "could not be sent" in owner.mails[0].body


def test_a_mail_that_cannot_be_composed_is_replaced_by_a_short_one(clock: Clock) -> None:
    owner, _ = pair(clock)

    def cannot(*_: object, **__: object) -> Mail:
        raise ZeroDivisionError

    watch = replace(owner.watch, desk=replace(owner.watch.desk, compose=cannot))
    owner.scene.findings = (NO_ALLOW,)
    watch.check(NAME, change(at=clock()))
    assert "could not be sent" in owner.mails[0].body


def test_half_a_character_in_a_policy_loses_no_alert(clock: Clock) -> None:
    owner, consumer = pair(clock)
    owner.scene.findings = (replace(NO_ALLOW, actions=("s3:\ud800",), detail="\udfff"),)
    owner.watch.check(NAME, change(at=clock()))
    exchange(owner, consumer, clock)
    assert len(owner.mails) == len(consumer.mails) == 1


# --- Claims, conflicts, crashes ---


def test_two_announcers_never_send_the_same_slot(clock: Clock) -> None:
    owner, _ = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    answers: list[bool] = []
    owner.mailer.while_sending.append(lambda: answers.append(owner.watch.desk.announce(NAME)))
    owner.watch.check(NAME, change(at=clock()))
    assert answers == [False]
    assert len(owner.mails) == 1


def test_a_claim_that_expired_is_taken_over_with_the_same_id(clock: Clock) -> None:
    owner, _ = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.mailer.failures.by_name["send"] = [KeyboardInterrupt()]  # type: ignore[list-item]  # the function is killed
    with pytest.raises(KeyboardInterrupt):
        owner.watch.check(NAME, change(at=clock()))
    waiting = slot_of(owner)
    assert owner.watch.desk.announce(NAME) is False
    clock.time += owner.watch.desk.claim
    assert owner.watch.desk.announce(NAME) is True
    assert waiting.id in owner.mails[0].body


def test_whoever_lost_its_claim_does_not_empty_the_slot_of_another(clock: Clock) -> None:
    owner, _ = pair(clock)
    owner.scene.findings = (NO_ALLOW,)

    def slow() -> None:
        """Sending takes so long that another takes the slot over, sends it, and a new one is filled."""
        clock.time += owner.watch.desk.claim
        assert owner.watch.desk.announce(NAME)
        owner.mailer.while_sending.append(lambda: None)
        owner.scene.findings = ()
        owner.watch.check(NAME, change(at=clock()))

    owner.mailer.while_sending.append(slow)
    owner.watch.check(NAME, change(at=clock()))
    state = owner.stored(NAME)
    assert state.slot is None
    assert state.told is not None
    assert state.told.headline is Headline.INTACT


def test_what_happens_while_a_mail_is_sent_is_told_right_after_it(clock: Clock) -> None:
    owner, _ = pair(clock)
    owner.scene.findings = (NO_ALLOW,)

    def meanwhile() -> None:
        owner.scene.findings = ()
        owner.watch.check(NAME, change(at=clock()))

    owner.mailer.while_sending.append(meanwhile)
    owner.watch.check(NAME, change(at=clock()))
    assert [mail.attributes["kind"] for mail in owner.mails] == ["break", "recovery"]


def test_two_checks_at_once_conflict_and_the_later_one_looks_again(clock: Clock) -> None:
    owner, _ = pair(clock)
    owner.scene.findings = (NO_ALLOW,)

    def other_check() -> None:
        owner.scene.findings = ()
        owner.watch.check(NAME, change(at=clock()))

    owner.store.before_save.append(other_check)
    share = owner.watch.check(NAME, change(at=clock()))
    assert share.headline is Headline.INTACT
    assert owner.mails == []


def test_a_report_that_arrives_during_a_check_is_not_lost(clock: Clock) -> None:
    owner, consumer = pair(clock)
    consumer.scene.findings = (NO_DECRYPT,)
    consumer.watch.check(NAME, change(at=clock()))
    owner.scene.findings = (NO_ALLOW,)
    owner.store.before_save.append(lambda: exchange(owner, consumer, clock))
    share = owner.watch.check(NAME, change(at=clock()))
    assert {finding.code for finding in share.findings} == {"bucket.no-allow", "identity.no-allow"}


@pytest.mark.parametrize("act", ["check", "hear"])
def test_conflicts_without_end_are_an_error_for_the_queue(clock: Clock, act: str) -> None:
    owner, consumer = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.watch.check(NAME, change(at=clock()))
    waiting = list(owner.reporter.reports)
    doing: dict[str, Callable[[], object]] = {
        "check": lambda: consumer.watch.check(NAME, sweep(clock)),
        "hear": lambda: consumer.hear_all(waiting, clock.time),
    }
    consumer.store.failures.by_name["save"] = [ConflictError("again")] * 8
    with pytest.raises(ConflictError, match="8 times"):
        doing[act]()


def _broken_and_told(owner: MemoryAccount, consumer: MemoryAccount) -> None:
    for account in (owner, consumer):
        state = account.stored(NAME)
        assert state.slot is None
        assert state.told is not None
        assert {finding.code for finding in state.told.findings} == {"bucket.no-allow"}
        bodies = [mail.body for mail in account.mails]
        assert len({body.rpartition("Message ")[2] for body in bodies}) == 1


@pytest.mark.parametrize("error", [OSError("timed out"), ConflictError("lost a race"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", range(1, 31))
def test_whichever_call_fails_or_kills_the_function_redelivery_loses_nothing(
    clock: Clock, at: int, error: BaseException
) -> None:
    """The owner's check fails at call number `at`, and its message is delivered again until it succeeds."""
    owner, consumer = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    _arm(owner.store.failures, at, error)
    _until_done(lambda: owner.watch.check(NAME, change(at=clock())), clock, owner)
    exchange(owner, consumer, clock)
    _broken_and_told(owner, consumer)


@pytest.mark.parametrize("error", [OSError("timed out"), ConflictError("lost a race"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", range(1, 21))
def test_whichever_call_fails_while_a_report_is_heard_redelivery_loses_nothing(
    clock: Clock, at: int, error: BaseException
) -> None:
    owner, consumer = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.watch.check(NAME, change(at=clock()))
    waiting = list(owner.reporter.reports)
    _arm(consumer.store.failures, at, error)
    _until_done(lambda: consumer.hear_all(waiting, clock.time), clock, consumer)
    _broken_and_told(owner, consumer)


def test_the_crash_tests_reach_every_call(clock: Clock) -> None:
    owner, consumer = pair(clock)
    owner.scene.findings = (NO_ALLOW,)
    owner.watch.check(NAME, change(at=clock()))
    assert len(owner.store.failures.calls) < 31
    exchange(owner, consumer, clock)
    assert len(consumer.store.failures.calls) < 21


def _arm(failures: Failures, at: int, error: BaseException) -> None:
    failures.calls.clear()
    failures.at = at
    failures.error = error  # type: ignore[assignment]  # a kill is no Exception


def _until_done(act: Callable[[], object], clock: Clock, account: MemoryAccount) -> None:
    """Deliver again, after a visibility timeout that outlasts the claim, until the function succeeds."""
    for _ in range(3):
        try:
            act()
        except (Exception, KeyboardInterrupt):  # noqa: BLE001 - the queue does not ask what went wrong
            clock.time += 3 * account.watch.desk.claim
        else:
            return
    raise AssertionError("the function never succeeded")


def test_a_break_that_turned_unreadable_is_never_told_as_recovered(clock: Clock) -> None:
    owner, consumer = pair(clock)
    owner.scene.findings = (KEY_DISABLED,)
    owner.watch.check(NAME, change(at=clock()))
    owner.scene.findings = (KEY_UNREAD,)
    share = owner.watch.check(NAME, change(at=clock()))
    exchange(owner, consumer, clock)
    assert share.headline is Headline.BROKEN
    assert Kind.UNREAD in share.kinds
    assert "recovery" not in {mail.attributes["kind"] for mail in (*owner.mails, *consumer.mails)}
