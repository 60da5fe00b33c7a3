"""Bring herdsite up on this machine, keep it up, and take it all down again: what bin/up runs."""

import argparse
import contextlib
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from honcho.environ import parse_procfile

from fleet.providers.base import ProviderError
from fleet.providers.local import spawn
from herdsite import ground, keys, wiring
from herdsite.console import Console
from herdsite.embedded import Embedded, free_port
from herdsite.keeper import Keeper
from herdsite.supervise import Child, Supervisor

LOOPBACK = ("127.0.0.1", "localhost", "::1")
REACHED_BY = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
# What grows the demo herd, and what writes to it for as long as herdsite runs.
DEMO, LIFE = "python manage.py demo", "python manage.py life"


class Command(BaseCommand):
    help = "Start herdsite: database, web, clock and workers, and a demo herd of real PostgreSQL on local hosts."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--empty", action="store_true", help="start without a demo herd")
        parser.add_argument("--reset", action="store_true", help="destroy all local data first (asks)")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--host", default="127.0.0.1", help="address the web listens on (default %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port; the next free one if taken (%(default)s)")
        parser.add_argument("--verbose", action="store_true", help="show every log line of every process")

    def handle(self, *_args: Any, **options: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _leave)
        try:
            with ground.only_one(settings.VAR):
                self.up(options)
        except (ground.Busy, ProviderError, RuntimeError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            sys.exit(130)

    def up(self, options: dict[str, Any]) -> None:
        spawn.ensure_owner()
        if options["reset"]:
            self.reset(ask=not options["yes"])
        if keys.make_keys(settings.VAR):  # the settings have to be read again, with the new keys
            os.execv(sys.executable, [sys.executable, *(word for word in sys.argv if word not in ("--reset", "--yes"))])
        settings.STATIC_ROOT.mkdir(exist_ok=True)  # stays empty: static files are served from where they lie
        self.console = Console(settings.VAR / "log", options["verbose"])
        self.say = self.console.stage
        for name in ground.sweep(settings.VAR / "run"):
            self.say(f"ended {name}, left over from an earlier start")
        with contextlib.ExitStack() as undo:
            undo.callback(self.say, "stopped")
            try:
                keeper = self.database(undo)
                self.hosts(undo)
                self.processes(options, keeper)
            finally:
                _deafen()
                self.say("stopping")

    def database(self, undo: contextlib.ExitStack) -> Keeper | None:
        """Our own database, unless there is another; verified and migrated by a process that reads fresh settings."""
        began = time.monotonic()
        keeper = None
        if not os.environ.get("DATABASE_URL"):
            keeper = Keeper(Embedded(settings.VAR), self.say)
            undo.callback(keeper.embedded.stop)
            keeper.embedded.start()
        try:
            spawn.call([sys.executable, "manage.py", "prepare", "-v0"], cwd=settings.BASE_DIR, timeout=900)
        except RuntimeError as error:
            raise CommandError(str(error).rpartition("CommandError: ")[2]) from error
        self.say(f"database is ready ({time.monotonic() - began:.1f} s)")
        return keeper

    def hosts(self, undo: contextlib.ExitStack) -> None:
        """The local hosts there are, switched on together with herdsite and off with it."""
        provider = wiring.local_provider()
        undo.callback(provider.power_off)
        provider.power_on()
        names = provider.names()
        self.say(f"{len(names)} local hosts are on" if names else "no local hosts yet")

    def processes(self, options: dict[str, Any], keeper: Keeper | None) -> None:
        """Run the Procfile, and what the demo needs, until somebody says stop."""
        host, port = options["host"], free_port(options["host"], range(options["port"], options["port"] + 100))
        if port != options["port"]:
            self.say(f"port {options['port']} is taken; taking {port}")
        url = f"http://{REACHED_BY.get(host, f'[{host}]' if ':' in host else host)}:{port}"
        supervisor = Supervisor(
            self.console.line, settings.BASE_DIR, self.environment(host, port), settings.VAR / "run"
        )
        for name, command in parse_procfile((settings.BASE_DIR / "Procfile").read_text()).processes.items():
            supervisor.add(name, command)
        demo = None if options["empty"] else supervisor.add("demo", DEMO, once=True)
        if demo:
            supervisor.add("life", LIFE)
        looks = self.looks(url, demo, keeper)
        supervisor.tick = lambda: next(looks)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: supervisor.stop())
        supervisor.run()

    def environment(self, host: str, port: int) -> dict[str, str]:
        """What the processes of the Procfile get to know."""
        env = os.environ | {
            "HERDSITE_VAR": str(settings.VAR),
            "HOST": f"[{host}]" if ":" in host else host,
            "PORT": str(port),
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
        }
        if host not in LOOPBACK and "HERDSITE_ALLOWED_HOSTS" not in env:
            env["HERDSITE_ALLOWED_HOSTS"] = "*"
            self.say("the web answers to any host name: set HERDSITE_ALLOWED_HOSTS to those that are yours")
        return env

    def looks(self, url: str, demo: Child | None, keeper: Keeper | None) -> Iterator[None]:
        """Once a second: bring our own database back if it died, and tell when everything is ready."""
        looked, announced = 0.0, False
        while True:
            if (now := time.monotonic()) - looked > 1:
                looked = now
                if keeper:
                    keeper.look(now)
                if not announced and (demo is None or demo.code == 0) and _answers(url):
                    announced = True
                    self.announce(url)
            yield

    def announce(self, url: str) -> None:
        note = settings.VAR / "operator_password"
        self.console.block(
            [
                "herdsite is up",
                f"  address   {url}/",
                f"  login     {f'operator / {note.read_text().strip()}' if note.exists() else 'as before'}",
                f"  logs      {self.console.path}",
                "  Ctrl-C stops everything",
            ]
        )

    def reset(self, ask: bool) -> None:
        """Destroy everything below var/ and wherever its hosts and database lie."""
        if os.environ.get("DATABASE_URL"):
            raise CommandError(
                "--reset does not touch the database that DATABASE_URL names, and without it the herd is not begun "
                "anew. Drop and create that database yourself, or unset DATABASE_URL."
            )
        provider, embedded = wiring.local_provider(), Embedded(settings.VAR)
        count = ground.databases_in(settings.HOSTS_ROOT)
        self.stdout.write(
            f"This destroys {count} databases on {len(provider.names())} local hosts, herdsite's own database, and "
            f"all keys and logs in {settings.VAR}."
        )
        self.stdout.flush()
        if ask and _answer("Type the word reset to go on: ") != "reset":
            raise CommandError("nothing was done")
        ground.sweep(settings.VAR / "run")
        provider.power_off()
        embedded.stop()
        ground.wipe(settings.VAR, settings.HOSTS_ROOT, embedded.root)


def _leave(*_: Any) -> None:
    raise KeyboardInterrupt


def _answer(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:  # nobody there to ask
        return ""


def _deafen() -> None:
    """From here on everything is being stopped; asking for it again must not leave half of it running."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=1) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError):
        return False
