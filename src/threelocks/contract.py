"""The agreed share: who, what, how. Desired state, against which live policies are judged.

A contract enters as YAML (at the command line only) or as JSON from the table, and is a frozen value from there on.
Every field is checked here, once; nothing behind this module asks again whether an ARN is well formed.
"""

from __future__ import annotations

import hashlib
import json
import re
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from threelocks.policy.arn import Arn

AccountId = Annotated[str, StringConstraints(pattern=r"^\d{12}$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BucketName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
ContractName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, RoleSessionName
SessionName = Annotated[str, StringConstraints(pattern=r"^[\w+=,.@-]{2,64}$")]

Action = Literal["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:DescribeKey"]


class BucketKeys(StrEnum):
    """Which encryption context S3 sends with Decrypt: the object's ARN (`off`) or, under S3 Bucket Keys, the bucket's
    (`on`). Objects keep the form they were written with, so a bucket that was switched holds `both`.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
    """

    OFF = "off"
    ON = "on"
    BOTH = "both"


class Frozen(BaseModel):
    """What is ours: immutable, and no field that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Party(Frozen):
    account: AccountId
    name: Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$")]
    home_region: Region  # where this party's watchdog, and its bus `threelocks`, is deployed


class Bucket(Frozen):
    name: BucketName
    region: Region


class Context(Frozen):
    """One way in which the readers come: condition keys that have these values (a list) or are absent (null)."""

    name: ContractName
    keys: dict[str, tuple[str, ...] | None] = Field(default_factory=dict)


class Premises(Frozen):
    """What one side takes for granted of the other. The holder of each verifies it; a false premise shuts the share."""

    bucket_keys: BucketKeys = BucketKeys.BOTH
    consumer_organization: str | None = Field(default=None, pattern=r"^o-[a-z0-9]{10,32}$")
    consumer_org_path: str | None = Field(default=None, pattern=r"^o-[a-z0-9]{10,32}/r-[a-z0-9]{4,32}/([a-z0-9-]+/)*$")
    owner_organization: str | None = Field(default=None, pattern=r"^o-[a-z0-9]{10,32}$")
    principal_tags: dict[str, str] = Field(default_factory=dict)


class AlsoAllowed(Frozen):
    """Another reader that the bucket or key legitimately has. Permanent, and therefore with a reason.

    The owner's own affair: it is not part of the agreed terms, and never leaves the owner's account.
    """

    on: Literal["bucket", "key"]
    principal: str  # an account id, a role, user or session ARN, a service name, or "*"
    actions: tuple[str, ...]  # action patterns, as in a policy
    prefixes: tuple[str, ...] = ("",)  # for a bucket
    reason: Annotated[str, StringConstraints(min_length=1, max_length=300)]


class Contract(Frozen):
    """One bucket, one key, one role. See docs/contract.md for each field."""

    name: ContractName
    owner: Party
    consumer: Party
    key_holder: Party | None = None  # only when the key belongs to a third account
    bucket: Bucket
    prefixes: tuple[str, ...] = Field(default=("",), min_length=1)  # "" is the whole bucket
    key: str
    role: str
    actions: tuple[Action, ...] = Field(min_length=1)
    session_names: tuple[SessionName, ...] = ()  # empty: any session name
    contexts: tuple[Context, ...] = ()  # empty: any environment
    premises: Premises = Premises()
    also_allowed: tuple[AlsoAllowed, ...] = ()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        for problem in _problems(self):
            raise ValueError(problem)
        return self

    @property
    def bucket_arn(self) -> str:
        return f"arn:{Arn.parse(self.role).partition}:s3:::{self.bucket.name}"

    @property
    def key_account(self) -> str:
        """Who holds lock 3: the account in the key's ARN."""
        return Arn.parse(self.key).account

    @property
    def role_name(self) -> str:
        """The last part of the role's ARN; IAM names a role by it, without the path."""
        return self.role.rpartition("/")[2]

    @property
    def parties(self) -> tuple[Party, ...]:
        """Owner, consumer and, where the key is held by a third account, its holder."""
        third = (self.key_holder,) if self.key_holder else ()
        return (self.owner, self.consumer, *third)

    def party(self, account: str) -> Party | None:
        """The party of that account id, if it has a part in this contract."""
        return next((party for party in self.parties if party.account == account), None)

    def others(self, account: str) -> tuple[Party, ...]:
        """Every party but that account's: to whom it reports."""
        return tuple(party for party in self.parties if party.account != account)

    def terms(self) -> str:
        """Canonical JSON of what both sides agree on: sorted keys, no blanks, order of lists without meaning."""
        agreed = self.model_dump(mode="json", exclude={"also_allowed"})
        for unordered in ("prefixes", "actions", "session_names"):
            agreed[unordered] = sorted(agreed[unordered])
        agreed["contexts"] = sorted(agreed["contexts"], key=lambda context: str(context["name"]))
        return json.dumps(agreed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the agreed terms, in hex: two accounts with the same digest guard the same share."""
        return hashlib.sha256(self.terms().encode()).hexdigest()


_ROLE = re.compile(r"^arn:(aws|aws-cn|aws-us-gov):iam::(\d{12}):role/([\x21-\x7e]{1,510}/)?[\w+=,.@-]{1,64}$")
_KEY = re.compile(r"^arn:(aws|aws-cn|aws-us-gov):kms:([a-z0-9-]+):(\d{12}):key/(mrk-[0-9a-f]{32}|[0-9a-f-]{36})$")


def _problems(contract: Contract) -> list[str]:
    """What the fields say against each other, as sentences that name the field and what to write."""
    problems = []
    if contract.owner.account == contract.consumer.account:
        problems.append(
            "owner.account and consumer.account are the same: inside one account either policy is enough, "
            "so there is no share to watch; name the account that reads as the consumer"
        )
    role, key = _ROLE.match(contract.role), _KEY.match(contract.key)
    if not role:
        problems.append(f"role: `{contract.role}` is not a role ARN; write arn:aws:iam::<consumer>:role/<name>")
    elif role[2] != contract.consumer.account:
        problems.append(f"role: `{contract.role}` is not in the consumer's account `{contract.consumer.account}`")
    if not key:
        problems.append(
            f"key: `{contract.key}` is not a key ARN; write arn:aws:kms:<region>:<account>:key/<key id> (an alias can "
            "point elsewhere tomorrow)"
        )
    else:
        problems += _key_problems(contract, key)
    return problems


def _key_problems(contract: Contract, key: re.Match[str]) -> list[str]:
    problems = []
    if key[2] != contract.bucket.region:
        problems.append(
            f"key: it is in `{key[2]}`, but bucket.region is `{contract.bucket.region}`; S3 uses keys of its own region"
        )
    holder = contract.key_holder.account if contract.key_holder else contract.owner.account
    if key[3] != holder:
        problems.append(f"key: it belongs to `{key[3]}`, but its holder is `{holder}`; name `{key[3]}` as key_holder")
    if contract.key_holder and holder in {contract.owner.account, contract.consumer.account}:
        problems.append("key_holder: it is the owner or the consumer already; leave it out unless a third account")
    return problems
