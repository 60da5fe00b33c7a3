"""The command line as its users have it: words go in; what is printed, and an exit code, come out."""

import importlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.apps import apps
from django.core.cache import cache

from fleet.api.base import Fair
from herdsite.client.cli import main
from tests.api.world import Holding, holding, program
from tests.herd import offer


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    """A stream that somebody sits at."""

    def isatty(self) -> bool:
        return True


class Run:
    """Runs command lines with an environment of its own; `slept` is what it would have slept. `beat` is what goes on
    elsewhere meanwhile."""

    def __init__(self, env: dict[str, str], beat: Callable[[], None] | None = None):
        self.env, self.beat = env, beat
        self.slept: list[float] = []

    def __call__(self, *words: str, typed: io.StringIO | None = None, err: io.StringIO | None = None) -> Ran:
        out, err = io.StringIO(), err or io.StringIO()
        stdin = typed or io.StringIO()
        code = main(list(words), env=self.env, stdin=stdin, out=out, err=err, sleep=self._sleep)
        return Ran(code, out.getvalue(), err.getvalue())

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        assert len(self.slept) < 50, "it sleeps for ever"
        if self.beat:
            self.beat()


@pytest.fixture
def env(tmp_path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": ""}


@pytest.fixture
def run(env) -> Run:
    return Run(env)


@pytest.fixture
def held(transactional_db, live_server, settings, monkeypatch, env) -> Holding:
    """A customer with a database, on a real server that `env` leads to, as an admin."""
    monkeypatch.setattr(Fair, "rate", None)
    settings.API_LONGEST_WAIT_S = 0
    cache.clear()
    offer()
    importlib.import_module("fleet.api.migrations.0002_roles").make(apps, None)
    env |= {"HERD_URL": live_server.url, "HERD_TOKEN": program("admin").secret}
    return holding("acme")
