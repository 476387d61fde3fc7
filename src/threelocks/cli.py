"""The `threelocks` command: check a contract file, apply it, judge a share offline, and diagnose refused reads.

Exit status: 0 done, and for `check` the share is intact, but for what the contract waives; 1 it is shut, wide or at
risk; 2 bad usage or input; 3 nothing worse is known, but something could not be read; 70 a defect of this tool, which
says nothing of the share. What went wrong is told on stderr, with what to do next.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from threelocks import cli_diagnose, waiving
from threelocks import contract as contracts
from threelocks.contract import Contract
from threelocks.finding import Cause, Finding, Kind, Lock, Verdict, headline
from threelocks.incident import gravest
from threelocks.judge import judge as judge_locks
from threelocks.mend import offering, proven
from threelocks.observation import Observation
from threelocks.problems import BadContractError, Problem
from threelocks.report import MalformedError, encode
from threelocks.spelling import shown, visible

if TYPE_CHECKING:  # boto3 takes long to import, and only `apply` calls AWS
    import boto3

    from threelocks.aws.store import DynamoStore

Judge = Callable[..., Verdict]

LARGEST_FILE = 1_000_000  # bytes; a contract has a few hundred
STACK = "threelocks"
INTACT, OFF, USAGE, UNREAD = 0, 1, 2, 3
DEFECT = 70  # EX_SOFTWARE of sysexits.h; Python's own 1 would say that the share is shut


class UsageError(Exception):
    """What was asked cannot be done; the text says what to do instead."""


# --- Contract files ---


_TAGS = (None, *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map", "null")))


class _Loader(yaml.SafeLoader):
    """YAML in which a value is the text that is written, or nothing.

    YAML 1.1 would read `on` as true, an account id as a number and one with a leading zero as octal. A field twice is
    refused, since the second would win silently; so are aliases, and tags but those of a contract's own kinds of value.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own form
        start: [(tag, shape) for tag, shape in resolvers if tag == "tag:yaml.org,2002:null"]
        for start, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call] # the stubs lack it
        problem = ""
        if isinstance(event, yaml.AliasEvent):
            problem = "an alias (`*`) stands here; write the value out"
        elif event.tag not in _TAGS:
            problem = "a tag (`!`) that no contract needs; write the value without it"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():  # else PyYAML says what it expected
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{shown(key.value)} stands here a second time; leave one of them out",
                    problem_mark=key.start_mark,
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def load(path: Path) -> Contract:
    """The contract in a file. Raises BadContractError, which names the file, with every problem."""
    return parse_yaml(_read(path), file=str(path))


def parse_yaml(text: str, *, file: str) -> Contract:
    """The contract in a YAML text. Raises BadContractError."""
    try:
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with less in it
    except yaml.MarkedYAMLError as error:
        raise BadContractError([Problem(_place(error), f"{error.problem}")], file=file) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise BadContractError(
            [Problem("", f"is not YAML that can be read: {_first_line(error)}")], file=file
        ) from error
    return contracts.parse(raw, file=file)


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UsageError(f"{shown(str(path))} is larger than {LARGEST_FILE} bytes; name the right file")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown(str(path))} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise UsageError(
            f"cannot read {shown(str(path))}: {_first_line(error.strerror or error)}; name a file"
        ) from error


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0].lower().rstrip(".")


def _load_all(paths: Sequence[Path], now: datetime) -> list[Contract]:
    """Every contract, or every file's problems at once."""
    loaded, failures = [], []
    for path in paths:
        try:
            loaded.append(_in_date(load(path), now, path))
        except (BadContractError, UsageError) as error:
            failures.append(str(error))
    if failures:
        raise UsageError("\n".join(failures))
    names = [contract.name for contract in loaded]
    for name in sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"two of the files are contracts called `{name}`; give each its own name")
    return loaded


def _in_date(contract: Contract, now: datetime, path: Path) -> Contract:
    """Raises BadContractError when what the contract waives or suspends cannot be applied today."""
    if wrong := tuple(waiving.problems(contract, now)):
        raise BadContractError(wrong, file=str(path))
    return contract


# --- threelocks validate ---


def validate(arguments: argparse.Namespace) -> int:
    for path, contract in zip(arguments.files, _load_all(arguments.files, arguments.now()), strict=True):
        print(f"{path}: `{contract.name}` is sound, with terms {contract.digest[:12]}")
    return INTACT


