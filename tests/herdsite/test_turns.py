"""Turns round the rings, with threads and connections of their own: each beat once, and no fault ends a turn."""

import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from fleet import intents, policy, ring, workers
from fleet.models import Server, Worker
from fleet.states import AVAILABLE, DOWN, UNCERTAIN
from herdsite import turns
from herdsite.turns import Turn
from observations.models import Observation
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, due, expire, offer

HERE, THERE = "here/1", "there/2"
real = pytest.mark.django_db(transaction=True)


@pytest.fixture
def herd() -> FakeHerd:
    return FakeHerd()


@pytest.fixture(autouse=True)
def unhurried(monkeypatch) -> None:
    """A turn that nobody has asked to stop, and no long naps."""
    monkeypatch.setattr(turns, "_stopping", threading.Event())
    monkeypatch.setattr(turns, "AWAY_S", 0.01)
    monkeypatch.setattr(turns, "LONGEST_NAP_S", 0.01)


def servers(herd: FakeHerd, n: int) -> list[Server]:
    made = [herd.machine() for _ in range(n)]
    for one in made:
        due(one)
    return made


class StopsAfter:
    """Ports whose turn is asked to stop once so many looks were taken."""

    def __init__(self, herd: FakeHerd, looks: int):
        self.left, self.real, self.lock = looks, herd.ports.provider, threading.Lock()
        self.ports = replace(herd.ports, provider=self.provider)

    def provider(self, name: str) -> Any:
        with self.lock:
            self.left -= 1
            if self.left <= 0:
                turns.stop()
        return self.real(name)


@real
def test_a_turn_goes_round_until_it_is_asked_to_stop(herd: FakeHerd) -> None:
    many = servers(herd, 12)
    turn = Turn(policy.FEEL, StopsAfter(herd, 12).ports, HERE)
    assert turn.run(60) == 12
    assert (turn.beats, turn.errors) == (12, 0)
    assert {again(one).vantage for one in many} == {HERE}
    assert not Server.objects.filter(lease__isnull=False).exists()


@real
def test_a_turn_ends_with_its_budget(herd: FakeHerd) -> None:
    servers(herd, 2)
    assert Turn(policy.FEEL, herd.ports, HERE).run(0) == 0
    assert not Observation.objects.exists()


@real
def test_two_turns_at_once_do_each_beat_once(herd: FakeHerd) -> None:
    many = servers(herd, 24)
    start = threading.Barrier(2)

    def work(vantage: str) -> int:
        turn = Turn(policy.FEEL, herd.ports, vantage)
        try:
            start.wait()
            while turn.once("server", 3):
                pass
            return turn.beats
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(work, (HERE, THERE)))
    assert sum(done) == 24
    looks = Counter(Observation.objects.values_list("subject", flat=True))
    assert looks == {one.pk: 1 for one in many}


@real
def test_a_killed_postgres_is_confirmed_by_another_worker(herd: FakeHerd) -> None:
    offer()
    resource = factories.resource(instance=factories.instance(server=herd.machine()))
    instance = resource.instance
    herd.run(instance)
    herd.clusters[instance.data].runs = False
    change(instance.server, due_at=None)
    due(resource)
    Turn(policy.FEEL, herd.ports, HERE).once("resource")
    assert (again(resource).state, again(resource).vantage) == (UNCERTAIN, HERE)
    assert ring.claim("resource", policy.SUSPECT, 1, HERE).ids == []
    change(instance, state=DOWN)
    assert Turn(policy.SUSPECT, herd.ports, THERE).once("resource") == 1
    assert (again(resource).state, again(resource).row) == (DOWN, 313)


@real
@pytest.mark.parametrize("where", ["claim", "release"])
def test_a_turn_survives_that_the_database_goes_away(herd: FakeHerd, where: str, monkeypatch) -> None:
    """The server ends our session in the middle; what was claimed comes round again when its lease has run out."""
    many = servers(herd, 4)
    call, ended = getattr(ring, where), []

    def cut_off(*args: Any) -> Any:
        if not ended:
            ended.append(end_session())
            expire_later()
        return call(*args)

    def end_session() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pid = cursor.fetchone()[0]
        in_another_session("SELECT pg_terminate_backend(%s, 5000)", pid)
        return pid

    def expire_later() -> None:
        in_another_session("UPDATE fleet_server SET leased_until = now() - interval '1 s'")

    monkeypatch.setattr(ring, where, cut_off)
    assert Turn(policy.FEEL, StopsAfter(herd, 8 if where == "release" else 4).ports, HERE).run(60) == 4
    assert len(ended) == 1
    assert {again(one).vantage for one in many} == {HERE}
    assert Observation.objects.count() == 4


def in_another_session(sql: str, *params: Any) -> None:
    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


