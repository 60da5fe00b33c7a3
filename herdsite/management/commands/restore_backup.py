from typing import Any

from django.core.management.base import CommandParser

from herdsite.databases import LoadingCommand


class Command(LoadingCommand):
    help = (
        "Load a logical backup into a database, in place of everything in it. The old contents serve until the new "
        "contents are complete; then clients are disconnected once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("backup", metavar="BACKUP", help="as `backups NAME` lists it")
        parser.add_argument("--into", required=True, dest="name", metavar="NAME", help="the database")
        parser.add_argument("--across-customers", action="store_true", help="allow the backup of another customer")
        super().add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        self.load({"backup": options["backup"], "across_customers": options["across_customers"]}, options)
