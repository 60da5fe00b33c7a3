"""A live herd whose host is lost for good: a database without a standby comes back on another one, of its archive."""

import psycopg
import pytest

from fleet import context, subjects
from fleet.models import Backup, Changeover, Resource
from fleet.postgres import control
from herdsite import wiring
from incidents.models import Incident, Page
from tests.herd import again
from tests.liveherd import Herd, available, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(420)]
ROWS = 100


def customer(resource: Resource) -> psycopg.Connection:
    """A connection by the customer's own way."""
    target = context.database_of(Resource.objects.select_related("instance__server", "address").get(pk=resource.pk))
    assert target
    return psycopg.connect(
        host=target.address, port=target.port, dbname=target.dbname, user=target.user, password=target.password,
        sslmode="require", connect_timeout=10, autocommit=True,
    )  # fmt: skip


def archive(resource: Resource) -> None:
    """All that it has written is in its archive."""
    instance = resource.instance
    assert instance
    subject = subjects.instance_subject(instance, instance.created_at)
    shell = wiring.ports().shell(instance.server.host())
    name = control.run_sql(shell, subject, "SELECT pg_walfile_name(pg_switch_wal() - 1);\n").strip()
    until(lambda: (again(instance).facts.get("last_archived_wal") or "") >= name, f"{name} is archived")


def test_a_host_that_is_lost_for_good_costs_nothing_that_was_archived(herd: Herd):
    """Only real PostgreSQL replays a real archive on another host, up to a row that was written last."""
    shop, other = herd.grow(servers=3, production=2, starters=0)
    with customer(shop) as session:
        session.execute("CREATE TABLE orders (n int PRIMARY KEY)")
    kept = Backup.objects.filter(timeline=shop.instance.timeline_id, state="kept")
    until(kept.exists, "a base backup", 120)
    with customer(shop) as session:
        session.execute(f"INSERT INTO orders SELECT generate_series(1, {ROWS})")
        archive(shop)
        session.execute(f"INSERT INTO orders VALUES ({ROWS + 1})")
    lost = shop.instance
    herd.provider.destroy(lost.server.name)
    until(lambda: again(shop).instance_id != lost.pk, "another leads", 180)
    until(lambda: available(Resource, [shop, other]), "its customer is served", 60)
    with customer(shop) as session:
        rows = [n for (n,) in session.execute("SELECT n FROM orders ORDER BY n")]
        assert rows in (list(range(1, ROWS + 1)), list(range(1, ROWS + 2)))
        session.execute("INSERT INTO orders VALUES (0)")
    moved = Changeover.objects.get(resource=shop)
    until(lambda: again(moved).state == "done", "the changeover is done", 60)
    said = again(moved)
    assert said.proof["rung"] == 2 and "absent" in said.proof["text"]
    assert said.marks["recovered"] and said.receipt["last_seen_lsn"] and said.receipt["promoted_lsn"]
    incident = Incident.objects.get(subject=lost.server_id, type__in=("server_down", "server_unreachable"), cause=None)
    until(lambda: not again(incident).is_open, "its incident is resolved", 120)
    notes = incident.journal.filter(resolver="replay_from_archive", step="lead").values_list("note", flat=True)
    assert any("recovered up to" in note and "was last seen at" in note for note in notes), list(notes)
    assert not Page.objects.exists()
