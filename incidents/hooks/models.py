"""Who wants to hear of what, what each is still to be told, and what each answered."""

import base64
import secrets
import uuid

from django.contrib.postgres.fields import ArrayField
from django.core.validators import URLValidator
from django.db import models
from django.db.models.functions import Now

from fleet.models import Customer, Event, Resource
from fleet.models.credential import Secret


def new_secret() -> str:
    """As the Standard Webhooks convention writes a key: whsec_ and base64."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"


class Endpoint(models.Model):
    """A URL that is told of Events. Empty `kinds` and `verbs` mean all; with `moves_only` an Event that changed no
    state is not told. Limited to a customer or a resource, it hears of that alone. `silences` counts how often in a
    row nothing came back, and until `quiet_until` it is left alone for that."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63, unique=True)
    url = models.URLField("URL", max_length=500, validators=[URLValidator(["http", "https"])])
    secret = Secret(default=new_secret)
    kinds = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    verbs = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    moves_only = models.BooleanField(default=True, help_text="Only changes of state, not every action in between.")
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    resource = models.ForeignKey(Resource, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    active = models.BooleanField(
        default=True, help_text="Events that happen while the endpoint is inactive are never sent."
    )
    silences = models.PositiveSmallIntegerField(default=0, editable=False)
    quiet_until = models.DateTimeField(null=True, editable=False)
    problem = models.TextField(default="", blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(customer__isnull=True) | models.Q(resource__isnull=True),
                name="endpoint_limited_once",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def limited(self) -> bool:
        """It hears of one customer's things alone, and is likely to be the customer's."""
        return self.customer_id is not None or self.resource_id is not None


class Delivery(models.Model):
    """One Event for one endpoint, and the outbox at the same time. `id` goes along at every attempt, so that a receiver
    can tell a repetition. Of one `subject` an endpoint is told in the order of Events. It is given up so long after
    `queued_at`. A proof that an operator asked for has no Event."""

    QUEUED, SENT, FAILED = "queued", "sent", "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(Event, null=True, on_delete=models.CASCADE, related_name="+")
    subject = models.UUIDField()
    state = models.CharField(
        max_length=6, default=QUEUED, choices=[(QUEUED, "Queued"), (SENT, "Sent"), (FAILED, "Failed")]
    )
    attempts = models.PositiveIntegerField(default=0)
    status = models.PositiveSmallIntegerField(null=True, verbose_name="response code")
    answer = models.TextField(default="", verbose_name="response")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    queued_at = models.DateTimeField(db_default=Now(), editable=False)
    next_at = models.DateTimeField(db_default=Now(), editable=False)
    lease = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    tried_at = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at", "-event_id"]
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["endpoint", "event"], name="delivery_once")]
        indexes = [
            models.Index(fields=["next_at"], condition=models.Q(state="queued"), name="delivery_due"),
            models.Index(
                fields=["endpoint", "subject", "event"], condition=models.Q(state="queued"), name="delivery_order"
            ),
            models.Index(fields=["created_at"], name="delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event or 'proof'} to {self.endpoint}"


class Attempt(models.Model):
    """One line of the log: a request and what came back. No code: nothing came back, and `answer` says why."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="log")
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True, verbose_name="response code")
    answer = models.TextField(default="", verbose_name="response")
    took_ms = models.FloatField(default=0)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.status or 'no answer'} at {self.at}"


class Cursor(models.Model):
    """How far Events have been read, in one row: those of transactions before `xid` have been. No Event up to the id
    `floor` is still to come; `mark_id` becomes the floor once all transactions before `mark_xid` are over."""

    xid = models.BigIntegerField()
    floor = models.BigIntegerField(default=0)
    mark_xid = models.BigIntegerField()
    mark_id = models.BigIntegerField(default=0)
    swept_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"transaction {self.xid}"
