"""The command line tool: what it prints, its exit status, and what it tells those who hand it something else."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from simulation.memory import verdict_of
from threelocks import cli
from threelocks.aws.session import Clients
from threelocks.aws.store import DynamoStore
from threelocks.finding import Finding, Kind, Lock, Remedy, StatementRef, Verdict, Witness
from threelocks.handlers.batch import read_request
from threelocks.problems import BadContractError

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "contracts" / "bi-curated-read.yaml"
OWNER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
TEXT = CONTRACT.read_text()

Said = pytest.CaptureFixture[str]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_file(text: str | bytes, name: str = "share.yaml") -> str:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write_file


# --- files ---


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ('account: "222222222222"', "account: 222222222222"),
        ('account: "222222222222"', "account: !!str 222222222222"),
        ("home_region: eu-west-1", "home_region: !!str eu-west-1"),
    ],
)
def test_values_are_taken_as_they_are_written(change: str, value: str) -> None:
    assert cli.parse_yaml(TEXT.replace(change, value, 1), file="x").consumer.account == CONSUMER


def test_a_leading_zero_of_an_account_id_is_kept_without_quotes() -> None:
    text = TEXT.replace(f'"{CONSUMER}"', "011111111110").replace(CONSUMER, "011111111110")
    assert cli.parse_yaml(text, file="x").consumer.account == "011111111110"


def test_on_and_off_are_words() -> None:
    text = f"{TEXT}premises: {{bucket_keys: off}}\nalso_allowed: []\n"
    assert cli.parse_yaml(text, file="x").premises.bucket_keys == "off"


def test_nothing_written_is_nothing() -> None:
    text = TEXT + "contexts:\n- name: athena\n  keys: {aws:SourceVpce: , aws:SourceVpc: null, aws:SourceIp: ~}\n"
    assert set(cli.parse_yaml(text, file="x").contexts[0].keys.values()) == {None}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TEXT + "name: other\n", r"share.yaml: line \d+, column 1: `name` stands here a second time"),
        ("a: [1, 2", r"share.yaml: line 1, column 9: .*expected"),
        ("a: &x {b: c}\nd: *x\n", "share.yaml: line 2, column 4: an alias"),
        ("<<: {name: x}\n", "share.yaml: <<: is not a field"),
        ("name: one\n---\nname: two\n", "share.yaml: line 2, column 1: but found another document"),
        (
            "name: !!python/object/apply:os.system [x]\n",
            "share.yaml: line 1, column 7: a tag",
        ),
        ("name: !!int x\n", r"share.yaml: line 1, column 7: a tag \(`!`\) that no contract needs; write the value"),
        ("name: !!map x\n", "share.yaml: line 1, column 7: expected a mapping node"),
        ("name: !!timestamp x\n", "share.yaml: line 1, column 7: a tag"),
        ("!!omap\n- name: x\n", "share.yaml: line 1, column 1: a tag"),
        ("? [a, b]\n: c\n", "share.yaml: line 1, column 3: found unhashable key"),
        ("name: \x00\n", "share.yaml: is not YAML that can be read"),
        ("[" * 5000, "share.yaml: "),
        ("", "share.yaml: a contract is a group of fields"),
        ("just text", "share.yaml: a contract is a group of fields"),
    ],
)
def test_what_is_not_a_contract_in_yaml_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(BadContractError, match=told):
        cli.parse_yaml(text, file="share.yaml")


# --- validate ---


def test_a_sound_file_is_said_to_be_sound(capsys: Said) -> None:
    assert cli.main(["validate", str(CONTRACT)]) == 0
    assert capsys.readouterr().out == f"{CONTRACT}: `bi-curated-read` is sound, with terms b2e6cf104707\n"


def test_the_problems_of_every_file_are_told_at_once_on_stderr(write: Any, capsys: Said) -> None:
    one, two = write(TEXT + "colour: red\n", "one.yaml"), write("name: x", "two.yaml")
    assert cli.main(["validate", one, str(CONTRACT), two]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{one}: colour: is not a field" in said.err
    assert f"{two}: owner: is missing" in said.err


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda _: "/nowhere/x.yaml", "cannot read `/nowhere/x.yaml`: no such file"),
        (lambda _: "/", "cannot read `/`: is a directory"),
        (lambda write: write(b"name: \xff\xfe"), "is not UTF-8 text (byte 6)"),
        (lambda write: write("#" * (cli.LARGEST_FILE + 1)), "is larger than"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_without_a_traceback(make: Any, told: str, write: Any, capsys: Said) -> None:
    assert cli.main(["validate", make(write)]) == 2
    assert told in capsys.readouterr().err


def test_an_exception_that_is_over_is_refused_with_its_place(write: Any, capsys: Said) -> None:
    file = write(TEXT + "suspended: {by: Dana, reason: audit, until: 2020-01-01}\n")
    assert cli.main(["validate", file]) == 2
    assert f"{file}: suspended.until: is over since 2020-01-02 00:00 UTC" in capsys.readouterr().err


def test_two_files_of_one_name_are_refused(write: Any, capsys: Said) -> None:
    assert cli.main(["validate", write(TEXT), str(CONTRACT)]) == 2
    assert "two of the files are contracts called `bi-curated-read`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["frob"], ["validate"], ["check", "x"], ["apply", "x", "--table", "t", "--stack", "s"]]
)
def test_bad_usage_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2


# --- apply ---


@pytest.fixture
def signed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the credentials and configuration of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def aws(signed_out: None) -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def sign_in(aws: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    def signed_in(account: str) -> None:
        sts = boto3.client("sts", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        role = f"arn:aws:iam::{account}:role/admin"
        keys = sts.assume_role(RoleArn=role, RoleSessionName="ann")["Credentials"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["SecretAccessKey"])
        monkeypatch.setenv("AWS_SESSION_TOKEN", keys["SessionToken"])

    return signed_in


def make_stack(name: str = "threelocks", region: str = "eu-west-1", *, with_queue: bool = False) -> str:
    """A stack with a table and the output that names it; answers the table's name."""
    keys = [("pk", "HASH"), ("sk", "RANGE")]
    table = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in keys],
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        },
    }
    outputs = {"TableName": {"Value": {"Ref": "Table"}}}
    queue = {"Queue": {"Type": "AWS::SQS::Queue"}} if with_queue else {}
    outputs |= {"ChangeQueueUrl": {"Value": {"Ref": "Queue"}}} if with_queue else {}
    template = {"Resources": {"Table": table, **queue}, "Outputs": outputs}
    formation = boto3.client("cloudformation", region)
    formation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    (stack,) = formation.describe_stacks(StackName=name)["Stacks"]
    (name,) = [row["OutputValue"] for row in stack["Outputs"] if row["OutputKey"] == "TableName"]
    return str(name)


