"""Composition: the one place where ports are chosen and built. Workers get real ones, the web gets none."""

import json
import os
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from fleet import policy
from fleet.addon import client as addon_client
from fleet.addon import logs as addon_logs
from fleet.addon import round as addon_round
from fleet.archives import pgbackrest
from fleet.archives.directory import Directory
from fleet.ports import Ports
from fleet.providers.base import Provider
from fleet.providers.local import spawn
from fleet.providers.local.net import choose_net
from fleet.providers.local.provider import LocalProvider
from fleet.providers.ssh import SshProvider
from fleet.transports.base import Host, Shell
from fleet.transports.sql import PsycopgSql
from fleet.transports.ssh import Connections, SshShell, scan
from herdsite import access
from incidents import work
from incidents.hooks import round as hooks
from incidents.notices import desk as notices
from incidents.notices import outbox
from observations.drains import round as drains
from observations.drains import tokens


class OnlyAsks(RuntimeError):
    """The web asks, the beat does: a process of role web may not reach the fleet."""


def ports() -> Ports:
    """The ports of this process; one set for each process, so that a fork never shares a connection."""
    if settings.ROLE == "web":
        raise OnlyAsks("This process serves pages and has no connection to the herd: write an Intent.")
    return _ports(os.getpid())


@lru_cache(maxsize=1)
def _ports(_pid: int) -> Ports:
    connections = Connections(connect_timeout=policy.SSH_CONNECT_S)

    def shell(host: Host) -> Shell:
        return SshShell(host, settings.SSH_KEY, connections)

    return Ports(shell=shell, sql=PsycopgSql(), provider=provider, host_key=scan)


@lru_cache(maxsize=8)
def provider(name: str) -> Provider:
    """The Provider of that name in settings.PROVIDERS."""
    try:
        return import_string(settings.PROVIDERS[name])()
    except KeyError as error:
        raise ImproperlyConfigured(f"No provider {name!r}: PROVIDERS knows {', '.join(settings.PROVIDERS)}.") from error


def mend(ports: Ports, vantage: str) -> tuple[int, int]:
    """Beats of incidents that are due; the desk of notices is whom they tell."""
    return work.go_round(ports, vantage, notices)


def send_notices(_ports: Ports, _vantage: str) -> tuple[int, int]:
    """Messages that are due, by whatever channels are set up."""
    return outbox.send_due(), 0


def tell_platform(_ports: Ports, _vantage: str) -> tuple[int, int]:
    """What the add-ons' platform does not know yet."""
    told = addon_round.go_round(addon_client.from_settings())
    addon_logs.pass_on(tokens.put)
    return told


def send_hooks(_ports: Ports, _vantage: str) -> tuple[int, int]:
    """What happened, to the endpoints that want to hear of it."""
    return hooks.go()


def send_lines(_ports: Ports, _vantage: str) -> tuple[int, int]:
    """Metrics lines that are due, to stdout and to drains."""
    return drains.go()


def directory_archive() -> Directory:
    """A directory that all hosts see. One that is somebody else's is left as it is, as is one that the account of local
    hosts can use already; where there is none, that account gets it."""
    root = settings.ARCHIVE_ROOT
    usable = root.exists() and (root.stat().st_uid not in _our_uids() or not access.obstacle(spawn.owner(), root))
    return Directory(str(root if usable else spawn.give(root)))


def _our_uids() -> set[int]:
    return {0, os.geteuid(), spawn.owner().pw_uid}


def pgbackrest_archive() -> pgbackrest.Pgbackrest:
    """What pgBackRest keeps, as the file in the settings says."""
    return pgbackrest.configured(settings.PGBACKREST)


def local_provider() -> LocalProvider:
    """Hosts on this machine, for demonstration, development and tests."""
    root = settings.HOSTS_ROOT
    return LocalProvider(root, choose_net(root), settings.SSH_KEY.with_suffix(".pub"), capacity=settings.LOCAL_CAPACITY)


def ssh_provider() -> SshProvider:
    """Hosts that there are already, as HERDSITE_SSH_HOSTS (a JSON file) describes them."""
    return SshProvider(ssh_hosts())


def ssh_hosts() -> dict[str, Any]:
    """What that file says of each, by its name; a process that only asks may read it as well."""
    path = settings.SSH_HOSTS
    return json.loads(path.read_text()) if path.exists() else {}
