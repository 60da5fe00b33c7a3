"""A turn: a worker's stretch on the rings of one queue. Claim, feel in threads, finish, claim again, until the time
budget ends. django-q2 carries turns, the rows carry the truth: a turn that dies, doubles or comes late does no harm.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache, partial

import structlog
from django.conf import settings
from django.db import close_old_connections, connections
from django.db.utils import InterfaceError, OperationalError

from fleet import context, policy, ring, wakes, workers
from fleet.ports import Ports
from fleet.states import AVAILABLE, states_of
from fleet.subject import CHANGEOVER, KINDS
from herdsite import beat, pulse, wiring
from herdsite.thought import Thought, ponder
from incidents.models import Incident
from observations.record import Look

log = structlog.get_logger("turn")

# How many beats may be claimed ahead of each feeling thread. A beat that waits too long for its thread is handed back.
AHEAD = 4
# How long a turn without anything to do rests, unless it is called (fleet/wakes.py), or an action of its own ends.
LONGEST_NAP_S, ACTING_NAP_S = wakes.SOON_S, 0.04
AWAY_S = 0.5
# How many actions one worker process does side by side.
ACTORS = 8


@dataclass(frozen=True)
class Round:
    """A ring of an app above the fleet: `go` claims what is due, gives it its beats here and now, and returns how many
    there were and how many went wrong; a turn goes at most every `every_s` seconds, and where the ring's `kind` is one
    of the registered ones, only when one of them is due."""

    go: Callable[[Ports, str], tuple[int, int]]
    every_s: float
    kind: str = ""


ROUNDS: dict[str, Sequence[Round]] = {
    policy.WORK: (Round(wiring.mend, 0.02, Incident.KIND),),
    policy.SLOW: (
        Round(wiring.send_notices, 1.0),
        Round(wiring.tell_platform, 1.0),
        Round(wiring.send_hooks, 1.0),
        Round(wiring.send_lines, 5.0),
    ),
}

_stopping = threading.Event()


def stop() -> None:
    """Ask this process's turn to claim no more, finish the beats under way, and end."""
    _stopping.set()


def turn(queue: str) -> int:
    """What django-q2 runs. Returns the number of beats."""
    return Turn(queue, wiring.ports(), workers.vantage(), actors=_actors(os.getpid())).run(settings.TURN_BUDGET_S)


@lru_cache(maxsize=1)
def _actors(_pid: int) -> ThreadPoolExecutor:
    """Threads that act, each with a connection of its own to our database; they stay as long as the process."""
    return ThreadPoolExecutor(ACTORS, thread_name_prefix="act")


def rings(queue: str) -> tuple[str, ...]:
    """The kinds that have a state whose beats are this queue's."""
    return tuple(kind for kind in KINDS if any(policy.queue(state) == queue for state in states_of(kind)))


