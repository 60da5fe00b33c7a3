"""What an answer that is an error means to the one who asked: which exit code, which words, and when to try again."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from urllib3 import BaseHTTPResponse
from urllib3 import exceptions as wrong

from herdsite.client.errors import FAILED, NO_LOGIN, NOT_FOUND, UNREACHABLE, USAGE, HerdError

CODES = {400: USAGE, 401: NO_LOGIN, 403: NO_LOGIN, 404: NOT_FOUND, 422: USAGE}
HINTS = {
    401: "Log in: herd login URL.",
    403: "`herd whoami` shows what your token may do.",
    404: "`herd ls` shows what there is.",
}
# It may be otherwise in a moment.
PASSING = (429, 502, 503, 504)
PROBLEM = "application/problem+json"


def of_answer(answer: BaseHTTPResponse, url: str) -> HerdError:
    """An answer of 300 and above, in the server's words where it is herdsite's."""
    status = answer.status
    if status < 400:
        return HerdError(f"{url} redirects to {answer.headers.get('Location')}: log in there.", UNREACHABLE)
    code = UNREACHABLE if status in PASSING else CODES.get(status, FAILED)
    if answer.headers.get("Content-Type", "").startswith(PROBLEM):
        said = _object(answer.data)
        words = [str(said.get("detail") or said.get("title") or status), HINTS.get(status, "")]
        if status >= 500 and said.get("request_id"):
            words.append(f"(request {said['request_id']})")
        return HerdError(" ".join(filter(None, words)), code)
    title = HTTPStatus(status).phrase if status in set(HTTPStatus) else "an error"
    words = [f"{url} answers {status} {title}."]
    if status not in PASSING:
        words.append("The server does not speak herdsite's API: is the address right?")
    return HerdError(" ".join(words), UNREACHABLE)


def of_network(error: wrong.HTTPError, url: str) -> tuple[HerdError, bool]:
    """No answer at all, and whether to try again."""
    if isinstance(error, wrong.SSLError):
        return HerdError(
            f"{url} is not trusted: {_last(error)}. To trust a certificate of your own, set SSL_CERT_FILE.",
            UNREACHABLE,
        ), False
    if isinstance(error, wrong.NameResolutionError):
        return HerdError(f"{url} can't be found: is the address right?", UNREACHABLE), False
    # It is a kind of TimeoutError, too.
    if isinstance(error, wrong.NewConnectionError):
        return HerdError(
            f"{url} refuses connections: is the server running, and is the address right?", UNREACHABLE
        ), True
    if isinstance(error, wrong.TimeoutError):
        return HerdError(f"{url} does not answer in time. Try again later.", UNREACHABLE), True
    return HerdError(f"{url} broke off its answer. Try again.", UNREACHABLE), True


def pause(answer: BaseHTTPResponse) -> float | None:
    """Seconds until the server wants to be asked again; None if it doesn't say."""
    said = answer.headers.get("Retry-After", "")
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        at = parsedate_to_datetime(said)
        return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())
    except ValueError:
        return None


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _last(error: Exception) -> str:
    """The innermost cause, as OpenSSL says it, without where in its sources it says so."""
    text = str(error.args[0] if error.args else error)
    return text.split("] ", 1)[-1].split(" (_ssl", 1)[0].rstrip(".")
