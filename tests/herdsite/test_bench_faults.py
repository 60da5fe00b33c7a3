"""The control plane's own faults in `bin/bench faults`: how they are done, and what counts as a false verdict."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bench import faults, strikes
from bench.strikes import Scene
from fleet.models import Changeover, Event
from fleet.states import AVAILABLE, DOWN, UNCERTAIN
from incidents.models import Incident
from tests import factories


class Process:
    """One that counts how long it stood still, by the clock of the test."""

    def __init__(self, clock: list[float]) -> None:
        self.clock, self.since, self.stood_s = clock, None, 0.0

    def suspend(self) -> None:
        self.since = self.clock[0]

    def resume(self) -> None:
        self.stood_s, self.since = self.stood_s + self.clock[0] - self.since, None


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(strikes.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(strikes.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def test_a_starved_control_plane_runs_for_a_tenth_of_the_time(clock: list[float]) -> None:
    process = Process(clock)
    strikes.starve(Scene(None, None, lambda: None, lambda: [process]))
    assert process.since is None, "it runs on"
    assert process.stood_s / (clock[0] - 100.0) == pytest.approx(1 - strikes.STARVED_SHARE)
    assert clock[0] - 100.0 == pytest.approx(strikes.STARVED_S, abs=strikes.PERIOD_S)


def test_whoever_stops_the_fault_leaves_nothing_standing_still(clock: list[float], monkeypatch) -> None:
    def stopped(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(strikes.time, "sleep", stopped)
    process = Process(clock)
    with pytest.raises(KeyboardInterrupt):
        strikes.starve(Scene(None, None, lambda: None, lambda: [process]))
    assert process.since is None


@pytest.mark.django_db
def test_every_verdict_about_a_herd_that_had_nothing_is_counted() -> None:
    resource, began = factories.resource(), timezone.now() - timedelta(minutes=1)
    about = {"kind": "resource", "subject": resource.pk, "name": resource.name}
    Event.objects.create(**about, verb="doubt", source=AVAILABLE, target=UNCERTAIN)
    Incident.objects.create(name="starved-herdsite-1", type="starved", subject=resource.pk)
    assert faults.false_verdicts(began, "starved") == []
    Event.objects.create(**about, verb="go_down", source=UNCERTAIN, target=DOWN)
    Changeover.objects.create(name="shop-move-1", resource=resource, reason="failover")
    Incident.objects.create(name="ring-stalled-herdsite-1", type="ring_stalled", subject=resource.pk)
    assert faults.false_verdicts(began, "starved") == [
        f"{resource.name} counted as down",
        "shop-move-1 began",
        "ring-stalled-herdsite-1 was opened",
    ]
    assert faults.false_verdicts(timezone.now() + timedelta(minutes=1), "starved") == []
