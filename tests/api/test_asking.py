"""Asking over HTTP: every change is an Intent, asked once for its key, whose end can be waited for."""

import threading
import time

import pytest
from django.db import connection, connections
from django.db.models.functions import Now
from django.utils import timezone

from fleet.api import once
from fleet.api.models import Asked
from fleet.api.waiting import WAITING
from fleet.models import Customer, Event, Intent, Resource, Server
from tests import factories
from tests.api.world import SECRET, holding, program

ASKS = "resources/acme-orders/asks"


@pytest.mark.django_db
def test_an_ask_is_an_intent_whose_place_is_told(acme, operator):
    answer = operator.send(ASKS, {"verb": "restart", "reason": "it is slow"})
    said = answer.json()
    assert answer.status_code == 202 and answer["Location"] == said["url"] == f"/api/v1/intents/{said['id']}"
    assert (said["verb"], said["name"], said["state"]) == ("restart", "acme-orders", "open")
    intent = Intent.objects.get(pk=said["id"])
    assert (intent.reason, intent.actor) == ("it is slow", "operator (of a operator)")
    assert operator.get(answer["Location"]).json()["id"] == said["id"]


@pytest.mark.django_db
def test_a_database_and_a_server_are_asked_for(acme, operator):
    factories.server(zone="b")
    body = {"plan": "starter-0", "customer": "acme", "name": "calm-otter", "zone": "b"}
    said = operator.send("resources", body).json()
    made = Resource.objects.get(name="calm-otter")
    assert said["verb"] == "create" and said["subject"] == str(made.pk)
    assert (made.customer, made.plan_id, made.zone, made.state) == (acme.customer, "starter-0", "b", "creating")
    drawn = operator.send("resources", {"plan": "starter-0", "customer": str(acme.customer.pk)}).json()
    assert Resource.objects.filter(name=drawn["name"]).exists()
    assert operator.send("servers", {"name": "host-z", "zone": "c", "disk_mb": 4_096, "capacity": 2}).status_code == 202
    assert Server.objects.get(name="host-z").zone == "c"


