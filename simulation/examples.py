"""The example everybody knows: its contract, and findings on it as the locks word them."""

from __future__ import annotations

import json

from threelocks.contract import Contract
from threelocks.finding import Finding, Kind, Lock, Remedy, StatementRef, Witness

OWNER = "111111111111"
CONSUMER = "222222222222"
STRANGER = "333333333333"
BUCKET = "arn:aws:s3:::datalake-curated-a"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/abcd1234-a123-456a-a12b-a123b4cd56ef"
ROLE = f"arn:aws:iam::{CONSUMER}:role/BIAnalyticsRole"
SESSION = f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/x"

CONTRACT = Contract.model_validate(
    {
        "name": "bi-curated-read",
        "owner": {"account": OWNER, "name": "data-platform", "home_region": "eu-west-1"},
        "consumer": {"account": CONSUMER, "name": "bi-team", "home_region": "eu-west-1"},
        "bucket": {"name": "datalake-curated-a", "region": "eu-west-1"},
        "key": KEY,
        "role": ROLE,
        "actions": ["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:DescribeKey"],
    }
)

_READ_STATEMENT = {
    "Sid": "BIAnalyticsRead",
    "Effect": "Allow",
    "Principal": {"AWS": ROLE},
    "Action": "s3:GetObject",
    "Resource": f"{BUCKET}/*",
}

NO_ALLOW = Finding(
    code="bucket.no-allow",
    kind=Kind.SHUT,
    lock=Lock.BUCKET_POLICY,
    account=OWNER,
    resource=BUCKET,
    principal=ROLE,
    actions=("s3:GetObject", "s3:ListBucket"),
    detail="no statement allows BIAnalyticsRole s3:GetObject and s3:ListBucket",
    witness=Witness(SESSION, "s3:GetObject", f"{BUCKET}/x", (("aws:SecureTransport", ("true",)),)),
    statements=(
        StatementRef(
            "bucket policy",
            0,
            "OwnerOnly",
            json.dumps(
                {
                    "Sid": "OwnerOnly",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"},
                    "Action": "s3:*",
                    "Resource": [BUCKET, f"{BUCKET}/*"],
                }
            ),
        ),
    ),
    remedy=Remedy(
        account=OWNER,
        sentence="add this statement to the bucket policy of datalake-curated-a, beside the others",
        statement=json.dumps(_READ_STATEMENT),
        commands=(
            "aws s3api get-bucket-policy --bucket datalake-curated-a --query Policy --output text > policy.json",
            "# add the statement above to policy.json, then",
            "aws s3api put-bucket-policy --bucket datalake-curated-a --policy file://policy.json",
        ),
    ),
)

EXPLICIT_DENY = Finding(
    code="bucket.explicit-deny",
    kind=Kind.SHUT,
    lock=Lock.BUCKET_POLICY,
    account=OWNER,
    resource=BUCKET,
    principal=ROLE,
    actions=("s3:GetObject",),
    detail="statement `Quarantine` denies BIAnalyticsRole s3:GetObject on secret/*",
    witness=Witness(SESSION, "s3:GetObject", f"{BUCKET}/secret/"),
    statements=(
        StatementRef(
            "bucket policy",
            2,
            "Quarantine",
            '{"Sid":"Quarantine","Effect":"Deny","Principal":"*","Action":"s3:*",'
            '"Resource":"arn:aws:s3:::datalake-curated-a/secret/*"}',
        ),
    ),
    remedy=Remedy(OWNER, "remove the statement `Quarantine`, or except BIAnalyticsRole from it"),
)

KEY_DISABLED = Finding(
    code="key.disabled",
    kind=Kind.SHUT,
    lock=Lock.KEY_POLICY,
    account=OWNER,
    resource=KEY,
    principal=ROLE,
    actions=("kms:Decrypt",),
    detail="the key is disabled",
    remedy=Remedy(OWNER, "enable the key", commands=(f"aws kms enable-key --key-id {KEY}",)),
)

