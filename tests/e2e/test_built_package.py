"""The package that `sam build` makes, run with nothing but itself, AWS's runtime client and boto3: from events in
queues to published mails, in two simulated accounts. `make built-test` provides what it needs.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from samtranslator.yaml_helper import yaml_parse

from simulation.built import BuiltPackage
from simulation.changes import CHANGES
from simulation.cloud import Cloud
from simulation.scenario import begin, run
from simulation.world import TEMPLATE, World, simulated_world

pytestmark = pytest.mark.built

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
SAM = ROOT / ".venv-sam" / "bin"
PYTHON = ROOT / ".venv-built" / "bin" / "python"
ARCHITECTURES = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


@pytest.fixture(scope="module")
def package() -> Path:
    """The built folder, for the Python and the processor that are here: Lambda's cannot run on this machine."""
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    text = TEMPLATE.read_text(encoding="utf-8")
    assert "Runtime: python3.13\n" in text
    BUILD.mkdir(exist_ok=True)
    template = BUILD / "template.yaml"
    template.write_text(text.replace("Runtime: python3.13\n", f"Runtime: {here}\n"), encoding="utf-8")
    command = [
        *(str(SAM / "sam"), "build", "--beta-features", "--template", str(template), "--base-dir", str(ROOT)),
        *("--build-dir", str(BUILD / "local")),
        *("--parameter-overrides", f"Architecture={ARCHITECTURES[platform.machine()]}"),
    ]
    environment = {**os.environ, "PATH": f"{SAM}:{os.environ['PATH']}", "SAM_CLI_TELEMETRY": "0"}
    built = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert built.returncode == 0, built.stderr
    functions = [
        resource["Properties"]
        for resource in yaml_parse((BUILD / "local" / "template.yaml").read_text(encoding="utf-8"))[
            "Resources"
        ].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]
    (folder,) = {BUILD / "local" / function["CodeUri"] for function in functions}
    return folder


@pytest.fixture(scope="module")
def world(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both accounts, with the built package in the place of the source tree."""
    with ExitStack() as stack:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        stack.callback(server.stop)
        _, port = server.get_host_and_port()
        logs = tmp_path_factory.mktemp("logs")

        def runner(cloud: Cloud) -> BuiltPackage:
            endpoint = f"http://127.0.0.1:{port}"
            return stack.enter_context(BuiltPackage(cloud, package, PYTHON, endpoint, logs))

        yield stack.enter_context(simulated_world(runner=runner))


def test_the_package_holds_the_code_and_leaves_boto3_to_lambda(package: Path) -> None:
    assert (package / "threelocks" / "handlers" / "on_change.py").is_file()
    assert not (package / "boto3").exists()
    assert not (package / "simulation").exists()


def test_the_venv_that_runs_it_holds_nothing_else_that_it_could_use() -> None:
    modules = ("pydantic", "aws_lambda_powertools", "moto")
    code = f"import importlib.util; print([name for name in {modules} if importlib.util.find_spec(name)])"
    found = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert found.stdout.strip() == "[]"


def test_an_event_in_the_queue_becomes_a_mail_in_both_accounts_and_its_repair_another(world: World) -> None:
    assert begin(world).problems() == ()
    change = next(change for change in CHANGES if change.name == "identity-policy")
    assert run(world, change).problems(world.accounts) == ()
    assert isinstance(world.runner, BuiltPackage)
    ran = {arn.rpartition(":")[2] for arn in world.runner.functions}
    # The sweep is among them when an hour ended on the way.
    assert ran - {"threelocks-sweep"} == {"threelocks-on-change", "threelocks-on-report", "threelocks-recheck"}


def test_the_sweep_runs_too(world: World) -> None:
    for account in world.accounts:
        assert world.invoke(account, "sweep", {}) == {"asked": 1}
    assert [invocation.error for invocation in world.settle()] == [""] * 4
