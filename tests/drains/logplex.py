"""A log drain as its receiver has it: every header and every byte of a frame is checked, and what it got is kept."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.contracts.receivers import HttpServer

MESSAGE = re.compile(rb"<134>1 (\S+) host (\S+) herdsite - (.*)\Z", re.DOTALL)


@dataclass(frozen=True)
class Got:
    """One request: its frame's id, the app and the drain by which it is known, and (time, text) of each line."""

    path: str
    frame: str
    app: str
    drain: str
    authorization: str
    lines: list[tuple[datetime, str]]


class Logplex(HttpServer):
    """Also keeps what it could not understand: `got` fails then."""

    @property
    def got(self) -> list[Got]:
        return [understood(*request) for request in self.requests]


def understood(path: str, headers: dict[str, str], body: bytes) -> Got:
    assert headers["content-type"] == "application/logplex-1"
    assert int(headers["content-length"]) == len(body) and "transfer-encoding" not in headers
    UUID(headers["logplex-frame-id"])
    found: list[Any] = []
    apps = set()
    while body:
        length, _, rest = body.partition(b" ")
        message, body = rest[: int(length)], rest[int(length) :]
        assert len(message) == int(length)
        match = MESSAGE.match(message)
        assert match, message
        at, app, text = (part.decode() for part in match.groups())
        assert datetime.fromisoformat(at).tzinfo is not None
        apps.add(app)
        found.append((datetime.fromisoformat(at), text))
    assert int(headers["logplex-msg-count"]) == len(found) > 0
    [app] = apps
    drain, authorization = headers.get("logplex-drain-token", ""), headers.get("authorization", "")
    return Got(path, headers["logplex-frame-id"], app, drain, authorization, found)
