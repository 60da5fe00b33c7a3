"""The Platform over HTTPS. Redirects are not followed, and what the other side says is read in part and never believed:
whatever can't be read as an answer counts as none."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import urllib3
from django.conf import settings

from fleet import outside
from fleet.addon.platform import HEARD, Away, Declined, Gone, Info, Tokens, Unauthorised

CONNECT_S, READ_S = 2.0, 4.0
# The longest that one lets oneself be told to wait (s), and as much of an answer as is read and told (bytes).
LONGEST_WAIT_S = 3600.0
ANSWER_BYTES, TOLD = 100_000, 200
V3 = "application/vnd.heroku+json; version=3"


class HttpPlatform:
    """`api` and `id` are base URLs; `slug` and `password` the manifest's; `client_secret` goes with the grants."""

    def __init__(self, api: str, id: str, slug: str, password: str, client_secret: str) -> None:
        self._api, self._id, self._client_secret = api.rstrip("/"), id.rstrip("/"), client_secret
        self._basic = "Basic " + base64.b64encode(f"{slug}:{password}".encode()).decode()
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S))

    def exchange(self, code: str) -> Tokens:
        return self._grant(grant_type="authorization_code", code=code)

    def refresh(self, refresh_token: str) -> Tokens:
        return self._grant(grant_type="refresh_token", refresh_token=refresh_token)

    def push_config(self, addon: UUID, token: str, config: Mapping[str, str | None]) -> None:
        pairs = [{"name": name, "value": value} for name, value in config.items()]
        self._call("PATCH", f"/addons/{addon}/config", _bearer(token), {"config": pairs})

    def provisioned(self, addon: UUID, token: str) -> None:
        self._call("POST", f"/addons/{addon}/actions/provision", _bearer(token))

    def deprovisioned(self, addon: UUID, token: str) -> None:
        self._call("POST", f"/addons/{addon}/actions/deprovision", _bearer(token))

    def info(self, addon: UUID, token: str) -> Info:
        said = self._call("GET", f"/addons/{addon}", _bearer(token))
        app = said.get("app")
        app = app if isinstance(app, dict) else {}
        return Info(_text(said, "state"), _text(said, "name"), _text(app, "id"), _text(app, "name"))

    def subscribe(self, addon: UUID, token: str, url: str, level: str, secret: str) -> None:
        wanted = {"url": url, "level": level, "include": list(HEARD), "secret": secret}
        self._call("POST", f"/addons/{addon}/webhooks", _bearer(token), wanted)

    def app_info(self, heroku_id: str) -> Info:
        said = self._call("GET", f"/vendor/apps/{quote(heroku_id, safe='')}", self._vendor())
        return Info(
            app_id=_text(said, "id"),
            app_name=_text(said, "name"),
            owner_email=_text(said, "owner_email"),
            log_input_url=_text(said, "log_input_url"),
        )

    def push_app_config(self, heroku_id: str, config: Mapping[str, str | None]) -> None:
        self._call("PUT", f"/vendor/apps/{quote(heroku_id, safe='')}", self._vendor(), {"config": dict(config)})

    def _vendor(self) -> dict[str, str]:
        return {"authorization": self._basic, "accept": "application/json"}

    def _grant(self, **fields: str) -> Tokens:
        form = urlencode(fields | {"client_secret": self._client_secret}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        said = self._send("POST", f"{self._id}/oauth/token", headers, form)
        access, lives = _text(said, "access_token"), said.get("expires_in")
        if not access:
            raise Away("the answer to a grant has no access token")
        known = isinstance(lives, int | float) and lives > 0
        return Tokens(access, _text(said, "refresh_token") or fields.get("refresh_token", ""), lives if known else None)

    def _call(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> dict[str, Any]:
        if body is None:
            return self._send(method, self._api + path, headers, None)
        return self._send(
            method, self._api + path, headers | {"content-type": "application/json"}, json.dumps(body).encode()
        )

    def _send(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> dict[str, Any]:
        """The JSON object of a good answer; {} where it has none."""
        try:
            answer = self._pool.request(
                method, url, body=body, headers=headers | {"user-agent": "herdsite"}, preload_content=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Away(f"no answer: {type(error).__name__}", silent=True) from None
        try:
            text = _read(answer)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Away(f"{answer.status}, and then {type(error).__name__}", silent=True) from None
        finally:
            answer.close()
        return _judged(method, answer.status, text, answer.headers.get("retry-after", ""))


def _read(answer: urllib3.BaseHTTPResponse) -> bytes:
    """The body, as far as it comes in time: who sends a byte now and then has not answered."""
    end, parts, room = time.monotonic() + READ_S, [], ANSWER_BYTES
    while room > 0 and (part := answer.read1(room, decode_content=True)):
        parts.append(part)
        room -= len(part)
        if time.monotonic() > end:
            raise TimeoutError
    return b"".join(parts)


def _judged(method: str, status: int, body: bytes, retry_after: str) -> dict[str, Any]:
    try:
        said = outside.read_json(body) if body.strip() else {}
    except ValueError:
        said = None
    told = f"{status} to {method}"
    if isinstance(said, dict) and status >= 400:
        # Its own words, of which none is a secret: what was sent is never part of them.
        told += f": {' '.join(_text(said, 'message').split())[:TOLD]}" if _text(said, "message") else ""
    if 200 <= status < 300:
        if said is None:
            raise Away(f"{told}, with something that is not JSON")
        return said if isinstance(said, dict) else {}
    if status == 401:
        raise Unauthorised(told)
    if status in (404, 410):
        raise Gone(told)
    if status in (408, 429) or status >= 500:
        asked = min(float(retry_after), LONGEST_WAIT_S) if retry_after.isdecimal() else None
        raise Away(told, asked)
    raise Declined(told)


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "accept": V3}


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value.replace("\0", "") if isinstance(value, str) else ""


def from_settings() -> HttpPlatform:
    """The platform that the settings name."""
    return HttpPlatform(
        settings.ADDON_API_URL,
        settings.ADDON_ID_URL,
        settings.ADDON_ID,
        settings.ADDON_PASSWORD,
        settings.ADDON_CLIENT_SECRET,
    )
