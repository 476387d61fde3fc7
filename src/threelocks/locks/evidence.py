"""The evidence: would a trail show who read, and does one bring the watchdog its events?

EventBridge gets CloudTrail's events only while a trail of the account records them; event data stores of CloudTrail
Lake bring none, and do not count here.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html

Each call that matters is held against the trails' selectors. What a selector leaves open, by a field that differs from
caller to caller, counts as not recorded: evidence with gaps is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from threelocks.contract import Contract
from threelocks.events import EVENTS, SERVICE_EVENTS
from threelocks.finding import Finding, Kind, Lock, Remedy
from threelocks.locks.case import WATCHDOG, About, Case, unread
from threelocks.locks.watchdog import IAM, IAM_REGIONS, KMS, ORGANIZATION_REGIONS, ORGANIZATIONS, S3
from threelocks.locks.words import listed
from threelocks.observation import Condition, EvidenceObservation, Found, Source, Trail, TrailedRegion, Unreadable
from threelocks.policy.arn import Arn


@dataclass(frozen=True, slots=True)
class Happening:
    """A call that a trail should record, by the fields that selectors know. `below` is the prefix of the ARNs of all
    objects that a data event may be about."""

    source: str
    name: str
    fields: Mapping[str, str] = field(hash=False)
    below: str = ""

    @property
    def is_read(self) -> bool:
        return self.fields["readOnly"] == "true"


def _management(source: str, name: str, *, read: bool = False) -> Happening:
    kind = "AwsServiceEvent" if (source, name) in SERVICE_EVENTS else "AwsApiCall"
    fields = {
        "eventCategory": "Management",
        "eventSource": source,
        "eventName": name,
        "eventType": kind,
        "readOnly": "true" if read else "false",
    }
    return Happening(source, name, fields)


def _reading(objects: str) -> Happening:
    fields = {
        "eventCategory": "Data",
        "eventSource": S3,
        "eventName": "GetObject",
        "eventType": "AwsApiCall",
        "readOnly": "true",
        "resources.type": "AWS::S3::Object",
    }
    return Happening(S3, "GetObject", fields, objects)


# What S3 asks of KMS in a reader's name; recorded in the reader's account, and in the key's where it is allowed.
# https://docs.aws.amazon.com/kms/latest/developerguide/ct-decrypt.html
DECRYPT = _management(KMS, "Decrypt", read=True)
# Calls that stand for others, to see what it is that a trail leaves out.
_KMS_WRITE = _management(KMS, "PutKeyPolicy")
_OTHER_READ = _management("sts.amazonaws.com", "AssumeRole", read=True)
_OTHER_WRITE = _management("ec2.amazonaws.com", "RunInstances")


def regions(contract: Contract, account: str) -> tuple[str, ...]:
    """Where calls are recorded that this account must have evidence of."""
    return tuple(sorted(_wanted(contract, account)))


def _wanted(contract: Contract, account: str) -> dict[str, list[Happening]]:
    """By region: changes of the locks that this account holds, and uses of the key and the bucket."""
    key_region = Arn.parse(contract.key).region
    wanted: dict[str, list[Happening]] = {}
    if account == contract.consumer.account:
        partition = Arn.parse(contract.role).partition
        wanted.setdefault(IAM_REGIONS.get(partition, contract.consumer.home_region), []).extend(_changes(IAM))
    if account == contract.owner.account:
        objects = [_reading(f"{contract.bucket_arn}/{prefix}") for prefix in contract.prefixes]
        wanted.setdefault(contract.bucket.region, []).extend([*_changes(S3), *objects])
    if account == contract.key_account:
        wanted.setdefault(key_region, []).extend(_changes(KMS))
    if contract.reads_organization(account):
        partition = Arn.parse(contract.role).partition
        region = ORGANIZATION_REGIONS.get(partition, contract.consumer.home_region)
        wanted.setdefault(region, []).extend(_changes(ORGANIZATIONS))
    if account in {contract.consumer.account, contract.key_account}:
        wanted.setdefault(key_region, []).append(DECRYPT)
    return wanted


def _changes(source: str) -> list[Happening]:
    return [_management(of, name) for of, name in EVENTS if of == source]


def judge_evidence(case: Case, seen: EvidenceObservation) -> list[Finding]:
    """Findings on the trails of `case.observation.account`."""
    wanted = _wanted(case.contract, case.observation.account)
    return [finding for region in seen.regions for finding in _region(case, region, wanted.get(region.region, []))]


def _region(case: Case, region: TrailedRegion, wanted: list[Happening]) -> Iterator[Finding]:
    account = case.observation.account
    here = f"arn:{case.partition}:cloudtrail:{region.region}:{account}:trail/*"
    about = About(Lock.EVIDENCE, account, here, f"the trails of {region.region}")
    yield from unread(case, about, (region.trails,))
    if isinstance(region.trails, Unreadable):
        return
    listed_there = region.trails.value if isinstance(region.trails, Found) else ()
    trails = [trail for trail in listed_there if trail.multi_region or trail.home_region == region.region]
    missing = [each for each in wanted if not any(_has(trail, each) for trail in trails)]
    unrecorded: list[Happening] = []
    for each in missing:
        unknown = [trail for trail in trails if _may_have(trail, each)]
        stopped = [trail for trail in trails if _would_have(trail, each)]
        for trail in unknown:
            yield from _unread(case, about, trail)
        if not unknown:
            yield from (_stopped(case, about, trail) for trail in stopped)
        if not unknown and not stopped:
            unrecorded.append(each)
    yield from _unrecorded(case, about, region.region, trails, unrecorded)


# --- what a trail records ---------------------------------------------------------------------------------------------


def _has(trail: Trail, event: Happening) -> bool:
    return _is_running(trail) and _records(trail, event)


def _would_have(trail: Trail, event: Happening) -> bool:
    return isinstance(trail.status, Found) and not _is_running(trail) and _records(trail, event)


def _may_have(trail: Trail, event: Happening) -> bool:
    """Whether nobody knows: what could be read of the trail does not rule it out."""
    is_unread = any(isinstance(source, Unreadable) for source in (trail.status, trail.selectors))
    may_run = isinstance(trail.status, Unreadable) or _is_running(trail)
    may_record = isinstance(trail.selectors, Unreadable) or _records(trail, event)
    return is_unread and may_run and may_record and _reaches(trail, event)


def _is_running(trail: Trail) -> bool:
    return isinstance(trail.status, Found) and trail.status.value.is_logging and not trail.status.value.delivery_error


def _reaches(trail: Trail, event: Happening) -> bool:
    """https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-concepts.html (global service events)"""
    return event.source not in {IAM, ORGANIZATIONS} or trail.global_events


def _records(trail: Trail, event: Happening) -> bool:
    if not isinstance(trail.selectors, Found) or not _reaches(trail, event):
        return False
    return any(all(_meets(event, condition) for condition in one) for one in trail.selectors.value.selectors)


def _meets(event: Happening, condition: Condition) -> bool:
    """Whether every such call meets the condition.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/filtering-data-events.html
    """
    if condition.field == "resources.ARN" and event.below:
        return _all_below(event.below, condition)
    text = event.fields.get(condition.field)
    if text is None:
        return False
    choosing = bool(condition.equals or condition.starts_with or condition.ends_with)
    chosen = text in condition.equals or text.startswith(condition.starts_with) or text.endswith(condition.ends_with)
    left_out = (
        text in condition.not_equals
        or text.startswith(condition.not_starts_with)
        or text.endswith(condition.not_ends_with)
    )
    return (chosen or not choosing) and not left_out


def _all_below(prefix: str, condition: Condition) -> bool:
    choosing = bool(condition.equals or condition.starts_with or condition.ends_with)
    chosen = prefix.startswith(condition.starts_with)  # one ARN, or an ending, are never all of them
    left_out = (
        bool(condition.not_ends_with)
        or any(each.startswith(prefix) for each in (*condition.not_equals, *condition.not_starts_with))
        or prefix.startswith(condition.not_starts_with)
    )
    return (chosen or not choosing) and not left_out


# --- findings ---------------------------------------------------------------------------------------------------------


def _unread(case: Case, about: About, trail: Trail) -> Iterator[Finding]:
    sources: tuple[Source[object], ...] = (trail.status, trail.selectors)
    for finding in unread(case, replace(about, resource=trail.arn), sources):
        yield replace(finding, detail=f"of the trail {trail.arn}: {finding.detail}")


def _stopped(case: Case, about: About, trail: Trail) -> Finding:
    assert isinstance(trail.status, Found)  # _would_have
    error = trail.status.value.delivery_error
    command = f"--region {trail.home_region} --name {trail.arn}"
    if trail.status.value.is_logging:
        detail = f"the trail {trail.arn} cannot deliver what it records: {error}"
        what = f"Mend the bucket that the trail delivers to, or its policy ({error})"
        commands: tuple[str, ...] = (f"aws cloudtrail get-trail-status {command}",)
    else:
        detail = f"the trail {trail.arn} is not logging"
        what = "Start the trail again, and find out who stopped it"
        commands = (f"aws cloudtrail start-logging {command}",)
    return _risk(replace(about, resource=trail.arn), "evidence.stopped", detail, _by_whom(case, trail, what), commands)


def _unrecorded(
    case: Case, about: About, region: str, trails: list[Trail], events: list[Happening]
) -> Iterator[Finding]:
    """What no trail selects, by what must change."""
    for trail in trails if any(not event.below for event in events) else ():
        for code in sorted({code for event in events for code in _left_out(trail, event)}):
            yield _selecting(case, about, trail, code)
    without = [event for event in events if not event.below and not any(_left_out(each, event) for each in trails)]
    if without:
        yield _no_trail(about, region, without)
    objects = [event.below for event in events if event.below]
    if objects:
        yield _no_data_events(case, about, trails, objects)


def _left_out(trail: Trail, event: Happening) -> tuple[str, ...]:
    """Why a running trail that records something like it does not record the event."""
    if event.below or not _is_running(trail):
        return ()
    reads, kms = "evidence.no-read-events", "evidence.kms-excluded"
    of_kms = event.source == KMS
    without_kms = of_kms and not _records(trail, _KMS_WRITE)
    likenesses = (
        ((reads,), _KMS_WRITE if of_kms else _OTHER_WRITE, event.is_read),
        ((kms,), _OTHER_READ if event.is_read else _OTHER_WRITE, without_kms),
        ((kms, reads), _OTHER_WRITE, without_kms and event.is_read),
    )
    return next((codes for codes, likeness, applies in likenesses if applies and _records(trail, likeness)), ())


_SELECT = {
    "evidence.kms-excluded": (
        "leaves out the calls of KMS, so that no change of the key and no use of it is recorded",
        "Let the trail record the management events of KMS",
    ),
    "evidence.no-read-events": (
        "records no read-only calls, and kms:Decrypt is one: no use of the key is recorded",
        "Let the trail record read management events, too",
    ),
}


def _selecting(case: Case, about: About, trail: Trail, code: str) -> Finding:
    problem, what = _SELECT[code]
    detail = f"the trail {trail.arn} {problem}"
    return _risk(replace(about, resource=trail.arn), code, detail, _by_whom(case, trail, what), _editing(trail, what))


def _no_trail(about: About, region: str, events: list[Happening]) -> Finding:
    names = listed(sorted({event.name for event in events}))
    detail = (
        f"no trail records {names} in {region}, so that nothing shows who called it, and no event tells the watchdog"
    )
    name = f"--region {region} --name threelocks-evidence"
    return _risk(
        about,
        "evidence.no-trail",
        detail,
        "Create a trail of all regions, with all management events, into a bucket whose policy lets CloudTrail write.",
        (
            f"aws cloudtrail create-trail {name} --is-multi-region-trail --s3-bucket-name <bucket>",
            f"aws cloudtrail start-logging {name}",
        ),
    )


def _no_data_events(case: Case, about: About, trails: list[Trail], objects: list[str]) -> Finding:
    detail = f"no trail records who reads the objects of {listed(sorted(objects))}"
    what = f"Let a trail record the data events of {case.contract.bucket_arn}/"
    running = sorted((trail for trail in trails if _is_running(trail)), key=lambda trail: trail.arn)
    commands = _editing(running[0], what) if running else ()
    sentence = _by_whom(case, running[0], what) if running else f"{what}."
    return _risk(
        replace(about, resource=case.contract.bucket_arn), "evidence.no-data-events", detail, sentence, commands
    )


def _editing(trail: Trail, what: str) -> tuple[str, ...]:
    """Selectors are put all at once, so those that are there must be put again."""
    advanced = isinstance(trail.selectors, Found) and trail.selectors.value.advanced
    kind, option = (
        ("AdvancedEventSelectors", "--advanced-event-selectors")
        if advanced
        else ("EventSelectors", "--event-selectors")
    )
    where = f"--region {trail.home_region} --trail-name {trail.arn}"
    return (
        f"aws cloudtrail get-event-selectors {where} --query {kind} > selectors.json",
        f"# edit selectors.json, and keep every other selector: {what[0].lower()}{what[1:]}",
        f"aws cloudtrail put-event-selectors {where} {option} file://selectors.json",
    )


def _by_whom(case: Case, trail: Trail, what: str) -> str:
    """An organization's trail is its management account's to change."""
    holder = Arn.parse(trail.arn).account
    if holder == case.observation.account:
        return f"{what}."
    return f"{what}; the trail is an organization's, and account {holder} must do it."


def _risk(about: About, code: str, detail: str, sentence: str, commands: tuple[str, ...]) -> Finding:
    return about.finding(code, Kind.RISK, WATCHDOG, (), detail, Remedy(about.account, sentence, commands=commands))
