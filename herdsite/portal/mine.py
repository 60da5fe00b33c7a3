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

from fleet import askers, connecting, verbs
from fleet.addon import config, sso
from fleet.addon.http import Refusal
from fleet.admin.forms import AskForm
from fleet.askers import Asker
from fleet.choices import AskError
from fleet.models import Customer, Resource
from fleet.roles import ASK, DESTROY, READ, SECRETS
from fleet.states import DESTROYED
from fleet.subjects import database_of
from herdsite.portal.asking import cancel
from herdsite.portal.live import database_now, token_of
from herdsite.portal.mine_asking import WINDOW, ask, choose_window, fetch, offer
from herdsite.portal.mine_entering import usable
from herdsite.portal.mine_shown import describe, listed
from herdsite.portal.shown import moment

NOBODY = "Please open this page from your platform's dashboard. A session ends after some hours."
ASKED = "Requested. The request is carried out in a moment; progress is shown below."
CHOSEN = "Maintenance window set. Work that is planned from now on waits for it."
NO_VERB = "Such a request can't be asked of this database."
NOTHING = "There is no such database of yours, or it has been removed."


@dataclass(frozen=True)
class Sight:
    """What a session may see, and as whom (`by`) it asks; `many` that it may be more than one database."""

    resources: QuerySet[Resource]
    who: str
    by: Asker
    many: bool


def sight(request: HttpRequest) -> Sight | None:
    """None where the session is nobody's, or of somebody who is not a customer."""
    held = sso.whose(request.session)
    if held is None:
        return None
    living = Resource.objects.exclude(state=DESTROYED).select_related("plan", "instance__server", "customer", "addon")
    if held.get("platform"):
        app = held.get("app") or "customer"
        own = living.filter(pk=held["resource"], addon__ended_at=None, addon__leaving_at=None)
        customer = Customer.objects.filter(resources=held["resource"]).first()
        # Only who was named by the platform's token is named in the events.
        actor = f"{held.get('user') or app} (platform)"
        may = frozenset({READ, ASK, DESTROY})
        by = Asker(actor, may, customer, platform=True)
        return None if customer is None else Sight(own, app, by, many=False)
    if not usable(held):
        return None
    customer = Customer.objects.get(pk=held["customer"])
    by = Asker(f"{customer} (customer)", frozenset(held["scopes"]), customer)
    return Sight(living.filter(customer=customer), customer.name, by, many=True)


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
    no, sent = "", None
    if request.method == "POST" and "fetch" in request.POST:
        if not askers.missing(seen.by, SECRETS) and (link := fetch(resource, request.POST["fetch"], seen.by)):
            return redirect(link)
        no = "There is no such backup of this database, or your token may not be shown what is in it."
    elif request.method == "POST":
        no, said, sent = _asked(request, resource, seen)
        if not no:
            messages.success(request, said)
            return redirect(request.path)
    return _page(request, seen, resource, no, sent)


def _asked(request: HttpRequest, resource: Resource, seen: Sight) -> tuple[str, str, AskForm | None]:
    """Why it can't be asked, if so; what is said if it can; and the form that was sent, where a verb has one."""
    verb = request.POST.get("verb", "")
    if "intent" in request.POST:
        try:
            return "", cancel(resource, request.POST["intent"], seen.by), None
        except AskError as error:
            return str(error), "", None
    if verb == WINDOW:
        no = askers.missing(seen.by, ASK) or choose_window(resource, request.POST, seen.by.name)
        return no, CHOSEN, None
    known = verbs.verb(Resource.KIND, verb)
    if known is None:
        return NO_VERB, "", None
    form = AskForm(known, request.POST)
    return ask(resource, form, seen.by), ASKED, form


def _find(seen: Sight, id: str) -> Resource | None:
    try:
        return seen.resources.filter(pk=UUID(id)).first()
    except ValueError:
        return None


def _page(request: HttpRequest, seen: Sight, resource: Resource, no: str, sent: AskForm | None) -> HttpResponse:
    """The page, or the part of it that refreshes itself: 204 where nothing has changed."""
    now = database_now()
    data = describe(resource, now)
    secrets = not askers.missing(seen.by, SECRETS)
    token, part = token_of(data), request.GET.get("fragment") == "mine"
    if part and request.GET.get("token") == token:
        response = HttpResponse(status=204)
    else:
        context = {"data": data, "token": token, "now": moment(now), "fragment": "mine", "fetching": secrets}
        context["asking"] = not askers.missing(seen.by, ASK)
        if not part:
            place = database_of(resource) if secrets else None
            context |= {
                "who": seen.who,
                "many": seen.many,
                "ask": None if askers.missing(seen.by, ASK) else offer(resource, seen.by, sent),
                "confirm": resource.name,
                "refused": no,
                "urls": config.of(resource) if secrets else {},
                "node": connecting.node(place) if place else "",
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
