"""What every test stands on: a database with today's partition, keys of its own, and no way out but loopback."""

import pytest
from cryptography.fernet import Fernet

from observations import retention


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        retention.keep()


@pytest.fixture(autouse=True)
def keys(settings):
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
