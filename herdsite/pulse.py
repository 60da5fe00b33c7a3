"""How late this process is: a thread that asks to be woken every so often, and sees when it was. On a machine that is
overloaded, or that stood still, every look of ours is late as well, and the silence that it met may be our own."""

import os
import threading
import time
from collections import deque
from functools import lru_cache

TICK_S = 0.1
# Ticks that are kept: a minute of them outlasts every look.
KEPT = 600


class Pulse:
    """`late_s` says how late the latest tick since a moment was (s); `beat` takes one."""

    def __init__(self) -> None:
        self._ticks: deque[tuple[float, float]] = deque([(time.monotonic(), 0.0)], maxlen=KEPT)
        self._never = threading.Event()

    def beat(self) -> None:
        began = time.monotonic()
        self._never.wait(TICK_S)
        now = time.monotonic()
        self._ticks.append((now, max(0.0, now - began - TICK_S)))

    def late_s(self, since: float) -> float:
        """`since` is by our monotonic clock. A tick that is overdue now counts as well."""
        overdue = time.monotonic() - self._ticks[-1][0] - TICK_S
        return max([overdue, 0.0, *(late for at, late in tuple(self._ticks) if at >= since)])


@lru_cache(maxsize=1)
def _own(_pid: int) -> Pulse:
    """This process's; a fork begins its own."""
    pulse = Pulse()

    def beat_on() -> None:
        while True:
            pulse.beat()

    threading.Thread(target=beat_on, name="pulse", daemon=True).start()
    return pulse


def start() -> None:
    """Begin to measure, if this process does not yet."""
    _own(os.getpid())


def late_s(since: float) -> float:
    """How late this process was at most since that moment (s)."""
    return _own(os.getpid()).late_s(since)