def stored(table: str, account: str = OWNER) -> DynamoStore:
    return DynamoStore(Clients(), table=table, account=account, region="eu-west-1")


def test_a_contract_is_applied_to_the_table_of_the_partys_stack_at_home(sign_in: Any, capsys: Said) -> None:
    sign_in(OWNER)
    table = make_stack()
    assert cli.main(["apply", str(CONTRACT)]) == 0
    assert stored(table).contract("bi-curated-read") == cli.load(CONTRACT)
    said = capsys.readouterr().out
    assert f"bi-curated-read: applied to `{table}` of account {OWNER}, eu-west-1" in said
    assert "aws lambda invoke --function-name threelocks-recheck --region eu-west-1" in said


def test_an_applied_contract_is_checked_at_once(sign_in: Any, capsys: Said) -> None:
    sign_in(OWNER)
    make_stack(with_queue=True)
    assert cli.main(["apply", str(CONTRACT)]) == 0
    assert "it is being checked now" in capsys.readouterr().out
    sqs = boto3.client("sqs", "eu-west-1")
    (url,) = sqs.list_queues()["QueueUrls"]
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    asked = read_request(message["Body"])
    assert asked is not None
    assert asked.cause.kind == "apply"
    assert cli.main(["apply", str(CONTRACT)]) == 0  # unchanged: nothing to check
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    capsys.readouterr()
    assert cli.main(["apply", str(CONTRACT), "--accept"]) == 0
    assert "unchanged in" in (said := capsys.readouterr().out)
    assert "what was seen first is taken as it is" in said
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    accepted = read_request(message["Body"])
    assert accepted is not None
    assert accepted.cause.kind == "accept"
    assert cli.main(["apply", str(CONTRACT), "--accept", "--dry-run"]) == 0
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_nothing_is_accepted_without_the_stacks_queue_and_it_is_said_so(sign_in: Any, capsys: Said) -> None:
    sign_in(OWNER)
    table = make_stack()
    assert cli.main(["apply", str(CONTRACT), "--table", table, "--accept"]) == 0
    assert "NOTHING WAS ACCEPTED" in capsys.readouterr().out


