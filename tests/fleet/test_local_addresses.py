"""Local addresses as clients see them: moved, held, cut and lost, with plain sockets and with real PostgreSQL."""

import os
import socket
from concurrent.futures import ThreadPoolExecutor

import psutil
import psycopg
import pytest

from fleet.providers.base import ProviderError
from fleet.providers.local import addresses, chaos, net, processes, routes, spawn
from fleet.providers.local.provider import LocalProvider
from tests.endpoints import PORT, SILENCE, Servers, is_cut, is_reset, is_silent, quiet
from tests.localhosts import SOON, LocalHosts, until

pytestmark = pytest.mark.enable_socket
LONG = 300.0


@pytest.fixture(scope="module")
def hosts():
    """Two hosts, "one" and "two", which every test leaves healthy."""
    hosts = LocalHosts()
    hosts.boot("one")
    hosts.boot("two")
    yield hosts
    hosts.close()


@pytest.fixture
def provider(hosts):
    """Its address "db" leads nowhere yet."""
    hosts.provider.allocate("db", PORT)
    yield hosts.provider
    for name in hosts.provider.addresses():
        hosts.provider.release_address(name)


@pytest.fixture
def servers(provider):
    servers = Servers(provider)
    yield servers
    servers.close()


@pytest.fixture
def knock(provider):
    """Connects to the address "db"."""
    clients = []

    def connect():
        clients.append(socket.create_connection((provider.address("db").address, PORT), timeout=SOON))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def only(provider):
    """Its one forwarder."""
    (process,) = provider.forwarders()
    return process


def killed(provider):
    """The forwarder, after it was killed."""
    process = only(provider)
    process.kill()
    psutil.wait_procs([process], timeout=SOON)
    return process


def test_addresses_are_apart_from_those_of_hosts(hosts, provider):
    assert provider.address("db").address == f"127.{provider.net}.0.1"
    with socket.create_server((f"127.{provider.net}.0.2", PORT)):
        assert provider.allocate("other", PORT).address == f"127.{provider.net}.0.3"
    assert {provider.describe(name).address.split(".")[2] for name in provider.names()} == {"1"}


def test_bytes_pass_to_where_it_leads_and_only_there(provider, servers, knock):
    for generation, name in enumerate(("one", "two"), 1):
        provider.associate("db", name, generation)
        client = knock()
        server = servers.accept(name)
        client.sendall(b"question")
        assert server.recv(8) == b"question"
        server.sendall(b"answer")
        assert client.recv(6) == b"answer"


def test_who_is_connected_is_cut_when_it_moves_and_left_alone_when_it_stays(provider, servers, knock):
    provider.associate("db", "one", 1)
    client = knock()
    server = servers.accept("one")
    provider.associate("db", "one", 2)
    client.sendall(b"x")
    assert server.recv(1) == b"x"
    provider.associate("db", "two", 3)
    assert is_reset(client)
    assert is_reset(server)


def test_an_address_that_leads_nowhere_refuses(provider, servers, knock):
    with pytest.raises(ConnectionRefusedError):
        knock()
    provider.associate("db", "one", 1)
    client = knock()
    servers.accept("one")
    provider.disassociate("db")
    assert is_reset(client)
    with pytest.raises(ConnectionRefusedError):
        knock()


def test_what_is_sent_into_a_hold_arrives_when_it_ends(provider, servers, knock):
    provider.associate("db", "one", 1)
    client = knock()
    server = servers.accept("one")
    for end in (lambda: provider.associate("db", "one", 1), lambda: provider.hold("db", 0.0)):
        provider.hold("db", LONG)
        client.sendall(b"x")
        server.sendall(b"y")
        assert client.recv(1) == b"y", "answers still pass"
        assert is_silent(server)
        end()
        assert server.recv(1) == b"x"


def test_who_comes_during_a_hold_is_served_where_it_leads_afterwards(provider, servers, knock):
    provider.associate("db", "one", 1)
    before = knock()
    servers.accept("one")
    provider.hold("db", LONG)
    clients = [knock() for _ in range(20)]
    for client in clients:
        client.sendall(b"x")
    provider.associate("db", "two", 2)
    assert [servers.accept("two").recv(1) for _ in clients] == [b"x"] * 20
    assert is_reset(before)


