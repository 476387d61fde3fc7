"""What AWS's error codes and messages show, by a table of signatures; docs/diagnosis.md has the sources of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from threelocks.diagnose.attempts import Attempt
from threelocks.diagnose.denial import Denial
from threelocks.finding import Lock


class Holder(StrEnum):
    """Whose a lock is, before it is known which account that is."""

    CONSUMER = "consumer"
    OWNER = "owner"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Suspect:
    """What may have refused a request."""

    lock: Lock
    holder: Holder
    what: str  # "bucket policy", "permissions boundary", ...
    codes: tuple[str, ...] = ()  # only findings of these codes are about it; empty: any of the lock


IDENTITY = Suspect(Lock.IDENTITY_POLICY, Holder.CONSUMER, "identity policy")
BUCKET = Suspect(Lock.BUCKET_POLICY, Holder.OWNER, "bucket policy")
KEY = Suspect(Lock.KEY_POLICY, Holder.KEY, "key policy")
BOUNDARY = Suspect(Lock.IDENTITY_POLICY, Holder.CONSUMER, "permissions boundary", ("identity.boundary",))
SESSION = Suspect(Lock.CEILING, Holder.CONSUMER, "session policy", ("ceiling.session-policy",))
SCP = Suspect(Lock.CEILING, Holder.CONSUMER, "service control policy", ("ceiling.scp",))
RCP_OF_BUCKET = Suspect(Lock.CEILING, Holder.OWNER, "resource control policy", ("ceiling.rcp",))
RCP_OF_KEY = Suspect(Lock.CEILING, Holder.KEY, "resource control policy", ("ceiling.rcp",))
ENDPOINT = Suspect(Lock.CEILING, Holder.CONSUMER, "VPC endpoint policy", ("ceiling.vpc-endpoint",))
KEY_STATE = Suspect(Lock.KEY_POLICY, Holder.KEY, "state of the key")
NO_KEY = Suspect(Lock.KEY_POLICY, Holder.KEY, "absence of the key")
NO_BUCKET = Suspect(Lock.BUCKET_POLICY, Holder.OWNER, "absence of the bucket")


@dataclass(frozen=True, slots=True)
class Signature:
    """What one way of refusing looks like, and what it shows. docs/diagnosis.md has the sources of each."""

    name: str
    suspects: tuple[Suspect, ...]  # one: AWS names it; several: one of them; none: it is no policy, or not known
    shows: str  # completes "the record ..."


SIGNATURES: Mapping[str, Signature] = {
    row.name: row
    for row in (
        Signature("identity-policy", (IDENTITY,), "says that an identity-based policy refused"),
        Signature("permissions-boundary", (BOUNDARY,), "says that a permissions boundary refused"),
        Signature("session-policy", (SESSION,), "says that a session policy refused"),
        Signature("service-control-policy", (SCP,), "says that a service control policy refused"),
        Signature("bucket-policy", (BUCKET,), "says that a resource-based policy, the bucket's, refused"),
        Signature("key-policy", (KEY,), "says that a resource-based policy, the key's, refused"),
        Signature("bucket-resource-control-policy", (RCP_OF_BUCKET,), "says that a resource control policy refused"),
        Signature("key-resource-control-policy", (RCP_OF_KEY,), "says that a resource control policy refused"),
        Signature("vpc-endpoint-policy", (ENDPOINT,), "says that the policy of a VPC endpoint refused"),
        Signature(
            "key-policy-or-no-key",
            (KEY,),
            "has KMS's text for the key's side: no key policy allows it, one denies it, or the key is not there",
        ),
        Signature("key-disabled", (KEY_STATE,), "has the error of a disabled key"),
        Signature("key-state", (KEY_STATE,), "has the error of a key in a state in which it cannot be used"),
        Signature("key-missing", (NO_KEY,), "has the error of a key that does not exist"),
        Signature("bucket-missing", (NO_BUCKET,), "has the error of a bucket that does not exist"),
        Signature(
            "identity-or-bucket",
            (IDENTITY, BUCKET),
            "gives no cause, as S3 does across organizations (the identity policy, the bucket policy, or a ceiling)",
        ),
        Signature(
            "identity-or-bucket-or-key",
            (IDENTITY, BUCKET, KEY),
            "gives no cause, as S3 does across organizations, and no record of KMS is at hand (any of the three locks, "
            "or a ceiling)",
        ),
        Signature(
            "identity-or-key",
            (IDENTITY, KEY),
            "is of KMS and gives no cause (the identity policy, the key policy, or a ceiling)",
        ),
        Signature("other-key", (), "says that the object is encrypted with another key than it was decrypted with"),
        Signature("credentials", (), "says that the caller's credentials were refused, before any policy was asked"),
        Signature("unknown-error", (), "has an error that is not in the table"),
        Signature("unknown-text", (), "has a text of a kind that is not in the table"),
    )
}

_BY_CODE: Mapping[str, str] = {
    "DisabledException": "key-disabled",
    "KMSInvalidStateException": "key-state",
    "InvalidStateException": "key-state",
    "NotFoundException": "key-missing",
    "NoSuchBucket": "bucket-missing",
    "IncorrectKeyException": "other-key",
    "InvalidCiphertextException": "other-key",
    "InvalidKeyUsageException": "other-key",
    "VpceAccessDenied": "vpc-endpoint-policy",
    **dict.fromkeys(
        (
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidToken",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "SignatureDoesNotMatch",
            "RequestTimeTooSkewed",
            "AuthorizationHeaderMalformed",
            "NotSignedUp",
        ),
        "credentials",
    ),
}
_REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "Forbidden", "403"})

# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html. Nothing is asked of the end: newer
# messages go on with a policy's ARN and a sentence about an authorization id.
_GRAMMAR = re.compile(
    r"User: \S+ is not authorized to perform: (?P<service>s3|kms):[A-Za-z]+"
    r"(?: on (?:resource: \S+|this resource|the resource associated with this ciphertext))?"
    r"(?: (?:with an explicit deny in|because) (?P<cause>.*))?",
    re.IGNORECASE,
)
# The causes that the grammar knows, as they stand at the beginning of what follows.
_CAUSES: tuple[tuple[str, str, str], ...] = (
    # words, signature for a bucket, signature for a key
    (r"identity-based polic", "identity-policy", "identity-policy"),
    (r"permissions? boundar", "permissions-boundary", "permissions-boundary"),
    (r"sessions? polic", "session-policy", "session-policy"),
    (r"service control polic", "service-control-policy", "service-control-policy"),
    (r"resource control polic", "bucket-resource-control-policy", "key-resource-control-policy"),
    (r"VPC ?endpoint polic", "vpc-endpoint-policy", "vpc-endpoint-policy"),
    (r"resource-based polic", "bucket-policy", "key-policy"),
)
_FOUND = tuple(
    (re.compile(rf"(?:an?|the|no|one or more) {words}", re.IGNORECASE), of_s3, of_kms)
    for words, of_s3, of_kms in _CAUSES
)
_NO_KEY_OR_POLICY = re.compile(
    r"the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy "
    r"explicitly denies access",
    re.IGNORECASE,
)
_OLDER_TEXTS = (
    re.compile(r"The ciphertext refers to a customer master key that does not exist", re.IGNORECASE),
    re.compile(r"The ciphertext refers to a KMS key that does not exist", re.IGNORECASE),
)
_BARE = re.compile(r"(?:access denied\.?|forbidden)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the records of one attempt show by themselves."""

    signature: Signature
    action: str  # what was refused: "kms:Decrypt", even where S3's record says so
    by: Denial  # the record that shows it


