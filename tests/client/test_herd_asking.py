"""Asking through the real API: what is asked, how its end is waited for, what is refused, and how psql gets a
password."""

import json
import pathlib
import subprocess
import time

from django.db.models.functions import Now

from fleet.models import Event, Intent
from fleet.verbs import TABLE
from herdsite.client.errors import DONE, FAILED, INTERRUPTED, NO_LOGIN, NOT_FOUND, TIMED_OUT, USAGE
from herdsite.client.verbs.asking import ASKS
from herdsite.tables import for_client
from tests import factories
from tests.api.world import SECRET, program
from tests.client.conftest import Terminal
from tests.herd import change

ROOT = pathlib.Path(__file__).parents[2]


def ends(state: str, answer: str):
    """What a beat does meanwhile."""

    def beat() -> None:
        Intent.objects.filter(state=Intent.OPEN).update(state=state, answer=answer, answered_at=Now())

    return beat


def test_the_client_knows_what_the_table_of_verbs_has():
    asked = ROOT / "herdsite/client/verbs/asks.json"
    assert asked.read_text() == for_client(), "manage.py tables --client > herdsite/client/verbs/asks.json"
    assert {ask.verb for ask in ASKS} == {verb.name for verb in TABLE}


def test_an_ask_is_waited_for_to_its_end(run, held):
    run.beat = ends(Intent.DONE, "it runs again")
    terminal = Terminal()
    ran = run("restart", "acme-orders", "--reason", "it is slow", err=terminal)
    assert (ran.code, ran.out) == (DONE, "restart acme-orders: it runs again\n")
    assert "restart acme-orders, 0 s" in ran.err and ran.err.endswith("\r\x1b[K")
    assert Intent.objects.get(verb="restart", actor__startswith="admin").reason == "it is slow"
    ran = run("restart", "acme-orders", "--json")
    assert json.loads(ran.out)["answer"] == "it runs again" and ran.err == ""
    run.beat = ends(Intent.REFUSED, "it is being moved")
    ran = run("stop", f"instance/{held.resource.instance.name}")
    assert ran.code == FAILED and "it is being moved" in ran.err and ran.out == ""


def drawn(terminal: Terminal, words: str) -> None:
    """The line of progress is drawn beside us: wait until it says so."""
    end = time.monotonic() + 10
    while words not in terminal.getvalue():
        assert time.monotonic() < end, terminal.getvalue()
        time.sleep(0.01)


