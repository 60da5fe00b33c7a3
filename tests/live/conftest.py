"""The herd that the live tests of a module share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from fleet.providers.local import spawn
from herdsite import embedded
from tests.liveherd import Herd, elsewhere, told


@pytest.fixture(autouse=True)
def keys():
    """The herd has keys of its own; the ones of every other test would not open its secrets."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """A failure comes with what the herd has to say for itself: by the time that anybody reads it, the herd is gone."""
    report = yield
    if call.when == "call" and report.failed and "herd" in item.fixturenames:
        report.sections.append(("What the herd did meanwhile", told(call.start)))
    return report


@pytest.fixture(scope="module")
def herd(django_db_blocker) -> Iterator[Herd]:
    var = Path(tempfile.mkdtemp(prefix="herdsite-live-"))
    var.chmod(0o755)
    live = Herd(var)
    url = embedded.url(var)
    assert url
    with (
        django_db_blocker.unblock(),
        override_settings(
            VAR=var,
            HOSTS_ROOT=spawn.land(var / "hosts"),
            SSH_KEY=var / "ssh" / "id_ed25519",
            FERNET_KEYS=(var / "fernet_keys").read_text().split(),
        ),
        elsewhere(url),
    ):
        try:
            yield live
        finally:
            live.stop()
    shutil.rmtree(var, ignore_errors=True)
    shutil.rmtree(spawn.land(var / "hosts"), ignore_errors=True)
