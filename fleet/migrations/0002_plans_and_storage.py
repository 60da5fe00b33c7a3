"""The first plans, and how the ring tables are kept: rows are updated in place at every beat, so pages leave room for
it, and dead rows are vacuumed long before the default of a fifth of the table."""

from django.db import migrations

from fleet.plans import OFFERS


def offer(apps, _schema_editor):
    Plan = apps.get_model("fleet", "Plan")
    for one in OFFERS:
        Plan.objects.update_or_create(
            name=one.name,
            defaults={
                "label": one.label,
                "tier": one.tier,
                "memory_mb": one.memory_mb,
                "disk_mb": one.disk_mb,
                "connections": one.connections,
                "rows": one.rows,
                "beat_s": one.beat_s,
                "doubt_s": one.doubt_s,
                "shared_by": one.shared_by,
                "high_availability": one.high_availability,
                "offered": one.offered,
            },
        )


RING = (
    "ALTER TABLE fleet_{0} SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, "
    "autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0)"
)


class Migration(migrations.Migration):
    dependencies = [("fleet", "0001_initial")]

    operations = [
        migrations.RunPython(offer, migrations.RunPython.noop),
        *(
            migrations.RunSQL(RING.format(kind), f"ALTER TABLE fleet_{kind} RESET (fillfactor)")
            for kind in ("server", "instance", "resource")
        ),
    ]
