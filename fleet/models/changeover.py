from django.db import models

from fleet.models.instance import Instance
from fleet.models.member import Member, state_field
from fleet.models.plan import Plan
from fleet.models.resource import Resource
from fleet.models.timeline import Timeline
from fleet.states import CANCELLED, DONE, PLANNED


class Changeover(Member, kind="changeover"):
    """Leadership of a resource moving from one instance to another. At most one is open for each resource.

    `generation` is the one that the new leader bears, `epoch` numbers its orders and is never another's. `accept_loss`
    is what its asker would lose ("", a number of bytes, or "unknown"). `proof` says why the old leader can't
    acknowledge a write any more, `receipt` what was lost or could have been, `marks` when each step was reached (epoch,
    s) and what it noted for the next. While it moves, fleet/ledger.py alone writes it."""

    FAILOVER, SWITCHOVER, RESIZE, RETIREMENT, RESTORE, UPGRADE = (
        *("failover", "switchover", "resize"),
        *("retirement", "restore", "upgrade"),
    )
    REASONS = (FAILOVER, SWITCHOVER, RESIZE, RETIREMENT, RESTORE, UPGRADE)

    state = state_field("changeover", PLANNED)
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="changeovers")
    reason = models.CharField(max_length=12, choices=[(name, name.capitalize()) for name in REASONS])
    source = models.ForeignKey(Instance, null=True, on_delete=models.PROTECT, related_name="left", editable=False)
    target = models.ForeignKey(Instance, null=True, on_delete=models.PROTECT, related_name="taken", editable=False)
    wanted = models.CharField(max_length=63, default="", blank=True, help_text="The standby to promote.")
    plan = models.ForeignKey(Plan, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    timeline = models.ForeignKey(Timeline, null=True, on_delete=models.PROTECT, related_name="+", editable=False)
    generation = models.PositiveIntegerField(default=1, editable=False)
    epoch = models.BigIntegerField(default=1, db_default=1, editable=False)
    actor = models.CharField(max_length=120)
    asked_why = models.TextField(default="", blank=True)
    force = models.BooleanField(default=False)
    accept_loss = models.CharField(max_length=20, default="", blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    proof = models.JSONField(default=dict, blank=True, editable=False)
    receipt = models.JSONField(default=dict, blank=True, editable=False)
    marks = models.JSONField(default=dict, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta(Member.Meta):
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["resource"],
                condition=~models.Q(state__in=(DONE, CANCELLED)),
                name="changeover_one_open_a_resource",
            ),
        ]

    @property
    def planned(self) -> bool:
        """The old leader is well and takes part: clients are paused, nothing can be lost."""
        return self.reason != self.FAILOVER
