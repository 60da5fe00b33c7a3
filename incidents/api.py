"""Incidents over HTTP: read them, and lay hands on them. Operators read; who may change incidents may act.

The web asks, the beat does: nothing here reaches further than herdsite's own database.
"""

import hashlib
from typing import Any

from django.core.cache import cache
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from rest_framework import serializers, throttling
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotFound, PermissionDenied, Throttled
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from fleet.states import states_of
from incidents import desk, hands, story
from incidents.models import Incident
from incidents.notices import desk as notices
from incidents.problems import Conflict, Invalid, handle
from incidents.watch import SEVERITIES

OPEN = "open"
# What a filter may say. "open" is every state but resolved.
CHOICES = {
    "state": (OPEN, *states_of(Incident.KIND)),
    "type": hands.TYPES,
    "severity": SEVERITIES,
}


class IncidentData(serializers.ModelSerializer[Incident]):
    """One incident in a list. Times are ISO 8601 in UTC; `cause` is the name of the incident that explains it."""

    subject = serializers.SerializerMethodField()
    cause = serializers.SlugRelatedField(slug_field="name", read_only=True)

    class Meta:
        model = Incident
        fields: tuple[str, ...] = (
            "name", "type", "severity", "state", "state_since", "created_at", "resolved_at", "summary", "problem",
            "subject", "cause", "resolver", "resolver_version", "tried", "rounds", "wait_until", "deadline",
            "escalations", "acknowledged_by", "acknowledged_at", "assigned_to", "snoozed_until",
        )  # fmt: skip
        read_only_fields: tuple[str, ...] = fields

    def get_subject(self, incident: Incident) -> dict[str, str]:
        return {"kind": incident.subject_kind, "name": incident.subject_name, "id": str(incident.subject)}


class IncidentStory(IncidentData):
    """One incident with all that is known: `evidence` as it was at the opening, `children` by name, and the `journal`,
    oldest line first."""

    children = serializers.SlugRelatedField(slug_field="name", many=True, read_only=True)
    journal = serializers.SerializerMethodField()

    class Meta(IncidentData.Meta):
        fields = (*IncidentData.Meta.fields, "row", "why", "opened_by", "evidence", "children", "journal")
        read_only_fields = fields

    def get_journal(self, incident: Incident) -> list[dict[str, Any]]:
        return [vars(line) for line in story.of(incident)]


class Operator(BasePermission):
    """Staff may look; to act takes the permission to change incidents."""

    message = "Only operators may look: ask for staff status."

    def has_permission(self, request: Request, _view: APIView) -> bool:
        return bool(request.user and request.user.is_staff)


class Pages(CursorPagination):
    """Newest first. A cursor stays true while incidents come and go."""

    page_size, max_page_size = 50, 200
    page_size_query_param = "limit"
    ordering = ("-created_at", "-id")


class Passwords(BasicAuthentication):
    """A login by password. Who sends so many wrong ones within a minute from one address is not heard for the rest of
    it (each web process counts for itself)."""

    wrong_per_minute = 10

    def authenticate_credentials(self, userid: str, password: str, request: Any = None) -> Any:
        who = f"{request.META.get('REMOTE_ADDR')} {userid}"
        key = f"wrong-passwords/{hashlib.sha256(who.encode()).hexdigest()}"
        if cache.get(key, 0) >= self.wrong_per_minute:
            raise Throttled(60)
        try:
            return super().authenticate_credentials(userid, password, request)
        except AuthenticationFailed:
            cache.set(key, cache.get(key, 0) + 1, 60)
            raise


class Fair(throttling.UserRateThrottle):
    """One asker's fair share, by login or by address."""

    rate = "600/min"


class Api(APIView):
    """What every part of the API has in common. Who is unknown is told how to log in."""

    authentication_classes = (Passwords, SessionAuthentication)
    permission_classes = (Operator,)
    throttle_classes = (Fair,)
    parser_classes = (JSONParser,)
    renderer_classes = (JSONRenderer,)

    def get_exception_handler(self) -> Any:
        return handle


class IncidentApi(Api, GenericViewSet[Incident]):
    """`GET incidents?state=&type=&severity=&subject=&q=`, `GET incidents/NAME`, `POST incidents/NAME/VERB`."""

    queryset = Incident.objects.select_related("cause")
    pagination_class = Pages
    serializer_class = IncidentData

    def list(self, request: Request) -> Response:
        found = self.paginate_queryset(matching(self.get_queryset(), request.query_params))
        return self.get_paginated_response(self.get_serializer(found, many=True).data)

    def retrieve(self, _request: Request, incident: str) -> Response:
        return Response(IncidentStory(_find(incident)).data)

    def act(self, request: Request, incident: str, verb: str) -> Response:
        """Lay a hand on it. Answers with the incident as it is then; 409 when it can't be, as things stand."""
        hand = hands.HANDS.get(verb)
        if hand is None:
            raise NotFound(f"There is no {verb!r}: what can be done is {', '.join(hands.HANDS)}.")
        if not request.user.has_perm(hands.PERMISSION):
            raise PermissionDenied("You may look, but not act: that takes the permission to change incidents.")
        found = _find(incident)
        try:
            hands.lay(hand, found, _asked(hand, request.data), request.user.get_username(), notices)
        except desk.DeskError as error:
            raise Conflict(str(error)) from error
        return Response(IncidentStory(_find(incident)).data)


class Nowhere(Api):
    """An address that there is not, in the API's own words."""

    def initial(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound("There is nothing at this address.")


def matching(found: QuerySet[Incident], query: Any) -> QuerySet[Incident]:
    """Those that were asked for. Invalid when a filter says what can never be."""
    wanted = {name: query.get(name, "").replace("\0", "") for name in (*CHOICES, "subject", "q")}
    wrong = {
        name: [f"{wanted[name]!r} is none of {', '.join(choices)}."]
        for name, choices in CHOICES.items()
        if wanted[name] and wanted[name] not in choices
    }
    if wrong:
        raise Invalid(wrong)
    if wanted["state"] == OPEN:
        found = found.filter(pk__in=desk.open_incidents().values("pk"))
    elif wanted["state"]:
        found = found.filter(state=wanted["state"])
    if wanted["q"]:
        found = found.filter(Q(name__icontains=wanted["q"]) | Q(problem__icontains=wanted["q"]))
    plain = {"type": wanted["type"], "severity": wanted["severity"], "subject_name": wanted["subject"]}
    return found.filter(**{name: value for name, value in plain.items() if value})


def _find(name: str) -> Incident:
    try:
        return hands.find(name)
    except hands.NotFound as error:
        raise NotFound(str(error)) from error


def _asked(hand: hands.Hand, sent: Any) -> dict[str, Any]:
    """What was sent, as the hand's form reads it."""
    if not isinstance(sent, dict):
        raise Invalid({"body": ["Send a JSON object."]})
    known = hand.form().fields
    wrong = {name: ["There is no such field."] for name in sent if name not in known}
    wrong |= {
        name: ["Send a text or a number."] for name, value in sent.items() if isinstance(value, dict | list | bool)
    }
    if wrong:
        raise Invalid(wrong)
    form = hand.form(sent)
    if not form.is_valid():
        raise Invalid({name: [str(word) for word in words] for name, words in form.errors.items()})
    return form.cleaned_data
