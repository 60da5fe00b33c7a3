"""What every provider keeps to: the local one with real processes, the fake, and hosts that are only adopted."""

import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fleet.providers.base import ABSENT, PENDING, RUNNING, STOPPED, OutOfCapacity, ProviderError
from fleet.providers.fake import FakeProvider
from fleet.providers.local import chaos, spawn
from fleet.providers.local.net import choose_net
from fleet.providers.local.provider import LocalProvider
from fleet.providers.ssh import SshProvider

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def local():
    """A local provider with room for two hosts, in a folder that the owner can reach."""
    spawn.ensure_owner()
    base = Path(tempfile.mkdtemp(prefix="herdsite-"))
    base.chmod(0o755)
    public = Ed25519PrivateKey.generate().public_key()
    key = base / "key.pub"
    key.write_bytes(public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH))
    provider = LocalProvider(base / "hosts", choose_net(base / "hosts"), key, capacity=2)
    yield provider
    for name in provider.names():
        provider.destroy(name)
    shutil.rmtree(base)


@pytest.fixture(params=["local", "fake", "slow fake"])
def provider(request):
    """Room for two machines."""
    if request.param == "local":
        return request.getfixturevalue("local")
    return FakeProvider(capacity=2, looks_pending=3 if request.param == "slow fake" else 0)


def comes_to(provider, name, state):
    """Look until the machine is in that state; on the way it may only be pending."""
    deadline = time.monotonic() + 30
    while (machine := provider.describe(name)).state != state:
        assert machine.state == PENDING
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return machine


def same(one, other):
    """Whether two descriptions are of one machine, by what it is known by."""
    return (one.address, one.port, one.host_key, one.home) == (other.address, other.port, other.host_key, other.home)


def test_what_was_never_made_is_absent(provider):
    assert provider.describe("one").state == ABSENT
    assert provider.names() == []


def test_a_machine_comes_up_and_tells_how_to_reach_it(provider):
    provider.create("one", "a", 100)
    assert provider.describe("one").state in (PENDING, RUNNING)
    machine = comes_to(provider, "one", RUNNING)
    assert all((machine.address, machine.port, machine.user, machine.host_key, machine.home, machine.bind))
    assert all(isinstance(major, int) and folder for major, folder in machine.pg.items()) and machine.pg
    assert machine.host_key.startswith("ssh-ed25519 ")


def test_creating_twice_makes_one(provider):
    provider.create("one", "a", 100)
    first = comes_to(provider, "one", RUNNING)
    provider.create("one", "b", 200)
    assert provider.describe("one") == first
    assert provider.names() == ["one"]


def test_machines_differ(provider):
    provider.create("two", "b", 100)
    provider.create("one", "a", 100)
    one, two = comes_to(provider, "one", RUNNING), comes_to(provider, "two", RUNNING)
    assert one.address != two.address
    assert one.host_key != two.host_key
    assert provider.names() == ["one", "two"]


def test_off_and_on_again_is_the_same_machine(provider):
    provider.create("one", "a", 100)
    before = comes_to(provider, "one", RUNNING)
    for _ in range(2):
        provider.stop("one")
        assert provider.describe("one").state == STOPPED
    for _ in range(2):
        provider.start("one")
    assert same(comes_to(provider, "one", RUNNING), before)


def test_starting_what_runs_leaves_it_alone(provider):
    provider.create("one", "a", 100)
    before = comes_to(provider, "one", RUNNING)
    provider.start("one")
    assert provider.describe("one") == before


def test_what_is_destroyed_is_gone_and_its_name_free(provider):
    provider.create("one", "a", 100)
    before = comes_to(provider, "one", RUNNING)
    for _ in range(2):
        provider.destroy("one")
        assert provider.describe("one").state == ABSENT
        assert provider.names() == []
    provider.create("one", "a", 100)
    assert comes_to(provider, "one", RUNNING).host_key != before.host_key


def test_no_room_is_said_and_leaves_nothing(provider):
    provider.create("one", "a", 100)
    provider.create("two", "a", 100)
    with pytest.raises(OutOfCapacity):
        provider.create("three", "a", 100)
    assert provider.describe("three").state == ABSENT
    assert provider.names() == ["one", "two"]
    provider.create("one", "a", 100)  # is there already, so it needs no room
    provider.destroy("two")
    provider.create("three", "a", 100)
    comes_to(provider, "three", RUNNING)


def test_a_disk_grows_and_never_shrinks(provider):
    assert provider.can_grow
    provider.create("one", "a", 100)
    comes_to(provider, "one", RUNNING)
    for size in (200, 200, 100):
        provider.grow("one", size)
        assert provider.describe("one").disk_mb == 200
    provider.stop("one")
    provider.grow("one", 300)
    provider.start("one")
    assert comes_to(provider, "one", RUNNING).disk_mb == 300
    with pytest.raises(ProviderError, match="two"):
        provider.grow("two", 100)


