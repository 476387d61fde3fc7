"""Refused reads: which lock is shut, how sure that is, and on what evidence.

Records are constructed (see simulation/denials.py): no pair of records of one denied cross-account request has been
published.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from simulation import denials
from simulation.denials import (
    AT,
    NO_IDENTITY,
    NO_RESOURCE,
    OBJECT,
    ROLE_ID,
    decrypt_denied,
    listing_denied,
    s3_denied,
)
from simulation.examples import (
    CONSUMER,
    CONTRACT,
    EXPLICIT_DENY,
    KEY,
    KEY_DISABLED,
    NO_ALLOW,
    NO_DECRYPT,
    OWNER,
    STRANGER,
)
from threelocks.contract import Contract
from threelocks.diagnose import (
    NOT_AGREED,
    WHOSE,
    BadDenialError,
    Denial,
    Diagnosis,
    Judgement,
    Known,
    Match,
    NotDenied,
    Sure,
    attempts,
    concerns,
    diagnose,
    read,
    signature_of,
)
from threelocks.diagnose.signatures import SIGNATURES, interpret
from threelocks.finding import THE_THREE_LOCKS, Finding, Kind, Lock, LockState, Share
from threelocks.report import Incident, holders

ROOT = Path(__file__).parents[2]
CERTAIN, LIKELY, CANNOT_TELL = Sure
AGREES, CONTRADICTS, UNDECIDED = Judgement
IDENTITY, BUCKET, KEYS = THE_THREE_LOCKS

NO_KEY_POLICY = replace(
    KEY_DISABLED, code="key.no-allow", detail="no statement of the key policy allows BIAnalyticsRole kms:Decrypt"
)
NO_GET = replace(NO_DECRYPT, actions=("s3:GetObject", "s3:ListBucket"))
BY_SCP = replace(NO_DECRYPT, code="ceiling.scp", lock=Lock.CEILING, actions=("s3:GetObject",))


def denial(record: dict[str, Any]) -> Denial:
    found = read(record)
    assert isinstance(found, Denial), found
    return found


def share(*findings: Finding, unheard: tuple[Lock, ...] = (), unread: tuple[Lock, ...] = ()) -> Share:
    """The share as judged, every lock read and every party heard but where it is said."""
    states = tuple(
        LockState(
            lock,
            holders(CONTRACT)[lock],
            tuple(
                sorted(
                    {one.kind for one in findings if one.lock is lock} | ({Kind.UNREAD} if lock in unread else set())
                )
            ),
            AT + timedelta(minutes=1),
        )
        for lock in THE_THREE_LOCKS
        if lock not in unheard
    )
    return Share(CONTRACT.name, OWNER, states, findings)


def told(records: Sequence[dict[str, Any]], judged: Share | None = None, *incidents: Incident) -> Diagnosis:
    """The diagnosis of records of one request."""
    (attempt,) = attempts([denial(record) for record in records])
    return diagnose(Known(CONTRACT, judged or share(), incidents), [attempt])


def of_s3(action: str, tail: str, resource: str = f'"{CONTRACT.bucket_arn}/{OBJECT}"') -> str:
    """S3's message inside one account or organization."""
    session = denials.session(CONTRACT)["arn"]
    return f"User: {session} is not authorized to perform: {action} on resource: {resource} {tail}".format(
        action=action
    )


def both_views(**changes: Any) -> list[dict[str, Any]]:
    return [s3_denied(CONTRACT, view=view, **changes) for view in ("owner", "consumer")]


# --- the three failures that everybody knows, and what stands in their place ---


@dataclass(frozen=True)
class Case:
    name: str
    records: tuple[dict[str, Any], ...]
    judged: Share
    signature: str
    lock: Lock | None
    account: str
    sure: Sure
    judgement: Judgement


