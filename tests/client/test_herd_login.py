"""Logging in: the token is typed unseen, kept for one server where only its owner can read, and shown nowhere."""

import io
import json
import os
import pathlib
import subprocess
import sys

import pytest

from herdsite.client import config
from herdsite.client.errors import NO_LOGIN, NOT_FOUND, USAGE, HerdError
from tests.client.broken import Answer, problem, serving

ROOT = pathlib.Path(__file__).parents[2]
ME = {"login": "ada", "roles": ["admin"], "scopes": ["read"], "customer": None, "token": None}


def test_a_login_is_kept_once_the_server_knows_it(run):
    path = config.kept_in(run.env)
    with serving(problem(401, "Who are you?")) as server:
        assert run("login", server.url, typed=io.StringIO("herd_wrong\n")).code == NO_LOGIN
    assert not path.exists()
    with serving(Answer(200, ME)) as server:
        ran = run("login", f"{server.url}/api/v1/", typed=io.StringIO(" herd_secret \n"))
        assert ran.code == 0 and "as ada" in ran.err and "herd_secret" not in ran.err + ran.out
        assert oct(path.stat().st_mode & 0o777) == "0o600" and oct(path.parent.stat().st_mode & 0o777) == "0o700"
        assert json.loads(path.read_text()) == {"url": server.url, "token": "herd_secret"}
        assert json.loads(run("whoami", "--json").out) == ME
        assert run("-q", "whoami").out == "ada\n" and "=== ada" in run("whoami").out
        assert server.asked[-1][2]["Authorization"] == "Bearer herd_secret"
    assert list(path.parent.iterdir()) == [path]
    assert run("logout").code == 0 and run("whoami").code == NO_LOGIN


def test_a_kept_token_is_for_its_own_server_only(run):
    config.save(config.Login("https://herd.example.com", "herd_kept"), run.env)
    with serving(Answer(200, ME)) as server:
        run.env["HERD_URL"] = server.url
        ran = run("whoami")
        assert ran.code == NO_LOGIN and server.url in ran.err and not server.asked
        run.env["HERD_TOKEN"] = "herd_given"
        assert run("whoami").code == 0 and server.asked[0][2]["Authorization"] == "Bearer herd_given"
    del run.env["HERD_URL"]
    assert config.load(run.env) == config.Login("https://herd.example.com", "herd_given")
    assert "herd_given" not in repr(config.load(run.env))


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://herd.example.com/", "https://herd.example.com"),
        ("https://example.com/herd/api/v1", "https://example.com/herd"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://herd.example.com", None),
        ("http://127.0.0.1.example.com", None),
        ("https://ada:secret@herd.example.com", None),
        ("ftp://herd.example.com", None),
        ("https://:80", None),
        ("https://h:0x", None),
        ("herd.example.com", None),
        ("", None),
    ],
)
def test_what_is_a_server(url, taken):
    if taken:
        assert config.server(url, {}) == taken
    else:
        with pytest.raises(HerdError) as caught:
            config.server(url, {})
        assert caught.value.code == USAGE


def test_a_token_in_the_clear_has_to_be_wanted():
    assert config.server("http://herd.lan", {"HERD_PLAIN_HTTP": "1"}) == "http://herd.lan"


@pytest.mark.parametrize("kept", ["", "[]", '{"url": 7}', "\xff"])
def test_a_broken_file_is_no_login(run, kept):
    path = config.kept_in(run.env)
    path.parent.mkdir(parents=True)
    path.write_text(kept)
    assert run("whoami").code == NO_LOGIN


@pytest.mark.parametrize("token", ["", "two words", "naïve"])
def test_what_is_no_token_is_not_sent(run, token):
    with serving(Answer(200, ME)) as server:
        assert run("login", server.url, typed=io.StringIO(token)).code == USAGE
        run.env |= {"HERD_URL": server.url, "HERD_TOKEN": token}
        assert run("whoami").code == NO_LOGIN and not server.asked


def herd(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    given = {"HOME": "/nonexistent", "PATH": os.defpath, **env}
    return subprocess.run([ROOT / "bin/herd", *words], env=given, capture_output=True, text=True, timeout=60)


def test_the_program_itself(tmp_path):
    """Started from anywhere, it needs no Django, and nothing that lies about there is imported."""
    (tmp_path / "json.py").write_text("raise SystemExit('somebody else is imported')")
    (tmp_path / "herd").symlink_to(ROOT / "bin/herd")
    with serving(Answer(200, ME), problem(404, "There is no 'x'.")) as server:
        env = {"HERD_URL": server.url, "HERD_TOKEN": "herd_t", "HOME": "/nonexistent", "PATH": os.defpath}
        command = [tmp_path / "herd", "whoami", "-q"]
        ran = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ada\n", "")
        assert herd("info", "resource/x", **env).returncode == NOT_FOUND
    assert herd("--help").returncode == 0 and herd().returncode == herd("explode").returncode == USAGE
    loaded = "import herdsite.client.cli, sys; print([m for m in sys.modules if m.split('.')[0] in sys.argv[1:]])"
    others = ("django", "fleet", "observations", "incidents", "subprocess")
    ran = subprocess.run([sys.executable, "-c", loaded, *others], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.stdout == "[]\n"
