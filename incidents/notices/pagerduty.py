"""PagerDuty's Events API v2, alerts and change events, through the vendor's library. What it would do by itself (sleep
and try again, without end on 429) is switched off: the outbox repeats, and a worker never waits."""

import ipaddress
import json
from typing import Any, cast
from urllib.parse import urlsplit

from httpx2 import Response
from pagerduty import Error, EventsApiV2Client, HttpError, UrlError

from incidents.notices.base import (
    ACCEPTED,
    ACKNOWLEDGE,
    CHANGE,
    LATER,
    PAGE,
    REFUSED,
    RESOLVE,
    SUMMARY_LENGTH,
    TEST,
    Delivery,
    Message,
    by_status,
    plain,
)

TIMEOUT_S = 5
ACTIONS = {PAGE: "trigger", TEST: "trigger", ACKNOWLEDGE: "acknowledge", RESOLVE: "resolve"}
# An event may have 512 KB. A detail longer than this as JSON is cut and sent as text.
DETAIL_LENGTH = 100_000


class _Once(EventsApiV2Client):
    """The vendor's client with one attempt a call, and with plain HTTP to loopback (a relay, a simulator)."""

    timeout = TIMEOUT_S  # type: ignore[assignment]
    max_network_attempts = 0

    @property
    def url(self) -> str:
        return self._base

    @url.setter
    def url(self, base: str) -> None:
        parts = urlsplit(base)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
            raise UrlError("PagerDuty's URL must be https://")
        self._base = base

    def postprocess(self, response: Response) -> None:
        if response.status_code != 202:
            raise HttpError("not accepted", response)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class PagerDuty:
    """Alerts, by the thread of a message as their deduplication key, and changes, which are no alerts."""

    actions = frozenset({*ACTIONS, CHANGE})

    def __init__(self, routing_key: str, base_url: str) -> None:
        self._key, self._base_url = routing_key, base_url

    def send(self, message: Message) -> Delivery:
        try:
            with _Once(self._key, base_url=self._base_url) as client:
                _send(client, message)
        except HttpError as error:
            # A 202 whose body the library can't read is still accepted.
            return self._answered(cast(Response, error.response))
        except UrlError as error:
            return Delivery(REFUSED, str(error))
        except Error as error:
            cause = error.__cause__ or error
            return Delivery(LATER, f"no answer: {type(cause).__name__}")
        return Delivery(ACCEPTED, "202 accepted")

    def _answered(self, response: Response) -> Delivery:
        delivery = by_status(response.status_code, plain(response.text, self._key), response.headers.get("retry-after"))
        if delivery.outcome == ACCEPTED and response.status_code != 202:
            return Delivery(LATER, delivery.answer)
        return delivery

    def __repr__(self) -> str:
        return "PagerDuty()"


def _send(client: _Once, message: Message) -> None:
    if message.action == CHANGE:
        client.send_change_event(payload=_change(message))
        return
    action = ACTIONS[message.action]
    client.send_event(action, dedup_key=message.thread, **(_alert(message) if action == "trigger" else {}))


def _change(message: Message) -> dict[str, Any]:
    return {
        "summary": message.subject[:SUMMARY_LENGTH],
        "source": message.source,
        "timestamp": message.at.isoformat(),
        "custom_details": {name: _fitting(value) for name, value in ({"text": message.body} | message.details).items()},
    }


def _alert(message: Message) -> dict[str, Any]:
    details = message.details
    payload = {
        "summary": message.subject[:SUMMARY_LENGTH],
        "source": message.source,
        "severity": message.severity,
        "timestamp": message.at.isoformat(),
        "component": details.get("component", ""),
        "group": details.get("group", ""),
        "class": details.get("type", ""),
        "custom_details": {name: _fitting(value) for name, value in details.items()},
    }
    alert: dict[str, Any] = {"payload": {name: value for name, value in payload.items() if value}, "client": "herdsite"}
    if details.get("url"):
        alert |= {"client_url": details["url"], "links": [{"href": details["url"], "text": "In herdsite"}]}
    return alert


def _fitting(value: Any) -> Any:
    text = json.dumps(value, default=str)
    return value if len(text) <= DETAIL_LENGTH else text[:DETAIL_LENGTH] + "… (cut)"
