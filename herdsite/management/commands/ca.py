from typing import Any

from django.core.management.base import BaseCommand

from fleet import certificates


class Command(BaseCommand):
    help = "Print the CAs (PEM) that verify the certificates of the herd's servers; a herd without a CA gets one."

    def handle(self, *_args: Any, **_options: Any) -> None:
        certificates.authority()
        self.stdout.write(certificates.roots(), ending="")
