"""One call to AWS and its answer: what it may say, and what an error of it means.

The call is the only place where botocore's errors are understood. There are three outcomes: an answer; nothing there
(AWS says so, by a code that is listed for the call); and not known, which is everything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import unquote
from xml.etree.ElementTree import ParseError

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from threelocks.observation import Absent, Found, Source, Unreadable

T = TypeVar("T")

UNEXPECTED = "UnexpectedAnswer"  # the answer is not what the API promises
CHANGED = "ChangedWhileRead"  # gone between two calls of one observation

_LONGEST_MESSAGE = 1000  # characters of AWS's own words that are kept

# How the services spell "the caller lacks the permission".
_DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "Client.UnauthorizedOperation",
        "Forbidden",
        "NotAuthorized",
        "UnauthorizedAccess",
        "UnauthorizedOperation",
    }
)

# Another try may succeed, whatever the HTTP status. Throttling:
# https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html and
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_TRANSIENT = frozenset(
    {
        "BandwidthLimitExceeded",
        "DependencyTimeoutException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InternalFailure",
        "KMSInternalException",
        "LimitExceededException",
        "OperationAborted",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceFailure",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# What botocore raises for an answer that it cannot parse (a proxy's page, say): each of its parsers has its own ways.
_GARBLED = (ResponseParserError, ParseError, LookupError, TypeError, ValueError, AttributeError)
# Those among botocore's errors, and the garbled answers, that another try may not meet.
_PASSING = (HTTPClientError, BotoConnectionError, IncompleteReadError, *_GARBLED)
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Call:
    """An operation that the readers call, and what its errors mean."""

    service: str  # boto3's name
    operation: str  # the API's name
    method: str  # boto3's name of the operation
    permission: str  # the IAM action that allows it
    gone: frozenset[str]  # error codes: the bucket, key, role or policy that was asked about does not exist
    none: frozenset[str] = frozenset()  # error codes: it exists, and has no such setting

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation}"


def calls_of(service: str, *gone: str) -> Callable[[str, str], Call]:
    """Makes calls of one service from the names of operation and method: those that say by one of the same codes that
    what was asked about does not exist, and whose permission is called like the operation."""
    codes = frozenset(gone)
    return lambda operation, method: Call(service, operation, method, f"{service}:{operation}", codes)


class NothingThereError(Exception):
    """AWS answered that there is no such thing. `gone`: not even what the thing would be a part of."""

    def __init__(self, call: Call, message: str, *, gone: bool) -> None:
        super().__init__(message)
        self.call = call
        self.gone = gone


class UnreadError(Exception):
    """The question was not answered; `source` says why."""

    def __init__(self, source: Unreadable) -> None:
        super().__init__(source.message)
        self.source = source


def ask(call: Call, client: Callable[[], Any], parameters: Mapping[str, Any]) -> Answer:
    """Make the call. Raises NothingThereError and UnreadError, whatever AWS or the network does."""
    try:
        body = getattr(client(), call.method)(**parameters)
    except ClientError as error:
        raise _refused(call, error) from error
    except (BotoCoreError, *_GARBLED) as error:
        raise UnreadError(_failed(call, error)) from error
    return Answer(call, parameters, body)


def _refused(call: Call, error: ClientError) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", "")) or "Unknown"
    message = str(error.response.get("Error", {}).get("Message", ""))[:_LONGEST_MESSAGE]
    if code in call.none | call.gone:
        return NothingThereError(call, message, gone=code in call.gone)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return UnreadError(
        Unreadable(
            operation=call.name,
            error=code,
            message=message,
            permission=call.permission if code in _DENIED else "",
            transient=code in _TRANSIENT or status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR,
        )
    )


def _failed(call: Call, error: Exception) -> Unreadable:
    """The call was not made, got no answer, or one that botocore could not read."""
    message = str(error)[:_LONGEST_MESSAGE]
    return Unreadable(call.name, type(error).__name__, message, transient=isinstance(error, _PASSING))


def changed(call: Call, message: str) -> Unreadable:
    """Two answers of one observation contradict each other: something changed in between."""
    return Unreadable(call.name, CHANGED, message, transient=True)


def source(read: Callable[[], T], *, known: bool = False) -> Source[T]:
    """The outcome of reading one source.

    `known`: the bucket, key or role was seen a moment ago, so that an answer that it does not exist means that it was
    deleted in between, and says nothing about this part of it.
    """
    try:
        return Found(read())
    except NothingThereError as error:
        if known and error.gone:
            return changed(error.call, f"deleted while it was read: {error}")
        return Absent()
    except UnreadError as error:
        return error.source


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or a part of one, and how to take it apart: UnreadError when it is not what the API promises.

    A path is names with dots: `Role.PermissionsBoundary.PermissionsBoundaryArn`.
    """

    call: Call
    asked: Mapping[str, Any]
    body: Any
    where: str = ""  # the path of this part within the whole answer

    def _at(self, path: str) -> Any:
        value, names = self.body, path.split(".")
        for depth, name in enumerate(names):
            if value is None:
                return None
            if not isinstance(value, dict):
                raise self.unexpected(".".join(names[:depth]), "is not an object")
            value = value.get(name)
        return value

    def unexpected(self, path: str, problem: str) -> UnreadError:
        """The error for a part of the answer that cannot be understood."""
        told = ", ".join(f"{name}={value}" for name, value in self.asked.items())
        full = ".".join(part for part in (self.where, path) if part) or "the answer"
        asked = f" (asked with {told})" if told else ""
        return UnreadError(Unreadable(self.call.name, UNEXPECTED, f"`{full}` {problem}{asked}"))

    def _of(self, path: str, kind: type[T], word: str) -> T:
        value = self._at(path)
        if value is None:
            raise self.unexpected(path, "is missing")
        if not isinstance(value, kind):
            raise self.unexpected(path, f"is not {word}")
        return value

    def part(self, path: str) -> Answer:
        """An object within."""
        where = ".".join(part for part in (self.where, path) if part)
        return Answer(self.call, self.asked, self._of(path, dict, "an object"), where)

    def names(self) -> frozenset[str]:
        """Which names this object has, null or not."""
        return frozenset(self.body) if isinstance(self.body, dict) else frozenset()

    def has(self, path: str) -> bool:
        """Whether there is anything but null."""
        return self._at(path) is not None

    def value(self, path: str) -> Any:
        """Whatever stands there, None when it is left out: to be compared, not understood."""
        return self._at(path)

    def text(self, path: str) -> str:
        """A text with at least one character."""
        value = self._of(path, str, "a text")
        if not value:
            raise self.unexpected(path, "is empty")
        return value

    def maybe_text(self, path: str) -> str:
        """A text, or the empty one when it is left out."""
        return self._of(path, str, "a text") if self.has(path) else ""

    def flag(self, path: str) -> bool:
        """True or false."""
        return self._of(path, bool, "true or false")

    def maybe_flag(self, path: str) -> bool:
        """True or false; false when it is left out."""
        return self.has(path) and self.flag(path)

    def items(self, path: str) -> tuple[Answer, ...]:
        """The members of a list."""
        members = self._of(path, list, "a list")
        where = ".".join(part for part in (self.where, path) if part)
        return tuple(Answer(self.call, self.asked, member, f"{where}[{i}]") for i, member in enumerate(members))

    def texts(self, path: str) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(item.itself() for item in self.items(path))

    def itself(self) -> str:
        """This part, which is a text."""
        if not isinstance(self.body, str) or not self.body:
            raise self.unexpected("", "is not a text")
        return self.body

    def pairs(self, path: str) -> tuple[tuple[str, str], ...] | None:
        """An object of texts as sorted pairs; None when it is left out."""
        if not self.has(path):
            return None
        pairs = self._of(path, dict, "an object")
        if not all(isinstance(value, str) for value in pairs.values()):
            raise self.unexpected(path, "has a value that is not a text")
        return tuple(sorted(pairs.items()))

    def moment(self, path: str) -> datetime | None:
        """A time; None when it is left out. botocore gives it parsed; the command line tool prints ISO 8601 (version 2)
        or seconds since the epoch (version 1)."""
        value = self._at(path)
        if value is None:
            return None
        try:
            parsed = _moment(value)
        except (TypeError, ValueError, OverflowError, OSError):
            raise self.unexpected(path, "is not a time") from None
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)

    def document(self, path: str) -> str:
        """A policy document, as JSON text. botocore decodes those of IAM, which travel URL-encoded, and hands over the
        text as it came when it is no JSON."""
        value = self._at(path)
        if isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False)
        text = self.text(path)
        return text if text.lstrip().startswith("{") else unquote(text)


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromisoformat(value)