# --- threelocks apply ---


def apply(arguments: argparse.Namespace) -> int:
    wanted = _load_all(arguments.files, arguments.now())
    with _telling_what_aws_refuses():
        return _apply(arguments, wanted)


@contextmanager
def _telling_what_aws_refuses() -> Iterator[None]:
    """Raises UsageError, with the next step, for what botocore raises inside."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only two commands call AWS

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise UsageError(f"{_first_line(error)}; {_advice(error)}") from error


def _session(arguments: argparse.Namespace) -> boto3.Session:
    import boto3  # noqa: PLC0415 - see above

    return boto3.Session(profile_name=arguments.profile, region_name=arguments.region)


def _apply(arguments: argparse.Namespace, wanted: list[Contract]) -> int:
    session = _session(arguments)
    account = _account(session, wanted[0].owner.home_region)
    _refuse_strangers(wanted, account)
    for contract in wanted:
        _apply_one(arguments, session, account, contract)
    return INTACT


def _account(session: boto3.Session, otherwise: str) -> str:
    """Whose credentials these are; `otherwise` is the region to ask in where the profile has none."""
    region = session.region_name or otherwise
    return str(session.client("sts", region_name=region).get_caller_identity()["Account"])


def _refuse_strangers(wanted: list[Contract], account: str) -> None:
    for contract in wanted:
        if contract.party(account) is None:
            parties = ", ".join(f"`{party.account}` ({party.name})" for party in contract.parties)
            raise UsageError(
                f"the credentials are of account `{account}`, which has no part in `{contract.name}`; use --profile "
                f"with one of {parties}"
            )


def _apply_one(arguments: argparse.Namespace, session: boto3.Session, account: str, contract: Contract) -> None:
    party = contract.party(account)
    assert party is not None  # strangers were refused
    # An explicit region wins; the profile's own default says nothing of where the watchdog lives.
    region = arguments.region or party.home_region
    store = _store(arguments, session, account, region)
    table = store.table
    news = list(_news(_stored(store, contract.name), contract))
    for line in news:
        print(f"{contract.name}: {line}")
    if arguments.dry_run:
        what = "would be applied to" if news else "unchanged in"
        print(f"{contract.name}: {what} `{table}` of account {account}, {region}")
        return
    if news:
        store.apply(contract)
    print(f"{contract.name}: {'applied to' if news else 'unchanged in'} `{table}` of account {account}, {region}")
    if news or arguments.accept:
        for line in _have_checked(arguments, session, region, account, contract):
            print(f"  {line}")


def _store(arguments: argparse.Namespace, session: boto3.Session, account: str, region: str) -> DynamoStore:
    from threelocks.aws.session import Clients  # noqa: PLC0415 - see above
    from threelocks.aws.store import DynamoStore  # noqa: PLC0415 - see above

    table = arguments.table or _table(session, region, arguments.stack)
    return DynamoStore(Clients(session=session), table=table, account=account, region=region)


def _stored(store: DynamoStore, name: str) -> Contract | str | None:
    """The contract of that name; what is wrong with it, when it can no longer be read."""
    try:
        return store.contract(name)
    except MalformedError as error:
        return str(error)


def _have_checked(
    arguments: argparse.Namespace, session: boto3.Session, region: str, account: str, contract: Contract
) -> Iterator[str]:
    """Ask for a check through the stack's queue of changes; what to tell of it. It is stored whatever comes."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see above

    from threelocks.aws.publish import SqsTimer  # noqa: PLC0415 - see above
    from threelocks.aws.session import Clients  # noqa: PLC0415 - see above

    kind = "accept" if arguments.accept else "apply"
    cause = Cause(kind=kind, at=arguments.now(), account=account, region=region)
    try:
        queue = None if arguments.table else _outputs(session, region, arguments.stack).get("ChangeQueueUrl")
        if queue:
            timer = SqsTimer(Clients(session=session), queue, region)
            timer.ask(contract.name, cause, delay=timedelta(0))
            yield (
                "it is being checked now, and what was seen first is taken as it is"
                if arguments.accept
                else "it is being checked now; the first mail comes when the other party has been heard"
            )
            return
    except (BotoCoreError, ClientError) as error:
        yield f"could not ask for a check: {_first_line(error)}"
    if arguments.accept:
        yield "NOTHING WAS ACCEPTED: that takes the stack's queue of changes; name the stack (--stack), and not a table"
    yield "the next sweep checks it, or now:"
    yield _recheck(arguments, region, contract)


