"""The round as tests go it: everything due at once, against the platform in memory."""

from datetime import timedelta

from django.db.models.functions import Now

from fleet.addon import round
from fleet.addon.fake import FakePlatform
from fleet.addon.models import Addon
from fleet.models import Resource
from tests import factories
from tests.herd import again, change


def serve() -> Resource:
    """The database has come up."""
    resource = Resource.objects.get()
    change(resource, state="available", instance=factories.instance(server=factories.server(address="127.0.0.9")))
    return again(resource)


def go(platform: FakePlatform) -> tuple[int, int]:
    """Everything is due, and the round is gone."""
    Addon.objects.filter(due_at__isnull=False).update(
        due_at=Now() - timedelta(seconds=1), lease=None, leased_until=None
    )
    return round.go_round(platform)


def mine() -> Addon:
    return Addon.objects.select_related("resource").get()
