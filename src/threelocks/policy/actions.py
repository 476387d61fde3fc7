"""The S3 and KMS actions that one account can allow another, what they act on, and the condition keys they carry.

`action_table` has AWS's own list, with its source and date; `make actions` renews it.
"""

from __future__ import annotations

from functools import cache

from threelocks.policy.action_table import ACTIONS, CONDITION_KEYS
from threelocks.policy.pattern import Glob, plain_glob

# In order of preference: what tells most of a reader who may do it. All others follow by name.
_FIRST = """
s3:ListBucket s3:GetBucketLocation s3:ListBucketVersions s3:ListBucketMultipartUploads
s3:GetObject s3:PutObject s3:DeleteObject s3:GetObjectVersion s3:GetObjectAcl s3:GetObjectAttributes s3:GetObjectTagging
kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey kms:GenerateDataKeyWithoutPlaintext kms:ReEncryptFrom
kms:ReEncryptTo kms:CreateGrant
""".split()

# Allowing another account any other action on a key has no effect.
# https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html
_ACROSS_ACCOUNTS = frozenset(
    """
    kms:CreateGrant kms:Decrypt kms:DeriveSharedSecret kms:DescribeKey kms:Encrypt kms:GenerateDataKey
    kms:GenerateDataKeyPair kms:GenerateDataKeyPairWithoutPlaintext kms:GenerateDataKeyWithoutPlaintext kms:GenerateMac
    kms:GetKeyRotationStatus kms:GetPublicKey kms:ListGrants kms:ReEncryptFrom kms:ReEncryptTo kms:RetireGrant
    kms:RevokeGrant kms:Sign kms:Verify kms:VerifyMac
    """.split()
)
_OF_NO_BUCKET_YET = "s3:CreateBucket"


def _on(resource: str) -> tuple[str, ...]:
    names = sorted(name for name, (resources, _) in ACTIONS.items() if resource in resources)
    return tuple(dict.fromkeys([*(name for name in _FIRST if name in names), *names]))


BUCKET_ACTIONS = tuple(name for name in _on("bucket") if name != _OF_NO_BUCKET_YET)
OBJECT_ACTIONS = _on("object")
KEY_ACTIONS = tuple(name for name in _on("key") if name in _ACROSS_ACCOUNTS)

# An action for which none are recorded may carry any key of its service: that can only find a request too many, never
# one too few.
_CARRIED = {action.lower(): keys for action, (_, keys) in ACTIONS.items()}
_KNOWN = plain_glob(CONDITION_KEYS)


def carries(action: str, key: str) -> bool:
    """Whether a request for this action can carry this condition key (in lower case). Global keys: always. One that the
    table does not know may be newer than it, and is not ruled out either.
    """
    service = action.partition(":")[0].lower()
    of = key.partition(":")[0]
    if of not in ("s3", "kms"):
        return True
    if of != service:
        return False
    matcher = _carried(action.lower())
    return matcher is None or matcher.matches(key) or not _KNOWN.matches(key)


@cache
def _carried(action: str) -> Glob | None:
    """The keys that are recorded for an action, made ready when it is first asked about."""
    keys = _CARRIED.get(action)
    return None if keys is None else plain_glob(keys)
