"""How the API knows who asks: a token, a login with its password, or the portal's session; and what that one may do."""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db.models.functions import Now
from django.utils import timezone
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.settings import CONSTANTS
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from fleet.api.models import Token
from fleet.askers import Asker, scopes_of
from fleet.audit.requests import address
from fleet.lockout import guard
from fleet.lockout.backend import PEOPLE
from fleet.roles import CUSTOMER, ROLES

USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Caller(Asker):
    """Who asks over the API: `key` is whose idempotency keys and fair share these are."""

    key: str = ""
    token: Token | None = None


def asker_of(request: Request) -> Caller:
    """The one who asks; known is who they are already."""
    inner = request._request
    if not hasattr(inner, "asker"):
        inner.asker = _asker(request.user, request.auth if isinstance(request.auth, Token) else None)
    return inner.asker


def _asker(user: Any, token: Token | None) -> Caller:
    login = user.get_username()
    may = scopes_of(user)
    if token is None:
        return Caller(login, may, key=f"login/{user.pk}")
    if token.customer:
        own = frozenset(ROLES[CUSTOMER])
        may = own if user.groups.filter(name=CUSTOMER).exists() else may & own
    may &= frozenset(token.scopes)
    return Caller(f"{login} ({token.name})", may, token.customer, key=f"token/{token.pk}", token=token)


class Passwords(BasicAuthentication):
    """A login by password. Who guesses is told how long to wait (fleet/lockout)."""

    def authenticate_credentials(self, userid: str, password: str, request: Any = None) -> Any:
        if "\0" in userid:
            raise AuthenticationFailed("Invalid username/password.")
        if wait := guard.wait_s(PEOPLE, userid, address(request)):
            raise Throttled(wait)
        return super().authenticate_credentials(userid, password, request)

    def authenticate_header(self, _request: Request) -> str:
        return 'Basic realm="herdsite", Bearer'


class Tokens(TokenAuthentication):
    """`Authorization: Bearer herd_…`. Expired and revoked tokens stay on record."""

    def authenticate_credentials(self, token: bytes) -> tuple[AbstractBaseUser, Token]:
        text = token.decode("ascii", "replace")
        if text.isascii() and text.isprintable():
            candidates = Token.objects.filter(token_key=text[: CONSTANTS.TOKEN_KEY_LENGTH])
            digest = hash_token(text)
            for found in candidates.select_related("user", "customer"):
                if hmac.compare_digest(digest, found.digest):
                    return self._usable(found)
        raise AuthenticationFailed("There is no such token.")

    def _usable(self, token: Token) -> tuple[AbstractBaseUser, Token]:
        now = timezone.now()
        if token.revoked_at or (token.expiry and token.expiry <= now):
            raise AuthenticationFailed("The token was revoked." if token.revoked_at else "The token has expired.")
        user, _token = self.validate_user(token)
        if token.last_used is None or now - token.last_used > USED_EVERY:
            Token.objects.filter(pk=token.pk).update(last_used=Now())
        return user, token


METHODS = (Passwords, Tokens, SessionAuthentication)
