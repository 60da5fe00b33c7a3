import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import intents
from fleet.models import Address
from fleet.states import ATTACHED


class Command(BaseCommand):
    help = "Detach every address of the herd, or those named; the beats of the addresses attach all of them again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME")
        parser.add_argument("--all", action="store_true", help="every address that is attached")

    def handle(self, *_args: Any, **options: Any) -> None:
        if bool(options["names"]) == options["all"]:
            raise CommandError("Name the addresses, or say --all.")
        found = Address.objects.filter(state=ATTACHED)
        found = found if options["all"] else found.filter(name__in=options["names"])
        actor = f"{getpass.getuser()} (command line)"
        for address in found:
            intents.ask(address, "detach", actor=actor, reason="to see that the addresses are attached again")
        self.stdout.write(f"requested: detach {len(found)} address(es)")
        missing = set(options["names"]) - {address.name for address in found}
        if missing:
            raise CommandError(f"Not attached, or not there: {', '.join(sorted(missing))}")