def test_a_frozen_host_keeps_nothing_of_ours_once_the_address_has_left_it(hosts, provider, servers, knock):
    provider.associate("db", "one", 1)
    forwarder, host = only(provider), processes.host(hosts.place("one"))
    before, hosts_before = forwarder.num_fds(), host.num_fds()
    chaos.pause_host(provider, "one")
    try:
        # More than the host's queue takes, so that some are still being made; a part of the clients is gone already.
        clients = [knock() for _ in range(200)]
        for client in clients[::2]:
            client.close()
        provider.associate("db", "two", 2)
        assert all(is_reset(client) for client in clients[1::2])
        knock().sendall(b"x")
        assert servers.accept("two").recv(1) == b"x"
        provider.disassociate("db")
        until(lambda: forwarder.num_fds() < before, "all is closed, and its listener too")
    finally:
        chaos.heal(provider, "one")
    servers.close()
    until(lambda: host.num_fds() <= hosts_before, "the host, awake, has seen them all come and go")


def test_a_hosts_cut_network_cuts_its_address_too(hosts, provider, servers, knock):
    provider.associate("db", "one", 1)
    client = knock()
    server = servers.accept("one")
    chaos.cut_network(provider, "one")
    try:
        machine = provider.describe("one")
        with socket.create_connection((machine.address, machine.port), timeout=SOON) as ssh:
            until(lambda: quiet(ssh), "the cut takes effect")
        client.sendall(b"x")
        assert is_silent(server)
    finally:
        chaos.heal(provider, "one")
    assert server.recv(1) == b"x"


def test_a_lost_host_leaves_the_forwarder_alone_and_takes_its_clients_with_it(hosts, provider, servers, knock):
    provider.associate("db", "two", 1)
    client, forwarder = knock(), only(provider)
    server = servers.accept("two")
    assert forwarder not in processes.of(hosts.place("two").home)
    chaos.kill_host(provider, "two")
    assert is_reset(client)
    assert is_reset(server)
    with pytest.raises(ConnectionError):  # the reset may be faster than we
        knock().recv(1)
    assert only(provider) == forwarder
    assert provider.address("db").machine == "two"
    provider.start("two")
    hosts.running("two")
    knock().sendall(b"x")
    assert servers.accept("two").recv(1) == b"x"


def test_a_killed_forwarder_comes_back_with_what_it_knew(provider, servers, knock):
    provider.allocate("other", PORT)
    provider.associate("db", "two", 7)
    before = provider.address("db")
    client = knock()
    servers.accept("two")
    dead = killed(provider)
    assert provider.forwarders() == []
    assert is_cut(client)
    assert provider.address("db") == before
    assert only(provider) != dead
    assert provider.addresses() == ["db", "other"]
    assert provider.address("other").machine == ""
    knock().sendall(b"x")
    assert servers.accept("two").recv(1) == b"x"
    with pytest.raises(ProviderError, match="generation 7"):
        provider.associate("db", "one", 6)


def test_all_who_miss_the_forwarder_at_once_get_one(provider):
    killed(provider)
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(provider.address, ["db"] * 4))
    assert len(set(said)) == 1
    until(lambda: len(provider.forwarders()) == 1, "the others end")


def test_a_frozen_forwarder_can_not_be_asked(provider, monkeypatch):
    monkeypatch.setattr(addresses, "ANSWER", SILENCE)
    forwarder = only(provider)
    forwarder.suspend()
    try:
        assert only(provider) == forwarder
        for ask in (lambda: provider.address("db"), lambda: provider.associate("db", "one", 1)):
            with pytest.raises(ProviderError, match="does not answer"):
                ask()
    finally:
        forwarder.resume()
    monkeypatch.undo()
    assert provider.address("db") is not None


def test_power_off_and_on(hosts, provider, servers, knock):
    provider.associate("db", "one", 1)
    forwarder = only(provider)
    provider.power_off()
    assert not forwarder.is_running()
    LocalProvider(provider.root, provider.net, provider.authorized_key).power_on()
    assert only(provider)
    for name in ("one", "two"):
        hosts.running(name)
    knock().sendall(b"x")
    assert servers.accept("one").recv(1) == b"x"


def test_a_port_that_somebody_else_has_is_said_and_taken_when_it_is_free(provider, servers, knock):
    with socket.create_server((provider.address("db").address, PORT)):
        with pytest.raises(ProviderError, match="in use"):
            provider.associate("db", "one", 1)
        assert provider.address("db").machine == ""
        killed(provider)
        assert provider.address("db").machine == "", "nor can one that starts"
    provider.associate("db", "one", 1)
    knock().sendall(b"x")
    assert servers.accept("one").recv(1) == b"x"


