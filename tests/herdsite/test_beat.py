"""Whole beats over a fake herd and the real database: claimed, felt, thought, acted, released."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from fleet import actions, context, intents, policy, ring, withdrawals
from fleet.models import Event, Instance, Intent, Resource
from fleet.states import AVAILABLE, CREATING, DOWN, UNCERTAIN
from fleet.transports.base import Unreachable
from herdsite import beat
from incidents.models import Incident
from observations import feel
from observations.models import Observation
from tests import factories
from tests.beats import HERE, THERE, beats, herd, instance, story, taken, turn
from tests.fakeherd import FakeHerd
from tests.herd import again, change, due, expire

__all__ = ["herd", "instance"]
pytestmark = pytest.mark.django_db


def test_a_beat_of_what_is_well_records_and_waits(herd: FakeHerd, instance: Instance) -> None:
    row = beats(herd, instance)
    assert (row.state, row.row, row.why, row.problem, row.lease) == (AVAILABLE, 901, "Nothing to do", "", None)
    assert (row.vantage, row.seen_at) == (HERE, row.felt_at)
    assert row.facts["service_available"] == "true"
    assert row.probed["service"] > 0
    wait = (row.due_at - row.felt_at).total_seconds()
    assert instance.plan.beat_s * (1 - policy.JITTER) - 1 <= wait <= instance.plan.beat_s + 1
    (look,) = Observation.objects.filter(subject=instance.pk)
    assert (look.kind, look.vantage, look.attrs["in_recovery"]) == ("instance", HERE, "false")
    assert story(instance) == []


def test_a_killed_postgres_is_doubted_then_down_and_comes_back(herd: FakeHerd, instance: Instance) -> None:
    herd.clusters[instance.data].runs = False
    assert beats(herd, instance).state == UNCERTAIN
    row = beats(herd, instance, THERE)
    assert (row.state, row.row, row.queue) == (DOWN, 313, policy.SUSPECT)
    herd.clusters[instance.data].runs = True
    row = beats(herd, instance)
    assert (row.state, row.queue, row.evidence) == (AVAILABLE, policy.FEEL, {})
    assert story(instance) == [("doubt", 301), ("go_down", 313), ("come_back", 311)]


def test_a_move_is_told_with_the_facts_that_its_row_looked_at(herd: FakeHerd, instance: Instance) -> None:
    herd.clusters[instance.data].runs = False
    beats(herd, instance)
    event = Event.objects.get(subject=instance.pk)
    assert event.facts == {"service_available": False}
    assert "connection refused" in event.evidence["sql"][HERE]["why"]
    assert event.actor == HERE


def test_what_has_moved_is_due_at_once(herd: FakeHerd, instance: Instance) -> None:
    herd.clusters[instance.data].runs = False
    row = beats(herd, instance)
    assert row.due_at - row.felt_at < timedelta(seconds=5)


def test_coming_back_notes_the_boot_on_which_it_runs(herd: FakeHerd, instance: Instance) -> None:
    change(instance, state=DOWN, queue=policy.SUSPECT)
    herd.boots[instance.server.name] = 7
    assert beats(herd, instance).attrs["boot_id"] == "boot-7"


def test_a_host_that_rebooted_gets_its_postgres_started_once(herd: FakeHerd, instance: Instance) -> None:
    herd.boots[instance.server.name] += 1
    herd.clusters[instance.data].runs = False
    states = [beats(herd, instance, vantage).state for vantage in (HERE, THERE, HERE, THERE, HERE)]
    assert states == [UNCERTAIN, DOWN, DOWN, DOWN, DOWN]
    assert list(herd.begun.values()) == [1]
    herd.pass_time()
    assert beats(herd, instance).state == AVAILABLE


def test_an_action_that_fails_is_told_and_tried_again_until_it_works(herd: FakeHerd) -> None:
    one = factories.resource(instance=None, state=CREATING, queue=policy.WORK)
    for tries in (1, 2, 3):
        row = beats(herd, one)
        assert (row.state, row.tries, row.row) == (CREATING, tries, 201)
        assert "add a server" in row.problem
        assert row.due_at - row.felt_at < timedelta(seconds=policy.PATIENT_S + 5)
    assert story(one) == [("place failed", 201)]
    herd.machine()
    row = beats(herd, one)
    assert (row.problem, row.instance.name) == ("", f"{one.name}-1")
    assert story(one)[1:] == [("place", 201)]


def test_a_wire_that_breaks_under_an_action_is_told(herd: FakeHerd, instance: Instance) -> None:
    intents.ask(instance, "restart", actor="anna")
    real = herd.ports.shell

    def shell(host):
        if herd.world.ran:
            raise Unreachable("the host is gone")
        return real(host)

    herd.ports = replace(herd.ports, shell=shell)
    row = beats(herd, instance)
    assert (row.state, row.problem) == (AVAILABLE, "the host is gone")
    herd.ports = replace(herd.ports, shell=real)
    assert beats(herd, instance).problem == ""


def test_a_bug_in_an_action_costs_one_thing_its_step(herd: FakeHerd, monkeypatch) -> None:
    herd.machine()
    bad, good = (
        factories.resource(name=name, instance=None, state=CREATING, queue=policy.WORK) for name in ("bad", "good")
    )
    real = actions.ACTIONS["resource"]["place"]

    def place(resource: Resource, acting) -> str | None:
        if resource.name == "bad":
            raise ZeroDivisionError("division by zero")
        return real(resource, acting)

    monkeypatch.setitem(actions.ACTIONS["resource"], "place", place)
    due(bad)
    due(good)
    worker = turn(herd, policy.WORK)
    worker.once("resource", 2)
    assert again(bad).problem == "ZeroDivisionError: division by zero"
    assert again(good).instance is not None
    assert (worker.beats, worker.errors) == (2, 1)


def test_an_action_that_fails_for_weeks_stays_one_problem(herd: FakeHerd) -> None:
    one = factories.resource(instance=None, state=CREATING, queue=policy.WORK, tries=policy.MOST_TRIES)
    assert beats(herd, one).tries == policy.MOST_TRIES


def test_a_late_result_is_dropped_and_leaves_no_trace(herd: FakeHerd, instance: Instance) -> None:
    late = taken(herd, instance)
    ours = taken(herd, instance, THERE)
    assert beat.finish("instance", [late], herd.ports, HERE) == 0
    assert Observation.objects.count() == 0
    assert again(instance).lease == ours.claim.lease
    beat.finish("instance", [ours], herd.ports, THERE)
    assert Observation.objects.get().vantage == THERE
    assert again(instance).lease is None


def test_a_late_move_is_dropped(herd: FakeHerd, instance: Instance) -> None:
    herd.clusters[instance.data].runs = False
    late = taken(herd, instance)
    ours = taken(herd, instance, THERE)
    assert late.rule.row == ours.rule.row == 301
    beat.finish("instance", [late], herd.ports, HERE)
    assert (again(instance).state, story(instance)) == (AVAILABLE, [])
    beat.finish("instance", [ours], herd.ports, THERE)
    assert (again(instance).state, story(instance)) == (UNCERTAIN, [("doubt", 301)])


def test_a_late_action_is_not_begun(herd: FakeHerd, instance: Instance) -> None:
    intents.ask(instance, "restart", actor="anna")
    late = taken(herd, instance)
    assert late.rule.row == 111
    expire(instance)
    beat.finish("instance", [late], herd.ports, HERE)
    assert not herd.begun
    assert story(instance) == [("asked to restart", None)]
    beats(herd, instance)
    assert list(herd.begun.values()) == [1]


def test_what_was_cancelled_between_look_and_act_is_not_done(herd: FakeHerd, instance: Instance) -> None:
    intent = intents.ask(instance, "restart", actor="anna")
    thought = taken(herd, instance)
    assert thought.rule.row == 111
    withdrawals.cancel(intent, "anna")
    beat.finish("instance", [thought], herd.ports, HERE)
    assert not herd.begun and (again(instance).lease, again(instance).acting) == (None, None)


def test_what_was_cancelled_between_look_and_move_does_not_move(herd: FakeHerd, instance: Instance) -> None:
    intent = intents.ask(instance, "destroy", actor="anna", confirm=instance.name, reason="a slip")
    thought = taken(herd, instance)
    withdrawals.cancel(intent, "anna")
    beat.finish("instance", [thought], herd.ports, HERE)
    assert again(instance).state == AVAILABLE and thought.rule.then.name == "destroy"


def test_code_that_raises_thrice_on_one_intent_refuses_it_and_a_person_hears(
    herd: FakeHerd, instance: Instance, monkeypatch
) -> None:
    def restart(*_: Any) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setitem(actions.ACTIONS["instance"], "restart", restart)
    first = intents.ask(instance, "restart", actor="anna")
    behind = intents.ask(instance, "stop", actor="bert")
    for n in range(3):
        assert (again(first).state, again(first).raised) == (Intent.OPEN, n)
        beats(herd, instance)
    assert again(first).state == Intent.REFUSED and "failed 3 times" in again(first).answer
    incident = Incident.objects.get(type="code_failed")
    assert (incident.subject, incident.evidence["facts"]["asked for"]) == (instance.pk, f"restart {instance.name}")
    beats(herd, instance)
    assert again(behind).begun_at is not None and list(herd.begun) == [f"{instance.name}-stop-{behind.pk.hex[:8]}"]


def test_a_bug_in_a_probe_costs_one_look(herd: FakeHerd, instance: Instance, monkeypatch) -> None:
    sound = herd.machine()
    beats(herd, instance)
    broken = [replace(probe, read=lambda _answer: 1 / 0) if probe.name == "service" else probe for probe in feel.PROBES]
    monkeypatch.setattr(feel, "PROBES", tuple(broken))
    row = beats(herd, instance)
    assert (row.state, row.row, row.facts["look_failed"]) == (AVAILABLE, 901, "ZeroDivisionError: division by zero")
    assert "service_available" not in row.facts
    assert row.seen_at < row.felt_at
    assert beats(herd, sound).facts["ssh"] == "true"
    monkeypatch.undo()
    row = beats(herd, instance)
    assert (row.facts["service_available"], "look_failed" in row.facts) == ("true", False)


def test_what_the_database_can_not_keep_costs_one_thing_its_beat(herd: FakeHerd, monkeypatch) -> None:
    bad, good = herd.machine(), herd.machine()
    real = beat.feel

    def spoilt(subject, ports):
        look = real(subject, ports)
        return replace(look, attrs=look.attrs | {"kernel": "\0"}) if subject.id == bad.pk else look

    monkeypatch.setattr(beat, "feel", spoilt)
    for one in (bad, good):
        due(one)
    assert turn(herd, policy.FEEL).once("server", 2) == 2
    assert again(good).felt_at is not None
    assert (again(bad).felt_at, again(bad).lease is None) == (None, False)
    assert Observation.objects.get().subject == good.pk


def test_what_is_done_and_does_not_show_is_done_again_ever_more_rarely(herd: FakeHerd, monkeypatch) -> None:
    one = factories.server(state=CREATING, queue=policy.WORK, provider="local")
    monkeypatch.setattr(herd.provider, "create", lambda *_args: None)
    waits = []
    for _beat in range(8):
        row = beats(herd, one)
        assert row.row == 201
        waits.append((row.due_at - row.felt_at).total_seconds())
    assert waits[0] < policy.PATIENT_S - 1 < waits[-1]


def test_a_release_that_the_database_refuses_leaves_the_turn_alive(herd: FakeHerd, monkeypatch) -> None:
    """The look is refused on its own as well: the lease runs out, and the next beat looks anew."""
    one = herd.machine()
    thought = taken(herd, one)
    spoilt = replace(thought, known={"load1": "\0"})
    assert beat.finish("server", [spoilt], herd.ports, HERE) == 0
    assert again(one).felt_at is None
    expire(one)
    assert beats(herd, one).seen_at is not None


def test_a_nudge_while_it_acts_is_served_by_the_next_beat(herd: FakeHerd, instance: Instance) -> None:
    thought = taken(herd, instance)
    intents.ask(instance, "restart", actor="anna")
    ring.nudge("instance", [instance.pk])
    beat.finish("instance", [thought], herd.ports, HERE)
    assert Instance.objects.filter(pk=instance.pk, due_at__lte=Now()).exists()


def test_feeling_threads_use_no_connection_of_ours(herd: FakeHerd, instance: Instance, django_db_blocker) -> None:
    due(instance)
    claim = ring.claim("instance", policy.FEEL, 1, HERE)
    (loaded,) = context.load("instance", claim, HERE)
    with ThreadPoolExecutor(1) as pool, django_db_blocker.block():
        assert pool.submit(beat.look_at, loaded, herd.ports).result().good
