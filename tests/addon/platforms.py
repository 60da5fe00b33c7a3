"""A platform as tests play it: what it sends in either generation, and whom it knows."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client

from fleet.addon.fake import FakeAddon, FakePlatform

ID, PASSWORD, SALT = "herdsite", "a password of the manifest", "2f97bfa52ca102f8874716e2eb1d3b4920ad0be4"
V1 = "application/json"
V3 = "application/vnd.heroku-addons+json; version=3"
RESOURCES = "/heroku/resources"


def basic(user: str = ID, password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def in_minutes(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def third(**members: Any) -> dict[str, Any]:
    """What v3 sends to provision; a member that is given as None is left out."""
    id = members.pop("uuid", None) or str(uuid.uuid4())
    sent = {
        "uuid": id,
        "name": "acme-primary",
        "plan": "starter-0",
        "region": "amazon-web-services::us-east-1",
        "callback_url": f"https://platform.example/addons/{id}",
        "options": {},
        "oauth_grant": {"code": f"code-{id}", "expires_at": in_minutes(5), "type": "authorization_code"},
        "log_input_url": f"https://token:t.{id}@logs.example/logs",
        "log_drain_token": f"d.{id}",
        "something_new": {"to": ["come"]},
    } | members
    return {name: value for name, value in sent.items() if value is not None}


def first(**members: Any) -> dict[str, Any]:
    """What v1 sends to provision."""
    sent = {
        "heroku_id": "app123@heroku.com",
        "plan": "starter-0",
        "region": "amazon-web-services::us-east-1",
        "callback_url": "https://platform.example/vendor/apps/app123%40heroku.com",
        "options": {},
        "logplex_token": None,
    } | members
    return sent


class Caller:
    """Calls as the platform does, logged in by the manifest's password."""

    def __init__(self, accept: str = V3) -> None:
        self.client, self.accept = Client(enforce_csrf_checks=True), accept

    def __call__(self, method: str, address: str, sent: Any = None, **headers: str) -> Any:
        given = {"authorization": basic(), "accept": self.accept} | headers
        body = b"" if sent is None else sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        kind = given.pop("content_type", "application/json")
        return self.client.generic(method, address, body, content_type=kind, headers=given)

    def provision(self, sent: Any) -> Any:
        return self("POST", RESOURCES, sent)


def knowing(platform: FakePlatform, sent: dict[str, Any]) -> FakeAddon:
    """The platform knows the add-on that it asks for, and its grant can be exchanged."""
    addon = FakeAddon(name=sent.get("name", ""))
    platform.addons[uuid.UUID(sent["uuid"])] = addon
    if "oauth_grant" in sent:
        platform.codes[sent["oauth_grant"]["code"]] = uuid.UUID(sent["uuid"])
    return addon
