"""Addresses that somebody registered: what may be asked at all, what is public, and that a name is looked up once."""

import socket

import pytest

from fleet.transports import outward, post
from fleet.transports.outward import NotAllowed
from tests.contracts.receivers import HttpServer


@pytest.fixture(autouse=True)
def nothing_inside(settings) -> None:
    settings.PRIVATE_URLS = []


@pytest.fixture
def leads(monkeypatch):
    """Where names lead, as tests say: a list of answers for each, taken in turn; `asked` are the look-ups."""
    names: dict[str, list[list[str]]] = {}
    asked: list[str] = []

    def look_up(host: str, port: int, type: int) -> list[tuple]:
        asked.append(host)
        if not names.get(host):
            raise socket.gaierror(-2, "Name or service not known")
        answers = names[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(outward.socket, "getaddrinfo", look_up)
    return names, asked


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"])
def test_what_is_public(address) -> None:
    assert outward.is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.7", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
        *("169.254.169.254", "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.7", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1"),
    ],
)
def test_what_is_not(address) -> None:
    assert not outward.is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "localhost"])
def test_loopback_has_many_spellings_and_none_gets_through(host) -> None:
    with pytest.raises(NotAllowed, match="not on the public internet"):
        outward.judge(f"https://{host}/hook")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example/", "Only https"),
        ("ftp://hooks.example/", "begins with https"),
        ("hooks.example", "begins with https"),
        ("https:///path", "begins with https"),
        ("https://user:hunter2@hooks.example:hunter2/", "Not an address"),
        ("https://[hunter2/", "Not an address"),
    ],
)
def test_what_may_not_be_registered(leads, url, why) -> None:
    with pytest.raises(NotAllowed, match=why) as raised:
        outward.judge(url)
    assert "hunter2" not in str(raised.value) and not leads[1]


def test_a_name_is_judged_by_where_it_leads(leads) -> None:
    names, _asked = leads
    names |= {
        "out.example": [["8.8.8.8"]],
        "in.example": [["169.254.169.254"]],
        "both.example": [["10.0.0.7", "8.8.8.8"]],
    }
    outward.judge("https://out.example/")
    outward.judge("https://nowhere.example/")
    outward.judge("https://both.example/")
    with pytest.raises(NotAllowed, match="in.example leads to an address that is not on the public") as raised:
        outward.judge("https://in.example/")
    assert "169.254" not in str(raised.value)
    [only] = outward.found(outward.place("https://both.example:8443/"))
    assert only[4] == ("8.8.8.8", 8443)


@pytest.mark.parametrize("named", [["*"], ["hooks.internal"], ["*.internal"]])
def test_what_the_settings_name_may_be_inside_and_without_tls(settings, leads, named) -> None:
    names, _asked = leads
    names["hooks.internal"] = [["10.0.0.7"]]
    settings.PRIVATE_URLS = named
    outward.judge("https://hooks.internal/")
    assert outward.place("http://hooks.internal/") == ("hooks.internal", 80, True)
    if named != ["*"]:
        names["hooks.internal.example"] = [["10.0.0.7"]]
        with pytest.raises(NotAllowed):
            outward.judge("https://hooks.internal.example/")


def test_what_was_registered_is_judged_again_when_it_is_sent(leads, monkeypatch) -> None:
    names, asked = leads
    names["moved.example"] = [["8.8.8.8"], ["127.0.0.1"]]
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it was connected to"))
    outward.judge("https://moved.example/")
    answer = post.post("https://moved.example/hook?secret=hunter2", b"", {}, 5)
    assert answer.status is None and "not on the public internet" in answer.text and "hunter2" not in answer.text
    assert asked == ["moved.example"] * 2


def test_a_name_is_looked_up_once_and_what_was_judged_is_connected_to(leads, monkeypatch) -> None:
    names, asked = leads
    names["turns.example"] = [["8.8.8.8"], ["127.0.0.1"]]
    connected = []

    def connect(_socket, address):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    assert post.post("https://turns.example/", b"", {}, 5).status is None
    assert connected == [("8.8.8.8", 443)] and asked == ["turns.example"]


@pytest.mark.parametrize("spelling", ["127.0.0.1", "127.1", "2130706433"])
def test_nothing_is_sent_to_ourselves(settings, spelling) -> None:
    server = HttpServer()
    try:
        settings.PRIVATE_URLS = ["elsewhere.internal"]
        for scheme in ("http", "https"):
            answer = post.post(f"{scheme}://{spelling}:{server.server_address[1]}/", b"", {}, 5)
            assert answer.status is None and not server.requests
        settings.PRIVATE_URLS = [spelling]
        assert post.post(f"http://{spelling}:{server.server_address[1]}/", b"", {}, 5).taken
    finally:
        server.close()
