"""A real PostgreSQL with customers' databases on a host without a wire, the rows that say so, and what takes and loads
logical backups there, as beats do."""

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from django.core.files.storage import storages as configured

from fleet import jobs, logical
from fleet.logical import leaving, loading
from fleet.models import MEMBERS, Backup, Credential, Intent, Resource
from fleet.ports import Ports
from fleet.postgres import entering
from fleet.postgres.commands import Script
from fleet.postgres.roles import Limits
from fleet.providers.fake import FakeProvider
from fleet.providers.local import spawn
from fleet.transports.base import checked
from fleet.transports.sql import PsycopgSql
from herdsite import storages
from herdsite.turns import Turn
from tests import factories
from tests.clusters import Cluster, build, instance
from tests.herd import due
from tests.localhosts import until
from tests.localshell import LocalShell, ended

Beats = Callable[[str, Callable[[], object]], None]
LIMITS = Limits(connections=4, temp_mb=64)
# Rows that are the same at every run, of all that a dump must carry: text in several scripts, bytes, nulls, big values.
CONTENT = """
CREATE TABLE goods (n bigint PRIMARY KEY, name text NOT NULL, raw bytea, many int[], told jsonb);
INSERT INTO goods SELECT n, 'größe 大 ' || n, decode(md5(n::text), 'hex'), ARRAY[n, NULL], '{"a": [1, "é"]}'
  FROM generate_series(1, 500) AS n;
CREATE VIEW named AS SELECT n, name FROM goods;
CREATE TABLE sold (goods bigint REFERENCES goods, at timestamptz DEFAULT '2026-11-22 12:00+00');
INSERT INTO sold (goods) SELECT n FROM goods;
CREATE SEQUENCE numbers START 77;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
"""
LOOK = """
SELECT md5(string_agg(goods::text, '|' ORDER BY n)) FROM goods;
SELECT count(*) FROM sold JOIN named ON goods = n;
SELECT nextval('numbers') > 76, twice(21);
"""
# A statement that holds a dump up for as long as the test wants: it waits for the lock of a table.
HOLD = "BEGIN; LOCK TABLE goods IN ACCESS EXCLUSIVE MODE"


