"""The options of a provision: which database it shall be a copy of, as of when, and which version it shall have.

A database is named by its URL, whose password proves that it is the asker's, or by its name where the platform says
whose app asks (first generation only: the third tells that after the answer is due).
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote, urlsplit

from django.db.models import Q

from fleet.addon import times
from fleet.addon.asked import Asked
from fleet.addon.http import Refusal, invalid
from fleet.addon.steps import customer_name
from fleet.models import Credential, Resource
from fleet.states import CREATING, DESTROYED, DESTROYING

FOLLOW, FORK, ROLLBACK = "follow", "fork", "rollback"
COPIES = (FOLLOW, FORK, ROLLBACK)
FLAGS = {"true": True, "1": True, "yes": True, "": True, "false": False, "0": False, "no": False}
LATEST = 17


@dataclass(frozen=True)
class Copy:
    """`kind` follows or forks `source`; `at` is the moment in its past (None: now); `fast` takes the last backup as it
    is, without what came after it."""

    kind: str
    source: Resource
    at: datetime | None
    fast: bool


def copy(asked: Asked, now: datetime) -> Copy | None:
    """What it shall be a copy of; None: it begins empty. Raises Refusal."""
    options = asked.options
    wanted = [kind for kind in COPIES if kind in options]
    if not wanted:
        _alone(options, "to", "by", "fast")
        return None
    if len(wanted) > 1:
        raise invalid(f"A database can't {' and '.join(wanted)} at once: choose one.")
    kind, at = wanted[0], _at(options, now)
    if kind == FOLLOW and (at or "fast" in options):
        raise invalid("A follower always shows the present data of its leader: to, by and fast do not apply.")
    if kind == ROLLBACK and at is None:
        raise invalid("Say how far to roll back: --to 'a time', or --by '3 hours'.")
    source = _find(options[kind], asked, kind)
    return Copy(FOLLOW if kind == FOLLOW else FORK, source, at, flag(options, "fast"))


def major(options: Mapping[str, str], source: Resource | None) -> int:
    """PostgreSQL's major version: the one that is asked for, the source's, or ours."""
    text = options.get("version", "")
    if not text:
        return source.major if source else LATEST
    if not text.isdecimal() or len(text) > 3:
        raise invalid(f"{text!r} is not a version of PostgreSQL: give its major version, such as {LATEST}.")
    if source and int(text) != source.major:
        raise invalid(f"A copy has the same version as its source, which is {source.major}.")
    return int(text)


def flag(options: Mapping[str, str], name: str) -> bool:
    """A bare flag arrives as "true"."""
    if name not in options:
        return False
    word = options[name].lower()
    if word not in FLAGS:
        raise invalid(f"{name} is either there or not: {options[name]!r} says neither.")
    return FLAGS[word]


def _alone(options: Mapping[str, str], *names: str) -> None:
    """These say something about a copy."""
    for name in names:
        if name in options:
            raise invalid(f"{name} goes with fork or rollback, and there is neither.")


def _at(options: Mapping[str, str], now: datetime) -> datetime | None:
    if "to" in options and "by" in options:
        raise invalid("Give either to or by, not both.")
    try:
        if "to" in options:
            at = times.moment(options["to"])
        elif "by" in options:
            at = now - times.interval(options["by"])
        else:
            return None
    except (ValueError, OverflowError) as error:
        raise invalid("Not a time: write --to '2026-11-21 10:30 +00:00' or --by '3 hours 25 minutes'.") from error
    if at > now + timedelta(minutes=1):
        raise invalid("That time is in the future: a copy can only show the past.")
    return at


def _find(text: str, asked: Asked, kind: str) -> Resource:
    """The database that is meant, if it is the asker's."""
    if "://" in text:
        found = _by_url(text)
    elif not asked.heroku_id:
        raise invalid(f"To {kind} a database, give its URL: the name alone does not tell the database.")
    else:
        mine = Resource.objects.filter(customer__name=customer_name(asked.heroku_id)).exclude(state=DESTROYED)
        found = mine.filter(Q(name=text) | Q(addon__name=text)).first()
    if found is None:
        raise invalid(f"There is no database of yours at what {kind} names. Check its URL or name.")
    if found.state in (CREATING, DESTROYING):
        raise Refusal(422, "not_ready", f"The database to {kind} is {found.look.label.lower()}: try again later.")
    return found


def _by_url(text: str) -> Resource | None:
    """The living database whose URL it is, by its password; where a follower has the same, the host decides."""
    try:
        url = urlsplit(text)
        dbname, user, password = url.path.lstrip("/"), unquote(url.username or ""), unquote(url.password or "")
        address, port = url.hostname or "", url.port
    except ValueError:
        return None
    if url.scheme not in ("postgres", "postgresql") or not password:
        return None
    owners = Credential.objects.filter(
        purpose=Credential.OWNER, resource__dbname=unquote(dbname), role=user
    ).select_related("resource__instance__server")
    found = [
        owner.resource
        for owner in owners.exclude(resource__state=DESTROYED)
        if owner.resource and hmac.compare_digest(owner.secret.encode(), password.encode())
    ]
    return max(found, key=lambda one: (_lives_at(one, address, port), one.follows_id is None), default=None)


def _lives_at(resource: Resource, address: str, port: int | None) -> bool:
    instance = resource.instance
    return instance is not None and (instance.server.address, instance.port) == (address, port)
