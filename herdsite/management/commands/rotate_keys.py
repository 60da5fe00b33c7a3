from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from fleet.models import Credential
from incidents.models import Hook


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret anew with the first key of HERDSITE_FERNET_KEYS. To change keys: put the new one "
        "first, restart, run this, then take the old one out."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        with transaction.atomic():
            count = sum(_again(model) for model in (Credential, Hook))
        self.stdout.write(f"{count} secrets are encrypted with the first key now")


def _again(model: Any) -> int:
    """Read and write every secret of a model; how many there were."""
    rows = list(model.objects.select_for_update())
    model.objects.bulk_update(rows, ["secret"], batch_size=500)
    return len(rows)
