from django.db import models


class Wrong(models.Model):
    """How many wrong passwords in a row came under one key (a digest), and until when no other is listened to."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    last_at = models.DateTimeField(db_index=True)
    until = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "wrong passwords"

    def __str__(self) -> str:
        return f"{self.count} since {self.last_at:%F %R}"
