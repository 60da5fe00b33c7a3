from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db import transaction

from fleet.models.credential import Secret


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret again with the first key of HERDSITE_FERNET_KEYS. To change keys: put the new one "
        "first, restart, run this, then take the old one out."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        with transaction.atomic():
            count = sum(_again(model) for model in apps.get_models())
        self.stdout.write(f"{count} secrets are encrypted with the first key now")


def _again(model: Any) -> int:
    """Read and write every secret of a model, whichever its fields are; how many there were."""
    names = [field.name for field in model._meta.local_fields if isinstance(field, Secret)]
    if not names:
        return 0
    rows = list(model._base_manager.select_for_update())
    model._base_manager.bulk_update(rows, names, batch_size=500)
    return sum(getattr(row, name) is not None for row in rows for name in names)
