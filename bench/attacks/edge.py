"""Against the web server itself, by somebody without a log-in. Each returns what got in; nothing, if all held."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from bench.attacks.site import Site, read_head, status

CROWD = 150  # connections; more than a web process has threads
LONG = 94_000_000  # bytes that once came to lie on the disk


@contextmanager
def _crowd(site: Site, opening: bytes) -> Iterator[list[socket.socket]]:
    """Many connections that have all sent the same and then say nothing more."""
    with ExitStack() as stack:
        crowd = [stack.enter_context(site.connect()) for _ in range(CROWD)]
        for sock in crowd:
            sock.sendall(opening)
        yield crowd


def _holds_up(site: Site, opening: bytes) -> str:
    with _crowd(site, opening):
        try:
            return "" if site.serves() else "pages fail meanwhile"
        except OSError as error:
            return f"other clients are not served: {error}"


def silence(site: Site) -> str:
    """Many connections that say nothing."""
    return _holds_up(site, b"")


def unfinished_headers(site: Site) -> str:
    """Many headers without an end."""
    return _holds_up(site, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")


def trickling_bodies(site: Site) -> str:
    """Many small bodies that never end."""
    return _holds_up(
        site, b"POST /sso/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nid="
    )  # fmt: skip


def answers_not_taken(site: Site) -> str:
    """Many who ask for a large file over and over and take none of it."""
    page = (
        b"GET /static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    return _holds_up(site, page * 4)


def upload_without_login(site: Site) -> str:
    """A file, announced to each place that takes something, of which one byte is sent."""
    for path in ("/", "/admin/login/", "/api/v1/resources", "/sso/login", "/mine/token", "/hooks/pagerduty"):
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LONG}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n-"
        )
        if status(site.send(head.encode())) not in (401, 413):
            return f"{path} waits for {LONG} bytes"
    return ""


def login_made_up(site: Site) -> str:
    """The same with a cookie and with a token that nobody gave out."""
    for header in ("Cookie: sessionid=0123456789abcdef", "Authorization: Bearer herd_0"):
        head = f"POST /api/v1/resources HTTP/1.1\r\nHost: localhost\r\n{header}\r\nContent-Length: {LONG}\r\n\r\n-"
        if status(site.send(head.encode())) != 413:
            return f"a client that sends {header!r} may send {LONG} bytes"
    return ""


def unbounded_body(site: Site) -> str:
    """A body of chunks, whose length nobody knows."""
    head = b"POST /sso/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nid=ab\r\n"
    return "" if status(site.send(head)) == 411 else "a body without a length is taken in"


def endless_header(site: Site) -> str:
    """A header that goes on and on."""
    answer = site.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-More: more\r\n" * 8000)
    return "" if status(answer) in (0, 431) else "a header of 100 kB is taken in"


def two_lengths(site: Site) -> str:
    """A request that a proxy and the server may see the end of in different places."""
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
    tries = (
        b"Content-Length: 0\r\nTransfer-Encoding: chunked",
        b"Content-Length: 0\r\nContent-Length: %d" % len(smuggled),
        b"Content-Length: +0",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: identity, chunked",
    )
    for tried in tries:
        with site.connect() as sock:
            sock.sendall(b"POST /sso/login HTTP/1.1\r\nHost: localhost\r\n" + tried + b"\r\n\r\n" + smuggled)
            if status(read_head(sock)) not in (400, 411, 501):
                return f"{tried!r} is taken in"
    return ""


ATTACKS: tuple[Callable[[Site], str], ...] = (
    silence,
    unfinished_headers,
    trickling_bodies,
    answers_not_taken,
    upload_without_login,
    login_made_up,
    unbounded_body,
    endless_header,
    two_lengths,
)
