"""Who an entry of Principal or NotPrincipal names, and which condition keys follow from who asks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.policy.builders import (
    ANONYMOUS,
    CONSUMER,
    MAYBE,
    NO,
    OBJECT,
    OWNER,
    ROLE_ARN,
    ROLE_ID,
    SESSION_ARN,
    STRANGER,
    YES,
    allow,
    ask,
    deny,
    federated,
    only,
    role,
    root,
    service,
    user,
)
from threelocks.policy.arn import Arn, BadArnError, partition_of, session_arn
from threelocks.policy.authorize import Layer, matches
from threelocks.policy.box import Reading, boxes
from threelocks.policy.document import PrincipalEntry, PrincipalType
from threelocks.policy.principal import Name, Named, names, parse_name, speaks_of
from threelocks.policy.request import Caller, CallerKind
from threelocks.policy.space import CallerSpace, Space, View
from threelocks.policy.truth import Truth

ROLE, USER, FEDERATED = CallerKind.ROLE_SESSION, CallerKind.USER, CallerKind.FEDERATED_USER


def name_of(value: str, kind: PrincipalType = PrincipalType.AWS) -> Name:
    return parse_name(PrincipalEntry(kind, value))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("*", Name(Named.ANYONE)),
        (OWNER, Name(Named.ACCOUNT, OWNER)),
        (f"arn:aws:iam::{OWNER}:root", Name(Named.ACCOUNT, OWNER, partition="aws")),
        (f"arn:aws-cn:iam::{OWNER}:root", Name(Named.ACCOUNT, OWNER, partition="aws-cn")),
        (ROLE_ARN, Name(Named.IDENTITY, CONSUMER, ROLE, "BIAnalyticsRole", partition="aws")),
        (f"arn:aws:iam::{CONSUMER}:role/a/b/R", Name(Named.IDENTITY, CONSUMER, ROLE, "R", partition="aws")),
        (f"arn:aws:iam::{CONSUMER}:role/X", Name(Named.IDENTITY, CONSUMER, ROLE, "X", partition="aws")),
        (f"arn:aws:iam::{CONSUMER}:user/x/ana", Name(Named.IDENTITY, CONSUMER, USER, "ana", partition="aws")),
        (SESSION_ARN, Name(Named.SESSION, CONSUMER, ROLE, "BIAnalyticsRole", "nightly", "aws")),
        (f"arn:aws:sts::{CONSUMER}:federated-user/f", Name(Named.SESSION, CONSUMER, FEDERATED, "f", partition="aws")),
        (ROLE_ID, Name(Named.UNIQUE_ID, name=ROLE_ID)),
        ("AIDAEXAMPLEUSERID0001", Name(Named.UNIQUE_ID, name="AIDAEXAMPLEUSERID0001")),
    ],
)
def test_an_entry_is_parsed_by_its_form(value: str, name: Name) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html"""
    assert name_of(value) == name


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (PrincipalType.SERVICE, Name(Named.SERVICE, kind=CallerKind.SERVICE, name="*")),
        (PrincipalType.FEDERATED, Name(Named.FEDERATED, name="*")),
        (PrincipalType.CANONICAL_USER, Name(Named.CANONICAL_USER, name="*")),
    ],
)
def test_entries_of_other_types_are_names_as_they_stand(kind: PrincipalType, name: Name) -> None:
    """Only among AWS principals is `*` anyone.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    assert name_of("*", kind) == name


def test_an_origin_access_identity_is_a_user_of_cloudfront() -> None:
    """https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html"""
    identity = "CloudFront Origin Access Identity E1EXAMPLE"
    expected = Name(Named.IDENTITY, "cloudfront", USER, identity, partition="aws")
    assert name_of(f"arn:aws:iam::cloudfront:user/{identity}") == expected
    for none in ("arn:aws:iam::cloudfront:role/R", "arn:aws:iam::cloudfront:root", "arn:aws:iam::elsewhere:user/u"):
        assert name_of(none) == Name(Named.UNKNOWN)


@pytest.mark.parametrize(
    "value",
    [
        *(f"arn:aws:iam::{OWNER}:group/g", "arn:aws:iam::*:root", f"arn:*:iam::{OWNER}:root", "**", "2222*"),
        *(f"arn:aws:iam::{OWNER}:role/R?", f"arn:aws:sts::{OWNER}:federated-user/*", "arn:aws:sts::*:self"),
    ],
)
def test_a_group_and_a_name_with_a_wildcard_name_nobody(value: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html"""
    assert name_of(value) == Name(Named.NOBODY)
    for caller in (role(), role(OWNER), user(), root(OWNER), federated(OWNER), service(), ANONYMOUS):
        assert names(name_of(value), caller) is NO


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "junk",
            "11111111111",
            "1111111111111",
            f"{OWNER}\n",
            "１１１１１１１１１１１１",
            "AROA",
            "aroaexampleroleid0001",
        ),
        *(
            f"arn:aws:iam::{OWNER}",
            f"arn:aws:iam::{OWNER}:",
            f"arn:aws:iam::{OWNER}:role",
            f"arn:aws:iam::{OWNER}:role/",
        ),
        *(f"arn:aws:iam::{OWNER}:Root", f"arn:aws:iam::{OWNER}:role/a/", f"arn:aws:sts::{OWNER}:assumed-root/r"),
        *(
            f"arn:aws:sts::{OWNER}:assumed-role/R",
            f"arn:aws:sts::{OWNER}:assumed-role/R/",
            f"arn:aws:sts::{OWNER}:root",
        ),
        *(f"arn:aws:sts::{OWNER}:assumed-role/a/R/s", f"arn:aws:sts::{OWNER}:assumed-role//s"),
        *(f"arn:aws:sts::{OWNER}:federated-user/", f"arn:aws:iam::{OWNER}:saml-provider/p"),
        *("arn:aws:iam:::root", f"arn:aws:iam:r:{OWNER}:root", f"arn:aws:sts::{OWNER}:federated-user/a/f"),
        *(f"arn:aws:s3::{OWNER}:role/R", f"ARN:aws:iam::{OWNER}:root"),
    ],
)
def test_a_form_that_is_not_known_is_perhaps_anybody_with_an_account(value: str) -> None:
    """AWS adds forms of principals; one that is not known must not pass for nobody."""
    name = name_of(value)
    assert name.named is Named.UNKNOWN
    others = NO if name.account else MAYBE
    for mine in (role(OWNER), user(OWNER), federated(OWNER), root(OWNER)):
        assert names(name, mine) is MAYBE
    for theirs in (role(), user(), federated(), root()):
        assert names(name, theirs) is others
    assert names(name, service()) is NO
    assert names(name, ANONYMOUS) is NO