def interpret(attempt: Attempt) -> Reading:
    """What AWS's error code and message show; KMS's own record is heard before S3's, which may only repeat it."""
    ordered = sorted(attempt.denials, key=lambda denial: not denial.of_kms)
    readings = [_interpret(denial, with_kms=attempt.of_kms is not None) for denial in ordered]
    return min(readings, key=lambda reading: _vagueness(reading.signature))


def _vagueness(signature: Signature) -> int:
    """The clearest record of a request speaks for all."""
    if signature.name.startswith("unknown"):
        return 99
    return len(signature.suspects) or 1


def _interpret(denial: Denial, *, with_kms: bool) -> Reading:
    by_code = _BY_CODE.get(denial.code)
    if by_code:
        action = denial.action if not by_code.startswith(("key-", "other-")) else "kms:Decrypt"
        return Reading(SIGNATURES[by_code], action, denial)
    if denial.code not in _REFUSED:
        return Reading(SIGNATURES["unknown-error"], denial.action, denial)
    name, action = _from_text(denial, with_kms=with_kms)
    return Reading(SIGNATURES[name], action, denial)


def _from_text(denial: Denial, *, with_kms: bool) -> tuple[str, str]:
    text = _without_names(denial)
    if text is None:
        return "unknown-text", denial.action
    if _BARE.fullmatch(text):
        return _bare(denial, with_kms=with_kms), denial.action
    if any(older.match(text) for older in _OLDER_TEXTS):
        return "key-policy-or-no-key", "kms:Decrypt"
    said = _GRAMMAR.match(text)
    if not said:
        return "unknown-text", denial.action
    of_kms = said["service"].lower() == "kms"
    action = "kms:Decrypt" if of_kms else denial.action
    if not said["cause"]:
        more = text[said.end() :].strip(" .")
        return ("unknown-text" if more else _bare(denial, with_kms=with_kms, of_kms=of_kms)), action
    if _NO_KEY_OR_POLICY.match(said["cause"]):
        return ("key-policy-or-no-key" if of_kms else "bucket-policy"), action
    for cause, name_of_s3, name_of_kms in _FOUND:
        if cause.match(said["cause"]):
            return (name_of_kms if of_kms else name_of_s3), action
    return "unknown-text", action


def _bare(denial: Denial, *, with_kms: bool, of_kms: bool = False) -> str:
    if denial.of_kms or of_kms:
        return "identity-or-key"
    if denial.action == "s3:ListBucket":
        return "identity-or-bucket"  # a listing decrypts nothing
    return "identity-or-key" if with_kms else "identity-or-bucket-or-key"


def _without_names(denial: Denial) -> str | None:
    """The message with what the caller chose taken out: S3 quotes the resource, whose key may say anything, and
    CloudTrail may have cut the message within it. None when it cannot be told which words are AWS's.
    """
    text = denial.message
    start, end = text.find('"'), text.rfind('"')
    if start == -1:
        return text
    inner = text[start + 1 : end]
    has_quotes = '"' in inner or '"' in (denial.object_key or "")
    if end == start or (has_quotes and inner != f"{denial.bucket}/{denial.object_key}"):
        return None
    return f"{text[:start]}it{text[end + 1 :]}"
