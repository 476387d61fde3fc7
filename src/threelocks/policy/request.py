"""A request as IAM sees it: who asks, for which action, on which resource, with which condition keys.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-reqcontext.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class CallerKind(StrEnum):
    ROLE_SESSION = "role session"
    USER = "IAM user"
    FEDERATED_USER = "federated user"  # by GetFederationToken
    ROOT = "root user"
    SERVICE = "AWS service"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `name` is that of the role, user, federated user or service (`logging.s3.amazonaws.com`)."""

    kind: CallerKind
    account: str = ""
    name: str = ""
    path: str = "/"
    session: str = ""
    unique_id: str = ""  # AROA..., AIDA...
    has_boundary: bool | None = None  # None: not known
    partition: str = "aws"

    @property
    def principal_arn(self) -> str:
        """`aws:PrincipalArn`: for a session, the ARN of its role. Empty for services and anonymous callers.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
        """
        where = f"arn:{self.partition}:iam::{self.account}:"
        if self.kind is CallerKind.ROLE_SESSION:
            return f"{where}role{self.path}{self.name}"
        if self.kind is CallerKind.USER:
            return f"{where}user{self.path}{self.name}"
        if self.kind is CallerKind.FEDERATED_USER:
            return f"arn:{self.partition}:sts::{self.account}:federated-user/{self.name}"
        return f"{where}root" if self.kind is CallerKind.ROOT else ""

    @property
    def session_arn(self) -> str:
        """The assumed-role ARN, which drops the path. Empty for other callers."""
        if self.kind is not CallerKind.ROLE_SESSION:
            return ""
        return f"arn:{self.partition}:sts::{self.account}:assumed-role/{self.name}/{self.session}"

    @property
    def arn(self) -> str:
        """How CloudTrail and a denial's message call the caller."""
        return self.session_arn or self.principal_arn or self.name or "anonymous"

    def keys(self) -> dict[str, tuple[str, ...]]:
        """The condition keys that follow from who asks.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
        """
        if self.kind is CallerKind.ANONYMOUS:
            return {"aws:principaltype": ("Anonymous",), "aws:userid": ("anonymous",)}
        if self.kind is CallerKind.SERVICE:
            return {"aws:principalisawsservice": ("true",), "aws:principalservicename": (self.name,)}
        keys: dict[str, tuple[str, ...]] = {
            "aws:principalarn": (self.principal_arn,),
            "aws:principalaccount": (self.account,),
            "aws:principalisawsservice": ("false",),
            "aws:principaltype": (_PRINCIPAL_TYPE[self.kind],),
        }
        if self.kind is CallerKind.ROLE_SESSION:
            keys["aws:userid"] = (f"{self.unique_id}:{self.session}",)
        elif self.kind is CallerKind.USER:
            keys["aws:userid"] = (self.unique_id,)
            keys["aws:username"] = (self.name,)
        elif self.kind is CallerKind.FEDERATED_USER:
            keys["aws:userid"] = (f"{self.account}:{self.name}",)
        else:
            keys["aws:userid"] = (self.account,)
        return keys


_PRINCIPAL_TYPE = {
    CallerKind.ROLE_SESSION: "AssumedRole",
    CallerKind.USER: "User",
    CallerKind.FEDERATED_USER: "FederatedUser",
    CallerKind.ROOT: "Account",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `context` holds condition keys in lower case; what it lacks is absent from the request."""

    caller: Caller
    action: str  # "s3:GetObject"
    resource: str  # an ARN
    resource_account: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    through: str = ""  # the resource as the policy of the access point names it that the request comes through

    def values(self, key: str) -> tuple[str, ...] | None:
        """The values of a condition key (in lower case), or None when the request does not carry it."""
        found = self.context.get(key)
        return found if found is not None else self.caller.keys().get(key)
