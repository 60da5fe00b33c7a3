"""Incidents and notices over HTTP: read them, and lay hands on incidents. Everybody who may look sees them, customers
those of their own databases; who may respond may act.

The web asks, the beat does: nothing here reaches further than herdsite's own database.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api import fields
from fleet.api.base import Nowhere, Things
from fleet.api.once import REPLAYED, Answer, once
from fleet.api.params import OneOf, Param, Search
from fleet.api.problems import Conflict, Invalid
from fleet.api.shapes import Shown
from fleet.models import Resource
from fleet.roles import RESPOND
from fleet.states import states_of
from incidents import desk, hands, story
from incidents.models import Incident
from incidents.models.notices import Notice
from incidents.notices import desk as notices
from incidents.watch import SEVERITIES

OPEN = "open"


class SubjectData(serializers.Serializer[Any]):
    kind = serializers.CharField(source="subject_kind")
    name = serializers.CharField(source="subject_name")
    id = serializers.UUIDField(source="subject")


class IncidentData(Shown):
    """One incident in a list. Times are ISO 8601 in UTC; `cause` is the name of the incident that explains it, `tried`
    are the playbooks that gave up."""

    subject = SubjectData(source="*", read_only=True)
    summary = serializers.CharField(read_only=True)
    cause = serializers.SlugRelatedField(slug_field="name", read_only=True, allow_null=True)
    tried = serializers.ListField(child=serializers.CharField(), read_only=True)
    inner: ClassVar[dict[str, Any]] = {
        "problem": "", "cause": None, "resolver": "", "resolver_version": "", "tried": [], "acknowledged_by": "",
        "assigned_to": "",
    }  # fmt: skip

    class Meta:
        model = Incident
        fields: tuple[str, ...] = (
            "name", "type", "severity", "state", "state_since", "created_at", "resolved_at", "summary", "problem",
            "subject", "cause", "resolver", "resolver_version", "tried", "rounds", "wait_until", "deadline",
            "escalations", "acknowledged_by", "acknowledged_at", "assigned_to", "snoozed_until",
        )  # fmt: skip


class LineData(serializers.Serializer[Any]):
    """One moment of an incident's story."""

    at = serializers.DateTimeField()
    what = serializers.CharField()
    where = serializers.CharField()
    text = serializers.CharField()
    actor = serializers.CharField()


class IncidentStory(IncidentData):
    """One incident with all that is known: `evidence` as it was at the opening, `children` by name, and the `journal`,
    oldest line first."""

    evidence = serializers.DictField(read_only=True)
    children = serializers.SlugRelatedField(slug_field="name", many=True, read_only=True)
    journal = serializers.SerializerMethodField()
    inner: ClassVar[dict[str, Any]] = {
        **IncidentData.inner, "row": None, "why": "", "opened_by": None, "evidence": {}, "children": [], "journal": [],
    }  # fmt: skip

    class Meta(IncidentData.Meta):
        fields = (*IncidentData.Meta.fields, "row", "why", "opened_by", "evidence", "children", "journal")

    @extend_schema_field(LineData(many=True))
    def get_journal(self, incident: Incident) -> Any:
        return LineData(story.of(incident), many=True).data


