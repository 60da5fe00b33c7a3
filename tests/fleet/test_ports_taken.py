"""A port is asked of the host when an instance is built: what somebody else has there is never given to PostgreSQL."""

import socket
from dataclasses import replace
from datetime import timedelta

import pytest

from fleet import placement
from fleet.actions.fitness import LOST
from fleet.jobs import FAILED, Look
from fleet.listeners import CONTESTED
from fleet.models import Instance, Resource
from fleet.states import CREATING
from tests import factories
from tests.clusters import build, instance
from tests.fakeherd import FakeHerd
from tests.herd import again, change
from tests.localshell import LocalShell
from tests.premiumworld import Premium, premium

# As a kernel tells of who listens on 5432: everywhere, on 127.0.0.1, on ::1, and everywhere by IPv6 only.
ANYWHERE = ("00000000:1538", "0100007F:1538", f"{'0' * 24}01000000:1538", f"{'0' * 32}:1538")
NEXT = ("00000000:1539",)


class Contested(FakeHerd):
    """Whoever builds loses its port between the choice and the start."""

    def _probe(self, host: str, data: str, job: str) -> str:
        return super()._probe(host, data, job).replace("no space left on device", f"port 5432: {CONTESTED}")


def wanted(herd: FakeHerd, plan: str = "standard-0") -> Instance:
    herd.machine(zone="a")
    row = factories.resource(name="shop", instance=None, state=CREATING, plan=factories.plan(plan))
    return placement.place(row)


def rounds(herd: FakeHerd, many: int = 6) -> Premium:
    world = Premium(herd, Resource.objects.get(name="shop"), Instance.objects.first(), Instance.objects.first())
    for _ in range(many):
        world.round()
    return world


@pytest.mark.django_db
class TestBuilding:
    @pytest.mark.parametrize("listens", ANYWHERE)
    @pytest.mark.parametrize("plan", ["standard-0", "starter-0"])
    def test_another_port_is_taken_than_somebody_elses(self, listens: str, plan: str) -> None:
        herd = FakeHerd()
        one = wanted(herd, plan)
        herd.listens[one.server.name] = [listens, *NEXT]
        rounds(herd)
        assert (again(one).state, again(one).port) == ("available", 5434)
        assert [database.port for database in herd.asked][-1] == 5434

    def test_a_free_one_stays(self) -> None:
        herd = FakeHerd()
        one = wanted(herd)
        herd.listens[one.server.name] = ["00000000:0016", *NEXT]
        rounds(herd)
        assert (again(one).state, again(one).port) == ("available", 5432)

    def test_a_port_that_was_lost_between_the_choice_and_the_start_is_never_tried_again(self) -> None:
        herd = Contested()
        one = wanted(herd)
        herd.fails.add("build")
        change(one, state_since=one.created_at - timedelta(minutes=5), created_at=one.created_at - timedelta(minutes=5))
        rounds(herd, 12)
        assert again(one).port > 5433
        lost = [int(port) for port in again(one).attrs[LOST].split()]
        assert lost == list(range(5432, again(one).port))

    def test_what_fails_for_another_reason_keeps_its_port(self) -> None:
        herd = FakeHerd()
        one = wanted(herd)
        herd.fails.add("build")
        change(one, state_since=one.created_at - timedelta(minutes=5), created_at=one.created_at - timedelta(minutes=5))
        rounds(herd, 12)
        assert again(one).tries > 1
        assert again(one).port == 5432 and LOST not in again(one).attrs


@pytest.mark.django_db
class TestStandbys:
    """Where a stable address leads to, all have the same port."""

    def placed(self) -> tuple[Premium, Instance]:
        world = premium(FakeHerd())
        change(world.standby, state="destroyed", server=world.herd.machine(zone="c"))
        world.herd.machine(zone="d")
        standby = placement.place_standby(again(world.resource))
        return world, standby

    def test_a_standby_goes_to_another_server_where_its_leaders_port_is_taken(self) -> None:
        world, standby = self.placed()
        world.herd.listens[standby.server.name] = [ANYWHERE[0]]
        world.settle(lambda: again(standby).state == "available", 30)
        moved = Instance.objects.get(pk=standby.pk)
        assert moved.server_id != standby.server_id and moved.port == standby.port

    def test_where_there_is_no_other_server_it_is_said(self) -> None:
        world, standby = self.placed()
        for name in world.herd.provider.machines:
            world.herd.listens[name] = [ANYWHERE[1]]
        for _ in range(12):
            world.round()
        assert again(standby).state == "creating"
        assert f"Port {standby.port} of " in again(standby).problem

    def test_without_stable_addresses_it_gets_another_port(self) -> None:
        world, standby = self.placed()
        world.herd.provider.has_addresses = False
        world.herd.listens[standby.server.name] = [ANYWHERE[2]]
        world.settle(lambda: again(standby).state == "available", 30)
        assert again(standby).port != standby.port and again(standby).server_id == standby.server_id


def test_nothing_is_started_where_one_of_its_addresses_is_somebody_elses() -> None:
    shell = LocalShell()
    try:
        subject = instance(shell, 17, bind="*")
        with socket.create_server(("::1", subject.port), family=socket.AF_INET6):
            look = build(shell, subject)
            assert look.job == FAILED and CONTESTED in look.why
            assert not shell.processes()
        # What was begun goes on with another port.
        other = replace(subject, port=instance(shell, 17).port)
        assert build(shell, other, "again") == Look("done")
        assert shell.run(["sed", "-n", "4p", f"{other.data}/postmaster.pid"]).out == f"{other.port}\n"
    finally:
        shell.close()
