"""How the layers are combined, and what a decision says."""

from __future__ import annotations

from dataclasses import replace
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
    role,
    root,
    says,
    service,
    user,
)
from threelocks.policy.authorize import Layer, Outcome, Policies, authorize, matches
from threelocks.policy.request import Caller

NOTHING = document(allow("ec2:*", Principal="*"), label="nothing")
DENYING = document(deny(Sid="No", Principal="*"), label="denying")
PERHAPS = document(allow(Sid="Perhaps", Principal="*", Condition={"StringRhymes": {"a": "b"}}), label="perhaps")
PERHAPS_NOT = document(
    deny(Sid="PerhapsNot", Principal="*", Condition={"StringRhymes": {"a": "b"}}), label="perhaps not"
)

LAYERS: dict[Layer, Any] = {
    Layer.IDENTITY_POLICY: lambda *documents: {"identity": documents},
    Layer.PERMISSIONS_BOUNDARY: lambda *documents: {"boundary": documents[-1]},
    Layer.SESSION_POLICY: lambda *documents: {"session": documents},
    Layer.SERVICE_CONTROL_POLICY: lambda *documents: {"scps": ((ALLOW_ALL,), documents)},
    Layer.RESOURCE_CONTROL_POLICY: lambda *documents: {"rcps": ((ALLOW_ANYONE,), documents)},
    Layer.VPC_ENDPOINT_POLICY: lambda *documents: {"endpoint": documents[-1]},
    Layer.RESOURCE_POLICY: lambda *documents: {"resource": documents},
    Layer.ACCESS_POINT_POLICY: lambda *documents: {"access_point": documents},
}


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_can_allow_deny_stay_silent_or_leave_it_open(layer: Layer) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"""
    of = LAYERS[layer]
    assert across(**of(ALLOW_ANYONE)).outcome is ALLOWED
    silent = across(**of(NOTHING))
    assert (silent.outcome, silent.layer, silent.statements) == (IMPLICIT, layer, ())
    both = document(allow(Principal="*"), deny(Sid="No", Principal="*"))
    denied = across(**of(both))
    assert (denied.outcome, denied.layer, [s.sid for s in denied.statements]) == (EXPLICIT, layer, ["No"])
    perhaps = across(**of(PERHAPS))
    assert (perhaps.outcome, perhaps.layer, [s.sid for s in perhaps.statements]) == (UNKNOWN, layer, ["Perhaps"])
    perhaps_not = across(**of(document(allow(Principal="*"), deny(Sid="X", Principal="*", Odd=1))))
    assert (perhaps_not.outcome, perhaps_not.layer, [s.sid for s in perhaps_not.statements]) == (UNKNOWN, layer, ["X"])


def test_a_sure_no_beats_an_unknown_and_a_sure_deny_beats_a_silence() -> None:
    assert across(identity=(PERHAPS,), resource=(NOTHING,)).outcome is IMPLICIT
    assert across(identity=(NOTHING, PERHAPS_NOT)).outcome is IMPLICIT
    assert across(identity=(ALLOW_ALL, PERHAPS_NOT), boundary=DENYING).outcome is EXPLICIT
    first = across(identity=(NOTHING,), resource=(DENYING,))
    assert (first.outcome, first.layer) == (EXPLICIT, Layer.RESOURCE_POLICY)


def test_an_allowed_request_names_every_statement_that_allows_it() -> None:
    resource = document(
        allow(Sid="A", Principal="*"), allow(Sid="B", Principal={"AWS": CONSUMER}), allow("ec2:*", Sid="C")
    )
    decision = across(identity=(document(allow(Sid="I")),), resource=(resource,))
    assert decision.layer is None
    assert [(statement.document, statement.sid) for statement in decision.statements] == [
        ("policy", "I"),
        ("policy", "A"),
        ("policy", "B"),
    ]


def test_the_answer_of_each_layer_is_kept() -> None:
    decision = across(scps=((ALLOW_ALL,), (NOTHING,)), restrict_public=True)
    assert [(answer.layer, answer.allow, answer.deny) for answer in decision.layers] == [
        (Layer.IDENTITY_POLICY, YES, NO),
        (Layer.SERVICE_CONTROL_POLICY, YES, NO),
        (Layer.SERVICE_CONTROL_POLICY, NO, NO),
        (Layer.RESOURCE_POLICY, YES, NO),
        (Layer.PUBLIC_ACCESS_BLOCK, YES, YES),
    ]


def test_the_keys_that_statements_ask_for_and_the_request_lacks_are_named() -> None:
    conditions = {"StringEquals": {"aws:SourceVpce": "vpce-1", "s3:prefix": "a"}, "Null": {"aws:TagKeys": "false"}}
    gate = document(allow(Principal="*", Condition=conditions))
    decision = across(ask(s3__prefix="a"), resource=(gate,))
    assert (decision.outcome, decision.lacking) == (IMPLICIT, ("aws:sourcevpce", "aws:tagkeys"))
    assert across().lacking == ()


def test_an_undecided_level_of_an_organization_names_its_own_statements() -> None:
    scps = ((document(allow(Sid="Full")),), (PERHAPS,))
    decision = across(scps=scps)
    assert [statement.sid for statement in decision.statements] == ["Perhaps"]


def test_layers_that_are_not_asked_have_no_say() -> None:
    assert authorize(ask(), Policies()).outcome is ALLOWED
    assert authorize(ask(), Policies(identity=(ALLOW_ALL,))).outcome is ALLOWED
    assert authorize(ask(), Policies(resource=(ALLOW_ANYONE,))).outcome is ALLOWED
    assert authorize(ask(), Policies(identity=())).outcome is IMPLICIT
    assert authorize(ask(), Policies(resource=())).outcome is IMPLICIT
    assert authorize(ask(), Policies(grants=ALLOW_ANYONE)).outcome is ALLOWED


@pytest.mark.parametrize("caller", [service(), ANONYMOUS])
def test_services_and_anonymous_callers_have_no_policies_of_their_own(caller: Caller) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"""
    nobody = {"identity": (), "boundary": NOTHING, "session": (), "scps": ((NOTHING,),)}
    named = document(allow(Principal={"AWS": "*", "Service": "logging.s3.amazonaws.com"}))
    assert across(ask(caller), **nobody, resource=(named,)).outcome is ALLOWED
    assert across(ask(caller), **nobody, resource=(NOTHING,)).outcome is IMPLICIT
    by_account = document(allow(Principal={"AWS": OWNER}))
    assert across(ask(caller), **nobody, resource=(by_account,)).outcome is IMPLICIT


