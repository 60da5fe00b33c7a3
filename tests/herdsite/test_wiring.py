"""Composition: workers get real ports, the web gets none, and a wrong name is told."""

import json
import os

import pytest
from django.core.exceptions import ImproperlyConfigured

from fleet.providers.base import ProviderError
from fleet.providers.local.provider import LocalProvider
from fleet.transports.base import Host
from fleet.transports.sql import PsycopgSql
from fleet.transports.ssh import SshShell
from herdsite import wiring


@pytest.fixture(autouse=True)
def fresh():
    """What one test builds is not kept for the next."""
    for kept in (wiring._ports, wiring.provider):
        kept.cache_clear()
    yield
    for kept in (wiring._ports, wiring.provider):
        kept.cache_clear()


def test_the_web_has_no_way_to_the_fleet(settings) -> None:
    settings.ROLE = "web"
    with pytest.raises(wiring.OnlyAsks, match="write an Intent"):
        wiring.ports()


def test_a_worker_has_real_ports(settings) -> None:
    settings.ROLE = ""
    ports = wiring.ports()
    assert isinstance(ports.sql, PsycopgSql)
    assert isinstance(ports.shell(Host("herd-a-1", "127.0.0.1")), SshShell)


def test_a_process_has_one_set_of_ports_and_a_fork_another(settings, monkeypatch) -> None:
    settings.ROLE = ""
    ports = wiring.ports()
    assert wiring.ports() is ports
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert wiring.ports() is not ports


def test_providers_are_chosen_by_name(settings, tmp_path) -> None:
    settings.HOSTS_ROOT = tmp_path / "hosts"
    local = wiring.provider("local")
    assert isinstance(local, LocalProvider)
    assert wiring.provider("local") is local


def test_a_provider_that_there_is_not_is_told_with_those_that_are() -> None:
    with pytest.raises(ImproperlyConfigured, match="No provider 'moon': PROVIDERS knows local, ssh"):
        wiring.provider("moon")


def test_adopted_hosts_come_from_a_file(settings, tmp_path) -> None:
    settings.SSH_HOSTS = tmp_path / "hosts.json"
    assert wiring.ssh_provider().names() == []
    described = {"address": "127.0.0.9", "user": "herdsite", "home": "/srv/herdsite", "pg": {"17": "/pg/17/bin"}}
    settings.SSH_HOSTS.write_text(json.dumps({"old-faithful": described}))
    provider = wiring.ssh_provider()
    assert provider.names() == ["old-faithful"]
    with pytest.raises(ProviderError, match="can't tell"):
        provider.describe("another")