NO_BOUNDARY = "because no permissions boundary allows the {action} action"
DENIED_BY_BUCKET = of_s3("s3:GetObject", "with an explicit deny in a resource-based policy")
A_VERSION = {"bucketName": CONTRACT.bucket.name, "key": OBJECT, "versionId": "3"}
IN_ORG = of_s3("s3:GetObject", NO_RESOURCE)
CASES = (
    # A: the identity policy lacks kms:Decrypt.
    Case(
        "A, owner's view: S3's record alone",
        (s3_denied(CONTRACT),),
        share(NO_DECRYPT),
        "s3:GetObject/identity-or-bucket-or-key",
        IDENTITY,
        CONSUMER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "A, consumer's view: KMS names the identity side",
        (s3_denied(CONTRACT, view="consumer"), decrypt_denied(CONTRACT, because=NO_IDENTITY)),
        share(NO_DECRYPT),
        "kms:Decrypt/identity-policy",
        IDENTITY,
        CONSUMER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "A, the Decrypt's record alone",
        (decrypt_denied(CONTRACT, because=NO_IDENTITY),),
        share(NO_DECRYPT),
        "kms:Decrypt/identity-policy",
        IDENTITY,
        CONSUMER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "A, both views, newest first",
        (decrypt_denied(CONTRACT, because=NO_IDENTITY), *both_views()),
        share(NO_DECRYPT),
        "kms:Decrypt/identity-policy",
        IDENTITY,
        CONSUMER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "A, S3's record repeats KMS's text",
        (
            s3_denied(
                CONTRACT,
                view="consumer",
                message=of_s3("kms:Decrypt", NO_IDENTITY, resource=KEY),
            ),
        ),
        share(NO_DECRYPT),
        "kms:Decrypt/identity-policy",
        IDENTITY,
        CONSUMER,
        CERTAIN,
        AGREES,
    ),
    # B: the bucket policy does not name the role.
    Case(
        "B, owner's view, other organization",
        (s3_denied(CONTRACT),),
        share(NO_ALLOW),
        "s3:GetObject/identity-or-bucket-or-key",
        BUCKET,
        OWNER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "B, consumer's view, other organization",
        (s3_denied(CONTRACT, view="consumer"),),
        share(NO_ALLOW),
        "s3:GetObject/identity-or-bucket-or-key",
        BUCKET,
        OWNER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "B, a listing, which asks for no key",
        (listing_denied(CONTRACT),),
        share(NO_ALLOW),
        "s3:ListBucket/identity-or-bucket",
        BUCKET,
        OWNER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "B, same organization: S3 names it",
        (s3_denied(CONTRACT, message=IN_ORG),),
        share(NO_ALLOW),
        "s3:GetObject/bucket-policy",
        BUCKET,
        OWNER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "B, an explicit deny on a prefix need not be about this object",
        (s3_denied(CONTRACT),),
        share(EXPLICIT_DENY),
        "s3:GetObject/identity-or-bucket-or-key",
        BUCKET,
        OWNER,
        LIKELY,
        AGREES,
    ),
    # C: the key policy does not name the role.
    Case(
        "C, consumer's view: KMS's three-way text",
        (s3_denied(CONTRACT, view="consumer"), decrypt_denied(CONTRACT)),
        share(NO_KEY_POLICY),
        "kms:Decrypt/key-policy-or-no-key",
        KEYS,
        OWNER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "C, owner's view: only the judgement can tell",
        (s3_denied(CONTRACT),),
        share(NO_KEY_POLICY),
        "s3:GetObject/identity-or-bucket-or-key",
        KEYS,
        OWNER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "C, the Decrypt in the key's account, as older descriptions have it",
        (decrypt_denied(CONTRACT, view="owner"),),
        share(NO_KEY_POLICY),
        "kms:Decrypt/key-policy-or-no-key",
        KEYS,
        OWNER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "C, without request parameters or resources, told by session and time",
        (s3_denied(CONTRACT, view="consumer"), decrypt_denied(CONTRACT, null=True)),
        share(NO_KEY_POLICY),
        "kms:Decrypt/key-policy-or-no-key",
        KEYS,
        OWNER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "C, the key disabled",
        (s3_denied(CONTRACT, errorCode="KMS.DisabledException", errorMessage=f"{KEY} is disabled."),),
        share(KEY_DISABLED),
        "kms:Decrypt/key-disabled",
        KEYS,
        OWNER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "C, the key pending deletion",
        (
            s3_denied(
                CONTRACT,
                errorCode="KMS.KMSInvalidStateException",
                errorMessage=f"{KEY} is pending deletion.",
            ),
        ),
        share(replace(KEY_DISABLED, code="key.pending-deletion")),
        "kms:Decrypt/key-state",
        KEYS,
        OWNER,
        CERTAIN,
        AGREES,
    ),
    # Ceilings. No party of this share watches them.
    Case(
        "a permissions boundary",
        (s3_denied(CONTRACT, message=of_s3("s3:GetObject", NO_BOUNDARY)),),
        share(replace(NO_DECRYPT, code="identity.boundary", actions=("s3:GetObject",))),
        "s3:GetObject/permissions-boundary",
        IDENTITY,
        CONSUMER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "a session policy",
        (s3_denied(CONTRACT, message=of_s3("s3:GetObject", "because no session policy allows the {action} action")),),
        share(),
        "s3:GetObject/session-policy",
        Lock.CEILING,
        CONSUMER,
        CERTAIN,
        UNDECIDED,
    ),
    Case(
        "a session policy, in AWS's other spelling",
        (s3_denied(CONTRACT, message=of_s3("s3:GetObject", "with an explicit deny in a sessions policy")),),
        share(),
        "s3:GetObject/session-policy",
        Lock.CEILING,
        CONSUMER,
        CERTAIN,
        UNDECIDED,
    ),
    Case(
        "a service control policy, with the policy's ARN behind it",
        (
            s3_denied(
                CONTRACT,
                message=of_s3(
                    "s3:GetObject",
                    "with an explicit deny in a service control policy: arn:aws:organizations::999999999999:policy/"
                    "o-a1b2c3d4e5/service_control_policy/p-12345678. The authorization id is 0f1e2d3c.",
                ),
            ),
        ),
        share(),
        "s3:GetObject/service-control-policy",
        Lock.CEILING,
        CONSUMER,
        CERTAIN,
        UNDECIDED,
    ),
    Case(
        "a service control policy that a party reported",
        (s3_denied(CONTRACT, message=of_s3("s3:GetObject", "with an explicit deny in a service control policy")),),
        share(BY_SCP),
        "s3:GetObject/service-control-policy",
        Lock.CEILING,
        CONSUMER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "a resource control policy over the bucket",
        (s3_denied(CONTRACT, message=of_s3("s3:GetObject", "with an explicit deny in a resource control policy")),),
        share(),
        "s3:GetObject/bucket-resource-control-policy",
        Lock.CEILING,
        OWNER,
        CERTAIN,
        UNDECIDED,
    ),
    Case(
        "a resource control policy over the key",
        (decrypt_denied(CONTRACT, because="with an explicit deny in a resource control policy"),),
        share(),
        "kms:Decrypt/key-resource-control-policy",
        Lock.CEILING,
        OWNER,
        CERTAIN,
        UNDECIDED,
    ),
    Case(
        "the policy of a VPC endpoint",
        (
            s3_denied(
                CONTRACT,
                message=of_s3("s3:GetObject", "because no VPC endpoint policy allows the {action} action"),
                vpcEndpointId="vpce-0123456789abcdef0",
            ),
        ),
        share(),
        "s3:GetObject/vpc-endpoint-policy",
        Lock.CEILING,
        CONSUMER,
        CERTAIN,
        UNDECIDED,
    ),
    # What records and judgement make of each other.
    Case(
        "the record names a lock that is judged open",
        (s3_denied(CONTRACT, message=IN_ORG),),
        share(),
        "s3:GetObject/bucket-policy",
        BUCKET,
        OWNER,
        LIKELY,
        CONTRADICTS,
    ),
    Case(
        "the record names a lock that nobody has reported",
        (decrypt_denied(CONTRACT, because=NO_IDENTITY),),
        share(unheard=(IDENTITY,)),
        "kms:Decrypt/identity-policy",
        IDENTITY,
        CONSUMER,
        CERTAIN,
        UNDECIDED,
    ),
    Case(
        "no cause, and every lock is open",
        (s3_denied(CONTRACT),),
        share(),
        "s3:GetObject/identity-or-bucket-or-key",
        None,
        "",
        CANNOT_TELL,
        CONTRADICTS,
    ),
    Case(
        "no cause, and one lock is not known: by no means the one that is left",
        (s3_denied(CONTRACT),),
        share(unheard=(IDENTITY,)),
        "s3:GetObject/identity-or-bucket-or-key",
        None,
        "",
        CANNOT_TELL,
        UNDECIDED,
    ),
    Case(
        "no cause, one lock shut and one not known",
        (s3_denied(CONTRACT),),
        share(NO_ALLOW, unheard=(IDENTITY,)),
        "s3:GetObject/identity-or-bucket-or-key",
        BUCKET,
        OWNER,
        LIKELY,
        AGREES,
    ),
    Case(
        "no cause, and what is shut is another action",
        (listing_denied(CONTRACT),),
        share(NO_DECRYPT),
        "s3:ListBucket/identity-or-bucket",
        None,
        "",
        CANNOT_TELL,
        CONTRADICTS,
    ),
    Case(
        "a text of an unknown kind",
        (s3_denied(CONTRACT, message="The moon is in the wrong house"),),
        share(NO_ALLOW),
        "s3:GetObject/unknown-text",
        None,
        "",
        CANNOT_TELL,
        UNDECIDED,
    ),
    Case(
        "a cause of an unknown kind",
        (s3_denied(CONTRACT, message=of_s3("s3:GetObject", "because no lunar policy allows the {action} action")),),
        share(NO_ALLOW),
        "s3:GetObject/unknown-text",
        None,
        "",
        CANNOT_TELL,
        UNDECIDED,
    ),
    Case(
        "an error of an unknown kind",
        (s3_denied(CONTRACT, errorCode="MoonPhaseException"),),
        share(NO_ALLOW),
        "s3:GetObject/unknown-error",
        None,
        "",
        CANNOT_TELL,
        UNDECIDED,
    ),
    Case(
        "expired credentials",
        (s3_denied(CONTRACT, errorCode="ExpiredToken", errorMessage="The provided token has expired."),),
        share(),
        "s3:GetObject/credentials",
        None,
        "",
        CERTAIN,
        UNDECIDED,
    ),
    Case(
        "a version of an object, which was never agreed, is nobody's fault",
        (s3_denied(CONTRACT, requestParameters=A_VERSION),),
        share(NO_ALLOW),
        NOT_AGREED,
        None,
        "",
        CERTAIN,
        UNDECIDED,
    ),
    Case(
        "KMS without a cause",
        (decrypt_denied(CONTRACT, because=""),),
        share(NO_KEY_POLICY),
        "kms:Decrypt/identity-or-key",
        KEYS,
        OWNER,
        CERTAIN,
        AGREES,
    ),
    Case(
        "KMS's older text for the key's side",
        (
            decrypt_denied(
                CONTRACT,
                errorMessage="The ciphertext refers to a customer master key that does not exist, does not exist in "
                "this region, or you are not allowed to access.",
            ),
        ),
        share(NO_KEY_POLICY),
        "kms:Decrypt/key-policy-or-no-key",
        KEYS,
        OWNER,
        CERTAIN,
        AGREES,
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_refused_read_is_explained(case: Case) -> None:
    answer = told(case.records, case.judged)
    assert answer.signature == case.signature
    assert answer.sure is case.sure, answer.sentence
    assert answer.judgement is case.judgement, answer.sentence
    assert answer.locks == ((case.lock,) if case.lock else ())
    assert answer.accounts == ((case.account,) if case.account else ())
    assert set(answer.records) == {record["eventID"] for record in case.records}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_order_of_the_records_makes_no_difference(case: Case) -> None:
    shuffled = list(case.records) * 2  # and EventBridge delivers at least once
    random.Random(3).shuffle(shuffled)  # noqa: S311 - not for secrets
    assert replace(told(shuffled, case.judged), records=()) == replace(told(case.records, case.judged), records=())


def test_every_signature_is_met_by_a_case() -> None:
    met = {case.signature.partition("/")[2] for case in CASES}
    assert set(SIGNATURES) - met == {"key-policy", "key-missing", "bucket-missing", "other-key"}


@pytest.mark.parametrize(
    ("record", "signature", "lock"),
    [
        (decrypt_denied(CONTRACT, because=NO_RESOURCE), "key-policy", KEYS),
        (decrypt_denied(CONTRACT, because="with an explicit deny in a resource-based policy"), "key-policy", KEYS),
        (decrypt_denied(CONTRACT, errorCode="NotFoundException"), "key-missing", KEYS),
        (s3_denied(CONTRACT, errorCode="NoSuchBucket"), "bucket-missing", BUCKET),
        (s3_denied(CONTRACT, errorCode="KMS.IncorrectKeyException"), "other-key", None),
        (s3_denied(CONTRACT, message=DENIED_BY_BUCKET), "bucket-policy", BUCKET),
        (s3_denied(CONTRACT, message=of_s3("s3:GetObject", NO_IDENTITY)), "identity-policy", IDENTITY),
        (s3_denied(CONTRACT, errorCode="AccessDenied", errorMessage=None), "identity-or-bucket-or-key", None),
        (s3_denied(CONTRACT, errorCode="Forbidden", errorMessage="Forbidden"), "identity-or-bucket-or-key", None),
        (decrypt_denied(CONTRACT, errorCode="VpceAccessDenied"), "vpc-endpoint-policy", Lock.CEILING),
    ],
)  # fmt: skip
def test_a_record_by_itself_shows(record: dict[str, Any], signature: str, lock: Lock | None) -> None:
    (attempt,) = attempts([denial(record)])
    reading = interpret(attempt)
    assert reading.signature.name == signature
    suspects = reading.signature.suspects
    assert (suspects[0].lock if len(suspects) == 1 else None) is lock


# --- words ---


def test_the_sentence_says_which_lock_in_which_account_how_sure_and_why() -> None:
    answer = told([s3_denied(CONTRACT)], share(NO_ALLOW))
    assert answer.sentence == (
        "BIAnalyticsRole is refused by the bucket policy in data-platform (111111111111): certain, since record "
        "a1b7c0de-0000-4000-8000-00000000000a gives no cause, as S3 does across organizations, and no record of KMS is "
        "at hand (any of the three locks, or a ceiling), and the live judgement finds only that shut (bucket.no-allow)"
    )


def test_two_shut_locks_are_both_named_and_neither_is_said_to_be_the_one() -> None:
    answer = told([s3_denied(CONTRACT)], share(NO_ALLOW, NO_KEY_POLICY))
    assert answer.locks == (BUCKET, KEYS)
    assert answer.sure is LIKELY


def test_what_is_waived_refuses_all_the_same() -> None:
    judged = share(NO_ALLOW)
    waived = replace(judged, locks=share().locks, findings=(), waived=judged.findings)
    answer, plain = told([s3_denied(CONTRACT)], waived), told([s3_denied(CONTRACT)], judged)
    assert (answer.locks, answer.sure, answer.judgement) == (plain.locks, plain.sure, plain.judgement)
    assert answer.judgement is not told([s3_denied(CONTRACT)]).judgement


def test_the_evidence_says_which_description_of_aws_the_place_of_a_kms_record_follows() -> None:
    today = told([decrypt_denied(CONTRACT)], share(NO_KEY_POLICY))
    older = told([decrypt_denied(CONTRACT, view="owner")], share(NO_KEY_POLICY))
    assert any("in the caller's account only" in line for line in today.evidence)
    assert any("older descriptions" in line for line in older.evidence)


def test_the_owner_is_told_that_the_absence_of_a_kms_record_shows_nothing() -> None:
    answer = told([s3_denied(CONTRACT)], share(NO_ALLOW))
    assert any("shows nothing there" in line for line in answer.evidence)


def test_without_list_bucket_a_missing_object_is_named_as_a_possible_cause() -> None:
    contract = CONTRACT.model_copy(update={"actions": ("s3:GetObject", "kms:Decrypt")})
    (attempt,) = attempts([denial(s3_denied(contract))])
    assert any("does not exist" in line for line in diagnose(Known(contract, share()), [attempt]).evidence)
    (attempt,) = attempts([denial(s3_denied(CONTRACT))])
    assert not any("does not exist" in line for line in diagnose(Known(CONTRACT, share()), [attempt]).evidence)


def test_a_diagnosis_of_many_requests_counts_them_and_names_the_last_records() -> None:
    alike = attempts(
        [
            denial(
                s3_denied(
                    CONTRACT,
                    eventID=f"id-{number}",
                    sharedEventID=f"shared-{number}",
                    eventTime=f"{AT + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}",
                )
            )
            for number in range(50)
        ]
    )
    answer = diagnose(Known(CONTRACT, share(NO_ALLOW)), alike)
    assert (answer.requests, answer.first, answer.last) == (50, AT, AT + timedelta(seconds=49))
    assert answer.records == tuple(f"id-{number}" for number in range(40, 50))


# --- incidents: the record's time is not the judgement's ---


def test_a_report_that_is_older_than_the_request_contradicts_nothing() -> None:
    """Its holder may have shut the lock since, and its report of that be on its way."""
    old = share()
    old = replace(
        old,
        locks=tuple(
            replace(state, as_of=AT - timedelta(minutes=30)) if state.lock is IDENTITY else state for state in old.locks
        ),
    )
    bare = told([s3_denied(CONTRACT)], old)
    assert (bare.sure, bare.judgement, bare.locks) == (CANNOT_TELL, UNDECIDED, ())
    assert "the identity policy in bi-team (222222222222) was last reported before the request" in bare.sentence
    named = told([decrypt_denied(CONTRACT, because=NO_IDENTITY)], old)
    assert (named.sure, named.judgement, named.locks) == (CERTAIN, UNDECIDED, (IDENTITY,))


def incident(account: str, opened: int, closed: int | None = None) -> Incident:
    """Minutes after the refused read."""
    return Incident(
        "inc-1",
        account,
        AT + timedelta(minutes=opened),
        closed=None if closed is None else AT + timedelta(minutes=closed),
    )


def test_a_lock_that_was_shut_later_does_not_explain_an_earlier_refusal() -> None:
    answer = told([s3_denied(CONTRACT)], share(NO_ALLOW), incident(OWNER, 60))
    assert (answer.sure, answer.locks) == (CANNOT_TELL, ())
    assert told([s3_denied(CONTRACT)], share(NO_ALLOW), incident(OWNER, 2)).sure is CERTAIN  # within the lag


def test_a_lock_that_was_mended_since_is_said_to_have_been_shut() -> None:
    named = told([s3_denied(CONTRACT, message=IN_ORG)], share(), incident(OWNER, -30, 10))
    assert (named.sure, named.judgement) == (CERTAIN, AGREES)
    assert "was refused" in named.sentence
    unnamed = told([listing_denied(CONTRACT)], share(), incident(OWNER, -30, 10))
    assert (unnamed.sure, unnamed.locks) == (LIKELY, (BUCKET,))
    long_ago = told([listing_denied(CONTRACT)], share(), incident(OWNER, -300, -200))
    assert long_ago.sure is CANNOT_TELL


# --- whose records ---


def matched(record: dict[str, Any], role_id: str = ROLE_ID, contract: Contract = CONTRACT) -> Match:
    (attempt,) = attempts([denial(record)])
    return concerns(contract, attempt, role_id)


ANOTHER = {"type": "AWSAccount", "principalId": "AROAEXAMPLEANOTHER222:x", "accountId": CONSUMER}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (s3_denied(CONTRACT), Match.YES),
        (s3_denied(CONTRACT, view="consumer"), Match.YES),
        (decrypt_denied(CONTRACT), Match.YES),
        (decrypt_denied(CONTRACT, null=True), Match.UNSURE),
        (s3_denied(CONTRACT, userIdentity=ANOTHER), Match.NO),
        (s3_denied(CONTRACT, userIdentity=ANOTHER | {"accountId": STRANGER}), Match.NO),
        (s3_denied(CONTRACT, userIdentity={"type": "AWSService"}), Match.UNSURE),
        (s3_denied(CONTRACT, userIdentity=None), Match.UNSURE),
        (
            s3_denied(
                CONTRACT,
                requestParameters={"bucketName": "some-other-bucket", "key": "a"},
                resources=[],
            ),
            Match.NO,
        ),
        (
            decrypt_denied(
                CONTRACT,
                resources=[{"type": "AWS::KMS::Key", "ARN": KEY.replace("abcd1234", "00000000")}],
            ),
            Match.NO,
        ),
        (
            decrypt_denied(
                CONTRACT,
                requestParameters={"encryptionContext": {"aws:s3:arn": "arn:aws:s3:::some-other-bucket/a"}},
            ),
            Match.NO,
        ),
    ],
)
def test_a_record_is_of_the_contracts_role_at_its_bucket_or_key(record: dict[str, Any], expected: Match) -> None:
    assert matched(record) is expected


