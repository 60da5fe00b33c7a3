"""A resource's family on its page: who leads, stands by and follows, where its address leads, what a failover now could
cost, how leadership moved last, and how far one can go back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fleet import quorums
from fleet.models import Address, Instance, Resource
from fleet.states import ENDS, STATES, State
from fleet.succession.quorum import CANT_LOSE
from herdsite.portal import family_copies, moves
from herdsite.portal.family_copies import Copy, Drill, Window
from herdsite.portal.moves import Move
from herdsite.portal.ranks import by_rank
from herdsite.portal.shown import size

MOST, MOVES = 50, 5


@dataclass(frozen=True)
class Holder:
    """An instance that holds its data. `waits`: a commit waits for it."""

    name: str
    role: str
    look: State
    server: str
    zone: str
    timeline: str
    lag: str
    waits: bool


@dataclass(frozen=True)
class Relative:
    """Another resource: `what` it is to this one."""

    name: str
    what: str
    look: State
    lag: str


@dataclass(frozen=True)
class Place:
    """Its stable address, and the server to which it leads ("": nowhere)."""

    name: str
    endpoint: str
    target: str
    look: State


@dataclass(frozen=True)
class Safety:
    """What a failover now could lose."""

    safe: bool
    text: str


@dataclass(frozen=True)
class Family:
    holders: tuple[Holder, ...]
    relatives: tuple[Relative, ...]
    address: Place | None
    safety: Safety | None
    moves: tuple[Move, ...]
    copies: tuple[Copy, ...]
    window: Window | None
    drill: Drill | None
    loaded: Drill | None
    maintenance: str


def family(resource: Resource) -> Family:
    standbys = list(
        resource.standbys.exclude(state__in=ENDS).select_related("server", "timeline").order_by("outdated", "name")
    )
    return Family(
        holders=tuple(_holder(one, resource) for one in filter(None, (resource.instance, *standbys))),
        relatives=tuple(_relatives(resource)),
        address=_address(resource),
        safety=_safety(resource, standbys),
        moves=moves.last(resource, MOVES),
        copies=family_copies.of(resource),
        window=family_copies.window(resource),
        drill=family_copies.drill(resource),
        loaded=family_copies.loaded(resource),
        maintenance=f"{resource.window} UTC, for four hours" if resource.window else "",
    )


def _holder(instance: Instance, resource: Resource) -> Holder:
    leads = instance.pk == resource.instance_id and not resource.follows_id
    role = "Former leader" if instance.outdated else "Leader" if leads else instance.get_role_display()
    return Holder(
        name=instance.name,
        role=role,
        look=STATES[instance.state],
        server=instance.server.name,
        zone=instance.server.zone,
        timeline=instance.timeline.name,
        lag="" if leads else lag(instance.facts),
        waits=instance.slot in quorums.record(resource.quorum).required,
    )


def lag(facts: dict[str, str | None]) -> str:
    """How far behind a standby's data is: "0.2 s"; why it is not known, where it does not stream."""
    receiver, behind = facts.get("receiver"), facts.get("replay_lag_s")
    if receiver and receiver != "streaming":
        return "does not stream" if receiver == "none" else receiver
    return f"{float(behind):.1f} s" if behind else ""


def _relatives(resource: Resource) -> list[Relative]:
    near = [(resource.follows, "follows it"), (resource.forked_from, "was forked from it")]
    found = [_relative(one, f"this one {what}") for one, what in near if one]
    for others, what in ((resource.followers, "follows this one"), (resource.forks, "was forked from this one")):
        alive = others.exclude(state__in=ENDS).select_related("instance").order_by(by_rank(), "name")
        found += [_relative(one, what) for one in alive[:MOST]]
    return found


def _relative(one: Resource, what: str) -> Relative:
    follows = one.follows_id is not None and one.instance is not None
    return Relative(one.name, what, STATES[one.state], lag(one.instance.facts) if follows and one.instance else "")


def _address(resource: Resource) -> Place | None:
    found = Address.objects.filter(resource=resource).exclude(state__in=ENDS).first()
    if found is None:
        return None
    return Place(found.name, f"{found.endpoint}:{found.port}", found.target, STATES[found.state])


def _safety(resource: Resource, standbys: Sequence[Any]) -> Safety | None:
    """None for what has no leadership of its own to lose."""
    instance = resource.instance
    if instance is None or resource.follows_id or not resource.own_instance:
        return None
    record = quorums.record(resource.quorum)
    if record.says == CANT_LOSE:
        names = {one.slot: one.name for one in standbys}
        waited = ", ".join(names.get(slot, slot) for slot in record.required)
        return Safety(True, f"No acknowledged write can be lost: a commit waits for {waited}.")
    current = [one for one in standbys if not one.outdated]
    if current:
        behind = size(instance.facts.get("standby_lag_bytes"))
        known = f" The slowest has yet to replay {behind}." if behind else ""
        return Safety(
            False, f"Can lose writes that no standby has received yet: commits do not wait for a standby.{known}"
        )
    if instance.timeline.archive:
        last = instance.timeline.facts.get("archive_last")
        reach = f"after {last}, the newest segment in the archive" if last else "so far: nothing is archived yet"
        return Safety(False, f"There is no standby. Can lose writes {reach}.")
    return Safety(False, "Can lose everything: there is no standby and no WAL archive.")
