"""Logical backups over the API: their list, and links to download them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import Client

from fleet import logical
from fleet.models import Backup, Event
from fleet.roles import ASK, READ
from herdsite import storages
from tests.api.world import program
from tests.herd import again, change

pytestmark = pytest.mark.django_db
DUMP = b"PGDMP" + bytes(1000)


@pytest.fixture
def backup(settings, tmp_path: Path, acme) -> Backup:
    settings.STORAGES = settings.STORAGES | {"backups": storages.backups(str(tmp_path))}
    made = logical.begin(acme.resource, datetime.now(UTC))
    (tmp_path / made.label).write_bytes(DUMP)
    change(made, state="kept", bytes=len(DUMP))
    return again(made)


def link(asker, name: str):
    return asker.send(f"backups/{name}/link", {})


def test_a_customer_finds_the_logical_backups_of_a_database(acme, rival, customer, backup) -> None:
    logical.begin(rival.resource, datetime.now(UTC))
    [found] = customer.read("backups?resource=acme-orders&method=logical").json()["results"]
    assert (found["name"], found["bytes"], found["resource"]) == (backup.name, len(DUMP), "acme-orders")
    assert customer.read("backups?resource=rival-orders&method=logical").json()["results"] == []


def test_a_link_gives_the_file_without_a_login(acme, customer, backup) -> None:
    answer = link(customer, backup.name)
    said = answer.json()
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store"
    assert said["url"].startswith("http://testserver/downloads?token=")
    left = datetime.fromisoformat(said["expires_at"]) - datetime.now(UTC)
    assert 500 < left.total_seconds() <= 600
    assert b"".join(Client().get(said["url"]).streaming_content) == DUMP
    assert Event.objects.get(subject=backup.pk, verb="link made").actor == "customer (of a customer)"


def test_it_is_as_people_reach_the_portal(settings, customer, backup) -> None:
    settings.URL = "https://herd.example"
    assert link(customer, backup.name).json()["url"].startswith("https://herd.example/downloads?token=")


def test_another_customers_backup_is_not_there(acme, rival, customer) -> None:
    theirs = logical.begin(rival.resource, datetime.now(UTC))
    change(theirs, state="kept")
    assert link(customer, theirs.name).status_code == link(customer, "rival-orders-dump-9").status_code == 404
    assert not Event.objects.filter(verb="link made").exists()


def test_it_takes_the_scope_for_secrets(acme, backup, operator) -> None:
    assert link(operator, backup.name).status_code == 403
    assert link(program("customer", acme.customer, scopes=[READ, ASK]), backup.name).status_code == 403
    assert not Event.objects.filter(verb="link made").exists()


@pytest.mark.parametrize("fields", [{"state": "failed"}, {"state": "started"}, {"method": "base"}])
def test_what_is_not_kept_or_no_file_has_no_link(admin, backup, fields) -> None:
    change(backup, **fields)
    answer = link(admin, backup.name)
    assert answer.status_code == 409 and backup.name in answer.json()["detail"]
