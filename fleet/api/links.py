"""Links to download logical backups, over the API: made by who may be shown secrets, since a backup holds them all."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api import fields
from fleet.api.moves import Backups
from fleet.api.problems import Conflict
from fleet.logical import links
from fleet.roles import SECRETS


class Link(fields.Body):
    """Nothing has to be said besides."""


class LinkData(serializers.Serializer[Any]):
    """Where the backup can be fetched, by whoever has the address, until it expires."""

    url = serializers.CharField()
    expires_at = serializers.DateTimeField()


class BackupLinks(Backups):
    """Links to download logical backups."""

    scopes: ClassVar[dict[str, str]] = {"link": SECRETS}
    takes: ClassVar[dict[str, Any]] = {"link": Link}
    gives: ClassVar[dict[str, dict[int, Any]]] = {"link": {200: LinkData}}

    def link(self, request: Request, name: str) -> Response:
        """A link to download a logical backup that is kept, good for ten minutes and for whoever has it. That it was
        made is in the backup's story."""
        self.sent()
        backup = self.one(name)
        until = datetime.now(UTC) + timedelta(seconds=links.GOOD_FOR_S)
        try:
            place = links.make(backup.name, self.asker)
        except links.NoLink as error:
            raise Conflict(f"{backup.name} is no logical backup that is kept.") from error
        shown = LinkData({"url": request.build_absolute_uri(place), "expires_at": until}).data
        return Response(shown, headers={"Cache-Control": "no-store"})