@pytest.mark.thorough
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("place", "body", "wrong"),
    [
        ("resources", {"customer": "acme"}, "plan"),
        ("resources", {"customer": "acme", "plan": "gold"}, "plan"),
        ("resources", {"customer": "acme", "plan": "standard-0", "name": "No Name"}, "name"),
        ("resources", {"customer": "acme", "plan": "standard-0", "name": 7}, "name"),
        ("resources", {"customer": "acme", "plan": "standard-0", "major": "17"}, "major"),
        ("resources", {"customer": "acme", "plan": "standard-0", "nmae": "x"}, "nmae"),
        ("resources", {"customer": "nobody", "plan": "standard-0"}, "customer"),
        ("resources", {"plan": "standard-0"}, "customer"),
        ("servers", {"name": "host-z", "provider": "moon"}, "provider"),
        ("servers", {"name": "host-z", "disk_mb": True}, "disk_mb"),
        ("servers", {"name": "host-z", "disk_mb": 1e99}, "disk_mb"),
        (ASKS, {"verb": "explode"}, "verb"),
        (ASKS, {"verb": ["restart"]}, "verb"),
        (ASKS, {"verb": "destroy"}, "confirm"),
        (ASKS, {"verb": "destroy", "confirm": "acme-orders", "reason": " "}, "reason"),
        (ASKS, {"verb": "restart", "params": {"hard": True}}, "params.hard"),
        (ASKS, {"verb": "restore", "confirm": "acme-orders", "params": {"at": "then"}}, "params.at"),
        (ASKS, {"verb": "restore", "confirm": "acme-orders", "params": {"at": "9" * 30 + " days"}}, "params.at"),
        (ASKS, {"verb": "resize"}, "params.plan"),
        (ASKS, {"verb": "restart", "reason": "a\0b"}, "reason"),
        (ASKS, {}, "verb"),
        (ASKS, [], "body"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(acme, operator, place, body, wrong):
    answer = operator.send(place, body)
    assert answer.status_code == 400 and wrong in answer.json()["errors"], answer.json()
    assert Intent.objects.count() == 1


@pytest.mark.django_db
def test_what_can_not_be_as_things_stand_is_a_conflict(acme, operator):
    wrong = {"verb": "destroy", "confirm": "acme-order", "reason": "a test"}
    assert "type its name" in operator.send(ASKS, wrong).json()["detail"]
    taken = {"plan": "starter-0", "customer": "acme", "name": "acme-orders"}
    assert operator.send("resources", taken).status_code == 409
    server = acme.resource.instance.server.name
    body = {"verb": "destroy", "confirm": server, "reason": "a test"}
    assert operator.send(f"servers/{server}/asks", body).status_code == 409
    assert Intent.objects.count() == 1


@pytest.mark.django_db
def test_the_same_key_gives_the_same_intent_and_does_nothing_twice(acme, operator):
    def ask(verb="restart", key="k 1"):
        return operator.send(ASKS, {"verb": verb}, idempotency_key=key)

    first, again = ask(), ask()
    assert first.json() == again.json() and again.status_code == 202 and again["Location"] == first["Location"]
    assert again[once.REPLAYED] == "true" and once.REPLAYED not in first
    assert Intent.objects.filter(verb="restart", actor__startswith="operator").count() == 1
    Intent.objects.update(state=Intent.DONE)
    assert (ask().status_code, ask().json()["state"]) == (200, "done")
    assert ask("stop").status_code == 422
    assert ask(key="k 2").json()["id"] != first.json()["id"]
    assert ask(key="").status_code == ask(key="x" * 201).status_code == 400


@pytest.mark.django_db
def test_who_asks_for_the_same_as_somebody_else_is_told_of_that(acme, operator, admin):
    operator.send(ASKS, {"verb": "restart"})
    answer = admin.send(ASKS, {"verb": "restart"})
    assert (
        answer.status_code == 409 and "operator (of a operator) asked to restart acme-orders" in answer.json()["detail"]
    )
    assert admin.send(ASKS, {"verb": "restart", "again": True}).status_code == 202


@pytest.mark.django_db
def test_keys_are_each_askers_own_and_last_a_day(acme, operator, admin):
    first = operator.send(ASKS, {"verb": "restart"}, idempotency_key="k").json()["id"]
    assert admin.send(ASKS, {"verb": "restart", "again": True}, idempotency_key="k").json()["id"] != first
    Asked.objects.update(created_at=timezone.now() - once.KEPT)
    assert operator.send(ASKS, {"verb": "restart", "again": True}, idempotency_key="k").json()["id"] != first


@pytest.mark.django_db
def test_what_was_refused_is_asked_anew(acme, operator):
    body = {"plan": "starter-0", "customer": "acme", "name": "acme-orders"}
    assert operator.send("resources", body, idempotency_key="k").status_code == 409
    Resource.objects.filter(name="acme-orders").update(name="other")
    assert operator.send("resources", body, idempotency_key="k").status_code == 202


@pytest.mark.django_db
def test_an_answer_that_is_no_intent_is_given_again_too(acme, admin):
    first = admin.send("customers", {"name": "new"}, idempotency_key="k")
    again = admin.send("customers", {"name": "new"}, idempotency_key="k")
    assert (first.status_code, first.json()) == (again.status_code, again.json()) == (201, first.json())
    assert Customer.objects.filter(name="new").count() == 1
    assert admin.send("customers", {"name": "new"}).status_code == 400
    note = [admin.send(f"incidents/{acme.incident.name}/note", {"text": "hm"}, idempotency_key="n") for _ in "12"]
    assert note[0].json() == note[1].json() and acme.incident.journal.filter(outcome="noted").count() == 1


@pytest.mark.django_db
def test_a_credential_is_shown_to_who_may_and_the_story_tells_it(acme, admin, customer):
    place = f"credentials/{acme.credential.pk}"
    assert SECRET not in admin.read(place).content.decode()
    answer = customer.send(f"{place}/reveal", {"reason": "a new app"})
    said = answer.json()
    assert said["password"] == SECRET and said["url"].startswith(f"postgres://{acme.credential.role}:{SECRET}@")
    assert answer["Cache-Control"] == "no-store"
    event = Event.objects.get(verb="revealed its credential")
    assert (event.why, event.actor) == ("a new app", "customer (of a customer)")
    assert admin.send(f"{place}/reveal", {}).status_code == 400 and Event.objects.filter(verb=event.verb).count() == 1
    homeless = factories.resource(instance=None)
    assert admin.send(f"credentials/{homeless.credentials.get().pk}/reveal", {"reason": "x"}).status_code == 409


def test_of_two_at_once_with_one_key_one_asks(from_empty):
    held = holding("acme")
    askers = [program("operator") for _ in "12"]
    Asked.objects.all().delete()
    askers[1] = askers[0].__class__(askers[0].token, askers[0].secret)
    gate, found = threading.Barrier(2), []

    def ask(asker):
        gate.wait()
        body = {"plan": "starter-0", "customer": held.customer.name}
        found.append(asker.send("resources", body, idempotency_key="k"))
        connections.close_all()

    threads = [threading.Thread(target=ask, args=(asker,)) for asker in askers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in found} == {202}
    assert len({answer.json()["id"] for answer in found}) == 1 and Resource.objects.count() == 2


def test_the_end_of_what_was_asked_is_waited_for(from_empty, settings):
    settings.API_LONGEST_WAIT_S = 60
    held, asker = holding("acme"), program("operator")
    found = {}

    def wait(name, ask):
        found[name] = ask()
        connections.close_all()

    threads = [
        threading.Thread(target=wait, args=("asked", lambda: asker.send(f"{ASKS}?wait=60", {"verb": "restart"}))),
        threading.Thread(target=wait, args=("known", lambda: asker.read(f"intents/{held.intent.pk}?wait=60"))),
    ]
    for thread in threads:
        thread.start()
    while Intent.objects.filter(state=Intent.OPEN).count() < 2:
        time.sleep(0.01)
    assert not found
    Intent.objects.update(state=Intent.DONE, answer="it runs again", answered_at=Now())
    for thread in threads:
        thread.join(30)
    assert found["asked"].status_code == found["known"].status_code == 200
    assert {answer.json()["answer"] for answer in found.values()} == {"it runs again"}


def test_who_waits_holds_no_connection_and_only_so_many_wait(from_empty, settings):
    settings.API_LONGEST_WAIT_S, settings.API_MOST_WAITS = 60, 3
    held, asker = holding("acme"), program("operator")
    done = []

    def wait():
        done.append(asker.__class__(asker.token, asker.secret).read(f"intents/{held.intent.pk}?wait=60").status_code)
        connections.close_all()

    def others() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"
            )
            return cursor.fetchone()[0]

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    # One connection is that of the thread which looks for all of them.
    while others() > 1 or len(WAITING.bells) < 3:
        time.sleep(0.01)
    # The next one is not made to wait; it goes on asking.
    assert asker.read(f"intents/{held.intent.pk}?wait=60").json()["state"] == "open"
    assert not done
    Intent.objects.update(state=Intent.DONE)
    for thread in threads:
        thread.join(30)
    assert done == [200, 200, 200]


@pytest.mark.django_db
def test_of_an_address_that_was_asked_for_only_the_place_is_shown(acme, operator):
    Intent.objects.update(params={"url": f"https://me:{SECRET}@dumps.example/x?signed={SECRET}"})
    answer = operator.read(f"intents/{acme.intent.pk}")
    assert answer.json()["params"] == {"url": "https://dumps.example/…"} and SECRET not in answer.content.decode()


@pytest.mark.django_db
def test_how_long_is_within_reason(acme, operator):
    for wait in ("61", "-1", "x", "1.5", ""):
        answer = operator.read(f"intents/{acme.intent.pk}?wait={wait}")
        assert answer.status_code == 400 and "wait" in answer.json()["errors"]
    assert operator.read(f"intents/{acme.intent.pk}?wait=0").status_code == 200
