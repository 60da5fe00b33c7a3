from typing import Any

from django.core.management.base import BaseCommand

from herdsite.tables import rendered


class Command(BaseCommand):
    help = "Print every table by which herdsite decides. The tests compare the output with tests/golden/tables.txt."

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(rendered(), ending="")