@pytest.mark.django_db
def test_a_database_that_stays_away_is_waited_for(herd: FakeHerd, monkeypatch) -> None:
    tried = []

    def away(*_args: Any) -> Any:
        tried.append(1)
        if len(tried) == 5:
            turns.stop()
        raise OperationalError("connection refused")

    monkeypatch.setattr(ring, "next_due", away)
    monkeypatch.setattr(turns.connections, "close_all", lambda: None)
    assert Turn(policy.FEEL, herd.ports, HERE).run(60) == 0
    assert len(tried) == 5


@pytest.mark.django_db
def test_a_beat_that_waited_too_long_for_its_thread_is_handed_back(herd: FakeHerd, monkeypatch) -> None:
    before = [again(one) for one in servers(herd, 3)]
    monkeypatch.setattr(policy, "LEASE_MARGIN_S", -1.0)
    turn = Turn(policy.FEEL, herd.ports, HERE)
    assert turn.once("server", 3) == 3
    assert (turn.beats, herd.world.ran) == (0, [])
    after = [again(one) for one in before]
    assert [(row.lease, row.felt_at, row.due_at) for row in after] == [(None, None, row.due_at) for row in before]


class Held(ThreadPoolExecutor):
    """Takes work and never begins it."""

    def submit(self, *_args: Any, **_given: Any) -> Future:
        return Future()


@pytest.mark.django_db
def test_an_instance_whose_host_is_asked_too_gets_a_longer_lease(herd: FakeHerd) -> None:
    plain, asked = (factories.instance(server=herd.machine()) for _ in range(2))
    intents.ask(asked, "restart", actor="anna")
    for one in (plain, asked):
        due(one)
    Turn(policy.FEEL, herd.ports, HERE)._claim_kind(Held(1), "instance", 2)
    longer = policy.lease("instance", AVAILABLE, job=True) - policy.lease("instance", AVAILABLE)
    difference = (again(asked).leased_until - again(plain).leased_until).total_seconds()
    assert difference >= longer > 0


@pytest.mark.django_db
def test_however_many_of_one_kind_are_due_they_keep_out_no_other(herd: FakeHerd) -> None:
    servers(herd, 9)
    one = factories.resource()
    due(one)
    change(one.instance, due_at=None)
    turn = Turn(policy.FEEL, herd.ports, HERE)
    for _round in turn.kinds:
        turn._claim(Held(1), capacity=3)
        turn._flying.clear()
    assert again(one).lease is not None


@pytest.mark.django_db
def test_a_worker_tells_of_itself(herd: FakeHerd, monkeypatch) -> None:
    monkeypatch.setattr(workers, "TELL_EVERY_S", 0.0)
    for round_ in (1, 2):
        servers(herd, 3)
        Turn(policy.FEEL, StopsAfter(herd, 3).ports, HERE).run(60)
        row = Worker.objects.get()
        assert (row.name, row.queue, row.beats, row.errors) == (HERE, policy.FEEL, 3 * round_, 0)
        assert row.rss_mb > 1
        turns._stopping.clear()


@pytest.mark.django_db
def test_what_django_q_runs(herd: FakeHerd, settings, monkeypatch) -> None:
    monkeypatch.setattr(turns.wiring, "ports", lambda: herd.ports)
    settings.TURN_BUDGET_S = 0.0
    assert turns.turn(policy.SLOW) == 0


@pytest.mark.django_db
def test_a_beat_goes_wrong_and_is_counted(herd: FakeHerd) -> None:
    one = factories.resource(instance=None, state="creating", queue=policy.WORK)
    due(one)
    turn = Turn(policy.WORK, herd.ports, HERE)
    turn.once("resource")
    assert (turn.beats, turn.errors) == (1, 1)
    expire(one)
    assert turn.once("resource", 5) == 1


@real
def test_an_action_that_hangs_in_its_thread_holds_up_nobody_else(herd) -> None:
    slow, quick = servers(herd, 2)
    change(slow, state="creating", queue=policy.WORK)
    change(quick, state="creating", queue=policy.WORK)
    asked, may_end = threading.Event(), threading.Event()
    real_provider = herd.provider

    class Hanging:
        def __getattr__(self, name):
            return getattr(real_provider, name)

        def start(self, name):
            if name == slow.name:
                asked.set()
                assert may_end.wait(20)
            real_provider.start(name)

    for one in (slow, quick):
        real_provider.stop(one.name)
    ports = replace(herd.ports, provider=lambda _name: Hanging())
    with ThreadPoolExecutor(2) as actors:
        turn = Turn(policy.WORK, ports, HERE, kinds=("server",), actors=actors)
        runner = threading.Thread(target=lambda: (turn.run(20), connections.close_all()))
        runner.start()
        try:
            assert asked.wait(10)
            deadline = threading.Event()
            for _ in range(200):
                if again(quick).state == AVAILABLE:
                    break
                deadline.wait(0.05)
            assert again(quick).state == AVAILABLE
            assert again(slow).state == "creating"
        finally:
            turns.stop()
            may_end.set()
            runner.join()
        for _ in range(2):
            actors.submit(connections.close_all).result()
