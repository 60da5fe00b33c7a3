"""What customers may ask of their own databases: Intents, as everybody's. A copy is a database of its own, which a
platform would have to know of, so whom a platform signed on makes copies there."""

import secrets
from collections.abc import Mapping
from typing import Any

from fleet import copies
from fleet.intents import VERBS, AskError
from fleet.intents import ask as ask_for
from fleet.models import Resource
from fleet.states import CREATING, DESTROYED, DESTROYING
from herdsite.portal.live import database_now

# What a customer may ask, in a customer's words; offered as soon as resources know the verb.
OFFERED = {
    "restart": ("Restart", "ends every connection, and serves again after some seconds"),
    "rotate": ("New password", "the old one stops working; your app gets the new URL"),
    "backup": ("Back up now", "a backup besides the regular ones"),
    "unfollow": ("Stop following", "from then on it is a database of its own, to be written to"),
}
FOLLOW, FORK = "follow", "fork"
COPIES = {
    FOLLOW: ("Make a follower", "a copy for reading that stays as this one is"),
    FORK: ("Fork", "a copy as of now, or as of the time that you give, that goes its own way"),
}
# What is shared with others, or keeps no archive, can't be asked for these.
ALONE = ("restart", "backup", *COPIES)


def offer(resource: Resource, copying: bool) -> dict[str, Any] | None:
    """The verbs that can be asked now, the copies apart; None where there is none. `nonce` makes a button that was
    pressed twice ask once."""
    if resource.state in (CREATING, DESTROYING, DESTROYED):
        return None
    verbs = [(verb, *words) for verb, words in OFFERED.items() if _can(resource, verb)]
    made = [(verb, *words) for verb, words in COPIES.items() if copying and _can(resource, verb)]
    return {"verbs": verbs, "copies": made, "nonce": secrets.token_hex(8)} if verbs or made else None


def ask(resource: Resource, sent: Mapping[str, str], actor: str, copying: bool) -> str:
    """Write the Intent; the reason why not, if not."""
    verb, nonce, at = (sent.get(name, "")[:40].replace("\0", "") for name in ("verb", "nonce", "at"))
    if not _can(resource, verb) or (verb in COPIES and not copying):
        return "That can't be asked of this database."
    key = f"mine/{resource.pk}/{verb}/{nonce}" if nonce else None
    try:
        if verb == FOLLOW:
            copies.follow(resource, actor=actor, key=key)
        elif verb == FORK:
            moment = copies.moment(at, database_now()) if at.strip() else None
            copies.fork(resource, actor=actor, at=moment, key=key)
        else:
            ask_for(resource, verb, actor=actor, reason="asked for on the customer's page", key=key)
    except AskError as error:
        return str(error)
    return ""


def _can(resource: Resource, verb: str) -> bool:
    if verb not in COPIES and (verb not in OFFERED or verb not in VERBS["resource"]):
        return False
    if verb in ALONE and not resource.own_instance:
        return False
    return verb != "unfollow" or resource.follows_id is not None
