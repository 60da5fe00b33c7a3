from django.db import models


class Worker(models.Model):
    """A worker process as it last reported, at the end of each round of its turn. Only for people and for the clock:
    no beat depends on it."""

    name = models.CharField(primary_key=True, max_length=80)
    queue = models.CharField(max_length=16, db_index=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    beats = models.PositiveBigIntegerField(default=0)
    errors = models.PositiveBigIntegerField(default=0)
    beats_per_s = models.FloatField(default=0)
    rss_mb = models.FloatField(default=0)
    # How late the process was at most since the report before (s): a machine that is overloaded makes it late.
    late_s = models.FloatField(default=0)

    class Meta:
        ordering = ["queue", "name"]

    def __str__(self) -> str:
        return self.name
