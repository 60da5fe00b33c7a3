"""`/mine`: a customer's own databases. Who comes by a platform's sign-on sees the one that the sign-on was for, and no
password; who comes by a token of a customer sees all that is the customer's."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from fleet import connecting
from fleet.addon import config, sso
from fleet.addon.http import Refusal
from fleet.api.roles import ASK, DESTROY, SECRETS
from fleet.models import Customer, Resource
from fleet.states import DESTROYED
from fleet.subjects import database_of
from herdsite.portal.live import database_now, token_of
from herdsite.portal.mine_asking import WINDOW, ask, fetch, offer
from herdsite.portal.mine_entering import usable
from herdsite.portal.mine_shown import describe, listed
from herdsite.portal.shown import moment

NOBODY = "Please open this page from your platform's dashboard. A session ends after some hours."
ASKED = "Requested. Progress is shown below."
CHOSEN = "Maintenance window set. Work that is planned from now on waits for it."
NOTHING = "You have no database of that name, or it has been destroyed."


@dataclass(frozen=True)
class Sight:
    """What a session may see and do: `many` that it may be more than one database, `asks` that it may ask for things,
    `loses` also for the price of what a database holds, `secrets` that it may see passwords. `actor` is how its asks
    are written down."""

    resources: QuerySet[Resource]
    who: str
    actor: str
    many: bool
    asks: bool
    loses: bool
    secrets: bool


def sight(request: HttpRequest) -> Sight | None:
    """None where the session is nobody's, or of somebody who is not a customer."""
    held = sso.whose(request.session)
    if held is None:
        return None
    living = Resource.objects.exclude(state=DESTROYED).select_related("plan", "instance__server", "customer", "addon")
    if held.get("platform"):
        app = held.get("app") or "customer"
        own = living.filter(pk=held["resource"], addon__ended_at=None, addon__leaving_at=None)
        # Only who was named by the platform's token is named in the events.
        actor = f"{held.get('user') or app} (platform)"
        return Sight(own, app, actor, many=False, asks=True, loses=True, secrets=False)
    if not usable(held):
        return None
    customer, may = Customer.objects.get(pk=held["customer"]), held["scopes"]
    own = living.filter(customer=customer)
    scopes = {"asks": ASK in may, "loses": {ASK, DESTROY} <= set(may), "secrets": SECRETS in may}
    return Sight(own, customer.name, f"{customer} (customer)", many=True, **scopes)


def customers_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Whoever has no customer's session is told where to get one; `view` gets the sight."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        seen = sight(request)
        response = refused(request, 403, NOBODY) if seen is None else view(request, seen, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    return guarded


def refused(request: HttpRequest, status: int, message: str) -> HttpResponse:
    return render(request, "mine/refused.html", {"refusal": Refusal(status, "", message)}, status=status)


@require_http_methods(["GET", "HEAD"])
@customers_only
def all_mine(request: HttpRequest, seen: Sight) -> HttpResponse:
    return render(request, "mine/all.html", {"who": seen.who, "rows": listed(seen.resources)})


@require_http_methods(["GET", "HEAD", "POST"])
@customers_only
def mine(request: HttpRequest, seen: Sight, id: str) -> HttpResponse:
    resource = _find(seen, id)
    if resource is None:
        return refused(request, 404, NOTHING)
    no = ""
    if request.method == "POST" and "fetch" in request.POST:
        if seen.secrets and (link := fetch(resource, request.POST["fetch"], seen.actor)):
            return redirect(link)
        no = "There is no such backup of this database, or your token may not be shown what is in it."
    elif request.method == "POST":
        no = "Your token only allows to look."
        if seen.asks:
            no = ask(resource, request.POST, seen.actor, seen.many, seen.loses)
        if not no:
            messages.success(request, CHOSEN if request.POST.get("verb") == WINDOW else ASKED)
            return redirect(request.path)
    return _page(request, seen, resource, no)


def _find(seen: Sight, id: str) -> Resource | None:
    try:
        return seen.resources.filter(pk=UUID(id)).first()
    except ValueError:
        return None


def _page(request: HttpRequest, seen: Sight, resource: Resource, no: str) -> HttpResponse:
    """The page, or the part of it that refreshes itself: 204 where nothing has changed."""
    now = database_now()
    data = describe(resource, now)
    token, part = token_of(data), request.GET.get("fragment") == "mine"
    if part and request.GET.get("token") == token:
        response = HttpResponse(status=204)
    else:
        context = {"data": data, "token": token, "now": moment(now), "fragment": "mine", "fetching": seen.secrets}
        if not part:
            place = database_of(resource) if seen.secrets else None
            context |= {
                "who": seen.who,
                "many": seen.many,
                "ask": offer(resource, seen.many, seen.loses) if seen.asks else None,
                "refused": no,
                "urls": config.of(resource) if seen.secrets else {},
                "verified": connecting.strings(place) if place else {},
                "nav": nav(request),
            }
        template = "mine/_mine.html" if part else "mine/mine.html"
        response = render(request, template, context, status=422 if no else 200)
    response["Herdsite-Now"] = f"{now.timestamp():.3f}"
    return response


def nav(request: HttpRequest) -> dict[str, str]:
    """What the platform's header says, from the cookie that the sign-on left: {} where there is none."""
    return sso.navigation(request.COOKIES.get(sso.NAV_COOKIE, ""))