def test_the_owners_copy_cannot_be_told_apart_while_the_role_id_is_not_reported() -> None:
    assert matched(s3_denied(CONTRACT), role_id="") is Match.UNSURE
    (attempt,) = attempts([denial(s3_denied(CONTRACT))])
    answer = diagnose(Known(CONTRACT, share(NO_ALLOW)), [attempt], Match.UNSURE)
    assert (answer.signature, answer.sure, answer.locks) == (WHOSE, CANNOT_TELL, ())
    assert "bi-team (222222222222) has not reported the id" in answer.sentence


@pytest.mark.parametrize(
    ("record", "missing"),
    [
        (s3_denied(CONTRACT, userIdentity={"type": "AWSAccount"}), "who asked"),
        (s3_denied(CONTRACT, userIdentity=denials.session(CONTRACT)), "what was asked for"),
    ],
)
def test_what_a_record_leaves_out_is_named_when_it_cannot_be_told_whose_it_is(
    record: dict[str, Any], missing: str
) -> None:
    (attempt,) = attempts([denial(record)])
    answer = diagnose(Known(CONTRACT, share(NO_ALLOW)), [attempt], Match.UNSURE)
    assert answer.sure is CANNOT_TELL
    assert answer.sentence.endswith(f"does not name {missing}")