def test_whether_a_star_allows_an_aws_service_is_unsettled() -> None:
    assert across(ask(service())).outcome is UNKNOWN


def test_a_root_user_needs_no_identity_policy_but_bows_to_its_organization() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"""
    own, other = ask(root(OWNER)), ask(root())
    assert authorize(own, Policies(identity=(), resource=())).outcome is ALLOWED
    assert authorize(own, Policies(identity=(DENYING,), boundary=NOTHING, resource=())).outcome is ALLOWED
    assert authorize(own, Policies(resource=(DENYING,))).outcome is EXPLICIT
    assert authorize(own, Policies(scps=((NOTHING,),), resource=())).layer is Layer.SERVICE_CONTROL_POLICY
    assert across(other, identity=(), resource=(document(allow(Principal={"AWS": CONSUMER})),)).outcome is ALLOWED
    assert across(other, identity=(), resource=(NOTHING,)).outcome is IMPLICIT
    # Without its statement in the key policy not even the account's root user may use a key.
    key = ask(root(OWNER), action="kms:Decrypt")
    assert authorize(key, Policies(resource=(document(allow(Principal={"AWS": ROLE_ARN})),))).outcome is IMPLICIT
    assert authorize(key, Policies(resource=(document(allow(Principal={"AWS": OWNER})),))).outcome is ALLOWED


OWN_ROLE = f"arn:aws:iam::{OWNER}:role/BIAnalyticsRole"
OWN_SESSION = f"arn:aws:sts::{OWNER}:assumed-role/BIAnalyticsRole/nightly"


@pytest.mark.parametrize(
    ("principal", "identity", "outcome"),
    [
        ({"AWS": OWN_ROLE}, (), ALLOWED),
        ({"AWS": OWN_SESSION}, (), ALLOWED),
        ({"AWS": ROLE_ID}, (), ALLOWED),
        ("*", (), ALLOWED),
        ({"AWS": OWNER}, (), IMPLICIT),
        ({"AWS": OWNER}, (ALLOW_ALL,), ALLOWED),
        ({"AWS": STRANGER}, (ALLOW_ALL,), ALLOWED),
        ({"AWS": STRANGER}, (), IMPLICIT),
        ({"CanonicalUser": "79a5"}, (), IMPLICIT),
        ({"AWS": OWNER}, (PERHAPS,), UNKNOWN),
    ],
)
def test_inside_one_account_either_side_is_enough(principal: Any, identity: tuple[Any, ...], outcome: Outcome) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-single.html"""
    policies = Policies(identity=identity, resource=(document(allow(Principal=principal)),))
    assert authorize(ask(role(OWNER)), policies).outcome is outcome


