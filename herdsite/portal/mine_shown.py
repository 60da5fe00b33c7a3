"""A customer's database as values for its page: in the customer's words, and nothing of what is beneath it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.template.defaultfilters import filesizeformat

from fleet import copies, withdrawals
from fleet.models import Backup, Credential, Intent, Resource
from fleet.states import (
    AVAILABLE,
    CHANGING_OVER,
    CREATING,
    DESTROYED,
    DESTROYING,
    DOWN,
    KEPT,
    MAINTENANCE,
    UNCERTAIN,
    State,
)
from herdsite.portal.mine_asking import WORDS
from herdsite.portal.mine_told import Told, told
from herdsite.portal.shown import Moment, moment, share, size

BACKUPS, ASKED = 10, 10
MB = 1024**2

STANDS = {
    CREATING: "The database is being created. Your app gets the URL when it is ready.",
    AVAILABLE: "The database answers.",
    UNCERTAIN: "The last check got no answer. The next one follows at once.",
    DOWN: "Logins fail at the moment. The problem is being worked on.",
    MAINTENANCE: "The database is stopped for maintenance.",
    CHANGING_OVER: "The database is moving to another machine. Connections break for a moment.",
    DESTROYING: "The database is being destroyed.",
}


@dataclass(frozen=True)
class Row:
    """One database in a list."""

    id: str
    name: str
    look: State
    plan: str
    size: str
    connections: str


@dataclass(frozen=True)
class Kin:
    """A database that follows or was forked, or which this one follows or was forked from."""

    what: str
    name: str
    look: State


@dataclass(frozen=True)
class Kept:
    """One backup; a logical one of its own has the `file` that it can be fetched by."""

    at: Moment | None
    method: str
    size: str
    file: str


@dataclass(frozen=True)
class Role:
    """One login of the database, without its password."""

    name: str
    since: Moment | None


@dataclass(frozen=True)
class Asked:
    """One thing that was asked of it; `open` is that it can be cancelled."""

    id: str
    at: Moment | None
    what: str
    actor: str
    state: str
    answer: str
    open: bool


@dataclass(frozen=True)
class Mine:
    """The page's data. `back_to` is the earliest moment that one can go back to, if any."""

    id: str
    name: str
    look: State
    stands: str
    since: Moment | None
    plan: str
    about: tuple[tuple[str, str], ...]
    use: tuple[tuple[str, str], ...]
    kin: tuple[Kin, ...]
    backups: tuple[Kept, ...]
    back_to: Moment | None
    roles: tuple[Role, ...]
    incidents: tuple[Told, ...]
    asked: tuple[Asked, ...]


def listed(resources: Iterable[Resource]) -> tuple[Row, ...]:
    return tuple(
        Row(
            str(one.pk),
            known_as(one),
            one.look,
            one.plan.label,
            size(one.facts.get("db_size_bytes")),
            share(one.facts.get("connections"), one.plan.connections),
        )
        for one in resources
    )


def describe(resource: Resource, now: datetime) -> Mine:
    """The database as it is written down now."""
    backups = _backups(resource)
    return Mine(
        id=str(resource.pk),
        name=known_as(resource),
        look=resource.look,
        stands=STANDS.get(resource.state, ""),
        since=moment(resource.state_since),
        plan=resource.plan.label,
        about=_filled(_about(resource)),
        use=_filled(_use(resource)),
        kin=tuple(_kin(resource)),
        backups=tuple(
            Kept(
                moment(one.ended_at or one.created_at),
                one.get_method_display(),
                size(str(one.bytes)),
                one.name if one.method == Backup.LOGICAL and one.resource_id == resource.pk else "",
            )
            for one in backups[:BACKUPS]
        ),
        back_to=moment(copies.window(resource)[0]) if resource.own_instance else None,
        roles=tuple(
            Role(one.role, moment(one.created_at))
            for one in resource.credentials.filter(purpose=Credential.OWNER).defer("secret")
        ),
        incidents=told(resource, known_as(resource), now),
        asked=tuple(_asked(resource)),
    )


def known_as(resource: Resource) -> str:
    """What its customer calls it."""
    addon = getattr(resource, "addon", None)
    return (addon and addon.name) or resource.name


def _about(resource: Resource) -> list[tuple[str, Any]]:
    addon = getattr(resource, "addon", None)
    version = resource.instance.facts.get("version") if resource.instance else None
    exact = f"{int(version) // 10_000}.{int(version) % 10_000}" if version and version.isdigit() else ""
    return [
        ("Plan", resource.plan.label),
        ("PostgreSQL", exact or resource.major),
        ("Region", (addon and addon.region) or resource.zone),
        ("App", addon and addon.app_name),
        ("Name in herdsite", resource.name if resource.name != known_as(resource) else ""),
        ("High availability", "yes" if resource.plan.high_availability else "no"),
        ("Maintenance window", f"{resource.window} UTC" if resource.window else "any time"),
        ("Created", f"{resource.created_at:%Y-%m-%d %H:%M} UTC"),
    ]


def _use(resource: Resource) -> list[tuple[str, Any]]:
    facts, plan = resource.facts, resource.plan
    room = filesizeformat(plan.disk_mb * MB).replace("\xa0", " ")
    held = size(facts.get("db_size_bytes"))
    return [
        ("Size", f"{held} of {room}" if held and not plan.shared else held),
        ("Connections", share(facts.get("connections"), facts.get("connection_limit") or plan.connections)),
        ("Rows, about", share(facts.get("estimated_rows"), plan.rows)),
        ("Tables", facts.get("tables")),
        ("Table reads from memory", _percent(facts.get("table_hit_pct"))),
        ("Index reads from memory", _percent(facts.get("index_hit_pct"))),
        ("Running statements", facts.get("active")),
        ("Waiting for a lock", facts.get("blocked")),
    ]


def _percent(text: str | None) -> str:
    return f"{text} %" if text else ""


def _filled(pairs: list[tuple[str, Any]]) -> tuple[tuple[str, str], ...]:
    """What is known of them."""
    return tuple((name, str(value)) for name, value in pairs if value not in ("", None))


def _kin(resource: Resource) -> Iterable[Kin]:
    """Relatives of the same customer; of others nothing is said, not even that there are any."""
    mine = Resource.objects.filter(customer=resource.customer_id).exclude(state=DESTROYED).select_related("addon")
    for what, found in (
        ("follows", mine.filter(followers=resource)),
        ("fork of", mine.filter(forks=resource)),
        ("followed by", mine.filter(follows=resource)),
        ("forked into", mine.filter(forked_from=resource)),
    ):
        for one in found.order_by("name"):
            yield Kin(what, known_as(one), one.look)


def _backups(resource: Resource) -> list[Backup]:
    """What is kept of it, the latest first: its own, and those of the timelines that it has lived on."""
    if resource.plan.shared:
        found = Backup.objects.filter(resource=resource)
    else:
        found = Backup.objects.filter(resource=resource) | Backup.objects.filter(timeline__resource=resource)
    return list(found.filter(state=KEPT).distinct().order_by("-created_at")[:100])


def _asked(resource: Resource) -> Iterable[Asked]:
    found = Intent.objects.filter(subject=resource.pk).order_by("-asked_at")
    for intent in found.filter(verb__in=WORDS)[:ASKED]:
        can = intent.state == Intent.OPEN and not withdrawals.obstacle(intent)
        state, answer = intent.get_state_display(), intent.answer if intent.state == Intent.REFUSED else ""
        yield Asked(str(intent.pk), moment(intent.asked_at), WORDS[intent.verb], intent.actor, state, answer, can)
