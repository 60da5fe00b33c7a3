"""Two orders to one data directory at once, in every order of their commands that a seed comes to: the host obeys the
newer, and no leader runs that was fenced. `HERDSITE_PAIRS` (a number) plays more of them."""

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scriptpairs import VERBS, Host, Running, Schedule, play

pytestmark = pytest.mark.thorough
SAMPLES = int(os.environ.get("HERDSITE_PAIRS", "60"))
SEED = 20261129


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    yield host
    host.stop()


def schedules() -> Iterator[Schedule]:
    """Each pair at least once before any comes again."""
    chance = random.Random(SEED)
    pairs = [(one, other) for one in VERBS for other in VERBS if one != other]
    for number in range(SAMPLES):
        if number % len(pairs) == 0:
            chance.shuffle(pairs)
        first, second = pairs[number % len(pairs)]
        steps = (chance.randint(1, 90), chance.choice((chance.randint(1, 90), 1000)))
        runs, standby = chance.choice(((True, False), (False, False), (True, True), (False, True)))
        yield Schedule(first, second, steps, runs, standby, chance.random() < 0.5)


def test_the_host_obeys_the_newer_of_two_orders(host: Host):
    came_to = [tuple(play(host, schedule).values()) for schedule in schedules()]
    assert any(0 in codes for codes in came_to) and any(76 in codes for codes in came_to)


def test_a_start_never_outlives_a_fence_that_came_while_it_waited(host: Host):
    host.reset(runs=False, standby=True)
    alone = Running(host, host.script("start", 5))
    alone.go()
    assert alone.code == 0, alone.said
    # Its commands one by one, with the whole fence after each: as it was seen to go wrong with real PostgreSQL.
    for step in range(1, alone.steps, 3):
        codes = play(host, Schedule("start", "fence", (step, 10_000), runs=False, standby=True))
        assert codes["fence"] == 0 and not host.runs and host.fenced, step


def test_a_host_with_a_full_disk_is_fenced(host: Host):
    host.reset(runs=True, standby=False)
    script = host.script("fence", 5)
    # Not one byte can be written, as little as into a file of a disk that is full.
    text = f"trap '' XFSZ\nulimit -f 0\n{script.text}"
    env = {"PATH": f"{host.bin}:/usr/bin:/bin"}
    (host.bin / "flock").unlink()
    ran = subprocess.run(["sh", "-c", text, "herdsite", *script.args], capture_output=True, text=True, env=env)
    assert ran.returncode == 0, ran.stderr
    assert host.fenced and not host.runs
    assert os.readlink(host.data / "herdsite.fenced") == "5"
