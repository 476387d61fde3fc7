r"""How the names in a contract are spelled: one function per kind, from a text to the same text.

Each raises ValueError that says what is wrong and what to write instead. Python's `re` with ASCII digits, since
`\d` would take any script's digits for an account id's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta

from threelocks.policy.arn import Arn, BadArnError, partition_of
from threelocks.policy.document import DocumentError, parse_document

Spelling = Callable[[str], str]

_LONGEST_SHOWN = 80
_LONGEST_KEY = 1024  # bytes; https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html


def visible(text: str) -> str:
    """One line, in which nothing can hide: control characters and the like stand as their code points."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)


def shown(value: object) -> str:
    """A value as an error quotes it: in backticks, on one line, cut when it is long."""
    plain = visible(value if isinstance(value, str) else repr(value))
    return f"`{plain if len(plain) <= _LONGEST_SHOWN else plain[: _LONGEST_SHOWN - 3] + '...'}`"


def shaped(pattern: str, what: str, instead: str) -> Spelling:
    """A spelling that one regular expression decides."""
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"{shown(text)} is not {what}; write {instead}")
        return text

    return check


_PROVIDER = re.compile(
    r"arn:aws(-[a-z]+)*:iam::[0-9]{12}:(saml|oidc)-provider/[\x21-\x29\x2b-\x3e\x40-\x7e]+", re.ASCII
)
_WEB_IDENTITY = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


def trusted(text: str) -> str:
    """A principal that the role may trust, of its trust policy.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    if text == "*" or ":user/" in text:
        raise ValueError(f"{shown(text)} is nobody to hang a share on; write roles, accounts, services or providers")
    if not (_PROVIDER.fullmatch(text) or _WEB_IDENTITY.fullmatch(text)):
        principal(text)
    return text


def words(text: str) -> str:
    """Text for people, which ends up in mails: something to see, on one line, and no control characters."""
    if not text.strip():
        raise ValueError("is empty; write something that people will recognise")
    if not text.isprintable():
        raise ValueError(
            f"{shown(text)} has a line break, control or invisible character; write plain text on one line"
        )
    return text


_LONGEST_SESSION_POLICY = 2048  # https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html


def policy(given: object) -> str:
    """A policy document, as fields or as JSON text, in one canonical form: two accounts that write it with other blanks
    agree all the same."""
    try:
        fields = json.loads(given) if isinstance(given, str) else given
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        document = parse_document(text, "session policy")
    except (DocumentError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"is no policy document ({error}); write Version and Statement as in IAM") from error
    if document.problems:
        raise ValueError(f"has {'; '.join(document.problems)}; write what AWS documents")
    if len(text) > _LONGEST_SESSION_POLICY:
        raise ValueError(f"has {len(text)} characters, and AssumeRole takes {_LONGEST_SESSION_POLICY}; shorten it")
    return text


def value(text: str) -> str:
    """What a condition key or a tag holds: any text, the empty one too, in which nothing hides."""
    if not text.isprintable():
        raise ValueError(f"{shown(text)} has a control or invisible character; write the value as plain text")
    return text


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def until(written: object) -> datetime:
    """The end of something: a day, which counts to its last moment, or a time with its offset. In UTC."""
    with suppress(ValueError, OverflowError):
        if isinstance(written, str) and _DAY.fullmatch(written):
            return datetime.combine(date.fromisoformat(written) + timedelta(days=1), time(), UTC)
        moment = datetime.fromisoformat(written) if isinstance(written, str) else written
        if isinstance(moment, datetime) and moment.tzinfo:
            return moment.astimezone(UTC)
    raise ValueError(
        f"{shown(written)} is not a date or a time; write 2026-12-31, which counts to the end of that day (UTC), or "
        "2026-12-31T18:00:00Z"
    )


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")
# What AWS keeps for other things, some of which take a bucket's place in a request.
_NOT_BUCKETS = (
    ("-s3alias", "the alias of an access point"),
    ("--ol-s3", "the alias of an Object Lambda access point"),
    (".mrap", "the alias of a multi-Region access point"),
    ("--x-s3", "a directory bucket, which has other rules"),
    ("--table-s3", "a table bucket, which has other rules"),
)


def bucket_name(text: str) -> str:
    """A general purpose bucket. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
    if not _BUCKET.fullmatch(text) or ".." in text or _ADDRESS.fullmatch(text) or text.startswith("xn--"):
        raise ValueError(
            f"{shown(text)} is not a bucket name; write the name alone, 3 to 63 lowercase letters, digits, dots and "
            "hyphens, without s3:// or arn:"
        )
    for ending, what in _NOT_BUCKETS:
        if text.endswith(ending):
            raise ValueError(f"{shown(text)} is {what}; write the name of the general purpose bucket behind it")
    return text


