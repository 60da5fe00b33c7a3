"""The window for planned work, logical backups, and what is loaded, over the real API."""

import json

import pytest
from django.db.models.functions import Now

from fleet.models import Backup, Intent, Resource
from herdsite.client.errors import DONE, FAILED, NOT_FOUND, USAGE


@pytest.fixture
def dump(held) -> Backup:
    return Backup.objects.create(name="orders-dump-1", resource=held.resource, state="kept", method="logical", bytes=5)


def done() -> None:
    Intent.objects.filter(state=Intent.OPEN).update(state=Intent.DONE, answer="it is there", answered_at=Now())


def test_a_window_is_shown_and_chosen(run, held) -> None:
    assert run("window", "acme-orders").out == "at any time\n"
    ran = run("window", "acme-orders", "Tue 03:00")
    assert (ran.code, ran.out) == (DONE, "Tue 03:00 UTC, for four hours\n")
    assert run("pg:maintenance:window", "acme-orders", "sunday 22:30").out.startswith("Sun 22:30")
    assert json.loads(run("window", "acme-orders", "--json").out) == {"window": "Sun 22:30"}
    assert run("window", "acme-orders", "any").out == "at any time\n"
    assert Resource.objects.get(name="acme-orders").window == ""


def test_what_is_no_window_is_refused(run, held) -> None:
    ran = run("window", "acme-orders", "tomorrow")
    assert ran.code == USAGE and "window" in ran.err


def test_a_logical_backup_is_taken_and_has_a_link(run, held, dump) -> None:
    run.beat = done
    assert run("pg:backups:capture", "acme-orders").out == "dump acme-orders: it is there\n"
    assert dump.name in run("backups", "acme-orders", "-q").out.split()
    ran = run("pg:backups:url", dump.name)
    assert ran.code == DONE and "/downloads?token=" in ran.out
    assert set(json.loads(run("backup-url", dump.name, "--json").out)) == {"url", "expires_at"}
    assert run("backup-url", "nothing").code == NOT_FOUND
    assert run("backup-url", held.backup.name).code == FAILED


def test_another_content_is_loaded(run, held, dump) -> None:
    run.beat = done
    sure = ("--confirm", "acme-orders", "--reason", "a bad deploy")
    assert run("load", "acme-orders", "--backup", dump.name, *sure).code == DONE
    assert Intent.objects.get(verb="load").params == {"backup": dump.name}
    ran = run("load", "acme-orders", "--url", "http://dumps.example/x", *sure)
    assert ran.code == FAILED and "https" in ran.err
    assert run("load", "acme-orders", "--backup", dump.name, "--reason", "x").code == USAGE


def test_another_password_is_asked_for(run, held) -> None:
    run.beat = done
    assert run("rotate", "acme-orders").code == DONE and Intent.objects.filter(verb="rotate").exists()
