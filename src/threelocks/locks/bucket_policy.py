"""Lock 2: the bucket policy, held by the owner; with it what else decides whether the bucket's objects can be read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial

from threelocks.contract import BucketKeys, Contract
from threelocks.finding import Finding, Kind, Lock, Remedy
from threelocks.locks.access_points import judge_access_points, through_others, told_apart, without
from threelocks.locks.ask import Layered
from threelocks.locks.bucket_acl import judge_acl
from threelocks.locks.bucket_settings import judge_settings
from threelocks.locks.case import About, Case, Parsed, parse, premise, unread
from threelocks.locks.commands import bucket_policy_commands
from threelocks.locks.findings import open_findings
from threelocks.locks.narrow import unknown_actions
from threelocks.locks.remedy import mend_bucket, mend_bucket_ghost
from threelocks.locks.resource_policy import Guarded, Target, as_ghosts, is_service, narrow_findings
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
from threelocks.policy.document import Document
from threelocks.policy.space import OBJECT_KEY, RESOURCE, Binding, Const, Group, View

S3_ACTIONS = ("s3:GetObject", "s3:ListBucket")


def judge_bucket(case: Case, bucket: BucketObservation) -> list[Finding]:
    """Everything that is off with the bucket's lock."""
    contract = case.contract
    about = About(Lock.BUCKET_POLICY, contract.owner.account, contract.bucket_arn, "the bucket policy")
    if isinstance(bucket.region, Absent):
        return [_missing(about, case)]
    sources = (
        *(bucket.region, bucket.policy, bucket.policy_is_public, bucket.block, bucket.account_block),
        *(bucket.encryption, bucket.ownership, bucket.acl, bucket.requester_pays, bucket.access_points),
    )
    findings = unread(case, about, sources)
    findings += _elsewhere(about, case, bucket.region)
    findings += _encryption(about, case, bucket.encryption)
    findings += judge_settings(about, case, bucket)
    if isinstance(bucket.policy, Unreadable):
        return findings
    parsed = parse(about, _documents(bucket.policy))
    case.documents[about.lock] = parsed.documents
    findings += parsed.findings
    return findings + _policy_findings(about, case, bucket, parsed) if parsed.whole else findings


def _documents(policy: Source[str]) -> Iterable[tuple[str, NamedPolicy]]:
    if isinstance(policy, Found):
        yield "bucket policy", NamedPolicy("bucket policy", policy.value)


def _policy_findings(about: About, case: Case, bucket: BucketObservation, parsed: Parsed) -> list[Finding]:
    cut_off = is_cut_off(bucket)
    layered = Layered(
        needed=(((Layer.RESOURCE_POLICY, parsed.documents),),),
        policies=Policies(resource=parsed.documents, restrict_public=cut_off),
    )
    opened = open_findings(case, about, layered, S3_ACTIONS, partial(mend_bucket, case.contract))
    findings = as_ghosts(opened, parsed.documents, "bucket", partial(mend_bucket_ghost, case.contract))
    whole = targets(case, parsed.documents)
    guarded = Guarded("bucket", layered, tuple(doors(case, parsed.documents)), _narrowing(case))
    if cut_off:
        # Nobody outside the owner's account gets in but AWS services. That `*` may stand for them, too, goes without
        # saying beside the public statement.
        services = narrow_findings(case, about, guarded, asked=is_service)
        return [*findings, _public_block(about, case), *(one for one in services if one.kind is Kind.WIDE)]
    findings += judge_acl(about, case, bucket, layered, tuple(map(without, whole)))
    findings += narrow_findings(case, about, guarded)
    return findings + judge_access_points(case, bucket, layered, whole)


def targets(case: Case, documents: tuple[Document, ...]) -> tuple[Target, ...]:
    """The bucket, and every object in it."""
    bucket, owner = case.contract.bucket_arn, case.contract.owner.account
    keys: dict[str, Binding] = {
        "aws:resourceaccount": Const((owner,)),
        "s3:resourceaccount": Const((owner,)),
        **at_present(case),
    }
    further = unknown_actions((*BUCKET_ACTIONS, *OBJECT_ACTIONS), documents)
    itself, objects = View(RESOURCE, (bucket,)), View(RESOURCE, (f"{bucket}/", 0))
    return (
        Target(itself, owner, {RESOURCE: Group(())}, (*BUCKET_ACTIONS, *further), keys),
        Target(objects, owner, {RESOURCE: Group((OBJECT_KEY,))}, (*OBJECT_ACTIONS, *further), keys),
    )


def doors(case: Case, documents: tuple[Document, ...]) -> Iterable[Target]:
    """The bucket and its objects, asked for as such and through access points of other accounts: those of its own
    account have policies that are known, and are asked about one by one."""
    apart = told_apart(statement for document in documents for statement in document.statements)
    for target in targets(case, documents):
        yield without(target)
        if apart:
            yield through_others(case, target)


def _narrowing(case: Case) -> Remedy:
    return Remedy(
        case.contract.owner.account,
        f"Narrow or remove what lets them in, so that only {case.contract.role} is allowed the agreed actions on the "
        "agreed prefixes; or, if they are meant to read, list them under also_allowed in the contract, with why.",
        None,
        bucket_policy_commands(case.contract),
    )


# --- public access ----------------------------------------------------------------------------------------------------


