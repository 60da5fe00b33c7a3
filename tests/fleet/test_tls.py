"""Servers that prove who they are, and strangers that can't, on real PostgreSQL and at real sockets."""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from fleet import connecting
from fleet.facts import UNPROVEN
from fleet.jobs import DONE, Look
from fleet.postgres import control, tls
from fleet.postgres.config import MONITOR
from fleet.transports.base import VERIFIED, Database, Refused, TransportError
from fleet.transports.sql import PsycopgSql
from tests.authority import ca, shown
from tests.clusters import WATCH, Cluster, build, instance
from tests.localhosts import until
from tests.localshell import LocalShell

SQL = PsycopgSql()
# A name by which a stable address leads to the cluster; as an IP it is known by the other one.
STABLE = "localhost"
STARTED = "SELECT pg_postmaster_start_time()::text AS at"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    shell = LocalShell()
    subject = instance(shell, 17)
    assert build(shell, subject, dynamic=shown(subject, STABLE)) == Look(DONE)
    yield Cluster(shell, subject)
    shell.close()


def database(cluster: Cluster, address: str = "127.0.0.1", roots: str = "") -> Database:
    return Database(address, cluster.subject.port, "postgres", MONITOR, WATCH, VERIFIED, roots or ca().cert)


def start_time(where: Database) -> str:
    return SQL.fetch(where, [STARTED])[0][0]["at"]


def refusal(where: Database) -> str:
    with pytest.raises(Refused) as caught:
        SQL.fetch(where, ["SELECT 1"])
    assert caught.value.code == UNPROVEN
    return str(caught.value)


def show(cluster: Cluster, issuer: tls.Certificate, *names: str, now: datetime | None = None) -> None:
    """The cluster gets another certificate, and reads it."""
    made = tls.certificate(names or [cluster.subject.name, "127.0.0.1", STABLE], issuer, now)
    control.configure(cluster.shell, cluster.subject, tls.files(made, issuer.cert) | {"herdsite.conf": ""})


def accepted(where: Database) -> bool:
    try:
        return bool(start_time(where))
    except TransportError:
        return False


@pytest.mark.parametrize("address", ["127.0.0.1", STABLE])
def test_who_proves_to_be_it_is_spoken_to(cluster: Cluster, address: str) -> None:
    with_tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert SQL.fetch(database(cluster, address), [with_tls]) == [[{"ssl": True}]]


def test_a_client_verifies_with_what_is_handed_out(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "herdsite-ca.pem"
    file.write_text(ca().cert)
    with psycopg.connect(connecting.strings(database(cluster), str(file))["libpq"]) as client:
        assert client.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)
    file.write_text(ca("another").cert)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(connecting.strings(database(cluster), str(file))["libpq"])


def test_the_certificate_of_another_ca_is_refused(cluster: Cluster) -> None:
    assert "certificate verify failed" in refusal(database(cluster, roots=ca("another").cert))


def test_a_certificate_for_another_name_is_refused(cluster: Cluster) -> None:
    show(cluster, ca(), cluster.subject.name, "127.0.0.2")
    until(lambda: not accepted(database(cluster)), "it has read its certificate")
    assert "does not match host name" in refusal(database(cluster))
    show(cluster, ca())
    until(lambda: accepted(database(cluster)), "it has read its certificate")


def test_a_certificate_that_ended_is_replaced_without_a_restart(cluster: Cluster) -> None:
    before = start_time(database(cluster))
    show(cluster, ca(), now=datetime.now(UTC) - timedelta(days=800))
    until(lambda: not accepted(database(cluster)), "it has read its certificate")
    assert "certificate verify failed" in refusal(database(cluster))
    show(cluster, ca())
    until(lambda: accepted(database(cluster)), "it has read its certificate")
    assert start_time(database(cluster)) == before


def test_while_the_ca_changes_both_are_good(cluster: Cluster) -> None:
    fresh = ca("the next")
    both = database(cluster, roots=ca().cert + fresh.cert)
    assert accepted(both) and not accepted(database(cluster, roots=fresh.cert))
    show(cluster, fresh)
    until(lambda: accepted(database(cluster, roots=fresh.cert)), "it has read its certificate")
    assert accepted(both) and not accepted(database(cluster))
    show(cluster, ca())
    until(lambda: accepted(database(cluster)), "it has read its certificate")


def test_a_key_is_no_ones_but_postgresqls(cluster: Cluster) -> None:
    assert Path(cluster.subject.data, "herdsite.cert").stat().st_mode & 0o777 == 0o600


class Stranger:
    """Answers for a PostgreSQL over TLS with a certificate that somebody made for that very address, asks for the
    password by the means `asks` (what PostgreSQL calls an authentication request), and keeps all that it is sent."""

    def __init__(self, folder: Path, asks: bytes) -> None:
        pair = tls.certificate(["127.0.0.1"], ca("a stranger's"))
        path = folder / "stranger.pem"
        path.write_text(pair.cert + pair.key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(path)
        self.asks, self.clear, self.told = asks, b"", b""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        connection = self.server.accept()[0]
        connection.settimeout(10)
        with connection:
            self.clear = connection.recv(8)
            connection.sendall(b"S")
            try:
                secured = self.context.wrap_socket(connection, server_side=True)
                self.told += secured.recv(4096)
                secured.sendall(b"R" + struct.pack("!i", 4 + len(self.asks)) + self.asks)
                while more := secured.recv(4096):
                    self.told += more
            except OSError:
                pass

    def ended(self) -> None:
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.server.close()


ASKS = {
    "password": struct.pack("!i", 3),
    "md5": struct.pack("!i4s", 5, b"salt"),
    "sasl": struct.pack("!i", 10) + b"SCRAM-SHA-256\0\0",
    "nothing": struct.pack("!i", 0),
}


@pytest.mark.parametrize("asks", ASKS)
@pytest.mark.parametrize("sslmode", [VERIFIED, "require"])
def test_a_stranger_at_the_address_gets_no_password(tmp_path: Path, asks: str, sslmode: str) -> None:
    """Nor anything else where servers prove who they are: it sees a TLS handshake that is broken off."""
    stranger = Stranger(tmp_path, ASKS[asks])
    port = stranger.server.getsockname()[1]
    where = Database("127.0.0.1", port, "postgres", MONITOR, WATCH, VERIFIED, ca().cert)
    try:
        assert refusal(replace(where, sslmode=sslmode))
    finally:
        stranger.ended()
    assert stranger.clear == struct.pack("!ii", 8, 80877103), "a request for TLS"
    assert WATCH.encode() not in stranger.told and b"md5" not in stranger.told
    assert (stranger.told == b"") is (sslmode == VERIFIED)
