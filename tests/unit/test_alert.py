"""The mail, as the people who get it read it. tests/unit/golden/ holds the whole texts: read them after each change."""

import os
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from simulation.examples import (
    CONDITIONAL,
    CONSUMER,
    CONTRACT,
    EXPLICIT_DENY,
    KEY_DISABLED,
    KEY_UNREAD,
    NO_ALLOW,
    NO_DECRYPT,
    OWNER,
    WIDE_ROOT,
    WIDE_STRANGER,
)
from simulation.memory import START, change, resource_scoped, verdict_of
from threelocks import incident
from threelocks.alert import Mail, compose, short_mail
from threelocks.alert.text import plain
from threelocks.alert.words import lasting
from threelocks.catalogue import CATALOGUE
from threelocks.contract import Contract
from threelocks.finding import (
    Cause,
    Change,
    Difference,
    Edit,
    Finding,
    History,
    Kind,
    Lock,
    Remedy,
    StatementRef,
    Step,
    Witness,
)
from threelocks.incident import Moment, Slot, State
from threelocks.report import make
from threelocks.state import Times

GOLDEN = Path(__file__).parent / "golden"
SWEEP = Cause(kind="sweep", at=START)

APPLIED = Cause(kind="apply", at=START)
A_WAIVER = {
    "finding": "bucket.wide-principal",
    "principal": CONSUMER,
    "reason": "the role moves to another name this week",
    "until": "2026-11-23T10:45:00Z",
}
A_SUSPENSION = {"by": "Dana Example", "reason": "withdrawn until the audit is over", "until": "2026-12-31"}


def contract(**own: object) -> Contract:
    """The example, with what its holder adds."""
    return Contract.model_validate(CONTRACT.model_dump() | own)


SESSION = f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/session"
TAKEN = Change(
    Lock.BUCKET_POLICY,
    START,
    (
        Difference(
            allowed=False,
            principal=CONTRACT.role,
            actions=("s3:GetObject", "s3:ListBucket"),
            on=(CONTRACT.bucket_arn, f"{CONTRACT.bucket_arn}/*"),
            witness=Witness(SESSION, "s3:GetObject", f"{CONTRACT.bucket_arn}/x"),
            is_agreed=True,
        ),
    ),
    edits=(
        Edit(
            "Statement 2 `BIAnalyticsRead` of the bucket policy, changed",
            ("  {", '    "Sid": "BIAnalyticsRead",', '-   "Effect": "Allow",', '+   "Effect": "Deny",', "  }"),
        ),
    ),
)
GIVEN = Change(
    Lock.BUCKET_POLICY,
    START,
    (
        Difference(
            allowed=True,
            principal=f"account {CONSUMER}",
            actions=("s3:GetObject",),
            on=(f"{CONTRACT.bucket_arn}/sales/*",),
            witness=Witness(
                f"arn:aws:sts::{CONSUMER}:assumed-role/anything-else/session",
                "s3:GetObject",
                f"{CONTRACT.bucket_arn}/sales/x",
                (("aws:securetransport", ("false",)), ("aws:sourcevpce", ())),
            ),
        ),
    ),
    undecided=("what account 333333333333 may do: that rests on behaviour that AWS does not document",),
    edits=(Edit("Statement 3 of the bucket policy, added", ("+ {", '+   "Effect": "Allow"', "+ }")),),
)