@pytest.mark.parametrize(
    ("principal", "with_identity", "without"),
    [
        ({"AWS": OWNER}, ALLOWED, IMPLICIT),
        ({"AWS": [OWNER, OWN_ROLE]}, ALLOWED, ALLOWED),
        ({"AWS": OWN_ROLE}, ALLOWED, ALLOWED),
        ({"AWS": f"arn:aws:iam::{OWNER}:role/Other"}, IMPLICIT, IMPLICIT),
        ({"CanonicalUser": "79a5"}, UNKNOWN, IMPLICIT),
        ({"CanonicalUser": "79a5", "AWS": OWNER}, ALLOWED, IMPLICIT),
        ({"CanonicalUser": "79a5", "AWS": OWN_ROLE}, ALLOWED, ALLOWED),
    ],
)
def test_a_key_policy_must_let_its_account_in(principal: Any, with_identity: Outcome, without: Outcome) -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"""
    request = ask(role(OWNER), action="kms:Decrypt")
    policy = (document(allow(Principal=principal)),)
    assert authorize(request, Policies(identity=(ALLOW_ALL,), resource=policy)).outcome is with_identity
    assert authorize(request, Policies(identity=(), resource=policy)).outcome is without


def test_anyone_with_a_condition_on_his_arn_is_not_limited_by_a_boundary() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html"""
    by_arn = document(allow(Principal="*", Condition={"ArnEquals": {"aws:PrincipalArn": OWN_ROLE}}))
    limited = Policies(identity=(), boundary=NOTHING, resource=(by_arn,))
    assert authorize(ask(role(OWNER)), limited).outcome is ALLOWED
    assert authorize(ask(role(OWNER)), Policies(boundary=DENYING, resource=(by_arn,))).outcome is EXPLICIT


def test_inside_one_account_a_session_policy_limits_a_role_that_is_named() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session"""
    named = (document(allow(Principal={"AWS": OWN_ROLE})),)
    decision = authorize(ask(role(OWNER)), Policies(session=(NOTHING,), resource=named))
    assert (decision.outcome, decision.layer) == (IMPLICIT, Layer.SESSION_POLICY)


@pytest.mark.parametrize(
    ("policies", "layer"),
    [
        ({"identity": ()}, Layer.IDENTITY_POLICY),
        ({"identity": (ALLOW_ALL,), "boundary": NOTHING}, Layer.PERMISSIONS_BOUNDARY),
        ({"identity": (ALLOW_ALL,), "session": ()}, Layer.SESSION_POLICY),
        ({"identity": (), "boundary": NOTHING}, Layer.IDENTITY_POLICY),
        ({"identity": (ALLOW_ALL,), "scps": ((),)}, Layer.SERVICE_CONTROL_POLICY),
    ],
)
def test_inside_one_account_a_silence_names_the_layer_that_could_end_it(policies: dict[str, Any], layer: Layer) -> None:
    decision = authorize(ask(role(OWNER)), Policies(resource=(), **policies))
    assert (decision.outcome, decision.layer) == (IMPLICIT, layer)


def test_ceilings_hold_inside_one_account_too() -> None:
    request = ask(role(OWNER))
    for ceiling in ({"scps": ((NOTHING,),)}, {"rcps": ((NOTHING,),)}, {"endpoint": NOTHING}):
        policies = Policies(identity=(ALLOW_ALL,), resource=(ALLOW_ANYONE,), **ceiling)
        assert authorize(request, policies).outcome is IMPLICIT


POINT = f"arn:aws:s3:eu-west-1:{OWNER}:accesspoint/curated"


def below(statement: dict[str, Any], caller: Any, **more: Any) -> Outcome:
    """What comes of a read of one object through an access point with that one statement."""
    request = replace(ask(caller), through=f"{POINT}/object/sales/a")
    policies = Policies(**{"identity": (ALLOW_ALL,), "resource": (ALLOW_ANYONE,), **more})
    return authorize(request, replace(policies, access_point=(document(statement),))).outcome


@pytest.mark.parametrize(
    ("resource", "outcome"),
    [
        (f"{POINT}/object/*", ALLOWED),
        (f"{POINT}/object/sales/*", ALLOWED),
        ("*", ALLOWED),
        (f"{POINT}/object/hr/*", IMPLICIT),
        (POINT, IMPLICIT),
        ("arn:aws:s3:::datalake-curated-a/*", IMPLICIT),
    ],
)
def test_an_access_points_policy_names_objects_below_the_access_point(resource: str, outcome: Outcome) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html"""
    assert below(allow(Principal="*", Resource=resource), role()) is outcome


