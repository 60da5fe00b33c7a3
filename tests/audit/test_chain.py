"""The audit record against somebody who has the database's password: what was written stays, or it shows."""

import re
import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, InternalError, ProgrammingError, connection, transaction

from fleet.audit import chain, record
from fleet.audit.acting import Acting, in_name_of
from fleet.audit.models import Entry, Link

pytestmark = pytest.mark.django_db
RIGHTS = "GRANT ALL ON audit_entry, audit_link TO CURRENT_USER"  # an owner can always give them back to itself
ADA = Acting(lambda: "ada", "192.0.2.1", "portal", "r-1")


def sql(text: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text, values)


def link() -> None:
    """As a commit does, in a test that commits nothing."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("SET CONSTRAINTS ALL DEFERRED")


@pytest.fixture
def written():
    """Three entries, linked."""
    with in_name_of(ADA):
        for n in range(3):
            record.write(
                "changed", kind="resource", subject=f"s-{n}", name=f"shop-{n}", before={"n": n}, after={"n": "ü"}
            )
            link()
    return list(Entry.objects.order_by("-id")[:3])[::-1]


@pytest.fixture
def off():
    """The triggers switched off, as somebody could who owns the table; the test's rollback switches them on."""

    def switch():
        sql(RIGHTS)
        for name, (table, *_rest) in chain.TRIGGERS.items():
            sql(f"ALTER TABLE {table} DISABLE TRIGGER {name}")

    return switch


@pytest.mark.parametrize("given_back", [False, True])
@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE audit_entry SET actor = 'eve'",
        "UPDATE audit_entry SET at = at - interval '1 day' WHERE id = (SELECT max(id) FROM audit_entry)",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "TRUNCATE audit_entry, audit_link",
        "UPDATE audit_link SET digest = ''",
        "DELETE FROM audit_link",
        "TRUNCATE audit_link",
        "INSERT INTO audit_entry SELECT * FROM audit_entry ON CONFLICT (id) DO UPDATE SET actor = 'eve'",
        "MERGE INTO audit_entry e USING audit_link l ON l.entry = e.id WHEN MATCHED THEN DELETE",
        "SET LOCAL session_replication_role = replica; DELETE FROM audit_entry",
    ],
)
def test_nothing_that_was_written_changes(written, attack, given_back):
    """Without the privilege, and with it, by the triggers."""
    if given_back:
        sql(RIGHTS)
    by = "append-only|permission denied to set parameter" if given_back else "permission denied"
    with pytest.raises((InternalError, ProgrammingError), match=by), transaction.atomic():
        sql(attack)
    assert Entry.objects.filter(pk__in=[entry.pk for entry in written], actor="ada").count() == 3


