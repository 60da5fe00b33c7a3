"""The pages of incidents: what they show, in which order, at what cost, and the hands that people lay on them there."""

import html
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fleet.models import Instance
from herdsite.portal import incidents as page_of
from incidents import brake, desk, hands, ourselves
from incidents.models import Incident, Journal, Notice
from incidents.notices import desk as notices
from incidents.outcomes import again, fixed, give_up
from incidents.resolvers import RESOLVERS
from incidents.telling import Silent
from incidents.watch import BY_TYPE
from tests import factories
from tests.incidents.scenes import Scene, playbook, raise_alarm, report, set_alarm

pytestmark = pytest.mark.django_db
PAGES = ("/incidents", "/incidents/some-incident")


@pytest.fixture
def operator(client):
    user = User.objects.create_superuser("operator")
    client.force_login(user)
    return user


@pytest.fixture
def viewer(client):
    user = User.objects.create_user("viewer", is_staff=True)
    client.force_login(user)
    return user


@pytest.fixture
def incident(monkeypatch) -> Incident:
    """A resource that its playbook could not mend: a person was called."""
    made = raise_alarm(factories.resource(name="calm-otter-7", state="down"), "resource_down", service_available=False)
    playbook(monkeypatch, "free_connections", [fixed("looked around")], [give_up("every session is working")])
    scene = Scene()
    scene.telling = notices
    return scene.beat(made, 4)


def text(response) -> str:
    return html.unescape(response.content.decode())


def rows(response) -> list[str]:
    return re.findall(r'<tr id="row-([a-z0-9-]+)"', text(response))


def section(response, name: str) -> str:
    return re.search(rf'<table id="{name}".*?</table>', text(response), re.DOTALL).group(0)


def where(incident: Incident) -> str:
    return f"/incidents/{incident.name}"


@pytest.mark.parametrize("page", PAGES)
def test_only_operators_may_look(client, page):
    assert client.get(page).url == f"/admin/login/?next={page}"
    client.force_login(User.objects.create_user("customer"))
    assert client.get(page).status_code == 403


def test_open_ones_come_first_what_wakes_people_before_the_rest(client, operator):
    made = {
        kind: raise_alarm(factories.server(name=f"host-{n}"), kind)
        for n, kind in enumerate(("disk_filling", "server_down", "disk_critical", "server_unreachable", "clock_skew"))
    }
    desk.resolve(made["server_down"], "ada", "", Silent())
    Incident.objects.filter(pk=made["server_unreachable"].pk).update(state="needs_human")
    order = ("server_unreachable", "disk_critical", "disk_filling", "clock_skew", "server_down")
    answer = client.get("/incidents")
    assert rows(answer) == [made[kind].name for kind in order]
    assert "1 needs a person, and no one has acknowledged it" in text(answer)
    desk.acknowledge(made["server_unreachable"], "ada", Silent())
    assert "no one has acknowledged it" not in text(client.get("/incidents"))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=open", "ac"),
        ("state=resolved", "b"),
        ("state=triggered", "ac"),
        ("type=disk_filling", "c"),
        ("subject=host-b", "b"),
        ("subject=host", ""),
        ("q=SMOKE", "a"),
        ("q=%00smoke", "a"),
        ("q=%25", ""),
        ("state=nonsense", ""),
        ("page=9999", "acb"),
        ("page=nonsense", "acb"),
    ],
)
def test_filters(client, operator, query, found):
    made = {
        "a": raise_alarm(factories.server(name="host-a"), "server_down"),
        "b": raise_alarm(factories.server(name="host-b"), "server_down"),
        "c": raise_alarm(factories.server(name="host-c"), "disk_filling"),
    }
    Incident.objects.filter(pk=made["a"].pk).update(problem="it smells of smoke")
    desk.resolve(made["b"], "ada", "", Silent())
    answer = client.get(f"/incidents?{query}")
    assert answer.status_code == 200 and rows(answer) == [made[key].name for key in found]


