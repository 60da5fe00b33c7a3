from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from fleet.models import Credential


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret anew with the first key of HERDSITE_FERNET_KEYS. To change keys: put the new one "
        "first, restart, run this, then take the old one out."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        with transaction.atomic():
            credentials = list(Credential.objects.select_for_update())
            Credential.objects.bulk_update(credentials, ["secret"], batch_size=500)
        self.stdout.write(f"{len(credentials)} secrets are encrypted with the first key now")
