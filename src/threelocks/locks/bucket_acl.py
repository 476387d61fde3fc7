"""The bucket's access control list, while ownership controls let it count: whom does it let in beside the owner?

https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from threelocks.finding import Finding, Kind, Remedy, Scope
from threelocks.locks.agreed import Tree, as_policy
from threelocks.locks.ask import Layered
from threelocks.locks.bucket_settings import acls_are_off, enforcing
from threelocks.locks.callers import ANYONE, STRANGERS
from threelocks.locks.case import About, Case
from threelocks.locks.resource_policy import Guarded, Target, narrow_findings
from threelocks.locks.words import listed
from threelocks.observation import BucketObservation, Found, Unreadable
from threelocks.policy.authorize import Layer, Policies
from threelocks.policy.document import Document, Effect

_GROUPS = "http://acs.amazonaws.com/groups/"
_EVERYBODY, _EVERY_ACCOUNT = f"{_GROUPS}global/AllUsers", f"{_GROUPS}global/AuthenticatedUsers"
# S3's own writer of access logs, into a bucket of the same account as the one that it logs.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
_LOGS = f"{_GROUPS}s3/LogDelivery"
_WHO = {_EVERYBODY: ANYONE, _EVERY_ACCOUNT: "every AWS account"}

# What a permission on the bucket is worth in actions; those on objects stand in their own lists, which nobody reads.
_MEANS = {
    "READ": ("s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"),
    "WRITE": ("s3:PutObject", "s3:DeleteObject"),
    "READ_ACP": ("s3:GetBucketAcl",),
    "WRITE_ACP": ("s3:PutBucketAcl",),
}
_MEANS["FULL_CONTROL"] = tuple(action for actions in tuple(_MEANS.values()) for action in actions)


def judge_acl(
    about: About, case: Case, bucket: BucketObservation, policy: Layered, targets: tuple[Target, ...]
) -> list[Finding]:
    """One finding for each grantee whom nobody agreed on. The bucket policy's Denies bind them as well. What could not
    be read is told as such, and nothing is made of it here."""
    if acls_are_off(bucket.ownership) or isinstance(bucket.ownership, Unreadable):
        return []
    about = replace(about, name="the bucket's access control list")
    return [
        finding
        for grantee, permissions in _others(bucket).items()
        for finding in _grantee(about, case, policy, targets, grantee, permissions)
    ]


def _others(bucket: BucketObservation) -> dict[str, list[str]]:
    """Grantee -> permissions, of all but the bucket's owner and what a public access block makes void."""
    acl = bucket.acl.value if isinstance(bucket.acl, Found) else None
    passed_over = {_LOGS, *([acl.owner] if acl else []), *(() if _public_counts(bucket) else _WHO)}
    found: dict[str, list[str]] = {}
    for grant in acl.grants if acl else ():
        if grant.grantee not in passed_over:
            found.setdefault(grant.grantee, []).append(grant.permission)
    return found


def _public_counts(bucket: BucketObservation) -> bool:
    """Whether IgnorePublicAcls is known to be off, at bucket and account.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
    """
    blocks = (bucket.block, bucket.account_block)
    return not any(
        isinstance(block, Unreadable) or (isinstance(block, Found) and block.value.ignore_public_acls)
        for block in blocks
    )


def _grantee(
    about: About, case: Case, policy: Layered, targets: tuple[Target, ...], grantee: str, permissions: Sequence[str]
) -> Iterable[Finding]:
    unknown = sorted(set(permissions) - _MEANS.keys())
    if unknown:
        yield _not_understood(about, grantee, unknown)
    granted = as_policy([_statement(case, grantee, permissions)], "access control list")
    denying = tuple(_denies(document) for document in policy.documents)
    documents = (granted, *denying)
    layered = Layered(needed=(((Layer.RESOURCE_POLICY, documents),),), policies=Policies(resource=documents))
    sentence = "Take the grant out of the bucket's access control list; whom the share is for, the bucket policy says."
    remedy = Remedy(about.account, sentence, None, enforcing(case))
    hits = narrow_findings(case, about, Guarded("bucket", layered, targets, remedy))
    if hits:
        yield _one_of(about, grantee, hits, remedy)


def _denies(document: Document) -> Document:
    return replace(document, statements=tuple(s for s in document.statements if s.effect is Effect.DENY))


def _statement(case: Case, grantee: str, permissions: Sequence[str]) -> Tree:
    """What the grant allows, as a policy would say it. Which account a canonical user id is of cannot be told from
    here, so it may be any."""
    actions = sorted({action for permission in permissions for action in _MEANS.get(permission, ())})
    bucket = case.contract.bucket_arn
    statement: Tree = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": actions,
        "Resource": [bucket, f"{bucket}/*"],
    }
    if grantee == _EVERYBODY:
        return statement
    signed = {"StringNotEquals": {"aws:PrincipalType": "Anonymous"}, "Bool": {"aws:PrincipalIsAWSService": "false"}}
    return {**statement, "Condition": signed}


def _one_of(about: About, grantee: str, hits: Sequence[Finding], remedy: Remedy) -> Finding:
    """The findings on one grantee as one. A grantee of whom only the account is unknown is let in for certain when an
    account that nobody names would be; when only some account would be, it is not known."""
    surely = any(one.kind is Kind.WIDE and (grantee in _WHO or one.principal == STRANGERS) for one in hits)
    kind = Kind.WIDE if surely else Kind.UNREAD
    shown = next((one for one in hits if one.kind is kind), hits[0])
    who = _WHO.get(grantee, f"canonical user {grantee}")
    actions = sorted({action for one in hits for action in one.actions})
    does = f"lets in {who}: {listed(actions)}"
    return about.finding(
        "bucket.wide-principal" if surely else "bucket.not-fully-checked",
        kind,
        who,
        actions,
        f"{about.name} {does}" if surely else f"perhaps {about.name} {does}; Denies leave only some accounts",
        remedy,
        scope=Scope.RESOURCE,
        witness=shown.witness,
    )


def _not_understood(about: About, grantee: str, permissions: Sequence[str]) -> Finding:
    detail = (
        f"{about.name} grants {_WHO.get(grantee, grantee)} {listed(permissions)}, which is not known to be anything"
    )
    remedy = Remedy(about.account, "Switch access control lists off, or update the watchdog.")
    return about.finding(
        "bucket.not-fully-checked", Kind.UNREAD, grantee, permissions, detail, remedy, scope=Scope.RESOURCE
    )
