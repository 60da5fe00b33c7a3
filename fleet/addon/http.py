"""What every request of a platform has in common: who may ask, what a body is, and how an error is said. An error is
{"id", "message"}, and the message is for the platform's customer to read."""

import base64
import binascii
import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from fleet import outside
from fleet.audit.acting import acting
from fleet.lockout import guard

log = structlog.get_logger("addon")
View = Callable[..., HttpResponse]
PLATFORM = "platform"


class Refusal(Exception):
    """An answer that is not what was asked for: status, and a word and a sentence for the body."""

    def __init__(self, status: int, id: str, message: str) -> None:
        super().__init__(message)
        self.status, self.id, self.message = status, id, message

    def response(self) -> HttpResponse:
        return JsonResponse({"id": self.id, "message": self.message}, status=self.status)


def invalid(message: str) -> Refusal:
    return Refusal(422, "invalid_params", message)


def not_now(message: str) -> Refusal:
    return Refusal(503, "unavailable", message)


def speaks_json(view: View) -> View:
    """Whatever is raised is said as JSON; what was not foreseen as "not now", so that the platform tries again."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Refusal as refusal:
            return refusal.response()
        except Exception as error:
            # Its own words may hold what was sent, so only its name and place are kept.
            where = "herdsite's own database does not answer" if isinstance(error, DatabaseError) else _place(error)
            log.error("request failed", path=request.path, error=type(error).__name__, where=where)
            return not_now("An internal error occurred. Please try again in a minute.").response()

    return guarded


def for_platforms(*methods: str) -> Callable[[View], View]:
    """The request comes from the platform, by the manifest's id and password; that is decided before anything else."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @speaks_json
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            sent = request.headers.get("Authorization", "")
            if wait := _wait_s(sent):
                response = Refusal(429, "rate_limited", f"Too many wrong passwords: wait {wait} s.").response()
                response["Retry-After"] = str(wait)
                return response
            if not knows_password(sent):
                response = Refusal(401, "unauthorized", "Wrong or missing credentials.").response()
                response["WWW-Authenticate"] = 'Basic realm="herdsite add-ons", charset="UTF-8"'
                return response
            if request.method not in methods:
                response = Refusal(405, "method_not_allowed", f"Use {' or '.join(methods)} here.").response()
                response["Allow"] = ", ".join(methods)
                return response
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def _wait_s(sent: str) -> int:
    """For how many seconds no password from that address is listened to: 0 for one that is, and that is counted as
    right or wrong. What comes without a password is no guess."""
    if not sent:
        return 0
    where = who.address if (who := acting()) else ""
    if wait := guard.wait_s(PLATFORM, "", where):
        return wait
    (guard.right if knows_password(sent) else guard.wrong)(PLATFORM, "", where)
    return 0


def knows_password(header: str) -> bool:
    """Whether the Authorization header carries the manifest's id and password. Takes the same time for every wrong one;
    without a password in the settings nobody knows it."""
    scheme, _, sent = header.partition(" ")
    try:
        given = base64.b64decode(sent.strip(), validate=True)
    except (binascii.Error, ValueError):
        given = b""
    right = hmac.compare_digest(given, f"{settings.ADDON_ID}:{settings.ADDON_PASSWORD}".encode())
    return right and scheme.lower() == "basic" and bool(settings.ADDON_PASSWORD)


def raw(request: HttpRequest) -> bytes:
    """What was sent, as it is."""
    try:
        return request.body
    except RequestDataTooBig as error:
        raise Refusal(413, "too_large", "The request is too large.") from error


def body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object that was sent, with whatever members."""
    sort = request.content_type or ""
    if sort and "json" not in sort:
        raise Refusal(415, "unsupported_media_type", "Send application/json.")
    try:
        sent = outside.read_json(raw(request))
    except ValueError as error:
        raise Refusal(400, "bad_request", "The body is not JSON.") from error
    if not isinstance(sent, dict):
        raise invalid("The body must be a JSON object.")
    return sent


def third_generation(request: HttpRequest) -> bool:
    """Whether the request says by its Accept header that it is v3."""
    accept = request.headers.get("Accept", "").replace(" ", "").lower()
    return "application/vnd.heroku-addons+json" in accept and "version=3" in accept


def _place(error: Exception) -> str:
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}" if frame else ""
