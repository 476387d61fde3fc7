"""What must hold of every judgement, whatever the policies: no Deny opens, no request contradicts the verdict, every
witness is true, and how a policy is written does not matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.locks.scene import (
    BUCKET,
    CONSUMER,
    DENIED,
    IDENTITY,
    KEY,
    NOW,
    OBJECTS,
    ORGANIZATION,
    OWNER,
    ROLE,
    ROLE_ID,
    ROOT,
    SHARE_BUCKET,
    SHARE_KEY,
    STRANGER,
    Statement,
    bucket,
    consumer,
    document,
    findings,
    key,
    policy,
    verdict,
)
from threelocks.finding import Finding, Headline, Kind, Witness
from threelocks.observation import Found, Observation
from threelocks.policy.arn import Arn
from threelocks.policy.authorize import Outcome, Policies, authorize
from threelocks.policy.document import parse_document
from threelocks.policy.request import Caller, CallerKind, Request

SETTINGS = settings(max_examples=50, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))

SEEDS = st.integers(0, 1 << 32)
ANYONE, OTHERS, SERVICE = "anyone, without credentials", "other accounts", "an AWS service"
REST_OF_B = f"account {CONSUMER}"
DENIALS = (Outcome.EXPLICITLY_DENIED, Outcome.IMPLICITLY_DENIED)


# --- policies ---------------------------------------------------------------------------------------------------------

BUCKET_PRINCIPALS: tuple[Any, ...] = (
    "*", "*", {"AWS": ROLE}, {"AWS": ROLE}, {"AWS": f"arn:aws:iam::{CONSUMER}:root"}, {"AWS": [f"{ROLE}2", STRANGER]},
    {"AWS": f"arn:aws:iam::{STRANGER}:user/u"}, {"AWS": f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/athena"},
    {"Service": "logging.s3.amazonaws.com"}, {"AWS": "AROADELETED123456789"}, {"AWS": f"arn:aws:iam::{OWNER}:root"},
)  # fmt: skip
BUCKET_ACTIONS: tuple[Any, ...] = (
    "s3:GetObject", "s3:ListBucket", "s3:*", "s3:Get*", ["s3:GetObject", "s3:ListBucket"],
    ["s3:PutObject", "s3:GetObject"],
)  # fmt: skip
BUCKET_RESOURCES: tuple[Any, ...] = (
    [BUCKET, OBJECTS], [BUCKET, OBJECTS], OBJECTS, BUCKET, f"{BUCKET}/secret/*", f"{BUCKET}/a?b*", f"{BUCKET}*",
)  # fmt: skip
CONDITIONS: tuple[Mapping[str, Any] | None, ...] = (
    None, None, None,
    {"Bool": {"aws:SecureTransport": "false"}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"StringEquals": {"aws:SourceVpce": "vpce-1"}},
    {"StringNotEquals": {"aws:SourceVpce": ["vpce-1", "vpce-2"]}},
    {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    {"StringEquals": {"aws:PrincipalAccount": [CONSUMER, STRANGER]}},
    {"StringNotEquals": {"aws:PrincipalAccount": CONSUMER}},
    {"StringLike": {"aws:userid": "*:batch-*"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/BI*"}},
    {"StringLike": {"s3:prefix": ["sales/*", ""]}},
    {"StringEquals": {"s3:delimiter": "/"}},
    {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}},
    {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": ORGANIZATION}},
    {"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}},
    {"DateLessThan": {"aws:TokenIssueTime": "2026-11-20T00:00:00Z"}},
    {"StringEquals": {"aws:SourceAccount": OWNER}},
    {"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": f"{ORGANIZATION}/r-ab12/"}},
)  # fmt: skip


@st.composite
def on_bucket(draw: st.DrawFn, effect: str | None = None) -> Statement:
    statement: Statement = {"Effect": effect or draw(st.sampled_from(("Allow", "Allow", "Deny")))}
    statement[draw(st.sampled_from(("Principal",) * 9 + ("NotPrincipal",)))] = draw(st.sampled_from(BUCKET_PRINCIPALS))
    statement[draw(st.sampled_from(("Action",) * 7 + ("NotAction",)))] = draw(st.sampled_from(BUCKET_ACTIONS))
    statement[draw(st.sampled_from(("Resource",) * 7 + ("NotResource",)))] = draw(st.sampled_from(BUCKET_RESOURCES))
    if "NotPrincipal" in statement and statement["NotPrincipal"] == "*":
        statement["NotPrincipal"] = {"AWS": OWNER}
    return _limited(statement, draw(st.sampled_from(CONDITIONS)))


ROLE_ACTIONS: tuple[Any, ...] = (
    "s3:GetObject", "s3:ListBucket", "s3:*", "s3:Get*", "kms:Decrypt", "kms:*", "*",
    ["kms:Decrypt", "kms:DescribeKey"],
)  # fmt: skip
ROLE_RESOURCES: tuple[Any, ...] = (
    "*", [BUCKET, OBJECTS, KEY], [BUCKET, OBJECTS, KEY], OBJECTS, BUCKET, KEY, f"{BUCKET}/secret/*",
    "arn:aws:s3:::data*",
    f"arn:aws:kms:eu-west-1:{OWNER}:key/*", ["arn:aws:s3:::own-bucket", "arn:aws:s3:::own-bucket/*"],
)  # fmt: skip


@st.composite
def on_role(draw: st.DrawFn, effect: str | None = None) -> Statement:
    statement: Statement = {"Effect": effect or draw(st.sampled_from(("Allow", "Allow", "Deny")))}
    statement[draw(st.sampled_from(("Action",) * 7 + ("NotAction",)))] = draw(st.sampled_from(ROLE_ACTIONS))
    statement[draw(st.sampled_from(("Resource",) * 7 + ("NotResource",)))] = draw(st.sampled_from(ROLE_RESOURCES))
    return _limited(statement, draw(st.sampled_from(CONDITIONS)))


def _limited(statement: Statement, condition: Mapping[str, Any] | None) -> Statement:
    return {**statement, "Condition": condition} if condition else statement


BUCKET_POLICIES = st.lists(on_bucket(), min_size=1, max_size=6).map(lambda more: (SHARE_BUCKET, *more)) | st.lists(
    on_bucket(), min_size=1, max_size=5
).map(tuple)
ROLE_POLICIES = st.lists(on_role(), min_size=1, max_size=5).map(lambda more: (*IDENTITY, *more)) | st.lists(
    on_role(), min_size=1, max_size=5
).map(tuple)


@dataclass(frozen=True)
class Lock:
    """One lock as these properties take it: how it is observed, and which policies the evaluator is to ask."""

    name: str

    def observe(self, statements: Iterable[Statement]) -> Observation:
        return bucket(*statements) if self.name == "bucket" else consumer(*statements)

    def policies(self, statements: Iterable[Statement]) -> Policies:
        parsed = (parse_document(document(*statements), self.name),)
        return Policies(resource=parsed) if self.name == "bucket" else Policies(identity=parsed)

    @property
    def documents(self) -> st.SearchStrategy[tuple[Statement, ...]]:
        return BUCKET_POLICIES if self.name == "bucket" else ROLE_POLICIES

    def statement(self, effect: str) -> st.SearchStrategy[Statement]:
        return on_bucket(effect) if self.name == "bucket" else on_role(effect)


LOCKS = pytest.mark.parametrize("lock", [Lock("bucket"), Lock("role")], ids=lambda lock: lock.name)


def broken(found: Iterable[Finding], *, perhaps: bool = False) -> set[str]:
    """Agreed actions that are shut; `perhaps`: or of which it is not known."""
    kinds = (Kind.SHUT, Kind.UNREAD) if perhaps else (Kind.SHUT,)
    return {action for one in found if one.kind in kinds and one.principal == ROLE for action in one.actions}


def wide(found: Iterable[Finding], *, perhaps: bool = False) -> set[tuple[str, str]]:
    """Who can do what beyond what was agreed. What anyone can do, other accounts and services can, too."""
    kinds = (Kind.WIDE, Kind.UNREAD) if perhaps else (Kind.WIDE,)
    pairs = {(one.principal, action) for one in found if one.kind in kinds for action in one.actions}
    return pairs | {(who, action) for anyone, action in pairs if anyone == ANYONE for who in (OTHERS, SERVICE)}


# --- no Deny opens, no Allow shuts ------------------------------------------------------------------------------------


@LOCKS
@SETTINGS
@given(data=st.data())
def test_adding_a_deny_mends_nothing_and_widens_nothing(lock: Lock, data: st.DataObject) -> None:
    statements = data.draw(lock.documents)
    before = findings(lock.observe(statements))
    after = findings(lock.observe((*statements, data.draw(lock.statement("Deny")))))
    assert broken(before) <= broken(after, perhaps=True)
    assert wide(after) <= wide(before, perhaps=True)


@LOCKS
@SETTINGS
@given(data=st.data())
def test_removing_an_allow_mends_nothing_and_widens_nothing(lock: Lock, data: st.DataObject) -> None:
    statements = data.draw(lock.documents)
    added = data.draw(lock.statement("Allow"))
    less = findings(lock.observe(statements))
    more = findings(lock.observe((*statements, added)))
    assert broken(more) <= broken(less, perhaps=True)
    named = {(f"account {STRANGER}", action) for who, action in wide(more, perhaps=True) if who == OTHERS}
    assert wide(less) <= wide(more, perhaps=True) | named


# --- no request contradicts the verdict -------------------------------------------------------------------------------

READER = Caller(
    CallerKind.ROLE_SESSION, CONSUMER, "BIAnalyticsRole", session="athena", unique_id=ROLE_ID, has_boundary=False
)
CALLERS = (
    READER,
    replace(READER, session="batch-1"),
    Caller(CallerKind.ROLE_SESSION, CONSUMER, "BIAnalyticsRole2", session="athena", unique_id="AROAX"),
    Caller(CallerKind.USER, CONSUMER, "u", unique_id="AIDAX"),
    Caller(CallerKind.ROLE_SESSION, STRANGER, "BIReader", session="batch-1", unique_id="AROAY"),
    Caller(CallerKind.USER, STRANGER, "u", unique_id="AIDAY"),
    Caller(CallerKind.ROOT, "444444444444"),
    Caller(CallerKind.ROLE_SESSION, "444444444444", "BIReader", session="x", unique_id="AROAZ"),
    Caller(CallerKind.ANONYMOUS),
    Caller(CallerKind.SERVICE, name="logging.s3.amazonaws.com"),
)
OBJECT_KEYS = ("x", "secret/x", "secretly", "acb", "a/b/c", "sales/")
ENVIRONMENT: dict[str, tuple[str | None, ...]] = {
    "aws:sourcevpce": (None, "vpce-1", "vpce-2", "vpce-3"),
    "aws:sourceip": (None, "10.1.2.3", "203.0.113.9"),
    "aws:tokenissuetime": ("2026-11-19T00:00:00Z", "2026-11-23T11:00:00Z"),
    "aws:principalorgid": (None, ORGANIZATION, "o-zzzzzzzzzz"),
}
FIXED = {
    "aws:securetransport": "true",
    "aws:currenttime": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "aws:resourceaccount": OWNER,
    "s3:resourceaccount": OWNER,
}
LISTINGS: tuple[Mapping[str, str], ...] = (
    {}, {"s3:prefix": ""}, {"s3:prefix": "sales/2026"}, {"s3:prefix": "hr/", "s3:delimiter": "/"},
)  # fmt: skip


def surroundings(chance: Random, **more: str) -> dict[str, tuple[str, ...]]:
    drawn = {name: chance.choice(values) for name, values in ENVIRONMENT.items()}
    return {name: (value,) for name, value in {**drawn, **FIXED, **more}.items() if value is not None}


def agreed_request(chance: Random) -> Request:
    """Of the reader, in any environment."""
    caller = chance.choice(CALLERS[:2])
    if chance.random() < 0.6:
        resource = f"{BUCKET}/{chance.choice(OBJECT_KEYS)}"
        return Request(caller, "s3:GetObject", resource, OWNER, surroundings(chance))
    return Request(caller, "s3:ListBucket", BUCKET, OWNER, surroundings(chance, **chance.choice(LISTINGS)))


def further_request(chance: Random, callers: tuple[Caller, ...]) -> Request:
    """Of anybody, for what was not agreed with them."""
    caller = chance.choice(callers)
    objects = ("s3:PutObject", "s3:GetObjectAcl", *(() if caller.name == "BIAnalyticsRole" else ("s3:GetObject",)))
    action = chance.choice((*objects, "s3:GetBucketPolicy"))
    key_of = f"/{chance.choice(OBJECT_KEYS)}" if action in objects else ""
    choice: dict[str, str] = {"aws:securetransport": chance.choice(("true", "false"))}
    if caller.kind is CallerKind.SERVICE:
        choice["aws:sourceaccount"] = STRANGER
    context = surroundings(chance, **choice)
    if caller.kind in (CallerKind.SERVICE, CallerKind.ANONYMOUS):
        context = {name: values for name, values in context.items() if name not in _SIGNED}
    return Request(caller, action, f"{BUCKET}{key_of}", OWNER, context)


_SIGNED = ("aws:principalorgid", "aws:tokenissuetime")


def label(caller: Caller) -> set[str]:
    """How findings may call the class of a caller."""
    if caller.kind is CallerKind.SERVICE:
        return {SERVICE}
    if caller.kind is CallerKind.ANONYMOUS:
        return {ANYONE}
    if caller.account == CONSUMER:
        return {ROLE} if caller.name == "BIAnalyticsRole" else {REST_OF_B}
    return {OTHERS, f"account {caller.account}"}


@LOCKS
@SETTINGS
@given(data=st.data())
def test_no_agreed_request_is_refused_unless_the_verdict_says_so(lock: Lock, data: st.DataObject) -> None:
    statements = data.draw(lock.documents)
    said = {a for one in findings(lock.observe(statements)) if one.kind is not Kind.WIDE for a in one.actions}
    policies = lock.policies(statements)
    chance = Random(data.draw(SEEDS))  # noqa: S311 - no secret hangs on it
    for request in (agreed_request(chance) for _ in range(100)):
        if request.action not in said:
            assert authorize(request, policies).outcome is Outcome.ALLOWED


@LOCKS
@SETTINGS
@given(data=st.data())
def test_no_request_beyond_what_is_agreed_passes_unless_the_verdict_says_so(lock: Lock, data: st.DataObject) -> None:
    statements = data.draw(lock.documents)
    said = wide(findings(lock.observe(statements)), perhaps=True)
    policies = lock.policies(statements)
    callers = CALLERS if lock.name == "bucket" else CALLERS[:2]
    chance = Random(data.draw(SEEDS))  # noqa: S311 - no secret hangs on it
    for request in (further_request(chance, callers) for _ in range(100)):
        if not {(who, request.action) for who in label(request.caller)} & said:
            assert authorize(request, policies).outcome in DENIALS


# --- every witness is true --------------------------------------------------------------------------------------------


def caller_of(witness: Witness) -> Caller:
    """Who a witness speaks of, from the words that people read."""
    if witness.principal == "anonymous":
        return Caller(CallerKind.ANONYMOUS)
    if not witness.principal.startswith("arn:"):
        return Caller(CallerKind.SERVICE, name=witness.principal)
    arn = Arn.parse(witness.principal)
    kind, _, rest = arn.resource.partition("/")
    if kind == "root":
        return Caller(CallerKind.ROOT, arn.account)
    if kind == "user":
        return Caller(CallerKind.USER, arn.account, rest, unique_id="AIDAX")
    name, _, session = rest.partition("/")
    reader = arn.account == CONSUMER and name == "BIAnalyticsRole"
    ids = {"unique_id": ROLE_ID, "has_boundary": False} if reader else {"unique_id": "AROAX"}
    return Caller(CallerKind.ROLE_SESSION, arn.account, name, session=session, **ids)  # type: ignore[arg-type]


KMS_FIXED = {"kms:viaservice": "s3.eu-west-1.amazonaws.com", "kms:calleraccount": CONSUMER}


def request_of(finding: Finding) -> Request:
    witness = finding.witness
    assert witness
    fixed = dict(FIXED)
    if finding.kind is Kind.WIDE:
        del fixed["aws:securetransport"]  # a stranger's choice, which the witness names
    if witness.action == "kms:Decrypt":
        fixed |= KMS_FIXED
    context = {name: (value,) for name, value in fixed.items()} | {k: v for k, v in witness.context if v}
    if "aws:tokenissuetime" not in context and finding.kind is not Kind.WIDE:
        context["aws:tokenissuetime"] = ("2026-11-23T11:00:00Z",)
    return Request(caller_of(witness), witness.action, witness.resource, OWNER, context)


@LOCKS
@SETTINGS
@given(data=st.data())
def test_every_witness_does_what_its_finding_says(lock: Lock, data: st.DataObject) -> None:
    statements = data.draw(lock.documents)
    for one in findings(lock.observe(statements)):
        assert "disagree" not in one.detail
        if one.witness is None or one.witness.unsettled:
            assert one.kind is Kind.UNREAD
            continue
        decision = authorize(request_of(one), lock.policies(statements))
        if one.kind is Kind.WIDE:
            assert decision.outcome is Outcome.ALLOWED
        else:
            assert decision.outcome in DENIALS
        if one.code.endswith(".explicit-deny"):
            assert {statement.index for statement in one.statements}


# --- how a policy is written does not matter --------------------------------------------------------------------------


def reworded(statements: tuple[Statement, ...], order: list[int]) -> tuple[Statement, ...]:
    """The same policy in another order, with other Sids, single values as lists, and statements split by action."""
    written: list[Statement] = []
    for number in order:
        statement = statements[number]
        listed = {
            name: [v] if isinstance(v, str) and name != "Effect" and v != "*" else v for name, v in statement.items()
        }
        actions = listed.get("Action", [None])
        for place, action in enumerate(actions):
            one = {**listed, "Action": action} if action else listed
            written.append({**one, "Sid": f"S{number}x{place}"})
    return tuple(written)


@LOCKS
@SETTINGS
@given(data=st.data())
def test_an_equivalent_rewrite_gives_the_same_identities(lock: Lock, data: st.DataObject) -> None:
    statements = data.draw(lock.documents)
    order = data.draw(st.permutations(range(len(statements))))
    before = {one.identity for one in findings(lock.observe(statements))}
    assert {one.identity for one in findings(lock.observe(reworded(statements, list(order))))} == before


# --- remedies ---------------------------------------------------------------------------------------------------------


@LOCKS
@SETTINGS
@given(data=st.data())
def test_adding_the_statement_of_a_remedy_mends_it_and_opens_no_more(lock: Lock, data: st.DataObject) -> None:
    statements = data.draw(lock.documents)
    before = findings(lock.observe(statements))
    told: list[Statement] = []
    for one in before:
        if one.remedy and one.remedy.statement:
            added = json.loads(one.remedy.statement)
            told += added if isinstance(added, list) else [added]
    after = findings(lock.observe((*statements, *told)))
    assert not {one.code for one in after} & {f"{lock.name}.no-allow", "identity.no-allow", "bucket.dangling-principal"}
    assert wide(after) <= wide(before, perhaps=True)


# --- what cannot be read is never intact ------------------------------------------------------------------------------

SOURCES = {
    "bucket": """
        region policy policy_is_public block account_block encryption ownership acl requester_pays access_points
    """.split(),
    "role": "role inline attached boundary".split(),
    "key": "metadata policies grants".split(),
}


@pytest.mark.parametrize("part", SOURCES)
@SETTINGS
@given(data=st.data())
def test_a_source_that_is_unreadable_is_never_intact(part: str, data: st.DataObject) -> None:
    unread = data.draw(st.sets(st.sampled_from(SOURCES[part]), min_size=1))
    hidden: dict[str, Any] = dict.fromkeys(unread, DENIED)
    if part == "bucket":
        observation = bucket(*data.draw(BUCKET_POLICIES), **hidden) if "policy" not in hidden else bucket(**hidden)
    elif part == "role":
        shown: dict[str, Any] = {"inline": Found((policy("p", *data.draw(ROLE_POLICIES)),))}
        observation = consumer(**{**shown, **hidden})
    else:
        observation = key(ROOT, SHARE_KEY, **hidden)
    assert verdict(observation).headline is not Headline.INTACT
