"""The S3 and KMS actions that one account can allow another, what they act on, and the condition keys they carry.

Sources, read 2026-11-23:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html
https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html (across accounts)
"""

from __future__ import annotations

from functools import lru_cache

from threelocks.policy.pattern import glob, parse_pattern

_BUCKET = """
ListBucket GetBucketLocation ListBucketVersions ListBucketMultipartUploads
CreateBucketMetadataTableConfiguration DeleteBucket DeleteBucketMetadataTableConfiguration DeleteBucketPolicy
DeleteBucketWebsite GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketAcl GetBucketCORS
GetBucketLogging GetBucketMetadataTableConfiguration GetBucketNotification GetBucketObjectLockConfiguration
GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus GetBucketPublicAccessBlock GetBucketRequestPayment
GetBucketTagging GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration GetIntelligentTieringConfiguration
GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration GetReplicationConfiguration
InitiateReplication ListTagsForResource PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketAbac PutBucketAcl
PutBucketCORS PutBucketLogging PutBucketNotification PutBucketObjectLockConfiguration PutBucketOwnershipControls
PutBucketPolicy PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging PutBucketVersioning PutBucketWebsite
PutEncryptionConfiguration PutIntelligentTieringConfiguration PutInventoryConfiguration PutLifecycleConfiguration
PutMetricsConfiguration PutReplicationConfiguration TagResource UntagResource
""".split()

_OBJECT = """
GetObject PutObject DeleteObject GetObjectVersion GetObjectAcl GetObjectAttributes GetObjectTagging
AbortMultipartUpload BypassGovernanceRetention DeleteObjectTagging DeleteObjectVersion DeleteObjectVersionTagging
GetObjectLegalHold GetObjectRetention GetObjectTorrent GetObjectVersionAcl GetObjectVersionAttributes
GetObjectVersionForReplication GetObjectVersionTagging GetObjectVersionTorrent ListMultipartUploadParts
ObjectOwnerOverrideToBucketOwner PutObjectAcl PutObjectLegalHold PutObjectRetention PutObjectTagging PutObjectVersionAcl
PutObjectVersionTagging ReplicateDelete ReplicateObject ReplicateTags RestoreObject UpdateObjectEncryption
""".split()

_KEY = """
Decrypt DescribeKey Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo CreateGrant
DeriveSharedSecret GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateMac GetKeyRotationStatus GetPublicKey
ListGrants RetireGrant RevokeGrant Sign Verify VerifyMac
""".split()

BUCKET_ACTIONS = tuple(f"s3:{name}" for name in _BUCKET)
OBJECT_ACTIONS = tuple(f"s3:{name}" for name in _OBJECT)
KEY_ACTIONS = tuple(f"kms:{name}" for name in _KEY)

_S3_COMMON = """
s3:authtype s3:resourceaccount s3:signatureage s3:signatureversion s3:tlsversion s3:x-amz-content-sha256
s3:dataaccesspointaccount s3:dataaccesspointarn s3:accesspointnetworkorigin s3:accessgrantsinstancearn
""".split()
_LISTING = ("s3:prefix", "s3:delimiter", "s3:max-keys")
_CRYPTOGRAPHIC = ("kms:encryptioncontext:*", "kms:encryptioncontextkeys", "kms:encryptionalgorithm")
_KMS_COMMON = """
kms:calleraccount kms:viaservice kms:requestalias kms:resourcealiases kms:keyorigin kms:keyspec kms:keyusage
kms:multiregion kms:multiregionkeytype
""".split()

# Exact for the actions that a contract can agree on. For the others a key of their service may be carried: that can
# only find a request too many, never one too few.
_CARRIED: dict[str, tuple[str, ...]] = {
    "s3:getobject": (*_S3_COMMON, "s3:existingobjecttag/*", "s3:if-match", "s3:if-none-match"),
    "s3:listbucket": (*_S3_COMMON, *_LISTING),
    "s3:listbucketversions": (*_S3_COMMON, *_LISTING),
    "kms:decrypt": (*_KMS_COMMON, *_CRYPTOGRAPHIC, "kms:recipientattestation:*"),
    "kms:describekey": tuple(_KMS_COMMON),
}
_MATCHERS = {
    action: glob(tuple(parse_pattern(key, variables=False) for key in keys)) for action, keys in _CARRIED.items()
}


@lru_cache(maxsize=8192)
def carries(action: str, key: str) -> bool:
    """Whether a request for this action can carry this condition key (in lower case). Global keys: always."""
    service = action.partition(":")[0].lower()
    of = key.partition(":")[0]
    if of not in ("s3", "kms"):
        return True
    if of != service:
        return False
    matcher = _MATCHERS.get(action.lower())
    return matcher is None or matcher.matches(key)
