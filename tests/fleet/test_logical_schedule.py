"""When a logical backup is due, how many stay, and what the tables make of it. No servers."""

from datetime import UTC, datetime, timedelta

import pytest

from fleet import context, logical, ring, under_way
from fleet.facts import Facts
from fleet.logical.schedule import PROMISES, due, over
from fleet.models import Backup, Intent
from fleet.progress import Progress
from fleet.rules import think
from fleet.states import AVAILABLE, CREATING, DESTROYED, KEPT
from fleet.subject import Subject
from fleet.think import LIFE
from tests import factories
from tests.herd import again, change

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIERS = sorted(PROMISES)


@pytest.mark.parametrize("tier", TIERS)
def test_the_first_comes_an_hour_after_the_database(tier: str) -> None:
    assert not due(PROMISES[tier], NOW, NOW - 0.9 * HOUR, None)
    assert due(PROMISES[tier], NOW, NOW - HOUR, None)


@pytest.mark.parametrize("tier", TIERS)
def test_later_ones_come_when_they_were_planned(tier: str) -> None:
    made = NOW - 100 * HOUR
    assert not due(PROMISES[tier], NOW, made, NOW.timestamp() + 1)
    assert due(PROMISES[tier], NOW, made, NOW.timestamp())


def test_what_is_promised() -> None:
    assert {tier: one.keep for tier, one in PROMISES.items()} == {"production": 7, "starter": 2}
    assert {one.every for one in PROMISES.values()} == {timedelta(days=1)}


def test_what_was_asked_for_and_what_is_left_of_the_dead_goes_in_its_time() -> None:
    promise = PROMISES["production"]
    assert not over(promise, NOW, None, None)
    assert over(promise, NOW, NOW, None)
    assert not over(promise, NOW, NOW + HOUR, None)
    assert over(promise, NOW, None, NOW - promise.gone)
    assert not over(promise, NOW, None, NOW - promise.gone + HOUR)


# On rows.


def taken(resource, n: int = 0, **fields) -> Backup:
    """One that lies in the storage since `n` days ago."""
    backup = logical.begin(resource, NOW)
    at = NOW - timedelta(days=n)
    change(backup, **({"state": KEPT, "bytes": 10, "began_at": at, "ended_at": at} | fields))
    return again(backup)


@pytest.fixture
def confirmed(monkeypatch):
    """`kept` for a job that ended well, of a backup that lies there."""

    def confirm(backup: Backup):
        monkeypatch.setattr(logical.taking, "_said", lambda *_args: {"began": "100", "ended": "110", "bytes": "10"})
        monkeypatch.setattr(logical.storage.Disk, "complete", lambda *_args: True)
        return logical.kept(backup, None)

    return confirm


@pytest.mark.django_db
@pytest.mark.parametrize(("plan", "keep"), [("standard-0", 7), ("starter-0", 2)])
def test_the_oldest_goes_when_enough_newer_are_kept(plan: str, keep: int, confirmed) -> None:
    shop = factories.resource(plan=factories.plan(plan))
    old = [taken(shop, n) for n in range(1, keep + 1)]
    asked = taken(shop, 90, keep_until=NOW + timedelta(days=900))
    newest = logical.begin(shop, NOW)
    assert not any(logical.is_over(again(one), NOW) for one in old)
    assert confirmed(newest) == (100.0, 110.0, 10, "", "")
    later = newest.created_at + timedelta(minutes=1)
    assert [logical.is_over(again(one), later) for one in old] == [False] * (keep - 1) + [True]
    assert not logical.is_over(asked, later)


@pytest.mark.django_db
def test_one_that_was_asked_for_neither_moves_the_plan_nor_pushes_others_out(confirmed) -> None:
    shop = factories.resource(plan=factories.plan("starter-0"))
    old = [taken(shop, n) for n in (1, 2)]
    planned = again(shop).attrs["dump_planned"]
    intent = Intent.objects.create(kind="resource", subject=shop.pk, name=shop.name, verb="dump", actor="ada")
    backup = logical.begin(shop, NOW, intent)
    assert logical.begin(shop, NOW, intent).pk == backup.pk
    assert backup.keep_until == NOW + timedelta(days=30)
    confirmed(backup)
    assert again(shop).attrs["dump_planned"] == planned
    assert [again(one).keep_until for one in old] == [None, None]


@pytest.mark.django_db
def test_a_failed_one_is_tried_again_in_an_hour_and_a_good_one_in_a_day(confirmed) -> None:
    shop = factories.resource()
    backup = logical.begin(shop, NOW)
    assert float(again(shop).attrs["dump_planned"]) == (NOW + HOUR).timestamp()
    change(shop, attrs={"dump_planned": "1", "other": "stays"})
    confirmed(again(backup))
    assert again(shop).attrs == {"dump_planned": f"{100 + 86_400}", "other": "stays"}


