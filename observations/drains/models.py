"""Where the lines of a database go, which of them wait, and when the next one is due."""

import uuid
from urllib.parse import urlsplit

from django.core.validators import URLValidator
from django.db import models
from django.db.models.functions import Now

from fleet.models import Resource
from fleet.models.credential import Secret


class Drain(models.Model):
    """A URL that gets a resource's lines. A `drain` is a customer's, known by `token` (d.<uuid>); an `input` is a
    platform's own log, whose URL has the token in it. URLs are secrets for what they may have in front of the host.

    `frame` is the batch on its way, the same at every attempt; the lines in it are `framed`. `rotated_at` says since
    when an input's token is not taken any more. `dropped` counts the lines that
    found no room, or were given up."""

    DRAIN, INPUT = "drain", "input"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="drains")
    kind = models.CharField(
        max_length=5, default=DRAIN, choices=[(DRAIN, "A customer's drain"), (INPUT, "A platform's log input")]
    )
    url = Secret("URL", validators=[URLValidator(["https"])])
    token = Secret(default="", blank=True)
    active = models.BooleanField(default=True)
    frame = models.UUIDField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    next_at = models.DateTimeField(db_default=Now(), editable=False)
    lease = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    rotated_at = models.DateTimeField(null=True, editable=False)
    status = models.PositiveSmallIntegerField(null=True, editable=False, verbose_name="response code")
    problem = models.TextField(default="", blank=True, editable=False)
    sent = models.PositiveBigIntegerField(default=0, editable=False)
    dropped = models.PositiveBigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["resource__name", "kind"]
        constraints = [
            models.UniqueConstraint(
                fields=["resource"], condition=models.Q(kind="input"), name="drain_one_input_a_resource"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.resource}"

    @property
    def place(self) -> str:
        """What may be shown of its URL."""
        return urlsplit(self.url).hostname or ""


class Line(models.Model):
    """A line that waits for its drain; `at` is when the look was taken."""

    drain = models.ForeignKey(Drain, on_delete=models.CASCADE, related_name="lines")
    at = models.DateTimeField()
    text = models.TextField()
    framed = models.BooleanField(default=False)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return self.text


class Meter(models.Model):
    """When a production database's next line is due, and of which look its last one was."""

    resource = models.OneToOneField(Resource, primary_key=True, on_delete=models.CASCADE, related_name="meter")
    due_at = models.DateTimeField(db_index=True)
    told_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.resource)
