"""Secrets: never plain in the database, readable with any key of the list, rotated by one command."""

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from fleet.models import Credential
from tests import factories

pytestmark = pytest.mark.django_db
SECRET = "correct horse battery staple"


def credential(secret: str = SECRET) -> Credential:
    return Credential.objects.create(
        purpose=Credential.MONITOR, instance=factories.instance(), role="herdsite_monitor", secret=secret
    )


def stored() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM fleet_credential ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def everything() -> str:
    """Every row of the table as text, all columns."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(fleet_credential::text, '') FROM fleet_credential")
        return cursor.fetchone()[0]


def test_a_secret_is_plain_here_and_nowhere_in_the_database() -> None:
    one = credential()
    assert Credential.objects.get(pk=one.pk).secret == SECRET
    assert SECRET not in everything()
    assert stored()[0].startswith("gAAAA")


def test_the_same_secret_is_stored_differently_each_time() -> None:
    credential()
    credential()
    first, second = stored()
    assert first != second


@pytest.mark.parametrize("secret", ["", "ä € 漢字", "'; DROP TABLE x; --", "x" * 5_000, "line\nline\t"])
def test_any_text_can_be_a_secret(secret: str) -> None:
    assert Credential.objects.get(pk=credential(secret).pk).secret == secret


def test_a_new_key_in_front_reads_what_the_old_one_wrote(settings) -> None:
    one, old = credential(), settings.FERNET_KEYS
    settings.FERNET_KEYS = [Fernet.generate_key().decode(), *old]
    assert Credential.objects.get(pk=one.pk).secret == SECRET


def test_rotation_encrypts_everything_with_the_first_key(settings, capsys) -> None:
    many, old = [credential(f"secret {n}") for n in range(3)], settings.FERNET_KEYS
    new = Fernet.generate_key().decode()
    settings.FERNET_KEYS = [new, *old]
    call_command("rotate_keys")
    assert "3 secrets" in capsys.readouterr().out
    settings.FERNET_KEYS = [new]
    assert [Credential.objects.get(pk=one.pk).secret for one in many] == [f"secret {n}" for n in range(3)]
    assert [Fernet(new).decrypt(token.encode()).decode() for token in stored()] == [f"secret {n}" for n in range(3)]


def test_rotation_without_the_old_key_changes_nothing(settings) -> None:
    credential()
    before = stored()
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(ImproperlyConfigured, match="Put the old key back"):
        call_command("rotate_keys")
    assert stored() == before


def test_a_secret_whose_key_is_missing_says_so(settings) -> None:
    one = credential()
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(ImproperlyConfigured, match="missing from HERDSITE_FERNET_KEYS"):
        Credential.objects.get(pk=one.pk)


def test_without_any_key_nothing_is_stored(settings) -> None:
    settings.FERNET_KEYS = []
    with pytest.raises(ImproperlyConfigured, match="set HERDSITE_FERNET_KEYS"), transaction.atomic():
        credential()
    assert stored() == []


def test_a_credential_belongs_to_exactly_one_thing() -> None:
    resource = factories.resource()
    for owners in ({}, {"resource": resource, "instance": resource.instance}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Credential.objects.create(purpose=Credential.MONITOR, role="x", secret="x", **owners)


def test_a_thing_has_one_credential_for_each_purpose() -> None:
    resource = factories.resource()
    with pytest.raises(IntegrityError), transaction.atomic():
        Credential.objects.create(purpose=Credential.OWNER, resource=resource, role="second", secret="x")
