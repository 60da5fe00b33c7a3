"""A database gets another major version of PostgreSQL: on a server that has both, while the old leader waits untouched;
or all is as it was."""

from typing import Any

import pytest

from fleet import intents, policy, upgrading
from fleet.intents import AskError
from fleet.models import Changeover, Instance, Intent, Timeline
from fleet.postgres import scripts
from fleet.postgres.statements import statement
from fleet.states import CANCELLED, DESTROYED, DONE
from fleet.transports.base import Result, Row
from herdsite.turns import Turn
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, due
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db


class Herd(FakeHerd):
    """Where the owner of a database has closed it, as doors.sql says it."""

    closed = ""

    def fetch(self, *args: Any, **more: Any) -> list[list[Row]]:
        return [[row | {"closed": self.closed} for row in rows] for rows in super().fetch(*args, **more)]


@pytest.fixture
def world() -> Premium:
    herd = Herd()
    world = premium(herd)
    both = herd.machine(zone="c")
    change(both, pg=both.pg | {"18": "/eighteen/bin"})
    return world


def over(world: Premium) -> Changeover:
    changeovers = Changeover.objects.filter(resource=world.resource)
    world.settle(lambda: changeovers.filter(state__in=(DONE, CANCELLED)).exists(), rounds=80)
    for _ in range(3):
        world.round()
    return changeovers.get()


def test_it_leads_in_the_new_version_and_the_old_ones_go(world: Premium) -> None:
    intent = intents.ask(world.resource, "upgrade", actor="anna")
    assert over(world).state == DONE and again(intent).state == Intent.DONE
    resource = again(world.resource)
    leader = resource.instance
    assert (leader.major, leader.role, resource.major, leader.server.zone) == (18, Instance.LEADER, 18, "c")
    assert world.leads_to() == leader.server.name
    line = Timeline.objects.get(pk=leader.timeline_id)
    assert (line.major, line.timeline_id, line.parent, line.system_identifier) == (18, 1, world.leader.timeline, "")
    assert world.herd.begun[f"{leader.name}-upgrade-{resource.generation}"] == 1
    verbs = [verb for verb, _data in world.herd.did]
    assert verbs.index("halt") < verbs.index("lead") and "promote" not in verbs
    destroys = Intent.objects.filter(verb="destroy", subject__in=(world.leader.pk, world.standby.pk))
    assert destroys.count() == 2
    assert not Instance.objects.filter(upstream=leader, major=17).exists()


def test_nobody_starts_or_fences_what_is_being_upgraded(world: Premium) -> None:
    intents.ask(world.resource, "upgrade", actor="anna")
    world.settle(lambda: any(job.verb == "upgrade" for job in world.herd.jobs.values()))
    (changeover,) = Changeover.objects.filter(resource=world.resource)
    target = changeover.target
    world.herd.clusters[target.data].runs = False
    for _ in range(3):
        due(target)
        Turn(policy.WORK, world.herd.ports, "there/1").once(Instance.KIND, 8)
        assert (again(target).state, again(target).row) == ("available", 105)
    assert (changeover.state, world.herd.clusters[target.data].fenced) == ("promoting", 0)


@pytest.mark.parametrize(
    ("version", "program", "old"),
    [
        (150018, "postgres (PostgreSQL) 17.10 (Debian 17.10-1)", False),
        (150020, "postgres (PostgreSQL) 17.10", True),
        (150020, "postgres (PostgreSQL) 17.12", False),
        (160016, "postgres (PostgreSQL) 18.5", True),
        (170010, "postgres (PostgreSQL) 18.4", False),
        (None, "postgres (PostgreSQL) 17.10", False),
        (150020, "", False),
        (150020, "postgres (PostgreSQL) 19.0", False),
    ],
)
def test_a_release_that_is_older_than_the_old_ones_is_known(version: int | None, program: str, old: bool) -> None:
    assert bool(upgrading.too_old(version, program)) is old


