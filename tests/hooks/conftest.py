import pytest

from tests.contracts.receivers import HttpServer


@pytest.fixture(autouse=True)
def loopback(settings) -> None:
    """The receivers are on this machine."""
    settings.PRIVATE_URLS = ["127.0.0.1", "localhost"]


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
