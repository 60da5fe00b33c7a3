import getpass
import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from fleet import changing, intents
from fleet.models import Changeover, Event, Resource
from herdsite import foreground
from herdsite.naming import NamedCommand


class Command(NamedCommand):
    help = "Show the changeover of a database that is under way, or the last one; --cancel or --retry it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--cancel", action="store_true", help="cancel it, if the old leader can carry on")
        parser.add_argument("--retry", action="store_true", help="try again from where it stopped")
        parser.add_argument("--patience", type=float, default=60, metavar="SECONDS", help="(default %(default)g)")

    def handle(self, *_args: Any, **options: Any) -> None:
        resource = self.find(options)
        if not isinstance(resource, Resource):
            raise CommandError(f"{resource.name} is a {resource.KIND}: name the database.")
        changeover = changing.open_of(resource) or resource.changeovers.first()
        if changeover is None:
            raise CommandError(f"{resource.name} has never changed over.")
        verb = "cancel" if options["cancel"] else "retry" if options["retry"] else ""
        if verb:
            try:
                intents.ask(changeover, verb, actor=f"{getpass.getuser()} (command line)")
            except intents.AskError as error:
                raise CommandError(str(error)) from error
            changeover = foreground.follow(changeover, self.stdout.write, options["patience"])
        self._show(changeover)

    def _show(self, changeover: Changeover) -> None:
        self.stdout.write(f"{changeover.name}: {changeover.reason}, {changeover.look.label.lower()}")
        self.stdout.write(f"  from {changeover.source} to {changeover.target}, generation {changeover.generation}")
        self.stdout.write(f"  asked for by {changeover.actor}: {changeover.asked_why}")
        for event in Event.objects.filter(subject=changeover.pk).order_by("at", "id"):
            self.stdout.write(f"  {event.at:%H:%M:%S.%f} {event.verb} ({event.row or '-'}): {event.why}")
        if changeover.proof:
            self.stdout.write(f"  proof: {changeover.proof['text']}")
        if changeover.receipt:
            self.stdout.write(json.dumps(changeover.receipt, indent=2))
