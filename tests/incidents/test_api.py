"""Incidents over HTTP: what can be read, who may do what, and that every error is a problem detail."""

import base64

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fleet.api.base import Fair
from fleet.api.pages import Pages
from fleet.lockout import guard
from incidents import desk, hands
from incidents.models import Incident, Journal
from incidents.outcomes import give_up
from incidents.telling import Silent
from tests import factories
from tests.incidents.scenes import Scene, playbook, raise_alarm

pytestmark = pytest.mark.django_db
LIST = "/api/v1/incidents"
MINE = f"{LIST}/resource-down-calm-otter-7-1"
BODIES = {
    "ack": {},
    "snooze": {"minutes": 30},
    "assign": {"to": "ada"},
    "note": {"text": "the pool is too big"},
    "retry": {},
    "resolve": {"reason": "restarted by hand"},
}


@pytest.fixture(autouse=True)
def fresh_counts():
    cache.clear()


@pytest.fixture
def incident(monkeypatch) -> Incident:
    made = raise_alarm(factories.resource(name="calm-otter-7", state="down"), "resource_down", state="down")
    playbook(monkeypatch, "free_connections", [give_up("every session is working")])
    return Scene().beat(made, 3)


@pytest.fixture
def ada(client) -> User:
    """An operator who may change incidents, and nothing else."""
    user = User.objects.create_user("ada", password="a long enough one", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="change_incident"))
    client.force_login(user)
    return user


@pytest.fixture
def viewer(client) -> User:
    user = User.objects.create_user("viewer", is_staff=True)
    client.force_login(user)
    return user


def post(client, address: str, body=None):
    return client.post(address, {} if body is None else body, content_type="application/json")


def problem(answer, status: int) -> dict:
    """What the problem detail says, having the form of one."""
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == status and said["type"] == "about:blank" and said["title"] and said["detail"]
    assert said["instance"] == answer.request["PATH_INFO"]
    return said


def names(answer) -> list[str]:
    assert answer.status_code == 200
    return [one["name"] for one in answer.json()["results"]]


def test_one_incident_tells_everything(client, viewer, incident):
    said = client.get(MINE).json()
    assert (said["name"], said["type"], said["state"]) == (incident.name, "resource_down", "needs_human")
    assert said["subject"] == {"kind": "resource", "name": "calm-otter-7", "id": str(incident.subject)}
    assert said["evidence"]["facts"]["state"] == "down"
    assert said["tried"] == ["free_connections"] and said["problem"] == "every session is working"
    assert [line["what"] for line in said["journal"]] == ["opened", "begin", "began", "give up", "escalated"]
    assert set(said["journal"][0]) == {"at", "what", "where", "text", "actor"}


def test_a_child_names_its_cause_and_the_cause_its_children(client, viewer):
    resource = factories.resource()
    cause = raise_alarm(resource.instance, "instance_down")
    child = raise_alarm(resource, "resource_down")
    assert client.get(f"{LIST}/{child.name}").json()["cause"] == cause.name
    assert client.get(f"{LIST}/{cause.name}").json()["children"] == [child.name]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"a", "b", "c"}),
        ("state=open", {"a", "c"}),
        ("state=resolved", {"b"}),
        ("state=triggered", {"a", "c"}),
        ("type=disk_filling", {"c"}),
        ("severity=warn", {"c"}),
        ("severity=page&state=open", {"a"}),
        ("subject=host-c", {"c"}),
        ("subject=host", set()),
        ("q=HOST-", {"a", "b", "c"}),
        ("q=smoke", {"a"}),
        ("q=%00smoke", {"a"}),
        ("q=%25", set()),
    ],
)
def test_filters(client, viewer, query, found):
    made = {
        "a": raise_alarm(factories.server(name="host-a"), "server_down"),
        "b": raise_alarm(factories.server(name="host-b"), "server_down"),
        "c": raise_alarm(factories.server(name="host-c"), "disk_filling"),
    }
    Incident.objects.filter(pk=made["a"].pk).update(problem="it smells of smoke")
    desk.resolve(made["b"], "ada", "", Silent())
    assert set(names(client.get(f"{LIST}?{query}"))) == {made[key].name for key in found}


