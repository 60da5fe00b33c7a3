from django.db import models

from fleet.models.member import Member, state_field
from fleet.models.plan import Plan
from fleet.states import OPEN


class Timeline(Member, kind="timeline"):
    """One line of WAL history with its archive. Exactly one instance ever writes it: a fork and every promotion begin a
    new one, whose parent and fork point are kept.

    `place` is its folder or stanza in the archive, `timeline_id` PostgreSQL's own number of it, `keep_until` when a
    closed one may go."""

    state = state_field("timeline", OPEN)
    resource = models.ForeignKey(
        "fleet.Resource", null=True, blank=True, on_delete=models.SET_NULL, related_name="timelines"
    )
    plan = models.ForeignKey(Plan, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    major = models.PositiveSmallIntegerField(default=17)
    archive = models.CharField(
        max_length=32, default="", blank=True, help_text="A name from the ARCHIVES setting; empty: WAL is not archived."
    )
    place = models.CharField(max_length=80, default="", blank=True, editable=False)
    writer = models.CharField(max_length=36, default="", blank=True, editable=False)
    timeline_id = models.PositiveIntegerField(default=1, editable=False)
    system_identifier = models.CharField(max_length=20, default="", blank=True)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    forked_lsn = models.CharField(max_length=32, default="", blank=True)
    forked_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    keep_until = models.DateTimeField(null=True, blank=True)
