from django.db import models

from fleet.models.customer import Customer
from fleet.models.instance import Instance
from fleet.models.member import Watched, state_field
from fleet.models.plan import Plan


class Resource(Watched, kind="resource"):
    """A database as its customer sees it. Its id, database name and role never change, whatever moves beneath.
    A follower `follows` another's leader and is read-only. `epoch` numbers the orders to its hosts; fleet/epochs.py
    raises it, and nothing lowers it."""

    state = state_field("resource")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="resources")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="resources")
    instance = models.ForeignKey(
        Instance, null=True, blank=True, on_delete=models.PROTECT, related_name="resources", editable=False
    )
    major = models.PositiveSmallIntegerField(default=17, help_text="PostgreSQL's major version.")
    zone = models.CharField(max_length=32, default="", blank=True, help_text="Preferred zone.")
    generation = models.PositiveIntegerField(default=1, editable=False)
    epoch = models.BigIntegerField(default=1, db_default=1, editable=False)
    dbname = models.CharField(max_length=63, editable=False)
    follows = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="followers", editable=False
    )
    forked_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="forks", editable=False
    )
    # Whose word its leader's commits wait for, as proven on the leader: {"required": [names], "proven": true}. It says
    # "can lose" before the leader may, and "can't" only after the leader can't.
    quorum = models.JSONField(default=dict, blank=True, editable=False)
    window = models.CharField(max_length=16, default="", blank=True, help_text="Maintenance window: Tue 03:00, in UTC.")
    drilled = models.JSONField(default=dict, blank=True, editable=False)

    class Meta(Watched.Meta):
        constraints = [
            # A follower has its leader's database by the same name, on an instance of its own.
            models.UniqueConstraint(
                fields=["instance", "dbname"], condition=~models.Q(state="destroyed"), name="dbname_once_an_instance"
            ),
        ]

    @property
    def own_instance(self) -> bool:
        return not self.plan.shared
