from django.db import migrations, models
from django.db.models.functions import Now

from fleet.audit import chain


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.RunSQL(chain.make(), chain.UNMAKE),
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(db_default=Now())),
                ("actor", models.CharField(max_length=160)),
                ("address", models.CharField(max_length=64)),
                ("door", models.CharField(max_length=64)),
                ("action", models.CharField(max_length=64)),
                ("kind", models.CharField(max_length=64)),
                ("subject", models.CharField(max_length=64)),
                ("name", models.CharField(max_length=200)),
                ("reason", models.TextField()),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
                ("request", models.CharField(max_length=64)),
            ],
            options={
                "verbose_name_plural": "entries",
                "db_table": "audit_entry",
                "ordering": ["-id"],
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Link",
            fields=[
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("entry", models.BigIntegerField()),
                ("digest", models.BinaryField()),
            ],
            options={"db_table": "audit_link", "ordering": ["position"], "managed": False},
        ),
    ]
