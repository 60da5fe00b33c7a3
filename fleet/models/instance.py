from django.db import models

from fleet.models.member import Watched, state_field
from fleet.models.plan import Plan
from fleet.models.server import Server
from fleet.models.timeline import Timeline

FIRST_PORT = 5432


class Instance(Watched, kind="instance"):
    """One data directory and the postmaster on it, on one Server. `plan` is what it was sized for, `upstream` whom it
    streams from, `standby_for` the resource whose leader it stands by for, hidden from its customer. `outdated` is a
    leader that was: whatever runs on it may acknowledge nothing, and it comes back only as a standby. `epoch` numbers
    the orders to its host: it is that of the resource that it leads or stands by for. `fenced_by` is the epoch of the
    order that put the fence mark there; none: there is no mark, as far as we know."""

    LEADER, STANDBY = "leader", "standby"

    state = state_field("instance")
    server = models.ForeignKey(Server, on_delete=models.PROTECT, related_name="instances")
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT, related_name="instances")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="instances")
    role = models.CharField(max_length=8, default=LEADER, choices=[(LEADER, "Leader"), (STANDBY, "Standby")])
    major = models.PositiveSmallIntegerField(default=17, help_text="PostgreSQL's major version.")
    port = models.PositiveIntegerField(default=FIRST_PORT)
    upstream = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="downstream", editable=False
    )
    standby_for = models.ForeignKey(
        "fleet.Resource", null=True, blank=True, on_delete=models.SET_NULL, related_name="standbys", editable=False
    )
    outdated = models.BooleanField(default=False, editable=False)
    generation = models.PositiveIntegerField(default=1)
    epoch = models.BigIntegerField(default=1, db_default=1, editable=False)
    fenced_by = models.BigIntegerField(null=True, editable=False)

    class Meta(Watched.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["server", "port"], condition=~models.Q(state="destroyed"), name="instance_port_once_a_server"
            ),
        ]

    @property
    def data(self) -> str:
        return f"{self.server.home}/instances/{self.name}/data"

    @property
    def slot(self) -> str:
        """The replication slot, and the name, under which it streams."""
        return self.name.replace("-", "_")

    @property
    def socket(self) -> str:
        """Where psql on the host finds it: a name in the abstract namespace, since a path can be too long for one."""
        return f"@herdsite-{self.id}"
