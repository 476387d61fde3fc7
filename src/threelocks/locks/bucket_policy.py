"""Lock 2: the bucket policy, held by the owner; with it what else decides whether the bucket's objects can be read."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from threelocks.contract import BucketKeys
from threelocks.finding import Finding, Kind, Lock, Remedy
from threelocks.locks.ask import Layered
from threelocks.locks.case import Case, Parsed, parse, unread, unreadable
from threelocks.locks.findings import About, named_actions, open_findings
from threelocks.locks.remedy import bucket_policy_commands, mend_bucket, mend_bucket_ghost
from threelocks.locks.resource_policy import Target, as_ghosts, narrow_findings
from threelocks.locks.terms import at_present
from threelocks.observation import (
    Absent,
    BucketObservation,
    Encryption,
    Found,
    NamedPolicy,
    PublicAccessBlock,
    Source,
    Unreadable,
)
from threelocks.policy.actions import BUCKET_ACTIONS, OBJECT_ACTIONS
from threelocks.policy.arn import Arn
from threelocks.policy.authorize import Layer, Policies
from threelocks.policy.space import OBJECT_KEY, RESOURCE, Binding, Const, Group, View

_S3_ACTIONS = ("s3:GetObject", "s3:ListBucket")


def judge_bucket(case: Case, bucket: BucketObservation) -> list[Finding]:
    """Everything that is off with the bucket's lock."""
    contract = case.contract
    about = About(Lock.BUCKET_POLICY, contract.owner.account, contract.bucket_arn, "the bucket policy")
    if isinstance(bucket.region, Absent):
        return [_missing(about, case)]
    sources = (
        *(bucket.region, bucket.policy, bucket.policy_is_public, bucket.block, bucket.account_block),
        *(bucket.encryption, bucket.ownership, bucket.acl, bucket.requester_pays),
    )
    findings = [unread(about.lock, about.account, about.resource, source) for source in unreadable(sources)]
    findings += _elsewhere(about, case, bucket.region)
    findings += _encryption(about, case, bucket.encryption)
    if isinstance(bucket.policy, Unreadable):
        return findings
    parsed = parse(about.lock, about.account, about.resource, _documents(bucket.policy))
    findings += parsed.findings
    if not parsed.whole:
        return findings
    return findings + _policy_findings(about, case, bucket, parsed)


def _documents(policy: Source[str]) -> Iterable[tuple[str, NamedPolicy]]:
    if isinstance(policy, Found):
        yield "bucket policy", NamedPolicy("bucket policy", policy.value)


def _policy_findings(about: About, case: Case, bucket: BucketObservation, parsed: Parsed) -> list[Finding]:
    cut_off = _cut_off(bucket)
    layered = Layered(
        needed=(((Layer.RESOURCE_POLICY, parsed.documents),),),
        policies=Policies(resource=parsed.documents, restrict_public=cut_off),
    )
    remedy = partial(mend_bucket, case.contract)
    opened = open_findings(case, about, layered, _S3_ACTIONS, remedy)
    findings = as_ghosts(opened, parsed.documents, "bucket", mend_bucket_ghost(case.contract))
    if cut_off:
        # Nobody outside the owner's account gets in, so nothing is wide but for AWS services.
        return [*findings, _public_block(about, case)]
    return findings + narrow_findings(case, about, "bucket", layered, _targets(case, parsed), _narrowing(case))


def _targets(case: Case, parsed: Parsed) -> tuple[Target, ...]:
    contract = case.contract
    keys: dict[str, Binding] = {
        "aws:resourceaccount": Const((contract.owner.account,)),
        "s3:resourceaccount": Const((contract.owner.account,)),
        **at_present(case),
    }
    spelled = named_actions((), parsed.documents, "s3")
    known = {action.lower() for action in (*BUCKET_ACTIONS, *OBJECT_ACTIONS)}
    further = tuple(action for action in spelled if action.lower() not in known)
    owner = contract.owner.account
    View(RESOURCE, (f"{contract.bucket_arn}/", 0))
    return (
        Target(View(RESOURCE, (contract.bucket_arn,)), owner, Group(()), (*BUCKET_ACTIONS, *further), keys),
        Target(
            View(RESOURCE, (f"{contract.bucket_arn}/", 0)),
            owner,
            Group((OBJECT_KEY,)),
            (*OBJECT_ACTIONS, *further),
            keys,
        ),
    )


def _narrowing(case: Case) -> Remedy:
    return Remedy(
        case.contract.owner.account,
        f"Narrow or remove what lets them in, so that only {case.contract.role} is allowed the agreed actions on the "
        "agreed prefixes; or, if they are meant to read, list them under also_allowed in the contract, with why.",
        None,
        bucket_policy_commands(case.contract),
    )


# --- public access ----------------------------------------------------------------------------------------------------


def _cut_off(bucket: BucketObservation) -> bool:
    """Whether RestrictPublicBuckets is on, at bucket or account, and AWS calls the policy public.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
    """
    public = isinstance(bucket.policy_is_public, Found) and bucket.policy_is_public.value
    return public and any(_restricts(block) for block in (bucket.block, bucket.account_block))


