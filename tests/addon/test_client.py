"""The Platform port's contract: the real client against a server on loopback that checks every field, and the fake,
pass the same suite; and what only a wire can do wrong."""

import base64
import json
import threading
import uuid
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote

import pytest

from fleet.addon import client
from fleet.addon.client import HttpPlatform
from fleet.addon.fake import FakeAddon, FakePlatform
from fleet.addon.platform import Away, Declined, Gone, Info, PlatformError, Unauthorised

SLUG, PASSWORD, CLIENT_SECRET = "herdsite", "p:w", "a client's secret &="
V3 = "application/vnd.heroku+json; version=3"
ADDON = uuid.UUID(int=7)
APP = "app123@heroku.com"
URL = "postgres://u:p%2Fw@127.0.0.1:5432/d?sslmode=require"


class Server(ThreadingHTTPServer):
    """A platform over HTTP, with the fake behind it. What a request does not have as it must is in `wrong`; `answers`
    are given in turn instead of its own: (status, body, headers), or "hang", "drip", "cut" or "close"."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.platform, self.wrong, self.answers, self.seen = FakePlatform(), [], deque(), 0
        self.closed = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def close(self) -> None:
        self.closed.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.seen += 1
        if self.server.answers:
            self.misbehave(self.server.answers.popleft())
            return
        try:
            said = self.judge(body)
        except AssertionError as error:
            self.server.wrong.append(f"{self.command} {self.path}: {error}")
            self.say(400, {"id": "bad_request", "message": "a field is wrong"})
        except Unauthorised:
            self.say(401, {"id": "unauthorized", "message": "Invalid credentials."})
        except Gone:
            self.say(404, {"id": "not_found", "message": "Couldn't find that add-on."})
        except Declined as error:
            self.say(422, {"id": "invalid_params", "message": str(error)})
        else:
            self.say(200, said)

    do_GET = do_POST = do_PUT = do_PATCH = handle_request

    def judge(self, body: bytes) -> object:
        """Check every field of the request, and do it. Raises AssertionError with the field that is wrong."""
        platform, parts = self.server.platform, self.path.strip("/").split("/")
        assert self.headers["user-agent"] == "herdsite", "user-agent"
        if parts == ["oauth", "token"]:
            return self.grant(body)
        if parts[0] == "vendor":
            return self.vendor(body, unquote(parts[2]))
        assert parts[0] == "addons" and self.headers["accept"] == V3, "accept"
        scheme, token = self.headers["authorization"].split(" ")
        assert scheme == "Bearer", "authorization"
        addon = uuid.UUID(parts[1])
        if (self.command, parts[2:]) == ("PATCH", ["config"]):
            assert self.headers["content-type"] == "application/json", "content-type"
            sent = json.loads(body)
            assert set(sent) == {"config"} and all(set(one) == {"name", "value"} for one in sent["config"]), "config"
            platform.push_config(addon, token, {one["name"]: one["value"] for one in sent["config"]})
            return sent["config"]
        if (self.command, parts[2:]) == ("POST", ["webhooks"]):
            assert self.headers["content-type"] == "application/json", "content-type"
            sent = json.loads(body)
            assert sent.pop("include") == ["api:addon", "api:app"], "include"
            assert set(sent) == {"url", "level", "secret"} and all(isinstance(one, str) for one in sent.values()), "one"
            platform.subscribe(addon, token, **sent)
            return {"id": str(uuid.uuid4()), "url": sent["url"], "level": sent["level"]}
        assert body == b"" and self.headers["content-type"] is None, "a body"
        if (self.command, parts[2:]) == ("GET", []):
            info = platform.info(addon, token)
            app = {"id": info.app_id, "name": info.app_name}
            return {"id": str(addon), "name": info.name, "state": info.state, "app": app, "plan": {"name": "x"}}
        assert self.command == "POST" and parts[2] == "actions", "path"
        {"provision": platform.provisioned, "deprovision": platform.deprovisioned}[parts[3]](addon, token)
        return {"id": str(addon), "state": platform.addons[addon].state}

    def grant(self, body: bytes) -> object:
        assert self.command == "POST", "method"
        assert self.headers["content-type"] == "application/x-www-form-urlencoded", "content-type"
        form = {name: value for name, (value,) in parse_qs(body.decode(), strict_parsing=True).items()}
        assert form.pop("client_secret") == CLIENT_SECRET, "client_secret"
        kind = form.pop("grant_type")
        field = {"authorization_code": "code", "refresh_token": "refresh_token"}[kind]
        assert list(form) == [field], "fields"
        call = self.server.platform.exchange if kind == "authorization_code" else self.server.platform.refresh
        tokens = call(form[field])
        said = {"access_token": tokens.access, "refresh_token": tokens.refresh, "token_type": "Bearer"}
        return said | ({"expires_in": tokens.lives_s} if tokens.lives_s else {})

    def vendor(self, body: bytes, app: str) -> object:
        right = base64.b64encode(f"{SLUG}:{PASSWORD}".encode()).decode()
        assert self.headers["authorization"] == f"Basic {right}", "authorization"
        assert self.headers["accept"] == "application/json", "accept"
        if self.command == "PUT":
            assert self.headers["content-type"] == "application/json", "content-type"
            sent = json.loads(body)
            assert set(sent) == {"config"}, "config"
            self.server.platform.push_app_config(app, sent["config"])
            return {}
        assert self.command == "GET" and not body, "method"
        info = self.server.platform.app_info(app)
        return {"id": info.app_id, "name": info.app_name, "owner_email": info.owner_email, "domains": []}

    def say(self, status: int, said: object, headers: dict[str, str] | None = None) -> None:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def misbehave(self, how: object) -> None:
        if isinstance(how, tuple):
            self.say(*how)
            return
        self.close_connection = True
        if how == "hang":
            self.server.closed.wait()
        elif how in ("cut", "drip"):
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b'{"access')
            while how == "drip" and not self.server.closed.wait(0.02):
                self.wfile.write(b" ")

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def server():
    running = Server()
    yield running
    assert not running.wrong
    running.close()


@pytest.fixture
def http(server, monkeypatch) -> HttpPlatform:
    monkeypatch.setattr(client, "READ_S", 0.3)
    return HttpPlatform(server.url, server.url + "/", SLUG, PASSWORD, CLIENT_SECRET)


@pytest.fixture(params=["http", "fake"])
def rig(request):
    """The port and the platform behind it: one add-on with a grant, and one app."""
    if request.param == "http":
        port = request.getfixturevalue("http")
        behind = request.getfixturevalue("server").platform
    else:
        port = behind = FakePlatform()
    behind.addons[ADDON], behind.codes["a code"] = FakeAddon(), ADDON
    behind.apps[APP], behind.owners[APP] = FakeAddon(app_id=APP, app_name="acme"), "owner@acme.example"
    return port, behind


def test_a_grant_is_exchanged_once(rig) -> None:
    port, _behind = rig
    tokens = port.exchange("a code")
    assert (tokens.access, tokens.refresh, tokens.lives_s) == ("access-1", "refresh-1", 28_800)
    with pytest.raises(Declined):
        port.exchange("a code")
    assert tokens.access not in repr(tokens) and tokens.refresh not in repr(tokens)


def test_tokens_are_renewed(rig) -> None:
    port, behind = rig
    old = port.exchange("a code")
    behind.forget_tokens()
    with pytest.raises(Unauthorised):
        port.info(ADDON, old.access)
    new = port.refresh(old.refresh)
    assert new.access != old.access and port.info(ADDON, new.access).name == "acme-primary"
    with pytest.raises(Unauthorised):
        port.refresh("nobody's")


def test_config_is_set_and_taken_away(rig) -> None:
    port, behind = rig
    token = port.exchange("a code").access
    port.push_config(ADDON, token, {"HERDSITE_URL": URL, "OTHER": "x"})
    port.push_config(ADDON, token, {"OTHER": None})
    port.push_config(ADDON, token, {"HERDSITE_URL": URL})
    assert behind.addons[ADDON].config == {"HERDSITE_URL": URL}


def test_it_is_said_to_be_ready_and_to_be_no_more(rig) -> None:
    port, behind = rig
    token = port.exchange("a code").access
    assert port.info(ADDON, token).state == "provisioning"
    port.provisioned(ADDON, token)
    info = port.info(ADDON, token)
    assert (info.state, info.name, info.app_id, info.app_name) == ("provisioned", "acme-primary", "app-1", "acme")
    with pytest.raises(Declined):
        port.provisioned(ADDON, token)
    port.deprovisioned(ADDON, token)
    assert port.info(ADDON, token).state == "deprovisioned" and behind.addons[ADDON].marked == 1


def test_one_is_told_of_what_changes(rig) -> None:
    port, behind = rig
    token = port.exchange("a code").access
    port.subscribe(ADDON, token, "https://herd.example/heroku/webhooks/7", "sync", "a secret")
    wanted = {"url": "https://herd.example/heroku/webhooks/7", "level": "sync", "secret": "a secret"}
    assert behind.addons[ADDON].webhooks == [wanted]
    with pytest.raises(Declined) as raised:
        port.subscribe(ADDON, token, "https://herd.example/", "loud", "a secret")
    assert "a secret" not in str(raised.value)


def test_what_is_not_there_is_gone_and_what_is_not_allowed_is_unauthorised(rig) -> None:
    port, behind = rig
    token = port.exchange("a code").access
    calls = (
        lambda token: port.push_config(ADDON, token, {"X": "y"}),
        lambda token: port.provisioned(ADDON, token),
        lambda token: port.deprovisioned(ADDON, token),
        lambda token: port.info(ADDON, token),
        lambda token: port.subscribe(ADDON, token, "https://herd.example/", "notify", "s"),
    )
    for call in calls:
        with pytest.raises(Unauthorised):
            call("another")
    behind.addons.clear()
    for call in calls:
        with pytest.raises(Gone):
            call(token)


def test_the_first_generation_speaks_of_apps(rig) -> None:
    port, behind = rig
    info = port.app_info(APP)
    assert (info.app_id, info.app_name, info.owner_email) == (APP, "acme", "owner@acme.example")
    port.push_app_config(APP, {"HERDSITE_URL": URL})
    assert behind.apps[APP].config == {"HERDSITE_URL": URL}
    for call in (lambda: port.app_info("nobody"), lambda: port.push_app_config("a/b?c", {})):
        with pytest.raises(Gone):
            call()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((401, {"id": "unauthorized", "message": "No."}), Unauthorised),
        ((404, {"message": "Couldn't find that."}), Gone),
        ((410, b""), Gone),
        ((409, {"message": "It is busy."}), Declined),
        ((422, {"message": "No such\nvar."}), Declined),
        ((400, b"<html>"), Declined),
        ((403, [1]), Declined),
        ((302, b"", {"location": "http://127.0.0.1:1/"}), Declined),
        ((429, {"message": "Slow down."}), Away),
        ((408, b""), Away),
        ((500, b"<html>oops</html>"), Away),
        ((503, {"message": 7}), Away),
        ((200, b"<html>a proxy</html>"), Away),
    ],
)
def test_what_an_answer_means(server, http, answer, error) -> None:
    server.answers.append(answer)
    with pytest.raises(error) as raised:
        http.provisioned(ADDON, "a token")
    assert str(raised.value).startswith(f"{answer[0]} to POST") and "\n" not in str(raised.value)
    assert server.seen == 1
    assert not getattr(raised.value, "silent", False)


@pytest.mark.parametrize(
    ("given", "wait"), [("120", 120.0), ("0", 0.0), ("999999999", client.LONGEST_WAIT_S), ("soon", None), ("-1", None)]
)
def test_who_asks_to_be_left_alone_is(server, http, given, wait) -> None:
    server.answers.append((429, b"", {"retry-after": given}))
    with pytest.raises(Away) as raised:
        http.provisioned(ADDON, "a token")
    assert raised.value.wait_s == wait


@pytest.mark.parametrize("how", ["hang", "cut", "drip", "close"])
def test_what_is_no_whole_answer_is_none(server, http, how) -> None:
    server.answers.append(how)
    with pytest.raises(Away) as raised:
        http.exchange("a code")
    assert raised.value.silent and "a code" not in str(raised.value) and CLIENT_SECRET not in str(raised.value)


def test_nobody_there_is_no_answer_either() -> None:
    closed = Server()
    closed.close()
    port = HttpPlatform(closed.url, closed.url, SLUG, PASSWORD, CLIENT_SECRET)
    with pytest.raises(Away) as raised:
        port.info(ADDON, "a token")
    assert raised.value.silent and "a token" not in str(raised.value)


def test_an_address_that_is_none_is_no_crash() -> None:
    port = HttpPlatform("not an address", "http://", SLUG, PASSWORD, CLIENT_SECRET)
    for call in (lambda: port.info(ADDON, "t"), lambda: port.exchange("c")):
        with pytest.raises(PlatformError):
            call()


@pytest.mark.parametrize(
    ("said", "lives"),
    [({"expires_in": 28_799}, 28_799), ({}, None), ({"expires_in": None}, None), ({"expires_in": "x"}, None)],
)
def test_a_platform_may_say_less_about_tokens(server, http, said, lives) -> None:
    server.answers.append((200, {"access_token": "a"} | said))
    tokens = http.refresh("kept")
    assert (tokens.access, tokens.refresh, tokens.lives_s) == ("a", "kept", lives)


@pytest.mark.parametrize("said", [{}, {"access_token": 7}, [], {"access_token": ""}])
def test_a_grant_without_a_token_is_tried_again(server, http, said) -> None:
    server.answers.append((200, said))
    with pytest.raises(Away):
        http.exchange("a code")


def test_what_a_platform_leaves_out_is_empty(server, http) -> None:
    server.answers.extend([(200, {"app": None, "state": 7, "name": "a\0b"}), (200, [])])
    assert http.info(ADDON, "t") == Info(name="ab")
    assert http.app_info(APP) == Info()
