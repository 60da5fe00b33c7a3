from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.logical import links
from fleet.models import Backup
from herdsite.databases import actor


class Command(BaseCommand):
    help = "A link to download a logical backup. The link works for ten minutes, for anyone who has it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("backup", metavar="BACKUP", help="as `backups NAME` lists it")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            self.stdout.write(links.make(options["backup"], actor()))
        except (links.NoLink, Backup.DoesNotExist) as error:
            raise CommandError(str(error)) from error
