"""How findings speak of many actions: the ones that matter first, and not all of them."""

from __future__ import annotations

from collections.abc import Iterable

# What people want to know first: who can change or destroy, who can read, who can let others in.
_TELLING = (
    *("s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutObject", "s3:DeleteObject", "s3:DeleteBucket"),
    *("s3:GetObject", "s3:ListBucket", "s3:GetObjectVersion", "s3:PutObjectAcl", "s3:PutBucketAcl"),
    *("kms:Decrypt", "kms:CreateGrant", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:DescribeKey"),
)
_RANK = {action: rank for rank, action in enumerate(_TELLING)}
_SHOWN = 5


def telling_first(actions: Iterable[str]) -> tuple[str, ...]:
    """The actions, those that matter most first; the others in the order they come in."""
    return tuple(sorted(actions, key=lambda action: _RANK.get(action, len(_RANK))))


def listed(actions: Iterable[str]) -> str:
    """In words: `s3:PutObject, s3:DeleteObject and 12 more`."""
    names = telling_first(sorted(actions))
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"
