"""The demo herd: what bin/up grows. Everything has a fixed key, so growing again takes up what is there."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from fleet import intents
from fleet.models import Customer, Instance, Resource, Server
from fleet.policy import BUILDING_S
from fleet.states import AVAILABLE, DESTROYED

ACTOR = "demo"
ZONES = "abc"
SERVERS_A_ZONE = 2
PRODUCTION = (("acme", "acme-orders", "a"), ("globex", "globex-billing", "b"))
STARTERS = 20
LOOK_EVERY_S = BUILDING_S * 5


def servers() -> list[Server]:
    """Six local hosts in three zones."""
    return [
        intents.create_server(f"meadow-{zone}{n}", actor=ACTOR, zone=zone, key=f"demo/server/{zone}{n}")
        for zone in ZONES
        for n in range(1, SERVERS_A_ZONE + 1)
    ]


def resources() -> list[Resource]:
    """Two production databases with an instance each, and twenty starters that share one."""
    made = [
        intents.create_resource(
            _customer(customer), "standard-0", actor=ACTOR, name=name, zone=zone, key=f"demo/production/{name}"
        )
        for customer, name, zone in PRODUCTION
    ]
    hobbyists = _customer("hobbyists")
    return made + [
        intents.create_resource(hobbyists, "starter-0", actor=ACTOR, zone="c", key=f"demo/starter/{n}")
        for n in range(STARTERS)
    ]


def mine() -> list[Resource]:
    """The demo's databases that are there now."""
    return list(
        Resource.objects.filter(customer__name__in=[*(row[0] for row in PRODUCTION), "hobbyists"])
        .exclude(state=DESTROYED)
        .select_related("instance__server", "plan")
    )


def grow(nap: Callable[[float], None]) -> Iterator[str]:
    """Ask for the herd and tell how it gets on, until all of it is available. Takes as long as it takes: what hinders
    it is told as well."""
    began = timezone.now()
    hosts = servers()
    yield f"{len(hosts)} servers in {len(ZONES)} zones asked for"
    yield from _until(Server, [host.pk for host in hosts], "servers", began, nap)
    wanted = resources()
    yield f"{len(wanted)} databases asked for"
    yield from _until(Resource, [resource.pk for resource in wanted], "databases", began, nap)
    yield f"the herd is up: {Server.objects.filter(state=AVAILABLE).count()} servers, " + ", ".join(
        f"{model.objects.filter(state=AVAILABLE).count()} {name}"
        for model, name in ((Instance, "instances"), (Resource, "databases"))
    )


def _until(
    model: type[Any], ids: list[UUID], what: str, began: datetime, nap: Callable[[float], None]
) -> Iterator[str]:
    """Lines of progress until all were seen well since we began: what the rows say of an earlier run is hearsay."""
    said = ""
    while True:
        rows = (
            model.objects.filter(pk__in=ids).exclude(state=DESTROYED).values_list("state", "seen_at", "name", "problem")
        )
        up = sum(state == AVAILABLE and seen is not None and seen > began for state, seen, _name, _problem in rows)
        line = f"{up} of {len(rows)} {what} available"
        problems = sorted({f"{name}: {problem}" for _state, _seen, name, problem in rows if problem})
        line += f" ({problems[0]})" if problems else ""
        if line != said:
            yield line
            said = line
        if up == len(rows):
            return
        nap(LOOK_EVERY_S)


def _customer(name: str) -> Customer:
    return Customer.objects.get_or_create(name=name, defaults={"email": f"{name}@example.com"})[0]
