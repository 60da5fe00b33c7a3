"""How much a request may bring and how long it may take, by its address and by whether it shows a log-in.

Whether the log-in is good is for the pages to say. The edge sees only that there is one: without it nothing large is
taken in, and with it no more than there is room for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

KIB = 1024

HEAD_BYTES = 32 * KIB
# What a form of ours, a sign-on or a plain question of a program takes; nobody has to show a log-in for so little.
SMALL_BYTES = 16 * KIB
# Bodies above SMALL_BYTES that are being received at one time, together. They lie in memory and never on the disk.
ROOM_BYTES = 32 * KIB * KIB

HEAD_S = 10.0  # from the first byte of a connection to the end of the header
BODY_S = 20.0  # from there to the end of the body
IDLE_S = 30.0  # from one answer to the next request
STALL_S, STALL_BYTES = 20.0, 16 * KIB  # who takes less than that of an answer in that time is not waited for
ANSWER_BYTES = 2 * KIB * KIB  # of an answer that the client has not taken yet; the page waits then
LOOK_S = 1  # between two looks for who is late
CONNECTIONS = 400  # open at one time; whoever comes then takes the place of one that keeps us waiting


@dataclass(frozen=True)
class Bodies:
    """What may be sent to the addresses that begin with `prefix`: with a log-in, and without (bytes)."""

    prefix: str
    most: int
    unknown: int = SMALL_BYTES


# The first that fits counts. Signed messages bear no log-in: their signature is over the body.
BODIES = (
    Bodies("/hooks/", 256 * KIB, unknown=256 * KIB),
    Bodies("/heroku/webhooks/", 256 * KIB, unknown=256 * KIB),
    Bodies("/heroku/", 64 * KIB),
    Bodies("/admin/login", SMALL_BYTES),
    Bodies("/", 256 * KIB),
)


@dataclass(frozen=True)
class Refusal:
    """Why a request is not taken in: an HTTP status and a sentence for whoever sent it."""

    status: HTTPStatus
    detail: str


def judge(path: str, headers: Mapping[str, str], length: int, chunked: bool, receiving: int) -> Refusal | None:
    """Why the body that a header announces is not to be read; None if it is.

    `headers` by names as WSGI writes them without HTTP_ (COOKIE); `length` and `receiving`, what others are sending
    just now, in bytes.
    """
    if chunked:
        return Refusal(HTTPStatus.LENGTH_REQUIRED, "Send the body with a Content-Length.")
    if length <= 0:
        return None
    bodies = next((row for row in BODIES if path.startswith(row.prefix)), Bodies("", SMALL_BYTES))
    if length > bodies.most:
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may have {bodies.most} bytes here at most.")
    if length > bodies.unknown and not shows_login(headers):
        return Refusal(HTTPStatus.UNAUTHORIZED, f"Log in to send more than {bodies.unknown} bytes here.")
    if length > SMALL_BYTES and receiving + length > ROOM_BYTES:
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Too much is being sent at once. Try again in a moment.")
    return None


def shows_login(headers: Mapping[str, str]) -> bool:
    """Whether the request says who it is from, rightly or not."""
    return bool(headers.get("AUTHORIZATION")) or "sessionid=" in headers.get("COOKIE", "")
