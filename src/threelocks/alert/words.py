"""What an alert says in words: its kind, its effect on the readers, what they see, and who is who."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from threelocks.alert.text import ended, plain
from threelocks.contract import Contract
from threelocks.finding import Finding, Headline, Kind, Lock, Share
from threelocks.incident import Slot, changed, gravest, identities, is_grave
from threelocks.locks.words import listed
from threelocks.state import Reminder


class MailKind(StrEnum):
    """What sort of news a mail is; subscribers filter on it."""

    FIRST = "first"  # the first verdict on a contract, or the first with every party heard
    BREAK = "break"
    WIDENING = "widening"
    UNKNOWN = "unknown"
    RISK = "risk"
    CHANGE = "change"  # something else is off than was told last
    RECOVERY = "recovery"
    WAIVED = "waived"  # what was told does not count any more, until a date
    WAIVER_EXPIRED = "waiver-expired"  # what was waived counts again
    SUSPENDED = "suspended"  # nothing is told of the share from now on, until a date
    RESUMED = "resumed"  # the suspension is over
    REMINDER = "reminder"  # nothing changed, and somebody must still act
    DIAGNOSIS = "diagnosis"  # which lock refused the readers, while an incident is open


_OPENING = {
    Headline.BROKEN: MailKind.BREAK,
    Headline.WIDENED: MailKind.WIDENING,
    Headline.UNKNOWN: MailKind.UNKNOWN,
    Headline.AT_RISK: MailKind.RISK,
}
_GRAVITY = tuple(Headline)  # gravest first
_NEVER = datetime.max.replace(tzinfo=UTC)


def mail_kind(before: Share | None, after: Share) -> MailKind:
    """The kind of a mail that tells of `after` to people who were last told `before`."""
    if before is None:
        return MailKind.FIRST
    if before.suspended != after.suspended:
        return MailKind.SUSPENDED if after.suspended else MailKind.RESUMED
    if not before.findings and not after.findings:
        return MailKind.FIRST
    if waiving := _of_waivers(before, after):
        return waiving
    if not after.awaiting and not is_grave(after) and (is_grave(before) or not after.findings):
        return MailKind.RECOVERY
    if after.findings and _GRAVITY.index(after.headline) < _GRAVITY.index(before.headline):
        return _OPENING[after.headline]
    return MailKind.CHANGE


def _of_waivers(before: Share, after: Share) -> MailKind | None:
    """Whether the gravest news is that a finding is waived, or is no longer."""
    news = changed(before, after)[:1]
    if not news:
        return None
    if identities(news) <= identities(after.findings):
        return MailKind.WAIVER_EXPIRED if news[0].waiver else None
    return MailKind.WAIVED if identities(news) <= identities(after.waived) else None


def kind_of(slot: Slot) -> MailKind:
    """The kind of a slot's mail."""
    return MailKind.REMINDER if slot.reminder else mail_kind(slot.before, slot.after)


# What a contract that was applied says, or a date that has come: no event tells of either.
OF_THE_CONTRACT = frozenset({MailKind.SUSPENDED, MailKind.RESUMED, MailKind.WAIVED})


def suspensions(contract: Contract, slot: Slot) -> list[str]:
    """That the share is suspended, by whom, why and until when; or that it no longer is."""
    said = [
        f"Suspended by {who(contract, one.account)} until {at(one.until)}: {ended(plain(one.reason, 300))} "
        f"Decided by {ended(plain(one.by, 100))}"
        for one in slot.after.suspended
    ]
    if said:
        return [*said, "No change is told until then; every lock is read and reported all the same."]
    return ["The share is no longer suspended."] if slot.before and slot.before.suspended else []


def waiver_over(contract: Contract, slot: Slot) -> str:
    """That a waiver has ended, when that is the news."""
    finding = subject_finding(slot)
    if finding is None or finding.waiver is None or kind_of(slot) is not MailKind.WAIVER_EXPIRED:
        return ""
    over = f"Its waiver by {who(contract, finding.account)} ended at {at(finding.waiver.until)}"
    return f"{over}: {ended(plain(finding.waiver.reason, 300))}"


def subject_finding(slot: Slot) -> Finding | None:
    """What the mail is about: the gravest finding that is new, else that is gone, else that still stands."""
    if slot.reminder is Reminder.DEADLINE:
        ending = [finding for finding in slot.after.findings if finding.deadline]
        return min(ending, key=lambda one: one.deadline or _NEVER, default=None)
    news = changed(slot.before, slot.after) or gravest(slot.after.findings)
    return news[0] if news else None


