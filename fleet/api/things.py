"""Servers, instances and resources."""

from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import intents
from fleet.api import fields, shapes
from fleet.api.asking import Asking, ask_body
from fleet.api.params import OneOf, Param, Search, Whole, state
from fleet.filters import SEARCHED, ZONES
from fleet.models import Customer, Instance, Resource, Server
from fleet.verbs.parameters import NAME, ZONE

# Of no use to people, and much to read for a long list; the second of what is looked at while it is acted on.
LEFT_OUT = ("probed", "watch", "lease", "leased_until")
ALL_LEFT_OUT = (*LEFT_OUT, "acting", "acting_until")


def _filters(kind: str, **more: Param) -> dict[str, Param]:
    search = Search("|".join(SEARCHED[kind]), "Part of one of its names.")
    return {"q": search, "state": state(kind), "zone": Param(ZONES[kind]), **more}


class NewServer(fields.Body):
    """A server to be made by its provider, or to be adopted where that has it already."""

    name = fields.Word(NAME, max_length=63)
    provider = fields.Known(choices=list(settings.PROVIDERS), required=False)
    zone = fields.Word(ZONE, max_length=32, required=False)
    disk_mb = fields.Number(min_value=1_024, required=False)
    capacity = fields.Number(max_value=500, required=False)
    reason = fields.Text(required=False, allow_blank=True)
    example: ClassVar[dict[str, Any]] = {"name": "host-9", "zone": "b", "capacity": 8}


class Servers(Asking):
    """Machines."""

    queryset = Server.objects.defer(*ALL_LEFT_OUT, "host_key")
    in_list, alone = shapes.ServerData, shapes.ServerDepth
    filters = _filters("server", provider=Param("provider"))
    takes: ClassVar[dict[str, Any]] = {"create": NewServer, "ask": ask_body("server")}

    def create(self, request: Request) -> Response:
        """Ask for a server."""
        sent = self.sent()
        return self.answer(request, lambda: intents.create_server(actor=self.asker, **sent))


class Instances(Asking):
    """PostgreSQL servers, each on one machine."""

    queryset = (
        Instance.objects.select_related("server", "timeline")
        .annotate(upstream_name=F("upstream__name"), standby_for_name=F("standby_for__name"))
        .defer(*ALL_LEFT_OUT)
    )
    in_list, alone = shapes.InstanceData, shapes.InstanceDepth
    filters = _filters(
        "instance",
        server=Param("server__name"),
        plan=Param("plan"),
        role=OneOf("role", choices=(Instance.LEADER, Instance.STANDBY)),
        major=Whole("major", most=99),
    )
    takes: ClassVar[dict[str, Any]] = {"ask": ask_body("instance")}
    links: ClassVar[dict[str, dict[str, tuple[str, str]]]] = Asking.links | {
        "retrieve": {"server": ("servers_retrieve", "server"), "timeline": ("timelines_retrieve", "timeline")}
    }


class NewResource(fields.Body):
    """A database to be made. Without a name one is drawn; a customer's token needs not say whose it is to be."""

    customer = fields.Text(max_length=120, required=False)
    plan = fields.Text(max_length=40)
    name = fields.Word(NAME, max_length=63, required=False)
    zone = fields.Word(r"^[A-Za-z0-9_-]*$", max_length=32, required=False, allow_blank=True)
    major = fields.Number(max_value=99, required=False)
    reason = fields.Text(required=False, allow_blank=True)
    example: ClassVar[dict[str, Any]] = {"customer": "acme", "plan": "standard-0", "name": "acme-orders"}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs["customer"] = _customer(attrs.get("customer", ""), self.context["customer"])
        return attrs


class Resources(Asking):
    """Databases, as their customers see them."""

    # What is shown of its neighbours comes with its own row: whole ones of them cost more than all the rest.
    queryset = Resource.objects.annotate(
        customer_name=F("customer__name"),
        actual_zone=F("instance__server__zone"),
        instance_name=F("instance__name"),
        server_name=F("instance__server__name"),
        max_connections=F("plan__connections"),
        follows_name=F("follows__name"),
        origin_name=F("forked_from__name"),
    ).defer(*ALL_LEFT_OUT)
    deep = ("attrs", "evidence")
    in_list, alone = shapes.ResourceData, shapes.ResourceDepth
    filters = _filters(
        "resource",
        plan=Param("plan"),
        customer=Param("customer__name"),
        instance=Param("instance__name"),
        server=Param("instance__server__name"),
        major=Whole("major", most=99),
    )
    takes: ClassVar[dict[str, Any]] = {"create": NewResource, "ask": ask_body("resource")}
    links: ClassVar[dict[str, dict[str, tuple[str, str]]]] = Asking.links | {
        "retrieve": {"instance": ("instances_retrieve", "instance"), "server": ("servers_retrieve", "server")}
    }
    own = staticmethod(lambda customer: Q(customer=customer))

    def create(self, request: Request) -> Response:
        """Ask for a database."""
        sent = self.sent()
        return self.answer(request, lambda: intents.create_resource(actor=self.asker, **sent))


def _customer(who: str, own: Customer | None) -> Customer:
    """Whose it is to be, by name or id. A customer's token knows no other customer."""
    known = Customer.objects.filter(pk=own.pk) if own else Customer.objects.all()
    if own and not who:
        return own
    try:
        found = known.filter(pk=UUID(who)).first()
    except ValueError:
        found = known.filter(name=who).first()
    if found is None:
        raise serializers.ValidationError(
            {"customer": [f"There is no customer {who!r}." if who else "This field is required."]}
        )
    return found
