from typing import Any

from django.core.management.base import CommandError, CommandParser

from fleet import intents
from herdsite import waiting
from herdsite.databases import DatabaseCommand, actor


class Command(DatabaseCommand):
    help = "Take a logical backup of a database (pg_dump), besides those that are taken of it every day."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the database")
        parser.add_argument("--reason", default="", help="why; kept with the event")
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="wait until it is kept")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            intent = intents.ask(self.find(options), "dump", actor=actor(), reason=options["reason"])
        except intents.AskError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"requested:  dump {intent.name} ({intent.pk}); see: manage.py backups {intent.name}")
        if options["wait"]:
            waiting.for_end(intent, options["wait"], self.stdout)
