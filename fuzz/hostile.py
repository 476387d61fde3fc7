"""Hostile input, made from bytes: policy documents and requests that are nearly right, and wrong in every way.

The bytes decide at each place which way to go, so that a fuzzer which changes bytes changes documents.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from threelocks.policy.condition import OPERATORS
from threelocks.policy.request import Caller, CallerKind, Request

OWNER, CONSUMER = "111111111111", "222222222222"
BUCKET = "arn:aws:s3:::datalake-curated-a"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/abcd1234-a123-456a-a12b-a123b4cd56ef"
ROLE = f"arn:aws:iam::{CONSUMER}:role/BIAnalyticsRole"

_ODD = (
    *(
        "",
        " ",
        "\0",
        "\n",
        "\u2028",
        "\ufeff",
        "\U0001f600",
        "\ud800",
        "\udc00",
        "\u0130",
        "\u00df",
        "e\u0301",
        "\uffff",
    ),
    *(
        "*",
        "?",
        "**",
        "*?*?*",
        "?" * 40,
        "*a" * 40,
        "*?" * 30 + "b",
        "${",
        "}",
        "${}",
        "${*}",
        "${?}",
        "${$}",
        "${${a}}",
    ),
    *("${aws:username}", "${aws:PrincipalTag/a, 'b'}", "${s3:prefix}", "${aws:TagKeys}", "a" * 3000, ":" * 7, "/" * 9),
)
_PLAIN = (
    *("sales/", "secret", "a", "b", "A", "1", "true", "false", "0", "-1", "1e5", "1e99999", "2026-11-23T10:00:00Z"),
    *("2026", "9999-12-31", "0000-00-00", "10.0.0.0/8", "::/0", "::ffff:1.2.3.4/96", "203.0.113.7", "eA==", "e"),
    *(OWNER, CONSUMER, BUCKET, f"{BUCKET}/*", f"{BUCKET}/sales/", KEY, ROLE, "arn:aws:iam::*:role/*"),
    *(f"arn:aws:iam::{CONSUMER}:root", f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/s", "arn:aws:s3:::"),
    *("AROAEXAMPLE123456789", "logging.s3.amazonaws.com", "arn:", "arn:aws", "arn:a:b:c:d:e:f", "vpce-0a"),
)
ACTIONS = (
    *(
        "*",
        "s3:*",
        "s3:GetObject",
        "s3:ListBucket",
        "kms:Decrypt",
        "kms:*",
        "kms:DescribeKey",
        "S3:gET*",
        "s3:Get?bject",
    ),
    *("", "s3", ":", "s3:GetObject*", "ec2:*", "s3:NoSuchAction"),
)
KEYS = (
    *("aws:SecureTransport", "aws:SourceVpce", "aws:PrincipalArn", "aws:userid", "aws:PrincipalOrgID", "s3:prefix"),
    *("aws:CurrentTime", "aws:TokenIssueTime", "aws:SourceIp", "aws:TagKeys", "aws:PrincipalTag/team", "s3:max-keys"),
    *("kms:EncryptionContext:aws:s3:arn", "kms:ViaService", "aws:SourceArn", "s3:x", "AWS:SOURCEVPCE", "", "a" * 300),
    *("aws:PrincipalOrgPaths", "kms:EncryptionContextKeys", "s3:ExistingObjectTag/a", "aws:PrincipalAccount"),
)
_OPERATORS = (*OPERATORS, "StringRhymes", "", "ForAllValues:", "IfExists", "ForAnyValue:Null", "stringequals")
_ELEMENTS = (
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Principal",
    "NotPrincipal",
    "Condition",
    "Sid",
    "Effect",
)


class Raw(str):
    """JSON text that stands for itself: what no serializer would write."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """An object that may hold the same name twice."""


class Maker:
    """Makes things by what a stream of bytes says; at its end, only the plainest."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def below(self, count: int) -> int:
        return (self.byte() if count <= 256 else self.byte() << 8 | self.byte()) % count

    def pick(self, choices: Any) -> Any:
        return choices[self.below(len(choices))]

    def rarely(self) -> bool:
        return self.byte() > 247

    def rest(self) -> bytes:
        rest, self._at = self._data[self._at :], len(self._data)
        return rest

    # --- documents ----------------------------------------------------------------------------------------------------

    def document(self) -> str:
        """The text of a policy document, or of something that looks like one."""
        form = self.byte()
        if form > 240:
            return self.rest().decode("utf-16" if form & 1 else "utf-8", "replace")
        elements = Members()
        if self.byte() < 230:
            elements.append(("Version", self.hostile() if self.rarely() else "2012-10-17"))
        statements = [self.statement() for _ in range(1 + self.below(6))]
        if self.rarely():
            statements *= 1 + self.below(60)
        elements.append(("Statement", self.hostile() if self.rarely() else statements))
        if self.rarely():
            elements.append((self.pick(("Id", "Statement", "Version", "x", "\ud800")), self.hostile()))
        return spelled(elements)

    def statement(self) -> Any:
        if self.rarely():
            return self.hostile()
        elements = Members([("Effect", self.hostile() if self.rarely() else self.pick(("Allow", "Allow", "Deny")))])
        elements.append((self.negated("Action"), self.some(lambda: self.pick(ACTIONS))))
        elements.append((self.negated("Resource"), self.some(self.text)))
        elements.append((self.negated("Principal"), self.principal()))
        if self.byte() > 128:
            elements.append(("Condition", self.conditions()))
        while self.rarely():
            elements.append((self.pick(_ELEMENTS), self.hostile()))
        if self.rarely():
            del elements[self.below(len(elements))]
        return elements

    def negated(self, element: str) -> str:
        return f"Not{element}" if self.byte() > 235 else element

    def some(self, one: Callable[[], Any]) -> Any:
        """One, or a list: short as a rule, now and then long."""
        if self.rarely():
            return self.hostile()
        if self.byte() < 128:
            return one()
        listed = [one() for _ in range(self.below(5))]
        return listed * (1 + self.below(200)) if self.rarely() else listed

    def principal(self) -> Any:
        if self.byte() < 100:
            return "*" if self.byte() < 128 else {"AWS": ROLE}
        kinds = ("AWS", "AWS", "Service", "Federated", "CanonicalUser", "aws", "Anyone")
        return Members((self.pick(kinds), self.some(self.text)) for _ in range(1 + self.below(3)))

    def conditions(self) -> Any:
        if self.rarely():
            return self.hostile()
        found = Members()
        for _ in range(1 + self.below(3)):
            operator = self.pick(("", "", "", "ForAllValues:", "ForAnyValue:")) + self.pick(_OPERATORS)
            keys = Members((self.pick(KEYS), self.some(self.text)) for _ in range(1 + self.below(2)))
            found.append(
                (operator + ("IfExists" if self.byte() > 200 else ""), self.hostile() if self.rarely() else keys)
            )
        return found

    def text(self) -> str:
        parts = []
        for _ in range(1 + self.below(4)):
            kind = self.byte()
            parts.append(self.pick(_PLAIN) if kind < 128 else self.pick(_ODD) if kind < 240 else chr(self.below(0x300)))
            if self.byte() < 128:
                break
        return "".join(parts)

    def hostile(self) -> Any:
        """A value of any type but the one that is expected."""
        deep = 1 + self.below(60) * (40 if self.rarely() else 1)
        return self.pick(
            (
                *(None, True, False, 0, -1, 10**30, "", [], {}, [[]], {"": {}}, [None], {"AWS": None}, {"AWS": {}}),
                *(Raw("1e400"), Raw("-0.0"), Raw("1.10"), Raw("NaN"), Raw("Infinity"), Raw('"\\ud800"'), Raw("tru")),
                *(
                    Raw("[" * deep + "]" * deep),
                    Raw('{"a":' * deep + "1" + "}" * deep),
                    Raw("[" * 9999),
                    Raw("9" * 5000),
                ),
                *(Raw('{"a":1,"a":2}'), Raw('"\\u0000"'), Raw(""), self.text()),
            )
        )

    # --- requests -----------------------------------------------------------------------------------------------------

    def request(self) -> Request:
        kind = self.pick(tuple(CallerKind))
        caller = Caller(
            kind,
            account=self.pick((CONSUMER, OWNER, "", "x")),
            name=self.pick(("BIAnalyticsRole", "x", "")) if self.byte() < 200 else self.text(),
            path=self.pick(("/", "/a/", "")),
            session=self.pick(("s", "")) if self.byte() < 200 else self.text(),
            unique_id=self.pick(("AROAEXAMPLE123456789", "")),
            has_boundary=self.pick((None, True, False)),
        )
        context = {
            self.pick(KEYS).lower(): tuple(self.text() for _ in range(self.pick((1, 1, 1, 0, 2, 3))))
            for _ in range(self.below(6))
        }
        return Request(caller, self.pick(ACTIONS), self.text(), self.pick((OWNER, CONSUMER, "")), context)


def spelled(value: Any) -> str:
    """As JSON, or as what only looks like it."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Members):
        return "{" + ",".join(f"{json.dumps(name)}:{spelled(one)}" for name, one in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(spelled, value)) + "]"
    if isinstance(value, dict):
        return spelled(Members(value.items()))
    return json.dumps(value)
