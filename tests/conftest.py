"""What every test stands on: a database with today's partition, keys of its own, and no way out but loopback."""

import os
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings

from fleet import certificates
from fleet.audit import record
from observations import retention
from tests import parts, template

# The suite draws the same cases wherever it runs: what passed once passes again, and a failure can be had again. It
# tells the first case that fails as it was drawn: making it smaller takes longer than a test may, and the report then
# has the timeout and no case. `--hypothesis-profile=smallest --timeout=0` makes it smaller, `=search` draws new ones.
# A slow machine is no failure.
PATIENT = hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
DRAWN = (Phase.explicit, Phase.reuse, Phase.generate)
hypothesis_settings.register_profile("same", PATIENT, phases=DRAWN)
hypothesis_settings.register_profile("smallest", PATIENT)
hypothesis_settings.register_profile("search", PATIENT, print_blob=True, derandomize=False)
hypothesis_settings.load_profile("same")

FILES = pytest.StashKey[dict[str, list[str]]]()

# What starts real servers takes minutes: it is left out of the part that a developer runs all day.
REAL = (
    "api/test_generated_clients.py",
    "contracts/",
    "fleet/test_archives_real",
    "fleet/test_connecting_node.py",
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
    "fleet/test_odd",
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


def pytest_addoption(parser):
    parser.addoption("--part", choices=parts.PARTS, help="only the tests of this part of bin/test")
    parser.addoption("--write-parts", type=Path, help="write which file has tests of which parts (see tests/parts.py)")
    parser.addoption("--write-sessions", action="store_true", help="note who comes to which (see tests/sessions.py)")


def pytest_configure(config):
    config.stash[FILES] = parts.read_parts() if config.getoption("part") else {}


def pytest_ignore_collect(collection_path, config):
    if collection_path.is_relative_to(parts.TESTS):
        there = config.stash[FILES].get(collection_path.relative_to(parts.TESTS).as_posix())
        # None leaves it to others to ignore it.
        return True if there and config.getoption("part") not in there else None
    return None


def pytest_collection_modifyitems(config, items):
    for item in items:
        if item.path.relative_to(parts.TESTS).as_posix().startswith(REAL):
            item.add_marker("real")
    if table := config.getoption("write_parts"):
        table.write_text(parts.list_parts(items))
    if part := config.getoption("part"):
        others = [item for item in items if parts.part_of(item) != part]
        items[:] = [item for item in items if parts.part_of(item) == part]
        config.hook.pytest_deselected(items=others)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings):
    if template.VARIABLE in os.environ:
        connection.settings_dict["TEST"]["TEMPLATE"] = os.environ[template.VARIABLE]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        retention.keep()


@pytest.fixture(autouse=True)
def keys(settings, monkeypatch):
    # Fakes have no archive; the tests that want one name it.
    settings.ARCHIVE = ""
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    certificates.memory.forget()
    # How many refusals a minute are written is counted by the process, and other tests are refused as well.
    monkeypatch.setattr(record, "_strangers", record.Sparing(60))
    monkeypatch.setattr(record, "_known", record.Sparing(300))
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
