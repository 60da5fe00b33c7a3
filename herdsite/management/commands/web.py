import os
import signal
import sys
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from herdsite.edge import server
from herdsite.wsgi import application


class Command(BaseCommand):
    help = "Serves the portal, the API and the admin."
    requires_system_checks: Any = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1", help="what it listens on (HOST)")
        parser.add_argument(
            "--port", type=int, default=int(os.environ.get("PORT") or 8000), help="port of the web server (PORT)"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, _stop)
        server.serve(application, options["host"].strip("[]"), options["port"], settings.WEB_THREADS)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
