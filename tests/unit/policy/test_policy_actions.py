"""The table of actions: what is in it, and how it is made anew from AWS's service reference."""

from __future__ import annotations

import ast
import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from simulation.service_reference import UnreadableError, as_module, condition_keys, renew, rows
from threelocks.policy import action_table
from threelocks.policy.action_table import ACTIONS
from threelocks.policy.actions import BUCKET_ACTIONS, KEY_ACTIONS, OBJECT_ACTIONS, carries

# Made up, in the form of https://docs.aws.amazon.com/service-authorization/latest/reference/service-reference.html
S3: dict[str, Any] = {
    "Name": "s3",
    "Actions": [
        {
            "Name": "GetObject",
            "ActionConditionKeys": ["s3:authType", "s3:ExistingObjectTag/key", "aws:ResourceTag/${TagKey}"],
            "Annotations": {"Properties": {"IsList": False, "IsWrite": False}},
            "Resources": [{"Name": "object"}, {"Name": "accesspointobject"}],
        },
        {"Name": "ListBucket", "ActionConditionKeys": ["s3:prefix"], "Resources": [{"Name": "bucket"}]},
        {"Name": "CreateBucket", "Resources": [{"Name": "bucket"}]},
        {"Name": "CreateJob", "ActionConditionKeys": ["s3:JobPriority"]},
        {"Name": "GetAccessPoint", "ActionConditionKeys": [], "Resources": [{"Name": "accesspoint"}]},
    ],
    "ConditionKeys": [
        {"Name": "s3:authType", "Types": ["String"]},
        {"Name": "s3:x-amz-acl", "Types": ["String"]},
        {"Name": "aws:TagKeys", "Types": ["ArrayOfString"]},
    ],
    "Resources": [
        {"Name": "accesspointobject", "ConditionKeys": ["s3:DataAccessPointArn"]},
        {"Name": "object", "ARNFormats": ["arn:${Partition}:s3:::${BucketName}/${ObjectName}"]},
        {"Name": "bucket", "ConditionKeys": ["s3:BucketTag/${TagKey}", "aws:ResourceTag/${TagKey}"]},
    ],
    "Version": "v1.4",
}
KMS = {
    "Name": "kms",
    "Actions": [
        {
            "Name": "Decrypt",
            "ActionConditionKeys": ["kms:EncryptionContext:${EncryptionContextKey}", "kms:ViaService"],
            "Resources": [{"Name": "key"}],
        },
    ],
    "Resources": [{"Name": "key"}],
    "ConditionKeys": [{"Name": "kms:EncryptionContext:${EncryptionContextKey}", "Types": ["String"]}],
}


def test_each_action_gets_its_resources_and_the_condition_keys_of_its_service() -> None:
    assert rows("s3", S3) == {
        "s3:GetObject": (("object",), ("s3:authtype", "s3:dataaccesspointarn", "s3:existingobjecttag/*")),
        "s3:ListBucket": (("bucket",), ("s3:buckettag/*", "s3:prefix")),
        "s3:CreateBucket": (("bucket",), ("s3:buckettag/*",)),
    }
    assert rows("kms", KMS) == {"kms:Decrypt": (("key",), ("kms:encryptioncontext:*", "kms:viaservice"))}


@pytest.mark.parametrize(
    "reference",
    [None, [], {}, {"Actions": [{"Resources": S3["Resources"]}], "Resources": []}, {"Actions": 1, "Resources": 1}],
)
def test_a_reference_in_another_form_is_refused(reference: Any) -> None:
    with pytest.raises(UnreadableError, match="not in the documented form"):
        rows("s3", reference)


def test_the_table_is_the_same_text_in_whatever_order_the_reference_lists_its_actions() -> None:
    backwards = {**S3, "Actions": S3["Actions"][::-1]}
    keys = condition_keys("s3", S3)
    assert keys == {"s3:authtype", "s3:x-amz-acl"}
    text = as_module(rows("s3", S3), keys, ("https://x",), "2026-11-24")
    assert text == as_module(rows("s3", backwards), keys, ("https://x",), "2026-11-24")
    assigned = [node for node in ast.parse(text).body if isinstance(node, ast.AnnAssign)]
    assert ast.literal_eval(assigned[0].value) == rows("s3", S3)  # type: ignore[arg-type]


