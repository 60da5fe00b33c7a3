import django_fsm
from django.db import migrations


def repointed(apps, _schema_editor):
    """One that was asking whether its customer can write has done all that it is for."""
    apps.get_model("fleet", "Changeover").objects.filter(state="verifying").update(state="repointing")


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0010_starved"),
    ]

    operations = [
        migrations.RunPython(repointed, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="changeover",
            name="state",
            field=django_fsm.FSMField(
                choices=[
                    ("planned", "Planned"),
                    ("waiting_for_window", "Waiting for its window"),
                    ("preparing", "Preparing"),
                    ("fencing", "Fencing"),
                    ("promoting", "Promoting"),
                    ("repointing", "Repointing"),
                    ("done", "Done"),
                    ("needs_human", "Needs a person"),
                    ("cancelled", "Cancelled"),
                ],
                db_index=True,
                default="planned",
                max_length=50,
                protected=True,
            ),
        ),
    ]
