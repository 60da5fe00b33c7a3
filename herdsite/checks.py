"""What `manage.py check` holds against the settings: turns end before django-q ends them, every queue has workers, and
nothing goes into production that only a developer's machine may have."""

import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from fleet import policy, ring
from fleet.archives import pgbackrest
from fleet.archives.directory import Directory
from fleet.providers.base import ProviderError
from fleet.providers.local import spawn
from fleet.states import AVAILABLE
from fleet.subject import KINDS
from herdsite import access, wiring

# With a slash and its pid, a worker's vantage must find room in 80 characters (Member.vantage, Observation.vantage).
VANTAGE_LENGTH = 70
# A doubled turn does no harm and a lost one no good: the next turn is the retry.
TURN_SETTINGS = {"max_attempts": 1, "ack_failures": True, "save_limit": -1}


@register
def turns(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E004: django-q would end a turn in the middle of a beat, or give it out again while it runs.
    herdsite.E005: a queue without workers."""
    longest = settings.TURN_BUDGET_S + _longest_beat()
    found: list[CheckMessage] = []
    for queue in policy.QUEUES:
        if settings.QUEUES.get(queue, {}).get("workers", 0) < 1:
            hint = f"Set HERDSITE_{queue.upper()}_WORKERS to 1 or more: no worker would carry out its beats."
            found.append(Error(f"The queue {queue!r} has no workers.", hint=hint, id="herdsite.E005"))
        cluster = settings.Q_CLUSTER | settings.Q_CLUSTER.get("ALT_CLUSTERS", {}).get(queue, {})
        hint = "Correct Q_CLUSTER in herdsite/settings.py: turn budget + longest beat < timeout < retry."
        found += [
            Error(f"Q_CLUSTER for {queue!r}: {wrong}.", hint=hint, id="herdsite.E004")
            for wrong in _wrong(cluster, longest)
        ]
    return found


@register
def archive(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E016: new timelines would have no archive that works."""
    hint = "Correct HERDSITE_ARCHIVE, HERDSITE_ARCHIVE_ROOT or HERDSITE_PGBACKREST."
    try:
        if settings.ARCHIVE == "directory":
            Directory(str(settings.ARCHIVE_ROOT))
        elif settings.ARCHIVE == "pgbackrest":
            pgbackrest.configured(settings.PGBACKREST)
        elif settings.ARCHIVE and settings.ARCHIVE not in settings.ARCHIVES:
            raise ValueError(f"There is no archive {settings.ARCHIVE!r}: {', '.join(settings.ARCHIVES)}")
    except ValueError as error:
        return [Error(f"{error}.", hint=hint, id="herdsite.E016")]
    return []


@register
def adopted(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E018: the hosts that herdsite is to look after are not listed where the settings say, or wrongly."""
    path = settings.SSH_HOSTS
    if settings.ROLE == "web" or (path == settings.VAR / "hosts.json" and not path.exists()):
        return []
    try:
        # The provider itself goes without: of a host that it does not know it can tell nothing.
        path.read_text()
        wiring.ssh_provider()
    except (OSError, ValueError, ProviderError) as error:
        hint = "Correct HERDSITE_SSH_HOSTS, or the file that it names: without it nothing is known of these hosts."
        return [Error(f"The adopted hosts can't be read from {path}: {error}.", hint=hint, id="herdsite.E018")]
    return []


@register
def shared_folders(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E019: whom hosts' commands run as could not get to the directory of the archive, or to that of the
    logical backups, or not write there."""
    if settings.ROLE == "web":
        return []
    archive = Path(settings.ARCHIVE_ROOT)
    folders = {"HERDSITE_ARCHIVE_ROOT": archive} if settings.ARCHIVE == "directory" else {}
    if settings.STORAGES["backups"]["BACKEND"].endswith("FileSystemStorage"):
        backups = Path(settings.STORAGES["backups"]["OPTIONS"]["location"])
        # Below an archive that is made at its first use whoever may write to that may write here.
        if not (folders and not archive.exists() and backups.is_relative_to(archive)):
            folders["HERDSITE_BACKUPS"] = backups
    others = {
        "HERDSITE_ARCHIVE_ROOT": ", or HERDSITE_ARCHIVE=pgbackrest",
        "HERDSITE_BACKUPS": ", or to s3://BUCKET/PREFIX",
    }
    return [
        Error(
            f"Commands on hosts run as {user} and could not write to {folder}: {why}.",
            hint="Let this user enter every folder above it and write into the last one (chown, chmod o+x), or set "
            f"{setting} to a directory of the user's that all hosts see{others[setting]}.",
            id="herdsite.E019",
        )
        for user in sorted(_users())
        for setting, folder in folders.items()
        if (why := _why_not(user, folder, must_exist=setting == "HERDSITE_ARCHIVE_ROOT"))
    ]


def _why_not(user: str, folder: Path, must_exist: bool) -> str:
    """The obstacle in the way of `user`. What is not there yet herdsite makes for the account of local hosts, and for
    nobody else; what a user that this machine does not know may do is the other machines' business."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return f"{folder} is not there" if must_exist and not folder.exists() else ""
    if folder.exists() or not must_exist:
        return access.obstacle(account, folder)
    return access.blocked(account, folder) or ("" if user == _local_user() else f"{folder} is not there")


def _users() -> set[str]:
    """The accounts that commands run as on hosts: the users of adopted hosts, and the account of local hosts where
    these lie on this machine. Root may do everything."""
    try:
        users = {str(about.get("user", "")) for about in wiring.ssh_hosts().values()}
    except (OSError, ValueError, AttributeError):
        # That is E018's to say.
        users = set()
    if settings.HOSTS_ROOT.exists():
        users.add(_local_user())
    return users - {"", "root"}


def _local_user() -> str:
    """The account of local hosts, "" where there is none yet."""
    try:
        return spawn.owner().pw_name
    except KeyError:
        return ""


def _wrong(cluster: dict[str, Any], longest: float) -> Iterator[str]:
    if not longest < cluster["timeout"]:
        yield f"a turn may take {longest:g} s, and its timeout is {cluster['timeout']} s"
    if not cluster["timeout"] < cluster["retry"]:
        yield f"the retry of {cluster['retry']} s must be above its timeout of {cluster['timeout']} s"
    for name, value in TURN_SETTINGS.items():
        if cluster.get(name) != value:
            yield f"{name} must be {value!r}, it is {cluster.get(name)!r}"


def _longest_beat() -> float:
    """Felt until just before its lease ends, then held on to for an action (s)."""
    felt = max(ring.granted(kind, state) for kind in KINDS for state in (AVAILABLE, ""))
    return felt + policy.ACT_TIMEOUT_S + policy.LEASE_MARGIN_S


@register
def vantage(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E006: a vantage whose name finds no room on the rows that it looks at."""
    if "/" not in settings.VANTAGE and 0 < len(settings.VANTAGE) <= VANTAGE_LENGTH:
        return []
    hint = f"Set HERDSITE_VANTAGE to 1 to {VANTAGE_LENGTH} characters without a slash: zone-a."
    return [Error(f"{settings.VANTAGE!r} can't be the name of a vantage.", hint=hint, id="herdsite.E006")]


@register
def keys(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E007: an encryption key that is none."""
    return [
        Error(
            f"Encryption key {number} of {len(settings.FERNET_KEYS)} is not a Fernet key.",
            hint="Correct HERDSITE_FERNET_KEYS; a new key comes from cryptography.fernet.Fernet.generate_key().",
            id="herdsite.E007",
        )
        for number, key in enumerate(settings.FERNET_KEYS, 1)
        if not _is_key(key)
    ]


def _is_key(text: str) -> bool:
    try:
        Fernet(text)
    except ValueError:
        return False
    return True


@register(deploy=True)
def production(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E008 to E010: what a deployment must have, and what it must not."""
    found: list[CheckMessage] = []
    if not settings.FERNET_KEYS:
        hint = "Set HERDSITE_FERNET_KEYS, and keep a copy away from the database: without it no secret can be read."
        found.append(Error("There is no key to encrypt secrets with.", hint=hint, id="herdsite.E008"))
    if not _secret_key():
        hint = "Set HERDSITE_SECRET_KEY to a long random text, the same for every web process."
        found.append(Error("There is no key to sign sessions with.", hint=hint, id="herdsite.E009"))
    if settings.DEBUG:
        hint = "Unset HERDSITE_DEBUG: its error pages show settings and rows to whoever provokes one."
        found.append(Error("DEBUG is on.", hint=hint, id="herdsite.E010"))
    return found


def _secret_key() -> str:
    try:
        return settings.SECRET_KEY
    except ImproperlyConfigured:
        return ""
