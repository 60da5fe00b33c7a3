"""Commands about one database: it is found forgivingly, and what is put into it is asked for in one way."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import intents, loads, names
from fleet.models import Resource
from herdsite import waiting


class DatabaseCommand(BaseCommand):
    """A command whose argument NAME is a database's."""

    def find(self, options: dict[str, Any]) -> Resource:
        try:
            found = names.find(options["name"])
        except names.NotFound as error:
            raise CommandError(str(error)) from error
        if not isinstance(found, Resource):
            raise CommandError(f"{found.name} is a {found.KIND}: only a database has logical backups.")
        return found


class LoadingCommand(DatabaseCommand):
    """One that puts another content into it."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--confirm", default="", metavar="NAME", help="the database's name again")
        parser.add_argument("--reason", default="", help="why; kept with the event")
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="wait until it is available")

    def load(self, params: dict[str, Any], options: dict[str, Any]) -> None:
        """Ask for it; what can't be is refused here and now."""
        try:
            intent = loads.load(
                self.find(options),
                {name: value for name, value in params.items() if value},
                actor=actor(),
                reason=options["reason"],
                confirm=options["confirm"],
            )
        except intents.AskError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"requested:  load {intent.name} ({intent.pk})")
        if options["wait"]:
            self.stdout.write(f"done: {waiting.for_answer(intent, options['wait'], self.stdout)}")


def actor() -> str:
    """Who types."""
    return f"{getpass.getuser()} (command line)"
