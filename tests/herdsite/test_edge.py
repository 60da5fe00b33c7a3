"""The edge: how much is taken in, from whom, and how long it may take. The server here runs in a thread of the test, on
loopback; how long it waits is set to nothing, so that whatever waits at all is seen to be ended."""

import ast
import json
import runpy
import socket
import threading
from http import HTTPStatus
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory

import herdsite.settings
from bench.attacks.site import Site, read_head, status
from fleet import outside
from herdsite.edge import limits, server

COOKIE = {"COOKIE": "a=b; sessionid=abc"}
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("path", "headers", "length", "chunked", "receiving", "expected"),
    [
        ("/sso/login", {}, limits.SMALL_BYTES, False, 0, None),
        ("/sso/login", {}, limits.SMALL_BYTES + 1, False, 0, HTTPStatus.UNAUTHORIZED),
        ("/things/shop", COOKIE, 200_000, False, 0, None),
        ("/api/v1/resources", {"AUTHORIZATION": "Bearer x"}, 200_000, False, 0, None),
        ("/api/v1/resources", {"AUTHORIZATION": "Bearer x"}, 300_000, False, 0, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        ("/admin/login/", COOKIE, limits.SMALL_BYTES + 1, False, 0, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        ("/hooks/pagerduty", {}, 200_000, False, 0, None),
        ("*", {}, 10, False, 0, None),
        ("/things/shop", COOKIE, 10, True, 0, HTTPStatus.LENGTH_REQUIRED),
        ("/things/shop", COOKIE, 200_000, False, limits.ROOM_BYTES, HTTPStatus.SERVICE_UNAVAILABLE),
        ("/things/shop", COOKIE, 2_000, False, limits.ROOM_BYTES, None),
        ("/", {}, 0, False, limits.ROOM_BYTES, None),
    ],
)
def test_what_is_taken_in(path, headers, length, chunked, receiving, expected):
    refusal = limits.judge(path, headers, length, chunked, receiving)
    assert (refusal.status if refusal else None) == expected


def hello(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def site(monkeypatch):
    """A server that echoes, with one thread for pages, and looks all the time for who is late."""
    monkeypatch.setattr(limits, "LOOK_S", 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = server.run(hello, "127.0.0.1", port, threads=1)
    thread = threading.Thread(target=served.run)
    thread.start()
    yield Site("127.0.0.1", port)
    stop = [one for one in served.map.values() if isinstance(one, server.Server)][0]

    def leave(_now):
        raise SystemExit

    stop.maintenance = leave
    thread.join()


def is_ended(sock: socket.socket) -> bool:
    try:
        return not sock.recv(65536)
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    ("patience", "sent"),
    [
        ("HEAD_S", b""),
        ("HEAD_S", b"GET / HTTP/1.1\r\nHost: x\r\n"),
        ("BODY_S", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"),
    ],
)
def test_who_does_not_go_on_is_cut_off(site, monkeypatch, patience, sent):
    monkeypatch.setattr(limits, patience, 0)
    with site.connect() as sock:
        sock.sendall(sent)
        assert is_ended(sock)


def test_a_connection_that_asks_no_more_is_cut_off(site, monkeypatch):
    monkeypatch.setattr(limits, "IDLE_S", 0)
    with site.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
        assert status(read_head(sock)) == 200
        assert is_ended(sock) or is_ended(sock)  # the body may have come with the header or after it


def test_bytes_now_and_then_win_no_time(site, monkeypatch):
    """The time counts from the beginning, and not from the last byte."""
    monkeypatch.setattr(limits, "HEAD_S", 0)
    with site.connect() as sock:
        sock.settimeout(0.01)
        for _ in range(2_000):
            try:
                sock.sendall(b"a")
                if not sock.recv(1):
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
    pytest.fail("a byte now and then holds a connection")


def test_one_who_waits_makes_room_for_one_who_comes(site, monkeypatch):
    monkeypatch.setattr(limits, "CONNECTIONS", 3)
    crowd = [site.connect() for _ in range(3)]
    try:
        with site.connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status(read_head(sock)) == 200
        assert is_ended(crowd[0])
    finally:
        for sock in crowd:
            sock.close()


def test_who_keeps_the_most_waiting_goes_first():
    """Not the stranger with one connection, however long that one has been there."""

    class Waiting:
        def __init__(self, address, since, outbufs=0, waits=True):
            self.addr, self.since, self.total_outbufs_len, self.waits = (address, 1), since, outbufs, waits

    lone, taking = Waiting("192.0.2.1", 1), Waiting("192.0.2.2", 0, outbufs=9)
    crowd = [Waiting("192.0.2.9", since) for since in (5, 3, 4)]
    busy = [Waiting("192.0.2.8", 0, waits=False) for _ in range(9)]
    held = server.Server.__new__(server.Server)
    held.active_channels = dict(enumerate([lone, taking, *crowd, *busy]))
    assert held.most_patient() is crowd[1]
    held.active_channels = dict(enumerate(busy))
    assert held.most_patient() is None


def test_a_body_comes_whole(site):
    with site.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 6\r\nConnection: close\r\n\r\nabc")
        sock.sendall(b"def")
        taken = b""
        while part := sock.recv(65536):
            taken += part
    assert taken.endswith(b"\r\n\r\nabcdef")
    assert b"waitress" not in taken.lower()


def test_a_file_in_a_form_is_kept_nowhere(client, settings, tmp_path):
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    sent = SimpleUploadedFile("large", b"x" * 3_000_000)
    request = RequestFactory().post("/", {"word": "kept", "file": sent})
    assert (request.POST.dict(), request.FILES.dict(), list(tmp_path.iterdir())) == ({"word": "kept"}, {}, [])


DEEP = 100_000


@pytest.mark.parametrize("deep", ["[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "[" * 40 + "]" * 40])
def test_json_that_is_nested_too_deep_is_no_json(deep):
    with pytest.raises(ValueError, match="nested"):
        outside.read_json(deep)


@pytest.mark.parametrize("bad", ["NaN", '"\\ud800"', "{", b"\xff", "", "[" * 31 + '"]]' + "]" * 31])
def test_json_that_could_not_be_kept_is_no_json(bad):
    with pytest.raises(ValueError):
        outside.read_json(bad)


def test_brackets_in_a_string_are_no_depth():
    text = json.dumps({"reason": "[{" * 1000 + '"' + "\\"})
    assert outside.read_json(text) == json.loads(text)


# Where JSON is read that we have written ourselves, or a host of ours; all else comes from outside.
OURS = {
    "fleet/logical/trials.py",
    "fleet/outside.py", "fleet/drills.py", "fleet/ledger.py", "fleet/api/once.py", "fleet/actions/instance.py",
    "fleet/actions/drilling.py", "fleet/archives/pgbackrest.py", "herdsite/wiring.py",
}  # fmt: skip


def test_json_from_outside_is_read_in_one_place():
    reading = {
        path.relative_to(ROOT).as_posix()
        for room in ("fleet", "incidents", "observations", "herdsite")
        for path in (ROOT / room).rglob("*.py")
        if "json.load" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute)
        and node.attr in ("loads", "load")
        and getattr(node.value, "id", "") == "json"
    }
    reading = {path for path in reading if not path.startswith(("fleet/providers/local/", "herdsite/client/"))}
    assert reading == OURS


@pytest.mark.parametrize(("role", "given"), [("web", False), ("", True)])
def test_the_web_process_is_not_told_where_the_ssh_key_is(monkeypatch, role, given):
    monkeypatch.setenv("HERDSITE_SSH_KEY", "/keys/id_ed25519")
    monkeypatch.setenv("HERDSITE_ROLE", role)
    assert (runpy.run_path(herdsite.settings.__file__)["SSH_KEY"] == Path("/keys/id_ed25519")) is given


def test_the_procfile_gives_the_web_its_role_and_not_the_key():
    (line,) = [line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("web:")]
    assert "HERDSITE_ROLE=web" in line and "-u HERDSITE_SSH_KEY" in line