def test_an_older_release_is_refused_before_anybody_is_stopped(world: Premium) -> None:
    world.herd.world.on(lambda ran: ran.argv[0] == "/eighteen/bin/postgres", Result(0, "18.1\n", "", 0.0))
    intent = intents.ask(world.resource, "upgrade", actor="anna")
    assert over(world).state == CANCELLED
    world.settle(lambda: again(intent).state == Intent.REFUSED)
    assert "18.1 is an older release than 17.10: update it first" in again(intent).answer
    assert "halt" not in [verb for verb, _data in world.herd.did]
    assert again(world.resource).instance == world.leader


def test_what_would_run_with_our_rights_is_refused_before_anybody_is_stopped(world: Premium) -> None:
    asks = statement("upgrade_runs", 17).encode()
    named = Result(0, "column g of table public.t\nindex public.i\n", "", 0.0)
    world.herd.world.on(lambda ran: scripts.AS_DEPUTY in ran.argv and asks in ran.stdin, named)
    intent = intents.ask(world.resource, "upgrade", actor="anna")
    assert over(world).state == CANCELLED
    world.settle(lambda: again(intent).state == Intent.REFUSED)
    assert "as the superuser: column g of table public.t, index public.i. Drop these" in again(intent).answer
    assert "halt" not in [verb for verb, _data in world.herd.did]


@pytest.mark.parametrize(("setting", "refused"), [("CONNECTION_LIMIT", False), ("ALLOW_CONNECTIONS", True)])
def test_what_its_owner_has_closed_is_upgraded_unless_pg_upgrade_can_not_enter_it(
    world: Premium, setting: str, refused: bool
) -> None:
    """Its deputy can't come in before it is stopped; the host asks the same once it is."""
    world.herd.world.on(lambda ran: scripts.AS_DEPUTY in ran.argv, Result(1, "", "The owner of shop has set that", 0.0))
    world.herd.closed = f"{world.resource.dbname}:{setting}"
    intent = intents.ask(world.resource, "upgrade", actor="anna")
    assert over(world).state == (CANCELLED if refused else DONE)
    world.settle(lambda: again(intent).state == (Intent.REFUSED if refused else Intent.DONE))
    assert ("ALLOW_CONNECTIONS true first" in again(intent).answer) is refused
    assert ("halt" in [verb for verb, _data in world.herd.did]) is not refused


def test_one_that_fails_leaves_all_as_it_was(world: Premium) -> None:
    world.herd.fails.add("upgrade")
    intent = intents.ask(world.resource, "upgrade", actor="anna")
    assert over(world).state == CANCELLED
    world.settle(lambda: again(intent).state == Intent.REFUSED)
    resource = again(world.resource)
    assert (resource.instance, resource.major) == (world.leader, 17)
    assert "no space left on device" in again(intent).answer
    assert world.herd.clusters[world.leader.data].runs and world.leads_to() == world.leader.server.name
    world.settle(world.whole)
    target = Changeover.objects.get(resource=world.resource).target
    world.settle(lambda: again(target).state == DESTROYED)


def test_what_stands_in_the_way_is_said_before_anything_begins(world: Premium) -> None:
    def refused(**more) -> str:
        with pytest.raises(AskError) as error:
            intents.ask(again(world.resource), "upgrade", actor="anna", params=more)
        return str(error.value)

    assert "there is 18" in refused(major=19)
    follower = factories.resource(instance=factories.instance(), follows=world.resource)
    assert follower.name in refused()
    change(follower, state=DESTROYED)
    shared = factories.resource(plan=factories.plan("starter-0"))
    with pytest.raises(AskError, match="shares its instance"):
        intents.ask(shared, "upgrade", actor="anna", params={"major": 18})
    asked = intents.ask(world.resource, "upgrade", actor="anna", key="once")
    assert intents.ask(world.resource, "upgrade", actor="anna", key="once") == asked
    with pytest.raises(AskError, match="belongs to another"):
        intents.ask(world.resource, "switchover", actor="anna", key="once")
