"""What crosses a queue: SQS batches as Lambda hands them over, and our own request for a check.

Ten lines of our own stand for a batch utility: they cost a cold start nothing, and exact partial failures are all that
is wanted. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

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
    def is_first_try(self) -> bool:
        """Whether nobody had it before, so that nothing was begun for it."""
        return self.attributes.receives <= 1

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
    """Our own message: check these contracts, for that cause. One contract is written as `check/1`, by whoever wants
    one; several as `checks/1`."""

    threelocks: Literal["check/1", "checks/1"] = FORMAT
    contracts: Annotated[tuple[ContractName, ...], Field(min_length=1)]
    cause: Cause

    @model_validator(mode="before")
    @classmethod
    def _one_as_several(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and raw.get("threelocks") == FORMAT and "contract" in raw:
            return {
                **{name: value for name, value in raw.items() if name != "contract"},
                "contracts": [raw["contract"]],
            }
        return raw


_request = TypeAdapter(CheckRequest)
_cause = TypeAdapter(Cause)


def requests(contracts: Sequence[str], cause: Cause) -> str:
    """The message that asks for several checks, which then share what is read for them."""
    return CheckRequest(threelocks="checks/1", contracts=tuple(contracts), cause=cause).model_dump_json()


def read_request(body: str) -> CheckRequest | None:
    """The request in a message, or None when it is something else. Raises BadRequestError for a damaged one."""
    if not _is_ours(body):
        return None
    try:
        return _request.validate_json(body)
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, row["loc"])) or "it" for row in error.errors(include_url=False))
        raise BadRequestError(
            f'the request for a check is wrong in {wrong}; write {{"threelocks": "{FORMAT}", "contract": ..., '
            '"cause": ...}'
        ) from error


SEND_AT_MOST = 10  # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
# Half of what a call and a message may hold, so that no reckoning of attributes and overhead is needed.
BYTES_AT_MOST = 128 * 1024
SEND_TRIES = 4


@dataclass(frozen=True, slots=True)
class Outbox:
    """A queue to put requests on."""

    sqs: Any  # boto3's client
    url: str
    sleep: Callable[[float], object] = time.sleep

    def send(self, texts: Sequence[str]) -> list[str]:
        """Send messages, as few calls as possible; answers those that the queue refused at every try.

        Refusals come inside HTTP 200, entry by entry, and are tried again after a pause that doubles. Raises botocore's
        errors when a whole call fails: its own retries are behind it then.
        """
        refused: list[str] = []
        for bundle in bundles(texts):
            refused += self._send(bundle)
        return refused

    def _send(self, texts: Sequence[str]) -> Sequence[str]:
        for attempt in range(SEND_TRIES):
            if attempt:
                self.sleep(0.1 * 2**attempt)
            entries = [{"Id": str(number), "MessageBody": text} for number, text in enumerate(texts)]
            answer = self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)
            texts = [texts[int(entry["Id"])] for entry in answer.get("Failed", [])]
            if not texts:
                break
        return texts


def bundles(texts: Sequence[str]) -> Iterator[list[str]]:
    """Texts in lots that one SendMessageBatch takes: ten at most, and together within its size."""
    bundle: list[str] = []
    for text in texts:
        if bundle and (len(bundle) == SEND_AT_MOST or _size([*bundle, text]) > BYTES_AT_MOST):
            yield bundle
            bundle = []
        bundle.append(text)
    if bundle:
        yield bundle


def _size(texts: Sequence[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def _is_ours(body: str) -> bool:
    try:
        whole = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(whole, dict) and "threelocks" in whole
