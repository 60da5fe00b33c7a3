from typing import Any

from django.core.management.base import CommandParser

from herdsite.databases import AskingCommand, add_asking


class Command(AskingCommand):
    help = (
        "Load a logical backup into a database, in place of everything in it. The old contents serve until the new "
        "contents are complete; then clients are disconnected once."
    )
    verb = "load"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("backup", metavar="BACKUP", help="as `backups NAME` lists it")
        parser.add_argument("--into", required=True, dest="name", metavar="NAME", help="the database")
        parser.add_argument("--across-customers", action="store_true", help="allow another customer's backup")
        parser.add_argument("--check", action="store_true", help="only list what would be left out; replace nothing")
        add_asking(parser)
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="wait for its end")

    def params(self, options: dict[str, Any]) -> dict[str, Any]:
        return {name: options[name] for name in ("backup", "across_customers", "check")}