# --- Names ---

LOCK_WORDS = {
    Lock.IDENTITY_POLICY: "identity policy",
    Lock.BUCKET_POLICY: "bucket policy",
    Lock.KEY_POLICY: "key policy",
    Lock.CEILING: "ceiling",
    Lock.PREMISE: "premise",
    Lock.EVIDENCE: "evidence",
    Lock.WATCHDOG: "watchdog",
}
KIND_WORDS = {Kind.SHUT: "SHUT", Kind.WIDE: "WIDE", Kind.RISK: "AT RISK", Kind.UNREAD: "NOT READ"}


def standing(headline: Headline) -> str:
    return headline.value.replace("_", " ")


def who(contract: Contract, account: str, limit: int = 60) -> str:
    """An account as people know it: its name in the contract, and its number."""
    party = contract.party(account)
    return f"{plain(party.name, limit)} ({account})" if party else f"account {plain(account)}"


def at(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def lasting(duration: timedelta) -> str:
    """A duration in its two largest units: "2 h 5 min"."""
    seconds = max(0, int(duration.total_seconds()))
    parts = (
        (seconds // 86400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    )
    said = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(said[:2]) or "0 s"


def share_address(contract: Contract) -> str:
    """The agreed part of the bucket, as readers spell it."""
    shown = [f"s3://{contract.bucket.name}/{plain(prefix, 80)}" for prefix in contract.prefixes[:2]]
    more = len(contract.prefixes) - len(shown)
    return " and ".join(shown) if not more else f"{', '.join(shown)} and {more} more prefixes"


# --- The effect, in one sentence ---


def effect(contract: Contract, slot: Slot) -> str:
    """What it means for the people who read the bucket."""
    before, after = slot.before, slot.after
    role, address = contract.role_name, share_address(contract)
    if after.headline is Headline.BROKEN:
        return _broken(contract, after, news=before is not None and before.headline is not Headline.BROKEN)
    if after.headline is Headline.WIDENED:
        again = f"{role} can read {address} again, but m" if _was_shut(before, after) else "M"
        return f"{again}ore is allowed than was agreed: {_wide(contract, after)}."
    if Kind.UNREAD in after.kinds:
        return f"It is not known whether {role} can read {address}: {_unread(after)}."
    if after.awaiting:
        waiting = " and ".join(who(contract, account) for account in after.awaiting)
        known = {state.account for state in after.locks}
        what = "is silent" if known.issuperset(after.awaiting) else "has not been heard yet"
        return f"Nothing is off as far as we know, but {waiting} {what}."
    return _fine(contract, before, after)


def _kinds(share: Share | None) -> frozenset[Kind]:
    return share.kinds if share else frozenset()


def _was_shut(before: Share | None, after: Share) -> bool:
    return Kind.SHUT in _kinds(before) and all(finding.kind is not Kind.SHUT for finding in after.waived)


def _fine(contract: Contract, before: Share | None, after: Share) -> str:
    role, address = contract.role_name, share_address(contract)
    gone = _kinds(before) - after.kinds
    rest = "" if after.headline is Headline.INTACT else " Something is still at risk, see below."
    if after.waived:
        return f"Nothing else is off with {address} than what is waived, see below.{rest}"
    sentences = (
        (Kind.SHUT, f"{role} can read {address} again."),
        (Kind.WIDE, f"{role} can read {address}, and no longer is more allowed than was agreed."),
        (Kind.UNREAD, f"{role} can read {address}, as every lock shows now that it can be read again."),
        (Kind.RISK, f"{role} can read {address}, and nothing is at risk any more."),
    )
    for kind, sentence in sentences:
        if kind in gone:
            return sentence + rest
    if after.headline is Headline.AT_RISK:
        return f"{role} can read {address} today, but that is not certain to last."
    return f"{role} can read {address}, and nothing more is allowed than was agreed."


_READING = {"s3:GetObject", "kms:Decrypt"}
_PART = {"identity.explicit-deny", "bucket.explicit-deny", "key.explicit-deny"}


def _broken(contract: Contract, share: Share, *, news: bool) -> str:
    shut = [finding for finding in share.findings if finding.kind is Kind.SHUT]
    role, address = contract.role_name, share_address(contract)
    codes = {finding.code for finding in shut}
    if "identity.role-missing" in codes:
        return f"The role {role} does not exist{' any more' if news else ''}: nobody can read {address} as it."
    cannot = "can no longer" if news else "cannot"
    if codes == {"bucket.wrong-encryption"}:
        return f"{role} {cannot} read objects that are written to {address} from now on; older ones it can."
    part = "some or all of " if codes <= _PART else ""
    example = next((key for finding in shut if part and (key := _witness_key(contract, finding))), "")
    for_one = f", for example {example}" if example else ""
    return f"{role} {cannot} {_verb(shut)} {part}{address}{for_one}."


def _witness_key(contract: Contract, finding: Finding) -> str:
    """The refused object, spelled as a reader would."""
    start = f"{contract.bucket_arn}/"
    resource = finding.witness.resource if finding.witness else ""
    return f"s3://{contract.bucket.name}/{plain(resource.removeprefix(start), 120)}" if start in resource else ""


def _verb(shut: Iterable[Finding]) -> str:
    actions = {action for finding in shut for action in finding.actions}
    if actions and not actions & _READING:
        return "list" if "s3:ListBucket" in actions else "describe the key of"
    return "read"


def _wide(contract: Contract, share: Share) -> str:
    wide = [finding for finding in share.findings if finding.kind is Kind.WIDE]
    said = [_may(contract, finding) for finding in wide[:2]]
    more = f", and {len(wide) - 2} more" if len(wide) > 2 else ""  # noqa: PLR2004 - two are named
    return "; ".join(said) + more + _for_example(contract, wide)


_VERBS = {
    "s3:GetObject": "read",
    "s3:GetObjectVersion": "read versions of",
    "s3:PutObject": "write",
    "s3:DeleteObject": "delete",
    "s3:ListBucket": "list",
    "s3:PutBucketPolicy": "change the policy of",
    "s3:DeleteBucketPolicy": "delete the policy of",
    "kms:Decrypt": "decrypt with",
    "kms:Encrypt": "encrypt with",
    "kms:GenerateDataKey": "encrypt with",
    "kms:PutKeyPolicy": "change the policy of",
    "kms:ScheduleKeyDeletion": "delete",
}


def _for_example(contract: Contract, wide: Iterable[Finding]) -> str:
    """The witness of what is allowed too much, in plain words; who may not see it has none."""
    witness = next((finding.witness for finding in wide if finding.witness), None)
    if witness is None:
        return ""
    action, verb = plain(witness.action, 80), _VERBS.get(witness.action)
    deed = verb or f"use {action} on"
    who_could = plain(witness.principal, 200)
    return f"; for example {who_could} could {deed} {_what(contract, witness.resource)}"


def _what(contract: Contract, resource: str) -> str:
    """A resource as readers call it."""
    if resource == contract.key:
        return "the key"
    within = resource.partition(":s3:::")[2]
    return f"s3://{plain(within, 150)}" if within else plain(resource, 200)


def _may(contract: Contract, finding: Finding) -> str:
    on = {
        Lock.BUCKET_POLICY: f"on {contract.bucket.name}",
        Lock.KEY_POLICY: "with its key",
        Lock.IDENTITY_POLICY: "by its own policies",
    }
    actions = plain(listed(finding.actions), 200) or "more"
    return f"{principal(contract, finding.principal)} can use {actions} {on.get(finding.lock, '')}".rstrip()


def principal(contract: Contract, text: str) -> str:
    """A principal class as people know it: the role by its name, a party by name and number."""
    if text == contract.role:
        return contract.role_name
    words = plain(text, 200)
    account = words.removeprefix("account ")
    party = contract.party(account)
    return f"every principal of {who(contract, account)}" if party else words


def _unread(share: Share) -> str:
    unread = [finding for finding in share.findings if finding.kind is Kind.UNREAD]
    edited = [finding for finding in unread if finding.code == "watchdog.contract-edited"]
    locks = dict.fromkeys(LOCK_WORDS[finding.lock] for finding in unread if finding not in edited)
    said = f"{' and '.join(f'the {word}' for word in locks)} could not be read in full" if locks else ""
    return " and ".join([*([said] if said else []), *(["its contract was edited in the table"] if edited else [])])


# --- What to ask of the other account ---

_ASKS = {
    "no-allow": "that {the_lock} allows {role} {actions} again",
    "dangling-principal": "that {the_lock} names today's {role}, by its ARN",
    "conditional": "that {the_lock} allows {role} {actions} without further conditions",
    "explicit-deny": "that the statement of {the_lock} which denies {role} {actions} excepts it",
    "boundary": "that the permissions boundary lets {role} use {actions}",
    "by-grant-only": "that {the_lock} allows {role} {actions}, not only a grant",
    "wide-principal": "that {the_lock} lets in nobody else than was agreed",
    "wide-action": "that {the_lock} allows no more actions than were agreed",
    "wide-resource": "that {the_lock} reaches no further than was agreed",
    "wide-grant": "that the grant which nobody agreed on is revoked",
    "public-block": "that the public statement of {the_lock} names its principals",
    "disabled": "that the key is enabled",
    "pending-deletion": "that the deletion of the key is cancelled, and the key enabled",
    "wrong-encryption": "that new objects are encrypted with the agreed key again",
    "role-missing": "that the role {role} is made again, and named anew in the policies of bucket and key",
}


def asking(contract: Contract, finding: Finding) -> str:
    """What the people of the other account should see to, made from the contract alone; empty where only they know."""
    text = _ASKS.get(finding.code.partition(".")[2], "")
    actions = listed(finding.actions) or "what was agreed"
    return text.format(the_lock=f"the {LOCK_WORDS[finding.lock]}", role=contract.role_name, actions=plain(actions, 200))


# --- What readers see ---


@dataclass(frozen=True, slots=True)
class Symptom:
    """What a refused reader sees, and which trail records it."""

    see: str
    record: str


# Where AWS records a cross-account call: S3 data events, see
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html, and KMS, see
# https://docs.aws.amazon.com/kms/latest/developerguide/logging-using-cloudtrail.html.
_S3_RECORD = "as S3 data events in {owner}'s trail, and in {consumer}'s, each where it logs data events"
_KMS_RECORD = "the denied kms:Decrypt, which S3 asks for in the reader's name, is in {consumer}'s trail only"
_NO_KMS_RECORD = "There is no KMS event: S3 refuses before it asks for the key"
_REFUSED = "403 AccessDenied; the answer is the same whichever lock is shut"
_STATE_RECORD = "the failed kms:Decrypt, which S3 asks for in the reader's name, with the same error code"

_SYMPTOMS: dict[str, Symptom] = {
    "identity of S3": Symptom(_REFUSED, f"{_S3_RECORD}. {_NO_KMS_RECORD}"),
    "identity": Symptom(_REFUSED, f"{_S3_RECORD}; {_KMS_RECORD}"),
    "identity.role-missing": Symptom(
        "AccessDenied when they assume the role, before any request to S3",
        "the denied sts:AssumeRole in {consumer}'s trail",
    ),
    "bucket": Symptom(
        _REFUSED,
        f"{_S3_RECORD}. {_NO_KMS_RECORD}",
    ),
    "bucket.missing": Symptom("404 NoSuchBucket, or another bucket of that name", _S3_RECORD),
    "bucket.wrong-encryption": Symptom(
        "403 AccessDenied on objects written since; older ones can be read", f"{_S3_RECORD}; {_KMS_RECORD}"
    ),
    "key": Symptom("403 AccessDenied when they read objects; listing still works", f"{_S3_RECORD}; {_KMS_RECORD}"),
    "key.disabled": Symptom("KMS.DisabledException (400) when they read objects; listing still works", _STATE_RECORD),
    "key.pending-deletion": Symptom(
        "KMS.KMSInvalidStateException (400) when they read objects; listing still works", _STATE_RECORD
    ),
    "key.unavailable": Symptom(
        "an error that begins with `KMS.` when they read objects; listing still works", _STATE_RECORD
    ),
    "key.missing": Symptom("KMS.NotFoundException (400) when they read objects; listing still works", _STATE_RECORD),
}
_ANY = Symptom(_REFUSED, _S3_RECORD)
_OTHERWISE = {
    Kind.WIDE: Symptom(
        "nothing: their requests work as before, and some work that should not",
        "the requests that succeed, as S3 data events and KMS events in {owner}'s trail",
    ),
    Kind.RISK: Symptom("nothing today", "nothing is refused today, so nothing is recorded"),
    Kind.UNREAD: Symptom("not known", "if they are refused, as S3 data events in {owner}'s trail"),
}


def symptom(contract: Contract, finding: Finding) -> Symptom:
    """What readers see of this finding, and where CloudTrail has it."""
    if finding.kind is Kind.SHUT:
        family = finding.code.partition(".")[0]
        if family == "identity" and not any(action.startswith("kms:") for action in finding.actions):
            family = "identity of S3"
        found = _SYMPTOMS.get(finding.code) or _SYMPTOMS.get(family) or _ANY
    else:
        found = _OTHERWISE[finding.kind]
    names = {"owner": plain(contract.owner.name), "consumer": plain(contract.consumer.name)}
    return Symptom(found.see.format(**names), found.record.format(**names))
