"""What a beat knows of servers, instances and resources before it looks."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, Max, Min, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Now

from fleet import (
    believing,
    certificates,
    changing,
    doors,
    logical,
    policy,
    quorums,
    retiring,
    stopping,
    streams,
    tenants,
)
from fleet.facts import UNPROVEN
from fleet.logical import trials
from fleet.models import Changeover, Credential, Instance, Intent, Resource, Server
from fleet.states import (
    AVAILABLE,
    CANCELLED,
    CREATING,
    DESTROYED,
    DESTROYING,
    DONE,
    FENCING,
    PLANNED,
    PROMOTING,
    UNCERTAIN,
    WAITING_FOR_WINDOW,
)
from fleet.subject import INSTANCE, RESOURCE, SERVER, Subject
from fleet.subjects import customers, instance_subject, job
from fleet.succession import capacity, sorting

# A standby that is down gets so long before another is built in its place.
STANDBY_PATIENCE = timedelta(minutes=2)

# A changeover that has not begun to move anything.
EARLY = (PLANNED, WAITING_FOR_WINDOW)

# What is asked of a resource and done by a changeover.
MOVING = ("failover", "switchover", "resize", "restore", "upgrade")

Known = tuple[Subject, dict[str, Any], float | None]


def server(member: Any, now: Any, _intent: Intent | None) -> Known:
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
    facts = {
        "host_key": bool(member.host_key),
        "adopted": member.attrs.get("adopted") == "true",
        "retires": retiring.RETIRES in member.attrs,
        "members": member.members,
        "members_answer": member.answering > 0,
        "leaders": member.leading,
        # Its verdict is a verdict on all that is on it, so it waits as long as the most patient of them.
        "doubt_window_s": max(policy.SERVER_DOUBT_S, member.patient or 0.0),
    }
    return subject, facts, None


def instance(member: Any, now: Any, intent: Intent | None) -> Known:
    beat_s = member.soonest or member.plan.beat_s
    monitor = next(iter(member.credentials.all()), None)
    subject = instance_subject(member, now, monitor, job(member, intent), beat_s)
    window_s = member.hastiest or member.plan.doubt_s
    if since := member.evidence.get("since"):
        subject = replace(subject, verdict_s=max(0.0, since + window_s - now.timestamp()))
    wanted = streams.wanted(member, member.quorum or {})
    facts = {
        "server_state": member.server.state,
        "machine": member.server.facts.get("machine"),
        "members": member.members,
        "own_instance": not member.plan.shared,
        "doubt_window_s": window_s,
        "role": member.role,
        "outdated": member.outdated,
        "configured": configured(member, wanted),
        "upstream_state": member.upstream.state if member.upstream else None,
        "short_of": short_of(member),
        "sorts_unlike": sorts_unlike(member),
        "hasty": member.plan.high_availability,
        "standby_ready": member.standby_ready,
        "planned": member.planned,
        "changeover": "open" if member.taking else "none",
        "upgrading": member.upgrading,
        "next_generation": member.generation + 1,
        "next_epoch": member.epoch + 1,
        "moving": member.moving,
        "proven_silent": member.proven_silent,
        "stray_mark": _leads(member) and member.fenced_by is not None and not member.marking,
        "upstream_takes": member.upstream_takes,
        "awaits_wal": member.awaits_wal,
        "stopped": stopping.stopped(member, member.upstream_id) if member.state == CREATING else stopping.NO,
    }
    return subject, facts, beat_s


def _leads(member: Any) -> bool:
    return member.role == Instance.LEADER and not member.outdated


def configured(member: Any, wanted: str) -> bool | None:
    """It was told last what it is to be told; None while that can't be known. Where it does not prove who it is, it is
    told again, once in each doubt."""
    if not wanted:
        return None
    told_at, since = float(member.attrs.get("told_at", 0)), member.evidence.get("since")
    unproven = member.facts.get("service_code") == UNPROVEN and since is not None and told_at < since
    return member.attrs.get("told") == wanted and not unproven


def short_of(member: Any) -> str | None:
    """What a standby has less of than its leader, as both said last."""
    if member.role != Instance.STANDBY or member.upstream is None:
        return None
    return capacity.short_of(member.facts.get("capacity"), member.upstream.facts.get("capacity"))


def sorts_unlike(member: Any) -> str | None:
    """In what a standby's host sorts in another way than its leader's, as both said last."""
    if member.role != Instance.STANDBY or member.upstream is None:
        return None
    return sorting.unlike(member.facts.get("sorts"), member.upstream.facts.get("sorts"))


def resource(member: Any, now: Any, intent: Intent | None) -> Known:
    beneath = member.instance
    owner = next(iter(member.credentials.all()), None)
    address = getattr(member, "address", None)
    suspended = tenants.until(member.attrs)
    promised = int(member.plan.high_availability and member.follows_id is None)
    facts: dict[str, Any] = {
        "placed": beneath is not None,
        "follows": member.follows_id is not None,
        "own_instance": member.own_instance,
        "doubt_window_s": member.plan.doubt_s,
        "handed": handed(intent),
        "dropped": member.attrs.get("dropped") == "true",
        "rows_allowed": member.plan.rows,
        "copied": bool(member.follows_id or member.attrs.get("copied")),
        "restorable": member.drilled.get("good"),
        "loadable": trials.last(member).get("good"),
        "changeover": member.changing or "none",
        "moved": moved(intent),
        "hosts_say": believing.belief(member, intent).says if intent and intent.verb == "believe" else None,
        "standbys_missing": max(0, promised - member.standing_by),
        "standbys_idle": max(0, member.standbys_there - promised) if member.standing_by >= promised else 0,
        "address_missing": promised > 0 and address is None and member.attrs.get("addresses") != "none",
        "may_lose": promised > 0 and member.quorum.get("says") != "cant_lose",
        "suspended": suspended is not None,
        "suspension_s": max(0.0, (suspended - now).total_seconds()) if suspended else None,
        "load_told": bool(intent and intent.answer),
        "dump_due": member.state == AVAILABLE and logical.is_due(member, now),
    }
    load = intent if intent and intent.verb == "load" and member.state == AVAILABLE and beneath else None
    subject = Subject(
        RESOURCE,
        member.pk,
        member.name,
        member.state,
        now,
        host=beneath.server.host() if load and beneath.server.host_key else None,
        home=beneath.server.home if load else "",
        job=f"{member.name}-load-{load.pk.hex[:8]}" if load else "",
        # What is being built lets nobody in yet, or by a password that it had before.
        database=None if beneath and member.state == beneath.state == CREATING else customers(member, owner),
        major=member.major,
        interval_s=member.plan.beat_s,
        known=member.facts,
        probed=member.probed,
    )
    if beneath:
        facts |= {"instance_state": beneath.state, "server_state": beneath.server.state}
        facts["closed"] = doors.closed(beneath.facts, member.dbname)
        if not member.own_instance:
            facts["lock_pct"] = tenants.lock_pct(beneath.attrs, member.dbname, now.timestamp())
    return subject, facts, member.plan.beat_s


def handed(intent: Intent | None) -> str | None:
    """What became of an intent that was handed down to the instance."""
    if intent is None:
        return None
    child = next(iter(intent.children.all()), None)
    return "none" if child is None else child.state if child.state != Intent.CANCELLED else Intent.REFUSED


def moved(intent: Intent | None) -> str | None:
    """What became of the changeover that an intent asked for."""
    if intent is None or intent.verb not in MOVING:
        return None
    found = Changeover.objects.filter(marks__intent=str(intent.pk)).values_list("state", flat=True).first()
    return "none" if found is None else found if found in (DONE, CANCELLED) else "open"


def servers() -> QuerySet[Any]:
    return Server.objects.annotate(
        members=Count("instances", filter=~Q(instances__state__in=(DESTROYING, DESTROYED))),
        answering=Count("instances", filter=Q(instances__state=AVAILABLE)),
        # A hidden standby serves nobody.
        leading=Count(
            "instances",
            filter=Q(instances__standby_for=None) & ~Q(instances__state__in=(DESTROYING, DESTROYED)),
        ),
        patient=Max("instances__plan__doubt_s", filter=~Q(instances__state=DESTROYED)),
    )


def instances() -> QuerySet[Any]:
    alive = ~Q(resources__state=DESTROYED)
    stays = ~Q(resources__state__in=(DESTROYING, DESTROYED))
    mine = Resource.objects.filter(instance=OuterRef("pk"), plan__high_availability=True).exclude(state=DESTROYED)
    ready = Instance.objects.filter(standby_for__instance=OuterRef("pk"), state=AVAILABLE, outdated=False)
    open_ = Changeover.objects.exclude(state__in=(DONE, CANCELLED))
    begun = open_.exclude(state__in=EARLY)
    # It may be stopped for as long as clients may be held; after that, what is down is down.
    stopping = Q(state=FENCING, state_since__gt=Now() - timedelta(seconds=policy.SWITCH_BUDGET_S)) | Q(state=PROMOTING)
    planned = open_.filter(stopping, source=OuterRef("pk")).exclude(reason=Changeover.FAILOVER)
    taking = open_.filter(target=OuterRef("pk"))
    # What only waits or builds leaves its leader as it is; a failover does not.
    moves = ~Q(state__in=changing.EARLY) | Q(reason=Changeover.FAILOVER)
    return (
        Instance.objects.select_related("server", "plan", "timeline", "upstream__server", "certificate")
        .defer("certificate__certificate", "certificate__key")
        .prefetch_related(Prefetch("credentials", Credential.objects.filter(purpose=Credential.MONITOR)))
        .annotate(
            members=Count("resources", filter=stays),
            soonest=Min("resources__plan__beat_s", filter=alive),
            hastiest=Min("resources__plan__doubt_s", filter=alive),
            standby_ready=Exists(ready),
            planned=Exists(planned),
            taking=Exists(taking),
            awaits_wal=Exists(taking.filter(marks__rest=changing.UNDER_WAY)),
            upstream_takes=Exists(
                open_.filter(Q(target=OuterRef("upstream")) | Q(Q(source=OuterRef("upstream")), moves))
            ),
            moving=Exists(open_.filter(Q(target=OuterRef("pk")) | Q(Q(source=OuterRef("pk")), moves))),
            proven_silent=Exists(begun.filter(source=OuterRef("pk")).exclude(proof={})),
            marking=Exists(
                open_.filter(source=OuterRef("pk")).filter(~Q(state__in=EARLY) | Q(marks__has_key="replay"))
            ),
            upgrading=Exists(taking.filter(marks__has_key="upgrading").exclude(marks__has_key="promoted")),
            quorum=Subquery(mine.values("quorum")[:1]),
            endpoints=certificates.endpoints(),
        )
    )


def quorums_of(members: Sequence[Any]) -> dict[UUID, quorums.Known]:
    """Of those that lead a resource with high availability: its record, and the standbys that may be required, those in
    another zone first."""
    leaders = {one.pk: one for one in members if one.plan.high_availability and one.role == Instance.LEADER}
    if not leaders:
        return {}
    found = {}
    for resource in (
        Resource.objects.filter(instance__in=leaders, plan__high_availability=True)
        .exclude(state__in=(DESTROYING, DESTROYED))
        .exclude(Exists(Changeover.objects.filter(changing.FREEZING, resource=OuterRef("pk"))))
        .prefetch_related(Prefetch("standbys", Instance.objects.select_related("server").order_by("name")))
    ):
        zone = leaders[resource.instance_id].server.zone
        gone = (DESTROYING, DESTROYED)
        belong = [one for one in resource.standbys.all() if not one.outdated and one.state not in gone]
        belong.sort(key=lambda one: one.server.zone == zone)
        leads = leaders[resource.instance_id].facts.get("capacity")
        unfit = [one.slot for one in belong if _is_unfit(one, leads)]
        standbys = [(one.slot, one.state) for one in belong]
        found[resource.instance_id] = quorums.Known(resource.quorum, standbys, 1, frozenset(unfit))
    return found


def heard_of(kind: str, members: Sequence[Any], now: float) -> dict[UUID, float]:
    """How long ago a standby last heard from each of these leaders, or from one on each of these servers (s); whoever
    nobody streams from is not in it."""
    if kind not in (INSTANCE, SERVER):
        return {}
    name = "upstream" if kind == INSTANCE else "upstream__server"
    standbys = Instance.objects.filter(role=Instance.STANDBY, outdated=False, facts__has_key="heard_at")
    rows = standbys.filter(**{f"{name}__in": [one.pk for one in members]}).values_list(name, "facts")
    heard: dict[UUID, float] = {}
    for leader, facts in rows:
        ago = max(0.0, now - float(facts["heard_at"] or 0))
        heard[leader] = min(ago, heard.get(leader, ago))
    return heard


def _is_unfit(standby: Any, leads: str | None) -> bool:
    """It said of itself that it could not lead."""
    paused = standby.facts.get("replay_paused") == "true"
    return paused or bool(capacity.short_of(standby.facts.get("capacity"), leads))


def resources() -> QuerySet[Any]:
    open_ = Changeover.objects.filter(resource=OuterRef("pk")).exclude(state__in=(DONE, CANCELLED))
    gone = Q(standbys__state__in=(DESTROYING, DESTROYED))
    lately = Q(standbys__state_since__gt=Now() - STANDBY_PATIENCE)
    standing = Q(standbys__state__in=(CREATING, AVAILABLE, UNCERTAIN)) | (lately & ~gone)
    return (
        Resource.objects.select_related("plan", "instance__server", "address")
        .prefetch_related(Prefetch("credentials", Credential.objects.filter(purpose=Credential.OWNER)))
        .annotate(
            changing=Subquery(open_.values("state")[:1]),
            standing_by=Count("standbys", filter=standing, distinct=True),
            # A leader that was has to come back first: it may hold writes that nobody else has.
            standbys_there=Count("standbys", filter=~gone & Q(standbys__outdated=False), distinct=True),
        )
    )
