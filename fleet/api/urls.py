"""The fleet's part of `/api/v1`. No address ends with a slash, and none redirects."""

from typing import Any

from django.urls import URLPattern, path

from fleet.api.authorities import Authorities
from fleet.api.credentials import Credentials
from fleet.api.links import BackupLinks
from fleet.api.moves import Addresses, Backups, Changeovers, Followers, Forks, Timelines
from fleet.api.ourselves import Docs, Document, Me, Rings
from fleet.api.records import Customers, Events, Intents, Plans
from fleet.api.things import Instances, Resources, Servers
from fleet.api.windows import Windows


def things(place: str, view: Any, *, listed: Any = None, one: Any = None) -> list[URLPattern]:
    """A list and the things in it; `listed` and `one` are what can be done besides reading: {method: action}."""
    return [
        path(place, view.as_view({"get": "list", **(listed or {})}), name=f"api-{place}"),
        path(f"{place}/<str:name>", view.as_view({"get": "retrieve", **(one or {})}), name=f"api-{place}-one"),
    ]


def verb(place: str, word: str, view: Any, action: str) -> URLPattern:
    """Something that can be done to one of them."""
    return path(f"{place}/<str:name>/{word}", view.as_view({"post": action}), name=f"api-{place}-{word}")


urlpatterns = [
    *things("servers", Servers, listed={"post": "create"}),
    verb("servers", "asks", Servers, "ask"),
    *things("instances", Instances),
    verb("instances", "asks", Instances, "ask"),
    *things("resources", Resources, listed={"post": "create"}),
    verb("resources", "asks", Resources, "ask"),
    path(
        "resources/<str:name>/window",
        Windows.as_view({"get": "retrieve", "patch": "change"}),
        name="api-resources-window",
    ),
    path("followers", Followers.as_view({"get": "list"}), name="api-followers"),
    path("forks", Forks.as_view({"get": "list"}), name="api-forks"),
    *things("timelines", Timelines),
    verb("timelines", "asks", Timelines, "ask"),
    *things("backups", Backups),
    verb("backups", "link", BackupLinks, "link"),
    *things("changeovers", Changeovers),
    verb("changeovers", "asks", Changeovers, "ask"),
    *things("addresses", Addresses),
    verb("addresses", "asks", Addresses, "ask"),
    *things("customers", Customers, listed={"post": "create"}, one={"patch": "change"}),
    *things("plans", Plans, one={"patch": "change"}),
    *things("credentials", Credentials),
    verb("credentials", "reveal", Credentials, "reveal"),
    *things("intents", Intents),
    verb("intents", "cancel", Intents, "cancel"),
    *things("events", Events),
    path("rings", Rings.as_view({"get": "rings"}), name="api-rings"),
    path("workers", Rings.as_view({"get": "workers"}), name="api-workers"),
    path("ca", Authorities.as_view({"get": "ca"}), name="api-ca"),
    path("me", Me.as_view({"get": "me"}), name="api-me"),
    path("openapi.json", Document.as_view({"get": "document"}), name="api-document"),
    path("docs", Docs.as_view(), name="api-docs"),
]
