"""One look at what an account holds: questions to AWS, each put once and kept for whoever asks the same.

A batch checks many contracts on few buckets, keys and roles. They share `Answers`; each look knows how old the oldest
answer is that it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from threelocks.aws.answer import Answer, Call, NothingThereError, UnreadError, ask, changed
from threelocks.aws.session import ClientSource

Outcome = Answer | NothingThereError | UnreadError


@dataclass(slots=True)
class Answers:
    """What AWS was asked and answered. Errors are kept like answers: a service that throttles one contract's read is
    not asked the same for the next contract."""

    now: Callable[[], datetime]
    _kept: dict[tuple[object, ...], tuple[datetime, Outcome]] = field(default_factory=dict)

    def ask(
        self, clients: ClientSource, region: str, call: Call, parameters: Mapping[str, Any]
    ) -> tuple[datetime, Outcome]:
        """The outcome of a call, and a time before it was made."""
        question = (call.name, region, *sorted(parameters.items()))
        if question not in self._kept:
            began = self.now()
            self._kept[question] = (began, _outcome(clients, region, call, parameters))
        return self._kept[question]


def _outcome(clients: ClientSource, region: str, call: Call, parameters: Mapping[str, Any]) -> Outcome:
    try:
        return ask(call, lambda: clients.client(call.service, region), parameters)
    except (NothingThereError, UnreadError) as error:
        return error


@dataclass(slots=True)
class Look:
    """One observation in the making. `began` moves back to the oldest answer that it makes use of.

    `calls` are those that may be made: the reader role's policy is tested against them.
    """

    clients: ClientSource
    answers: Answers
    calls: tuple[Call, ...]
    began: datetime

    def ask(self, region: str, call: Call, parameters: Mapping[str, Any]) -> Answer:
        """Raises NothingThereError and UnreadError."""
        assert call in self.calls  # INVARIANT: nothing is called that the role's policy was not tested for
        asked, outcome = self.answers.ask(self.clients, region, call, parameters)
        self.began = min(self.began, asked)
        if isinstance(outcome, Answer):
            return outcome
        raise outcome.with_traceback(None)  # the same error may be raised for many contracts


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks the services of one region."""

    look: Look
    region: str

    def __call__(self, call: Call, parameters: Mapping[str, Any]) -> Answer:
        return self.look.ask(self.region, call, parameters)

    def of_listed(self, call: Call, parameters: Mapping[str, Any]) -> Answer:
        """Ask about what another answer named just now: if it does not exist, it was deleted in between."""
        try:
            return self(call, parameters)
        except NothingThereError as error:
            named = ", ".join(str(value) for value in parameters.values())
            raise UnreadError(changed(call, f"`{named}` was deleted while it was read")) from error

    def pages(
        self, call: Call, items: str, parameters: Mapping[str, Any], *, asks_by: str = "Marker"
    ) -> Iterator[Answer]:
        """The members of a list, of all its pages. `asks_by`: the name under which the next page is asked for.

        https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRolePolicies.html
        https://docs.aws.amazon.com/kms/latest/APIReference/API_ListGrants.html
        https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRuleNamesByTarget.html
        """
        marker, seen = "", {""}
        while True:
            page = self(call, {**parameters, **({asks_by: marker} if marker else {})})
            yield from page.items(items)
            # IAM says IsTruncated and Marker, KMS says Truncated and NextMarker, Lambda NextMarker only, EventBridge
            # NextToken, S3 ContinuationToken.
            tokens = any(map(page.has, ("NextToken", "ContinuationToken", "NextMarker")))
            cut = page.maybe_flag("IsTruncated") or page.maybe_flag("Truncated") or tokens
            if not cut:
                return
            marker = next(
                filter(None, map(page.maybe_text, ("Marker", "NextMarker", "NextToken", "ContinuationToken"))), ""
            )
            if marker in seen:
                raise page.unexpected(items, "goes on, but with no marker that leads to another page")
            seen.add(marker)
