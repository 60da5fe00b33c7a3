"""The generic webhook: JSON by POST to any URL, signed. It follows the Standard Webhooks convention (`webhook-id`,
`webhook-timestamp`, `webhook-signature`), for which receivers find ready-made checks in every language."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from dataclasses import asdict

import urllib3

from fleet.transports.post import post
from incidents.notices.base import (
    ACKNOWLEDGE,
    CUSTOMER,
    LATER,
    PAGE,
    REFUSED,
    RESOLVE,
    TEST,
    Delivery,
    Message,
    by_status,
    plain,
)

CONNECT_S, READ_S = 3.0, 5.0
# As much of an answer as is read: it is kept in a row and shown on a page.
ANSWER_BYTES = 2_000


def signature(secret: str, id: str, timestamp: str, body: bytes) -> str:
    """`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`. A secret with the prefix whsec_ is base64 itself."""
    key = secret.encode()
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise ValueError("a webhook secret that begins with whsec_ goes on in base64") from error
    signed = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


class Webhook:
    """Posts to one URL. Redirects are not followed: what is signed for one receiver is not for another."""

    actions = frozenset({PAGE, ACKNOWLEDGE, RESOLVE, CUSTOMER, TEST})

    def __init__(self, url: str, secret: str) -> None:
        self._url, self._secret = url, secret
        self._pool = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S), num_pools=1
        )

    def send(self, message: Message) -> Delivery:
        body = json.dumps(asdict(message) | {"at": message.at.isoformat()}).encode()
        timestamp = str(int(time.time()))
        try:
            headers = {
                "content-type": "application/json",
                "user-agent": "herdsite",
                "webhook-id": message.id,
                "webhook-timestamp": timestamp,
                "webhook-signature": signature(self._secret, message.id, timestamp, body),
            }
        except ValueError as error:
            return Delivery(REFUSED, plain(str(error), self._secret, self._url))
        return self._post(body, headers)

    def _post(self, body: bytes, headers: dict[str, str]) -> Delivery:
        try:
            answer = self._pool.request("POST", self._url, body=body, headers=headers, preload_content=False)
        except urllib3.exceptions.LocationValueError:
            return Delivery(REFUSED, "the webhook's URL is not one")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Delivery(LATER, f"no answer: {type(error).__name__}")
        except ValueError as error:
            return Delivery(REFUSED, plain(str(error), self._secret, self._url))
        try:
            text = answer.read1(ANSWER_BYTES).decode(errors="replace")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            text = f"and then {type(error).__name__}"
        finally:
            answer.close()
        return by_status(answer.status, plain(text, self._secret, self._url), answer.headers.get("retry-after"))

    def __repr__(self) -> str:
        return "Webhook()"


class CustomersWebhook(Webhook):
    """To an address that a customer chose: it goes nowhere but where fleet/transports/outward.py lets it."""

    def _post(self, body: bytes, headers: dict[str, str]) -> Delivery:
        answer = post(self._url, body, headers, CONNECT_S + READ_S)
        text = plain(answer.text, self._secret, self._url)
        return Delivery(LATER, text) if answer.status is None else by_status(answer.status, text, answer.retry_after)
