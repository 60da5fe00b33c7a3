"""Logical backups as beats take them, with a real PostgreSQL beneath: from the asking to what is kept, through the
death of what was at work, and back into the database."""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now
from logical_world import HOLD, World, built, leader, on_disk, waits

from fleet import intents, logical
from fleet.logical import loading, storage
from fleet.models import MEMBERS, Backup, Event, Intent, Resource, Server
from fleet.ports import Ports
from fleet.providers.fake import FakeProvider
from fleet.transports.sql import PsycopgSql
from herdsite.turns import Turn
from tests.clusters import Cluster
from tests.herd import again, change, due
from tests.localhosts import until

pytestmark = pytest.mark.django_db
SURE = {"actor": "ada", "reason": "a test"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with built() as cluster:
        yield cluster


@pytest.fixture
def world(cluster: Cluster, settings, tmp_path: Path) -> World:
    world = on_disk(cluster, settings, tmp_path.name)
    pinned = {"address": "127.0.0.1", "host_key": "ssh-ed25519 AAAA"}
    Server.objects.filter(pk=world.instance.server_id).update(**pinned)
    return world


@pytest.fixture
def shop(world: World) -> Resource:
    made = world.resource("shop", name="shop")
    world.fill("shop")
    change(made, attrs={"dump_planned": "99999999999", "addresses": "none"})
    return again(made)


@pytest.fixture
def beats(world: World) -> Callable[[str, Callable[[], object]], None]:
    """Beats of all of a kind, until that holds."""
    provider = FakeProvider()
    ports = Ports(lambda _host: world.cluster.shell, PsycopgSql(), lambda _name: provider, lambda _address, _port: "")

    def go(kind: str, done: Callable[[], object]) -> None:
        def once() -> object:
            for one in MEMBERS[kind].objects.filter(due_at__isnull=False):
                due(one)
                Turn(one.queue, ports, "here/1", (kind,)).once(kind)
            return done()

        until(once, f"beats of the {kind}")

    return go


def state(backup: Backup) -> str:
    return again(backup).state


def test_asked_for_taken_and_kept(world: World, shop: Resource, beats) -> None:
    intent = intents.ask(shop, "dump", **SURE)
    beats("resource", lambda: Backup.objects.exists())
    backup = Backup.objects.get()
    assert again(intent).state == Intent.DONE
    assert (again(intent).answer, backup.method) == (backup.name, Backup.LOGICAL)
    beats("backup", lambda: state(backup) == "kept")
    backup = again(backup)
    assert world.stored() == [backup.label]
    assert backup.bytes == Path(stored(backup)).stat().st_size
    assert backup.began_at <= backup.ended_at
    verbs = Event.objects.filter(subject=backup.pk).order_by("pk").values_list("verb", flat=True)
    assert [verb for verb in verbs if verb != "begin_anew"] == ["begin", "upload", "verify", "keep", "confirm"]
    change(backup, keep_until=backup.created_at)
    beats("backup", lambda: state(backup) == "expired")
    assert world.stored() == []


def stored(backup: Backup) -> str:
    return storage.place().source(backup.label)[0]


def test_what_the_plan_promises_comes_by_itself(world: World, shop: Resource, beats) -> None:
    change(shop, attrs={"dump_planned": "1", "addresses": "none"})
    beats("resource", lambda: Backup.objects.exists())
    assert Event.objects.filter(subject=shop.pk, verb="dump", row=521).count() == 1
    backup = Backup.objects.get()
    beats("backup", lambda: state(backup) == "kept")
    beats("resource", lambda: True)
    assert Backup.objects.count() == 1
    assert float(again(shop).attrs["dump_planned"]) == pytest.approx(backup.created_at.timestamp() + 86_400, abs=120)


def test_killed_in_the_middle_the_next_beats_finish_it(world: World, shop: Resource, beats) -> None:
    with world.cluster.connect("shop", "shop-secret", "shop") as session:
        session.execute(HOLD)
        backup = logical.begin(shop, shop.created_at)
        beats("backup", lambda: waits(world))
        os.killpg(leader(world, f"{backup.name}-take"), signal.SIGKILL)
        beats("backup", lambda: Event.objects.filter(subject=backup.pk, verb="begin_anew").exists())
        assert state(backup) != "kept"
    beats("backup", lambda: state(backup) == "kept")
    assert world.stored() == [again(backup).label]


def test_what_fails_three_times_has_failed_and_is_never_there(world: World, shop: Resource, beats) -> None:
    backup = logical.begin(shop, shop.created_at)
    change(backup, attrs=backup.attrs | {"database": "nowhere"})

    def failed() -> bool:
        # The pauses between its tries are over.
        Backup.objects.filter(pk=backup.pk).update(state_since=Now() - timedelta(minutes=1))
        return state(backup) == "failed"

    beats("backup", failed)
    assert "nowhere" in Event.objects.filter(subject=backup.pk, verb="begin_anew").last().why
    assert "nowhere" in Event.objects.get(subject=backup.pk, verb="fail").why
    assert world.stored() == []
    assert left(world, backup) == []


def test_what_is_of_an_instance_that_is_destroyed_ends_and_leaves_nothing(world: World, shop: Resource, beats) -> None:
    with world.cluster.connect("shop", "shop-secret", "shop") as session:
        session.execute(HOLD)
        backup = logical.begin(shop, shop.created_at)
        beats("backup", lambda: waits(world))
        assert left(world, backup) != []
        change(world.instance, state="destroying")
        beats("backup", lambda: state(backup) == "failed")
        assert (left(world, backup), world.stored()) == ([], [])


def left(world: World, backup: Backup) -> list[str]:
    """What there is of its job on the host."""
    home = Path(world.cluster.subject.home)
    return [str(path) for path in (home / "jobs" / f"{backup.name}-take", home / f".{backup.label}") if path.exists()]


def test_an_old_content_is_put_back(world: World, shop: Resource, beats) -> None:
    before, backup = world.sees("shop")[:2], world.taken(shop)
    world.fill("shop", "DELETE FROM sold; CREATE TABLE later (n int)")
    intent = intents.ask(shop, "load", params={"backup": backup.name}, confirm="shop", **SURE)
    beats("resource", lambda: again(intent).state != Intent.OPEN)
    assert again(intent).state == Intent.DONE, again(intent).answer
    assert world.sees("shop")[:2] == before
    assert not list((world.cluster.shell.home / "jobs").glob("shop-load-*"))


def test_a_load_that_is_killed_is_begun_again(world: World, shop: Resource, beats) -> None:
    before, backup = world.sees("shop")[:2], world.taken(shop)
    world.fill("shop", "DELETE FROM sold")
    intent = intents.ask(shop, "load", params={"backup": backup.name}, confirm="shop", **SURE)
    with world.cluster.monitor() as session:
        session.execute("SELECT pg_advisory_lock(hashtext(%s))", [f"shop_new_{loading.mark(intent)}"])
        beats("resource", lambda: waits(world))
        os.killpg(leader(world, f"shop-load-{intent.pk.hex[:8]}"), signal.SIGKILL)
    beats("resource", lambda: again(intent).state != Intent.OPEN)
    assert again(intent).state == Intent.DONE, again(intent).answer
    assert Event.objects.filter(subject=shop.pk, verb="load_again", row=157).exists()
    assert world.sees("shop")[:2] == before
    assert world.databases() == []


def test_a_load_that_fails_is_refused_with_the_reason(world: World, shop: Resource, beats) -> None:
    before, backup = world.sees("shop")[:2], world.taken(shop)
    Path(stored(backup)).write_bytes(b"not what it was")
    intent = intents.ask(shop, "load", params={"backup": backup.name}, confirm="shop", **SURE)
    beats("resource", lambda: again(intent).state != Intent.OPEN)
    assert again(intent).state == Intent.REFUSED
    assert "valid archive" in again(intent).answer
    assert world.sees("shop")[:2] == before


def test_what_went_away_since_it_was_asked_is_refused(world: World, shop: Resource, beats) -> None:
    backup = world.taken(shop)
    intent = intents.ask(shop, "load", params={"backup": backup.name}, confirm="shop", **SURE)
    change(backup, state="expired")
    beats("resource", lambda: again(intent).state != Intent.OPEN)
    assert (again(intent).state, "is not kept" in again(intent).answer) == (Intent.REFUSED, True)