PROVEN = Remedy(
    OWNER,
    "Make these 2 changes:",
    None,
    (
        "aws s3api get-bucket-policy --bucket datalake-curated-a",
        "aws s3api put-bucket-policy --policy file://policy.json",
    ),
    (
        Step("Remove statement 3 `Everybody` of the bucket policy."),
        Step("Add this statement to the bucket policy, beside the others:", '{"Sid": "ShareRead", "Effect": "Allow"}'),
    ),
    "judged again with it, this is no longer so; what else is off stays",
)
PATIENT = Times(silence=timedelta(days=400), remind=timedelta(hours=24))
PENDING = replace(
    KEY_DISABLED,
    code="key.pending-deletion",
    detail="the key will be deleted on 2026-12-23, and cannot be used until then; with it goes all that it encrypted",
    remedy=Remedy(
        OWNER,
        "Cancel the deletion, and enable the key again.",
        None,
        (f"aws kms cancel-key-deletion --key-id {CONTRACT.key}", f"aws kms enable-key --key-id {CONTRACT.key}"),
    ),
    deadline=START + timedelta(days=30),
)
FOUND = replace(
    change(at=START + timedelta(minutes=28)),
    tool="Terraform",
    user_agent="APN/1.0 HashiCorp/1.0 Terraform/1.9.8",
    history=History.SEARCHED,
    earlier=(
        replace(change("PutBucketPolicy", at=START + timedelta(minutes=25)), tool="CloudFormation", event_id="e-2"),
        replace(change("DeleteBucketPolicy", at=START + timedelta(minutes=24)), tool="the AWS console", event_id="e-1"),
    ),
)


class Story:
    """Both accounts, and the slot that each fills as one thing after another happens to the locks."""

    def __init__(self, contract: Contract = CONTRACT) -> None:
        self.contract = contract
        self.minute = 0
        self.stamp = 0
        self.times = Times()
        self.numbers = {OWNER: count(1), CONSUMER: count(1)}
        self.states: dict[str, State] = {
            account: incident.begin(contract, account, None) for account in (OWNER, CONSUMER)
        }

    def happens(
        self,
        account: str,
        *findings: Finding,
        cause: Cause = SWEEP,
        changes: tuple[Change, ...] = (),
        found: Cause | None = None,
    ) -> dict[str, Slot | None]:
        """A check in one account finds this, 10 minutes later; the slots that it fills in both. What waited is sent."""
        self._tell()
        self.minute += 10
        self._check(account, *findings, cause=cause, changes=changes, found=found)
        return self._slots()

    def goes_on(self, time: timedelta, *findings: Finding) -> dict[str, Slot | None]:
        """Nothing changes for so long; then both sweep, and the slots that it fills."""
        self._tell()
        self.minute += int(time.total_seconds() / 60)
        self._check(OWNER, *findings)
        self._check(CONSUMER)
        return self._slots()

    def falls_silent(self, time: timedelta) -> dict[str, Slot | None]:
        """The consumer is not heard for so long; then the owner sweeps."""
        self._tell()
        self.minute += int(time.total_seconds() / 60)
        self._check(OWNER)
        return self._slots()

    def _slots(self) -> dict[str, Slot | None]:
        return {number: state.slot for number, state in self.states.items()}

    def _check(
        self,
        account: str,
        *findings: Finding,
        cause: Cause = SWEEP,
        changes: tuple[Change, ...] = (),
        found: Cause | None = None,
    ) -> None:
        at = START + timedelta(minutes=self.minute)
        verdict = verdict_of(self.contract, account, findings, as_of=at)
        cause = replace(cause, at=at - timedelta(seconds=5))
        state = incident.record(
            self.contract, self.states[account], verdict, cause, self._moment(account), changes=changes, found=found
        )
        self.states[account] = state
        assert state.own is not None
        self.stamp += 1
        report = make(self.contract, state.own, stamp=self.stamp, cause=state.own_cause, incident=state.incident)
        other = CONSUMER if account == OWNER else OWNER
        heard = incident.accept(self.contract, self.states[other], report, self._moment(other))
        assert heard is not None
        self.states[other] = heard

    def _moment(self, account: str) -> Moment:
        numbers = self.numbers[account]
        now = START + timedelta(minutes=self.minute)
        return Moment(now, lambda: f"{account[:1] * 4}-{next(numbers):04}", timedelta(minutes=2), self.times)

    def _tell(self) -> None:
        for account, state in self.states.items():
            self.states[account] = incident.told(self.contract, state, self._moment(account))


def watching(contract: Contract = CONTRACT, *findings: Finding) -> Story:
    story = Story(contract)
    story.happens(CONSUMER)
    story.happens(OWNER, *findings)
    return story


def mail_of(slots: dict[str, Slot | None], account: str = OWNER, contract: Contract = CONTRACT) -> Mail:
    slot = slots[account]
    assert slot is not None, "there is something to tell"
    return compose(contract, slot, account=account, recheck="threelocks-recheck")


