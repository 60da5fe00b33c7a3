"""How things are shown. What is only the operators' business is shown to customers as if there were none of it, so
that everybody gets the same form."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from fleet import under_way
from fleet.logical import trials
from fleet.models import Customer, Event, Instance, Intent, Plan, Resource, Server
from fleet.models.credential import Credential

INTENTS = "/api/v1/intents"


class Shown(serializers.ModelSerializer[Any]):
    """A model, to be read. `inner` is what customers get instead of what isn't theirs to know."""

    inner: ClassVar[dict[str, Any]] = {}

    def to_representation(self, instance: Any) -> dict[str, Any]:
        found = super().to_representation(instance)
        return found | self.inner if self.context.get("customer") else found


class MemberData(Shown):
    """What everything on a ring has: its state and since when, when it was last looked at (`felt_at`) and with success
    (`seen_at`), the `row` of its table that won at its last beat, why, and what went wrong with the last action."""

    kind = serializers.CharField(source="KIND", read_only=True)

    class Meta:
        fields: tuple[str, ...] = (
            "id", "name", "kind", "state", "state_since", "created_at", "felt_at", "seen_at", "row", "why", "problem",
        )  # fmt: skip


class Depth(serializers.Serializer[Any]):
    """What there is besides of one thing: `attrs` what has no field yet, `facts` as they were last felt, as text, and
    the `evidence` of a doubt."""

    attrs = serializers.DictField(child=serializers.CharField(allow_null=True), read_only=True)
    facts = serializers.DictField(child=serializers.CharField(allow_null=True), read_only=True)
    evidence = serializers.DictField(read_only=True)


DEEP = ("attrs", "facts", "evidence")


class WorkData(serializers.Serializer[Any]):
    """What takes long and is under way on a host: `name` whose it is, `what` is done, sizes in bytes, `rate` in bytes a
    second, `left_s` the seconds that the rest should take, `since_s` the seconds so far; null where that is not known.
    `at` is the segment of WAL that is being replayed; `text` says all of it in words."""

    name = serializers.CharField()
    what = serializers.CharField()
    bytes = serializers.IntegerField(allow_null=True)
    of_bytes = serializers.IntegerField(allow_null=True)
    rate = serializers.FloatField(allow_null=True)
    left_s = serializers.FloatField(allow_null=True)
    since_s = serializers.FloatField(allow_null=True)
    at = serializers.CharField(allow_blank=True)
    text = serializers.CharField()


class Working(serializers.Serializer[Any]):
    """`progress` is what is under way for the thing, and how far."""

    progress = serializers.SerializerMethodField()

    @extend_schema_field(WorkData(many=True))
    def get_progress(self, member: Any) -> list[dict[str, Any]]:
        return [{"name": work.name} | work.far.told() for work in under_way.of(member)]


class ServerData(MemberData):
    """A machine. `address` is where herdsite reaches it, `pg` are the major versions of PostgreSQL on it, `capacity` is
    how many instances it takes."""

    pg = serializers.SerializerMethodField()

    class Meta(MemberData.Meta):
        model = Server
        fields = (*MemberData.Meta.fields, "provider", "zone", "address", "disk_mb", "capacity", "pg")

    def get_pg(self, server: Server) -> list[str]:
        return sorted(server.pg)


class ServerDepth(ServerData, Depth):
    """One machine, with all that was felt."""

    class Meta(ServerData.Meta):
        fields = (*ServerData.Meta.fields, *DEEP)


class InstanceData(MemberData):
    """One PostgreSQL on a server. `plan` is what it was sized for, `upstream` whom it streams from, `standby_for` the
    database whose leader it stands by for; one that is `outdated` led once and comes back only as a standby."""

    server = serializers.CharField(source="server.name", read_only=True)
    zone = serializers.CharField(source="server.zone", read_only=True)
    plan = serializers.CharField(source="plan_id", read_only=True)
    upstream = serializers.CharField(source="upstream_name", read_only=True, allow_null=True)
    standby_for = serializers.CharField(source="standby_for_name", read_only=True, allow_null=True)

    class Meta(MemberData.Meta):
        model = Instance
        fields = (
            *MemberData.Meta.fields, "server", "zone", "plan", "role", "major", "port", "upstream", "standby_for",
            "outdated", "generation",
        )  # fmt: skip


class InstanceDepth(InstanceData, Depth, Working):
    """One PostgreSQL, with all that was felt."""

    timeline = serializers.CharField(source="timeline.name", read_only=True)

    class Meta(InstanceData.Meta):
        fields = (*InstanceData.Meta.fields, "timeline", "progress", *DEEP)


class ResourceData(MemberData):
    """A database. `zone` is where it is, `wanted_zone` where it would like to be; `size_bytes` and `connections` are as
    they were last felt, null if not known; `max_connections` is the plan's. A follower `follows` another's leader and
    is read-only; `window` is when planned work may happen (UTC)."""

    customer = serializers.CharField(source="customer_name", read_only=True)
    customer_id = serializers.UUIDField(read_only=True)
    plan = serializers.CharField(source="plan_id", read_only=True)
    zone = serializers.CharField(source="actual_zone", read_only=True, allow_null=True)
    wanted_zone = serializers.CharField(source="zone", read_only=True)
    instance = serializers.CharField(source="instance_name", read_only=True, allow_null=True)
    server = serializers.CharField(source="server_name", read_only=True, allow_null=True)
    size_bytes = serializers.SerializerMethodField()
    connections = serializers.SerializerMethodField()
    max_connections = serializers.IntegerField(read_only=True)
    follows = serializers.CharField(source="follows_name", read_only=True, allow_null=True)
    forked_from = serializers.CharField(source="origin_name", read_only=True, allow_null=True)
    inner: ClassVar[dict[str, Any]] = {"instance": None, "server": None, "row": None, "why": "", "problem": ""}

    class Meta(MemberData.Meta):
        model = Resource
        fields = (
            *MemberData.Meta.fields, "customer", "customer_id", "plan", "zone", "wanted_zone", "major", "generation",
            "dbname", "instance", "server", "size_bytes", "connections", "max_connections", "follows", "forked_from",
            "window",
        )  # fmt: skip

    def get_size_bytes(self, resource: Resource) -> int | None:
        return _whole(resource.facts.get("db_size_bytes"))

    def get_connections(self, resource: Resource) -> int | None:
        return _whole(resource.facts.get("connections"))