def test_nothing_wrong_is_said(client, operator):
    assert "Nothing is wrong." in text(client.get("/incidents"))
    assert "Nothing here matches." in text(client.get("/incidents?q=x"))


def test_the_resolved_are_shown_in_part_and_all_in_pages(client, operator, monkeypatch):
    monkeypatch.setattr(page_of, "GLANCE", 2)
    monkeypatch.setattr(page_of, "ROWS", 3)
    names = []
    for n in range(4):
        names.insert(0, raise_alarm(factories.server(name=f"host-{n}"), "server_down").name)
        Incident.objects.filter(name=names[0]).update(
            state="resolved", resolved_at=timezone.now() + timedelta(seconds=n)
        )
    answer = client.get("/incidents")
    assert rows(answer) == names[:2] and '<a href="?state=resolved&page=1">All 4</a>' in text(answer)
    first, last = client.get("/incidents?state=resolved"), client.get("/incidents?state=resolved&page=2")
    assert (rows(first), rows(last)) == (names[:3], names[3:])
    assert "?state=resolved&page=2" in text(first) and 'rel="prev"' in text(last)


def test_a_list_costs_as_many_queries_for_many_as_for_one(client, operator):
    def cost(page: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(page).status_code == 200
        return len(queries)

    server = factories.server(name="host-a")
    cause = raise_alarm(server, "server_down")
    raise_alarm(factories.instance(server=server), "instance_down")
    pages = ("/incidents", where(cause), "/", "/things/host-a")
    few = [cost(page) for page in pages]
    for _n in range(10):
        raise_alarm(factories.instance(server=server), "instance_down")
    assert [cost(page) for page in pages] == few


def test_one_tells_what_is_wrong_and_the_whole_story(client, operator, incident):
    page = text(client.get(where(incident)))
    for part in (
        "Resource down",
        '<a href="/things/calm-otter-7">calm-otter-7</a>',
        "Needs a person",
        f"{BY_TYPE['resource_down'].because}.",
        '<a class="rule" href="/tables#resource-313">313</a>',
        "No playbook is left that may act by itself: every session is working",
        "resource_down: state is down & no(service_available)",
        '<p class="note bad">every session is working</p>',
        "<b>Give up</b> <code>free_connections / ",
        "The runbook of free_connections.",
        f"gave up, version <code>{'0' * 12}</code>",
        "looked around",
    ):
        assert part in page
    facts = dict(re.findall(r'<tr id="fact-(\w+)">.*?class="value">(.*?)</td>', page, re.DOTALL))
    assert facts["service_available"] == "no" and facts["instance_state"] == "not known"


def test_a_playbook_that_was_changed_since_says_so(client, operator, incident):
    Journal.objects.filter(resolver="free_connections").update(version="f" * 12)
    page = text(client.get(where(incident)))
    assert "gave up, version <code>ffffffffffff</code>" in page
    assert (
        f"Shown is the text of version {RESOLVERS['free_connections'].version}; another version was followed." in page
    )


def test_the_doubt_is_shown_by_witness(client, operator):
    made = raise_alarm(factories.instance(), "instance_down", state="down")
    said = {"since": 1.7e9, "sql": {"box/8": {"at": 1.7e9, "why": "connection timed out"}}}
    Incident.objects.filter(pk=made.pk).update(evidence={"facts": {"state": "down"}, "doubt": said})
    page = text(client.get(where(made)))
    assert "box/8" in page and "connection timed out" in page


def test_who_was_told_what_and_whether_it_arrived(client, operator, incident):
    assert "Escalation 1" in section(client.get(where(incident)), "calls")
    assert "not yet" in section(client.get(where(incident)), "calls")
    page, customers = Notice.objects.get(purpose=Notice.PAGE), Notice.objects.filter(purpose=Notice.CUSTOMER)
    Notice.objects.filter(pk=page.pk).update(state=Notice.SENT, sent_at=timezone.now())
    customers.update(state=Notice.FAILED, attempts=3, answer="550 no such mailbox")
    messages = section(client.get(where(incident)), "messages")
    assert "Page" in messages and "log" in messages and '<span class="chip good">delivered</span>' in messages
    assert "Customer: tried" in messages and customers.get().recipient in messages
    assert '<span class="chip bad">not delivered</span>' in messages and "3 attempts. 550 no such mailbox" in messages
    client.post(where(incident), {"verb": "ack"})
    assert "by operator" in section(client.get(where(incident)), "calls")


def test_cause_and_children_lead_to_each_other_and_a_storm_is_about_no_thing(client, operator):
    resource = factories.resource()
    cause = raise_alarm(resource.instance, "instance_down")
    child = raise_alarm(resource, "resource_down")
    assert f'href="{where(cause)}"' in text(client.get(where(child)))
    assert f'href="{where(child)}"' in text(client.get(where(cause)))
    assert f'under <a href="{where(cause)}">' in text(client.get("/incidents"))
    for n in range(4):
        factories.server(name=f"host-{n}", zone="north", provider="ssh", state="down")
    storm = brake.storm_over(factories.server(name="host-9", zone="north", provider="ssh", state="down"))
    page = text(client.get(where(storm)))
    assert storm.subject_name in page and f"/things/{storm.subject_name}" not in page


def test_what_is_wrong_with_herdsite_itself_has_a_page_as_well(client, operator):
    facts = {"facts": {"queues": "feel", "late": 3}, "scope": "everything"}
    failing = ourselves.FAILINGS["ring_stalled"]
    made = desk.raise_incident("ring_stalled", "herdsite", uuid4(), "herdsite", "page", facts, failing.because)
    page = text(client.get(where(made)))
    assert "/things/herdsite" not in page and failing.because in page and "everything" in page
    assert "`manage.py rings`" in re.search(r'id="guide".*?</article>', page, re.DOTALL).group(0)
    assert rows(client.get("/incidents?type=ring_stalled")) == [made.name]


def test_while_it_is_at_work_the_page_says_by_which_row(client, operator, monkeypatch):
    made = raise_alarm(factories.instance(), "instance_down", state="down")
    playbook(monkeypatch, "restart_postgres", [again(3, "the host has not answered yet")])
    Scene().beat(made, 2)
    page = text(client.get(where(made)))
    assert '<a class="rule" href="/tables#incident-155">155</a> The next step of the playbook is due' in page
    assert "running, version" in page and "comes next, version" in page
    assert "restart_postgres" in text(client.get("/incidents"))


def test_an_incident_that_there_is_not_is_suggested(client, operator, incident):
    answer = client.get("/incidents/resource-down-calm-otter-7-2")
    assert answer.status_code == 404 and f"Did you mean {incident.name}?" in text(answer)
    assert client.get("/incidents/x%00y").status_code == 404


def test_people_lay_hands_on_it(client, operator, incident):
    User.objects.create_user("grace", is_staff=True)
    asks = (
        {"verb": "ack"},
        {"verb": "snooze", "minutes": "90"},
        {"verb": "assign", "to": "grace"},
        {"verb": "note", "text": "the pool is\ntoo big"},
        {"verb": "retry"},
        {"verb": "resolve", "reason": "restarted by hand"},
    )
    assert {ask["verb"] for ask in asks} == set(hands.HANDS)
    for ask in asks:
        answer = client.post(where(incident), ask)
        assert (answer.status_code, answer.url) == (302, where(incident))
    fresh = Incident.objects.get(pk=incident.pk)
    assert (fresh.state, fresh.acknowledged_by, fresh.assigned_to) == ("resolved", "operator", "grace")
    assert fresh.snoozed_until - fresh.acknowledged_at > timedelta(minutes=89)
    page = text(client.get(where(incident)))
    for part in ("the pool is<br>too big", "restarted by hand", "for 5400 s", "Resolved <time"):
        assert part in page
    assert re.findall(r'name="verb" value="(\w+)"', page) == ["note"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("ask", "says", "kept"),
    [
        ({"verb": "snooze", "minutes": "soon"}, "Minutes: Enter a number", 'value="soon"'),
        ({"verb": "snooze", "minutes": "0"}, "greater than or equal to 1", 'value="0"'),
        ({"verb": "assign", "to": "nobody"}, "There is no operator of that name", 'name="verb"'),
        ({"verb": "note", "text": " "}, "Text: This field is required", 'name="verb"'),
        ({"verb": "note", "text": "long " * 3000}, "at most 10000", "long long long"),
        ({"verb": "resolve", "reason": ""}, "Reason: This field is required", 'class="danger" open'),
        ({"verb": "explode"}, "There is no such action", 'name="verb"'),
        ({}, "There is no such action", 'name="verb"'),
    ],
)
def test_what_is_refused_is_said_where_it_was_asked_with_what_was_typed(client, operator, incident, ask, says, kept):
    answer = client.post(where(incident), ask)
    refused = re.search(r'id="refused">(.*?)</p>', text(answer)).group(1)
    assert answer.status_code == 422 and says in refused and kept in text(answer)
    assert not Journal.objects.filter(actor="operator").exists()


def test_what_has_ended_meanwhile_is_refused(client, operator, incident):
    desk.resolve(incident, "grace", "", Silent())
    answer = client.post(where(incident), {"verb": "ack"})
    assert answer.status_code == 422 and f"{incident.name} is resolved already." in text(answer)


def test_a_playbook_at_work_on_the_same_thing_is_waited_for(client, operator):
    instance = factories.instance()
    busy, other = raise_alarm(instance, "instance_down"), raise_alarm(instance, "archive_failing")
    Incident.objects.filter(pk=busy.pk).update(state="resolving")
    answer = client.post(where(other), {"verb": "retry"})
    assert answer.status_code == 422 and "Another incident's playbook works on the same thing" in text(answer)


def test_a_viewer_sees_no_button_and_changes_nothing(client, viewer, incident):
    assert 'name="verb"' not in text(client.get(where(incident)))
    for verb in hands.HANDS:
        assert client.post(where(incident), {"verb": verb, "reason": "x", "text": "x"}).status_code == 403
    assert not Journal.objects.filter(actor="viewer").exists()
    viewer.user_permissions.add(Permission.objects.get(codename="change_incident"))
    assert client.post(where(incident), {"verb": "ack"}).status_code == 302


@pytest.mark.parametrize("name", ["incidents", "incident"])
def test_a_refresh_is_empty_until_something_changes(client, operator, incident, name):
    page = where(incident) if name == "incident" else "/incidents"
    token = re.search(r'data-token="(\w+)"', text(client.get(page))).group(1)
    assert client.get(f"{page}?fragment={name}&token={token}").status_code == 204
    desk.acknowledge(incident, "grace", Silent())
    fresh = client.get(f"{page}?fragment={name}&token={token}")
    assert fresh.status_code == 200 and "grace" in text(fresh) and "<html" not in text(fresh)


def test_other_pages_lead_to_what_is_open(client, operator):
    instance = factories.instance(name="lucid-moose", state="down")
    one = raise_alarm(instance, "instance_down")
    set_alarm(Instance.objects.get(pk=instance.pk), "archive_failing", True)
    (other,) = report(instance, "archive_failing")
    badge = '<a class="chip bad" href="/incidents?state=open&subject=lucid-moose">2 incidents</a>'
    assert badge in text(client.get("/")) and f'href="{where(other)}"' in text(client.get("/things/lucid-moose"))
    assert '<span id="open-incidents">2</span>' in text(client.get("/tables"))
    for incident in (one, other):
        desk.resolve(incident, "ada", "", Silent())
    assert "incidents</a>" not in text(client.get("/")) and where(one) not in text(client.get("/things/lucid-moose"))
    assert '<span id="open-incidents"></span>' in text(client.get("/tables"))
