"""One POST over HTTP or HTTPS, bounded as a whole: one deadline for connecting, sending and the answer together.

It goes nowhere but where outward.py lets it. Whoever receives may hang, or let the answer trickle byte by byte so that
no single read times out; when the deadline comes, the connection is cut under it. Redirects are not followed, and the
certificate must be good.
"""

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPConnection, HTTPException
from urllib.parse import SplitResult, urlsplit

from fleet.transports import outward

# As much of an answer as is read: it is kept in a row and shown on a page.
ANSWER_BYTES = 2_000


@dataclass(frozen=True)
class Answer:
    """What came of it. `status` is None where no answer came, and `text` says why; else `text` is how the body begins.
    `took_ms` is how long it all took, `retry_after` the header of that name."""

    status: int | None
    text: str
    took_ms: float = 0.0
    retry_after: str | None = None

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
    """Post once. Never raises for what the other side does, and no answer names the URL. Only looking up the host's
    name has time-outs of its own, the resolver's."""
    began = time.monotonic()
    line = _Line(began + timeout_s)
    watchdog = threading.Timer(timeout_s, line.cut)
    watchdog.daemon = True
    watchdog.start()
    try:
        place, parts = outward.place(url), urlsplit(url)
        line.open(place, secure=parts.scheme == "https")
        status, text, retry_after = line.ask(_target(parts), body, headers)
    except outward.NotAllowed as error:
        status, text, retry_after = None, str(error), None
    except (OSError, HTTPException) as error:
        late = time.monotonic() >= line.until
        status, text, retry_after = None, _why(error, timeout_s if late else None), None
    except ValueError:
        status, text, retry_after = None, "the URL is not one", None
    finally:
        watchdog.cancel()
        line.close()
    return Answer(status, text, (time.monotonic() - began) * 1000, retry_after)


class _Line:
    """One connection, which another thread may cut."""

    def __init__(self, until: float) -> None:
        self.until = until
        self._socket: socket.socket | None = None
        self._cut = False

    def open(self, place: outward.Place, secure: bool) -> None:
        failed: OSError = TimeoutError("no time left")
        for family, kind, protocol, _name, address in outward.found(place):
            left = self.until - time.monotonic()
            if left <= 0:
                break
            self._socket = socket.socket(family, kind, protocol)
            self._socket.settimeout(left)
            try:
                self._socket.connect(address)
                break
            except OSError as error:
                failed = error
                self.close()
        if self._socket is None:
            raise failed
        if secure:
            tls = tls_context().wrap_socket(self._socket, server_hostname=place.host, do_handshake_on_connect=False)
            self._socket = tls
            tls.do_handshake()

    def ask(self, target: tuple[str, str], body: bytes, headers: Mapping[str, str]) -> tuple[int, str, str | None]:
        netloc, path = target
        connection = HTTPConnection(netloc)
        connection.sock = self._socket
        connection.request("POST", path, body, {"Host": netloc, "Connection": "close", **headers})
        answer = connection.getresponse()
        if self._cut:
            # What broke off in the middle of its headers reads as if they had ended.
            raise TimeoutError
        text = ""
        # The status is the answer; a body that breaks off takes nothing from it.
        with suppress(OSError, HTTPException):
            text = answer.read1(ANSWER_BYTES).decode(errors="replace")
        return answer.status, text, answer.getheader("Retry-After")

    def cut(self) -> None:
        """From another thread: whatever waits on the line gets an error now."""
        self._cut = True
        with suppress(OSError):
            if self._socket is not None:
                # Not the method of a TLS socket, which would change that under the feet of the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _target(parts: SplitResult) -> tuple[str, str]:
    """Host and path as they are sent; a name and password in the URL are the caller's business."""
    return parts.netloc.rpartition("@")[2], (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _why(error: Exception, waited_s: float | None) -> str:
    return f"no answer: {type(error).__name__}" if waited_s is None else f"no answer within {waited_s:g} s"
