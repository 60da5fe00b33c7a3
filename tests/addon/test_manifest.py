"""The manifest in both forms, and the checks of the settings that it is made of."""

import json
import re

import pytest
from django.core.checks import run_checks
from django.core.management import call_command

from tests.addon.platforms import ID, PASSWORD, SALT, third


@pytest.fixture
def printed(settings, capsys):
    settings.URL, settings.ADDON_PORT = "https://herd.example", "5000"

    def show(*arguments: str) -> dict:
        call_command("manifest", *arguments)
        return json.loads(capsys.readouterr().out)

    return show


def test_the_third_generation(printed) -> None:
    assert printed() == {
        "id": ID,
        "name": "herdsite",
        "api": {
            "version": "3",
            "config_vars": ["HERDSITE_URL"],
            "config_vars_prefix": "HERDSITE",
            "password": PASSWORD,
            "sso_salt": SALT,
            "regions": ["us", "eu"],
            "requires": ["many_per_app", "log_input"],
            "production": {
                "base_url": "https://herd.example/heroku/resources",
                "sso_url": "https://herd.example/sso/login",
            },
            "test": {
                "base_url": "http://localhost:5000/heroku/resources",
                "sso_url": "http://localhost:5000/sso/login",
            },
        },
    }


def test_the_first_generation_has_plain_roots(printed) -> None:
    api = printed("--v1")["api"]
    assert (api["production"], api["test"]) == ("https://herd.example", "http://localhost:5000")
    assert "version" not in api and "username" not in api and "username" not in printed()["api"]


def test_a_config_var_begins_with_its_prefix(printed, settings) -> None:
    settings.ADDON_PREFIX = "ACME_DB"
    api = printed()["api"]
    (name,) = api["config_vars"]
    assert re.fullmatch(r"[A-Z][0-9A-Z_]+", name) and name.startswith(api["config_vars_prefix"] + "_")


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["", "syslog+tls://logs.herd.example:6514"])
@pytest.mark.parametrize("form", [(), ("--v1",)])
def test_a_log_drain_is_required_exactly_where_the_answer_names_one(printed, settings, call, url, form) -> None:
    settings.ADDON_LOG_DRAIN_URL = url
    answer = json.loads(call.provision(third(plan="standard-0")).content)
    assert ("syslog_drain" in printed(*form)["api"]["requires"]) == bool(url)
    assert answer.get("log_drain_url", "") == url


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("ADDON_PREFIX", "acme", "addon.E001"),
        ("ADDON_ID", "Not a slug", "addon.E001"),
        ("ADDON_WAIT_S", 20.0, "addon.E001"),
        ("ADDON_DEPROVISION", "whenever", "addon.E001"),
        ("ADDON_WEBHOOKS", "loud", "addon.E001"),
        ("ADDON_WEBHOOKS", "sync", "addon.E001"),
        ("ADDON_SSO_SALT", "", "addon.W001"),
    ],
)
def test_settings_that_no_platform_takes_are_found(settings, name, value, found) -> None:
    assert not [one for one in run_checks() if one.id and one.id.startswith("addon.")]
    setattr(settings, name, value)
    assert found in [one.id for one in run_checks()]


def test_without_an_add_on_there_is_nothing_to_find(settings) -> None:
    settings.ADDON_PASSWORD = settings.ADDON_SSO_SALT = settings.ADDON_CLIENT_SECRET = ""
    assert not [one for one in run_checks() if one.id and one.id.startswith("addon.")]
