"""Incidents: a ring of their own, their journal, and what people say of playbooks and of the brake."""

import django.contrib.postgres.fields.hstore
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django_fsm
import fleet.models.member
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fleet', '0003_watch'),
        ('incidents', '0001_notices'),
    ]

    operations = [
        migrations.CreateModel(
            name='BrakeRelease',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope', models.CharField(db_index=True, max_length=80)),
                ('until', models.DateTimeField()),
                ('actor', models.CharField(max_length=120)),
                ('reason', models.TextField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ['-at'],
            },
        ),
        migrations.CreateModel(
            name='Incident',
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
                ('watch', models.JSONField(default=dict, editable=False)),
                ('row', models.PositiveSmallIntegerField(editable=False, null=True)),
                ('why', models.TextField(default='', editable=False)),
                ('problem', models.TextField(default='', editable=False)),
                ('tries', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('state', django_fsm.FSMField(choices=[('triggered', 'Triggered'), ('waiting', 'Waiting'), ('needs_human', 'Needs a person'), ('resolving', 'Resolving'), ('resolved', 'Resolved')], db_index=True, default='triggered', max_length=50, protected=True)),
                ('type', models.CharField(db_index=True, max_length=40)),
                ('subject', models.UUIDField()),
                ('subject_kind', models.CharField(max_length=16)),
                ('subject_name', models.CharField(max_length=63)),
                ('severity', models.CharField(choices=[('page', 'Page'), ('warn', 'Warn')], default='page', max_length=8)),
                ('opened_by', models.PositiveSmallIntegerField(null=True)),
                ('resolver', models.CharField(blank=True, default='', max_length=40)),
                ('resolver_version', models.CharField(blank=True, default='', max_length=12)),
                ('step', models.PositiveSmallIntegerField(default=0)),
                ('step_since', models.DateTimeField(blank=True, null=True)),
                ('outcome', models.CharField(blank=True, default='', max_length=12)),
                ('tried', models.JSONField(blank=True, default=list)),
                ('rounds', models.PositiveSmallIntegerField(default=0)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('approved', models.BooleanField(default=False)),
                ('wait_until', models.DateTimeField(blank=True, null=True)),
                ('deadline', models.DateTimeField(blank=True, null=True)),
                ('escalations', models.PositiveSmallIntegerField(default=0)),
                ('acknowledged_by', models.CharField(blank=True, default='', max_length=120)),
                ('acknowledged_at', models.DateTimeField(blank=True, null=True)),
                ('assigned_to', models.CharField(blank=True, default='', max_length=120)),
                ('snoozed_until', models.DateTimeField(blank=True, null=True)),
                ('resolved_at', models.DateTimeField(blank=True, null=True)),
                ('cause', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='children', to='incidents.incident')),
            ],
            options={
                'ordering': ['-created_at'],
                'abstract': False,
            },
            bases=(fleet.models.member.Moving, django_fsm.ConcurrentTransitionMixin, models.Model),
        ),
        migrations.CreateModel(
            name='Journal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('resolver', models.CharField(default='', max_length=40)),
                ('version', models.CharField(default='', max_length=12)),
                ('step', models.CharField(default='', max_length=60)),
                ('outcome', models.CharField(max_length=20)),
                ('note', models.TextField(default='')),
                ('actor', models.CharField(max_length=120)),
                ('incident', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='journal', to='incidents.incident')),
            ],
            options={
                'verbose_name_plural': 'journal',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='PlaybookPolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('resolver', models.CharField(max_length=40)),
                ('mode', models.CharField(choices=[('act', 'Act'), ('ask', 'Ask a person first'), ('never', 'Never')], default='act', max_length=5)),
                ('plan', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='fleet.plan')),
                ('resource', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='fleet.resource')),
            ],
            options={
                'verbose_name_plural': 'playbook policies',
                'ordering': ['resolver'],
            },
        ),
        migrations.AddIndex(
            model_name='incident',
            index=models.Index(fields=['queue', 'due_at'], name='incident_ring'),
        ),
        migrations.AddConstraint(
            model_name='incident',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'resolved'), _negated=True), fields=('subject', 'type'), name='incident_once_open'),
        ),
        migrations.AddConstraint(
            model_name='incident',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'resolving')), fields=('subject',), name='incident_one_works_on_it'),
        ),
        migrations.AddIndex(
            model_name='journal',
            index=models.Index(fields=['resolver', 'outcome'], name='journal_rates'),
        ),
        migrations.AddConstraint(
            model_name='playbookpolicy',
            constraint=models.UniqueConstraint(fields=('resolver', 'plan', 'resource'), name='playbook_policy_once', nulls_distinct=False),
        ),
    ]
