"""Everything that changes the herd. What can be asked of things is in asks.json, which is made from herdsite's table of
verbs (`manage.py tables --client`). All of it writes an Intent, which is then waited for."""

import json
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from herdsite.client import waiting
from herdsite.client.errors import DONE, USAGE, HerdError
from herdsite.client.herd import Herd
from herdsite.client.verbs.base import Verb, named, waits
from herdsite.client.wire import step

TYPES = {"str": str, "int": int}


@dataclass(frozen=True)
class Param:
    """One `--option` of a verb, sent as that param; a `word` is given without its name, a bool has no value. With one
    that is `grave`, the thing's name has to be typed."""

    name: str
    help: str
    metavar: str
    type: str
    word: bool
    grave: bool

    def add(self, parser: ArgumentParser) -> None:
        option = self.name if self.word else f"--{self.name.replace('_', '-')}"
        if self.type == "bool":
            parser.add_argument(option, action="store_true", help=self.help)
        else:
            parser.add_argument(option, metavar=self.metavar, help=self.help, type=TYPES[self.type])


@dataclass(frozen=True)
class Ask:
    """`grave` is what leaves data behind: its name has to be typed, and a reason given."""

    verb: str
    help: str
    kinds: tuple[str, ...]
    grave: bool
    each_time: bool
    examples: tuple[str, ...]
    params: tuple[Param, ...]

    def as_verb(self) -> Verb:
        return Verb(self.verb, self.help, self.examples, self.run, self.takes)

    def takes(self, parser: ArgumentParser) -> None:
        named(parser)
        for param in self.params:
            param.add(parser)
        if self.grave or any(param.grave for param in self.params):
            parser.add_argument("--confirm", metavar="NAME", help="the name once more; a terminal asks for it")
        if self.each_time:
            parser.add_argument("--again", action="store_true", help="even though the same was requested a moment ago")
        _reason(parser)
        waits(parser)

    def run(self, herd: Herd) -> int:
        kind, thing = herd.find(herd.asked.thing, self.kinds)
        body = {"verb": self.verb, **_given(herd, "reason", *["again"] * self.each_time)}
        if params := _given(herd, *(param.name for param in self.params)):
            body["params"] = params
        if self.grave or any(param.name in params for param in self.params if param.grave):
            body["confirm"] = herd.asked.confirm or _typed(herd, self.verb, thing["name"])
        return waiting.asked(herd, herd.wire.post(f"{kind}/{step(thing['name'])}/asks", body))


def create(herd: Herd) -> int:
    body = _given(herd, "plan", "customer", "name", "zone", "major", "reason")
    return waiting.asked(herd, herd.wire.post("resources", body))


def add_server(herd: Herd) -> int:
    body = _given(herd, "name", "provider", "zone", "disk_mb", "capacity", "reason")
    return waiting.asked(herd, herd.wire.post("servers", body))


def withdraw(herd: Herd) -> int:
    told = herd.wire.post(f"intents/{step(herd.asked.intent)}/cancel", _given(herd, "reason"))
    if herd.output.as_json:
        herd.output.object(told)
    elif not herd.output.quiet:
        herd.output.say(f"{told['verb']} {told['name']}: {told['answer'] or 'the changeover was asked to cancel'}")
    return DONE


def _given(herd: Herd, *names: str) -> dict[str, Any]:
    """What was given of these; what wasn't is the server's to decide."""
    found = {name: getattr(herd.asked, name) for name in names}
    return {name: value for name, value in found.items() if value not in (None, "", False)}


def _typed(herd: Herd, verb: str, name: str) -> str:
    if not herd.stdin.isatty():
        raise HerdError(f"To {verb} {name}, confirm it: --confirm {name}", USAGE)
    herd.output.err.write(f"To {verb} {name}, type its name: ")
    herd.output.err.flush()
    return herd.stdin.readline().strip()


def _reason(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", default="", metavar="WHY", help="why; kept with the event")


def _withdraw(parser: ArgumentParser) -> None:
    parser.add_argument("intent", metavar="ID", help="as `herd ls intents` shows it")
    _reason(parser)


def _create(parser: ArgumentParser) -> None:
    parser.add_argument("plan", metavar="PLAN", help="the plan; `herd ls plans` lists them")
    parser.add_argument("--customer", help="the customer who owns it; not needed with a customer's token")
    parser.add_argument("--name", help="name of the database; generated if not given")
    parser.add_argument("--zone", help="preferred zone")
    parser.add_argument("--major", type=int, metavar="N", help="PostgreSQL's major version")
    _reason(parser)
    waits(parser)


def _add_server(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--provider", help="the provider that creates the machine, or has it already")
    parser.add_argument("--zone")
    parser.add_argument("--disk-mb", type=int, metavar="MB")
    parser.add_argument("--capacity", type=int, metavar="N", help="how many instances fit on it")
    _reason(parser)
    waits(parser)


def _known() -> tuple[Ask, ...]:
    found = json.loads(Path(__file__).with_name("asks.json").read_text())
    return tuple(
        Ask(**row | {
            "kinds": tuple(row["kinds"]),
            "examples": tuple(row["examples"]),
            "params": tuple(Param(**param) for param in row["params"]),
        })
        for row in found
    )  # fmt: skip


ASKS = _known()

VERBS = (
    Verb("create", "create a database", ("herd create standard-0 --customer acme",), create, _create),
    Verb("add-server", "add a server to the herd", ("herd add-server host-9 --zone b",), add_server, _add_server),
    Verb(
        "withdraw",
        "take back what was asked for, unless it has begun",
        ("herd withdraw 0b1f6d2a-6f2e-4c58-9d0c-3c6a0f0a8b11",),
        withdraw,
        _withdraw,
    ),
    *(ask.as_verb() for ask in ASKS),
)
