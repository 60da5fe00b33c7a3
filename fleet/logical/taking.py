"""A logical backup from its row to its place in the storage and out again. Its beats (fleet/think/backup.py) take it by
these verbs; `begin` makes the row."""

from datetime import UTC, datetime

from django.contrib.postgres.fields import HStoreField
from django.db import transaction
from django.db.models import F, Func, Value
from django.db.models.functions import Now

from fleet import names
from fleet.logical import scripts
from fleet.logical.progress import foreseen
from fleet.logical.schedule import PROMISES, due, over
from fleet.logical.storage import ENDING, place
from fleet.models import Backup, Intent, Resource
from fleet.plans import PRODUCTION
from fleet.postgres.commands import Script
from fleet.states import DESTROYED, FAILED, KEPT, STARTED, UPLOADING, VERIFYING
from fleet.subject import Subject
from fleet.transports.base import Shell, checked

# A dump says everything in words, which can take more room than the pages of a small database.
ROOMY = 2
LEAST_BYTES = 64 << 20
# In a backup's attrs: the attempt in a bucket. In a resource's: when its next backup is due (epoch, s).
UPLOAD, PLANNED = "upload", "dump_planned"


def begin(resource: Resource, now: datetime, intent: Intent | None = None) -> Backup:
    """The row of a new logical backup; its own beats take it. The same intent again gives the same backup. One that
    was asked for is kept for the days that its plan's tier promises, others until enough newer ones are there."""
    asked = {"intent": str(intent.pk)} if intent else {}
    mine = Backup.objects.filter(resource=resource, method=Backup.LOGICAL)
    if intent and (known := mine.filter(attrs__intent=asked["intent"]).first()):
        return known
    promise, size = PROMISES[resource.plan.tier], int(resource.facts.get("db_size_bytes") or 0)
    last = mine.filter(state=KEPT).order_by("-ended_at").first()
    backup = Backup(
        name=names.numbered(Backup, f"{resource.name[:48]}-dump"),
        queue="slow",
        method=Backup.LOGICAL,
        resource=resource,
        instance=resource.instance,
        attrs={**asked, "of_bytes": str(foreseen(size, last)), "db_bytes": str(size), "database": resource.dbname},
        keep_until=now + promise.asked if intent else None,
    )
    backup.label = f"{backup.name}-{backup.pk.hex[:6]}{ENDING}"
    with transaction.atomic():
        backup.save(force_insert=True)
        if not intent:
            _plan(resource, now + promise.again)
    return backup


def is_due(resource: Resource, now: datetime) -> bool:
    """Whether its plan promises one now. One at a time is taken of what shares an instance, and none of a follower:
    that has what its leader has."""
    planned = resource.attrs.get(PLANNED)
    promise = PROMISES[resource.plan.tier]
    if resource.follows_id or not due(promise, now, resource.created_at, float(planned) if planned else None):
        return False
    running = Backup.objects.filter(method=Backup.LOGICAL, state__in=(STARTED, UPLOADING, VERIFYING))
    return not running.filter(instance=resource.instance_id).exists()


def is_over(backup: Backup, now: datetime) -> bool:
    """Whether its retention is over."""
    resource = backup.resource if backup.method == Backup.LOGICAL else None
    gone = resource.state_since if resource and resource.state == DESTROYED else None
    return over(PROMISES[resource.plan.tier if resource else PRODUCTION], now, backup.keep_until, gone)


def script(backup: Backup, subject: Subject) -> Script:
    """The job that takes it: a dump of its database, from the running instance `subject` to the storage. Each call is
    a new attempt; the one before is given up, and so are those of this database's backups that failed unseen."""
    where, database = place(), backup.attrs["database"] or ""
    over = Backup.objects.filter(resource=backup.resource, state=FAILED, attrs__has_key=UPLOAD)
    for one in (backup, *over):
        _forget(one)
    if upload := where.open(backup.label):
        _note(backup, {UPLOAD: upload})
    roomy = ROOMY * int(backup.attrs["db_bytes"] or 0) + LEAST_BYTES
    return where.dump(backup.label, upload, subject, database, roomy)


def kept(backup: Backup, shell: Shell) -> tuple[float, float, int, str, str] | None:
    """When it was begun and ended (epoch, s) and its bytes, if it lies in the storage whole; None if it does not. A
    logical backup has no WAL, so the last two are empty. From then on there are enough newer ones for the oldest."""
    said = _said(backup, shell)
    if "bytes" not in said or not place().complete(backup.label, backup.attrs.get(UPLOAD) or "", said, shell):
        return None
    began = datetime.fromtimestamp(float(said["began"]), UTC)
    if backup.resource and backup.keep_until is None:
        _plan(backup.resource, began + PROMISES[backup.resource.plan.tier].every)
        _let_go(backup, backup.resource)
    return float(said["began"]), float(said["ended"]), int(said["bytes"]), "", ""


def forget(backup: Backup, shell: Shell) -> None:
    """Take away what is left of one that failed, on its host and in the storage."""
    _forget(backup)
    if backup.instance:
        argv = ["sh", "-c", scripts.UNDUMP, "herdsite", backup.instance.server.home, place().root, backup.label]
        checked(argv, shell.run(argv))


def remove(backup: Backup) -> None:
    """Take it out of the storage; does nothing when it is gone."""
    place().remove(backup.label)


def _said(backup: Backup, shell: Shell) -> dict[str, str]:
    """The last that its job said: NAME=VALUE lines."""
    assert backup.instance is not None
    log = f"{backup.instance.server.home}/jobs/{backup.name}-take/log"
    argv = ["sh", "-c", '[ ! -e "$1" ] || tail -n 4 "$1"', "herdsite", log]
    lines = checked(argv, shell.run(argv)).out.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _let_go(newest: Backup, resource: Resource) -> None:
    """The time of those is over that come after as many as are kept, `newest` among them."""
    own = Backup.objects.filter(resource=resource, method=Backup.LOGICAL, keep_until=None, state=KEPT)
    old = own.exclude(pk=newest.pk).order_by("-ended_at")[PROMISES[resource.plan.tier].keep - 1 :]
    own.filter(pk__in=[one.pk for one in old]).update(keep_until=Now())


def _plan(resource: Resource, at: datetime) -> None:
    """Write down when the next one is due, beside whatever else is written there meanwhile."""
    resource.attrs[PLANNED] = f"{at.timestamp():.0f}"
    fresh = Value({PLANNED: resource.attrs[PLANNED]}, HStoreField())
    both = Func(F("attrs"), fresh, template="(%(expressions)s)", arg_joiner=" || ", output_field=HStoreField())
    Resource.objects.filter(pk=resource.pk).update(attrs=both)


def _forget(backup: Backup) -> None:
    """Give up the attempt that its row knows of."""
    if upload := backup.attrs.get(UPLOAD):
        place().forget(backup.label, upload)
        _note(backup, {}, without=UPLOAD)


def _note(backup: Backup, more: dict[str, str], without: str = "") -> None:
    backup.attrs = {name: value for name, value in backup.attrs.items() if name != without} | more
    Backup.objects.filter(pk=backup.pk).update(attrs=backup.attrs)
