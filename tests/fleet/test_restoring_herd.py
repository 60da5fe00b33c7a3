"""Timelines as beats keep them, on real PostgreSQL and each of the archives: base backups, drills, holes that are found
and healed, and what is left of what failed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from fleet import archiving, copies, intents
from fleet.intents import AskError
from fleet.models import MEMBERS, Backup, Event, Intent, Resource, Timeline
from fleet.ports import Ports
from fleet.providers.fake import FakeProvider
from fleet.transports.sql import PsycopgSql
from herdsite.turns import Turn
from incidents.models import Incident
from tests import factories
from tests.archived import Leader, Rig
from tests.contracts.archive_rigs import RIGS
from tests.herd import again, change, due
from tests.localhosts import until

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]


@dataclass
class World:
    """A leader that archives, and the rows that say so."""

    leader: Leader
    timeline: Timeline
    resource: Resource
    ports: Ports

    def beats(self, kind: str, done: Callable[[], object]) -> None:
        """Beats of all of a kind, until that holds."""

        def once() -> object:
            for one in MEMBERS[kind].objects.filter(due_at__isnull=False):
                due(one)
                Turn(one.queue, self.ports, "here/1", (kind,)).once(kind)
            return done()

        until(once, f"beats of the {kind}")

    def backed_up(self) -> Backup:
        """The newest base backup, once it has come to its end."""
        backup = Backup.objects.filter(timeline=self.timeline).latest("created_at")
        self.beats("backup", lambda: again(backup).state in ("kept", "failed"))
        return again(backup)

    @property
    def facts(self) -> dict[str, str | None]:
        return again(self.timeline).facts


@pytest.fixture(scope="module", params=RIGS)
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with RIGS[request.param]() as rig:
        yield rig


@pytest.fixture
def world(rig: Rig, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    name = f"w{abs(hash(request.node.name)) % 10**6}"
    leader = rig.leader(name)
    leader.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
    monkeypatch.setattr(archiving, "archive", lambda _name: rig.archive)
    subject, plan = leader.subject, factories.plan()
    server = factories.server(
        home=subject.home, pg={str(rig.major): subject.bin}, address="127.0.0.1", host_key="ssh-ed25519 AAAA"
    )
    timeline = factories.timeline(
        name=f"{name}-line", archive="held", place=name, plan=plan, writer=str(subject.id), major=rig.major
    )
    instance = factories.instance(
        id=subject.id, name=name, server=server, timeline=timeline, port=subject.port, major=rig.major
    )
    resource = factories.resource(instance=instance, dbname="postgres", major=rig.major)
    change(timeline, resource=resource)
    provider = FakeProvider()
    ports = Ports(lambda _host: rig.shell, PsycopgSql(), lambda _name: provider, lambda _address, _port: "")
    yield World(leader, again(timeline), resource, ports)
    leader.stop()


def test_it_gets_its_place_and_a_base_backup_that_a_drill_proves(world: World) -> None:
    leader, timeline = world.leader, world.timeline
    world.beats("timeline", lambda: Backup.objects.filter(timeline=timeline).exists())
    backup = world.backed_up()
    assert (backup.state, again(timeline).attrs["prepared"]) == ("kept", "true"), backup.problem
    leader.sql("INSERT INTO t VALUES (1001)")
    leader.archived()
    asked = intents.ask(timeline, "drill", actor="ada")
    world.beats("timeline", lambda: again(world.resource).drilled)
    told = again(world.resource).drilled
    assert told["good"], told
    assert (told["tables"], told["bytes"] > 2**20) == (1, True)
    assert again(asked).state == Intent.DONE
    assert not (leader.rig.shell.home / "drills").exists() or not list((leader.rig.shell.home / "drills").iterdir())


def test_what_is_written_while_a_backup_is_taken_is_missed_by_no_drill(world: World) -> None:
    world.beats("timeline", lambda: Backup.objects.filter(timeline=world.timeline).exists())
    backup = Backup.objects.filter(timeline=world.timeline).latest("created_at")
    world.beats("backup", lambda: again(backup).state != "started")
    job = world.leader.rig.shell.home / "jobs" / f"{backup.name}-take"
    until(lambda: (job / "code").exists() or again(backup).state == "kept", "its job has ended")
    # It is in no base backup, and stays in a segment that is not archived yet.
    world.leader.sql("INSERT INTO t VALUES (1001)")
    assert world.backed_up().state == "kept"
    intents.ask(world.timeline, "drill", actor="ada")
    world.beats("timeline", lambda: again(world.resource).drilled)
    told = again(world.resource).drilled
    assert (told["good"], told["tables"]) == (True, 1), told


def test_a_drill_misses_rows_that_the_backup_had(world: World) -> None:
    world.beats("timeline", lambda: Backup.objects.filter(timeline=world.timeline).exists())
    backup = world.backed_up()
    rows = backup.attrs["rows"] or ""
    change(backup, attrs=backup.attrs | {"rows": rows.replace("1000]", "2000]")})
    intents.ask(world.timeline, "drill", actor="ada")
    world.beats("timeline", lambda: again(world.resource).drilled)
    assert "t has 1000 rows; it had 2000" in again(world.resource).drilled["why"]


def test_a_hole_is_found_told_and_healed(world: World) -> None:
    leader, rig, timeline = world.leader, world.leader.rig, world.timeline
    world.beats("timeline", lambda: Backup.objects.filter(timeline=timeline).exists())
    assert world.backed_up().state == "kept"
    names = []
    for n in range(3):
        leader.sql(f"INSERT INTO t VALUES ({2000 + n})")
        names.append(leader.archived())
    world.beats("timeline", lambda: world.facts.get("archive_last") == names[-1])
    assert world.facts["archive_missing"] == ""
    rig.stored(leader.line, names[1]).unlink()
    world.beats("timeline", lambda: world.facts.get("archive_missing"))
    assert world.facts["archive_missing"] == f"{names[1]}-{names[1]}"
    world.beats("timeline", lambda: _gap(timeline) is not None)
    now = datetime.now(UTC)
    with pytest.raises(AskError, match=f"misses {names[1]}-{names[1]}: what was written"):
        copies.fork(world.resource, actor="ada", at=now)
    intents.ask(timeline, "backup", actor="ada")
    world.beats("timeline", lambda: Backup.objects.filter(timeline=timeline).count() == 2)
    healing = world.backed_up()
    assert healing.state == "kept"
    world.beats("timeline", lambda: world.facts.get("archive_missing") == "")
    assert names[1] in (world.facts["archive_holes"] or "")
    assert copies.origin(again(world.resource), None)["from_backup"] == str(healing.pk)


def _gap(timeline: Timeline) -> Any:
    return Incident.objects.filter(subject=timeline.pk, type="archive_gap").first()


def test_a_base_backup_that_failed_for_good_leaves_nothing_on_its_host(world: World) -> None:
    rig = world.leader.rig
    world.beats("timeline", lambda: Backup.objects.filter(timeline=world.timeline).exists())
    world.leader.stop()
    backup = Backup.objects.get(timeline=world.timeline)

    def failed() -> bool:
        # The pauses between its tries are over.
        change(backup, state_since=Now() - timedelta(minutes=1))
        return again(backup).state == "failed"

    world.beats("backup", failed)
    assert "three times" in Event.objects.get(subject=backup.pk, verb="fail").why
    assert not (rig.shell.home / "jobs" / f"{backup.name}-take").exists()
    assert rig.look(world.leader.line)[1] == []
    # The directory keeps half a backup under its name otherwise.
    assert not list(rig.shell.home.rglob(backup.label))