def _for(slots: dict[str, Slot | None], account: str = OWNER) -> tuple[Slot, str]:
    slot = slots[account]
    assert slot is not None, "there is something to tell"
    return slot, account


def broken(*findings: Finding, cause: Cause | None = None) -> Mail:
    """The owner's mail when its locks break so."""
    return mail_of(watching().happens(OWNER, *findings, cause=cause or change()))


# --- The whole text ---


def stories() -> dict[str, Mail]:
    """What is mailed, by what happened and who reads it."""
    return {
        name: compose(CONTRACT, slot, account=account, recheck="threelocks-recheck")
        for name, (slot, account) in announced().items()
    }


def announced() -> dict[str, tuple[Slot, str]]:
    """What is announced, and the account whose people read it."""
    first = Story()
    first.happens(CONSUMER)
    started = first.happens(OWNER)
    bucket = watching()
    shut = bucket.happens(OWNER, NO_ALLOW, cause=change())
    repaired = bucket.happens(OWNER, cause=change())
    identity = watching().happens(
        CONSUMER,
        NO_DECRYPT,
        cause=replace(
            change("PutRolePolicy", resources=("role/BIAnalyticsRole",)),
            account=CONSUMER,
            region="us-east-1",
            actor=f"arn:aws:sts::{CONSUMER}:assumed-role/TeamAdmin/robin",
        ),
    )
    more = watching()
    more.happens(OWNER, NO_ALLOW, cause=change())
    changed = more.happens(OWNER, NO_ALLOW, KEY_DISABLED)
    both = watching().happens(OWNER, NO_ALLOW, WIDE_ROOT, cause=change())
    several = watching().happens(OWNER, NO_ALLOW, found=FOUND)
    unseen = watching().happens(
        OWNER, NO_ALLOW, found=replace(SWEEP, at=START + timedelta(minutes=30), history=History.SEARCHED)
    )
    long = watching()
    long.times = PATIENT
    long.happens(OWNER, NO_ALLOW, cause=change())
    reminded = long.goes_on(timedelta(hours=25), NO_ALLOW)
    doomed = watching()
    doomed.times = PATIENT
    doomed.happens(OWNER, PENDING, cause=change("ScheduleKeyDeletion", resources=(CONTRACT.key,)))
    ending = doomed.goes_on(timedelta(days=23, hours=1), PENDING)
    silent = watching().falls_silent(timedelta(hours=5))
    known = watching()
    known.happens(OWNER, WIDE_ROOT, cause=change())
    known.contract = contract(waivers=[A_WAIVER])
    waived = known.happens(OWNER, WIDE_ROOT, cause=APPLIED)
    expired = known.happens(OWNER, WIDE_ROOT)
    withdrawn = watching()
    withdrawn.contract = contract(suspended=A_SUSPENSION)
    suspended = withdrawn.happens(OWNER, NO_ALLOW, cause=APPLIED)
    withdrawn.contract = CONTRACT
    resumed = withdrawn.happens(OWNER, NO_ALLOW, cause=APPLIED)
    return {
        "first": _for(started),
        "break-by-the-holder": _for(shut),
        "break-by-the-other": _for(shut, CONSUMER),
        "break-in-the-consumer": _for(identity, CONSUMER),
        "break-in-the-consumer-by-the-owner": _for(identity),
        "recovery-by-the-holder": _for(repaired),
        "recovery-by-the-other": _for(repaired, CONSUMER),
        "widening": _for(watching().happens(OWNER, WIDE_ROOT, cause=change())),
        "widening-by-the-other": _for(watching().happens(OWNER, WIDE_ROOT, cause=change()), CONSUMER),
        "both-at-once-by-the-holder": _for(both),
        "both-at-once-by-the-other": _for(both, CONSUMER),
        "several-changes-by-the-holder": _for(several),
        "several-changes-by-the-other": _for(several, CONSUMER),
        "no-change-found": _for(unseen),
        "reminder-by-the-holder": _for(reminded),
        "reminder-by-the-other": _for(reminded, CONSUMER),
        "deletion-by-the-holder": _for(ending),
        "deletion-by-the-other": _for(ending, CONSUMER),
        "partner-silent": _for(silent),
        "break-by-a-change": _for(watching().happens(OWNER, NO_ALLOW, cause=change(), changes=(TAKEN,))),
        "break-by-a-change-told-to-the-other": _for(
            watching().happens(OWNER, NO_ALLOW, cause=change(), changes=(TAKEN,)), CONSUMER
        ),
        "widening-with-a-proven-remedy": _for(
            watching().happens(OWNER, replace(WIDE_ROOT, remedy=PROVEN), KEY_UNREAD, cause=change())
        ),
        "widening-by-a-change": _for(watching().happens(OWNER, WIDE_ROOT, cause=change(), changes=(GIVEN,))),
        "unknown": _for(watching().happens(OWNER, KEY_UNREAD)),
        "unknown-by-the-other": _for(watching().happens(OWNER, KEY_UNREAD), CONSUMER),
        "waived-by-the-holder": _for(waived),
        "waived-by-the-other": _for(waived, CONSUMER),
        "waiver-expired": _for(expired),
        "suspended-by-the-holder": _for(suspended),
        "suspended-by-the-other": _for(suspended, CONSUMER),
        "resumed": _for(resumed),
        "change-while-open": _for(changed),
        "change-while-open-by-the-other": _for(changed, CONSUMER),
    }