def prefix(text: str) -> str:
    """A prefix of object keys, letter by letter; the empty one is the whole bucket."""
    for wrong, advice in _PREFIX_MISTAKES:
        if wrong(text):
            raise ValueError(f"{shown(text)} {advice}")
    return text


_PREFIX_MISTAKES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda text: text.startswith(("s3://", "arn:")), "names the bucket; write only the part after it: sales/"),
    (lambda text: text.startswith("/"), "begins with a slash, as no key does; leave it out: sales/"),
    (lambda text: "*" in text or "?" in text, "is a pattern; write a prefix, taken letter by letter, without * or ?"),
    (lambda text: not text.isprintable(), "has a control or invisible character; write the prefix as plain text"),
    (lambda text: len(text.encode()) > _LONGEST_KEY, "is longer than any key; write at most 1024 bytes"),
)

_ROLE = re.compile(r"role/([\x21-\x29\x2b-\x3e\x40-\x7e]{1,510}/)?[\w+=,.@-]{1,64}", re.ASCII)
_NOT_ROLES = (
    ("sts", "assumed-role/", "is a session; write the role behind it: arn:aws:iam::<consumer>:role/<path and name>"),
    ("iam", "user/", "is a user, and long-lived keys are no base for a share; write a role's ARN"),
    ("iam", "root", "is the whole account; write the ARN of the one role that reads"),
)


def role_arn(text: str) -> str:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"""
    arn = _arn(text, "role", "arn:aws:iam::<consumer>:role/<path and name>")
    for service, start, advice in _NOT_ROLES:
        if arn.service == service and arn.resource.startswith(start):
            raise ValueError(f"{shown(text)} {advice}")
    if arn.service != "iam" or arn.region or not _ACCOUNT.fullmatch(arn.account) or not _ROLE.fullmatch(arn.resource):
        raise ValueError(f"{shown(text)} is not a role ARN; write arn:aws:iam::<consumer>:role/<path and name>")
    return text


_ACCOUNT = re.compile(r"[0-9]{12}")
_KEY = re.compile(r"key/(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_KEY_FORM = "arn:aws:kms:<region>:<account>:key/<key id>"


def key_arn(text: str) -> str:
    """https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id-key-ARN"""
    arn = _arn(text, "key", _KEY_FORM)
    if arn.service == "kms" and arn.resource.startswith("alias/"):
        raise ValueError(f"{shown(text)} is an alias, which can point elsewhere tomorrow; write {_KEY_FORM}")
    well_placed = arn.service == "kms" and arn.region and _ACCOUNT.fullmatch(arn.account)
    if not well_placed or not _KEY.fullmatch(arn.resource) or partition_of(arn.region) != arn.partition:
        raise ValueError(f"{shown(text)} is not a key ARN; write {_KEY_FORM}, as `aws kms describe-key` shows it")
    return text


_PARTITION = re.compile(r"aws(-[a-z]+)*")


def _arn(text: str, what: str, form: str) -> Arn:
    try:
        arn = Arn.parse(text)
    except BadArnError as error:
        raise ValueError(f"{shown(text)} is not the ARN of a {what}; write {form}") from error
    if not _PARTITION.fullmatch(arn.partition):
        raise ValueError(f"{shown(text)} is in no partition of AWS; write {form}")
    return arn


_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?")
_PRINCIPAL = re.compile(
    r"arn:aws(-[a-z]+)*:(iam::[0-9]{12}:(role|user)/[\x21-\x29\x2b-\x3e\x40-\x7e]+"
    r"|sts::[0-9]{12}:(assumed-role|federated-user)/[\w+=,.@/-]+"
    r"|iam::cloudfront:user/CloudFront Origin Access Identity [A-Z0-9]+)",
    re.ASCII,
)
_ROOT = re.compile(r"arn:aws(-[a-z]+)*:iam::([0-9]{12}):root")
_UNIQUE_ID = re.compile(r"A[A-Z0-9]{15,127}")


def principal(text: str) -> str:
    """A principal as a bucket or key policy may name it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    if root := _ROOT.fullmatch(text):
        raise ValueError(f'{shown(text)} is a whole account; write its id, in quotes: "{root[2]}"')
    if _UNIQUE_ID.fullmatch(text):
        raise ValueError(f"{shown(text)} is a unique id, left behind when a role is deleted; write the principal's ARN")
    if text != "*" and not any(shape.fullmatch(text) for shape in (_ACCOUNT, _SERVICE, _PRINCIPAL)):
        raise ValueError(
            f"{shown(text)} is not a principal; write an account id in quotes, the ARN of a role, user or session, "
            'a service like cloudtrail.amazonaws.com, or "*", without other wildcards'
        )
    return text
