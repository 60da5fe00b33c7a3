"""One thing and all that is to say of it, what happened to it, what was felt of it, and when it is as it should be."""

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

from herdsite.client import about, waiting
from herdsite.client.columns import cells, titles
from herdsite.client.errors import DONE, INTERRUPTED, NOT_FOUND, HerdError
from herdsite.client.herd import KNOWN, Herd
from herdsite.client.verbs.base import Verb, limit, named
from herdsite.client.wire import step
from herdsite.client.words import since, time, value

LAST, FOLLOW_EVERY_S = 20, 2.0
BACK = timedelta(seconds=5)


def info(herd: Herd) -> int:
    kind, thing = herd.find(herd.asked.thing, KNOWN)
    if herd.output.as_json:
        herd.output.object(thing)
    elif herd.output.quiet:
        herd.output.say(str(thing.get("state", thing["name"])))
    else:
        lines = about.resource(herd.wire, thing) if kind == "resources" else about.anything(thing)
        herd.output.pairs(thing["name"], lines)
    return DONE


def events(herd: Herd) -> int:
    """The last ones, oldest first; with --follow then those that come, until Ctrl-C."""
    asked = {"name": herd.asked.name} if herd.asked.name else {}
    if herd.asked.since:
        asked["since"] = since(herd.asked.since, datetime.now(UTC))
    told = list(islice(herd.wire.all("events", asked), None if herd.asked.since else LAST))[::-1]
    if herd.asked.follow:
        return _follow(herd, asked, told)
    if herd.output.as_json:
        herd.output.object(told)
    elif herd.output.quiet:
        for one in told:
            herd.output.say(str(one["id"]))
    elif told:
        herd.output.table(titles("events"), [cells("events", one) for one in told])
    else:
        herd.output.remark("Nothing has happened.")
    return DONE


def _follow(herd: Herd, asked: dict[str, str], told: list[dict]) -> int:
    """Each look goes back a little behind the newest, since what began earlier may be written down later."""
    begin = datetime.fromisoformat(told[0]["at"]) if told else datetime.now(UTC) - BACK
    seen: set[int] = set()
    try:
        while True:
            for one in told:
                if one["id"] not in seen:
                    _tell(herd, one)
            if told:
                seen = {one["id"] for one in told}
                begin = max(begin, datetime.fromisoformat(told[-1]["at"]) - BACK)
            herd.sleep(FOLLOW_EVERY_S)
            told = list(herd.wire.all("events", {**asked, "since": begin.isoformat()}))[::-1]
    except KeyboardInterrupt:
        return INTERRUPTED


def _tell(herd: Herd, one: dict) -> None:
    if herd.output.as_json:
        herd.output.line(one)
    else:
        moved = f" ({one['source'] or 'new'} → {one['target']})" if one["target"] else ""
        herd.output.tell(f"{time(one['at'])}  {one['name']}  {one['verb']}{moved}  {one['why']}")


def observations(herd: Herd) -> int:
    """One line a look; the range is streamed, however long it is."""
    asked = {"subject": herd.asked.thing, "since": since(herd.asked.since, datetime.now(UTC))}
    if herd.asked.step:
        asked["step"] = herd.asked.step
    names = [name.strip() for name in herd.asked.attributes.split(",") if name.strip()]
    if names:
        asked["attributes"] = ",".join(names)
    for look in herd.wire.lines("observations", asked):
        if herd.output.as_json:
            herd.output.line(look)
        else:
            attrs = look["attrs"]
            shown = {name: attrs.get(name) for name in names} if names else dict(sorted(attrs.items()))
            herd.output.tell(f"{look['at'][:19]}Z  {look['vantage']}  {value('', shown)}")
    return DONE


def wait(herd: Herd) -> int:
    """For a state of a thing, or for the end of an Intent, whose id it is."""
    name = herd.asked.thing
    if _is_id(name):
        try:
            return waiting.follow(herd, herd.wire.get(f"intents/{step(name)}"))
        except HerdError as error:
            if error.code != NOT_FOUND:
                raise
    kind, thing = herd.find(name, KNOWN[:-2])
    return waiting.until_state(herd, kind, thing, herd.asked.state)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _events(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", default="", help="of what; of everything if not given")
    parser.add_argument("--follow", "-f", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("--since", default="", metavar="TIME", help="1h, 30m, 2d, or 2026-11-20T14:03Z")


def _observations(parser: ArgumentParser) -> None:
    named(parser)
    parser.add_argument("--since", default="1h", metavar="TIME", help="1h, 30m, 2d, or 2026-11-20T14:03Z (%(default)s)")
    parser.add_argument("--attributes", default="", metavar="A,B", help="only these")
    parser.add_argument("--step", type=int, metavar="S", help="only the last look of every so many seconds")


def _wait(parser: ArgumentParser) -> None:
    parser.add_argument("thing", metavar="NAME|INTENT", help="a thing, or the id of something that was asked")
    parser.add_argument("--state", default="available", help="the state to wait for (%(default)s)")
    limit(parser)


VERBS = (
    Verb("info", "all about one thing", ("herd info acme-orders", "herd info server/host-1 --json"), info, named),
    Verb("events", "list events, oldest first", ("herd events acme-orders --follow",), events, _events),
    Verb(
        "observations",
        "list the looks at a thing, one a line",
        ("herd observations acme-orders --since 1h --attributes connections,db_size_bytes",),
        observations,
        _observations,
    ),
    Verb(
        "wait",
        "until a thing is in a state, or until what was asked has ended",
        ("herd wait acme-orders", "herd wait acme-orders --state destroyed --timeout 60"),
        wait,
        _wait,
    ),
)