def is_cut_off(bucket: BucketObservation) -> bool:
    """Whether RestrictPublicBuckets is on, at bucket or account, and AWS calls the policy public.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
    """
    public = isinstance(bucket.policy_is_public, Found) and bucket.policy_is_public.value
    return public and any(_restricts(block) for block in (bucket.block, bucket.account_block))


def _restricts(block: Source[PublicAccessBlock]) -> bool:
    return isinstance(block, Found) and block.value.restrict_public_buckets


def _public_block(about: About, case: Case) -> Finding:
    remedy = Remedy(
        about.account,
        "Remove the public statement (Principal * without a limiting condition) from the bucket policy. Do not switch "
        "RestrictPublicBuckets off.",
        None,
        bucket_policy_commands(case.contract),
    )
    detail = "the bucket policy is public, and RestrictPublicBuckets then cuts off every other account"
    return about.finding("bucket.public-block", Kind.SHUT, case.contract.role, _agreed_actions(case), detail, remedy)


def _agreed_actions(case: Case) -> list[str]:
    return [action for action in case.contract.actions if action in S3_ACTIONS]


# --- the bucket itself ------------------------------------------------------------------------------------------------


def _missing(about: About, case: Case) -> Finding:
    name = case.contract.bucket.name
    remedy = Remedy(
        about.account,
        f"Create {name} again in account {about.account} and restore its policy and data, or withdraw the contract. "
        "Until then anybody may take the name.",
    )
    detail = f"the bucket {name} does not exist in account {about.account}, or another account has it now"
    return about.finding("bucket.missing", Kind.SHUT, case.contract.role, _agreed_actions(case), detail, remedy)


def _elsewhere(about: About, case: Case, region: Source[str]) -> Iterable[Finding]:
    agreed = case.contract.bucket.region
    if isinstance(region, Found) and region.value != agreed:
        yield premise(
            about,
            "bucket.region",
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
    if encryption.is_alias:
        yield from _by_alias(about, case, encryption)
    elif not _is_key(encryption.key, contract):
        named = f"the key {encryption.key}" if encryption.key else _AWS_S3
        yield _default_encryption(about, case, "bucket.wrong-encryption", Kind.SHUT, _ENCRYPTED_WITH.format(named))
    agreed = contract.premises.bucket_keys
    if agreed is not BucketKeys.BOTH and encryption.bucket_key != (agreed is BucketKeys.ON):
        state = "on" if encryption.bucket_key else "off"
        yield premise(
            about,
            "premises.bucket_keys",
            f"S3 Bucket Keys are {state}, but the contract says `{agreed}`: new objects carry another context",
            Remedy(about.account, f"Switch S3 Bucket Keys to `{agreed}`, or agree on `both` in the contract."),
        )


_AWS_S3 = "the AWS managed key aws/s3, which cannot be shared"
_ENCRYPTED_WITH = "new objects are encrypted with {}, not with the agreed key: the role cannot read them"


def _by_alias(about: About, case: Case, encryption: Encryption) -> Iterable[Finding]:
    """An alias stands for one key in the bucket's account, and perhaps for another in that of each other writer.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionByDefault.html
    """
    here = encryption.stands_for
    if encryption.key.endswith("alias/aws/s3"):
        yield _default_encryption(about, case, "bucket.wrong-encryption", Kind.SHUT, _ENCRYPTED_WITH.format(_AWS_S3))
        return
    if isinstance(here, Found) and here.value != case.contract.key:
        named = f"{here.value}, for which {encryption.key} stands,"
        yield _default_encryption(about, case, "bucket.wrong-encryption", Kind.SHUT, _ENCRYPTED_WITH.format(named))
        return
    yield from unread(case, about, (here,))
    stands = {Found: "stands for the agreed key here", Absent: "stands for no key here"}.get(type(here), "is not known")
    detail = (
        f"default encryption names the alias {encryption.key}, which {stands}, and which each writer's own account "
        "resolves: new objects may be encrypted with another key"
    )
    yield _default_encryption(about, case, "bucket.not-encrypted-as-agreed", Kind.RISK, detail)


def _is_key(configured: str, contract: Contract) -> bool:
    """Whether default encryption names the agreed key: by ARN, or by the id of a key in the bucket's own account."""
    key_id = Arn.parse(contract.key).resource.removeprefix("key/")
    return configured == contract.key or (configured == key_id and contract.key_account == contract.owner.account)


def _default_encryption(about: About, case: Case, code: str, kind: Kind, detail: str) -> Finding:
    contract = case.contract
    rule: dict[str, object] = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": contract.key}
    }
    if contract.premises.bucket_keys is not BucketKeys.BOTH:
        rule["BucketKeyEnabled"] = contract.premises.bucket_keys is BucketKeys.ON
    command = (
        f"aws s3api put-bucket-encryption --bucket {contract.bucket.name} --expected-bucket-owner "
        f"{contract.owner.account} --server-side-encryption-configuration '{json.dumps({'Rules': [rule]})}'"
    )
    sentence = (
        "Set the bucket's default encryption to the agreed key again; objects written meanwhile keep theirs and must "
        "be copied over themselves."
    )
    remedy = Remedy(about.account, sentence, None, (command,))
    return about.finding(code, kind, contract.role, ("s3:GetObject",), detail, remedy)
