import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from incidents import brake, desk
from incidents.models.incident import STORM


class Command(BaseCommand):
    help = "Show where the brake holds, or release it for a scope: playbooks and failovers act there again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", metavar="VERB", nargs="?", default="show", choices=("show", "release"))
        parser.add_argument("scope", metavar="SCOPE", nargs="?", default="", help="herd, zone/NAME or provider/NAME")
        parser.add_argument("--minutes", type=float, default=60, help="for how long (60)")
        parser.add_argument("--reason", default="", help="why; kept with the event")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["verb"] == "show":
            storms = list(desk.open_incidents().filter(type=STORM))
            for storm in storms:
                self.stdout.write(f"holds for {storm.evidence['scope']}: {storm.name}, {storm.evidence['facts']}")
            if not storms:
                self.stdout.write("the brake is not on anywhere")
            return
        actor = f"{getpass.getuser()} (command line)"
        try:
            made = brake.release(options["scope"], options["minutes"] * 60, actor, options["reason"])
        except desk.DeskError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"released for {made.scope} for {options['minutes']:g} minutes")
