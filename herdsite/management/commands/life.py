from typing import Any

from django.core.management.base import BaseCommand

from herdsite import life, wiring


class Command(BaseCommand):
    help = "Write a little to every demo database, as its application would, until Ctrl-C."

    def handle(self, *_args: Any, **_options: Any) -> None:
        life.run(wiring.ports())