def _recheck(arguments: argparse.Namespace, region: str, contract: Contract) -> str:
    profile = f" --profile {arguments.profile}" if arguments.profile else ""
    payload = json.dumps({"contract": contract.name})
    return (
        f"aws lambda invoke --function-name {arguments.stack}-recheck --region {region}{profile} "
        f"--cli-binary-format raw-in-base64-out --payload '{payload}' /dev/stdout"
    )


def _table(session: boto3.Session, region: str, stack: str) -> str:
    """The table's name, from the outputs of the stack of template.yaml."""
    outputs = _outputs(session, region, stack)
    if "TableName" not in outputs:
        raise UsageError(f"the stack `{stack}` in `{region}` has no output TableName; name the watchdog's with --stack")
    return outputs["TableName"]


def _outputs(session: boto3.Session, region: str, stack: str) -> dict[str, str]:
    """By key. Raises botocore's ClientError when there is no such stack."""
    stacks = session.client("cloudformation", region_name=region).describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for found in stacks for output in found.get("Outputs", [])}


def _news(old: Contract | str | None, new: Contract) -> Iterator[str]:
    """What applying changes, a line for each field."""
    if old is None:
        yield "new"
        return
    if isinstance(old, str):
        yield f"the one in the table cannot be read, and is replaced: {old}"
        return
    if old.is_edited:
        yield "the one in the table is not what was applied last: somebody edited it there"
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    for field in after:
        if before[field] != after[field]:
            yield f"{field}: {json.dumps(before[field])} becomes {json.dumps(after[field])}"


# --- threelocks remove ---


def remove(arguments: argparse.Namespace) -> int:
    with _telling_what_aws_refuses():
        return _remove(arguments)


def _remove(arguments: argparse.Namespace) -> int:
    session, name = _session(arguments), arguments.contract
    region = session.region_name
    if not region:
        raise UsageError("the profile has no region; name the watchdog's with --region")
    account = _account(session, region)
    store = _store(arguments, session, account, region)
    where = f"`{store.table}` of account {account}, {region}"
    found = _stored(store, name)
    if found is None:
        raise UsageError(f"no contract {shown(name)} in {where}; `--region` and `--stack` say where to look")
    partners = _partners(found, account)
    print(f"{name}: to be removed from {where}, with everything that is recorded of it")
    print(f"  {partners} will not be told, and will say that this account is silent: remove it there first")
    if _typed("  its name, to remove it: ") != name:
        raise UsageError("that is not its name; nothing was removed")
    store.remove(name)
    print(f"{name}: removed; how it stood is kept until it expires")
    return INTACT


def _partners(found: Contract | str, account: str) -> str:
    if isinstance(found, str):  # it cannot be read, so who they are is not known
        return "the other accounts"
    return " and ".join(f"{party.name} ({party.account})" for party in found.others(account))


def _typed(prompt: str) -> str:
    """A line of the standard input; empty when there is none."""
    try:
        return input(prompt).strip()
    except EOFError:
        return ""


# By the words of AWS's error code or of botocore's exception.
_ADVICE = (
    ("NoCredentials", "name a profile with --profile, or sign in"),
    ("Profile", "name one that `aws configure list-profiles` shows"),
    ("Expired", "sign in again"),
    ("Token", "sign in again"),
    ("AccessDenied", "use a profile that may call it"),
    (
        "ValidationError",
        "deploy template.yaml there first, or name the stack with --stack and its region with --region",
    ),
    ("ResourceNotFound", "name the table that the stack's output TableName shows"),
    ("NoRegion", "name the watchdog's region with --region"),
    ("EndpointConnection", "look whether the region is right and the network up"),
)


def _advice(error: Exception) -> str:
    response: dict[str, Any] = getattr(error, "response", {})
    code = response.get("Error", {}).get("Code", "") or type(error).__name__
    return next((advice for word, advice in _ADVICE if word in code), "mend that and try again")


# --- threelocks check ---


def check(arguments: argparse.Namespace, *, judge: Judge) -> int:
    contract = load(arguments.contract)
    verdicts, now = _judge(contract, arguments.snapshot, judge, arguments.now), arguments.now()
    kinds = frozenset(kind for verdict in verdicts for kind in verdict.counted(now).kinds)
    if arguments.json:
        print(json.dumps(_as_json(contract, verdicts, kinds), indent=2, ensure_ascii=False))
    else:
        for line in _as_text(contract, verdicts, kinds, now):
            print(visible(line))  # what policies say must not steer the terminal
    return _status(kinds)


