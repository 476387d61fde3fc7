"""The share that is measured: the policies of two accounts, and the requests of one read."""

from __future__ import annotations

import json
from typing import Any

from threelocks.policy.authorize import Policies
from threelocks.policy.document import parse_document
from threelocks.policy.request import Caller, CallerKind, Request

_parsed = parse_document.__wrapped__  # what parses each time must not remember
OWNER, CONSUMER = "111111111111", "222222222222"
BUCKET = "arn:aws:s3:::datalake-curated-a"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/abcd1234-5678-90ab-cdef-1234567890ab"
ROLE = f"arn:aws:iam::{CONSUMER}:role/BIAnalyticsRole"


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


IDENTITY = _policy(
    {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": BUCKET},
    {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": f"{BUCKET}/*"},
    {
        "Sid": "Decrypt",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:DescribeKey"],
        "Resource": KEY,
        "Condition": {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}},
    },
)
BUCKET_POLICY = _policy(
    {
        "Sid": "Tls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [BUCKET, f"{BUCKET}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    },
    {
        "Sid": "OwnersOnlyWrite",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:PutObject", "s3:DeleteObject"],
        "Resource": f"{BUCKET}/*",
        "Condition": {"StringNotEquals": {"aws:PrincipalAccount": OWNER}},
    },
    {"Sid": "List", "Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "s3:ListBucket", "Resource": BUCKET},
    {"Sid": "Read", "Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"},
)
KEY_POLICY = _policy(
    {
        "Sid": "Root",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"},
        "Action": "kms:*",
        "Resource": "*",
    },
    {
        "Sid": "Reader",
        "Effect": "Allow",
        "Principal": {"AWS": ROLE},
        "Action": ["kms:Decrypt", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {
            "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com", "kms:CallerAccount": CONSUMER},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [BUCKET, f"{BUCKET}/*"]},
        },
    },
)

VARIANTS = 64  # different sessions and objects, so that no answer can be one that is remembered


def _caller(number: int) -> Caller:
    return Caller(
        CallerKind.ROLE_SESSION,
        account=CONSUMER,
        name="BIAnalyticsRole",
        session=f"analyst-{number}",
        unique_id="AROAEXAMPLEEXAMPLE001",
        has_boundary=False,
    )


def _object(number: int) -> str:
    return f"{BUCKET}/sales/2026/11/part-{number:05}.parquet"


def _read(number: int) -> Request:
    context = {"aws:securetransport": ("true",), "aws:requestedregion": ("eu-west-1",)}
    return Request(_caller(number), "s3:GetObject", _object(number), OWNER, context)


def _decrypt(number: int) -> Request:
    context = {
        "aws:securetransport": ("true",),
        "kms:viaservice": ("s3.eu-west-1.amazonaws.com",),
        "kms:calleraccount": (CONSUMER,),
        "kms:encryptioncontext:aws:s3:arn": (_object(number),),
    }
    return Request(_caller(number), "kms:Decrypt", KEY, OWNER, context)


# What one read asks: the name of the request, its variants, and the policy on the resource's side.
REQUESTS = (
    ("GetObject", tuple(map(_read, range(VARIANTS))), BUCKET_POLICY),
    ("Decrypt", tuple(map(_decrypt, range(VARIANTS))), KEY_POLICY),
)


def texts(resource_policy: dict[str, Any]) -> tuple[str, str]:
    """The identity policy and the resource's, as AWS gives them."""
    return json.dumps(IDENTITY), json.dumps(resource_policy)


def parsed(identity: str, resource_policy: str) -> Policies:
    """The same, ready for `authorize`."""
    return Policies(
        identity=(_parsed(identity, "identity policy"),),
        resource=(_parsed(resource_policy, "resource policy"),),
    )


def simulation(request: Request, resource_policy: dict[str, Any]) -> dict[str, Any]:
    """A request and its policies as second_opinion/simulate.mjs takes them."""
    carried = {**request.caller.keys(), **request.context}
    return {
        "principal": request.caller.session_arn,
        "role": request.caller.principal_arn,
        "action": request.action,
        "resource": request.resource,
        "account": request.resource_account,
        "context": {key: values[0] for key, values in carried.items()},
        "identity": [IDENTITY],
        "session": None,
        "boundary": None,
        "scps": [],
        "rcps": [],
        "endpoint": None,
        "policy": resource_policy,
    }