def _fresh(what: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    """In a thread that may have rested for long: its connection is looked at first."""
    close_old_connections()
    return what()


@dataclass
class _Claimed:
    """A beat on its way through a thread. `until` (our monotonic clock) is when it may start at the latest, so that
    its wires' time-outs end before its lease does."""

    loaded: context.Loaded
    claim: ring.Claim
    until: float


@dataclass
class Turn:
    """One turn. `kinds` are the rings it goes round; `actors` threads in which it acts, so that a host that hangs
    holds up nobody else. Without them it acts in its own."""

    queue: str
    ports: Ports
    vantage: str
    kinds: Sequence[str] = ()
    actors: Executor | None = None
    beats: int = 0
    errors: int = 0
    _flying: dict[Future[Look | None], _Claimed] = field(default_factory=dict)
    _gone: dict[Round, float] = field(default_factory=dict)
    _acting: dict[Future[tuple[int, int]], Round | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kinds = self.kinds or rings(self.queue)
        self._ear = wakes.Ear(self.queue)

    def run(self, budget_s: float) -> int:
        threads = settings.QUEUES[self.queue]["threads"]
        end = time.monotonic() + budget_s
        report = workers.Report(self.queue, self.vantage)
        pulse.start()
        with ThreadPoolExecutor(threads, thread_name_prefix="feel") as pool:
            while self._flying or self._acting or self._goes_on(end):
                try:
                    self._round(pool, threads * AHEAD, end)
                    report.tell(self.beats, self.errors, pulse.late_s)
                except (OperationalError, InterfaceError) as error:
                    self._let_go(error)
        return self.beats

    def _round(self, pool: ThreadPoolExecutor, capacity: int, end: float) -> None:
        soon: float | None = None
        if self._goes_on(end) and len(self._flying) <= capacity // 2:
            # One question for all rings spares a claim for each when nothing is due.
            soon = ring.next_due([*self.kinds, *self._others], self.queue)
        due = soon is not None and soon <= 0
        if due:
            self._claim(pool, capacity)
            if not self._flying:
                # What is due is left to other workers first, or was theirs already.
                soon = ACTING_NAP_S
        self._land()
        if self._goes_on(end):
            self._go_round(due)
        if not self._flying and (self._acting or self._goes_on(end)):
            self._nap(soon)

    @property
    def _others(self) -> list[str]:
        """The kinds of the rings that rounds go."""
        return [ring_.kind for ring_ in ROUNDS.get(self.queue, ()) if ring_.kind]

    def _nap(self, soon: float | None) -> None:
        """Until something may be due, or an action has ended."""
        longest = ACTING_NAP_S if self._acting else LONGEST_NAP_S
        nap = longest if soon is None else min(max(soon, 0.01), longest)
        if self._acting:
            wait(self._acting, timeout=nap, return_when=FIRST_COMPLETED)
        else:
            self._ear.rest(nap)

    def _go_round(self, due: bool) -> None:
        now = time.monotonic()
        for ring_ in ROUNDS.get(self.queue, ()):
            if ring_.kind and not due:
                continue
            if now >= self._gone.get(ring_, 0.0) + ring_.every_s and ring_ not in self._acting.values():
                self._gone[ring_] = now
                self._act(partial(ring_.go, self.ports, self.vantage), ring_)

    def _act(self, what: Callable[[], tuple[int, int]], ring_: Round | None = None) -> None:
        """Do it in a thread of its own if there are such; it returns how many beats it did, and how many went wrong."""
        if self.actors is None:
            self._count(*what())
        else:
            self._acting[self.actors.submit(_fresh, what)] = ring_

    def _finish(self, kind: str, thought: Thought) -> tuple[int, int]:
        return 1, beat.finish(kind, [thought], self.ports, self.vantage)

    def _count(self, beats: int, errors: int) -> None:
        self.beats += beats
        self.errors += errors

    def _reap(self) -> None:
        """See what became of what was done in threads. What raised there is told here."""
        for future in [one for one in self._acting if one.done()]:
            del self._acting[future]
            self._count(*future.result())

    def _let_go(self, error: Exception) -> None:
        """Our own database went away. Whatever was claimed is lost to us, its leases run out by themselves; the turn
        goes on as soon as the database is back."""
        log.warning("database away", queue=self.queue, why=(str(error).strip() or type(error).__name__).splitlines()[0])
        self._flying.clear()
        self._acting = {future: ring_ for future, ring_ in self._acting.items() if not future.done()}
        connections.close_all()
        time.sleep(AWAY_S)

    def _goes_on(self, end: float) -> bool:
        return time.monotonic() < end and not _stopping.is_set()

    def once(self, kind: str, n: int = 1) -> int:
        """Claim and beat at most `n` of a kind, here and now; for commands that take beats in the foreground."""
        with ThreadPoolExecutor(min(n, settings.QUEUES[self.queue]["threads"])) as pool:
            taken = self._claim_kind(pool, kind, n)
            while self._flying or self._acting:
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
            if loaded.subject.job and (loaded.subject.state == AVAILABLE or kind == CHANGEOVER):
                # The claim could not know that the host is asked too.
                ring.hold(loaded.member, claim, policy.lease(kind, loaded.subject.state, job=True))
            claimed = _Claimed(loaded, claim, began + policy.LEASE_MARGIN_S)
            self._flying[pool.submit(self._feel, claimed)] = claimed
        return len(claim.ids)

    def _feel(self, claimed: _Claimed) -> Look | None:
        if time.monotonic() > claimed.until:
            return None
        return beat.look_at(claimed.loaded, self.ports)

    def _land(self) -> None:
        """Finish what has been felt by now, many at once."""
        self._reap()
        if not self._flying:
            return
        done, _still = wait(self._flying, timeout=0.05, return_when=FIRST_COMPLETED)
        felt: dict[str, list[Thought]] = {}
        for future in done:
            claimed = self._flying.pop(future)
            look = future.result()
            if look is None:
                ring.hand_back(claimed.loaded.subject.kind, claimed.claim, [claimed.loaded.subject.id])
                continue
            try:
                thought = ponder(claimed.loaded, claimed.claim, look, self.vantage)
            except Exception as error:
                beat.stumble(claimed.loaded, claimed.claim, error)
                self.errors += 1
                continue
            felt.setdefault(claimed.loaded.subject.kind, []).append(thought)
        for kind, thoughts in felt.items():
            quick = [thought for thought in thoughts if not beat.takes_long(thought)]
            self._count(len(quick), beat.finish(kind, quick, self.ports, self.vantage))
            for one in thoughts:
                if beat.takes_long(one):
                    self._act(partial(self._finish, kind, one))