def test_a_role_with_a_path_is_told_by_its_session_where_there_is_no_issuer() -> None:
    contract = CONTRACT.model_copy(update={"role": f"arn:aws:iam::{CONSUMER}:role/bi/BIAnalyticsRole"})
    identity = {key: value for key, value in denials.session(CONTRACT).items() if key != "sessionContext"}
    assert matched(s3_denied(CONTRACT, userIdentity=identity), contract=contract) is Match.YES


# --- which records are of one request ---


def at(seconds: int) -> str:
    return f"{AT + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def test_the_copies_of_both_accounts_and_the_decrypt_are_one_request() -> None:
    records = [*both_views(), decrypt_denied(CONTRACT, eventTime=at(1))]
    assert len(attempts(map(denial, records))) == 1


@pytest.mark.parametrize(
    "decrypt",
    [
        decrypt_denied(CONTRACT, eventTime=at(60)),
        decrypt_denied(CONTRACT, requestParameters={"encryptionContext": {"aws:s3:arn": f"{CONTRACT.bucket_arn}/b"}}),
        decrypt_denied(CONTRACT, sourceIPAddress="203.0.113.40", userIdentity=denials.session(CONTRACT)),
        decrypt_denied(
            CONTRACT,
            userIdentity=denials.session(CONTRACT)
            | {"principalId": f"{ROLE_ID}:other", "invokedBy": "fas.s3.amazonaws.com"}
            | {"arn": f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/other"},
        ),
    ],
    ids=["long after", "of another object", "not asked for by S3", "of another session"],
)
def test_a_decrypt_of_something_else_is_a_request_of_its_own(decrypt: dict[str, Any]) -> None:
    assert len(attempts(map(denial, [s3_denied(CONTRACT, view="consumer"), decrypt]))) == 2


def test_each_decrypt_goes_to_the_nearest_read_of_its_object_and_to_one_only() -> None:
    reads = [
        s3_denied(CONTRACT, view="consumer", key=f"sales/{n}", eventID=f"s{n}", sharedEventID=f"x{n}", eventTime=at(n))
        for n in range(3)
    ]
    bucket_key = {"encryptionContext": {"aws:s3:arn": CONTRACT.bucket_arn}}
    decrypts = [
        decrypt_denied(CONTRACT, requestParameters=bucket_key, eventID=f"k{n}", eventTime=at(n)) for n in range(3)
    ]
    found = attempts(map(denial, [*reads, *decrypts]))
    assert [[one.event_id for one in attempt.denials] for attempt in found] == [
        ["s0", "k0"],
        ["s1", "k1"],
        ["s2", "k2"],
    ]


def test_a_flood_of_reads_in_one_second_is_put_together_one_by_one() -> None:
    """Nearest first, and without looking at each pair."""
    number = 2000
    bucket_key = {"encryptionContext": {"aws:s3:arn": CONTRACT.bucket_arn}}
    reads = [
        s3_denied(CONTRACT, view="consumer", key=f"k{n}", eventID=f"s{n}", sharedEventID=f"x{n}") for n in range(number)
    ]
    decrypts = [decrypt_denied(CONTRACT, requestParameters=bucket_key, eventID=f"k{n}") for n in range(number)]
    found = attempts(map(denial, [*reads, *decrypts]))
    assert len(found) == number
    assert all(len(attempt.denials) == 2 for attempt in found)


# --- what is no refused read ---


@pytest.mark.parametrize(
    "record",
    [
        s3_denied(CONTRACT, errorCode="NoSuchKey"),
        s3_denied(CONTRACT, errorCode="SlowDown"),
        s3_denied(CONTRACT, errorCode=""),
        s3_denied(CONTRACT, errorCode=None),
        s3_denied(CONTRACT, eventName="PutObject"),
        decrypt_denied(CONTRACT, eventName="GenerateDataKey"),
    ],
)
def test_other_records_are_left_alone(record: dict[str, Any]) -> None:
    assert isinstance(read(record), NotDenied)


def test_a_record_without_a_time_is_refused_and_says_so() -> None:
    with pytest.raises(BadDenialError, match="its `eventTime` is `yesterday`"):
        read(s3_denied(CONTRACT, eventTime="yesterday"))


# --- hostile text ---

HOSTILE = (
    "x\nYOUR ACCOUNT MUST ACT\r\n  do it",
    "x" * 10_000,
    "\x1b[2J\x00\x07",
    "\u202emoc.elpmaxe\u2066\u200b",
    "\ud800",
    '"}],"sure":"certain"',
    "https://evil.example/?q=1",
)


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for inner in value for text in strings(inner)] if isinstance(value, tuple | list) else []


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("where", "errorMessage errorCode eventID key session userIdentity everything".split())
def test_hostile_text_neither_breaks_a_line_nor_grows_nor_decides(hostile: str, where: str) -> None:
    changes: dict[str, Any] = {where: hostile}
    if where == "session":
        changes = {"userIdentity": {"principalId": f"{ROLE_ID}:{hostile}", "accountId": CONSUMER}}
    if where == "everything":
        changes = dict.fromkeys(("errorMessage", "errorCode", "eventID", "sharedEventID", "vpcEndpointId"), hostile)
        changes |= {"resources": [hostile, {"ARN": hostile}], "requestParameters": {"bucketName": hostile}}
    (attempt,) = attempts([denial(s3_denied(CONTRACT, **changes))])
    for known in (None, Known(CONTRACT, share(NO_ALLOW))):
        answer = diagnose(known, [attempt])
        texts = strings([answer.sentence, *answer.evidence, answer.request, *answer.records])
        assert all(text.isprintable() for text in texts)
        assert all(len(text) < 2000 for text in texts)
        assert json.loads(json.dumps(texts)) == texts
        if where == "errorMessage":
            assert answer.sure is CANNOT_TELL


