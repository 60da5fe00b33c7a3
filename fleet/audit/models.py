"""The tables are made by hand (migrations/0001): their triggers refuse every UPDATE, DELETE and TRUNCATE."""

from django.db import models
from django.db.models.functions import Now


class Entry(models.Model):
    """Something that a person did, saw or was refused; or a program in a person's name.

    `actor` is a login, a token's name or a platform's user, empty where nobody has logged in; `address` from where it
    came; `door` by which way (portal, API, admin, …); `kind`, `subject` (the id) and `name` what it was about; `before`
    and `after` the columns that differ, secrets hidden; `request` the id that the logs have too.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=160)
    address = models.CharField(max_length=64)
    door = models.CharField(max_length=64)
    action = models.CharField(max_length=64)
    kind = models.CharField(max_length=64)
    subject = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    reason = models.TextField()
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    request = models.CharField(max_length=64)

    class Meta:
        managed = False
        db_table = "audit_entry"
        ordering = ["-id"]
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.actor or 'nobody'} {self.action} {self.name}".strip()


class Link(models.Model):
    """An entry's place in the chain: `digest` is over the entry and the digest of the link before."""

    position = models.BigIntegerField(primary_key=True)
    entry = models.BigIntegerField()
    digest = models.BinaryField()

    class Meta:
        managed = False
        db_table = "audit_link"
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.position}:{bytes(self.digest).hex()}"
