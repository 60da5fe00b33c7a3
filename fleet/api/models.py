"""Tokens by which programs log in, and what was asked under an idempotency key. Of a token only a hash is kept."""

import uuid
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from knox.models import AbstractAuthToken

from fleet.models import Customer, Intent
from fleet.models.credential import Secret
from fleet.roles import SCOPES


class Token(AbstractAuthToken):
    """A login's token: `scopes` are at most what it may do, `customer` whose things alone it sees (all, if empty).
    It counts until `expiry` (never, if empty) unless it is revoked before. `last_used` is true to the minute."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    digest = models.CharField(max_length=128, unique=True, editable=False)
    name = models.CharField(max_length=60, help_text="What it is for.")
    scopes = ArrayField(models.CharField(max_length=16, choices=[(name, name) for name in SCOPES]))
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    last_used = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class Asked(models.Model):
    """What came of a request with an idempotency key: an Intent, or the answer itself (`body` is JSON, encrypted since
    an answer can hold a secret). `fingerprint` tells another request with the same key from the same one again."""

    asker = models.CharField(max_length=80)
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    intent = models.ForeignKey(Intent, null=True, on_delete=models.CASCADE, related_name="+")
    status = models.PositiveSmallIntegerField(null=True)
    body: Any = Secret(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["asker", "key"], name="asked_once")]

    def __str__(self) -> str:
        return self.key
