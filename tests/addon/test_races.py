"""The same request twice at the same moment, and an end that comes before the beginning is over."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from fleet.addon.fake import FakePlatform
from fleet.addon.models import Addon
from fleet.models import Customer, Intent, Resource
from fleet.states import DESTROYED
from herdsite import turns
from tests.addon.platforms import RESOURCES, V1, V3, Caller, first, knowing, third
from tests.addon.rounds import go
from tests.fakeherd import FakeHerd
from tests.herd import again, expire, offer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def plans() -> None:
    offer()


def at_once(n: int, call) -> list:
    """The answers to `n` calls that begin together."""
    gate = threading.Barrier(n)

    def one(_n: int):
        try:
            gate.wait(10)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(one, range(n)))


@pytest.mark.thorough
@pytest.mark.parametrize(("accept", "sent"), [(V3, third()), (V1, first()), (V1, third())])
def test_provisions_at_once_make_one_database_and_one_answer(accept, sent) -> None:
    answers = at_once(4, lambda: Caller(accept).provision(sent))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert Resource.objects.count() == Addon.objects.count() == Customer.objects.count() == 1
    assert Intent.objects.filter(verb="create").count() == 1


def test_deprovisions_at_once_ask_once() -> None:
    Caller().provision(third())
    address = f"{RESOURCES}/{Resource.objects.get().pk}"
    answers = at_once(3, lambda: Caller()("DELETE", address))
    assert sorted(answer.status_code for answer in answers) == [204, 410, 410]
    assert Intent.objects.filter(verb="destroy").count() == 1


def test_a_request_that_waits_sees_the_database_come(settings) -> None:
    settings.ADDON_WAIT_S = 5.0
    herd = FakeHerd()
    herd.machine()
    done = threading.Event()

    def beats() -> None:
        try:
            while not done.is_set():
                beat(herd)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(beats)
        try:
            answers = at_once(2, lambda: Caller().provision(SAME))
        finally:
            done.set()
        running.result()
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content and Resource.objects.count() == 1


SAME = third()


def test_deprovisions_at_once_that_are_told_later_are_promised_alike(settings) -> None:
    settings.ADDON_DEPROVISION = "later"
    sent = third()
    knowing(platform := FakePlatform(), sent)
    Caller().provision(sent)
    go(platform)
    address = f"{RESOURCES}/{Resource.objects.get().pk}"
    answers = at_once(3, lambda: Caller()("DELETE", address))
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert Intent.objects.filter(verb="destroy").count() == 1


@pytest.mark.thorough
@pytest.mark.parametrize("form", ["now", "later"])
@pytest.mark.parametrize("plan", ["starter-0", "standard-0"])
@pytest.mark.parametrize("built", [0, 1, 2])
def test_a_deprovision_during_creation_ends_destroyed(settings, form, plan, built) -> None:
    settings.ADDON_DEPROVISION = form
    herd, platform, sent = FakeHerd(), FakePlatform(), third(plan=plan)
    herd.machine()
    theirs = knowing(platform, sent)
    Caller().provision(sent)
    go(platform)
    for _n in range(built):
        beat(herd)
    resource = Resource.objects.get()
    assert resource.state == "creating"
    assert Caller()("DELETE", f"{RESOURCES}/{resource.pk}").status_code == {"now": 204, "later": 202}[form]
    for _n in range(60):
        beat(herd)
        if again(resource).state == DESTROYED:
            break
    assert again(resource).state == DESTROYED
    databases = [name for cluster in herd.clusters.values() for name in cluster.databases]
    assert resource.dbname not in databases
    go(platform)
    assert platform.calls.count("deprovisioned") == (form == "later") and Addon.objects.get().ended_at
    assert theirs.state == {"now": "provisioning", "later": "deprovisioned"}[form]


def beat(herd: FakeHerd) -> None:
    """Everything that lives has one beat, and what runs on hosts gets on."""
    herd.pass_time()
    expire()
    for kind in ("server", "instance", "resource"):
        for queue in ("work", "feel", "suspect"):
            turns.Turn(queue, herd.ports, "here/1").once(kind, 10)
