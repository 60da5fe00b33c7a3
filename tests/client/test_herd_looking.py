"""Looking at the herd through the real API: lists, one thing and all about it, its story, what was felt of it."""

import json

import pytest
from django.contrib.auth.models import User

from fleet.models import Event
from herdsite.client import wire
from herdsite.client.columns import COLUMNS, WHOLE
from herdsite.client.errors import INTERRUPTED, NO_LOGIN, NOT_FOUND, USAGE
from tests import factories
from tests.api.world import holding, program


def test_a_list_for_people_for_programs_and_for_scripts(run, held, monkeypatch):
    monkeypatch.setattr(wire, "PAGE", 1)
    factories.resource(name="calm-otter", state="down", customer=held.customer, instance=held.resource.instance)
    title, *rows = run("ls").out.splitlines()
    assert title.split()[:5] == ["NAME", "STATE", "PLAN", "ZONE", "SIZE"] and len(rows) == 2
    assert rows[0].split()[:2] == ["acme-orders", "available"] and "7.0 MB" in rows[0]
    assert rows[0].index("available") == rows[1].index("down") == title.index("STATE")
    assert [one["name"] for one in json.loads(run("ls", "--json").out)] == ["acme-orders", "calm-otter"]
    assert run("-q", "ls", "resource").out == "acme-orders\ncalm-otter\n"
    assert run("ls", "-q", "state=down", "customer=acme").out == "calm-otter\n"
    nothing = run("ls", "state=destroyed")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "There are no such resources.\n")


def test_wrong_lists_and_filters_are_told(run, held):
    ran = run("ls", "cows")
    assert ran.code == USAGE and "servers" in ran.err
    ran = run("ls", "colour=red")
    assert ran.code == USAGE and "colour" in ran.err
    assert run("ls", "servers", "instances").code == USAGE


@pytest.mark.thorough
def test_every_list_has_what_its_columns_show(run, held):
    for kind in COLUMNS:
        ran = run("ls", kind)
        assert ran.code == 0, ran.err
        for one in json.loads(run("ls", kind, "--json").out):
            assert {path.split(".")[0] for path in COLUMNS[kind]} <= set(one), kind
        if kind not in (*WHOLE, "followers", "forks"):
            assert ran.out.count("\n") >= 2, f"the world of these tests has one of the {kind}"
            assert len(run("ls", "-q", kind).out.split()) == ran.out.count("\n") - 1


def test_a_databases_own_lists(run, held):
    assert "acme-backup" in run("backups", "acme-orders").out and "5 B" in run("backups", "acme-orders").out
    assert run("changeovers", "acme-orders", "-q").out == "acme-move-1\n"
    assert run("backups", "acme-order").code == NOT_FOUND


def test_info_says_what_those_from_heroku_look_for(run, held):
    factories.resource(name="a-fork", forked_from=held.resource, customer=held.customer)
    factories.resource(name="a-reader", follows=held.resource, customer=held.customer)
    out = run("pg:info", "acme-orders").out
    said = dict(line.split(":", 1) for line in out.splitlines()[1:])
    said = {name: text.strip() for name, text in said.items()}
    assert out.startswith("=== acme-orders\n")
    assert (
        said["Status"] == "available" and said["Data Size"].startswith("7.0 MB / ") and said["Followers"] == "a-reader"
    )
    assert said["Connections"] == f"3/{held.resource.plan.connections}" and said["Forks"] == "a-fork"
    assert said["Incidents"] == held.incident.name and said["Customer"] == "acme" and said["PG Version"] == "17"
    assert said["Region"] == held.resource.instance.server.zone and said["Created"].endswith("UTC")
    assert {"Plan", "Rollback", "Maintenance window", "Instance", "Server"} <= set(said)
    assert "Following:" in run("info", "a-reader").out and "Forked From:" in run("info", "a-fork").out
    assert json.loads(run("info", "acme-orders", "--json").out)["id"] == str(held.resource.pk)
    assert run("info", "acme-orders", "-q").out == "available\n"


