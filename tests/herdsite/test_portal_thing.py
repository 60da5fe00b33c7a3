"""One thing's page: its story and its neighbours, and the asking, which only ever writes an Intent."""

import html
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from fleet import intents, lifecycle
from fleet.lifecycle import Because
from fleet.models import Event, Intent, Resource
from fleet.states import DESTROYED, DESTROYING, DOWN, UNCERTAIN
from herdsite.portal.tables import TABLES
from observations.models import Observation
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    user = User.objects.create_superuser("operator")
    client.force_login(user)
    return user


@pytest.fixture
def walrus():
    return factories.resource(name="proud-walrus")


def text(response) -> str:
    return response.content.decode()


def nonce(response) -> str:
    return re.search(r'name="nonce" value="(\w+)"', text(response)).group(1)


def test_a_resource_tells_everything(client, operator):
    now = timezone.now()
    server = factories.server(name="host-c", zone="c", state=DOWN)
    instance = factories.instance(name="lucid-moose", server=server, state=UNCERTAIN)
    resource = factories.resource(
        name="proud-walrus",
        instance=instance,
        customer=factories.customer(name="Acme"),
        dbname="dwalrus",
        attrs={"color": "teal"},
        felt_at=now,
        vantage="box/7",
        row=901,
        why="Nothing to do",
        facts={"service_available": "false", "doubt_s": "31.25", "db_size_bytes": "5242880", "lsn": None, "odd": "1"},
        evidence={"since": now.timestamp() - 9, "sql": {"box/8": {"at": now.timestamp(), "why": "timed out"}}},
    )
    lifecycle.move(resource, "doubt", Because(301, "one failed look is only a doubt", "box/7"))
    Resource.objects.filter(pk=resource.pk).update(problem="no route to host")
    Observation.objects.create(
        at=now, kind="resource", subject=resource.pk, vantage="box/8", took_ms=3.25, attrs={"service_why": "timed out"}
    )
    Observation.objects.create(
        at=now, kind="server", subject=server.pk, vantage="box/9", took_ms=1, attrs={"ssh_why": "not this one"}
    )
    page = text(client.get("/things/proud-walrus"))
    for part in ("Acme", "dwalrus", "teal", "no route to host", "timed out", "box/8", "3.2 ms", "Uncertain"):
        assert part in page
    assert "not this one" not in page
    assert '<a class="mark doubt" href="/things/lucid-moose">' in page
    assert '<a class="mark bad" href="/things/host-c">' in page
    assert 'href="/tables#resource-301">301</a> one failed look is only a doubt' in page
    assert "is in doubt" in page and 'href="/tables#resource-901">901</a> Nothing to do' in page
    facts = dict(re.findall(r'<tr id="fact-(\w+)">.*?class="value">(.*?)</td>', page, re.DOTALL))
    assert facts == {
        "service_available": "no",
        "doubt_s": "31.25 s",
        "db_size_bytes": "5.0 MB",
        "lsn": "not known",
        "odd": "1",
    }
    assert "how long no look from anywhere has succeeded" in page


def test_what_stands_on_it_is_listed_but_for_what_is_gone(client, operator):
    instance = factories.instance(name="lucid-moose", server=factories.server(name="host-c"))
    factories.resource(name="calm-yak", instance=instance, state=DOWN)
    factories.resource(name="late-newt", instance=instance, state=DESTROYED)
    page = text(client.get("/things/lucid-moose"))
    assert 'href="/things/calm-yak"' in page and "late-newt" not in page
    assert 'href="/things/lucid-moose"' in text(client.get("/things/host-c"))


def test_a_wrong_name_gets_suggestions(client, operator, walrus):
    answer = client.get("/things/proud-walrs")
    assert answer.status_code == 404 and "Did you mean proud-walrus?" in text(answer)


@pytest.mark.parametrize("name", ["resource/proud-walrus", "proud-walrus%00"])
def test_a_name_may_be_given_with_its_kind(client, operator, walrus, name):
    assert client.get(f"/things/{name}").status_code == 200


@pytest.mark.parametrize("name", ["server/proud-walrus", "elephant/proud-walrus", "a/b/c", "%00", "'", "x" * 300])
def test_nonsense_is_not_found(client, operator, walrus, name):
    assert client.get(f"/things/{name}").status_code == 404


def test_it_refreshes_like_the_herd(client, operator, walrus):
    page = text(client.get("/things/proud-walrus"))
    token = re.search(r'data-token="(\w+)"', page).group(1)
    assert client.get(f"/things/proud-walrus?fragment=thing&token={token}").status_code == 204
    lifecycle.story(walrus, "restarted", Because(111, "asked for", "box/7"))
    fragment = client.get(f"/things/proud-walrus?fragment=thing&token={token}")
    assert "restarted" in text(fragment) and "<form" not in text(fragment)


def test_asking_writes_an_intent_and_nothing_else(client, operator, walrus):
    answer = client.post("/things/proud-walrus", {"verb": "restart", "reason": "it leaks"}, follow=True)
    assert answer.redirect_chain == [("/things/proud-walrus", 302)]
    assert "Restart of proud-walrus requested" in text(answer)
    intent = Intent.objects.get()
    assert (intent.verb, intent.subject, intent.actor, intent.reason) == ("restart", walrus.pk, "operator", "it leaks")
    assert intent.state == Intent.OPEN and Resource.objects.get().state == walrus.state
    assert Event.objects.get().verb == "asked to restart"


