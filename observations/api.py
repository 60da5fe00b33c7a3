"""Observations over HTTP: what was felt of one thing, in pages or as one stream of lines (NDJSON)."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from django.core import signing
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q
from django.http import StreamingHttpResponse
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from fleet import names
from fleet.api import pages
from fleet.api.base import Api
from fleet.api.params import Moment, Param, Whole
from fleet.models import Resource
from observations import series
from observations.models import Observation

NDJSON = "application/x-ndjson"
AT_ONCE = 1_000
A_DAY_S = 86_400


class Lines(BaseRenderer):
    """One object a line. Errors are told as everywhere."""

    media_type, format, charset = NDJSON, "ndjson", "utf-8"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return JSONRenderer().render(data, accepted_media_type, renderer_context)


class Attributes(Param):
    """Names, separated by commas."""

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": 1_000}

    def read(self, text: str) -> list[str]:
        if len(text) > 1_000:
            raise ValueError("At most 1000 characters are allowed.")
        return [name.strip() for name in text.split(",") if name.strip()]


class ObservationData(serializers.Serializer[Any]):
    """One look: when, from where, how long it took, and what was felt, as text."""

    at = serializers.DateTimeField()
    vantage = serializers.CharField()
    took_ms = serializers.FloatField()
    attrs = serializers.DictField(child=serializers.CharField(allow_null=True))


class Observations(Api):
    """What was felt of one thing, oldest first."""

    renderer_classes = (JSONRenderer, Lines)
    gives: ClassVar[dict[str, dict[int, Any]]] = {
        "looks": {200: {"application/json": [ObservationData], NDJSON: ObservationData}}
    }
    own = staticmethod(lambda customer: Q(customer=customer))

    def params(self) -> dict[str, Param]:
        return {
            "subject": Param("", "The name of a server, instance or resource, or kind/name.", required=True),
            "since": Moment("", "From then on."),
            "until": Moment("", "Until just before then."),
            "step": Whole("", "Only the last look of every so many seconds.", least=1, most=A_DAY_S),
            "attributes": Attributes("", "Only these, separated by commas; all if not given."),
            "limit": Whole("", "How many a page; a stream has all.", least=1, most=pages.Pages.max_page_size),
            "cursor": pages.Cursor("", "From the `next` of the page before."),
        }

    def looks(self, request: Request) -> Any:
        """What was felt of one thing: a page of it, or all of it as lines for who accepts NDJSON."""
        asked = self.asked
        wanted = series.Range(self._subject(asked["subject"]), asked["since"], asked["until"], asked["step"])
        if request.accepted_renderer.format == "ndjson":
            found = series.looks(wanted).iterator(chunk_size=AT_ONCE)
            return StreamingHttpResponse(self._lines(found), content_type=NDJSON)
        signer = signing.Signer(salt=f"looks at {wanted.subject} by {wanted.step}")
        limit = asked["limit"] or pages.Pages.page_size
        rows = list(series.looks(wanted, _place(signer, asked["cursor"]))[: limit + 1])
        following = None
        if len(rows) > limit:
            last = rows[limit - 1]
            place = signer.sign_object([last.at.isoformat(), last.pk])
            following = replace_query_param(request.build_absolute_uri(), "cursor", place)
        return Response({"next": following, "results": [self._shown(row) for row in rows[:limit]]})

    def _subject(self, name: str) -> Any:
        """Whose looks are wanted. A customer's token finds only their own databases."""
        customer = self.asker.customer
        if customer:
            own = Resource.objects.filter(customer=customer, name=name.removeprefix("resource/")).first()
            if own is None:
                raise NotFound(f"There is no {name!r}.")
            return own.pk
        try:
            return names.find(name).pk
        except names.NotFound as error:
            raise NotFound(str(error)) from error

    def _shown(self, row: Observation) -> dict[str, Any]:
        attrs = series.narrowed(row.attrs, self.asked["attributes"] or ())
        return {"at": row.at, "vantage": row.vantage, "took_ms": row.took_ms, "attrs": attrs}

    def _lines(self, found: Iterator[Observation]) -> Iterator[bytes]:
        for row in found:
            yield json.dumps(self._shown(row), cls=DjangoJSONEncoder).encode() + b"\n"


def _place(signer: signing.Signer, cursor: str | None) -> tuple[datetime, int] | None:
    if not cursor:
        return None
    try:
        at, id = signer.unsign_object(cursor)
    except Exception as error:  # what was made up can fail in any way on its way to a wrong signature
        raise NotFound("There is no such page: begin with the first.") from error
    return datetime.fromisoformat(at), id
