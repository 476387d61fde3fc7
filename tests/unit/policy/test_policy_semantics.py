"""What AWS's policy language means, rule by rule, where evaluators are known to go wrong.

Each test names the AWS documentation that states its rule, or says "published capture" where recorded answers do.
Where neither settles a case, the test asserts MAYBE or Unknown.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.policy.builders import (
    ALLOW_ALL,
    ALLOW_ANYONE,
    ALLOWED,
    ANONYMOUS,
    BUCKET,
    CONSUMER,
    EXPLICIT,
    IMPLICIT,
    KEY,
    MAYBE,
    NO,
    OBJECT,
    OWNER,
    ROLE_ARN,
    ROLE_ID,
    SESSION_ARN,
    STRANGER,
    UNKNOWN,
    YES,
    across,
    allow,
    ask,
    deny,
    document,
    holds,
    only,
    role,
    root,
    says,
    service,
    user,
)
from threelocks.policy.authorize import Layer, Outcome, Policies, authorize, matches
from threelocks.policy.document import PrincipalEntry, PrincipalType
from threelocks.policy.principal import Named, parse_name
from threelocks.policy.truth import Truth

CONSUMER_ROOT = f"arn:aws:iam::{CONSUMER}:root"
OWNER_ROOT = f"arn:aws:iam::{OWNER}:root"


def to(*entries: str) -> dict[str, Any]:
    return {"AWS": list(entries)}


# --- principals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [CONSUMER, CONSUMER_ROOT])
def test_01_an_account_principal_is_everybody_in_the_account(entry: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html"""
    statement = allow(Principal=to(entry))
    assert [says(statement, ask(caller)) for caller in (role(), user(), root())] == [YES] * 3
    assert says(statement, ask(role(STRANGER))) is NO
    of_root = allow(Principal="*", Condition={"ArnEquals": {"aws:PrincipalArn": CONSUMER_ROOT}})
    assert [says(of_root, ask(caller)) for caller in (role(), user(), root())] == [NO, NO, YES]


