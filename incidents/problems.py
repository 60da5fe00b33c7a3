"""Every error of the API as a problem detail (RFC 9457): one JSON object of one media type, whatever went wrong."""

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

    def __init__(self, errors: dict[str, list[str]]):
        super().__init__(" ".join(f"{name}: {' '.join(words)}" for name, words in errors.items()))
        self.errors = errors


class Conflict(exceptions.APIException):
    """It makes sense, but not as things stand."""

    status_code = status.HTTP_409_CONFLICT


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """The answer to an error: {"type", "title", "status", "detail", "instance"}, and "errors" by field where fields
    are wrong."""
    answer = exception_handler(error, context) or _ours(error)
    detail = answer.data.get("detail") if isinstance(answer.data, dict) else None
    title = HTTPStatus(answer.status_code).phrase
    answer.data = {
        "type": "about:blank",
        "title": title,
        "status": answer.status_code,
        "detail": str(detail or title),
        "instance": context["request"].path,
    }
    if isinstance(error, Invalid):
        answer.data["errors"] = error.errors
    answer.content_type = MEDIA_TYPE
    return answer


def _ours(error: Exception) -> Response:
    """Nothing that the asker has done. The log has what the answer leaves out."""
    if isinstance(error, OperationalError | InterfaceError):
        log.warning("database", error=str(error).strip())
        return Response(
            {"detail": "The database does not answer: try again."}, status=503, headers={"Retry-After": "5"}
        )
    log.exception("raised")
    return Response({"detail": "Something is wrong here, and the log says what."}, status=500)
