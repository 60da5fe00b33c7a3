"""The clients of node connect by the lines that are for them: to a real server, with the herd's CA and without."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet import connecting
from fleet.jobs import Look
from fleet.transports.base import Database
from tests import authority
from tests.clusters import ANNA, Cluster, build, instance
from tests.localshell import LocalShell

# The packages are fetched first, by a mirror that may be slow.
pytestmark = pytest.mark.timeout(600)
NPM = shutil.which("npm")
PINNED = Path(__file__).parents[1] / "clients" / "drivers"
QUERY = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()"
# How each client of node is given the line, and asked; the value that comes back is the query's only one.
CLIENTS = {
    "pg": """
        const { Client } = require('pg');
        const client = new Client({ connectionString: line });
        await client.connect();
        const value = (await client.query(query)).rows[0].ssl;
        await client.end();
        return value;
    """,
    "knex": """
        const knex = require('knex')({ client: 'pg', connection: line });
        try {
          return (await knex.raw(query)).rows[0].ssl;
        } finally {
          await knex.destroy();
        }
    """,
    "prisma": """
        const { PrismaPg } = require('@prisma/adapter-pg');
        const adapter = await new PrismaPg({ connectionString: line }).connect();
        try {
          return (await adapter.queryRaw({ sql: query, args: [], argTypes: [] })).rows[0][0];
        } finally {
          await adapter.dispose();
        }
    """,
    "sequelize": """
        const { Sequelize } = require('sequelize');
        const sequelize = new Sequelize(line, { logging: false });
        try {
          return (await sequelize.query(query))[0][0].ssl;
        } finally {
          await sequelize.close();
        }
    """,
    "postgres": """
        const sql = require('postgres')(line);
        try {
          return (await sql.unsafe(query))[0].ssl;
        } finally {
          await sql.end();
        }
    """,
}
# All but one ask as node-postgres does, on which they are built.
ON_NODE_POSTGRES = [kind for kind in CLIENTS if kind != "postgres"]
SCRIPT = """
const [kind, line, query] = process.argv.slice(2);
const clients = {
%s
};
clients[kind]().then(
  (value) => { console.log(JSON.stringify(value)); process.exit(0); },
  (error) => { console.error(error.message || error.cause); process.exit(1); },
);
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clients in it."""
    assert NPM, "npm is missing: bin/test installs it as root, others run: apt install npm"
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PINNED / name, folder)
    argv = [NPM, "ci", "--no-audit", "--no-fund", "--silent", "--ignore-scripts"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"the clients of node can't be fetched: {done.stderr[-200:]}"
    (folder / "connect.js").write_text(
        SCRIPT % ",\n".join(f"{kind}: async () => {{{CLIENTS[kind]}}}" for kind in CLIENTS)
    )
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    shell = LocalShell()
    try:
        subject = instance(shell, 17)
        assert build(shell, subject) == Look("done")
        cluster = Cluster(shell, subject)
        cluster.create("anna", ANNA)
        yield cluster
    finally:
        shell.close()


def connects(driver: Path, kind: str, line: str) -> tuple[bool, str]:
    """Whether that client got in and encrypted, or what it said."""
    env = {"PATH": os.environ["PATH"], "HOME": str(driver)}
    argv = ["node", str(driver / "connect.js"), kind, line, QUERY]
    done = subprocess.run(argv, cwd=driver, env=env, capture_output=True, text=True, check=False, timeout=60)
    return (True, json.loads(done.stdout)) if not done.returncode else (False, done.stderr)


def database(server: Cluster) -> Database:
    return Database(server.subject.bind, server.subject.port, "anna", "anna", ANNA)


@pytest.mark.parametrize("kind", ON_NODE_POSTGRES)
def test_it_connects_encrypted_without_any_file(driver: Path, server: Cluster, kind: str) -> None:
    assert connects(driver, kind, connecting.node(database(server))) == (True, True)


@pytest.mark.parametrize("kind", ON_NODE_POSTGRES)
def test_the_server_proves_who_it_is_with_the_ca(driver: Path, server: Cluster, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "herdsite-ca.pem"
    file.write_text(authority.ca().cert)
    assert connects(driver, kind, connecting.strings(database(server), str(file))["node"]) == (True, True)


@pytest.mark.parametrize("kind", ON_NODE_POSTGRES)
def test_another_ca_proves_nothing(driver: Path, server: Cluster, tmp_path: Path, kind: str) -> None:
    other = tmp_path / "other.pem"
    other.write_text(authority.ca("another herd").cert)
    fine, why = connects(driver, kind, connecting.strings(database(server), str(other))["node"])
    assert not fine and ("certificate" in why or "TlsConnectionError" in why)


def test_the_plain_url_is_what_node_postgres_refuses(driver: Path, server: Cluster) -> None:
    """So there has to be a line of its own."""
    fine, why = connects(driver, "pg", connecting.url(database(server)))
    assert not fine and "certificate" in why


def test_postgres_js_reads_the_plain_url_as_libpq_does(driver: Path, server: Cluster) -> None:
    """It is not built on node-postgres."""
    assert connects(driver, "postgres", connecting.url(database(server))) == (True, True)
