"""The judgement: contract, neighbours, observation and facts in; verdict out. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from threelocks.contract import Contract
from threelocks.finding import Verdict
from threelocks.observation import Observation


def judge(
    contract: Contract, neighbours: tuple[Contract, ...], observation: Observation, facts: Mapping[str, str]
) -> Verdict:
    """Judge the locks that `observation.account` holds, as of `observation.began`.

    `neighbours` are the other active contracts on the same bucket, key or role: what they agree on is permitted too.
    `facts` are what the other parties reported, by name ("role_id", "has_boundary", "bucket_keys", ...).
    """
    raise NotImplementedError
