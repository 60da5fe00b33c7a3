"""What chaos does to a local host and the PostgreSQL on it, as seen from the outside, and that `heal` undoes it."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from fleet.providers.base import PAUSED, RUNNING, STOPPED, ProviderError
from fleet.providers.local import chaos, processes
from tests.localhosts import LocalHosts, until

pytestmark = pytest.mark.enable_socket
SILENCE = 0.5  # a cut or a frozen host that answers does so within this; one that does not can't be hurried


@pytest.fixture
def hosts():
    hosts = LocalHosts()
    hosts.boot("one")
    yield hosts
    hosts.close()


class Postgres:
    """A PostgreSQL 17 on the host "one", in the folder `data`."""

    def __init__(self, hosts):
        self.hosts, self.machine = hosts, hosts.provider.describe("one")
        self.bin = self.machine.pg[17]
        self.run(f"{self.bin}/initdb -D data -A trust -U postgres -N")
        self.start()

    def run(self, command):
        result = self.hosts.run("one", f"{command} > said 2>&1 < /dev/null || {{ cat said log; exit 1; }}")
        assert result.exit_status == 0, result.stdout.decode()

    def start(self):
        options = f"-c listen_addresses={self.machine.bind} -c unix_socket_directories="
        self.run(f"{self.bin}/pg_ctl -D data -w -l log -o '{options}' start")

    def connect(self):
        return psycopg.connect(
            host=self.machine.address,
            port=5432,
            user="postgres",
            dbname="postgres",
            sslmode="disable",
            autocommit=True,
            connect_timeout=5,
        )

    @property
    def folder(self):
        return f"{self.machine.home}/data"


@pytest.fixture
def postgres(hosts):
    return Postgres(hosts)


async def greeting(machine):
    """The first bytes of its SSH server, or None if it stays silent."""
    reader, writer = await asyncio.open_connection(machine.address, machine.port)
    try:
        return await asyncio.wait_for(reader.readexactly(4), SILENCE)
    except TimeoutError:
        return None
    finally:
        writer.close()


def greets(machine):
    return asyncio.run(greeting(machine)) == b"SSH-"


def test_postgres_answers_at_the_hosts_address_and_sees_the_clients(hosts, postgres):
    with postgres.connect() as connection:
        seen = connection.execute("SELECT inet_client_addr()::text, inet_server_addr()::text").fetchone()
    assert seen == ("127.0.0.1/32", f"{postgres.machine.bind}/32")


def test_a_killed_postgres_is_gone_with_its_children_and_the_host_is_there(hosts, postgres):
    connection = postgres.connect()
    with pytest.raises(ProviderError, match="no PostgreSQL"):
        chaos.kill_postgres(hosts.provider, "one", "/somewhere/else")
    assert chaos.kill_postgres(hosts.provider, "one", postgres.folder) == [postgres.folder]
    until(lambda: hosts.alive("one") == [], "the children end by themselves")
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        postgres.connect()
    assert greets(postgres.machine)
    with pytest.raises(ProviderError, match="no PostgreSQL"):
        chaos.kill_postgres(hosts.provider, "one")
    postgres.start()
    postgres.connect().close()


def test_a_full_disk_says_so_and_postgres_can_not_write_until_it_is_healed(hosts, postgres):
    with postgres.connect() as connection:
        connection.execute("CREATE TABLE t (x text)")
        chaos.fill_disk(hosts.provider, "one")
        real = os.stat(hosts.place("one").ballast)
        assert real.st_blocks == 0, "the machine's own disk is not harmed"
        with pytest.raises(psycopg.Error, match="File too large|terminated|closed"):
            connection.execute("INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
    assert b" 100% " in hosts.run("one", "df -Pk").stdout
    assert hosts.run("one", "echo x > new").exit_status != 0
    hosts.provider.stop("one")
    hosts.provider.start("one")
    hosts.running("one")
    until(lambda: hosts.run("one", "echo x > new").exit_status != 0, "a full disk is full after a boot too")

    chaos.heal(hosts.provider, "one")
    assert b" 100% " not in hosts.run("one", "df -Pk").stdout
    postgres.start()
    with postgres.connect() as connection:
        assert connection.execute("INSERT INTO t VALUES ('x') RETURNING x").fetchone() == ("x",)


def test_a_full_disk_that_grows_has_room_for_those_who_run_and_after_a_boot(hosts, postgres):
    chaos.fill_disk(hosts.provider, "one")
    hosts.provider.grow("one", 2000)
    with postgres.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
    assert hosts.run("one", "echo x > new && df -Pk | tail -1").stdout.split()[4] < b"60%"
    hosts.provider.stop("one")
    hosts.provider.start("one")
    hosts.running("one")
    assert hosts.run("one", "echo x > another").exit_status == 0
    chaos.fill_disk(hosts.provider, "one")
    assert hosts.run("one", "echo x > third").exit_status != 0


def test_healing_gives_the_disk_back_to_what_runs(hosts):
    tries = "trap '' XFSZ; until test -e go && echo x > later; do sleep 0.05; done"
    hosts.run("one", f'setsid sh -c "{tries}" >/dev/null 2>&1 < /dev/null &')
    chaos.fill_disk(hosts.provider, "one")
    (hosts.place("one").home / "go").touch()
    later = hosts.place("one").home / "later"
    until(later.exists, "it tries")
    assert later.read_text() == ""
    chaos.heal(hosts.provider, "one")
    until(lambda: later.read_text() == "x\n", "it succeeds")


def test_a_lost_host_is_off_and_comes_back(hosts):
    machine = hosts.provider.describe("one")
    hosts.run("one", "setsid sleep 1000 >/dev/null 2>&1 < /dev/null &")
    chaos.kill_host(hosts.provider, "one")
    assert hosts.provider.describe("one").state == STOPPED
    assert processes.of(hosts.place("one").home) == {}
    with pytest.raises(ConnectionRefusedError):
        greets(machine)
    chaos.heal(hosts.provider, "one")
    assert hosts.running("one") == machine
    assert greets(machine)


def test_a_paused_host_accepts_and_never_answers(hosts, postgres):
    connection, pool = postgres.connect(), ThreadPoolExecutor(1)
    chaos.pause_host(hosts.provider, "one")
    assert hosts.provider.describe("one").state == PAUSED
    assert all(processes.is_paused(process) for process in processes.of(hosts.place("one").home))
    assert not greets(postgres.machine)
    answer = pool.submit(connection.execute, "SELECT 1")
    with pytest.raises(TimeoutError):
        answer.result(SILENCE)
    chaos.heal(hosts.provider, "one")
    assert answer.result(30).fetchone() == (1,)
    assert hosts.provider.describe("one").state == RUNNING
    assert greets(postgres.machine)


@pytest.mark.parametrize("direction", ["both", "in", "out"])
def test_a_cut_network_holds_what_runs_and_what_is_new_until_it_is_healed(hosts, direction):
    machine, home = hosts.provider.describe("one"), hosts.place("one").home

    async def scene():
        async with await hosts.connect("one") as connection:
            process = await connection.create_process("while read line; do touch $line; echo $line; done")
            process.stdin.write("a\n")
            assert await process.stdout.readline() == "a\n"
            chaos.cut_network(hosts.provider, "one", direction)
            while await greeting(machine):
                await asyncio.sleep(0.02)
            process.stdin.write("b\n")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.stdout.readline(), SILENCE)
            arrived = (home / "b").exists()
            chaos.heal(hosts.provider, "one")
            # The cancelled read above has taken nothing: a line is delivered whole.
            assert await asyncio.wait_for(process.stdout.readline(), 30) == "b\n"
            return arrived

    assert asyncio.run(scene()) is (direction == "out")
    assert greets(machine)


def test_a_cut_outlives_a_boot(hosts):
    chaos.cut_network(hosts.provider, "one")
    hosts.provider.stop("one")
    hosts.provider.start("one")
    machine = hosts.running("one")
    assert not greets(machine)


def test_chaos_asks_for_what_there_is(hosts):
    with pytest.raises(ProviderError, match="no local host two"):
        chaos.kill_host(hosts.provider, "two")
    with pytest.raises(ProviderError, match="sideways"):
        chaos.cut_network(hosts.provider, "one", "sideways")


def clock(hosts) -> float:
    """How far the host's clock is ahead of ours (s), by its own word."""
    return float(hosts.run("one", "date +%s.%N").stdout) - time.time()


