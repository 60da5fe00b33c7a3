"""`/family/NAME`: the timelines that a database's data has lived on and parted from, with all of its relatives'.

A branch is one resource's own stretch of history, a line in it for each timeline; a promotion goes on in the same
branch, a fork begins one of its own at the line that it parted from.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fleet import progress, under_way
from fleet.models import Instance, Resource, Timeline
from fleet.states import ENDS, STATES, State
from herdsite.portal import family_copies
from herdsite.portal.access import operators_only
from herdsite.portal.family import lag
from herdsite.portal.family_copies import Window
from herdsite.portal.live import database_now, live
from herdsite.portal.shown import Moment, moment, size

# Timelines of one family that are drawn, and how far up its root is looked for.
MOST, DEPTH = 300, 100


@dataclass(frozen=True)
class Person:
    """An instance on a timeline; `what` it does there, for which resource, and how far its building is."""

    instance: str
    what: str
    resource: str
    server: str
    look: State
    lag: str
    far: str
    leads: bool


@dataclass(frozen=True)
class Line:
    """One timeline: `at` is where it parted from the one before, `closed` since when it is written no more, `branches`
    are the forks that parted from it."""

    name: str
    look: State
    number: int
    lsn: str
    at: Moment | None
    began: Moment | None
    closed: Moment | None
    archived: str
    people: tuple[Person, ...]
    branches: tuple["Branch", ...]


@dataclass(frozen=True)
class Branch:
    """A resource's stretch; `resource` is "" where the timeline is shared by many, or its resource is forgotten."""

    resource: str
    look: State | None
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Tree:
    name: str
    window: Window | None
    branches: tuple[Branch, ...]
    cut: bool


@operators_only
@require_safe
def family_tree(request: HttpRequest, name: str) -> HttpResponse:
    resource = Resource.objects.select_related("instance__timeline", "plan").filter(name=name.replace("\0", "")).first()
    if resource is None:
        problem = f"There is no resource {name.replace(chr(0), '')!r}."
        return render(request, "portal/not_found.html", {"problem": problem}, status=404)
    now = database_now()
    return live(request, "family", draw(resource), now)


def draw(resource: Resource) -> Tree:
    """Everything from the root of its history on."""
    timelines = _gather(_root(resource))
    children: dict[UUID | None, list[Timeline]] = defaultdict(list)
    for one in timelines:
        children[one.parent_id].append(one)
    people = _people([one.pk for one in timelines])
    return Tree(
        resource.name,
        family_copies.window(resource),
        tuple(_branch(root, children, people) for root in timelines[:1]),
        len(timelines) >= MOST,
    )


def _root(resource: Resource) -> Timeline | None:
    one = resource.instance.timeline if resource.instance else resource.timelines.order_by("-created_at").first()
    for _ in range(DEPTH):
        if one is None or one.parent is None:
            break
        one = one.parent
    return one


def _gather(root: Timeline | None) -> list[Timeline]:
    """The root and all that came of it, generation by generation: a query for each."""
    found = generation = [root] if root else []
    while generation and len(found) < MOST:
        parents = [one.pk for one in generation]
        nearest = Timeline.objects.filter(parent__in=parents).select_related("resource").order_by("created_at", "name")
        generation = list(nearest[: MOST - len(found)])
        found = found + generation
    return found


def _people(timelines: list[UUID]) -> dict[UUID, list[Person]]:
    """Who is on each: leaders first."""
    found: dict[UUID, list[Person]] = defaultdict(list)
    alive = Instance.objects.filter(timeline__in=timelines).exclude(state__in=ENDS)
    for one in (
        alive.select_related("server", "standby_for").prefetch_related("resources__follows").order_by("role", "name")
    ):
        found[one.timeline_id].append(_person(one))
    return found


def _person(one: Instance) -> Person:
    resources = [resource for resource in one.resources.all() if resource.state not in ENDS]
    whose: Any = one.standby_for or (resources[0] if len(resources) == 1 else None)
    follows = whose.follows if whose and not one.standby_for else None
    if one.outdated:
        what = "former leader of"
    elif one.role == Instance.LEADER:
        what = "leads"
    elif follows:
        what = f"follows {follows.name} as"
    else:
        what = "standby of"
    far = under_way.building(one)
    return Person(
        instance=one.name,
        what=what,
        resource=whose.name if whose else "",
        server=one.server.name,
        look=STATES[one.state],
        lag="" if one.role == Instance.LEADER else lag(one.facts),
        far=progress.words(far) if far else "",
        leads=one.role == Instance.LEADER,
    )


def _branch(first: Timeline, children: dict[Any, list[Timeline]], people: dict[UUID, list[Person]]) -> Branch:
    """From its first timeline on: each one's next is the child of the same resource, its other children are forks."""
    lines, one = [], first
    while one is not None:
        same = [child for child in children[one.pk] if child.resource_id == first.resource_id]
        following = same[0] if same else None
        forks = [child for child in children[one.pk] if child is not following]
        lines.append(_line(one, tuple(_branch(fork, children, people) for fork in forks), people))
        one = following  # type: ignore[assignment]
    resource = first.resource
    return Branch(resource.name if resource else "", STATES[resource.state] if resource else None, tuple(lines))


def _line(one: Timeline, branches: tuple[Branch, ...], people: dict[UUID, list[Person]]) -> Line:
    return Line(
        name=one.name,
        look=STATES[one.state],
        number=one.timeline_id,
        lsn=one.forked_lsn,
        at=moment(one.forked_at),
        began=moment(one.created_at),
        closed=moment(one.closed_at),
        archived=size(one.facts.get("archive_bytes")),
        people=tuple(people.get(one.pk, ())),
        branches=branches,
    )