def _judge(contract: Contract, path: Path, judge: Judge, now: Callable[[], datetime]) -> tuple[Verdict, ...]:
    """Each party's verdict on its own locks, knowing the facts that the others state, as their reports would."""
    from threelocks.aws import snapshot  # noqa: PLC0415 - brings botocore, for its errors

    try:
        observations = snapshot.load(path, contract, now=now)
    except snapshot.SnapshotError as error:
        raise UsageError(str(error)) from error
    alone = [judge(contract, (), observation, {}) for observation in observations]
    stated = {verdict.account: dict(verdict.facts) for verdict in alone}
    return tuple(
        waiving.marked(contract, _judged(contract, observation, _facts_of_others(stated, observation.account), judge))
        for observation in observations
    )


def _judged(contract: Contract, observation: Observation, facts: dict[str, str], judge: Judge) -> Verdict:
    """The verdict, with remedies that are proven."""
    verdict = judge(contract, (), observation, facts)
    return offering(verdict, proven(contract, (), observation, facts, verdict, judge=judge))


def _facts_of_others(stated: dict[str, dict[str, str]], account: str) -> dict[str, str]:
    return {name: value for other, facts in stated.items() if other != account for name, value in facts.items()}


def _status(kinds: frozenset[Kind]) -> int:
    if not kinds:
        return INTACT
    return UNREAD if kinds == {Kind.UNREAD} else OFF


def _as_json(contract: Contract, verdicts: Sequence[Verdict], kinds: frozenset[Kind]) -> dict[str, Any]:
    return {
        "contract": contract.name,
        "digest": contract.digest,
        "headline": headline(kinds),
        "verdicts": [json.loads(encode(verdict)) for verdict in verdicts],
    }


_ORDER = tuple(Lock)  # the three locks first


def _as_text(contract: Contract, verdicts: Sequence[Verdict], kinds: frozenset[Kind], now: datetime) -> Iterator[str]:
    yield f"{headline(kinds)}: {contract.name}, {contract.role} reads s3://{contract.bucket.name}"
    if contract.suspended and now < contract.suspended.until:
        stated = contract.suspended
        yield f"  suspended until {stated.until:%Y-%m-%d %H:%M} UTC by {stated.by}: {stated.reason}"
    states = [state for verdict in verdicts for state in verdict.counted(now).locks]
    findings = gravest(finding for verdict in verdicts for finding in verdict.findings)
    waived = [finding for finding in findings if not finding.counts(now)]
    for state in sorted(states, key=lambda state: _ORDER.index(state.lock)):
        but = ", but for what is waived" if any(finding.lock is state.lock for finding in waived) else ""
        yield f"  {state.lock:16} {state.account}  {', '.join(state.kinds) or 'open, and no wider than agreed'}{but}"
    for finding in findings:
        if finding.counts(now):
            yield ""
            yield from _finding_text(finding)
    for finding in waived:
        assert finding.waiver is not None  # it would count
        yield ""
        yield f"waived until {finding.waiver.until:%Y-%m-%d %H:%M} UTC: {finding.waiver.reason}"
        yield from (f"  {line}" for line in _finding_text(finding))
    remarks = dict.fromkeys(remark for verdict in verdicts for remark in verdict.remarks)
    if remarks:
        yield ""
    yield from (f"note: {remark}" for remark in remarks)


_WITNESS = {
    Kind.SHUT: "refused",
    Kind.WIDE: "allowed",
    Kind.RISK: "refused, or soon to be",
    Kind.UNREAD: "undecided",
}


def _finding_text(finding: Finding) -> Iterator[str]:
    yield f"{finding.kind}: {finding.code} ({finding.lock}, account {finding.account})"
    yield f"  {finding.detail}"
    if finding.witness:
        witness = finding.witness
        yield f"  {_WITNESS[finding.kind]}: {witness.principal} calls {witness.action} on {witness.resource}"
        yield from (f"    with {key} = {', '.join(values) or 'absent'}" for key, values in witness.context)
    for statement in finding.statements:
        sid = f" `{statement.sid}`" if statement.sid else ""
        yield f"  {statement.document}, statement {statement.index + 1}{sid}:"
        yield from (f"    {line}" for line in statement.text.splitlines())
    if finding.remedy:
        yield f"  account {finding.remedy.account} must act: {finding.remedy.sentence}"
        for step in finding.remedy.steps or (finding.remedy,):
            yield from [f"  - {step.sentence}"] if finding.remedy.steps else []
            yield from (f"    {line}" for line in (step.statement or "").splitlines())
        yield from (f"    {line}" for line in finding.remedy.commands)
        yield from [f"    ({finding.remedy.proof})"] if finding.remedy.proof else []


