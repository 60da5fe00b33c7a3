"""`chaos`: faults at random, for as long as asked, to a database with high availability whose customers write all the
while. Nothing that was acknowledged may be lost, and no old leader may acknowledge anything once another leads."""

import random
import time
from collections.abc import Iterator
from typing import Any

from bench.faults import Herdsite
from bench.movestrikes import MOVES
from bench.premium import NotYet, grow
from bench.setup import say
from bench.trouble import CATALOGUE, Fault, Scene, Told, own, suffer
from observations import retention

ALL = (*CATALOGUE, *MOVES)


def measure(quick: bool, minutes: float, seed: int) -> dict[str, Any]:
    """`quick`: each fault once at most."""
    retention.keep()
    told: list[Told] = []
    ended = ""
    end = time.monotonic() + minutes * 60
    with Herdsite() as herdsite:
        premium = grow()
        for fault in _at_random(seed, quick):
            if time.monotonic() > end:
                break
            scene = Scene(premium, lambda: own(one.pid for one in herdsite.running.values()), herdsite.kill_menders)
            try:
                told.append(suffer(fault, premium, scene))
            except NotYet as error:
                # Not even the ground is there to go on from.
                ended = f"{fault.kind}: {error}"
                break
            say(str(told[-1]))
        unfinished = len(premium.open())
    return {
        "faults": len(told),
        "acknowledged": sum(one.acknowledged for one in told),
        "lost": sum(one.lost for one in told),
        "acknowledged_by_old": sum(one.stray for one in told),
        "unfinished_changeovers": unfinished,
        "pages": sum(one.pages for one in told),
        "healthy_leaders_failed_over": sum(one.moved for one in told if _stays(one)),
        "problems": [f"{one.kind}: {one.problem}" for one in told if one.problem] + ([ended] if ended else []),
    }


def _at_random(seed: int, once: bool) -> Iterator[Fault]:
    """The same faults in the same order for the same seed; each of them once, or endlessly."""
    draw = random.Random(seed)
    while True:
        yield from draw.sample(ALL, len(ALL)) if once else [draw.choice(ALL)]
        if once:
            return


def _stays(told: Told) -> bool:
    return any(fault.kind == told.kind and fault.moves is False for fault in ALL)
