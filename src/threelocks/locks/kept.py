"""The policy documents of a lock, as they were read last: what a change is compared with.

They stay in the table of the account that holds the lock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from threelocks.contract import Contract
from threelocks.finding import Change, Lock
from threelocks.locks.bucket_policy import is_cut_off
from threelocks.locks.grants import grants_as_text
from threelocks.locks.identity_policy import boundary_of, identity_policies
from threelocks.observation import (
    Absent,
    BucketObservation,
    Found,
    KeyObservation,
    Observation,
    RoleObservation,
    Source,
    Unreadable,
)
from threelocks.policy.authorize import Layer

MOST_GRANTS = 64 * 1024  # bytes; a key may have 50,000 of them


@dataclass(frozen=True, slots=True)
class KeptDocument:
    layer: Layer
    label: str  # "inline policy `read-curated`"
    text: str  # JSON, as AWS answered it


@dataclass(frozen=True, slots=True)
class Kept:
    """The documents of one lock. `is_cut_off`: the bucket's policy is public, and RestrictPublicBuckets is on."""

    lock: Lock
    resource: str  # the ARN of the role, the bucket or the key
    documents: tuple[KeptDocument, ...]
    is_cut_off: bool = False
    change: Change | None = None  # what the change that led to these documents did

    @property
    def digest(self) -> str:
        """The same for documents that differ in blanks and in the order of lists only: AWS keeps neither."""
        documents = [(one.layer, one.label, _unordered(one.text)) for one in self.documents]
        told = json.dumps([self.lock, self.resource, self.is_cut_off, documents])
        return hashlib.sha256(told.encode()).hexdigest()


def _unordered(text: str) -> str:
    """A document with its members and its lists of texts sorted; what is no JSON as it is."""
    try:
        return json.dumps(_sorted(json.loads(text, object_pairs_hook=_members)))
    except (ValueError, RecursionError):
        return text


def _members(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    # INVARIANT: a name that stands twice is kept twice.
    return sorted(pairs, key=lambda pair: pair[0])


def _sorted(tree: Any) -> Any:
    if isinstance(tree, list | tuple):
        of = [_sorted(one) for one in tree]
        return sorted(of) if isinstance(tree, list) and all(isinstance(one, str) for one in of) else of
    return tree


def kept(contract: Contract, observation: Observation) -> tuple[Kept, ...]:
    """The documents of each lock that was read in full. Of one that was not, what was read before still counts."""
    found = (
        *(_identity(contract, observation.role) if observation.role else ()),
        *(_bucket(contract, observation.bucket) if observation.bucket else ()),
        *(_key(contract, observation.key) if observation.key else ()),
    )
    return tuple(found)


def _identity(contract: Contract, role: RoleObservation) -> Iterator[Kept]:
    boundary = boundary_of(role)
    if _all_read(role.role, role.inline, role.attached, boundary):
        documents = [KeptDocument(Layer.IDENTITY_POLICY, label, one.document) for label, one in identity_policies(role)]
        if isinstance(boundary, Found):
            label = f"permissions boundary `{boundary.value.name}`"
            documents.append(KeptDocument(Layer.PERMISSIONS_BOUNDARY, label, boundary.value.document))
        yield Kept(Lock.IDENTITY_POLICY, contract.role, tuple(documents))


def _bucket(contract: Contract, bucket: BucketObservation) -> Iterator[Kept]:
    if isinstance(bucket.region, Absent):
        yield Kept(Lock.BUCKET_POLICY, contract.bucket_arn, ())
    elif _all_read(bucket.policy, bucket.policy_is_public, bucket.block, bucket.account_block):
        texts = [bucket.policy.value] if isinstance(bucket.policy, Found) else []
        documents = tuple(KeptDocument(Layer.RESOURCE_POLICY, "bucket policy", text) for text in texts)
        yield Kept(Lock.BUCKET_POLICY, contract.bucket_arn, documents, is_cut_off(bucket))


def _key(contract: Contract, key: KeyObservation) -> Iterator[Kept]:
    if _all_read(key.metadata, key.policies, key.grants):
        policies = key.policies.value if isinstance(key.policies, Found) else ()
        documents = [
            KeptDocument(Layer.RESOURCE_POLICY, f"key policy `{policy.name}`", policy.document) for policy in policies
        ]
        grants = grants_as_text(
            sorted(key.grants.value, key=lambda grant: grant.grant_id) if isinstance(key.grants, Found) else ()
        )
        if len(grants) <= MOST_GRANTS:
            documents.append(KeptDocument(Layer.GRANT, "grants", grants))
        yield Kept(Lock.KEY_POLICY, contract.key, tuple(documents))


def _all_read(*sources: Source[Any]) -> bool:
    return not any(isinstance(source, Unreadable) for source in sources)


def changed(found: Iterable[Kept], known: Iterable[tuple[str, str]]) -> tuple[Kept, ...]:
    """Those whose digest is not the known one of their lock."""
    digests = dict(known)
    return tuple(one for one in found if digests.get(one.lock) != one.digest)
