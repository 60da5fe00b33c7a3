"""Pages that refresh themselves. The full page includes the same template that a refresh asks for.

The token is a digest of the data, taken before anything is rendered: a refresh that would change nothing costs its
queries and is answered 204. Data holds moments, never ages, or every second would be a change.
"""

import hashlib
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from herdsite.portal.shown import moment
from incidents import desk


def database_now() -> datetime:
    """The clock that all times of the herd are told by."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        return cursor.fetchone()[0]


@lru_cache(maxsize=4096)
def drawn(template: str, value: Any) -> SafeString:
    """What a template makes of one frozen value: drawn once, for as long as the value is shown."""
    return mark_safe(render_to_string(template, {"value": value}))


def token_of(data: Any) -> str:
    """A digest of what `repr` shows of the data: dataclasses, tuples, texts and numbers."""
    return hashlib.blake2b(repr(data).encode(), digest_size=12).hexdigest()


def live(
    request: HttpRequest,
    name: str,
    data: Any,
    now: datetime,
    around: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page portal/NAME.html, or with ?fragment=NAME only portal/_NAME.html; 204 if ?token= is still true.

    `data` is what the fragment shows as of `now`, `around` what only the full page needs. The header Herdsite-Now
    tells the script what time it is here, and Herdsite-Incidents how many are open, for the menu.
    """
    token = token_of(data)
    asked = request.GET.get("fragment") == name
    if asked and request.GET.get("token") == token:
        response = HttpResponse(status=204)
    else:
        context = {
            "data": data,
            "token": token,
            "now": moment(now),
            "fragment": name,
            **({} if asked else around or {}),
        }
        template = f"portal/_{name}.html" if asked else f"portal/{name}.html"
        response = render(request, template, context, status=status)
    response["Herdsite-Now"] = f"{now.timestamp():.3f}"
    if asked:
        response["Herdsite-Incidents"] = str(desk.open_incidents().count())
    response["Cache-Control"] = "no-store"
    return response
