"""`switchover`: a healthy leader hands over under write load. How long does its customer wait, and is anything lost?"""

import os
import time
from statistics import median
from typing import Any

from bench.faults import Herdsite
from bench.premium import Premium, changed, grow, story, until
from bench.setup import say
from fleet import changing
from fleet.lifecycle import Because
from fleet.models import Changeover
from fleet.states import DONE
from observations import retention

OVER_S = 60.0
# So long a customer writes on afterwards, before the longest wait is taken (s).
AFTER_S = 1.0


def switch(premium: Premium) -> float:
    """One switchover of a whole database; the customer's longest wait (s)."""
    with premium.written() as writer:
        began = time.time()
        moving = changing.begin(premium.resource, Changeover.SWITCHOVER, Because(None, "to measure it", "bench"))
        until(lambda: not premium.open(), "its end", OVER_S)
        moving.refresh_from_db()
        if moving.state != DONE:
            raise RuntimeError(f"the switchover is {moving.state}: {moving.marks.get('why')}")
        over = time.time()
        until(lambda: writer.since(over + AFTER_S), "writes after it", OVER_S)
        gap_s, ended = writer.gap(began)
    say(f"a gap of {gap_s:.3f} s; load {os.getloadavg()[0]:.1f}")
    for step in [one for one in story(premium, began) if one.at < over - began + 0.5]:
        say(f"  {step.at:7.3f}  {step.what}")
    say(f"  {ended - began:7.3f}  its customer writes on")
    assert len(changed(premium, began)) == 1
    return gap_s


def measure(quick: bool, runs: int) -> dict[str, Any]:
    del quick
    retention.keep()
    gaps, lost = [], 0
    with Herdsite():
        premium = grow()
        for _ in range(runs):
            gaps.append(switch(premium))
            premium.mend()
            lost += premium.lost()
    load = round(os.getloadavg()[0], 1)
    return {"runs": runs, "gap_s": round(median(gaps), 2), "lost": lost, "longest_s": round(max(gaps), 2), "load": load}
