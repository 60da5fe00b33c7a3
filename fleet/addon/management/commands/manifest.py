import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet.addon.manifest import manifest


class Command(BaseCommand):
    help = "Print the add-on manifest, with its password and salt, to be registered at the platform."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--v1", action="store_true", help="in the form of the first generation")

    def handle(self, *_args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(manifest(third=not options["v1"]), indent=2))
