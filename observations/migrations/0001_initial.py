"""The table of observations, partitioned by day. Django's state knows it as a plain model; partitions come and go by
observations/retention.py. The primary key has to hold the partition key, so it is (at, id)."""

import django.contrib.postgres.fields.hstore
from django.contrib.postgres.operations import HStoreExtension
from django.db import migrations, models

MAKE = """
CREATE SEQUENCE observations_observation_id_seq AS bigint;
CREATE TABLE observations_observation (
    id bigint NOT NULL DEFAULT nextval('observations_observation_id_seq'),
    at timestamptz NOT NULL,
    kind varchar(16) NOT NULL,
    subject uuid NOT NULL,
    vantage varchar(80) NOT NULL,
    took_ms float8 NOT NULL,
    attrs hstore NOT NULL,
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
ALTER SEQUENCE observations_observation_id_seq OWNED BY observations_observation.id;
CREATE INDEX observation_story ON observations_observation (subject, at DESC);
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        HStoreExtension(),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(MAKE, "DROP TABLE observations_observation")],
            state_operations=[
                migrations.CreateModel(
                    name="Observation",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("at", models.DateTimeField()),
                        ("kind", models.CharField(max_length=16)),
                        ("subject", models.UUIDField()),
                        ("vantage", models.CharField(max_length=80)),
                        ("took_ms", models.FloatField()),
                        ("attrs", django.contrib.postgres.fields.hstore.HStoreField(default=dict)),
                    ],
                    options={"ordering": ["-at"]},
                ),
            ],
        ),
    ]
