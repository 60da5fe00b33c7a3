"""Whoever comes to the web process as the Procfile runs it, and wants it to be there for nobody else."""

import os
import signal
import socket
import sys
import time
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from bench.attacks import edge, web
from bench.attacks.site import Site
from fleet.lockout.models import Wrong
from fleet.providers.local import spawn

STARTS_S = 60


@pytest.fixture(scope="module")
def site(tmp_path_factory, django_db_setup, django_db_blocker):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=connection.settings_dict["NAME"]).geturl()
    env = os.environ | {"HERDSITE_ROLE": "web", "PORT": str(port), "HERDSITE_WEB_THREADS": "8"}
    env |= {"DATABASE_URL": database}
    path = tmp_path_factory.mktemp("web") / "log"
    with path.open("ab") as log:
        web = spawn.start([sys.executable, "manage.py", "web"], cwd=settings.BASE_DIR, env=env, log=log)
    found, end = Site("127.0.0.1", port), time.monotonic() + STARTS_S
    while web.poll() is None and time.monotonic() < end:
        try:
            found.connect().close()
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    assert found.serves(), path.read_text()
    yield found
    web.send_signal(signal.SIGTERM)
    assert web.wait(STARTS_S) == 0, path.read_text()
    with django_db_blocker.unblock():
        Wrong.objects.all().delete()


@pytest.mark.parametrize("attack", edge.ATTACKS, ids=lambda attack: attack.__name__)
def test_nothing_gets_in_at_the_edge(site, attack):
    assert attack(site) == ""
    assert site.serves()


@pytest.mark.parametrize("attack", web.ATTACKS, ids=lambda attack: attack.__name__)
def test_nothing_gets_in_at_the_pages(site, attack):
    assert attack(site) == ""
