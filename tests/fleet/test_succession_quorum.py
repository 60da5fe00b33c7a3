"""The required set in the worst of worlds: workers that stop half-way and come back late, orders that arrive late,
standbys that come and go, processes of the leader that hear of a change each in their own time."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fleet.succession.choosing import Candidate, Limits, choose
from fleet.succession.choosing import Leader as OldLeader
from fleet.succession.ladder import Evidence, Proof, prove
from fleet.succession.quorum import CANT_LOSE, MAY_LOSE, Apply, Record, Standby, Step, Write, next_step
from fleet.succession.seen import Seen
from tests.fleet import succession_world as world

NAMES = ("a", "b", "c")
PATIENCE_S = 10.0
ROUNDS = 12
some = st.sampled_from(NAMES)
subset = st.sets(some)
picks = st.integers(0, 5)


class Succession(RuleBasedStateMachine):
    """Any number of workers think, from the record as they read it and a look that they took after; what they want to
    do is done at once, later, twice or never."""

    def __init__(self) -> None:
        super().__init__()
        self.leader = world.Leader()
        self.standbys = {name: world.Standby() for name in NAMES}
        self.listed = list(NAMES)
        self.record = Record()
        self.wanted = 1
        self.thoughts: list[tuple[Record, Step]] = []
        self.chosen = ""
        self.fork: int | None = None

    @initialize(settled=st.booleans())
    def begin(self, settled: bool) -> None:
        for name in NAMES:
            self.leader.connect(name)
        if settled:
            self.settle()

    # The world: what happens by itself.

    @rule(reloads=st.booleans(), checkpointer=st.booleans(), hear=subset, stream=subset, confirm=subset)
    def move(self, reloads: bool, checkpointer: bool, hear: set[str], stream: set[str], confirm: set[str]) -> None:
        self.leader.commit()
        if reloads:
            self.leader.reload()
        if checkpointer:
            self.leader.checkpointer_hears()
        for name in sorted(hear & set(self.leader.senders)):
            self.leader.sender_hears(name)
        for name in filter(self.streams, NAMES):
            self.leader.connect(name)
            if name in stream:
                self.standbys[name].flushed = self.leader.wal
            if name in confirm:
                self.leader.confirm(name, self.standbys[name].flushed)

    @rule(name=some, up=st.booleans(), linked=st.booleans(), noticed=st.booleans())
    def disturb(self, name: str, up: bool, linked: bool, noticed: bool) -> None:
        self.standbys[name].up, self.standbys[name].linked = up, linked
        if noticed and not self.streams(name):
            self.leader.senders.pop(name, None)

    @rule()
    def crash(self) -> None:
        self.leader.restart()

    # Herdsite: what workers do.

    @rule(wanted=st.integers(0, 3))
    def change_the_plan(self, wanted: int) -> None:
        self.wanted = wanted

    @rule(name=some)
    def unlist_or_list(self, name: str) -> None:
        if name in self.listed:
            self.listed.remove(name)
        else:
            self.listed.append(name)

    @rule(hasty=st.booleans(), away=st.sampled_from((1.0, 60.0, None)), done=st.sampled_from((True, True, False)))
    def beat(self, hasty: bool, away: float | None, done: bool) -> None:
        """A worker reads, looks and thinks; when it is not held up it also does what it thought of."""
        record = self.record
        step = self.thought(record, self.leader.look(hasty), away)
        self.thoughts = [*self.thoughts[-5:], (record, step)]
        if done:
            self.carry_out(record, step)

    @rule(pick=picks)
    def wake_up(self, pick: int) -> None:
        """A worker that was held up goes on, or one does again what it did."""
        if self.thoughts:
            self.carry_out(*self.thoughts[-1 - pick % len(self.thoughts)])

    @rule(read=picks, away=st.sampled_from((1.0, 60.0)))
    def look_late(self, read: int, away: float) -> None:
        """A worker that was held up after it had read the record looks only now."""
        if self.thoughts:
            record, _step = self.thoughts[-1 - read % len(self.thoughts)]
            self.carry_out(record, self.thought(record, self.leader.look(), away))

    @precondition(lambda self: not self.chosen)
    @rule()
    def fence(self) -> None:
        safe = self.record.says == CANT_LOSE
        members = [self.candidate(name) for name in self.listed]
        choice = choose(OldLeader((), 1, "z", safe), members, Limits(0, 0))
        proof = prove(Evidence("old", choice.name, 2, 1.0, record=self.record))
        if choice.name:
            assert choice.lossless and isinstance(proof, Proof) and proof.rung == 3
            self.chosen = choice.name

    @precondition(lambda self: self.chosen and self.fork is None)
    @rule(gives_up=st.booleans())
    def promote(self, gives_up: bool) -> None:
        if gives_up or not self.standbys[self.chosen].up:
            self.chosen = ""
        else:
            self.fork = self.standbys[self.chosen].flushed

    # What must hold, always.

    @invariant()
    def every_required_standby_has_every_acknowledged_commit(self) -> None:
        if self.record.says == CANT_LOSE:
            assert self.record.required
            for name in self.record.required:
                flushed = self.fork if name == self.chosen and self.fork is not None else self.standbys[name].flushed
                assert self.leader.acked <= flushed, name

    @invariant()
    def the_leader_acknowledges_nothing_without_them(self) -> None:
        for name in self.record.required if self.record.says == CANT_LOSE else ():
            leader = self.leader.twin()
            commit = leader.commit()
            for other in [sender for sender in leader.senders if sender != name] * 2:
                leader.confirm(other, leader.wal)
            assert leader.acked < commit, name

    @invariant()
    def the_new_leader_has_all_that_the_old_one_ever_acknowledges(self) -> None:
        if self.fork is not None:
            assert self.leader.acked <= self.fork

    def teardown(self) -> None:
        if self.fork is not None:
            return
        self.chosen = ""
        for standby in self.standbys.values():
            standby.up = standby.linked = True
        self.wanted = 1
        self.settle()
        assert self.record.says == (CANT_LOSE if self.listed else MAY_LOSE)
        for name, standby in self.standbys.items():
            standby.up = False
            self.leader.senders.pop(name, None)
        self.settle()
        assert self.record.says == MAY_LOSE
        assert self.leader.commit() == self.leader.acked, "writes hang for ever"

    # How it is done.

    def streams(self, name: str) -> bool:
        ended = name == self.chosen and self.fork is not None
        return self.standbys[name].up and self.standbys[name].linked and not ended

    def candidate(self, name: str) -> Candidate:
        standby = self.standbys[name]
        required = name in self.record.required
        return Candidate(name, "z", "available", "available", standby.up, True, standby.flushed, None, 1, required)

    def thought(self, record: Record, seen: Seen, away: float | None) -> Step:
        known = [
            Standby(name, 0.0 if name in self.leader.senders else away, name in self.leader.senders)
            for name in self.listed
        ]
        return next_step(record, seen, known, self.wanted, PATIENCE_S)

    def carry_out(self, record: Record, step: Step) -> None:
        if isinstance(step, Write) and record == self.record and not self.chosen:
            assert record.says == MAY_LOSE or step.record.says == MAY_LOSE
            self.record = step.record
        elif isinstance(step, Apply):
            self.leader.order(step.setting, step.serial)

    def settle(self) -> None:
        for _ in range(ROUNDS):
            for name in filter(self.streams, NAMES):
                self.leader.connect(name)
                self.standbys[name].flushed = self.leader.wal
                self.leader.confirm(name, self.leader.wal)
            self.leader.commit()
            self.beat(hasty=False, away=60.0, done=True)
            self.leader.reload()
            self.leader.everybody_hears()


Succession.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
test_the_record_never_claims_a_safety_that_the_leader_lacks = Succession.TestCase


def some_of(random: Random) -> set[str]:
    return {name for name in NAMES if random.random() < 0.7}


def take_a_walk(random: Random, steps: int) -> None:
    """The same machine over long ways, at many times the pace, with what is usual more often than what is rare."""

    def yes(share: float = 0.5) -> bool:
        return random.random() < share

    moves = (
        (30, lambda m: m.move(yes(0.7), yes(0.7), some_of(random), some_of(random), some_of(random))),
        (30, lambda m: m.beat(yes(), random.choice((1.0, 60.0, None)), yes(0.8))),
        (4, lambda m: m.wake_up(random.randrange(6))),
        (2, lambda m: m.look_late(random.randrange(6), random.choice((1.0, 60.0)))),
        (4, lambda m: m.disturb(random.choice(NAMES), yes(0.7), yes(0.7), yes())),
        (2, lambda m: m.change_the_plan(random.randrange(4))),
        (1, lambda m: m.unlist_or_list(random.choice(NAMES))),
        (1, Succession.crash),
        (2, lambda m: m.chosen or m.fence()),
        (3, lambda m: m.chosen and m.fork is None and m.promote(yes())),
    )
    machine = Succession()
    machine.begin(settled=yes())
    weights, ways = zip(*moves, strict=True)
    for way in random.choices(ways, weights, k=steps):
        way(machine)
        machine.every_required_standby_has_every_acknowledged_commit()
        machine.the_leader_acknowledges_nothing_without_them()
        machine.the_new_leader_has_all_that_the_old_one_ever_acknowledges()
    machine.teardown()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_nor_on_long_ways(seed: int) -> None:
    take_a_walk(Random(seed), 150)
