"""`failover`: a leader is lost under write load. How long can its customer not write, is anything lost that was
acknowledged, and does the old leader acknowledge anything once another leads?

Three faults a run, each to a database that is whole: its host is killed; its host is frozen, and wakes up a minute
later; its PostgreSQL is killed on a host that lives, which is to be a restart and no failover.
"""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.faults import Herdsite
from bench.premium import Premium, changed, grow, story, until
from bench.setup import say
from bench.writer import Writer, rows
from fleet.models import Instance
from fleet.providers.local import chaos
from fleet.states import DONE
from observations import retention

FROZEN_S, FROZEN_QUICK_S = 60.0, 15.0
BACK_S = 90.0
# So many writes acknowledged after a fault say that it is over.
ENOUGH = 100
TOLD = 60


@dataclass(frozen=True)
class Kind:
    """`strike` does it to the leader; `moves`: another has to lead then; `wakes`: the old one comes back by itself."""

    name: str
    strike: Callable[[Premium, Instance], object]
    moves: bool = True
    wakes: bool = False


@dataclass(frozen=True)
class Run:
    """What one fault did: the customer's longest wait (s), what was lost, and what an old leader acknowledged that
    another had taken over from already."""

    kind: str
    gap_s: float
    lost: int
    stray: int
    failed_over: bool


KINDS = (
    Kind("host_lost", lambda premium, leader: chaos.kill_host(premium.provider, leader.server.name)),
    Kind("host_frozen", lambda premium, leader: chaos.pause_host(premium.provider, leader.server.name), wakes=True),
    Kind(
        "postgres_killed",
        lambda premium, leader: chaos.kill_postgres(premium.provider, leader.server.name, leader.data),
        moves=False,
    ),
)


def suffer(premium: Premium, kind: Kind, frozen_s: float = FROZEN_QUICK_S) -> Run:
    """One fault to a whole database with a customer who writes, until it is whole again."""
    leader, generation = premium.leader, premium.resource.generation
    with ExitStack() as stack:
        straight = stack.enter_context(premium.written(straight=True)) if kind.wakes else None
        writer = stack.enter_context(premium.written())
        began = time.time()
        kind.strike(premium, leader)
        until(lambda: _over(premium, writer, began, generation, kind), f"{kind.name}: writes go on", BACK_S)
        gap_s, ended = writer.gap(began)
        if straight:
            time.sleep(max(0.0, began + frozen_s - time.time()))
            chaos.heal(premium.provider, leader.server.name)
        told = time.time()
        premium.mend()
    stray = len(_late(straight, premium, began)) if straight else 0
    run = Run(kind.name, round(gap_s, 3), premium.lost(), stray, premium.resource.generation > generation)
    say(f"{run}; load {os.getloadavg()[0]:.1f}; whole {time.time() - told:.1f} s later")
    for step in [one for one in story(premium, began) if one.at < ended - began + 1][:TOLD]:
        say(f"  {step.at:7.3f}  {step.what}")
    say(f"  {ended - began:7.3f}  its customer writes on")
    return run


def _over(premium: Premium, writer: Writer, began: float, generation: int, kind: Kind) -> bool:
    if writer.gap(began)[0] < 0.05 or writer.since(writer.gap(began)[1]) < ENOUGH:
        return False
    return not kind.moves or (premium.resource.generation > generation and not premium.open())


def _late(straight: Writer, premium: Premium, began: float) -> list[int]:
    """What the old leader acknowledged to a client of its own after another was promoted, and that one never had: the
    word for a write that both have may still be on its way when a frozen host wakes up."""
    done = [one for one in changed(premium, began) if one.state == DONE]
    promoted = min((one.marks["promoted"] for one in done), default=float("inf"))
    late = {n for n, at in straight.acked if at > promoted}
    return sorted(late - rows(premium.straight(premium.leader))) if late else []


def measure(quick: bool, runs: int) -> dict[str, Any]:
    retention.keep()
    done: list[Run] = []
    with Herdsite():
        premium = grow()
        for _ in range(runs):
            done += [suffer(premium, kind, FROZEN_QUICK_S if quick else FROZEN_S) for kind in KINDS]

    def gap(kind: str) -> float:
        return round(median(run.gap_s for run in done if run.kind == kind), 2)

    return {
        "runs": runs,
        **{f"{kind.name}_gap_s": gap(kind.name) for kind in KINDS},
        "lost": sum(run.lost for run in done),
        "stray_acknowledged": sum(run.stray for run in done),
        "restarts_that_failed_over": sum(run.failed_over for run in done if run.kind == "postgres_killed"),
        "load": round(os.getloadavg()[0], 1),
    }
