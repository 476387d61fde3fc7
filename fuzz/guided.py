"""Coverage-guided fuzzing: hostile input, chosen by the code that it reaches. `make fuzz-coverage SECONDS=60`.

    python -m fuzz.guided [--seconds N] [HARNESS ...]      in .venv-fuzz

Only the project's own errors may come out, and no input may take longer than its harness allows. An input that breaks
this is kept under build/fuzz-coverage/HARNESS/ and shown; it becomes a case of a unit test.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "fuzz-coverage"
SLOWEST = 10.0  # seconds for one input, with the code instrumented, on a busy machine


# --- harnesses: each makes something of bytes, and raises what must not be raised -------------------------------------


def parsing() -> Callable[[bytes], None]:
    """Any text is a policy document, or is refused by DocumentError with a text that can be sent on."""
    from fuzz.hostile import Maker  # noqa: PLC0415 - imported under instrumentation
    from threelocks.policy.document import DocumentError, parse_document  # noqa: PLC0415

    def one(data: bytes) -> None:
        text = Maker(data).document()
        try:
            document = parse_document(text, "policy")
        except DocumentError as error:
            str(error).encode()
            return
        for statement in document.statements:
            statement.text.encode()
            again = f'{{"Version": "{document.version}", "Statement": {statement.text}}}'
            same = replace(parse_document(again, "policy").statements[0], index=statement.index)
            assert same == statement, "a statement's own text means something else"

    return one


def deciding() -> Callable[[bytes], None]:
    """Every request to every parsed policy is decided."""
    from fuzz.hostile import Maker  # noqa: PLC0415
    from threelocks.policy.authorize import Outcome, Policies, authorize  # noqa: PLC0415
    from threelocks.policy.document import Document, DocumentError, parse_document  # noqa: PLC0415

    def parsed(text: str) -> Document | None:
        try:
            return parse_document(text, "policy")
        except DocumentError:
            return None

    def one(data: bytes) -> None:
        maker = Maker(data)
        layers = [parsed(maker.document()) for _ in range(1 + maker.below(3))]
        held = [document for document in layers if document is not None]
        if not held:
            return
        policies = Policies(
            resource=(held[0],),
            identity=tuple(held[1:2]) or None,
            boundary=held[2] if len(held) > 2 else None,
            endpoint=held[0] if maker.rarely() else None,
            rcps=((held[0],),) if maker.rarely() else (),
            restrict_public=maker.rarely(),
        )
        for _ in range(3):
            decision = authorize(maker.request(), policies)
            assert (decision.layer is None) == (decision.outcome is Outcome.ALLOWED)

    return one


def judging() -> Callable[[bytes], None]:
    """Every observation is judged, whatever the policies in it, and soon."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from fuzz.hostile import BUCKET, CONSUMER, KEY, OWNER, ROLE, Maker  # noqa: PLC0415
    from threelocks import contract as contracts  # noqa: PLC0415
    from threelocks import observation as seen  # noqa: PLC0415
    from threelocks.judge import judge  # noqa: PLC0415
    from threelocks.report import encode  # noqa: PLC0415

    party = {"name": "x", "home_region": "eu-west-1"}
    agreed = contracts.parse(
        {
            "name": "bi-curated-read",
            "owner": {"account": OWNER, **party},
            "consumer": {"account": CONSUMER, **party},
            "bucket": {"name": BUCKET.rpartition(":")[2], "region": "eu-west-1"},
            "prefixes": ["sales/"],
            "key": KEY,
            "role": ROLE,
            "actions": ["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:DescribeKey"],
        }
    )
    absent, now = seen.Absent(), datetime(2026, 11, 23, 12, tzinfo=UTC)

    def bucket(text: str) -> seen.Observation:
        found = seen.BucketObservation(
            region=seen.Found("eu-west-1"),
            policy=seen.Found(text),
            policy_is_public=seen.Found(value=False),
            block=absent,
            account_block=absent,
            encryption=seen.Found(seen.Encryption("aws:kms", KEY)),
            ownership=absent,
            acl=absent,
            requester_pays=seen.Found(value=False),
            access_points=seen.Found(
                (seen.AccessPoint("p", f"arn:aws:s3:eu-west-1:{OWNER}:accesspoint/p", "Internet", text),)
            ),
        )
        return seen.Observation(OWNER, now, bucket=found)

    def key(text: str) -> seen.Observation:
        metadata = seen.Found(seen.KeyMetadata(KEY, "Enabled", "CUSTOMER"))
        policies = seen.Found((seen.NamedPolicy("default", text),))
        return seen.Observation(OWNER, now, key=seen.KeyObservation(metadata, policies, seen.Found(())))

    def role(text: str) -> seen.Observation:
        found = seen.Found(seen.Role(ROLE, "AROAEXAMPLE123456789", "{}"))
        inline = seen.Found((seen.NamedPolicy("inline", text),))
        return seen.Observation(CONSUMER, now, role=seen.RoleObservation(found, inline, seen.Found(()), absent))

    def one(data: bytes) -> None:
        maker = Maker(data)
        observation = maker.pick((bucket, key, role))(maker.document())
        facts = {"role_id": "AROAEXAMPLE123456789", "has_boundary": "false"}
        verdict = judge(agreed, (), observation, facts)
        encode(verdict).encode()

    return one


