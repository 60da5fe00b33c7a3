"""All that a beat must know besides what it feels, read for a whole batch in a handful of queries.

`load` gives each claimed row as the model (to move it), as a Subject (to feel it), and the facts that our own
database knows of it: what was asked, what it stands on, what stands on it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.db import connection

from fleet import changing, policy, quorums, ring, workers
from fleet.context import archive, herd, moving
from fleet.models import MEMBERS, Changeover, Intent, Member
from fleet.states import DESTROYING
from fleet.subject import ADDRESS, BACKUP, CHANGEOVER, INSTANCE, RESOURCE, SERVER, TIMELINE, Subject
from fleet.subjects import database_of, instance_subject, job, monitored


@dataclass(frozen=True)
class Loaded:
    """One row of a batch."""

    member: Any
    subject: Subject
    intent: Intent | None
    facts: Mapping[str, Any]
    beat_s: float | None
    quorum: quorums.Known | None = None


def load(kind: str, claim: ring.Claim, vantage: str, known: Mapping[str, str | None] | None = None) -> list[Loaded]:
    """The claimed rows, with everything that a beat needs of our own database; `known` instead of their facts."""
    members = list(_QUERIES[kind]().filter(pk__in=claim.ids))
    for member in members if known is not None else ():
        member.facts = dict(known or {})
    intents = _intents(members)
    seen, places = _last_seen(vantage) if any(member.evidence for member in members) else (None, None)
    waits = herd.quorums_of(members) if kind == INSTANCE else {}
    # Of an instance whose plan promises no standby, nobody hears.
    doubted = [one for one in members if one.evidence and (kind != INSTANCE or one.plan.high_availability)]
    heard = herd.heard_of(kind, doubted, claim.now.timestamp()) if doubted else {}
    return [
        _loaded(
            kind,
            member,
            claim,
            intents.get(member.pk),
            seen,
            waits.get(member.pk),
            {"heard_s": heard.get(member.pk), "places": places},
        )
        for member in members
    ]


def load_one(member: Member, vantage: str, claim: ring.Claim, known: Mapping[str, str | None] | None = None) -> Loaded:
    """The same for one thing; `known` is what a beat has just found out of it and not written down yet."""
    (loaded,) = load(member.KIND, ring.Claim(claim.lease, [member.pk], claim.now), vantage, known)
    return loaded


def moved(loaded: Loaded, claim: ring.Claim, known: Mapping[str, str | None]) -> Loaded:
    """The same thing right after a move that changed nothing but its own state, with what its beat has found out:
    nothing else is read anew, since customers may wait for what follows."""
    member = loaded.member
    # The database's clock stamped it, and jobs are named after that.
    member.refresh_from_db(fields=["state_since"])
    member.facts = dict(known)
    subject, facts, beat_s = _KINDS[member.KIND](member, claim.now, loaded.intent)
    now = {"state": member.state, "state_s": 0.0, "tries": member.tries, "problem": member.problem or None}
    facts = dict(loaded.facts) | now | facts
    return Loaded(member, subject, loaded.intent, facts, beat_s, loaded.quorum)


def _loaded(
    kind: str,
    member: Any,
    claim: ring.Claim,
    intent: Intent | None,
    seen: float | None,
    quorum: quorums.Known | None = None,
    sides: Mapping[str, Any] = MappingProxyType({}),
) -> Loaded:
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
    return Loaded(member, subject, intent, common | dict(sides) | facts, beat_s, quorum)


def _intents(members: Sequence[Member]) -> dict[UUID, Intent]:
    """The open intent that counts for each: destroy before all until it is begun, then what is about that
    which holds up the others (retry, failover), then the oldest; behind those, what has begun and waits for its window,
    and create."""
    begun = {member.pk for member in members if member.state == DESTROYING}
    found: dict[UUID, Intent] = {}
    open_ = (
        Intent.objects.filter(subject__in=[member.pk for member in members], state=Intent.OPEN)
        .order_by("asked_at")
        .prefetch_related("children")
    )
    waiting = _waiting(open_)
    for intent in open_:
        first = found.get(intent.subject)
        if first is None or _rank(intent, begun, waiting) < _rank(first, begun, waiting):
            found[intent.subject] = intent
    return found


def _waiting(intents: Iterable[Intent]) -> set[str]:
    """Those whose changeover is there and has yet to do anything to the leader: they need no beat, and others do."""
    moving = [str(intent.pk) for intent in intents if intent.verb in herd.MOVING]
    if not moving:
        return set()
    early = Changeover.objects.filter(state__in=changing.EARLY, marks__intent__in=moving)
    return set(early.values_list("marks__intent", flat=True))


def _rank(intent: Intent, begun: set[UUID], waiting: set[str]) -> int:
    if intent.verb == "destroy" and intent.subject not in begun:
        return 0
    if str(intent.pk) in waiting:
        return 3
    return {"retry": 1, "failover": 1, "believe": 1, "destroy": 4, "create": 5}.get(intent.verb, 2)


def _last_seen(vantage: str) -> tuple[float | None, int]:
    """When a look from this place last succeeded, anywhere (epoch, s). The place is the vantage without its pid.
    And from how many places workers look at what is in doubt (as workers.places does)."""
    place = vantage.rsplit("/", 1)[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM max(at))::float8, (SELECT count(DISTINCT regexp_replace(name, '/[^/]*$', '')) "
            "FROM fleet_worker WHERE queue = %(suspect)s AND seen_at > now() - %(gone)s * interval '1 s') FROM ("
            + " UNION ALL ".join(
                f"SELECT max(seen_at) AS at FROM {ring.table_of(kind)} "
                "WHERE starts_with(vantage, %(place)s) AND seen_at = felt_at"
                for kind in MEMBERS
            )
            + ") AS seen",
            {"place": f"{place}/", "suspect": policy.SUSPECT, "gone": workers.GONE_S},
        )
        return cursor.fetchone()


_QUERIES = {
    SERVER: herd.servers,
    INSTANCE: herd.instances,
    RESOURCE: herd.resources,
    TIMELINE: archive.timelines,
    BACKUP: archive.backups,
    ADDRESS: moving.addresses,
    CHANGEOVER: moving.changeovers,
}
_KINDS = {
    SERVER: herd.server,
    INSTANCE: herd.instance,
    RESOURCE: herd.resource,
    TIMELINE: archive.timeline,
    BACKUP: archive.backup,
    ADDRESS: moving.address,
    CHANGEOVER: moving.changeover,
}

__all__ = ["Loaded", "database_of", "instance_subject", "job", "load", "load_one", "monitored"]