@pytest.mark.parametrize(
    "entry",
    [
        f"arn:aws:iam::{CONSUMER}:role/*",
        f"arn:aws:iam::{CONSUMER}:role/BI*",
        f"arn:aws:iam::{CONSUMER}:role/BIAnalyticsRol?",
        f"arn:aws:iam::{CONSUMER}:*",
        f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/*",
        "arn:aws:iam::*:role/BIAnalyticsRole",
        "arn:aws:iam::*:root",
        "2222*",
    ],
)
def test_02_a_wildcard_within_a_principal_names_nobody(entry: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html"""
    assert says(allow(Principal=to(entry))) is NO
    assert parse_name(PrincipalEntry(PrincipalType.AWS, entry)).named is Named.NOBODY
    assert says(allow(Principal=to("*"))) is YES


def test_03_a_role_is_known_by_partition_account_and_name_whatever_its_path() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"""
    caller = ask(role(path="/bi/"))
    for entry in (f"arn:aws:iam::{CONSUMER}:role/bi/BIAnalyticsRole", SESSION_ARN):
        assert says(allow(Principal=to(entry)), caller) is YES
    for other in (
        f"arn:aws-cn:iam::{CONSUMER}:role/bi/BIAnalyticsRole",
        f"arn:aws:iam::{STRANGER}:role/bi/BIAnalyticsRole",
        f"arn:aws:iam::{CONSUMER}:role/bi/bianalyticsrole",
    ):
        assert says(allow(Principal=to(other)), caller) is NO
    # An ARN of a session has no path: what this one names, nobody says.
    assert (
        says(allow(Principal=to(f"arn:aws:sts::{CONSUMER}:assumed-role/bi/BIAnalyticsRole/nightly")), caller) is MAYBE
    )


def test_04_the_id_of_a_deleted_role_does_not_name_its_successor() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-bucket-user-policy-specifying-principal-intro.html

    That a living role's ARN is kept as its id shows only where two observations meet: `locks` compares pinned ids.
    """
    successor = ask(role(unique_id="AROAEXAMPLEROLEID0002"))
    assert says(allow(Principal=to(ROLE_ID)), ask(role())) is YES
    assert says(allow(Principal=to(ROLE_ID)), successor) is NO
    by_arn = allow(Principal="*", Condition={"ArnEquals": {"aws:PrincipalArn": ROLE_ARN}})
    assert says(by_arn, successor) is YES


def test_05_a_session_carries_its_roles_arn_and_its_own_name_in_the_user_id() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable"""
    request = ask(role(path="/bi/"))
    assert request.values("aws:principalarn") == (f"arn:aws:iam::{CONSUMER}:role/bi/BIAnalyticsRole",)
    assert request.values("aws:userid") == (f"{ROLE_ID}:nightly",)
    assert request.values("aws:username") is None
    assert holds("ArnLike", "aws:PrincipalArn", SESSION_ARN) is NO


@pytest.mark.parametrize(
    ("listed", "truth"),
    [
        ((CONSUMER_ROOT, ROLE_ARN, SESSION_ARN), NO),
        ((ROLE_ARN,), MAYBE),
        ((CONSUMER_ROOT,), MAYBE),
        ((SESSION_ARN, ROLE_ARN), MAYBE),
        ((STRANGER,), YES),
        (("*",), NO),
    ],
)
def test_06_notprincipal_surely_exempts_only_who_is_listed_in_every_form(listed: tuple[str, ...], truth: Truth) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html"""
    assert says(deny(NotPrincipal=to(*listed))) is truth


def test_07_notprincipal_with_deny_always_hits_a_principal_with_a_boundary() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html"""
    statement = deny(NotPrincipal=to(CONSUMER_ROOT, ROLE_ARN, SESSION_ARN))
    boundaries = (False, True, None)
    assert [says(statement, ask(role(has_boundary=known))) for known in boundaries] == [NO, YES, MAYBE]


def test_08_a_resource_policy_statement_without_principal_is_about_nobody() -> None:
    """Published capture."""
    callers = (role(), user(), root(), service(), ANONYMOUS, role(OWNER))
    assert [says(allow(), ask(caller)) for caller in callers] == [NO] * 6
    assert says(allow(), layer=Layer.IDENTITY_POLICY) is YES


def test_09_at_an_endpoint_an_account_is_its_root_user_only() -> None:
    """https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html"""
    at = Layer.VPC_ENDPOINT_POLICY
    for entry in (CONSUMER, CONSUMER_ROOT):
        assert says(allow(Principal=to(entry)), layer=at) is NO
        assert says(allow(Principal=to(entry)), ask(root()), at) is YES
    by_arn = allow(Principal="*", Condition={"ArnEquals": {"aws:PrincipalArn": ROLE_ARN}})
    assert says(by_arn, layer=at) is YES
    assert says(allow(Principal=to(ROLE_ARN)), layer=at) is MAYBE  # what a role means there is not documented


@pytest.mark.parametrize("principal", [{"Service": "s3.amazonaws.com"}, {"Service": "*"}])
def test_10_a_service_principal_is_no_role(principal: dict[str, str]) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html"""
    assert says(allow(Principal=principal)) is NO


@pytest.mark.parametrize("provider", ["cognito-identity.amazonaws.com", f"arn:aws:iam::{OWNER}:saml-provider/sso"])
def test_10_an_identity_provider_may_be_any_session_of_a_role_and_nobody_else(provider: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-saml

    It is documented for the trust policies of roles, where it allows or denies sessions by their identity provider.
    """
    for statement in (allow(Principal={"Federated": provider}), deny(Principal={"Federated": provider})):
        asked = [says(statement, ask(caller)) for caller in (role(), role(OWNER), user(), root(), service(), ANONYMOUS)]
        assert asked == [MAYBE, MAYBE, NO, NO, NO, NO]
    by_provider = (document(allow(Principal={"Federated": provider})),)
    assert across(resource=by_provider).outcome is UNKNOWN
    inside = Policies(identity=(), resource=by_provider)
    assert authorize(ask(role(OWNER)), inside).outcome is UNKNOWN


# --- layers -----------------------------------------------------------------------------------------------------------

NOTHING = document(allow(action="ec2:*", Principal="*"))


@pytest.mark.parametrize(
    ("policies", "layer"),
    [
        ({"identity": (NOTHING,)}, Layer.IDENTITY_POLICY),
        ({"identity": ()}, Layer.IDENTITY_POLICY),
        ({"boundary": NOTHING}, Layer.PERMISSIONS_BOUNDARY),
        ({"session": (NOTHING,)}, Layer.SESSION_POLICY),
        ({"scps": ((NOTHING,),)}, Layer.SERVICE_CONTROL_POLICY),
        ({"rcps": ((NOTHING,),)}, Layer.RESOURCE_CONTROL_POLICY),
        ({"resource": (NOTHING,)}, Layer.RESOURCE_POLICY),
        ({"resource": ()}, Layer.RESOURCE_POLICY),
        ({"endpoint": NOTHING}, Layer.VPC_ENDPOINT_POLICY),
        ({"access_point": (NOTHING,)}, Layer.ACCESS_POINT_POLICY),
        ({"access_point": ()}, Layer.ACCESS_POINT_POLICY),
    ],
)
def test_11_across_accounts_every_layer_of_both_sides_must_allow(policies: dict[str, Any], layer: Layer) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html"""
    assert across().outcome is ALLOWED
    decision = across(**policies)
    assert (decision.outcome, decision.layer) == (IMPLICIT, layer)


@pytest.mark.parametrize(
    "limit",
    [{"boundary": NOTHING}, {"session": (NOTHING,)}, {"boundary": NOTHING, "session": (ALLOW_ALL,)}],
)
@pytest.mark.parametrize(
    ("caller", "named", "outcome"),
    [
        (role(OWNER), f"arn:aws:sts::{OWNER}:assumed-role/BIAnalyticsRole/nightly", ALLOWED),
        (user(OWNER), f"arn:aws:iam::{OWNER}:user/ana", ALLOWED),
        (role(OWNER), f"arn:aws:iam::{OWNER}:role/BIAnalyticsRole", IMPLICIT),
        (role(OWNER), ROLE_ID, IMPLICIT),
        (role(OWNER), OWNER, IMPLICIT),
        (role(OWNER), "*", UNKNOWN),
    ],
)
def test_12_inside_an_account_who_is_named_himself_is_not_limited_by_what_limits_leave_unsaid(
    limit: dict[str, Any], caller: Any, named: str, outcome: Outcome
) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html"""
    policies = Policies(identity=(ALLOW_ALL,), resource=(document(allow(Principal=to(named))),), **limit)
    assert authorize(ask(caller), policies).outcome is outcome
    denied = Policies(identity=(ALLOW_ALL,), resource=policies.resource, boundary=document(deny()))
    assert authorize(ask(caller), denied).outcome is EXPLICIT


def test_13_levels_of_an_organization_must_each_allow_and_within_a_level_one_is_enough() -> None:
    """https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html"""
    full, none = ALLOW_ANYONE, NOTHING
    for layer, kind in (("scps", Layer.SERVICE_CONTROL_POLICY), ("rcps", Layer.RESOURCE_CONTROL_POLICY)):
        assert across(**{layer: ((none, full), (full,))}).outcome is ALLOWED
        for levels in (((full,), (none,)), ((), (full,))):
            decision = across(**{layer: levels})
            assert (decision.outcome, decision.layer) == (IMPLICIT, kind)
        assert across(**{layer: ()}).outcome is ALLOWED  # no levels known: not watched, which `locks` must say
    # SCPs bind callers of the organization, not an AWS service or somebody without credentials.
    by_name = (document(allow(Principal={"Service": "logging.s3.amazonaws.com"})),)
    assert across(ask(service()), scps=((none,),), resource=by_name).outcome is ALLOWED
    assert across(ask(ANONYMOUS), scps=((none,),)).outcome is ALLOWED


def test_14_a_path_that_looks_service_linked_frees_nobody_and_retiring_a_grant_is_beyond_rcps() -> None:
    """https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html

    Whose organization, and whether the account manages it, is known to who passes the levels in.
    """
    looks_linked = ask(role(path="/aws-service-role/s3.amazonaws.com/"))
    assert across(looks_linked, scps=((NOTHING,),)).outcome is IMPLICIT
    assert across(looks_linked, rcps=((NOTHING,),)).outcome is IMPLICIT
    denying = document(deny(Principal="*"))
    assert across(ask(action="kms:RetireGrant"), rcps=((denying,),)).outcome is ALLOWED
    assert across(ask(action="kms:Decrypt"), rcps=((denying,),)).outcome is EXPLICIT


def test_15_restrictpublicbuckets_cuts_off_every_other_account() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html"""
    for caller in (role(), root(), ANONYMOUS):
        decision = across(ask(caller), restrict_public=True)
        assert (decision.outcome, decision.layer) == (EXPLICIT, Layer.PUBLIC_ACCESS_BLOCK)
    assert across(ask(role(OWNER)), restrict_public=True).outcome is ALLOWED
    by_name = (document(allow(Principal={"Service": "logging.s3.amazonaws.com"})),)
    assert across(ask(service()), resource=by_name, restrict_public=True).outcome is ALLOWED


def test_16_a_deny_of_a_bucket_policy_needs_nobody_to_own_the_object() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html

    A request says who owns the bucket, not the object: that Allows leave out what others own is for `locks`
    (bucket.ownership) to say.
    """
    assert across(resource=(ALLOW_ANYONE, document(deny(Principal="*")))).outcome is EXPLICIT


# --- matching ---------------------------------------------------------------------------------------------------------


def test_17_actions_do_not_know_case_and_resources_do() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html"""
    identity = Layer.IDENTITY_POLICY
    for action in ("S3:getobject", "s3:GETOBJECT", "S3:g*T", "s3:Get?bject"):
        assert says(allow(action), layer=identity) is YES
    assert says(allow(resource=OBJECT.replace("sales", "Sales")), layer=identity) is NO


def test_18_listing_needs_the_bucket_and_reading_the_object() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/security_iam_service-with-iam.html"""
    identity = Layer.IDENTITY_POLICY
    listing = ask(action="s3:ListBucket", resource=BUCKET)
    assert says(allow("s3:*", BUCKET), listing, identity) is YES
    assert says(allow("s3:*", f"{BUCKET}/*"), listing, identity) is NO
    assert says(allow("s3:*", f"{BUCKET}/*"), layer=identity) is YES
    assert says(allow("s3:*", BUCKET), layer=identity) is NO
    assert says(allow("s3:*", "arn:*parquet"), layer=identity) is YES


def test_19_a_star_crosses_newlines_a_question_mark_is_one_utf16_unit_and_nothing_else_is_special() -> None:
    """Published capture."""
    identity = Layer.IDENTITY_POLICY
    for pattern, key in (("*", "a\nb"), ("a?b", "a\nb"), ("??", "\U0001f600"), ("a.b", "a.b"), ("[a](+)", "[a](+)")):
        assert says(allow(resource=f"{BUCKET}/{pattern}"), ask(resource=f"{BUCKET}/{key}"), identity) is YES
    for pattern, key in (("?", "\U0001f600"), ("a.b", "axb"), ("[ab]", "a"), ("a+", "aa"), ("a$", "a"), ("a", "a\n")):
        assert says(allow(resource=f"{BUCKET}/{pattern}"), ask(resource=f"{BUCKET}/{key}"), identity) is NO


def test_20_a_condition_that_does_not_hold_makes_the_statement_silent() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html"""
    only_tls = {"Bool": {"aws:SecureTransport": "true"}}
    plain = ask(aws__SecureTransport="false")
    assert across(plain, identity=(document(allow(Condition=only_tls)),)).outcome is IMPLICIT
    assert across(plain, identity=(ALLOW_ALL, document(allow(Condition=only_tls)))).outcome is ALLOWED
    assert across(plain, identity=(ALLOW_ALL, document(deny(Condition=only_tls)))).outcome is ALLOWED


def test_21_a_statement_without_resource_or_action_has_no_effect() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html"""
    for statement in (allow(action=None, Principal="*"), allow(resource=None, Principal="*")):
        assert says(statement, ask(action="kms:Decrypt")) is NO
        assert only(statement).problems == ()


# --- conditions -------------------------------------------------------------------------------------------------------


def test_22_keys_and_operators_are_anded_values_ored_and_negated_values_nored() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html"""
    both = allow(Condition={"StringEquals": {"s3:prefix": ["a", "b"], "s3:delimiter": "/"}, "Null": {"s3:x": "true"}})
    identity = Layer.IDENTITY_POLICY
    assert says(both, ask(s3__prefix="b", s3__delimiter="/"), identity) is YES
    assert says(both, ask(s3__prefix="b", s3__delimiter="-"), identity) is NO
    assert says(both, ask(s3__prefix="c", s3__delimiter="/"), identity) is NO
    assert says(both, ask(s3__prefix="b", s3__delimiter="/", s3__x="1"), identity) is NO
    assert [holds("StringNotEquals", "s3:prefix", ["a", "b"], value) for value in "abc"] == [NO, NO, YES]


def test_23_a_missing_key_fails_positive_operators_and_satisfies_negated_ones() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""
    for operator in ("StringEquals", "StringLike", "ArnLike", "IpAddress", "NumericLessThan", "DateEquals", "Bool"):
        assert holds(operator, "s3:x", "1") is NO
    for operator in ("StringNotEquals", "StringNotLike", "ArnNotLike", "NotIpAddress", "NumericNotEquals"):
        assert holds(operator, "s3:x", "1") is YES
    outside = deny(Principal="*", Condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-a"}})
    assert says(outside) is YES
    assert says(deny(Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}})) is NO


def test_24_ifexists_holds_without_the_key_but_foranyvalue_with_it_is_unsettled() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_IfExists"""
    assert holds("StringEqualsIfExists", "s3:prefix", "a") is YES
    assert holds("StringEqualsIfExists", "s3:prefix", "a", "b") is NO
    assert holds("StringNotEqualsIfExists", "s3:prefix", "a") is YES
    assert holds("ForAllValues:StringEqualsIfExists", "aws:TagKeys", "a") is YES
    assert holds("ForAnyValue:StringEqualsIfExists", "aws:TagKeys", "a") is MAYBE


def test_25_forallvalues_holds_of_nothing_and_foranyvalue_does_not() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html"""
    assert holds("ForAllValues:StringEquals", "aws:TagKeys", "a") is YES
    assert holds("ForAnyValue:StringEquals", "aws:TagKeys", "a") is NO
    empty = ask(aws__TagKeys=())
    every = allow(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": "a"}})
    some = allow(Condition={"ForAnyValue:StringEquals": {"aws:TagKeys": "a"}})
    assert [says(one, empty, Layer.IDENTITY_POLICY) for one in (every, some)] == [YES, NO]
    assert holds("ForAllValues:StringEquals", "aws:TagKeys", "a", "a", "b") is NO
    assert holds("ForAnyValue:StringEquals", "aws:TagKeys", "a", "a", "b") is YES


def test_26_a_list_under_an_operator_for_one_value_never_matches() -> None:
    """Published capture. Whether a key is a list is its type, not how many values came; a missing list is unsettled."""
    for operator in ("StringEquals", "StringNotEquals", "StringNotEqualsIfExists", "StringLikeIfExists"):
        assert holds(operator, "aws:TagKeys", "a", "b") is NO
        assert holds(operator, "aws:TagKeys", "a", "a") is NO
        assert holds(operator, "aws:TagKeys", "a", "a", "b") is NO
    assert holds("StringNotEquals", "aws:TagKeys", "a") is MAYBE
    assert holds("StringEquals", "aws:TagKeys", "a") is NO


def test_27_null_tests_presence_and_an_empty_string_is_present() -> None:
    """Published capture; https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""
    assert holds("Null", "s3:prefix", "true") is YES
    assert holds("Null", "s3:prefix", "false") is NO
    assert holds("Null", "s3:prefix", "false", "") is YES
    assert holds("Null", "s3:prefix", "true", "") is NO


def test_28_stringequals_takes_a_star_literally_and_arns_match_segment_by_segment() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN"""
    assert holds("StringEquals", "s3:prefix", "a*", "ab") is NO
    assert holds("StringEquals", "s3:prefix", "a*", "a*") is YES
    topic = f"arn:aws:sns:eu-west-1:{OWNER}:orders:1"
    for operator in ("ArnEquals", "ArnLike"):
        assert holds(operator, "aws:SourceArn", f"arn:aws:sns:*:{OWNER}:*", topic) is YES
        assert holds(operator, "aws:SourceArn", "arn:aws:sns:*:orders:1", topic) is NO
        assert holds(operator, "aws:SourceArn", "arn:aws:*", topic) is NO
        assert holds(operator, "aws:SourceArn", "arn:aws:*:*:*:*", topic) is YES
        assert holds(operator, "aws:SourceArn", "*", topic) is MAYBE
    assert holds("StringLike", "aws:SourceArn", "arn:aws:*", topic) is YES


def test_29_policy_variables() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html"""
    tag = {"aws__PrincipalTag/team": "red"}
    assert holds("StringEquals", "s3:prefix", "${aws:PrincipalTag/team}/", "red/", **tag) is YES
    assert holds("StringEquals", "s3:prefix", "${AWS:principaltag/TEAM}/", "red/", **tag) is YES
    for version in ("2008-10-17", None):
        assert holds("StringEquals", "s3:prefix", "${aws:PrincipalTag/team}/", "red/", version=version, **tag) is NO
        assert holds("StringEquals", "s3:prefix", "${s3:x}", "${s3:x}", version=version) is YES
    assert holds("StringEquals", "s3:prefix", "${aws:PrincipalTag/team, 'blue'}", "blue") is YES
    assert holds("StringEquals", "s3:prefix", "${aws:PrincipalTag/team, 'blue'}", "red", **tag) is YES
    assert holds("StringLike", "s3:prefix", "*${aws:PrincipalTag/team}", "anything") is NO
    assert holds("StringLike", "s3:prefix", "${aws:PrincipalTag/team}", "ab", **{"aws__PrincipalTag/team": "*"}) is NO
    assert holds("StringLike", "s3:prefix", "${aws:PrincipalTag/team}", "*", **{"aws__PrincipalTag/team": "*"}) is YES
    assert holds("StringLike", "s3:prefix", "${aws:TagKeys}", "a", aws__TagKeys="a") is NO
    assert [holds("StringLike", "s3:prefix", f"${{{char}}}", char) for char in "*?$"] == [YES] * 3
    assert [holds("StringLike", "s3:prefix", f"${{{char}}}", "x") for char in "*?$"] == [NO] * 3


def test_30_dates_are_instants_and_junk_equals_no_date() -> None:
    """Published capture; https://www.w3.org/TR/NOTE-datetime"""
    same = ("2026-11-23T10:00:00Z", "2026-11-23T11:00:00+01:00", "1795428000", "2026-11-23T10:00:00.000Z")
    for one in same:
        for other in same:
            assert holds("DateEquals", "aws:CurrentTime", one, other) is YES
    for operator in ("NumericNotEquals", "DateNotEquals"):
        assert holds(operator, "s3:x", "junk", "1") is YES
        assert holds(operator, "s3:x", "1", "junk") is YES
    assert holds("DateEquals", "s3:x", "junk", "junk") is NO


@pytest.mark.parametrize("spelled", ["1", "+1", "1e0", "01", "1.0", "10E-1", "1."])
def test_31_numbers_compare_as_numbers(spelled: str) -> None:
    """Published capture."""
    assert holds("NumericEquals", "s3:max-keys", "1", spelled) is YES
    assert holds("NumericEquals", "s3:max-keys", spelled, "1") is YES
    assert holds("NumericLessThan", "s3:max-keys", "10", spelled) is YES


def test_32_addresses() -> None:
    """Published capture."""
    assert holds("IpAddress", "aws:SourceIp", "203.0.113.0/24", "::ffff:203.0.113.7") is YES
    assert holds("IpAddress", "aws:SourceIp", "::ffff:203.0.113.0/120", "203.0.113.7") is YES
    assert holds("IpAddress", "aws:SourceIp", "2001:db8::/32", "2001:db8::7") is YES
    assert holds("IpAddress", "aws:SourceIp", "2001:db8::7/32", "2001:db8::7") is NO
    assert holds("IpAddress", "aws:SourceIp", "203.0.113.9/24", "203.0.113.7") is YES
    for operator in ("IpAddress", "NotIpAddress"):
        assert holds(operator, "aws:SourceIp", "203.0.113.0/24", "nowhere") is NO
    for operator in ("ArnLike", "ArnNotLike", "ArnNotEquals"):
        assert holds(operator, "aws:SourceArn", "arn:aws:s3:::b", "junk") is NO


def test_33_booleans_do_not_know_case_and_binaries_compare_as_bytes() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""
    assert holds("Bool", "aws:SecureTransport", "TRUE", "true") is YES
    assert holds("Bool", "aws:SecureTransport", "false", "False") is YES
    assert holds("Bool", "aws:SecureTransport", "false", "true") is NO
    assert holds("Bool", "aws:SecureTransport", "yes", "yes") is NO
    assert holds("BinaryEquals", "s3:x", "QmluYXJ5", "QmluYXJ5") is YES
    assert holds("BinaryEquals", "s3:x", "QmluYXJ5", "qmluyxj5") is NO
    # The last bits of `eB==` are no byte: it stands for the same byte as `eA==`.
    assert holds("BinaryEquals", "s3:x", "eA==", "eB==") is YES


def test_34_names_of_condition_keys_do_not_know_case() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html"""
    request = ask(**{"kms__EncryptionContext:aws:s3:arn": BUCKET})
    for name in ("kms:EncryptionContext:aws:s3:arn", "KMS:encryptioncontext:AWS:S3:ARN"):
        assert says(allow(Condition={"StringEquals": {name: BUCKET}}), request, Layer.IDENTITY_POLICY) is YES
        other = allow(Condition={"StringEquals": {name: BUCKET.upper()}})
        assert says(other, request, Layer.IDENTITY_POLICY) is NO


# --- KMS and S3 -------------------------------------------------------------------------------------------------------

DECRYPT = ask(action="kms:Decrypt")


def test_35_in_a_key_policy_a_star_is_this_key_and_another_key_is_nothing() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html"""
    assert says(allow(Principal="*"), DECRYPT) is YES
    assert says(allow(Principal="*", resource=KEY), DECRYPT) is YES
    assert says(allow(Principal="*", resource=KEY.replace("abcd", "dcba")), DECRYPT) is NO


def test_36_a_key_policy_must_delegate_inside_its_account_and_name_the_other_account_across() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"""
    delegating, silent = (
        document(allow(Principal=to(OWNER_ROOT))),
        document(allow("kms:Describe*", Principal=to(OWNER))),
    )
    own = ask(role(OWNER), action="kms:Decrypt")
    assert authorize(own, Policies(identity=(ALLOW_ALL,), resource=(delegating,))).outcome is ALLOWED
    assert authorize(own, Policies(identity=(), resource=(delegating,))).outcome is IMPLICIT
    decision = authorize(own, Policies(identity=(ALLOW_ALL,), resource=(silent,)))
    assert (decision.outcome, decision.layer) == (IMPLICIT, Layer.RESOURCE_POLICY)
    # A bucket needs no such delegation.
    bucket = ask(role(OWNER))
    assert authorize(bucket, Policies(identity=(ALLOW_ALL,), resource=())).outcome is ALLOWED
    assert across(DECRYPT, resource=(delegating,)).outcome is IMPLICIT
    for entry in (CONSUMER, ROLE_ARN):
        assert across(DECRYPT, resource=(document(allow(Principal=to(entry))),)).outcome is ALLOWED
    assert across(DECRYPT, identity=()).outcome is IMPLICIT


def test_37_in_an_identity_policy_an_alias_grants_no_use_of_its_key() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/cmks-in-iam-policies.html"""
    alias = f"arn:aws:kms:eu-west-1:{OWNER}:alias/curated"
    assert across(DECRYPT, identity=(document(allow("kms:*", alias)),)).outcome is IMPLICIT
    assert across(DECRYPT, identity=(document(allow("kms:*", KEY)),)).outcome is ALLOWED


def test_38_what_an_operation_means_across_accounts_is_not_for_the_evaluator() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html

    Policies may allow kms:EnableKey to another account without effect: `locks` asks only for those that work there.
    """
    assert across(ask(action="kms:EnableKey")).outcome is ALLOWED


def test_39_decrypting_for_s3_is_a_second_request_with_s3s_own_context() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html"""
    via_s3 = allow(
        "kms:Decrypt",
        Principal=to(ROLE_ARN),
        Condition={
            "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com", "kms:CallerAccount": CONSUMER},
        },
    )
    key_policy = (document(via_s3),)
    context = {"kms__ViaService": "s3.eu-west-1.amazonaws.com", "kms__CallerAccount": CONSUMER}
    assert across(ask(action="kms:Decrypt", **context), resource=key_policy).outcome is ALLOWED
    direct = across(ask(action="kms:Decrypt", kms__CallerAccount=CONSUMER), resource=key_policy)
    assert (direct.outcome, direct.lacking) == (IMPLICIT, ("kms:viaservice",))


def test_40_the_encryption_context_is_the_bucket_with_bucket_keys_and_else_the_object() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html"""

    def decrypts(pattern: str, arn: str) -> Truth:
        condition = {"StringLike": {"kms:EncryptionContext:aws:s3:arn": pattern}}
        request = ask(action="kms:Decrypt", **{"kms__EncryptionContext:aws:s3:arn": arn})
        return says(allow(Principal="*", Condition=condition), request)

    assert decrypts(f"{BUCKET}/*", OBJECT) is YES
    assert decrypts(f"{BUCKET}/*", BUCKET) is NO
    assert decrypts(BUCKET, BUCKET) is YES
    assert decrypts(f"{BUCKET}*", BUCKET) is YES


@pytest.mark.parametrize(
    ("operator", "key", "value"),
    [
        ("StringEquals", "aws:SourceVpce", "vpce-1"),
        ("StringEquals", "aws:SourceVpc", "vpc-1"),
        ("IpAddress", "aws:SourceIp", "203.0.113.0/24"),
    ],
)
def test_41_a_network_condition_in_a_key_policy_breaks_the_call_that_s3_makes(
    operator: str, key: str, value: str
) -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/conditions-aws.html"""
    decision = across(DECRYPT, resource=(document(allow(Principal="*", Condition={operator: {key: value}})),))
    assert (decision.outcome, decision.lacking) == (IMPLICIT, (key.lower(),))


def test_42_a_condition_on_grants_for_aws_resources_fails_where_that_key_does_not_exist() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-grant-is-for-aws-resource"""
    statement = allow("kms:*", Principal="*", Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}})
    assert says(statement, DECRYPT) is NO
    assert says(statement, ask(action="kms:CreateGrant", kms__GrantIsForAWSResource="true")) is YES


def test_43_a_grant_is_one_more_allow_of_the_keys_side_and_denies_beat_it() -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/grants.html"""
    subset = {"StringEquals": {"kms:EncryptionContext:aws:s3:arn": BUCKET}}
    grant = document(allow("kms:Decrypt", Principal=to(ROLE_ARN), Condition=subset))
    request = ask(action="kms:Decrypt", **{"kms__EncryptionContext:aws:s3:arn": BUCKET})
    assert across(request, resource=(), grants=grant).outcome is ALLOWED
    assert across(DECRYPT, resource=(), grants=grant).outcome is IMPLICIT
    assert across(request, identity=(), resource=(), grants=grant).outcome is IMPLICIT
    assert across(request, resource=(document(deny(Principal="*")),), grants=grant).outcome is EXPLICIT


def test_44_which_key_an_object_needs_is_for_who_asks() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingDSSEncryption.html

    That DSSE decrypts alike and that `aws/s3` is beyond other accounts shows in which requests `locks` asks for; here a
    Decrypt of the one key says nothing about another.
    """
    other = KEY.replace("abcd", "dcba")
    only_this = document(allow("kms:Decrypt", KEY))
    assert across(DECRYPT, identity=(only_this,)).outcome is ALLOWED
    assert across(ask(action="kms:Decrypt", resource=other), identity=(only_this,)).outcome is IMPLICIT
    assert matches(only(allow("kms:Decrypt", f"arn:aws:kms:*:{OWNER}:key/*")), DECRYPT, Layer.IDENTITY_POLICY) is YES
