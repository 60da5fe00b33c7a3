"""Downloading a logical backup: who may make a link, and what a link is worth."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client

from fleet import logical
from fleet.logical import links
from fleet.models import Backup, Event
from herdsite import storages
from tests import factories
from tests.herd import again, change

pytestmark = pytest.mark.django_db
DUMP = b"PGDMP" + bytes(range(256)) * 400


@pytest.fixture
def backup(settings, tmp_path: Path) -> Backup:
    """One that is kept and lies there."""
    settings.STORAGES = settings.STORAGES | {"backups": storages.backups(str(tmp_path))}
    made = logical.begin(factories.resource(name="shop"), datetime.now(UTC))
    (tmp_path / made.label).write_bytes(DUMP)
    change(made, state="kept", bytes=len(DUMP))
    return again(made)


@pytest.fixture
def link(backup: Backup) -> str:
    return links.make(backup.name, "ada")


def test_a_link_gives_the_file_to_whoever_has_it(link: str, backup: Backup) -> None:
    answer = Client().get(link)
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content) == DUMP
    assert answer["Content-Disposition"] == f'attachment; filename="{backup.label}"'
    assert (answer["Content-Length"], answer["Cache-Control"]) == (str(len(DUMP)), "no-store")
    assert Client().head(link).status_code == 200
    assert Event.objects.get(subject=backup.pk).actor == "ada"


def test_a_link_expires(link: str, monkeypatch) -> None:
    made = signing.time.time()
    monkeypatch.setattr(signing.time, "time", lambda: made + links.GOOD_FOR_S - 5)
    assert Client().get(link).status_code == 200
    monkeypatch.setattr(signing.time, "time", lambda: made + links.GOOD_FOR_S + 5)
    answer = Client().get(link)
    assert answer.status_code == 403
    assert b"too old" in answer.content


def test_a_link_that_was_tampered_with_gives_nothing(link: str, backup: Backup, settings) -> None:
    other = logical.begin(backup.resource, datetime.now(UTC))
    change(other, state="kept", label=backup.label)
    token = parse_qs(urlsplit(link).query)["token"][0]
    key, stamp, mark = token.split(":")
    for forged in (f"{other.pk.hex}:{stamp}:{mark}", f"{key}:zzzzzz:{mark}", f"{key}:{stamp}:{mark[:-2]}AA", key, ""):
        answer = Client().get("/downloads", {"token": forged})
        assert (answer.status_code, b"link is not valid" in answer.content) == (403, True), forged
    settings.SECRET_KEY = "another"
    assert Client().get(link).status_code == 403


def test_what_is_not_kept_any_more_is_not_given(link: str, backup: Backup) -> None:
    change(backup, state="expired")
    assert Client().get(link).status_code == 403


def test_what_can_not_be_read_is_said_so(link: str, backup: Backup, tmp_path: Path) -> None:
    (tmp_path / backup.label).unlink()
    assert Client().get(link).status_code == 503


def test_from_a_bucket_the_client_gets_it_there(link: str, backup: Backup, settings, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example.com")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings.STORAGES = settings.STORAGES | {"backups": storages.backups("s3://herd/dumps")}
    answer = Client().get(link)
    assert answer.status_code == 302
    where = urlsplit(answer["Location"])
    assert (where.netloc, where.path) == ("s3.example.com", f"/herd/dumps/{backup.label}")
    assert parse_qs(where.query)["X-Amz-Expires"] == [str(links.GOOD_FOR_S)]
    assert "a-secret" not in answer["Location"]


def test_an_operator_is_led_to_a_link(backup: Backup) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    answer = client.post("/downloads", {"backup": backup.name})
    assert answer.status_code == 302
    assert Client().get(answer["Location"]).status_code == 200
    assert client.post("/downloads", {"backup": "nothing"}).status_code == 422


def test_strangers_and_those_who_only_look_get_no_link(backup: Backup) -> None:
    assert Client().post("/downloads", {"backup": backup.name})["Location"].startswith("/admin/login")
    for user in (User.objects.create_user("eve"), User.objects.create_user("viewer", is_staff=True)):
        client = Client()
        client.force_login(user)
        assert client.post("/downloads", {"backup": backup.name}).status_code == 403
    assert not Event.objects.filter(subject=backup.pk).exists()


def test_a_link_is_not_posted_from_elsewhere(backup: Backup) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("ada"))
    assert client.post("/downloads", {"backup": backup.name}).status_code == 403


def test_only_a_kept_backup_has_a_link() -> None:
    running = logical.begin(factories.resource(name="shop"), datetime.now(UTC))
    for name in (running.name, "nothing", ""):
        with pytest.raises(links.NoLink):
            links.make(name, "ada")
