from typing import Any

from django.core.management.base import CommandParser

from fleet.models import Backup
from herdsite import waiting
from herdsite.databases import DatabaseCommand


class Command(DatabaseCommand):
    help = "List the logical backups of a database: state, size, time, and until when each is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the database")

    def handle(self, *_args: Any, **options: Any) -> None:
        resource = self.find(options)
        own = Backup.objects.filter(resource=resource, method=Backup.LOGICAL).order_by("-created_at")
        for backup in own:
            of = f"  of {backup.began_at:%Y-%m-%d %H:%M} UTC" if backup.began_at else ""
            until = f", kept until {backup.keep_until:%Y-%m-%d}" if backup.keep_until else ""
            problem = f"  {backup.problem}" if backup.problem else ""
            self.stdout.write(f"{waiting.line(backup)}{of}{until}{problem}")
        if not own:
            self.stdout.write(f"{resource.name} has no logical backup yet: manage.py dump {resource.name}")
