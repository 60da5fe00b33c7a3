"""What is wrong, and what a person may do about it."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from herdsite.client import about
from herdsite.client.errors import DONE, USAGE, HerdError
from herdsite.client.herd import Herd
from herdsite.client.verbs.base import Verb
from herdsite.client.verbs.looking import show
from herdsite.client.wire import step
from herdsite.client.words import plain, time

# What each takes besides the incident: the field's name, and how it reads.
HANDS: dict[str, tuple[str, Callable[[str], Any]] | None] = {
    "ack": None,
    "snooze": ("minutes", float),
    "assign": ("to", str),
    "note": ("text", str),
    "retry": None,
    "resolve": ("reason", str),
}
USES = "ack, snooze MINUTES, assign LOGIN, note TEXT, retry, or resolve REASON"


def incidents(herd: Herd) -> int:
    """All that is open; one with its story; or a hand laid on one."""
    asked = herd.asked
    if not asked.name:
        return show(herd, "incidents", {} if asked.all else {"state": "open"})
    place = f"incidents/{step(asked.name)}"
    if asked.hand:
        said = herd.wire.post(f"{place}/{asked.hand}", _body(asked.hand, " ".join(asked.value)))
        if not herd.output.as_json:
            herd.output.remark(f"{said['name']}: {asked.hand} is done. State: {said['state'].replace('_', ' ')}.")
            return DONE
    else:
        said = herd.wire.get(place)
    if herd.output.as_json:
        herd.output.object(said)
    else:
        herd.output.pairs(said["name"], about.anything(said))
        for line in said["journal"]:
            herd.output.tell(f"  {time(line['at'])}  {line['what']}  {line['where']}  {plain(line['text'])}")
    return DONE


def _body(hand: str, value: str) -> dict[str, Any]:
    wanted = HANDS[hand]
    if wanted is None:
        if value:
            raise HerdError(f"{hand} takes no more arguments.", USAGE)
        return {}
    name, read = wanted
    try:
        if not value.strip():
            raise ValueError
        return {name: read(value)}
    except ValueError as error:
        raise HerdError(f"{hand} takes its {name}. {USES}.", USAGE) from error


def _takes(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="a single incident, with its events")
    parser.add_argument("hand", metavar="HAND", nargs="?", choices=tuple(HANDS), help=USES)
    parser.add_argument("value", metavar="VALUE", nargs="*", help="arguments of the action")
    parser.add_argument("--all", action="store_true", help="also resolved incidents")


VERBS = (
    Verb(
        "incidents",
        "list incidents, show one, or act on it",
        (
            "herd incidents",
            "herd incidents resource-down-acme-orders-1 ack",
            "herd incidents resource-down-acme-orders-1 note the disk is being replaced",
        ),
        incidents,
        _takes,
    ),
)
