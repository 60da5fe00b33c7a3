"""Trial loads: the newest logical backup of a database is loaded into a cluster that nobody needs, compared with what
was counted when it was taken, and taken away. When one is due, what it is to do, and what came of the last."""

import json
import secrets
from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import HStoreField
from django.db.models import F, Func, Value

from fleet import drills, policy
from fleet.logical import loading, trial_scripts
from fleet.models import Backup, Credential, Resource
from fleet.postgres import commands, roles, scratch
from fleet.postgres.commands import Script
from fleet.postgres.config import hba, lines
from fleet.postgres.roles import Limits
from fleet.postgres.scram import scram
from fleet.states import DESTROYED, DESTROYING
from fleet.subject import Subject

# In a backup's attrs: the trial that is under way. In a resource's: what came of the last.
PLAN, RESULT = "trial", "loaded"
LIMITS = Limits(connections=8, temp_mb=1024)


def under_way(backup: Backup) -> dict[str, str]:
    """Job and server of the trial of this backup; {} when there is none."""
    found: dict[str, str] = json.loads(backup.attrs.get(PLAN) or "{}")
    return found


def last(resource: Resource) -> dict[str, Any]:
    """What came of the last trial of this database's logical backups: good, why, at, backup, took_s, tables, left; {}
    when there was none."""
    found: dict[str, Any] = json.loads(resource.attrs.get(RESULT) or "{}")
    return found


def is_due(backup: Backup, now: datetime) -> bool:
    """Whether this backup, the newest that is kept, is to be tried. The first one of a database is at once, later ones
    as often as base backups are restored in drills; few at a time."""
    resource = backup.resource
    if resource is None or resource.state in (DESTROYING, DESTROYED):
        return False
    known = last(resource)
    if known.get("at") and not drills.is_due(known, resource.created_at, now, resource.pk.int % 997 / 997):
        return False
    return Backup.objects.filter(attrs__has_key=PLAN).exclude(**{f"attrs__{PLAN}": ""}).count() < policy.TRIALS


def plan(backup: Backup, found: dict[str, str]) -> None:
    """Write down the trial that is under way; {} when it is over."""
    backup.attrs[PLAN] = json.dumps(found) if found else ""
    Backup.objects.filter(pk=backup.pk).update(attrs=backup.attrs)


def note(resource: Resource, result: dict[str, Any]) -> None:
    """Write down what came of it, beside whatever else is written there meanwhile."""
    resource.attrs[RESULT] = json.dumps(result)
    fresh = Value({RESULT: resource.attrs[RESULT]}, HStoreField())
    both = Func(F("attrs"), fresh, template="(%(expressions)s)", arg_joiner=" || ", output_field=HStoreField())
    Resource.objects.filter(pk=resource.pk).update(attrs=both)


def recorded(backup: Backup, when: str = "rows") -> dict[str, list[int]]:
    """What was counted before it was taken; with "rows_after", how much that had changed when it was there."""
    found: dict[str, list[int]] = json.loads(backup.attrs.get(when) or "{}")
    return found


def script(backup: Backup, subject: Subject) -> Script:
    """The job, in the data directory of `subject`, which is nobody's."""
    resource, database = backup.resource, backup.attrs["database"] or ""
    assert resource is not None
    owner = resource.credentials.get(purpose=Credential.OWNER).role
    load = loading.filling(loading.kept(backup), subject, "trial", database, owner, resource.plan.disk_mb)
    place = {"port": str(subject.port), "unix_socket_directories": subject.socket}
    conf = {name: value for name, value in scratch.SETTINGS.items() if name not in scratch.RECOVERING}
    files = {
        "postgresql.conf": lines(conf | place),
        "pg_hba.conf": hba(tls=False),
        "rows.sql": scratch.counting(recorded(backup)),
        "make.sql": roles.PREAMBLE + roles.create_resource(database, owner, scram(secrets.token_hex()), LIMITS),
        **commands.loading(load),
    }
    args = (subject.bin, subject.data, *commands.enter(subject), database)
    return Script(trial_scripts.TRY, args, commands.sections(files).encode())
