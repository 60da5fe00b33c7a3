"""Guessing passwords: counted for all processes together, at every door alike, and nobody keeps another out by it."""

import base64
import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from fleet.lockout import guard
from fleet.lockout.backend import PEOPLE
from fleet.lockout.models import Wrong

HERE, THERE = "192.0.2.1", "192.0.2.2"
PASSWORD = "correct horse battery"


@pytest.fixture
def ada(db):
    return User.objects.create_user("ada", password=PASSWORD, is_staff=True)


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """The guard as it is, which the other tests of the API go past."""
    monkeypatch.undo()


def by_form(password, address=HERE, login="ada"):
    answer = Client(REMOTE_ADDR=address).post("/admin/login/", {"username": login, "password": password})
    return answer.status_code == 302


def by_basic(password, address=HERE, login="ada"):
    word = base64.b64encode(f"{login}:{password}".encode()).decode()
    return Client(REMOTE_ADDR=address).get("/api/v1/me", headers={"authorization": f"Basic {word}"}).status_code


def test_who_guesses_waits_at_every_door(ada):
    for n in range(guard.BOTH.free + 1):
        assert not by_form(f"guess {n}")
    assert not by_form(PASSWORD) and by_basic(PASSWORD) == 429
    assert by_form(PASSWORD, THERE) and by_basic(PASSWORD, THERE) == 200


def test_what_is_guessed_over_the_api_counts_in_the_form(ada):
    for n in range(guard.BOTH.free + 1):
        assert by_basic(f"guess {n}") == 401
    assert not by_form(PASSWORD)


def test_the_wait_grows_and_has_an_end(ada):
    waits = []
    for _ in range(guard.BOTH.free + 14):
        guard.wrong(PEOPLE, "ada", HERE)
        waits.append(guard.wait_s(PEOPLE, "ada", HERE))
    assert waits[: guard.BOTH.free] == [0] * guard.BOTH.free
    assert waits == sorted(waits) and waits[-1] == guard.BOTH.longest_s


def test_who_tries_many_logins_waits_too(ada):
    for n in range(guard.ADDRESS.free + 1):
        by_basic("guess", login=f"somebody-{n}")
    assert by_basic(PASSWORD) == 429 and by_basic(PASSWORD, THERE) == 200


def test_nobody_is_kept_out_for_long_by_guesses_from_everywhere(ada):
    for n in range(guard.LOGIN.free + 40):
        guard.wrong(PEOPLE, "ada", f"198.51.100.{n}")
    assert 0 < guard.wait_s(PEOPLE, "ada", HERE) <= guard.LOGIN.longest_s


def test_a_right_password_forgets_the_wrong_ones_of_that_place(ada):
    for n in range(guard.BOTH.free):
        by_form(f"guess {n}")
    assert by_form(PASSWORD)
    assert not by_form("guess") and by_form(PASSWORD)


def test_the_name_in_other_letters_is_the_same_name(ada):
    for n in range(guard.BOTH.free + 1):
        by_form(f"guess {n}", login=["ada", "ADA", " ada "][n % 3])
    assert guard.wait_s(PEOPLE, "Ada", HERE) > 0


def test_no_name_is_kept(ada):
    by_form("guess")
    assert Wrong.objects.exists() and "ada" not in str(list(Wrong.objects.values()))


@pytest.mark.django_db(transaction=True)
def test_processes_count_together():
    """Each thread has a connection of its own, as each process has; no guess is lost between them."""

    def guess():
        try:
            for _ in range(10):
                guard.wrong(PEOPLE, "ada", HERE)
        finally:
            connection.close()

    threads = [threading.Thread(target=guess) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(Wrong.objects.values_list("count", flat=True)) == {40}
