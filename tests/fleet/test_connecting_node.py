"""node-postgres itself connects by the lines that are for it: to a real server, with the herd's CA and without."""

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

NPM = shutil.which("npm")
SCRIPT = """
const { Client } = require('pg');
const client = new Client({ connectionString: process.argv[2], connectionTimeoutMillis: 10000 });
client.connect()
  .then(() => client.query('SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()'))
  .then((answer) => { console.log(JSON.stringify(answer.rows[0])); return client.end(); })
  .catch((error) => { console.error(error.message); process.exit(1); });
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with node-postgres in it."""
    assert NPM, "npm is missing: bin/test installs it as root, others run: apt install npm"
    folder = tmp_path_factory.mktemp("node")
    argv = [NPM, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", "--ignore-scripts", "pg@8"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"node-postgres can't be fetched: {done.stderr[-200:]}"
    (folder / "connect.js").write_text(SCRIPT)
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


def connects(driver: Path, line: str) -> tuple[bool, str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(driver)}
    argv = ["node", str(driver / "connect.js"), line]
    done = subprocess.run(argv, cwd=driver, env=env, capture_output=True, text=True, check=False, timeout=60)
    return (True, json.loads(done.stdout)["ssl"]) if not done.returncode else (False, done.stderr)


def database(server: Cluster) -> Database:
    return Database(server.subject.bind, server.subject.port, "anna", "anna", ANNA)


def test_it_connects_encrypted_without_any_file(driver: Path, server: Cluster) -> None:
    assert connects(driver, connecting.node(database(server))) == (True, True)


def test_the_server_proves_who_it_is_with_the_ca(driver: Path, server: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "herdsite-ca.pem"
    file.write_text(authority.ca().cert)
    assert connects(driver, connecting.strings(database(server), str(file))["node"]) == (True, True)


def test_another_ca_proves_nothing(driver: Path, server: Cluster, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text(authority.ca("another herd").cert)
    fine, why = connects(driver, connecting.strings(database(server), str(other))["node"])
    assert not fine and "certificate" in why


def test_the_plain_url_is_what_it_refuses(driver: Path, server: Cluster) -> None:
    """So there has to be a line of its own."""
    fine, why = connects(driver, connecting.url(database(server)))
    assert not fine and "certificate" in why
