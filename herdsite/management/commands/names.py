from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet import names


class Command(BaseCommand):
    help = "The names of all things that begin with PREFIX, one a line. Shell completion: see bin/completion.bash."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix", nargs="?", default="")

    def handle(self, *_args: Any, **options: Any) -> None:
        for name in names.matching(options["prefix"]):
            self.stdout.write(name)
