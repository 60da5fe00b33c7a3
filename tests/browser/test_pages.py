"""What only a browser can tell: that pages stay true by themselves, say so when they can't, and fit the screen."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db.models.functions import Now
from playwright.sync_api import expect

from fleet import lifecycle
from fleet.lifecycle import Because
from fleet.models import MEMBERS, Intent, Resource, Server
from fleet.states import AVAILABLE, DESTROYED, DOWN, UNCERTAIN
from tests import factories

pytestmark = pytest.mark.browser
PATIENCE_MS = 30_000
# The page as a person sees it, but for the ages, which go on by themselves.
SEEN = """() => {
  const live = document.getElementById('live').cloneNode(true);
  for (const time of live.querySelectorAll('time')) time.textContent = '';
  live.removeAttribute('data-now');
  return live.outerHTML;
}"""


@pytest.fixture
def herd(server):
    """A server, an instance and three resources, just looked at."""
    common = {"felt_at": Now(), "seen_at": Now(), "due_at": Now() + timedelta(hours=1)}
    host = factories.server(name="host-a", **common)
    instance = factories.instance(name="lucid-moose", server=host, **common)
    for name in ("calm-yak", "proud-walrus", "swift-otter"):
        factories.resource(name=name, instance=instance, **common)


def change(name: str, **columns) -> None:
    Resource.objects.filter(name=name).update(**columns)


def reloaded(page) -> bool:
    return not page.evaluate("window.same === true")


def test_an_operator_logs_in_and_sees_the_herd(open_page, herd):
    page = open_page("/?kind=resource", signed_in=False)
    page.get_by_label("Username").fill("operator")
    page.get_by_label("Password").fill("a long enough one")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#row-calm-yak")).to_contain_text("Available")
    assert page.url.endswith("/?kind=resource")


def test_the_herd_changes_on_the_page_by_itself(open_page, herd):
    page = open_page("/")
    page.evaluate("window.same = true")
    page.get_by_label("Name, customer or database").fill("half a na")
    page.locator("#row-swift-otter td.name a").focus()
    change("swift-otter", state=DOWN, state_since=Now(), row=315, why="seen from several sides")

    row = page.locator("#row-swift-otter")
    expect(row).to_contain_text("Down", timeout=PATIENCE_MS)
    expect(row).to_contain_text("seen from several sides")
    expect(page.locator("#map-swift-otter")).to_have_attribute("title", "swift-otter: Down")
    expect(page.locator("#total-resource")).to_contain_text("1 Down")
    assert page.locator("#list-resource tbody tr").first.get_attribute("id") == "row-swift-otter"
    assert page.evaluate("document.activeElement.textContent") == "swift-otter"
    assert page.get_by_label("Name, customer or database").input_value() == "half a na"
    assert not reloaded(page)


def test_what_has_changed_in_place_is_what_a_fresh_page_shows(open_page, herd):
    page = open_page("/")
    page.evaluate("window.same = true")
    change("calm-yak", state=DOWN, problem="no route to host")
    change("proud-walrus", state=UNCERTAIN)
    Server.objects.update(zone="north", facts={"load1": "0.5"})
    factories.resource(name="brave-bison", instance=None, state=AVAILABLE)
    change("swift-otter", state=DESTROYED)
    expect(page.locator("#row-brave-bison")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#row-swift-otter")).to_have_count(0)
    assert not reloaded(page)
    changed = page.evaluate(SEEN)
    page.reload()
    assert changed == page.evaluate(SEEN)


def test_ages_go_on_between_the_refreshes(open_page, herd):
    page = open_page("/?kind=resource")
    age = page.locator("#row-calm-yak time[data-ago]")
    expect(age).to_contain_text("s ago")
    first = age.text_content()
    expect(age).not_to_have_text(first, timeout=PATIENCE_MS)


def test_a_page_that_is_not_refreshed_says_so_until_it_is(open_page, herd):
    page = open_page("/", expected="ERR_INTERNET_DISCONNECTED")
    stale = page.locator("#stale")
    expect(stale).to_be_hidden()
    page.context.set_offline(True)
    expect(stale).to_be_visible(timeout=PATIENCE_MS)
    expect(stale).to_contain_text("Not refreshed for")
    expect(stale).to_contain_text("The server does not answer.")
    page.mouse.wheel(0, 500)
    expect(stale).to_be_in_viewport()
    page.context.set_offline(False)
    expect(stale).to_be_hidden(timeout=PATIENCE_MS)


def test_a_page_whose_login_has_ended_says_so(open_page, herd):
    page = open_page("/rings")
    Session.objects.all().delete()
    expect(page.locator("#stale")).to_contain_text("You are logged out.", timeout=PATIENCE_MS)


def test_a_server_that_answers_with_an_error_is_stale_too(open_page, herd):
    page = open_page("/", expected="status of 500")
    page.route("**/*fragment=*", lambda route: route.fulfill(status=500, body="broken"))
    expect(page.locator("#stale")).to_contain_text("The server answered 500.", timeout=PATIENCE_MS)


def test_a_herd_that_nobody_looks_at_says_so(open_page, herd):
    page = open_page("/")
    expect(page.get_by_text("No worker is looking.")).to_have_count(0)
    for model in MEMBERS.values():
        model.objects.update(felt_at=Now() - timedelta(minutes=3))
    expect(page.get_by_text("No worker is looking.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".silence")).to_contain_text("3 min ago")


def test_asking_to_destroy_with_a_wrong_name_keeps_what_was_typed(open_page, herd):
    page = open_page("/things/calm-yak", expected="status of 422")
    page.get_by_text("Destroy…").click()
    form = page.locator("details.danger").filter(has_text="Destroy…")
    form.get_by_label("Type calm-yak").fill("calm-jak")
    form.get_by_label("Why").fill("nobody needs it")
    form.get_by_role("button", name="Destroy calm-yak").click()
    expect(page.locator("#refused")).to_contain_text("type its name to confirm")
    assert form.get_by_label("Why").input_value() == "nobody needs it"
    assert not Intent.objects.exists()

    form.get_by_label("Type calm-yak").fill("calm-yak")
    form.get_by_role("button", name="Destroy calm-yak").click()
    expect(page.get_by_role("status")).to_contain_text("Destroy of calm-yak requested")
    expect(page.locator(".story")).to_contain_text("asked to destroy")
    assert Intent.objects.get().reason == "nobody needs it"


def test_a_half_typed_reason_outlives_the_refresh(open_page, herd):
    page = open_page("/things/calm-yak")
    reason = page.locator("#ask").get_by_label("Why").first
    reason.fill("because it")
    lifecycle.move(Resource.objects.get(name="calm-yak"), "doubt", Because(301, "one failed look", "box/7"))
    expect(page.locator(".story")).to_contain_text("is in doubt", timeout=PATIENCE_MS)
    assert reason.input_value() == "because it"
    reason.press_sequentially(" leaks")
    assert reason.input_value() == "because it leaks"


def test_a_row_of_a_table_can_be_linked_to(open_page, herd):
    change("calm-yak", row=301, why="one failed look is only a doubt")
    page = open_page("/?kind=resource")
    page.locator("#row-calm-yak .rule").click()
    expect(page.locator("#resource-301")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_fits_and_nothing_complains(open_page, herd, server, scheme, width):
    page = open_page("/", viewport={"width": width, "height": 800}, color_scheme=scheme)
    addresses = ["/", "/?kind=server", "/things/calm-yak", "/things/host-a", "/rings", "/tables", "/admin/"]
    for address in [*addresses, "/admin/fleet/resource/", "/admin/fleet/resource/add/"]:
        page.goto(server.url + address)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{address} is {wide} px too wide"


def test_it_can_be_used_from_the_keyboard(open_page, herd):
    page = open_page("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_in_viewport()
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.locator("#map-calm-yak").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("calm-yak")
