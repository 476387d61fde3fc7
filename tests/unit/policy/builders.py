"""Short ways to spell policies and requests in the tests of `threelocks.policy`."""

from __future__ import annotations

import json
from typing import Any

from threelocks.policy.authorize import Decision, Layer, Outcome, Policies, authorize, matches
from threelocks.policy.document import Document, Statement, parse_document
from threelocks.policy.request import Caller, CallerKind, Request
from threelocks.policy.truth import Truth

OWNER, CONSUMER, STRANGER = "111111111111", "222222222222", "333333333333"
BUCKET = "arn:aws:s3:::datalake-curated-a"
OBJECT = f"{BUCKET}/sales/2026.parquet"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/abcd1234-5678-90ab-cdef-111122223333"
ROLE_ARN = f"arn:aws:iam::{CONSUMER}:role/BIAnalyticsRole"
SESSION_ARN = f"arn:aws:sts::{CONSUMER}:assumed-role/BIAnalyticsRole/nightly"
ROLE_ID = "AROAEXAMPLEROLEID0001"

ALLOWED, UNKNOWN = Outcome.ALLOWED, Outcome.UNKNOWN
IMPLICIT, EXPLICIT = Outcome.IMPLICITLY_DENIED, Outcome.EXPLICITLY_DENIED
YES, MAYBE, NO = Truth.YES, Truth.MAYBE, Truth.NO


def role(account: str = CONSUMER, name: str = "BIAnalyticsRole", session: str = "nightly", **more: Any) -> Caller:
    more = {"unique_id": ROLE_ID, "has_boundary": False, **more}
    return Caller(CallerKind.ROLE_SESSION, account=account, name=name, session=session, **more)


def user(account: str = CONSUMER, name: str = "ana", **more: Any) -> Caller:
    more = {"unique_id": "AIDAEXAMPLEUSERID0001", "has_boundary": False, **more}
    return Caller(CallerKind.USER, account=account, name=name, **more)


def federated(account: str = CONSUMER, name: str = "f") -> Caller:
    return Caller(CallerKind.FEDERATED_USER, account=account, name=name, has_boundary=False)


def root(account: str = CONSUMER) -> Caller:
    return Caller(CallerKind.ROOT, account=account)


def service(name: str = "logging.s3.amazonaws.com") -> Caller:
    return Caller(CallerKind.SERVICE, name=name)


ANONYMOUS = Caller(CallerKind.ANONYMOUS)


def ask(
    caller: Caller | None = None,
    action: str = "s3:GetObject",
    resource: str | None = None,
    owner: str = OWNER,
    **context: str | tuple[str, ...],
) -> Request:
    """A request. Context keys are spelled with `__` for the colon: `aws__SourceIp="203.0.113.7"`."""
    target = resource or (KEY if action.lower().startswith("kms:") else OBJECT)
    values = {
        key.replace("__", ":").lower(): (value,) if isinstance(value, str) else value for key, value in context.items()
    }
    return Request(caller or role(), action, target, owner, values)


def allow(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    """An Allow statement; `None` leaves an element out."""
    return _statement("Allow", action, resource, more)


def deny(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return _statement("Deny", action, resource, more)


def _statement(effect: str, action: Any, resource: Any, more: dict[str, Any]) -> dict[str, Any]:
    elements = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return {name: value for name, value in elements.items() if value is not None}


def document(*statements: dict[str, Any], version: str | None = "2012-10-17", label: str = "policy") -> Document:
    tree = {**({"Version": version} if version else {}), "Statement": list(statements)}
    return parse_document(json.dumps(tree), label)


def only(statement: dict[str, Any], version: str | None = "2012-10-17") -> Statement:
    return document(statement, version=version).statements[0]


ALLOW_ALL = document(allow())
ALLOW_ANYONE = document(allow(Principal="*"))


def says(statement: dict[str, Any], request: Request | None = None, layer: Layer = Layer.RESOURCE_POLICY) -> Truth:
    """Whether a statement speaks of a request."""
    return matches(only(statement), request or ask(), layer)


def holds(operator: str, key: str, wanted: Any, *values: str, version: str | None = "2012-10-17", **more: Any) -> Truth:
    """Whether a condition holds in a request that carries these values for the key; none: it lacks the key."""
    statement = only(allow(Condition={operator: {key: wanted}}), version)
    context = {**more, **({key.replace(":", "__"): tuple(values)} if values else {})}
    return matches(statement, ask(**context), Layer.IDENTITY_POLICY)


def across(request: Request | None = None, **policies: Any) -> Decision:
    """Decide a request from another account, with an identity policy and a resource policy that allow all."""
    return authorize(request or ask(), Policies(**{"identity": (ALLOW_ALL,), "resource": (ALLOW_ANYONE,), **policies}))
