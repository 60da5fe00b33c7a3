"""Incidents in a real browser: the page stays true while somebody types, what is refused keeps what was typed, and a
whole handling goes through by keyboard and mouse."""

import pytest
from django.db.models.functions import Now
from playwright.sync_api import expect

from incidents import desk
from incidents.models import Incident
from incidents.notices import desk as notices
from incidents.outcomes import fixed, give_up
from incidents.telling import Silent
from tests import factories
from tests.incidents.scenes import Scene, playbook, raise_alarm

pytestmark = pytest.mark.browser
PATIENCE_MS = 30_000


@pytest.fixture
def incident(server, monkeypatch) -> Incident:
    """A PostgreSQL that its playbooks could not mend, with a database on it; a person was called."""
    host = factories.server(name="host-a", felt_at=Now())
    instance = factories.instance(name="lucid-moose", server=host, state="down", felt_at=Now())
    factories.resource(name="calm-yak", instance=instance, felt_at=Now())
    facts = {"state": "down", "service_available": False, "ssh": True, "postmaster": False}
    made = raise_alarm(instance, "instance_down", **facts)
    playbook(monkeypatch, "restart_postgres", [fixed("the host answers")], [give_up("it would not start: no space")])
    playbook(monkeypatch, "kill_postgres", [give_up("no postmaster is left to kill")])
    playbook(monkeypatch, "rewrite_config", [give_up("its configuration is as it should be")])
    scene = Scene()
    scene.telling = notices
    scene.beat(made, 12)
    raise_alarm(host, "disk_filling", disk_used_pct=91.0)
    desk.resolve(raise_alarm(host, "clock_skew", clock_skew_s=3.0), "grace", "chrony was restarted", Silent())
    return Incident.objects.get(pk=made.pk)


def where(incident: Incident) -> str:
    return f"/incidents/{incident.name}"


def test_from_the_herd_to_the_incident_and_to_its_end(open_page, incident):
    page = open_page("/")
    page.locator("#row-lucid-moose").get_by_role("link", name="1 incident").click()
    page.get_by_role("link", name="Instance down").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Needs a person")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#live")).to_contain_text("Acknowledged by operator")
    page.get_by_text("Resolve…").click()
    page.locator("#resolve").get_by_label("Why").fill("a bigger disk")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Resolve: done")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Resolved")
    assert Incident.objects.get(pk=incident.pk).state == "resolved"


def test_the_list_and_the_number_in_the_menu_change_by_themselves(open_page, incident):
    page = open_page("/incidents")
    page.evaluate("window.same = true")
    expect(page.locator("#open-incidents")).to_have_text("2")
    page.get_by_label("Name or problem").fill("half a na")
    raise_alarm(factories.server(name="host-b"), "server_down")
    expect(page.locator("#row-server-down-host-b-1")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#open-incidents")).to_have_text("3")
    desk.resolve(incident, "grace", "", Silent())
    expect(page.locator("#list-resolved")).to_contain_text("Instance down", timeout=PATIENCE_MS)
    expect(page.locator("#open-incidents")).to_have_text("2")
    assert page.get_by_label("Name or problem").input_value() == "half a na"
    assert page.evaluate("window.same === true")


def test_a_half_typed_note_outlives_the_refresh_and_a_refusal(open_page, incident):
    page = open_page(where(incident), expected="status of 422")
    note = page.get_by_label("What you know")
    note.fill("the rack smells")
    desk.acknowledge(incident, "grace", Silent())
    expect(page.locator("#live")).to_contain_text("Acknowledged by grace", timeout=PATIENCE_MS)
    note.press_sequentially(" of smoke")
    assert note.input_value() == "the rack smells of smoke"
    page.locator("#snooze").get_by_label("For how many minutes").fill("soon")
    page.get_by_role("button", name="Snooze").click()
    expect(page.locator("#refused")).to_contain_text("Enter a number")
    assert page.locator("#snooze").get_by_label("For how many minutes").input_value() == "soon"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_pages_fit_and_nothing_complains(open_page, server, incident, scheme, width):
    page = open_page("/incidents", viewport={"width": width, "height": 800}, color_scheme=scheme)
    for address in ("/incidents", where(incident), "/", "/things/lucid-moose"):
        page.goto(server.url + address)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{address} is {wide} px too wide"
