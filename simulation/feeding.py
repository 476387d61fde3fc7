"""Event source mappings, shown as people set them. moto itself must not take messages from the queues as they come: to
it they are all switched off, and `poller` feeds the functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.awslambda.models import EventSourceMapping, LambdaBackend, LambdaFunction
from moto.awslambda_simple.models import lambda_simple_backends


def is_on(account: str, region: str, uuid: str) -> bool:
    """Whether a mapping is there and feeds its function."""
    mapping = lambda_simple_backends[account][region].get_event_source_mapping(uuid)
    return mapping is not None and not _is_off(mapping)


def _is_off(mapping: Any) -> bool:
    return bool(getattr(mapping, "switched_off", False))


@contextmanager
def mappings_are_shown_as_set() -> Iterator[None]:
    """While the block runs, a mapping is enabled until somebody disables it, and a function's limit is told."""
    described, update = EventSourceMapping.get_configuration, LambdaBackend.update_event_source_mapping

    def shown(mapping: Any) -> dict[str, Any]:
        return {**described(mapping), "State": "Disabled" if _is_off(mapping) else "Enabled"}

    def updated(backend: Any, uuid: str, spec: dict[str, Any]) -> Any:
        mapping = update(backend, uuid, {name: value for name, value in spec.items() if name != "Enabled"})
        if mapping is not None and "Enabled" in spec:
            mapping.switched_off = not spec["Enabled"]  # type: ignore[attr-defined] # ours, beside moto's own
        return mapping

    code = LambdaFunction.get_code

    def with_limit(function: Any) -> dict[str, Any]:
        """Moto says nothing of a limit of none."""
        limit = function.reserved_concurrency
        told = {} if limit is None else {"Concurrency": {"ReservedConcurrentExecutions": limit}}
        return {**code(function), **told}

    with (
        patch.object(LambdaFunction, "get_code", with_limit),
        patch.object(EventSourceMapping, "get_configuration", shown),
        patch.object(LambdaBackend, "update_event_source_mapping", updated),
    ):
        yield
