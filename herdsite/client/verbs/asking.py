"""Everything that changes the herd, as a table: each row is a verb of the API, what it takes, and of which kinds of
things it can be asked. All of them write an Intent, which is then waited for."""

from argparse import ArgumentParser
from dataclasses import dataclass, field
from typing import Any

from herdsite.client import waiting
from herdsite.client.errors import USAGE, HerdError
from herdsite.client.herd import ASKED, Herd
from herdsite.client.verbs.base import Verb, named, waits
from herdsite.client.wire import step

DATABASE = ASKED[:1]
RUNNING = ("resources", "instances")


@dataclass(frozen=True)
class Param:
    """One `--option` of a verb, sent as that param; a `word` is given without its name, a `flag` has no value."""

    name: str
    help: str
    metavar: str = "X"
    word: bool = False
    flag: bool = False
    kind: type = str

    def add(self, parser: ArgumentParser) -> None:
        if self.word:
            parser.add_argument(self.name, metavar=self.metavar, help=self.help)
        elif self.flag:
            parser.add_argument(f"--{self.name.replace('_', '-')}", action="store_true", help=self.help)
        else:
            name = f"--{self.name.replace('_', '-')}"
            parser.add_argument(name, metavar=self.metavar, help=self.help, type=self.kind)


@dataclass(frozen=True)
class Ask:
    """`confirmed` is what leaves data behind: its name has to be typed."""

    verb: str
    help: str
    examples: tuple[str, ...]
    kinds: tuple[str, ...] = DATABASE
    params: tuple[Param, ...] = field(default=())
    confirmed: bool = False

    def as_verb(self) -> Verb:
        return Verb(self.verb, self.help, self.examples, self.run, self.takes)

    def takes(self, parser: ArgumentParser) -> None:
        named(parser)
        for param in self.params:
            param.add(parser)
        if self.confirmed:
            parser.add_argument("--confirm", metavar="NAME", help="its name once more; asked for on a terminal")
        parser.add_argument("--again", action="store_true", help="although somebody asked for the same a moment ago")
        _reason(parser)
        waits(parser)

    def run(self, herd: Herd) -> int:
        kind, thing = herd.find(herd.asked.thing, self.kinds)
        body = {"verb": self.verb, **_given(herd, "reason", "again")}
        if params := _given(herd, *(param.name for param in self.params)):
            body["params"] = params
        if self.confirmed:
            body["confirm"] = herd.asked.confirm or _typed(herd, self.verb, thing["name"])
        return waiting.asked(herd, herd.wire.post(f"{kind}/{step(thing['name'])}/asks", body))


def create(herd: Herd) -> int:
    body = _given(herd, "plan", "customer", "name", "zone", "major", "reason")
    return waiting.asked(herd, herd.wire.post("resources", body))


def add_server(herd: Herd) -> int:
    body = _given(herd, "name", "provider", "zone", "disk_mb", "capacity", "reason")
    return waiting.asked(herd, herd.wire.post("servers", body))


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
    parser.add_argument("--reason", default="", metavar="WHY", help="kept with the story")


def _create(parser: ArgumentParser) -> None:
    parser.add_argument("plan", metavar="PLAN", help="`herd ls plans` shows them")
    parser.add_argument("--customer", help="whose it is; needless with a customer's token")
    parser.add_argument("--name", help="one is drawn if it is not given")
    parser.add_argument("--zone", help="where it should be")
    parser.add_argument("--major", type=int, metavar="N", help="PostgreSQL's major version")
    _reason(parser)
    waits(parser)