def agreeing() -> Callable[[bytes], None]:
    """Any tree is a contract, or is refused by BadContractError."""
    import json  # noqa: PLC0415

    from fuzz.hostile import Maker, spelled  # noqa: PLC0415
    from threelocks.contract import parse  # noqa: PLC0415
    from threelocks.problems import BadContractError  # noqa: PLC0415

    example = json.loads((ROOT / "fuzz" / "contract.json").read_text())

    def one(data: bytes) -> None:
        maker = Maker(data)
        tree = {**example}
        for _ in range(1 + maker.below(3)):
            spot = tree
            name = maker.pick(sorted(spot))
            while isinstance(spot[name], dict) and spot[name] and maker.byte() < 200:
                spot[name] = {**spot[name]}
                spot, name = spot[name], maker.pick(sorted(spot[name]))
            spot[name] = maker.text() if maker.byte() < 128 else maker.hostile()
        try:
            raw = json.loads(spelled(tree))
        except (ValueError, RecursionError):
            return
        try:
            contract = parse(raw)
        except BadContractError as error:
            str(error).encode()
            return
        assert parse(json.loads(contract.model_dump_json())) == contract

    return one


HARNESSES = {"document": parsing, "authorize": deciding, "judge": judging, "contract": agreeing}


# --- running ----------------------------------------------------------------------------------------------------------


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz with one harness; does not return."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["threelocks"]):
        harness = HARNESSES[name]()

    def timed(data: bytes) -> None:
        began = time.monotonic()
        harness(data)
        took = time.monotonic() - began
        assert took < SLOWEST, f"one input took {took:.1f} s"

    atheris.Setup([name, *arguments], timed)
    atheris.Fuzz()


def run(name: str, seconds: int) -> int:
    corpus = BUILD / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "fuzz.guided", "--inside", name, str(corpus)),
        *(f"-max_total_time={seconds}", f"-timeout={int(6 * SLOWEST)}", "-rss_limit_mb=3000", "-max_len=600"),
        *("-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={BUILD / name}/"),
    ]
    print(f"{name}: {HARNESSES[name].__doc__}", flush=True)
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    done = subprocess.run(  # noqa: S603 - ourselves, no shell
        command, env={**os.environ, "PYTHONPATH": path}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    log = BUILD / name / "log"
    log.write_text(done.stdout + done.stderr)
    stats = [line.removeprefix("stat::") for line in done.stderr.splitlines() if line.startswith("stat::")]
    print("  " + "; ".join(" ".join(line.split()) for line in stats[:2]) + f"; {len(list(corpus.iterdir()))} kept")
    if done.returncode:
        print(f"  FAILED, see {log.relative_to(ROOT)}:\n" + "\n".join(done.stderr.splitlines()[-40:]))
    return done.returncode


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--inside"]:
        fuzz(arguments[1], arguments[2:])
        return 0
    parser = argparse.ArgumentParser(prog="fuzz.guided", description="hostile input, guided by the code it reaches")
    parser.add_argument("harnesses", nargs="*", metavar="HARNESS", help=f"some of: {', '.join(HARNESSES)} (none: all)")
    parser.add_argument("--seconds", type=int, default=60, help="for each of them")
    options = parser.parse_args(arguments)
    unknown = set(options.harnesses) - set(HARNESSES)
    if unknown:
        parser.error(f"no harness `{min(unknown)}`; there are: {', '.join(HARNESSES)}")
    return max([run(name, options.seconds) for name in options.harnesses or HARNESSES], default=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
