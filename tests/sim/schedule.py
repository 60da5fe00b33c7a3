"""Who goes on, and when. Tasks are greenlets: one runs at a time, and only the scheduler hands on the baton. So real,
synchronous code is held up wherever it asks the world for something, without a thread.

Every choice has a key of its own, made of who chooses, what for, and how often that was before: so a choice that is
left out leaves the others as they are, which is what makes a schedule shrink well. Without choices given they are drawn
from the seed and the key.
"""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenlet import getcurrent, greenlet

from tests.sim.clock import BEGIN, Clock

Choice = tuple[str, float]


class Killed(BaseException):
    """A worker's process dies here: nothing of it catches this."""


@dataclass(frozen=True)
class Odds:
    """How likely a choice is other than "as usual" at one kind of point, and what may be chosen there: a word, and the
    seconds that go with it (drawn from those given)."""

    share: float
    words: Mapping[str, Sequence[float]]


@dataclass
class Hold:
    """The next worker that comes to such a point is held up there: `label` is how the point's begins, or the worker's
    name, a colon and that; `after` is how many of them go by first."""

    label: str
    seconds: float
    after: int = 0


@dataclass
class Task:
    """`skew` is by how much its machine's clock is off (s), `held` when it was held up until, and for how long; `token`
    tells its newest place in the queue."""

    name: str
    body: Callable[[], None]
    skew: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    held: list[tuple[float, float]] = field(default_factory=list)
    token: int = 0
    idle: bool = False
    over: bool = False
    doomed: bool = False
    let: greenlet | None = None


class Schedule:
    def __init__(self, seed: int, odds: Mapping[str, Odds], choices: Mapping[str, Choice] | None) -> None:
        self.seed, self.odds, self.choices = seed, odds, choices
        self.taken: dict[str, Choice] = {}
        self.passed: list[tuple[float, str]] = []
        self.clock = Clock(lambda: self.current.skew if self.current else 0.0)
        self.current: Task | None = None
        self.tasks: list[Task] = []
        self.notes: list[tuple[float, str]] = []
        self.holds: list[Hold] = []
        self.calm = False
        self.points = 0
        self.on_kill: Callable[[Task], None] = lambda _task: None
        self._main = getcurrent()
        self._queue: list[tuple[float, int, Any, int]] = []
        self._numbers = itertools.count()
        self._ends = False

    # What the world asks of it.

    @property
    def now(self) -> float:
        return self.clock.now

    def note(self, text: str) -> None:
        self.notes.append((self.now, text))

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, next(self._numbers), what, 0))

    def spawn(self, name: str, body: Callable[[], None], after_s: float = 0.0) -> Task:
        task = Task(name, body)
        self.tasks.append(task)
        task.let = greenlet(lambda: self._run(task), self._main)
        self._wake(task, self.now + after_s)
        return task

    def draw(self, key: str) -> random.Random:
        return random.Random(f"{self.seed}/{key}")

    def choose(self, kind: str, label: str) -> Choice | None:
        """What happens at this point, if not the usual."""
        task = self.current
        odds = self.odds.get(kind)
        if task is None or self.calm or (odds is None and self.choices is None):
            return None
        task.counts[label] += 1
        key = f"{task.name}:{label}#{task.counts[label]}"
        if kind == "point":
            self.passed.append((since(self.now), key))
        if self.choices is not None:
            chosen = self.choices.get(key)
        else:
            assert odds
            draw = self.draw(key)
            chosen = None
            if draw.random() < odds.share:
                word = draw.choice(list(odds.words))
                chosen = (word, draw.choice(list(odds.words[word])))
        if chosen is not None:
            self.taken[key] = chosen
            self.note(f"[{key} → {chosen[0]} {chosen[1]:g} s]")
        return chosen

    def point(self, label: str) -> None:
        """Between two steps of a worker: it may be held up, or die."""
        self.points += 1
        self._hold(label)
        chosen = self.choose("point", label)
        if chosen is None:
            return
        word, seconds = chosen
        if word == "kill":
            raise Killed
        if word == "clock":
            assert self.current
            self.current.skew = seconds
        else:
            self._held(seconds)

    def _hold(self, label: str) -> None:
        for hold in self.holds if self.current else ():
            assert self.current
            if label.startswith(hold.label) or f"{self.current.name}:{label}".startswith(hold.label):
                hold.after -= 1
                if hold.after < 0:
                    self.holds.remove(hold)
                    self.note(f"* {self.current.name} is held up for {hold.seconds:g} s at {label!r}")
                    self._held(hold.seconds)
                    return

    def _held(self, seconds: float) -> None:
        task = self.current
        self.sleep(seconds)
        if task:
            task.held.append((self.now, seconds))

    def late_s(self, since: float) -> float:
        """How long whoever runs was held up at the most since that moment, as its own pulse would tell (s)."""
        held = self.current.held if self.current else []
        return max((seconds for until, seconds in held if until >= since), default=0.0)

    def sleep(self, seconds: float) -> None:
        """Of the task that runs: others go on meanwhile."""
        task = self.current
        if task is None:
            return
        self._wake(task, self.now + max(0.0, seconds))
        self._main.switch()
        if self._ends or task.doomed:
            raise Killed

    def idle(self, seconds: float) -> None:
        """The same, but it wakes up as soon as there may be something to do."""
        assert self.current
        self.current.idle = True
        self.sleep(seconds)

    def stir(self) -> None:
        """Whoever is idle looks again."""
        for task in self.tasks:
            if task.idle and not task.over:
                task.idle = False
                self._wake(task, self.now + 0.004 * self.draw(f"{task.name}:stir{task.token}").random())

    # How it goes round.

    def run(
        self, until: float, done: Callable[[], bool] = lambda: False, each: Callable[[], None] = lambda: None
    ) -> None:
        """Let everybody go on until that time, or until it is done, which is asked once a second."""
        asked = self.now
        while self._queue and self._queue[0][0] <= until:
            when, _number, what, token = heapq.heappop(self._queue)
            if isinstance(what, Task) and (what.over or what.token != token):
                continue
            self.clock.now = max(self.now, when)
            if isinstance(what, Task):
                self._resume(what)
            else:
                what()
            each()
            if self.now - asked >= 1.0:
                asked = self.now
                if done():
                    return
        self.clock.now = max(self.now, until)

    def kill(self) -> None:
        """Every task dies where it is, and is told of."""
        for task in list(self.tasks):
            if not task.over:
                task.doomed = True
                self._resume(task)

    def end(self) -> None:
        """Every task that is left dies where it is."""
        self._ends = True
        for task in self.tasks:
            if not task.over:
                self._resume(task)

    def _resume(self, task: Task) -> None:
        assert task.let is not None
        self.current, task.idle = task, False
        try:
            task.let.switch()
        finally:
            self.current = None

    def _wake(self, task: Task, when: float) -> None:
        task.token += 1
        heapq.heappush(self._queue, (when, next(self._numbers), task, task.token))

    def _run(self, task: Task) -> None:
        try:
            if not (self._ends or task.doomed):
                task.body()
        except Killed:
            if not self._ends:
                self.note(f"{task.name} dies")
                self.on_kill(task)
        finally:
            task.over = True


def since(moment: float) -> float:
    """Seconds since the schedule's beginning."""
    return moment - BEGIN
