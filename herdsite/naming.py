"""Commands that take the name of a thing: found forgivingly, refused helpfully."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import names
from fleet.models import Member


class NamedCommand(BaseCommand):
    """A command whose first argument is a thing's NAME."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "name", metavar="NAME", help="a server, instance or resource; kind/NAME where two share one"
        )

    def find(self, options: dict[str, Any]) -> Member:
        try:
            return names.find(options["name"])
        except names.NotFound as error:
            raise CommandError(str(error)) from error
