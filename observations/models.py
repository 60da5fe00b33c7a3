from django.contrib.postgres.fields import HStoreField
from django.db import models


class Observation(models.Model):
    """One look at one thing: append-only, whatever came of it. `attrs` is all that was felt, as text; `took_ms` how
    long the look took. The table is partitioned by day (observations/retention.py) and refers to its subject by UUID
    without a foreign key, so that it can move to a database of its own."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    kind = models.CharField(max_length=16)
    subject = models.UUIDField()
    vantage = models.CharField(max_length=80)
    took_ms = models.FloatField()
    attrs = HStoreField(default=dict)

    class Meta:
        # The migration makes the table by hand: Django knows no partitioned tables, whose primary key is (at, id).
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject} at {self.at}"