def test_a_statement_is_asked_about_the_resource_as_its_own_layer_names_it() -> None:
    request = replace(ask(role()), through=f"{POINT}/object/sales/a")
    (below_point,) = document(allow(Principal="*", Resource=f"{POINT}/object/*")).statements
    (of_bucket,) = document(allow(Principal="*", Resource=request.resource)).statements
    assert matches(below_point, request, Layer.ACCESS_POINT_POLICY) is YES
    assert matches(below_point, request, Layer.RESOURCE_POLICY) is NO
    assert matches(of_bucket, request, Layer.ACCESS_POINT_POLICY) is NO
    assert matches(of_bucket, request, Layer.RESOURCE_POLICY) is YES


def test_an_access_points_policy_must_allow_other_accounts_and_can_only_deny_its_own() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html"""
    elsewhere = allow(Principal="*", Resource=f"{POINT}/object/hr/*")
    assert below(elsewhere, role()) is IMPLICIT
    assert below(elsewhere, role(OWNER)) is ALLOWED
    assert below(elsewhere, role(OWNER), resource=None) is ALLOWED
    assert below(allow(Principal="*"), role(), resource=(NOTHING,)) is IMPLICIT
    for caller in (role(), role(OWNER)):
        assert below(deny(Principal="*", Resource=f"{POINT}/object/sales/*"), caller) is EXPLICIT


def test_principals_count_at_resource_side_layers_only() -> None:
    stranger = allow(Principal={"AWS": STRANGER})
    with_principal = {
        *(Layer.RESOURCE_POLICY, Layer.GRANT, Layer.RESOURCE_CONTROL_POLICY, Layer.VPC_ENDPOINT_POLICY),
        Layer.ACCESS_POINT_POLICY,
    }
    for layer in Layer:
        assert says(stranger, layer=layer) is (NO if layer in with_principal else YES)


@pytest.mark.parametrize(
    ("entry", "caller", "truth"),
    [
        ("*", role(), YES),
        ("*", ANONYMOUS, YES),
        (CONSUMER, role(), NO),
        (CONSUMER, user(), NO),
        (CONSUMER, root(), YES),
        (OWNER, root(), NO),
        (ROLE_ARN, role(), MAYBE),
        (SESSION_ARN, role(), MAYBE),
        (ROLE_ARN, user(), NO),
    ],
)
def test_an_endpoint_policy_knows_anyone_and_root_users(entry: str, caller: Caller, truth: object) -> None:
    """https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html"""
    assert says(allow(Principal={"AWS": entry}), ask(caller), Layer.VPC_ENDPOINT_POLICY) is truth


@pytest.mark.parametrize(
    ("elements", "truth"),
    [
        ({"Action": "s3:GetObject"}, YES),
        ({"Action": ["s3:PutObject", "S3:GET*"]}, YES),
        ({"Action": "*"}, YES),
        ({"Action": "s3:GetObjec"}, NO),
        ({"Action": "GetObject"}, NO),
        ({"Action": "s3:GetObject "}, NO),
        ({"Action": "${aws:username}"}, NO),
        ({"NotAction": "s3:GetObject"}, NO),
        ({"NotAction": ["s3:Put*", "kms:*"]}, YES),
        ({"NotAction": "s3:*"}, NO),
        ({"NotAction": "*"}, NO),
        ({}, NO),
    ],
)
def test_action_and_notaction(elements: dict[str, Any], truth: object) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html"""
    statement = {"Effect": "Allow", "Resource": "*", **elements}
    assert says(statement, layer=Layer.IDENTITY_POLICY) is truth


