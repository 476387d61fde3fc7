"""The simulation's event patterns match as EventBridge's do, and refuse what they do not know."""

from __future__ import annotations

from typing import Any

import pytest

from simulation.pattern import PatternError, matches

RECORD = {
    "source": "aws.kms",
    "account": "111111111111",
    "detail": {
        "eventName": "PutKeyPolicy",
        "readOnly": False,
        "count": 1,
        "responseElements": None,
        "tags": ["a", "b"],
        "empty": [],
        "resources": [
            {"type": "AWS::KMS::Key", "ARN": "arn:aws:kms:eu-west-1:111111111111:key/1"},
            {"type": "AWS::KMS::Alias", "ARN": "arn:aws:kms:eu-west-1:111111111111:alias/x"},
        ],
    },
}

KEY, ALIAS = "AWS::KMS::Key", "AWS::KMS::Alias"

CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "an exact value": ({"source": ["aws.kms"]}, True),
    "one of several values": ({"source": ["aws.s3", "aws.kms"]}, True),
    "another value": ({"source": ["aws.s3"]}, False),
    "case counts": ({"source": ["AWS.KMS"]}, False),
    "every field must match": ({"source": ["aws.kms"], "account": ["222222222222"]}, False),
    "a nested value": ({"detail": {"eventName": ["PutKeyPolicy"]}}, True),
    "an absent field": ({"detail": {"errorCode": ["AccessDenied"]}}, False),
    "false is not zero": ({"detail": {"readOnly": [0]}}, False),
    "false is false": ({"detail": {"readOnly": [False]}}, True),
    "one is not true": ({"detail": {"count": [True]}}, False),
    "a number is not its text": ({"detail": {"count": ["1"]}}, False),
    "null is a value": ({"detail": {"responseElements": [None]}}, True),
    "any element of an array": ({"detail": {"tags": ["b"]}}, True),
    "no element of an array": ({"detail": {"tags": ["c"]}}, False),
    "an object within an array": ({"detail": {"resources": {"type": [ALIAS]}}}, True),
    "one object must meet all of it": (
        {"detail": {"resources": {"type": [KEY], "ARN": [{"suffix": "alias/x"}]}}},
        False,
    ),
    "the right object meets all of it": (
        {"detail": {"resources": {"type": [ALIAS], "ARN": [{"suffix": "alias/x"}]}}},
        True,
    ),
    "exists": ({"detail": {"eventName": [{"exists": True}]}}, True),
    "null exists": ({"detail": {"responseElements": [{"exists": True}]}}, True),
    "an empty array has no value that exists": ({"detail": {"empty": [{"exists": True}]}}, False),
    "does not exist": ({"detail": {"errorCode": [{"exists": False}]}}, True),
    "exists after all": ({"detail": {"eventName": [{"exists": False}]}}, False),
    "absent with all around it": ({"detail": {"vpc": {"id": [{"exists": False}]}}}, True),
    "absent with all around it is no value": ({"detail": {"vpc": {"id": ["x"]}}}, False),
    "prefix": ({"detail": {"eventName": [{"prefix": "PutKey"}]}}, True),
    "another prefix": ({"detail": {"eventName": [{"prefix": "Key"}]}}, False),
    "anything but": ({"detail": {"eventName": [{"anything-but": ["DisableKey"]}]}}, True),
    "anything but this": ({"detail": {"eventName": [{"anything-but": "PutKeyPolicy"}]}}, False),
    "anything but asks that there is something": ({"detail": {"errorCode": [{"anything-but": "x"}]}}, False),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_pattern_matches_as_eventbridge_says(case: str) -> None:
    pattern, expected = CASES[case]
    assert matches(pattern, RECORD) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        {},
        {"detail": {}},
        {"source": "aws.kms"},
        {"source": []},
        {"source": [{"numeric": [">", 1]}]},
        {"source": [{"wildcard": "aws.*"}]},
        {"source": ["aws.kms", {"cidr": "10.0.0.0/8"}]},
        {"source": ["aws.s3"], "account": [{"equals-ignore-case": "x"}]},
        {"source": [{"exists": "yes"}]},
        {"source": [{"prefix": ""}]},
        {"source": [{"prefix": "a", "suffix": "b"}]},
        {"source": [{"anything-but": {"prefix": "a"}}]},
        {"$or": [{"source": ["aws.kms"]}]},
    ],
    ids=str,
)
def test_a_pattern_that_is_not_understood_is_refused(pattern: dict[str, Any]) -> None:
    with pytest.raises(PatternError):
        matches(pattern, RECORD)
