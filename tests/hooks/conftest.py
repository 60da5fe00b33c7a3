import pytest

from tests.contracts.receivers import HttpServer


@pytest.fixture
def receiver():
    server = HttpServer()
    yield server
    server.close()


@pytest.fixture
def others():
    """More receivers, as many as are asked for."""
    servers = []

    def make() -> HttpServer:
        servers.append(HttpServer())
        return servers[-1]

    yield make
    for server in servers:
        server.close()
