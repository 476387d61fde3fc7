"""Errors that AWS answers with, put in the place of its answers: a read refused or throttled, as often as wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse
from moto.core.models import botocore_stubber


@dataclass(frozen=True, slots=True)
class Fault:
    """An error answer."""

    code: str
    message: str = "simulated"
    status: int = 400


def denied(principal: str, permission: str) -> Fault:
    """AccessDenied, in the words of AWS."""
    text = (
        f"User: {principal} is not authorized to perform: {permission} because no identity-based policy allows the "
        f"{permission} action"
    )
    return Fault("AccessDenied", text, 403)


@dataclass
class Faults:
    """What is wrong at the moment: an operation ("s3:GetBucketPolicy", as boto3 names it) -> its error. `left` counts
    down for those that pass by themselves; `hit` tells which were met."""

    always: dict[str, Fault] = field(default_factory=dict)
    left: dict[str, list[Fault]] = field(default_factory=dict)
    hit: list[str] = field(default_factory=list)

    def clear(self) -> None:
        self.always.clear()
        self.left.clear()
        self.hit.clear()

    def watch(self, client: Any) -> None:
        """From now on, this client meets what is wrong."""
        protocol = client.meta.service_model.metadata["protocol"]

        def before_send(request: Any, event_name: str, **_: Any) -> AWSResponse | None:
            operation = ":".join((client.meta.service_model.service_name, event_name.rpartition(".")[2]))
            fault = self._next(operation)
            return _response(request.url, fault, protocol) if fault else botocore_stubber(event_name, request)

        # In moto's place and not before it: botocore asks everybody who listens, and moto would carry out the call.
        client.meta.events.unregister("before-send", botocore_stubber)
        client.meta.events.register("before-send", before_send)

    def _next(self, operation: str) -> Fault | None:
        fault = self.left[operation].pop(0) if self.left.get(operation) else self.always.get(operation)
        if fault:
            self.hit.append(operation)
        return fault


class _Raw:
    """The body of an answer, as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Any:
        yield self._body


def _response(url: str, fault: Fault, protocol: str) -> AWSResponse:
    body, headers = _json(fault) if "json" in protocol else _xml(fault, protocol)
    return AWSResponse(url, fault.status, headers, _Raw(body.encode()))  # type: ignore[arg-type] # duck-typed, as moto's


def _json(fault: Fault) -> tuple[str, Mapping[str, str]]:
    code = f"{fault.code}Exception" if fault.code == "AccessDenied" else fault.code
    return json.dumps({"__type": code, "message": fault.message}), {"content-type": "application/x-amz-json-1.1"}


def _xml(fault: Fault, protocol: str) -> tuple[str, Mapping[str, str]]:
    error = f"<Error><Code>{escape(fault.code)}</Code><Message>{escape(fault.message)}</Message></Error>"
    # S3 alone answers without a frame around it (its parser takes both), and EC2 with one of its own.
    frames = {"rest-xml": error, "ec2": f"<Response><Errors>{error}</Errors></Response>"}
    framed = frames.get(protocol, f"<ErrorResponse>{error}</ErrorResponse>")
    return f'<?xml version="1.0"?>{framed}', {"content-type": "text/xml"}
