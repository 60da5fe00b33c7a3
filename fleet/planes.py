"""This control plane, as its hosts know it (fleet/models/plane.py)."""

from django.db import connection, transaction

from fleet.models import ControlPlane


def start() -> bool:
    """Look which database it runs on. One that it did not run on last may be an older copy, or beside the one that goes
    on: the control plane's epoch is raised, so that hosts take no order from whoever runs on the other. Returns whether
    it was raised."""
    with transaction.atomic(), connection.cursor() as cursor:
        ControlPlane.objects.get_or_create(only=True)
        row = ControlPlane.objects.select_for_update().get()
        cursor.execute(
            """SELECT system_identifier::text, timeline_id, pg_relation_filepath('fleet_controlplane')
               FROM pg_control_system(), pg_control_checkpoint()"""
        )
        found = cursor.fetchone()
        if (row.system, row.timeline, row.place) == found:
            return False
        # What was known before there was a `place` is the same database still.
        known = bool(row.system) and (row.place != "" or (row.system, row.timeline) != found[:2])
        row.epoch += known
        row.system, row.timeline, row.place = found
        row.save(update_fields=["epoch", "system", "timeline", "place"])
        return known
