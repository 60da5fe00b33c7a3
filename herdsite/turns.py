"""A turn: a worker's stretch on the rings of one queue. Claim, feel in threads, finish, claim again, until the time
budget ends. django-q2 carries turns, the rows carry the truth: a turn that dies, doubles or comes late does no harm.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import structlog
from django.conf import settings
from django.db import connections
from django.db.utils import InterfaceError, OperationalError

from fleet import context, policy, ring, workers
from fleet.ports import Ports
from fleet.states import AVAILABLE
from fleet.subject import KINDS
from herdsite import beat, wiring
from observations.record import Look

log = structlog.get_logger("turn")

# How many beats may be claimed ahead of each feeling thread. A beat that waits too long for its thread is handed back.
AHEAD = 4
LONGEST_NAP_S = 0.2
AWAY_S = 0.5


@dataclass(frozen=True)
class Round:
    """A ring of an app above the fleet: `go` claims what is due, gives it its beats here and now, and returns how many
    there were and how many went wrong; a turn goes at most every `every_s` seconds."""

    go: Callable[[Ports, str], tuple[int, int]]
    every_s: float


ROUNDS: dict[str, Sequence[Round]] = {
    policy.WORK: (Round(wiring.mend, 0.1),),
    policy.SLOW: (Round(wiring.send_notices, 1.0),),
}

_stopping = threading.Event()


def stop() -> None:
    """Ask this process's turn to claim no more, finish the beats under way, and end."""
    _stopping.set()


def turn(queue: str) -> int:
    """What django-q2 runs. Returns the number of beats."""
    return Turn(queue, wiring.ports(), workers.vantage()).run(settings.TURN_BUDGET_S)


@dataclass
class _Claimed:
    """A beat on its way through a thread. `until` (our monotonic clock) is when it may start at the latest, so that
    its wires' time-outs end before its lease does."""

    loaded: context.Loaded
    claim: ring.Claim
    until: float


@dataclass
class Turn:
    """One turn. `kinds` are the rings it goes round."""

    queue: str
    ports: Ports
    vantage: str
    kinds: Sequence[str] = KINDS
    beats: int = 0
    errors: int = 0
    _flying: dict[Future[Look | None], _Claimed] = field(default_factory=dict)
    _gone: dict[Round, float] = field(default_factory=dict)

    def run(self, budget_s: float) -> int:
        threads = settings.QUEUES[self.queue]["threads"]
        end = time.monotonic() + budget_s
        report = workers.Report(self.queue, self.vantage)
        with ThreadPoolExecutor(threads, thread_name_prefix="feel") as pool:
            while self._flying or self._goes_on(end):
                try:
                    self._round(pool, threads * AHEAD, end)
                    report.tell(self.beats, self.errors)
                except (OperationalError, InterfaceError) as error:
                    self._let_go(error)
        return self.beats

    def _round(self, pool: ThreadPoolExecutor, capacity: int, end: float) -> None:
        if self._goes_on(end) and len(self._flying) <= capacity // 2:
            self._claim(pool, capacity)
        self._land()
        if self._goes_on(end):
            self._go_round()
        if not self._flying and self._goes_on(end):
            soon = ring.next_due(self.kinds, self.queue)
            time.sleep(LONGEST_NAP_S if soon is None else min(max(soon, 0.01), LONGEST_NAP_S))

    def _go_round(self) -> None:
        now = time.monotonic()
        for ring_ in ROUNDS.get(self.queue, ()):
            if now >= self._gone.get(ring_, 0.0) + ring_.every_s:
                self._gone[ring_] = now
                beats, errors = ring_.go(self.ports, self.vantage)
                self.beats += beats
                self.errors += errors

    def _let_go(self, error: Exception) -> None:
        """Our own database went away. Whatever was claimed is lost to us, its leases run out by themselves; the turn
        goes on as soon as the database is back."""
        log.warning("database away", queue=self.queue, why=(str(error).strip() or type(error).__name__).splitlines()[0])
        self._flying.clear()
        connections.close_all()
        time.sleep(AWAY_S)

    def _goes_on(self, end: float) -> bool:
        return time.monotonic() < end and not _stopping.is_set()

    def once(self, kind: str, n: int = 1) -> int:
        """Claim and beat at most `n` of a kind, here and now; for commands that take beats in the foreground."""
        with ThreadPoolExecutor(min(n, settings.QUEUES[self.queue]["threads"])) as pool:
            taken = self._claim_kind(pool, kind, n)
            while self._flying:
                self._land()
        return taken

    def _claim(self, pool: ThreadPoolExecutor, capacity: int) -> None:
        for kind in self.kinds:
            room = capacity - len(self._flying)
            if room > 0:
                self._claim_kind(pool, kind, room)
        # Another kind comes first in the next round: however many of one are due, they keep out no other.
        self.kinds = (*self.kinds[1:], *self.kinds[:1])

    def _claim_kind(self, pool: ThreadPoolExecutor, kind: str, n: int) -> int:
        began = time.monotonic()
        claim = ring.claim(kind, self.queue, n, self.vantage)
        if not claim.ids:
            return 0
        for loaded in context.load(kind, claim, self.vantage):
            if loaded.subject.job and loaded.subject.state == AVAILABLE:
                # The claim could not know that the host is asked too.
                ring.hold(loaded.member, claim, policy.lease(kind, AVAILABLE, job=True))
            claimed = _Claimed(loaded, claim, began + policy.LEASE_MARGIN_S)
            self._flying[pool.submit(self._feel, claimed)] = claimed
        return len(claim.ids)

    def _feel(self, claimed: _Claimed) -> Look | None:
        if time.monotonic() > claimed.until:
            return None
        return beat.look_at(claimed.loaded, self.ports)

    def _land(self) -> None:
        """Finish what has been felt by now, many at once."""
        if not self._flying:
            return
        done, _still = wait(self._flying, timeout=0.05, return_when=FIRST_COMPLETED)
        felt: dict[str, list[beat.Thought]] = {}
        for future in done:
            claimed = self._flying.pop(future)
            look = future.result()
            if look is None:
                ring.hand_back(claimed.loaded.subject.kind, claimed.claim, [claimed.loaded.subject.id])
                continue
            try:
                thought = beat.ponder(claimed.loaded, claimed.claim, look, self.vantage)
            except Exception as error:
                beat.stumble(claimed.loaded, claimed.claim, error)
                self.errors += 1
                continue
            felt.setdefault(claimed.loaded.subject.kind, []).append(thought)
        for kind, thoughts in felt.items():
            self.errors += beat.finish(kind, thoughts, self.ports, self.vantage)
            self.beats += len(thoughts)
