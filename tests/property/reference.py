"""A second, slow and literal reading of AWS's documentation, to hold `threelocks.policy` against.

It takes policies as plain JSON and a request as a plain record, and shares no code with the package. Where it can, it
goes another way: regular expressions instead of automata, ARNs split at their colons, addresses as integers, numbers as
fractions. True, False and None stand for yes, no and "AWS does not say".
"""

from __future__ import annotations

import base64
import binascii
import calendar
import re
import socket
import time
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

Answer = bool | None


def either(answers: list[Answer]) -> Answer:
    if any(answer is True for answer in answers):
        return True
    return None if None in answers else False


def both(answers: list[Answer]) -> Answer:
    if any(answer is False for answer in answers):
        return False
    return None if None in answers else True


def opposite(answer: Answer) -> Answer:
    return None if answer is None else not answer


@dataclass(frozen=True)
class Asking:
    """A request. `kind` is one of role, user, federated, root, service, anonymous."""

    kind: str
    account: str = ""
    name: str = ""
    path: str = "/"
    session: str = ""
    unique_id: str = ""
    bounded: bool | None = False
    action: str = "s3:GetObject"
    resource: str = "*"
    owner: str = "111111111111"
    context: dict[str, tuple[str, ...]] = field(default_factory=dict)
    through: str = ""  # the resource as an access point's policy names it

    def values(self, key: str) -> tuple[str, ...] | None:
        for name, values in self.context.items():
            if name.lower() == key.lower():
                return values
        return {name.lower(): (value,) for name, value in self.own_keys().items()}.get(key.lower())

    def own_keys(self) -> dict[str, str]:
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable"""
        iam = f"arn:aws:iam::{self.account}:"
        person = {"aws:PrincipalAccount": self.account, "aws:PrincipalIsAWSService": "false"}
        if self.kind == "role":
            arn = f"{iam}role{self.path}{self.name}"
            userid = f"{self.unique_id}:{self.session}"
            return {**person, "aws:PrincipalArn": arn, "aws:PrincipalType": "AssumedRole", "aws:userid": userid}
        if self.kind == "user":
            arn = f"{iam}user{self.path}{self.name}"
            named = {"aws:userid": self.unique_id, "aws:username": self.name}
            return {**person, **named, "aws:PrincipalArn": arn, "aws:PrincipalType": "User"}
        if self.kind == "federated":
            arn = f"arn:aws:sts::{self.account}:federated-user/{self.name}"
            userid = f"{self.account}:{self.name}"
            return {**person, "aws:PrincipalArn": arn, "aws:PrincipalType": "FederatedUser", "aws:userid": userid}
        if self.kind == "root":
            named = {"aws:PrincipalArn": f"{iam}root", "aws:userid": self.account}
            return {**person, **named, "aws:PrincipalType": "Account"}
        if self.kind == "service":
            return {"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": self.name}
        return {"aws:PrincipalType": "Anonymous", "aws:userid": "anonymous"}


# --- wildcards and variables ------------------------------------------------------------------------------------------

ANY_RUN, ANY_ONE = object(), object()  # tokens beside single characters

# Keys of list type: they can be neither a policy variable nor tested without a quantifier.
LISTS = {"aws:tagkeys", "aws:calledvia", "aws:principalorgpaths", "kms:encryptioncontextkeys"}


def tokens(text: str, asking: Asking | None, *, wild: bool) -> list[Any] | None:
    """Characters and wildcards; None when a variable has no value. Without `asking` there are no variables."""
    out: list[Any] = []
    rest = text
    while rest:
        variable = re.match(r"\$\{([^{}]+)\}", rest) if asking else None
        if variable:
            value = variable_value(variable[1], asking)
            if value is None:
                return None
            out += list(value)
            rest = rest[variable.end() :]
            continue
        out.append({"*": ANY_RUN, "?": ANY_ONE}.get(rest[0], rest[0]) if wild else rest[0])
        rest = rest[1:]
    return out


def variable_value(inner: str, asking: Asking | None) -> str | None:
    if inner in ("*", "?", "$"):
        return inner
    name, comma, default = (part.strip() for part in inner.partition(","))
    assert asking is not None
    values = asking.values(name)
    if values is None:
        return default[1:-1] if comma else None
    return values[0] if len(values) == 1 and name.lower() not in LISTS else None


def units(text: str) -> str:
    return "".join(chr(unit) for unit in memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H"))


def like(pattern: list[Any], text: str, *, fold: bool = False) -> bool:
    parts = []
    for token in pattern:
        if token is ANY_RUN:
            parts.append(".*")
        elif token is ANY_ONE:
            parts.append(".")
        else:
            parts.append(re.escape(units(token)))
    flags = re.DOTALL | (re.IGNORECASE if fold else 0)
    return re.fullmatch("".join(parts), units(text), flags) is not None


def arn_like(pattern: list[Any], text: str) -> bool:
    segments: list[list[Any]] = [[]]
    for token in pattern:
        if token == ":" and len(segments) < 6:
            segments.append([])
        else:
            segments[-1].append(token)
    values = text.split(":", 5)
    if len(segments) != 6 or len(values) != 6:
        return False
    return all(like(segment, value) for segment, value in zip(segments, values, strict=True))


# --- conditions -------------------------------------------------------------------------------------------------------


def number(text: str) -> Fraction | None:
    if not re.fullmatch(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", text):
        return None
    return Fraction(text)


def instant(text: str) -> Fraction | None:
    """Seconds since 1970, from that number or from one of the forms of https://www.w3.org/TR/NOTE-datetime"""
    if re.fullmatch("-?[0-9]{1,11}", text):
        return Fraction(text)
    found = re.fullmatch(
        r"(\d{4})-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(?:Z|([+-])(\d\d):(\d\d))?)?)?", text, re.ASCII
    )
    if not found:
        return None
    year, month, day, hour, minute, second = (
        int(part or first) for part, first in zip(found.groups()[:6], (0, 1, 1, 0, 0, 0), strict=True)
    )
    try:
        time.strptime(f"{year:04d}-{month}-{day} {hour}:{minute}:{min(second, 59)}", "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None
    if second > 59:
        return None
    seconds = calendar.timegm((year, month, day, hour, minute, second)) + Fraction(found[7] or "0")
    offset = int(found[9] or 0) * 3600 + int(found[10] or 0) * 60
    return seconds - offset if found[8] != "-" else seconds + offset


def address(text: str) -> tuple[int, int] | None:
    """Width in bits, and the address as an integer; ::ffff:1.2.3.4 is 1.2.3.4."""
    for family, bits in ((socket.AF_INET, 32), (socket.AF_INET6, 128)):
        try:
            value = int.from_bytes(socket.inet_pton(family, text), "big")
        except (OSError, ValueError):
            continue
        if bits == 128 and value >> 32 == 0xFFFF:
            return 32, value & 0xFFFFFFFF
        return bits, value
    return None


def within(text: str, block: str) -> Answer:
    """None when the block is none."""
    start, slash, length = block.partition("/")
    where, there = address(start), address(text)
    if where is None or there is None or (slash and not re.fullmatch("[0-9]{1,3}", length)):
        return None
    six = ":" in start
    size = int(length) if slash else (128 if six else 32)
    if size > (128 if six else 32):
        return None
    if six and where[0] == 32:  # a mapped block
        size -= 96
    bits, first = where
    if size < 0:
        return None
    free = bits - size
    if six and first & ((1 << free) - 1):
        return None
    return bits == there[0] and first >> free == there[1] >> free


def is_arn(text: str) -> bool:
    return text.startswith("arn:") and text.count(":") >= 5


def compared(operator: str, value: str, wanted: str, asking: Asking | None) -> Answer:
    """Whether one value of the request equals, is like, is before, ... one value of the policy; of a negated operator
    whether the positive one would hold.
    """
    positive = operator.replace("Not", "")
    if positive.startswith(("String", "Arn")):
        pattern = tokens(wanted, asking, wild=positive in ("StringLike", "ArnEquals", "ArnLike"))
        if pattern is None:
            return None if operator != positive and may_void(wanted) else False
        if positive.startswith("String"):
            return like(pattern, value, fold=positive.endswith("IgnoreCase"))
        if wanted == "*" or (operator != positive and sum(token == ":" for token in pattern) < 5):
            return None
        return arn_like(pattern, value)
    if positive == "Bool":
        return wanted.lower() in ("true", "false") and value.lower() == wanted.lower()
    if positive == "BinaryEquals":
        return decoded(value) is not None and decoded(value) == decoded(wanted)
    if positive == "IpAddress":
        found = within(value, wanted)
        return found if found is not None else (None if operator != positive else False)
    if positive.startswith("Date") and {len(text) for text in (value, wanted) if re.fullmatch("[0-9]+", text)} >= {4}:
        return None  # a year, or so many seconds since 1970
    read = number if positive.startswith("Numeric") else instant
    left, right = read(value), read(wanted)
    if left is None or right is None:
        return False
    relation = re.sub("^(Numeric|Date)", "", positive)
    return {
        "Equals": left == right,
        "LessThan": left < right,
        "LessThanEquals": left <= right,
        "GreaterThan": left > right,
        "GreaterThanEquals": left >= right,
    }[relation]


def may_void(wanted: str) -> bool:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable"""
    named = {inner.partition(",")[0].strip().lower() for inner in re.findall(r"\$\{([^{}]+)\}", wanted)}
    return bool(named & {"aws:username", *LISTS})


def decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None


def one_value(operator: str, value: str, wanted: list[str], asking: Asking | None) -> Answer:
    if operator.startswith("Arn") and not is_arn(value):
        return False
    if "IpAddress" in operator and address(value) is None:
        return False
    found = either([compared(operator, value, each, asking) for each in wanted])
    return opposite(found) if "Not" in operator else found


def condition(written: str, key: str, wanted: list[str], asking: Asking, *, variables: bool) -> Answer:
    quantifier, _, operator = written.rpartition(":")
    if_exists = operator.endswith("IfExists")
    operator = operator.removesuffix("IfExists")
    values = asking.values(key)
    if operator == "Null":
        return either([(values is None) == (each.lower() == "true") for each in wanted])
    is_list = key.lower() in LISTS
    substitution = asking if variables else None
    if quantifier == "ForAllValues":
        return both([one_value(operator, value, wanted, substitution) for value in values or () if value != ""])
    if quantifier == "ForAnyValue":
        if not values:
            return None if if_exists else False
        return either([one_value(operator, value, wanted, substitution) for value in values])
    if values is None:
        missing = if_exists or "Not" in operator
        return None if missing and is_list else missing
    if is_list or len(values) != 1:
        return False
    return one_value(operator, values[0], wanted, substitution)


# --- principals -------------------------------------------------------------------------------------------------------


def forms(kind: str, entry: str, asking: Asking) -> dict[str, Answer]:
    """In which forms an entry of a Principal element names the caller: anyone, account, identity, session, ..."""
    if kind == "Service":
        return {"service": True} if asking.kind == "service" and entry == asking.name else {}
    if kind == "AWS" and entry == "*":
        return {"anyone": None if asking.kind == "service" else True}
    if asking.kind in ("service", "anonymous"):
        return {}
    if kind == "Federated":
        return {"federated": None} if asking.kind == "role" else {}
    if kind == "CanonicalUser":
        return {"canonical": None}
    if entry in (asking.account, f"arn:aws:iam::{asking.account}:root"):
        return {"account": True}
    if entry == asking.unique_id:
        return {"identity id": True}
    identity = f"arn:aws:iam::{asking.account}:{asking.kind}/"
    if asking.kind in ("role", "user") and entry.startswith(identity) and not set(entry) & set("*?"):
        return {"identity": True} if entry.rpartition("/")[2] == asking.name else {}
    sts = f"arn:aws:sts::{asking.account}:"
    own = {
        "role": f"{sts}assumed-role/{asking.name}/{asking.session}",
        "federated": f"{sts}federated-user/{asking.name}",
    }
    return {"session": True} if own.get(asking.kind) == entry else not_documented(entry, asking)


def not_documented(entry: str, asking: Asking) -> dict[str, Answer]:
    """A form of principal that AWS's pages do not have: perhaps anybody, or anybody of its account."""
    if _DOCUMENTED.fullmatch(entry) or set(entry) & set("*?"):
        return {}
    account = re.match(r"arn:[^:]*:[^:]*:[^:]*:(\d{12}):", entry)
    return {} if account and account[1] != asking.account else {"unknown": None}


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
_DOCUMENTED = re.compile(
    r"\d{12}|A(ROA|IDA|GPA|SIA)[A-Z0-9]{12,}|arn:[^:]+:iam::\d{12}:(root|(user|role|group)/(.*/)?[^/]+)"
    r"|arn:[^:]+:iam::cloudfront:user/.+|arn:[^:]+:sts::\d{12}:(assumed-role/[^/]+/[^/]+|federated-user/[^/]+)"
)


def entries(element: Any) -> list[tuple[str, str]]:
    if element == "*":
        return [("AWS", "*")]
    return [(kind, entry) for kind, listed in element.items() for entry in as_list(listed)]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def about_caller(statement: dict[str, Any], asking: Asking, layer: str) -> Answer:
    if layer in ("identity", "boundary", "session", "scp"):
        return True
    if "NotPrincipal" in statement:
        return not_principal(statement, asking)
    if "Principal" not in statement:
        return False
    found: list[Answer] = []
    for kind, entry in entries(statement["Principal"]):
        named = forms(kind, entry, asking)
        for form, answer in named.items():
            if form == "anyone" and (layer == "rcp" or (layer != "endpoint" and statement["Effect"] == "Deny")):
                found.append(True)  # AWS services too
            elif layer != "endpoint" or form == "anyone":
                found.append(answer)
            elif form == "account":
                found.append(answer if asking.kind == "root" else False)
            else:
                found.append(None)
    return either(found)


def not_principal(statement: dict[str, Any], asking: Asking) -> Answer:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html"""
    named: dict[str, Answer] = {}
    for kind, entry in entries(statement["NotPrincipal"]):
        for form, answer in forms(kind, entry, asking).items():
            named[form] = either([named.get(form, False), answer])
    if not named:
        return True
    deny = statement["Effect"] == "Deny"
    if deny and asking.bounded:
        return True
    needed = {
        "role": {"account", "identity", "session"},
        "user": {"account", "identity"},
        "federated": {"account", "identity"},
        "root": {"account"},
        "service": {"service"},
        "anonymous": {"account"},
    }[asking.kind]
    exempt = named.get("anyone") is True or all(named.get(form) is True for form in needed)
    if not exempt or (deny and asking.bounded is None and asking.kind in ("role", "user", "federated")):
        return None
    return False


# --- statements and layers --------------------------------------------------------------------------------------------


def speaks(statement: dict[str, Any], version: str, asking: Asking, layer: str) -> Answer:
    variables = version == "2012-10-17"
    conditions = [
        condition(operator, key, [str(each) for each in as_list(wanted)], asking, variables=variables)
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    ]
    return both(
        [
            about_caller(statement, asking, layer),
            about_action(statement, asking),
            about_resource(statement, asking, variables=variables),
            *conditions,
        ]
    )


def about_action(statement: dict[str, Any], asking: Asking) -> Answer:
    for element in ("Action", "NotAction"):
        if element in statement:
            patterns = [tokens(text.lower(), None, wild=True) or [] for text in as_list(statement[element])]
            return any(like(pattern, asking.action.lower()) for pattern in patterns) == (element == "Action")
    return False


def about_resource(statement: dict[str, Any], asking: Asking, *, variables: bool) -> Answer:
    for element in ("Resource", "NotResource"):
        if element in statement:
            patterns = [tokens(text, asking if variables else None, wild=True) for text in as_list(statement[element])]
            listed = any(like(pattern, asking.resource) for pattern in patterns if pattern is not None)
            if element == "Resource":
                return listed
            return False if listed else (None if None in patterns else True)
    return False


@dataclass(frozen=True)
class Held:
    """All policies, as JSON; None: not asked."""

    identity: list[dict[str, Any]] | None = None
    boundary: dict[str, Any] | None = None
    session: list[dict[str, Any]] | None = None
    scps: list[list[dict[str, Any]]] = field(default_factory=list)
    rcps: list[list[dict[str, Any]]] = field(default_factory=list)
    endpoint: dict[str, Any] | None = None
    resource: list[dict[str, Any]] | None = None
    grants: dict[str, Any] | None = None
    access_point: list[dict[str, Any]] | None = None
    restrict_public: bool = False


@dataclass
class Said:
    """What one layer says: of Allow and Deny, and of each allowing statement."""

    layer: str
    allow: Answer
    deny: Answer
    allowing: list[tuple[dict[str, Any], Answer]]


def said(layer: str, documents: list[dict[str, Any]], asking: Asking) -> Said:
    spoken = [
        (statement, speaks(statement, document.get("Version", "2008-10-17"), asking, layer))
        for document in documents
        for statement in as_list(document["Statement"])
    ]
    allowing = [(statement, answer) for statement, answer in spoken if statement["Effect"] == "Allow"]
    denying = [answer for statement, answer in spoken if statement["Effect"] == "Deny"]
    return Said(layer, either([answer for _, answer in allowing]), either(denying), allowing)


def decide(asking: Asking, held: Held) -> str:
    """Allowed, ImplicitlyDenied, ExplicitlyDenied or Unknown."""
    layers = asked_layers(asking, held)
    if held.restrict_public and asking.kind != "service" and asking.account != asking.owner:
        return "ExplicitlyDenied"
    denied = either([layer.deny for layer in layers])
    if denied is True:
        return "ExplicitlyDenied"
    allowed = allowed_by(asking, held, {layer.layer: layer for layer in layers}, layers)
    if allowed is False:
        return "ImplicitlyDenied"
    return "Unknown" if denied is None or allowed is None else "Allowed"


def asked_layers(asking: Asking, held: Held) -> list[Said]:
    layers: list[Said] = []
    if asking.kind in ("role", "user", "federated"):
        for layer, documents in (
            ("identity", held.identity),
            ("boundary", None if held.boundary is None else [held.boundary]),
            ("session", held.session),
        ):
            if documents is not None:
                layers.append(said(layer, documents, asking))
    if asking.kind in ("role", "user", "federated", "root"):
        layers += [said("scp", level, asking) for level in held.scps]
    if asking.action.lower() != "kms:retiregrant":
        layers += [said("rcp", level, asking) for level in held.rcps]
    for layer, documents in (
        ("endpoint", None if held.endpoint is None else [held.endpoint]),
        ("resource", held.resource),
        ("grant", None if held.grants is None else [held.grants]),
    ):
        if documents is not None:
            layers.append(said(layer, documents, asking))
    if held.access_point is not None:
        below = replace(asking, resource=asking.through)
        layers.append(said("access point", held.access_point, below))
    return layers


def allowed_by(asking: Asking, held: Held, of: dict[str, Said], layers: list[Said]) -> Answer:
    def allow(layer: str, *, otherwise: Answer = True) -> Answer:
        return of[layer].allow if layer in of else otherwise

    ceilings = both([layer.allow for layer in layers if layer.layer in ("scp", "rcp", "endpoint")])
    limits = both([allow("boundary"), allow("session")])
    if held.resource is None and held.grants is None:
        own = asking.account == asking.owner
        return both([ceilings, allow("identity"), limits, *([] if own else [allow("access point")])])
    if asking.kind in ("service", "anonymous") or asking.account != asking.owner:
        by_resource = either([allow("resource", otherwise=False), allow("grant", otherwise=False)])
        return both([ceilings, allow("identity"), limits, by_resource, allow("access point")])
    # Inside one account: how the resource's policies name the caller decides what still limits it.
    named: dict[str, list[Answer]] = {}
    for layer in ("resource", "grant"):
        for statement, answer in of[layer].allowing if layer in of else []:
            if "NotPrincipal" in statement:
                named.setdefault("anyone", []).append(answer)
                continue
            for kind, entry in entries(statement.get("Principal", {})):
                for form, surely in forms(kind, entry, asking).items():
                    named.setdefault(strength(form, statement, asking), []).append(both([answer, surely]))
    directly = {form: either(answers) for form, answers in named.items()}
    ways = [
        directly.get("itself", False),
        both([directly.get("role", False), limits]),
        both([directly.get("anyone", False), either([limits, None])]),
        both([allow("identity"), limits, delegated(asking, directly)]),
    ]
    return both([ceilings, either(ways)])


def delegated(asking: Asking, directly: dict[str, Answer]) -> Answer:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"""
    if not asking.action.lower().startswith("kms:"):
        return True
    return either([directly.get("account", False), directly.get("anyone", False)])


def strength(form: str, statement: dict[str, Any], asking: Asking) -> str:
    if form == "anyone":
        keys = {key.lower() for keys in statement.get("Condition", {}).values() for key in keys}
        return "itself" if "aws:principalarn" in keys else "anyone"
    if form in ("account", "canonical"):
        return "itself" if asking.kind == "root" else "account"
    if form in ("identity", "identity id"):
        return "role" if asking.kind == "role" else "itself"
    return "itself"