FORGED = "because no identity-based policy allows the s3:GetObject action"


@pytest.mark.parametrize(
    ("key", "message", "signature"),
    [
        # The caller chooses the key, and S3 quotes it before the cause.
        (f"a {FORGED}", of_s3("s3:GetObject", NO_RESOURCE, f'"{CONTRACT.bucket_arn}/a {FORGED}"'), "bucket-policy"),
        (f'a" {FORGED}', of_s3("s3:GetObject", NO_RESOURCE, f'"{CONTRACT.bucket_arn}/a" {FORGED}"'), "bucket-policy"),
        # CloudTrail cuts long messages: what is left may be the caller's words alone.
        (f"a {FORGED} b", of_s3("s3:GetObject", "", f'"{CONTRACT.bucket_arn}/a {FORGED}'), "unknown-text"),
        (f'a" {FORGED} b', of_s3("s3:GetObject", "", f'"{CONTRACT.bucket_arn}/a" {FORGED}'), "unknown-text"),
        (f'a" b" {FORGED}', of_s3("s3:GetObject", "", f'"{CONTRACT.bucket_arn}/a" b" {FORGED}'), "unknown-text"),
    ],
)
def test_an_object_key_cannot_forge_the_cause(key: str, message: str, signature: str) -> None:
    (attempt,) = attempts([denial(s3_denied(CONTRACT, key=key, message=message))])
    assert interpret(attempt).signature.name == signature


