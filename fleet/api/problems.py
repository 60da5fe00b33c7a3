"""Every error of the API as a problem detail (RFC 9457): one JSON object of one media type, whatever went wrong."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

log = structlog.get_logger("api")

MEDIA_TYPE = "application/problem+json"


class Invalid(exceptions.APIException):
    """What was sent can't be taken; `errors` says why, by field."""

    status_code = status.HTTP_400_BAD_REQUEST

    def __init__(self, errors: Mapping[str, list[str]]):
        super().__init__(" ".join(f"{name}: {' '.join(words)}" for name, words in errors.items()))
        self.errors = dict(errors)


class Conflict(exceptions.APIException):
    """The request is valid, but conflicts with the present state."""

    status_code = status.HTTP_409_CONFLICT


class Stale(exceptions.APIException):
    """The object was changed since it was read."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "The object has changed since you read it: read it again, and send its new ETag as If-Match."


class Unconditional(exceptions.APIException):
    """It is to be changed by who doesn't say which version of it."""

    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_detail = "Send the ETag of what you read as If-Match, so that nobody's change is lost."


class Reused(exceptions.APIException):
    """An idempotency key that stands for another request."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = "This Idempotency-Key belongs to another request of yours. Use a new one."


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """The answer to an error: {"type", "title", "status", "detail", "instance", "request_id"}, and "errors" by field
    where fields are wrong."""
    if isinstance(error, exceptions.ValidationError):
        error = Invalid(_by_field(error.detail))
    answer = exception_handler(error, context) or _ours(error)
    detail = answer.data.get("detail") if isinstance(answer.data, dict) else None
    title = HTTPStatus(answer.status_code).phrase
    request = context["request"]
    answer.data = {
        "type": "about:blank",
        "title": title,
        "status": answer.status_code,
        "detail": str(detail or title),
        "instance": request.path,
        "request_id": getattr(request, "id", ""),
    }
    if isinstance(error, Invalid):
        answer.data["errors"] = error.errors
    answer.content_type = MEDIA_TYPE
    return answer


def _by_field(detail: Any, path: str = "") -> dict[str, list[str]]:
    """What serializers complain about, however deep, by the path of the field."""
    if isinstance(detail, Mapping):
        found: dict[str, list[str]] = {}
        for name, inner in detail.items():
            outer = path or "body"
            found |= _by_field(inner, outer if name == "non_field_errors" else f"{path}.{name}" if path else str(name))
        return found
    return {path or "body": [str(word) for word in detail]}


def _ours(error: Exception) -> Response:
    """Nothing that the asker has done. The log has what the answer leaves out."""
    if isinstance(error, OperationalError | InterfaceError):
        log.warning("database", error=str(error).strip())
        return Response(
            {"detail": "The database does not answer: try again."}, status=503, headers={"Retry-After": "5"}
        )
    log.exception("raised")
    return Response({"detail": "An internal error occurred; the server's log has the details."}, status=500)
