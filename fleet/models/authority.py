"""The herd's certificate authority (CA), generation by generation, and what it signed."""

from django.db import models
from django.db.models.functions import Now

from fleet.models.credential import Secret
from fleet.models.instance import Instance


class Authority(models.Model):
    """One generation of the herd's CA. NEXT is trusted and signs nothing yet, CURRENT signs, FORMER is trusted as long
    as a server shows what it signed, RETIRED is trusted no more. `certificate` is PEM."""

    NEXT, CURRENT, FORMER, RETIRED = "next", "current", "former", "retired"
    TRUSTED = (CURRENT, NEXT, FORMER)

    state = models.CharField(
        max_length=8,
        choices=[(NEXT, "Next"), (CURRENT, "Current"), (FORMER, "Former"), (RETIRED, "Retired")],
    )
    certificate = models.TextField()
    key = Secret()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ends_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "authorities"
        constraints = [
            # Two workers that need the first CA at once make one.
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state__in=["next", "current"]), name="authority_one_of_a_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"CA {self.pk}"


class ServerCertificate(models.Model):
    """What an instance shows: `names` are the names and addresses that it is good for, sorted, with spaces between."""

    instance = models.OneToOneField(Instance, on_delete=models.CASCADE, related_name="certificate")
    authority = models.ForeignKey(Authority, on_delete=models.PROTECT, related_name="certificates")
    names = models.TextField()
    certificate = models.TextField()
    key = Secret()
    issued_at = models.DateTimeField()
    renew_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"certificate of {self.instance}"
