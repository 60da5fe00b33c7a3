"""What every test stands on: a database with today's partition, keys of its own, and no way out but loopback."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import settings as hypothesis_settings

from fleet import certificates
from observations import retention

# The suite draws the same cases wherever it runs: what passed once passes again, and a failure can be had again.
# `--hypothesis-profile=search` draws new ones.
hypothesis_settings.register_profile("same", derandomize=True)
hypothesis_settings.register_profile("search", hypothesis_settings(print_blob=True), derandomize=False)
hypothesis_settings.load_profile("same")

# What starts real servers takes minutes: it is left out of the part that a developer runs all day.
REAL = (
    "contracts/",
    "fleet/test_archives_real",
    "fleet/test_hostile",
    "fleet/test_jobs.py",
    "fleet/test_local_",
    "fleet/test_logical.py",
    "fleet/test_logical_beats.py",
    "fleet/test_logical_forms.py",
    "fleet/test_logical_leaving.py",
    "fleet/test_logical_outside.py",
    "fleet/test_logical_s3.py",
    "fleet/test_logical_trials.py",
    "fleet/test_odd.py",
    "fleet/test_postgres.py",
    "fleet/test_ports_taken.py",
    "fleet/test_replication",
    "fleet/test_restoring",
    "fleet/test_standbys_real.py",
    "fleet/test_tenants.py",
    "fleet/test_tls.py",
    "herdsite/test_edge_attacks.py",
    "herdsite/test_embedded.py",
    "herdsite/test_supervise.py",
    "incidents/test_mending_real.py",
    "observations/test_probes.py",
    "sim/test_orders_alike.py",
)


def pytest_collection_modifyitems(items):
    for item in items:
        path = item.path.relative_to(Path(__file__).parent).as_posix()
        if path.startswith(REAL):
            item.add_marker("real")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        retention.keep()


@pytest.fixture(autouse=True)
def keys(settings):
    # Fakes have no archive; the tests that want one name it.
    settings.ARCHIVE = ""
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    certificates.memory.forget()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
