from typing import Any

from django.core.management.base import BaseCommand

from fleet import certificates


class Command(BaseCommand):
    help = "Print the CAs (PEM) by which the herd's servers prove who they are; a herd that has none yet gets one."

    def handle(self, *_args: Any, **_options: Any) -> None:
        certificates.authority()
        self.stdout.write(certificates.roots(), ending="")
