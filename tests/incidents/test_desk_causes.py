"""What comes of something else: a disk that is full of WAL which waits for its archive, and what a changeover does to
those around it for a while."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from fleet.models import Changeover, Instance, Resource
from incidents import desk
from incidents.outcomes import GIVE_UP, fixed, give_up
from incidents.resolvers import grow_disk
from tests import factories
from tests.herd import again, change
from tests.incidents.scenes import Scene, case, playbook, raise_alarm, report, set_alarm

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def shop() -> Resource:
    """A leader with a standby, a follower and an address."""
    leader = factories.instance(plan=factories.plan("premium-0"))
    shop = factories.resource(instance=leader)
    kin = {"role": "standby", "upstream": leader, "timeline": leader.timeline}
    factories.instance(name="stands-by", standby_for=shop, **kin)
    factories.resource(name="shows", instance=factories.instance(name="follows", **kin), follows=shop)
    factories.address(name="way", resource=shop)
    return again(shop)


def test_a_disk_that_fills_while_the_archive_fails_hangs_under_that_and_is_given_room(scene, shop, monkeypatch):
    archive = raise_alarm(shop.instance, "archive_failing", archiver_failing=True)
    full = raise_alarm(shop.instance.server, "disk_critical", disk_used_pct=97.0)
    assert full.cause == archive
    playbook(monkeypatch, "grow_disk", [fixed("it has grown")])
    assert scene.beat(full, 2).resolver == "grow_disk"
    set_alarm(shop.instance.server, "disk_critical", False)
    assert scene.beat(full).state == "resolved"
    assert again(archive).is_open


def test_the_archive_is_not_hidden_by_the_disk_that_it_fills(scene, shop, monkeypatch):
    playbook(monkeypatch, "retry_archive", [give_up("nothing gets there")])
    playbook(monkeypatch, "grow_disk", [give_up("it can't grow")])
    archive = raise_alarm(shop.instance, "archive_failing", archiver_failing=True)
    full = raise_alarm(shop.instance.server, "disk_critical", disk_used_pct=97.0)
    for incident in (archive, full):
        assert scene.beat(incident, 4).state == "needs_human"
    assert scene.pages == [archive.name, full.name]


def test_an_archive_that_fails_for_want_of_room_waits_for_it(scene, shop, monkeypatch):
    playbook(monkeypatch, "retry_archive", [give_up("nothing gets there")])
    full = raise_alarm(shop.instance.server, "disk_critical", disk_used_pct=97.0)
    archive = raise_alarm(shop.instance, "archive_failing", archiver_failing=True)
    archive = scene.beat(archive, 4)
    assert (archive.state, archive.cause) == ("waiting", full)


def test_it_grows_once_while_the_archive_fails(scene, shop):
    server = shop.instance.server
    scene.provider.create(server.name, "a", server.disk_mb)
    raise_alarm(shop.instance, "archive_failing", archiver_failing=True)
    change(server, provider="fake", attrs={})
    server = again(server)
    assert grow_disk.may(case(scene, server, "disk_critical")).kind != GIVE_UP
    long = again(server).created_at + timedelta(days=2)
    change(server, attrs={"disk_grown_at": (long - timedelta(days=1, hours=1)).isoformat()})
    refused = grow_disk.may(_at(case(scene, again(server), "disk_critical"), long))
    assert refused.kind == GIVE_UP and "repair the archive" in refused.note


def _at(made, now):
    subject = type(made.subject)(**(vars(made.subject) | {"now": now}))
    return type(made)(**(vars(made) | {"subject": subject}))


TROUBLES = (
    ("stands-by", "follower_stuck"), ("stands-by", "follower_lagging"), ("stands-by", "standby_down"),
    ("follows", "follower_stuck"), ("way", "address_detached"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "type_"), TROUBLES)
def test_what_a_changeover_does_around_it_is_no_news_while_it_is_under_way(shop, name, type_):
    member = Instance.objects.filter(name=name).first() or shop.address
    moving = factories.changeover(resource=shop, state="promoting")
    assert report(member, type_) == []
    assert [one.type for one in report(shop.instance, "instance_down", state="down")] == ["instance_down"]
    for state in ("done", "waiting_for_window", "needs_human"):
        change(moving, state=state)
        (incident,) = report(member, type_)
        incident.delete()
    change(moving, state="promoting", state_since=Now() - timedelta(seconds=desk.HUSHED_S + 1))
    assert report(member, type_)


def test_a_changeover_of_others_hushes_nobody(shop):
    factories.changeover(resource=factories.resource(), state="promoting")
    assert report(Instance.objects.get(name="stands-by"), "follower_stuck")
    assert report(factories.instance(role="standby"), "follower_stuck")
    assert Changeover.objects.count() == 1
