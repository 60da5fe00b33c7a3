"""What is kept about the herd and is on no ring: customers, plans, intents and events."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import withdrawals
from fleet.api import etags, fields, shapes
from fleet.api.asking import ended
from fleet.api.base import Things
from fleet.api.once import REPLAYED, Answer, once
from fleet.api.params import WAIT, Moment, OneOf, Param, Search, YesNo
from fleet.api.problems import Conflict, Invalid
from fleet.askers import Forbidden
from fleet.choices import AskError
from fleet.models import Customer, Event, Intent, Plan, Resource
from fleet.models.member import KINDS
from fleet.plans import PRODUCTION, STARTER
from fleet.roles import ASK, MANAGE


def of_customer(customer: Customer) -> Q:
    """Rows about a customer's databases, of tables that refer to their subject by kind and id."""
    return Q(kind=Resource.KIND, subject__in=Resource.objects.filter(customer=customer).values("pk"))


class Editable(Things):
    """Records that may be changed: by who has read what is there now (If-Match)."""

    takes: ClassVar[dict[str, Any]]
    scopes: ClassVar[dict[str, str]] = {"create": MANAGE, "change": MANAGE}

    def change(self, request: Request, name: str) -> Response:
        """Change some of it; what is not sent stays."""
        sent = self.sent()
        with transaction.atomic():
            held = type(self).queryset.model.objects.select_for_update().get(pk=self.one(name).pk)
            etags.demand(request, self.show(held))
            for field, value in sent.items():
                setattr(held, field, value)
            self._save(held)
        return etags.shown(request, self.show(held))

    def _save(self, record: Any) -> None:
        try:
            record.full_clean()
            with transaction.atomic():
                record.save()
        except ValidationError as error:
            raise Invalid({_field(name): words for name, words in error.message_dict.items()}) from error
        except IntegrityError as error:
            raise Conflict("An object of that name was created just now.") from error


def _field(name: str) -> str:
    return "body" if name == "__all__" else name


class CustomerBody(fields.Body):
    name = fields.Word(r"\S", max_length=120)
    email = fields.Text(max_length=254, required=False, allow_blank=True)
    example: ClassVar[dict[str, Any]] = {"name": "acme", "email": "dba@acme.example"}


class CustomerChange(CustomerBody):
    name = fields.Word(r"\S", max_length=120, required=False)
    example: ClassVar[dict[str, Any]] = {"email": "database@acme.example"}


class Customers(Editable):
    """Whoever owns resources and hears about them."""

    queryset = Customer.objects.all()
    in_list = alone = shapes.CustomerData
    filters: ClassVar[dict[str, Param]] = {"q": Search("name|email", "Part of its name or its mail address.")}
    orderings = ("name", "created_at")
    takes: ClassVar[dict[str, Any]] = {"create": CustomerBody, "change": CustomerChange}
    gives: ClassVar[dict[str, dict[int, Any]]] = {
        "create": {201: shapes.CustomerData},
        "change": {200: shapes.CustomerData},
    }
    links: ClassVar[dict[str, dict[str, tuple[str, str]]]] = {"create": {"customer": ("customers_retrieve", "id")}}
    own = staticmethod(lambda customer: Q(pk=customer.pk))

    def create(self, request: Request) -> Response:
        """Add a customer."""
        sent = self.sent()

        def do() -> Answer:
            made = Customer(**sent)
            self._save(made)
            made.refresh_from_db()
            return Answer(data=self.show(made), status=201)

        answer = once(request, do)
        again = {REPLAYED: "true"} if answer.again else {}
        return Response(answer.data, status=answer.status, headers={"ETag": etags.tag(answer.data), **again})


class PlanChange(fields.Body):
    label = fields.Word(r"\S", max_length=80, required=False)
    memory_mb = fields.Number(min_value=64, required=False)
    disk_mb = fields.Number(min_value=64, required=False)
    connections = fields.Number(required=False)
    rows = fields.Number(min_value=0, max_value=2**53, required=False, allow_null=True)
    beat_s = fields.Real(min_value=0.1, max_value=60, required=False)
    doubt_s = fields.Real(min_value=0.1, max_value=3_600, required=False)
    shared_by = fields.Number(required=False)
    offered = fields.Flag(required=False)
    example: ClassVar[dict[str, Any]] = {"connections": 200, "offered": True}


class Plans(Editable):
    """What is promised for a resource. A customer's token sees those on offer."""

    queryset = Plan.objects.all()
    in_list = alone = shapes.PlanData
    filters: ClassVar[dict[str, Param]] = {
        "q": Search("name|label", "Part of its name or label."),
        "tier": OneOf("tier", choices=(STARTER, PRODUCTION)),
        "offered": YesNo("offered"),
    }
    orderings = ("name",)
    takes: ClassVar[dict[str, Any]] = {"change": PlanChange}
    gives: ClassVar[dict[str, dict[int, Any]]] = {"change": {200: shapes.PlanData}}
    own = staticmethod(lambda _customer: Q(offered=True))


class Cancel(fields.Body):
    """`reason` is kept with the thing's events."""

    reason = fields.Text(required=False, allow_blank=True)
    example: ClassVar[dict[str, Any]] = {"reason": "asked of the wrong database"}


class Intents(Things):
    """What was asked for, and what came of it."""

    scopes: ClassVar[dict[str, str]] = {"cancel": ASK}
    takes: ClassVar[dict[str, Any]] = {"cancel": Cancel}
    gives: ClassVar[dict[str, dict[int, Any]]] = {"cancel": {200: shapes.IntentData}}

    queryset = Intent.objects.all()
    in_list = alone = shapes.IntentData
    filters: ClassVar[dict[str, Param]] = {
        "state": OneOf("state", choices=(Intent.OPEN, Intent.DONE, Intent.REFUSED, Intent.CANCELLED)),
        "kind": OneOf("kind", choices=tuple(KINDS)),
        "name": Param("name"),
        "verb": Param("verb"),
        "actor": Param("actor"),
    }
    orderings = ("-asked_at",)
    named = ""
    own = staticmethod(of_customer)

    def params(self) -> dict[str, Param]:
        return {"wait": WAIT} if self.action == "retrieve" else super().params()

    def retrieve(self, request: Request, **path: str) -> Response:
        """One Intent; with `wait`, as it ended if it ends in time."""
        return etags.shown(request, self.show(ended(self.one(**path), self.asked["wait"])))

    def cancel(self, request: Request, name: str) -> Response:
        """Take it back: refused, with the reason, where it has begun what can't be taken back."""
        intent, sent = self.one(name), self.sent()

        def do() -> Answer:
            try:
                return Answer(withdrawals.cancel(intent, self.asker, **sent))
            except Forbidden as error:
                raise PermissionDenied(str(error)) from error
            except AskError as error:
                raise Conflict(str(error)) from error

        answer = once(request, do)
        again = {REPLAYED: "true"} if answer.again else {}
        return Response(self.show(answer.intent), headers=again)


class Events(Things):
    """The story of the herd, append-only."""

    queryset = Event.objects.all()
    in_list, alone = shapes.EventData, shapes.EventDepth
    filters: ClassVar[dict[str, Param]] = {
        "kind": OneOf("kind", choices=tuple(KINDS)),
        "name": Param("name"),
        "verb": Param("verb"),
        "actor": Param("actor"),
        "since": Moment("at__gte"),
        "until": Moment("at__lt"),
    }
    orderings = ("-at",)
    own = staticmethod(of_customer)

    def one(self, name: str) -> Any:
        return self.numbered(name)
