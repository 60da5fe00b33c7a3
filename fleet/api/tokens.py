"""Making and revoking tokens: what the admin and the command line share."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from fleet.api.models import Token
from fleet.api.roles import CUSTOMER, ROLES
from fleet.models import Customer

LONGEST_DAYS = 3_650


def make(
    user: Any, name: str, scopes: Iterable[str], days: int | None, customer: Customer | None = None
) -> tuple[Token, str]:
    """A new token and its text, which is kept nowhere. `days` is how long it counts (None: until it is revoked)."""
    allowed = [scope for scope in scopes if customer is None or scope in ROLES[CUSTOMER]]
    expiry = None if days is None else timedelta(days=days)
    return Token.objects.create(user=user, name=name, scopes=allowed, customer=customer, expiry=expiry)


def revoke(tokens: Any) -> int:
    """From now on they count no more. Returns how many still did (a queryset is given)."""
    return tokens.filter(revoked_at=None).update(revoked_at=Now())
