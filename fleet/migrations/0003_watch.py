"""How the alarms of a thing stand, on its row: it is read and written with every beat."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fleet", "0002_plans_and_storage")]

    operations = [
        migrations.AddField(kind, "watch", models.JSONField(default=dict, editable=False))
        for kind in ("server", "instance", "resource")
    ]
