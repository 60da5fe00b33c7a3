import django_fsm
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0005_offers"),
    ]

    operations = [
        migrations.AlterField(
            model_name="server",
            name="state",
            field=django_fsm.FSMField(
                choices=[
                    ("creating", "Creating"),
                    ("available", "Available"),
                    ("retiring", "Retiring"),
                    ("uncertain", "Uncertain"),
                    ("down", "Down"),
                    ("destroying", "Destroying"),
                    ("destroyed", "Destroyed"),
                ],
                db_index=True,
                default="creating",
                max_length=50,
                protected=True,
            ),
        ),
    ]
