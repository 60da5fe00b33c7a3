"""Sending many things side by side to many receivers, of which any may be slow: one at a time to each, in threads.

A receiver that hangs keeps its own lane busy and no other; and all comes to an end shortly after the budget has,
since what is on its way then is bounded by its own time-out. Claiming and finishing happen in the caller's thread,
which has the database; the threads only send.
"""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar
from uuid import UUID


class Parcel(Protocol):
    """Something to send; parcels of one lane go to one receiver."""

    @property
    def lane(self) -> UUID: ...


P = TypeVar("P", bound=Parcel)
A = TypeVar("A")


def run(
    claim: Callable[[set[UUID]], P | None],
    send: Callable[[P], A],
    finish: Callable[[P, A], None],
    threads: int,
    budget_s: float,
) -> int:
    """Claim parcels of lanes that are not busy, send each in a thread, finish each in this one, until nothing is left
    to claim or the budget is spent. Returns how many were sent."""
    end = time.monotonic() + budget_s
    flying: dict[Future[A], P] = {}
    sent = 0
    with ThreadPoolExecutor(threads, thread_name_prefix="lane") as pool:
        while True:
            while len(flying) < threads and time.monotonic() < end:
                parcel = claim({one.lane for one in flying.values()})
                if parcel is None:
                    break
                flying[pool.submit(send, parcel)] = parcel
            if not flying:
                return sent
            done, _still = wait(flying, return_when=FIRST_COMPLETED)
            for future in done:
                finish(flying.pop(future), future.result())
                sent += 1
