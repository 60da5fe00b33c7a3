
import django.contrib.postgres.fields.hstore
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django_fsm
import fleet.models.credential
import fleet.models.member
import uuid
from django.contrib.postgres.operations import HStoreExtension
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        HStoreExtension(),
        migrations.CreateModel(
            name='Customer',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=120, unique=True)),
                ('email', models.EmailField(blank=True, default='', max_length=254)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Worker',
            fields=[
                ('name', models.CharField(max_length=80, primary_key=True, serialize=False)),
                ('queue', models.CharField(db_index=True, max_length=16)),
                ('started_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField()),
                ('beats', models.PositiveBigIntegerField(default=0)),
                ('errors', models.PositiveBigIntegerField(default=0)),
                ('beats_per_s', models.FloatField(default=0)),
                ('rss_mb', models.FloatField(default=0)),
            ],
            options={
                'ordering': ['queue', 'name'],
            },
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True)),
                ('kind', models.CharField(max_length=16)),
                ('subject', models.UUIDField()),
                ('name', models.CharField(max_length=63)),
                ('verb', models.CharField(max_length=40)),
                ('row', models.PositiveSmallIntegerField(null=True)),
                ('why', models.TextField()),
                ('source', models.CharField(default='', max_length=20, verbose_name='from')),
                ('target', models.CharField(default='', max_length=20, verbose_name='to')),
                ('actor', models.CharField(max_length=120)),
                ('generation', models.PositiveIntegerField(null=True)),
                ('facts', models.JSONField(default=dict)),
                ('evidence', models.JSONField(default=dict)),
            ],
            options={
                'ordering': ['-at', '-id'],
                'indexes': [models.Index(fields=['subject', '-at'], name='event_story')],
            },
        ),
        migrations.CreateModel(
            name='Plan',
            fields=[
                ('name', models.SlugField(max_length=40, primary_key=True, serialize=False)),
                ('label', models.CharField(max_length=80)),
                ('tier', models.CharField(choices=[('starter', 'Starter'), ('production', 'Production')], max_length=16)),
                ('memory_mb', models.PositiveIntegerField(validators=[django.core.validators.MinValueValidator(64)])),
                ('disk_mb', models.PositiveIntegerField(validators=[django.core.validators.MinValueValidator(64)])),
                ('connections', models.PositiveIntegerField(validators=[django.core.validators.MinValueValidator(1)])),
                ('rows', models.PositiveBigIntegerField(blank=True, null=True)),
                ('beat_s', models.FloatField(help_text='Interval between looks (s), at most 60.')),
                ('doubt_s', models.FloatField(help_text='Doubt window (s): how long every look must fail before a database counts as down.')),
                ('shared_by', models.PositiveIntegerField(default=1, help_text='How many resources share one instance.')),
                ('high_availability', models.BooleanField(default=False)),
                ('offered', models.BooleanField(default=True)),
            ],
            options={
                'ordering': ['tier', 'name'],
                'constraints': [models.CheckConstraint(condition=models.Q(('beat_s__gt', 0), ('beat_s__lte', 60)), name='plan_beat_within_a_minute'), models.CheckConstraint(condition=models.Q(('doubt_s__gt', 0)), name='plan_doubt_positive')],
            },
        ),
        migrations.CreateModel(
            name='Instance',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=63, unique=True, validators=[django.core.validators.RegexValidator('^[a-z][a-z0-9]*(-[a-z0-9]+)*\\Z', 'Use lower-case letters, digits and single hyphens, beginning with a letter: serene-elephant-42.')])),
                ('state_since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('attrs', django.contrib.postgres.fields.hstore.HStoreField(blank=True, default=dict, help_text='Attributes without a column.')),
                ('queue', models.CharField(default='work', editable=False, max_length=16)),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, null=True)),
                ('lease', models.UUIDField(editable=False, null=True)),
                ('leased_until', models.DateTimeField(editable=False, null=True)),
                ('vantage', models.CharField(default='', editable=False, max_length=80)),
                ('felt_at', models.DateTimeField(editable=False, null=True)),
                ('seen_at', models.DateTimeField(editable=False, null=True)),
                ('facts', django.contrib.postgres.fields.hstore.HStoreField(default=dict, editable=False)),
                ('probed', models.JSONField(default=dict, editable=False)),
                ('evidence', models.JSONField(default=dict, editable=False)),
                ('row', models.PositiveSmallIntegerField(editable=False, null=True)),
                ('why', models.TextField(default='', editable=False)),
                ('problem', models.TextField(default='', editable=False)),
                ('tries', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('state', django_fsm.FSMField(choices=[('creating', 'Creating'), ('available', 'Available'), ('uncertain', 'Uncertain'), ('down', 'Down'), ('stopped', 'Stopped'), ('fenced', 'Fenced'), ('destroying', 'Destroying'), ('destroyed', 'Destroyed')], db_index=True, default='creating', max_length=50, protected=True)),
                ('role', models.CharField(choices=[('leader', 'Leader'), ('standby', 'Standby')], default='leader', max_length=8)),
                ('major', models.PositiveSmallIntegerField(default=17, help_text="PostgreSQL's major version.")),
                ('port', models.PositiveIntegerField(default=5432)),
                ('generation', models.PositiveIntegerField(default=1)),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='instances', to='fleet.plan')),
            ],
            options={
                'ordering': ['name'],
                'abstract': False,
            },
            bases=(fleet.models.member.Moving, django_fsm.ConcurrentTransitionMixin, models.Model),
        ),
        migrations.CreateModel(
            name='Resource',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=63, unique=True, validators=[django.core.validators.RegexValidator('^[a-z][a-z0-9]*(-[a-z0-9]+)*\\Z', 'Use lower-case letters, digits and single hyphens, beginning with a letter: serene-elephant-42.')])),
                ('state_since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('attrs', django.contrib.postgres.fields.hstore.HStoreField(blank=True, default=dict, help_text='Attributes without a column.')),
                ('queue', models.CharField(default='work', editable=False, max_length=16)),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, null=True)),
                ('lease', models.UUIDField(editable=False, null=True)),
                ('leased_until', models.DateTimeField(editable=False, null=True)),
                ('vantage', models.CharField(default='', editable=False, max_length=80)),
                ('felt_at', models.DateTimeField(editable=False, null=True)),
                ('seen_at', models.DateTimeField(editable=False, null=True)),
                ('facts', django.contrib.postgres.fields.hstore.HStoreField(default=dict, editable=False)),
                ('probed', models.JSONField(default=dict, editable=False)),
                ('evidence', models.JSONField(default=dict, editable=False)),
                ('row', models.PositiveSmallIntegerField(editable=False, null=True)),
                ('why', models.TextField(default='', editable=False)),
                ('problem', models.TextField(default='', editable=False)),
                ('tries', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('state', django_fsm.FSMField(choices=[('creating', 'Creating'), ('available', 'Available'), ('uncertain', 'Uncertain'), ('down', 'Down'), ('maintenance', 'Maintenance'), ('changing_over', 'Changing over'), ('destroying', 'Destroying'), ('destroyed', 'Destroyed')], db_index=True, default='creating', max_length=50, protected=True)),
                ('major', models.PositiveSmallIntegerField(default=17, help_text="PostgreSQL's major version.")),
                ('zone', models.CharField(blank=True, default='', help_text='Preferred zone.', max_length=32)),
                ('generation', models.PositiveIntegerField(default=1, editable=False)),
                ('dbname', models.CharField(editable=False, max_length=63, unique=True)),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='resources', to='fleet.customer')),
                ('instance', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='resources', to='fleet.instance')),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='resources', to='fleet.plan')),
            ],
            options={
                'ordering': ['name'],
                'abstract': False,
            },
            bases=(fleet.models.member.Moving, django_fsm.ConcurrentTransitionMixin, models.Model),
        ),
        migrations.CreateModel(
            name='Credential',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('purpose', models.CharField(choices=[('owner', 'Owner'), ('monitor', 'Monitoring')], max_length=8)),
                ('role', models.CharField(max_length=63)),
                ('secret', fleet.models.credential.Secret()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('instance', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='credentials', to='fleet.instance')),
                ('resource', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='credentials', to='fleet.resource')),
            ],
            options={
                'ordering': ['role'],
            },
        ),
        migrations.CreateModel(
            name='Server',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=63, unique=True, validators=[django.core.validators.RegexValidator('^[a-z][a-z0-9]*(-[a-z0-9]+)*\\Z', 'Use lower-case letters, digits and single hyphens, beginning with a letter: serene-elephant-42.')])),
                ('state_since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('attrs', django.contrib.postgres.fields.hstore.HStoreField(blank=True, default=dict, help_text='Attributes without a column.')),
                ('queue', models.CharField(default='work', editable=False, max_length=16)),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, null=True)),
                ('lease', models.UUIDField(editable=False, null=True)),
                ('leased_until', models.DateTimeField(editable=False, null=True)),
                ('vantage', models.CharField(default='', editable=False, max_length=80)),
                ('felt_at', models.DateTimeField(editable=False, null=True)),
                ('seen_at', models.DateTimeField(editable=False, null=True)),
                ('facts', django.contrib.postgres.fields.hstore.HStoreField(default=dict, editable=False)),
                ('probed', models.JSONField(default=dict, editable=False)),
                ('evidence', models.JSONField(default=dict, editable=False)),
                ('row', models.PositiveSmallIntegerField(editable=False, null=True)),
                ('why', models.TextField(default='', editable=False)),
                ('problem', models.TextField(default='', editable=False)),
                ('tries', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('state', django_fsm.FSMField(choices=[('creating', 'Creating'), ('available', 'Available'), ('uncertain', 'Uncertain'), ('down', 'Down'), ('retiring', 'Retiring'), ('destroying', 'Destroying'), ('destroyed', 'Destroyed')], db_index=True, default='creating', max_length=50, protected=True)),
                ('provider', models.CharField(default='local', help_text='A name from the PROVIDERS setting.', max_length=32)),
                ('zone', models.CharField(default='a', max_length=32)),
                ('address', models.CharField(blank=True, default='', editable=False, max_length=255)),
                ('ssh_port', models.PositiveIntegerField(default=22, editable=False)),
                ('ssh_user', models.CharField(blank=True, default='', editable=False, max_length=64)),
                ('host_key', models.TextField(blank=True, default='', help_text='The pinned SSH host key. Empty it only if you know why it changed.')),
                ('home', models.CharField(blank=True, default='', editable=False, max_length=255)),
                ('bind', models.CharField(blank=True, default='*', editable=False, max_length=64)),
                ('pg', models.JSONField(blank=True, default=dict, editable=False, help_text="PostgreSQL's bin folder by major version.")),
                ('disk_mb', models.PositiveIntegerField(default=20480)),
                ('capacity', models.PositiveSmallIntegerField(default=4, help_text='How many instances fit on the server.')),
            ],
            options={
                'ordering': ['name'],
                'abstract': False,
                'indexes': [models.Index(fields=['queue', 'due_at'], name='server_ring')],
            },
            bases=(fleet.models.member.Moving, django_fsm.ConcurrentTransitionMixin, models.Model),
        ),
        migrations.AddField(
            model_name='instance',
            name='server',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='instances', to='fleet.server'),
        ),
        migrations.CreateModel(
            name='Timeline',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80, unique=True)),
                ('state', django_fsm.FSMField(choices=[('open', 'Open'), ('closed', 'Closed'), ('expired', 'Expired')], db_index=True, default='open', max_length=50, protected=True)),
                ('system_identifier', models.CharField(blank=True, default='', max_length=20)),
                ('forked_lsn', models.CharField(blank=True, default='', max_length=32)),
                ('forked_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('parent', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='children', to='fleet.timeline')),
            ],
            options={
                'ordering': ['name'],
            },
            bases=(fleet.models.member.Moving, django_fsm.ConcurrentTransitionMixin, models.Model),
        ),
        migrations.AddField(
            model_name='instance',
            name='timeline',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='instances', to='fleet.timeline'),
        ),
        migrations.CreateModel(
            name='Intent',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=16)),
                ('subject', models.UUIDField(db_index=True)),
                ('name', models.CharField(max_length=63)),
                ('verb', models.CharField(max_length=32)),
                ('params', models.JSONField(default=dict)),
                ('actor', models.CharField(max_length=120)),
                ('reason', models.TextField(blank=True, default='')),
                ('key', models.CharField(max_length=120, null=True, unique=True)),
                ('state', models.CharField(choices=[('open', 'Open'), ('done', 'Done'), ('refused', 'Refused'), ('cancelled', 'Cancelled')], default='open', max_length=10)),
                ('answer', models.TextField(blank=True, default='')),
                ('asked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('answered_at', models.DateTimeField(editable=False, null=True)),
                ('parent', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='children', to='fleet.intent')),
            ],
            options={
                'ordering': ['-asked_at'],
                'indexes': [models.Index(condition=models.Q(('state', 'open')), fields=['subject', 'asked_at'], name='intent_open')],
            },
        ),
        migrations.AddIndex(
            model_name='resource',
            index=models.Index(fields=['queue', 'due_at'], name='resource_ring'),
        ),
        migrations.AddConstraint(
            model_name='credential',
            constraint=models.CheckConstraint(condition=models.Q(('resource__isnull', True), ('instance__isnull', True), _connector='XOR'), name='credential_has_one_owner'),
        ),
        migrations.AddConstraint(
            model_name='credential',
            constraint=models.UniqueConstraint(fields=('resource', 'purpose'), name='credential_once_a_resource'),
        ),
        migrations.AddConstraint(
            model_name='credential',
            constraint=models.UniqueConstraint(fields=('instance', 'purpose'), name='credential_once_an_instance'),
        ),
        migrations.AddIndex(
            model_name='instance',
            index=models.Index(fields=['queue', 'due_at'], name='instance_ring'),
        ),
        migrations.AddConstraint(
            model_name='instance',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'destroyed'), _negated=True), fields=('server', 'port'), name='instance_port_once_a_server'),
        ),
    ]
