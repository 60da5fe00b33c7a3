"""The cheaper faults of `bin/bench faults`, by the same code: each is mended, and nobody is called."""

import pytest

from bench.faults import MENDED, suffer
from bench.strikes import CHEAP, SKEWED, Fault, Scene
from fleet.models import Resource
from incidents.models import Page
from tests.liveherd import Herd

FAULTS = (*CHEAP, SKEWED)
pytestmark = [pytest.mark.live, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def target(herd: Herd) -> Resource:
    (resource,) = herd.grow(servers=1, production=1, starters=0)
    return resource


@pytest.mark.parametrize(
    ("fault", "playbook"),
    list(zip(FAULTS, ("restart_postgres", "rewrite_config", "restart_server", "sync_clock"), strict=True)),
    ids=[fault.kind for fault in FAULTS],
)
def test_it_is_mended_by_its_playbook(herd: Herd, target: Resource, fault: Fault, playbook: str):
    """Only real faults on real hosts show that what is seen of each leads to the playbook that mends it."""
    told = suffer(fault, Scene(herd.provider, target, lambda: None))
    assert (told.outcome, told.pages, told.left) == (MENDED, 0, "")
    assert told.playbook == playbook
    assert not Page.objects.exists()
