"""Of herdsite itself: its rings and workers, who the asker is, and the document that describes all this."""

from typing import Any, ClassVar

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import ensure_csrf_cookie
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import ring
from fleet.api.base import Api
from fleet.models import Worker
from fleet.roles import ROLES


class RingData(serializers.Serializer[Any]):
    """How one ring stands: how many are on it, due and at work now, the longest that one has waited for its beat
    (`late_s`) and since any was last looked at (`age_s`)."""

    kind = serializers.CharField()
    queue = serializers.CharField()
    members = serializers.IntegerField()
    due = serializers.IntegerField()
    leased = serializers.IntegerField()
    late_s = serializers.FloatField()
    age_s = serializers.FloatField()


class WorkerData(serializers.ModelSerializer[Worker]):
    """A worker process as it last reported."""

    class Meta:
        model = Worker
        fields = ("name", "queue", "started_at", "seen_at", "beats", "errors", "beats_per_s", "rss_mb")


class AllRings(serializers.Serializer[Any]):
    results = RingData(many=True)


class AllWorkers(serializers.Serializer[Any]):
    results = WorkerData(many=True)


class Rings(Api):
    """The rings, and who works on them."""

    gives: ClassVar[dict[str, dict[int, Any]]] = {"rings": {200: AllRings}, "workers": {200: AllWorkers}}

    def rings(self, _request: Request) -> Response:
        """Every ring that has members."""
        return Response(AllRings({"results": ring.standings()}).data)

    def workers(self, _request: Request) -> Response:
        """Every worker that has reported."""
        return Response(AllWorkers({"results": Worker.objects.all()}).data)


class TokenData(serializers.Serializer[Any]):
    name = serializers.CharField()
    expiry = serializers.DateTimeField(allow_null=True)
    last_used = serializers.DateTimeField(allow_null=True)


class Bound(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class MeData(serializers.Serializer[Any]):
    """Who asks, and what that one may do: `scopes` are those of the login, narrowed by the token's."""

    login = serializers.CharField()
    roles = serializers.ListField(child=serializers.ChoiceField(choices=list(ROLES)))
    scopes = serializers.ListField(child=serializers.CharField())
    customer = Bound(allow_null=True)
    token = TokenData(allow_null=True)


class Me(Api):
    """Whom herdsite takes the asker for."""

    scopes: ClassVar[dict[str, str]] = {"me": ""}
    gives: ClassVar[dict[str, dict[int, Any]]] = {"me": {200: MeData}}
    own = staticmethod(lambda _customer: Q())

    def me(self, request: Request) -> Response:
        """Who asks, and what that one may do."""
        groups = request.user.groups.filter(name__in=ROLES).order_by("name").values_list("name", flat=True)
        said = {
            "login": request.user.get_username(),
            "roles": list(groups),
            "scopes": sorted(self.asker.scopes),
            "customer": self.asker.customer,
            "token": self.asker.token,
        }
        return Response(MeData(said).data)


class Document(Api):
    """The OpenAPI document."""

    schema = None  # type: ignore[assignment]
    scopes: ClassVar[dict[str, str]] = {"document": ""}
    own = staticmethod(lambda _customer: Q())

    def document(self, _request: Request) -> Response:
        return Response(SchemaGenerator().get_schema(public=True))


@method_decorator([login_required, ensure_csrf_cookie], name="dispatch")
class Docs(SpectacularSwaggerSplitView):
    """The document to read and to try, from this server alone; with the session's login."""

    schema = None
    authentication_classes = ()
    permission_classes = ()
    url_name = "api-document"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer = super().get(request, *args, **kwargs)
        answer["Cross-Origin-Opener-Policy"] = "same-origin"
        return answer