@dataclass(frozen=True)
class InState(OneOf):
    """By state; `open` is every one but resolved."""

    def filter(self, found: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return (
            found.filter(pk__in=desk.open_incidents().values("pk")) if value == OPEN else super().filter(found, value)
        )


# How the API takes what a hand's form asks for. The form has the last word.
FIELDS: dict[type[forms.Field], Any] = {
    forms.FloatField: lambda field: fields.Real(min_value=field.min_value, max_value=field.max_value),
    forms.CharField: lambda field: fields.Word(r"\S", max_length=field.max_length),
    forms.ModelChoiceField: lambda _field: fields.Text(max_length=150),
}


def body_of(hand: hands.Hand) -> type[fields.Body]:
    """What is sent with a verb: the fields of its form."""
    made = {name: FIELDS[type(field)](field) for name, field in hand.form.base_fields.items()}
    more = {"example": hand.example, "__doc__": f"{hand.label}: {hand.meaning}."}
    return type(hand.verb.capitalize(), (fields.Body,), made | more)


class Incidents(Things):
    """What is wrong, and who is at it."""

    queryset = Incident.objects.select_related("cause")
    in_list, alone = IncidentData, IncidentStory
    filters: ClassVar[dict[str, Param]] = {
        "q": Search("name|problem", "Part of its name or of its problem."),
        "state": InState("state", "open is every state but resolved.", choices=(OPEN, *states_of(Incident.KIND))),
        "type": OneOf("type", choices=hands.TYPES),
        "severity": OneOf("severity", choices=SEVERITIES),
        "subject": Param("subject_name", "The whole name of what it is about."),
    }
    orderings = ("-created_at",)
    own = staticmethod(
        lambda customer: Q(
            subject_kind=Resource.KIND, subject__in=Resource.objects.filter(customer=customer).values("pk")
        )
    )


class Hand(Incidents):
    """What can be done about an incident, a class a verb: the verbs are those of incidents/hands.py."""

    hand: ClassVar[hands.Hand]
    scopes: ClassVar[dict[str, str]] = {"lay": RESPOND}
    gives: ClassVar[dict[str, dict[int, Any]]] = {"lay": {200: IncidentStory}}

    def lay(self, request: Request, name: str) -> Response:
        """Answers with the incident as it is then; 409 when it can't be, as things stand."""
        form = self.hand.form(self.sent())
        found = self.one(name)
        if not form.is_valid():
            raise Invalid({field: [str(word) for word in words] for field, words in form.errors.items()})

        def do() -> Answer:
            try:
                hands.lay(self.hand, found, form.cleaned_data, self.asker.name, notices)
            except desk.DeskError as error:
                raise Conflict(str(error)) from error
            return Answer(data=self.show(self.one(name)))

        answer = once(request, do)
        return Response(answer.data, headers={REPLAYED: "true"} if answer.again else {})


HANDS: dict[str, type[Hand]] = {
    verb: type(
        f"Hand{verb.capitalize()}",
        (Hand,),
        {"hand": hand, "takes": {"lay": body_of(hand)}, "about": hand.label, "__doc__": hand.label},
    )
    for verb, hand in hands.HANDS.items()
}


class NoSuchHand(Nowhere):
    """A verb that there is not."""

    def nothing(self, _request: Request, **path: str) -> Response:
        raise NotFound(f"There is no {path['verb']!r}: what can be done is {', '.join(hands.HANDS)}.")


class NoticeData(Shown):
    """Who was told what, by which channel, and whether it arrived (`state`, `answer`)."""

    customer = serializers.CharField(source="customer.name", read_only=True, allow_null=True)
    inner: ClassVar[dict[str, Any]] = {"decided_by": "", "answer": ""}

    class Meta:
        model = Notice
        fields: tuple[str, ...] = (
            "id", "purpose", "moment", "channel", "recipient", "incident", "incident_name", "customer", "subject",
            "state", "decided_by", "attempts", "answer", "created_at", "tried_at", "sent_at",
        )  # fmt: skip


class NoticeText(NoticeData):
    """One notice with what it says."""

    class Meta(NoticeData.Meta):
        fields = (*NoticeData.Meta.fields, "body")


def _names(field: str) -> tuple[str, ...]:
    return tuple(name for name, _label in getattr(Notice, field).field.choices or ())


class Notices(Things):
    """What people were told."""

    queryset = Notice.objects.select_related("customer")
    in_list, alone = NoticeData, NoticeText
    filters: ClassVar[dict[str, Param]] = {
        "state": OneOf("state", choices=_names("state")),
        "purpose": OneOf("purpose", choices=_names("purpose")),
        "channel": Param("channel"),
        "incident": Param("incident_name", "The whole name of the incident."),
    }
    orderings = ("-created_at",)
    named = ""
    own = staticmethod(lambda customer: Q(customer=customer, purpose=Notice.CUSTOMER))
