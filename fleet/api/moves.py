"""What there is of a database besides itself: the lines of its history, its backups, its address, how its leadership
moved, and its followers and forks."""

from typing import Any, ClassVar

from django.db.models import F, Q
from rest_framework import serializers

from fleet.api.asking import Asking, ask_body
from fleet.api.base import Things
from fleet.api.params import OneOf, Param, Search, state
from fleet.api.shapes import MemberData, Working
from fleet.api.things import LEFT_OUT, Resources
from fleet.models import Address, Backup, Changeover, Timeline


class TimelineData(MemberData):
    """One line of WAL history with its archive. A fork and every promotion begin a new one, whose `parent` and fork
    point are kept."""

    resource = serializers.CharField(source="resource_name", read_only=True, allow_null=True)
    plan = serializers.CharField(source="plan_id", read_only=True, allow_null=True)
    parent = serializers.CharField(source="parent_name", read_only=True, allow_null=True)
    inner: ClassVar[dict[str, Any]] = {"row": None, "why": "", "problem": "", "archive": ""}

    class Meta(MemberData.Meta):
        model = Timeline
        fields = (
            *MemberData.Meta.fields, "resource", "plan", "major", "archive", "timeline_id", "system_identifier",
            "parent", "forked_lsn", "forked_at", "closed_at", "keep_until",
        )  # fmt: skip


class BackupData(MemberData, Working):
    """A copy of a database's data at one moment. Only one that is `kept` is good."""

    resource = serializers.CharField(source="resource_name", read_only=True, allow_null=True)
    timeline = serializers.CharField(source="timeline_name", read_only=True, allow_null=True)
    inner: ClassVar[dict[str, Any]] = {"row": None, "why": "", "problem": "", "timeline": None, "label": ""}

    class Meta(MemberData.Meta):
        model = Backup
        fields = (
            *MemberData.Meta.fields, "method", "resource", "timeline", "label", "bytes", "began_at", "ended_at",
            "first_wal", "last_wal", "keep_until", "progress",
        )  # fmt: skip


class ChangeoverData(MemberData):
    """Leadership of a database moving from one instance to another: `proof` says why the old leader can't acknowledge a
    write any more, `receipt` what was lost or could have been, `marks` when each step was reached."""

    resource = serializers.CharField(source="resource_name", read_only=True)
    source = serializers.CharField(source="source_name", read_only=True, allow_null=True)
    target = serializers.CharField(source="target_name", read_only=True, allow_null=True)
    plan = serializers.CharField(source="plan_id", read_only=True, allow_null=True)
    proof = serializers.DictField(read_only=True)
    receipt = serializers.DictField(read_only=True)
    marks = serializers.DictField(read_only=True)
    inner: ClassVar[dict[str, Any]] = {
        "row": None, "why": "", "problem": "", "source": None, "target": None, "actor": "", "wanted": "", "proof": {},
        "receipt": {}, "marks": {},
    }  # fmt: skip

    class Meta(MemberData.Meta):
        model = Changeover
        fields = (
            *MemberData.Meta.fields, "resource", "reason", "source", "target", "wanted", "plan", "generation", "actor",
            "asked_why", "force", "accept_loss", "not_before", "finished_at", "proof", "receipt", "marks",
        )  # fmt: skip


class AddressData(MemberData):
    """A stable endpoint that follows its database's leader; `target` is the machine that it leads to."""

    resource = serializers.CharField(source="resource_name", read_only=True)
    inner: ClassVar[dict[str, Any]] = {"row": None, "why": "", "problem": "", "target": "", "provider": ""}

    class Meta(MemberData.Meta):
        model = Address
        fields = (*MemberData.Meta.fields, "resource", "provider", "endpoint", "port", "target")


def _filters(kind: str, **more: Param) -> dict[str, Param]:
    search = Search("name|resource__name", "Part of its name or its database's.")
    return {"q": search, "state": state(kind), "resource": Param("resource__name"), **more}


NEWEST = ("-created_at", "name", "state_since")


class Timelines(Asking):
    """Lines of WAL history."""

    queryset = Timeline.objects.annotate(resource_name=F("resource__name"), parent_name=F("parent__name")).defer(
        *LEFT_OUT
    )
    in_list = alone = TimelineData
    filters = _filters("timeline")
    orderings = NEWEST
    takes: ClassVar[dict[str, Any]] = {"ask": ask_body("timeline")}
    own = staticmethod(lambda customer: Q(resource__customer=customer))


class Backups(Things):
    """Copies of databases."""

    queryset = Backup.objects.annotate(resource_name=F("resource__name"), timeline_name=F("timeline__name")).defer(
        *LEFT_OUT
    )
    in_list = alone = BackupData
    filters = _filters(
        "backup", timeline=Param("timeline__name"), method=OneOf("method", choices=(Backup.BASE, Backup.LOGICAL))
    )
    orderings = NEWEST
    own = staticmethod(lambda customer: Q(resource__customer=customer))


class Changeovers(Asking):
    """How leadership moved, or moves."""

    queryset = Changeover.objects.annotate(
        resource_name=F("resource__name"), source_name=F("source__name"), target_name=F("target__name")
    ).defer(*LEFT_OUT)
    in_list = alone = ChangeoverData
    filters = _filters("changeover", reason=OneOf("reason", choices=Changeover.REASONS))
    orderings = NEWEST
    takes: ClassVar[dict[str, Any]] = {"ask": ask_body("changeover")}
    own = staticmethod(lambda customer: Q(resource__customer=customer))


class Addresses(Asking):
    """Endpoints that stay while what is behind them moves."""

    queryset = Address.objects.annotate(resource_name=F("resource__name")).defer(*LEFT_OUT)
    in_list = alone = AddressData
    filters = _filters("address")
    orderings = NEWEST
    takes: ClassVar[dict[str, Any]] = {"ask": ask_body("address")}
    own = staticmethod(lambda customer: Q(resource__customer=customer))


class Followers(Resources):
    """Databases that follow another, read-only."""

    queryset = Resources.queryset.filter(follows__isnull=False)
    filters: ClassVar[dict[str, Param]] = {**Resources.filters, "of": Param("follows__name", "The name of the leader.")}


class Forks(Resources):
    """Databases that were made from another."""

    queryset = Resources.queryset.filter(forked_from__isnull=False)
    filters: ClassVar[dict[str, Param]] = {**Resources.filters, "of": Param("forked_from__name", "Made from that one.")}
