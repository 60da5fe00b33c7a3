"""Incidents as customers read of them: what is wrong with their own database, in the words of templates/notices, and
nothing of the machines beneath it or of the neighbours on them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from fleet import tenants
from fleet.models import Instance, Resource, Server
from fleet.states import RESOLVED
from herdsite.portal.shown import Moment, moment
from incidents.desk import CAUSES
from incidents.models import Incident
from incidents.notices import desk, texts
from incidents.watch import THEIRS

LOOK_BACK, MOST = timedelta(days=30), 20


@dataclass(frozen=True)
class Told:
    """One incident: a line, what it means for the customer, since when and, once it is over, until when."""

    what: str
    text: str
    since: Moment | None
    until: Moment | None


def told(resource: Resource, name: str, now: datetime) -> tuple[Told, ...]:
    """Those that are open and those of the last weeks, the latest first."""
    found = Incident.objects.filter(_about(resource), created_at__gte=resource.created_at)
    recent = found.exclude(state=RESOLVED) | found.filter(resolved_at__gte=now - LOOK_BACK)
    return tuple(_told(incident, resource, name) for incident in recent.order_by("-created_at")[:MOST])


def _about(resource: Resource) -> Q:
    """Those about itself, and those beneath it that keep its customer out."""
    about = Q(subject=resource.pk)
    if instance := resource.instance:
        about |= Q(subject=instance.pk, type__in=(*CAUSES[Instance.KIND], *THEIRS))
        about |= Q(subject=instance.server_id, type__in=CAUSES[Server.KIND])
    return about


def _moment(incident: Incident) -> str:
    if incident.state == RESOLVED:
        return desk.FIXED
    if incident.type in THEIRS:
        return desk.ASKED
    return desk.TRIED if incident.tried else desk.OPENED


def _told(incident: Incident, resource: Resource, name: str) -> Told:
    over = incident.state == RESOLVED
    subject, body = texts.customer(
        incident.type,
        _moment(incident),
        customer=resource.customer,
        name=name,
        problem=incident.type.replace("_", " "),
        at=tenants.until(resource.attrs),
    )
    # A page greets nobody.
    _greeting, _, text = body.partition("\n\n")
    text = "" if over else text.strip()[:1].upper() + text.strip()[1:]
    return Told(subject, text, moment(incident.created_at), moment(incident.resolved_at))
