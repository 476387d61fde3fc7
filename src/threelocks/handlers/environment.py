"""What the template sets for each function: the only place where the environment is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

_ENDINGS = ("-on-change", "-on-report", "-on-denied", "-recheck", "-sweep")


QueueUrl = Annotated[str, StringConstraints(pattern=r"^https?://")]


class BadEnvironmentError(RuntimeError):
    """A variable is missing or wrong: the template and the code disagree."""


class TableEnvironment(BaseModel):
    """What every function reads."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    region: Annotated[str, StringConstraints(min_length=1)] = Field(alias="AWS_REGION")  # Lambda's own
    account: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] = Field(alias="THREELOCKS_ACCOUNT")
    table: Annotated[str, StringConstraints(min_length=1)] = Field(alias="THREELOCKS_TABLE")


class DeskEnvironment(TableEnvironment):
    """Of `on_report`: it stores and announces, and asks for checks."""

    alert_topic: Annotated[str, StringConstraints(pattern=r"^arn:[a-z-]+:sns:")] = Field(alias="THREELOCKS_ALERT_TOPIC")
    change_queue: Annotated[str, StringConstraints(pattern=r"^https?://")] = Field(alias="THREELOCKS_CHANGE_QUEUE")
    silence_seconds: Annotated[int, Field(ge=60)] = Field(alias="THREELOCKS_SILENCE_SECONDS")
    merge_seconds: Annotated[int, Field(ge=0, le=86400)] = Field(alias="THREELOCKS_MERGE_SECONDS")
    reminder_hours: Annotated[int, Field(ge=0, le=720)] = Field(alias="THREELOCKS_REMINDER_HOURS")
    chat_topic: Annotated[str, StringConstraints(pattern=r"^$|^arn:[a-z-]+:sns:")] = Field(
        alias="THREELOCKS_CHAT_TOPIC"
    )
    function: str = Field(default="threelocks-recheck", alias="AWS_LAMBDA_FUNCTION_NAME")  # Lambda's own

    @property
    def recheck(self) -> str:
        """The stack's function to invoke for a re-check: the template names functions alike, and so tells its own."""
        ending = next((ending for ending in _ENDINGS if self.function.endswith(ending)), "")
        return f"{self.function.removesuffix(ending)}-recheck" if ending else "threelocks-recheck"


class WatchEnvironment(DeskEnvironment):
    """Of `on_change`, `on_denied` and `recheck`: they also read the locks, and report."""

    reporter_role: Annotated[str, StringConstraints(pattern=r"^arn:[a-z-]+:iam::")] = Field(
        alias="THREELOCKS_REPORTER_ROLE"
    )
    # Of refused reads; empty when they are not diagnosed.
    denied_queue: Annotated[str, StringConstraints(pattern=r"^$|^https?://")] = Field(
        default="", alias="THREELOCKS_DENIED_QUEUE"
    )


class AskEnvironment(TableEnvironment):
    """Of `sweep` and `on_change`: they ask for checks."""

    check_queue: QueueUrl = Field(alias="THREELOCKS_CHECK_QUEUE")


E = TypeVar("E", bound=BaseModel)


def read(kind: type[E], variables: Mapping[str, str]) -> E:
    """The function's environment. Raises BadEnvironmentError, naming each variable that is missing or wrong."""
    try:
        return kind.model_validate(variables)
    except ValidationError as error:
        wrong = ", ".join(f"`{row['loc'][0]}` ({row['msg'].lower()})" for row in error.errors(include_url=False))
        raise BadEnvironmentError(
            f"the environment lacks {wrong}; deploy the template that goes with this code"
        ) from error
