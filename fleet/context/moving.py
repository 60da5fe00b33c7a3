"""What a beat knows of an address and of a changeover before it looks."""

from dataclasses import replace
from typing import Any

from django.db.models import QuerySet

from fleet import policy, windows
from fleet.models import Address, Changeover, Intent
from fleet.states import DESTROYED, DESTROYING, PREPARING, PROMOTING
from fleet.subject import ADDRESS, CHANGEOVER, Subject

Known = tuple[Subject, dict[str, Any], float | None]


def address(member: Any, now: Any, _intent: Intent | None) -> Known:
    leader = member.resource.instance
    subject = Subject(
        ADDRESS,
        member.pk,
        member.name,
        member.state,
        now,
        provider=member.provider,
        port=member.port,
        interval_s=min(policy.SERVER_S, member.resource.plan.beat_s * 5),
        known=member.facts,
        probed=member.probed,
    )
    facts = {
        "wanted": member.resource.state not in (DESTROYING, DESTROYED),
        "instance_state": leader.state if leader else None,
        "changeover": "open" if member.resource.state == "changing_over" else "none",
    }
    return subject, facts | {"target": leader.server.name if leader else ""}, None


def changeover(member: Any, now: Any, _intent: Intent | None) -> Known:
    subject = Subject(CHANGEOVER, member.pk, member.name, member.state, now, known=member.facts, probed=member.probed)
    marks, target = member.marks, member.target
    upgrades = member.reason == Changeover.UPGRADE
    if upgrades and member.state == PROMOTING and target:
        at = target.server
        job = f"{target.name}-upgrade-{member.generation}"
        subject = replace(subject, host=at.host() if at.host_key else None, home=at.home, job=job)
    facts = {
        "window_open": windows.is_open(member, now),
        "planned": member.planned,
        "ready": _ready(member),
        "refused": marks.get("refused", 0.0) > member.state_since.timestamp(),
        "rolled_back": marks.get("rolled_back", 0.0) > member.state_since.timestamp(),
        "proven": bool(member.proof),
        "upgrades": upgrades,
        "handed_over": target is not None and member.resource.instance_id == target.pk,
        "promoted": "promoted" in marks,
        "repointed": "repointed" in marks,
        "target_state": target.state if target else None,
        "server_state": target.server.state if target else None,
        "lost": marks.get("lost", 0.0) > member.state_since.timestamp(),
        "instance_state": member.source.state if member.source else None,
        "placed": member.resource.state not in (DESTROYING, DESTROYED),
    }
    return subject, facts, None


def _ready(changeover: Any) -> bool:
    """Whether it is known who takes over. Before anything is proven, who was chosen before a person said "retry" is
    chosen anew: the world has gone on."""
    at = changeover.marks.get("ready")
    chosen_before = changeover.state != PREPARING or bool(changeover.proof) or "replay" in changeover.marks
    return at is not None and (chosen_before or at > changeover.state_since.timestamp())


def addresses() -> QuerySet[Any]:
    return Address.objects.select_related("resource__plan", "resource__instance__server")


def changeovers() -> QuerySet[Any]:
    return Changeover.objects.select_related("resource__plan", "source__server", "target__server")
