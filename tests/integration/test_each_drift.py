"""Every finding that one call of an administrator makes: made by that call in simulated accounts, brought by its own
event, told in both accounts under its code, and recovered from.

What a call cannot make there is in the unit tests alone, each with the reason: simulation/coverage.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from simulation import changes
from simulation.changes import Deed, as_agreed, put_bucket_policy, put_identity_policy, put_key_policy
from simulation.scenario import Aftermath, after
from simulation.share import Policy, changed, with_also
from simulation.world import World
from threelocks.contract import Contract

STRANGER = "333333333333"
OFFICE = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
# Whether it spares the role's sessions too, when it names the role alone, AWS does not settle.
ALL_BUT_THE_ROLE = {"AWS": ["{role}", "arn:aws:iam::{account}:root", "arn:aws:iam::{owner}:root"]}
Edit = Callable[[Policy, Contract], Policy]


@pytest.fixture(autouse=True)
def mailboxes_are_empty(world: World) -> Iterator[None]:
    yield
    world.settle()
    world.mails()


@dataclass(frozen=True)
class Drift:
    """What is done and undone, and how it is told."""

    code: str
    standing: str
    make: Deed
    mend: Deed
    event: str  # the call that the mail names
    before: Deed | None = None  # what nobody is told of, and what makes the drift possible
    holders_alone: bool = False  # a third account on the resource is no business of the other's


# --- edits of policies ------------------------------------------------------------------------------------------------


def plus(**statement: Any) -> Edit:
    """One statement more; in its values `{bucket}`, `{role}`, `{account}` and `{owner}` are the contract's."""

    def edit(policy: Policy, contract: Contract) -> Policy:
        names = {
            "bucket": contract.bucket_arn,
            "role": contract.role,
            "account": contract.consumer.account,
            "owner": contract.owner.account,
        }
        text = json.dumps({"Effect": "Allow", **statement})
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        return with_also(policy, json.loads(text))

    return edit


def only(sid: str, **elements: Any) -> Edit:
    """One statement's elements replaced."""
    return lambda policy, _: changed(policy, sid, **elements)


ROLE = {"AWS": "{role}"}
OTHER_ACCOUNT = {"AWS": f"arn:aws:iam::{STRANGER}:root"}


# --- other calls ------------------------------------------------------------------------------------------------------


def lower_boundary(people: Any) -> None:
    """A boundary without KMS."""
    consumer = people.contract.consumer.account
    iam = people.administrator(consumer, "iam")
    text = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    made = iam.create_policy(PolicyName="ceiling", PolicyDocument=json.dumps(text))
    iam.put_role_permissions_boundary(RoleName=people.contract.role_name, PermissionsBoundary=made["Policy"]["Arn"])


def lift_boundary(people: Any) -> None:
    people.administrator(people.contract.consumer.account, "iam").delete_role_permissions_boundary(
        RoleName=people.contract.role_name
    )


def grant(to: str, *operations: str) -> Deed:
    """CreateGrant, by the account that holds the key."""

    def make(people: Any) -> None:
        people.administrator(people.contract.key_account, "kms").create_grant(
            KeyId=people.contract.key,
            GranteePrincipal=to.format(role=people.contract.role),
            Operations=list(operations),
        )

    return make


def revoke_grants(people: Any) -> None:
    kms, key = people.administrator(people.contract.key_account, "kms"), people.contract.key
    for each in kms.list_grants(KeyId=key)["Grants"]:
        kms.revoke_grant(KeyId=key, GrantId=each["GrantId"])


def in_turn(*deeds: Deed) -> Deed:
    def all_of_them(people: Any) -> None:
        for deed in deeds:
            deed(people)

    return all_of_them


def let_policies_be_public(*, yes: bool) -> Deed:
    """PutBucketPublicAccessBlock: BlockPublicPolicy would refuse a public policy; the other three stay as they are."""

    def put(people: Any) -> None:
        stay = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
        people.administrator(people.contract.owner.account, "s3").put_public_access_block(
            Bucket=people.contract.bucket.name,
            PublicAccessBlockConfiguration={**stay, "BlockPublicPolicy": not yes},
        )

    return put


