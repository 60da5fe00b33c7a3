"""Each request has an id: the asker's own, or one of ours. It is in the answer, and in every line that is logged on the
way to it. Requests of the API are logged, one line each, without their query string."""

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

log = structlog.get_logger("web")

HEADER = "X-Request-ID"
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")
API = "/api/"


def identified(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware. What the asker calls the request is taken over only if it is plain."""

    def middleware(request: HttpRequest) -> HttpResponse:
        began = time.monotonic()
        given = request.headers.get(HEADER, "")
        request.id = given if _PLAIN.fullmatch(given) else uuid.uuid4().hex  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request.id):  # type: ignore[attr-defined]
            answer = get_response(request)
            if request.path.startswith(API):
                asker = getattr(request, "asker", None)
                log.info(
                    "request",
                    method=request.method,
                    path=request.path,
                    status=answer.status_code,
                    ms=round((time.monotonic() - began) * 1000, 1),
                    actor=asker.name if asker else "",
                )
        answer[HEADER] = request.id  # type: ignore[attr-defined]
        return answer

    return middleware
