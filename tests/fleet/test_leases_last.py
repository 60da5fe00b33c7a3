"""No action outlasts its lease by its own time-outs: what it may spend at hosts, databases and providers between two
askings for its lease is less than it is held for."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from fleet import changing, checks, holding, policy, ring
from fleet.lifecycle import Because
from fleet.models import Changeover
from fleet.models.member import KINDS
from fleet.states import CANCELLED, DONE, NEEDS_HUMAN
from herdsite import beat
from tests.fakeherd import FakeHerd
from tests.herd import again
from tests.premiumworld import Premium, premium

pytestmark = pytest.mark.django_db
MEMBER_S = ("acting_until", "leased_until")


class Meter:
    """What the action that is under way may have spent since it last asked, and what it was given."""

    def __init__(self) -> None:
        self.member: Any = None
        self.action = ""
        self.spent, self.given = 0.0, 0.0
        self.acted: set[str] = set()
        self.over: list[str] = []

    def spend(self, seconds: float, what: str) -> None:
        # A thread beside the action has a time-out of its own, and writes nothing.
        if self.member is None or threading.current_thread() is not threading.main_thread():
            return
        self.spent += seconds
        if self.spent > self.given:
            self.over.append(f"{self.action}: {what}, {self.spent:g} s of {self.given:.1f} s")

    def begin(self) -> None:
        if self.member is None:
            return
        columns = [
            name for name in MEMBER_S if any(one.attname == name for one in KINDS[self.member.KIND]._meta.fields)
        ]
        with connection.cursor() as cursor:
            cursor.execute(
                f"""SELECT extract(epoch FROM greatest({", ".join(columns)}) - clock_timestamp())::float8
                    FROM {ring.table_of(self.member.KIND)} WHERE id = %s""",
                [self.member.pk],
            )
            self.given, self.spent = float(cursor.fetchone()[0] or 0), 0.0


class Metered:
    """A port, each of whose calls counts with the longest that it may take."""

    def __init__(self, port: Any, meter: Meter, seconds: dict[str, float], reach_s: float = 0.0) -> None:
        self._port, self._meter, self._seconds, self._reach_s = port, meter, seconds, reach_s

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in self._seconds:
            return found

        def call(*args: Any, **more: Any) -> Any:
            self._meter.spend(self._reach_s + more.get("timeout", self._seconds[name]), name)
            return found(*args, **more)

        return call


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Meter]:
    meter = Meter()
    act, right = beat._act, holding.right

    def acting(kind: str, thought: Any, ports: Any, vantage: str) -> Any:
        meter.member, meter.action = thought.loaded.member, thought.rule.then.name
        meter.acted.add(meter.action)
        meter.begin()
        try:
            return act(kind, thought, ports, vantage)
        finally:
            meter.member = None

    def asking(kind: str, id_: Any, lease: Any, *more: Any) -> Any:
        given = right(kind, id_, lease, *more)
        meter.begin()
        return given

    monkeypatch.setattr(beat, "_act", acting)
    monkeypatch.setattr(holding, "right", asking)
    yield meter
    assert not meter.over, "\n".join(meter.over)


@pytest.fixture
def world(meter: Meter) -> Premium:
    world = premium(FakeHerd())
    ports = world.herd.ports
    sql, provider = Metered(ports.sql, meter, {"fetch": 2.0}), ports.provider
    said = {"describe": policy.PROVIDER_TIMEOUT_S, "associate": policy.PROVIDER_TIMEOUT_S}
    world.herd.ports = type(ports)(
        shell=lambda host: Metered(ports.shell(host), meter, {"run": policy.CALL_S}, policy.REACH_S),
        sql=sql,
        provider=lambda name: Metered(provider(name), meter, said),
        host_key=ports.host_key,
    )
    return world


def run(world: Premium, reason: str, **more: Any) -> Changeover:
    changeover = changing.begin(world.resource, reason, Because(None, "to see it move", "anna"), **more)
    world.settle(lambda: again(changeover).state in (DONE, CANCELLED, NEEDS_HUMAN))
    return again(changeover)


def test_no_step_of_a_switchover_outlasts_its_lease(world: Premium, meter: Meter):
    assert run(world, Changeover.SWITCHOVER).state == DONE
    world.settle(world.whole)
    assert {"prepare", "fence", "promote", "repoint", "configure"} <= meter.acted


def test_no_step_that_is_rolled_back_outlasts_its_lease(world: Premium, meter: Meter):
    world.herd.refuses.add("halt")
    assert run(world, Changeover.SWITCHOVER).state == CANCELLED
    assert "roll_back" in meter.acted


def test_no_step_of_a_failover_outlasts_its_lease(world: Premium, meter: Meter):
    world.lose(world.leader)
    assert run(world, Changeover.FAILOVER).state == DONE
    world.bring_back(world.leader)
    world.herd.clusters[world.leader.data].runs = True
    world.settle(world.whole)
    assert "fence" in meter.acted


def test_a_lease_is_held_for_what_was_asked_for(world: Premium):
    row = world.leader
    claim = ring.claim(row.KIND, row.queue, 8, "here/1")
    before = holding.right(row.KIND, row.pk, claim.lease)
    after = holding.right(row.KIND, row.pk, claim.lease, 60.0)
    assert before.seconds < 60 < after.seconds
    assert holding.right(row.KIND, row.pk, claim.lease).seconds > 60


def test_a_check_fails_when_reaching_a_host_outlasts_the_lease(monkeypatch: pytest.MonkeyPatch):
    assert checks.actions() == []
    monkeypatch.setattr(policy, "REACH_S", policy.STEP_TIMEOUT_S)
    assert [one.id for one in checks.actions()] == ["herdsite.E020"]
