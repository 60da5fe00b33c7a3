"""What a host's kernel says of who listens there, and which ports are free for a PostgreSQL by that."""

import socket
from ipaddress import ip_address

import pytest

from fleet import listeners
from fleet.listeners import Listener, busy_ports, contested, read
from tests.localshell import LocalShell

LISTENERS = {
    "0100007F": "127.0.0.1",
    "00000000": "0.0.0.0",
    "00000000000000000000000001000000": "::1",
    "00000000000000000000000000000000": "::",
    "0000000000000000FFFF00000500000A": "10.0.0.5",
    "B80D0120000000000000000001000000": "2001:db8::1",
}


@pytest.mark.parametrize(("word", "address"), LISTENERS.items())
def test_the_kernels_notation_is_read(word: str, address: str) -> None:
    assert read(f"{word}:1538\n") == [Listener(ip_address(address), 5432)]


def test_what_is_no_listener_is_passed_over() -> None:
    assert read("nonsense\n0100007F\n:1538\nXX:YY\n0100007F:0016\n") == [Listener(ip_address("127.0.0.1"), 22)]


@pytest.mark.parametrize("bind", ["*", "10.0.0.5", "127.0.0.1", "::1", "10.0.0.5,::1", "db.example.com"])
@pytest.mark.parametrize("address", LISTENERS.values())
def test_a_port_is_busy_at_whatever_address_somebody_listens(bind: str, address: str) -> None:
    assert contested([Listener(ip_address(address), 5432)], bind) == {5432}


@pytest.mark.parametrize(("address", "busy"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("::", True)])
def test_a_loopback_address_of_ones_own_shares_only_what_is_bound_to_all(address: str, busy: bool) -> None:
    assert bool(contested([Listener(ip_address(address), 5432)], "127.21.1.1")) is busy
    assert contested([Listener(ip_address("127.21.1.1"), 5432)], "127.21.1.1") == {5432}


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_real_listener_is_seen_until_it_closes(family: int, address: str) -> None:
    shell = LocalShell()
    try:
        with socket.create_server((address, 0), family=family) as listener:
            port = listener.getsockname()[1]
            assert port in busy_ports(shell, "*")
        assert port not in busy_ports(shell, "*")
    finally:
        shell.close()


def test_both_ways_of_losing_a_port_are_known_as_that() -> None:
    assert listeners.lost('FATAL: could not bind IPv4 address "127.0.0.1": Address already in use')
    assert listeners.lost(f"port 5432: {listeners.CONTESTED}")
    assert not listeners.lost("no space left on device")
