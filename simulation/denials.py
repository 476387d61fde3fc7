"""CloudTrail's records of refused reads, as each account gets them.

Constructed: no pair of records of one denied cross-account request has been published. Shapes follow single published
records and AWS's documentation; docs/diagnosis.md says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from threelocks.contract import Contract

AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ROLE_ID = "AROAEXAMPLEBIREADER22"
SESSION = "nightly-load"
OBJECT = "sales/2026/11/orders.parquet"

NO_IDENTITY = "because no identity-based policy allows the {action} action"
NO_RESOURCE = "because no resource-based policy allows the {action} action"
NO_KEY = (
    "because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based "
    "policy explicitly denies access"
)
BARE = "Access Denied"


def s3_denied(contract: Contract, *, view: str = "owner", message: str = BARE, **changes: Any) -> dict[str, Any]:
    """A refused GetObject, in the trail of `view`: "owner" or "consumer". The owner's copy names the caller by id
    alone; the consumer's leaves the bucket's account out."""
    owners = view == "owner"
    parties = {"owner": contract.owner.account, "consumer": contract.consumer.account}
    name, key = contract.bucket.name, changes.pop("key", OBJECT)
    record = {
        **_common(contract, "s3.amazonaws.com", "GetObject", parties[view]),
        "userIdentity": stranger(contract) if owners else session(contract),
        "sourceIPAddress": "203.0.113.40",
        "userAgent": "[aws-sdk-java/2.31.0]",
        "errorCode": "AccessDenied",
        "errorMessage": message,
        "requestParameters": {
            "bucketName": name,
            "Host": f"{name}.s3.{contract.bucket.region}.amazonaws.com",
            "key": key,
        },
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"{contract.bucket_arn}/{key}"},
            {
                "accountId": contract.owner.account if owners else "",
                "type": "AWS::S3::Bucket",
                "ARN": contract.bucket_arn,
            },
        ],
        "managementEvent": False,
        "eventCategory": "Data",
        "sharedEventID": "5d1c6a3e-8f42-4b0e-9a77-2f6b0c9d1e34",
        "eventID": "a1b7c0de-0000-4000-8000-00000000000a" if owners else "b1b7c0de-0000-4000-8000-00000000000b",
    }
    return record | changes


def listing_denied(contract: Contract, *, view: str = "owner", **changes: Any) -> dict[str, Any]:
    """A refused ListObjectsV2, which is recorded as ListObjects."""
    record = s3_denied(contract, view=view)
    parameters = {"list-type": "2", "prefix": "sales/", "bucketName": contract.bucket.name}
    return record | {"eventName": "ListObjects", "requestParameters": parameters} | changes


def decrypt_denied(
    contract: Contract, *, view: str = "consumer", because: str = NO_KEY, null: bool = False, **changes: Any
) -> dict[str, Any]:
    """The Decrypt that S3 asked for in the reader's name, refused. `null`: without request parameters or resources."""
    parties = {"owner": contract.owner.account, "consumer": contract.consumer.account}
    arn = session(contract)["arn"]
    parameters = {
        "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "encryptionContext": {"aws:s3:arn": f"{contract.bucket_arn}/{OBJECT}"},
    }
    where = "this resource" if because == NO_KEY else f"resource: {contract.key}"
    text = f"User: {arn} is not authorized to perform: kms:Decrypt on {where} {because.format(action='kms:Decrypt')}"
    record = {
        **_common(contract, "kms.amazonaws.com", "Decrypt", parties[view]),
        "userIdentity": {**session(contract), "invokedBy": "fas.s3.amazonaws.com"},
        "sourceIPAddress": "fas.s3.amazonaws.com",
        "userAgent": "fas.s3.amazonaws.com",
        "errorCode": "AccessDenied",
        "errorMessage": text,
        "requestParameters": None if null else parameters,
        "resources": []
        if null
        else [{"accountId": contract.key_account, "type": "AWS::KMS::Key", "ARN": contract.key}],
        "managementEvent": True,
        "eventCategory": "Management",
        "eventID": "c1b7c0de-0000-4000-8000-00000000000c",
    }
    return record | changes


def _common(contract: Contract, source: str, name: str, recipient: str) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "eventTime": f"{AT:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": source,
        "eventName": name,
        "awsRegion": contract.bucket.region,
        "responseElements": None,
        "requestID": "2B7A0EXAMPLE",
        "readOnly": True,
        "eventType": "AwsApiCall",
        "recipientAccountId": recipient,
    }


def session(contract: Contract) -> dict[str, Any]:
    """The reader, as the records of its own account name it."""
    account = contract.consumer.account
    return {
        "type": "AssumedRole",
        "principalId": f"{ROLE_ID}:{SESSION}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{contract.role_name}/{SESSION}",
        "accountId": account,
        "accessKeyId": "ASIAEXAMPLEEXAMPLE01",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": ROLE_ID,
                "arn": contract.role,
                "accountId": account,
                "userName": contract.role_name,
            },
            "attributes": {"creationDate": "2026-11-23T09:50:00Z", "mfaAuthenticated": "false"},
        },
    }


def stranger(contract: Contract) -> dict[str, Any]:
    """The reader, as the records of another account name it: no ARN, no session context."""
    return {"type": "AWSAccount", "principalId": f"{ROLE_ID}:{SESSION}", "accountId": contract.consumer.account}


def enveloped(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as EventBridge delivers it."""
    return {
        "version": "0",
        "id": f"9{record['eventID'][1:]}",
        "detail-type": "AWS API Call via CloudTrail",
        "source": f"aws.{record['eventSource'].partition('.')[0]}",
        "account": record["recipientAccountId"],
        "time": record["eventTime"],
        "region": record["awsRegion"],
        "resources": [],
        "detail": dict(record),
    }
