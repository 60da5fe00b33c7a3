"""Into a database: psql, its credentials, and its page. Passwords go from the API to where they are used: psql gets its
own in the environment, never in its arguments, where everybody on the machine could read it."""

import os
import shutil
import signal
from argparse import ArgumentParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

from herdsite.client import waiting
from herdsite.client.errors import DONE, FAILED, NOT_FOUND, USAGE, HerdError
from herdsite.client.herd import ASKED, Herd
from herdsite.client.verbs.base import Verb, named, waits
from herdsite.client.verbs.looking import show
from herdsite.client.wire import step

# These would lead psql elsewhere, or are nobody's business but ours.
NOT_ITS = ("PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE", "PGOPTIONS", "HERD_TOKEN")


def psql(herd: Herd) -> int:
    """psql takes the place of this process."""
    program = shutil.which("psql", path=herd.env.get("PATH"))
    if program is None:
        raise HerdError("psql is not installed here. Debian, Ubuntu: apt install postgresql-client", FAILED)
    shown = _reveal(herd, herd.asked.reason or "herd psql")
    query = parse_qs(urlsplit(shown["url"]).query)
    given = {
        "PGHOST": shown["host"],
        "PGPORT": str(shown["port"]),
        "PGUSER": shown["user"],
        "PGDATABASE": shown["dbname"],
        "PGPASSWORD": shown["password"],
        "PGSSLMODE": query.get("sslmode", ["require"])[0],
        "PGAPPNAME": "herd psql",
    }
    env = {name: text for name, text in herd.env.items() if name not in NOT_ITS} | given
    command = ["-c", herd.asked.command] if herd.asked.command else []
    herd.output.out.flush()
    # Python leaves this signal ignored, and psql would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execve(program, ["psql", *command, *herd.asked.rest], env)


def credentials(herd: Herd) -> int:
    if herd.asked.rotate:
        kind, thing = herd.find(herd.asked.thing, ASKED[:1])
        body = {"verb": "rotate", "reason": herd.asked.reason}
        return waiting.asked(herd, herd.wire.post(f"{kind}/{step(thing['name'])}/asks", body))
    if not herd.asked.reveal:
        _kind, thing = herd.find(herd.asked.thing, ASKED[:1])
        return show(herd, "credentials", {"resource": thing["name"]})
    if not herd.asked.reason:
        raise HerdError("Give a reason: --reason WHY. The reason is kept with the event.", USAGE)
    shown = _reveal(herd, herd.asked.reason)
    if herd.output.as_json:
        herd.output.object(shown)
    else:
        herd.output.say(shown["url"])
    return DONE


def page(herd: Herd) -> int:
    """Customers have a page of their own."""
    kind, thing = herd.find(herd.asked.thing, (*ASKED, "incidents"))
    if kind == "resources" and herd.wire.get("me")["customer"]:
        place = f"mine/{step(thing['id'])}"
    else:
        place = f"{'incidents' if kind == 'incidents' else 'things'}/{step(thing['name'])}"
    herd.output.say(f"{herd.wire.login.url}/{place}")
    return DONE


def _reveal(herd: Herd, reason: str) -> dict[str, Any]:
    _kind, thing = herd.find(herd.asked.thing, ASKED[:1])
    known = herd.wire.get("credentials", {"resource": thing["name"], "purpose": "owner", "limit": 1})["results"]
    if not known:
        raise HerdError(f"{thing['name']} has no credential yet. Wait for it: herd wait {thing['name']}", NOT_FOUND)
    return herd.wire.post(f"credentials/{step(known[0]['id'])}/reveal", {"reason": reason})


def _psql(parser: ArgumentParser) -> None:
    named(parser)
    parser.add_argument("-c", "--command", metavar="SQL", help="run this command, then exit")
    parser.add_argument("--reason", default="", metavar="WHY", help="kept with the event")
    parser.epilog = "Arguments after -- are passed to psql."


def _credentials(parser: ArgumentParser) -> None:
    named(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--reveal", action="store_true", help="print its URL with the password; needs a reason")
    which.add_argument("--rotate", action="store_true", help="ask for a new password")
    parser.add_argument("--reason", default="", metavar="WHY", help="kept with the event")
    waits(parser)


VERBS = (
    Verb(
        "psql",
        "open psql on a database",
        ("herd psql acme-orders", "herd psql acme-orders -c 'select 1'", "herd psql acme-orders -- -At -f report.sql"),
        psql,
        _psql,
    ),
    Verb(
        "credentials",
        "list the credentials of a database",
        ("herd credentials acme-orders", "herd credentials acme-orders --reveal --reason 'for the new app'"),
        credentials,
        _credentials,
    ),
    Verb("open", "print the address of a thing's page in the portal", ("herd open acme-orders",), page, named),
)
