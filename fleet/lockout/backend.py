"""The log-in by password, at whichever door: the admin's form and the API's Basic both end here."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from fleet.audit.requests import address
from fleet.lockout import guard

PEOPLE = "people"


class Patient(ModelBackend):
    """Django's own, which listens to nobody who guesses."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> Any:
        if username is None or password is None:
            return None
        where = address(request) if request is not None else ""
        if guard.wait_s(PEOPLE, username, where):
            raise PermissionDenied("Too many wrong passwords: wait.")
        user = super().authenticate(request, username, password, **more)
        if user is None:
            guard.wrong(PEOPLE, username, where)
        else:
            guard.right(PEOPLE, username, where)
        return user
