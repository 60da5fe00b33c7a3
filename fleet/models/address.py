from django.db import models

from fleet.models.member import Member, state_field
from fleet.models.resource import Resource
from fleet.states import DETACHED


class Address(Member, kind="address"):
    """A stable endpoint that follows its resource's leader. `endpoint` is the IP or name that customers use, `port` the
    leader's own; `target` is the machine that it leads to, as last seen."""

    state = state_field("address", DETACHED)
    resource = models.OneToOneField(Resource, on_delete=models.PROTECT, related_name="address")
    provider = models.CharField(max_length=32)
    endpoint = models.CharField(max_length=255, default="", blank=True, editable=False)
    port = models.PositiveIntegerField(editable=False)
    target = models.CharField(max_length=63, default="", blank=True, editable=False)
