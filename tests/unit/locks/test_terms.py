"""What is known of every required request: each condition key that the contract, its premises or the nature of the
caller fix, with its value, for each agreed action.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.locks.scene import (
    BUCKET,
    CONSUMER,
    KEY,
    NOW,
    OBJECTS,
    ORGANIZATION,
    OWNER,
    ROLE,
    ROLE_ID,
    contract,
)
from threelocks.locks.callers import ANYONE, SERVICES, STRANGERS, classes
from threelocks.locks.case import Case
from threelocks.locks.terms import Required, required, through
from threelocks.observation import Observation
from threelocks.policy.space import ABSENT, CALLER, Const, Free, View

PATH = f"{ORGANIZATION}/r-ab12/ou-ab12-11111111/"
AGREED = contract(
    premises={
        "consumer_organization": ORGANIZATION,
        "consumer_org_path": PATH,
        "owner_organization": "o-zzzzzzzzzz",
        "principal_tags": {"Team": "bi"},
    }
)
CASE = Case(AGREED, (), Observation(OWNER, NOW), {"role_id": ROLE_ID, "has_boundary": "true"})
BEGAN = NOW.timestamp()


def asked(action: str, case: Case = CASE) -> list[Required]:
    return required(case, (), [action])


# None: the request does not carry it.
ALWAYS: dict[str, str | None] = {
    "aws:securetransport": "true",
    "aws:requestedregion": "eu-west-1",
    "aws:principaltype": "AssumedRole",
    "aws:principalisawsservice": "false",
    "aws:principalservicename": None,
    "aws:username": None,
    "aws:principalorgid": ORGANIZATION,
    "aws:principalorgpaths": PATH,
    "aws:resourceorgid": "o-zzzzzzzzzz",
    "aws:resourceaccount": OWNER,
    "aws:principaltag/team": "bi",
    "aws:calledvia": None,
    "aws:calledviafirst": None,
    "aws:calledvialast": None,
    "aws:sourcearn": None,
    "aws:sourceaccount": None,
    "aws:sourceorgid": None,
    "aws:sourceorgpaths": None,
    "aws:currenttime": "2026-11-23T12:00:00Z",
    "aws:epochtime": "1795435200",
}
OF_S3 = {
    "aws:viaawsservice": "false",
    "s3:authtype": "REST-HEADER",
    "s3:signatureversion": "AWS4-HMAC-SHA256",
    "s3:tlsversion": "1.3",
    "s3:resourceaccount": OWNER,
    "s3:dataaccesspointarn": None,
    "s3:dataaccesspointaccount": None,
    "s3:accesspointnetworkorigin": None,
    "s3:accessgrantsinstancearn": None,
}
OF_KMS = {"kms:calleraccount": CONSUMER, "kms:requestalias": None, "s3:authtype": None, "s3:resourceaccount": None}
FIXED: dict[str, dict[str, str | None]] = {
    "s3:GetObject": OF_S3,
    "s3:ListBucket": OF_S3,
    "kms:Decrypt": {
        **OF_KMS,
        "aws:viaawsservice": "true",
        "kms:viaservice": "s3.eu-west-1.amazonaws.com",
        "kms:encryptionalgorithm": "SYMMETRIC_DEFAULT",
        "kms:encryptioncontextkeys": "aws:s3:arn",
    },
    "kms:DescribeKey": {**OF_KMS, "aws:viaawsservice": "false", "kms:viaservice": None},
}


@pytest.mark.parametrize("action", FIXED)
def test_what_is_fixed_for_every_required_request(action: str) -> None:
    for one in asked(action):
        wanted = {**ALWAYS, **FIXED[action]}
        fixed = {key: one.space.keys.get(key, "open") for key in wanted}
        assert fixed == {key: ABSENT if value is None else Const((value,)) for key, value in wanted.items()}


@pytest.mark.parametrize("action", FIXED)
def test_who_asks_is_the_role_in_any_session(action: str) -> None:
    for one in asked(action):
        caller = one.space.caller.at((ROLE_ID, "nightly"))
        assert (caller.principal_arn, caller.session, caller.unique_id) == (ROLE, "nightly", ROLE_ID)
        assert one.space.keys["aws:userid"] == View(CALLER, (ROLE_ID, ":", 1))
        assert one.space.keys["aws:principalaccount"] == View(CALLER, (CONSUMER,))


def test_an_id_that_is_not_known_is_the_first_segment_of_the_caller() -> None:
    (one,) = asked("s3:GetObject", Case(AGREED, (), Observation(OWNER, NOW), {}))
    assert one.space.keys["aws:userid"] == View(CALLER, (0, ":", 1))


@pytest.mark.parametrize("action", FIXED)
def test_a_session_began_before_now_and_the_clock_goes_on(action: str) -> None:
    for one in asked(action):
        assert one.space.keys["aws:tokenissuetime"] == Free(required=True, ceiling=BEGAN)
        later = {key: value for key, value in one.later.keys.items() if one.space.keys[key] != value}
        assert later == {
            "aws:currenttime": Free(required=True, floor=BEGAN),
            "aws:epochtime": Free(required=True, floor=BEGAN),
            "aws:tokenissuetime": Free(required=True),
        }


def test_what_is_asked_for_is_each_object_each_listing_and_the_key() -> None:
    def on(action: str) -> list[tuple[str, str]]:
        return [(one.space.resource.spell(("a/b",)), one.space.resource_account) for one in asked(action)]

    assert on("s3:GetObject") == [(f"{BUCKET}/a/b", OWNER)]
    assert on("s3:ListBucket") == [(BUCKET, OWNER)]
    assert on("kms:Decrypt") == [(KEY, OWNER)] * 2
    assert on("kms:DescribeKey") == [(KEY, OWNER)]
    (listing,) = asked("s3:ListBucket")
    chosen = {key: value for key, value in listing.space.keys.items() if value == Free(chosen=True)}
    assert sorted(chosen) == ["s3:delimiter", "s3:max-keys"]
    contexts = [one.space.keys["kms:encryptioncontext:aws:s3:arn"] for one in asked("kms:Decrypt")]
    assert [view.spell(("a/b",)) for view in contexts if isinstance(view, View)] == [f"{BUCKET}/a/b", BUCKET]


@pytest.mark.parametrize(("prefixes", "must"), [([""], 0), (["sales/"], 1)])
def test_a_listing_names_an_agreed_prefix_unless_the_whole_bucket_is_shared(prefixes: list[str], must: int) -> None:
    case = Case(contract(prefixes=prefixes), (), Observation(OWNER, NOW), {})
    assert [len(one.must) for one in asked("s3:ListBucket", case)] == [must]


@pytest.mark.parametrize(
    ("resource", "point", "named"),
    [
        (BUCKET, Const(("arn:p",)), "arn:p"),
        (OBJECTS, Const(("arn:p",)), "arn:p/object/*"),
        (BUCKET, ABSENT, None),
        (BUCKET, Const(("arn:p", "arn:q")), None),
        (BUCKET, Free(), None),
        (BUCKET, None, None),
    ],
)
def test_a_resource_has_another_name_below_the_one_access_point_of_a_request(
    resource: str, point: Any, named: str | None
) -> None:
    view = through(View("resource", (resource,)), point)
    assert (view.spell(()) if view else None) == named


# --- the callers that are asked about ---


def test_every_kind_of_principal_of_an_account_is_asked_about() -> None:
    roles = classes(CASE, OWNER, ())
    of_b = [one for one in roles if one.label == f"account {CONSUMER}"]
    assert [(one.space.kind.value, one.scope.value) for one in of_b] == [
        ("role session", "share"),
        ("IAM user", "share"),
        ("federated user", "share"),
        ("root user", "share"),
    ]
    role, user, federated, root = (one.space for one in of_b)
    session = role.at(("/p/", ROLE_ID, "n", "s"))
    assert (session.account, session.path, session.unique_id, session.name, session.session) == (
        CONSUMER, "/p/", ROLE_ID, "n", "s",
    )  # fmt: skip
    person = user.at(("/p/", "AIDA", "n"))
    assert (person.account, person.path, person.unique_id, person.name) == (CONSUMER, "/p/", "AIDA", "n")
    assert person.principal_arn == f"arn:aws:iam::{CONSUMER}:user/p/n"
    assert federated.at(("n",)).principal_arn == f"arn:aws:sts::{CONSUMER}:federated-user/n"
    assert root.at(()).principal_arn == f"arn:aws:iam::{CONSUMER}:root"


def test_strangers_are_of_any_account() -> None:
    role, user, federated, root = (one.space for one in classes(CASE, OWNER, ()) if one.label == STRANGERS)
    session = role.at(("4" * 12, "/p/", ROLE_ID, "n", "s"))
    assert (session.account, session.path, session.unique_id, session.name, session.session) == (
        "4" * 12, "/p/", ROLE_ID, "n", "s",
    )  # fmt: skip
    person = user.at(("4" * 12, "/p/", "AIDA", "n"))
    assert (person.account, person.path, person.unique_id, person.name) == ("4" * 12, "/p/", "AIDA", "n")
    assert federated.at(("4" * 12, "n")).principal_arn == f"arn:aws:sts::{'4' * 12}:federated-user/n"
    assert root.at(("4" * 12,)).principal_arn == f"arn:aws:iam::{'4' * 12}:root"


def test_what_callers_without_an_account_do_not_carry() -> None:
    by_label = {one.label: one.keys(CASE) for one in classes(CASE, OWNER, ())}
    anyone, service, stranger = by_label[ANYONE], by_label[SERVICES], by_label[STRANGERS]
    absent = ("aws:principalorgid", "aws:principalorgpaths")
    assert all(anyone[key] == service[key] == ABSENT for key in absent)
    assert anyone["aws:tokenissuetime"] == anyone["kms:calleraccount"] == ABSENT
    assert all(anyone[key] == stranger[key] == ABSENT for key in ("aws:sourcearn", "aws:sourceaccount"))
    assert "aws:sourcearn" not in service
    assert stranger["kms:calleraccount"] == View(CALLER, (0,))
    assert by_label[f"account {CONSUMER}"]["aws:principalorgid"] == Const((ORGANIZATION,))
