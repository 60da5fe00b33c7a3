"""Lists of everything that the API lists."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from herdsite.client.columns import COLUMNS, WHOLE, cells, name_of, titles
from herdsite.client.errors import DONE, USAGE, HerdError
from herdsite.client.herd import ASKED, Herd
from herdsite.client.verbs.base import Verb, named


def ls(herd: Herd) -> int:
    """The words are a kind, which is `resources` if none is there, and filters as the API takes them."""
    kinds = [word for word in herd.asked.words if "=" not in word]
    filters = dict(word.split("=", 1) for word in herd.asked.words if "=" in word)
    kind = kinds[0] if kinds else "resources"
    if f"{kind}s" in COLUMNS:
        kind += "s"
    if kind not in COLUMNS or len(kinds) > 1:
        wrong = kind if kind not in COLUMNS else kinds[1]
        raise HerdError(f"There is no list {wrong!r}. There is: {', '.join(COLUMNS)}.", USAGE)
    return show(herd, kind, filters)


def show(herd: Herd, kind: str, filters: dict[str, Any]) -> int:
    """A list, as a table, as JSON, or (`--quiet`) the names alone, each as soon as it is there."""
    found = herd.wire.get(kind, filters)["results"] if kind in WHOLE else herd.wire.all(kind, filters)
    if herd.output.as_json:
        herd.output.object(list(found))
    elif herd.output.quiet:
        for one in found:
            herd.output.say(name_of(kind, one))
    else:
        rows = [cells(kind, one) for one in found]
        if rows:
            herd.output.table(titles(kind), rows)
        else:
            herd.output.remark(f"There are no such {kind}." if filters else f"There are no {kind}.")
    return DONE


def _of(kind: str) -> Callable[[Herd], int]:
    """The list of that kind, of one database."""

    def run(herd: Herd) -> int:
        _kind, thing = herd.find(herd.asked.thing, ASKED[:1])
        filters = {"state": "any"} if herd.asked.all else {}
        return show(herd, kind, {"resource": thing["name"], **filters})

    return run


def _with_all(parser: ArgumentParser) -> None:
    named(parser)
    parser.add_argument("--all", action="store_true", help="also destroyed objects")


VERBS = (
    Verb(
        "ls",
        "list databases, or objects of another kind",
        ("herd ls", "herd ls state=down zone=b", "herd ls servers -q", "herd ls followers of=acme-orders"),
        ls,
        lambda parser: parser.add_argument(
            "words", metavar="KIND|FILTER=VALUE", nargs="*", help=f"{', '.join(COLUMNS)}; then what to filter by"
        ),
    ),
    Verb("backups", "list the backups of a database", ("herd backups acme-orders",), _of("backups"), _with_all),
    Verb(
        "changeovers",
        "list the changeovers of a database",
        ("herd changeovers acme-orders --json",),
        _of("changeovers"),
        _with_all,
    ),
)
