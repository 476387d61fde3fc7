"""Observations from one JSON file instead of AWS: what people pasted from the AWS CLI. See docs/snapshot.md.

The file has a part for each party, and a part has a section for each operation, with AWS's answer as it came. The same
reader that reads AWS reads it, through clients that answer from the file: a section left out is an operation that was
not answered, null is the answer that there is no such thing.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from threelocks.aws.answer import UNEXPECTED, Answer, Call, source
from threelocks.aws.ceilings import DESCRIBE_ENDPOINTS, DESCRIBE_ORGANIZATION
from threelocks.aws.ceilings import DESCRIBE_POLICY as _DESCRIBE_POLICY
from threelocks.aws.read import (
    CALLS,
    DESCRIBE_KEY,
    GET_ACCESS_POINT_POLICY,
    GET_ACCOUNT_BLOCK,
    GET_BUCKET_LOCATION,
    GET_KEY_POLICY,
    GET_POLICY,
    GET_POLICY_VERSION,
    GET_ROLE,
    GET_ROLE_POLICY,
    LIST_ACCESS_POINTS,
    LIST_ATTACHED_POLICIES,
    LIST_GRANTS,
    LIST_KEY_POLICIES,
    LIST_ROLE_POLICIES,
    AwsObserver,
)
from threelocks.contract import Contract, Organizations
from threelocks.observation import (
    LEFT_OUT,
    Absent,
    CeilingObservation,
    Found,
    Membership,
    NamedPolicy,
    Observation,
    PolicyLevel,
    Source,
    Unreadable,
)

OWNER, CONSUMER, KEY_HOLDER = "owner", "consumer", "key_holder"
_TAKEN = "taken"


class SnapshotError(Exception):
    """The file is not a snapshot; the text names the place in it."""


def load(path: Path, contract: Contract, *, now: Callable[[], datetime]) -> tuple[Observation, ...]:
    """One observation per party of the contract, from a file; `now` serves when the file does not say when it was
    taken. Raises SnapshotError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SnapshotError(f"cannot read `{path}`: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SnapshotError(f"`{path}` is not UTF-8 text; save it as UTF-8") from error
    try:
        return observations(text, contract, now=now)
    except SnapshotError as error:
        raise SnapshotError(f"`{path}`: {error}") from error


def observations(text: str, contract: Contract, *, now: Callable[[], datetime]) -> tuple[Observation, ...]:
    """One observation per party of the contract, from the text of a snapshot. Raises SnapshotError."""
    whole = _parsed(text)
    accounts = {OWNER: contract.owner.account, CONSUMER: contract.consumer.account}
    if contract.key_holder:
        accounts[KEY_HOLDER] = contract.key_holder.account
    _only(whole, (_TAKEN, *accounts), "")
    taken = _taken(whole.get(_TAKEN)) or now()
    return tuple(_observation(whole.get(name), name, account, contract, taken) for name, account in accounts.items())


def _observation(given: Any, name: str, account: str, contract: Contract, taken: datetime) -> Observation:
    part = _part({} if given is None else given, name, _held(name, contract))
    # The policies of organizations stand in the parts of those below them, whoever reads them.
    alone = contract.model_copy(update={"organizations": Organizations()})
    observation = AwsObserver(part, lambda: taken).observe(alone, account)
    for unread in _unread(observation):
        if unread.error == UNEXPECTED:
            raise SnapshotError(f"`{name}.{_section(_CALLS_BY_NAME[unread.operation])}`: {unread.message}")
    return replace(observation, ceilings=_with_organization(observation.ceilings, part, contract))


def _with_organization(ceilings: CeilingObservation, part: _Part, contract: Contract) -> CeilingObservation:
    """The policies of organizations, as the part has them. Where the contract says who reads them, the file must."""
    readers = contract.organizations
    if part.name == CONSUMER:
        scps = part.above("scps", expected=readers.consumer is not None)
        place = _place(contract, ceilings.organization, scps) if readers.consumer else None
        return replace(ceilings, scps=scps, consumer_path=place)
    if part.name == OWNER:
        return replace(ceilings, rcps=part.above("rcps", expected=readers.owner is not None))
    return replace(ceilings, key_rcps=part.above("rcps", expected=readers.key_holder is not None))


_Levels = Source[tuple[PolicyLevel, ...]]


def _place(contract: Contract, organization: Source[Membership] | None, scps: _Levels | None) -> Source[str] | None:
    """Where the consumer is, as the levels above it tell."""
    if not contract.premises.consumer_org_path:
        return None
    if isinstance(organization, Found) and isinstance(scps, Found) and scps.value:
        *above, _ = (level.target for level in scps.value)
        return Found("/".join((organization.value.id, *above, "")))
    message = "the snapshot's `consumer.DescribeOrganization` and `consumer.scps` do not tell where the consumer is"
    return Unreadable("organizations:ListParents", LEFT_OUT, message)


def _unread(observation: Observation) -> Iterator[Unreadable]:
    for held in (observation.role, observation.bucket, observation.key):
        if held is not None:
            values = (getattr(held, field.name) for field in fields(held))
            yield from (value for value in values if isinstance(value, Unreadable))
    above = (*(each.endpoint for each in observation.ceilings.endpoints), observation.ceilings.organization)
    yield from (source for source in above if isinstance(source, Unreadable))


# --- The file ---


def _parsed(text: str) -> dict[str, Any]:
    try:
        whole = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise SnapshotError(f"not JSON: line {error.lineno}, column {error.colno}: {error.msg.lower()}") from error
    except RecursionError:
        raise SnapshotError("nested too deeply; paste AWS's answers as they came") from None
    except ValueError:  # Python's limit of digits
        raise SnapshotError("a number in it is too long; paste AWS's answers as they came") from None
    if not isinstance(whole, dict):
        raise SnapshotError('not an object; write {"owner": {...}, "consumer": {...}}, as docs/snapshot.md shows')
    return whole


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a name that is there twice would hide what stands first."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise SnapshotError(f"`{name}` is there twice in one object; merge the two")
        made[name] = value
    return made


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SnapshotError(f"`{where}` is not an object; write {{...}}")
    return value


def _only(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean `{close[0]}`?" if close else f"; known here: {', '.join(known)}"
            raise SnapshotError(f"`{where}{name}` is not a part of a snapshot for this contract{hint}")


def _taken(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise SnapshotError(f"`{_TAKEN}` is not a time with its zone; write for example 2026-11-20T09:30:00Z")
    return moment


# --- The sections of a part ---

_ALL = (*CALLS, DESCRIBE_ENDPOINTS, DESCRIBE_ORGANIZATION)
_CALLS_BY_NAME = {call.name: call for call in _ALL}
_CALLS_BY_METHOD = {(call.service, call.method): call for call in _ALL}

# A list that is null is empty.
_LISTS = {
    LIST_ROLE_POLICIES: "PolicyNames",
    LIST_ATTACHED_POLICIES: "AttachedPolicies",
    LIST_KEY_POLICIES: "PolicyNames",
    LIST_GRANTS: "Grants",
    LIST_ACCESS_POINTS: "AccessPointList",
}
# The operations by which a thing exists at all: null means that it does not.
_WHOLES = (GET_BUCKET_LOCATION, GET_ROLE, DESCRIBE_KEY, DESCRIBE_ENDPOINTS)


@dataclass(frozen=True, slots=True)
class _PerPolicy:
    """An operation that is asked once per policy. Its section is one answer, or an object of answers by `key`."""

    key: str  # the request parameter that names the policy
    mark: str  # what an answer has, and an object of answers has not
    itself: Callable[[Mapping[str, Any]], Any]  # the policy's name as an answer says it; None when it does not


_PER_POLICY = {
    GET_ROLE_POLICY: _PerPolicy("PolicyName", "PolicyDocument", lambda answer: answer.get("PolicyName")),
    GET_KEY_POLICY: _PerPolicy("PolicyName", "Policy", lambda answer: answer.get("PolicyName", "default")),
    GET_POLICY: _PerPolicy("PolicyArn", "Policy", lambda answer: _object(answer["Policy"], "Policy").get("Arn")),
    GET_ACCESS_POINT_POLICY: _PerPolicy("Name", "Policy", lambda _: None),
    GET_POLICY_VERSION: _PerPolicy("PolicyArn", "PolicyVersion", lambda _: None),
}


def _section(call: Call) -> str:
    """A section's name: the operation's. Two have the same, and the account's then says its service."""
    return call.name if call is GET_ACCOUNT_BLOCK else call.operation


def _held(name: str, contract: Contract) -> tuple[Call, ...]:
    """The calls that read what a party holds."""
    services = {
        OWNER: ("s3", "s3control", "organizations", *(() if contract.key_holder else ("kms",))),
        CONSUMER: ("iam", "ec2", "organizations"),
        KEY_HOLDER: ("kms",),
    }[name]
    return tuple(call for call in _ALL if call.service in services)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one party pasted; a session.ClientSource that answers from it."""

    name: str
    sections: Mapping[Call, Any]
    ceilings: Mapping[str, Source[tuple[PolicyLevel, ...]]]  # of organizations, which the reader does not read

    def client(self, service: str, region: str) -> Any:  # noqa: ARG002 - the file knows no regions
        return _Client(self, service)

    def above(self, field: str, *, expected: bool) -> Source[tuple[PolicyLevel, ...]] | None:
        """The policies of an organization; None where nobody expects them."""
        if field in self.ceilings or not expected:
            return self.ceilings.get(field)
        message = f"the snapshot has no section `{self.name}.{field}`; add it"
        return Unreadable(_DESCRIBE_POLICY.name, LEFT_OUT, message)

    def answer(self, call: Call, asked: Mapping[str, Any]) -> Any:
        where = f"{self.name}.{_section(call)}"
        if call is DESCRIBE_KEY and "alias/" in asked["KeyId"]:
            raise _error(
                call, LEFT_OUT, f"`{where}` is of the agreed key; which key `{asked['KeyId']}` is, it cannot say"
            )
        if call not in self.sections:
            raise _error(call, LEFT_OUT, f"the snapshot has no section `{where}`; add it")
        body = self.sections[call]
        if body is None:
            return _nothing(call, where)
        _object(body, where)
        if "NextToken" in body:
            raise SnapshotError(f"`{where}` was cut short; ask again without --max-items")
        if call is DESCRIBE_ENDPOINTS:
            _has_all(body, asked["VpcEndpointIds"], where)
        return _of_policy(call, body, asked, where) if call in _PER_POLICY else body


@dataclass(frozen=True, slots=True)
class _Client:
    """Has the methods of a boto3 client that the readers call."""

    part: _Part
    service: str

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call = _CALLS_BY_METHOD.get((self.service, method))
        if call is None:
            raise AttributeError(method)
        return partial(self._answer, call)

    def _answer(self, call: Call, /, **asked: Any) -> Any:
        return self.part.answer(call, asked)


def _error(call: Call, code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, call.operation)


def _nothing(call: Call, where: str) -> dict[str, list[Any]]:
    """What null stands for."""
    if call in _LISTS:
        return {_LISTS[call]: []}
    codes = call.none or (call.gone if call in _WHOLES else ())
    if not codes:
        raise SnapshotError(
            f"`{where}` is null, but AWS always has an answer to it; paste the answer, or leave the section out"
        )
    raise _error(call, min(codes), "null in the snapshot")


def _has_all(body: Mapping[str, Any], wanted: tuple[str, ...], where: str) -> None:
    """One answer has every endpoint that the contract names."""
    listed = body.get("VpcEndpoints")
    held = {each.get("VpcEndpointId") for each in listed if isinstance(each, dict)} if isinstance(listed, list) else ()
    for name in wanted:
        if isinstance(listed, list) and name not in held:
            raise _error(DESCRIBE_ENDPOINTS, LEFT_OUT, f"the snapshot's section `{where}` has no `{name}`; add it")


def _of_policy(call: Call, body: Mapping[str, Any], asked: Mapping[str, Any], where: str) -> Any:
    """The answer about the policy that is asked for."""
    kind = _PER_POLICY[call]
    policy = asked[kind.key]
    if kind.mark in body:
        named = kind.itself(body)
        if named is None:
            raise SnapshotError(f'`{where}` does not say which policy it is of; write {{"<{kind.key}>": {{...}}}}')
        answers: Mapping[str, Any] = {named: body}
    else:
        answers = body
    if policy not in answers:
        raise _error(call, LEFT_OUT, f"the snapshot's section `{where}` has no `{policy}`; add it")
    if answers[policy] is None and call.none:
        raise _error(call, min(call.none), "null in the snapshot")
    answer = _object(answers[policy], f"{where}.{policy}")
    if call is GET_POLICY_VERSION:
        _is_default(call, answer, asked, f"{where}.{policy}")
    return answer


def _is_default(call: Call, answer: Mapping[str, Any], asked: Mapping[str, Any], where: str) -> None:
    """A version that is not the default one is not in force."""
    version = _object(answer.get("PolicyVersion"), f"{where}.PolicyVersion").get("VersionId")
    if version != asked["VersionId"]:
        message = f"`{where}` is version `{version}`, and `{asked['VersionId']}` is the default one; paste that"
        raise _error(call, LEFT_OUT, message)


def _part(given: Any, name: str, held: tuple[Call, ...]) -> _Part:
    part = _object(given, name)
    calls = {call.name: call for call in held} | {_section(call): call for call in held}
    ceilings = _CEILINGS[name]
    _only(part, (*dict.fromkeys(map(_section, held)), *calls, *ceilings), f"{name}.")
    sections: dict[Call, Any] = {}
    for section, body in part.items():
        if section in calls:
            if calls[section] in sections:
                raise SnapshotError(f"`{name}.{section}` is there under two names; keep one")
            sections[calls[section]] = body
    read = {field: ceilings[field](part[field], name, field) for field in ceilings if field in part}
    return _Part(name, sections, read)


# --- Ceilings ---


def _ceiling(read: Callable[[Answer], Any], call: Call) -> Callable[[Any, str, str], Source[Any]]:
    """How to read a ceiling. Null: read, and there is none. What cannot be understood is a mistake in the file."""

    def parse(given: Any, part: str, field: str) -> Source[Any]:
        if given is None:
            return Absent()
        found = source(lambda: read(Answer(call, {}, {field: given}, part)))
        if isinstance(found, Unreadable):
            raise SnapshotError(found.message)
        return found

    return parse


def _level(level: Answer) -> PolicyLevel:
    return PolicyLevel(level.text("target"), tuple(map(_organization_policy, level.items("policies"))))


def _organization_policy(answer: Answer) -> NamedPolicy:
    return NamedPolicy(answer.text("Policy.PolicySummary.Arn"), answer.document("Policy.Content"))


_SCPS = _ceiling(lambda part: tuple(map(_level, part.items("scps"))), _DESCRIBE_POLICY)
_RCPS = _ceiling(lambda part: tuple(map(_level, part.items("rcps"))), _DESCRIBE_POLICY)
# Those of the caller stand in the consumer's part, those of the resource in its holder's.
_CEILINGS: Mapping[str, Mapping[str, Callable[[Any, str, str], Source[Any]]]] = {
    OWNER: {"rcps": _RCPS},
    CONSUMER: {"scps": _SCPS},
    KEY_HOLDER: {"rcps": _RCPS},
}