@pytest.mark.parametrize("seconds", [120, -90.5])
def test_a_skewed_clock_is_off_by_so_much_until_the_host_steps_it(hosts, seconds):
    assert clock(hosts) == pytest.approx(0, abs=20)
    chaos.skew_clock(hosts.provider, "one", seconds)
    assert clock(hosts) == pytest.approx(seconds, abs=20)
    stepped = hosts.run("one", "chronyc makestep")
    assert (stepped.exit_status, stepped.stdout) == (0, b"200 OK\n")
    assert clock(hosts) == pytest.approx(0, abs=20)


def test_heal_sets_the_clock_and_leaves_no_tool_behind(hosts):
    home = hosts.provider.existing("one").home
    before = sorted(path.name for path in [*home.iterdir(), *(home / "bin").iterdir()])
    chaos.skew_clock(hosts.provider, "one", 120)
    chaos.heal(hosts.provider, "one")
    assert sorted(path.name for path in [*home.iterdir(), *(home / "bin").iterdir()]) == before
    assert clock(hosts) == pytest.approx(0, abs=20)


def test_what_its_chronyc_has_no_answer_to_it_says(hosts):
    chaos.skew_clock(hosts.provider, "one", 120)
    asked = hosts.run("one", "chronyc tracking")
    assert asked.exit_status == 64 and b"only makestep" in asked.stderr
    assert clock(hosts) == pytest.approx(120, abs=20)
