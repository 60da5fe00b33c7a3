
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0012_intents_begun"),
    ]

    operations = [
        migrations.AddField(
            model_name="controlplane",
            name="place",
            field=models.CharField(default="", editable=False, max_length=64),
        ),
    ]