def test_a_filter_that_can_match_nothing_is_refused(client, viewer):
    said = problem(client.get(f"{LIST}?state=broken&severity=high"), 400)
    assert set(said["errors"]) == {"state", "severity"} and "needs_human" in said["errors"]["state"][0]


def test_a_cursor_goes_through_all_once_newest_first_while_more_come(client, viewer):
    made = [raise_alarm(factories.server(name=f"host-{n}"), "server_down").name for n in range(5)]
    answer, found = client.get(f"{LIST}?limit=2"), []
    while True:
        found += names(answer)
        raise_alarm(factories.server(), "server_down")
        if (following := answer.json()["next"]) is None:
            break
        answer = client.get(following)
    assert found == made[::-1]
    problem(client.get(f"{LIST}?cursor=nonsense"), 404)
    assert Pages.max_page_size == 200


def test_a_list_costs_as_many_queries_for_many_as_for_one(client, viewer):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(LIST).status_code == 200
        return len(queries)

    server = factories.server()
    raise_alarm(server, "server_down")
    raise_alarm(factories.instance(server=server), "instance_down")
    few = cost()
    for _n in range(10):
        raise_alarm(factories.instance(server=server), "instance_down")
    assert cost() == few


def test_hands_laid_on_it_are_in_its_journal_and_the_answer_is_how_it_is_then(client, ada, incident):
    for verb in ("ack", "snooze", "assign", "note", "retry", "resolve"):
        answer = post(client, f"{MINE}/{verb}", BODIES[verb])
        assert answer.status_code == 200, answer.content
    said = answer.json()
    assert (said["state"], said["acknowledged_by"], said["assigned_to"]) == ("resolved", "ada", "ada")
    assert said["snoozed_until"] > said["acknowledged_at"] and said["resolved_at"]
    done = [(line["what"], line["text"]) for line in said["journal"] if line["actor"] == "ada"]
    assert done == [
        ("acknowledged", ""),
        ("snoozed", "for 1800 s"),
        ("assigned", "to ada"),
        ("noted", "the pool is too big"),
        ("retried", ""),
        ("resolved", "restarted by hand"),
    ]


def test_a_body_is_not_needed_where_nothing_is_asked(client, ada, incident):
    assert client.generic("POST", f"{MINE}/ack").status_code == 200


@pytest.mark.parametrize("verb", [*hands.HANDS])
def test_a_viewer_changes_nothing(client, viewer, incident, verb):
    before = Incident.objects.values().get()
    said = problem(post(client, f"{MINE}/{verb}", BODIES[verb]), 403)
    assert "permission" in said["detail"]
    assert Incident.objects.values().get() == before and not Journal.objects.filter(actor="viewer").exists()


