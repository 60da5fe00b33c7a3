"""What is left of a leader in tests: an archive with a base backup, and what was seen of it before it was lost."""

from datetime import UTC, datetime, timedelta

from fleet.models import Backup, Instance, Resource
from fleet.states import KEPT
from observations import record, retention
from tests.herd import again, change

NOW = datetime.now(UTC).replace(microsecond=0)
SEEN: dict[str, str | None] = {
    "lsn": "0/5000100", "last_archived_wal": f"{1:08X}{0:08X}{4:08X}", "archiver_failing": "false",
}  # fmt: skip


def archived(resource: Resource) -> Resource:
    """It archived since yesterday, with a base backup an hour ago, and was last seen now."""
    leader = resource.instance
    assert leader is not None
    change(
        leader.timeline, archive="directory", place=leader.timeline.name, resource=resource, writer=str(leader.pk),
        plan=resource.plan, created_at=NOW - timedelta(days=1), felt_at=NOW, facts={"archive_last_age_s": "5"},
    )  # fmt: skip
    wal = f"{1:08X}{0:08X}{2:08X}"
    Backup.objects.create(
        name=f"{resource.name}-base", label="base", state=KEPT, timeline=leader.timeline,
        ended_at=NOW - timedelta(hours=1), first_wal=wal, last_wal=wal,
    )  # fmt: skip
    change(leader, seen_at=NOW)
    seen(leader, SEEN)
    return again(resource)


def seen(leader: Instance, attrs: dict[str, str | None], at: datetime = NOW) -> None:
    """A look at it."""
    retention.keep()
    record.write([record.Look(leader.KIND, leader.pk, at, 1.0, True, attrs, {})], "here/1")
