from typing import Any

from django.core.management.base import CommandParser

from herdsite.databases import AskingCommand


class Command(AskingCommand):
    help = (
        "Load a dump from another place into a database, in place of everything in it: an archive of pg_dump (-Fc, "
        "-Ft, or -Fd in a tar) or plain SQL, also compressed as .gz, .bz2, .xz or .zst. The host of the database "
        "fetches the dump, from the hosts that HERDSITE_IMPORT_HOSTS allows. The answer lists what can't be loaded "
        "here and is left out; --check lists it beforehand."
    )
    verb = "load"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", required=True, dest="url", metavar="URL", help="where it lies: https://…")
        parser.add_argument("--check", action="store_true", help="only list what would be left out; replace nothing")
        super().add_arguments(parser)

    def params(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"url": options["url"], "check": options["check"]}
