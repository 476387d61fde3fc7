"""KMS grants, written as a policy: each is an Allow with perhaps a condition on the encryption context.

https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantConstraints.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from threelocks.observation import Grant
from threelocks.policy.document import Document, parse_document

# Grants constrain these operations only; on the others a constraint has no say.
_WITH_CONTEXT = frozenset(
    {
        *("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"),
        *("GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo", "CreateGrant"),
    }
)


def grants_as_policy(grants: Iterable[Grant]) -> Document:
    return parse_document(grants_as_text(grants), "grants")


def grants_as_text(grants: Iterable[Grant]) -> str:
    """Grants to AWS services are left out: they are made for resources of the account that created them."""
    statements = [
        statement
        for grant in grants
        if not grant.grantee.endswith((".amazonaws.com", ".aws.internal"))
        for statement in _statements(grant)
    ]
    return json.dumps({"Version": "2008-10-17", "Statement": statements})


def _statements(grant: Grant) -> Iterable[dict[str, object]]:
    condition = _condition(grant)
    constrained = [op for op in grant.operations if op in _WITH_CONTEXT] if condition else []
    free = [op for op in grant.operations if op not in constrained]
    always = {"ArnEquals": {"aws:SourceArn": grant.source_arn}} if grant.source_arn else {}
    for operations, limits in ((constrained, {**condition, **always}), (free, always)):
        if operations:
            yield {
                "Sid": grant.grant_id,
                "Effect": "Allow",
                "Principal": {"AWS": grant.grantee},
                "Action": [f"kms:{operation}" for operation in operations],
                "Resource": "*",
                "Condition": limits,
            }


def _condition(grant: Grant) -> dict[str, object]:
    """What limits a grant's cryptographic operations."""
    pairs = grant.context_equals if grant.context_equals is not None else grant.context_subset
    if pairs is None:
        return {}
    condition: dict[str, object] = {"StringEquals": {f"kms:EncryptionContext:{key}": value for key, value in pairs}}
    if grant.context_equals is not None:
        condition["ForAllValues:StringEquals"] = {"kms:EncryptionContextKeys": [key for key, _ in pairs]}
    return condition
