import uuid

from django.db import models
from django.db.models.functions import Now


class Intent(models.Model):
    """What somebody asked for: who, what of which thing, why. The tables read the oldest open one of a thing; a beat
    answers it. `key` makes asking twice asking once. `begun_at` is when a beat took it up (fleet/withdrawals.py),
    `raised` how often code of ours raised over it."""

    OPEN, DONE, REFUSED, CANCELLED = "open", "done", "refused", "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16)
    subject = models.UUIDField(db_index=True)
    name = models.CharField(max_length=63)
    verb = models.CharField(max_length=32)
    params = models.JSONField(default=dict)
    actor = models.CharField(max_length=120)
    reason = models.TextField(default="", blank=True)
    key = models.CharField(max_length=120, null=True, unique=True)  # noqa: DJ001 - NULLs don't collide, "" would
    parent = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="children")
    state = models.CharField(
        max_length=10,
        default=OPEN,
        choices=[(OPEN, "Open"), (DONE, "Done"), (REFUSED, "Refused"), (CANCELLED, "Cancelled")],
    )
    answer = models.TextField(default="", blank=True)
    begun_at = models.DateTimeField(null=True, editable=False)
    raised = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    answered_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-asked_at"]
        indexes = [
            models.Index(fields=["subject", "asked_at"], condition=models.Q(state="open"), name="intent_open"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.name}"
