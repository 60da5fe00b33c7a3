from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from herdsite.tables import for_client, rendered


class Command(BaseCommand):
    help = (
        "Print every table by which herdsite decides. The tests hold it against tests/golden/tables.txt, and --client "
        "against herdsite/client/verbs/asks.json."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--client", action="store_true", help="what can be asked, for the command line elsewhere")

    def handle(self, *_args: Any, **options: Any) -> None:
        self.stdout.write(for_client() if options["client"] else rendered(), ending="")