# --- docs/diagnosis.md ---


def test_the_document_has_a_row_with_a_source_for_each_signature() -> None:
    text = (ROOT / "docs/diagnosis.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|.*\| ([^|]+) \|$", text, re.MULTILINE))
    assert set(rows) == {*SIGNATURES, NOT_AGREED, WHOSE}
    for name, source in rows.items():
        assert re.search(r"\(https://docs\.aws|seen in published|constructed|ours", source), name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_claimed_before_a_check_is_what_the_diagnosis_then_says(case: Case) -> None:
    (attempt,) = attempts([denial(record) for record in case.records])
    assert signature_of(Known(CONTRACT), attempt) == told(case.records, case.judged).signature


def test_prefixes_bound_what_is_agreed() -> None:
    contract = CONTRACT.model_copy(update={"prefixes": ("finance/",)})
    for record in (s3_denied(contract), listing_denied(contract)):
        (attempt,) = attempts([denial(record)])
        assert signature_of(Known(contract), attempt) == NOT_AGREED
    inside = s3_denied(contract, key="finance/a")
    (attempt,) = attempts([denial(inside)])
    assert signature_of(Known(contract), attempt) != NOT_AGREED


def test_a_lock_that_was_shut_before_the_request_explains_it_only_likely() -> None:
    old = share(NO_ALLOW)
    old = replace(old, locks=tuple(replace(state, as_of=AT - timedelta(minutes=30)) for state in old.locks))
    assert told([s3_denied(CONTRACT)], old).sure is LIKELY
    assert told([s3_denied(CONTRACT)], share(NO_ALLOW)).sure is CERTAIN
