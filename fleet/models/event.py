from django.db import models
from django.db.models.functions import Now


class Event(models.Model):
    """The story, append-only: what was done to a thing, by which row of its table, why, from what, to what, by whom.
    `facts` are those that the row looked at, frozen; `evidence` is the doubt's."""

    at = models.DateTimeField(db_default=Now(), db_index=True)
    kind = models.CharField(max_length=16)
    subject = models.UUIDField()
    name = models.CharField(max_length=63)
    verb = models.CharField(max_length=40)
    row = models.PositiveSmallIntegerField(null=True)
    why = models.TextField()
    source = models.CharField(max_length=20, default="", verbose_name="from")
    target = models.CharField(max_length=20, default="", verbose_name="to")
    actor = models.CharField(max_length=120)
    generation = models.PositiveIntegerField(null=True)
    facts = models.JSONField(default=dict)
    evidence = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["subject", "-at"], name="event_story")]

    def __str__(self) -> str:
        return f"{self.name} {self.verb}"
