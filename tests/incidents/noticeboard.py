"""What the tests of notices and pages stand on: channels in memory under the names of real ones, an incident as others
see one, and a clock that the test turns."""

import itertools
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from incidents.notices import desk, outbox
from incidents.notices.base import LATER, REFUSED, Delivery
from incidents.notices.fake import FakeNotifier

BROKEN, REFUSES, SLOWED = Delivery(LATER, "503 down"), Delivery(REFUSED, "400 no"), Delivery(LATER, "429 slower", 60.0)

_channels: dict[str, FakeNotifier] = {}
_numbers = itertools.count(1)


def pagerduty() -> FakeNotifier | None:
    return _channels.get("pagerduty")


def email() -> FakeNotifier | None:
    return _channels.get("email")


def webhook() -> FakeNotifier | None:
    return _channels.get("webhook")


def log() -> FakeNotifier | None:
    return _channels.get("log")


@dataclass
class Incident:
    """As much of an incident as is asked for."""

    id: uuid.UUID = field(default_factory=uuid.uuid4)
    name: str = field(default_factory=lambda: f"incident-{next(_numbers)}")
    type: str = "instance_down"
    severity: str = "page"
    subject_name: str = "acme-orders"
    subject_kind: str = "instance"
    summary: str = "PostgreSQL does not answer"
    customer: Any = None


class Board:
    """The channels, and time: `beat` sends what is due `later` seconds after the last beat. The clock runs ahead of the
    database's, so that whatever is written now is due."""

    def __init__(self, settings: Any, monkeypatch: Any) -> None:
        _channels.clear()
        settings.PAGING = ["pagerduty", "email", "webhook", "log"]
        settings.NOTIFIERS = {name: f"{__name__}.{name}" for name in settings.PAGING}
        settings.WEBHOOK_URL = "https://hooks.example/secret-path"
        settings.PAGE_AGAIN_S, settings.PAGES_PER_MINUTE, settings.URL = 300.0, 10, ""
        settings.QUIET_HOURS = ""
        self.now = outbox.clock() + timedelta(hours=1)
        monkeypatch.setattr(desk, "clock", lambda: self.now)
        self.failed: list[tuple[str, str]] = []

    def has(self, *names: str) -> list[FakeNotifier]:
        _channels.update({name: FakeNotifier() for name in names})
        return [_channels[name] for name in names]

    def beat(self, later: float = 0.0, n: int = 50) -> int:
        self.now += timedelta(seconds=later)
        return outbox.send_due(n, self.now, lambda channel, why: self.failed.append((channel, why)))
