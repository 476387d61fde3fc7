"""The search for a witness: open, shut, risk and narrow, one dimension of a request after the other."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.policy.spaces import (
    CONSUMER,
    KEY,
    NOW,
    OWNER,
    ROLE,
    STRANGER,
    allow,
    anybody,
    decrypting,
    deny,
    exactly,
    gate,
    listing,
    outcome,
    permitted,
    reading,
    under,
    when,
)
from threelocks.policy.authorize import Outcome
from threelocks.policy.box import ActionLiteral, All, Atom, KeyLiteral, Not, Some, TextLiteral
from threelocks.policy.box import Test as ValueTest
from threelocks.policy.pattern import glob, literal, parse_pattern
from threelocks.policy.request import CallerKind
from threelocks.policy.space import CALLER, ROLE_ID, TEXT, Free, Group, Point, Space
from threelocks.policy.witness import Budget, Gate, Search, UndecidedError, walk

B = "arn:aws:s3:::b"
OPEN, SHUT, RISK = "open", "shut", "risk"


def standing(space: Space, must: tuple[Any, ...], *statements: dict[str, Any]) -> str:
    """Open, shut or at risk; every witness on the way is confirmed by the plain evaluator."""
    search, policy = Search(space), gate(space, *statements)
    failing = search.failing(must, [policy])
    shut = search.shut(must, policy)
    for point in (failing, shut):
        if point is not None:
            assert all(one.holds(point) for one in must)
            assert outcome(point.request(space), *statements) is not Outcome.ALLOWED
    assert failing is not None or shut is None
    return OPEN if failing is None else RISK if shut is None else SHUT


def witness(space: Space, must: tuple[Any, ...], *statements: dict[str, Any]) -> Point:
    found = Search(space).failing(must, [gate(space, *statements)])
    assert found is not None
    return found


SALES = (under("sales/"),)

# name: statements, standing of "the role reads every object under sales/"
READS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no statement": ([], SHUT),
    "everything": ([allow()], OPEN),
    "every object": ([allow(Resource=f"{B}/*")], OPEN),
    "the bucket only": ([allow(Resource=B)], SHUT),
    "a narrower prefix": ([allow(Resource=f"{B}/sales/2026/*")], SHUT),
    "all but the marker": ([allow(Resource=f"{B}/sales/?*")], SHUT),
    "the marker and the rest": ([allow(Resource=[f"{B}/sales/?*", f"{B}/sales/"])], OPEN),
    "the other case": ([allow(Resource=f"{B}/Sales/*")], SHUT),
    "other objects denied": ([allow(), deny(Resource=f"{B}/hr/*")], OPEN),
    "some objects denied": ([allow(), deny(Resource=f"{B}/*secret*")], SHUT),
    "all but the prefix denied": ([allow(), deny(Resource=None, NotResource=f"{B}/sales/*")], OPEN),
    "not resource allowed": ([allow(Resource=None, NotResource=f"{B}/sales/x")], SHUT),
    "one action of two": ([allow(Action="s3:GetObject")], SHUT),
    "actions in another case": ([allow(Action="S3:getobject*")], OPEN),
    "not action": ([allow(Action=None, NotAction="s3:GetObject")], SHUT),
    "not another action": ([allow(Action=None, NotAction="s3:Put*")], OPEN),
    "a denied action": ([allow(), deny(Action="s3:*Version")], SHUT),
    "another role": ([allow(Principal={"AWS": f"{ROLE}2"})], SHUT),
    "the account": ([allow(Principal={"AWS": CONSUMER})], OPEN),
    "anybody": ([allow(Principal="*")], OPEN),
    "one session": ([allow(Principal={"AWS": f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/nightly"})], SHUT),
    "a wildcard principal": ([allow(Principal={"AWS": f"arn:aws:iam::{CONSUMER}:role/*"})], SHUT),
    "all but others denied": ([allow(), deny(Principal=None, NotPrincipal={"AWS": ROLE})], SHUT),  # "might"
    "a fixed key that holds": ([allow(**when("Bool", "aws:SecureTransport", "true"))], OPEN),
    "a fixed key that does not": ([allow(), deny(**when("Bool", "aws:SecureTransport", "true"))], SHUT),
    "an absent key": ([allow(**when("ArnLike", "aws:SourceArn", "*:*:*:*:*:*"))], SHUT),
    "a negated absent key": ([allow(**when("ArnNotLike", "aws:SourceArn", "arn:aws:s3:::x"))], OPEN),
    "sessions of one form": ([allow(**when("StringLike", "aws:userid", "*:??*"))], OPEN),
    "sessions denied": ([allow(), deny(**when("StringLike", "aws:userid", "*:admin*"))], SHUT),
    "its own ARN": ([allow(**when("ArnEquals", "aws:PrincipalArn", ROLE))], OPEN),
    # Environment.
    "an endpoint": ([allow(**when("StringEquals", "aws:SourceVpce", "vpce-1"))], RISK),
    "an endpoint denied": ([allow(), deny(**when("StringEquals", "aws:SourceVpce", "vpce-1"))], RISK),
    "off an endpoint denied": ([allow(), deny(**when("StringNotEquals", "aws:SourceVpce", "vpce-1"))], RISK),
    "an endpoint if there is one": ([allow(**when("StringEqualsIfExists", "aws:SourceVpce", "vpce-1"))], RISK),
    "an endpoint and all others": (
        [
            allow(**when("StringEquals", "aws:SourceVpce", "vpce-1")),
            allow(**when("StringNotEquals", "aws:SourceVpce", "vpce-1")),
        ],
        OPEN,
    ),
    "an endpoint and all others denied": (
        [
            allow(),
            deny(**when("StringEquals", "aws:SourceVpce", "vpce-1")),
            deny(**when("StringNotEquals", "aws:SourceVpce", "vpce-1")),
        ],
        SHUT,
    ),
    "two endpoints at once": (
        [
            allow(**when("StringEquals", "aws:SourceVpce", "vpce-1")),
            deny(**when("StringNotEquals", "aws:SourceVpce", "vpce-2")),
        ],
        SHUT,
    ),
    "present and absent": (
        [allow(**when("Null", "aws:SourceVpce", "true")), allow(**when("Null", "aws:SourceVpce", "false"))],
        OPEN,
    ),
    "an endpoint for one part": (
        [
            allow(Resource=f"{B}/sales/a*", **when("StringEquals", "aws:SourceVpce", "vpce-1")),
            allow(Resource=None, NotResource=f"{B}/sales/a*", **when("StringEquals", "aws:SourceVpce", "vpce-2")),
        ],
        RISK,
    ),
    "one part nowhere": (
        [
            allow(Resource=f"{B}/sales/a*", **when("StringEquals", "aws:SourceVpce", "vpce-1")),
            allow(Resource=f"{B}/sales/b*", **when("StringEquals", "aws:SourceVpce", "vpce-2")),
        ],
        SHUT,
    ),
    "addresses": ([allow(**when("IpAddress", "aws:SourceIp", "10.0.0.0/8"))], RISK),
    "addresses and the rest": (
        [
            allow(**when("IpAddress", "aws:SourceIp", "10.0.0.0/8")),
            allow(**when("NotIpAddress", "aws:SourceIp", "10.0.0.0/8")),
        ],
        OPEN,
    ),
    "half and half of IPv4": (
        [
            allow(**when("IpAddress", "aws:SourceIp", "0.0.0.0/1", "128.0.0.0/1", "::/0")),
            allow(**when("Null", "aws:SourceIp", "true")),
        ],
        OPEN,
    ),
    "IPv6 left out": (
        [
            allow(**when("IpAddress", "aws:SourceIp", "0.0.0.0/0")),
            allow(**when("Null", "aws:SourceIp", "true")),
        ],
        RISK,
    ),
    "a small hole in a network": (
        [
            allow(**when("IpAddress", "aws:SourceIp", "10.0.0.0/8")),
            allow(**when("NotIpAddress", "aws:SourceIp", "10.0.0.0/8")),
            deny(**when("IpAddress", "aws:SourceIp", "10.1.2.3/32")),
        ],
        RISK,
    ),
    "multi-factor": ([allow(**when("Bool", "aws:MultiFactorAuthPresent", "true"))], RISK),
    "multi-factor or not": (
        [
            allow(**when("BoolIfExists", "aws:MultiFactorAuthPresent", "true")),
            allow(**when("Bool", "aws:MultiFactorAuthPresent", "false")),
        ],
        OPEN,
    ),
    "multi-factor as text": (
        [
            allow(**when("BoolIfExists", "aws:MultiFactorAuthPresent", "true")),
            allow(**when("StringEquals", "aws:MultiFactorAuthPresent", "false")),
        ],
        OPEN,
    ),
    "sessions revoked": ([allow(), deny(**when("DateLessThan", "aws:TokenIssueTime", "2026-01-01T00:00:00Z"))], RISK),
    "sessions revoked later": ([allow(), deny(**when("DateLessThan", "aws:TokenIssueTime", "2027-01-01"))], SHUT),
    "sessions of every date": (
        [
            allow(**when("DateLessThan", "aws:TokenIssueTime", "2026-01-01T00:00:00Z")),
            allow(**when("DateGreaterThanEquals", "aws:TokenIssueTime", "1767225600")),
        ],
        OPEN,
    ),
    "every number": (
        [
            allow(**when("NumericLessThan", "s3:max-keys", "10")),
            allow(**when("NumericGreaterThanEquals", "s3:max-keys", "+1e1")),
            allow(**when("Null", "s3:max-keys", "true")),
        ],
        OPEN,
    ),
    "every number but one": (
        [
            allow(**when("NumericLessThan", "s3:max-keys", "10")),
            allow(**when("NumericGreaterThan", "s3:max-keys", "10")),
            allow(**when("Null", "s3:max-keys", "true")),
        ],
        RISK,
    ),
    "tags of any text": (
        [
            allow(**when("NumericLessThanIfExists", "aws:PrincipalTag/n", "10")),
            allow(**when("NumericGreaterThanEquals", "aws:PrincipalTag/n", "10")),
        ],
        RISK,
    ),
    "bytes": ([allow(**when("BinaryEqualsIfExists", "aws:PrincipalTag/n", "eA=="))], RISK),
    "another case of a value": (
        [
            allow(**when("StringEqualsIgnoreCase", "aws:PrincipalTag/n", "a")),
            allow(**when("StringNotEquals", "aws:PrincipalTag/n", "a", "A")),
        ],
        OPEN,
    ),
    "an ARN or none": (
        [
            allow(**when("ArnLike", "aws:SourceVpcArn", "arn:*:*:*:*:*")),
            allow(**when("Null", "aws:SourceVpcArn", "true")),
        ],
        RISK,  # what is no ARN
    ),
    "a colon is not crossed": (
        [
            allow(**when("ArnLike", "aws:SourceVpcArn", "arn:aws:*:vpc")),
            allow(**when("ArnNotLike", "aws:SourceVpcArn", "arn:aws:*:vpc")),
            allow(**when("StringNotLike", "aws:SourceVpcArn", "arn:*:*:*:*:*")),
        ],
        RISK,  # an ARN with too few parts under a negated operator is unsettled; an absent one is not
    ),
    # Chosen by the reader: it must do with every value.
    "a delimiter": ([allow(**when("StringEquals", "s3:delimiter", "/"))], SHUT),
    "a delimiter denied": ([allow(), deny(**when("StringEquals", "s3:delimiter", "/"))], SHUT),
    # Lists.
    "all organizations of a list": (
        [allow(**when("ForAllValues:StringLike", "aws:PrincipalOrgPaths", "o-1/*"))],
        RISK,
    ),
    "none or some of a list": (
        [
            allow(**when("ForAllValues:StringNotLike", "aws:PrincipalOrgPaths", "o-1/*")),
            allow(**when("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-1/*")),
        ],
        OPEN,
    ),
    "some in and some out of a list": (
        [
            deny(**when("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "a")),
            allow(**when("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "a", "b")),
        ],
        RISK,
    ),
    "a list with two texts, each asked for by itself, and there at all": (
        [
            allow(
                Condition={
                    "Null": {"aws:PrincipalOrgPaths": "false"},
                    "ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": "o-1/a"},
                    "ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-2/*"},
                    "ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-*"},
                }
            )
        ],
        RISK,
    ),
    "a list under an operator for one value": (
        [allow(**when("StringLike", "aws:PrincipalOrgPaths", "*"))],
        SHUT,
    ),
    "a list is absent": ([allow(**when("Null", "aws:PrincipalOrgPaths", "true"))], RISK),
    # What is not understood.
    "an unknown element of a Deny": ([allow(), deny(Future="x")], SHUT),
    "an unknown element of an Allow": ([allow(Future="x")], SHUT),
    "an unknown operator": ([allow(**when("StringSimilar", "aws:SourceVpce", "x"))], SHUT),
    # Variables.
    "its own name in the key": ([allow(Resource=f"{B}/${{aws:username}}/*")], SHUT),
    "a variable that has no value denies nothing": ([allow(), deny(Resource=f"{B}/${{aws:username}}/*")], OPEN),
    "a fixed variable": ([allow(Resource=f"{B}/sales*${{aws:sourcearn, '*'}}")], SHUT),
    "an escaped star": ([allow(), deny(Resource=f"{B}/sales/${{*}}")], SHUT),
}


@pytest.mark.parametrize("name", READS)
def test_reading_every_object_is_open_shut_or_at_risk(name: str) -> None:
    statements, expected = READS[name]
    assert standing(reading(), SALES, *statements) == expected


# name: statements, standing of "the role lists with every prefix under sales/"
UNDER_SALES = (TextLiteral("prefix", Atom((0,), glob((literal("sales/"),)))),)
LISTS: dict[str, tuple[tuple[Any, ...], list[dict[str, Any]], str]] = {
    "the bucket": ((), [allow(Resource=B)], OPEN),
    "objects are no bucket": ((), [allow(Resource=f"{B}/*")], SHUT),
    "without a prefix": ((), [allow(**when("StringLike", "s3:prefix", "*"))], SHUT),
    "with any prefix or none": ((), [allow(**when("StringLikeIfExists", "s3:prefix", "*"))], OPEN),
    "the empty prefix": (
        (),
        [allow(**when("StringLike", "s3:prefix", "?*")), allow(**when("Null", "s3:prefix", "true"))],
        SHUT,
    ),
    "an agreed prefix": (UNDER_SALES, [allow(**when("StringLike", "s3:prefix", "sales/*"))], OPEN),
    "negated": (UNDER_SALES, [allow(**when("StringNotLike", "s3:prefix", "hr/*"))], OPEN),
    "present": (UNDER_SALES, [allow(**when("Null", "s3:prefix", "false"))], OPEN),
}


@pytest.mark.parametrize("name", LISTS)
def test_listing_with_every_prefix_or_none(name: str) -> None:
    must, statements, expected = LISTS[name]
    assert standing(listing(), must, *statements) == expected


CONTEXT = "kms:EncryptionContext:aws:s3:arn"
DECRYPTS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "the key": ([allow(Resource=KEY)], OPEN),
    "the context of every object": ([allow(**when("StringLike", CONTEXT, f"{B}/*"))], OPEN),
    "the context of the prefix": ([allow(**when("StringLike", CONTEXT, f"{B}/sales/*"))], OPEN),
    "the context of an ARN": ([allow(**when("ArnLike", CONTEXT, f"{B}/sales/*"))], OPEN),
    "the context of the bucket": ([allow(**when("StringEquals", CONTEXT, B))], SHUT),
    "part of the prefix": ([allow(**when("StringLike", CONTEXT, f"{B}/sales/2026/*"))], SHUT),
    "the names of the context": (
        [allow(**when("ForAllValues:StringEquals", "kms:EncryptionContextKeys", "aws:s3:arn"))],
        OPEN,
    ),
    "another region's service": ([allow(**when("StringEquals", "kms:ViaService", "s3.us-east-1.amazonaws.com"))], SHUT),
}


@pytest.mark.parametrize("name", DECRYPTS)
def test_decrypting_every_object_follows_its_encryption_context(name: str) -> None:
    statements, expected = DECRYPTS[name]
    assert standing(decrypting(), SALES, *statements) == expected


# --- views over one group ---------------------------------------------------------------------------------------------


def test_session_user_id_and_principal_share_one_walk() -> None:
    space = anybody()
    policy = [
        allow(
            Principal="*",
            Condition={
                "StringLike": {"aws:userid": "*:b?", "aws:PrincipalArn": f"arn:aws:iam::{STRANGER}:role/x*"},
                "StringNotLike": {"aws:userid": "*:bx"},
            },
        ),
        deny(Principal="*", **when("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/x")),
    ]
    found = Search(space).passing((), gate(space, *policy))
    assert found is not None
    caller = found.request(space).caller
    assert (caller.account, caller.path, caller.name[:1], len(caller.name)) == (STRANGER, "/", "x", 2)
    assert caller.session[0] == "b"
    assert caller.session != "bx"
    assert outcome(found.request(space), *policy) is Outcome.ALLOWED


def test_path_belongs_to_the_principal_arn_but_not_to_the_session() -> None:
    space = anybody()
    policy = allow(Principal="*", **when("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{STRANGER}:role/p/*"))
    found = Search(space).passing((), gate(space, policy))
    assert found is not None
    caller = found.request(space).caller
    assert caller.path == "/p/"
    assert caller.session_arn == f"arn:aws:sts::{STRANGER}:assumed-role/{caller.name}/session"


def test_a_path_needs_letters_even_where_no_pattern_names_any() -> None:
    space = anybody()
    at_length = f"arn:aws:iam::{STRANGER}:role{'?' * 100}"
    policy = gate(space, allow(Principal="*", **when("ArnLike", "aws:PrincipalArn", at_length)))
    found = Search(space, Budget(1_000_000)).passing((), policy)
    assert found is not None
    assert len(found.request(space).caller.principal_arn) == len(at_length)


def test_accounts_have_twelve_digits() -> None:
    space = anybody()
    policy = allow(Principal="*", **when("StringLike", "aws:PrincipalAccount", "9*"))
    found = Search(space).passing((), gate(space, policy))
    assert found is not None
    assert found.request(space).caller.account == "933333333333"
    short = allow(Principal="*", **when("StringLike", "aws:PrincipalAccount", "?" * 11))
    assert Search(space).passing((), gate(space, short)) is None


def test_a_question_mark_is_half_of_a_surrogate_pair() -> None:
    space = reading()
    one = allow(Resource=f"{B}/sales/?")
    denied = deny(Resource=f"{B}/sales/\N{GRINNING FACE}")
    assert standing(space, (exactly("resource", "sales/\N{GRINNING FACE}"),), one) == SHUT
    assert standing(space, (exactly("resource", "sales/\N{GRINNING FACE}"),), allow(Resource=f"{B}/sales/??")) == OPEN
    assert witness(space, SALES, allow(), denied).request(space).resource == f"{B}/sales/\N{GRINNING FACE}"


def test_arn_conditions_do_not_cross_colons_and_string_conditions_do() -> None:
    space = anybody()
    crossing = "arn:aws:*:role/x"
    for operator, passes in (("ArnLike", False), ("StringLike", True)):
        policy = allow(Principal="*", **when(operator, "aws:PrincipalArn", crossing))
        assert (Search(space).passing((), gate(space, policy)) is not None) == passes


# --- who might pass ---------------------------------------------------------------------------------------------------

ANYONE = {"Principal": "*"}
NARROW: dict[str, tuple[CallerKind, dict[str, Any], bool]] = {
    "anyone": (CallerKind.ROLE_SESSION, ANYONE, True),
    "anonymous": (CallerKind.ANONYMOUS, ANYONE, True),
    "a service, which a star might mean": (CallerKind.SERVICE, ANYONE, True),
    "a named service": (CallerKind.SERVICE, {"Principal": {"Service": "logging.s3.amazonaws.com"}}, True),
    "a service is no role": (CallerKind.ROLE_SESSION, {"Principal": {"Service": "logging.s3.amazonaws.com"}}, False),
    "an account": (CallerKind.ROLE_SESSION, {"Principal": {"AWS": STRANGER}}, True),
    "its root user": (CallerKind.ROOT, {"Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"}}, True),
    "a user is no role": (CallerKind.ROLE_SESSION, {"Principal": {"AWS": f"arn:aws:iam::{STRANGER}:user/u"}}, False),
    "a user": (CallerKind.USER, {"Principal": {"AWS": f"arn:aws:iam::{STRANGER}:user/u"}}, True),
    "a session": (
        CallerKind.ROLE_SESSION,
        {"Principal": {"AWS": f"arn:aws:sts::{STRANGER}:assumed-role/r/s1"}},
        True,
    ),
    "a wildcard names nobody": (CallerKind.ROLE_SESSION, {"Principal": {"AWS": "arn:aws:iam::*:root"}}, False),
    "an unknown id": (CallerKind.ROLE_SESSION, {"Principal": {"AWS": "AROAEXAMPLEEXAMPLE123"}}, False),
    "another partition": (CallerKind.ROLE_SESSION, {"Principal": {"AWS": f"arn:aws-cn:iam::{STRANGER}:root"}}, False),
    "not a principal": (CallerKind.ROLE_SESSION, {"Principal": None, "NotPrincipal": {"AWS": ROLE}}, True),
    "no principal": (CallerKind.ROLE_SESSION, {"Principal": None}, False),
    "an organization": (CallerKind.ROLE_SESSION, {**ANYONE, **when("StringEquals", "aws:PrincipalOrgID", "o-1")}, True),
    "services are told": (CallerKind.ANONYMOUS, {**ANYONE, **when("Bool", "aws:PrincipalIsAWSService", "true")}, False),
}


@pytest.mark.parametrize("name", NARROW)
def test_a_caller_that_might_pass_is_found(name: str) -> None:
    kind, elements, passes = NARROW[name]
    space = anybody(kind)
    found = Search(space).passing((), gate(space, allow(**elements), possible=True))
    assert (found is not None) == passes
    if found is not None:
        assert outcome(found.request(space), allow(**elements)) in (Outcome.ALLOWED, Outcome.UNKNOWN)


def test_what_is_permitted_is_no_witness() -> None:
    space = anybody()
    policy = gate(space, allow(Principal={"AWS": [CONSUMER, STRANGER]}), possible=True)
    agreed = permitted(space, allow(Principal={"AWS": CONSUMER}))
    found = Search(space).passing((), policy, agreed)
    assert found is not None
    assert found.request(space).caller.account == STRANGER
    assert Search(space).passing((), policy, permitted(space, allow(Principal={"AWS": [STRANGER, CONSUMER]}))) is None


def test_denied_callers_are_no_witness() -> None:
    space = anybody()
    everyone = allow(Principal="*")
    others = deny(Principal="*", **when("StringNotEquals", "aws:PrincipalAccount", CONSUMER))
    found = Search(space).passing((), gate(space, everyone, others, possible=True))
    assert found is not None
    assert found.request(space).caller.account == CONSUMER
    both = deny(Principal="*", **when("StringEquals", "aws:PrincipalAccount", CONSUMER))
    assert Search(space).passing((), gate(space, everyone, others, both, possible=True)) is None


@pytest.mark.parametrize(
    ("boundary", "possible", "hits"),
    [(True, False, True), (None, False, False), (None, True, True), (False, True, True)],
)
def test_a_deny_with_not_principal_reads_a_boundary(*, boundary: bool | None, possible: bool, hits: bool) -> None:
    """Of the listed role: surely hit with a boundary, perhaps without, since account and session are not listed."""
    space = anybody(boundary=boundary)
    statement = deny(Principal=None, NotPrincipal={"AWS": ROLE})
    literals = (
        TextLiteral(CALLER, Atom((0,), glob((literal(CONSUMER),)))),
        TextLiteral(CALLER, Atom((3,), glob((literal("BIAnalyticsRole"),)))),
    )
    denies = gate(space, statement, possible=not possible).denies
    assert (Search(space).failing(literals, [Gate((), denies)]) is not None) == hits


# --- shut and risk ----------------------------------------------------------------------------------------------------


def test_shut_looks_only_at_environments_that_are_required() -> None:
    space = reading()
    required = KeyLiteral("aws:sourcevpce", 0, ValueTest(Atom((0,), glob((literal("vpce-1"),)))))
    policy = allow(**when("StringEquals", "aws:SourceVpce", "vpce-2"))
    assert standing(space, (*SALES, required), policy) == SHUT
    assert standing(space, SALES, policy) == RISK


def test_shut_keeps_required_dates_in_every_environment() -> None:
    """One object works from elsewhere; the other fails at every date, which is no reason to leave the date out."""
    space = reading()
    policy = [
        allow(),
        deny(Resource=f"{B}/sales/a*", **when("IpAddress", "aws:SourceIp", "10.0.0.0/8")),
        deny(Resource=f"{B}/sales/b*", **when("DateLessThan", "aws:TokenIssueTime", "2026-01-01")),
        deny(Resource=f"{B}/sales/b*", **when("DateGreaterThanEquals", "aws:TokenIssueTime", "2026-01-01")),
    ]
    assert standing(space, SALES, *policy) == SHUT
    found = Search(space).shut(SALES, gate(space, *policy))
    assert found is not None
    assert found.request(space).resource == f"{B}/sales/b"
    assert found.request(space).values("aws:tokenissuetime") is not None


def test_risk_is_one_request_in_two_environments() -> None:
    space = reading()
    policy = allow(Resource=f"{B}/sales/a*", **when("StringEquals", "aws:SourceVpce", "vpce-1"))
    fails, passes = gate(space, policy, copy=1), gate(space, policy, copy=2)
    found = Search(space).differing(SALES, passes, fails)
    assert found is not None
    assert found.request(space).resource == f"{B}/sales/a"
    assert outcome(found.request(space, copy=1), policy) is not Outcome.ALLOWED
    assert outcome(found.request(space, copy=2), policy) is Outcome.ALLOWED
    assert Search(space).differing((exactly("resource", "x"),), passes, fails) is None


def test_layers_must_all_allow() -> None:
    space = reading()
    one, other = gate(space, allow(Resource=f"{B}/sales/*")), gate(space, allow(Action="s3:GetObject"))
    both = Gate((*one.layers, *other.layers))
    found = Search(space).failing(SALES, [both])
    assert found is not None
    assert found.action == "s3:GetObjectVersion"
    assert Search(space).failing((*SALES, ActionLiteral(frozenset({"s3:GetObject"}))), [both]) is None
    passed = Search(space).passing((), both)
    assert passed is not None
    assert passed.request(space).resource == f"{B}/sales/"


# --- what a witness looks like ----------------------------------------------------------------------------------------


def test_a_witness_is_plain() -> None:
    space = anybody()
    found = Search(space).passing((), gate(space, allow(Principal="*", Resource="*"), possible=True))
    assert found is not None
    request = found.request(space)
    assert request.caller.session_arn == f"arn:aws:sts::{STRANGER}:assumed-role/x/session"
    assert request.values("aws:userid") == (f"AROA{'X' * 17}:session",)
    assert ROLE_ID.holds(request.caller.unique_id)
    assert dict(found.keys) == {}


def test_absence_is_preferred_to_a_value() -> None:
    space = reading()
    found = witness(space, SALES, allow(**when("StringEquals", "aws:SourceVpce", "vpce-1")))
    assert found.request(space).values("aws:sourcevpce") is None


VALUES: dict[str, tuple[str, str, str | None]] = {
    "StringNotEquals": ("aws:SourceVpce", "vpce-1", "vpce-0123456789abcdef0"),
    "NotIpAddress": ("aws:SourceIp", "10.0.0.0/8", "203.0.113.7"),
    "NumericGreaterThan": ("s3:max-keys", "10", "11"),
    "DateLessThan": ("aws:TokenIssueTime", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z"),
    "Bool": ("aws:MultiFactorAuthPresent", "false", "false"),
    "ArnNotLike": ("aws:SourceVpcArn", "arn:aws:ec2:*:*:vpc/*", "arn:::::"),
    "StringLike": ("aws:PrincipalTag/team", "b?i*", "bxi"),
}


@pytest.mark.parametrize("operator", VALUES)
def test_a_value_is_simple(operator: str) -> None:
    key, wanted, expected = VALUES[operator]
    space = reading()
    present = deny(Condition={operator: {key: wanted}, "Null": {key: "false"}})
    found = witness(space, SALES, allow(), present)
    assert found.request(space).values(key.lower()) == (expected,)


# --- the edge of what can be decided ----------------------------------------------------------------------------------


def test_mixed_operators_on_one_key_are_decided_where_the_values_can_be_listed() -> None:
    space = reading()
    mixed = deny(Condition={"StringLike": {"s3:max-keys": ["5", "50"]}, "NumericGreaterThan": {"s3:max-keys": "10"}})
    assert witness(space, SALES, allow(), mixed).request(space).values("s3:max-keys") == ("50",)
    never = deny(Condition={"StringLike": {"s3:max-keys": ["5", "7"]}, "NumericGreaterThan": {"s3:max-keys": "10"}})
    with pytest.raises(UndecidedError, match="`s3:max-keys`"):
        Search(space).failing(SALES, [gate(space, allow(), never)])


def test_an_endless_list_of_texts_under_two_families_stays_undecided() -> None:
    space = reading()
    mixed = deny(Condition={"StringLike": {"s3:max-keys": "*7*3*"}, "NumericEquals": {"s3:max-keys": "1e5"}})
    with pytest.raises(UndecidedError, match="different families"):
        Search(space).failing(SALES, [gate(space, allow(), mixed)])


def test_a_key_longer_than_aws_allows_does_not_exist() -> None:
    space = reading()
    assert standing(space, SALES, allow(), deny(Resource=f"{B}/sales/{'?' * 1019}*")) == OPEN
    assert standing(space, SALES, allow(), deny(Resource=f"{B}/sales/{'?' * 1018}*")) == SHUT


def test_a_spent_budget_is_told() -> None:
    space = reading()
    with pytest.raises(UndecidedError, match="budget"):
        Search(space, Budget(100)).failing(SALES, [gate(space, allow(), deny(Resource=f"{B}/sales/*a*b*c*"))])


def test_a_search_of_thousands_of_statements_needs_no_deep_stack() -> None:
    space = reading()
    statements = [allow(), *(deny(Resource=f"{B}/hr/{number}/*") for number in range(1500))]
    assert Search(space, Budget(1_000_000)).failing(SALES, [gate(space, *statements)]) is None


def test_dates_at_the_ends_of_the_calendar_are_tried() -> None:
    space = reading(aws__currenttime=Free(required=True, floor=NOW))
    before, after = "DateLessThan", "DateGreaterThanEquals"
    last = "9999-12-31T23:59:59Z"
    policy = [allow(**when(before, "aws:CurrentTime", last)), allow(**when(after, "aws:CurrentTime", last))]
    assert standing(space, SALES, *policy) == OPEN
    assert standing(space, SALES, policy[0]) == RISK
    assert standing(space, SALES, allow(**when(before, "aws:CurrentTime", "0001-01-01"))) == SHUT


def test_statements_of_the_old_version_have_no_variables() -> None:
    space = reading()
    statement = allow(Resource=f"{B}/sales/${{aws:username}}*")
    literal_key = (exactly("resource", "sales/${aws:username}"),)
    assert Search(space).failing(literal_key, [gate(space, statement, version="2008-10-17")]) is None
    assert Search(space).failing(literal_key, [gate(space, statement)]) is not None


def test_escape_of_nothing_asked_is_some_request() -> None:
    space = reading()
    found = Search(space).escape((), ())
    assert found is not None
    assert found.request(space).resource_account == OWNER
    assert Search(space).escape((TextLiteral(CALLER, Not(All())),), ()) is None


def test_denied_without_a_prefix_is_found_where_no_prefix_is_required() -> None:
    space = listing()
    (required,) = gate(space, allow(**when("Null", "s3:prefix", "true"))).layers[0]
    off = deny(**when("StringNotLike", "s3:prefix", "sales/*"))
    assert standing(space, required.literals, allow(), off) == SHUT


# --- the walk ---------------------------------------------------------------------------------------------------------


def atom(text: str, *, colonwise: bool = False, fold: bool = False) -> Atom:
    return Atom((0,), glob((parse_pattern(text, variables=False),), colonwise=colonwise, fold=fold))


WALKS: dict[str, tuple[Any, str | None]] = {
    "nothing asked": (All(), ""),
    "a text": (atom("abc"), "abc"),
    "a length": (atom("???"), "xxx"),
    "only the other case is left": (All((atom("k", fold=True), Not(atom("k")))), "K"),
    "only a colon is not covered": (Not(atom("*", colonwise=True)), ":"),
    "the shorter of two": (Some((atom("aaaa"), atom("*b*"))), "b"),
    "the shortest after all": (All((atom("*ab*ba*"), Not(atom("*abba*")), Not(atom("*aba*")))), "abxba"),
    "overlapping": (All((atom("ab*"), atom("*ba"))), "aba"),
    "two that exclude each other": (All((atom("a*"), atom("b*"))), None),
    "everything excluded": (Not(Some((atom(""), atom("?*")))), None),
}


@pytest.mark.parametrize("name", WALKS)
def test_a_walk_ends_at_the_shortest_text(name: str) -> None:
    expr, expected = WALKS[name]
    found = walk(Group((TEXT,)), expr, Budget())
    assert (None if found is None else found[0]) == expected


def test_no_list_of_a_request_holds_an_empty_text() -> None:
    """An empty text is no value to ForAllValues, but a list that consists of one is none that AWS sends."""
    paths = {"aws:PrincipalOrgPaths": ["a", "b"]}
    space = reading()
    policy = (
        allow(Condition={"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": "b"}}),
        deny(Condition={"ForAnyValue:StringEqualsIfExists": paths}),
    )
    assert Search(space).shut((), gate(space, *policy)) is not None
    assert Search(space).passing(
        (), gate(space, policy[0], deny(Condition={"Null": {"aws:PrincipalOrgPaths": "true"}}))
    )
