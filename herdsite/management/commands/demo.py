import time
from typing import Any

from django.core.management.base import BaseCommand

from herdsite import demo


class Command(BaseCommand):
    help = "Grow the demo herd: real PostgreSQL on local hosts. Workers must run. Run again, it adds what is missing."

    def handle(self, *_args: Any, **_options: Any) -> None:
        for line in demo.grow(time.sleep):
            self.stdout.write(line)
            self.stdout.flush()