def test_a_button_pressed_twice_asks_once(client, operator, walrus):
    once = nonce(client.get("/things/proud-walrus"))
    for _ in range(2):
        client.post("/things/proud-walrus", {"verb": "restart", "nonce": once})
    assert Intent.objects.count() == 1
    client.post("/things/proud-walrus", {"verb": "stop", "nonce": once})
    client.post("/things/proud-walrus", {"verb": "restart", "nonce": nonce(client.get("/things/proud-walrus"))})
    assert sorted(Intent.objects.values_list("verb", flat=True)) == ["restart", "restart", "stop"]


@pytest.mark.parametrize(
    ("asked", "why_not"),
    [
        ({"verb": "destroy", "reason": "old", "confirm": "proud-walru"}, "type its name to confirm"),
        ({"verb": "destroy", "reason": "", "confirm": "proud-walrus"}, "give a reason"),
        ({"verb": "explode", "reason": "fun"}, "can&#x27;t be asked to &#x27;explode&#x27;"),
        ({"verb": "", "reason": "x"}, "can&#x27;t be asked to &#x27;&#x27;"),
        ({"verb": "restart", "reason": "x" * 1001}, "at most 1000 characters"),
        ({"verb": "restart", "reason": "nul \0 byte"}, "Null characters are not allowed"),
    ],
)
def test_a_refusal_is_said_on_the_spot_and_keeps_what_was_typed(client, operator, walrus, asked, why_not):
    answer = client.post("/things/proud-walrus", asked)
    assert answer.status_code == 422 and not Intent.objects.exists()
    said = re.search(r'id="refused">(.*?)</p>', text(answer), re.DOTALL).group(1)
    assert why_not in said
    for field in ("reason", "confirm"):
        if value := asked.get(field, "").replace("\0", "\ufffd"):
            assert f'value="{value}"' in text(answer).replace("\0", "\ufffd")


def test_the_destructive_form_stays_open_after_a_refusal(client, operator, walrus):
    assert '<details class="danger">' in text(client.get("/things/proud-walrus"))
    refused = client.post("/things/proud-walrus", {"verb": "destroy", "reason": "old", "confirm": "wrong"})
    assert '<details class="danger" open>' in text(refused)


def test_a_resource_that_shares_its_instance_is_not_restarted(client, operator):
    instance = factories.instance(name="shared-seal", plan=factories.plan("starter-0"))
    factories.resource(name="small-mole", instance=instance)
    answer = client.post("/things/small-mole", {"verb": "restart", "reason": "x"})
    assert answer.status_code == 422 and "ask its instance shared-seal instead" in text(answer)


def test_destroying_with_name_and_reason(client, operator, walrus):
    client.post("/things/proud-walrus", {"verb": "destroy", "reason": "no longer paid for", "confirm": "proud-walrus"})
    assert Intent.objects.get().verb == "destroy"


def test_who_may_not_ask_sees_no_buttons_and_is_forbidden(client, walrus):
    user = User.objects.create_user("reader", is_staff=True)
    client.force_login(user)
    assert 'id="ask"' not in text(client.get("/things/proud-walrus"))
    assert client.post("/things/proud-walrus", {"verb": "restart"}).status_code == 403
    assert not Intent.objects.exists()

    user.user_permissions.add(Permission.objects.get(codename="add_intent"))
    assert 'id="ask"' in text(client.get("/things/proud-walrus"))
    assert client.post("/things/proud-walrus", {"verb": "restart"}).status_code == 302


def test_nothing_is_offered_of_what_is_gone(client, operator):
    factories.resource(name="late-newt", state=DESTROYED, due_at=None)
    factories.resource(name="leaving-lynx", state=DESTROYING)
    assert 'id="ask"' not in text(client.get("/things/late-newt"))
    answer = client.post("/things/leaving-lynx", {"verb": "restart"})
    assert answer.status_code == 422 and "is destroying: nothing can be asked of it any more" in text(answer)


def test_what_was_asked_for_is_listed_with_its_answer(client, operator, walrus):
    intent = intents.ask(walrus, "restart", actor="operator", reason="it leaks")
    Intent.objects.filter(pk=intent.pk).update(state=Intent.REFUSED, answer="the restart failed")
    page = text(client.get("/things/proud-walrus"))
    asked = page[page.index("Requests</h2>") :]
    assert "it leaks" in asked and "Refused" in asked and "the restart failed" in asked


def test_only_the_recent_past_is_shown(client, operator, walrus):
    now = timezone.now()
    for n in range(25):
        at = now + timedelta(milliseconds=n)
        Observation.objects.create(at=at, kind="resource", subject=walrus.pk, vantage="box/8", took_ms=1, attrs={})
    assert len(re.findall('<tr id="look-', text(client.get("/things/proud-walrus")))) == 20


def test_the_tables_are_shown_row_by_row(client, operator):
    page = text(client.get("/tables"))
    for kind, table in TABLES.items():
        for rule in table:
            row = html.unescape(re.search(rf'<tr id="{kind}-{rule.row}">.*?</tr>', page, re.DOTALL).group(0))
            assert str(rule.when) in row and str(rule.then) in row and rule.because in row
