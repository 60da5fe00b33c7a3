import django.db.models.deletion
import django.db.models.functions.datetime
import fleet.models.credential
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fleet', '0008_orders'),
    ]

    operations = [
        migrations.CreateModel(
            name='Authority',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('next', 'Next'), ('current', 'Current'), ('former', 'Former'), ('retired', 'Retired')], max_length=8)),
                ('certificate', models.TextField()),
                ('key', fleet.models.credential.Secret()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('ends_at', models.DateTimeField()),
            ],
            options={
                'verbose_name_plural': 'authorities',
                'ordering': ['pk'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ['next', 'current'])), fields=('state',), name='authority_one_of_a_kind')],
            },
        ),
        migrations.CreateModel(
            name='ServerCertificate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('names', models.TextField()),
                ('certificate', models.TextField()),
                ('key', fleet.models.credential.Secret()),
                ('issued_at', models.DateTimeField()),
                ('renew_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('authority', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='certificates', to='fleet.authority')),
                ('instance', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='certificate', to='fleet.instance')),
            ],
        ),
    ]
