import uuid

from django.db import models
from django.db.models.functions import Now
from django_fsm import ConcurrentTransitionMixin

from fleet.models.member import Moving, state_field
from fleet.states import OPEN


class Timeline(Moving, ConcurrentTransitionMixin, models.Model, kind="timeline"):
    """One line of WAL history. A fork and every promotion begin a new one, whose parent and fork point are kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    state = state_field("timeline", OPEN)
    system_identifier = models.CharField(max_length=20, default="", blank=True)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    forked_lsn = models.CharField(max_length=32, default="", blank=True)
    forked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