def _add_server(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--provider", help="who makes it, or has it already")
    parser.add_argument("--zone")
    parser.add_argument("--disk-mb", type=int, metavar="MB")
    parser.add_argument("--capacity", type=int, metavar="N", help="how many instances it takes")
    _reason(parser)
    waits(parser)


AT = Param("at", "a moment: '2026-11-20 14:03' (UTC), or '2 hours ago'", "TIME")
COPY = (
    Param("name", "of the new one; drawn if it is not given", "NEW"),
    Param("plan", "its plan; the same if it is not given", "PLAN"),
    Param("zone", "where it should be", "ZONE"),
)
TO = Param("to", "which standby shall lead", "STANDBY")
LATER = Param("not_before", "no earlier than then: 2026-11-22T02:00Z", "TIME")

ASKS: tuple[Ask, ...] = (
    Ask("destroy", "remove it with all of its data", (
        "herd destroy acme-orders --confirm acme-orders --reason 'moved away'",), ASKED, confirmed=True),
    Ask("restart", "restart its PostgreSQL", ("herd restart acme-orders",), RUNNING),
    Ask("stop", "stop its PostgreSQL: maintenance", ("herd stop acme-orders --reason 'new disk'",), RUNNING),
    Ask("start", "end the maintenance", ("herd start acme-orders",), RUNNING),
    Ask("failover", "let a standby lead now, whatever the leader does", (
        "herd failover acme-orders", "herd failover acme-orders --force --accept-loss 1048576"), params=(
        TO, Param("force", "although not all is known that should be", flag=True),
        Param("accept_loss", "so many bytes of what was written last, or `unknown`", "BYTES"))),
    Ask("switchover", "let a standby lead; the leader takes part, and nothing is lost", (
        "herd switchover acme-orders --not-before 2026-11-22T02:00Z",), params=(TO, LATER)),
    Ask("resize", "move it to another plan", ("herd resize acme-orders premium-0",), params=(
        Param("plan", "`herd ls plans` shows them", "PLAN", word=True), LATER)),
    Ask("upgrade", "bring it to another major version of PostgreSQL", (
        "herd upgrade acme-orders --major 18 --not-before 2026-11-22T02:00Z",), params=(
        Param("major", "the version; the newer one if there is just one", "MAJOR", kind=int), LATER)),
    Ask("follow", "make a database that follows it, read-only", ("herd follow acme-orders --zone b",), params=COPY),
    Ask("unfollow", "make a follower a database of its own", ("herd unfollow calm-otter",)),
    Ask("fork", "make a database of its own from it, as it is or was", (
        "herd fork acme-orders --at '2 hours ago' --name acme-before",), params=(AT, *COPY)),
    Ask("restore", "go back to a moment; what was written since is left behind", (
        "herd restore acme-orders --at '2026-11-20 14:03' --confirm acme-orders",), params=(AT,), confirmed=True),
    Ask("undelete", "bring it back after it was destroyed", ("herd undelete acme-orders",)),
    Ask("backup", "take a base backup now", ("herd backup acme-orders",)),
    Ask("dump", "take a logical backup now", ("herd dump acme-orders",)),
    Ask("load", "put a logical backup, or a dump from elsewhere, in the place of what it holds", (
        "herd load acme-orders --backup acme-orders-dump-7 --confirm acme-orders --reason 'a bad deploy'",
        "herd load acme-orders --url https://dumps.example.com/latest --confirm acme-orders --reason 'moved here'"),
        params=(Param("backup", "the name of a logical backup", "BACKUP"),
                Param("url", "an https address, signed if it has to be", "URL"),
                Param("across_customers", "although it is another customer's", flag=True)), confirmed=True),
    Ask("retire", "take a server out of service: what lives on it moves elsewhere, then it goes", (
        "herd retire host-3 --by 2026-12-04T18:00Z",), ("servers",), params=(
        Param("by", "when it has to be empty; in a week if it is not given", "TIME"),)),
    Ask("keep", "leave a retiring server in service after all", ("herd keep host-3",), ("servers",)),
    Ask("rotate", "give it another password; whoever is connected stays", ("herd rotate acme-orders",)),
)  # fmt: skip

VERBS = (
    Verb("create", "create a database", ("herd create standard-0 --customer acme",), create, _create),
    Verb("add-server", "add a server to the herd", ("herd add-server host-9 --zone b",), add_server, _add_server),
    *(ask.as_verb() for ask in ASKS),
)
