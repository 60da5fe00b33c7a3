"""Trial loads as beats take them, on real PostgreSQL: what is kept was proven loadable, and what is not is an alarm."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from logical_world import Beats, World, beating, built, on_disk

from fleet import logical, policy
from fleet.logical import storage, trials
from fleet.models import Backup, Event, Resource, Server
from fleet.states import KEPT
from tests.clusters import Cluster
from tests.herd import again, change

pytestmark = pytest.mark.django_db


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
def beats(world: World) -> Beats:
    return beating(world)


@pytest.fixture
def shop(world: World) -> Resource:
    made = world.resource("shop", name="shop")
    world.fill("shop")
    change(made, attrs={"dump_planned": "99999999999", "addresses": "none"})
    return again(made)


def kept(shop: Resource, beats: Beats) -> Backup:
    backup = logical.begin(shop, shop.created_at)
    beats("backup", lambda: again(backup).state == KEPT)
    return again(backup)


def tried(world: World, shop: Resource, beats: Beats) -> dict[str, object]:
    beats("backup", lambda: trials.last(again(shop)))
    backup = Backup.objects.filter(resource=shop).latest("created_at")
    assert trials.under_way(backup) == {}
    home = Path(world.cluster.subject.home)
    assert not list(home.glob("drills/*")) and not list((home / "jobs").glob("*-trial-*"))
    return trials.last(again(shop))


def test_the_first_backup_of_a_database_is_loaded_and_compared_at_once(world: World, shop: Resource, beats) -> None:
    backup = kept(shop, beats)
    before = world.cluster.sql("SELECT datname FROM pg_database ORDER BY 1")
    verdict = tried(world, shop, beats)
    assert (verdict["good"], verdict["why"], verdict["backup"], verdict["tables"]) == (True, "", backup.name, 2)
    assert verdict["left"] == []
    event = Event.objects.get(subject=shop.pk, verb="was loaded on trial")
    assert event.row == 313
    assert world.cluster.sql("SELECT datname FROM pg_database ORDER BY 1") == before
    beats("backup", lambda: True)
    assert Event.objects.filter(subject=backup.pk, verb="try_load").count() == 1, "it is due again in a week"


def test_a_backup_that_can_not_be_loaded_is_an_alarm(world: World, shop: Resource, beats) -> None:
    world.cluster.sql(
        "CREATE TYPE shell; CREATE FUNCTION i(cstring) RETURNS shell LANGUAGE internal AS 'int4in'", "shop"
    )
    world.cluster.sql("CREATE FUNCTION o(shell) RETURNS cstring LANGUAGE internal AS 'int4out'", "shop")
    world.cluster.sql(
        "CREATE TYPE shell (INPUT = i, OUTPUT = o, LIKE = int4); GRANT USAGE ON TYPE shell TO shop", "shop"
    )
    world.fill("shop", "CREATE TABLE one (v shell)")
    kept(shop, beats)
    verdict = tried(world, shop, beats)
    assert verdict["good"] is False
    assert "CREATE TABLE public.one" in str(verdict["why"])
    assert Event.objects.filter(subject=shop.pk, verb="failed its trial load").exists()


def test_what_lies_in_the_storage_spoilt_is_found(world: World, shop: Resource, beats) -> None:
    backup = kept(shop, beats)
    path = Path(storage.place().source(backup.label)[0])
    path.write_bytes(path.read_bytes()[:-400])
    verdict = tried(world, shop, beats)
    assert verdict["good"] is False and "end of file" in str(verdict["why"])


def test_rows_that_a_backup_lacks_are_missed(world: World, shop: Resource, beats) -> None:
    backup = logical.begin(shop, shop.created_at)
    beats("backup", lambda: again(backup).attrs.get("rows_after"))
    rows = json.loads(again(backup).attrs["rows"])
    rows["goods"][2] += 1
    change(backup, attrs=again(backup).attrs | {"rows": json.dumps(rows)})
    verdict = tried(world, shop, beats)
    assert (verdict["good"], verdict["why"]) == (False, "goods has 500 rows; it had 501, and changed by 0")


def test_few_are_tried_at_a_time(shop: Resource) -> None:
    def made(number: int, plan: str) -> Backup:
        given = {"state": KEPT, "method": Backup.LOGICAL, "resource": shop, "attrs": {"trial": plan}}
        return Backup.objects.create(name=f"shop-dump-{number}", **given)

    others = [made(number, '{"job": "j", "server": "s"}') for number in range(policy.TRIALS)]
    newest = made(99, "")
    assert not trials.is_due(newest, shop.created_at)
    trials.plan(others[0], {})
    assert trials.is_due(newest, shop.created_at)


def test_only_the_newest_is_tried_and_the_next_when_its_time_has_come(world: World, shop: Resource, beats) -> None:
    first = kept(shop, beats)
    tried(world, shop, beats)
    second = kept(shop, beats)
    beats("backup", lambda: True)
    assert not Event.objects.filter(subject=second.pk, verb="try_load").exists()
    old = trials.last(again(shop))
    old["at"] = (shop.created_at - timedelta(days=30)).isoformat()
    trials.note(again(shop), old)
    beats("backup", lambda: trials.last(again(shop)).get("backup") == second.name)
    assert Event.objects.filter(subject=first.pk, verb="try_load").count() == 1
