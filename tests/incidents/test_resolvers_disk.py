"""The playbooks that make room, and those that see to the archive: each step, and each way of giving up."""

from datetime import timedelta

import pytest

from fleet.models import Backup, Intent, Server, Timeline
from fleet.transports.base import Result, Unreachable
from incidents.outcomes import AGAIN, FIXED, GIVE_UP
from incidents.resolvers import free_wal, grow_disk, retry_archive, take_backup
from tests import factories
from tests.incidents.scenes import Scene, case
from tests.worlds import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def server(scene) -> Server:
    server = factories.server(provider="fake", disk_mb=1000, pg={"17": "/pg"}, host_key="ssh-ed25519 AAAA", home="/h")
    scene.provider.create(server.name, "a", 1000)
    return server


def grown(scene, server, **attrs) -> Server:
    """As it is after one growth, with these marks."""
    assert grow_disk.grow(case(scene, server, "disk_critical")).kind == FIXED
    server.refresh_from_db()
    Server.objects.filter(pk=server.pk).update(attrs=server.attrs | attrs)
    return Server.objects.get(pk=server.pk)


def long_ago() -> str:
    return (NOW - grow_disk.PAUSE - timedelta(seconds=1)).isoformat()


def test_a_disk_grows_by_half_and_the_row_knows_it(scene, server):
    assert grow_disk.may(case(scene, server, "disk_critical")).note == "from 1000 to 1500 MB"
    server = grown(scene, server)
    assert server.disk_mb == scene.provider.describe(server.name).disk_mb == 1500
    assert server.attrs["disk_mb_ordered"] == "1000"


def test_a_growth_that_is_repeated_is_one(scene, server):
    grown(scene, server)
    assert grown(scene, server).disk_mb == scene.provider.describe(server.name).disk_mb == 1500


def test_a_growth_that_was_cut_off_before_it_was_written_down_is_asked_for_again(scene, server):
    scene.provider.grow(server.name, 1500)
    assert grown(scene, server).disk_mb == scene.provider.describe(server.name).disk_mb == 1500


def test_it_grows_once_a_day(scene, server):
    server = grown(scene, server)
    refused = grow_disk.may(case(scene, server, "disk_critical"))
    assert refused.kind == GIVE_UP and "within the last day" in refused.note
    server = grown(scene, server, disk_grown_at=long_ago())
    assert grow_disk.may(case(scene, server, "disk_critical")).kind == FIXED


def test_it_never_has_more_than_twice_what_was_ordered(scene, server):
    server = grown(scene, server, disk_grown_at=long_ago(), disk_grown_by="an earlier run")
    assert grow_disk.may(case(scene, server, "disk_critical")).note == "from 1500 to 2000 MB"
    server = grown(scene, server, disk_grown_at=long_ago(), disk_grown_by="an earlier run")
    assert server.disk_mb == 2000
    refused = grow_disk.may(case(scene, server, "disk_critical"))
    assert refused.kind == GIVE_UP and "2 times what was ordered" in refused.note


def test_where_its_provider_can_not_grow_it_a_person_must(scene, server):
    scene.provider.can_grow = False
    assert grow_disk.may(case(scene, server, "disk_critical")).kind == GIVE_UP


@pytest.mark.parametrize(
    ("used", "step_s", "kind"),
    [(67.0, 0, FIXED), (99.0, 10, AGAIN), (None, 10, AGAIN), (99.0, 200, GIVE_UP), (None, 200, GIVE_UP)],
)
def test_only_what_its_host_says_proves_that_there_is_room(scene, server, used, step_s, kind):
    assert grow_disk.room(case(scene, server, "disk_critical", step_s, disk_used_pct=used)).kind == kind


def test_slots_of_nobody_are_taken_away_and_those_of_its_standbys_are_not(scene, server):
    leader = factories.instance(server=server)
    standby = factories.instance(role="standby", upstream=leader, timeline=leader.timeline)
    gone = factories.instance(role="standby", upstream=leader, timeline=leader.timeline, state="destroyed")
    scene.world.on(["/pg/psql"], Result(0, "\n", "", 0.0))
    assert free_wal.drop(case(scene, leader, "slot_pins_wal")).note == "1 slot(s) dropped"
    (ran,) = scene.world.ran
    assert f"'{standby.slot}'".encode() in ran.stdin and gone.slot.encode() not in ran.stdin


def test_where_every_slot_is_a_standbys_or_nobody_gets_in_it_gives_up(scene, server):
    leader = factories.instance(server=server)
    scene.world.on(["/pg/psql"], Result(0, "", "", 0.0))
    assert free_wal.drop(case(scene, leader, "slot_pins_wal")).kind == GIVE_UP
    scene.world.fail(server.name, Unreachable("timed out"))
    assert free_wal.drop(case(scene, leader, "slot_pins_wal")).note == "timed out"


def test_the_archiver_is_told_again_and_has_a_segment_to_try(scene, server):
    instance = factories.instance(server=server)
    scene.world.on(["sh"], Result(0, "boot_id=run-1\nuptime_s=4711.0\n", "", 0.0))
    scene.world.on(["/pg/psql"], Result(0, "0/3000000\n", "", 0.0))
    assert retry_archive.tell(case(scene, instance, "archive_failing")).kind == FIXED
    assert b"pg_switch_wal" in scene.world.ran[-1].stdin and scene.world.ran[0].argv[0] == "sh"


def test_a_host_that_is_silent_or_unknown_can_not_be_told(scene, server):
    instance = factories.instance(server=server)
    scene.world.fail(server.name, Unreachable("timed out"))
    assert retry_archive.tell(case(scene, instance, "archive_failing")).kind == AGAIN
    assert retry_archive.tell(case(scene, instance, "archive_failing", 200)).kind == GIVE_UP
    Server.objects.filter(pk=server.pk).update(host_key="")
    assert "host key" in retry_archive.tell(case(scene, instance, "archive_failing")).note


@pytest.mark.parametrize(
    ("failing", "step_s", "kind"), [(False, 0, FIXED), (True, 0, AGAIN), (None, 0, AGAIN), (True, 130, GIVE_UP)]
)
def test_only_a_segment_that_came_through_proves_that_it_archives(scene, server, failing, step_s, kind):
    facts = {"archiver_failing": failing, "last_failed_wal": "000000010000000000000003"}
    outcome = retry_archive.comes(case(scene, factories.instance(server=server), "archive_failing", step_s, **facts))
    assert outcome.kind == kind


def test_a_base_backup_is_asked_for_once_and_says_why(scene):
    line = factories.instance().timeline
    for _again in range(2):
        assert take_backup.ask(case(scene, line, "archive_gap", archive_missing="3-5")).kind == FIXED
    asked = Intent.objects.get(subject=line.pk)
    assert (asked.verb, asked.reason) == ("backup", "missing: 3-5")


@pytest.mark.parametrize(
    ("state", "step_s", "kind"),
    [
        ("kept", 0, FIXED),
        ("uploading", 0, AGAIN),
        ("verifying", 4000, GIVE_UP),
        ("failed", 0, GIVE_UP),
        (None, 0, GIVE_UP),
    ],
)
def test_a_backup_is_one_when_it_is_kept(scene, state, step_s, kind):
    line = Timeline.objects.get(pk=factories.instance().timeline_id)
    if state:
        Backup(name="base-1", method=Backup.BASE, timeline=line, state=state).save(force_insert=True)
    assert take_backup.kept(case(scene, line, "backup_stale", step_s)).kind == kind
