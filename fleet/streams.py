"""What an instance is told to be: a leader that archives its timeline and waits for these standbys, or a standby that
streams from that leader. Derived from our own records whenever it is asked, so it converges whatever was cut off.

`wanted` is that in one word, cheap enough for every beat; an instance that was told another one is told again
(fleet/think/instance.py). `files` are the words for the host.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from fleet import archiving, certificates, sizes
from fleet.models import Credential, Instance, Resource
from fleet.postgres import replication
from fleet.postgres.config import RESERVE, SHOWN
from fleet.subject import Subject
from fleet.succession import capacity
from fleet.succession.seen import setting


def wanted(instance: Instance, quorum: Mapping[str, Any]) -> str:
    """A short name for what it is to be told; "" while it can't be known. Two that are equal are told the same.
    `quorum` is the record of the resource that it leads ({} when it leads none with high availability)."""
    upstream, timeline = instance.upstream, instance.timeline
    words = [instance.role, timeline.archive, timeline.place, timeline.writer, str(instance.generation)]
    words.append(certificates.word(instance))
    if instance.role == Instance.STANDBY:
        if upstream is None or not upstream.server.address:
            return ""
        words += [str(upstream.pk), upstream.server.address, str(upstream.port), str(certificates.proves(upstream))]
        words += [upstream.facts.get("capacity") or ""]
    else:
        words += [str(quorum.get("serial", 0)), str(archiving.is_ready(timeline)), *quorum.get("required", ())]
    return sha256("\0".join(words).encode()).hexdigest()[:16]


def quorum(instance: Instance) -> dict[str, Any]:
    """The record of whose word its commits wait for, as its resource has it."""
    mine = Resource.objects.filter(instance=instance, plan__high_availability=True).exclude(state="destroyed")
    return mine.values_list("quorum", flat=True).first() or {}


def conninfo(instance: Instance, folder: str = "") -> str:
    """How the standby reaches its upstream; its files lie beside its data, or in `folder`. ValueError when it has none
    that could be reached."""
    upstream = instance.upstream
    if upstream is None or not upstream.server.address:
        raise ValueError(f"{instance.name} has no upstream to stream from")
    return to(upstream, instance.slot, folder or instance.data)


def to(upstream: Instance, name: str, folder: str) -> str:
    """How whoever calls himself `name` reaches it as a replica; in `folder`, on his host, lie the password and CAs."""
    proves = certificates.proves(upstream)
    return replication.conninfo(upstream.server.address, upstream.port, name, folder, proves)


def files(instance: Instance, subject: Subject) -> dict[str, str]:
    """The files beside its data that say what it is, by name."""
    credentials = Credential.objects.filter(instance=instance, purpose=Credential.REPLICA)
    secret = credentials.values_list("secret", flat=True).first() or ""
    if instance.role == Instance.STANDBY:
        settings, more = fetched(instance, subject)
        settings = replication.standby(conninfo(instance), instance.slot, settings) | followed(instance)
    else:
        record = quorum(instance)
        settings, more = leading(instance, subject, record.get("required", ()), record.get("serial", 0))
        settings |= promised(instance)
    shown = certificates.files(instance)
    settings = {**settings, **(SHOWN if shown else {}), "herdsite.generation": str(instance.generation)}
    return replication.files(settings, secret, {**more, **shown})


def followed(instance: Instance) -> dict[str, str]:
    """What a standby has to have as much of as its leader says that it has itself, or it would stop replaying."""
    has = capacity.read(instance.upstream.facts.get("capacity")) if instance.upstream else {}
    if "max_connections" in has:
        # It may be made to lead a bigger plan than its leader's.
        has["max_connections"] = max(has["max_connections"], sizes.sizing(instance).connections + RESERVE)
    return {name: str(value) for name, value in has.items()}


def promised(instance: Instance) -> dict[str, str]:
    """Of one that was made for a smaller plan than that of the database that it leads by now: its connections."""
    mine = Resource.objects.filter(instance=instance).exclude(state="destroyed").select_related("plan")
    most = max((sizes.connections(one.plan) for one in mine), default=0)
    return {"max_connections": str(most + RESERVE)} if most > sizes.connections(instance.plan) else {}


def leading(
    instance: Instance, subject: Subject, required: Any, serial: int
) -> tuple[dict[str, str], Mapping[str, str]]:
    """Settings and files of one that leads: whose word it waits for, and where its WAL goes, once there is a place for
    it: PostgreSQL keeps it until then, and would rest for a minute after the first failures."""
    timeline = instance.timeline
    settings = replication.leader(setting(required)) | {"herdsite.serial": str(serial)}
    if not archiving.is_ready(timeline):
        return settings, {}
    before = [archiving.line(one) for one in archiving.ancestry(timeline)[1:] if one.archive == timeline.archive]
    writing = archiving.archive(timeline.archive).writing(archiving.line(timeline), subject, before)
    return settings | dict(writing.settings), writing.files


def fetched(instance: Instance, subject: Subject) -> tuple[dict[str, str], Mapping[str, str]]:
    """Settings and files by which it gets WAL from the archive: its timeline's, and what came before."""
    timeline = instance.timeline
    lines = [archiving.line(one) for one in archiving.ancestry(timeline) if one.archive == timeline.archive]
    if not lines:
        return {}, {}
    fetching = archiving.archive(timeline.archive).fetching(lines, subject)
    return dict(fetching.settings), fetching.files
