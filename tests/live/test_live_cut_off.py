"""What is killed in the middle of a copy, a restore or a base backup of a herd of real processes: the next beats finish
it, nothing half-made is offered as good, and no segment of WAL is missing."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from fleet import copies, intents
from fleet.models import Backup, Instance, Resource, Timeline
from tests.herd import again
from tests.live.test_live_copies import LONG_S, built, rows, said
from tests.liveherd import Herd, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
# Large enough to be found in the middle of.
ROWS = 600_000


@pytest.fixture(scope="module")
def shop(herd: Herd) -> Resource:
    (resource,) = herd.grow(servers=3, production=1, starters=0)
    said(resource, "CREATE TABLE t (n int, filling text)")
    said(resource, f"INSERT INTO t SELECT n, repeat(md5(n::text), 8) FROM generate_series(1, {ROWS}) AS n")
    until(lambda: good(resource), "a base backup", LONG_S)
    before = good(resource)
    intents.ask(resource, "backup", actor="test")
    until(lambda: good(resource) > before, "one with all of it", LONG_S)
    return resource


def good(resource: Resource) -> int:
    return Backup.objects.filter(timeline=resource.instance.timeline_id, state="kept").count()


def serves(resource: Resource) -> bool:
    """It has all of its rows; a leader that was killed takes a moment to be back."""
    with suppress(psycopg.OperationalError):
        return bool(rows(resource) == ROWS)
    return False


def kill(pid: int, group: bool = False) -> None:
    with suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(pid, signal.SIGKILL)


def job(instance: Instance) -> list[Path]:
    """The jobs of that instance's host that are under way."""
    begun = Path(instance.server.home, "jobs").glob("[!.]*/pid")
    return [pid for pid in begun if not (pid.parent / "code").exists()]


def leader_dies(_herd: Herd, shop: Resource, _at: Instance) -> None:
    kill(int(Path(again(shop).instance.data, "postmaster.pid").read_text().split()[0]))


def tool_dies(_herd: Herd, _shop: Resource, at: Instance) -> None:
    for pid in job(at):
        with suppress(FileNotFoundError):
            kill(int(pid.read_text().split()[0]), group=True)


def workers_die(herd: Herd, _shop: Resource, _at: Instance) -> None:
    for process in [*herd.processes("worker work"), *herd.processes("worker slow")]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.mark.parametrize(
    ("copy", "dies"),
    [
        (copies.follow, leader_dies),
        (copies.follow, workers_die),
        (copies.fork, leader_dies),
        (copies.fork, tool_dies),
    ],
)
def test_a_copy_is_finished_whoever_dies(herd: Herd, shop: Resource, copy: Callable, dies: Callable) -> None:
    """Only real programs can be killed in the middle of a file; the beats of workers then find what is left."""
    made = copy(Resource.objects.get(pk=shop.pk), actor="test")
    until(lambda: again(made).instance, "it has a place", LONG_S)
    instance = again(made).instance
    data = Path(instance.data)
    half = (data.with_name("data.new") / "base", data / "herdsite.restoring", data / "standby.signal")
    until(lambda: any(part.exists() for part in half), "its copy has begun", LONG_S)
    dies(herd, shop, instance)
    assert rows(built(made)) == ROWS
    until(lambda: serves(shop), "the original serves", LONG_S)
    assert again(shop).instance.timeline_id == shop.instance.timeline_id
    intents.ask(made, "destroy", actor="test", confirm=made.name, reason="it was only a test")
    until(lambda: again(made).state == "destroyed", "it is gone", LONG_S)


@pytest.mark.parametrize("dies", [leader_dies, tool_dies])
def test_a_base_backup_is_good_or_is_none(herd: Herd, shop: Resource, dies: Callable) -> None:
    """Only a real base backup can be cut off between its files and the mark that it is whole."""
    before = good(shop)
    until(lambda: not job(shop.instance), "nothing else is under way", LONG_S)
    intents.ask(Resource.objects.get(pk=shop.pk), "backup", actor="test")
    until(lambda: job(shop.instance), "its job has begun", LONG_S)
    time.sleep(0.3)  # somewhere in the middle of it: a second is what it takes
    dies(herd, shop, shop.instance)
    until(lambda: good(shop) > before, "the next attempt is whole", LONG_S)
    line = Timeline.objects.get(pk=shop.instance.timeline_id)
    for backup in Backup.objects.filter(timeline=line):
        place = Path(herd.var, "archive", line.place, "backups", backup.label)
        assert (backup.state == "kept") == (place / "kept").exists(), backup
    until(lambda: serves(shop), "it serves", LONG_S)


def test_no_segment_is_missing_in_the_end(shop: Resource) -> None:
    """Only the archive that the kills above have left shows whether a hole is in it."""
    said(shop, "INSERT INTO t VALUES (0)")
    assert rows(built(copies.fork(Resource.objects.get(pk=shop.pk), actor="test"))) == ROWS + 1
    facts = Timeline.objects.get(pk=shop.instance.timeline_id).facts
    assert (facts["archive_missing"], facts["archive_holes"]) == ("", "")
