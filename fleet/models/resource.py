from django.db import models

from fleet.models.customer import Customer
from fleet.models.instance import Instance
from fleet.models.member import Member, state_field
from fleet.models.plan import Plan


class Resource(Member, kind="resource"):
    """A database as its customer sees it. Its id, database name and role never change, whatever moves beneath."""

    state = state_field("resource")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="resources")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="resources")
    instance = models.ForeignKey(
        Instance, null=True, blank=True, on_delete=models.PROTECT, related_name="resources", editable=False
    )
    major = models.PositiveSmallIntegerField(default=17, help_text="PostgreSQL's major version.")
    zone = models.CharField(max_length=32, default="", blank=True, help_text="The zone it would like to live in.")
    generation = models.PositiveIntegerField(default=1, editable=False)
    dbname = models.CharField(max_length=63, unique=True, editable=False)

    @property
    def own_instance(self) -> bool:
        return not self.plan.shared
