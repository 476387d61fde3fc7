"""How a diagnosis speaks of readers, accounts, locks and records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from threelocks.diagnose.attempts import Attempt
from threelocks.diagnose.denial import Denial
from threelocks.diagnose.known import Known, State, codes_of, findings_of
from threelocks.diagnose.signatures import ENDPOINT, RCP_OF_BUCKET, RCP_OF_KEY, SCP, Holder, Reading, Suspect
from threelocks.finding import Share
from threelocks.policy.arn import Arn

_NO_DECRYPT = (
    "no record of a denied kms:Decrypt is at hand; by AWS's documentation the owner's trail never has one, so that "
    "shows nothing there"
)
_SHOWN = 4  # records that the evidence describes


def id_of(denial: Denial) -> str:
    return denial.event_id or "without an id"


def reader_of(known: Known | None, attempt: Attempt) -> str:
    if known:
        return known.contract.role_name
    caller = attempt.first.caller
    return caller.role_name or caller.named


def account_of(known: Known | None, attempt: Attempt, suspect: Suspect) -> str:
    """Who holds a suspect; empty when the records do not tell."""
    if known:
        contract = known.contract
        return {
            Holder.CONSUMER: contract.consumer.account,
            Holder.OWNER: contract.owner.account,
            Holder.KEY: contract.key_account,
        }[suspect.holder]
    found: Mapping[Holder, Callable[[Denial], str]] = {
        Holder.CONSUMER: lambda denial: denial.caller.account,
        Holder.OWNER: lambda denial: denial.owner,
        Holder.KEY: lambda denial: Arn.parse(denial.keys[0]).account if denial.keys else "",
    }
    return next((name for denial in attempt.denials if (name := found[suspect.holder](denial))), "")


def named(known: Known | None, account: str) -> str:
    party = known.contract.party(account) if known else None
    return f"{party.name} ({account})" if party else (f"account {account}" if account else "an account not named")


_UNNAMED = {
    Holder.CONSUMER: "the caller's account",
    Holder.OWNER: "the bucket's account",
    Holder.KEY: "the key's account",
}


def names_of(known: Known | None, attempt: Attempt, suspects: Sequence[Suspect]) -> str:
    return " and ".join(f"the {suspect.what} {_where(known, attempt, suspect)}" for suspect in suspects)


def _where(known: Known | None, attempt: Attempt, suspect: Suspect) -> str:
    account = account_of(known, attempt, suspect)
    whose = named(known, account) if account else _UNNAMED[suspect.holder]
    if suspect in {SCP, RCP_OF_BUCKET, RCP_OF_KEY}:
        return f"above {whose}, held by its organization's management account"
    if suspect is ENDPOINT:
        ids = [denial.endpoint for denial in attempt.denials if denial.endpoint]
        return f"of {ids[0]}, through which {whose} came" if ids else f"through which {whose} came"
    return f"in {whose}"


def record_lines(known: Known | None, attempt: Attempt) -> Iterator[str]:
    """The records relied on, in full: whose trail, what AWS answered, and where AWS says such a record is kept."""
    for denial in attempt.denials[:_SHOWN]:
        trail = f"in the trail of {named(known, denial.recipient)}" if denial.recipient else "in a trail not named"
        said = f": {denial.message}" if denial.message else ", without a message"
        yield (
            f"record {id_of(denial)} {trail}, {denial.at:%Y-%m-%d %H:%M:%S} UTC: {denial.event_name} failed with "
            f"{denial.code}{said}"
        )
        if denial.of_kms and (kept := _kept(denial)):
            yield kept


def _kept(denial: Denial) -> str:
    """Which description of AWS's the place of a KMS record follows: they disagree (docs/diagnosis.md)."""
    key = Arn.parse(denial.keys[0]).account if denial.keys else ""
    if denial.recipient and denial.recipient == denial.caller.account:
        return (
            f"record {id_of(denial)} is where AWS's documentation has denied cross-account requests to KMS: in the "
            "caller's account only"
        )
    if denial.recipient and denial.recipient == key:
        return (
            f"record {id_of(denial)} is in the key's account, where older descriptions have it and AWS's documentation "
            "of today does not; it is believed all the same"
        )
    return ""


def limits(reading: Reading) -> tuple[str, ...]:
    if len(reading.signature.suspects) == 1:
        return ("AWS names one cause only; others may refuse as well",)
    if reading.signature.name == "identity-or-bucket-or-key":
        return (_NO_DECRYPT,)
    return ()


def judged_lines(share: Share, states: Mapping[Suspect, State], action: str) -> Iterator[str]:
    as_of = {state.lock: state.as_of for state in share.locks}
    for suspect, state in states.items():
        when = f", as of {as_of[suspect.lock]:%Y-%m-%d %H:%M:%S} UTC" if suspect.lock in as_of else ""
        codes = codes_of(findings_of(share, suspect, action))
        yield f"the live judgement has the {suspect.what} {state} for {action}{when}{f': {codes}' if codes else ''}"


def doubts(known: Known, attempt: Attempt, reading: Reading, states: Mapping[Suspect, State]) -> Iterator[str]:
    """What else could answer the same, where no lock is judged shut."""
    if State.SHUT in states.values() or len(states) == 1:
        return
    read = attempt.of_s3
    if read and read.action == "s3:GetObject" and "s3:ListBucket" not in known.contract.actions:
        yield (
            "without s3:ListBucket, S3 answers 403 for an object that does not exist: "
            "https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"
        )
    if reading.by.endpoint:
        yield f"the request came through {reading.by.endpoint}, whose policy may have refused"
