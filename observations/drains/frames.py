"""How lines travel: syslog frames back to back in one request, as log drains take them. Pure."""

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from urllib.parse import unquote, urlsplit

CONTENT_TYPE = "application/logplex-1"
# Local use 0, informational; and what emits, as drains name what is no app's process.
PRIORITY, HOST, APP, PROCESS = "<134>1", "host", "app", "herdsite"


def frame(at: datetime, text: str, app: str = APP) -> bytes:
    """One frame: its length in bytes, a space, and the message without structured data."""
    message = f"{PRIORITY} {at.isoformat()} {HOST} {app} {PROCESS} - {text}".encode()
    return f"{len(message)} ".encode() + message


def body(lines: Iterable[tuple[datetime, str]], app: str = APP) -> bytes:
    return b"".join(frame(at, text, app) for at, text in lines)


def headers(url: str, count: int, frame_id: str, drain_token: str = "") -> Mapping[str, str]:
    """All but the length, which is the sender's."""
    parts = urlsplit(url)
    found = {
        "Content-Type": CONTENT_TYPE,
        "Logplex-Msg-Count": str(count),
        "Logplex-Frame-Id": frame_id,
        "User-Agent": "herdsite",
    }
    if drain_token:
        found["Logplex-Drain-Token"] = drain_token
    if parts.username or parts.password:
        who = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        found["Authorization"] = f"Basic {base64.b64encode(who.encode()).decode()}"
    return found


def input_token(url: str) -> str:
    """The token in a platform's log_input_url, https://token:t.<uuid>@host/logs."""
    return unquote(urlsplit(url).password or "")
