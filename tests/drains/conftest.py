import pytest


@pytest.fixture(autouse=True)
def loopback(settings) -> None:
    """The receivers are on this machine."""
    settings.PRIVATE_URLS = ["127.0.0.1", "localhost"]
