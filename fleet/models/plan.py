from django.core.validators import MinValueValidator
from django.db import models

from fleet.plans import PRODUCTION, STARTER


class Plan(models.Model):
    """What a resource may use and what is promised for it. Sizes in MB, times in seconds. The first ones come from
    fleet/plans.py, by a migration; operators change them and add their own."""

    name = models.SlugField(primary_key=True, max_length=40)
    label = models.CharField(max_length=80)
    tier = models.CharField(max_length=16, choices=[(STARTER, "Starter"), (PRODUCTION, "Production")])
    memory_mb = models.PositiveIntegerField(validators=[MinValueValidator(64)])
    disk_mb = models.PositiveIntegerField(validators=[MinValueValidator(64)])
    connections = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    rows = models.PositiveBigIntegerField(null=True, blank=True)
    beat_s = models.FloatField(help_text="Interval between looks (s), at most 60.")
    doubt_s = models.FloatField(
        help_text="Doubt window (s): how long every look must fail before a database counts as down."
    )
    shared_by = models.PositiveIntegerField(default=1, help_text="How many resources share one instance.")
    high_availability = models.BooleanField(default=False)
    keep_days = models.PositiveSmallIntegerField(
        default=0, help_text="How many days restores to a time reach back. 0: WAL is not archived."
    )
    offered = models.BooleanField(default=True)

    class Meta:
        ordering = ["tier", "name"]
        constraints = [
            models.CheckConstraint(condition=models.Q(beat_s__gt=0, beat_s__lte=60), name="plan_beat_within_a_minute"),
            models.CheckConstraint(condition=models.Q(doubt_s__gt=0), name="plan_doubt_positive"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def shared(self) -> bool:
        return self.tier == STARTER
