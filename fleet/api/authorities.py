"""The CAs by which the herd's servers prove who they are."""

from typing import Any, ClassVar

from django.db.models import Q
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import certificates
from fleet.api.base import Api


class Roots(serializers.Serializer[Any]):
    """`certificate` is PEM, of all that are trusted while they change; empty before the herd has its first database."""

    certificate = serializers.CharField(allow_blank=True)


class Authorities(Api):
    """Clients keep them in a file and connect with `sslmode=verify-full`."""

    scopes: ClassVar[dict[str, str]] = {"ca": ""}
    own = staticmethod(lambda _customer: Q())
    gives: ClassVar[dict[str, dict[int, Any]]] = {"ca": {200: Roots}}

    def ca(self, _request: Request) -> Response:
        """The CAs that are trusted now. The same is at `/ca.pem`, without a login."""
        return Response(Roots({"certificate": certificates.roots()}).data)
