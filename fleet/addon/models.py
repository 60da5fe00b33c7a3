"""An add-on: a resource that a platform asked for on behalf of a customer of its own, and how far the platform has been
told of it. What is to be told next follows from the row (life.py); a beat of its round tells it (round.py)."""

from typing import Any

from django.db import models
from django.db.models.functions import Now

from fleet.models import Resource
from fleet.models.credential import Secret


class Addon(models.Model):
    """`uuid` is the platform's name for it, and ours is the resource's id. Platforms of the first generation may give
    no uuid: such an add-on is known by its app (`heroku_id`) for as long as it lives.

    `answered` is the status of the first answer, which every repetition gets again: 201 came with the config, 202
    promised it. `code` is the grant, which lives until `code_expires_at` and is gone once it has been exchanged.
    `owner_email` is whom the platform said last to write to, at `heard_at`; `webhook_secret` signs what it tells by
    itself, for which we subscribed at `subscribed_at`.
    `logs_passed_on` is that whoever sends our lines knows the present log_input_url.
    `pushed` is a digest of the config that the platform was given last, `told_at` when it learned that the database is
    ready, `ended_at` when the add-on came to its end and `gave_up` whether that was our doing; `leaving_at` is when the
    platform asked for that end, where it waits to be told of it. `declined` are the steps
    that the platform would not have (life.key), `problem` is what it said last. `due_at`, `lease` and
    `leased_until` are its place in the round, `tries` how often the step that it is at has failed."""

    V1, V3 = 1, 3

    uuid = models.UUIDField(null=True, unique=True)
    heroku_id = models.CharField(max_length=200, default="", blank=True)
    resource = models.OneToOneField(Resource, on_delete=models.PROTECT, related_name="addon")
    generation = models.PositiveSmallIntegerField(choices=[(V1, "v1"), (V3, "v3")])
    name = models.CharField(max_length=200, default="", blank=True)
    app_id = models.CharField(max_length=200, default="", blank=True)
    app_name = models.CharField(max_length=200, default="", blank=True)
    owner_email = models.CharField(max_length=254, default="", blank=True, editable=False)
    region = models.CharField(max_length=100, default="", blank=True)
    options = models.JSONField(default=dict, blank=True)
    callback_url = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    log_input_url = Secret(default="", blank=True)
    log_drain_token = Secret(default="", blank=True)
    code = Secret(default="", blank=True)
    code_expires_at = models.DateTimeField(null=True, editable=False)
    access_token = Secret(default="", blank=True)
    refresh_token = Secret(default="", blank=True)
    token_expires_at = models.DateTimeField(null=True, editable=False)

    webhook_secret = Secret(default="", blank=True, editable=False)
    subscribed_at = models.DateTimeField(null=True, editable=False)
    heard_at = models.DateTimeField(null=True, editable=False)

    answered = models.PositiveSmallIntegerField(null=True, editable=False)
    pushed = models.CharField(max_length=64, default="", blank=True, editable=False)
    logs_passed_on = models.BooleanField(default=False, editable=False)
    informed_at = models.DateTimeField(null=True, editable=False)
    told_at = models.DateTimeField(null=True, editable=False)
    leaving_at = models.DateTimeField(null=True, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)
    gave_up = models.BooleanField(default=False, editable=False)
    declined = models.JSONField(default=list, blank=True, editable=False)
    problem = models.TextField(default="", blank=True, editable=False)

    due_at = models.DateTimeField(null=True, db_default=Now(), editable=False)
    looked_at = models.DateTimeField(db_default=Now(), editable=False)
    lease = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = "add-on"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["heroku_id"],
                condition=models.Q(uuid=None, ended_at=None),
                name="addon_once_an_app_without_uuid",
            ),
        ]
        indexes = [models.Index(fields=["due_at"], name="addon_round")]

    def __str__(self) -> str:
        return self.name or str(self.uuid or self.heroku_id)

    @property
    def over(self) -> bool:
        """The platform wants it no more, or has been told that it is no more."""
        return bool(self.leaving_at or self.ended_at)


# What of an add-on is secret, emptied: once it has ended, nobody needs it.
_SECRETS = ("code", "access_token", "refresh_token", "log_input_url", "log_drain_token", "webhook_secret")
WIPED: dict[str, Any] = dict.fromkeys(_SECRETS, "") | {"logs_passed_on": False}