EVERYBODY = plus(Sid="Everybody", Principal="*", Action="s3:GetObject", Resource="{bucket}/*")


BUCKET, KEY, IDENTITY = (
    (put_bucket_policy, "PutBucketPolicy"),
    (put_key_policy, "PutKeyPolicy"),
    (put_identity_policy, "PutRolePolicy"),
)


def edited(code: str, standing: str, lock: tuple[Callable[[Edit], Deed], str], edit: Edit) -> Drift:
    """One lock's policy put with that edit, and put as agreed again."""
    put, event = lock
    return Drift(code, standing, put(edit), put(as_agreed), event)


# The bucket policy leaves the choice to the account's own access points.
DELEGATED = plus(
    Sid="ByAccessPoints",
    Principal="*",
    Action="s3:*",
    Resource=["{bucket}", "{bucket}/*"],
    Condition={"StringEquals": {"s3:DataAccessPointAccount": "{owner}"}},
)


def create_access_point(people: Any) -> None:
    """CreateAccessPoint: as yet without a policy, so that it lets in nobody else."""
    contract = people.contract
    people.administrator(contract.owner.account, "s3control").create_access_point(
        AccountId=contract.owner.account, Name="curated", Bucket=contract.bucket.name
    )


def open_access_point(people: Any) -> None:
    """PutAccessPointPolicy for the whole consumer account."""
    contract = people.contract
    owner = contract.owner.account
    s3control = people.administrator(owner, "s3control")
    arn = s3control.get_access_point(AccountId=owner, Name="curated")["AccessPointArn"]
    everybody = {"AWS": f"arn:aws:iam::{contract.consumer.account}:root"}
    statement = {"Effect": "Allow", "Principal": everybody, "Action": "s3:GetObject", "Resource": f"{arn}/object/*"}
    s3control.put_access_point_policy(
        AccountId=owner, Name="curated", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )


def delete_access_point(people: Any) -> None:
    owner = people.contract.owner.account
    people.administrator(owner, "s3control").delete_access_point(AccountId=owner, Name="curated")


DRIFTS = (
    edited("identity.no-allow", "BROKEN", IDENTITY, changes.without_decrypt),
    edited("identity.explicit-deny", "BROKEN", IDENTITY,
           plus(Effect="Deny", Action="s3:GetObject", Resource="{bucket}/payroll/*")),
    edited("identity.conditional", "AT_RISK", IDENTITY, only("DecryptCurated", Condition=OFFICE)),
    edited("identity.sessions-revoked", "AT_RISK", IDENTITY, plus(
        Sid="RevokeOlderSessions", Effect="Deny", Action="*", Resource="*",
        Condition={"DateLessThan": {"aws:TokenIssueTime": "2026-11-22T00:00:00Z"}})),
    edited("identity.wide-resource", "WIDENED", IDENTITY, only("ReadCurated", Resource="*")),
    edited("identity.wide-action", "WIDENED", IDENTITY, plus(Action="s3:PutObject", Resource="{bucket}/*")),
    Drift("identity.boundary", "BROKEN", lower_boundary, lift_boundary, "PutRolePermissionsBoundary"),
    edited("bucket.no-allow", "BROKEN", BUCKET, changes.without_the_role_on_the_bucket),
    edited("bucket.explicit-deny", "BROKEN", BUCKET, changes.with_a_prefix_denied),
    edited("bucket.conditional", "AT_RISK", BUCKET, only("BiReads", Condition=OFFICE)),
    edited("bucket.wide-action", "WIDENED", BUCKET,
           plus(Principal=ROLE, Action="s3:PutObject", Resource="{bucket}/*")),
    edited("bucket.not-fully-checked", "UNKNOWN", BUCKET,
           plus(Effect="Deny", NotPrincipal=ALL_BUT_THE_ROLE, Action="s3:GetObject", Resource="{bucket}/*")),
    Drift("bucket.public-block", "BROKEN", put_bucket_policy(EVERYBODY),
          in_turn(put_bucket_policy(as_agreed), let_policies_be_public(yes=False)), "PutBucketPolicy",
          before=let_policies_be_public(yes=True)),
    Drift("bucket.wide-principal", "WIDENED", open_access_point,
          in_turn(delete_access_point, put_bucket_policy(as_agreed)), "PutAccessPointPolicy",
          before=in_turn(put_bucket_policy(DELEGATED), create_access_point)),
    edited("key.no-allow", "BROKEN", KEY, changes.without_the_role_on_the_key),
    edited("key.explicit-deny", "BROKEN", KEY,
           plus(Effect="Deny", Principal=ROLE, Action="kms:Decrypt", Resource="*")),
    edited("key.conditional", "AT_RISK", KEY, only("BiDecrypts", Condition=OFFICE)),
    Drift("key.wide-principal", "WIDENED",
          put_key_policy(plus(Principal=OTHER_ACCOUNT, Action="kms:Decrypt", Resource="*")), put_key_policy(as_agreed),
          "PutKeyPolicy", holders_alone=True),
    edited("key.wide-action", "WIDENED", KEY, plus(Principal=ROLE, Action="kms:Encrypt", Resource="*")),
    edited("key.not-fully-checked", "UNKNOWN", KEY,
           plus(Effect="Deny", NotPrincipal=ALL_BUT_THE_ROLE, Action="kms:Decrypt", Resource="*")),
    Drift("key.disabled", "BROKEN", changes.disable_key, changes.enable_key, "DisableKey"),
    Drift("key.wide-grant", "WIDENED", grant(f"arn:aws:iam::{STRANGER}:role/x", "Decrypt"), revoke_grants,
          "CreateGrant", holders_alone=True),
    Drift("key.by-grant-only", "AT_RISK",
          put_key_policy(changes.without_the_role_on_the_key), in_turn(put_key_policy(as_agreed), revoke_grants),
          "PutKeyPolicy", before=grant("{role}", "Decrypt", "DescribeKey")),
)  # fmt: skip


