"""Middleware: a session ends when nobody has used it for a while. A page that refreshes itself is nobody's doing, so
that a browser left alone is logged out although its page goes on asking."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from fleet.addon import sso

USED = "used_at"
# Using a session is written down no more often than this (s).
EVERY_S = 60.0


def idle(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Comes after Django's own middleware of log-ins, since ending a session is a log-out that goes on record."""

    def middleware(request: HttpRequest) -> HttpResponse:
        # Who brings no cookie has no session, and an answer to that one does not depend on cookies.
        known = settings.SESSION_COOKIE_NAME in request.COOKIES
        session = request.session
        if settings.IDLE_S and known and (SESSION_KEY in session or sso.whose(session) is not None):
            used, now = session.get(USED), time.time()
            refresh = request.method == "GET" and "fragment" in request.GET
            if not isinstance(used, float):
                begin(session)
            elif now - used > settings.IDLE_S:
                logout(request)
            elif not refresh and now - used > min(EVERY_S, settings.IDLE_S / 4):
                session[USED] = now
        return get_response(request)

    return middleware


def begin(session: Any) -> None:
    """From now on it is watched. When it ends at the latest is fixed: each write would put that off otherwise."""
    session.set_expiry(timezone.now() + timedelta(seconds=session.get_expiry_age()))
    session[USED] = time.time()


def _came(request: HttpRequest | None, **_more: Any) -> None:
    if settings.IDLE_S and request is not None:
        begin(request.session)


user_logged_in.connect(_came, dispatch_uid="idle")