ROLES = ("role", "other session", "other role", "owner's role")
PROVIDERS = ("cognito-identity.amazonaws.com", f"arn:aws:iam::{OWNER}:saml-provider/sso", "*")
IN_B = ("role", "other session", "other role", "user", "federated user", "root")
CALLERS = {
    "role": role(),
    "other session": role(session="manual"),
    "other role": role(name="Other", unique_id="AROAEXAMPLEROLEID0002"),
    "user": user(),
    "federated user": federated(),
    "root": root(),
    "owner's role": role(OWNER),
    "service": service(),
    "anonymous": ANONYMOUS,
}


@pytest.mark.parametrize(
    ("entry", "covered"),
    [
        (("AWS", "*"), {**dict.fromkeys(CALLERS, YES), "service": MAYBE}),
        (("AWS", CONSUMER), dict.fromkeys(IN_B, YES)),
        (("AWS", ROLE_ARN), {"role": YES, "other session": YES}),
        (("AWS", f"arn:aws:iam::{CONSUMER}:user/BIAnalyticsRole"), {}),
        (("AWS", f"arn:aws:iam::{CONSUMER}:user/ana"), {"user": YES}),
        (("AWS", f"arn:aws:iam::{CONSUMER}:role/ana"), {}),
        (("AWS", SESSION_ARN), {"role": YES}),
        (("AWS", f"arn:aws:iam::{CONSUMER}:user/f"), {}),
        (("AWS", f"arn:aws:sts::{CONSUMER}:federated-user/f"), {"federated user": YES}),
        (("AWS", f"arn:aws:sts::{CONSUMER}:federated-user/g"), {}),
        (("AWS", f"arn:aws:sts::{CONSUMER}:assumed-role/f/f"), {}),
        (("AWS", f"arn:aws:sts::{CONSUMER}:new-form/f"), dict.fromkeys(IN_B, MAYBE)),
        (("AWS", ROLE_ID), {"role": YES, "other session": YES, "owner's role": YES}),
        (("AWS", STRANGER), {}),
        (("Service", "logging.s3.amazonaws.com"), {"service": YES}),
        (("Service", "s3.amazonaws.com"), {}),
        *((("Federated", provider), dict.fromkeys(ROLES, MAYBE)) for provider in PROVIDERS),
        (("CanonicalUser", "79a5"), {name: MAYBE for name in CALLERS if name not in ("service", "anonymous")}),
    ],
)
def test_an_entry_covers_exactly_whom_it_names(entry: tuple[str, str], covered: dict[str, Truth]) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html"""
    name = name_of(entry[1], PrincipalType(entry[0]))
    assert {who: truth for who, caller in CALLERS.items() if (truth := names(name, caller)) is not NO} == covered


def test_an_unknown_unique_id_is_nobodys() -> None:
    assert names(name_of(ROLE_ID), role(unique_id="")) is NO
    assert names(Name(Named.UNIQUE_ID), role(unique_id="")) is NO


@pytest.mark.parametrize(
    ("listed", "who", "allowed", "denied"),
    [
        ({"AWS": STRANGER}, "role", YES, YES),
        ({"AWS": STRANGER}, "federated user", YES, YES),
        ({"AWS": "*"}, "federated user", NO, NO),
        ({"AWS": [CONSUMER, f"arn:aws:sts::{CONSUMER}:federated-user/f"]}, "federated user", MAYBE, MAYBE),
        ({"AWS": "*"}, "role", NO, NO),
        ({"AWS": "*"}, "anonymous", NO, NO),
        ({"AWS": "*"}, "service", MAYBE, MAYBE),
        ({"AWS": CONSUMER}, "role", MAYBE, MAYBE),
        ({"AWS": CONSUMER}, "root", NO, NO),
        ({"AWS": [CONSUMER, f"arn:aws:iam::{CONSUMER}:user/ana"]}, "user", NO, NO),
        ({"AWS": [CONSUMER, ROLE_ARN]}, "role", MAYBE, MAYBE),
        ({"AWS": [CONSUMER, ROLE_ARN, SESSION_ARN]}, "role", NO, NO),
        ({"AWS": [CONSUMER, ROLE_ARN, SESSION_ARN]}, "other session", MAYBE, MAYBE),
        ({"AWS": [CONSUMER, ROLE_ARN, SESSION_ARN]}, "owner's role", YES, YES),
        ({"AWS": [CONSUMER, ROLE_ID, SESSION_ARN]}, "role", MAYBE, MAYBE),
        ({"AWS": f"arn:aws:iam::{CONSUMER}:role/*"}, "role", YES, YES),
        ({"Service": "logging.s3.amazonaws.com"}, "service", NO, NO),
        ({"Service": "logging.s3.amazonaws.com"}, "anonymous", YES, YES),
        ({"CanonicalUser": "79a5"}, "role", MAYBE, MAYBE),
        ({"Federated": "cognito-identity.amazonaws.com"}, "role", MAYBE, MAYBE),
        ({"Federated": "cognito-identity.amazonaws.com"}, "user", YES, YES),
    ],
)
def test_notprincipal_is_about_who_is_not_listed(listed: Any, who: str, allowed: Truth, denied: Truth) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html"""
    statements = (only(allow(NotPrincipal=listed)), only(deny(NotPrincipal=listed)))
    assert [speaks_of(statement, CALLERS[who]) for statement in statements] == [allowed, denied]


