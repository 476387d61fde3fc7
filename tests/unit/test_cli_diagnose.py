"""`threelocks diagnose`: the files it takes, what it says, and how it ends."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulation.denials import decrypt_denied, enveloped, listing_denied, s3_denied
from threelocks import cli, cli_diagnose

ROOT = Path(__file__).parents[2]
CONTRACT_FILE = str(ROOT / "contracts" / "bi-curated-read.yaml")
SNAPSHOT = ROOT / "contracts" / "bi-curated-read.snapshot.json"
CONTRACT = cli.load(Path(CONTRACT_FILE))
RECORDS = [s3_denied(CONTRACT, view="consumer"), decrypt_denied(CONTRACT)]

Said = pytest.CaptureFixture[str]
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: Any, name: str = "denied.json") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else _text(content).encode("utf-8", "surrogatepass"))
        return str(path)

    return write_file


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content)


def lookup_events(records: list[dict[str, Any]]) -> dict[str, Any]:
    """As `aws cloudtrail lookup-events` answers."""
    rows = [{"EventId": one["eventID"], "CloudTrailEvent": json.dumps(one), "Resources": []} for one in records]
    return {"Events": rows}


def lake(records: list[dict[str, Any]]) -> dict[str, Any]:
    """As `aws cloudtrail get-query-results` answers to `SELECT eventID, eventJson`."""
    rows = [[{"eventID": one["eventID"]}, {"eventJson": json.dumps(one)}] for one in records]
    return {"QueryStatus": "FINISHED", "QueryResultRows": rows}


FORMS: dict[str, Any] = {
    "a log file": {"Records": RECORDS},
    "a list": RECORDS,
    "one record a line": "\n".join(map(json.dumps, RECORDS)) + "\n",
    "lookup-events": lookup_events(RECORDS),
    "CloudTrail Lake": lake(RECORDS),
    "EventBridge events": [enveloped(record) for record in RECORDS],
    "log files one a line": json.dumps({"Records": RECORDS[:1]}) + "\n\n" + json.dumps({"Records": RECORDS[1:]}),
    "gzip": gzip.compress(json.dumps({"Records": RECORDS}).encode()),
    "with a byte order mark": b"\xef\xbb\xbf" + json.dumps(RECORDS).encode(),
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS)
def test_every_form_in_which_records_come_is_read(write: Write, capsys: Said, content: Any) -> None:
    assert cli.main(["diagnose", write(content), "--contract", CONTRACT_FILE]) == 0
    said = capsys.readouterr().out
    assert said.startswith("BIAnalyticsRole is refused by the key policy in data-platform (111111111111): certain")
    assert all(record["eventID"] in said for record in RECORDS)


def test_one_record_is_enough(write: Write, capsys: Said) -> None:
    assert cli.main(["diagnose", write(decrypt_denied(CONTRACT)), "--contract", CONTRACT_FILE]) == 0
    assert "key policy" in capsys.readouterr().out


def test_without_a_contract_the_records_are_read_by_themselves(write: Write, capsys: Said) -> None:
    assert cli.main(["diagnose", write(RECORDS)]) == 0
    assert "BIAnalyticsRole is refused by the key policy in account 111111111111" in capsys.readouterr().out


def test_a_bare_denial_is_not_explained_by_records_alone(write: Write, capsys: Said) -> None:
    assert cli.main(["diagnose", write(listing_denied(CONTRACT)), "--contract", CONTRACT_FILE]) == 3
    assert "owner" not in capsys.readouterr().err


@pytest.mark.parametrize(("allowed", "expected"), [(True, 3), (False, 0)])
def test_a_snapshot_tells_what_the_records_leave_open(
    write: Write,
    capsys: Said,
    allowed: bool,  # noqa: FBT001
    expected: int,
) -> None:
    snapshot = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    if not allowed:
        policy = json.loads(snapshot["owner"]["GetBucketPolicy"]["Policy"])
        policy["Statement"] = [row for row in policy["Statement"] if row["Sid"] != "BiReadsObjects"]
        snapshot["owner"]["GetBucketPolicy"]["Policy"] = json.dumps(policy)
    arguments = ["--contract", CONTRACT_FILE, "--snapshot", write(snapshot, "share.json")]
    record = s3_denied(CONTRACT, view="consumer", eventTime="2026-11-20T09:00:00Z")
    assert cli.main(["diagnose", write(record), *arguments]) == expected
    said = capsys.readouterr().out
    assert ("contradicts the records" in said) is allowed
    assert ("refused by the bucket policy in data-platform (111111111111): certain" in said) is not allowed


def test_the_answer_as_json_has_each_diagnosis_and_what_is_of_no_contract(write: Write, capsys: Said) -> None:
    other = s3_denied(CONTRACT, requestParameters={"bucketName": "another", "key": "a"}, resources=[], eventID="o-1")
    other["sharedEventID"] = "o"
    assert cli.main(["diagnose", write([*RECORDS, other]), "--contract", CONTRACT_FILE, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["others"] == 1
    (told,) = answer["diagnoses"]
    assert (told["signature"], told["sure"]) == ("kms:Decrypt/key-policy-or-no-key", "certain")


def test_hostile_records_do_not_steer_the_terminal(write: Write, capsys: Said) -> None:
    record = s3_denied(CONTRACT, key="\x1b[2J\u202e\nsure: certain", message="\x1b]0;x\x07\n" * 900)
    assert cli.main(["diagnose", write(record), "--contract", CONTRACT_FILE]) == 3
    said = capsys.readouterr().out
    assert all(line.isprintable() for line in said.splitlines())
    assert max(map(len, said.splitlines())) < 2000


WRONG: dict[str, tuple[Any, str]] = {
    "not JSON": ("{", "not JSON"),
    "empty": ("", "not JSON"),
    "a number": ("7", "record 1: `7` is not a CloudTrail record"),
    "a record without a time": (
        [RECORDS[0], {"eventSource": "s3.amazonaws.com", "eventName": "GetObject"}],
        "record 2: has no `eventTime`",
    ),
    "a broken line": (json.dumps(RECORDS[0]) + "\n{\n", "line 2: not JSON"),
    "a broken export": (
        {"Events": [{"CloudTrailEvent": "{"}]},
        "record 1: its `CloudTrailEvent` is not JSON",
    ),
    "an export without records": (lake([])["QueryResultRows"] + [[{"eventID": "x"}]], "select eventJson"),
    "a time that is none": ([s3_denied(CONTRACT, eventTime="soon")], "record 1: its `eventTime` is `soon`"),
    "nothing refused": ([s3_denied(CONTRACT, errorCode=None)], "1 records, and none of a refused"),
    "an empty list": ([], "0 records, and none of a refused"),
    "deeply nested": ("[" * 100_000, "not JSON"),
    "not text": (b"\xff\xfe", "not UTF-8"),
    "half a gzip": (gzip.compress(b"x" * 1000)[:20], "cannot read"),
}


@pytest.mark.parametrize(("content", "expected"), WRONG.values(), ids=WRONG)
def test_a_file_that_cannot_be_read_is_named_with_the_record(
    write: Write, capsys: Said, content: Any, expected: str
) -> None:
    path = write(content)
    assert cli.main(["diagnose", path]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert expected in said.err
    assert path in said.err


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(
    write: Write, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_diagnose, "LARGEST_FILE", 10_000)
    assert cli.main(["diagnose", write(gzip.compress(b" " * 1_000_000))]) == 2
    assert "more than 10000 bytes" in capsys.readouterr().err


def test_a_missing_file_is_named(capsys: Said) -> None:
    assert cli.main(["diagnose", "no-such-file.json"]) == 2
    assert "cannot read `no-such-file.json`" in capsys.readouterr().err


def test_a_snapshot_needs_a_contract(write: Write, capsys: Said) -> None:
    assert cli.main(["diagnose", write(RECORDS), "--snapshot", str(SNAPSHOT)]) == 2
    assert "--contract" in capsys.readouterr().err
