"""A database's maintenance window, as a thing of its own below the database: the ETag of a database changes with all
that is felt of it, and that of its window only with the window."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Q
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import windows
from fleet.api import etags, fields
from fleet.api.base import Things
from fleet.api.problems import Conflict
from fleet.models import Resource
from fleet.roles import ASK
from fleet.states import DESTROYED, DESTROYING

FORM = rf"^(({'|'.join(windows.DAYS)}) ([01][0-9]|2[0-3]):[0-5][0-9])?$"


class WindowData(serializers.Serializer[Any]):
    """When planned work may happen: a weekday and a time in UTC, from which it is four hours long ("Tue 03:00"). Empty:
    at any time."""

    window = serializers.CharField()


class WindowChange(fields.Body):
    window = fields.Word(FORM, allow_blank=True, max_length=16)
    example: ClassVar[dict[str, Any]] = {"window": "Tue 03:00"}


class Windows(Things):
    """When planned work on a database may happen."""

    queryset = Resource.objects.only("name", "window", "state", "customer_id", "generation")
    alone = WindowData
    scopes: ClassVar[dict[str, str]] = {"change": ASK}
    takes: ClassVar[dict[str, Any]] = {"change": WindowChange}
    gives: ClassVar[dict[str, dict[int, Any]]] = {"change": {200: WindowData}}
    own = staticmethod(lambda customer: Q(customer=customer))

    def change(self, request: Request, name: str) -> Response:
        """Choose another one. Work that waits for a window already keeps the one that it was asked for."""
        chosen = self.sent()["window"]
        with transaction.atomic():
            held = self.found().select_for_update().get(pk=self.one(name).pk)
            etags.demand(request, self.show(held))
            if held.state in (DESTROYING, DESTROYED):
                raise Conflict(f"{held.name} is {held.look.label.lower()}: no work is planned on it any more.")
            windows.choose(held, chosen, self.asker.name)
        return etags.shown(request, self.show(held))
