from typing import Any

from django.core.management.base import CommandParser

from fleet import intents, verbs
from fleet.models import MEMBERS, Member
from herdsite import waiting
from herdsite.databases import add_asking, add_params, ask
from herdsite.naming import NamedCommand

_KNOWN = sorted({verb.name for verb in verbs.TABLE})
_PARAMS = {param.name: param for verb in verbs.TABLE for param in verb.params}


class Command(NamedCommand):
    help = (
        "Ask for something to be done to a thing: it is written down, and the next beat does it. Verbs: "
        + "; ".join(
            f"{kind}: {', '.join(verb.name for verb in verbs.verbs_of(kind))}"
            for kind in MEMBERS
            if verbs.verbs_of(kind)
        )
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("verb", metavar="VERB", choices=_KNOWN, help=", ".join(_KNOWN))
        add_asking(parser)
        add_params(parser, _PARAMS.values())
        parser.add_argument("--key", default=None, help="asking twice with one key asks once")
        parser.add_argument(
            "--wait", type=float, default=0, metavar="SECONDS", help="wait for its end, with how far it is"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what it would do, or why it can't be, and stop")

    def handle(self, *_args: Any, **options: Any) -> None:
        member = self.find(options)
        if options["dry_run"]:
            self.stdout.write(_effect(member, options["verb"]))
            return
        intent = ask(member, options["verb"], options)
        self.stdout.write(f"requested: {options['verb']} {member.name} ({intent.pk})")
        if intent.name != member.name:
            self.stdout.write(f"the new database is called {intent.name}; see: manage.py explain {intent.name}")
        if options["wait"]:
            self.stdout.write(f"done: {waiting.for_end(intent, options['wait'], self.stdout)}")


def _effect(member: Member, name: str) -> str:
    verb = intents.row(member.KIND, name)
    return verb.obstacle(member) or f"This {verb.effect(member, {})}."
