"""`/incidents`: what is wrong now, and what was; `/incidents/NAME`: one of them, and what a person may do about it."""

from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Count, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from fleet.models import MEMBERS
from fleet.states import NEEDS_HUMAN, RESOLVED, STATES, State, states_of
from herdsite.portal.access import operators_only
from herdsite.portal.incident import describe, verdict
from herdsite.portal.live import database_now, live
from herdsite.portal.shown import Moment, moment
from herdsite.portal.troubles import SEVERITIES, words
from incidents import desk, hands
from incidents.models import Incident
from incidents.notices import desk as notices
from incidents.watch import PAGE

ROWS, GLANCE = 100, 20
OPEN = "open"
LONGEST = 100


@dataclass(frozen=True)
class Wanted:
    """What the page was asked to show: the query string as values. Empty is "all"; `page` counts from 1."""

    q: str = ""
    state: str = ""
    type: str = ""
    subject: str = ""
    page: int = 1

    @classmethod
    def read(cls, query: QueryDict) -> "Wanted":
        said = {
            name: query.get(name, "").replace("\0", "").strip()[:LONGEST] for name in ("q", "state", "type", "subject")
        }
        page = query.get("page", "")
        return cls(**said, page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 8 else 1)

    @property
    def narrowed(self) -> bool:
        return bool(self.q or self.state or self.type or self.subject)

    def but(self, **changes: Any) -> str:
        """The query string that shows the same but for the changes."""
        query = QueryDict(mutable=True)
        query.update({name: str(value) for name, value in vars(replace(self, **changes)).items() if value})
        return f"?{query.urlencode()}"


@dataclass(frozen=True)
class Row:
    """One incident in a list. `until` is when it was resolved, `under` the name of its cause."""

    name: str
    what: str
    look: State
    severity: tuple[str, str]
    thing: str
    about_what: str
    opened: Moment | None
    until: Moment | None
    row: int | None
    why: str
    problem: str
    resolver: str
    under: str
    acknowledged_by: str
    assigned_to: str


@dataclass(frozen=True)
class Listing:
    """Part of those that were asked for, open or resolved. Links are query strings, empty where there is no page."""

    state: str
    label: str
    count: int
    rows: tuple[Row, ...]
    first: int
    last: int
    earlier: str
    later: str
    all: str


@dataclass(frozen=True)
class Incidents:
    """All that the page shows. `waiting` need a person whom nobody has been found for."""

    lists: tuple[Listing, ...]
    open: int
    waiting: int
    narrowed: bool


@operators_only
@require_safe
def incidents(request: HttpRequest) -> HttpResponse:
    wanted = Wanted.read(request.GET)
    now = database_now()
    found = _matching(wanted)
    shown = [OPEN, RESOLVED]
    if wanted.state:
        shown = [RESOLVED if wanted.state == RESOLVED else OPEN]
    counts = desk.open_incidents().aggregate(
        open=Count("pk"), waiting=Count("pk", Q(state=NEEDS_HUMAN, acknowledged_by=""))
    )
    data = Incidents(tuple(_listing(which, found, wanted) for which in shown), **counts, narrowed=wanted.narrowed)
    choices = {
        "states": [(OPEN, "Open"), *((name, STATES[name].label) for name in states_of(Incident.KIND))],
        "types": [(name, words(name)) for name in sorted(hands.TYPES)],
    }
    return live(request, "incidents", data, now, {"wanted": wanted, **choices})


@operators_only
@require_http_methods(["GET", "HEAD", "POST"])
def incident(request: HttpRequest, incident: str) -> HttpResponse:
    try:
        found = hands.find(incident)
    except hands.NotFound as error:
        return render(request, "portal/not_found.html", {"problem": str(error)}, status=404)
    may = request.user.has_perm(hands.PERMISSION)
    refused: dict[str, str] = {}
    if request.method == "POST":
        if not may:
            raise PermissionDenied("You may only look: acting takes the permission to change incidents.")
        refused = _lay_hand(request, found)
        if not refused:
            return redirect(request.path)
    now = database_now()
    around = {"hands": _offer(found) if may else {}, "refused": refused, "typed": request.POST}
    around |= {"operators": hands.operators().values_list("username", flat=True)} if may and found.is_open else {}
    return live(request, "incident", describe(found, now), now, around, status=422 if refused else 200)


def _lay_hand(request: HttpRequest, found: Incident) -> dict[str, str]:
    """Do what was asked; {"verb", "why"} if it was refused."""
    verb = request.POST.get("verb", "")
    hand = hands.HANDS.get(verb)
    if hand is None:
        return {"verb": verb, "why": "There is no such action."}
    form = hand.form(request.POST)
    if not form.is_valid():
        why = " ".join(f"{name.capitalize()}: {' '.join(map(str, said))}" for name, said in form.errors.items())
        return {"verb": verb, "why": why}
    try:
        hands.lay(hand, found, form.cleaned_data, request.user.get_username(), notices)
    except desk.DeskError as error:
        return {"verb": verb, "why": str(error)}
    messages.success(request, f"{hand.label}: done. See Events.")
    return {}


def _offer(found: Incident) -> dict[str, hands.Hand]:
    """What can be done about it: all is over but the writing, once it is resolved."""
    return dict(hands.HANDS) if found.is_open else {"note": hands.HANDS["note"]}


def _matching(wanted: Wanted) -> QuerySet[Incident]:
    found = Incident.objects.select_related("cause")
    if wanted.state not in ("", OPEN):
        found = found.filter(state=wanted.state)
    if wanted.type:
        found = found.filter(type=wanted.type)
    if wanted.subject:
        found = found.filter(subject_name=wanted.subject)
    if wanted.q:
        found = found.filter(Q(name__icontains=wanted.q) | Q(problem__icontains=wanted.q))
    return found


def _listing(which: str, found: QuerySet[Incident], wanted: Wanted) -> Listing:
    """The open ones, what wakes people first; or the resolved ones, the latest first."""
    if which == OPEN:
        worst = Case(When(severity=PAGE, then=Value(0)), default=Value(1))
        person = Case(When(state=NEEDS_HUMAN, then=Value(0)), default=Value(1))
        found = found.exclude(state=RESOLVED).order_by(worst, person, "created_at", "name")
    else:
        found = found.filter(state=RESOLVED).order_by("-resolved_at", "name")
    count, paged = found.count(), which == OPEN or wanted.state == RESOLVED
    page = min(wanted.page, max(1, -(-count // ROWS))) if paged else 1
    first = (page - 1) * ROWS
    rows = tuple(_row(one) for one in found[first : first + (ROWS if paged else GLANCE)])
    last = first + len(rows)
    return Listing(
        which,
        "Open" if which == OPEN else "Resolved",
        count,
        rows,
        first=first + 1 if rows else 0,
        last=last,
        earlier=wanted.but(page=page - 1) if page > 1 else "",
        later=wanted.but(page=page + 1) if paged and last < count else "",
        all=wanted.but(state=RESOLVED, page=1) if not paged and last < count else "",
    )


def _row(one: Incident) -> Row:
    return Row(
        name=one.name,
        what=words(one.type),
        look=one.look,
        severity=SEVERITIES[one.severity],
        thing=one.subject_name if one.subject_kind in MEMBERS else "",
        about_what=f"{one.subject_kind} {one.subject_name}",
        opened=moment(one.created_at),
        until=moment(one.resolved_at),
        **verdict(one),
        problem=one.problem,
        resolver=one.resolver,
        under=one.cause.name if one.cause else "",
        acknowledged_by=one.acknowledged_by,
        assigned_to=one.assigned_to,
    )