def test_where_no_disk_can_grow_that_is_said():
    adopted, fake = SshProvider({"mine": {"address": "127.0.0.1"}}), FakeProvider()
    assert not adopted.can_grow
    fake.create("mine", "a", 100)
    fake.can_grow = False
    for one in (adopted, fake):
        with pytest.raises(ProviderError, match="mine"):
            one.grow("mine", 200)
    assert fake.describe("mine").disk_mb == 100


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_what_is_not_there_can_not_be_switched(provider, verb):
    with pytest.raises(ProviderError, match="one"):
        getattr(provider, verb)("one")


def test_a_fake_that_does_not_answer_says_so_to_every_question():
    fake = FakeProvider()
    fake.create("one", "a", 100)
    fake.unreachable = True
    questions = (
        lambda: fake.create("two", "a", 100),
        lambda: fake.describe("one"),
        lambda: fake.start("one"),
        lambda: fake.stop("one"),
        lambda: fake.destroy("one"),
        fake.names,
    )
    for ask in questions:
        with pytest.raises(ProviderError, match="does not answer"):
            ask()
    fake.unreachable = False
    assert fake.describe("one").state == RUNNING


def test_a_slow_fake_is_pending_for_so_many_looks():
    fake = FakeProvider(looks_pending=2)
    fake.create("one", "a", 100)
    assert [fake.describe("one").state for _ in range(3)] == [PENDING, PENDING, RUNNING]


def adopt(machine):
    """A provider of hosts that are there already, which knows the machine under the name "mine"."""
    details = {"address": machine.address, "port": machine.port, "user": machine.user, "home": machine.home}
    return SshProvider({"mine": {**details, "host_key": machine.host_key, "pg": {"17": "/usr/lib/postgresql/17/bin"}}})


def test_an_adopted_host_runs_if_its_ssh_server_greets_us(local):
    local.create("one", "a", 100)
    machine = comes_to(local, "one", RUNNING)
    adopted = adopt(machine)
    described = adopted.describe("mine")
    assert described.state == RUNNING
    assert same(described, machine)
    assert described.pg == {17: "/usr/lib/postgresql/17/bin"}
    adopted.create("mine", "a", 100)
    adopted.start("mine")
    assert adopted.names() == ["mine"]


def test_nobody_can_tell_of_a_bare_host_that_it_is_off(local, monkeypatch):
    monkeypatch.setattr("fleet.providers.ssh.TIMEOUT", 0.5)
    local.create("one", "a", 100)
    adopted = adopt(comes_to(local, "one", RUNNING))
    chaos.pause_host(local, "one")  # accepts the connection, and says nothing
    with pytest.raises(ProviderError, match="can't tell"):
        adopted.describe("mine")
    local.stop("one")  # refuses it
    with pytest.raises(ProviderError, match="can't tell"):
        adopted.describe("mine")
    with pytest.raises(ProviderError, match="by hand"):
        adopted.start("mine")


def test_another_server_on_the_port_is_not_an_ssh_server():
    def greet_as_mail_does():
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"220 mail\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=greet_as_mail_does)
        thread.start()
        address, port = server.getsockname()
        with pytest.raises(ProviderError, match="no SSH server"):
            SshProvider({"mine": {"address": address, "port": port}}).describe("mine")
        thread.join()


def test_adopted_hosts_are_neither_made_nor_switched_off_and_destroying_forgets():
    adopted = SshProvider({"mine": {"address": "127.0.0.1"}})
    for ask in (lambda: adopted.create("other", "a", 100), lambda: adopted.stop("mine")):
        with pytest.raises(ProviderError, match="by hand"):
            ask()
    with pytest.raises(ProviderError, match="other"):
        adopted.start("other")
    for _ in range(2):
        adopted.destroy("mine")
    assert adopted.names() == []


def test_who_only_adopts_never_says_that_a_machine_is_off_or_gone(monkeypatch):
    """What is said of a machine is proof for a failover: a line that is missing in a list is none."""
    monkeypatch.setattr("fleet.providers.ssh.TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    unlisted, emptied = SshProvider({"mine": {"address": "127.0.0.1", "port": port}}), SshProvider({})
    forgotten = SshProvider({"mine": {"address": "127.0.0.1", "port": port}})
    forgotten.destroy("mine")
    for provider, name in ((unlisted, "other"), (unlisted, "mine"), (emptied, "mine"), (forgotten, "mine")):
        with pytest.raises(ProviderError, match="can't tell"):
            provider.describe(name)
        with pytest.raises(ProviderError, match="by hand"):
            provider.start(name)


@pytest.mark.parametrize("details", [{}, {"adress": "127.0.0.1"}])
def test_a_host_that_is_listed_wrongly_is_named(details):
    with pytest.raises(ProviderError, match="mine"):
        SshProvider({"mine": details})