@pytest.mark.parametrize(
    ("elements", "truth"),
    [
        ({"Resource": OBJECT}, YES),
        ({"Resource": ["arn:aws:s3:::x", f"{BUCKET}/sales/*"]}, YES),
        ({"Resource": f"{BUCKET}/sales/????.parquet"}, YES),
        ({"Resource": "arn:aws:s3:*"}, YES),
        ({"Resource": BUCKET}, NO),
        ({"Resource": f"{OBJECT} "}, NO),
        ({"Resource": f"{BUCKET}/${{aws:PrincipalTag/team}}/*"}, YES),
        ({"Resource": f"{BUCKET}/${{aws:PrincipalTag/other}}*"}, NO),
        ({"Resource": f"{BUCKET}/${{aws:PrincipalTag/other, 'sales'}}/*"}, YES),
        ({"Resource": [f"{BUCKET}/${{aws:PrincipalTag/other}}*", OBJECT]}, YES),
        ({"NotResource": f"{BUCKET}/hr/*"}, YES),
        ({"NotResource": [f"{BUCKET}/hr/*", f"{BUCKET}/sales/*"]}, NO),
        ({"NotResource": f"{BUCKET}/${{aws:PrincipalTag/team}}/*"}, NO),
        ({"NotResource": f"{BUCKET}/${{aws:PrincipalTag/other}}/*"}, MAYBE),
        ({"NotResource": [OBJECT, f"{BUCKET}/${{aws:PrincipalTag/other}}/*"]}, NO),
        ({}, NO),
    ],
)
def test_resource_and_notresource(elements: dict[str, Any], truth: object) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notresource.html"""
    statement = {"Effect": "Allow", "Action": "*", **elements}
    assert says(statement, ask(**{"aws__PrincipalTag/team": "sales"}), Layer.IDENTITY_POLICY) is truth


def test_revoked_sessions_are_denied_by_when_their_token_was_issued() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html"""
    revoked = document(deny(Condition={"DateLessThan": {"aws:TokenIssueTime": "2026-11-23T10:00:00.000Z"}}))
    for issued, outcome in (("2026-11-23T09:59:59Z", EXPLICIT), ("2026-11-23T10:00:00Z", ALLOWED)):
        assert across(ask(aws__TokenIssueTime=issued), identity=(ALLOW_ALL, revoked)).outcome is outcome


def test_a_bucket_policy_that_denies_all_but_one_endpoint() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies-vpc-endpoint.html"""
    outside = deny("s3:*", Principal="*", Condition={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})
    policy = (document(allow(Principal={"AWS": ROLE_ARN}), outside),)
    assert across(ask(aws__SourceVpce="vpce-1"), resource=policy).outcome is ALLOWED
    for context in ({}, {"aws__SourceVpce": "vpce-2"}):
        assert across(ask(**context), resource=policy).outcome is EXPLICIT


def test_without_any_policy_to_ask_nothing_stands_in_the_way() -> None:
    for owner in (OWNER, CONSUMER):
        decision = authorize(ask(owner=owner), Policies())
        assert (decision.outcome, decision.layer, decision.statements) == (ALLOWED, None, ())


def test_inside_one_account_who_is_listed_in_part_is_allowed_only_perhaps() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html"""
    caller = role(OWNER)
    for listed, outcome in ((STRANGER, ALLOWED), (OWNER, UNKNOWN), ("*", IMPLICIT)):
        policy = document(allow(NotPrincipal={"AWS": listed}))
        assert authorize(ask(caller), Policies(identity=(), resource=(policy,))).outcome is outcome


def test_notresource_with_a_variable_is_settled_where_the_variable_has_a_value() -> None:
    statement = allow(resource=None, NotResource="arn:aws:s3:::other/${aws:username}/*")
    assert says(statement, ask(user()), Layer.IDENTITY_POLICY) is YES
    assert says(statement, ask(role()), Layer.IDENTITY_POLICY) is MAYBE
    assert says(statement, ask(user(), resource="arn:aws:s3:::other/ana/x"), Layer.IDENTITY_POLICY) is NO


@pytest.mark.parametrize(
    ("statements", "outcome"),
    [
        ((allow(Principal="*"),), ALLOWED),
        ((), IMPLICIT),
        ((allow(Principal="*"), deny(Principal="*")), EXPLICIT),
        ((allow(Principal="*"), deny(Principal="*", Condition={"StringRhymes": {"a": "b"}})), UNKNOWN),
        ((allow(Principal="*", Condition={"StringRhymes": {"a": "b"}}),), UNKNOWN),
    ],
)
def test_every_decision_tells_what_each_layer_said_and_which_keys_were_lacking(
    statements: tuple[dict[str, Any], ...], outcome: Outcome
) -> None:
    asking = allow("s3:PutObject", Principal="*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
    decision = across(resource=(document(*statements, asking),))
    assert decision.outcome is outcome
    assert [answer.layer for answer in decision.layers] == [Layer.IDENTITY_POLICY, Layer.RESOURCE_POLICY]
    assert "aws:multifactorauthpresent" in decision.lacking


def test_a_denial_names_every_statement_that_denies() -> None:
    decision = across(
        resource=(document(allow(Principal="*"), deny(Sid="A", Principal="*"), deny(Sid="B", Principal="*")),)
    )
    assert [statement.sid for statement in decision.statements] == ["A", "B"]
    allowed = across(resource=(document(allow(Sid="C", Principal="*"), allow(Sid="D", Principal="*")),))
    assert [statement.sid for statement in allowed.statements] == [None, "C", "D"]
