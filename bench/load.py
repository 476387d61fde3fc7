"""A load run: one account's sweep over a fleet of contracts, and a burst of changes on one bucket, over a ledger of AWS
calls (`simulation.ledger`). Prints the calls by kind and per resource, processor and wall time, and memory.

    python -m bench.load [CONTRACTS BUCKETS KEYS ROLES EVENTS] [--judge-one-in N]

Judging takes most of the time and makes no call, so at full size only one contract in N is judged (default 100); the
others are taken to be as agreed. What judging costs is measured on those, and said apart.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from simulation.fleet import Fleet, Site, bucket_events, consumer_of, owner_of
from simulation.memory import verdict_of
from threelocks.contract import Contract
from threelocks.finding import Verdict
from threelocks.handlers.app import App
from threelocks.judge import judge
from threelocks.observation import Observation

FULL = (10_000, 500, 50, 2_000, 1_000)  # contracts, buckets, keys, roles, events
SETTLED = 70.0  # seconds after which a change is looked at again


@dataclass
class Sampling:
    """A judge that judges one contract in `one_in`, and remembers how long that took."""

    one_in: int
    seen: int = 0
    judged: int = 0
    seconds: float = 0.0
    locks: Counter[str] = field(default_factory=Counter)

    def __call__(self, contract: Contract, neighbours: Any, observation: Observation, facts: Any) -> Verdict:
        self.seen += 1
        if self.seen % self.one_in:
            return verdict_of(contract, observation.account, as_of=observation.began)
        began = time.process_time()
        verdict = judge(contract, neighbours, observation, facts)
        self.seconds += time.process_time() - began
        self.judged += 1
        self.locks[verdict.headline] += 1
        return replace(verdict, findings=())  # a finding of one contract in N would have it looked at twice


@dataclass
class Spent:
    """What a stretch of work took."""

    wall: float = 0.0
    processor: float = 0.0


@contextmanager
def timed() -> Iterator[Spent]:
    spent, wall, processor = Spent(), time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        yield spent
    spent.wall, spent.processor = time.perf_counter() - wall, time.process_time() - processor


def with_judge(site: Site, sampling: Sampling) -> Site:
    old = site.app
    return replace(site, app=App(old.variables, old.clients, now=old.now, judge=sampling))


def swept(site: Site, fleet: Fleet, one_in: int, held: str, resources: int) -> None:
    sampling = Sampling(one_in)
    site = with_judge(site, sampling)
    for name in ("first sweep", "second sweep"):
        site.ledger.calls.clear()
        site.ledger.about.clear()
        site.batches.clear()
        sampling.seen = sampling.judged = 0
        sampling.seconds = 0.0
        with timed() as spent:
            site.sweep()
        site.clock.advance(3600)
        told(f"{name}, {held}", site, spent, sampling)
        reads, lots = site.ledger.reads(), len(site.batches)
        print(f"  lock reads {reads:,}: {reads / resources:.1f} per {held}, {reads / fleet.contracts:.2f} per contract")
        print(f"  invocations {lots:,}, contracts in each {fleet.contracts / lots:.0f}")


def burst(fleet: Fleet, events: int, one_in: int) -> None:
    sampling = Sampling(one_in)
    site = with_judge(owner_of(fleet), sampling)
    bucket = fleet.all[0].bucket.name
    contracts = sum(one.bucket.name == bucket for one in fleet.all)
    first = site.clock()
    bodies = bucket_events(bucket, events, first, timedelta(seconds=20))
    site.clock.advance(30)  # the last event is ten seconds old
    with timed() as spent:
        site.burst(bodies)
    told(f"burst of {events:,} events on one bucket of {contracts} contracts", site, spent, sampling)
    reads = site.ledger.reads()
    print(f"  lock reads {reads}: {reads / events:.3f} per event; invocations {len(site.batches)}")
    site.ledger.calls.clear()
    site.batches.clear()
    site.clock.advance(SETTLED)
    with timed() as spent:
        site.work()
    told("the look after it has settled", site, spent, sampling)
    print(f"  lock reads {site.ledger.reads()}; invocations {len(site.batches)}")


def told(name: str, site: Site, spent: Spent, sampling: Sampling) -> None:
    by_service = Counter[str]()
    for call, number in site.ledger.calls.items():
        by_service[call.partition(":")[0]] += number
    print(f"{name}")
    print(f"  AWS calls {site.ledger.calls.total():,}: ", end="")
    print(", ".join(f"{service} {number:,}" for service, number in by_service.most_common()))
    print("   ", ", ".join(f"{call} {number:,}" for call, number in site.ledger.calls.most_common(12)))
    print(f"  wall {spent.wall:.1f} s, processor {spent.processor:.1f} s", end="")
    if sampling.judged:
        each = sampling.seconds / sampling.judged
        rest = spent.processor - sampling.seconds
        print(
            f", of which judging {sampling.judged} contracts {sampling.seconds:.1f} s: {1000 * each:.0f} ms each; ",
            end="",
        )
        print(f"without judging {1000 * rest / max(sampling.seen, 1):.1f} ms a look", end="")
        print(f" ({', '.join(f'{n} {word}' for word, n in sampling.locks.items())})", end="")
    print(f"; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=FULL, help="contracts, buckets, keys, roles, events")
    parser.add_argument("--judge-one-in", type=int, default=100)
    given = parser.parse_args()
    contracts, buckets, keys, roles, events = given.sizes
    fleet = Fleet(contracts, buckets, keys, roles)
    print(f"{contracts:,} contracts over {buckets:,} buckets, {keys:,} keys, {roles:,} roles; {events:,} events\n")
    swept(owner_of(fleet), fleet, given.judge_one_in, "bucket", buckets)
    swept(consumer_of(fleet), fleet, given.judge_one_in, "role", roles)
    burst(fleet, events, given.judge_one_in)


if __name__ == "__main__":
    main()
