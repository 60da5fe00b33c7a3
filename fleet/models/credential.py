"""Secrets, encrypted at rest: MultiFernet with the keys of settings.FERNET_KEYS, the first of which encrypts."""

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.functions import Now

from fleet.models.instance import Instance
from fleet.models.resource import Resource


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise ImproperlyConfigured("No encryption key: set HERDSITE_FERNET_KEYS (bin/up makes one in var/fernet_keys).")
    return MultiFernet([Fernet(key) for key in keys])


def box() -> MultiFernet:
    return _box(tuple(settings.FERNET_KEYS))


class Secret(models.TextField):
    """Text that is plain in Python and a Fernet token in the database."""

    def get_prep_value(self, value: Any) -> str | None:
        plain = super().get_prep_value(value)
        return None if plain is None else box().encrypt(plain.encode()).decode()

    def from_db_value(self, value: str | None, *_args: Any) -> str | None:
        if value is None:
            return None
        try:
            return box().decrypt(value.encode()).decode()
        except InvalidToken as error:
            raise ImproperlyConfigured(
                "A secret can't be decrypted: its key is missing from HERDSITE_FERNET_KEYS. Put the old key back, at "
                "the end of the list, and run `manage.py rotate_keys`."
            ) from error


class Credential(models.Model):
    """A role's password: of the resource's owner, or of herdsite's monitoring or replication role on an instance.
    Either `resource` or `instance` is set."""

    OWNER, MONITOR, REPLICA = "owner", "monitor", "replica"

    purpose = models.CharField(
        max_length=8, choices=[(OWNER, "Owner"), (MONITOR, "Monitoring"), (REPLICA, "Replication")]
    )
    resource = models.ForeignKey(Resource, null=True, on_delete=models.CASCADE, related_name="credentials")
    instance = models.ForeignKey(Instance, null=True, on_delete=models.CASCADE, related_name="credentials")
    role = models.CharField(max_length=63)
    secret = Secret()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["role"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(resource__isnull=True) ^ models.Q(instance__isnull=True),
                name="credential_has_one_owner",
            ),
            models.UniqueConstraint(fields=["resource", "purpose"], name="credential_once_a_resource"),
            models.UniqueConstraint(fields=["instance", "purpose"], name="credential_once_an_instance"),
        ]

    def __str__(self) -> str:
        return f"{self.role} of {self.resource or self.instance}"