def test_a_role_that_is_no_superuser_has_not_even_the_privilege(written):
    """As in a production database, where the application owns its tables and is nothing more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT bool_or(acl.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE')) FROM pg_class, "
            "aclexplode(relacl) acl WHERE relname IN ('audit_entry', 'audit_link')"
        )
        assert cursor.fetchone() == (False,)


def test_an_untouched_record_is_whole(written):
    verdict = chain.verify()
    assert verdict.is_whole and verdict.count == Link.objects.count() >= 3
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert out.getvalue().endswith(f"{verdict.count}:{verdict.head}\n")
    call_command("verify_audit", expect=(verdict.count, verdict.head), stdout=out)


@pytest.mark.parametrize(
    ("tampering", "shows"),
    [
        ("UPDATE audit_entry SET actor = 'eve' WHERE id = %s", "is not what was written"),
        ("UPDATE audit_entry SET at = at + interval '1 microsecond' WHERE id = %s", "is not what was written"),
        ("UPDATE audit_entry SET before = NULL WHERE id = %s", "is not what was written"),
        ("DELETE FROM audit_entry WHERE id = %s", "is missing"),
        ("DELETE FROM audit_link WHERE entry = %s", "are missing"),
        ("UPDATE audit_link SET digest = sha256('x') WHERE entry = %s", "is not what was written"),
        (
            "INSERT INTO audit_entry SELECT id + 100000, at, 'eve', address, door, action, kind, subject, name, "
            "reason, before, after, request FROM audit_entry WHERE id = %s",
            "is in no chain",
        ),
    ],
)
def test_what_was_done_past_the_triggers_shows(written, off, tampering, shows):
    off()
    sql(tampering, written[1].pk)
    for name, (table, *_rest) in chain.TRIGGERS.items():
        sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
    problems = chain.verify().problems
    assert len(problems) <= 2, problems
    assert any(shows in problem for problem in problems)
    with pytest.raises(CommandError, match="not whole"):
        call_command("verify_audit", stderr=StringIO(), stdout=StringIO())


def test_an_end_that_was_cut_off_shows_to_who_noted_it_down(written, off):
    noted = chain.verify()
    off()
    sql("DELETE FROM audit_entry WHERE id = %s", written[2].pk)
    sql("DELETE FROM audit_link WHERE entry = %s", written[2].pk)
    assert any("noted down" in problem for problem in chain.verify((noted.count, noted.head)).problems)


def test_a_chain_that_was_reckoned_anew_shows_to_who_noted_it_down(written, off):
    noted = chain.verify()
    off()
    sql("UPDATE audit_link SET digest = sha256(digest) WHERE entry = %s", written[2].pk)
    assert any("another than" in problem for problem in chain.verify((noted.count, noted.head)).problems)


@pytest.mark.parametrize(
    "hole",
    [
        "ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_kept",
        "ALTER TABLE audit_entry ENABLE TRIGGER audit_entry_chained",
        "DROP TRIGGER audit_link_whole ON audit_link",
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    ],
)
def test_a_guard_that_is_off_shows(written, hole):
    sql(hole)
    assert any("trigger" in problem for problem in chain.verify().problems)


@pytest.mark.django_db(transaction=True)
def test_side_by_side_the_chain_has_one_order():
    """Many at once, some of whom roll back; a transaction that is open holds up nobody."""
    before = Link.objects.count()
    writers, each = 4, 5

    def write() -> None:
        try:
            for n in range(each):
                with in_name_of(ADA), transaction.atomic():
                    record.write("changed", name=f"side by side {n}")
                try:
                    with in_name_of(ADA), transaction.atomic():
                        record.write("changed", name="never")
                        raise DatabaseError("rolled back")
                except DatabaseError:
                    pass
        finally:
            connection.close()

    with in_name_of(ADA), transaction.atomic():
        record.write("changed", name="open meanwhile")
        threads = [threading.Thread(target=write) for _ in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
    verdict = chain.verify()
    assert verdict.is_whole, verdict.problems
    assert verdict.count == before + writers * each + 1
    assert not Entry.objects.filter(name="never").exists()


@pytest.mark.parametrize(
    "secret",
    [
        "postgres://u1:hunter2hunter2@db.example/d1",
        "https://bucket.example/dump?X-Amz-Signature=hunter2hunter2&x=1",
        {"password": "hunter2hunter2"},
        {"params": [{"client_secret": "hunter2hunter2"}]},
        "herd_hunter2hunter2",
    ],
)
def test_a_secret_gets_into_no_record(secret):
    with in_name_of(ADA):
        record.write("changed", name=str(secret), reason=str(secret) if isinstance(secret, str) else "", after=secret)
    entry = Entry.objects.latest("id")
    assert not re.search("hunter2", f"{entry.reason} {entry.after}")


def test_refused_strangers_fill_no_disk():
    sparing = record.Sparing(3)
    sparing._minute = None
    admitted = [sparing.admits() for _ in range(10)]
    assert admitted == [0, 0, 0] + [None] * 7 or admitted.count(None) >= 4  # a minute may begin in between
    sparing._minute = None
    assert sparing.admits() == admitted.count(None)
