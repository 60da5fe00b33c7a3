"""The fence of a former leader beside what goes on meanwhile: no promotion waits for a host that may be silent, and no
other proof keeps the fence from being sent. A host that answers has the better word."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError
from fleet.models import Instance
from fleet.postgres import control
from fleet.transports.base import TransportError

# How long is waited for the answer where something else proves the silence already (s).
SHORT_S = 2.0

Said = dict[str, str]


@contextmanager
def fencing(
    source: Instance, generation: int, acting: Acting, timeout: float
) -> Iterator[Callable[[float | None], Said | None]]:
    """Send the fence now. What is given waits for its answer, for so many seconds or (None) for as long as the fence
    may take: what the host said, or None where it said nothing, or no. An answer that is later is nobody's."""
    try:
        shell, subject = hosts.of(source, acting)
    except ActionError:
        yield lambda _seconds: None
        return
    pool = ThreadPoolExecutor(1)
    sent = pool.submit(control.fence, shell, subject, generation, timeout)

    def answer(seconds: float | None) -> Said | None:
        try:
            return sent.result(seconds)
        except (TransportError, TimeoutError):
            return None

    try:
        yield answer
    finally:
        pool.shutdown(wait=False)
