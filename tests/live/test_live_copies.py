"""Followers, forks and going back in time on a whole herd of real processes, as a customer sees them."""

import time
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from fleet import copies, intents, subjects
from fleet.actions import copying
from fleet.models import Backup, Changeover, Event, Resource, Timeline
from tests.liveherd import Herd, available, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]
LONG_S = 240


@pytest.fixture(scope="module")
def shop(herd: Herd) -> Resource:
    """A database with a base backup, and three rows of which it is known when they were there."""
    (resource,) = herd.grow(servers=2, production=1, starters=0)
    line = resource.instance.timeline
    until(lambda: Backup.objects.filter(timeline=line, state="kept").exists(), "a base backup", LONG_S)
    said(resource, "CREATE TABLE t (n int)", "INSERT INTO t SELECT generate_series(1, 3)")
    return resource


def said(resource: Resource, *statements: str) -> Any:
    """What its customer gets for the last of them."""
    found = Resource.objects.select_related("instance__server", "address").get(pk=resource.pk)
    at = subjects.database_of(found)
    assert at is not None
    with psycopg.connect(
        host=at.address, port=at.port, user=at.user, password=at.password, dbname=at.dbname, autocommit=True
    ) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else None


def built(resource: Resource) -> Resource:
    until(lambda: available(Resource, [resource]), f"{resource.name} is available", LONG_S)
    return Resource.objects.select_related("instance__timeline").get(pk=resource.pk)


def rows(resource: Resource) -> int:
    return said(resource, "SELECT count(*) FROM t")[0][0]


def test_a_follower_of_a_follower_shows_what_the_leader_writes_and_unfollowed_it_leads(shop: Resource) -> None:
    """Only real PostgreSQL streams through a cascade, and begins a timeline of its own in the middle of it."""
    follower = built(copies.follow(shop, actor="test"))
    second = built(copies.follow(follower, actor="test"))
    count = rows(shop)
    until(lambda: rows(second) == count, "the cascade has all of it")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        said(follower, "INSERT INTO t VALUES (0)")
    intent = intents.ask(second, "unfollow", actor="test")
    until(lambda: type(intent).objects.get(pk=intent.pk).state == "done", "unfollowed", LONG_S)
    said(second, "INSERT INTO t VALUES (99)")
    assert (rows(second), rows(shop), rows(follower)) == (count + 1, count, count)
    line = Resource.objects.get(pk=second.pk).instance.timeline
    assert (line.parent, line.forked_lsn != "") == (shop.instance.timeline, True)


def test_a_fork_to_now_is_copied_of_a_follower_and_has_all_that_was_written(shop: Resource) -> None:
    """Only a real copy of a running standby shows that it has the last commit of the leader."""
    follower = built(copies.follow(shop, actor="test"))
    until(lambda: copying.near(shop.instance.timeline, shop.instance), "its follower is seen to be near", LONG_S)
    said(shop, "INSERT INTO t VALUES (5)")
    fork = built(copies.fork(shop, actor="test"))
    told = Event.objects.get(subject=fork.instance.pk, verb="build").why
    followers = Resource.objects.filter(follows=shop, state="available").values_list("instance__name", flat=True)
    assert any(f"{name} and what follows" in told for name in followers), told
    said(fork, "INSERT INTO t VALUES (6)")
    assert (rows(fork), rows(follower)) == (rows(shop) + 1, rows(shop))
    line = fork.instance.timeline
    assert (line.parent, Timeline.objects.get(pk=line.pk).place != line.parent.place) == (shop.instance.timeline, True)


def test_back_to_a_moment_as_a_fork_and_then_in_place(shop: Resource) -> None:
    """Only real WAL, archived and read back, has a commit before a moment and another one after it."""
    before = rows(shop)
    moment = said(shop, "SELECT clock_timestamp()")[0][0].astimezone(UTC)
    time.sleep(1.1)  # moments are told to the second by some; the delete comes clearly after
    said(shop, "DELETE FROM t")
    fork = built(copies.fork(shop, actor="test", at=moment))
    assert (rows(fork), rows(shop)) == (before, 0)
    line = fork.instance.timeline
    until(lambda: Timeline.objects.get(pk=line.pk).facts.get("archive_last"), "it archives into its own line", LONG_S)
    assert line.place != shop.instance.timeline.place

    url = Resource.objects.get(pk=shop.pk).dbname
    copies.restore(Resource.objects.get(pk=shop.pk), actor="test", at=moment)
    moves = Changeover.objects.filter(resource=shop)
    until(lambda: moves.filter(state="done").exists(), "restored in place", LONG_S)
    assert (rows(shop), Resource.objects.get(pk=shop.pk).dbname) == (before, url)
    said(shop, "INSERT INTO t VALUES (7)")


def test_a_drill_proves_it_and_what_was_destroyed_comes_back(shop: Resource) -> None:
    """Only a real archive shows that its restore works, and that it outlives the database."""
    count = rows(shop)
    line = Resource.objects.get(pk=shop.pk).instance.timeline
    until(lambda: Backup.objects.filter(timeline=line, state="kept").exists(), "a base backup", LONG_S)
    intents.ask(line, "drill", actor="test")
    until(lambda: Resource.objects.get(pk=shop.pk).drilled, "drilled", LONG_S)
    told = Resource.objects.get(pk=shop.pk).drilled
    assert (told["good"], told["why"]) == (True, "")
    assert datetime.fromisoformat(told["newest"]) > shop.created_at
    for follower in Resource.objects.filter(follows=shop):
        intents.ask(follower, "destroy", actor="test", confirm=follower.name, reason="it was only a test")
        until(lambda one=follower: Resource.objects.get(pk=one.pk).state == "destroyed", "no follower is left", LONG_S)
    intents.ask(shop, "destroy", actor="test", confirm=shop.name, reason="it was only a test")
    until(lambda: Resource.objects.get(pk=shop.pk).state == "destroyed", "destroyed", LONG_S)
    copies.undelete(Resource.objects.get(pk=shop.pk), actor="test")
    built(shop)
    assert rows(shop) == count
