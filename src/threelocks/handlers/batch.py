"""What crosses a queue: SQS batches as Lambda hands them over, and our own request for a check.

Ten lines of our own stand for a batch utility: they cost a cold start nothing, and exact partial failures are all that
is wanted. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from threelocks.check_request import FORMAT, request
from threelocks.contract import ContractName, Frozen
from threelocks.finding import Cause

__all__ = ["FORMAT", "request"]  # what others write and we read

RECEIVES = 5
"""How often a message is received before it becomes a dead letter: the queues' maxReceiveCount in template.yaml."""


class BadBatchError(ValueError):
    """The function was not invoked by a queue."""


class BadRequestError(ValueError):
    """A message that says it asks for a check, and does not say which."""


class Attributes(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    receives: int = Field(default=1, alias="ApproximateReceiveCount")


class Message(BaseModel):
    """One message of a batch; AWS may add fields."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="messageId")
    body: str
    attributes: Attributes = Attributes()

    @property
    def is_last_try(self) -> bool:
        """Whether the queue gives it to the dead letters after this."""
        return self.attributes.receives >= RECEIVES


class _Batch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    records: tuple[Message, ...] = Field(alias="Records")


def messages(event: Any) -> tuple[Message, ...]:
    """The messages of a batch. Raises BadBatchError."""
    try:
        return _Batch.model_validate(event).records
    except ValidationError as error:
        raise BadBatchError(
            "not a batch of queue messages; send the event to the queue, for example with `sam remote invoke <Queue>`"
        ) from error


def failed(ids: Iterable[str]) -> dict[str, Any]:
    """The answer by which the queue keeps these messages, and only these."""
    return {"batchItemFailures": [{"itemIdentifier": one} for one in dict.fromkeys(ids)]}


class CheckRequest(Frozen):
    """Our own message: check this contract, for that cause."""

    threelocks: Literal["check/1"] = FORMAT
    contract: ContractName
    cause: Cause


_request = TypeAdapter(CheckRequest)


def read_request(body: str) -> CheckRequest | None:
    """The request in a message, or None when it is something else. Raises BadRequestError for a damaged one."""
    if not _is_ours(body):
        return None
    try:
        return _request.validate_json(body)
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, row["loc"])) for row in error.errors(include_url=False))
        raise BadRequestError(
            f'the request for a check is wrong in {wrong}; write {{"threelocks": "{FORMAT}", "contract": ..., '
            '"cause": ...}'
        ) from error


def _is_ours(body: str) -> bool:
    try:
        whole = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(whole, dict) and "threelocks" in whole
