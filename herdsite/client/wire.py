"""How the API is spoken to. What fails in passing is tried again for a while: reading is harmless, and everything that
is asked carries a key, so that asking twice asks once. Redirects are not followed, since the token would go along."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import uuid4

import urllib3
from urllib3 import exceptions as wrong

from herdsite.client import problems
from herdsite.client.config import Login
from herdsite.client.errors import UNREACHABLE, HerdError

CONNECT_S, READ_S = 5.0, 30.0
PATIENCE_S, TRIES, FIRST_PAUSE_S = 60.0, 5, 0.5
PAGE = 200
NDJSON = "application/x-ndjson"
Query = Mapping[str, Any]


class _Passing(Exception):
    """What may go better on another try, after a pause in seconds if the server named one."""

    def __init__(self, trouble: HerdError, pause: float | None):
        super().__init__(str(trouble))
        self.trouble, self.pause = trouble, pause


class Wire:
    """One server, asked as one login. Every method raises HerdError."""

    def __init__(
        self,
        login: Login,
        *,
        read_s: float = READ_S,
        tries: int = TRIES,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ):
        self.login, self.read_s, self.tries, self.sleep, self.now = login, read_s, tries, sleep, now
        self.pool = urllib3.PoolManager(maxsize=1, cert_reqs="CERT_REQUIRED", retries=False)

    def get(self, place: str, query: Query | None = None, longer_s: float = 0) -> Any:
        """One JSON answer; `longer_s` is how much longer than usual it may take."""
        return self._json(self._send("GET", place, query, read_s=self.read_s + longer_s).data)

    def post(self, place: str, body: Mapping[str, Any]) -> Any:
        """Ask for something, once, however often it has to be sent."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
        return self._json(self._send("POST", place, body=json.dumps(body), headers=headers).data)

    def change(self, place: str, body: Mapping[str, Any]) -> Any:
        """Change what is there now; who was there in between is not written over."""
        read = self._send("GET", place)
        headers = {"Content-Type": "application/json", "If-Match": read.headers.get("ETag", "*")}
        return self._json(self._send("PATCH", place, body=json.dumps(body), headers=headers).data)

    def all(self, place: str, query: Query | None = None) -> Iterator[dict[str, Any]]:
        """Every object of a list, page after page."""
        asked = {"limit": PAGE, **(query or {})}
        while True:
            page = self.get(place, asked)
            yield from page["results"]
            if not page.get("next"):
                return
            # Only what to ask is taken from there: whom to ask is for the login to say.
            asked = dict(parse_qsl(urlsplit(page["next"]).query))

    def lines(self, place: str, query: Query) -> Iterator[dict[str, Any]]:
        """Every object of a stream, as it comes."""
        answer = self._send("GET", place, query, headers={"Accept": NDJSON}, stream=True)
        rest = b""
        try:
            for piece in answer.stream(2**16):
                *whole, rest = (rest + piece).split(b"\n")
                yield from (self._json(line) for line in whole)
        except wrong.HTTPError as error:
            raise problems.of_network(error, self.login.url)[0] from error
        finally:
            answer.close()
        if rest.strip():
            raise HerdError(f"{self.login.url} broke off its answer. Try again.", UNREACHABLE)

    def close(self) -> None:
        """End the connections that are kept for the next question."""
        self.pool.clear()

    def _send(self, method: str, place: str, query: Query | None = None, **how: Any) -> urllib3.BaseHTTPResponse:
        """The answer below 300, after as many tries as it takes and patience allows."""
        url = f"{self.login.url}/api/v1/{place}" + (f"?{urlencode(query)}" if query else "")
        until, attempt = self.now() + PATIENCE_S, 1
        while True:
            try:
                return self._try(method, url, **how)
            except _Passing as passing:
                pause = FIRST_PAUSE_S * 2 ** (attempt - 1) if passing.pause is None else passing.pause
                if attempt >= self.tries or self.now() + pause > until:
                    raise passing.trouble from None
            self.sleep(pause)
            attempt += 1

    def _try(
        self,
        method: str,
        url: str,
        *,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        read_s: float | None = None,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        sent = {"Authorization": f"Bearer {self.login.token}", "User-Agent": "herd", **(headers or {})}
        timeout = urllib3.Timeout(connect=CONNECT_S, read=read_s or self.read_s)
        try:
            answer = self.pool.request(
                method, url, body=body, headers=sent, timeout=timeout, redirect=False, preload_content=not stream
            )
            if answer.status < 300:
                return answer
            trouble = problems.of_answer(answer, self.login.url)
        except wrong.HTTPError as error:
            trouble, again = problems.of_network(error, self.login.url)
            raise (_Passing(trouble, None) if again else trouble) from error
        raise _Passing(trouble, problems.pause(answer)) if answer.status in problems.PASSING else trouble

    def _json(self, data: bytes) -> Any:
        try:
            found = json.loads(data, object_hook=Said)
        except ValueError:
            found = None
        if not isinstance(found, Said):
            message = f"{self.login.url} answers, but not as herdsite does: is the address right?"
            raise HerdError(message, UNREACHABLE)
        return found


class Said(dict[str, Any]):
    """An object of the API. What is not in it is an error of who said it, not of ours."""

    def __missing__(self, name: str) -> Any:
        raise HerdError(
            f"The server's answer has no {name!r}: the server and this program have different versions.", UNREACHABLE
        )


def step(name: str | int) -> str:
    """A name or number as one step of an address."""
    return quote(str(name), safe="")
