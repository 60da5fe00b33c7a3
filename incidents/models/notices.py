"""Who was told what, when, and whether it arrived. A Page is one call for a person; a Notice is one message by one
channel to one recipient, and the outbox at the same time: its row is there before anything is sent. Incidents are
referred to by UUID without a foreign key, since what was said outlives what it was about."""

import uuid
from datetime import datetime

from django.core.validators import URLValidator
from django.db import models
from django.db.models.functions import Now

from fleet.models import Customer
from fleet.models.credential import Secret

# What stands for the breaker where a page needs an incident: too many pages at once are about no one of them.
BREAKER = uuid.uuid5(uuid.NAMESPACE_URL, "herdsite/breaker")


class Page(models.Model):
    """Escalation `n` of an incident. It is held while the herd's breaker is open (`let_out_at` is NULL), comes again
    at `repeat_at` as escalation n + 1 unless acknowledged, and ends with its incident. `heard_at` is the time of the
    last word that the paging service sent about it: older words come too late."""

    incident = models.UUIDField(db_index=True)
    incident_name = models.CharField(max_length=200)
    n = models.PositiveIntegerField()
    key = models.CharField(max_length=255, unique=True, help_text="Key by which paging services know the page.")
    type = models.CharField(max_length=63)
    severity = models.CharField(max_length=8)
    source = models.CharField(max_length=63)
    component = models.CharField(max_length=16)
    summary = models.TextField()
    evidence = models.JSONField(default=dict)
    runbook = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    let_out_at = models.DateTimeField(null=True, editable=False)
    repeat_at = models.DateTimeField(null=True, editable=False)
    acknowledged_at = models.DateTimeField(null=True, editable=False)
    acknowledged_by = models.CharField(max_length=120, default="", blank=True)
    assignee = models.CharField(max_length=120, default="", blank=True)
    ended_at = models.DateTimeField(null=True, editable=False)
    ended_by = models.CharField(max_length=120, default="", blank=True)
    heard_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["incident", "n"], name="page_escalation_once")]
        indexes = [models.Index(fields=["repeat_at"], condition=models.Q(ended_at=None), name="page_open")]

    def __str__(self) -> str:
        return f"{self.incident_name}, escalation {self.n}"


class Notice(models.Model):
    """`key` makes writing it twice writing it once; `id` is the message's for ever, so that a receiver can tell a
    repetition. `thread` is what it belongs to: messages of one thread to one recipient go out in their order.
    A worker that sends holds `lease` until `leased_until`. `answer` is what the channel said at the last attempt."""

    PAGE, ACKNOWLEDGE, RESOLVE, CUSTOMER, TEST, CHANGE = (
        *("page", "acknowledge", "resolve", "customer"),
        *("test", "change"),
    )
    HELD, QUEUED, SENT, FAILED, CANCELLED = "held", "queued", "sent", "failed", "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=400, unique=True)
    thread = models.CharField(max_length=255)
    purpose = models.CharField(
        max_length=12, choices=[(name, name) for name in (PAGE, ACKNOWLEDGE, RESOLVE, CUSTOMER, TEST, CHANGE)]
    )
    moment = models.CharField(max_length=8, default="", blank=True, help_text="For customers: opened, tried, …")
    channel = models.CharField(max_length=32)
    recipient = models.CharField(max_length=254, default="", blank=True)
    page = models.ForeignKey(Page, null=True, blank=True, on_delete=models.PROTECT, related_name="notices")
    incident = models.UUIDField(null=True, db_index=True)
    incident_name = models.CharField(max_length=200, default="", blank=True)
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.SET_NULL, related_name="notices")
    subject = models.CharField(max_length=1024)
    body = models.TextField()
    state = models.CharField(
        max_length=9,
        default=QUEUED,
        choices=[(name, name) for name in (HELD, QUEUED, SENT, FAILED, CANCELLED)],
    )
    decided_by = models.CharField(
        max_length=120, default="", blank=True, help_text="Name of the operator who approved or withdrew the message."
    )
    attempts = models.PositiveIntegerField(default=0, editable=False)
    next_at = models.DateTimeField(db_default=Now(), editable=False)
    lease = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    passed_on = models.BooleanField(
        default=False, editable=False, help_text="Delivery failed, and another channel took over."
    )
    answer = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    tried_at = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at", "id"]
        indexes = [
            models.Index(fields=["next_at"], condition=models.Q(state="queued"), name="notice_outbox"),
            models.Index(fields=["thread", "created_at"], name="notice_thread"),
            models.Index(fields=["channel", "-tried_at"], name="notice_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} ({self.channel})"


class Rota(models.Model):
    """A shift: who is on call from `starts` until just before `ends`. The lowest `order` is called first, the others
    are the fallback."""

    who = models.CharField(max_length=120)
    email = models.EmailField()
    starts = models.DateTimeField()
    ends = models.DateTimeField()
    order = models.PositiveSmallIntegerField(default=1, help_text="1 is called first, 2 is the fallback, and so on.")

    class Meta:
        ordering = ["starts", "order"]
        constraints = [
            models.CheckConstraint(condition=models.Q(ends__gt=models.F("starts")), name="rota_ends_after_it_starts")
        ]

    def __str__(self) -> str:
        return self.who

    @classmethod
    def on_call(cls, at: datetime) -> list["Rota"]:
        """Who is on call at that time, in the order in which to call them."""
        return list(cls.objects.filter(starts__lte=at, ends__gt=at).order_by("order", "id"))


class Hook(models.Model):
    """Where a customer's own system wants to hear, and the secret that signs what is sent there."""

    customer = models.OneToOneField(Customer, on_delete=models.CASCADE, related_name="hook")
    url = models.URLField(max_length=500, validators=[URLValidator(["http", "https"])])
    secret = Secret()

    def __str__(self) -> str:
        return f"webhook of {self.customer}"
