from typing import Any

from django.core.management.base import BaseCommand

from herdsite import clock


class Command(BaseCommand):
    help = "The clock: keeps turns queued for the workers. Run one, or several for safety: one of them ticks."

    def handle(self, *_args: Any, **_options: Any) -> None:
        clock.run()