@pytest.mark.parametrize("known", [True, None])
def test_a_boundary_matters_to_deny_with_notprincipal_only(known: bool | None) -> None:  # noqa: FBT001 - three-valued
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html"""
    listed = {"AWS": [CONSUMER, ROLE_ARN, SESSION_ARN]}
    bounded = role(has_boundary=known)
    assert speaks_of(only(allow(NotPrincipal=listed)), bounded) is NO
    assert speaks_of(only(deny(NotPrincipal=listed)), bounded) is (YES if known else MAYBE)
    assert speaks_of(only(deny(NotPrincipal=listed, Principal=None)), root()) is NO


def test_several_entries_are_alternatives() -> None:
    statement = only(allow(Principal={"AWS": [STRANGER, ROLE_ARN], "Service": "s3.amazonaws.com"}))
    assert speaks_of(statement, role()) is YES
    assert speaks_of(statement, user()) is NO
    assert speaks_of(statement, service("s3.amazonaws.com")) is YES


# --- callers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caller", "arn", "keys"),
    [
        (
            role(path="/bi/"),
            SESSION_ARN,
            {
                "aws:principalarn": f"arn:aws:iam::{CONSUMER}:role/bi/BIAnalyticsRole",
                "aws:principalaccount": CONSUMER,
                "aws:principalisawsservice": "false",
                "aws:principaltype": "AssumedRole",
                "aws:userid": f"{ROLE_ID}:nightly",
            },
        ),
        (
            user(path="/x/"),
            f"arn:aws:iam::{CONSUMER}:user/x/ana",
            {
                "aws:principalarn": f"arn:aws:iam::{CONSUMER}:user/x/ana",
                "aws:principalaccount": CONSUMER,
                "aws:principalisawsservice": "false",
                "aws:principaltype": "User",
                "aws:userid": "AIDAEXAMPLEUSERID0001",
                "aws:username": "ana",
            },
        ),
        (
            federated(),
            f"arn:aws:sts::{CONSUMER}:federated-user/f",
            {
                "aws:principalarn": f"arn:aws:sts::{CONSUMER}:federated-user/f",
                "aws:principalaccount": CONSUMER,
                "aws:principalisawsservice": "false",
                "aws:principaltype": "FederatedUser",
                "aws:userid": f"{CONSUMER}:f",
            },
        ),
        (
            root(),
            f"arn:aws:iam::{CONSUMER}:root",
            {
                "aws:principalarn": f"arn:aws:iam::{CONSUMER}:root",
                "aws:principalaccount": CONSUMER,
                "aws:principalisawsservice": "false",
                "aws:principaltype": "Account",
                "aws:userid": CONSUMER,
            },
        ),
        (
            service(),
            "logging.s3.amazonaws.com",
            {"aws:principalisawsservice": "true", "aws:principalservicename": "logging.s3.amazonaws.com"},
        ),
        (ANONYMOUS, "anonymous", {"aws:principaltype": "Anonymous", "aws:userid": "anonymous"}),
    ],
)
def test_condition_keys_follow_from_who_asks(caller: Caller, arn: str, keys: dict[str, str]) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable"""
    assert caller.arn == arn
    assert caller.keys() == {key: (value,) for key, value in keys.items()}


