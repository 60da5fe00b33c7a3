"""Another major version of PostgreSQL for a database: a standby is built for it on another server, the leader is
stopped, the standby is brought to the new version and leads. The old leader's data is not touched until that is
proven, so whatever fails, it goes on as it was."""

import re
from dataclasses import replace

from fleet import archiving, subjects
from fleet.choices import AskError, Unknown
from fleet.models import Changeover, Instance, Intent, Resource, Server
from fleet.states import AVAILABLE, DESTROYED, DESTROYING

# How many releases of PostgreSQL 15 came out before the first of a version: minor releases of all come out together.
BEHIND = {15: 0, 16: 4, 17: 8, 18: 14}

# How many objects a refusal names.
MOST = 5


def chosen(resource: Resource, major: int | None) -> int:
    """The version that it is to have: the newer one, where there is just one and none is named. Its customers can't get
    in while pg_upgrade is at work, for seconds to a minute, so it is best done in its maintenance window. AskError says
    what stands in the way."""
    known = newer(resource)
    if major is None and len(known) == 1:
        major = known[0]
    if major not in known:
        others = f"there is {', '.join(map(str, known))}" if known else "no server has a newer one"
        raise Unknown(
            "major", f"Say the version that {resource.name} (PostgreSQL {resource.major}) shall have: {others}."
        )
    assert resource.instance is not None
    _archivable(resource.instance, major)
    return major


def obstacle(resource: Resource) -> str:
    """Why it can't have another version, whichever it is; "" where it can."""
    if not resource.own_instance or resource.instance is None:
        return f"{resource.name} shares its instance with others: move it to a plan with one of its own first."
    if resource.follows_id:
        return f"{resource.name} follows {resource.follows}: upgrade that, or unfollow first."
    if followers := [one.name for one in resource.followers.exclude(state__in=(DESTROYING, DESTROYED))]:
        return f"{', '.join(followers)} can't follow another version: unfollow or destroy these first."
    return ""


def newer(resource: Resource) -> list[int]:
    """The versions that it could be brought to: servers have them beside its own."""
    servers = Server.objects.filter(state=AVAILABLE, pg__has_key=str(resource.major)).values_list("pg", flat=True)
    return sorted({int(major) for pg in servers for major in pg if int(major) > resource.major})


def _archivable(instance: Instance, major: int) -> None:
    """Its archive has to know the new version."""
    timeline = instance.timeline
    if not timeline.archive:
        return
    subject = subjects.instance_subject(instance, instance.created_at)
    try:
        archiving.archive(timeline.archive).writing(archiving.line(timeline), replace(subject, major=major))
    except ValueError as error:
        raise AskError(f"The WAL archive does not support PostgreSQL {major}: {error}.") from error


def too_old(version: int | None, program: str) -> str:
    """Why pg_upgrade would fail with a server of `version` (server_version_num) and this program (what it answers to
    --version): the new version's release is older than the old one's, and may not know what that writes. "" where it is
    not, or where either is not known."""
    found = re.search(r"(\d+)\.(\d+)", program)
    if version is None or found is None:
        return ""
    old, new = divmod(version, 10_000), (int(found[1]), int(found[2]))
    if old[0] not in BEHIND or new[0] not in BEHIND or new[1] + BEHIND[new[0]] >= old[1] + BEHIND[old[0]]:
        return ""
    return f"PostgreSQL {new[0]}.{new[1]} is an older release than {old[0]}.{old[1]}: update it first"


def unsafe(objects: list[str]) -> str:
    """Why a database with these objects is not upgraded (fleet/postgres/queries/upgrade_runs.sql)."""
    shown = f"{', '.join(objects[:MOST])}{' and others' if len(objects) > MOST else ''}"
    return (
        f"pg_upgrade would run functions of the customer as the superuser: {shown}. Drop these, have their functions "
        "take a column (with SET search_path if they are in SQL), or dump and load the database instead"
    )


def closed(database: str) -> str:
    """Why a database with ALLOW_CONNECTIONS false is not upgraded."""
    return (
        "Its owner has set ALLOW_CONNECTIONS false, and pg_upgrade has to enter every database. "
        f"ALTER DATABASE {database} ALLOW_CONNECTIONS true first; CONNECTION LIMIT 0 keeps customers out as well, and "
        "does not stand in the way"
    )


def major_of(changeover: Changeover) -> int | None:
    """The version that a changeover brings its resource to; None for one that leaves it as it is."""
    if changeover.reason != Changeover.UPGRADE:
        return None
    return int(Intent.objects.get(pk=changeover.marks["intent"]).params["major"])