@pytest.mark.thorough
def test_info_of_everything_else(run, held):
    server, instance = held.resource.instance.server, held.resource.instance
    assert f"Address: {server.address}" in " ".join(run("info", server.name).out.split())
    assert "Role:" in run("info", instance.name).out
    for name in (held.incident.name, "acme-backup", "acme-move-1", "customer/acme", "plan/standard-0"):
        assert run("info", name).code == 0, name
    ran = run("info", "acme-order")
    assert ran.code == NOT_FOUND and "Did you mean acme-orders?" in ran.err
    assert run("info", "cow/acme-orders").code == NOT_FOUND
    assert run("info", "../me").code == NOT_FOUND


@pytest.mark.thorough
def test_a_customer_sees_their_own_and_no_more(run, held):
    holding("rival")
    run.env["HERD_TOKEN"] = program("customer", held.customer).secret
    assert run("ls", "-q").out == "acme-orders\n"
    assert run("info", "rival-orders").code == NOT_FOUND
    said = run("info", "acme-orders").out
    assert "Instance:" not in said and "Plan:" in said
    assert run("ls", "servers").code == NO_LOGIN
    assert run("open", "acme-orders").out == f"{run.env['HERD_URL']}/mine/{held.resource.pk}\n"


def test_the_page_of_a_thing(run, held, client):
    client.force_login(User.objects.create_superuser("ada"))
    for name in ("acme-orders", held.resource.instance.server.name, held.incident.name):
        place = run("open", name).out.strip().removeprefix(run.env["HERD_URL"])
        assert client.get(place).status_code == 200


def test_the_story_oldest_first(run, held):
    assert "acme is silent" in run("events", "acme-orders").out
    assert run("events", "acme-order").err == "Nothing has happened.\n"
    told = json.loads(run("events", "--since", "1h", "--json").out)
    assert [one["at"] for one in told] == sorted(one["at"] for one in told)


def test_a_story_that_goes_on_until_ctrl_c(run, held):
    about = {"kind": "resource", "subject": held.resource.pk, "name": held.resource.name}
    looks = []

    def meanwhile() -> None:
        looks.append(1)
        if len(looks) == 4:
            raise KeyboardInterrupt
        Event.objects.create(**about, verb=f"did {len(looks)}\x1b[2J", why="a test", actor="t")

    run.beat = meanwhile
    ran = run("events", "acme-orders", "--follow")
    assert ran.code == INTERRUPTED and "\x1b" not in ran.out
    assert [line.split("  ")[2].strip(" [2J") for line in ran.out.splitlines()] == ["doubt", "did 1", "did", "did 3"]


def test_what_was_felt_as_a_stream(run, held):
    out = run("observations", "acme-orders", "--since", "1h", "--attributes", "connections").out.splitlines()
    assert [line.split()[-1] for line in out] == [f"connections={n}" for n in (2, 1, 0)]
    looks = [json.loads(line) for line in run("observations", "acme-orders", "--json").out.splitlines()]
    assert len(looks) == 3 and looks[0]["attrs"]["service_available"] == "true"
    assert run("observations", "acme-orders", "--since", "yesterday").code == USAGE
    assert run("observations", "acme-order").code == NOT_FOUND


def test_a_hand_on_an_incident(run, held):
    name = held.incident.name
    assert run("incidents", "-q").out == f"{name}\n" and "acme-orders" in run("incidents").out
    said = run("incidents", name, "note", "the", "disk", "is", "full")
    assert said.code == 0 and "note is done" in said.err
    assert held.incident.journal.get(outcome="noted") and "the disk is full" in run("incidents", name).out
    assert run("incidents", name, "ack").code == 0
    assert json.loads(run("incidents", name, "snooze", "30", "--json").out)["snoozed_until"]
    for words in (["snooze"], ["snooze", "long"], ["ack", "more"], ["resolve"]):
        assert run("incidents", name, *words).code == USAGE, words
    assert run("incidents", name, "resolve", "it", "is", "back").code == 0
    assert run("incidents").err == "There are no such incidents.\n" and run("incidents", "--all", "-q").out
    run.env["HERD_TOKEN"] = program("viewer").secret
    assert run("incidents", name, "ack").code == NO_LOGIN
