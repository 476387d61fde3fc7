"""IAM where the product itself depends on it: what a deployed role may do, and who may assume it. moto asks neither."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.sts.exceptions import STSClientError
from moto.sts.responses import TokenResponse

from simulation.permission import Caller, decides


def find(arn: str) -> Any | None:
    """The role in moto of that ARN, or None."""
    roles = iam_backends[arn.split(":")[4]]["aws"].roles.values()
    return next((role for role in roles if role.arn == arn), None)


def identity_allows(caller: Caller, action: str, resource: str, context: Mapping[str, str]) -> bool:
    """What the role's own policies say. Administrators' roles are not in the simulated IAM, and may do everything."""
    role = find(caller.principal)
    if role is None:
        return True
    documents = [
        *role.policies.values(),
        *(policy.default_version.document for policy in role.managed_policies.values()),
    ]
    said = [decides(_parsed(document), action=action, resource=resource, context=context) for document in documents]
    return True in said and False not in said


def trusts(arn: str, caller: Caller, context: Mapping[str, str]) -> bool:
    """The role's trust policy lets this caller assume it."""
    role = find(arn)
    if role is None:
        return False
    trust = _parsed(role.assume_role_policy_document)
    # A trust policy has no Resource: it is about the role that carries it.
    statements = [{"Resource": "*", **statement} for statement in trust["Statement"]]
    said = decides({"Statement": statements}, action="sts:AssumeRole", resource=arn, context=context, caller=caller)
    return said is True


def key_allows(caller: Caller, action: str, arn: str, context: Mapping[str, str]) -> bool:
    """The key's policy lets this caller do it. A key that does not exist lets nobody."""
    _, _, _, region, account, resource = arn.split(":", 5)
    key = kms_backends[account][region].keys.get(resource.removeprefix("key/"))
    if key is None:
        return False
    return decides(_parsed(key.policy), action=action, resource=arn, context=context, caller=caller) is True


@contextmanager
def trust_is_asked(who: Callable[[str, str], Caller]) -> Iterator[None]:
    """While the block runs, AssumeRole of a role that exists is refused to a caller that the role does not trust, or
    that may not assume it. `who` tells the caller from account and access key.
    """
    original = TokenResponse.assume_role

    def assume_role(handler: TokenResponse) -> Any:
        caller, arn = who(handler.current_account, handler.access_key), handler._get_param("RoleArn")
        if not may_assume(caller, arn):
            refusal = f"User: {caller.principal} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            raise STSClientError("AccessDenied", refusal)
        return original(handler)

    with patch.object(TokenResponse, "assume_role", assume_role):
        yield


def may_assume(caller: Caller, arn: str) -> bool:
    """A role that is not in the simulated IAM is an administrator's, whom nobody asks."""
    if find(arn) is None:
        return True
    return trusts(arn, caller, {}) and (caller.is_service or identity_allows(caller, "sts:AssumeRole", arn, {}))


def _parsed(document: Any) -> dict[str, Any]:
    return dict(json.loads(document)) if isinstance(document, str) else dict(document)
