"""Lists in pages. A cursor holds the place of the last row of a page, so that it stays true while rows come and go; it
is signed, so that it can't be made up."""

from typing import Any

from django.core import signing
from django.db.models import Q, QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from fleet.api.params import OneOf, Param, Whole


class Pages:
    page_size, max_page_size = 50, 200


class Cursor(Param):
    def read(self, text: str) -> str:
        return text[:2_000]

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


def params(orderings: tuple[str, ...]) -> dict[str, Param]:
    """What every list takes. The first ordering is the default; each goes both ways."""
    ways = tuple(dict.fromkeys(way for one in orderings for way in (one, one.lstrip("-"), f"-{one.lstrip('-')}")))
    return {
        "limit": Whole("", f"How many a page; {Pages.page_size} if not given.", False, 1, Pages.max_page_size),
        "cursor": Cursor("", "From the `next` of the page before."),
        "ordering": OneOf("", f"{orderings[0]} if not given; - is descending.", choices=ways),
    }


def page(found: QuerySet[Any], asked: dict[str, Any], default: str, request: Request) -> tuple[list[Any], str | None]:
    """The rows of this page, and the address of the next, if there is one."""
    order = asked["ordering"] or default
    limit = asked["limit"] or Pages.page_size
    name, below = order.lstrip("-"), order.startswith("-")
    signer = signing.Signer(salt=f"page of {request.path} by {order}")
    if asked["cursor"]:
        found = found.filter(_after(found, name, below, *_place(signer, asked["cursor"])))
    rows = list(found.order_by(order, "-pk" if below else "pk")[: limit + 1])
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    place = signer.sign_object([last._meta.get_field(name).value_to_string(last), str(last.pk)])
    return rows[:limit], replace_query_param(request.build_absolute_uri(), "cursor", place)


def _place(signer: signing.Signer, text: str) -> list[str]:
    try:
        return signer.unsign_object(text)
    except Exception as error:  # what was made up can fail in any way on its way to a wrong signature
        raise NotFound("There is no such page: begin with the first.") from error


def _after(found: QuerySet[Any], name: str, below: bool, value: str, pk: str) -> Q:
    """Beyond that row. The first condition is what an index helps with."""
    beyond, until = ("lt", "lte") if below else ("gt", "gte")
    last = found.model._meta.get_field(name).to_python(value)
    return Q(**{f"{name}__{until}": last}) & (Q(**{f"{name}__{beyond}": last}) | Q(**{f"pk__{beyond}": pk}))