@pytest.mark.parametrize("address", [LIST, MINE, f"{MINE}/ack", "/api/v1/nowhere"])
def test_who_is_no_operator_learns_nothing(client, incident, address):
    stranger = client.post(address) if address.endswith("ack") else client.get(address)
    problem(stranger, 401)
    assert stranger["WWW-Authenticate"].startswith("Basic")
    client.force_login(User.objects.create_user("customer"))
    problem(client.post(address) if address.endswith("ack") else client.get(address), 403)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("snooze", {}, "minutes"),
        ("snooze", {"minutes": 0}, "minutes"),
        ("snooze", {"minutes": "long"}, "minutes"),
        ("snooze", {"minutes": "nan"}, "minutes"),
        ("snooze", {"minutes": True}, "minutes"),
        ("snooze", {"minutes": 1e9}, "minutes"),
        ("assign", {"to": "nobody"}, "to"),
        ("assign", {"to": "customer"}, "to"),
        ("assign", {}, "to"),
        ("note", {"text": "  "}, "text"),
        ("note", {"text": ["a"]}, "text"),
        ("note", {"text": "a\0b"}, "text"),
        ("note", {"text": "x" * 10_001}, "text"),
        ("resolve", {"reason": ""}, "reason"),
        ("resolve", {"why": "typed wrongly"}, "why"),
        ("ack", {"text": "unasked"}, "text"),
        ("ack", ["a list"], "body"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(client, ada, incident, verb, body, field):
    User.objects.create_user("customer")
    said = problem(post(client, f"{MINE}/{verb}", body), 400)
    assert field in said["errors"] and all(said["errors"][field])
    assert not Journal.objects.filter(actor="ada").exists()


def test_what_can_not_be_as_things_stand_is_a_conflict(client, ada, incident):
    desk.resolve(incident, "grace", "", Silent())
    for verb in ("ack", "snooze", "assign", "retry", "resolve"):
        said = problem(post(client, f"{MINE}/{verb}", BODIES[verb]), 409)
        assert said["detail"] == f"{incident.name} is resolved already."
    assert post(client, f"{MINE}/note", BODIES["note"]).status_code == 200


def test_every_error_is_a_problem(client, ada, incident, monkeypatch):
    assert "Did you mean resource-down-calm-otter-7-1" in problem(client.get(f"{MINE[:-1]}2"), 404)["detail"]
    assert "ack, retry, snooze" in problem(post(client, f"{MINE}/explode"), 404)["detail"]
    problem(client.get("/api/v1/nowhere"), 404)
    problem(client.get(f"{MINE}/ack"), 405)
    problem(client.delete(MINE), 405)
    problem(client.post(f"{MINE}/note", "{", content_type="application/json"), 400)
    problem(client.post(f"{MINE}/note", {"text": "a form"}), 415)
    problem(client.get(MINE, headers={"accept": "text/html"}), 406)
    problem(client.get(f"{MINE}%00x"), 404)

    def fail(*_args, **_path):
        raise error

    monkeypatch.setattr("incidents.api.Incidents.one", fail)
    error = OperationalError("the server closed the connection")
    assert "server closed" not in problem(client.get(MINE), 503)["detail"]
    error = ZeroDivisionError("a bug")
    assert "a bug" not in problem(client.get(MINE), 500)["detail"]


@pytest.mark.parametrize("address", [LIST, MINE, f"{MINE}/ack"])
def test_a_slash_at_the_end_redirects_nobody(client, ada, incident, address):
    problem(post(client, f"{address}/"), 404)
    problem(client.get(f"{address}/"), 404)


def test_a_session_needs_its_token_and_a_password_does_not(ada, incident):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)
    assert "CSRF" in problem(post(strict, f"{MINE}/ack"), 403)["detail"]
    login = {"authorization": "Basic " + base64.b64encode(b"ada:a long enough one").decode()}
    by_password = Client(enforce_csrf_checks=True)
    answer = by_password.post(f"{MINE}/ack", {}, content_type="application/json", headers=login)
    assert answer.status_code == 200 and answer.json()["acknowledged_by"] == "ada"


def test_guessing_passwords_ends_soon_for_one_who_guesses(client, ada, monkeypatch):
    monkeypatch.setattr(guard, "BOTH", guard.Patience(free=1, first_s=60, longest_s=60))

    def log_in(password: str, address: str = "127.0.0.1"):
        word = base64.b64encode(f"ada:{password}".encode()).decode()
        return Client(REMOTE_ADDR=address).get(LIST, headers={"authorization": f"Basic {word}"})

    for _n in range(2):
        problem(log_in("wrong"), 401)
    assert problem(log_in("a long enough one"), 429) and log_in("wrong")["Retry-After"] == "60"
    assert log_in("a long enough one", "127.0.0.2").status_code == 200


def test_one_asker_gets_a_fair_share(client, viewer, monkeypatch):
    monkeypatch.setattr(Fair, "rate", "2/min")
    assert client.get(LIST).status_code == client.get(LIST).status_code == 200
    answer = client.get(LIST)
    problem(answer, 429)
    assert int(answer["Retry-After"]) > 0
