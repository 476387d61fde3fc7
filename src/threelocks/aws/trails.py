"""Reads what an account's trails record: the account's own, those of other regions, and its organization's.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from threelocks.aws.answer import Answer, Call, calls_of, changed, source
from threelocks.aws.look import Asker, Look
from threelocks.contract import Contract
from threelocks.locks.evidence import regions
from threelocks.observation import (
    Absent,
    Condition,
    EvidenceObservation,
    Selector,
    Selectors,
    Source,
    Trail,
    TrailedRegion,
    TrailStatus,
    Unreadable,
)
from threelocks.policy.arn import Arn

T = TypeVar("T")


_cloudtrail = calls_of("cloudtrail", "TrailNotFoundException")

DESCRIBE_TRAILS = _cloudtrail("DescribeTrails", "describe_trails")
TRAIL_STATUS = _cloudtrail("GetTrailStatus", "get_trail_status")
EVENT_SELECTORS = _cloudtrail("GetEventSelectors", "get_event_selectors")

CALLS: tuple[Call, ...] = (DESCRIBE_TRAILS, TRAIL_STATUS, EVENT_SELECTORS)
PERMISSIONS: frozenset[tuple[str, str]] = frozenset((call.name, call.permission) for call in CALLS)

_FIELDS = ("Equals", "StartsWith", "EndsWith", "NotEquals", "NotStartsWith", "NotEndsWith")


def observe(look: Look, contract: Contract, account: str) -> EvidenceObservation:
    """The trails of each region where calls on the locks of this account are recorded."""
    return EvidenceObservation(tuple(_region(look, region, account) for region in regions(contract, account)))


def _region(look: Look, region: str, account: str) -> TrailedRegion:
    # One page holds them all. Shadows are the other regions' trails and the organization's, as this region has them.
    ask = Asker(look, region)
    return TrailedRegion(
        region,
        source(
            lambda: tuple(
                _trail(look, each, account)
                for each in ask(DESCRIBE_TRAILS, {"includeShadowTrails": True}).items("trailList")
            )
        ),
    )


def _trail(look: Look, trail: Answer, account: str) -> Trail:
    arn, home = trail.text("TrailARN"), trail.text("HomeRegion")
    ask, is_own = Asker(look, home), Arn.parse(arn).account == account
    return Trail(
        arn=arn,
        home_region=home,
        multi_region=trail.maybe_flag("IsMultiRegionTrail"),
        global_events=trail.maybe_flag("IncludeGlobalServiceEvents"),
        # By ARN, in the home region: a shadow's name alone is not found.
        status=_listed(TRAIL_STATUS, lambda: _status(ask(TRAIL_STATUS, {"Name": arn})), is_own=is_own),
        selectors=_listed(EVENT_SELECTORS, lambda: _selectors(ask(EVENT_SELECTORS, {"TrailName": arn})), is_own=is_own),
    )


def _listed(call: Call, read: Callable[[], T], *, is_own: bool) -> Source[T]:
    """About a trail that was listed just now. An own one that is not found was deleted in between; one of the
    organization is kept from its members."""
    found = source(read)
    if not isinstance(found, Absent):
        return found
    if is_own:
        return changed(call, "the trail was deleted while it was read")
    return Unreadable(call.name, "TrailNotFoundException", "the trail is another account's", permission=call.permission)


def _status(answer: Answer) -> TrailStatus:
    return TrailStatus(answer.flag("IsLogging"), answer.maybe_text("LatestDeliveryError"))


def _selectors(answer: Answer) -> Selectors:
    advanced = answer.items("AdvancedEventSelectors") if answer.has("AdvancedEventSelectors") else ()
    if advanced:
        return Selectors(tuple(map(_advanced, advanced)), advanced=True)
    basic = answer.items("EventSelectors") if answer.has("EventSelectors") else ()
    return Selectors(tuple(made for each in basic for made in _basic(each)), advanced=False)


def _advanced(selector: Answer) -> Selector:
    return tuple(map(_condition, selector.items("FieldSelectors")))


def _condition(field: Answer) -> Condition:
    unknown = field.names() - {"Field", *_FIELDS}
    if unknown:  # it selects less than we would make of it
        raise field.unexpected("", f"has the operator `{min(unknown)}`, which is not known")
    return Condition(field.text("Field"), *(field.texts(name) if field.has(name) else () for name in _FIELDS))


def _basic(selector: Answer) -> Iterator[Selector]:
    """A basic selector, written as advanced ones.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_EventSelector.html
    """
    kind = selector.maybe_text("ReadWriteType") or "All"
    kinds = {
        "All": (),
        "ReadOnly": (Condition("readOnly", ("true",)),),
        "WriteOnly": (Condition("readOnly", ("false",)),),
    }
    if kind not in kinds:
        raise selector.unexpected("ReadWriteType", "is not known")
    if not selector.has("IncludeManagementEvents") or selector.flag("IncludeManagementEvents"):
        name = "ExcludeManagementEventSources"
        excluded = selector.texts(name) if selector.has(name) else ()
        others = (Condition("eventSource", not_equals=excluded),) if excluded else ()
        yield (Condition("eventCategory", ("Management",)), *kinds[kind], *others)
    for resource in selector.items("DataResources") if selector.has("DataResources") else ():
        # https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DataResource.html
        named = resource.texts("Values") if resource.has("Values") else ()
        if named:
            of_type = Condition("resources.type", (resource.text("Type"),))
            yield (
                Condition("eventCategory", ("Data",)),
                *kinds[kind],
                of_type,
                Condition("resources.ARN", starts_with=named),
            )