@dataclass
class World:
    """`cluster` runs on a host whose rows are made once for each test."""

    cluster: Cluster

    @cached_property
    def instance(self) -> Any:
        subject = self.cluster.subject
        server = factories.server(home=subject.home, pg={str(subject.major): subject.bin})
        return factories.instance(id=subject.id, name=subject.name, server=server, port=subject.port)

    def resource(self, dbname: str, **fields: Any) -> Resource:
        """A database on the cluster, with its row."""
        made = factories.resource(instance=self.instance, dbname=dbname, **fields)
        Credential.objects.filter(resource=made).delete()
        owner = Credential.objects.create(
            purpose=Credential.OWNER, resource=made, role=dbname, secret=f"{dbname}-secret"
        )
        self.cluster.drop(dbname)
        self.cluster.create(dbname, owner.secret, LIMITS)
        return made

    def fill(self, dbname: str, text: str = CONTENT) -> None:
        with self.cluster.connect(dbname, f"{dbname}-secret", dbname) as session:
            session.execute(text)

    def sees(self, dbname: str, text: str = LOOK) -> list[Any]:
        """What its customer reads, statement by statement."""
        with self.cluster.connect(dbname, f"{dbname}-secret", dbname) as session:
            return [session.execute(one).fetchall() for one in text.strip().rstrip(";").split(";\n")]

    def begin(self, resource: Resource) -> Backup:
        """A backup whose job is under way."""
        backup = logical.begin(resource, datetime.now(UTC))
        self.start(f"{backup.name}-take", logical.script(backup, self.cluster.subject))
        return backup

    def start(self, job: str, script: Script, before: str = "") -> None:
        text = f"{before}\n{script.text}"
        jobs.start(self.cluster.shell, self.cluster.subject.home, job, text, script.args, script.stdin)

    def forget(self) -> None:
        """Jobs of other tests, which may have had rows of the same names."""
        self.cluster.shell.run(["rm", "-rf", f"{self.cluster.subject.home}/jobs"])

    def clean(self, job: str) -> None:
        jobs.clean(self.cluster.shell, self.cluster.subject.home, job)

    def taken(self, resource: Resource) -> Backup:
        """A backup that is kept."""
        backup = self.begin(resource)
        look = ended(self.cluster.shell, f"{backup.name}-take")
        assert look.job == jobs.DONE, look.why
        kept = logical.kept(backup, self.cluster.shell)
        assert kept is not None
        began, done, size, *_wal = kept
        assert began <= done
        times = {"began_at": datetime.fromtimestamp(began, UTC), "ended_at": datetime.fromtimestamp(done, UTC)}
        Backup.objects.filter(pk=backup.pk).update(state="kept", bytes=size, **times)
        return Backup.objects.get(pk=backup.pk)

    def told(self, intent: Intent, kind: str = leaving.LEFT) -> list[str]:
        """What the log of a load says that it left out, in words."""
        log = Path(self.cluster.subject.home, "jobs", f"load-{intent.pk.hex[:8]}", "log")
        return leaving.told(log.read_text(), kind)

    def schema(self, dbname: str) -> str:
        """All that pg_dump says of it but the rows, by whatever name it and its owner go."""
        subject = self.cluster.subject
        argv = [f"{subject.bin}/pg_dump", "-h", subject.socket, "-p", str(subject.port), "-U", "postgres", "-s", "-C"]
        env = {"PGCLIENTENCODING": "UTF8", "PGOPTIONS": entering.options(subject.major)}
        settings = [f"{name}={value}" for name, value in env.items()]
        text = checked(argv, self.cluster.shell.run(["env", *settings, *argv, dbname], timeout=60)).out
        ours = re.compile(r"\\|--|GRANT CONNECT ON DATABASE .* TO herdsite_deputy_")
        lines = [line for line in text.splitlines() if line and not ours.match(line)]
        return re.sub(rf"\b{dbname}\b", "NAME", "\n".join(lines))

    def intent(self, resource: Resource, params: dict[str, Any]) -> Intent:
        return Intent.objects.create(
            kind="resource", subject=resource.pk, name=resource.name, verb="load", params=params, actor="a test"
        )

    def start_load(self, resource: Resource, intent: Intent) -> str:
        """Begin to do what was asked; the job's name."""
        job = f"load-{intent.pk.hex[:8]}"
        self.start(job, loading.script(resource, intent, self.cluster.subject))
        return job

    def loaded(self, resource: Resource, params: dict[str, Any]) -> jobs.Look:
        """What loading it came to."""
        assert logical.refusal(resource, params) == ""
        return ended(self.cluster.shell, self.start_load(resource, self.intent(resource, params)))

    def databases(self) -> list[str]:
        return self.cluster.sql("SELECT datname FROM pg_database WHERE datname ~ '_(new|old)_'").split()

    def stored(self) -> list[str]:
        """The names of whatever lies in the directory of backups."""
        root = Path(configured["backups"].location)
        return sorted(path.name for path in root.iterdir()) if root.exists() else []


@contextmanager
def built() -> Iterator[Cluster]:
    """A cluster of PostgreSQL 17 in a home of its own, which goes with it."""
    shell = LocalShell()
    subject = instance(shell, 17)
    look = build(shell, subject)
    assert look.job == jobs.DONE, look.why
    yield Cluster(shell, subject)
    shell.close()


def on_disk(cluster: Cluster, settings: Any, name: str) -> World:
    """With a fresh directory for its backups, and nothing that tests before it left."""
    root = spawn.give(Path(cluster.subject.home) / f"archive-{name}")
    settings.STORAGES = settings.STORAGES | {"backups": storages.backups(str(root / "logical"))}
    settings.IMPORT_HOSTS = ["127.0.0.1"]
    world = World(cluster)
    world.forget()
    return world


def waits(world: World) -> bool:
    return world.cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != "0"


def leader(world: World, job: str) -> int:
    return int(Path(world.cluster.subject.home, "jobs", job, "pid").read_text().split()[0])


def beating(world: World) -> Beats:
    """Beats of all of a kind, until that holds."""
    provider = FakeProvider()
    ports = Ports(lambda _host: world.cluster.shell, PsycopgSql(), lambda _name: provider, lambda _address, _port: "")

    def go(kind: str, done: Callable[[], object]) -> None:
        def once() -> object:
            for one in MEMBERS[kind].objects.filter(due_at__isnull=False):
                due(one)
                Turn(one.queue, ports, "here/1", (kind,)).once(kind)
            return done()

        until(once, f"beats of the {kind}")

    return go


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """An HTTP server of the files in `folder`: its address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()
