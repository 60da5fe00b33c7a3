"""Large troubles through whole beats, over a herd without a wire: a dead server with forty databases on it calls one
person, and a zone that goes dark calls one and has nothing done to it until somebody lets go of the brake."""

import pytest

from fleet.models import Credential, Instance, Resource, Server
from fleet.postgres.config import MONITOR
from fleet.providers.base import RUNNING, STOPPED
from fleet.subject import KINDS
from fleet.transports.base import Unreachable
from herdsite.turns import Turn
from incidents import brake, work
from incidents.models import Incident
from incidents.telling import Silent
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import expire
from tests.incidents.scenes import pass_time

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
PLACES = ("here/1", "there/1")


class Sky:
    """A herd, those who look at it, and whom they tell."""

    def __init__(self) -> None:
        self.herd, self.telling = FakeHerd(), Silent()

    def server(self, name: str, zone: str, databases: int = 1, each: int = 1) -> Server:
        """A server with so many databases on it, `each` to an instance."""
        server = self.herd.machine(name=name, zone=zone, attrs={"boot_id": "boot-0"})
        for _n in range(databases // each):
            instance = factories.instance(server=server, attrs={"boot_id": "boot-0"})
            Credential.objects.create(purpose=Credential.MONITOR, instance=instance, role=MONITOR, secret="watching")
            for _resource in range(each):
                factories.resource(instance=instance)
            self.herd.run(instance)
        return server

    def dies(self, server: Server) -> None:
        """Its machine is off: nothing on it answers anybody."""
        self.herd.provider._set(server.name, STOPPED)
        self.herd.world.fail(server.name, Unreachable(f"{server.name}: no answer"))
        self.herd.silent |= {self.herd.place(one) for one in server.instances.select_related("server")}

    def beats(self, rounds: int) -> None:
        """Everything is looked at by one worker of each place, and every incident has its beat, so many times."""
        for n in range(rounds):
            for queue in ("feel", "suspect"):
                expire()
                for kind in KINDS:
                    Turn(queue, self.herd.ports, PLACES[n % 2]).once(kind, 200)
            Incident.objects.filter(due_at__isnull=False).update(due_at="2000-01-01T00:00Z")
            work.go_round(self.herd.ports, PLACES[n % 2], self.telling, 200)

    @property
    def pages(self) -> list[str]:
        return [name for what, name, _more in self.telling.told if what == "page"]

    def running(self) -> set[str]:
        return {name for name, machine in self.herd.provider.machines.items() if machine.state == RUNNING}


@pytest.fixture
def sky() -> Sky:
    return Sky()


def test_forty_databases_on_a_dead_server_are_one_page(sky: Sky) -> None:
    dead = sky.server("dead", "a", databases=40, each=10)
    for n in range(3):
        sky.server(f"well-{n}", "a")
    sky.dies(dead)
    # Its provider has lost it altogether: no playbook can help.
    del sky.herd.provider.machines[dead.name]
    sky.beats(8)
    on_it = Resource.objects.filter(instance__server=dead)
    assert on_it.count() == 40 and set(on_it.values_list("state", flat=True)) == {"down"}
    assert set(Instance.objects.filter(server=dead).values_list("state", flat=True)) == {"down"}
    parent = Incident.objects.get(cause=None)
    assert (parent.type, parent.state, sky.pages) == ("server_down", "needs_human", [parent.name])
    assert {(one.cause_id, one.state) for one in Incident.objects.exclude(pk=parent.pk)} == {(parent.pk, "waiting")}


def test_a_zone_that_goes_dark_is_one_page_and_is_left_alone_until_somebody_lets_go(sky: Sky) -> None:
    dark = [sky.server(f"dark-{n}", "a") for n in range(2)]
    lit = {sky.server(f"lit-{n}", "b").name for n in range(3)}
    for server in dark:
        sky.dies(server)
    sky.beats(6)
    storm = Incident.objects.get(type="storm")
    assert (storm.state, storm.evidence["scope"], sky.pages) == ("needs_human", "zone/a", [storm.name])
    assert Incident.objects.filter(cause=None).get() == storm
    assert sky.running() == lit and brake.holds("zone/a")
    for incident in Incident.objects.exclude(pk=storm.pk):
        pass_time(incident, 86_400)
    sky.beats(2)
    assert sky.running() == lit and sky.pages == [storm.name]

    brake.release("zone/a", 3600, "ada", "the switch has been replaced")
    sky.beats(2)
    for incident in Incident.objects.filter(type="server_down"):
        pass_time(incident, 60)
    sky.beats(8)
    assert sky.running() == lit | {server.name for server in dark}
    for server in dark:
        sky.herd.world.heal(server.name)
    sky.herd.silent.clear()
    sky.beats(4)
    assert {one.state for model in (Server, Instance, Resource) for one in model.objects.all()} == {"available"}
    assert sky.pages == [storm.name]
    for incident in Incident.objects.exclude(state="resolved"):
        pass_time(incident, 60)
    sky.beats(4)
    assert set(Incident.objects.values_list("state", flat=True)) == {"resolved"}
