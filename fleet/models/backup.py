from django.db import models

from fleet.models.instance import Instance
from fleet.models.member import Member, state_field
from fleet.models.resource import Resource
from fleet.models.timeline import Timeline
from fleet.states import STARTED


class Backup(Member, kind="backup"):
    """A copy of a database's data at one moment: `base` is the files of a whole instance in the archive of its
    timeline, from which WAL leads on; `logical` is what pg_dump says of one database. Only one that is `kept` is good.

    `label` names it where it lies; `bytes` and the times are known once it is complete."""

    BASE, LOGICAL = "base", "logical"

    state = state_field("backup", STARTED)
    method = models.CharField(max_length=8, default=BASE, choices=[(BASE, "Base"), (LOGICAL, "Logical")])
    timeline = models.ForeignKey(Timeline, null=True, blank=True, on_delete=models.CASCADE, related_name="backups")
    resource = models.ForeignKey(Resource, null=True, blank=True, on_delete=models.SET_NULL, related_name="backups")
    instance = models.ForeignKey(Instance, null=True, blank=True, on_delete=models.SET_NULL, related_name="backups")
    label = models.CharField(max_length=120, default="", editable=False)
    bytes = models.PositiveBigIntegerField(null=True, blank=True, editable=False)
    began_at = models.DateTimeField(null=True, blank=True, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    first_wal = models.CharField(max_length=24, default="", blank=True, editable=False)
    last_wal = models.CharField(max_length=24, default="", blank=True, editable=False)
    keep_until = models.DateTimeField(null=True, blank=True)