# --- renewing ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def published() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A server on loopback, and what it has at each path."""
    pages: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            self.send_response(200 if page is not None else 404)
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_: Any) -> None:
            """Nothing: the test says what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", pages
    server.shutdown()
    server.server_close()


def test_renewing_writes_what_is_published_with_its_addresses_and_the_day(
    published: tuple[str, dict[str, bytes]], tmp_path: Path
) -> None:
    address, pages = published
    pages |= {"/v1/s3/s3.json": json.dumps(S3).encode(), "/v1/kms/kms.json": json.dumps(KMS).encode()}
    table = tmp_path / "action_table.py"
    assert renew(table, address) == 0
    written: dict[str, Any] = {}
    exec(compile(table.read_text(), table.name, "exec"), written)  # noqa: S102 - what was written just now
    assert written["ACTIONS"] == rows("s3", S3) | rows("kms", KMS)
    assert written["CONDITION_KEYS"] == (
        *("kms:encryptioncontext:*", "kms:viaservice", "s3:authtype", "s3:buckettag/*", "s3:dataaccesspointarn"),
        *("s3:existingobjecttag/*", "s3:prefix", "s3:x-amz-acl"),
    )
    assert written["SOURCES"] == (f"{address}/kms/kms.json", f"{address}/s3/s3.json")
    assert date.fromisoformat(written["READ"])


@pytest.mark.parametrize(
    ("page", "says"),
    [(None, "HTTP Error 404"), (b"<html>", "could not be read"), (b'{"Actions": []}', "documented form")],
)
def test_what_cannot_be_had_leaves_the_table_as_it_is(
    published: tuple[str, dict[str, bytes]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    page: bytes | None,
    says: str,
) -> None:
    address, pages = published
    pages["/v1/kms/kms.json"] = json.dumps(KMS).encode()
    if page is not None:
        pages["/v1/s3/s3.json"] = page
    table = tmp_path / "action_table.py"
    table.write_text("as it was")
    assert renew(table, address) == 1
    assert table.read_text() == "as it was"
    said = capsys.readouterr().err
    assert said.startswith("the table of actions is not renewed: ")
    assert says in said


def test_without_a_network_the_reason_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert renew(tmp_path / "action_table.py", "http://127.0.0.1:1/v1") == 1
    assert "http://127.0.0.1:1/v1/kms/kms.json could not be read" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_reference_without_any_action_of_ours_is_refused(
    published: tuple[str, dict[str, bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, pages = published
    pages |= {"/v1/s3/s3.json": b'{"Actions": [], "Resources": []}', "/v1/kms/kms.json": json.dumps(KMS).encode()}
    assert renew(tmp_path / "action_table.py", address) == 1
    assert "no action of s3 is left" in capsys.readouterr().err


# --- the table that is shipped ----------------------------------------------------------------------------------------


def test_the_table_names_its_source_and_day_and_is_sorted() -> None:
    assert all(source.startswith("https://") for source in action_table.SOURCES)
    assert date.fromisoformat(action_table.READ)
    assert list(action_table.ACTIONS) == sorted(action_table.ACTIONS)
    assert {on for resources, _ in action_table.ACTIONS.values() for on in resources} == {"bucket", "object", "key"}


def test_the_actions_that_are_asked_about_are_those_of_a_bucket_its_objects_and_another_accounts_key() -> None:
    assert BUCKET_ACTIONS[0] == "s3:ListBucket"
    assert OBJECT_ACTIONS[0] == "s3:GetObject"
    assert KEY_ACTIONS[0] == "kms:Decrypt"
    assert "s3:PutBucketPolicy" in BUCKET_ACTIONS
    assert "s3:CreateBucket" not in BUCKET_ACTIONS
    assert "kms:PutKeyPolicy" not in KEY_ACTIONS  # allowing it to another account has no effect
    for actions in (BUCKET_ACTIONS, OBJECT_ACTIONS, KEY_ACTIONS):
        assert len(set(actions)) == len(actions)


def test_every_action_has_its_condition_keys_recorded() -> None:
    assert [name for name, (_, keys) in ACTIONS.items() if not keys] == []


@pytest.mark.parametrize(
    ("action", "key", "carried"),
    [
        ("s3:GetObject", "s3:existingobjecttag/team", True),
        ("S3:getobject", "s3:prefix", False),
        ("s3:ListBucket", "s3:prefix", True),
        ("kms:Decrypt", "kms:encryptioncontext:aws:s3:arn", True),
        ("kms:DescribeKey", "kms:encryptioncontext:aws:s3:arn", False),
        ("s3:GetObject", "kms:viaservice", False),
        ("s3:GetObject", "aws:sourceip", True),
        ("s3:GetObject", "s3:x-amz-acl", False),
        ("s3:GetObject", "s3:newer-than-the-table", True),
        ("kms:Decrypt", "kms:newer-than-the-table", True),
        ("s3:PutObject", "s3:prefix", False),
        ("s3:PutObject", "s3:x-amz-acl", True),
        ("s3:PutObject", "s3:dataaccesspointarn", True),
        ("s3:PutBucketPolicy", "s3:dataaccesspointarn", False),
        ("kms:CreateGrant", "kms:grantisforawsresource", True),
        ("kms:Encrypt", "kms:grantisforawsresource", False),
        ("s3:FrobnicateObject", "s3:prefix", True),  # not in the table: nothing is ruled out
    ],
)
def test_which_condition_keys_an_action_carries(action: str, key: str, carried: bool) -> None:  # noqa: FBT001
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html"""
    assert carries(action, key) is carried
