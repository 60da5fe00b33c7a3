"""Credentials: whose and what for, and the one way to be shown a secret, which is written into the story."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Q
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import certificates, connecting, context
from fleet.api import fields, shapes
from fleet.api.base import Things
from fleet.api.params import OneOf, Param
from fleet.api.problems import Conflict
from fleet.lifecycle import Because, story
from fleet.models import Credential
from fleet.roles import SECRETS


class Reveal(fields.Body):
    """`reason` is kept with the database's story."""

    reason = fields.Word(r"\S", max_length=fields.LONGEST_TEXT)
    example: ClassVar[dict[str, Any]] = {"reason": "the application moves to another host"}


class Credentials(Things):
    """Who can log in to what. Lists and details never hold a secret."""

    queryset = Credential.objects.select_related("resource", "instance").defer("secret")
    in_list = alone = shapes.CredentialData
    filters: ClassVar[dict[str, Param]] = {
        "resource": Param("resource__name"),
        "instance": Param("instance__name"),
        "purpose": OneOf("purpose", choices=(Credential.OWNER, Credential.MONITOR)),
    }
    orderings = ("-created_at",)
    scopes: ClassVar[dict[str, str]] = {"reveal": SECRETS}
    takes: ClassVar[dict[str, Any]] = {"reveal": Reveal}
    gives: ClassVar[dict[str, dict[int, Any]]] = {"reveal": {200: shapes.Secrets}}
    own = staticmethod(lambda customer: Q(resource__customer=customer, purpose=Credential.OWNER))

    def one(self, name: str) -> Any:
        return self.numbered(name)

    def reveal(self, _request: Request, name: str) -> Response:
        """Be shown how to log in to a database. Who was shown it, and why, is in the database's story."""
        reason = self.sent()["reason"]
        with transaction.atomic():
            resource = self.one(name).resource
            target = context.database_of(resource) if resource else None
            if target is None:
                raise Conflict("The credential can be shown once the database has an instance.")
            story(resource, "revealed its credential", Because(None, reason, self.asker.name))
        shown = {
            "url": connecting.url(target),
            "node": connecting.node(target),
            "host": target.address,
            "port": target.port,
            "dbname": target.dbname,
            "user": target.user,
            "password": target.password,
            "ca": certificates.roots(),
            "verified": connecting.strings(target),
        }
        return Response(shown, headers={"Cache-Control": "no-store"})
