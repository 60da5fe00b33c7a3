"""What every part of the API has in common. A view says in a few attributes what it shows, takes and filters by; how
that is read, answered, guarded and described is here and below, once."""

import difflib
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from rest_framework import serializers, throttling
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from fleet import askers
from fleet.api import etags, pages, params
from fleet.api.fields import Body, Json
from fleet.api.logins import METHODS, asker_of
from fleet.api.problems import handle
from fleet.api.schema import Schema
from fleet.askers import Asker
from fleet.models import Customer
from fleet.roles import READ

NEAR, SUGGESTED = 1_000, 3


class Scoped(BasePermission):
    """Who asks needs the scope of the action; a customer's token is only let in where customers are expected."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            return False
        asker = asker_of(request)
        if asker.customer and view.own is None:
            raise PermissionDenied("Only operators may do this: a customer's token has no permission for it.")
        # What can't be done here at all is told as that.
        scope = view.scopes.get(view.action, READ) if view.action else ""
        if scope:
            need(asker, scope)
        return True


def need(asker: Asker, scope: str) -> None:
    """Raises PermissionDenied unless the asker has the scope."""
    if why := askers.missing(asker, scope):
        raise PermissionDenied(why)


class Fair(throttling.UserRateThrottle):
    """One asker's fair share: of each token, and of each login without one."""

    rate = settings.API_RATE

    def get_cache_key(self, request: Request, _view: Any) -> str | None:
        ident = asker_of(request).key if request.user.is_authenticated else self.get_ident(request)
        return self.cache_format % {"scope": self.scope, "ident": ident}


class Api(ViewSet):
    """`scopes` (READ where none is named, "" for everybody), `takes` (what is sent), `gives` (what is answered, by
    status) and `links` (which operations follow on the answer, by name, each with the field of the answer that says on
    what; `{here}` stands for the view's own place) are by action; `own` is what a customer's token sees of it, None if
    nothing; `about` is what its operations are called in the document, where their own words don't say it."""

    authentication_classes = METHODS
    permission_classes = (Scoped,)
    throttle_classes = (Fair,)
    parser_classes = (Json,)
    renderer_classes: Any = (JSONRenderer,)
    metadata_class = None
    schema = Schema()

    scopes: ClassVar[dict[str, str]] = {}
    about: ClassVar[str] = ""
    takes: ClassVar[dict[str, type[Body]]] = {}
    gives: ClassVar[dict[str, dict[int, Any]]] = {}
    links: ClassVar[dict[str, dict[str, tuple[str, str]]]] = {}
    own: Callable[[Customer], Q] | None = None

    def params(self) -> dict[str, params.Param]:
        """What the query string of this action may say."""
        return {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.asker = asker_of(request)
        if self.action:
            self.asked = params.read(self.params(), request)

    def sent(self) -> dict[str, Any]:
        """The body of this request, as its serializer takes it. Raises ValidationError."""
        body = self.takes[self.action](data=self.request.data, context={"customer": self.asker.customer})
        body.is_valid(raise_exception=True)
        return body.validated_data

    def get_exception_handler(self) -> Any:
        return handle

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.setdefault("Cache-Control", "private, no-cache")
        return response


class Things(Api):
    """A list, and one thing of it by its name or id. `in_list` shows it there, `alone` by itself; the list does without
    the columns that are `deep`."""

    queryset: QuerySet[Any]
    in_list: type[serializers.BaseSerializer[Any]]
    alone: type[serializers.BaseSerializer[Any]]
    filters: ClassVar[dict[str, params.Param]] = {}
    orderings: ClassVar[tuple[str, ...]] = ("name", "created_at", "state_since")
    named: ClassVar[str] = "name"
    deep: ClassVar[tuple[str, ...]] = ()

    def params(self) -> dict[str, params.Param]:
        return {**self.filters, **pages.params(self.orderings)} if self.action == "list" else {}

    def found(self) -> QuerySet[Any]:
        """All that the asker may see."""
        customer = self.asker.customer
        return self.queryset.filter(type(self).own(customer)) if customer else self.queryset.all()  # type: ignore[misc]

    def list(self, request: Request) -> Response:
        found = params.filtered(self.found(), self.filters, self.asked)
        found = found.defer(*self.deep) if self.deep else found
        rows, following = pages.page(found, self.asked, self.orderings[0], request)
        # One serializer for all: to make one takes longer than what it does to a row.
        results = self.in_list(rows, many=True, context={"customer": self.asker.customer}).data
        return Response({"next": following, "results": results})

    def retrieve(self, request: Request, **path: str) -> Response:
        return etags.shown(request, self.show(self.one(**path), self.alone))

    def show(self, thing: Any, how: type[serializers.BaseSerializer[Any]] | None = None) -> Any:
        return (how or self.alone)(thing, context={"customer": self.asker.customer}).data

    def one(self, name: str) -> Any:
        """The thing of that name or id. Raises NotFound, with what may have been meant of what the asker may see."""
        name, found = name.replace("\0", ""), self.found()
        try:
            wanted = found.filter(pk=UUID(name)).first()
        except ValueError:
            wanted = found.filter(**{self.named: name}).first() if self.named else None
        if wanted is None:
            raise NotFound(f"There is no {name!r}." + self._near(name, found))
        return wanted

    def numbered(self, name: str) -> Any:
        """As `one`, for rows that have a number and no name."""
        number = int(name) if name.isascii() and name.isdigit() and len(name) < 19 else 0
        if wanted := self.found().filter(pk=number).first():
            return wanted
        raise NotFound(f"There is no {name!r}.")

    def _near(self, name: str, found: QuerySet[Any]) -> str:
        names = found.values_list(self.named, flat=True)[:NEAR] if self.named else []
        near = difflib.get_close_matches(name, names, n=SUGGESTED, cutoff=0.5)
        return f" Did you mean {' or '.join(near)}?" if near else ""


class Nowhere(Api):
    """An address that there is not, in the API's own words."""

    schema = None  # type: ignore[assignment]
    own = staticmethod(lambda _customer: Q())

    def nothing(self, _request: Request, **_path: str) -> Response:
        raise NotFound("There is nothing at this address.")

    anything: ClassVar[dict[str, str]] = dict.fromkeys(("get", "post", "put", "patch", "delete"), "nothing")

    def params(self) -> dict[str, params.Param]:
        return dict.fromkeys(self.request.query_params, params.Param())
