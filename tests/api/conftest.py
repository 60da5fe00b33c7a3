"""The herd that the tests of the API look at: two customers, of whom neither may know of the other."""

import importlib

import pytest
from django.apps import apps
from django.core.cache import cache

from fleet.api.base import Fair
from fleet.lockout import guard
from tests.api.world import Holding, Program, holding, program
from tests.herd import offer


@pytest.fixture(autouse=True)
def unhurried(monkeypatch, settings):
    """Nobody asks too much, and nobody waits for beats that no worker takes."""
    monkeypatch.setattr(Fair, "rate", None)
    monkeypatch.setattr(guard, "wrong", lambda *_who: None)
    settings.API_LONGEST_WAIT_S = 0
    cache.clear()


@pytest.fixture
def from_empty(transactional_db) -> None:
    """What migrations made: a test on real transactions ends by emptying every table."""
    offer()
    importlib.import_module("fleet.api.migrations.0002_roles").make(apps, None)


@pytest.fixture
def acme(db) -> Holding:
    return holding("acme")


@pytest.fixture
def rival(db) -> Holding:
    return holding("rival")


@pytest.fixture
def admin(db) -> Program:
    return program("admin")


@pytest.fixture
def viewer(db) -> Program:
    return program("viewer")


@pytest.fixture
def operator(db) -> Program:
    return program("operator")


@pytest.fixture
def customer(acme) -> Program:
    return program("customer", acme.customer)
