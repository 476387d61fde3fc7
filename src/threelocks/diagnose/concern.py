"""Whether a refused read is one of a contract's: by its role, at its bucket or key, for what it shares."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from threelocks.contract import Contract
from threelocks.diagnose.attempts import Attempt
from threelocks.diagnose.denial import Denial


class Match(StrEnum):
    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


def concerns(contract: Contract, attempt: Attempt, role_id: str = "") -> Match:
    """Whether an attempt is the contract's role at the contract's bucket or key.

    `role_id` is the role's unique id, as its holder reports it; the owner's copy of a cross-account denial has nothing
    else to tell the role by.
    """
    of_resource = _all_match([_of_resource(contract, denial) for denial in attempt.denials])
    if of_resource is Match.NO:
        return Match.NO
    by_caller = [_by_role(contract, denial, role_id) for denial in attempt.denials]
    if Match.NO in by_caller:
        return Match.NO
    if Match.YES in by_caller:
        return of_resource
    return Match.UNSURE


def _all_match(matches: Sequence[Match]) -> Match:
    if Match.NO in matches:
        return Match.NO
    return Match.YES if Match.YES in matches else Match.UNSURE


def _of_resource(contract: Contract, denial: Denial) -> Match:
    if denial.bucket and denial.bucket != contract.bucket_arn:
        return Match.NO
    if denial.of_kms and denial.keys:
        return Match.YES if contract.key in denial.keys else Match.NO
    return Match.YES if denial.bucket else Match.UNSURE


def _by_role(contract: Contract, denial: Denial, role_id: str) -> Match:
    caller = denial.caller
    if caller.account not in ("", contract.consumer.account):
        return Match.NO
    if caller.role_arn:
        return Match.YES if caller.role_arn == contract.role else Match.NO
    if caller.role_name:
        return Match.YES if caller.role_name == contract.role_name else Match.NO
    if not caller.unique_id:
        return Match.UNSURE
    if not role_id:
        return Match.UNSURE if caller.unique_id.startswith("AROA") else Match.NO
    return Match.YES if caller.unique_id == role_id else Match.NO


def agreed(contract: Contract, attempt: Attempt) -> bool:
    """Whether the contract shares what was asked for."""
    return all(is_agreed(contract, denial) for denial in attempt.denials)


def is_agreed(contract: Contract, denial: Denial) -> bool:
    if denial.action not in contract.actions:
        return False
    if denial.action == "s3:ListBucket":
        return (denial.prefix or "").startswith(contract.prefixes)
    return denial.object_key is None or denial.object_key.startswith(contract.prefixes)
