"""The evidence in simulated accounts: somebody stops or cuts down a trail, the event starts a check, both accounts are
told with who did it, and told again when it is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from simulation.mailbox import Mail
from simulation.share import ALL_MANAGEMENT, TRAIL, with_data
from simulation.world import World

OWNER, CONSUMER = "111111111111", "222222222222"
BUCKET = "arn:aws:s3:::datalake-curated-a"


@pytest.fixture(autouse=True)
def quiet(world: World) -> Iterator[None]:
    """A mail of another test waits for nobody."""
    world.settle()
    world.mails()
    yield
    world.settle()
    world.mails()


@dataclass(frozen=True)
class Harm:
    """A call on an account's trail, and the one that undoes it."""

    account: str
    code: str
    do: Callable[[Any], Any]
    undo: Callable[[Any], Any]


def selecting(*selectors: dict[str, Any]) -> Callable[[Any], Any]:
    return lambda cloudtrail: cloudtrail.put_event_selectors(TrailName=TRAIL, EventSelectors=list(selectors))


def selecting_fields(*selectors: list[dict[str, Any]]) -> Callable[[Any], Any]:
    advanced = [{"FieldSelectors": fields} for fields in selectors]
    return lambda cloudtrail: cloudtrail.put_event_selectors(TrailName=TRAIL, AdvancedEventSelectors=advanced)


def objects_below(prefix: str) -> list[dict[str, Any]]:
    return [
        {"Field": "eventCategory", "Equals": ["Data"]},
        {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
        {"Field": "resources.ARN", "StartsWith": [prefix]},
    ]


MANAGEMENT = [{"Field": "eventCategory", "Equals": ["Management"]}]
HARMS = {
    "trail stopped": Harm(
        CONSUMER, "evidence.stopped", lambda it: it.stop_logging(Name=TRAIL), lambda it: it.start_logging(Name=TRAIL)
    ),
    "trail of one region": Harm(
        CONSUMER,
        "evidence.no-trail",
        lambda it: it.update_trail(Name=TRAIL, IsMultiRegionTrail=False),
        lambda it: it.update_trail(Name=TRAIL, IsMultiRegionTrail=True),
    ),
    "kms excluded": Harm(
        CONSUMER,
        "evidence.kms-excluded",
        selecting({**ALL_MANAGEMENT, "ExcludeManagementEventSources": ["kms.amazonaws.com"]}),
        selecting(ALL_MANAGEMENT),
    ),
    "writes only": Harm(
        OWNER,
        "evidence.no-read-events",
        selecting(
            {**ALL_MANAGEMENT, "ReadWriteType": "WriteOnly"},
            {**with_data(BUCKET), "ReadWriteType": "ReadOnly", "IncludeManagementEvents": False},
        ),
        selecting(with_data(BUCKET)),
    ),
    "no data events": Harm(OWNER, "evidence.no-data-events", selecting(ALL_MANAGEMENT), selecting(with_data(BUCKET))),
    # Last: simulated CloudTrail keeps advanced selectors beside basic ones that are put later.
    "data events of a part, by advanced selectors": Harm(
        OWNER,
        "evidence.no-data-events",
        selecting_fields(MANAGEMENT, objects_below(f"{BUCKET}/sales/")),
        selecting_fields(MANAGEMENT, objects_below(f"{BUCKET}/")),
    ),
}


def after(world: World, account: str, deed: Callable[[Any], Any]) -> dict[str, tuple[Mail, ...]]:
    """Somebody of the account calls CloudTrail; the mails that come of it by the time it has settled."""
    world.cloud.clock.advance(1800)
    deed(world.administrator(account, "cloudtrail"))
    world.cloud.clock.advance(20)
    world.settle()
    return dict(world.mails())


def standing(world: World, account: str) -> tuple[str, list[str]]:
    (share,) = world.invoke(account, "recheck", {})["contracts"]
    world.settle()
    return share["headline"], sorted({finding["code"] for finding in share["findings"]})


@pytest.mark.finding(
    "evidence.stopped",
    "evidence.no-trail",
    "evidence.kms-excluded",
    "evidence.no-read-events",
    "evidence.no-data-events",
)
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_harm_to_a_trail_is_told_to_both_accounts_with_who_did_it_and_its_end_too(world: World, harm: Harm) -> None:
    told = after(world, harm.account, harm.do)
    assert all(len(mails) == 1 for mails in told.values()), told
    for account, (mail,) in told.items():
        assert mail.subject.startswith("AT RISK"), mail.subject
        assert mail.attribute("lock") == "evidence"
        assert f"[{harm.code}]" in mail.body
        assert ("YOUR ACCOUNT MUST ACT" in mail.body) is (account == harm.account)
    people = world.accounts[harm.account].people
    assert people.session in told[harm.account][0].body
    assert "aws cloudtrail" in told[harm.account][0].body
    for account in (OWNER, CONSUMER):
        assert standing(world, account) == ("AT_RISK", [harm.code])
    world.mails()
    told = after(world, harm.account, harm.undo)
    assert [[mail.attribute("standing") for mail in mails] for mails in told.values()] == [["INTACT"], ["INTACT"]]


def test_no_other_change_looks_at_the_trails(world: World) -> None:
    already = len(world.runtime.calls)
    world.administrator(OWNER, "s3").put_bucket_tagging(
        Bucket=world.contract.bucket.name, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}
    )
    world.settle()
    made = [call.operation for call in world.runtime.calls[already:]]
    assert "GetBucketPolicy" in made
    assert "DescribeTrails" not in made
    assert "ListRuleNamesByTarget" not in made