def test_the_port_can_be_another(provider, servers, knock):
    provider.associate("db", "one", 1)
    client = knock()
    servers.accept("one")
    before = provider.address("db")
    assert provider.allocate("db", PORT + 1) == before
    assert is_reset(client)
    with (
        socket.create_server((provider.describe("one").bind, PORT + 1)) as listener,
        socket.create_connection((before.address, PORT + 1), timeout=SOON) as client,
    ):
        client.sendall(b"x")
        assert listener.accept()[0].recv(1) == b"x"
    with pytest.raises(ConnectionRefusedError):
        knock()


@pytest.mark.parametrize("name", ["", "Db", "../db", ".db"])
def test_a_name_that_is_none_is_refused(provider, name):
    for ask in (lambda: provider.allocate(name, PORT), lambda: provider.associate("db", name, 1)):
        with pytest.raises(ProviderError, match="can't be the name"):
            ask()
    assert provider.addresses() == ["db"]


def test_no_more_than_there_are():
    taken = [f"127.2.0.{n}" for n in range(1, 254)]
    assert net.stable(2, PORT, taken) == "127.2.0.254"
    with pytest.raises(ProviderError, match="taken"):
        net.stable(2, PORT, [*taken, "127.2.0.254"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_other_users_can_not_ask(provider):
    name = routes.socket_name(provider.root)
    stranger = os.fork()
    if not stranger:
        os.setuid(spawn.owner().pw_uid)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(name)
            connection.sendall(b'["release", {"name": "db"}]\n')
            os._exit(len(connection.recv(100)))
    assert os.waitpid(stranger, 0)[1] == 0, "nothing is said"
    assert provider.addresses() == ["db"]


def test_the_forwarder_of_hosts_that_are_gone_ends():
    hosts = LocalHosts()
    hosts.provider.allocate("db", PORT)
    forwarder = only(hosts.provider)
    hosts.close()
    until(lambda: not forwarder.is_running() or forwarder.status() == psutil.STATUS_ZOMBIE, "it ends")


@pytest.fixture
def postgres(hosts, provider):
    """PostgreSQL 17 on both hosts; connects a client to the address."""
    for name in ("one", "two"):
        machine = provider.describe(name)
        options = f"-c listen_addresses={machine.bind} -c unix_socket_directories="
        make = f"{machine.pg[17]}/initdb -D data -A trust -U postgres -N"
        start = f"{machine.pg[17]}/pg_ctl -D data -w -l log -o '{options}' start"
        result = hosts.run(name, f"({make} && {start}) > said 2>&1 < /dev/null || {{ cat said log; exit 1; }}")
        assert result.exit_status == 0, result.stdout.decode()

    def connect():
        address = provider.address("db").address
        return psycopg.connect(
            host=address, port=PORT, user="postgres", sslmode="disable", autocommit=True, connect_timeout=int(SOON)
        )

    yield connect
    for name in ("one", "two"):
        chaos.kill_postgres(provider, name)
        until(lambda name=name: not hosts.alive(name), "its children end too")


def where(connection):
    return connection.execute("SELECT host(inet_server_addr())").fetchone()[0]


def test_postgres_clients_follow_the_address_and_wait_while_it_is_held(provider, postgres):
    inner = {name: provider.describe(name).bind for name in ("one", "two")}
    provider.associate("db", "one", 1)
    with ThreadPoolExecutor(2) as pool, postgres() as old:
        assert where(old) == inner["one"]

        provider.hold("db", LONG)
        query = pool.submit(where, old)
        with pytest.raises(TimeoutError):
            query.result(SILENCE)
        provider.associate("db", "one", 1)
        assert query.result(SOON) == inner["one"]

        provider.hold("db", LONG)
        cut, fresh = pool.submit(where, old), pool.submit(lambda: where(postgres()))
        with pytest.raises(TimeoutError):
            fresh.result(SILENCE)
        provider.associate("db", "two", 2)
        with pytest.raises(psycopg.OperationalError):
            cut.result(SOON)
        assert fresh.result(SOON) == inner["two"]
    with postgres() as new:
        assert where(new) == inner["two"]
