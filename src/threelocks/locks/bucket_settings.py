"""Settings of the bucket by which objects or readers escape the bucket policy: object ownership, and who pays."""

from __future__ import annotations

from collections.abc import Iterable

from threelocks.finding import Finding, Kind, Remedy
from threelocks.locks.case import About, Case
from threelocks.observation import Absent, BucketObservation, Found, Source

ENFORCED = "BucketOwnerEnforced"


def judge_settings(about: About, case: Case, bucket: BucketObservation) -> Iterable[Finding]:
    """What is a risk to the share whatever the policies say."""
    if not acls_are_off(bucket.ownership) and isinstance(bucket.ownership, Found | Absent):
        yield _ownership(about, case, bucket.ownership)
    if isinstance(bucket.requester_pays, Found) and bucket.requester_pays.value:
        yield _requester_pays(about, case)


def acls_are_off(ownership: Source[str]) -> bool:
    """Whether every object is the bucket owner's, and no access control list counts.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
    """
    return isinstance(ownership, Found) and ownership.value == ENFORCED


def which(case: Case) -> str:
    """The bucket, as commands of s3api name it."""
    contract = case.contract
    return f"--bucket {contract.bucket.name} --expected-bucket-owner {contract.owner.account}"


def enforcing(case: Case) -> tuple[str, ...]:
    """What switches access control lists off. AWS refuses while one still lets in somebody else.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-ownership-migrating-acls-prerequisites.html
    """
    rules = f"'Rules=[{{ObjectOwnership={ENFORCED}}}]'"
    return (
        f"aws s3api put-bucket-acl {which(case)} --acl private",
        f"aws s3api put-bucket-ownership-controls {which(case)} --ownership-controls {rules}",
    )


def _ownership(about: About, case: Case, ownership: Found[str] | Absent) -> Finding:
    """A bucket policy's Allow covers only objects that the bucket's owner owns.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-policy-language-overview.html
    """
    stated = ownership.value if isinstance(ownership, Found) else "ObjectWriter, since none is set"
    detail = (
        f"object ownership is {stated}: an object that another account writes may stay that account's, and the bucket "
        "policy then lets nobody read it"
    )
    sentence = "Switch access control lists off, so that every object in the bucket is its owner's:"
    remedy = Remedy(about.account, sentence, None, enforcing(case))
    return about.finding("bucket.ownership", Kind.RISK, case.contract.role, ("s3:GetObject",), detail, remedy)


def _requester_pays(about: About, case: Case) -> Finding:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html"""
    payer = f"aws s3api put-bucket-request-payment {which(case)} --request-payment-configuration Payer=BucketOwner"
    detail = "readers must agree to pay for each request (x-amz-request-payer), and are refused when they do not"
    sentence = "Let the bucket's owner pay again, or have every reader send x-amz-request-payer: requester."
    actions = [action for action in case.contract.actions if action.startswith("s3:")]
    remedy = Remedy(about.account, sentence, None, (payer,))
    return about.finding("bucket.requester-pays", Kind.RISK, case.contract.role, actions, detail, remedy)
