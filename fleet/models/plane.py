import uuid

from django.db import models


class ControlPlane(models.Model):
    """Who gives the orders: this herdsite, by an id that its hosts remember. There is one row.

    `epoch` is raised when herdsite starts on a database that may be an older copy: `system` and `timeline` are
    PostgreSQL's own names of the server that it ran on last, and `place` is the file of this very table there, which is
    another one once a dump was restored. Hosts refuse the orders of an earlier epoch. Until
    `quiet_until` no alarm is raised: nobody had looked for a while, and everything is about to be looked at first."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    only = models.BooleanField(default=True, unique=True, editable=False)
    epoch = models.BigIntegerField(default=1, editable=False)
    system = models.CharField(max_length=20, default="", editable=False)
    timeline = models.PositiveIntegerField(default=0, editable=False)
    place = models.CharField(max_length=64, default="", editable=False)
    quiet_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(only=True), name="one_control_plane")]

    def __str__(self) -> str:
        return f"{self.id}, epoch {self.epoch}"
