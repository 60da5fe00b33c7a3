"""Making and revoking tokens: what the admin and the command line share."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from fleet import askers
from fleet.api.models import Token
from fleet.askers import Asker, Forbidden
from fleet.choices import AskError
from fleet.models import Customer
from fleet.roles import CUSTOMER, MANAGE, ROLES

LONGEST_DAYS = 366
CONSOLE = Asker("the command line")


def make(
    user: Any, name: str, scopes: Iterable[str], days: int, customer: Customer | None = None, by: Asker = CONSOLE
) -> tuple[Token, str]:
    """A new token of a login and its text, which is kept nowhere. It counts for so many days, and may do no more than
    `by`, who makes it; in a superuser's name only that superuser makes one. Raises Forbidden and AskError."""
    askers.may(by, MANAGE)
    allowed = [scope for scope in scopes if customer is None or scope in ROLES[CUSTOMER]]
    if more := sorted(set(allowed) - by.scopes):
        raise Forbidden(f"You may not do this yourself, and so no token of yours may: {', '.join(more)}.")
    if user.is_superuser and by.name not in (CONSOLE.name, user.get_username()):
        raise Forbidden(f"{user} is a superuser: only {user} makes tokens of that name.")
    if not days or not 1 <= days <= LONGEST_DAYS:
        raise AskError(f"A token counts for 1 to {LONGEST_DAYS} days.")
    kept = {"user": user, "name": name, "scopes": allowed, "customer": customer}
    return Token.objects.create(**kept, expiry=timedelta(days=days))


def revoke(tokens: Any) -> int:
    """From now on they count no more. Returns how many still did (a queryset is given)."""
    return tokens.filter(revoked_at=None).update(revoked_at=Now())
