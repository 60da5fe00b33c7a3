import getpass
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from fleet import copies, intents, upgrading
from fleet.models import Intent, Resource
from herdsite import waiting
from herdsite.naming import NamedCommand

# What makes something new, or brings it back: there is no intent of the thing's own for it.
COPYING = {
    "follow": "a new database that shows what this one holds, read-only",
    "fork": "a new database with what this one held, now or --at a moment",
    "restore": "this database as it was --at a moment, under its own name and address",
    "undelete": "a destroyed database, as it was last",
    "upgrade": "this database in another --major version of PostgreSQL",
}
_KNOWN = sorted({verb for verbs in intents.VERBS.values() for verb in verbs} | set(COPYING))


class Command(NamedCommand):
    help = (
        "Ask for something to be done to a thing: it is written down, and the next beat does it. Verbs: "
        + "; ".join(f"{kind}: {', '.join(verbs)}" for kind, verbs in intents.VERBS.items() if verbs)
        + "; and of a resource "
        + "; ".join(f"{verb}: {what}" for verb, what in COPYING.items())
        + "."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("verb", metavar="VERB", choices=_KNOWN, help=", ".join(_KNOWN))
        parser.add_argument("--reason", default="", help="why; kept with its story (destroy wants one)")
        parser.add_argument("--confirm", default="", metavar="NAME", help="the name again (destroy, restore want it)")
        parser.add_argument("--key", default=None, help="asking twice with one key asks once")
        parser.add_argument("--again", action="store_true", help="although somebody asked for the same a moment ago")
        parser.add_argument(
            "--wait", type=float, default=0, metavar="SECONDS", help="wait for its end, with how far it is"
        )
        parser.add_argument("--at", default="", metavar="TIME", help="2026-11-20 14:03 (UTC), or '2 hours ago'")
        parser.add_argument("--as", dest="new", default="", metavar="NAME", help="what a copy shall be called")
        parser.add_argument("--plan", default="", help="the plan of a copy, or the one to move to (resize)")
        parser.add_argument("--zone", default="", help="where a copy would like to live")
        parser.add_argument("--major", type=int, default=None, help="the version of PostgreSQL to have (upgrade)")
        parser.add_argument("--by", default="", metavar="TIME", help="when it has to be empty (retire): 2026-12-04")
        parser.add_argument("--to", default="", metavar="INSTANCE", help="who shall lead (switchover, failover)")

    def handle(self, *_args: Any, **options: Any) -> None:
        member = self.find(options)
        try:
            intent = self._copy(member, options) if options["verb"] in COPYING else self._ask(member, options)
        except intents.AskError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"requested:  {options['verb']} {options['name']} ({intent.pk})")
        if intent.name != options["name"]:
            self.stdout.write(f"it is called {intent.name}; see: manage.py explain {intent.name}")
        if options["wait"]:
            self.stdout.write(f"done: {waiting.for_end(intent, options['wait'], self.stdout)}")

    def _ask(self, member: Any, options: dict[str, Any]) -> Intent:
        params = {name: options[name] for name in ("to", "plan", "by") if options[name]}
        return intents.ask(
            member,
            options["verb"],
            actor=_actor(),
            reason=options["reason"],
            confirm=options["confirm"],
            params=params,
            key=options["key"],
            again=options["again"],
        )

    def _copy(self, member: Any, options: dict[str, Any]) -> Intent:
        if not isinstance(member, Resource):
            raise intents.AskError(f"A {member.KIND} can't be asked to {options['verb']}: that is for databases.")
        common = {"actor": _actor(), "reason": options["reason"], "key": options["key"]}
        like = {"name": options["new"], "plan": options["plan"], "zone": options["zone"]}
        at = copies.moment(options["at"], datetime.now(UTC)) if options["at"] else None
        if options["verb"] == "restore":
            return copies.restore(member, at=at, confirm=options["confirm"], again=options["again"], **common)
        if options["verb"] == "upgrade":
            return upgrading.upgrade(member, major=options["major"], again=options["again"], **common)
        if options["verb"] == "undelete":
            made = copies.undelete(member, **common)
        elif options["verb"] == "follow":
            made = copies.follow(member, **common, **like)
        else:
            made = copies.fork(member, at=at, **common, **like)
        return Intent.objects.filter(subject=made.pk, verb="create").latest("asked_at")


def _actor() -> str:
    return f"{getpass.getuser()} (command line)"
