"""Every operation of the API, enumerated from the addresses of the site itself: a new one is in the tests by being
there, and one whose parameters nobody can fill fails them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, get_resolver

from fleet.api.base import Api, Nowhere
from tests.api.world import Holding

METHODS = ("get", "post", "put", "patch", "delete")
# A body that each action takes.
BODIES: dict[str, dict[str, Any]] = {
    "servers": {"name": "host-z"},
    "resources": {"plan": "standard-0", "customer": "acme"},
    "customers": {"name": "new"},
    "customers/{name}": {"email": "other@example.com"},
    "plans/{name}": {"label": "Other"},
    "servers/{name}/asks": {"verb": "destroy", "confirm": "?", "reason": "a test"},
    "instances/{name}/asks": {"verb": "restart"},
    "resources/{name}/asks": {"verb": "restart"},
    "resources/{name}/window": {"window": "Tue 03:00"},
    "backups/{name}/link": {},
    "intents/{name}/cancel": {},
    "timelines/{name}/asks": {"verb": "backup"},
    "changeovers/{name}/asks": {"verb": "cancel"},
    "addresses/{name}/asks": {"verb": "detach"},
    "credentials/{name}/reveal": {"reason": "a test"},
    "incidents/{name}/ack": {},
    "incidents/{name}/retry": {},
    "incidents/{name}/snooze": {"minutes": 5},
    "incidents/{name}/assign": {"to": "viewer"},
    "incidents/{name}/note": {"text": "a test"},
    "incidents/{name}/resolve": {"reason": "a test"},
}


@dataclass(frozen=True)
class Operation:
    """`place` is its address below /api/v1, with {name} where a name goes."""

    place: str
    method: str
    action: str
    view: type[Api]

    @property
    def body(self) -> dict[str, Any]:
        return BODIES[self.place]

    def of(self, held: Holding) -> str:
        """The address of it for what that customer has, or what that stands on."""
        return self.place.replace("{name}", names(held).get(self.place.split("/")[0], ""))


def names(held: Holding) -> dict[str, str]:
    instance = held.resource.instance
    return {
        "servers": instance.server.name,
        "instances": instance.name,
        "resources": held.resource.name,
        "customers": str(held.customer.pk),
        "plans": "standard-0",
        "credentials": str(held.credential.pk),
        "intents": str(held.intent.pk),
        "events": str(held.event.pk),
        "incidents": held.incident.name,
        "notices": str(held.notice.pk),
        "timelines": instance.timeline.name,
        "backups": held.backup.name,
        "changeovers": held.changeover.name,
        "addresses": held.address.name,
    }


def operations() -> Iterator[Operation]:
    """What the views of the API do at their addresses; nowhere is left out."""
    for prefix, pattern in _patterns(get_resolver(), ""):
        if prefix.startswith("api/v1/"):
            place = prefix.removeprefix("api/v1/").replace("<str:name>", "{name}")
            view = getattr(pattern.callback, "cls", None)
            if view and issubclass(view, Api) and not issubclass(view, Nowhere):
                for method, action in pattern.callback.actions.items():
                    if method in METHODS:
                        yield Operation(place, method, action, view)


def _patterns(resolver: Any, prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route, entry
        else:
            yield from _patterns(entry, route)


ALL = sorted(operations(), key=lambda one: (one.place, one.method))
READING = [one for one in ALL if one.method == "get"]
CHANGING = [one for one in ALL if one.method != "get"]


def label(operation: Operation) -> str:
    return f"{operation.method} {operation.place}"
