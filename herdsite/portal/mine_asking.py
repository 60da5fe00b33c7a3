"""What customers may ask of their own databases: Intents, as everybody's. A copy is a database of its own, which a
platform would have to know of, so whom a platform signed on makes copies there."""

import secrets
from collections.abc import Mapping
from typing import Any

from fleet import copies, loads, windows
from fleet.intents import VERBS, AskError
from fleet.intents import ask as ask_for
from fleet.logical import links
from fleet.models import Resource
from fleet.states import CREATING, DESTROYED, DESTROYING, KEPT
from herdsite.portal.live import database_now

# What a customer may ask, in a customer's words; offered as soon as resources know the verb.
OFFERED = {
    "restart": ("Restart", "ends every connection, and serves again after some seconds"),
    "rotate": ("New password", "the old one stops working; your app gets the new URL"),
    "backup": ("Back up now", "a backup besides the regular ones"),
    "dump": ("Logical backup", "all that it holds in one file, which any PostgreSQL can load"),
    "unfollow": ("Stop following", "from then on it is a database of its own, to be written to"),
}
FOLLOW, FORK = "follow", "fork"
COPIES = {
    FOLLOW: ("Make a follower", "a copy for reading that stays as this one is"),
    FORK: ("Fork", "a copy as of now, or as of the time that you give, that goes its own way"),
}
LOAD, WINDOW = "load", "window"
# How what was asked is called afterwards.
WORDS = OFFERED | {LOAD: ("Load", "another content in the place of what it held")}
LOADABLE = 20
REASON = "asked for on the customer's page"
# What is shared with others, or keeps no archive, can't be asked for these.
ALONE = ("restart", "backup", *COPIES)


def offer(resource: Resource, copying: bool, losing: bool) -> dict[str, Any] | None:
    """What can be asked now, the copies, the window and what can be loaded apart; None where nothing can. `losing` is
    that it may be for the price of what it holds. `nonce` makes a button that was pressed twice ask once."""
    if resource.state in (CREATING, DESTROYING, DESTROYED):
        return None
    verbs = [(verb, *words) for verb, words in OFFERED.items() if _can(resource, verb)]
    made = [(verb, *words) for verb, words in COPIES.items() if copying and _can(resource, verb)]
    day, _, time = resource.window.partition(" ")
    return {
        "verbs": verbs,
        "copies": made,
        "window": {"days": windows.DAYS, "day": day, "time": time or "03:00"},
        "loads": _loadable(resource, copying) if losing and _can(resource, LOAD) else None,
        "confirm": resource.name,
        "nonce": secrets.token_hex(8),
    }


def ask(resource: Resource, sent: Mapping[str, str], actor: str, copying: bool, losing: bool) -> str:
    """Write the Intent; the reason why not, if not."""
    verb, nonce, at = (sent.get(name, "")[:40].replace("\0", "") for name in ("verb", "nonce", "at"))
    if not _can(resource, verb) or (verb in COPIES and not copying) or (verb == LOAD and not losing):
        return "That can't be asked of this database."
    key = f"mine/{resource.pk}/{verb}/{nonce}" if nonce else None
    try:
        if verb == WINDOW:
            return _choose(resource, sent, actor)
        if verb == LOAD:
            _load(resource, sent, actor, copying, key)
        elif verb == FOLLOW:
            copies.follow(resource, actor=actor, key=key)
        elif verb == FORK:
            moment = copies.moment(at, database_now()) if at.strip() else None
            copies.fork(resource, actor=actor, at=moment, key=key)
        else:
            ask_for(resource, verb, actor=actor, reason=REASON, key=key)
    except AskError as error:
        return str(error)
    return ""


def fetch(resource: Resource, name: str, actor: str) -> str:
    """A link to download that logical backup of the database; "" where there is none."""
    if not loads.own(resource).filter(name=name.replace("\0", ""), resource=resource).exists():
        return ""
    try:
        return links.make(name, actor)
    except links.NoLink:
        return ""


def _choose(resource: Resource, sent: Mapping[str, str], actor: str) -> str:
    """A day and a time, or any time."""
    day, time = sent.get("day", "")[:3], sent.get("time", "")[:5]
    try:
        windows.choose(resource, f"{day} {time}" if day else "", actor)
    except ValueError as error:
        return f"{error}."
    return ""


def _load(resource: Resource, sent: Mapping[str, str], actor: str, copying: bool, key: str | None) -> None:
    """One of the backups that were offered, or a dump from elsewhere."""
    name, url = sent.get("backup", "")[:63].replace("\0", ""), sent.get("url", "").strip()
    if name and not (copying or loads.own(resource).filter(name=name, resource=resource).exists()):
        raise AskError(f"There is no logical backup {name!r} of this database.")
    params = {what: value for what, value in (("backup", name), ("url", url)) if value}
    loads.load_own(resource, params, actor=actor, confirm=sent.get("confirm", ""), reason=REASON, key=key)


def _loadable(resource: Resource, copying: bool) -> list[str]:
    """The names of the customer's logical backups, the latest first; of this database alone, if it is the only one that
    may be seen."""
    found = loads.own(resource).filter(state=KEPT)
    found = found if copying else found.filter(resource=resource)
    return list(found.order_by("-created_at").values_list("name", flat=True)[:LOADABLE])


def _can(resource: Resource, verb: str) -> bool:
    if verb in (WINDOW, LOAD):
        gone = resource.state in (DESTROYING, DESTROYED)
        return not gone and (verb == WINDOW or resource.follows_id is None)
    if verb not in COPIES and (verb not in OFFERED or verb not in VERBS["resource"]):
        return False
    if verb in ALONE and not resource.own_instance:
        return False
    return verb != "unfollow" or resource.follows_id is not None
