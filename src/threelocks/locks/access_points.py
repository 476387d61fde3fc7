"""Access points: further doors to the bucket, each with a policy of its own that must allow as well. Who comes through
one is told apart by condition keys, so that a bucket policy can leave the choice to access points.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from dataclasses import replace

from threelocks.contract import Contract
from threelocks.finding import Finding, Lock, Remedy
from threelocks.locks.ask import Layered
from threelocks.locks.case import About, Case, parse
from threelocks.locks.commands import access_point_policy_commands
from threelocks.locks.resource_policy import Guarded, Target, narrow_findings
from threelocks.locks.terms import keys_of
from threelocks.observation import AccessPoint, BucketObservation, Found, NamedPolicy
from threelocks.policy.authorize import Layer
from threelocks.policy.box import Atom, Not, TextLiteral
from threelocks.policy.document import Statement
from threelocks.policy.pattern import glob, literal
from threelocks.policy.space import ABSENT, ACCOUNT, Binding, Const, Free, Group, Shape, View

ARN, OF_ACCOUNT, ORIGIN = "s3:dataaccesspointarn", "s3:dataaccesspointaccount", "s3:accesspointnetworkorigin"
_KEYS = frozenset({ARN, OF_ACCOUNT, ORIGIN})
_DOOR = "access point"  # the group of its account and its name
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-restrictions-limitations-naming-rules.html
_NAME = Shape(
    "xyzabcdefghijklmnopqrstuvw0123456789-",
    3,
    50,
    frozenset(string.ascii_lowercase + string.digits + "-"),
    inner="-",
    example="access-point",
)


def matter(policy: str, contract: Contract) -> bool:
    """Whether a bucket policy tells requests through access points from others, or the contract says that its readers
    come through one: if not, whom they let in must be let in by the bucket policy as well, and is judged there.
    """
    try:
        text = json.dumps(json.loads(policy), ensure_ascii=False)  # so that no escape hides a name
    except ValueError:
        return True
    stated = {key.lower() for context in contract.contexts for key in context.keys}
    return "accesspoint" in text.lower() or bool(stated & _KEYS)


def told_apart(statements: Iterable[Statement]) -> bool:
    """Whether conditions ask through which access point a request comes."""
    return any(keys_of(statement) & _KEYS for statement in statements)


def without(target: Target) -> Target:
    """The target, as asked for without any access point."""
    return replace(target, keys={**target.keys, **dict.fromkeys(_KEYS, ABSENT)})


def through_others(case: Case, target: Target) -> Target:
    """The same through an access point of any other account, which lets in whom it likes."""
    contract = case.contract
    start = f"arn:{case.partition}:s3:{contract.bucket.region}:"
    keys: dict[str, Binding] = {
        ARN: View(_DOOR, (start, 0, ":accesspoint/", 1)),
        OF_ACCOUNT: View(_DOOR, (0,)),
        ORIGIN: Free(),
    }
    own = TextLiteral(_DOOR, Not(Atom((0,), glob((literal(contract.owner.account),)))))
    groups = {**target.groups, _DOOR: Group((ACCOUNT, _NAME))}
    return replace(target, keys={**target.keys, **keys}, groups=groups, must=(*target.must, own))


def judge_access_points(
    case: Case, bucket: BucketObservation, layered: Layered, targets: tuple[Target, ...]
) -> list[Finding]:
    """Who gets more than agreed through the account's own access points."""
    if not isinstance(bucket.access_points, Found):
        return []  # told as unread
    return [finding for point in bucket.access_points.value for finding in _through_own(case, point, layered, targets)]


def _through_own(case: Case, point: AccessPoint, layered: Layered, targets: tuple[Target, ...]) -> list[Finding]:
    owner = case.contract.owner.account
    about = About(Lock.BUCKET_POLICY, owner, point.arn, f"the access point `{point.name}`")
    parsed = parse(about, as_policies(point))
    if not parsed.whole:
        return list(parsed.findings)
    both = Layered(
        needed=(*layered.needed, ((Layer.ACCESS_POINT_POLICY, parsed.documents),)),
        policies=replace(layered.policies, access_point=parsed.documents),
    )
    keys: dict[str, Binding] = {ARN: Const((point.arn,)), OF_ACCOUNT: Const((owner,)), ORIGIN: Const((point.origin,))}
    doors = tuple(replace(target, keys={**target.keys, **keys}) for target in targets)
    return [*parsed.findings, *narrow_findings(case, about, Guarded("bucket", both, doors, _narrowing(case, point)))]


def as_policies(point: AccessPoint) -> Iterable[tuple[str, NamedPolicy]]:
    """Its policy with its label; none where it has none."""
    if point.policy:
        yield f"access point policy `{point.name}`", NamedPolicy(point.name, point.policy)


def _narrowing(case: Case, point: AccessPoint) -> Remedy:
    return Remedy(
        case.contract.owner.account,
        f"Narrow the policy of the access point {point.name}, so that only {case.contract.role} is allowed the agreed "
        "actions on the agreed prefixes, or have the bucket policy leave less to access points; or, if they are meant "
        "to read, list them under also_allowed in the contract, with why.",
        None,
        access_point_policy_commands(point.arn),
    )
