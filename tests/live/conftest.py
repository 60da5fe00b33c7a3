"""The herd that the live tests of a module share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from fleet.providers.local import spawn
from herdsite import embedded
from tests.liveherd import Herd, elsewhere


@pytest.fixture(autouse=True)
def keys():
    """The herd has keys of its own; the ones of every other test would not open its secrets."""


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