def test_applying_again_says_what_changed_and_nothing_when_nothing_did(sign_in: Any, write: Any, capsys: Said) -> None:
    sign_in(CONSUMER)
    table = make_stack()
    cli.main(["apply", str(CONTRACT), "--table", table])
    capsys.readouterr()
    assert cli.main(["apply", str(CONTRACT), "--table", table]) == 0
    assert capsys.readouterr().out == f"bi-curated-read: unchanged in `{table}` of account {CONSUMER}, eu-west-1\n"
    assert cli.main(["apply", write(TEXT + "prefixes: [sales/]\n"), "--table", table]) == 0
    assert 'bi-curated-read: prefixes: [""] becomes ["sales/"]' in capsys.readouterr().out
    contract = stored(table, CONSUMER).contract("bi-curated-read")
    assert contract is not None
    assert contract.prefixes == ("sales/",)


def test_a_dry_run_changes_nothing(sign_in: Any, capsys: Said) -> None:
    sign_in(OWNER)
    table = make_stack("guard")
    assert cli.main(["apply", str(CONTRACT), "--stack", "guard", "--dry-run"]) == 0
    assert "bi-curated-read: new\nbi-curated-read: would be applied" in capsys.readouterr().out
    assert stored(table).names() == ()


def test_a_contract_in_which_the_account_has_no_part_is_refused(sign_in: Any, capsys: Said) -> None:
    sign_in(STRANGER)
    table = make_stack()
    assert cli.main(["apply", str(CONTRACT), "--table", table]) == 2
    said = capsys.readouterr().err
    assert f"the credentials are of account `{STRANGER}`, which has no part in `bi-curated-read`" in said
    assert f"`{OWNER}` (data-platform)" in said
    assert stored(table).names() == ()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "with id threelocks does not exist; deploy template.yaml there first"),
        (["--region", "eu-west-2"], "deploy template.yaml there first"),
        (["--table", "elsewhere"], "name the table that the stack's output TableName shows"),
        (["--profile", "nobody"], "name one that `aws configure list-profiles` shows"),
    ],
)
def test_what_aws_refuses_is_told_with_the_next_step(
    arguments: list[str], told: str, sign_in: Any, capsys: Said
) -> None:
    sign_in(OWNER)
    assert cli.main(["apply", str(CONTRACT), *arguments]) == 2
    assert told in capsys.readouterr().err


def test_without_credentials_the_next_step_is_to_sign_in(signed_out: None, capsys: Said) -> None:
    assert cli.main(["apply", str(CONTRACT)]) == 2
    assert "unable to locate credentials; name a profile with --profile, or sign in" in capsys.readouterr().err


def test_a_contract_that_was_edited_in_the_table_is_written_anew(sign_in: Any, capsys: Said) -> None:
    sign_in(OWNER)
    table = make_stack()
    cli.main(["apply", str(CONTRACT)])
    for seal in ("0" * 64, None):  # edited; then no contract any more
        edit(table, {"digest": {"S": seal}} if seal else {"body": {"S": "{}"}})
        capsys.readouterr()
        assert cli.main(["apply", str(CONTRACT)]) == 0
        said = capsys.readouterr().out
        assert ("somebody edited it there" in said) is bool(seal)
        assert ("cannot be read, and is replaced" in said) is not bool(seal)
        kept = stored(table).contract("bi-curated-read")
        assert kept is not None
        assert not kept.is_edited


def edit(table: str, change: dict[str, Any]) -> None:
    """What somebody does in the table's console."""
    dynamodb = boto3.client("dynamodb", "eu-west-1")
    key = {"pk": {"S": "CONTRACT#bi-curated-read"}, "sk": {"S": "TERMS"}}
    item = dynamodb.get_item(TableName=table, Key=key)["Item"]
    dynamodb.put_item(TableName=table, Item=item | change)


# --- remove ---


