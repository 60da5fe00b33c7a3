"""Incidents on the command line and in the admin: what a person sees of them and can do."""

from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.urls import reverse

from incidents.hands import HANDS
from incidents.models import BrakeRelease, Incident
from incidents.outcomes import give_up
from tests import factories
from tests.incidents.scenes import Scene, playbook, raise_alarm

pytestmark = pytest.mark.django_db


def run(*words: str, **options) -> str:
    out = StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def incident(monkeypatch) -> Incident:
    made = raise_alarm(factories.resource(name="calm-otter-7", state="down"), "resource_down", state="down")
    playbook(monkeypatch, "free_connections", [give_up("every session is working")])
    return Scene().beat(made, 3)


def test_the_list_tells_what_is_wrong_now_and_the_rates_what_helps(incident):
    assert "nothing is wrong" not in run("incidents")
    assert incident.name in run("incidents") and "every session is working" in run("incidents")
    assert "free_connections" in run("incidents", rates=True)
    run("incident", incident.name, "resolve", "restarted by hand")
    assert "nothing is wrong" in run("incidents")
    assert "resolved" in run("incidents", all=True)


def test_one_incident_shows_evidence_story_and_runbook(incident):
    shown = run("incident", incident.name)
    for words in ("Needs a person", "'state': 'down'", "give up", "escalated", "The runbook of free_connections."):
        assert words in shown


def test_people_lay_hands_on_it(incident):
    get_user_model().objects.create_user("grace", is_staff=True)
    for words in (("ack",), ("assign", "grace"), ("snooze", "30"), ("note", "the pool is too big"), ("retry",)):
        run("incident", incident.name, *words, actor="ada")
    fresh = Incident.objects.get(pk=incident.pk)
    assert (fresh.state, fresh.acknowledged_by, fresh.assigned_to) == ("resolving", "ada", "grace")
    assert "the pool is too big" in run("incident", incident.name)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("resource-down-calm-otter-8",), "Did you mean resource-down-calm-otter-7-1"),
        (("resource-down-calm-otter-7-1", "snooze", "long"), "minutes: Enter a number"),
        (("resource-down-calm-otter-7-1", "note"), "text: This field is required"),
        (("resource-down-calm-otter-7-1", "resolve"), "reason: This field is required"),
        (("resource-down-calm-otter-7-1", "assign", "nobody"), "no operator of that name"),
    ],
)
def test_what_is_wrong_is_said(incident, words, says):
    with pytest.raises(CommandError, match=says):
        run("incident", *words)


def test_every_hand_is_there_on_the_command_line_too(incident):
    get_user_model().objects.create_user("ada", is_staff=True)
    words = {"assign": "ada", "note": "seen", "resolve": "mended by hand"}
    for verb in HANDS:
        run("incident", incident.name, verb, *filter(None, [words.get(verb)]), actor="ada")
    fresh = Incident.objects.get(pk=incident.pk)
    assert (fresh.state, fresh.assigned_to) == ("resolved", "ada")
    assert fresh.snoozed_until is not None
    with pytest.raises(CommandError, match="resolved already"):
        run("incident", incident.name, "ack")


def test_the_brake_is_shown_and_released():
    assert "not on anywhere" in run("brake")
    with pytest.raises(CommandError, match="no scope"):
        run("brake", "release", "everything", reason="because")
    assert "released for zone/a" in run("brake", "release", "zone/a", reason="the switch is being replaced")
    assert BrakeRelease.objects.get().scope == "zone/a"


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["incident", "journal", "playbookpolicy", "brakerelease"])
def test_the_admin_lists_them(admin_client, incident, name):
    assert admin_client.get(reverse(f"admin:incidents_{name}_changelist")).status_code == 200


def test_the_admin_tells_the_story_and_takes_a_hand(admin_client, incident):
    page = admin_client.get(reverse("admin:incidents_incident_change", args=[incident.pk])).content.decode()
    assert "every session is working" in page and "The runbook of free_connections." in page
    for action in ("acknowledge", "assign_me", "snooze", "retry", "resolve"):
        chosen = {"action": action, "_selected_action": [str(incident.pk)]}
        admin_client.post(reverse("admin:incidents_incident_changelist"), chosen)
    fresh = Incident.objects.get(pk=incident.pk)
    assert (fresh.state, fresh.acknowledged_by, fresh.assigned_to, fresh.rounds) == ("resolved", "admin", "admin", 1)


def test_who_may_only_look_lays_no_hand_on_it(client, incident):
    client.force_login(get_user_model().objects.create_user("guest", is_staff=True))
    chosen = {"action": "resolve", "_selected_action": [str(incident.pk)]}
    assert client.post(reverse("admin:incidents_incident_changelist"), chosen).status_code == 403
    assert Incident.objects.get(pk=incident.pk).state == "needs_human"
