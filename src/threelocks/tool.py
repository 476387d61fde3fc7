"""Which tool made a call, as its CloudTrail record tells.

The user agent is what the caller says of itself, so this is a hint for people and nothing is decided by it; a service
that calls in somebody's name is written down by AWS.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Services that deploy, by the name under which they call.
_SERVICES = {
    "cloudformation.amazonaws.com": "CloudFormation",
    "servicecatalog.amazonaws.com": "Service Catalog",
    "ssm.amazonaws.com": "Systems Manager",
    "config.amazonaws.com": "AWS Config",
    "cloudshell.amazonaws.com": "CloudShell",
}
# First match wins: Pulumi drives Terraform's provider and says so, and every tool names the SDK that it is built on.
_AGENTS = (
    (re.compile(r"\bpulumi", re.IGNORECASE), "Pulumi"),
    (re.compile(r"\bopentofu", re.IGNORECASE), "OpenTofu"),
    (re.compile(r"\bterraform", re.IGNORECASE), "Terraform"),
    (re.compile(r"\baws-cdk|\bcdk/", re.IGNORECASE), "the AWS CDK"),
    (re.compile(r"\bcloudformation\.amazonaws\.com", re.IGNORECASE), "CloudFormation"),
    (re.compile(r"exec-env/CloudShell", re.IGNORECASE), "CloudShell"),
    (re.compile(r"\baws-cli/", re.IGNORECASE), "the AWS CLI"),
    (re.compile(r"\bPowerShell", re.IGNORECASE), "the AWS tools for PowerShell"),
    (
        re.compile(r"\b(?:console|signin)\.(?:aws\.)?amazon(?:aws)?\.com|\bS3Console/|\bMozilla/", re.IGNORECASE),
        "the AWS console",
    ),
    (re.compile(r"\b(?:boto3|botocore|aws-sdk-[a-z]+|aws-internal)/?", re.IGNORECASE), "an AWS SDK"),
)
_SERVICE = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.amazonaws\.com")
_LONGEST = 2000  # of a user agent that is looked at


def tool_of(detail: Mapping[str, Any]) -> str:
    """The tool in our words ("CloudFormation", "the AWS CLI"), the name of an AWS service, or nothing."""
    identity = detail.get("userIdentity")
    invoked_by = _text(identity, "invokedBy") if isinstance(identity, dict) else ""
    source, agent = _text(detail, "sourceIPAddress"), _text(detail, "userAgent")[:_LONGEST]
    for service in (invoked_by, source):
        if service in _SERVICES:
            return _SERVICES[service]
    # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    if _text(detail, "sessionCredentialFromConsole") == "true":
        return "the AWS console"
    said = next((tool for pattern, tool in _AGENTS if pattern.search(agent)), "")
    return said or next((service for service in (invoked_by, source) if _SERVICE.fullmatch(service)), "")


def _text(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) else ""
