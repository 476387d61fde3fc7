"""The built package, run as Lambda runs it: a process per function, with AWS's own runtime client, against a Runtime
API on loopback, at the simulated time; its calls of AWS go to moto's server, which shares its state with this process.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self
from uuid import uuid4

from simulation.cloud import Cloud
from simulation.functions import Function

LAUNCH = Path(__file__).parent / "launch"
HANDLER = "at_simulated_time.handler"
LOOPBACK = "127.0.0.1"


class FunctionError(Exception):
    """The function raised, or could not be started; the text is what the runtime client reported."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    """What `launch.at_simulated_time` unwraps."""

    at: float  # seconds since the epoch
    event: Any


@dataclass(frozen=True, slots=True)
class _Outcome:
    ok: bool
    body: str


class _RuntimeApi(ThreadingHTTPServer):
    """Hands events to one function's process, and takes its answers."""

    daemon_threads = True

    def __init__(self, function: Function) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.function = function
        self.events: queue.Queue[_Delivery] = queue.Queue()
        self.outcomes: queue.Queue[_Outcome] = queue.Queue()
        Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _RuntimeApi

    def do_GET(self) -> None:
        delivery, function = self.server.events.get(), self.server.function
        headers = {
            "Lambda-Runtime-Aws-Request-Id": str(uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(int((delivery.at + function.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": function.arn,
        }
        self._answer(200, json.dumps(asdict(delivery)).encode(), headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.outcomes.put(_Outcome(self.path.endswith("/response"), body))
        self._answer(202, b"{}", {})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class _Running:
    api: _RuntimeApi
    process: subprocess.Popen[bytes]
    log: Path


class BuiltPackage:
    """A Runner: starts a function's process at its first event, and keeps it. Use it as a context manager, which ends
    them all."""

    def __init__(self, cloud: Cloud, folder: Path, python: Path, endpoint: str, logs: Path) -> None:
        """`folder` is what `sam build` made; `python` has what requirements/built.lock lists; `endpoint` is moto's."""
        self._cloud = cloud
        self._folder = folder
        self._python = python
        self._endpoint = endpoint
        self._logs = logs
        self._running: dict[str, _Running] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for running in self._running.values():
            running.process.terminate()
            running.process.wait(timeout=10)
            running.api.shutdown()
            running.api.server_close()

    @property
    def functions(self) -> frozenset[str]:
        """ARNs of what has run."""
        return frozenset(self._running)

    def __call__(self, function: Function, event: Any) -> Any:
        """Invoke; raises FunctionError."""
        if function.arn not in self._running:
            self._running[function.arn] = self._start(function)
        running = self._running[function.arn]
        running.api.events.put(_Delivery(self._cloud.clock.seconds(), event))
        outcome = self._outcome(running, function.timeout)
        if not outcome.ok:
            raise FunctionError(outcome.body)
        return json.loads(outcome.body)

    def _outcome(self, running: _Running, timeout: float) -> _Outcome:
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            try:
                return running.api.outcomes.get(timeout=0.2)
            except queue.Empty:
                if running.process.poll() is not None:
                    break
        text = running.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise FunctionError(f"no answer within {timeout} s, or the process ended: {text}")

    def _start(self, function: Function) -> _Running:
        api = _RuntimeApi(function)
        log = self._logs / f"{function.account}-{function.name}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(  # noqa: S603 - our own build, run by our own venv
                [str(self._python), "-m", "awslambdaric", HANDLER],
                cwd=self._folder,
                env=self._environment(function, api.server_port),
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        return _Running(api, process, log)

    def _environment(self, function: Function, port: int) -> dict[str, str]:
        """What Lambda sets, what the stack sets, and where simulated AWS is. Nothing of the developer's own."""
        keys = self._cloud.credentials(function.role, function.name)
        return {
            "PATH": os.defpath,
            "HOME": os.devnull,
            "PYTHONDONTWRITEBYTECODE": "1",
            "LAMBDA_TASK_ROOT": str(self._folder),
            "AWS_LAMBDA_RUNTIME_API": f"{LOOPBACK}:{port}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_DEFAULT_REGION": function.region,
            "PYTHONPATH": str(LAUNCH),
            "SIMULATED_HANDLER": function.handler,
            **{name.upper(): value for name, value in keys.items()},
            **function.environment,
            # The account's s3control endpoint has a host of its own (111111111111.localhost), which only a proxy finds.
            "AWS_ENDPOINT_URL": self._endpoint.replace(LOOPBACK, "localhost"),
            "HTTP_PROXY": self._endpoint,
            "NO_PROXY": LOOPBACK,
        }