@pytest.mark.django_db
def test_one_at_a_time_of_what_shares_an_instance() -> None:
    one = factories.resource(plan=factories.plan("starter-0"))
    other = factories.resource(plan=one.plan, instance=one.instance)
    apart = factories.resource(plan=one.plan)
    later = apart.created_at + 2 * HOUR
    backup = logical.begin(one, later)
    assert [logical.is_due(each, later) for each in (other, apart)] == [False, True]
    change(backup, state=KEPT)
    assert logical.is_due(other, later)
    other.follows = one
    assert not logical.is_due(other, later)


@pytest.mark.django_db
def test_what_is_left_of_a_database_that_is_gone_goes_a_month_later() -> None:
    shop = factories.resource()
    backup = taken(shop)
    change(shop, state=DESTROYED, state_since=NOW - timedelta(days=29))
    assert not logical.is_over(again(backup), NOW)
    assert logical.is_over(again(backup), NOW + timedelta(days=2))


@pytest.mark.django_db
def test_how_far_it_is_by_the_size_that_is_foreseen() -> None:
    shop = factories.resource(facts={"db_size_bytes": "4000"})
    first = logical.begin(shop, NOW)
    assert under_way.backup(first) is None
    felt = {"taken_what": "dumping", "taken_bytes": "1000", "taken_s": "4"}
    change(first, state="uploading", facts=felt)
    assert under_way.backup(again(first)) == Progress("dumping", 1000, 4000, 250.0, 12.0, 4.0)
    change(first, facts=felt | {"taken_bytes": "5000"})
    assert under_way.backup(again(first)) == Progress("dumping", 5000, None, 1250.0, None, 4.0)
    change(first, state=KEPT, bytes=500, ended_at=NOW)
    assert under_way.backup(again(first)) is None
    second = logical.begin(shop, NOW)
    change(second, facts=felt | {"taken_bytes": "100"})
    assert under_way.backup(again(second)).of_bytes == 500


# What the tables say.


def row(state: str = AVAILABLE, **facts) -> int:
    known = {"service_available": True, "instance_state": "available", "changeover": "none", "dump_due": False}
    known |= {"standbys_missing": 0, "standbys_idle": 0, "address_missing": False, "asked_s": 1.0}
    return think(LIFE["resource"], state, Facts(NOW, known | facts)).row


def test_the_rows_of_a_load() -> None:
    assert row(asked="load", job="none") == 153
    assert row(asked="load", job="running") == 901
    assert row(asked="load", job="running", leaves_out=2, load_told=False) == 154
    assert row(asked="load", job="running", leaves_out=2, load_told=True) == 901
    assert row(asked="load", job="running", leaves_out=0, load_told=False) == 901
    assert row(asked="load", job="running", service_available=False) == 301
    assert row(asked="load", job="done") == 155
    assert row(asked="load", job="failed") == 159
    assert row(asked="load", job="lost") == 157
    assert row(asked="load", job="lost", asked_s=90_000.0) == 159
    assert row(asked="load") == 901, "nobody knows how the job is"
    assert row(CREATING, asked="load") == 161


def test_the_rows_of_a_trial_load() -> None:
    def of(**facts) -> int:
        return think(LIFE["backup"], KEPT, Facts(NOW, {"instance_state": "available", "due_out": False} | facts)).row

    assert of(trial_due=True, trying=False) == 317
    assert of(trying=True, job="none") == 311
    assert of(trying=True, job="running", trial_due=True) == 315
    assert of(trying=True) == 315, "nobody knows how the job is"
    assert [of(trying=True, job=job) for job in ("done", "failed", "lost")] == [313, 313, 313]
    assert of(trying=True, job="running", due_out=True) == 315, "it is not taken away under its trial"
    assert of(trying=False, due_out=True) == 301


def test_the_rows_of_a_dump() -> None:
    assert row(asked="dump") == 151
    assert row(dump_due=True) == 521
    assert row(dump_due=True, instance_state="uncertain") == 901
    assert row(CREATING, asked="dump") == 161


@pytest.mark.django_db
def test_a_load_looks_at_its_job_on_the_host() -> None:
    server = factories.server(address="127.20.0.1", host_key="ssh-ed25519 AAAA", home="/srv/herdsite")
    shop = factories.resource(name="shop", instance=factories.instance(server=server))
    assert _subject(shop).host is None
    intent = Intent.objects.create(kind="resource", subject=shop.pk, name="shop", verb="load", actor="ada")
    subject = _subject(shop)
    assert (subject.host, subject.home) == (server.host(), "/srv/herdsite")
    assert subject.job == f"shop-load-{intent.pk.hex[:8]}"


def _subject(member) -> Subject:
    return context.load_one(again(member), "here/1", ring.Claim(member.pk, [member.pk], NOW)).subject