def test_who_looks_on_sees_how_far_it_is(run, held, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    facts = {"job": "running", "taken_what": "copying", "taken_bytes": "1048576", "taken_of": "4194304", "taken_s": "2"}
    change(held.resource.instance, state="creating", facts=facts)
    terminal = Terminal()
    beats = iter([lambda: drawn(terminal, "copying 1.0 MB of 4.0 MB"), ends(Intent.DONE, "it runs again")])
    run.beat = lambda: next(beats)()
    ran = run("restart", "acme-orders", err=terminal)
    assert f"{held.resource.instance.name} copying 1.0 MB of 4.0 MB" in ran.err and "6 s left" in ran.err
    terminal = Terminal()
    run.beat = lambda: (drawn(terminal, "to be available"), change(held.resource.instance, state="available"))
    assert run("wait", f"instance/{held.resource.instance.name}", "--state", "available", err=terminal).code == 0


def test_what_is_asked_goes_on_without_us(run, held):
    Intent.objects.all().delete()
    ran = run("restart", "acme-orders", "--no-wait")
    asked = Intent.objects.get()
    assert ran.code == DONE and f"herd wait {asked.pk}" in ran.out
    ran = run("wait", str(asked.pk), "--timeout", "0")
    assert ran.code == TIMED_OUT and f"herd wait {asked.pk}" in ran.err

    def ctrl_c() -> None:
        raise KeyboardInterrupt

    run.beat = ctrl_c
    ran = run("wait", str(asked.pk))
    assert ran.code == INTERRUPTED and f"herd wait {asked.pk}" in ran.err
    run.beat = ends(Intent.DONE, "")
    assert run("wait", str(asked.pk)).out == "restart acme-orders: done\n" and Intent.objects.count() == 1


def test_a_database_is_made_and_a_copy_is_named(run, held):
    run.beat = ends(Intent.DONE, "it is there")
    factories.server(zone="b")
    name = run("create", "starter-0", "--customer", "acme", "--zone", "b", "-q").out.strip()
    assert Intent.objects.get(name=name, verb="create") and run("info", name, "-q").out == "creating\n"
    assert run("pg:follow", "acme-orders", "--name", "calm-reader", "-q").out == "calm-reader\n"
    ran = run("create", "gold", "--customer", "acme")
    assert ran.code == USAGE and "starter-0" in ran.err
    assert run("create", "starter-0", "--customer", "acme", "--name", "acme-orders").code == FAILED


def test_what_leaves_data_behind_wants_its_name(run, held):
    run.beat = ends(Intent.DONE, "")
    ran = run("destroy", "acme-orders", "--reason", "a test")
    assert ran.code == USAGE and "--confirm acme-orders" in ran.err
    ran = run("destroy", "acme-orders", "--confirm", "acme-order", "--reason", "a test")
    assert ran.code == FAILED and "type its name" in ran.err and not Intent.objects.filter(verb="destroy").exists()
    assert run("destroy", "acme-orders", "--confirm", "acme-orders").code == USAGE
    ran = run("failover", "acme-orders", "--force", "--accept-loss", "unknown", "--reason", "a test")
    assert ran.code == USAGE and "--confirm acme-orders" in ran.err
    assert run("restore", "acme-orders", "--at", "then", "--confirm", "acme-orders").code == USAGE
    assert run("destroy", "acme-orders", "--reason", "a test", typed=Terminal("acme-orders\n")).code == DONE
    assert Intent.objects.get(verb="destroy").reason == "a test"


def test_who_may_not_ask_is_told(run, held):
    run.env["HERD_TOKEN"] = program("viewer").secret
    ran = run("restart", "acme-orders")
    assert ran.code == NO_LOGIN and "'ask'" in ran.err
    assert run("restart", "acme-order").code == NOT_FOUND
    run.env["HERD_TOKEN"] = program("customer", held.customer).secret
    assert run("failover", "acme-orders").code == NO_LOGIN


def test_a_state_is_waited_for(run, held):
    held.resource.__class__.objects.filter(pk=held.resource.pk).update(state="creating")

    def come_up() -> None:
        held.resource.__class__.objects.filter(pk=held.resource.pk).update(state="available")

    assert run("wait", "acme-orders", "--timeout", "0").code == TIMED_OUT
    run.beat = come_up
    assert run("wait", "acme-orders").out == "acme-orders is available.\n" and len(run.slept) == 1
    gone = factories.resource(name="gone", state="destroyed", customer=held.customer)
    assert run("wait", gone.name).code == FAILED and run("wait", gone.name, "--state", "destroyed").code == DONE


def test_psql_is_told_the_password_where_nobody_reads_it(run, held, tmp_path):
    """What stands in for psql tells what it was given."""
    told = tmp_path / "psql"
    told.write_text('#!/bin/sh\nenv | grep ^PG | sort\nprintf "%s\\n" "$#" "$@"\n')
    told.chmod(0o755)
    env = run.env | {"PATH": f"{tmp_path}:/usr/bin:/bin", "PGHOSTADDR": "192.0.2.1", "PGSERVICE": "other"}
    command = [ROOT / "bin/herd", "psql", "acme-orders", "--reason", "to look", "--", "-At", "-c", "select 1"]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert ran.returncode == DONE, ran.stderr
    *given, count, first, second, third = ran.stdout.splitlines()
    given = dict(line.split("=", 1) for line in given)
    assert (count, first, second, third, ran.stderr) == ("3", "-At", "-c", "select 1", "")
    assert given["PGPASSWORD"] == SECRET and given["PGUSER"] == held.credential.role
    assert given["PGDATABASE"] == held.resource.dbname and not {"PGHOSTADDR", "PGSERVICE"} & set(given)
    assert Event.objects.get(verb="revealed its credential").why == "to look"
    ran = run("psql", "acme-orders")
    assert ran.code == FAILED and "postgresql-client" in ran.err


def test_a_credential_is_shown_only_on_demand(run, held):
    ran = run("credentials", "acme-orders")
    assert held.credential.role in ran.out and SECRET not in ran.out
    assert run("credentials", "acme-orders", "--reveal").code == USAGE
    ran = run("pg:credentials:url", "acme-orders", "--reason", "a new app")
    assert SECRET in ran.out and ran.out.startswith("postgres://") and SECRET not in ran.err
    run.env["HERD_TOKEN"] = program("operator").secret
    ran = run("psql", "acme-orders")
    assert ran.code in (NO_LOGIN, FAILED)
    assert run("credentials", "acme-orders", "--reveal", "--reason", "x").code == NO_LOGIN


def test_what_could_come_next(run, held, monkeypatch):
    def offers(*words: str) -> list[str]:
        ran = run("complete", *words)
        assert (ran.code, ran.err) == (DONE, "")
        return ran.out.split()

    assert offers("fo") == ["follow", "fork"] and "complete" not in offers("")
    assert offers("info", "acme-o") == ["acme-orders"] and "--at" in offers("fork", "x", "--a")
    assert offers("create", "starter-0") == ["starter-0"] and offers("ls", "reso") == ["resources"]
    assert offers("incidents", held.incident.name, "a") == ["ack", "assign"]
    factories.resource(name="acme-other", customer=held.customer)
    assert offers("info", "acme-o") == ["acme-orders"], "names are kept for a minute"
    run.env["HERD_URL"] = "http://127.0.0.1:1"
    assert offers("info", "acme") == []
    run.env["HERD_TOKEN"] = ""
    assert offers("info", "acme") == []
