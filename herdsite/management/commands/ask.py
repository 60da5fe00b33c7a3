import getpass
import time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from fleet import intents
from fleet.models import Intent
from herdsite.naming import NamedCommand

_KNOWN = sorted({verb for verbs in intents.VERBS.values() for verb in verbs})


class Command(NamedCommand):
    help = (
        "Ask for something to be done to a thing: it is written down, and the next beat does it. Verbs: "
        + "; ".join(f"{kind}: {', '.join(verbs)}" for kind, verbs in intents.VERBS.items())
        + "."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("verb", metavar="VERB", choices=_KNOWN, help=", ".join(_KNOWN))
        parser.add_argument("--reason", default="", help="why; kept with its story (destroy wants one)")
        parser.add_argument("--confirm", default="", metavar="NAME", help="the name again (destroy wants it)")
        parser.add_argument("--key", default=None, help="asking twice with one key asks once")
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="wait for the answer")

    def handle(self, *_args: Any, **options: Any) -> None:
        member = self.find(options)
        try:
            intent = intents.ask(
                member,
                options["verb"],
                actor=f"{getpass.getuser()} (command line)",
                reason=options["reason"],
                confirm=options["confirm"],
                key=options["key"],
            )
        except intents.AskError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"asked: {intent.verb} {intent.name} ({intent.pk})")
        if options["wait"]:
            self._wait(intent, options["wait"])

    def _wait(self, intent: Intent, seconds: float) -> None:
        end = time.monotonic() + seconds
        while intent.state == Intent.OPEN and time.monotonic() < end:
            time.sleep(0.2)
            intent.refresh_from_db()
        if intent.state == Intent.OPEN:
            raise CommandError(
                f"Not answered within {seconds:g} s; it stays asked. See: manage.py explain {intent.name}"
            )
        self.stdout.write(f"{intent.state}: {intent.answer}")
        if intent.state != Intent.DONE:
            raise CommandError(f"{intent.verb} {intent.name} was {intent.state}.")
