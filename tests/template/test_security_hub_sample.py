"""The sample in docs/events.md: lint-clean, and held to the event that the code makes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint
from samtranslator.yaml_helper import yaml_parse

from simulation.examples import CONTRACT, OWNER
from simulation.memory import START, change
from simulation.pattern import matches
from threelocks import incident
from threelocks.alert import event
from threelocks.alert.event import DETAIL_TYPE
from threelocks.finding import Headline
from threelocks.report import SOURCE
from threelocks.state import Slot

DOCUMENT = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
(SAMPLE,) = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)


def envelope() -> dict[str, Any]:
    share = incident.merge(CONTRACT, incident.begin(CONTRACT, OWNER, None))
    slot = Slot("1", None, share, change(), (), START)
    detail = json.loads(event(CONTRACT, slot, account=OWNER))
    return {
        "account": OWNER,
        "source": SOURCE,
        "detail-type": DETAIL_TYPE,
        "time": "2026-11-23T10:00:00Z",
        "detail": detail,
    }


def test_the_sample_is_lint_clean() -> None:
    assert not lint(SAMPLE, regions=["eu-west-1"])


def test_a_mistake_in_the_sample_would_be_seen() -> None:
    assert lint(SAMPLE.replace("!GetAtt NotImported.Arn", "!GetAtt Nobody.Arn"), regions=["eu-west-1"])


def test_its_rule_takes_the_event_and_no_partners() -> None:
    pattern = dict(yaml_parse(SAMPLE)["Resources"]["StandingRule"]["Properties"]["EventPattern"])
    pattern["account"] = [OWNER]
    assert matches(pattern, envelope())
    assert not matches(pattern, {**envelope(), "account": "222222222222"})
    assert not matches(pattern, {**envelope(), "detail": {"format": "threelocks.standing/2"}})


def test_every_field_that_it_reads_is_in_the_event() -> None:
    paths = set(re.findall(r"\$states\.input\.([a-z_.]+)", SAMPLE))
    assert len(paths) > 4
    for path in paths:
        part: Any = envelope()
        for name in path.split("."):
            assert name in part, path
            part = part[name]


@pytest.mark.parametrize("standing", Headline)
def test_every_standing_has_a_severity(standing: Headline) -> None:
    labels = dict(re.findall(r"'([A-Z_]+)': '([A-Z]+)'", SAMPLE))
    # https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_Severity.html
    assert labels[standing.value] in {"INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"}
