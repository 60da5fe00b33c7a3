from typing import Any

from django.core.management.base import CommandParser

from herdsite.databases import LoadingCommand


class Command(LoadingCommand):
    help = (
        "Put a dump that lies elsewhere (pg_dump -Fc) into a database, in the place of all that it holds. It is "
        "fetched by the database's host, from the hosts that HERDSITE_IMPORT_HOSTS allows."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the database")
        parser.add_argument("--from", required=True, dest="url", metavar="URL", help="where it lies: https://…")
        super().add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        self.load({"url": options["url"]}, options)