class Proof(serializers.Serializer[Any]):
    """How a trial went: when, whether all was found, and what was not."""

    at = serializers.DateTimeField()
    good = serializers.BooleanField()
    why = serializers.CharField(allow_blank=True)


class Proven(serializers.Serializer[Any]):
    """The last trials of what its data would come back from."""

    restored = Proof(allow_null=True)
    loaded = Proof(allow_null=True)


class ResourceDepth(ResourceData, Depth, Working):
    """One database, with all that was felt. `proven` tells when it was last restored from its archive for a trial
    ("restored"), and when its newest logical backup was last loaded for one ("loaded"): null where neither was."""

    proven = serializers.SerializerMethodField()
    inner: ClassVar[dict[str, Any]] = {
        **ResourceData.inner, "attrs": {}, "facts": {}, "evidence": {}, "progress": [],
    }  # fmt: skip

    class Meta(ResourceData.Meta):
        fields = (*ResourceData.Meta.fields, "proven", "progress", *DEEP)

    @extend_schema_field(Proven)
    def get_proven(self, resource: Resource) -> dict[str, Any]:
        return {"restored": _proof(resource.drilled), "loaded": _proof(trials.last(resource))}


class CustomerData(Shown):
    class Meta:
        model = Customer
        fields = ("id", "name", "email", "created_at")


class PlanData(Shown):
    """What a resource may use and what is promised for it. Sizes in MB, times in seconds."""

    class Meta:
        model = Plan
        fields = (
            "name", "label", "tier", "memory_mb", "disk_mb", "connections", "rows", "beat_s", "doubt_s", "shared_by",
            "high_availability", "offered",
        )  # fmt: skip


class CredentialData(Shown):
    """Whose, and what for; never the secret. Exactly one of `resource` and `instance` is set."""

    resource = serializers.CharField(source="resource.name", read_only=True, allow_null=True)
    instance = serializers.CharField(source="instance.name", read_only=True, allow_null=True)

    class Meta:
        model = Credential
        fields = ("id", "purpose", "role", "resource", "instance", "created_at")


class IntentData(Shown):
    """What somebody asked for. It is `open` until a beat has done or refused it, or it was overtaken (cancelled);
    `answer` says what came of it."""

    params = serializers.SerializerMethodField()
    parent = serializers.UUIDField(source="parent_id", read_only=True, allow_null=True)
    url = serializers.SerializerMethodField()
    inner: ClassVar[dict[str, Any]] = {"actor": "", "parent": None}

    class Meta:
        model = Intent
        fields = (
            "id", "kind", "subject", "name", "verb", "params", "actor", "reason", "state", "answer", "asked_at",
            "answered_at", "parent", "url",
        )  # fmt: skip

    def get_params(self, intent: Intent) -> dict[str, Any]:
        """An address can be a secret by itself: of it only the place is shown."""
        url = intent.params.get("url")
        return intent.params | ({"url": f"{urlsplit(url).scheme}://{urlsplit(url).hostname}/…"} if url else {})

    def get_url(self, intent: Intent) -> str:
        return f"{INTENTS}/{intent.pk}"


class EventData(Shown):
    """What was done to a thing: by which row of its table, why, from what state to what, by whom."""

    inner: ClassVar[dict[str, Any]] = {"row": None, "why": "", "actor": ""}

    class Meta:
        model = Event
        fields: tuple[str, ...] = (
            "id", "at", "kind", "subject", "name", "verb", "row", "why", "source", "target", "actor", "generation",
        )  # fmt: skip


class EventDepth(EventData):
    """One Event with the `facts` that the row looked at, and the `evidence` of a doubt."""

    facts = serializers.DictField(read_only=True)
    evidence = serializers.DictField(read_only=True)
    inner: ClassVar[dict[str, Any]] = {**EventData.inner, "facts": {}, "evidence": {}}

    class Meta(EventData.Meta):
        fields = (*EventData.Meta.fields, "facts", "evidence")


class Secrets(serializers.Serializer[Any]):
    """How to log in to a database: `url` holds all the rest. It asks for encryption, and not who the server is; `node`
    is the same for node-postgres and what is built on it, which reads `sslmode` in its own way. By those in `verified`,
    one for each kind of client (libpq, node, sqlalchemy, jdbc, dotnet), the server has to prove who it is, once the
    client has `ca`, the herd's CA (PEM), in the file that they name."""

    url = serializers.CharField()
    node = serializers.CharField()
    host = serializers.CharField()
    port = serializers.IntegerField()
    dbname = serializers.CharField()
    user = serializers.CharField()
    password = serializers.CharField()
    ca = serializers.CharField(allow_blank=True)
    verified = serializers.DictField(child=serializers.CharField())


def _proof(said: Mapping[str, Any]) -> dict[str, Any] | None:
    return (
        {"at": said["at"], "good": said.get("good") is True, "why": said.get("why") or ""} if said.get("at") else None
    )


def _whole(text: str | None) -> int | None:
    return None if text is None else int(float(text))