WIDE_ROOT = Finding(
    code="bucket.wide-principal",
    kind=Kind.WIDE,
    lock=Lock.BUCKET_POLICY,
    account=OWNER,
    resource=BUCKET,
    principal=f"account {CONSUMER}",
    actions=("s3:GetObject", "s3:ListBucket"),
    detail=f"statement `BIAnalyticsRead` lets every principal that account {CONSUMER} chooses in, not just "
    "BIAnalyticsRole",
    witness=Witness(f"arn:aws:iam::{CONSUMER}:role/x", "s3:GetObject", f"{BUCKET}/x"),
    statements=(
        StatementRef(
            "bucket policy",
            0,
            "BIAnalyticsRead",
            json.dumps(_READ_STATEMENT | {"Principal": {"AWS": f"arn:aws:iam::{CONSUMER}:root"}}),
        ),
    ),
    remedy=Remedy(
        account=OWNER,
        sentence="name the role itself as the principal of statement `BIAnalyticsRead`",
        statement=json.dumps(_READ_STATEMENT),
    ),
)

WIDE_STRANGER = Finding(
    code="bucket.wide-principal",
    kind=Kind.WIDE,
    lock=Lock.BUCKET_POLICY,
    account=OWNER,
    resource=f"{BUCKET}/acme-corp/*",
    principal=f"arn:aws:iam::{STRANGER}:role/AcmeCorpReader",
    actions=("s3:GetObject",),
    detail=f"statement `AcmeCorp` lets arn:aws:iam::{STRANGER}:role/AcmeCorpReader in",
    witness=Witness(f"arn:aws:iam::{STRANGER}:role/AcmeCorpReader", "s3:GetObject", f"{BUCKET}/acme-corp/x"),
    statements=(StatementRef("bucket policy", 3, "AcmeCorp", '{"Sid":"AcmeCorp"}'),),
    remedy=Remedy(OWNER, "remove the statement `AcmeCorp`, or list AcmeCorpReader under also_allowed"),
)

NO_DECRYPT = Finding(
    code="identity.no-allow",
    kind=Kind.SHUT,
    lock=Lock.IDENTITY_POLICY,
    account=CONSUMER,
    resource=ROLE,
    principal=ROLE,
    actions=("kms:Decrypt",),
    detail="no policy of BIAnalyticsRole allows it kms:Decrypt on the key",
    witness=Witness(
        SESSION,
        "kms:Decrypt",
        KEY,
        (("kms:EncryptionContext:aws:s3:arn", (f"{BUCKET}/x",)), ("kms:ViaService", ("s3.eu-west-1.amazonaws.com",))),
    ),
    statements=(
        StatementRef(
            "inline policy `read-curated`",
            0,
            "Objects",
            '{"Sid":"Objects","Effect":"Allow","Action":["s3:GetObject"],"Resource":"arn:aws:s3:::datalake-curated-a/*"}',
        ),
    ),
    remedy=Remedy(
        account=CONSUMER,
        sentence="add this statement to inline policy `read-curated` of BIAnalyticsRole",
        statement=json.dumps(
            {"Sid": "CuratedKey", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": KEY}
        ),
    ),
)

KEY_UNREAD = Finding(
    code="key.unread",
    kind=Kind.UNREAD,
    lock=Lock.KEY_POLICY,
    account=OWNER,
    resource=KEY,
    principal="",
    actions=(),
    detail="kms:GetKeyPolicy was refused (AccessDeniedException): the reader role lacks kms:GetKeyPolicy on the key",
    remedy=Remedy(
        account=OWNER,
        sentence="allow arn:aws:iam::111111111111:role/threelocks/threelocks-reader kms:GetKeyPolicy in the key policy",
    ),
)

CONDITIONAL = Finding(
    code="bucket.conditional",
    kind=Kind.RISK,
    lock=Lock.BUCKET_POLICY,
    account=OWNER,
    resource=BUCKET,
    principal=ROLE,
    actions=("s3:GetObject",),
    detail="the statement that allows BIAnalyticsRole holds only while aws:SourceVpce is vpce-0a1b2c3d",
    remedy=Remedy(OWNER, "drop the condition, or agree on it in the contract"),
)
