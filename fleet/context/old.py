"""All that a beat must know besides what it feels, read for a whole batch in a handful of queries.

`load` gives each claimed row as the model (to move it), as a Subject (to feel it), and the facts that our own
database knows of it: what was asked, what it stands on, what stands on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Max, Min, Prefetch, Q, QuerySet

from fleet import policy, ring
from fleet.models import MEMBERS, Credential, Instance, Intent, Member, Resource
from fleet.states import AVAILABLE, DESTROYED, DESTROYING, DOWN
from fleet.subject import INSTANCE, RESOURCE, SERVER, Subject
from fleet.transports.base import Database

MONITOR_DB = "postgres"


@dataclass(frozen=True)
class Loaded:
    """One row of a batch."""

    member: Any
    subject: Subject
    intent: Intent | None
    facts: Mapping[str, Any]
    beat_s: float | None


def load(kind: str, claim: ring.Claim, vantage: str) -> list[Loaded]:
    """The claimed rows, with everything that a beat needs of our own database."""
    members = list(_QUERIES[kind]().filter(pk__in=claim.ids))
    intents = _intents(members)
    seen = _last_seen(vantage) if any(member.evidence for member in members) else None
    return [_loaded(kind, member, claim, intents.get(member.pk), seen) for member in members]


def load_one(member: Member, vantage: str, claim: ring.Claim) -> Loaded:
    """The same for one thing, for the commands that look at one."""
    (loaded,) = load(member.KIND, ring.Claim(claim.lease, [member.pk], claim.now), vantage)
    return loaded


def _loaded(kind: str, member: Any, claim: ring.Claim, intent: Intent | None, seen: float | None) -> Loaded:
    now = claim.now
    since = member.evidence.get("since")
    common = {
        "state": member.state,
        "state_s": max(0.0, (now - member.state_since).total_seconds()),
        "tries": member.tries,
        "asked": intent.verb if intent else None,
        "asked_s": max(0.0, (now - intent.asked_at).total_seconds()) if intent and intent.verb != "create" else None,
        "problem": member.problem or None,
        "vantage_sees": None if since is None else seen is not None and seen > since,
    }
    subject, facts, beat_s = _KINDS[kind](member, now, intent)
    return Loaded(member, subject, intent, common | facts, beat_s)


def _server(member: Any, now: Any, _intent: Intent | None) -> tuple[Subject, dict[str, Any], float | None]:
    subject = Subject(
        SERVER,
        member.pk,
        member.name,
        member.state,
        now,
        provider=member.provider,
        zone=member.zone,
        host=member.host() if member.host_key else None,
        home=member.home,
        bind=member.bind,
        interval_s=policy.SERVER_S,
        known=member.facts,
        probed=member.probed,
    )
    return (
        subject,
        {
            "host_key": bool(member.host_key),
            "adopted": member.attrs.get("adopted") == "true",
            "members": member.members,
            "members_answer": member.answering > 0,
            # Its verdict is a verdict on all that is on it, so it waits as long as the most patient of them.
            "doubt_window_s": max(policy.SERVER_DOUBT_S, member.patient or 0.0),
        },
        None,
    )


def _instance(member: Any, now: Any, intent: Intent | None) -> tuple[Subject, dict[str, Any], float | None]:
    beat_s = member.soonest or member.plan.beat_s
    monitor = next(iter(member.credentials.all()), None)
    subject = instance_subject(member, now, monitor, job(member, intent), beat_s)
    facts = {
        "server_state": member.server.state,
        "members": member.members,
        "doubt_window_s": member.hastiest or member.plan.doubt_s,
    }
    return subject, facts, beat_s


def instance_subject(
    member: Instance, now: datetime, monitor: Credential | None = None, job: str = "", beat_s: float = 15.0
) -> Subject:
    """An instance as feeling and acting see it; without a database to look into where no monitor is given."""
    server = member.server
    return Subject(
        INSTANCE,
        member.pk,
        member.name,
        member.state,
        now,
        provider=server.provider,
        zone=server.zone,
        host=server.host() if server.host_key else None,
        home=server.home,
        bind=server.bind,
        database=_database(server, member, MONITOR_DB, monitor),
        major=member.major,
        bin=server.pg.get(str(member.major), ""),
        data=member.data,
        socket=member.socket,
        port=member.port,
        job=job,
        interval_s=beat_s,
        known=member.facts,
        probed=member.probed,
    )


def _resource(member: Any, now: Any, intent: Intent | None) -> tuple[Subject, dict[str, Any], float | None]:
    instance = member.instance
    owner = next(iter(member.credentials.all()), None)
    facts: dict[str, Any] = {
        "placed": instance is not None,
        "own_instance": member.own_instance,
        "doubt_window_s": member.plan.doubt_s,
        "handed": _handed(intent),
        "dropped": member.attrs.get("dropped") == "true",
        "rows_allowed": member.plan.rows,
    }
    subject = Subject(
        RESOURCE,
        member.pk,
        member.name,
        member.state,
        now,
        database=_database(instance.server, instance, member.dbname, owner) if instance else None,
        major=member.major,
        interval_s=member.plan.beat_s,
        known=member.facts,
        probed=member.probed,
    )
    if instance:
        facts |= {"instance_state": instance.state, "server_state": instance.server.state}
    return subject, facts, member.plan.beat_s


def _database(server: Any, instance: Instance, dbname: str, credential: Credential | None) -> Database | None:
    """Where to look; None while the server has no address yet or the role no password."""
    if not server.address or credential is None:
        return None
    return Database(server.address, instance.port, dbname, credential.role, credential.secret)


def database_of(resource: Resource) -> Database | None:
    """Where its customer finds it, and with which password; None while it has no place."""
    instance = resource.instance
    owner = resource.credentials.filter(purpose=Credential.OWNER).first()
    return _database(instance.server, instance, resource.dbname, owner) if instance else None


def job(instance: Instance, intent: Intent | None) -> str:
    """The detached job that the instance's next step hangs on, by name; "" when there is none. A name is used for one
    run only, so that a job begun twice runs once."""
    if instance.state == "creating":
        return f"{instance.name}-build"
    if instance.state == DESTROYING:
        return f"{instance.name}-destroy"
    if intent and intent.verb in ("restart", "stop", "start"):
        return f"{instance.name}-{intent.verb}-{intent.pk.hex[:8]}"
    boot = instance.facts.get("boot_id")
    if instance.state == DOWN and boot:
        return f"{instance.name}-start-{boot.replace('-', '')[:8]}"
    return ""


def _handed(intent: Intent | None) -> str | None:
    """What became of an intent that was handed down to the instance."""
    if intent is None:
        return None
    child = next(iter(intent.children.all()), None)
    return "none" if child is None else child.state if child.state != Intent.CANCELLED else Intent.REFUSED


def _intents(members: Sequence[Member]) -> dict[UUID, Intent]:
    """The open intent that counts for each: destroy before all until it is begun, create behind all, else the
    oldest."""
    begun = {member.pk for member in members if member.state == DESTROYING}
    found: dict[UUID, Intent] = {}
    for intent in (
        Intent.objects.filter(subject__in=[member.pk for member in members], state=Intent.OPEN)
        .order_by("asked_at")
        .prefetch_related("children")
    ):
        first = found.get(intent.subject)
        if first is None or _rank(intent, begun) < _rank(first, begun):
            found[intent.subject] = intent
    return found


def _rank(intent: Intent, begun: set[UUID]) -> int:
    if intent.verb == "destroy" and intent.subject not in begun:
        return 0
    return {"destroy": 2, "create": 3}.get(intent.verb, 1)


def _last_seen(vantage: str) -> float | None:
    """When a look from this place last succeeded, anywhere (epoch, s). The place is the vantage without its pid."""
    place = vantage.rsplit("/", 1)[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM max(at))::float8 FROM ("
            + " UNION ALL ".join(
                f"SELECT max(seen_at) AS at FROM {ring.table_of(kind)} "
                "WHERE starts_with(vantage, %(place)s) AND seen_at = felt_at"
                for kind in MEMBERS
            )
            + ") AS seen",
            {"place": f"{place}/"},
        )
        return cursor.fetchone()[0]


def _servers() -> QuerySet[Any]:
    return MEMBERS[SERVER].objects.annotate(
        members=Count("instances", filter=~Q(instances__state__in=(DESTROYING, DESTROYED))),
        answering=Count("instances", filter=Q(instances__state=AVAILABLE)),
        patient=Max("instances__plan__doubt_s", filter=~Q(instances__state=DESTROYED)),
    )


def _instances() -> QuerySet[Any]:
    alive = ~Q(resources__state=DESTROYED)
    return (
        Instance.objects.select_related("server", "plan")
        .prefetch_related(Prefetch("credentials", Credential.objects.filter(purpose=Credential.MONITOR)))
        .annotate(
            members=Count("resources", filter=alive),
            soonest=Min("resources__plan__beat_s", filter=alive),
            hastiest=Min("resources__plan__doubt_s", filter=alive),
        )
    )


def _resources() -> QuerySet[Any]:
    return Resource.objects.select_related("plan", "instance__server").prefetch_related(
        Prefetch("credentials", Credential.objects.filter(purpose=Credential.OWNER))
    )


_QUERIES = {SERVER: _servers, INSTANCE: _instances, RESOURCE: _resources}
_KINDS = {SERVER: _server, INSTANCE: _instance, RESOURCE: _resource}
