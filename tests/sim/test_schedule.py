"""The scheduler itself, and that a schedule is what its seed and its choices make of it."""

import time

import pytest
from django.db import connection

from tests.sim.arena import Arena
from tests.sim.clock import BEGIN
from tests.sim.profiles import CALM, PLAIN, WILD
from tests.sim.run import Spec, play
from tests.sim.schedule import Killed, Odds, Schedule
from tests.sim.shrink import _without


def test_tasks_go_on_in_the_order_of_their_time():
    schedule, said = Schedule(1, {}, None), []

    def task(name: str, pause: float):
        def body():
            for _ in range(2):
                schedule.sleep(pause)
                said.append((name, round(schedule.now - BEGIN, 3)))

        return body

    schedule.spawn("slow", task("slow", 2.0))
    schedule.spawn("fast", task("fast", 1.5))
    schedule.run(BEGIN + 10)
    assert said == [("fast", 1.5), ("slow", 2.0), ("fast", 3.0), ("slow", 4.0)]
    assert schedule.now == BEGIN + 10


def test_a_choice_that_is_left_out_leaves_the_others_as_they_are():
    def chosen(choices):
        schedule = Schedule(7, {"point": Odds(0.5, {"pause": (0.1, 0.2)})}, choices)
        schedule.spawn("one", lambda: [schedule.point("here") for _ in range(20)])
        schedule.run(BEGIN + 100)
        return schedule.taken

    every = chosen(None)
    assert len(every) > 4
    fewer = dict(list(every.items())[1:])
    assert chosen(every) == every and chosen(fewer) == fewer


def test_who_was_held_up_knows_for_how_long():
    schedule, late = Schedule(1, {"point": Odds(0.0, {})}, {"one:here#1": ("pause", 5.0)}), []
    schedule.spawn("one", lambda: (schedule.point("here"), late.append(schedule.late_s(BEGIN))))
    schedule.spawn("two", lambda: (schedule.point("here"), late.append(schedule.late_s(BEGIN))))
    schedule.run(BEGIN + 10)
    assert late == [0.0, 5.0]


def test_who_is_killed_runs_no_more_and_is_told_of():
    schedule, after, dead = Schedule(1, {}, {"one:here#1": ("kill", 0.0)}), [], []
    schedule.odds = {"point": Odds(0.0, {})}
    schedule.on_kill = lambda task: dead.append(task.name)
    schedule.spawn("one", lambda: (schedule.point("here"), after.append(1)))
    schedule.run(BEGIN + 1)
    assert dead == ["one"] and not after
    with pytest.raises(Killed):
        raise Killed


def test_halves_are_left_out_before_single_parts():
    tried = []

    def breaks(parts):
        tried.append(len(parts))
        return {3, 6} <= set(parts)

    assert _without(list(range(8)), breaks) == [3, 6]
    assert len(tried) < 20


@pytest.mark.django_db
@pytest.mark.timeout(600)
def test_python_and_our_database_know_one_time():
    with Arena() as arena, arena.schedule(lambda: Schedule(1, {}, None)) as schedule:
        seen = []

        def body():
            schedule.sleep(12.5)
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT extract(epoch FROM clock_timestamp())::float8, extract(epoch FROM now())::float8"
                )
                seen.extend([*cursor.fetchone(), time.time(), schedule.now])

        schedule.spawn("one", body)
        schedule.run(BEGIN + 100)
    assert seen == [BEGIN + 12.5] * 4


@pytest.mark.django_db
@pytest.mark.timeout(600)
def test_the_same_seed_gives_the_same_run_and_a_calm_one_is_well():
    with Arena() as arena:
        calm = play(arena, Spec("switchover", 0, CALM))
        assert not calm.broken and calm.acked > 10
        one, two = (play(arena, Spec("failover", 1, WILD)) for _ in range(2))
        again = play(arena, Spec("failover", 1, WILD, one.faults, one.taken))
    assert (one.taken, one.beats, one.acked) == (two.taken, two.beats, two.acked)
    assert (one.taken, one.beats, one.acked) == (again.taken, again.beats, again.acked)
    assert PLAIN.odds
