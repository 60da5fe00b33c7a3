from typing import Any

from django.core.management.base import CommandParser

from herdsite.databases import LoadingCommand


class Command(LoadingCommand):
    help = (
        "Load a dump from another place (pg_dump -Fc) into a database, in place of everything in it. The host of the "
        "database fetches the dump, from the hosts that HERDSITE_IMPORT_HOSTS allows."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the database")
        parser.add_argument("--from", required=True, dest="url", metavar="URL", help="address of the dump: https://…")
        super().add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        self.load({"url": options["url"]}, options)
