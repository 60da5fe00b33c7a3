from typing import Any

from django.core.management.base import CommandParser

from herdsite.databases import AskingCommand


class Command(AskingCommand):
    help = (
        "Load a dump from another place (pg_dump -Fc) into a database, in place of everything in it. The host of the "
        "database fetches the dump, from the hosts that HERDSITE_IMPORT_HOSTS allows."
    )
    verb = "load"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", required=True, dest="url", metavar="URL", help="where it lies: https://…")
        super().add_arguments(parser)

    def params(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"url": options["url"]}
