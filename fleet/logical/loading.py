"""What a database holds is replaced by a backup of ours, or by a dump from outside: the refusals beforehand, and the
job that does it (load_scripts.LOAD). An Intent "load" carries {"backup": NAME} or {"url": ADDRESS}, and "check": true
where it is only to be tried what would be left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet.logical import extensions, leaving, load_scripts, outside, parameters
from fleet.logical.storage import place
from fleet.models import Backup, Credential, Intent, Resource
from fleet.postgres import commands, entering
from fleet.postgres.commands import Script
from fleet.states import KEPT
from fleet.subject import Subject

LOAD, CHECK = "load", "check"
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


@dataclass(frozen=True)
class Source:
    """What a job loads: from `path`, or from `url`. `limit` is how many bytes may come, `exact` how many it has (""
    where that is not known), `size` those of the database that was dumped; `resolve` pins a host that was judged.
    `known` are the parameters that a superuser may set because of it."""

    path: str
    url: str
    limit: int
    exact: str = ""
    resolve: str = ""
    size: str = ""
    known: tuple[str, ...] = ()


def kept(backup: Backup) -> Source:
    """A backup of ours as a job loads it."""
    path, url = place().source(backup.label)
    size = backup.attrs.get("db_bytes") or ""
    return Source(path, url, backup.bytes or 0, str(backup.bytes or ""), "", size, tuple(parameters.SAFE))


def script(resource: Resource, intent: Intent, subject: Subject) -> Script:
    """The job, on the running instance `subject`. NotAllowed for an address that leads where it must not,
    Backup.DoesNotExist for a backup that has gone meanwhile."""
    owner = resource.credentials.get(purpose=Credential.OWNER)
    room = resource.plan.disk_mb
    if "url" in intent.params:
        url = str(intent.params["url"])
        source = Source("", url, room << 20, resolve=outside.pin(url))
    else:
        source = kept(Backup.objects.get(name=intent.params["backup"], method=Backup.LOGICAL, state=KEPT))
    mode = CHECK if intent.params.get(CHECK) else LOAD
    return filling(source, subject, mark(intent), resource.dbname, owner.role, room, mode)


def filling(
    source: Source, subject: Subject, name: str, database: str, owner: str, room: int, mode: str = LOAD
) -> Script:
    """The job that fills `database` on the instance `subject` anew; `name` tells its parts from another's, and `room`
    is what it may take in temporary files (MB)."""
    where = (subject.home, name, subject.bin, subject.data, *commands.enter(subject))
    given = (source.path, str(source.limit), source.exact, source.resolve, source.size)
    lists = "".join(f"{word}\n" for word in (*extensions.SAFE, "", *source.known, ""))
    return Script(
        load_scripts.LOAD,
        (*where, database, owner, *given, f"{room}MB", mode, entering.loader(database)),
        f"{source.url}\n{lists}{leaving.rules()}".encode(),
    )


def tidy(resource: Resource, intent: Intent, subject: Subject) -> Script:
    """Takes away what a job that was given up left behind."""
    where = (subject.home, mark(intent), subject.bin, *commands.enter(subject))
    return Script(load_scripts.UNLOAD, (*where, resource.dbname))


def mark(intent: Intent) -> str:
    """What tells one load's parts from another's, short enough for a name in PostgreSQL."""
    return intent.pk.hex[:12]


def _mb(size: int) -> int:
    return -(-size >> 20)
