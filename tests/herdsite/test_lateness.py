"""Whoever is late passes no verdict: looks of a process that was late, a herd that starts, a starved machine."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from fleet import policy
from fleet.models import ControlPlane, Instance, Worker
from fleet.states import DOWN, UNCERTAIN
from herdsite import beat, pulse
from incidents import ourselves
from incidents.models import Incident
from observations.record import Look
from tests.fakeherd import FakeHerd
from tests.herd import again, change
from tests.premiumworld import Premium, premium

SILENT = {"service_available": "false", "service_why": "no answer in time", "ssh": "false", "load1": "3"}


def look(took_s: float) -> Look:
    return Look("instance", uuid4(), datetime.now(UTC), took_s * 1000, False, dict(SILENT), {})


def test_silence_that_a_late_process_met_is_not_known() -> None:
    told = beat.unheard(look(1.4), late_s=policy.LATE_LOOK_S)
    assert (told.attrs["service_available"], told.attrs["ssh"], told.attrs["load1"]) == (None, None, "3")
    assert "0.5 s late" in str(told.attrs["look_failed"])


def test_what_was_refused_at_once_was_heard_by_a_late_process_too() -> None:
    refused = look(0.01)
    assert beat.unheard(refused, late_s=9.0) == refused


def test_silence_that_a_process_met_in_time_counts() -> None:
    silent = look(1.4)
    assert beat.unheard(silent, late_s=policy.LATE_LOOK_S / 2) == silent


def test_a_pulse_knows_how_late_it_was_since_a_moment(monkeypatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(pulse.time, "monotonic", lambda: clock[0])
    delays = iter((0.0, 2.0, 0.25))

    def rest(seconds: float) -> None:
        clock[0] += seconds + next(delays)

    one = pulse.Pulse()
    monkeypatch.setattr(one._never, "wait", rest)
    one.beat()
    one.beat()
    before = clock[0]
    one.beat()
    assert one.late_s(100.0) == pytest.approx(2.0)
    assert one.late_s(before + 0.01) == pytest.approx(0.25)
    clock[0] += 5.0
    assert one.late_s(clock[0] - 1.0) == pytest.approx(5.0 - pulse.TICK_S), "the tick that is due now counts"


@pytest.fixture
def world(db) -> Premium:
    return premium(FakeHerd())


def frozen(world: Premium, seconds: float) -> None:
    """Its leader's host does not answer, and each look takes that long."""
    world.lose(world.leader, known=False)
    real = beat.feel

    def slow(subject, ports):
        return replace(real(subject, ports), took_ms=seconds * 1000)

    beat.feel = slow


@pytest.fixture(autouse=True)
def restored():
    real = beat.feel
    yield
    beat.feel = real


@pytest.mark.parametrize(("late_s", "state"), [(0.0, {UNCERTAIN, DOWN}), (3.0, {"available"})])
def test_a_starved_control_plane_doubts_nobody(world: Premium, monkeypatch, late_s: float, state: set[str]) -> None:
    monkeypatch.setattr(beat.pulse, "late_s", lambda _since: late_s)
    frozen(world, 1.4)
    for _ in range(3):
        world.round()
    assert again(world.leader).state in state


def worker(name: str, late_s: float) -> None:
    Worker.objects.create(name=name, queue="feel", started_at=Now(), seen_at=Now(), late_s=late_s)


@pytest.mark.django_db
def test_half_of_the_workers_late_is_our_own_incident_and_explains_the_rest() -> None:
    worker("a/1", 2.0)
    worker("a/2", 0.0)
    watch = ourselves.Watch()
    for _ in range(ourselves.IN_A_ROW):
        opened = watch.look()
    assert [one.type for one in opened] == ["starved"]
    assert ourselves.blindness() == opened[0]
    assert ourselves.goes_on(opened[0])
    Worker.objects.update(late_s=0.0)
    assert not ourselves.goes_on(opened[0])


@pytest.mark.django_db
def test_one_late_worker_of_many_is_nobodys_trouble() -> None:
    for n in range(5):
        worker(f"a/{n}", 2.0 if n == 0 else 0.0)
    assert ourselves.starved() == {}


def test_a_herd_that_nobody_looked_at_raises_no_alarm_while_it_is_looked_at_first(world: Premium) -> None:
    change_all(felt_at=Now() - timedelta(minutes=9))
    ourselves.begin_watching()
    assert ourselves.quiet_since()
    world.lose(world.standby)
    world.round()
    world.round()
    assert not Incident.objects.exists()
    ControlPlane.objects.update(quiet_until=Now() - timedelta(seconds=1))
    world.round()
    assert Incident.objects.filter(type="standby_down").exists()


def test_a_control_plane_that_was_away_for_a_moment_goes_on_raising_alarms(world: Premium) -> None:
    world.round()
    ourselves.begin_watching()
    assert ourselves.quiet_since() is None


@pytest.mark.django_db
def test_an_empty_herd_is_not_quiet() -> None:
    ourselves.begin_watching()
    assert ourselves.quiet_since() is None


def change_all(**fields: object) -> None:
    for one in Instance.objects.all():
        change(one, **fields)
        change(one.server, **fields)
