"""Every test here has a manifest of its own, and no request waits for beats that nobody takes."""

import pytest

from fleet.addon.fake import FakeAddon, FakePlatform
from tests.addon.platforms import ID, PASSWORD, SALT, V1, V3, Caller, knowing, third


@pytest.fixture(autouse=True)
def manifest(settings):
    settings.ADDON_ID, settings.ADDON_PASSWORD, settings.ADDON_SSO_SALT = ID, PASSWORD, SALT
    settings.ADDON_CLIENT_SECRET = "a client's secret"
    settings.ADDON_REGIONS = {"us": "a", "eu": "b", "amazon-web-services::us-east-1": "a"}
    settings.ADDON_WAIT_S = 0.0


@pytest.fixture
def call() -> Caller:
    return Caller(V3)


@pytest.fixture
def call_v1() -> Caller:
    return Caller(V1)


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def theirs(call, platform) -> FakeAddon:
    """An add-on that was promised, as the platform keeps it."""
    sent = third(plan="standard-0")
    call.provision(sent)
    return knowing(platform, sent)
