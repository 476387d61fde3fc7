"""Remarks on policies: what AWS accepts and yet has no effect, and what AWS would refuse. All is judged as it stands.

A document that is none, or holds what is not understood, is a finding of its lock instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from threelocks.finding import Lock
from threelocks.locks.case import Case
from threelocks.observation import Found, NamedPolicy, Observation, Source
from threelocks.policy.document import Statement
from threelocks.policy.principal import Named, parse_name


def oddities(case: Case) -> tuple[str, ...]:
    """Remarks on every policy of the three locks that was judged."""
    sizes = (remark for of in (_of_role, _of_bucket, _of_key) for remark in of(case.observation))
    odd = (
        remark
        for lock, documents in case.documents.items()
        for document in documents
        for statement in document.statements
        for remark in _odd(lock, statement)
    )
    return (*sizes, *odd)


# --- size -------------------------------------------------------------------------------------------------------------


def _of_role(observation: Observation) -> Iterator[str]:
    role = observation.role
    if role is None:
        return
    inline = sum(_counted(policy.document) for policy in _all(role.inline))
    yield from _too_large("the role's inline policies together", inline, 10_240)
    boundary = (role.boundary.value,) if isinstance(role.boundary, Found) else ()
    for kind, policies in (("managed policy", _all(role.attached)), ("permissions boundary", boundary)):
        for policy in policies:
            yield from _too_large(f"{kind} `{policy.name}`", _counted(policy.document), 6_144)


def _of_bucket(observation: Observation) -> Iterable[str]:
    if observation.bucket is None or not isinstance(observation.bucket.policy, Found):
        return ()
    return _too_large("bucket policy", len(observation.bucket.policy.value.encode(errors="replace")), 20 * 1024)


def _of_key(observation: Observation) -> Iterator[str]:
    for policy in _all(observation.key.policies) if observation.key is not None else ():
        yield from _too_large(f"key policy `{policy.name}`", len(policy.document.encode(errors="replace")), 32 * 1024)


def _all(source: Source[tuple[NamedPolicy, ...]]) -> tuple[NamedPolicy, ...]:
    return source.value if isinstance(source, Found) else ()


def _counted(text: str) -> int:
    """The characters that IAM counts: white space is none.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    return len(re.sub(r"\s", "", text))


def _too_large(what: str, size: int, most: int) -> Iterable[str]:
    """
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
    https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
    """
    return [f"{what}: {size:,} characters are more than the {most:,} that AWS accepts"] if size > most else []


# --- statements -------------------------------------------------------------------------------------------------------


def _odd(lock: Lock, statement: Statement) -> Iterator[str]:
    """One that is not understood is a finding."""
    if statement.problems:
        return
    path = f"{statement.document}, Statement[{statement.index}]"
    for element, value in _elements(lock, statement):
        if not value:
            yield f"{path} has no {element}: it has no effect"
    yield from _bad_names(path, statement)


def _elements(lock: Lock, statement: Statement) -> Iterator[tuple[str, object]]:
    """What a statement needs to have an effect. KMS accepts key policies that lack some of it.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
    """
    if lock is not Lock.IDENTITY_POLICY:
        yield "Principal", statement.principals
    yield "Action", statement.actions
    yield "Resource", statement.resources


def _bad_names(path: str, statement: Statement) -> Iterator[str]:
    """Resources that are no ARNs, and principals whom nobody has.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    for resource in statement.resources or ():
        if resource != "*" and not resource.startswith("arn:"):
            yield f"{path}.Resource: `{resource}` is no ARN, which AWS would refuse"
    for entry in statement.principals or ():
        if parse_name(entry).named is Named.NOBODY:
            yield f"{path}.Principal: `{entry.value}` names nobody: a group, or a wildcard within a name"
        elif parse_name(entry).named is Named.UNKNOWN:
            yield f"{path}.Principal: `{entry.value}` is of no form that AWS documents"
