"""Who asks, and what that one may do: decided here for every door."""

from dataclasses import dataclass
from typing import Any

from fleet.choices import AskError
from fleet.models import Customer
from fleet.roles import READ, SCOPES


class Forbidden(AskError):
    """The verb fits the thing, and the asker may not use it."""


@dataclass(frozen=True)
class Asker:
    """`name` is for events. `customer` is whose databases alone are to be seen (None: everybody's). `platform` is that
    an add-on platform signed that customer on, so that copies and the end of a database are that platform's business.
    Herdsite itself, and whoever has a shell on its machine, may do everything."""

    name: str
    scopes: frozenset[str] = frozenset(SCOPES)
    customer: Customer | None = None
    platform: bool = False


def scopes_of(user: Any) -> frozenset[str]:
    """Says what a login may do with the whole herd. Staff may look."""
    if not user.is_active:
        return frozenset()
    held = {scope.name for scope in SCOPES.values() if user.has_perm(scope.permissions[0])}
    return frozenset(held | {READ} if user.is_staff else held)


def of_login(user: Any) -> Asker:
    """A login at the portal or in the admin."""
    return Asker(user.get_username(), scopes_of(user))


def named(actor: str | Asker) -> Asker:
    """A name is herdsite itself, or whoever has a shell on its machine."""
    return actor if isinstance(actor, Asker) else Asker(actor)


def missing(asker: Asker, scope: str) -> str:
    """Why the asker may not do what takes this scope; "" for who may."""
    if scope in asker.scopes:
        return ""
    return (
        f"You have no permission to {SCOPES[scope].means}: that takes the scope {scope!r}, from your login's role and, "
        "if you use one, in your token."
    )


def may(asker: Asker, scope: str) -> None:
    """Decides for links, tokens, policies and the brake, which are no verbs of a thing. Raises Forbidden."""
    if why := missing(asker, scope):
        raise Forbidden(why)
