"""Held connections: a break or a silence is one hint, and nothing else."""

import os
import socket
import threading
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from django.db import connection

from fleet.models import Credential
from fleet.transports.base import Database, Unreachable
from herdsite import hints
from herdsite.hints import Hints, Line
from tests import factories
from tests.herd import again, change, offer

AT = Database("127.0.0.1", 5432, "postgres", "watch", "secret")


@dataclass
class Wire:
    """A connection of this test's: answers at once, stays silent, or breaks, as it is told."""

    silent: bool = False
    broken: bool = False
    silent_s: float = 0.0
    asked: int = 0
    ends: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)

    @property
    def socket(self) -> int:
        return self.ends[0].fileno()

    def ping(self) -> None:
        self.asked += 1
        if self.broken:
            raise Unreachable("broken")
        self.silent_s = 9.0 if self.silent else 0.0

    def hear(self) -> None:
        if self.broken:
            raise Unreachable("broken")

    def close(self) -> None:
        for end in self.ends:
            end.close()


def clock() -> float:
    """The database's clock (epoch, s)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        return cursor.fetchone()[0]


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def held(wire: Wire) -> Hints:
    one = Hints(hold=lambda _database, _timeout: wire)
    line = Line(uuid4(), uuid4(), AT)
    one.lines[line.instance] = line
    return one


def test_what_answers_is_no_hint(held: Hints, wire: Wire) -> None:
    assert held.round(0) == []
    assert wire.asked == 1


def test_what_breaks_is_hinted_at_once_and_connected_again(held: Hints, wire: Wire, monkeypatch) -> None:
    held.round(0)
    wire.broken = True
    os.write(wire.ends[1].fileno(), b"x")
    (line,) = held.round(0)
    assert line.held is None
    monkeypatch.setattr(hints, "AGAIN_S", 0.0)
    wire.broken, wire.ends = False, socket.socketpair()
    assert held.round(0) == []
    assert line.held is wire


def test_a_silence_is_one_hint_and_the_next_silence_another(held: Hints, wire: Wire, monkeypatch) -> None:
    monkeypatch.setattr(hints, "PING_S", 0.0)
    wire.silent = True
    assert len(held.round(0)) == 1
    assert held.round(0) == []
    wire.silent = False
    assert held.round(0) == []
    wire.silent = True
    assert len(held.round(0)) == 1


def test_what_cant_be_connected_is_no_hint(wire: Wire) -> None:
    def refuses(_database, _timeout):
        raise Unreachable("refused")

    one = Hints(hold=refuses)
    line = Line(uuid4(), uuid4(), AT)
    one.lines[line.instance] = line
    assert one.round(0) == []


@pytest.mark.django_db
def test_leaders_with_high_availability_and_their_standbys_are_held_and_no_others() -> None:
    premium, standard = factories.plan("premium-0"), factories.plan("standard-0")

    def member(plan, address, **more):
        instance = factories.instance(plan=plan, server=factories.server(address=address), **more)
        Credential.objects.create(purpose=Credential.MONITOR, instance=instance, role="watch", secret="x")
        return instance

    leader, alone = member(premium, "127.0.0.9"), member(standard, "127.0.0.8")
    resource = factories.resource(instance=leader, plan=premium)
    factories.resource(instance=alone, plan=standard)
    standby = member(premium, "127.0.0.7", role="standby", upstream=leader, standby_for=resource)
    member(premium, "127.0.0.6", role="standby", upstream=leader, standby_for=resource, state="down")
    found = hints.members()
    assert {line.database.address: line.upstream for line in found.values()} == {
        "127.0.0.9": None,
        "127.0.0.7": leader.pk,
    }
    assert found[standby.pk].resource == resource.pk


@pytest.mark.django_db
def test_a_silence_counts_for_the_doubt_window_and_the_clocks_own_absence_does_not(wire: Wire) -> None:
    leader = factories.instance()
    for silent_s, counts_s in ((0.4, 0.4), (900.0, hints.COUNTED_S)):
        wire.silent_s = silent_s
        change(leader, evidence={})
        hints.hint(Line(leader.pk, uuid4(), AT, held=wire))
        assert clock() - again(leader).evidence["since"] == pytest.approx(counts_s, abs=0.2)


@pytest.mark.django_db
def test_a_doubt_that_is_there_keeps_its_beginning(wire: Wire) -> None:
    leader = factories.instance(evidence={"since": 12.0, "sql": {}})
    hints.hint(Line(leader.pk, uuid4(), AT, held=wire))
    assert again(leader).evidence == {"since": 12.0, "sql": {}}


@pytest.mark.django_db
def test_a_standby_that_breaks_has_its_leader_looked_at_too(monkeypatch) -> None:
    nudged: list[tuple[str, list[object]]] = []
    monkeypatch.setattr(hints.ring, "nudge", lambda kind, ids: nudged.append((kind, ids)))
    standby, leader = uuid4(), uuid4()
    hints.hint(Line(standby, uuid4(), AT, upstream=leader))
    assert nudged == [("instance", [standby, leader])]


@pytest.mark.django_db
def test_whom_to_hold_is_asked_anew(wire: Wire) -> None:
    one = Hints(hold=lambda _database, _timeout: wire)
    gone = Line(uuid4(), uuid4(), AT, held=wire)
    one.lines[gone.instance] = gone
    one.refresh()
    assert one.lines == {} and gone.held is None


@pytest.mark.django_db(transaction=True)
def test_listening_nudges_what_it_hints_at(monkeypatch) -> None:
    nudged, stop = [], threading.Event()
    offer()
    resource = factories.resource()
    line = Line(uuid4(), resource.pk, AT)
    moving = Line(uuid4(), factories.resource(state="changing_over").pk, AT)

    def rounds(_self, _wait_s):
        stop.set()
        return [line, moving]

    monkeypatch.setattr(Hints, "round", rounds)
    monkeypatch.setattr(hints, "members", lambda: {line.instance: line})
    monkeypatch.setattr(hints.ring, "nudge", lambda kind, ids: nudged.append((kind, ids)))
    hints.listen(stop)
    assert nudged == [("instance", [line.instance]), ("resource", [line.resource])]
