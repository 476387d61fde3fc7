"""Amazon Resource Names: `arn:partition:service:region:account:resource`.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from __future__ import annotations

from dataclasses import dataclass


class BadArnError(ValueError):
    """The text is not an ARN."""


@dataclass(frozen=True, slots=True)
class Arn:
    """The six parts of an ARN. The resource part may itself hold colons and slashes."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn:
        """Read an ARN; raises BadArnError when it has fewer than six parts or does not begin with `arn`."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn":  # noqa: PLR2004 - the six parts of an ARN
            raise BadArnError(f"`{text}` is not an ARN; write arn:partition:service:region:account:resource")
        return cls(*parts[1:])

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def session_arn(role_arn: str, session_name: str) -> str:
    """The assumed-role ARN of a session: it drops the role's path.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    """
    role = Arn.parse(role_arn)
    name = role.resource.rpartition("/")[2]
    return f"arn:{role.partition}:sts::{role.account}:assumed-role/{name}/{session_name}"


# Every other region is in the partition `aws`.
_PARTITIONS = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("eusc-", "aws-eusc"))


def partition_of(region: str) -> str:
    """The partition of a region; no ARN of one partition means anything in another.

    https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
    """
    return next((partition for start, partition in _PARTITIONS if region.startswith(start)), "aws")
