"""The plans say how far one can go back in time, and those with standbys are offered. Timelines beat in a queue of their
own, and the new rings' tables are kept as the others are."""

from django.db import migrations

from fleet.plans import OFFERS

RING = (
    "ALTER TABLE fleet_{0} SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, "
    "autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0)"
)


def offer(apps, _schema_editor):
    Plan = apps.get_model("fleet", "Plan")
    for one in OFFERS:
        Plan.objects.filter(name=one.name).update(keep_days=one.keep_days)
        if one.high_availability:
            Plan.objects.filter(name=one.name).update(offered=True)


class Migration(migrations.Migration):
    dependencies = [("fleet", "0004_timelines")]

    operations = [
        migrations.RunPython(offer, migrations.RunPython.noop),
        migrations.RunSQL("UPDATE fleet_timeline SET queue = 'slow'", migrations.RunSQL.noop),
        *(
            migrations.RunSQL(RING.format(kind), f"ALTER TABLE fleet_{kind} RESET (fillfactor)")
            for kind in ("timeline", "backup", "address", "changeover")
        ),
    ]