def codes(world: World, account: str) -> set[str]:
    (share,) = world.invoke(account, "recheck", {})["contracts"]
    return {finding["code"] for finding in share["findings"]}


def told(came: Aftermath) -> dict[str, list[str]]:
    """The standing in each mail of each account that got any."""
    return {
        account: [str(mail.attribute("standing")) for mail in mails] for account, mails in came.mails.items() if mails
    }


@pytest.mark.finding("identity.no-allow", "identity.explicit-deny", "identity.conditional", "identity.boundary")
@pytest.mark.finding("identity.sessions-revoked", "identity.wide-resource", "identity.wide-action")
@pytest.mark.finding("bucket.no-allow", "bucket.explicit-deny", "bucket.conditional", "bucket.public-block")
@pytest.mark.finding("bucket.wide-action", "bucket.not-fully-checked", "bucket.wide-principal")
@pytest.mark.finding("key.no-allow", "key.explicit-deny", "key.conditional", "key.disabled", "key.wide-principal")
@pytest.mark.finding("key.wide-action", "key.wide-grant", "key.by-grant-only", "key.not-fully-checked")
@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: drift.code)
def test_a_drift_is_told_in_both_accounts_by_its_own_event_and_recovered_from(world: World, drift: Drift) -> None:
    try:
        quiet = after(world, drift.before or (lambda _: None))
        world.pass_time(1500)
        broken = after(world, drift.make)
        in_force = {account: codes(world, account) for account in world.accounts}
        world.pass_time(540)
    finally:
        mended = after(world, drift.mend)
    assert quiet.is_silent
    consumer, owner = world.contract.consumer.account, world.contract.owner.account
    holder = consumer if drift.code.startswith("identity") else owner
    concerned = {holder} if drift.holders_alone else set(world.accounts)
    assert told(broken) == {account: [drift.standing] for account in concerned}
    assert broken.errors == ()
    assert {route.function for route in broken.routes if route.event_name == drift.event} == {"OnChangeFunction"}
    (mail,) = broken.mails[holder]
    assert f"[{drift.code}]" in mail.body
    assert f"{drift.event} by" in mail.body
    assert in_force == {account: {drift.code} if account in concerned else set() for account in world.accounts}
    assert told(mended) == {account: ["INTACT"] for account in concerned}
    assert not any(codes(world, account) for account in world.accounts)