def test_what_is_not_watched_is_remarked_in_every_mail() -> None:
    slot = watching().happens(OWNER, NO_ALLOW, cause=change())[OWNER]
    assert slot is not None
    remarked = replace(slot, after=replace(slot.after, remarks=("ceilings not watched: service control policies",)))
    mail = compose(CONTRACT, remarked, account=OWNER, recheck="threelocks-recheck")
    assert "\nREMARKS\n  Ceilings not watched: service control policies.\n\n" in mail.body
    assert "REMARKS" not in compose(CONTRACT, slot, account=OWNER, recheck="threelocks-recheck").body


@pytest.mark.parametrize("name", stories())
def test_the_mail_reads_as_agreed(name: str) -> None:
    """THREELOCKS_GOLDEN=write renews the texts."""
    mail = stories()[name]
    attributes = "".join(f"{key}: {value}\n" for key, value in mail.attributes.items())
    text = f"Subject: {mail.subject}\n{attributes}\n{mail.body}"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("THREELOCKS_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


# --- Subject and attributes ---


@pytest.mark.parametrize(
    ("before", "after", "kind", "label"),
    [
        ((), (NO_ALLOW,), "break", "BROKEN:"),
        ((WIDE_ROOT,), (NO_ALLOW,), "break", "BROKEN:"),
        ((), (WIDE_ROOT,), "widening", "WIDENED:"),
        ((), (KEY_UNREAD,), "unknown", "UNKNOWN:"),
        ((), (CONDITIONAL,), "risk", "AT RISK:"),
        ((NO_ALLOW,), (NO_ALLOW, KEY_DISABLED), "change", "Still BROKEN:"),
        ((NO_ALLOW,), (WIDE_ROOT,), "change", "WIDENED (was BROKEN):"),
        ((NO_ALLOW,), (KEY_UNREAD,), "change", "UNKNOWN (was BROKEN):"),
        ((NO_ALLOW,), (), "recovery", "INTACT again:"),
        ((CONDITIONAL,), (), "recovery", "INTACT again:"),
        ((NO_ALLOW,), (CONDITIONAL,), "recovery", "Recovered, AT RISK:"),
        ((CONDITIONAL,), (CONDITIONAL, replace(CONDITIONAL, code="key.conditional")), "change", "Still AT RISK:"),
    ],
)
def test_each_transition_has_its_kind_and_its_label(
    before: tuple[Finding, ...], after: tuple[Finding, ...], kind: str, label: str
) -> None:
    mail = mail_of(watching(CONTRACT, *before).happens(OWNER, *after, cause=change()))
    assert mail.attributes["kind"] == kind
    assert mail.subject.startswith(label)
    assert mail.body.startswith(label)


def test_attributes_let_subscribers_filter() -> None:
    assert broken(NO_ALLOW).attributes == {
        "contract": "bi-curated-read",
        "standing": "BROKEN",
        "lock": "bucket_policy",
        "account": OWNER,
        "kind": "break",
    }


def test_no_attribute_is_ever_empty() -> None:
    for mail in stories().values():
        assert all(mail.attributes.values())


def test_the_longest_names_leave_a_subject_under_100_characters_with_the_account_number() -> None:
    long = Contract.model_validate(
        CONTRACT.model_dump(mode="json")
        | {"name": "n" * 63, "owner": {"account": OWNER, "name": "N" * 60, "home_region": "eu-west-1"}}
    )
    finding = replace(KEY_UNREAD, lock=Lock.IDENTITY_POLICY, account=OWNER)
    slot = Slot(
        id="1",
        before=None,
        after=replace(_share(long), findings=(finding,)),
        cause=SWEEP,
        incidents=(),
        claimed_until=START,
    )
    subject = compose(long, slot, account=OWNER, recheck="r").subject
    assert len(subject) < 100
    assert OWNER in subject


def _share(contract: Contract) -> incident.Share:
    return incident.merge(contract, incident.begin(contract, OWNER, None))


# --- Who must act ---


def test_the_account_that_must_act_gets_the_fix_and_the_other_one_is_told_whom_to_ask() -> None:
    slots = watching().happens(OWNER, NO_ALLOW, cause=change())
    holder, other = mail_of(slots), mail_of(slots, CONSUMER)
    assert "YOUR ACCOUNT MUST ACT." in holder.body
    assert "put-bucket-policy" in holder.body
    assert "Nothing for you to do: data-platform (111111111111) must act." in other.body
    assert "put-bucket-policy" not in other.body
    assert f"name incident {slots[CONSUMER].incidents[0].id}" in other.body.replace("\n  ", " ")  # type: ignore[union-attr]


def test_when_both_accounts_must_act_each_is_told_so() -> None:
    story = watching()
    story.happens(OWNER, NO_ALLOW)
    body = mail_of(story.happens(CONSUMER, NO_DECRYPT), OWNER).body
    assert "YOUR ACCOUNT MUST ACT, and so must bi-team (222222222222)." in body
    assert "Besides, bi-team (222222222222) must act." in body


def test_the_same_fix_is_said_once() -> None:
    body = broken(NO_ALLOW, replace(NO_ALLOW, actions=("s3:ListBucket",))).body
    assert body.count("put-bucket-policy") == 1


def test_a_finding_without_remedy_points_to_the_reference() -> None:
    assert "docs/alerts.md" in broken(replace(NO_ALLOW, remedy=None)).body


# --- Who did it ---


def test_a_change_to_another_lock_is_not_blamed() -> None:
    body = broken(NO_ALLOW, cause=change("PutKeyPolicy", resources=(CONTRACT.key,))).body
    assert "No matching change seen" in body
    assert change().actor not in body


@pytest.mark.parametrize(
    ("kind", "words"), [("sweep", "scheduled sweep"), ("recheck", "re-check"), ("report", "reported")]
)
def test_without_a_change_the_mail_says_how_it_was_found(kind: str, words: str) -> None:
    cause = Cause(kind=kind, at=START, account=OWNER)
    assert words in broken(NO_ALLOW, cause=cause).body


def test_the_console_link_leads_to_the_event() -> None:
    event_id = change().event_id
    link = f"https://eu-west-1.console.aws.amazon.com/cloudtrailv2/home?region=eu-west-1#/events/{event_id}"
    assert link in broken(NO_ALLOW).body


@pytest.mark.parametrize("field", ["event_id", "region"])
def test_nothing_that_only_pretends_to_be_an_event_id_or_a_region_becomes_a_link(field: str) -> None:
    cause = replace(change(), **{field: "evil.example/"})
    assert "https://" not in broken(NO_ALLOW, cause=cause).body


# --- What it means ---


@pytest.mark.parametrize(
    ("findings", "sentence"),
    [
        ((NO_ALLOW,), "BIAnalyticsRole can no longer read s3://datalake-curated-a/."),
        (
            (EXPLICIT_DENY,),
            (
                "BIAnalyticsRole can no longer read some or all of s3://datalake-curated-a/, for example "
                "s3://datalake-curated-a/secret/."
            ),
        ),
        (
            (replace(NO_ALLOW, actions=("s3:ListBucket",)),),
            "BIAnalyticsRole can no longer list s3://datalake-curated-a/.",
        ),
        (
            (replace(KEY_DISABLED, code="bucket.wrong-encryption", lock=Lock.BUCKET_POLICY),),
            (
                "BIAnalyticsRole can no longer read objects that are written to s3://datalake-curated-a/ from now on; "
                "older ones it can."
            ),
        ),
        (
            (WIDE_ROOT,),
            (
                "More is allowed than was agreed: every principal of bi-team (222222222222) can use s3:GetObject, "
                "s3:ListBucket on datalake-curated-a; for example arn:aws:iam::222222222222:role/x could read "
                "s3://datalake-curated-a/x."
            ),
        ),
        (
            (KEY_UNREAD,),
            (
                "It is not known whether BIAnalyticsRole can read s3://datalake-curated-a/: the key policy could not "
                "be read in full."
            ),
        ),
    ],
)
def test_the_effect_is_one_sentence(findings: tuple[Finding, ...], sentence: str) -> None:
    assert sentence in broken(*findings).body.replace("\n  ", " ")


def test_a_role_that_is_gone_is_named_so() -> None:
    gone = replace(NO_DECRYPT, code="identity.role-missing")
    body = mail_of(watching().happens(CONSUMER, gone), CONSUMER).body
    assert "The role BIAnalyticsRole does not exist any more" in body


def test_two_prefixes_are_named_and_more_are_counted() -> None:
    contract = CONTRACT.model_copy(update={"prefixes": ("a/", "b/", "c/", "d/")})
    slots = watching(contract).happens(OWNER, NO_ALLOW)
    assert "s3://datalake-curated-a/a/, s3://datalake-curated-a/b/ and 2 more prefixes" in mail_of(
        slots, contract=contract
    ).body.replace("\n  ", " ")


def test_the_recovery_names_the_incident_the_lock_who_fixed_it_and_how_long_it_lasted() -> None:
    mail = stories()["recovery-by-the-other"]
    assert mail.subject == "INTACT again: bi-curated-read - bucket policy of data-platform (111111111111)"
    assert "WHO FIXED IT, AND WHEN\n  PutBucketPolicy by arn:aws:sts::111111111111:assumed-role/PlatformAdmin/dana" in (
        mail.body
    )
    assert "1111-0002 of data-platform (111111111111), closed after 10 min" in mail.body


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (7504, "2 h 5 min"), (90000, "1 d 1 h"), (-5, "0 s")],
)
def test_durations_are_said_in_two_units(seconds: int, words: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize("code", sorted(CATALOGUE))
@pytest.mark.parametrize("kind", Kind)
def test_every_code_makes_a_whole_mail(code: str, kind: Kind) -> None:
    lock = {"identity": Lock.IDENTITY_POLICY, "bucket": Lock.BUCKET_POLICY, "key": Lock.KEY_POLICY}
    finding = replace(NO_ALLOW, code=code, kind=kind, lock=lock.get(code.partition(".")[0], Lock.PREMISE), detail="")
    slots = watching().happens(OWNER, finding)
    for account in (OWNER, CONSUMER):
        slot = slots[account]
        if slot:
            assert f"[{code}]" in compose(CONTRACT, slot, account=account, recheck="r").body


# --- Other people's text is data ---

HOSTILE = 'x\nINTACT again: bi-curated-read\r\n\x1b[2J\u202egnp\u202c\u2028WHO AND WHEN\u2029\x00 "`'


def hostile(text: str) -> Finding:
    return replace(
        NO_ALLOW,
        code=f"bucket.{text}",
        resource=text,
        principal=text,
        actions=(text,),
        detail=text,
        witness=Witness(text, text, text, ((text, (text,)),)),
        statements=(StatementRef(text, 0, text, text), StatementRef(text, 0, text, f'{{"Sid":"{chr(0x202E)}"}}')),
        remedy=Remedy(OWNER, text, text, (text,)),
    )


@pytest.mark.parametrize("kind", Kind)
def test_text_from_policies_and_events_never_fakes_a_line_of_the_mail(kind: Kind) -> None:
    cause = Cause("change", START, OWNER, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, (CONTRACT.bucket_arn,))
    mail = broken(replace(hostile(HOSTILE), kind=kind), cause=cause)
    headings = [line for line in mail.body.splitlines() if line and not line.startswith(" ")]
    expected = {
        "THE THREE LOCKS",
        "WHY",
        "WHO AND WHEN",
        "WHAT TO DO",
        "WHAT READERS SEE",
        "CHECK AGAIN",
        "INCIDENT",
    }
    assert {line for line in headings if line.isupper()} == expected | {"YOUR ACCOUNT MUST ACT."}
    assert len([line for line in headings if line == "WHO AND WHEN"]) == 1
    assert not [line for line in headings if line.startswith("INTACT")]
    assert not set(mail.body + mail.subject) & set("\r\x1b\x00\u202e\u202c\u2028\u2029")
    assert "\n" not in mail.subject
    assert not any("\n" in value or not value.isprintable() for value in mail.attributes.values())


def test_a_user_agent_never_becomes_a_link() -> None:
    cause = replace(change(), user_agent="https://evil.example/fix", source_ip="http://evil.example")
    assert "://evil" not in broken(NO_ALLOW, cause=cause).body


def test_text_is_cut_at_its_limit() -> None:
    assert plain("a" * 400) == "a" * 297 + "..."


def test_lines_wrap_at_100_columns_except_commands_json_and_words_that_must_stay_whole() -> None:
    for mail in stories().values():
        for line in mail.body.splitlines():
            assert len(line) <= 100 or line.lstrip().startswith(("aws ", "https://", '"')), line


def test_a_statement_that_is_no_json_is_one_plain_line() -> None:
    finding = replace(NO_ALLOW, statements=(StatementRef("bucket policy", 0, None, "no\njson"),))
    assert "Statement 1 of the bucket policy:\n      no json\n" in broken(finding).body


# --- Size ---


def many(number: int, size: int) -> tuple[Finding, ...]:
    return tuple(
        replace(NO_ALLOW, actions=(f"s3:Action{index}",), remedy=Remedy(OWNER, f"fix {index}", '"' + "x" * size + '"'))
        for index in range(number)
    )


def test_a_mail_over_the_limit_is_cut_and_says_how_to_read_the_rest() -> None:
    body = broken(*many(40, 20_000)).body
    assert len(body.encode()) < 220_000
    assert "THIS MAIL WAS CUT" in body
    assert body.rstrip().endswith("/dev/stdout")


def test_many_findings_are_told_in_brief() -> None:
    body = broken(*many(60, 10)).body
    assert body.count("Refused, for example:") == 5
    assert "... and 20 more" in body


def test_a_long_statement_is_cut() -> None:
    text = '{"Action": [' + ",".join(f'"s3:{index}"' for index in range(200)) + "]}"
    body = broken(replace(NO_ALLOW, statements=(StatementRef("bucket policy", 0, "Long", text),))).body
    assert "more lines)" in body


# --- The short mail ---


def test_the_short_mail_holds_nothing_from_policies_or_events() -> None:
    slot = watching().happens(OWNER, hostile("EVIL"), cause=replace(change(), actor="EVIL"))[OWNER]
    assert slot is not None
    mail = short_mail(CONTRACT, slot, account=OWNER, recheck="threelocks-recheck")
    assert "EVIL" not in mail.subject + mail.body
    assert "BROKEN" in mail.subject
    assert slot.id in mail.body
    assert "aws lambda invoke" in mail.body


def test_a_stranger_on_the_bucket_is_told_to_its_holder_only() -> None:
    slots = watching().happens(OWNER, resource_scoped(WIDE_STRANGER), cause=change())
    assert slots[CONSUMER] is None
    assert "AcmeCorpReader" in mail_of(slots).body
