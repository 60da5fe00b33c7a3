"""A real Chromium in front of a real server: pages are opened as an operator opens them."""

import os
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.herd import offer

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright's own loop runs in this thread, so Django takes every query here for one from asynchronous code. No
    # longer than for these tests: others have loops of their own.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def server(transactional_db) -> Iterator[LiveServer]:
    offer()
    running = LiveServer("127.0.0.1")
    yield running
    running.stop()


@pytest.fixture
def open_page(browser, server):
    """Opens a page of the site as an operator. What its console complains of fails the test, unless it was expected."""
    operator = Client()
    operator.force_login(User.objects.create_superuser("operator", password="a long enough one"))
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": operator.cookies[settings.SESSION_COOKIE_NAME].value}
    contexts, complaints = [], []

    def open_it(path: str, expected: str = "", signed_in: bool = True, **context) -> Page:
        contexts.append(browser.new_context(**context))
        if signed_in:
            contexts[-1].add_cookies([cookie | {"url": server.url}])
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text)
                if said.type in ("error", "warning") and not (expected and expected in said.text)
                else None
            ),
        )
        page.goto(server.url + path)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert not complaints