def test_a_request_may_say_more_and_other_than_its_caller() -> None:
    request = ask(aws__PrincipalAccount=STRANGER, s3__prefix="a", aws__TagKeys=())
    assert request.values("aws:principalaccount") == (STRANGER,)
    assert request.values("aws:principaltype") == ("AssumedRole",)
    assert (request.values("s3:prefix"), request.values("aws:tagkeys"), request.values("s3:x")) == (("a",), (), None)


# --- ARNs -------------------------------------------------------------------------------------------------------------


def test_an_arn_has_six_parts_of_which_the_last_may_hold_colons() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html"""
    text = "arn:aws:sns:eu-west-1:111111111111:topic:sub"
    arn = Arn.parse(text)
    assert (arn.service, arn.region, arn.account, arn.resource) == ("sns", "eu-west-1", OWNER, "topic:sub")
    assert str(arn) == text


@pytest.mark.parametrize("text", ["", "arn", "arn:aws:s3", "aws:s3:::b:x", "ARN:aws:s3:::b"])
def test_what_is_no_arn_is_refused(text: str) -> None:
    with pytest.raises(BadArnError, match="is not an ARN"):
        Arn.parse(text)


def test_a_session_arn_drops_the_path() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"""
    assert session_arn(f"arn:aws:iam::{CONSUMER}:role/a/b/BIAnalyticsRole", "nightly") == SESSION_ARN
    assert role(path="/a/b/").session_arn == SESSION_ARN
    assert user().session_arn == ""


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")],
)
def test_a_region_lies_in_one_partition(region: str, partition: str) -> None:
    assert partition_of(region) == partition


# --- AWS services -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": [STRANGER, "*"]}])
def test_a_star_in_a_deny_hits_aws_services_too_and_in_an_allow_perhaps(principal: Any) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalisawsservice"""
    assert speaks_of(only(deny(Principal=principal)), service()) is YES
    assert speaks_of(only(allow(Principal=principal)), service()) is MAYBE


@pytest.mark.parametrize("make", [allow, deny])
def test_a_star_in_a_resource_control_policy_is_every_service(make: Any) -> None:
    """https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_examples.html"""
    statement = only(make(Principal="*"))
    assert matches(statement, ask(service()), Layer.RESOURCE_CONTROL_POLICY) is YES
    space = Space(
        CallerSpace(CallerKind.SERVICE, name="logging.s3.amazonaws.com"),
        ("s3:GetObject",),
        View("o", (OBJECT,)),
        OWNER,
        {},
        {},
    )
    sure = Reading(space, possible=False)
    assert [box.literals for box in boxes([statement], Layer.RESOURCE_CONTROL_POLICY, sure)] == [()]
    # At an endpoint nothing is said of services.
    assert matches(statement, ask(service()), Layer.VPC_ENDPOINT_POLICY) is MAYBE
    assert boxes([statement], Layer.VPC_ENDPOINT_POLICY, sure) == ()
    # What exempts everybody exempts services only perhaps.
    excepted = only(make(NotPrincipal="*"))
    assert matches(excepted, ask(service()), Layer.RESOURCE_CONTROL_POLICY) is MAYBE


def test_a_deny_for_all_but_the_expected_network_and_aws_services_spares_them() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalisawsservice"""
    network = {"StringNotEqualsIfExists": {"aws:SourceVpc": "vpc-0123456789abcdef0"}}
    exempting = {**network, "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}
    for condition, denied in ((network, YES), (exempting, NO)):
        statement = only(deny(Principal="*", Condition=condition))
        assert matches(statement, ask(service()), Layer.RESOURCE_POLICY) is denied
        assert matches(statement, ask(role()), Layer.RESOURCE_POLICY) is YES
