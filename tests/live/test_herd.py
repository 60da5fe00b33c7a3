"""Whole herds of real processes, and what must hold whatever dies."""

import random
import signal
import time
from collections import Counter

import psutil
import pytest
from django.db import connection
from django.db.utils import Error
from django.utils import timezone

from fleet import intents
from fleet.models import Event, Instance, Resource, Server
from fleet.providers.local import chaos
from herdsite.embedded import Embedded
from tests.liveherd import Herd, available, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(420)]

# Actions that begin something on a host or in a provider: each belongs to one step, and a step is taken once.
ONCE = ("create_machine", "build", "place", "restart", "stop", "start", "destroy", "hand_down")


def test_a_killed_postgres_is_doubted_then_down_by_a_second_worker_and_comes_back_once_it_answers(herd: Herd):
    """Only real workers can be two processes that see one failure, each by a connection of its own."""
    (resource,) = herd.grow(servers=1, production=1, starters=0)
    instance = resource.instance
    began = timezone.now()
    chaos.kill_postgres(herd.provider, instance.server.name, instance.data)
    until(lambda: Instance.objects.get(pk=instance.pk).state == "down", "down", 60)
    story = list(Event.objects.filter(subject=instance.pk, at__gte=began).order_by("id"))
    assert [event.verb for event in story][:2] == ["doubt", "go_down"]
    assert story[0].row == 301 and story[1].row == 313
    assert story[0].actor != story[1].actor
    assert story[1].evidence["sql"], "the verdict carries its evidence"
    if not Event.objects.filter(subject=instance.pk, verb="come_back", at__gte=began).exists():
        intents.ask(instance, "restart", actor="test")
    until(lambda: available(Instance, [instance]) and available(Resource, [resource]), "back", 60)
    returned = Event.objects.filter(subject=instance.pk, verb="come_back").latest("id")
    assert returned.row == 311


def test_whatever_is_killed_everything_beats_again_and_nothing_is_done_twice(herd: Herd):
    """Only processes can be killed at any instruction, and only a real supervisor starts them again."""
    herd.grow(servers=2, production=1, starters=3)
    draw = random.Random(17)
    began = timezone.now()
    made = []
    customer = Resource.objects.first().customer
    for n in range(8):
        made.append(intents.create_resource(customer, "starter-0", actor="test", key=f"killed/{n}"))
        victims = herd.processes(
            draw.choice(["worker feel", "worker suspect", "worker work", "clock", "manage.py web"])
        )
        if victims:
            draw.choice(victims).kill()
        time.sleep(draw.uniform(0.5, 2.0))
    restart_database(herd)
    until(lambda: quietly(lambda: available(Resource, made)), "what was asked for meanwhile", 120)
    settled = timezone.now()
    until(lambda: all_felt_since(settled), "every member is visited within a minute", 65)
    done = Counter(Event.objects.filter(at__gte=began, verb__in=ONCE).values_list("subject", "verb", "row"))
    assert {step: count for step, count in done.items() if count > 1} == {}
    assert not Event.objects.filter(at__gte=began, verb="go_down").exists()


def test_dead_neighbours_do_not_slow_the_healthy(herd: Herd):
    """Only frozen hosts hold the connections and threads of real workers, by which the others could be late."""
    herd.grow(servers=6, production=5, starters=3)
    spare = Instance.objects.filter(state="available", plan__tier="production").first()
    dead = Server.objects.filter(instances=spare) | Server.objects.filter(instances=None, state="available")
    dead = list(dead.distinct()[:2])
    for server in dead:
        chaos.pause_host(herd.provider, server.name)
    until(lambda: not Server.objects.filter(pk__in=[s.pk for s in dead], state="available").exists(), "doubt", 60)
    ages = []
    end = time.monotonic() + 40
    while time.monotonic() < end:
        ages += healthy_lateness()
        time.sleep(1)
    for server in dead:
        chaos.heal(herd.provider, server.name)
    ages.sort()
    assert ages[int(len(ages) * 0.99)] <= 5, "the p99 age of the healthy is its interval and five seconds at the most"
    until(lambda: available(Server, dead), "back after the freeze", 90)


def restart_database(herd: Herd) -> None:
    """herdsite's own database, in the middle of turns."""
    connection.close()
    database = Embedded(herd.var)
    database.stop()
    database.start()


def quietly(true) -> bool:
    try:
        return true()
    except Error:
        connection.close()
        return False


def all_felt_since(moment) -> bool:
    return all(
        not model.objects.filter(due_at__isnull=False).exclude(felt_at__gt=moment).exists()
        for model in (Server, Instance, Resource)
    )


def healthy_lateness() -> list[float]:
    """For each healthy thing, by how much its age exceeds the interval that it was given (s)."""
    late = []
    for table in ("fleet_server", "fleet_instance", "fleet_resource"):
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT greatest(extract(epoch FROM clock_timestamp() - due_at), 0)::float8 FROM {table} "
                "WHERE state = 'available'"
            )
            late += [row[0] for row in cursor.fetchall()]
    return late


def test_nothing_outlives_up(herd: Herd):
    """After SIGKILL of `up` itself its processes are gone too, and the next `up` takes up the herd."""
    (resource,) = herd.grow(servers=1, production=1, starters=0)[:1]
    ours = herd.processes("manage.py")
    herd.up.send_signal(signal.SIGKILL)
    herd.up.wait()
    _gone, alive = psutil.wait_procs(ours, timeout=15)
    assert not alive
    connection.close()
    herd.__init__(herd.var)
    until(lambda: quietly(lambda: available(Resource, [resource])), "the herd that it finds", 90)
