"""Both ends of connections that pass a local address: servers behind hosts, and what a client or a server notices."""

import socket

import pytest

from tests.localhosts import SOON

PORT = 5432
SILENCE = 0.3  # what is held and leaks is seen within this; what holds can't be hurried


class Servers:
    """On each host, a server at the port of PostgreSQL that accepts when it is told to."""

    def __init__(self, provider):
        self.provider = provider
        self.listeners = {
            name: socket.create_server((provider.describe(name).bind, PORT), backlog=256) for name in ("one", "two")
        }
        self.accepted = []

    def accept(self, name):
        self.listeners[name].settimeout(SOON)
        self.accepted.append(self.listeners[name].accept()[0])
        self.accepted[-1].settimeout(SOON)
        return self.accepted[-1]

    def close(self):
        for one in [*self.listeners.values(), *self.accepted]:
            one.close()


def is_reset(client):
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    return True


def is_cut(client):
    """Whether it has ended, in whatever way."""
    try:
        return not client.recv(1)
    except ConnectionError:
        return True


def is_silent(server):
    server.settimeout(SILENCE)
    with pytest.raises(TimeoutError):
        server.recv(1)
    server.settimeout(SOON)
    return True


def quiet(client):
    """Whether nothing comes for a while."""
    client.settimeout(SILENCE)
    try:
        return not client.recv(1 << 16)
    except TimeoutError:
        return True