def removing(monkeypatch: pytest.MonkeyPatch, typed: str, *options: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    return cli.main(["remove", "bi-curated-read", "--region", "eu-west-1", *options])


def test_a_contract_is_removed_when_its_name_is_typed(
    sign_in: Any, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    sign_in(OWNER)
    table = make_stack()
    cli.main(["apply", str(CONTRACT)])
    assert removing(monkeypatch, "bi-curated-read\n") == 0
    said = capsys.readouterr().out
    assert f"bi-team ({CONSUMER}) will not be told" in said
    assert "bi-curated-read: removed" in said
    store = stored(table)
    assert (store.names(), store.contract("bi-curated-read")) == ((), None)
    assert store.touching(("arn:aws:s3:::datalake-curated-a",)) == ()


@pytest.mark.parametrize("typed", ["", "\n", "yes\n", "bi-curated\n"])
def test_without_its_name_nothing_is_removed(
    typed: str, sign_in: Any, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    sign_in(OWNER)
    table = make_stack()
    cli.main(["apply", str(CONTRACT)])
    assert removing(monkeypatch, typed) == 2
    assert "nothing was removed" in capsys.readouterr().err
    assert stored(table).names() == ("bi-curated-read",)


def test_what_is_not_there_cannot_be_removed(sign_in: Any, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    sign_in(OWNER)
    make_stack()
    assert removing(monkeypatch, "bi-curated-read\n") == 2
    assert "no contract `bi-curated-read` in" in capsys.readouterr().err


def test_a_contract_that_can_no_longer_be_read_can_be_removed(
    sign_in: Any, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    sign_in(OWNER)
    table = make_stack()
    cli.main(["apply", str(CONTRACT)])
    edit(table, {"body": {"S": "{}"}})
    assert removing(monkeypatch, "bi-curated-read\n", "--table", table) == 0
    assert "the other accounts will not be told" in capsys.readouterr().out
    assert stored(table).names() == ()


def test_to_remove_a_contract_the_region_must_be_known(sign_in: Any, capsys: Said) -> None:
    sign_in(OWNER)
    assert cli.main(["remove", "bi-curated-read"]) == 2
    assert "name the watchdog's with --region" in capsys.readouterr().err


# --- defects ---


def test_a_defect_is_no_verdict(snapshot: str, capsys: Said) -> None:
    def fails(*_: object) -> Verdict:
        raise ZeroDivisionError("somewhere inside")

    assert cli.main(["check", str(CONTRACT), "--snapshot", snapshot], judge=fails) == cli.DEFECT
    said = capsys.readouterr().err
    assert "ZeroDivisionError: somewhere inside" in said
    assert "a defect of the tool, and no verdict" in said
    assert cli.DEFECT not in {cli.INTACT, cli.OFF, cli.USAGE, cli.UNREAD, 1}


def test_whoever_stops_reading_is_no_defect() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-u", "-m", "threelocks.cli", "validate", str(CONTRACT)],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write_end)
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device is Linux's own")
def test_an_output_that_cannot_be_written_is_no_defect_and_no_success() -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "threelocks.cli", "validate", str(CONTRACT)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 2
    assert ended.stderr == "threelocks: cannot write the output: no space left on device\n"


# --- check ---


def finding(kind: Kind) -> Finding:
    return Finding(
        code="bucket.no-allow",
        kind=kind,
        lock=Lock.BUCKET_POLICY,
        account=OWNER,
        resource="arn:aws:s3:::datalake-curated-a",
        principal="role",
        actions=("s3:GetObject",),
        detail="no statement allows it",
        witness=Witness("role", "s3:GetObject", "arn:aws:s3:::datalake-curated-a/x", (("aws:SourceVpce", ()),)),
        statements=(StatementRef("bucket policy", 1, "Readers", '{"Effect": "Allow"}'),),
        remedy=Remedy(OWNER, "add the role", '{"Sid": "x"}', ("aws s3api put-bucket-policy",)),
    )


def judging(*kinds: Kind) -> Any:
    """A judge that finds these kinds in the owner's locks, and passes a fact on."""

    def judge(contract: Any, neighbours: Any, observation: Any, facts: dict[str, str]) -> Verdict:
        findings = tuple(finding(kind) for kind in kinds) if observation.account == OWNER else ()
        own = (("from", observation.account), *sorted((f"heard-{name}", value) for name, value in facts.items()))
        return verdict_of(contract, observation.account, findings, as_of=observation.began, facts=own)

    return judge


@pytest.fixture
def snapshot(write: Any) -> str:
    return str(write('{"taken": "2026-11-20T09:30:00Z", "owner": {}, "consumer": {}}', "snapshot.json"))


@pytest.mark.parametrize(
    ("kinds", "status", "word"),
    [
        ((), 0, "INTACT"),
        ((Kind.SHUT,), 1, "BROKEN"),
        ((Kind.WIDE,), 1, "WIDENED"),
        ((Kind.RISK,), 1, "AT_RISK"),
        ((Kind.UNREAD,), 3, "UNKNOWN"),
        ((Kind.UNREAD, Kind.SHUT), 1, "BROKEN"),
        ((Kind.UNREAD, Kind.RISK), 1, "UNKNOWN"),
    ],
)
def test_the_exit_status_says_the_standing(
    kinds: tuple[Kind, ...], status: int, word: str, snapshot: str, capsys: Said
) -> None:
    arguments = ["check", str(CONTRACT), "--snapshot", snapshot]
    assert cli.main(arguments, judge=judging(*kinds)) == status
    assert capsys.readouterr().out.startswith(f"{word}: bi-curated-read")
    assert cli.main([*arguments, "--json"], judge=judging(*kinds)) == status
    assert json.loads(capsys.readouterr().out)["headline"] == word


def test_a_finding_is_printed_with_its_proof_and_its_remedy(snapshot: str, capsys: Said) -> None:
    cli.main(["check", str(CONTRACT), "--snapshot", snapshot], judge=judging(Kind.SHUT))
    said = capsys.readouterr().out
    for part in (
        "identity_policy  222222222222  open",
        "bucket_policy    111111111111  shut",
        "shut: bucket.no-allow (bucket_policy, account 111111111111)",
        "refused: role calls s3:GetObject on arn:aws:s3:::datalake-curated-a/x",
        "with aws:SourceVpce = absent",
        "bucket policy, statement 2 `Readers`:",
        "account 111111111111 must act: add the role",
        "aws s3api put-bucket-policy",
    ):
        assert part in said


def test_what_is_waived_is_printed_apart_and_makes_up_no_exit_status(snapshot: str, write: Any, capsys: Said) -> None:
    until = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    exceptions = {
        "waivers": [{"finding": "bucket.no-allow", "reason": "known", "until": until}],
        "suspended": {"by": "Dana", "reason": "the audit", "until": until},
    }
    file = write(TEXT + yaml.safe_dump(exceptions))
    off = judging(Kind.SHUT)
    assert cli.main(["check", file, "--snapshot", snapshot], judge=off) == 0
    said = capsys.readouterr().out
    assert said.startswith("INTACT: bi-curated-read")
    assert f"suspended until {until[:10]}" in said
    assert "open, and no wider than agreed, but for what is waived" in said
    assert f"waived until {until[:10]}" in said
    assert cli.main(["check", file, "--snapshot", snapshot, "--json"], judge=off) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["headline"] == "INTACT"
    assert {one["waiver"]["reason"] for verdict in answer["verdicts"] for one in verdict["findings"]} == {"known"}
    assert answer["verdicts"][0]["suspended"]["by"] == "Dana"


def test_what_a_policy_says_does_not_steer_the_terminal(snapshot: str, capsys: Said) -> None:
    def judge(contract: Any, neighbours: Any, observation: Any, facts: Any) -> Verdict:
        sid = replace(finding(Kind.SHUT).statements[0], sid="\x1b[2J\nINTACT")
        return verdict_of(contract, observation.account, (replace(finding(Kind.SHUT), statements=(sid,)),))

    cli.main(["check", str(CONTRACT), "--snapshot", snapshot], judge=judge)
    assert r"statement 2 `\u001b[2J\u000aINTACT`:" in capsys.readouterr().out


def test_each_side_is_judged_with_the_facts_that_the_other_states(snapshot: str, capsys: Said) -> None:
    cli.main(["check", str(CONTRACT), "--snapshot", snapshot, "--json"], judge=judging())
    verdicts = json.loads(capsys.readouterr().out)["verdicts"]
    assert {verdict["account"]: dict(verdict["facts"])["heard-from"] for verdict in verdicts} == {
        OWNER: CONSUMER,
        CONSUMER: OWNER,
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ("[]", "not an object; write"),
        ("9" * 5000, "a number in it is too long"),
        ('{"ownr": {}}', "did you mean `owner`?"),
    ],
)
def test_a_snapshot_that_is_none_is_bad_input(text: str, told: str, write: Any, capsys: Said) -> None:
    path = write(text, "snapshot.json")
    assert cli.main(["check", str(CONTRACT), "--snapshot", path], judge=judging()) == 2
    said = capsys.readouterr().err
    assert path in said
    assert told in said
