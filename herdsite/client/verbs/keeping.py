"""What is kept for a database: the window for planned work, and a link to fetch one of its logical backups."""

from argparse import ArgumentParser

from herdsite.client.errors import DONE
from herdsite.client.herd import ASKED, Herd
from herdsite.client.verbs.base import Verb, named
from herdsite.client.wire import step

ANY_TIME = "any"


def window(herd: Herd) -> int:
    """Show it; or change it, if one is given."""
    kind, thing = herd.find(herd.asked.thing, ASKED[:1])
    place = f"{kind}/{step(thing['name'])}/window"
    wanted = herd.asked.window
    shown = herd.wire.get(place) if wanted is None else herd.wire.change(place, {"window": _short(wanted)})
    if herd.output.as_json:
        herd.output.object(shown)
    else:
        herd.output.say(f"{shown['window']} UTC, for four hours" if shown["window"] else "at any time")
    return DONE


def backup_url(herd: Herd) -> int:
    """Whoever has it needs no login."""
    shown = herd.wire.post(f"backups/{step(herd.asked.backup)}/link", {})
    if herd.output.as_json:
        herd.output.object(shown)
    else:
        herd.output.say(shown["url"])
    return DONE


def _short(text: str) -> str:
    """As the API has it, from `Tue 03:00` or `tuesday 03:00`."""
    day, _, time = text.strip().partition(" ")
    return "" if text.strip().lower() == ANY_TIME else f"{day[:3].capitalize()} {time.strip()}"


def _window(parser: ArgumentParser) -> None:
    named(parser)
    parser.add_argument(
        "window", metavar="WINDOW", nargs="?", help=f"'Tue 03:00', in UTC; or {ANY_TIME}. Shown, if it is not given"
    )


def _backup(parser: ArgumentParser) -> None:
    parser.add_argument("backup", metavar="BACKUP", help="a logical one's name: `herd backups NAME`")


VERBS = (
    Verb(
        "window",
        "show or set the maintenance window of a database",
        ("herd window acme-orders", "herd window acme-orders 'Tue 03:00'", "herd window acme-orders any"),
        window,
        _window,
    ),
    Verb(
        "backup-url",
        "print a link to download a logical backup, valid for ten minutes",
        ("herd backup-url acme-orders-dump-7", 'curl -o latest.dump "$(herd backup-url acme-orders-dump-7)"'),
        backup_url,
        _backup,
    ),
)