def _restricts(block: Source[PublicAccessBlock]) -> bool:
    return isinstance(block, Found) and block.value.restrict_public_buckets


def _public_block(about: About, case: Case) -> Finding:
    contract = case.contract
    return Finding(
        code="bucket.public-block",
        kind=Kind.SHUT,
        lock=about.lock,
        account=about.account,
        resource=about.resource,
        principal=contract.role,
        actions=tuple(sorted(action for action in contract.actions if action.startswith("s3:"))),
        detail="the bucket policy is public, and RestrictPublicBuckets then cuts off every other account",
        remedy=Remedy(
            about.account,
            "Remove the public statement (Principal * without a limiting condition) from the bucket policy. Do not "
            "switch RestrictPublicBuckets off.",
            None,
            bucket_policy_commands(contract),
        ),
    )


# --- the bucket itself ------------------------------------------------------------------------------------------------


def _missing(about: About, case: Case) -> Finding:
    name = case.contract.bucket.name
    return Finding(
        code="bucket.missing",
        kind=Kind.SHUT,
        lock=about.lock,
        account=about.account,
        resource=about.resource,
        principal=case.contract.role,
        actions=tuple(sorted(action for action in case.contract.actions if action.startswith("s3:"))),
        detail=f"the bucket {name} does not exist in account {about.account}",
        remedy=Remedy(
            about.account,
            f"Create {name} again in account {about.account} and restore its policy and data, or withdraw the "
            "contract. Until then anybody may take the name.",
        ),
    )


def _elsewhere(about: About, case: Case, region: Source[str]) -> Iterable[Finding]:
    agreed = case.contract.bucket.region
    if isinstance(region, Found) and region.value != agreed:
        yield _premise(
            about,
            f"the bucket is in {region.value}, but the contract says {agreed}: Decrypt comes through another region",
            Remedy(about.account, f"Correct bucket.region in the contract to {region.value}, in both accounts."),
        )


def _encryption(about: About, case: Case, source: Source[Encryption]) -> Iterable[Finding]:
    """Default encryption decides which key new objects need; Bucket Keys decide which encryption context they carry."""
    if isinstance(source, Unreadable):
        return
    encryption = source.value if isinstance(source, Found) else Encryption("AES256")
    contract = case.contract
    if not encryption.algorithm.startswith("aws:kms"):
        detail = "new objects are encrypted by S3 itself (SSE-S3), not with the agreed key: readable, not as agreed"
        yield _default_encryption(about, case, "bucket.not-encrypted-as-agreed", Kind.RISK, detail)
        return
    if ":alias/" in encryption.key or encryption.key.startswith("alias/"):
        detail = (
            f"default encryption names the alias {encryption.key}, which each writer's own account resolves: new "
            "objects may be encrypted with another key"
        )
        yield _default_encryption(about, case, "bucket.not-encrypted-as-agreed", Kind.RISK, detail)
    elif not _is_key(encryption.key, contract.key):
        named = f"the key {encryption.key}" if encryption.key else "the AWS managed key aws/s3, which cannot be shared"
        detail = f"new objects are encrypted with {named}, not with the agreed key: the role cannot read them"
        yield _default_encryption(about, case, "bucket.wrong-encryption", Kind.SHUT, detail)
    agreed = contract.premises.bucket_keys
    if agreed is not BucketKeys.BOTH and encryption.bucket_key != (agreed is BucketKeys.ON):
        state = "on" if encryption.bucket_key else "off"
        yield _premise(
            about,
            f"S3 Bucket Keys are {state}, but the contract says `{agreed}`: new objects carry another context",
            Remedy(about.account, f"Switch S3 Bucket Keys to `{agreed}`, or agree on `both` in the contract."),
        )


def _is_key(configured: str, agreed: str) -> bool:
    """Whether what default encryption names is the agreed key: by ARN, or by key id within the bucket's own account."""
    arn = Arn.parse(agreed)
    return configured in (agreed, arn.resource.removeprefix("key/"))


def _default_encryption(about: About, case: Case, code: str, kind: Kind, detail: str) -> Finding:
    contract = case.contract
    rule = (
        '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"'
        f'{contract.key}"'
        "}}]}"
    )
    return Finding(
        code=code,
        kind=kind,
        lock=about.lock,
        account=about.account,
        resource=about.resource,
        principal=contract.role,
        actions=("s3:GetObject",),
        detail=detail,
        remedy=Remedy(
            about.account,
            "Set the bucket's default encryption to the agreed key again; objects written meanwhile keep theirs and "
            "must be copied over themselves.",
            None,
            (
                (
                    f"aws s3api put-bucket-encryption --bucket {contract.bucket.name} --expected-bucket-owner "
                    f"{contract.owner.account} --server-side-encryption-configuration '{rule}'"
                ),
            ),
        ),
    )


def _premise(about: About, detail: str, remedy: Remedy) -> Finding:
    return Finding(
        code="premise.false",
        kind=Kind.SHUT,
        lock=Lock.PREMISE,
        account=about.account,
        resource=about.resource,
        principal="the contract",
        actions=(),
        detail=detail,
        remedy=remedy,
    )
