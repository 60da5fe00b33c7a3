"""What a database holds is replaced by a backup of ours, or by a dump from outside: the refusals beforehand, and the
job that does it (scripts.LOAD). An Intent "load" carries {"backup": NAME} or {"url": ADDRESS}."""

from collections.abc import Mapping
from typing import Any

from fleet.logical import outside, scripts
from fleet.logical.storage import place
from fleet.models import Backup, Credential, Intent, Resource
from fleet.postgres import commands, roles
from fleet.postgres.commands import Script
from fleet.postgres.roles import Limits
from fleet.postgres.scram import scram
from fleet.states import KEPT
from fleet.subject import Subject

# Where the size of the database is not known: a dump is about so many times smaller.
SHRUNK = 4


def refusal(resource: Resource, params: Mapping[str, Any]) -> str:
    """Why that can't be loaded into this database; "" when it can be tried."""
    name, url = params.get("backup"), params.get("url")
    if resource.follows_id:
        return f"{resource.name} follows another and is read-only: load into the one that it follows."
    if bool(name) == bool(url):
        return 'Say what to load: {"backup": NAME} or {"url": ADDRESS}.'
    return _address(str(url)) if url else _backup(resource, str(name), bool(params.get("across_customers")))


def _address(url: str) -> str:
    try:
        outside.judge(url)
    except outside.NotAllowed as error:
        return str(error)
    return ""


def _backup(resource: Resource, name: str, across: bool) -> str:
    backup = Backup.objects.select_related("resource__customer").filter(name=name, method=Backup.LOGICAL).first()
    if backup is None:
        return f"There is no logical backup {name!r}. See: manage.py backups {resource.name}"
    if backup.state != KEPT:
        return f"{name} is not kept ({backup.look.label.lower()}): only a complete backup can be loaded."
    whose = backup.resource.customer if backup.resource else None
    if whose != resource.customer and not across:
        return (
            f"{name} is {whose or 'nobody'}'s and {resource.name} is {resource.customer}'s: say that it may go across."
        )
    return _no_room(resource, backup)


def _no_room(resource: Resource, backup: Backup) -> str:
    """The new database stands beside the old one until it is complete; so does the dump, where it has to be fetched."""
    size = int(backup.attrs.get("db_bytes") or 0) or SHRUNK * (backup.bytes or 0)
    if size > resource.plan.disk_mb << 20:
        return f"{backup.name} needs {_mb(size)} MB, and {resource.name}'s plan has {resource.plan.disk_mb} MB."
    server = resource.instance.server if resource.instance else None
    free_kb = server.facts.get("disk_free_kb") if server else None
    needed = size + (backup.bytes or 0)
    if free_kb and int(free_kb) << 10 < needed:
        return f"{_mb(needed)} MB are needed on {server}, and {int(free_kb) >> 10} MB are free."
    return ""


def script(resource: Resource, intent: Intent, subject: Subject, limits: Limits) -> Script:
    """The job, on the running instance `subject`. NotAllowed for an address that leads where it must not,
    Backup.DoesNotExist for a backup that has gone meanwhile."""
    owner = resource.credentials.get(purpose=Credential.OWNER)
    if "url" in intent.params:
        path, url = "", str(intent.params["url"])
        limit, exact, resolve, size = resource.plan.disk_mb << 20, "", outside.pin(url), ""
    else:
        backup = Backup.objects.get(name=intent.params["backup"], method=Backup.LOGICAL, state=KEPT)
        path, url = place().source(backup.label)
        limit, exact, resolve = backup.bytes or 0, str(backup.bytes or ""), ""
        size = backup.attrs.get("db_bytes") or ""
    fresh = f"{resource.dbname}_new_{mark(intent)}"
    made = roles.create_resource(fresh, owner.role, scram(owner.secret), limits)
    address = "127.0.0.1" if subject.bind == "*" else subject.bind
    where = (subject.home, mark(intent), subject.bin, *commands.enter(subject), address)
    return Script(
        scripts.LOAD,
        (*where, resource.dbname, owner.role, path, str(limit), exact, resolve, size),
        f"{owner.secret}\n{url}\n{roles.PREAMBLE}{made}".encode(),
    )


def tidy(resource: Resource, intent: Intent, subject: Subject) -> Script:
    """Takes away what a job that was given up left behind."""
    where = (subject.home, mark(intent), subject.bin, *commands.enter(subject))
    return Script(scripts.UNLOAD, (*where, resource.dbname))


def mark(intent: Intent) -> str:
    """What tells one load's parts from another's, short enough for a name in PostgreSQL."""
    return intent.pk.hex[:12]


def _mb(size: int) -> int:
    return -(-size >> 20)
