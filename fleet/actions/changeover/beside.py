"""Questions and orders to hosts that go on beside a changeover's step. The former leader is fenced: no promotion waits
for a host that may be silent, no other proof keeps the fence from being sent, and a host that answers has the better
word. The clock of the new leader's host is read: customers need not wait for it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError
from fleet.models import Changeover, Instance
from fleet.orders import Anchor
from fleet.postgres import control
from fleet.transports.base import TransportError

# How long is waited for the answer where something else proves the silence already (s).
SHORT_S = 2.0

Said = dict[str, str]


@contextmanager
def fencing(
    source: Instance, changeover: Changeover, acting: Acting, timeout: float
) -> Iterator[Callable[[float | None], Said | None]]:
    """Send the fence now. What is given waits for its answer, for so many seconds or (None) for as long as the fence
    may take: what the host said, or None where it said nothing, or no. An answer that is later is nobody's."""
    try:
        shell, subject = hosts.of(source, acting)
    except ActionError:
        yield lambda _seconds: None
        return
    right = hosts.right(acting)

    def send() -> Said:
        # This thread has no way to our database: the right was asked for before the host's clock is read.
        order = right.order_since(changeover.epoch, control.anchor(shell))
        return control.fence(shell, replace(subject, order=order), changeover.generation, timeout)

    pool = ThreadPoolExecutor(1)
    sent = pool.submit(send)

    def answer(seconds: float | None) -> Said | None:
        try:
            return sent.result(seconds)
        except (TransportError, TimeoutError):
            return None

    try:
        yield answer
    finally:
        pool.shutdown(wait=False)


@contextmanager
def anchoring(target: Instance, acting: Acting) -> Iterator[Callable[[], Anchor | None]]:
    """Read the clock of its host now. What is given waits for the answer: None where there is none, and whoever gives
    the order finds out why."""
    try:
        shell, _subject = hosts.of(target, acting)
    except ActionError:
        yield lambda: None
        return
    pool = ThreadPoolExecutor(1)
    asked = pool.submit(control.anchor, shell)

    def answer() -> Anchor | None:
        try:
            return asked.result()
        except TransportError:
            return None

    try:
        yield answer
    finally:
        pool.shutdown(wait=False)
