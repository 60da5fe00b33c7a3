from django.db import models

from fleet.models.member import Member, state_field
from fleet.models.plan import Plan
from fleet.models.server import Server
from fleet.models.timeline import Timeline

FIRST_PORT = 5432


class Instance(Member, kind="instance"):
    """One data directory and the postmaster on it, on one Server. `plan` is what it was sized for."""

    LEADER, STANDBY = "leader", "standby"

    state = state_field("instance")
    server = models.ForeignKey(Server, on_delete=models.PROTECT, related_name="instances")
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT, related_name="instances")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="instances")
    role = models.CharField(max_length=8, default=LEADER, choices=[(LEADER, "Leader"), (STANDBY, "Standby")])
    major = models.PositiveSmallIntegerField(default=17, help_text="PostgreSQL's major version.")
    port = models.PositiveIntegerField(default=FIRST_PORT)
    generation = models.PositiveIntegerField(default=1)

    class Meta(Member.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["server", "port"], condition=~models.Q(state="destroyed"), name="instance_port_once_a_server"
            ),
        ]

    @property
    def data(self) -> str:
        return f"{self.server.home}/instances/{self.name}/data"

    @property
    def socket(self) -> str:
        """Where psql on the host finds it: a name in the abstract namespace, since a path can be too long for one."""
        return f"@herdsite-{self.id}"
