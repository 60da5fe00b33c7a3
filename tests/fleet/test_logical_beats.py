"""Logical backups as beats take them, with a real PostgreSQL beneath: from the asking to what is kept, through the
death of what was at work, and back into the database."""

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now
from logical_world import HOLD, Beats, World, beating, built, leader, on_disk, waits

from fleet import intents, logical
from fleet.logical import storage
from fleet.models import Backup, Event, Intent, Resource, Server
from tests.clusters import Cluster
from tests.herd import again, change

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
def beats(world: World) -> Beats:
    return beating(world)


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
        session.execute("SELECT pg_advisory_lock(hashtext('herdsite_deputy'))")
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
    assert "its last line is missing" in again(intent).answer
    assert world.sees("shop")[:2] == before


def test_what_a_load_leaves_out_is_in_its_answer_and_a_check_replaces_nothing(world: World, shop, beats) -> None:
    world.cluster.sql("CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'", "shop")
    world.cluster.sql("CREATE EVENT TRIGGER ends ON ddl_command_end EXECUTE FUNCTION e()", "shop")
    backup = world.taken(shop)
    world.cluster.sql("DROP EVENT TRIGGER ends", "shop")
    world.fill("shop", "CREATE TABLE later (n int)")
    check = intents.ask(shop, "load", params={"backup": backup.name, "check": True}, confirm="shop", **SURE)
    beats("resource", lambda: again(check).state != Intent.OPEN)
    assert again(check).state == Intent.DONE
    assert again(check).answer.startswith("The dump can be loaded; nothing was replaced. Left out: event trigger: ends")
    assert world.sees("shop", "SELECT to_regclass('later')") == [[("later",)]]
    intent = intents.ask(shop, "load", params={"backup": backup.name}, confirm="shop", **SURE)
    beats("resource", lambda: again(intent).state != Intent.OPEN)
    assert again(intent).state == Intent.DONE
    assert "The new contents are loaded and complete. Left out: event trigger: ends" in again(intent).answer
    assert world.sees("shop", "SELECT to_regclass('later')") == [[(None,)]]


def test_what_a_load_will_leave_out_is_told_before_its_rows_are_in(world: World, shop, beats) -> None:
    """The rows wait for a lock on the server; what was found beforehand is in the story by then."""
    world.cluster.sql("CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'", "shop")
    world.cluster.sql("CREATE EVENT TRIGGER ends ON ddl_command_end EXECUTE FUNCTION e()", "shop")
    held = "CREATE FUNCTION held() RETURNS bool LANGUAGE sql AS 'SELECT pg_advisory_xact_lock(7) IS NOT NULL'"
    world.fill("shop", f"{held}; CREATE TABLE waits (n int CHECK (public.held())); INSERT INTO waits VALUES (1)")
    backup = world.taken(shop)
    with world.cluster.connect("shop", "shop-secret", "shop") as session:
        session.execute("SELECT pg_advisory_lock(7)")
        intent = intents.ask(shop, "load", params={"backup": backup.name}, confirm="shop", **SURE)
        beats("resource", lambda: Event.objects.filter(subject=shop.pk, verb="tell_load", row=154).exists())
        assert again(intent).state == Intent.OPEN
        assert again(intent).answer.startswith("The load leaves out: event trigger: ends")
    beats("resource", lambda: again(intent).state != Intent.OPEN)
    assert again(intent).state == Intent.DONE


def test_all_that_stands_against_a_load_is_in_the_refusal(world: World, shop, beats) -> None:
    world.cluster.sql(
        "CREATE TYPE shell; CREATE FUNCTION i(cstring) RETURNS shell LANGUAGE internal AS 'int4in'", "shop"
    )
    world.cluster.sql("CREATE FUNCTION o(shell) RETURNS cstring LANGUAGE internal AS 'int4out'", "shop")
    world.cluster.sql("CREATE TYPE shell (INPUT = i, OUTPUT = o, LIKE = int4)", "shop")
    world.fill("shop", "CREATE TABLE one (v shell); CREATE TABLE two (v shell)")
    intent = intents.ask(shop, "load", params={"backup": world.taken(shop).name}, confirm="shop", **SURE)
    beats("resource", lambda: again(intent).state != Intent.OPEN)
    assert again(intent).state == Intent.REFUSED
    assert "CREATE TABLE public.one" in again(intent).answer and "CREATE TABLE public.two" in again(intent).answer


def test_what_went_away_since_it_was_asked_is_refused(world: World, shop: Resource, beats) -> None:
    backup = world.taken(shop)
    intent = intents.ask(shop, "load", params={"backup": backup.name}, confirm="shop", **SURE)
    change(backup, state="expired")
    beats("resource", lambda: again(intent).state != Intent.OPEN)
    assert (again(intent).state, "is not kept" in again(intent).answer) == (Intent.REFUSED, True)
