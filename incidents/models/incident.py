"""What is wrong with one thing, and who is at it. It goes round on a ring of its own, as everything does that lives in
time; and what was tried is kept in its journal, word by word."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now

from fleet.models import Address, Backup, Changeover, Customer, Instance, Plan, Resource, Timeline
from fleet.models.member import Member, state_field
from fleet.states import DESTROYED, RESOLVED, RESOLVING, TRIGGERED
from incidents.watch import BY_TYPE, PAGE, SEVERITIES

# A storm is about a part of the herd, not about one thing in it (incidents/brake.py); what is wrong with herdsite
# itself is about nothing in it (incidents/ourselves.py).
HERD, STORM = "herd", "storm"
HERDSITE = "herdsite"
# Code of ours raised again and again over what was asked of a thing: it is over when a person says so.
CODE_FAILED = "code_failed"
ACT, ASK, NEVER = "act", "ask", "never"

# By what an incident is about: how the database that it belongs to is found.
_BELONGS = {
    Resource.KIND: ("pk",),
    Instance.KIND: ("instance", "standbys"),
    Timeline.KIND: ("timelines",),
    Backup.KIND: ("backups",),
    Address.KIND: ("address",),
    Changeover.KIND: ("changeovers",),
}


class Incident(Member, kind="incident"):
    """`evidence` is frozen at the opening: {"facts": what the alarm looked at, "doubt": who saw what, "looked_at":
    when}; `opened_by` the row of LIFE that won at that beat. `resolver` is the playbook at work, `resolver_version` the
    hash of its file, `step` counts its steps from 0, `tried` are the playbooks that gave up, `rounds` how often a
    person had it begin anew. Of every thing there is at most one open incident of a type, and one whose playbook
    works on it."""

    state = state_field("incident", TRIGGERED)
    type = models.CharField(max_length=40, db_index=True)
    subject = models.UUIDField()
    subject_kind = models.CharField(max_length=16)
    subject_name = models.CharField(max_length=63)
    severity = models.CharField(max_length=8, default=PAGE, choices=[(name, name.capitalize()) for name in SEVERITIES])
    cause = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children")
    opened_by = models.PositiveSmallIntegerField(null=True)

    resolver = models.CharField(max_length=40, default="", blank=True)
    resolver_version = models.CharField(max_length=12, default="", blank=True)
    step = models.PositiveSmallIntegerField(default=0)
    step_since = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=12, default="", blank=True)
    tried = models.JSONField(default=list, blank=True)
    rounds = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    approved = models.BooleanField(default=False)
    wait_until = models.DateTimeField(null=True, blank=True)
    deadline = models.DateTimeField(null=True, blank=True)

    escalations = models.PositiveSmallIntegerField(default=0)
    acknowledged_by = models.CharField(max_length=120, default="", blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    assigned_to = models.CharField(max_length=120, default="", blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta(Member.Meta):
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "type"], condition=~models.Q(state=RESOLVED), name="incident_once_open"
            ),
            models.UniqueConstraint(
                fields=["subject"], condition=models.Q(state=RESOLVING), name="incident_one_works_on_it"
            ),
        ]

    @property
    def is_open(self) -> bool:
        return self.state != RESOLVED

    @property
    def summary(self) -> str:
        """One line: what is wrong with what, and why that matters."""
        alarm = BY_TYPE.get(self.type)
        words = self.type.replace("_", " ")
        return f"{self.subject_kind} {self.subject_name}: {words}" + (f". {alarm.because}" if alarm else "")

    @property
    def customer(self) -> Customer | None:
        """Whose database it is about; None where it is several customers' or nobody's."""
        found = self._resources()[:2]
        return found[0].customer if len(found) == 1 else None

    def plan(self) -> Plan | None:
        """The plan by which playbooks are allowed; a server has none."""
        if self.subject_kind == Instance.KIND:
            return Plan.objects.filter(instances=self.subject).first()
        mine = self.resource()
        return mine.plan if mine else None

    def resource(self) -> Resource | None:
        """The one database that its subject is, serves or belongs to; None for a server, and for what several share."""
        mine = models.Q(pk=None)
        for path in _BELONGS.get(self.subject_kind, ()):
            mine |= models.Q(**{path: self.subject})
        found = Resource.objects.filter(mine).exclude(state=DESTROYED).select_related("plan").distinct()[:2]
        return found[0] if len(found) == 1 else None

    def _resources(self) -> Any:
        mine = {Resource.KIND: "pk", Instance.KIND: "instance"}.get(self.subject_kind)
        if mine is None:
            return Resource.objects.none()
        return Resource.objects.filter(**{mine: self.subject}).exclude(state=DESTROYED).select_related("customer")


class Journal(models.Model):
    """One line of an incident's story, append-only: a step and its outcome, a move, what a person did or noted."""

    at = models.DateTimeField(db_default=Now())
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="journal")
    resolver = models.CharField(max_length=40, default="")
    version = models.CharField(max_length=12, default="")
    step = models.CharField(max_length=60, default="")
    outcome = models.CharField(max_length=20)
    note = models.TextField(default="")
    actor = models.CharField(max_length=120)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "journal"
        indexes = [models.Index(fields=["resolver", "outcome"], name="journal_rates")]

    def __str__(self) -> str:
        return f"{self.incident_id} {self.outcome}"


class PlaybookPolicy(models.Model):
    """How a playbook may be used: for one resource, for a plan, or (neither given) wherever nothing else is said.
    The one that says most about a thing counts; where none does, playbooks act."""

    resolver = models.CharField(max_length=40)
    plan = models.ForeignKey(Plan, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    resource = models.ForeignKey(Resource, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    mode = models.CharField(
        max_length=5, choices=[(ACT, "Act"), (ASK, "Ask a person first"), (NEVER, "Never")], default=ACT
    )

    class Meta:
        verbose_name_plural = "playbook policies"
        ordering = ["resolver"]
        constraints = [
            models.UniqueConstraint(
                fields=["resolver", "plan", "resource"], nulls_distinct=False, name="playbook_policy_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.resolver}: {self.mode}"

    def clean(self) -> None:
        known = sorted({name for alarm in BY_TYPE.values() for name in alarm.resolvers})
        if self.resolver and self.resolver not in known:
            wrong = f"There is no playbook {self.resolver!r}. Choose one of: {', '.join(known)}."
            raise ValidationError({"resolver": wrong})


class BrakeRelease(models.Model):
    """A person lets go of the brake for a scope ("zone/a", "provider/aws", "herd") until a time."""

    scope = models.CharField(max_length=80, db_index=True)
    until = models.DateTimeField()
    actor = models.CharField(max_length=120)
    reason = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.scope} until {self.until}"
