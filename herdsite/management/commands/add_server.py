import getpass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import intents


class Command(BaseCommand):
    help = (
        "Add a server to the herd. A local one is made; an `ssh` one is a host that you have already, described under "
        "its name in HERDSITE_SSH_HOSTS (see the README)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--provider", default="local", help=", ".join(sorted(settings.PROVIDERS)))
        parser.add_argument("--zone", default="a")
        parser.add_argument("--disk-mb", type=int, default=20_480)
        parser.add_argument("--capacity", type=int, default=4, help="how many instances it takes (default %(default)s)")
        parser.add_argument("--reason", default="")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            server = intents.create_server(
                options["name"],
                actor=f"{getpass.getuser()} (command line)",
                provider=options["provider"],
                zone=options["zone"],
                disk_mb=options["disk_mb"],
                capacity=options["capacity"],
                reason=options["reason"],
            )
        except intents.AskError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"requested: create {server.name}; see: manage.py explain {server.name}")