# --- The command line ---


def _parser(judge: Judge, now: Callable[[], datetime]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="threelocks", description="Watches one S3 bucket shared across AWS accounts.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("validate", help="tell everything that is wrong with contract files")
    one.add_argument("files", nargs="+", type=Path, metavar="FILE")
    one.set_defaults(run=validate)

    two = commands.add_parser("apply", help="store contracts in the table of the account whose credentials are used")
    two.add_argument("files", nargs="+", type=Path, metavar="FILE")
    _where(two, "where the watchdog is deployed; else the party's home_region")
    two.add_argument(
        "--accept",
        action="store_true",
        help="take as it is now what is held against the first look: the role's id, whom it trusts, the watchdog's own "
        "settings and subscribers; also where the contract is unchanged",
    )
    two.add_argument("--dry-run", action="store_true", help="tell what would change, and change nothing")
    two.set_defaults(run=apply)

    five = commands.add_parser("remove", help="forget a contract and what is recorded of it; asks for its name")
    five.add_argument("contract", metavar="CONTRACT", help="its name")
    _where(five, "where the watchdog is deployed; else the profile's")
    five.set_defaults(run=remove)

    three = commands.add_parser("check", help="judge a share offline, from what AWS answered (see docs/snapshot.md)")
    three.add_argument("contract", type=Path, metavar="CONTRACT")
    three.add_argument("--snapshot", required=True, type=Path, metavar="FILE", help="AWS's answers, as JSON")
    three.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    three.set_defaults(run=partial(check, judge=judge))

    four = commands.add_parser("diagnose", help="tell which lock refused, from CloudTrail records (docs/diagnosis.md)")
    four.add_argument(
        "file", type=Path, metavar="FILE", help="records as JSON, one a line, exported, or any of it gzipped"
    )
    four.add_argument("--contract", type=Path, metavar="FILE", help="the share that they are about")
    four.add_argument("--snapshot", type=Path, metavar="FILE", help="AWS's answers, to judge the locks by")
    four.add_argument("--json", action="store_true", help="print the diagnoses as JSON")
    four.set_defaults(
        run=partial(cli_diagnose.run, load=load, judged=lambda contract, path: _judge(contract, path, judge, now))
    )
    return parser


def _where(command: argparse.ArgumentParser, region: str) -> None:
    """The options that say which account's table is meant."""
    command.add_argument("--profile", help="whose credentials to use, from your AWS configuration")
    command.add_argument("--region", help=region)
    place = command.add_mutually_exclusive_group()
    place.add_argument("--table", help="the table's name; else the stack's output TableName")
    place.add_argument("--stack", default=STACK, help=f"the watchdog's stack (default: {STACK})")


def _now() -> datetime:
    return datetime.now(UTC)


def main(argv: Sequence[str] | None = None, *, judge: Judge = judge_locks, now: Callable[[], datetime] = _now) -> int:
    """Run one command; answers its exit status."""
    arguments = _parser(judge, now).parse_args(argv)
    arguments.now = now
    try:
        status: int = arguments.run(arguments)
        if sys.stdout:  # none when it was closed from the start
            sys.stdout.flush()
    except (UsageError, BadContractError, cli_diagnose.BadFileError) as error:
        print(str(error) if isinstance(error, BadContractError) else f"threelocks: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        _stop_writing()  # whoever read the output has gone
        return USAGE
    except OSError as error:  # files were read by then, and what botocore raises is its own: the output is left
        _stop_writing()
        print(f"threelocks: cannot write the output: {_first_line(error.strerror or error)}", file=sys.stderr)
        return USAGE
    except Exception:  # noqa: BLE001 - whatever it is, it is no verdict
        traceback.print_exc()
        print(
            "threelocks: this is a defect of the tool, and no verdict; please report what stands above", file=sys.stderr
        )
        return DEFECT
    return status


def _stop_writing() -> None:
    """Python writes what is left at its end, and would complain once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
